"""The table of a study: one row per point with its inputs, events and margins, as CSV and where possible Parquet."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from femsim.durable import write_table, write_via

OUTCOMES = (
    *("end_day", "ending", "cycles", "first_loose_day", "first_loose_screw", "first_loose_criterion", "screws_loose"),
    *("stump_lost_day", "plate_fracture_day", "screw_fracture_day"),
    *("margin_motion", "margin_holding", "margin_stiffness", "plate_life_used", "seconds", "operator"),
)
"""Columns after the inputs. Days count from this surgery and are empty when the event did not happen before
``end_day``; margins are the smallest over screws and time; ``seconds`` is the only column that differs between two
runs of the same study."""
HEAD = ("point", "design", "sample", "status", "reason")
TEXT = {"design", "status", "reason", "ending", "first_loose_screw", "first_loose_criterion", "operator"}


def columns(inputs: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a table in order."""
    return (*HEAD, *(f"input:{key}" for key in inputs), *OUTCOMES)


def row(
    head: Mapping[str, Any], inputs: Sequence[str], values: Mapping[str, Any], outcome: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one row; what is not known is None."""
    made = {name: head.get(name) for name in HEAD}
    made |= {f"input:{key}": values.get(key) for key in inputs}
    return made | {name: outcome.get(name) for name in OUTCOMES}


def write_study_table(folder: Path, rows: Sequence[Mapping[str, Any]]) -> tuple[Path, ...]:
    """Write ``table.csv``, and ``table.parquet`` where pyarrow is present; return what was written."""
    write_table(folder / "table.csv", rows)
    if importlib.util.find_spec("pyarrow") is None or not rows:
        return (folder / "table.csv",)
    import pyarrow
    import pyarrow.parquet

    arrays = {name: pyarrow.array(_typed(name, [one[name] for one in rows])) for name in rows[0]}
    content = pyarrow.table(arrays)
    write_via(folder / "table.parquet", lambda part: pyarrow.parquet.write_table(content, part))
    return (folder / "table.csv", folder / "table.parquet")


def _typed(name: str, values: Iterable[Any]) -> list[Any]:
    """Make a column of one type: text where any value is text."""
    found = list(values)
    if name in TEXT or any(isinstance(value, str) for value in found):
        return [None if value is None else str(value) for value in found]
    return [None if value is None else float(value) for value in found]
