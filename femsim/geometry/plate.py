"""Bone plates: a rectangular section swept along a centreline that follows the buccal surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from femsim.errors import GeometryError
from femsim.geometry.presets import preset_group
from femsim.geometry.surface import Surface
from femsim.parameters import ParameterSet


@dataclass(frozen=True, eq=False)
class Plate:
    """A swept plate; holes are positions only, because locking screws are bonded to the plate.

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
        Section [mm].
    clearance : tuple of float
        Least and greatest distance from the inner face to bone that stays [mm].
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

    @property
    def length(self) -> float:
        """Length of the centreline [mm]."""
        return float(arc_length(self.path)[-1])

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Whether points, shape (n, 3), lie inside the plate (screw holes are not voids)."""
        return self.surface.contains(points)


def arc_length(path: np.ndarray) -> np.ndarray:
    """Distance along a polyline (n, d) from its start, shape (n,)."""
    return np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))]


def section_directions(path: np.ndarray, outward: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orthonormal tangent, thickness (outward) and width directions at every point of a path, each (n, 3)."""
    tangent = np.gradient(path, arc_length(path), axis=0, edge_order=1)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normal = outward - np.einsum("ij,ij->i", outward, tangent)[:, None] * tangent
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return tangent, normal, np.cross(normal, tangent)


def sweep_section(path: np.ndarray, outward: np.ndarray, width: float, thickness: float) -> Surface:
    """Sweep a rectangle along a path; returns a closed surface facing outwards.

    Parameters
    ----------
    path, outward : ndarray, shape (n, 3)
        Mid-thickness centreline [mm] and thickness direction.
    width, thickness : float
        Section [mm].
    """
    _, normal, across = section_directions(path, outward)
    half_w, half_t = width / 2, thickness / 2
    corners = [(1, 1), (-1, 1), (-1, -1), (1, -1)]
    ring = np.stack([path + a * half_w * across + b * half_t * normal for a, b in corners], axis=1)
    count = len(path)
    points = ring.reshape(-1, 3)
    triangles = []
    i = 4 * np.arange(count - 1)
    for k in range(4):
        a, b = i + k, i + (k + 1) % 4
        triangles += [np.stack([a, b, b + 4], axis=1), np.stack([a, b + 4, a + 4], axis=1)]
    last = 4 * (count - 1)
    caps = np.array([[0, 2, 1], [0, 3, 2], [last, last + 1, last + 2], [last, last + 2, last + 3]])
    surface = Surface(points, np.vstack([*triangles, caps]))
    return surface if surface.volume > 0 else Surface(points, surface.triangles[:, ::-1])


def plate_section(
    parameters: ParameterSet,
    preset: str,
    *,
    width: float | None = None,
    thickness: float | None = None,
    pitch: float | None = None,
) -> dict[str, float]:
    """Width, thickness and hole pitch of a preset [mm], each replaced where given.

    Raises
    ------
    InputError
        Unknown preset (with the closest name).
    GeometryError
        A number out of its range.
    """
    section = preset_group(parameters, "plates", preset, "thickness")
    for key, value, low, high in (
        ("width", width, 2.0, 20.0),
        ("thickness", thickness, 0.5, 6.0),
        ("pitch", pitch, 4.0, 20.0),
    ):
        section[key] = section[key] if value is None else float(value)
        if not low <= section[key] <= high:
            raise GeometryError(f"plate: {key} is {section[key]:g} mm, allowed are {low:g} to {high:g} mm")
    return section
