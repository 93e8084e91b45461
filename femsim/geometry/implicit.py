"""Implicit solids: plates over a plan curve bounded by a silhouette, and their smooth union."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import cKDTree

CURVE_STEP = 0.1
"""Spacing of the polylines that stand for smooth curves [mm]; their sagitta is below a micrometre."""
RASTER = 0.5
"""Spacing of the stored silhouette distance [mm], read back with cubic splines."""
SMOOTHING = 2.0
"""Gaussian width in raster steps: takes the creases out of the distance along its middle lines."""
RASTER_MARGIN = 16.0
RIM_POWER = 2.4
"""Exponent of the rim's superellipse: a little squarer than a circle, as bone borders are."""

Profile = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class PlanCurve:
    """A smooth curve in the (x, a) plane that starts on the midline at a right angle to it.

    Attributes
    ----------
    points : ndarray, shape (n, 2)
        Fine polyline [mm].
    arc : ndarray, shape (n,)
        Arc length [mm].
    """

    points: np.ndarray
    arc: np.ndarray

    @classmethod
    def through(cls, controls: np.ndarray) -> PlanCurve:
        """Curve through control points, shape (m, 2), the first with x = 0; the mirror image continues it."""
        mirrored = np.vstack([controls[:0:-1] * [-1.0, 1.0], controls])
        chord = np.r_[0, np.cumsum(np.sqrt(np.linalg.norm(np.diff(mirrored, axis=0), axis=1)))]
        spline = CubicSpline(chord, mirrored)
        middle = chord[len(controls) - 1]
        dense = spline(np.linspace(middle, chord[-1], 4000))
        arc = np.r_[0, np.cumsum(np.linalg.norm(np.diff(dense, axis=0), axis=1))]
        even = np.linspace(0, arc[-1], int(arc[-1] / CURVE_STEP) + 1)
        points = np.column_stack([np.interp(even, arc, dense[:, k]) for k in range(2)])
        return cls(points, even)

    def point(self, s: float) -> np.ndarray:
        """Point at arc length s, shape (2,)."""
        return np.array([np.interp(s, self.arc, self.points[:, k]) for k in range(2)])

    def tangent(self, s: float) -> np.ndarray:
        """Unit tangent at arc length s, shape (2,)."""
        step = self.point(s + 0.5) - self.point(s - 0.5)
        return step / np.linalg.norm(step)

    def arc_of(self, a: float) -> float:
        """Arc length at a given a (the curve runs backwards throughout), continued straight beyond the end."""
        last = self.points[-1, 1]
        return float(np.interp(a, self.points[:, 1], self.arc) + max(a - last, 0.0))

    def locate(self, x: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Arc length of the nearest curve point and outward (buccal) offset from it, each of the shape of x."""
        where = np.column_stack([np.ravel(x), np.ravel(a)])
        _, nearest = self._tree.query(where)
        offset = where - self.points[nearest]
        t = self._tangents[nearest]
        # Within the polyline the correction is below half a step; beyond its ends it continues the curve straight.
        s = self.arc[nearest] + np.einsum("ij,ij->i", offset, t)
        outward = offset[:, 0] * t[:, 1] - offset[:, 1] * t[:, 0]
        return s.reshape(np.shape(x)), outward.reshape(np.shape(x))

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.points)

    @cached_property
    def _tangents(self) -> np.ndarray:
        tangents = np.gradient(self.points, self.arc, axis=0)
        tangents[0] = [1.0, 0.0]
        return tangents / np.linalg.norm(tangents, axis=1)[:, None]


@dataclass(frozen=True, eq=False)
class Silhouette:
    """Depth inside a closed outline in the (arc length, h) plane, stored on a raster.

    Attributes
    ----------
    depth : ndarray, shape (n, m)
        Distance to the outline, positive inside [mm].
    origin : ndarray, shape (2,)
    """

    depth: np.ndarray
    origin: np.ndarray

    @classmethod
    def around(cls, controls: np.ndarray) -> Silhouette:
        """Smooth closed outline through control points, shape (m, 2)."""
        closed = np.vstack([controls, controls[:1]])
        chord = np.r_[0, np.cumsum(np.sqrt(np.linalg.norm(np.diff(closed, axis=0), axis=1)))]
        line = CubicSpline(chord, closed, bc_type="periodic")(np.linspace(0, chord[-1], 2400))
        low = controls.min(axis=0) - RASTER_MARGIN
        count = np.ceil((np.ptp(controls, axis=0) + 2 * RASTER_MARGIN) / RASTER).astype(int)
        grid = np.stack(np.meshgrid(*(low[k] + RASTER * np.arange(count[k]) for k in range(2)), indexing="ij"), -1)
        distance, _ = cKDTree(line).query(grid.reshape(-1, 2))
        inside = _inside(line, grid[:, 0, 0], grid[0, :, 1])
        depth = np.where(inside, distance.reshape(count), -distance.reshape(count))
        return cls(gaussian_filter(depth, SMOOTHING, mode="nearest"), low)

    def __call__(self, s: np.ndarray, h: np.ndarray) -> np.ndarray:
        """Depth at points, positive inside [mm]."""
        s, h = np.broadcast_arrays(s, h)
        place = [(s - self.origin[0]) / RASTER, (h - self.origin[1]) / RASTER]
        return map_coordinates(self.depth, place, order=1, mode="nearest")


def _inside(line: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Even-odd rule on a raster, shape (len(first), len(second)): crossings of each column with the outline."""
    inside = np.zeros((len(first), len(second)), dtype=bool)
    start, end = line[:-1], line[1:]
    for i, place in enumerate(first):
        cut = (start[:, 0] <= place) != (end[:, 0] <= place)
        share = (place - start[cut, 0]) / (end[cut, 0] - start[cut, 0])
        heights = np.sort(start[cut, 1] + share * (end[cut, 1] - start[cut, 1]))
        inside[i] = np.searchsorted(heights, second) % 2 == 1
    return inside


@dataclass(frozen=True, eq=False)
class Curtain:
    """A plate that stands on a plan curve.

    Attributes
    ----------
    curve : PlanCurve
    silhouette : Silhouette
    half_thickness, middle : callable
        Half thickness and outward shift of the middle surface [mm], functions of arc length and h.
    rim : callable, optional
        Width of the rounded rim over the half thickness, one when not given.
    """

    curve: PlanCurve
    silhouette: Silhouette
    half_thickness: Profile
    middle: Profile
    rim: Profile | None = None

    def field(self, x: np.ndarray, a: np.ndarray, h: np.ndarray) -> np.ndarray:
        """Approximate signed distance, negative inside [mm].

        With depth d inside the silhouette and half thickness t, the rim is a superellipse:
        F = t ((max(1 - d/(r t), 0)^p + (|n - n0| / t)^p)^(1/p) - 1), r the relative width of the rim.
        """
        s, n = self.curve.locate(x, a)
        s, n, h = np.broadcast_arrays(s, n, h)
        half = self.half_thickness(s, h)
        width = half if self.rim is None else half * self.rim(s, h)
        rim = np.maximum(1 - self.silhouette(s, h) / width, 0)
        side = np.abs(n - self.middle(s, h)) / half
        return half * ((rim**RIM_POWER + side**RIM_POWER) ** (1 / RIM_POWER) - 1)


def smooth_union(first: np.ndarray, second: np.ndarray, radius: float) -> np.ndarray:
    """Union of two fields with a fillet: the polynomial minimum, which equals the minimum farther apart than radius."""
    share = np.maximum(radius - np.abs(first - second), 0) / radius
    return np.minimum(first, second) - share**3 * radius / 6
