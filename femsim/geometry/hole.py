"""A hole through a plate: its bore, the conical seat of a screw's head, and the void they leave without a screw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from femsim.geometry.surface import Surface


@dataclass(frozen=True, eq=False)
class Hole:
    """A hole that holds no screw: an endless bore that widens to the seat of the head at the plate's outer face.

    Attributes
    ----------
    centre, axis : ndarray, shape (3,)
        Centre at mid thickness [mm] and unit direction into the bone.
    diameter : float
        Of the bore [mm].
    thickness : float
        Of the plate there [mm].
    seat_diameter, seat_depth : float
        Diameter of the conical seat at the outer face and its depth below it [mm]; a depth of zero is a plain bore.
    """

    centre: np.ndarray
    axis: np.ndarray
    diameter: float
    thickness: float
    seat_diameter: float = 0.0
    seat_depth: float = 0.0

    def radius(self, axial: np.ndarray) -> np.ndarray:
        """Radius of the void [mm] at distances from the centre along the axis, towards the bone [mm]."""
        if self.seat_depth <= 0.0:
            return np.full(np.shape(axial), self.diameter / 2)
        below = np.asarray(axial, dtype=float) + self.thickness / 2
        return np.interp(below, [0.0, self.seat_depth], [self.seat_diameter / 2, self.diameter / 2])

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Whether points, shape (n, 3), lie inside."""
        axial, radial = self._local(points)
        return radial < self.radius(axial)

    def wall_distance(self, points: np.ndarray) -> np.ndarray:
        """Distance of points (n, 3) to the wall of the hole in the plate [mm], shape (n,); across the axis only."""
        axial, radial = self._local(points)
        beyond = np.maximum(np.abs(axial) - self.thickness / 2, 0.0)
        return np.hypot(beyond, radial - self.radius(axial))

    @property
    def volume(self) -> float:
        """Volume of the void in the plate [mm3]."""
        bore, seat = self.diameter / 2, self.seat_diameter / 2
        cone = (seat**2 + seat * bore + bore**2) / 3 if self.seat_depth > 0.0 else 0.0
        return float(np.pi * (bore**2 * (self.thickness - self.seat_depth) + cone * self.seat_depth))

    def plug(self, margin: float, segments: int) -> Surface:
        """Closed faceted surface of the void, ending ``margin`` [mm] outside both faces of the plate.

        Every ring has the area of the exact circle.
        """
        half = self.thickness / 2
        stations = [-half - margin, half + margin]
        if self.seat_depth > 0.0:
            stations = [-half - margin, -half, min(-half + self.seat_depth, half), half + margin]
        first = np.cross(self.axis, np.eye(3)[np.argmin(np.abs(self.axis))])
        first /= np.linalg.norm(first)
        across = np.array([first, np.cross(self.axis, first)])
        angle = 2 * np.pi * np.arange(segments) / segments
        circle = np.cos(angle)[:, None] * across[0] + np.sin(angle)[:, None] * across[1]
        radii = self.radius(np.array(stations)) * np.sqrt(2 * np.pi / segments / np.sin(2 * np.pi / segments))
        rings = [self.centre + z * self.axis + radius * circle for z, radius in zip(stations, radii, strict=True)]
        ends = self.centre + np.array(stations)[[0, -1], None] * self.axis
        i, last = np.arange(segments), (len(rings) - 1) * segments
        j = (i + 1) % segments
        top, bottom = np.full(segments, last + segments), np.full(segments, last + segments + 1)
        triangles = [np.stack([top, j, i], axis=1), np.stack([bottom, last + i, last + j], axis=1)]
        for k in range(0, last, segments):
            triangles += [
                np.stack([k + i, k + j, k + j + segments], axis=1),
                np.stack([k + i, k + j + segments, k + i + segments], axis=1),
            ]
        return Surface(np.vstack([*rings, ends]), np.vstack(triangles))

    def _local(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        local = np.asarray(points, dtype=float) - self.centre
        axial = local @ self.axis
        return axial, np.linalg.norm(local - np.outer(axial, self.axis), axis=1)
