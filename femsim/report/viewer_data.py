"""Pack a run for the 3-D viewer: quantised points, triangles, tetrahedra, fields and courses as one small mapping."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from femsim.errors import InputError
from femsim.mesh.tetmesh import BONE, SCREW_FIRST, outer_faces, tet_volumes
from femsim.report.read import RunData, read_run
from femsim.results import RunFolder

if TYPE_CHECKING:
    import pyvista as pv

FORMAT = 1
LARGEST = 4_000_000
"""Characters of one packed run; two designs and their charts stay below ten megabytes."""
MOMENTS = ("surgery", "end")
LEVELS = 65535
MOST_DAYS = 400
"""Steps of the time line that are kept; more cannot be told apart on a slider."""
TOP_SHARE = 99.5
"""A scale of stress or strain ends at this percentile: single elements at an edge would dim all others."""
COARSER = 1.4
"""Factor between trial cell widths when a surface must be thinned."""
FIRST_CELL = 0.2
"""Smallest trial cell width [mm], well below the element size of any preset."""

LAST_COLOUR = {"magma_r": 0.8}
"""Where a map ends: black would hide the shape of the bone. A piece of a uniform map is uniform."""


@dataclass(frozen=True)
class Field:
    """How the viewer offers one field.

    Attributes
    ----------
    kind : str
        ``bone`` and ``load`` fields lie on parts; ``screw`` fields are columns of the time line.
    on : tuple of str
        Parts that carry it.
    map : str
        Matplotlib's name of a perceptually uniform map.
    factor : float
        From the stored unit to the shown one.
    unit : str
        Shown unit; words of it come from the catalogue of strings.
    from_zero : bool
        Whether the scale starts at zero instead of at the smallest value.
    to_one : bool
        Whether the scale reaches the healthy or first value (1) at least.
    top : float
        Percentile at which the scale ends.
    moments : bool
        Whether it is known at both moments, not on the day of surgery alone.
    limit : str
        Key of the criterion that is marked on the scale.
    """

    kind: str
    on: tuple[str, ...]
    map: str
    factor: float = 1.0
    unit: str = ""
    from_zero: bool = True
    to_one: bool = False
    top: float = 100.0
    moments: bool = False
    limit: str = ""


SOLIDS = ("bone", "plate", "screw")
METAL = ("plate", "screw")
# Loads grow dark, so that what carries little stays as light as the page; tissue grows light as it gets healthier.
FIELDS = {
    "motion_p95_um": Field("screw", ("screw",), "magma_r", unit="µm", limit="motion_um"),
    "holding_ratio": Field("screw", ("screw",), "cividis", 100.0, "%", to_one=True, limit="holding_ratio"),
    "holding_n": Field("screw", ("screw",), "cividis", unit="N"),
    "lateral_ratio": Field("screw", ("screw",), "cividis", 100.0, "%", to_one=True, limit="lateral_ratio"),
    "bonded": Field("screw", ("screw",), "cividis", 100.0, "%", to_one=True),
    "damage": Field("screw", ("screw",), "magma_r", 100.0, "%"),
    "clearance_um": Field("screw", ("screw",), "magma_r", unit="µm"),
    "eqd2": Field("bone", ("bone",), "magma_r", unit="Gy"),
    "vessels": Field("bone", ("bone",), "cividis", 100.0, "%", from_zero=False, to_one=True),
    "oxygen": Field("bone", ("bone",), "cividis", unit="mmHg", from_zero=False),
    "cells": Field("bone", ("bone",), "cividis", 100.0, "%", from_zero=False, to_one=True),
    "young_ratio": Field("bone", ("bone",), "cividis", 100.0, "%", from_zero=False, to_one=True),
    "young": Field("bone", ("bone",), "cividis", 1e-3, "GPa"),
    "von_mises": Field("load", METAL, "magma_r", unit="MPa", top=TOP_SHARE, moments=True),
    "strain": Field("load", ("bone",), "magma_r", 1e6, "µε", top=TOP_SHARE, moments=True),
    "displacement": Field("load", SOLIDS, "magma_r", unit="mm", moments=True),
}
COURSES = tuple(name for name, field in FIELDS.items() if field.kind == "screw")
PLACES = ("eqd2_gy", "length_mm", "length_in_bone_mm", "distance_to_cut_mm")


@dataclass(frozen=True)
class Part:
    """One coloured body of the viewer.

    Attributes
    ----------
    kind : str
        ``bone``, ``plate``, ``screw`` or ``removed``.
    screw : int
        Number of the screw, -1 for others.
    points : ndarray, shape (n, 3)
        [mm]
    triangles : ndarray of int, shape (t, 3)
        Outer surface, counter-clockwise seen from outside.
    tets : ndarray of int, shape (m, 4)
        Inside of the body; empty where it is not known or left out.
    values : dict of ndarray, shape (n,)
        Scalars at the points by field and moment.
    moved : dict of ndarray, shape (n, 3)
        Displacement by moment [mm].
    """

    kind: str
    screw: int
    points: np.ndarray
    triangles: np.ndarray
    tets: np.ndarray
    values: dict[tuple[str, str], np.ndarray]
    moved: dict[str, np.ndarray]


def pack_run(folder: RunFolder, *, largest: int = LARGEST) -> dict[str, Any]:
    """Pack a run for the viewer.

    Parameters
    ----------
    folder : RunFolder
        A run, complete or not; without ``fields`` the viewer shows its surfaces alone.
    largest : int
        Most characters that the packed run may have as JSON. What is too large loses the inside of its bodies first
        (the section is then hollow, which the viewer says) and is thinned next.

    Returns
    -------
    dict
        Plain JSON; see ``README.md`` beside the viewer's source.

    Raises
    ------
    InputError
        The folder has no surfaces.
    """
    run = read_run(folder)
    parts = read_parts(folder)
    if not parts:
        raise InputError(f"{folder.path}: no surfaces to show; run the scenario, or femsim plan, again")
    packed = _packed(run, parts, "filled")
    if _size(packed) > largest:
        parts = [without_inside(part) for part in parts]
        packed = _packed(run, parts, "hollow")
    width = FIRST_CELL
    while _size(packed) > largest and any(len(part.triangles) for part in parts):
        packed = _packed(run, [thinned(part, width) for part in parts], "hollow")
        width *= COARSER
    return packed


def read_parts(folder: RunFolder) -> list[Part]:
    """Bodies of a run: from its fields, else from its surfaces; empty when it has neither."""
    import pyvista as pv

    surfaces = {path.stem: pv.read(path) for path in sorted((folder / "surfaces").glob("*.vtp"))}
    grids = {
        moment: pv.read(folder / "fields" / f"{moment}.vtu")
        for moment in MOMENTS
        if (folder / "fields" / f"{moment}.vtu").is_file()
    }
    parts = _solid_parts(grids) if grids else _surface_parts(surfaces)
    if parts and "removed" in surfaces:
        parts.append(_shell("removed", -1, surfaces["removed"]))
    return parts


def _solid_parts(grids: dict[str, pv.UnstructuredGrid]) -> list[Part]:
    first = next(iter(grids.values()))
    region = np.asarray(first.cell_data["region"])
    points = np.asarray(first.points, dtype=float)
    tets = next(iter(first.cells_dict.values()))[:, :4].astype(np.int64)
    parts = []
    for number in np.unique(region):
        chosen = region == number
        used, corners = np.unique(tets[chosen], return_inverse=True)
        corners = corners.reshape(-1, 4)
        kind = "bone" if number == BONE else "plate" if number < SCREW_FIRST else "screw"
        weight = np.abs(tet_volumes(points[used], corners))
        values = {
            (name, moment): _at_points(cell_values[chosen], corners, weight, len(used))
            for moment, grid in grids.items()
            for name, cell_values in _cell_fields(grid, kind).items()
            if FIELDS[name].moments or moment == MOMENTS[0]
        }
        moved = {moment: np.asarray(grid.point_data["displacement"])[used] for moment, grid in grids.items()}
        screw = int(number) - SCREW_FIRST if kind == "screw" else -1
        parts.append(Part(kind, screw, points[used], outer_faces(corners)[0], corners, values, moved))
    return parts


def _cell_fields(grid: pv.UnstructuredGrid, kind: str) -> dict[str, np.ndarray]:
    data = {name: np.asarray(grid.cell_data[name], dtype=float) for name in grid.cell_data}
    if "strain_tension" in data:
        data["strain"] = np.maximum(np.abs(data["strain_tension"]), np.abs(data["strain_compression"]))
    return {name: data[name] for name, field in FIELDS.items() if kind in field.on and name in data}


def _surface_parts(surfaces: dict[str, pv.PolyData]) -> list[Part]:
    parts = [_shell(kind, -1, surfaces[kind]) for kind in ("bone", "plate") if kind in surfaces]
    if "screws" in surfaces:
        screws = surfaces["screws"]
        number = np.asarray(screws.cell_data["screw"])
        parts += [_shell("screw", int(k), screws, number == k) for k in np.unique(number)]
    return parts


def _shell(kind: str, screw: int, surface: pv.PolyData, chosen: np.ndarray | slice = slice(None)) -> Part:
    used, corners = np.unique(surface.regular_faces[chosen], return_inverse=True)
    points = np.asarray(surface.points, dtype=float)[used]
    return Part(kind, screw, points, corners.reshape(-1, 3), np.empty((0, 4), dtype=np.int64), {}, {})


def _at_points(values: np.ndarray, tets: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
    """Average of the elements (m,) around each of ``count`` points, weighted by volume."""
    corner = tets.ravel()
    total = np.bincount(corner, np.repeat(weight * values, 4), minlength=count)
    return total / np.bincount(corner, np.repeat(weight, 4), minlength=count)


def without_inside(part: Part) -> Part:
    """The part with its outer surface only."""
    used, corners = np.unique(part.triangles, return_inverse=True)
    return Part(
        part.kind,
        part.screw,
        part.points[used],
        corners.reshape(-1, 3),
        part.tets[:0],
        {key: values[used] for key, values in part.values.items()},
        {key: moved[used] for key, moved in part.moved.items()},
    )


def thinned(part: Part, width: float) -> Part:
    """The part's surface with the points of each cube of ``width`` [mm] merged into their mean."""
    cube = np.floor(part.points / width).astype(np.int64)
    _, slot, count = np.unique(cube, axis=0, return_inverse=True, return_counts=True)
    slot = slot.ravel()

    def mean(values: np.ndarray) -> np.ndarray:
        columns = [np.bincount(slot, column) / count for column in np.atleast_2d(values.T)]
        return np.stack(columns, axis=1).reshape((len(count), *values.shape[1:]))

    corners = slot[part.triangles]
    whole = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
    kept = np.unique(corners[whole], axis=0) if whole.any() else corners[:0]
    merged = Part(
        part.kind,
        part.screw,
        mean(part.points),
        kept,
        part.tets[:0],
        {key: mean(values) for key, values in part.values.items()},
        {key: mean(moved) for key, moved in part.moved.items()},
    )
    return without_inside(merged)


