"""Segmental resection: the cut planes across the jaw, what they remove, and the bone pieces that stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from femsim.errors import GeometryError, InputError
from femsim.geometry.arch import Arch
from femsim.geometry.surface import Surface

GATE_MARGIN = 12.0
"""Arc length [mm] beyond the cut planes up to which the plane tests are trusted; the planes are endless and meet the
other side of the jaw, which lies much farther away along the arch."""

SHORTEST_SEGMENT = 2.0
"""Least length [mm] along the arch of a removed segment, a few saw blades."""

SHORTEST_PIECE = 8.0
"""Least length [mm] along the arch of bone between two removed segments: one screw with bone on both sides."""

FARTHEST_BESIDE = 25.0
"""A plane's point farther than this [mm] beside the arch is not inside the jaw."""

MIDLINE_SLACK = 0.5
"""A cut within this distance [mm] of the midline stands on it: teeth 31 and 41 meet there, give or take rounding."""

STEEPEST_CUT = 0.5
"""Least cosine between a cut's normal and the arch's tangent: a cut up to 60 degrees oblique is possible."""

MOST_SIDEWAYS = 0.5
"""Largest cosine between the normal of a cut through the ramus and the buccal direction; a larger one would split the
ramus into an inner and an outer plate instead of cutting across it."""


@dataclass(frozen=True, eq=False)
class CutPlane:
    """One saw cut.

    Attributes
    ----------
    point : ndarray, shape (3,)
        A point on the plane, in the middle of the bone section [mm].
    normal : ndarray, shape (3,)
        Unit normal into the removed part.
    """

    point: np.ndarray
    normal: np.ndarray

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Signed distance of points (n, 3) into the removed side [mm], shape (n,)."""
        return (np.asarray(points, dtype=float) - self.point) @ self.normal


@dataclass(frozen=True, eq=False)
class Segment:
    """One removed segment.

    Attributes
    ----------
    cuts : tuple of CutPlane
        The cut at the lower and at the higher arch coordinate.
    span : tuple of float
        Arch coordinates of the two cuts [mm], ascending.
    words : str
        What was removed, for messages.
    reach : tuple of float
        Arch coordinates between which the planes are trusted [mm]; without an end where a cut lies across the ramus,
        because behind it there is no other bone.
    """

    cuts: tuple[CutPlane, CutPlane]
    span: tuple[float, float]
    words: str
    reach: tuple[float, float]

    @property
    def length(self) -> float:
        """Length along the arch [mm]."""
        return self.span[1] - self.span[0]

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Signed distance of points (n, 3) between the endless planes to the nearer one [mm], shape (n,)."""
        return np.minimum(*(cut.depth(points) for cut in self.cuts))

    def near(self, s: np.ndarray) -> np.ndarray:
        """Whether arch coordinates [mm] lie where the planes are trusted."""
        return (s > self.reach[0]) & (s < self.reach[1])


@dataclass(frozen=True, eq=False)
class BonePiece:
    """Bone that stays between cuts.

    Attributes
    ----------
    name : str
        ``mesial``, ``distal``, ``right``, ``left``, or ``middle`` (``middle-1``, ...) between two removed segments.
    cuts : tuple of CutPlane
        The cuts that border it, by ascending arch coordinate: one for an end of the jaw, two for a middle piece.
    """

    name: str
    cuts: tuple[CutPlane, ...]

    def distance_to_cut(self, points: np.ndarray) -> np.ndarray:
        """Least distance of points (n, 3) on this piece to its cuts [mm], shape (n,); negative in the removed part."""
        return np.min([-cut.depth(points) for cut in self.cuts], axis=0)


