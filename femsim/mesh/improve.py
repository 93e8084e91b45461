"""Local repairs after classification: screws made round, flat tetrahedra opened or peeled off the bone surface.

fTetWild stops at an energy for the whole box; once the outside is dropped, the few bad tetrahedra left have freedom
that it did not have, so moving single vertices by a fraction of the envelope is enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from femsim.mesh.checks import LARGEST_AREA_ERROR, LARGEST_VOLUME_ERROR
from femsim.mesh.quality import exact_plate_volume, face_areas, scaled_jacobian
from femsim.mesh.regions import OUTSIDE
from femsim.mesh.tetmesh import BONE, FACES, PLATE, SCREW_FIRST, face_pairs, outer_faces, tet_volumes

if TYPE_CHECKING:
    from femsim.geometry.operation import Operation
    from femsim.geometry.plate import Plate
    from femsim.geometry.screws import Screw

# Tetrahedra below this are worth moving vertices for.
WANTED_SCALED_JACOBIAN = 0.2
# A flat bone tetrahedron below this on the free surface is taken away when it is thinner than the envelope.
PEEL_SCALED_JACOBIAN = 0.12
# A vertex moved onto a screw's cylinder may not make a tetrahedron worse than this.
SNAP_SCALED_JACOBIAN = 0.12
# A face belongs to a screw's side, not to its tip, when its normal leans less than this (cosine) along the axis.
SIDE_COSINE = 0.7
# Shares of the envelope by which vertices on hardware and on free bone surfaces may move. fTetWild uses little more
# than half of its envelope, and the few places in question (ramus, coronoid) are known to half a millimetre from CT.
HARDWARE_SHARE = 0.3
BONE_SHARE = 1.5
PASSES = 6
# Tetrahedra below this get more passes: twice what the checks ask for.
WORST_SCALED_JACOBIAN = 0.1
LAST_PASSES = 20
# A move must improve the worst tetrahedron around a vertex by this factor.
LEAST_GAIN = 1.02
# Trial steps as shares of the mean edge at the vertex, in 26 directions.
STEPS = (0.01, 0.03, 0.1, 0.25)
DIRECTIONS = np.delete(
    np.stack(np.meshgrid(*[(-1.0, 0.0, 1.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3), 13, axis=0
)
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
# Edges of a plate sharper than this are kept sharp [degrees]; sections along a bend differ by less.
EDGE_ANGLE = 30.0
# Vertices within so many envelopes of a sharp edge may be moved onto it.
EDGE_REACH = 1.5
# A plate's outside may be moved outwards by this share of its thickness.
SWELL_SHARE = 0.03
# Vertices nearer than this to the wall of an empty hole belong to the wall, not to the plate's outside [mm].
HOLE_WALL = 0.3
# Shorter moves are not worth their trial [mm].
LEAST_MOVE = 1e-3
# Fractions of a snap tried, the whole way first.
SNAP_FRACTIONS = (1.0, 0.7, 0.4, 0.2)
# Facets make a screw thinner; vertices may go this far beyond the true radius to make up for it.
LARGEST_RADIUS_FACTOR = 1.03


class Stars:
    """Tetrahedra around each vertex."""

    def __init__(self, n_points: int, tets: np.ndarray) -> None:
        self.tets = tets
        order = np.argsort(tets.ravel(), kind="stable")
        self._start = np.searchsorted(tets.ravel()[order], np.arange(n_points + 1))
        self._tets = order // 4

    def at(self, vertex: int) -> np.ndarray:
        """Numbers of the tetrahedra around a vertex."""
        return self._tets[self._start[vertex] : self._start[vertex + 1]]

    def quality(self, points: np.ndarray, vertex: int, places: np.ndarray) -> np.ndarray:
        """Smallest scaled Jacobian around a vertex put at each of the places, shape (c,) for places (c, 3)."""
        around = self.tets[self.at(vertex)]
        corners = np.repeat(points[around][None], len(places), axis=0)
        corners[:, around == vertex] = places[:, None]
        flat = corners.reshape(-1, 3)
        numbers = np.arange(len(flat)).reshape(-1, 4)
        return scaled_jacobian(flat, numbers).reshape(len(places), -1).min(axis=1)


def round_screws(operation: Operation, points: np.ndarray, tets: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Move the vertices on every screw's side onto a cylinder and return the new points.

    Facets inscribed in a circle lose volume and area. The cylinder's radius is chosen between the true one and 3 % more
    so that the errors of lateral area and volume have opposite signs, each the same share of what the checks allow.
    """
    points = points.copy()
    stars = Stars(len(points), tets)
    faces, first, second = face_pairs(tets)
    rim, owner = outer_faces(tets)
    for number, screw in enumerate(operation.screws):
        label = SCREW_FIRST + number
        mine = (region[first] == label) != (region[second] == label)
        surface = np.vstack([faces[mine], rim[region[owner] == label]])
        side = surface[_is_side(points, surface, screw)]
        vertices = np.unique(side)
        body = tets[region == label]
        original = points[vertices].copy()
        _snap(points, stars, vertices, screw, 0.5 * screw.diameter)
        area = face_areas(points, side).sum() / (np.pi * screw.diameter * screw.length) - 1
        volume = tet_volumes(points, body).sum() / (np.pi / 4 * screw.diameter**2 * screw.length) - 1
        # The area grows with the radius, the volume with its square; both errors shall be t times their limits.
        change = (LARGEST_VOLUME_ERROR * area + LARGEST_AREA_ERROR * volume) / (
            LARGEST_VOLUME_ERROR + 2 * LARGEST_AREA_ERROR
        )
        factor = float(np.clip(1 - change, 1.0, LARGEST_RADIUS_FACTOR))
        points[vertices] = original
        _snap(points, stars, vertices, screw, 0.5 * screw.diameter * factor)
    return points