def _packed(run: RunData, parts: list[Part], section: str) -> dict[str, Any]:
    record = run.record
    return {
        "format": FORMAT,
        "name": record.get("title", ""),
        "hash": record.get("hash", ""),
        "status": record.get("status", ""),
        "ending": record.get("ending", ""),
        "anatomical": not any(entry["key"].startswith("jaw.bench_block") for entry in record.get("inputs", [])),
        "section": section,
        "criteria": record.get("criteria", {}),
        "ranges": _ranges(parts, run),
        "parts": [_packed_part(part) for part in parts],
        "screws": _screws(run),
        "timeline": _timeline(run),
        "events": [
            {"day": float(event["day"]), "subject": event["subject"], "kind": event["kind"], "text": event["text"]}
            for event in run.events
        ],
    }


def _packed_part(part: Part) -> dict[str, Any]:
    fields: dict[str, dict[str, Any]] = {}
    for (name, moment), values in part.values.items():
        fields.setdefault(name, {})[moment] = quantised(values * FIELDS[name].factor)
    return {
        "kind": part.kind,
        "screw": part.screw,
        "points": quantised(part.points),
        "triangles": indexed(part.triangles),
        "tets": indexed(part.tets),
        "fields": fields,
        "moved": {moment: quantised(moved) for moment, moved in part.moved.items()},
    }


