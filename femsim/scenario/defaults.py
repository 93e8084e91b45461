"""Values that a scenario may leave out: looked up in the parameter cards, so that each has a source and an origin."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from femsim.parameters import ParameterSet, load_parameters


def cards() -> ParameterSet:
    """Return the parameter cards as shipped (overrides of a scenario never change its own defaults)."""
    return load_parameters()


def from_card(name: str) -> Any:
    """Make a field whose default is the parameter ``name`` of the cards."""
    return Field(default_factory=lambda: cards()[name], json_schema_extra={"default_from": f"parameter {name}"})


def recovery_from_card() -> Any:
    """Make the field of the healing spectrum, whose default is a pair of vectors in the cards."""

    def pairs() -> tuple[tuple[float, float], ...]:
        weeks, factors = cards().vector("scenario.recovery_weeks"), cards().vector("scenario.recovery_factors")
        return tuple((float(week), float(factor)) for week, factor in zip(weeks, factors, strict=True))

    return Field(default_factory=pairs, json_schema_extra={"default_from": "parameter scenario.recovery_weeks"})
