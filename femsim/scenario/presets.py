"""Plate and screw presets as scenario words: their names and sizes are those of the parameter cards."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema
from pydantic.functional_validators import BeforeValidator

from femsim.scenario.defaults import cards
from femsim.scenario.quantities import closest, problem
from femsim.units import shown


def preset_names(card: str) -> tuple[str, ...]:
    """Return the preset names of a card whose entries are called ``<card>.<preset>.<key>``."""
    start = f"{card}."
    names = (entry.name.removeprefix(start) for entry in cards() if entry.name.startswith(start))
    return tuple(dict.fromkeys(name.rpartition(".")[0] for name in names if "." in name))


def _check(card: str, given: Any) -> str:
    names = preset_names(card)
    if given not in names:
        raise problem(
            f"{shown(given)} is not a known preset of {card}{closest(given, names)} (known: {', '.join(names)})"
        )
    return str(given)


def _preset(card: str, example: str) -> tuple[BeforeValidator, WithJsonSchema]:
    schema = {"type": "string", "description": f"name of a preset of the parameter card {card}", "examples": [example]}
    return BeforeValidator(lambda given: _check(card, given)), WithJsonSchema(schema)


PlatePreset = Annotated[str, *_preset("plates", "reconstruction-2.5")]
Finish = Literal["bent", "milled", "printed"]
"""How a plate was made: bent by hand in the operating room, milled to its shape, or printed and left as printed."""
CUSTOM = "patient-specific-2.5"
"""The preset of plates that are made for one patient; drawn plates have no other."""
ScrewPreset = Annotated[str, *_preset("screws", "locking-2.4")]


def plate_value(key: str) -> Any:
    """Make a field whose default is the value of the chosen plate preset."""
    return Field(
        default_factory=lambda plate: cards()[f"plates.{plate['preset']}.{key}"],
        json_schema_extra={"default_from": "preset"},
    )


def usual_finish(plate: dict[str, Any]) -> Finish:
    """Patient-specific plates are printed unless said otherwise; plates from the shelf are bent by hand."""
    return "printed" if plate.get("preset") == CUSTOM else "bent"