def quantised(values: np.ndarray) -> dict[str, Any]:
    """Store floats (n,) or (n, c) in 16 bits between the smallest and largest value of each column.

    The error is at most half a step, 1/131,070 of the span. Values must be finite.
    """
    table = np.asarray(values, dtype=float).reshape(len(values), -1)
    low = table.min(axis=0) if len(table) else np.zeros(table.shape[1])
    span = table.max(axis=0) - low if len(table) else np.zeros(table.shape[1])
    level = np.rint((table - low) / np.where(span > 0, span, 1.0) * LEVELS).astype("<u2")
    return {
        "columns": table.shape[1],
        "low": low.tolist(),
        "step": (span / LEVELS).tolist(),
        "data": base64.b64encode(level.tobytes()).decode("ascii"),
    }


def indexed(corners: np.ndarray) -> dict[str, Any]:
    """Store point numbers in the fewest bits that hold them."""
    kind = "<u2" if corners.size == 0 or corners.max() <= LEVELS else "<u4"
    return {"bits": 16 if kind == "<u2" else 32, "data": base64.b64encode(corners.astype(kind).tobytes()).decode()}


def _ranges(parts: list[Part], run: RunData) -> dict[str, dict[str, float]]:
    """Where each field's colour scale starts and ends, and its true largest value, in shown units."""
    ranges = {}
    for name, field in FIELDS.items():
        values = np.concatenate([np.empty(0), *_all_values(name, field, parts, run)])
        values = values[np.isfinite(values)]
        if not len(values):
            continue
        low = 0.0 if field.from_zero else float(values.min())
        high = max(float(np.percentile(values, field.top)), 1.0 if field.to_one else -np.inf)
        ends = {"low": low, "high": high, "max": float(values.max())}
        ranges[name] = {key: value * field.factor for key, value in ends.items()}
    return ranges


