"""What drives the outcomes of a design: Sobol indices and the ends of a tornado for every sampled input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from femsim.study.ends import first_ends
from femsim.study.outcomes import SAME_DAY, StudyTable
from femsim.study.record import StudyRecord
from femsim.study.sensitivity import (
    FEWEST,
    Indices,
    fitted_indices,
    saltelli_blocks,
    saltelli_indices,
    tornado_ends,
)

Array = np.ndarray

FEWEST_ENDS = 10
"""Members that come to an end, below which the days held say too little about inputs."""
MARGINS = ("margin_motion", "margin_holding", "margin_stiffness")
WEAK_FIT = 0.5
"""Share of explained variance below which indices of a fit are called a lower bound."""


@dataclass(frozen=True)
class Output:
    """An outcome whose spread is explained.

    Attributes
    ----------
    name : str
        ``days_held``: days to the first loosening or fracture, at most the horizon; ``least_margin``: smallest margin
        of any screw to any limit of loosening; ``plate_life_used``: log10 of the share of its fatigue life.
    values : callable
        Table of points that are done and the horizon to numbers (n,); NaN where unknown.
    """

    name: str
    values: Callable[[StudyTable, float], Array]


def _days_held(table: StudyTable, horizon: float) -> Array:
    found = first_ends(table, horizon)
    # Who is lost from view before the horizon without an end has no known time.
    return np.where(found.any | (found.day >= horizon), found.day, np.nan)


def _least_margin(table: StudyTable, horizon: float) -> Array:
    return np.min([table.numbers[name] for name in MARGINS], axis=0)


def _life_used(table: StudyTable, horizon: float) -> Array:
    used = table.numbers["plate_life_used"]
    return np.log10(used, out=np.full_like(used, np.nan), where=used > 0.0)


OUTPUTS = (
    Output("days_held", _days_held),
    Output("least_margin", _least_margin),
    Output("plate_life_used", _life_used),
)


def drivers_of(design: str, group: StudyTable, record: StudyRecord) -> list[dict[str, Any]]:
    """Explain the spread of every output of one design; an output that cannot be explained says why."""
    done = group.where(group.done)
    names = [name for name, column in done.inputs.items() if _varies(column)] if len(done) else []
    if not names:
        return []
    return [_drivers(design, output, done, names, record) for output in OUTPUTS]


def _varies(column: Array) -> bool:
    return column.dtype.kind == "f" and bool(np.all(np.isfinite(column))) and float(np.ptp(column)) > 0.0


def _drivers(design: str, output: Output, done: StudyTable, names: list[str], record: StudyRecord) -> dict[str, Any]:
    values = output.values(done, record.horizon)
    known = np.isfinite(values)
    used = done.where(known)
    inputs, values = np.column_stack([used.inputs[name] for name in names]), values[known]
    head = {"output": output.name, "design": design, "n": len(values)}
    why = _too_little(output, values, record.horizon)
    if why:
        return {**head, "method": None, "explained": None, "notes": [why], "rows": []}
    found = _indices(inputs, values, used.sample, record)
    rows = [_row(k, name, inputs[:, k], values, found, record) for k, name in enumerate(names)]
    rows.sort(key=lambda row: (row["total"], abs(row["output_high"] - row["output_low"])), reverse=True)
    about = {"n": found.samples, "method": found.method, "explained": found.explained}
    notes = _cautions(found, record)
    if output.name != "days_held" and np.any(used.numbers["end_day"] < record.horizon - SAME_DAY):
        notes.append(_note("ends_early"))
    return {**head, **about, "notes": notes, "rows": rows}


def _note(key: str, **values: float) -> dict[str, Any]:
    """A remark as the name of its sentence in the catalogue and what is filled in."""
    return {"key": key, "values": values}


def _too_little(output: Output, values: Array, horizon: float) -> dict[str, Any] | None:
    if len(values) < FEWEST:
        return _note("few_points", known=len(values), needed=FEWEST)
    if np.ptp(values) == 0.0:
        return _note("all_equal")
    ended = int((values < horizon).sum())
    if output.name == "days_held" and ended < FEWEST_ENDS:
        return _note("few_ends", ended=ended, members=len(values), needed=FEWEST_ENDS)
    return None


def _indices(inputs: Array, values: Array, sample: Array, record: StudyRecord) -> Indices:
    if record.saltelli_samples is not None:
        blocks = saltelli_blocks(inputs, sample, record.saltelli_samples)
        if blocks is not None:
            f_a, f_b, *f_ab = values[blocks]
            return saltelli_indices(f_a, f_b, np.array(f_ab))
    return fitted_indices(inputs, values)


def _row(place: int, name: str, column: Array, values: Array, found: Indices, record: StudyRecord) -> dict[str, Any]:
    about, ends = record.input(name), tornado_ends(column, values)
    first, total = (
        dict(zip((key, f"{key}_low", f"{key}_high"), (float(x) for x in numbers[place]), strict=True))
        for key, numbers in (("first", found.first), ("total", found.total))
    )
    return {
        "input": name,
        "label": about.label,
        "unit": about.unit,
        "mark": about.mark,
        **first,
        **total,
        "low_value": ends.low_value,
        "high_value": ends.high_value,
        "output_low": ends.output_low,
        "output_high": ends.output_high,
    }


def _cautions(found: Indices, record: StudyRecord) -> list[dict[str, Any]]:
    notes = []
    if found.explained is not None and found.explained < WEAK_FIT:
        notes.append(_note("weak_fit", percent=round(100.0 * max(found.explained, 0.0))))
    if record.drawn_again:
        notes.append(_note("drawn_again"))
    return notes