def _is_side(points: np.ndarray, faces: np.ndarray, screw: Screw) -> np.ndarray:
    a, b, c = np.moveaxis(points[faces], 1, 0)
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), np.finfo(float).tiny)
    return np.abs(normal @ screw.axis) < SIDE_COSINE


def _snap(points: np.ndarray, stars: Stars, vertices: np.ndarray, screw: Screw, radius: float) -> None:
    axial, radial, _ = screw.coordinates(points[vertices])
    foot = screw.head + axial[:, None] * screw.axis
    _move(points, stars, vertices, foot + (points[vertices] - foot) * (radius / radial)[:, None])


def _move(points: np.ndarray, stars: Stars, vertices: np.ndarray, target: np.ndarray) -> None:
    """Move vertices towards their targets as far as the tetrahedra around them allow, in place."""
    far = np.linalg.norm(target - points[vertices], axis=1) > LEAST_MOVE
    vertices, target = vertices[far], target[far]
    for vertex, goal in zip(vertices, target, strict=True):
        start = points[vertex]
        places = start + np.array([0.0, *SNAP_FRACTIONS])[:, None] * (goal - start)
        quality = stars.quality(points, vertex, places)
        good = np.flatnonzero(quality[1:] >= min(SNAP_SCALED_JACOBIAN, quality[0]))
        if len(good):
            points[vertex] = places[1 + good[0]]


def sharpen_plates(
    operation: Operation, points: np.ndarray, tets: np.ndarray, region: np.ndarray, envelope: float
) -> np.ndarray:
    """Move the vertices on every plate's outer surface onto the exact surface and return the new points.

    Vertices within ``EDGE_REACH`` envelopes of a sharp edge go onto the edge where they can, the others onto the faces:
    the mesher strays by up to an envelope [mm] and bevels edges by as much, and a thin plate is mostly edge. Vertices
    of screws and on the walls of empty holes stay: there the plate ends at another surface.
    """
    points = points.copy()
    stars = Stars(len(points), tets)
    taken = np.unique(tets[region >= SCREW_FIRST])
    for number, plate in enumerate(operation.plates):
        rim, _ = outer_faces(tets[(region == PLATE + number) | (region >= SCREW_FIRST)])
        vertices = np.setdiff1d(np.intersect1d(rim, tets[region == PLATE + number]), taken)
        for hole in plate.empty_holes:
            away = np.abs(hole.wall_distance(points[vertices]))
            vertices = vertices[away > HOLE_WALL]
        edges = plate.surface.polydata.extract_feature_edges(
            EDGE_ANGLE, boundary_edges=False, non_manifold_edges=False, manifold_edges=False
        )
        if edges.n_cells:
            foot = np.asarray(edges.find_closest_cell(points[vertices], return_closest_point=True)[1])
            distance = np.linalg.norm(points[vertices] - foot, axis=1)
            order = np.argsort(distance, kind="stable")[: np.count_nonzero(distance < EDGE_REACH * envelope)]
            _move(points, stars, vertices[order], foot[order])
        _move(points, stars, vertices, plate.surface.closest(points[vertices]))
        _swell(operation, plate, points, stars, vertices, tets[region == PLATE + number])
    return points


