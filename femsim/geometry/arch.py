"""Curtain coordinates of a jaw: arc length along the arch, buccal distance, height; teeth and borders in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyvista as pv
from scipy.interpolate import CubicSpline
from scipy.ndimage import distance_transform_edt, gaussian_filter1d
from scipy.spatial import cKDTree

from femsim.errors import GeometryError, InputError
from femsim.geometry.surface import Surface
from femsim.parameters import ParameterSet, load_parameters

STATION_STEP = 3.0
"""Spacing [mm] of the stations at which the curve is centred in the bone."""

TABLE_STEP = 0.25
"""Spacing [mm] of the table in which the nearest point of the curve is looked up before it is refined."""

FIT_ROUNDS = 4
"""Centring changes the directions of the cuts, hence repeats; the shift of the fourth round is below 0.1 mm."""

FIT_SMOOTHING = 5.0
"""Centring shifts are averaged over this length [mm], so that roots and ridges do not bend the curve."""

KNOT_STEP = 9.0
"""Spacing [mm] of the spline's knots, about one tooth."""

FIT_REACH = 16.0
"""Bone farther than this [mm] beside the curve belongs to something else (coronoid, condyle, the other side)."""

BASAL_HEIGHT = 26.0
"""The curve is centred in the bone up to this height [mm] above the lower border; crowns and coronoid lie above."""

CURTAIN_REACH = 22.0
"""Surface farther than this [mm] from the curve is left out of the lateral outline."""

TAIL = 45.0
"""Straight continuation [mm] behind the last control point, beyond the condyle."""

OUTLINE_STEP = 0.5
"""Column width [mm] of the lateral outline."""

NEWTON_STEPS = 3
"""The table is within 0.13 mm of the foot point; three Newton steps leave less than 1e-9 mm."""

LOWER_TEETH = tuple(range(31, 39)) + tuple(range(41, 49))


