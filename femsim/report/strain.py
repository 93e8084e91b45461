"""Bone strain on the day of surgery: how much of the bone at the screws is strained by how much under a full bite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from femsim.mesh.tetmesh import BONE, tet_volumes
from femsim.report.read import RunData

PERCENTILES = (50.0, 95.0, 99.0)
MICRO = 1e6
LEVELS = 200
"""Points of a curve."""


@dataclass(frozen=True)
class StrainShare:
    """Strain of a part of the bone, weighted by volume.

    Attributes
    ----------
    place : str
        Name of the stump, or empty for all bone.
    volume : float
        [mm3]
    percentiles : tuple of float
        At :data:`PERCENTILES` of the volume [microstrain].
    levels, above : ndarray, shape (n,)
        Strains [microstrain] and the share of the volume that has at least so much.
    """

    place: str
    volume: float
    percentiles: tuple[float, ...]
    levels: np.ndarray
    above: np.ndarray


def bone_strain(run: RunData) -> list[StrainShare]:
    """Strain near the screws of each stump and in all bone; empty for a run without fields.

    The strain of an element is its largest principal one, tension or compression. Bone counts as near a screw within
    one screw diameter of its surface.
    """
    path = run.folder / "fields" / "surgery.vtu"
    screws = run.record.get("operation", {}).get("screws", [])
    if not path.is_file() or not screws:
        return []
    import pyvista as pv

    grid = pv.read(path)
    bone = np.asarray(grid.cell_data["region"]) == BONE
    corners = next(iter(grid.cells_dict.values()))[bone][:, :4]
    points = np.asarray(grid.points, dtype=float)
    volume = np.abs(tet_volumes(points, corners))
    names = ("strain_tension", "strain_compression")
    strain = MICRO * np.max([np.abs(np.asarray(grid.cell_data[name])[bone]) for name in names], axis=0)
    centre = points[corners].mean(axis=1)
    near = {stump: np.zeros(len(centre), dtype=bool) for stump in dict.fromkeys(one["stump"] for one in screws)}
    for screw in screws:
        near[screw["stump"]] |= _distance(centre, screw) < screw["diameter_mm"]
    places = {**near, "": np.ones(len(centre), dtype=bool)}
    return [_share(place, strain[chosen], volume[chosen]) for place, chosen in places.items() if chosen.any()]


def _distance(points: np.ndarray, screw: dict[str, Any]) -> np.ndarray:
    """Distance (n,) [mm] of points (n, 3) from the surface of a screw."""
    head, axis = np.array(screw["head"]), np.array(screw["axis"])
    along = ((points - head) @ axis).clip(0.0, screw["length_mm"])
    return np.linalg.norm(points - head - along[:, None] * axis, axis=1) - 0.5 * screw["diameter_mm"]


def _share(place: str, strain: np.ndarray, volume: np.ndarray) -> StrainShare:
    order = np.argsort(strain)
    ranked, below = strain[order], np.cumsum(volume[order])
    total = float(below[-1])
    found = tuple(float(ranked[np.searchsorted(below, p / 100 * total)]) for p in PERCENTILES)
    levels = np.linspace(0.0, found[-1], LEVELS)
    passed = np.concatenate([[0.0], below])[np.searchsorted(ranked, levels, side="left")]
    return StrainShare(place, total, found, levels, 1.0 - passed / total)
