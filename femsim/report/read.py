"""Read what a report needs from a run folder: record and tables, with types restored."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from femsim.results import RunFolder

TABLES = ("timeline", "tissue", "hardware", "patches", "dose_histogram", "courses")
FAILURES = ("part broken", "stump lost", "support lost")
LEAST_DOSE = 0.5
"""Gy EQD2 in a slice of jaw below which pictures of dose and tissue have one colour."""


@dataclass(frozen=True)
class RunData:
    """Everything a page shows.

    Attributes
    ----------
    folder : RunFolder
        Where it came from.
    record : dict
        ``run.json``.
    timeline, tissue, hardware, patches, histogram, courses : list of dict
        Rows of the tables; numbers as floats; empty when the run did not come that far.
    """

    folder: RunFolder
    record: dict[str, Any]
    timeline: list[dict[str, Any]]
    tissue: list[dict[str, Any]]
    hardware: list[dict[str, Any]]
    patches: list[dict[str, Any]]
    histogram: list[dict[str, Any]]
    courses: list[dict[str, Any]]

    @property
    def screws(self) -> list[dict[str, Any]]:
        """Rows of the screw table."""
        return list(self.record.get("screws", []))

    @property
    def irradiated(self) -> bool:
        """Whether any bone has a dose."""
        return any(row["eqd2_gy"] > LEAST_DOSE for row in self.tissue)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Events in order of time."""
        return sorted(self.record.get("events", []), key=lambda event: event["day"])

    @property
    def failure(self) -> dict[str, Any] | None:
        """The first event by which the construct fails otherwise than by a loose screw; None when there is none."""
        return next((event for event in self.events if event["kind"] in FAILURES), None)

    def course(self, screw: str, column: str) -> tuple[np.ndarray, np.ndarray]:
        """Days and values of one column of the time line for one screw."""
        rows = [row for row in self.timeline if row["screw"] == screw]
        return np.array([row["day"] for row in rows]), np.array([row[column] for row in rows])


def read_run(folder: RunFolder) -> RunData:
    """Load a run folder's record and tables."""
    return RunData(folder, folder.record(), *(read_table(folder / f"{name}.csv") for name in TABLES))


def read_convergence(run: RunData) -> list[dict[str, Any]]:
    """Rows of the newest mesh study of exactly this scenario that lies beside the run; empty without one."""
    beside = run.folder.path.resolve().parent
    found = list(beside.glob(f"converge-*-{run.record.get('hash')}*/convergence.csv"))
    return read_table(max(found, key=lambda path: path.stat().st_mtime)) if found else []


def read_table(path: Path) -> list[dict[str, Any]]:
    """Rows of a CSV file, with numbers as floats and empty cells as NaN; an absent file has no rows."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return [{key: _value(text) for key, text in row.items()} for row in csv.DictReader(stream)]


def _value(text: str) -> float | str | bool:
    if text in ("True", "False"):
        return text == "True"
    if text == "":
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return text
