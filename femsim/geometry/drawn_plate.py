"""A plate drawn elsewhere: its surface checked and its holes filled by the heads of their screws, its place on the jaw.

The mesher takes a plate as one closed body in which a screw's cylinder is bonded, so a drawn bore and its countersink
are filled where a locking head fills them; a hole without a screw stays as it was drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import manifold3d
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from femsim.errors import GeometryError, InputError
from femsim.geometry.arch import Arch
from femsim.geometry.drawn_holes import Bore, probe_hole
from femsim.geometry.frame import Frame
from femsim.geometry.plan import DrawnPlate, HolePlan
from femsim.geometry.plate import Plate, arc_length, section_directions
from femsim.geometry.resection import BonePiece, Resection
from femsim.geometry.surface import Surface, cylinder_surface

SIZES = (10.0, 400.0)
"""Length of a plate [mm]; outside of these the file is in another unit."""

SAMPLE_STEP = 1.0
"""The surface is sampled at this distance [mm] when its gap to the bone is measured."""

FARTHEST_OFF = 6.0
"""A plate whose nearest point is farther off the bone [mm] lies in another frame than the jaw."""

PENETRATION = 0.02
"""Depth in bone [mm] that is rounding of the drawing."""

PLUG_OVERLAP = 0.1
"""The body that fills a hole reaches this far [mm] into the metal, so that the two become one."""

PLUG_SEGMENTS = 48
"""Facets of that body; it disappears in the union but for its two ends."""

DRAWING_ERROR = 0.02
"""The drawing's triangles are thinned out within this distance [mm]: finer than a bender works."""

STATION = 3.0
"""Spacing [mm] of the stations from which the centreline is made."""

FEWEST_STATIONS = 4
"""A shorter plate has no centreline to speak of."""


def checked_body(drawn: DrawnPlate) -> manifold3d.Manifold:
    """The plate as a solid: closed, one body, of a plausible size.

    Raises
    ------
    InputError
        Drawn in another unit.
    GeometryError
        Not a closed surface of one body.
    """
    size = float(np.ptp(drawn.surface.bounds, axis=0).max())
    if not SIZES[0] <= size <= SIZES[1]:
        hint = "metres" if size < 1.0 else "centimetres" if size < SIZES[0] else "micrometres"
        raise InputError(
            f"{drawn.name}: the plate is {size:.3g} mm long, {SIZES[0]:g} to {SIZES[1]:g} mm are allowed; it seems to "
            f"be drawn in {hint}, export it in millimetres"
        )
    solid = _solid(drawn.surface)
    if solid.status() != manifold3d.Error.NoError or solid.is_empty():
        raise GeometryError(
            f"{drawn.name}: the plate is not a clean closed surface ({solid.status().name}: an edge with more than two "
            "triangles, or flipped triangles); repair it and export it again"
        )
    parts = [part for part in solid.decompose() if part.volume() > 0]
    if len(parts) != 1:
        sizes = " and ".join(f"{part.volume():.0f}" for part in sorted(parts, key=lambda part: -part.volume())[:2])
        raise GeometryError(
            f"{drawn.name}: the plate consists of {len(parts)} separate bodies ({sizes} mm3, ...); join them into one "
            "and leave the screws out"
        )
    return solid.simplify(DRAWING_ERROR)


