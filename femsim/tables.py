"""Tables for a terminal of a hundred columns: few columns, short numbers, the rest stays in the files of the run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
Row = Mapping[str, Any]


def cell(value: object) -> str:
    """Spell one value of a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "-" if value != value else f"{value:.4g}"
    if isinstance(value, tuple | list):
        return " ".join(cell(item) for item in value)
    return str(value)


def text_table(rows: Sequence[Row]) -> str:
    """Lay out rows as aligned plain text, one line per row below the column names; numbers stand to the right."""
    if not rows:
        return "(none)"
    keys = list(dict.fromkeys(key for row in rows for key in row))
    head = [key.replace("_", " ") for key in keys]
    body = [[cell(row.get(key)) for key in keys] for row in rows]
    columns = list(zip(*body, strict=True))
    widths = [max(len(name), *map(len, column)) for name, column in zip(head, columns, strict=True)]
    right = [_numbers(column) for column in columns]
    lines = [head, ["-" * width for width in widths], *body]
    return "\n".join(
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _numbers(column: Iterable[str]) -> bool:
    written = [text for text in column if text != "-"]
    return bool(written) and all(NUMBER.fullmatch(text) for text in written)


def screw_columns(rows: Sequence[Row]) -> list[Row]:
    """What a person asks first about every screw of a run: loose or not, why, and its state at the end."""
    return [
        {
            "screw": row.get("screw"),
            "stump": row.get("stump"),
            "loose": _day(row),
            "criterion": row.get("criterion") or "-",
            "motion um": _short(row.get("motion_p95_um")),
            "holding %": _percent(row.get("holding_ratio")),
            "lateral %": _percent(row.get("lateral_ratio")),
            "bonded %": _percent(row.get("bonded")),
            "clearance um": _short(row.get("clearance_um")),
            "Gy": _short(row.get("eqd2_gy")),
        }
        for row in rows
    ]


def plan_columns(rows: Sequence[Row]) -> list[Row]:
    """What a surgeon asks about every screw of a plan; lengths in mm."""
    return [
        {
            "screw": row.get("screw"),
            "stump": row.get("stump"),
            "head at": _point(row.get("head")),
            "length mm": _fixed(row.get("length")),
            "in bone": _fixed(row.get("length_in_bone")),
            "cortex": _fixed(row.get("cortical_engagement")),
            "bicortical": row.get("bicortical"),
            "to cut": _fixed(row.get("distance_to_cut")),
            "plate gap": _span(row.get("plate_clearance")),
        }
        for row in rows
    ]


def _day(row: Row) -> str:
    if not row.get("loose"):
        return "no"
    day = row.get("loose_day")
    return "yes" if day is None else f"day {day:.0f}"


def _known(spell: Callable[[float], str]) -> Callable[[Any], str]:
    return lambda value: "-" if value is None or value != value else spell(float(value))


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.1f}"


_short = _known(_digits)
_fixed = _known(lambda value: f"{value:.1f}")
_percent = _known(lambda value: f"{100 * value:.0f}")


def _point(point: Sequence[float] | None) -> str:
    return "-" if point is None else " ".join(f"{value:6.1f}" for value in point)


def _span(pair: Sequence[float] | None) -> str:
    return "-" if pair is None else f"{pair[0]:.1f}-{pair[1]:.1f}"


def convergence_columns(rows: Sequence[Row]) -> list[Row]:
    """Size, cost and differences of every mesh of a convergence study."""
    return [
        {
            "preset": row["preset"],
            "tets": row["tets"],
            "unknowns": row["unknowns"],
            "min Jacobian": _short(row["min_scaled_jacobian"]),
            "mesh s": row["mesh_s"],
            "condense s": row["condense_s"],
            "moved mm": row["displacement_mm"],
            "moved %": _signed_percent(row["displacement_difference"]),
            "screw load %": _signed_percent(row["screw_load_difference"]),
            "traction %": _signed_percent(row["traction_difference"]),
        }
        for row in rows
    ]


def _signed_percent(value: float) -> str:
    return f"{100.0 * value:.2f}"


def comparison_columns(rows: Sequence[Row]) -> list[Row]:
    """What a person asks first about designs: their order and the measures that made it."""
    return [
        {
            "place": row["place"] if row["place"] is not None else "not ranked",
            "design": row["design"],
            "first loose, day": _short(row["first_loose_day"]),
            "plate life, years": _short(row["plate_life_years"]),
            "implant mm3": _short(row["implant_mm3"]),
            "decided by": row["decided_by"],
        }
        for row in rows
    ]
