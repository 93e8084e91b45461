"""How fine the mesh is and where: presets, the edge-length field and its background mesh for fTetWild."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import Delaunay, cKDTree

from femsim.errors import InputError
from femsim.geometry.surface import Surface

if TYPE_CHECKING:
    from femsim.geometry.operation import Operation
    from femsim.geometry.plate import Plate
    from femsim.geometry.screws import Screw

# A background cell is split while it is longer than this many wanted edges: the field is linear inside a cell.
CELLS_PER_EDGE = 1.5
# Octree corners lie on common spheres; this share of a cell moves them apart so that Delaunay is unique.
JITTER = 0.05
# Sheets of bone are meshed no finer than this share of the longest edge.
THIN_BONE_SHARE = 0.4
# Rays that measure a wall start below the surface and look this far [mm]; thicker bone needs no shorter edges.
RAY_START = 1e-3
RAY_LENGTH = 6.0
# Longest edge in a plate over its thickness: a little less than half, because few edges stand across the plate.
LAYER_SHARE = 0.48
# Edges stay as short as in a plate up to so many edges outside it.
PLATE_MARGIN = 0.5
# Fewest and most sides of a screw's polygon.
SCREW_SEGMENTS = (10, 24)
# Largest envelope over the thickness of the thinnest plate: more would bevel its edges away.
ENVELOPE_SHARE = 1 / 6


@dataclass(frozen=True)
class Sizing:
    """Wanted edge lengths and the effort of the mesher.

    Attributes
    ----------
    near_screws : float
        Edge length at the screws and in the bone that touches them [mm].
    growth : float
        Growth of the edge length away from the screws inside bone [mm per mm].
    plate : float
        Longest edge in the plates [mm]; less than half the thickness in a thin plate.
    elsewhere : float
        Longest edge in bone [mm]; shorter where the bone is a thin sheet.
    outside, outside_growth : float
        Longest edge outside every body [mm] and its growth [mm per mm].
    envelope : float
        How far the mesh may stray from the given surfaces [mm].
    jaw_error : float
        Largest error allowed when the bone surface is coarsened before meshing [mm].
    stop_energy : float
        fTetWild stops improving below this energy (3 is a perfect tetrahedron).
    iterations : int
        Largest number of improvement passes.
    threads : int
        Threads of fTetWild; a second one saves about a sixth of the time.
    """

    near_screws: float = 0.7
    growth: float = 0.35
    plate: float = 1.25
    elsewhere: float = 3.0
    outside: float = 20.0
    outside_growth: float = 1.0
    envelope: float = 0.165
    jaw_error: float = 0.15
    stop_energy: float = 30.0
    iterations: int = 30
    threads: int = 2

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0 or value != value or value == float("inf"):
                raise InputError(f"mesh sizing: {name} is {value!r}; it must be a finite positive number")
        if self.near_screws > self.elsewhere or self.elsewhere > self.outside:
            raise InputError(
                f"mesh sizing: near_screws ({self.near_screws:g} mm) <= elsewhere ({self.elsewhere:g} mm) <= outside "
                f"({self.outside:g} mm) does not hold; choose edge lengths that grow away from the screws"
            )

    def in_plate(self, plate: Plate) -> float:
        """Edge length in one plate [mm]: two elements through its thickness."""
        return min(LAYER_SHARE * plate.thickness, self.plate)

    def fitted(self, plates: Sequence[Plate]) -> Sizing:
        """The same sizing with an envelope that the thinnest plate survives."""
        thinnest = min((plate.thickness for plate in plates), default=np.inf)
        return replace(self, envelope=min(self.envelope, ENVELOPE_SHARE * float(thinnest)))

    def segments(self, diameter: float) -> int:
        """Sides of a screw's polygon: about one edge each, so that the mesher has nothing to collapse."""
        return int(np.clip(round(np.pi * diameter / self.near_screws), SCREW_SEGMENTS[0], SCREW_SEGMENTS[1]))

    @classmethod
    def preset(cls, name: str, **changes: float) -> Sizing:
        """Return the preset ``preview``, ``standard`` or ``fine`` with single values changed.

        Raises
        ------
        InputError
            No such preset or value.
        """
        if name not in PRESETS:
            raise InputError(f"mesh sizing: no preset {name!r}; allowed are {', '.join(PRESETS)}")
        unknown = sorted(set(changes) - set(asdict(PRESETS[name])))
        if unknown:
            raise InputError(f"mesh sizing: no value {unknown[0]!r}; allowed are {', '.join(asdict(PRESETS[name]))}")
        return replace(PRESETS[name], **changes)  # type: ignore[arg-type]


PRESETS = {
    "preview": Sizing(
        near_screws=1.0, plate=1.6, elsewhere=4.5, envelope=0.25, jaw_error=0.3, stop_energy=60.0, iterations=20
    ),
    "standard": Sizing(),
    "fine": Sizing(near_screws=0.5, growth=0.25, plate=0.8, elsewhere=2.0),
}


@dataclass(frozen=True)
class Background:
    """Background mesh of the edge-length field: points (n, 3), tets (m, 4), values (n,) [mm]."""

    points: np.ndarray
    tets: np.ndarray
    values: np.ndarray


def screw_distance(screw: Screw, points: np.ndarray) -> np.ndarray:
    """Distance of ``points``, shape (n, 3), to the solid cylinder of a screw [mm]; zero inside."""
    axial, radial, _ = screw.coordinates(points)
    beyond = np.maximum(np.maximum(-axial, axial - screw.length), 0.0)
    return np.hypot(beyond, np.maximum(radial - 0.5 * screw.diameter, 0.0))