def drawn_plate(
    drawn: DrawnPlate,
    bone: Surface,
    arch: Arch,
    resection: Resection,
    plans: Sequence[HolePlan],
    name: str,
) -> tuple[Plate, tuple[Bore, ...]]:
    """Put a drawn plate on a jaw: check it, fill its holes, find its centreline and its gap to the bone.

    Parameters
    ----------
    drawn : DrawnPlate
    bone : Surface
        The jaw before the resection.
    arch : Arch
    resection : Resection
    plans : sequence of HolePlan
        One for every hole, numbered along the plate from the jaw's right to its left.
    name : str

    Returns
    -------
    Plate
        Its holes in that order.
    tuple of Bore
        What was found at every hole.

    Raises
    ------
    InputError, GeometryError
        A surface that is no plate, a hole that does not pass through it, or a plate that runs into the bone.
    """
    solid = checked_body(drawn)
    surface = _surface(solid)
    axes = drawn.directions / np.linalg.norm(drawn.directions, axis=1, keepdims=True)
    path = centreline(surface, arch, drawn)
    order = holes_along(path, drawn.points)
    bores = [
        probe_hole(surface, drawn.points[k], axes[k], f"{drawn.name}: hole {int(k) + 1} of the list", drawn.frame)
        for k in order
    ]
    surface = _surface(_filled(solid, bores, plans))
    thickness = float(np.median([bore.thickness for bore in bores]))
    holes = np.array([bore.outer + bore.axis * thickness / 2 for bore in bores])
    outward = _outward(path, holes, np.array([bore.axis for bore in bores]))
    clearance = clearance_to_bone(surface, bone, resection, drawn)
    gaps = [_gap(bone, bore) for bore in bores if not resection.removed(bore.inner[None])[0]]
    plate = Plate(
        name=name,
        surface=surface,
        path=path,
        outward=outward,
        holes=holes,
        hole_axes=np.array([bore.axis for bore in bores]),
        width=_width(surface, path, outward),
        thickness=thickness,
        clearance=(clearance, max([clearance, *gaps])),
    )
    return plate, tuple(bores)


def _filled(solid: manifold3d.Manifold, bores: Sequence[Bore], plans: Sequence[HolePlan]) -> manifold3d.Manifold:
    """The plate with every bore that takes a screw filled up to the faces around its seat."""
    for bore, hole in zip(bores, plans, strict=True):
        if hole.screw and bore.radius > 0.0:
            diameter = 2 * (bore.seat_radius + PLUG_OVERLAP)
            solid = solid + _solid(cylinder_surface(bore.outer, bore.inner, bore.across, diameter, PLUG_SEGMENTS))
    return solid


