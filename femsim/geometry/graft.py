"""Fibula graft: straight struts that fill a defect along the plate, and the unions between them and the stumps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from femsim.errors import GeometryError
from femsim.geometry.plan import GraftPlan
from femsim.geometry.plate import arc_length, section_ring
from femsim.geometry.resection import BonePiece, CutPlane
from femsim.geometry.surface import Surface
from femsim.parameters import ParameterSet

SHORTEST_STRUT = 12.0
"""Least length [mm] of a strut: shorter pieces of fibula lose their blood supply (mark: assumed)."""

STRUT_BACKOFF = 0.25
"""A strut that comes too near the plate is moved away from it in steps [mm] ..."""

MOST_BACKOFF = 6.0
"""... up to this distance [mm]."""


@dataclass(frozen=True, eq=False)
class Strut:
    """One straight piece of the graft.

    Attributes
    ----------
    piece : BonePiece
        Its name and its two ends; their normals point out of it.
    surface : Surface
        Closed, facing outwards.
    """

    piece: BonePiece
    surface: Surface

    @property
    def length(self) -> float:
        """Distance between the centres of its ends [mm]."""
        return float(np.linalg.norm(self.piece.cuts[1].point - self.piece.cuts[0].point))


@dataclass(frozen=True, eq=False)
class Graft:
    """All struts and the unions between them and the stumps.

    Attributes
    ----------
    struts : tuple of Strut
        From the right to the left of the jaw.
    unions : tuple of Surface
        Closed surfaces of the gaps, which hold callus or nothing much.
    cortex : float
        Thickness of the struts' cortical wall [mm].
    gap : float
        Width of the unions [mm].
    """

    struts: tuple[Strut, ...]
    unions: tuple[Surface, ...]
    cortex: float
    gap: float

    def in_struts(self, points: np.ndarray) -> np.ndarray:
        """Whether points, shape (n, 3), lie in a strut."""
        return np.any([strut.surface.contains(points) for strut in self.struts], axis=0)

    def in_unions(self, points: np.ndarray) -> np.ndarray:
        """Whether points, shape (n, 3), lie in a union and in no strut."""
        return np.any([union.contains(points) for union in self.unions], axis=0) & ~self.in_struts(points)

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Whether points, shape (n, 3), lie in a strut or a union."""
        return np.any([body.contains(points) for body in self.bodies], axis=0)

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Depth of points (n, 3) under the surface of the struts [mm], shape (n,); zero outside."""
        return np.max([np.maximum(-strut.surface.signed_distance(points), 0.0) for strut in self.struts], axis=0)

    @property
    def bodies(self) -> tuple[Surface, ...]:
        """Closed surfaces of all struts and unions."""
        return (*(strut.surface for strut in self.struts), *self.unions)


def graft_size(parameters: ParameterSet, plan: GraftPlan) -> dict[str, float]:
    """Width, height, cortex and gap of a graft [mm]: card ``graft``, replaced where given.

    Raises
    ------
    GeometryError
        A number out of its range.
    """
    size = {
        key: float(parameters[f"graft.{key}"] if (given := getattr(plan, key)) is None else given)
        for key in ("width", "height", "cortex", "gap")
    }
    limits = {"width": (6.0, 20.0), "height": (6.0, 25.0), "cortex": (0.5, 10.0), "gap": (0.3, 5.0)}
    for key, (low, high) in limits.items():
        if not low <= size[key] <= high:
            raise GeometryError(f"graft: {key} is {size[key]:g} mm, allowed are {low:g} to {high:g} mm")
    return size


def make_graft(
    path: np.ndarray,
    outward: np.ndarray,
    plate: Surface,
    cuts: tuple[CutPlane, CutPlane],
    parameters: ParameterSet,
    plan: GraftPlan,
    *,
    inner_face: float,
    clearance: float,
    first: int = 1,
) -> Graft:
    """Fill one defect with struts of equal share of the plate's way across it.

    Parameters
    ----------
    path, outward : ndarray, shape (n, 3)
        Centreline of the plate [mm] and its unit outward normals.
    plate : Surface
        The plate that the struts must not touch.
    cuts : tuple of CutPlane
        The cuts of the defect, at the lower and at the higher arch coordinate.
    parameters : ParameterSet
        Card ``graft``.
    plan : GraftPlan
    inner_face : float
        Distance from the centreline to the plate's inner face [mm].
    clearance : float
        Least gap between plate and struts [mm].
    first : int
        Number of the first strut.

    Raises
    ------
    GeometryError
        Struts that would be too short, or that cannot be kept clear of the plate.
    """
    size = graft_size(parameters, plan)
    nodes, normals = _nodes(path, outward, cuts, plan.struts)
    off = inner_face + clearance + size["width"] / 2
    while off <= inner_face + clearance + size["width"] / 2 + MOST_BACKOFF:
        graft = _chain(nodes - off * normals, normals, cuts, size, parameters["graft.edge_radius"], first)
        gap = min(
            float(min(body.signed_distance(plate.points).min(), plate.signed_distance(body.points).min()))
            for body in graft.bodies
        )
        if gap >= clearance:
            return graft
        off += STRUT_BACKOFF
    raise GeometryError(
        f"graft: a strut comes within {max(gap, 0.0):.1f} mm of the plate, at least {clearance:g} mm are needed; "
        "take more struts or a smaller section"
    )


def _nodes(
    path: np.ndarray, outward: np.ndarray, cuts: tuple[CutPlane, CutPlane], struts: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points on the plate's centreline at the cuts and at equal steps between them, and the normals there."""
    arc = arc_length(path)
    over = np.flatnonzero(np.min([cut.depth(path) for cut in cuts], axis=0) > 0)
    ends = []
    for k, (inside, outside) in enumerate(((over[0], over[0] - 1), (over[-1], over[-1] + 1))):
        depth = cuts[k].depth(path[[outside, inside]])
        share = depth[0] / (depth[0] - depth[1])
        ends.append(arc[outside] + share * (arc[inside] - arc[outside]))
    at = np.linspace(ends[0], ends[1], struts + 1)
    points = np.column_stack([np.interp(at, arc, path[:, k]) for k in range(3)])
    normals = np.column_stack([np.interp(at, arc, outward[:, k]) for k in range(3)])
    return points, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _chain(
    nodes: np.ndarray,
    normals: np.ndarray,
    cuts: tuple[CutPlane, CutPlane],
    size: dict[str, float],
    edge_radius: float,
    first: int,
) -> Graft:
    axes = np.diff(nodes, axis=0)
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    gap, count = size["gap"], len(axes)
    # Joints between struts are mitred; the ends follow the saw cuts. Every plane's normal points to the jaw's left.
    planes = [CutPlane(nodes[0], cuts[0].normal)]
    for k in range(1, count):
        mitre = axes[k - 1] + axes[k]
        planes.append(CutPlane(nodes[k], mitre / np.linalg.norm(mitre)))
    planes.append(CutPlane(nodes[-1], -cuts[1].normal))
    planes[0], planes[-1] = (
        CutPlane(node - cut.depth(node[None])[0] * cut.normal, plane.normal)
        for node, cut, plane in zip(nodes[[0, -1]], cuts, (planes[0], planes[-1]), strict=True)
    )
    struts, rings = [], []
    for k, axis in enumerate(axes):
        middle = 0.5 * (nodes[k] + nodes[k + 1])
        normal = normals[k] + normals[k + 1]
        normal -= (normal @ axis) * axis
        normal /= np.linalg.norm(normal)
        ring = middle + section_ring(np.cross(normal, axis), normal, size["height"], size["width"], edge_radius)
        # Half a gap at a joint, a whole one at a stump.
        shifts = gap if k == 0 else gap / 2, gap if k == count - 1 else gap / 2
        ends = [
            _cut_prism(ring, axis, CutPlane(plane.point + sign * shift * plane.normal, plane.normal))
            for plane, shift, sign in zip(planes[k : k + 2], shifts, (1.0, -1.0), strict=True)
        ]
        outer = [_cut_prism(ring, axis, plane) for plane in planes[k : k + 2]]
        rings.append((outer[0], *ends, outer[1]))
        low, high = (end.mean(axis=0) for end in ends)
        name, length = f"graft-{first + k}", float((high - low) @ axis)
        if length < SHORTEST_STRUT:
            raise GeometryError(
                f"graft: {name} would be {max(length, 0.0):.1f} mm long, at least {SHORTEST_STRUT:g} mm are needed; "
                "take fewer struts"
            )
        piece = BonePiece(name, (CutPlane(low, -planes[k].normal), CutPlane(high, planes[k + 1].normal)))
        struts.append(Strut(piece, loft(*ends)))
    unions = [loft(rings[0][0], rings[0][1])]
    unions += [loft(before[2], after[1]) for before, after in pairwise(rings)]
    unions.append(loft(rings[-1][2], rings[-1][3]))
    return Graft(tuple(struts), tuple(unions), size["cortex"], gap)


def _cut_prism(ring: np.ndarray, axis: np.ndarray, plane: CutPlane) -> np.ndarray:
    """Where the edges of an endless prism through ``ring`` (k, 3) along ``axis`` meet a plane, shape (k, 3)."""
    return ring - (plane.depth(ring) / (axis @ plane.normal))[:, None] * axis


def loft(first: np.ndarray, second: np.ndarray) -> Surface:
    """Closed surface between two convex polygons (k, 3) whose vertices correspond, facing outwards."""
    count = len(first)
    i = np.arange(count)
    j = (i + 1) % count
    fan = np.array([[0, k, k + 1] for k in range(1, count - 1)])
    triangles = np.vstack(
        [np.stack([i, j, j + count], axis=1), np.stack([i, j + count, i + count], axis=1), fan[:, ::-1], fan + count]
    )
    surface = Surface(np.vstack([first, second]), triangles)
    return surface if surface.volume > 0 else Surface(surface.points, triangles[:, ::-1])


def joined(grafts: Sequence[Graft]) -> Graft:
    """The grafts of all defects as one."""
    struts = tuple(strut for graft in grafts for strut in graft.struts)
    return Graft(struts, tuple(union for graft in grafts for union in graft.unions), grafts[0].cortex, grafts[0].gap)