def _all_values(name: str, field: Field, parts: list[Part], run: RunData) -> Iterable[np.ndarray]:
    if field.kind == "screw":
        yield np.array([row[name] for row in run.timeline], dtype=float)
    elif name == "displacement":
        yield from (np.linalg.norm(moved, axis=1) for part in parts for moved in part.moved.values())
    else:
        yield from (values for part in parts for (key, _), values in part.values.items() if key == name)


def _screws(run: RunData) -> list[dict[str, Any]]:
    results = {row["screw"]: row for row in run.screws}
    screws = []
    for screw in run.record.get("operation", {}).get("screws", []):
        row = results.get(screw["name"], {})
        screws.append(
            {
                "name": screw["name"],
                "label": screw["name"].removeprefix("screw-"),
                "stump": screw["stump"],
                "head": list(screw["head"]),
                "axis": list(screw["axis"]),
                "length_mm": screw["length_mm"],
                "loose_day": row.get("loose_day"),
                "criterion": row.get("criterion", ""),
                **{key: _rounded(row[key]) for key in PLACES if key in row},
            }
        )
    return screws


def _timeline(run: RunData) -> dict[str, Any]:
    """Courses of the screws on at most ``MOST_DAYS`` days; days of events are always among them."""
    days = np.unique([row["day"] for row in run.timeline]) if run.timeline else np.empty(0)
    kept = days
    if len(days) > MOST_DAYS:
        moments = np.array([event["day"] for event in run.events], dtype=float)
        wanted = np.concatenate([np.linspace(0, days[-1], MOST_DAYS), moments])
        kept = days[np.unique(np.searchsorted(days, wanted).clip(0, len(days) - 1))]
    rows = {(row["day"], row["screw"]): row for row in run.timeline}
    names = [screw["name"] for screw in run.record.get("operation", {}).get("screws", [])]
    return {
        "days": [round(float(day), 3) for day in kept],
        "columns": {
            column: [[_rounded(rows[day, name][column] * FIELDS[column].factor) for day in kept] for name in names]
            for column in COURSES
        },
    }


def _rounded(value: float | None) -> float | None:
    """Four digits, enough for a readout; an unknown value as JSON's null."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.4g}")


def colour_maps() -> dict[str, str]:
    """The 256 colours of every map in use as base64 of red, green, blue bytes."""
    import matplotlib

    maps = {}
    for name in sorted({field.map for field in FIELDS.values()}):
        steps = np.linspace(0, LAST_COLOUR.get(name, 1.0), 256)
        colours = matplotlib.colormaps[name](steps, bytes=True)[:, :3]
        maps[name] = base64.b64encode(colours.tobytes()).decode("ascii")
    return maps


def field_table() -> dict[str, dict[str, Any]]:
    """The fields in the order in which they are offered, as plain JSON."""
    return {name: asdict(field) for name, field in FIELDS.items()}


def _size(packed: dict[str, Any]) -> int:
    return len(json.dumps(packed))