@dataclass(frozen=True, eq=False)
class Arch:
    """A horizontal curve through the jaw from right ramus over the midline to left ramus.

    Coordinates of a point: ``s`` arc length of its foot point on the curve [mm], 0 at the midline, positive on the
    left; ``n`` horizontal distance from the curve [mm], positive on the buccal side; ``z`` height [mm].

    Attributes
    ----------
    surface : Surface
        The jaw in the anatomical frame.
    curve : CubicSpline
        s to (x, y) [mm], parametrised by arc length.
    reach : tuple of float
        Lowest and highest s of the spline; the curve goes on straight beyond.
    tooth_edges : tuple of ndarray
        Right and left: distance from the midline of the edges of teeth 1 to 8, shape (9,) [mm].
    outline : ndarray, shape (k, 2)
        Lowest bone (s, z) per column of the lateral projection; NaN-free, ends where bone ends.
    """

    surface: Surface
    curve: CubicSpline
    reach: tuple[float, float]
    tooth_edges: tuple[np.ndarray, np.ndarray]
    outline: np.ndarray

    @classmethod
    def fit(cls, surface: Surface, landmarks: Mapping[str, np.ndarray], parameters: ParameterSet | None = None) -> Arch:
        """Fit the curve to a jaw.

        Parameters
        ----------
        surface : Surface
            In the anatomical frame (x left, y posterior, z up).
        landmarks : mapping of str to (3,)
            ``incisor``, ``menton`` and left/right ``first_molar``, ``gonion`` are used.
        parameters : ParameterSet, optional
            Card ``teeth``.

        Raises
        ------
        GeometryError
            A first molar is not clearly beside the midline: the landmarks do not suit the surface.
        """
        parameters = parameters or load_parameters()
        curve, reach = _spline(_first_guess(landmarks))
        for _ in range(FIT_ROUNDS):
            curve, reach = _centred(surface, curve, reach)
        arch = cls(surface, curve, reach, (np.zeros(9), np.zeros(9)), np.zeros((0, 2)))
        widths = np.array([parameters[f"teeth.width-{k}"] for k in range(1, 9)])
        edges = []
        for side, sign in (("right", -1), ("left", 1)):
            s_molar = sign * float(arch.locate(np.asarray(landmarks[f"first_molar_{side}"])[None])[0][0])
            if not 15.0 < s_molar < 70.0:
                raise GeometryError(
                    f"arch: the {side} first molar lies {s_molar:.1f} mm from the midline along the jaw, 15 to 70 mm "
                    "are allowed; check the landmarks"
                )
            edges.append(np.r_[0.0, np.cumsum(widths)] * s_molar / (widths[:5].sum() + widths[5] / 2))
        return cls(surface, curve, reach, (edges[0], edges[1]), _outline(surface, arch))

    def point(self, s: np.ndarray) -> np.ndarray:
        """Points of the curve, shape (n, 3) for s (n,) [mm]; z is the middle height of the body there."""
        s = np.atleast_1d(np.asarray(s, dtype=float))
        z = self.lower_border(s) + BASAL_HEIGHT / 2 if len(self.outline) else np.zeros(len(s))
        return np.column_stack([_position(self.curve, self.reach, s), z])

    def tangent(self, s: np.ndarray) -> np.ndarray:
        """Unit horizontal tangents towards increasing s, shape (n, 3)."""
        s = np.atleast_1d(np.asarray(s, dtype=float))
        xy = _direction(self.curve, self.reach, s)
        return np.column_stack([xy, np.zeros(len(s))])

    def normal(self, s: np.ndarray) -> np.ndarray:
        """Unit horizontal normals towards the buccal side, shape (n, 3)."""
        t = self.tangent(s)
        return np.column_stack([t[:, 1], -t[:, 0], np.zeros(len(t))])

    def locate(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Curtain coordinates s, n, z of points (k, 3), each shape (k,) [mm]."""
        points = np.asarray(points, dtype=float)
        s = _foot(self.curve, self.reach, self._table, points[:, :2])
        offset = points[:, :2] - _position(self.curve, self.reach, s)
        return s, np.einsum("ij,ij->i", offset, self.normal(s)[:, :2]), points[:, 2].copy()

    def unrolled(self, s: np.ndarray, n: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Points (k, 3) at curtain coordinates; the inverse of :meth:`locate`."""
        flat = np.column_stack([_position(self.curve, self.reach, np.asarray(s, dtype=float)), np.asarray(z)])
        return flat + np.asarray(n)[:, None] * self.normal(s)

    def lower_border(self, s: np.ndarray) -> np.ndarray:
        """Height of the lowest bone at s [mm]; behind the angle it climbs along the posterior border."""
        return np.interp(s, self.outline[:, 0], self.outline[:, 1])

    def tooth(self, fdi: int) -> tuple[float, float, float]:
        """Arch coordinate of the mesial edge, centre and distal edge of a tooth's place, whether or not it is there.

        Raises
        ------
        InputError
            Not the FDI number of a lower tooth.
        """
        if fdi not in LOWER_TEETH:
            raise InputError(f"tooth {fdi}: no such lower tooth; allowed are FDI 31-38 (left) and 41-48 (right)")
        left = fdi < 40
        edges, k, sign = self.tooth_edges[int(left)], fdi % 10, 1.0 if left else -1.0
        return sign * edges[k - 1], sign * (edges[k - 1] + edges[k]) / 2, sign * edges[k]

    def tooth_point(self, fdi: int) -> np.ndarray:
        """Centre of the bone section at a tooth, shape (3,) [mm]."""
        s = self.tooth(fdi)[1]
        low = float(self.lower_border(np.array([s]))[0])
        columns = _section_middles(self.surface, self.curve, self.reach, s, np.arange(low + 1.0, low + 60.0, 1.5))
        if len(columns) == 0:
            return self.point(np.array([s]))[0]
        middle = np.average(columns[:, :2], axis=0, weights=columns[:, 2])
        return self.unrolled(np.array([s]), middle[:1], middle[1:])[0]

    def buccal(self, s: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Outermost buccal surface points at (s, z), shape (k, 3); NaN where the curtain misses the bone."""
        s, z = np.asarray(s, dtype=float), np.asarray(z, dtype=float)
        normal = self.normal(s)
        start = self.unrolled(s, np.full(len(s), CURTAIN_REACH), z)
        hits = np.full((len(s), 3), np.nan)
        for k in range(len(s)):
            distances = self.surface.ray_hits(start[k], -normal[k], 1.5 * CURTAIN_REACH)
            if len(distances):
                hits[k] = start[k] - distances[0] * normal[k]
        return hits

    def parallel_to_border(self, height: float, smoothing: float) -> np.ndarray:
        """Curve at a distance from the lower and posterior border in the lateral projection.

        Parameters
        ----------
        height : float
            Distance from the border [mm].
        smoothing : float
            Standard length [mm] of the average that rounds the bend at the angle.

        Returns
        -------
        ndarray, shape (k, 2)
            (s, z) from the right ramus to the left one, 0.5 mm apart.

        Raises
        ------
        GeometryError
            No bone that high above the border.
        """
        step = OUTLINE_STEP / 2
        s = np.arange(self.outline[0, 0] - 4, self.outline[-1, 0] + 4, step)
        low = np.interp(s, self.outline[:, 0], self.outline[:, 1], left=np.inf, right=np.inf)
        z = np.arange(self.outline[:, 1].min() - 2, self.outline[:, 1].max() + 10, step)
        # The transform measures to the middle of the nearest outside cell, half a cell beyond the border.
        depth = (distance_transform_edt(z[None, :] >= low[:, None]) - 0.5) * step
        grid = pv.ImageData(dimensions=(len(s), len(z), 1), spacing=(step, step, 1), origin=(s[0], z[0], 0))
        grid.point_data["depth"] = depth.ravel(order="F")
        lines = grid.contour([height], scalars="depth").strip(join=True, max_length=100_000)
        if lines.n_cells == 0:
            raise GeometryError(f"plate: no bone {height:g} mm above the lower border; choose a smaller height")
        longest = max((lines.get_cell(k).points for k in range(lines.n_cells)), key=len)[:, :2]
        line = np.asarray(longest, dtype=float)
        if line[0, 0] > line[-1, 0]:
            line = line[::-1]
        line = resampled(line, 0.5)
        return resampled(gaussian_filter1d(line, smoothing / 0.5, axis=0, mode="nearest"), 0.5)

    @cached_property
    def _table(self) -> tuple[np.ndarray, cKDTree]:
        return _lookup(self.curve, self.reach)


def resampled(path: np.ndarray, step: float) -> np.ndarray:
    """Polyline (n, d) with points at equal arc length, about ``step`` apart [mm]."""
    arc = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))]
    keep = np.r_[True, np.diff(arc) > 1e-9]
    new = np.linspace(0, arc[-1], max(round(float(arc[-1]) / step), 1) + 1)
    return np.column_stack([np.interp(new, arc[keep], path[keep, k]) for k in range(path.shape[1])])


def _first_guess(landmarks: Mapping[str, np.ndarray]) -> np.ndarray:
    """Control points (k, 2) from right to left: rami, molars, canines and the middle of the chin."""
    point = {name: np.asarray(value, dtype=float) for name, value in landmarks.items()}
    front = max(point["incisor"][1], point["menton"][1]) + 3.0
    sides = []
    for side in ("right", "left"):
        molar, gonion = point[f"first_molar_{side}"][:2], point[f"gonion_{side}"][:2]
        # A canine stands at about six tenths of the molar's width and a fifth of the way back.
        canine = np.array([0.6 * molar[0], front + 0.2 * (molar[1] - front)])
        behind = gonion + TAIL * (gonion - molar) / np.linalg.norm(gonion - molar)
        sides.append([behind, (gonion + behind) / 2, gonion, (gonion + molar) / 2, molar, canine])
    return np.array([*sides[0], [0.0, front], *sides[1][::-1]])


def _spline(control: np.ndarray) -> tuple[CubicSpline, tuple[float, float]]:
    """Arc-length spline through points ordered from right (x < 0) to left, s = 0 where it crosses x = 0."""
    chord = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(control, axis=0), axis=1))]
    rough = CubicSpline(chord, control, bc_type="natural")
    dense = np.linspace(0, chord[-1], 4000)
    points = rough(dense)
    arc = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    # The front crossing is the one with the smallest y; the rami never reach the midline.
    crossing = np.flatnonzero((points[:-1, 0] < 0) & (points[1:, 0] >= 0))
    if len(crossing) == 0:
        raise GeometryError("arch: the curve through the landmarks does not cross the midline x = 0; check them")
    k = crossing[np.argmin(points[crossing, 1])]
    zero = arc[k] + (arc[k + 1] - arc[k]) * -points[k, 0] / (points[k + 1, 0] - points[k, 0])
    knots = np.linspace(0, arc[-1], int(arc[-1] / TABLE_STEP / 4))
    curve = CubicSpline(knots - zero, rough(np.interp(knots, arc, dense)), bc_type="natural")
    return curve, (float(-zero), float(arc[-1] - zero))


def _position(curve: CubicSpline, reach: tuple[float, float], s: np.ndarray) -> np.ndarray:
    inside = np.clip(s, *reach)
    return curve(inside) + (s - inside)[:, None] * _direction(curve, reach, inside)


def _direction(curve: CubicSpline, reach: tuple[float, float], s: np.ndarray) -> np.ndarray:
    slope = curve(np.clip(s, *reach), 1)
    return slope / np.linalg.norm(slope, axis=1, keepdims=True)


def _lookup(curve: CubicSpline, reach: tuple[float, float]) -> tuple[np.ndarray, cKDTree]:
    s = np.arange(reach[0], reach[1] + TABLE_STEP, TABLE_STEP)
    return s, cKDTree(_position(curve, reach, s))


def _foot(
    curve: CubicSpline, reach: tuple[float, float], table: tuple[np.ndarray, cKDTree], xy: np.ndarray
) -> np.ndarray:
    """Arc length of the nearest point of the curve to each of (k, 2)."""
    s = table[0][table[1].query(xy)[1]]
    for _ in range(NEWTON_STEPS):
        inside = np.clip(s, *reach)
        offset = xy - _position(curve, reach, s)
        slope, bend = curve(inside, 1), curve(inside, 2) * (inside == s)[:, None]
        step = np.einsum("ij,ij->i", offset, slope)
        curvature = np.einsum("ij,ij->i", slope, slope) - np.einsum("ij,ij->i", offset, bend)
        # Beyond the centre of curvature the foot point is not unique; the table's answer stands there.
        s = s + np.clip(np.where(curvature > 0.1, step / np.maximum(curvature, 0.1), 0.0), -TABLE_STEP, TABLE_STEP)
    for end, behind in ((reach[0], s <= reach[0]), (reach[1], s >= reach[1])):
        # Beyond its ends the curve is straight and the foot point is a projection.
        at = np.array([end])
        s = np.where(behind, end + (xy - _position(curve, reach, at)) @ _direction(curve, reach, at)[0], s)
    return s


def _section_middles(
    surface: Surface, curve: CubicSpline, reach: tuple[float, float], s: float, heights: np.ndarray
) -> np.ndarray:
    """Rows (middle n, z, thickness) of the bone met by horizontal rays across the curve at s."""
    at = np.array([s])
    point, direction = _position(curve, reach, at)[0], _direction(curve, reach, at)[0]
    outward = np.array([direction[1], -direction[0], 0.0])
    rows = []
    for z in heights:
        start = np.array([point[0], point[1], z]) + FIT_REACH * outward
        hits = FIT_REACH - surface.ray_hits(start, -outward, 2 * FIT_REACH)
        if len(hits) % 2:
            # The ray starts or ends inside bone; keep the pairs that are complete.
            hits = hits[1:] if surface.contains(start[None])[0] else hits[:-1]
        for outer, inner in zip(hits[0::2], hits[1::2], strict=True):
            rows.append((0.5 * (outer + inner), z, outer - inner))
    return np.array(rows).reshape(-1, 3)


def _centred(
    surface: Surface, curve: CubicSpline, reach: tuple[float, float]
) -> tuple[CubicSpline, tuple[float, float]]:
    """Shift the curve to the middle of the bone and smooth it."""
    stations = np.arange(-np.floor(-reach[0] / STATION_STEP), np.floor(reach[1] / STATION_STEP) + 1) * STATION_STEP
    low, high = surface.bounds[:, 2]
    shift = np.full(len(stations), np.nan)
    for k, s in enumerate(stations):
        rows = _section_middles(surface, curve, reach, float(s), np.arange(low + 1.0, high, 3.0))
        if len(rows):
            rows = rows[rows[:, 1] < rows[:, 1].min() + BASAL_HEIGHT]
            shift[k] = np.average(rows[:, 0], weights=rows[:, 2])
    # The condyle juts out behind the ramus; only stations joined to the midline without a gap or a jump in height
    # count, the tail keeps the last shift.
    valid = np.isfinite(shift) & (np.abs(stations) <= _ramus_end(surface, curve, reach, stations))
    if valid.sum() < 10:
        raise GeometryError("arch: the curve through the landmarks lies beside the bone; check the landmarks")
    shift = gaussian_filter1d(np.interp(stations, stations[valid], shift[valid]), FIT_SMOOTHING / STATION_STEP)
    normal = _direction(curve, reach, stations) @ np.array([[0.0, -1.0], [1.0, 0.0]])
    moved = _position(curve, reach, stations) + shift[:, None] * normal
    knots = round(KNOT_STEP / STATION_STEP)
    middle = len(stations) // 2
    chosen = np.unique(np.r_[np.arange(middle, -1, -knots), np.arange(middle, len(stations), knots)])
    return _spline(moved[chosen])


def _ramus_end(surface: Surface, curve: CubicSpline, reach: tuple[float, float], stations: np.ndarray) -> np.ndarray:
    """Largest |s| per station's side at which bone still reaches down to the lower half of the jaw."""
    xy, z = surface.points[:, :2], surface.points[:, 2]
    s = _foot(curve, reach, _lookup(curve, reach), xy)
    low = z < z.min() + 0.45 * np.ptp(z)
    left, right = s[low].max(), -s[low].min()
    return np.where(stations > 0, left, right) - STATION_STEP


def _outline(surface: Surface, arch: Arch) -> np.ndarray:
    """Lowest bone (s, z) in columns of the lateral projection."""
    corners = surface.corners
    samples = np.vstack(
        [surface.points, corners.mean(axis=1), *(0.5 * (corners[:, k] + corners[:, (k + 1) % 3]) for k in range(3))]
    )
    s, n, z = arch.locate(samples)
    near = np.abs(n) < CURTAIN_REACH
    column = np.round(s[near] / OUTLINE_STEP).astype(int)
    first = column.min()
    lowest = np.full(column.max() - first + 1, np.inf)
    np.minimum.at(lowest, column - first, z[near])
    centre = (first + np.arange(len(lowest))) * OUTLINE_STEP
    filled = np.isfinite(lowest)
    lowest = np.interp(centre, centre[filled], lowest[filled])
    return np.column_stack([centre, lowest])
