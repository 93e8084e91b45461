"""The holes of a drawn plate: read from the scenario's table, and measured in the metal around their axes."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from femsim.errors import GeometryError, InputError
from femsim.geometry.frame import Frame
from femsim.geometry.surface import Surface

COLUMNS = ("x", "y", "z", "dx", "dy", "dz")
"""Columns of a table of holes: a point on the axis [mm] and the direction into the bone."""

REACH = 8.0
"""Metal of the plate is looked for within this distance [mm] of the given point along the axis."""

NEAR = 3.0
"""The metal that belongs to a hole starts within this distance [mm] of the given point."""

RADIAL_STEP = 0.1
"""Step [mm] of the rings of parallel rays that feel for the wall of the bore, the seat and the edge."""

WIDEST_BORE = 3.0
"""Largest radius [mm] at which the metal around a hole may start."""

FARTHEST_EDGE = 8.0
"""The plate's edge is looked for within this radius [mm]."""

RAYS = 16
"""Rays in a ring."""

FULL_SHARE = 0.95
"""The seat ends where the metal has this share of its thickness: the drawing is faceted and the plate curved."""

SEAT_REACH = 3.0
"""The seat ends within this distance [mm] of the bore."""


@dataclass(frozen=True, eq=False)
class Bore:
    """What was found around the axis of one hole.

    Attributes
    ----------
    axis : ndarray, shape (3,)
        Unit direction into the bone.
    across : ndarray, shape (2, 3)
        Unit directions across it, right-handed with it.
    outer, inner : ndarray, shape (3,)
        Where the axis meets the plate's outer and inner face, its holes filled [mm].
    radius : float
        Of the bore [mm]; zero where the plate is drawn without a hole.
    seat_radius : float
        Where the metal has its full thickness [mm].
    edge : float
        Largest radius with metal all around, to the edge of the plate or the next hole [mm].
    """

    axis: np.ndarray
    across: np.ndarray
    outer: np.ndarray
    inner: np.ndarray
    radius: float
    seat_radius: float
    edge: float

    @property
    def thickness(self) -> float:
        """Thickness of the plate around the hole [mm]."""
        return float((self.inner - self.outer) @ self.axis)


def read_hole_table(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Points (h, 3) [mm] and directions (h, 3) of holes from a CSV file with the columns x, y, z, dx, dy, dz.

    Raises
    ------
    InputError
        A column is missing or a value is no number, with the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the table of holes cannot be read ({error}); save it as CSV in UTF-8") from error
    rows = list(csv.reader(text.splitlines()))
    head = tuple(cell.strip().lower() for cell in rows[0]) if rows else ()
    if head != COLUMNS:
        raise InputError(
            f"{path}:1: the columns are {', '.join(head) or 'none'}; a table of holes has {', '.join(COLUMNS)}: a "
            "point on the axis in mm and the direction into the bone"
        )
    values = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            found = [float(cell) for cell in row]
        except ValueError:
            found = []
        if len(found) != len(COLUMNS) or not np.all(np.isfinite(found)):
            raise InputError(f"{path}:{number}: {','.join(row)!r} is not {len(COLUMNS)} numbers")
        if not any(found[3:]):
            raise InputError(f"{path}:{number}: the direction of the hole is zero; give it a direction into the bone")
        values.append(found)
    if not values:
        raise InputError(f"{path}: the table lists no hole")
    table = np.array(values)
    return table[:, :3], table[:, 3:]


def probe_hole(surface: Surface, point: np.ndarray, axis: np.ndarray, name: str, frame: Frame) -> Bore:
    """Measure bore, seat, faces and rim around one axis with rings of parallel rays.

    Raises
    ------
    GeometryError
        There is no metal all around the axis.
    """
    across = _across(axis)
    radii = np.arange(0.0, FARTHEST_EDGE + RADIAL_STEP / 2, RADIAL_STEP)
    spans = np.array([_ring(surface, point, axis, across, radius) for radius in radii])
    whole = np.isfinite(spans).all(axis=(1, 2))
    start = next((k for k in np.flatnonzero(whole[:-1] & whole[1:]) if radii[k] <= WIDEST_BORE), None)
    if start is None:
        place = "({:.1f}, {:.1f}, {:.1f}) mm".format(*frame.to_file(point))
        what = (
            "its axis breaks out of the plate's edge"
            if np.isfinite(spans).any()
            else f"no metal lies within {FARTHEST_EDGE:g} mm of its axis"
        )
        raise GeometryError(f"{name} at {place}: {what}; the axis must pass through the plate")
    broken = np.flatnonzero(~whole[start:])
    end = start + int(broken[0]) if len(broken) else len(radii)
    thin = np.median(spans[start:end, :, 1] - spans[start:end, :, 0], axis=1)
    near = thin[: int(SEAT_REACH / RADIAL_STEP) + 1]
    full = start + int(np.flatnonzero(near >= FULL_SHARE * near.max())[0])
    outer, inner = np.median(spans[full], axis=0)
    return Bore(
        axis=axis,
        across=across,
        outer=point + outer * axis,
        inner=point + inner * axis,
        radius=float(radii[start]),
        seat_radius=float(radii[full]),
        edge=float(radii[end - 1]),
    )


def _across(axis: np.ndarray) -> np.ndarray:
    first = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    first /= np.linalg.norm(first)
    return np.array([first, np.cross(axis, first)])


def _ring(surface: Surface, point: np.ndarray, axis: np.ndarray, across: np.ndarray, radius: float) -> np.ndarray:
    """Where rays along the axis enter and leave the metal nearest to the point [mm], shape (RAYS, 2); NaN: nowhere."""
    angle = 2 * np.pi * (np.arange(RAYS) + 0.5) / RAYS
    found = np.full((RAYS, 2), np.nan)
    for k, turn in enumerate(angle if radius > 0 else angle[:1]):
        start = point + radius * (np.cos(turn) * across[0] + np.sin(turn) * across[1]) - REACH * axis
        hits = surface.ray_hits(start, axis, 2 * REACH) - REACH
        pairs = hits[: len(hits) // 2 * 2].reshape(-1, 2)
        if len(pairs):
            away = np.maximum(np.maximum(pairs[:, 0], -pairs[:, 1]), 0.0)
            if away.min() < NEAR:
                found[k] = pairs[np.argmin(away)]
    return found if radius > 0 else np.tile(found[0], (RAYS, 1))
