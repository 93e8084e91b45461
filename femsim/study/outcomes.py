"""The outcomes of a study, one row of its table per point: read it, check every row, give columns as arrays."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from femsim.errors import InputError

Array = np.ndarray

STATES = ("done", "failed", "stopped", "queued")
INPUT = "input:"
EVENTS = ("first_loose_day", "stump_lost_day", "plate_fracture_day", "screw_fracture_day")
"""Days since this surgery; empty when it did not happen before ``end_day``."""
NUMBERS = (
    *("end_day", "cycles", *EVENTS, "screws_loose", "margin_motion", "margin_holding", "margin_stiffness"),
    *("plate_life_used", "seconds"),
)
TEXTS = ("ending", "first_loose_screw", "first_loose_criterion", "operator")
REQUIRED = ("point", "design", "sample", "status", "reason", *NUMBERS, *TEXTS)
TOLD = 3
"""Broken rows that an error spells out; the rest are counted."""
SAME_DAY = 1e-6
"""Days; rounding of a written number, by which an event may lie behind the end of its run, or that end before the
horizon."""


@dataclass(frozen=True, eq=False)
class StudyTable:
    """Points of a study, one entry per row of the table.

    Attributes
    ----------
    path : Path
        File it was read from.
    point, design, status, reason : ndarray (n,) of str
        Name of the point, its design, its state and why it failed.
    sample : ndarray (n,) of int
        Patient, from 1: the same number in two designs is the same patient; 0 where nothing is sampled.
    inputs : dict of ndarray (n,)
        Varied values by name; numbers in internal units (NaN where it does not apply), text where values are words.
    numbers : dict of ndarray (n,) of float
        Outcomes; NaN where a cell is empty.
    texts : dict of ndarray (n,) of str
        Outcomes that are words.
    """

    path: Path
    point: Array
    design: Array
    sample: Array
    status: Array
    reason: Array
    inputs: Mapping[str, Array]
    numbers: Mapping[str, Array]
    texts: Mapping[str, Array]

    def __len__(self) -> int:
        return len(self.point)

    @property
    def done(self) -> Array:
        """Points that have a result, as a mask."""
        return self.status == "done"

    @property
    def sampled(self) -> bool:
        """Whether points are of patients that were drawn, and not just entries of lists and grids."""
        return bool(np.any(self.sample > 0))

    def where(self, mask: Array) -> StudyTable:
        """Return the table of the rows in a mask."""
        groups = ({name: column[mask] for name, column in g.items()} for g in (self.inputs, self.numbers, self.texts))
        plain = (column[mask] for column in (self.point, self.design, self.sample, self.status, self.reason))
        return StudyTable(self.path, *plain, *groups)

    def groups(self) -> dict[str, Group]:
        """Return the points to be compared, by name: each design at each entry of its lists and grids.

        What is listed is what differs between points of the same patient and design.
        """
        found: dict[str, Group] = {}
        for design in dict.fromkeys(self.design.tolist()):
            own = self.where(self.design == design)
            listed = own._listed()
            names = np.array([", ".join([design, *own._written(listed, row)]) for row in range(len(own))])
            for name in dict.fromkeys(names.tolist()):
                points = own.where(names == name)
                entry = {key: points.inputs[key][0] for key in listed}
                found[name] = Group(design, {key: value for key, value in entry.items() if value == value}, points)
        return found

    def _written(self, keys: Sequence[str], row: int) -> list[str]:
        """Spell inputs of one row, without those that do not apply to it."""
        values = {key: self.inputs[key][row] for key in keys}
        texts = {key: str(value) if isinstance(value, str) else f"{value:.6g}" for key, value in values.items()}
        return [f"{key} = {text}" for key, text in texts.items() if text not in ("", "nan")]

    def _listed(self) -> list[str]:
        first = {number: row for row, number in reversed(list(enumerate(self.sample.tolist())))}
        same = np.array([first[number] for number in self.sample.tolist()], dtype=int)
        return [key for key, column in self.inputs.items() if np.any((column != column[same]) & (column == column))]


@dataclass(frozen=True, eq=False)
class Group:
    """Points that are compared with others: a design, and the values of its lists and grids that they share."""

    design: str
    entry: Mapping[str, Any]
    points: StudyTable


def read_outcomes(path: Path) -> StudyTable:
    """Read ``table.csv`` of a study folder, or a table as CSV or Parquet.

    Raises
    ------
    InputError
        No table, missing columns, or broken rows, each named with its line (in Parquet: its row).
    """
    file = path / "table.csv" if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"{path}: no table of a study there; give a study folder, or a table as .csv or .parquet")
    header, rows, counted = (_parquet if file.suffix == ".parquet" else _csv)(file)
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise InputError(f"{file}: the table of a study needs the column{'s'[: len(missing) > 1]} {', '.join(missing)}")
    if not rows:
        raise InputError(f"{file}: the table has no rows; run the study first")
    problems = list(_problems(header, rows, counted))
    if problems:
        more = f" (and {len(problems) - TOLD} more)" if len(problems) > TOLD else ""
        told = "; ".join(f"{counted} {number}: {what}" for number, what in problems[:TOLD])
        raise InputError(f"{file}: {told}{more}; run `femsim study --resume` to write the table again")
    return _columns(file, header, [cells for _, cells in rows])


Rows = list[tuple[int, list[str]]]


def _csv(path: Path) -> tuple[list[str], Rows, str]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            return header, [(reader.line_num, cells) for cells in reader if cells], "line"
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: this is not a table in CSV ({error})") from error


def _parquet(path: Path) -> tuple[list[str], Rows, str]:
    if find_spec("pyarrow") is None:
        raise InputError(f"{path}: pyarrow reads Parquet and is not installed; read table.csv beside it instead")
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    try:
        found = parquet.read_table(path)
    except arrow.ArrowException as error:
        raise InputError(f"{path}: this is not a table in Parquet ({error})") from error
    rows = zip(*(column.to_pylist() for column in found.columns), strict=True)
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    return list(found.column_names), list(enumerate(cells, start=1)), "row"


def _problems(header: Sequence[str], rows: Rows, counted: str) -> Iterator[tuple[int, str]]:
    """Broken rows: number of the line and what is wrong with it."""
    points: dict[str, int] = {}
    for number, cells in rows:
        if len(cells) != len(header):
            yield number, f"{len(cells)} cells where the header has {len(header)}"
            continue
        row = dict(zip(header, cells, strict=True))
        what = _wrong_cell(row) or _wrong_times(row)
        same = points.setdefault(row["point"], number)
        if not what and same != number:
            what = f"point {row['point']!r} stands on {counted} {same} already"
        if what:
            yield number, what


def _wrong_cell(row: Mapping[str, str]) -> str:
    if row["status"] not in STATES:
        return f"status {row['status']!r} is not one of {', '.join(STATES)}"
    if row["sample"] and not (row["sample"].isdigit() and int(row["sample"]) > 0):
        return f"sample {row['sample']!r} is not a whole number from 1 on"
    for name in NUMBERS:
        if row[name] and not math.isfinite(_number(row[name])):
            return f"{name} {row[name]!r} is not a number"
    return next((f"{name} is empty" for name in ("point", "design") if not row[name]), "")


def _wrong_times(row: Mapping[str, str]) -> str:
    if row["status"] != "done":
        return ""
    if not row["end_day"]:
        return "a point that is done needs an end_day"
    end = float(row["end_day"])
    if end <= 0.0:
        return f"end_day {row['end_day']} is not after this surgery (day 0)"
    for name in EVENTS:
        if row[name] and not 0.0 <= float(row[name]) <= end + SAME_DAY:
            return f"{name} {row[name]} lies outside the run, which ends on day {row['end_day']}"
    return ""


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _columns(path: Path, header: Sequence[str], rows: Iterable[list[str]]) -> StudyTable:
    columns: dict[str, Any] = dict(zip(header, (np.array(column) for column in zip(*rows, strict=True)), strict=True))
    numbers = {name: np.array([_number(text) for text in columns[name]]) for name in NUMBERS}
    inputs = {name.removeprefix(INPUT): _input(columns[name]) for name in header if name.startswith(INPUT)}
    texts = {name: columns[name] for name in TEXTS}
    sample = np.array([int(text or 0) for text in columns["sample"]])
    plain = (sample, columns["status"], columns["reason"])
    return StudyTable(path, columns["point"], columns["design"], *plain, inputs, numbers, texts)


def _input(column: Array) -> Array:
    """Numbers where every value that is given is one, otherwise text."""
    values = np.array([_number(text) for text in column])
    return values if np.all(np.isfinite(values[column != ""])) else column
