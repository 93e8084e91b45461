"""What a study was: question, designs, what varied over which range with which evidence, how to make it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from femsim.errors import InputError
from femsim.parameters import MARKS, load_parameters
from femsim.study.outcomes import StudyTable

FILE = "study.json"
OPERATOR_CHECK = "operator_check.json"
"""Outcomes of the points that were run with the shared and with their own operator."""
KIND = "femsim study record"
CHOSEN = "chosen"
"""Mark of a value that the study file varies by itself: a choice of the study or the spread of patients."""
LISTED = "listed"
"""Distribution of a value that lists or grids set."""
WEAKEST_FIRST = (CHOSEN, *reversed(MARKS))


@dataclass(frozen=True)
class VariedInput:
    """One value that differs between the points of a study.

    Attributes
    ----------
    name : str
        Scenario path, parameter or patient word.
    label : str
        Name for people, with the symbol of a parameter.
    unit : str
        Of the numbers; empty without one.
    low, high : float or None
        Range that was drawn from, else the one that occurs; None for words.
    distribution : str
        ``uniform``, ``loguniform``, ``normal`` or ``listed``.
    mark : str
        Evidence of a parameter's card, or ``chosen``.
    remark : str
        What a reader should know.
    """

    name: str
    label: str
    unit: str
    low: float | None
    high: float | None
    distribution: str
    mark: str
    remark: str


@dataclass(frozen=True)
class StudyRecord:
    """``study.json`` of a study folder with what the table and the parameter cards add to it."""

    content: Mapping[str, Any]
    inputs: tuple[VariedInput, ...]

    @property
    def horizon(self) -> float:
        """Days since this surgery that every point was meant to reach."""
        return float(self.content["horizon_days"])

    @property
    def saltelli_samples(self) -> int | None:
        """Samples in a block of a Saltelli design, None for another one."""
        sampling = self.content.get("sampling") or {}
        return int(sampling["samples"]) if sampling.get("method") == "saltelli" else None

    @property
    def settings(self) -> Mapping[str, str]:
        """How points were run: ``accuracy``, ``operator`` and ``end`` of the study file."""
        return dict(self.content.get("settings") or {})

    @property
    def drawn_again(self) -> bool:
        """Whether some combinations of sampled values were refused, so that inputs are not quite independent."""
        return bool((self.content.get("sampling") or {}).get("holds_at_rest"))

    def input(self, name: str) -> VariedInput:
        """The varied value with a name."""
        return next(one for one in self.inputs if one.name == name)

    def about(self, group: str) -> dict[str, str | None]:
        """Label and scenario hash of a design; one entry of a list or grid has its name alone."""
        found: Mapping[str, Any] = next((one for one in self.content["designs"] if one["name"] == group), {})
        return {"label": found.get("label") or group, "scenario_hash": found.get("scenario_hash")}


def read_record(folder: Path, table: StudyTable) -> StudyRecord:
    """Read ``study.json`` of a study folder.

    Raises
    ------
    InputError
        It is absent, damaged, or lacks the title, horizon or designs.
    """
    path = folder / FILE
    if not path.is_file():
        raise InputError(f"{folder}: no study there (no {FILE}); give the folder that `femsim study` printed")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: the record of the study cannot be read ({error}); it may be damaged") from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise InputError(f"{path}: this is not the record of a femsim study")
    lacking = [key for key in ("title", "horizon_days", "designs") if not content.get(key)]
    if lacking:
        raise InputError(f"{path}: the record of the study lacks {', '.join(lacking)}; run `femsim study` again")
    written = {str(one["column"]).removeprefix("input:"): one for one in content.get("inputs") or []}
    inputs = (_varied(name, column, written.get(name, {})) for name, column in table.inputs.items())
    return StudyRecord(content, tuple(sorted(inputs, key=lambda one: WEAKEST_FIRST.index(one.mark))))


def _varied(name: str, column: np.ndarray, written: Mapping[str, Any]) -> VariedInput:
    """Take what the record says of an input, then what its parameter card says, then what occurs."""
    cards = load_parameters()
    entry = cards.entry(name) if name in cards else None
    numbers = column[np.isfinite(column)] if column.dtype.kind == "f" else np.empty(0)
    occurs = (float(numbers.min()), float(numbers.max())) if numbers.size else (None, None)
    mark = str(written.get("mark") or (entry.mark if entry else CHOSEN))
    return VariedInput(
        name=name,
        label=str(written.get("label") or (f"{entry.symbol}, {name}" if entry else name)),
        unit=str(written.get("unit") or (entry.unit if entry else "")),
        low=occurs[0] if written.get("low") is None else float(written["low"]),
        high=occurs[1] if written.get("high") is None else float(written["high"]),
        distribution=str(written.get("distribution") or LISTED),
        mark=mark if mark in WEAKEST_FIRST else CHOSEN,
        remark=str(written.get("remark") or (entry.remark if entry else "")),
    )