@dataclass(frozen=True, eq=False)
class Resection:
    """Everything removed from a jaw: one segment or several with bone between them.

    Attributes
    ----------
    arch : Arch
        Curtain coordinates of the jaw.
    segments : tuple of Segment
        By ascending arch coordinate (from the right to the left of the jaw).
    """

    arch: Arch
    segments: tuple[Segment, ...]

    @property
    def cuts(self) -> tuple[CutPlane, ...]:
        """Every cut, by ascending arch coordinate."""
        return tuple(cut for segment in self.segments for cut in segment.cuts)

    @property
    def span(self) -> tuple[float, float]:
        """Arch coordinates of the first and the last cut [mm]."""
        return self.segments[0].span[0], self.segments[-1].span[1]

    @property
    def side(self) -> str:
        """``left``, ``right``, or ``midline`` when the midline lies between the first and the last cut."""
        low, high = self.span
        return "left" if low >= -MIDLINE_SLACK else "right" if high <= MIDLINE_SLACK else "midline"

    @property
    def words(self) -> str:
        """What was removed, for messages."""
        return " and ".join(segment.words for segment in self.segments)

    @property
    def pieces(self) -> tuple[BonePiece, ...]:
        """The bone that stays, by ascending arch coordinate."""
        ends = {"left": ("mesial", "distal"), "right": ("distal", "mesial"), "midline": ("right", "left")}[self.side]
        count = len(self.segments) - 1
        middles = [f"middle-{k + 1}" if count > 1 else "middle" for k in range(count)]
        cuts = self.cuts
        borders = [cuts[:1], *(cuts[k : k + 2] for k in range(1, len(cuts) - 1, 2)), cuts[-1:]]
        names = [ends[0], *middles, ends[1]]
        return tuple(BonePiece(name, around) for name, around in zip(names, borders, strict=True))

    def removed(self, points: np.ndarray) -> np.ndarray:
        """Whether points, shape (n, 3), lie between the cuts of a segment on the operated part of the jaw."""
        points = np.asarray(points, dtype=float)
        gone = np.zeros(len(points), dtype=bool)
        for segment in self.segments:
            between = segment.depth(points) > 0
            if between.any():
                between[between] = segment.near(self.arch.locate(points[between])[0])
            gone |= between
        return gone

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Distance of points (n, 3) in the removed parts to the nearest cut [mm], shape (n,); zero in bone that stays.

        Points anywhere beside a removed part count, not only those inside bone: a plate is asked how far it bridges.
        """
        points = np.asarray(points, dtype=float)
        s = self.arch.locate(points)[0]
        deepest = np.zeros(len(points))
        for segment in self.segments:
            deepest = np.maximum(deepest, np.where(segment.near(s), segment.depth(points), 0.0))
        return deepest

    def split(self, bone: Surface) -> tuple[Surface, Surface]:
        """Surface of what stays, closed by its cut faces, and of what is removed, open at the cuts."""
        s = self.arch.locate(bone.points)[0]
        depth = np.full(len(bone.points), -np.inf)
        for segment in self.segments:
            between = segment.depth(bone.points)
            # Beyond the gate the planes cut nothing, and the sign must not change on the way there.
            depth = np.maximum(depth, np.where(segment.near(s), between, -np.abs(between)))
        mesh = bone.polydata.copy(deep=False)
        mesh.point_data["depth"] = depth
        kept, removed = mesh.clip_scalar(scalars="depth", value=0.0, both=True)
        return Surface.from_polydata(kept.fill_holes(bone.area)), Surface.from_polydata(removed)

    def removes(self, s: float) -> bool:
        """Whether an arch coordinate [mm] lies in a removed segment."""
        return any(segment.span[0] < s < segment.span[1] for segment in self.segments)


def combined(resections: Sequence[Resection]) -> Resection:
    """Join several resections of one jaw.

    Raises
    ------
    GeometryError
        Two segments overlap or leave too little bone between them.
    """
    segments = sorted((segment for one in resections for segment in one.segments), key=lambda segment: segment.span[0])
    for first, second in pairwise(segments):
        left = second.span[0] - first.span[1]
        if left < SHORTEST_PIECE:
            what = f"leave {left:.1f} mm of bone between them" if left > 0 else f"overlap by {-left:.1f} mm"
            raise GeometryError(
                f"resection: {first.words} and {second.words} {what}, at least {SHORTEST_PIECE:g} mm are needed for a "
                "screw; make it one segment or move the cuts apart"
            )
    return Resection(resections[0].arch, tuple(segments))


def resect_teeth(surface: Surface, arch: Arch, from_tooth: int, to_tooth: int) -> Resection:
    """Remove the segment that carries two teeth and everything between them.

    The cuts stand across the arch at the outer edges of the two teeth.

    Parameters
    ----------
    surface : Surface
        The jaw.
    arch : Arch
    from_tooth, to_tooth : int
        FDI numbers 31-38 and 41-48, in either order.

    Raises
    ------
    InputError
        No such lower tooth.
    GeometryError
        A cut does not meet the bone.
    """
    edges = [*arch.tooth(from_tooth), *arch.tooth(to_tooth)]
    return _resection(surface, arch, _across(arch, min(edges), max(edges)), f"teeth {from_tooth} to {to_tooth}")


def resect_distances(surface: Surface, arch: Arch, first: float, last: float) -> Resection:
    """Remove the segment between two arch coordinates, cut straight across the arch.

    Parameters
    ----------
    first, last : float
        Distances from the midline along the arch [mm], positive on the left, in either order.

    Raises
    ------
    GeometryError
        A cut does not meet the bone, or the two nearly coincide.
    """
    low, high = sorted((float(first), float(last)))
    return _resection(surface, arch, _across(arch, low, high), f"the part from {low:g} to {high:g} mm")


def resect_tooth_and_distance(surface: Surface, arch: Arch, tooth: int, distance: float) -> Resection:
    """Remove the segment between a tooth, included, and an arch coordinate.

    Parameters
    ----------
    tooth : int
        FDI number.
    distance : float
        From the midline along the arch [mm], positive on the left.

    Raises
    ------
    InputError
        No such lower tooth.
    GeometryError
        A cut does not meet the bone, or the two nearly coincide.
    """
    edges = [arch.tooth(tooth)[0], arch.tooth(tooth)[2], float(distance)]
    words = f"the part from tooth {tooth} to {distance:g} mm"
    return _resection(surface, arch, _across(arch, min(edges), max(edges)), words)


def resect_ramus(
    surface: Surface, arch: Arch, landmarks: Mapping[str, np.ndarray], start: int | float, height: float
) -> Resection:
    """Remove body and angle from a tooth or a distance backwards, up to a level cut through the ramus.

    Parameters
    ----------
    landmarks : mapping of str to (3,)
        ``gonion_left`` and ``gonion_right`` are used [mm].
    start : int or float
        FDI number of the first tooth removed, or the arch coordinate of the cut there [mm].
    height : float
        Of the level cut above the angle of the jaw [mm].

    Raises
    ------
    InputError
        No such lower tooth.
    GeometryError
        A cut does not meet the bone.
    """
    s = arch.tooth(start)[0] if isinstance(start, int) else float(start)
    side = "left" if s > 0 else "right"
    at = np.array([s])
    level = np.asarray(landmarks[f"gonion_{side}"], dtype=float) + np.array([0.0, 0.0, height])
    first = f"tooth {start}" if isinstance(start, int) else f"{abs(s):g} mm"
    planes = [(arch.point(at)[0], arch.tangent(at)[0]), (level, np.array([0.0, 0.0, 1.0]))]
    return resect_planes(surface, arch, planes, f"the part from {first} to {height:g} mm up the ramus")


def resect_planes(
    surface: Surface,
    arch: Arch,
    planes: Sequence[tuple[np.ndarray, np.ndarray]],
    words: str = "the part between two planes",
) -> Resection:
    """Remove the segment between two planes, each ``(point near the bone, normal of either sense)``.

    Raises
    ------
    InputError
        A normal without a direction.
    GeometryError
        Not two planes, a point that is not near the jaw, a plane that runs along the arch instead of across it.
    """
    if len(planes) != 2:
        raise GeometryError(f"resection: two planes are needed, got {len(planes)}")
    points = np.array([np.asarray(p, dtype=float) for p, _ in planes])
    s, n, _ = arch.locate(points)
    if np.any(np.abs(n) > FARTHEST_BESIDE):
        raise GeometryError(
            f"resection: a plane's point lies {np.abs(n).max():.0f} mm beside the jaw, at most {FARTHEST_BESIDE:g} mm "
            "are allowed; give a point inside the bone"
        )
    order = np.argsort(s)
    cuts = []
    for k, other, sign in zip(order, order[::-1], (1.0, -1.0), strict=True):
        normal = np.asarray(planes[k][1], dtype=float)
        size = float(np.linalg.norm(normal))
        if not 0.0 < size < np.inf:
            raise InputError(f"resection: plane {k + 1} has the normal {normal.tolist()}; give it a direction")
        normal = normal / size
        along = float(normal @ arch.tangent(s[k : k + 1])[0])
        if abs(along) >= STEEPEST_CUT:
            cuts.append(CutPlane(points[k], normal * sign * np.sign(along)))
            continue
        if not _across_ramus(arch, points[k], float(s[k]), float(s[other]), normal):
            raise GeometryError(
                f"resection: plane {k + 1} stands {np.degrees(np.arccos(abs(along))):.0f} degrees off the arch's "
                f"cross-section, at most {np.degrees(np.arccos(STEEPEST_CUT)):.0f} are allowed in front of the ramus; "
                "turn it across the jaw"
            )
        cuts.append(CutPlane(points[k], normal * np.sign((points[other] - points[k]) @ normal)))
    return _resection(surface, arch, (cuts[0], cuts[1]), words)


def _across_ramus(arch: Arch, point: np.ndarray, s: float, other: float, normal: np.ndarray) -> bool:
    """Whether a plane at arch coordinate s cuts the ramus from front to back, behind the other cut on its side."""
    behind = arch.tooth_edges[int(s > 0)][-1]
    sideways = abs(float(normal @ arch.normal(np.array([s]))[0]))
    return abs(s) > behind and s * (s - other) > 0 and sideways <= MOST_SIDEWAYS


def _across(arch: Arch, low: float, high: float) -> tuple[CutPlane, CutPlane]:
    """Cuts straight across the arch at two arch coordinates."""
    s = np.array([low, high])
    points, tangents = arch.point(s), arch.tangent(s)
    return CutPlane(points[0], tangents[0]), CutPlane(points[1], -tangents[1])


def _resection(surface: Surface, arch: Arch, cuts: tuple[CutPlane, CutPlane], words: str) -> Resection:
    span = arch.locate(np.array([cut.point for cut in cuts]))[0]
    if span[1] - span[0] < SHORTEST_SEGMENT:
        raise GeometryError(
            f"resection: the cuts are {span[1] - span[0]:.1f} mm apart, at least {SHORTEST_SEGMENT:g} mm are needed"
        )
    first, second = (_centred(surface, arch, cut, s) for cut, s in zip(cuts, span, strict=True))
    steep = np.abs(np.einsum("ij,ij->i", [first.normal, second.normal], arch.tangent(span))) < STEEPEST_CUT
    reach = -np.inf if steep[0] else span[0] - GATE_MARGIN, np.inf if steep[1] else span[1] + GATE_MARGIN
    segment = Segment((first, second), (float(span[0]), float(span[1])), words, (float(reach[0]), float(reach[1])))
    return Resection(arch, (segment,))


def _centred(surface: Surface, arch: Arch, cut: CutPlane, s: float) -> CutPlane:
    """Return the same plane with its point in the middle of the bone section there."""
    section = np.asarray(surface.polydata.slice(normal=cut.normal, origin=cut.point).points, dtype=float)
    tangent = arch.tangent(np.array([s]))[0]
    across_ramus = abs(float(cut.normal @ tangent)) < STEEPEST_CUT
    if len(section):
        here, n, _ = arch.locate(section)
        near = here * s > 0 if across_ramus else np.abs(here - s) < GATE_MARGIN
        section = section[near & (np.abs(n) < FARTHEST_BESIDE)]
    if len(section) < 3:
        x, y, z = cut.point
        raise GeometryError(
            f"resection: the cut plane through ({x:.1f}, {y:.1f}, {z:.1f}) mm does not meet the bone; check the planes"
        )
    # The section's long direction is upright, in a cut across the ramus along the jaw.
    up = tangent if across_ramus else np.array([0.0, 0.0, 1.0])
    up = up - (up @ cut.normal) * cut.normal
    up /= np.linalg.norm(up)
    axes = np.stack([np.cross(up, cut.normal), up])
    local = (section - cut.point) @ axes.T
    return CutPlane(cut.point + 0.5 * (local.min(axis=0) + local.max(axis=0)) @ axes, cut.normal)