def holes_along(path: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Order (h,) of hole points (h, 3) along a centreline (n, 3)."""
    arc = arc_length(path)
    return np.argsort([arc[np.argmin(np.linalg.norm(path - point, axis=1))] for point in points], kind="stable")


def hole_piece(entry: np.ndarray, resection: Resection) -> BonePiece | None:
    """The piece of bone that a point (3,) of the jaw lies in; None in a removed part."""
    if resection.removed(entry[None])[0]:
        return None
    s = float(resection.arch.locate(entry[None])[0][0])
    return resection.pieces[sum(s > 0.5 * (segment.span[0] + segment.span[1]) for segment in resection.segments)]


def clearance_to_bone(surface: Surface, bone: Surface, resection: Resection, drawn: DrawnPlate) -> float:
    """Least distance from a plate to bone that stays [mm].

    Raises
    ------
    InputError
        The plate lies nowhere near the bone.
    GeometryError
        The plate runs into the bone.
    """
    samples = _fine(surface).points
    gap = bone.signed_distance(samples)
    if gap.min() > FARTHEST_OFF:
        raise InputError(
            f"{drawn.name}: the plate's nearest point lies {gap.min():.0f} mm off the bone, at most {FARTHEST_OFF:g} "
            "mm are allowed; draw it in the frame of the jaw's file"
        )
    stays = ~resection.removed(samples)
    if not stays.any():
        raise GeometryError(f"{drawn.name}: the whole plate lies beside the removed part; it must reach both stumps")
    worst = int(np.argmin(np.where(stays, gap, np.inf)))
    if gap[worst] < -PENETRATION:
        place = placed(drawn.frame, samples[worst])
        raise GeometryError(
            f"{drawn.name}: the plate runs {-gap[worst]:.1f} mm into the bone near {place}; move it off the bone"
        )
    return max(float(gap[worst]), 0.0)


def placed(frame: Frame, point: np.ndarray) -> str:
    """A place as the user knows it, in the coordinates of the file."""
    return "({:.1f}, {:.1f}, {:.1f}) mm".format(*frame.to_file(point))


def centreline(surface: Surface, arch: Arch, drawn: DrawnPlate) -> np.ndarray:
    """Middle of a plate along its length, shape (n, 3) [mm], from the jaw's right to its left.

    The middles of the sections at equal distance, over the surface, from one end of the plate.

    Raises
    ------
    GeometryError
        Too short a body.
    """
    fine = _fine(surface)
    pairs = fine.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    length = np.linalg.norm(fine.points[pairs[:, 0]] - fine.points[pairs[:, 1]], axis=1)
    graph = coo_array((length, (pairs[:, 0], pairs[:, 1])), shape=(len(fine.points),) * 2).tocsr()
    far = int(np.argmax(dijkstra(graph, directed=False, indices=0)))
    away = dijkstra(graph, directed=False, indices=far)
    count = int(away.max() / STATION)
    if count < FEWEST_STATIONS:
        raise GeometryError(f"{drawn.name}: the plate is only {away.max():.0f} mm long; it cannot bridge a defect")
    station = np.clip((away / away.max() * count).astype(int), 0, count - 1)
    middle = np.array([fine.points[station == k].mean(axis=0) for k in range(count)])
    smooth = gaussian_filter1d(middle, 1.0, axis=0, mode="nearest")
    tangents = smooth[1] - smooth[0], smooth[-1] - smooth[-2]
    # The first and last middles lie half a station inside the ends.
    ends = [end + sign * t / 2 for end, t, sign in zip(smooth[[0, -1]], tangents, (-1.0, 1.0), strict=True)]
    path = np.vstack([ends[0], smooth, ends[1]])
    s = arch.locate(path[[0, -1]])[0]
    return path if s[0] < s[1] else path[::-1]


def _outward(path: np.ndarray, holes: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Unit directions off the bone along a centreline: against the axes of the holes, turned evenly between them."""
    arc = arc_length(path)
    at = np.array([arc[np.argmin(np.linalg.norm(path - hole, axis=1))] for hole in holes])
    order = np.argsort(at, kind="stable")
    normal = np.column_stack([np.interp(arc, at[order], -axes[order, k]) for k in range(3)])
    return section_directions(path, normal)[1]


def _width(surface: Surface, path: np.ndarray, outward: np.ndarray) -> float:
    """Median width of the sections of a plate [mm]."""
    across = section_directions(path, outward)[2]
    points = _fine(surface).points
    nearest = np.argmin(np.linalg.norm(points[:, None] - path[None], axis=2), axis=1)
    widths = [
        np.ptp((points[nearest == k] - path[k]) @ across[k]) for k in range(1, len(path) - 1) if (nearest == k).any()
    ]
    return float(np.median(widths))


def _gap(bone: Surface, bore: Bore) -> float:
    """Distance from the inner face at a hole to the bone along its axis [mm]; zero where there is none."""
    hits = bone.ray_hits(bore.inner, bore.axis, FARTHEST_OFF * 2)
    return float(hits[0]) if len(hits) else 0.0


def _fine(surface: Surface) -> Surface:
    """The same surface with no edge longer than the sampling step."""
    return _surface(_solid(surface).refine_to_length(SAMPLE_STEP))


def _solid(surface: Surface) -> manifold3d.Manifold:
    mesh = manifold3d.Mesh64(np.ascontiguousarray(surface.points, float), surface.triangles.astype(np.uint64))
    return manifold3d.Manifold(mesh)


def _surface(solid: manifold3d.Manifold) -> Surface:
    mesh = solid.to_mesh64()
    return Surface(np.array(mesh.vert_properties[:, :3]), np.array(mesh.tri_verts, dtype=np.int64))