def _swell(
    operation: Operation, plate: Plate, points: np.ndarray, stars: Stars, vertices: np.ndarray, cells: np.ndarray
) -> None:
    """Move a plate's outer vertices outwards, all by the same little, so that bevels cost no volume; in place."""
    faces, _ = outer_faces(cells)
    a, b, c = np.moveaxis(points[faces], 1, 0)
    area = 0.5 * np.cross(b - a, c - a)
    normal = np.zeros_like(points)
    for corner in faces.T:
        np.add.at(normal, corner, area)
    missing = exact_plate_volume(operation, plate) - tet_volumes(points, cells).sum()
    moving = np.isin(faces, vertices).mean(axis=1) @ np.linalg.norm(area, axis=1)
    step = float(np.clip(missing / max(moving, np.finfo(float).tiny), 0.0, SWELL_SHARE * plate.thickness))
    outward = normal[vertices]
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), np.finfo(float).tiny)
    _move(points, stars, vertices, points[vertices] + step * outward)


def open_flat_tets(points: np.ndarray, tets: np.ndarray, region: np.ndarray, envelope: float) -> np.ndarray:
    """Move vertices of flat tetrahedra where that improves the worst one around, and return the new points.

    Vertices inside a body move freely, on the bone surface by at most ``BONE_SHARE`` of the envelope and on any
    hardware surface by at most ``HARDWARE_SHARE`` of it [mm].
    """
    points = points.copy()
    original = points.copy()
    stars = Stars(len(points), tets)
    allowed = _allowed_moves(len(points), tets, region, envelope)
    dice = np.random.default_rng(0)
    for wanted, passes in ((WANTED_SCALED_JACOBIAN, PASSES), (WORST_SCALED_JACOBIAN, LAST_PASSES)):
        for _ in range(passes):
            bad = np.flatnonzero(scaled_jacobian(points, tets) < wanted)
            if len(bad) == 0:
                break
            # Turned anew in every pass: the way out of a flat place is often narrow.
            turn, _ = np.linalg.qr(dice.normal(size=(3, 3)))
            for vertex in np.unique(tets[bad]):
                around = tets[stars.at(vertex)]
                edge = np.linalg.norm(points[around] - points[vertex], axis=-1).sum() / (3 * len(around))
                places = points[vertex] + np.concatenate([edge * step * DIRECTIONS @ turn for step in STEPS])
                places = places[np.linalg.norm(places - original[vertex], axis=1) <= allowed[vertex]]
                quality = stars.quality(points, vertex, np.vstack([points[vertex], places]))
                best = int(np.argmax(quality))
                if best and quality[best] > LEAST_GAIN * quality[0]:
                    points[vertex] = places[best - 1]
    return points


def _allowed_moves(n_points: int, tets: np.ndarray, region: np.ndarray, envelope: float) -> np.ndarray:
    allowed = np.full(n_points, np.inf)
    rim, _ = outer_faces(tets)
    allowed[rim] = BONE_SHARE * envelope
    faces, first, second = face_pairs(tets)
    allowed[faces[region[first] != region[second]]] = HARDWARE_SHARE * envelope
    rim, _ = outer_faces(tets[region >= PLATE])
    allowed[rim] = HARDWARE_SHARE * envelope
    return allowed


def peel(points: np.ndarray, tets: np.ndarray, region: np.ndarray, envelope: float) -> np.ndarray:
    """Mark flat bone tetrahedra that lie on the free surface, thinner than ``envelope``, as outside."""
    region = region.copy()
    for _ in range(PASSES):
        kept = np.flatnonzero(region != OUTSIDE)
        jacobian = scaled_jacobian(points, tets[kept])
        _, owner = outer_faces(tets[kept])
        free = np.zeros(len(kept), dtype=bool)
        free[owner] = True
        flat = free & (region[kept] == BONE) & (jacobian < PEEL_SCALED_JACOBIAN)
        candidates = kept[flat]
        faces = tets[candidates][:, FACES]
        largest = face_areas(points, faces.reshape(-1, 3)).reshape(-1, 4).max(axis=1, initial=0.0)
        height = 3 * np.abs(tet_volumes(points, tets[candidates])) / np.maximum(largest, np.finfo(float).tiny)
        thin = candidates[height < envelope]
        if len(thin) == 0:
            break
        region[thin] = OUTSIDE
    return region
