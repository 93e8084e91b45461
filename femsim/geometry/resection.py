"""Segmental resection: two cut planes across the jaw, what they remove, and quads for the mesher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from femsim.errors import GeometryError
from femsim.geometry.arch import Arch
from femsim.geometry.surface import Surface

GATE_MARGIN = 12.0
"""Arc length [mm] beyond the cut planes up to which the plane tests are trusted; the planes are endless and meet the
other side of the jaw, which lies much farther away along the arch."""

QUAD_MARGIN = 1.5
"""A quad extends this far [mm] beyond the bone section, so that the mesher's arrangement cuts the bone completely."""


@dataclass(frozen=True, eq=False)
class CutPlane:
    """One saw cut.

    Attributes
    ----------
    point : ndarray, shape (3,)
        A point on the plane, near the middle of the bone [mm].
    normal : ndarray, shape (3,)
        Unit normal into the removed part.
    """

    point: np.ndarray
    normal: np.ndarray

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Signed distance of points (n, 3) into the removed side [mm], shape (n,)."""
        return (np.asarray(points, dtype=float) - self.point) @ self.normal


@dataclass(frozen=True, eq=False)
class Resection:
    """A removed segment of the jaw.

    Attributes
    ----------
    cuts : tuple of CutPlane
        The cut at the lower and at the higher arch coordinate.
    arch : Arch
        Curtain coordinates of the jaw.
    span : tuple of float
        Arch coordinates of the two cuts [mm], ascending.
    side : str
        ``left``, ``right`` or ``midline`` when the segment holds the midline.
    segment : str
        What was removed, in words.
    quads : tuple of ndarray
        For each cut the four corners of a finite quad, shape (4, 3) [mm].
    """

    cuts: tuple[CutPlane, CutPlane]
    arch: Arch
    span: tuple[float, float]
    side: str
    segment: str
    quads: tuple[np.ndarray, np.ndarray]

    @property
    def stumps(self) -> tuple[str, str]:
        """Names of the stumps at lower and higher arch coordinate."""
        return {"left": ("mesial", "distal"), "right": ("distal", "mesial"), "midline": ("right", "left")}[self.side]

    @property
    def length(self) -> float:
        """Length of the removed segment along the arch [mm]."""
        return self.span[1] - self.span[0]

    def removed(self, points: np.ndarray) -> np.ndarray:
        """Whether points, shape (n, 3), lie between the cuts on the operated part of the jaw."""
        points = np.asarray(points, dtype=float)
        between = (self.cuts[0].depth(points) > 0) & (self.cuts[1].depth(points) > 0)
        if between.any():
            s = self.arch.locate(points[between])[0]
            between[between] = (s > self.span[0] - GATE_MARGIN) & (s < self.span[1] + GATE_MARGIN)
        return between

    def planes_surface(self) -> Surface:
        """The two quads as triangles, for the mesher's arrangement; each ends just beyond the bone section."""
        points = np.vstack(self.quads)
        return Surface(points, np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]))


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
    spans = [arch.tooth(from_tooth), arch.tooth(to_tooth)]
    low, high = min(min(s) for s in spans), max(max(s) for s in spans)
    middle = arch.point(np.array([low, high]))
    cuts = tuple(
        CutPlane(middle[k], sign * arch.tangent(np.array([s]))[0])
        for k, (s, sign) in enumerate([(low, 1.0), (high, -1.0)])
    )
    return _resection(surface, arch, (cuts[0], cuts[1]), f"teeth {from_tooth} to {to_tooth}")


def resect_planes(surface: Surface, arch: Arch, planes: Sequence[tuple[np.ndarray, np.ndarray]]) -> Resection:
    """Remove the segment between two planes, each ``(point near the bone, normal of either sense)``.

    Raises
    ------
    GeometryError
        Not two planes, a point that is not near the jaw, a plane that runs along the arch instead of across it.
    """
    if len(planes) != 2:
        raise GeometryError(f"resection: two planes are needed, got {len(planes)}")
    points = np.array([np.asarray(p, dtype=float) for p, _ in planes])
    s, n, _ = arch.locate(points)
    if np.any(np.abs(n) > 25):
        raise GeometryError(
            f"resection: a plane's point lies {np.abs(n).max():.0f} mm beside the jaw; give a point inside the bone"
        )
    order = np.argsort(s)
    cuts = []
    for k, sign in zip(order, (1.0, -1.0), strict=True):
        normal = np.asarray(planes[k][1], dtype=float)
        normal = normal / np.linalg.norm(normal)
        along = float(normal @ arch.tangent(s[k : k + 1])[0])
        if abs(along) < 0.5:
            raise GeometryError(
                f"resection: plane {k + 1} stands {np.degrees(np.arccos(abs(along))):.0f} degrees off the arch's "
                "cross-section, at most 60 are allowed; turn it across the jaw"
            )
        cuts.append(CutPlane(points[k], normal * sign * np.sign(along)))
    return _resection(surface, arch, (cuts[0], cuts[1]), "segment between two planes")


def _resection(surface: Surface, arch: Arch, cuts: tuple[CutPlane, CutPlane], segment: str) -> Resection:
    span = arch.locate(np.array([c.point for c in cuts]))[0]
    if span[1] - span[0] < 2.0:
        raise GeometryError(f"resection: the cuts are {span[1] - span[0]:.1f} mm apart, at least 2 mm are needed")
    side = "left" if span[0] >= 0 else "right" if span[1] <= 0 else "midline"
    quads = tuple(_quad(surface, arch, cut, s) for cut, s in zip(cuts, span, strict=True))
    middles = tuple(CutPlane(quad.mean(axis=0), cut.normal) for quad, cut in zip(quads, cuts, strict=True))
    return Resection(
        cuts=(middles[0], middles[1]),
        arch=arch,
        span=(float(span[0]), float(span[1])),
        side=side,
        segment=segment,
        quads=(quads[0], quads[1]),
    )


def _quad(surface: Surface, arch: Arch, cut: CutPlane, s: float) -> np.ndarray:
    """Corners of a rectangle in the plane of ``cut`` around the bone section there."""
    loops = surface.polydata.slice(normal=cut.normal, origin=cut.point)
    points = np.asarray(loops.points, dtype=float)
    if len(points):
        here, n, _ = arch.locate(points)
        points = points[(np.abs(here - s) < GATE_MARGIN) & (np.abs(n) < 30)]
    if len(points) < 3:
        x, y, z = cut.point
        raise GeometryError(
            f"resection: the cut plane through ({x:.1f}, {y:.1f}, {z:.1f}) mm does not meet the bone; check the planes"
        )
    up = np.array([0.0, 0.0, 1.0])
    up = up - (up @ cut.normal) * cut.normal
    up /= np.linalg.norm(up)
    across = np.cross(up, cut.normal)
    local = np.stack([(points - cut.point) @ across, (points - cut.point) @ up], axis=1)
    (x0, y0), (x1, y1) = local.min(axis=0) - QUAD_MARGIN, local.max(axis=0) + QUAD_MARGIN
    return cut.point + np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) @ np.stack([across, up])