def wall_thickness(bone: Surface) -> np.ndarray:
    """Thickness of bone behind every triangle, from its centre along the inward normal [mm]; shape (m,)."""
    area = bone.area_vectors
    inward = -area / np.maximum(np.linalg.norm(area, axis=1, keepdims=True), np.finfo(float).tiny)
    start = bone.corners.mean(axis=1) + RAY_START * inward
    thickness = np.full(len(start), np.inf)
    for k, (origin, direction) in enumerate(zip(start, inward, strict=True)):
        hits = bone.ray_hits(origin, direction, RAY_LENGTH)
        if len(hits):
            thickness[k] = hits[0] + RAY_START
    return thickness


@dataclass(frozen=True, eq=False)
class EdgeLength:
    """Field of wanted edge lengths; the bone's wall thickness is measured once.

    Outside every body it grows with ``outside_growth`` from the nearest surface, because elements there are thrown
    away; inside bone it grows with ``growth`` from the screws up to ``elsewhere``, or to the thickness of a thin wall.
    """

    operation: Operation
    bone: Surface
    sizing: Sizing

    @cached_property
    def _walls(self) -> tuple[cKDTree, np.ndarray]:
        return cKDTree(self.bone.corners.mean(axis=1)), wall_thickness(self.bone)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Wanted edge length [mm] at ``points``, shape (n, 3)."""
        operation, sizing = self.operation, self.sizing
        tree, thickness = self._walls
        # A sheet one long element thick has all its vertices on two skins: flat elements, stiff in bending.
        thin = np.maximum(thickness[tree.query(points)[1]], THIN_BONE_SHARE * sizing.elsewhere)
        in_bone = np.minimum(sizing.elsewhere, thin)
        depth = self.bone.signed_distance(points)
        to_screws = np.min([screw_distance(s, points) for s in operation.screws], axis=0, initial=np.inf)
        length = np.minimum(sizing.outside, in_bone + sizing.outside_growth * np.maximum(depth, 0.0))
        # The plate may ask for short edges in the gap, not in the bone behind it.
        outside = depth >= 0
        for plate in operation.plates:
            edge = sizing.in_plate(plate)
            # The field is linear over background cells: it stays short a little way out, so that it is short inside.
            away = np.maximum(plate.surface.signed_distance(points[outside]) - PLATE_MARGIN * edge, 0.0)
            near = edge + sizing.outside_growth * away
            length[outside] = np.minimum(length[outside], near)
        if operation.graft is not None:
            fine = max(operation.graft.gap, sizing.near_screws)
            for body, edge in [(strut.surface, sizing.elsewhere) for strut in operation.graft.struts] + [
                (union, fine) for union in operation.graft.unions
            ]:
                away = np.maximum(body.signed_distance(points), 0.0)
                length = np.minimum(length, edge + sizing.growth * away)
        for plate in operation.plates:
            for hole in plate.empty_holes:
                to_screws = np.minimum(to_screws, hole.wall_distance(points))
        return np.minimum(length, sizing.near_screws + sizing.growth * to_screws)


def background(operation: Operation, bone: Surface, sizing: Sizing, bounds: np.ndarray) -> Background:
    """Sample :class:`EdgeLength` on an octree and tetrahedralise its corners.

    Parameters
    ----------
    bounds : ndarray, shape (2, 3)
        Box that the mesher fills [mm]; it is covered with a margin.
    """
    low, high = bounds[0] - sizing.outside, bounds[1] + sizing.outside
    count = np.ceil((high - low) / sizing.outside).astype(int)
    size = sizing.outside
    axes = [low[i] + size * (np.arange(count[i]) + 0.5) for i in range(3)]
    centres = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    offsets = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) * 0.25
    leaves: list[tuple[np.ndarray, float]] = []
    length = EdgeLength(operation, bone, sizing)
    finest = min(sizing.near_screws, *(sizing.in_plate(plate) for plate in operation.plates), np.inf)
    while len(centres):
        # The smallest value in a cell is bounded from its centre: what splits is never too coarse in bone.
        slack = 0.5 * np.sqrt(3.0) * size * sizing.growth
        wanted = np.maximum(length(centres) - slack, finest)
        split = size > CELLS_PER_EDGE * wanted
        leaves.append((centres[~split], size))
        centres = (centres[split][:, None] + offsets * size).reshape(-1, 3)
        size *= 0.5
    return _delaunay(length, leaves)


def _delaunay(length: EdgeLength, leaves: list[tuple[np.ndarray, float]]) -> Background:
    corners = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) * 0.5
    grid = min(size for _, size in leaves)
    blocks = [(cells[:, None] + corners * size).reshape(-1, 3) for cells, size in leaves]
    sizes = np.repeat([size for _, size in leaves], [len(block) for block in blocks])
    points = np.vstack(blocks)
    origin = points.min(axis=0)
    order = np.argsort(sizes, kind="stable")
    _, first = np.unique(np.round((points[order] - origin) / grid).astype(np.int64), axis=0, return_index=True)
    chosen = order[first]
    points, sizes = points[chosen], sizes[chosen]
    values = length(points)
    moved = points + JITTER * sizes[:, None] * np.random.default_rng(0).uniform(-1, 1, points.shape)
    tets = Delaunay(moved).simplices.astype(np.int32)
    return Background(moved, tets, values)
