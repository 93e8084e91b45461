"""Bone plates: a rectangular section swept along a centreline that follows the buccal surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from femsim.errors import GeometryError
from femsim.geometry.hole import Hole
from femsim.geometry.plan import PlatePlan
from femsim.geometry.presets import preset_group
from femsim.geometry.surface import Surface
from femsim.parameters import ParameterSet

ROUNDEST = 0.4
"""Largest edge radius over the smaller side of the section; half would leave no flat side."""


@dataclass(frozen=True, eq=False)
class Plate:
    """A swept plate; a hole that holds a screw is a position only, because the locking head is bonded to the plate.

    Attributes
    ----------
    name : str
    surface : Surface
        Closed, facing outwards.
    path : ndarray, shape (n, 3)
        Centreline at mid thickness [mm], equally spaced.
    outward : ndarray, shape (n, 3)
        Unit normals away from bone, perpendicular to the path.
    holes : ndarray, shape (h, 3)
        Hole centres at mid thickness [mm], ordered along the path.
    hole_axes : ndarray, shape (h, 3)
        Unit vectors into the bone.
    width, thickness : float
        Section on the stumps [mm].
    clearance : tuple of float
        Least and greatest distance from the inner face to bone that stays [mm].
    empty_holes : tuple of Hole
        Holes without a screw: voids in the plate.
    rim : float
        Least metal between the seat of a screw's head and the plate's edge or the next seat [mm].
    """

    name: str
    surface: Surface
    path: np.ndarray
    outward: np.ndarray
    holes: np.ndarray
    hole_axes: np.ndarray
    width: float
    thickness: float
    clearance: tuple[float, float] = (np.inf, np.inf)
    empty_holes: tuple[Hole, ...] = ()
    rim: float = np.inf

    @property
    def length(self) -> float:
        """Length of the centreline [mm]."""
        return float(arc_length(self.path)[-1])

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Whether points, shape (n, 3), lie in the metal (holes that hold a screw are filled by its head)."""
        inside = self.surface.contains(points)
        for hole in self.empty_holes:
            inside &= ~hole.contains(points)
        return inside


def arc_length(path: np.ndarray) -> np.ndarray:
    """Distance along a polyline (n, d) from its start, shape (n,)."""
    return np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))]


def metal_beside(holes: np.ndarray, seats: np.ndarray, width: float) -> float:
    """Least metal between seats of diameter (h,) at holes (h, 3) and the edges of a plate or the next seat [mm]."""
    apart = np.linalg.norm(np.diff(holes, axis=0), axis=1) - (seats[1:] + seats[:-1]) / 2
    return float(min([(width - seats.max()) / 2, *apart]))


def section_directions(path: np.ndarray, outward: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orthonormal tangent, thickness (outward) and width directions at every point of a path, each (n, 3)."""
    tangent = np.gradient(path, arc_length(path), axis=0, edge_order=1)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normal = outward - np.einsum("ij,ij->i", outward, tangent)[:, None] * tangent
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return tangent, normal, np.cross(normal, tangent)


def section_ring(
    across: np.ndarray, normal: np.ndarray, width: float | np.ndarray, thickness: float, edge_radius: float
) -> np.ndarray:
    """Corners (..., k, 3) of a bevelled rectangle about the origin; k is 4 for sharp edges, else 8.

    Parameters
    ----------
    across, normal : ndarray, shape (..., 3)
        Unit directions of width and thickness.
    width : float or ndarray, shape (...)
        [mm]
    thickness, edge_radius : float
        [mm]; the bevel takes away the area that rounding takes away.
    """
    half_w, half_t = np.asarray(width, dtype=float)[..., None] / 2, thickness / 2
    bevel = edge_radius * np.sqrt(2 - np.pi / 2)
    cut = [(0.0, 0.0)] if bevel == 0.0 else [(0.0, bevel), (bevel, 0.0)]
    return np.stack(
        [
            a * (half_w - x) * across + b * (half_t - y) * normal
            for a, b in ((1, 1), (-1, 1), (-1, -1), (1, -1))
            # Around the ring the bevel is met from the side the ring comes from.
            for x, y in (cut if a * b > 0 else cut[::-1])
        ],
        axis=-2,
    )


def sweep_section(
    path: np.ndarray, outward: np.ndarray, width: float | np.ndarray, thickness: float, edge_radius: float = 0.0
) -> Surface:
    """Sweep a rectangle along a path; returns a closed surface facing outwards.

    Parameters
    ----------
    path, outward : ndarray, shape (n, 3)
        Mid-thickness centreline [mm] and thickness direction.
    width : float or ndarray, shape (n,)
        Of the section [mm].
    thickness : float
        Of the section [mm].
    edge_radius : float
        Of the long edges [mm]. They are bevelled so that the section keeps the area of the rounded one.
    """
    _, normal, across = section_directions(path, outward)
    widths = np.broadcast_to(np.asarray(width, dtype=float), len(path))
    ring = path[:, None] + section_ring(across, normal, widths, thickness, edge_radius)
    count, sides = ring.shape[:2]
    points = ring.reshape(-1, 3)
    triangles = []
    i = sides * np.arange(count - 1)
    for k in range(sides):
        a, b = i + k, i + (k + 1) % sides
        triangles += [np.stack([a, b, b + sides], axis=1), np.stack([a, b + sides, a + sides], axis=1)]
    fan = np.array([[0, k, k + 1] for k in range(1, sides - 1)])
    caps = np.vstack([fan[:, [0, 2, 1]], sides * (count - 1) + fan])
    surface = Surface(points, np.vstack([*triangles, caps]))
    return surface if surface.volume > 0 else Surface(points, surface.triangles[:, ::-1])


def plate_section(parameters: ParameterSet, plan: PlatePlan) -> dict[str, float]:
    """Width, thickness, pitch, countersink, bridge width and edge radius of a plate [mm]: its preset where not given.

    A countersink that is not given is at most as deep as the plate is thick.

    Raises
    ------
    InputError
        Unknown preset (with the closest name).
    GeometryError
        A number out of its range.
    """
    section = preset_group(parameters, "plates", plan.preset, "thickness")
    section |= {key: float(value) for key in section if (value := getattr(plan, key)) is not None}
    if plan.countersink is None:
        section["countersink"] = min(section["countersink"], section["thickness"])
    section["bridge_width"] = section["width"] if plan.bridge_width is None else float(plan.bridge_width)
    section["edge_radius"] = float(plan.edge_radius)
    roundest = ROUNDEST * min(section["thickness"], section["width"], section["bridge_width"])
    limits = {"width": (2.0, 20.0), "thickness": (0.5, 6.0), "pitch": (4.0, 20.0), "bridge_width": (2.0, 20.0)}
    limits |= {"edge_radius": (0.0, max(roundest, 0.0)), "countersink": (0.0, section["thickness"])}
    for key, (low, high) in limits.items():
        if not low <= section[key] <= high:
            raise GeometryError(f"plate: {key} is {section[key]:g} mm, allowed are {low:g} to {high:g} mm")
    return section
