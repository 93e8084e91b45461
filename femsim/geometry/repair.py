"""Make a closed surface out of a file's triangles: what is repaired is told, what is not is refused with its place.

Repaired: loose debris, triangles given twice or without area, triangles that face the wrong way, small holes. Refused:
larger holes, several bodies, walls that meet in one edge, surfaces that cross themselves or have one side only.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import pdist
from vtkmodules.vtkCommonCore import vtkIdList, vtkPoints

from femsim.errors import GeometryError
from femsim.geometry.surface import Surface

LARGEST_HOLE = 6.0
"""Holes up to this size [mm] across are closed flat; over a border rounder than 5 mm radius that is off by 1 mm."""
MOST_HOLES = 20
"""A surface with more holes was not one surface when it was exported."""
CRUMB_SHARE = 0.02
"""Loose pieces below this share of the volume are dropped as debris of a segmentation; larger ones are refused."""
EDGE_ENDS = 1e-4
"""Share of an edge left out at both ends when it is tried against other triangles: there its neighbours begin."""

Repaired = tuple[Surface, tuple[str, ...]]
"""The surface and a sentence for everything that was done to it."""


def repaired(surface: Surface, name: str) -> Repaired:
    """Return one closed surface that faces outwards, and what had to be done for it.

    Parameters
    ----------
    surface : Surface
        Triangles as read [mm].
    name : str
        For messages.

    Raises
    ------
    GeometryError
        What cannot be repaired, with a place in the file's coordinates.
    """
    said: list[str] = []
    for step in (_own_triangles, _one_body, _facing_outwards, _closed):
        surface, told = step(surface, name)
        said += [f"{name}: {sentence}" for sentence in told]
    _check_crossings(surface, name)
    return surface, tuple(said)


def _at(point: np.ndarray) -> str:
    x, y, z = np.round(point, 1) + 0.0
    return f"({x}, {y}, {z}) mm"


def _edges(surface: Surface) -> np.ndarray:
    """Directed edges (3 m, 2) of the triangles, three after three."""
    return surface.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)


def _own_triangles(surface: Surface, name: str) -> Repaired:
    """Leave out triangles without area, those given twice, and vertices of no triangle."""
    corners = np.sort(surface.triangles, axis=1)
    _, first = np.unique(corners, axis=0, return_index=True)
    kept = np.zeros(len(corners), dtype=bool)
    kept[first] = True
    kept &= (corners[:, 0] < corners[:, 1]) & (corners[:, 1] < corners[:, 2])
    lost = int(np.count_nonzero(~kept))
    if lost == 0 and len(np.unique(corners)) == len(surface.points):
        return surface, ()
    if lost == 0:
        return _with(surface.points, surface.triangles), ()
    place = surface.points[surface.triangles[np.flatnonzero(~kept)[0]]].mean(axis=0)
    text = f"{lost} triangles given twice or without area were left out, one near {_at(place)}"
    return _with(surface.points, surface.triangles[kept]), (text,)


def _with(points: np.ndarray, triangles: np.ndarray) -> Surface:
    used, renumbered = np.unique(triangles, return_inverse=True)
    return Surface(points[used], renumbered.reshape(-1, 3))


def _one_body(surface: Surface, name: str) -> Repaired:
    """Keep the largest connected piece; refuse a file with another large one."""
    count = len(surface.points)
    edges = _edges(surface)
    pieces, piece_of_point = _components(edges, count)
    if pieces == 1:
        return surface, ()
    piece = piece_of_point[surface.triangles[:, 0]]
    centres = surface.corners.mean(axis=1)
    area = np.linalg.norm(surface.area_vectors, axis=1)
    moments = np.stack([np.bincount(piece, weights=area * x, minlength=pieces) for x in centres.T], axis=1)
    middle = moments / np.bincount(piece, weights=area, minlength=pieces)[:, None]
    # About a piece's own middle, so that a piece with a hole has its volume too.
    cones = np.einsum("ij,ij->i", centres - middle[piece], surface.area_vectors) / 3
    volumes = np.abs(np.bincount(piece, weights=cones, minlength=pieces))
    order = np.argsort(volumes)
    largest, second = order[-1], order[-2]
    if volumes[second] > CRUMB_SHARE * volumes[largest]:
        raise GeometryError(
            f"{name}: the file holds {pieces} separate bodies, the second near {_at(middle[second])} with "
            f"{volumes[second] / 1000:.2f} cm3 of {volumes[largest] / 1000:.2f} cm3; join them (a boolean union of "
            "teeth and bone) into one closed surface and export it again"
        )
    rest = np.delete(volumes, largest).sum()
    text = (
        f"{pieces - 1} loose pieces of {rest / 1000:.2g} cm3 together were left out, the largest near "
        f"{_at(middle[second])}"
    )
    return _with(surface.points, surface.triangles[piece == largest]), (text,)


def _components(edges: np.ndarray, count: int) -> tuple[int, np.ndarray]:
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)


def _closed(surface: Surface, name: str) -> Repaired:
    """Close small holes."""
    directed = _edges(surface)
    _, first, counts = np.unique(np.sort(directed, axis=1), axis=0, return_index=True, return_counts=True)
    free = directed[first[counts == 1]]
    if len(free) == 0:
        return surface, ()
    holes = _holes(surface, free, name)
    added, centres = [], []
    for number, (_, loop) in enumerate(holes):
        # Along an edge the new triangle runs against the old one, so that both face the same way.
        added.append(np.column_stack([loop[:, ::-1], np.full(len(loop), len(surface.points) + number)]))
        centres.append(surface.points[np.unique(loop)].mean(axis=0))
    closed = Surface(np.vstack([surface.points, *centres]), np.vstack([surface.triangles, *added]))
    sizes = [f"{size:.1f} mm across near {_at(centre)}" for (size, _), centre in zip(holes, centres, strict=True)]
    listed = "; ".join(sizes[:3]) + ("; ..." if len(sizes) > 3 else "")
    return closed, (f"{len(holes)} {'hole was' if len(holes) == 1 else 'holes were'} closed: {listed}",)


def _holes(surface: Surface, free: np.ndarray, name: str) -> list[tuple[float, np.ndarray]]:
    """Size [mm] and free edges (k, 2) of every hole; refuses those that are not small and simple."""
    points = surface.points
    told = f"{name}: the surface is not closed, {len(free)} of its edges are free, one near"
    used, compact = np.unique(free, return_inverse=True)
    compact = compact.reshape(-1, 2)
    meeting = np.bincount(compact.ravel())
    if meeting.max() > 2:
        raise GeometryError(f"{told} {_at(points[used[meeting.argmax()]])} where holes meet; close and export it again")
    number, hole_of_point = _components(compact, len(used))
    holes = []
    for hole in range(number):
        loop = free[hole_of_point[compact[:, 0]] == hole]
        rim = points[np.unique(loop)]
        box = float(np.linalg.norm(np.ptp(rim, axis=0)))
        # The distances of all pairs only where they decide: a jaw cut in half has thousands of points on its rim.
        size = box if box > 2 * LARGEST_HOLE else float(pdist(rim).max())
        if size > LARGEST_HOLE:
            raise GeometryError(
                f"{told} {_at(points[loop[0]].mean(axis=0))} at a hole {size:.1f} mm across; up to "
                f"{LARGEST_HOLE:g} mm are closed here, close larger ones and export it again"
            )
        holes.append((size, loop))
    if number > MOST_HOLES:
        raise GeometryError(
            f"{told} {_at(points[free[0]].mean(axis=0))} at one of {number} holes, at most {MOST_HOLES} are closed "
            "here; export one connected surface"
        )
    return holes


def _facing_outwards(surface: Surface, name: str) -> Repaired:
    """Turn triangles so that neighbours agree and the whole faces outwards."""
    turned = _against(surface, name)
    # About its own middle a surface with small holes has nearly its volume.
    points = surface.points - surface.points.mean(axis=0)
    volume = Surface(points, np.where(turned[:, None], surface.triangles[:, ::-1], surface.triangles)).volume
    turned = ~turned if volume < 0 else turned
    found = Surface(surface.points, np.where(turned[:, None], surface.triangles[:, ::-1], surface.triangles))
    if volume == 0.0:
        raise GeometryError(f"{name}: the surface encloses no volume; check the export")
    number = int(np.count_nonzero(turned))
    if number == 0:
        return surface, ()
    if number == len(turned):
        return found, ("the surface faced inwards and was turned",)
    place = surface.points[surface.triangles[np.flatnonzero(turned)[0]]].mean(axis=0)
    return found, (f"{number} of {len(turned)} triangles faced the wrong way and were turned, one near {_at(place)}",)


def _against(surface: Surface, name: str) -> np.ndarray:
    """Mask (m,) of the triangles that face against the first one; refuses edges of more than two triangles.

    Each triangle stands twice in a graph, as given and turned over; neighbours are joined as they agree. Triangles in
    the first one's component as given agree with it.
    """
    edges = _edges(surface)
    unique, edge_of, counts = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True)
    if counts.max() > 2:
        place = surface.points[unique[counts > 2][0]].mean(axis=0)
        raise GeometryError(
            f"{name}: the surface touches itself, more than two triangles meet at {np.count_nonzero(counts > 2)} "
            f"edges, one near {_at(place)}; remove inner walls and contacts and export it again"
        )
    order = np.argsort(edge_of.ravel(), kind="stable")
    pair = order[counts[edge_of.ravel()[order]] == 2].reshape(-1, 2)
    first, second = pair.T // 3
    agree = edges[pair[:, 0], 0] != edges[pair[:, 1], 0]
    count = len(surface.triangles)
    other = np.where(agree, second, second + count)
    mirrored = np.where(agree, second + count, second)
    joined = np.vstack([np.column_stack([first, other]), np.column_stack([first + count, mirrored])])
    _, component = _components(joined, 2 * count)
    if component[0] == component[count]:
        raise GeometryError(
            f"{name}: the surface has one side only, as a twisted band has, near {_at(surface.points.mean(axis=0))}; "
            "export one closed surface"
        )
    apart = ~np.isin(component[:count], component[[0, count]])
    if apart.any():
        place = surface.points[np.intersect1d(surface.triangles[apart], surface.triangles[~apart])[0]]
        raise GeometryError(
            f"{name}: the surface touches itself in a single vertex at {_at(place)}; take the parts asunder or join "
            "them and export it again"
        )
    return component[:count] != component[0]


def _check_crossings(surface: Surface, name: str) -> None:
    """Refuse a surface that runs through itself: an edge that pierces a triangle it does not touch."""
    edges = np.unique(np.sort(_edges(surface), axis=1), axis=0)
    start, end = surface.points[edges[:, 0]], surface.points[edges[:, 1]]
    hits, cells = vtkPoints(), vtkIdList()
    shift = EDGE_ENDS * (end - start)
    crossed: list[np.ndarray] = []
    for k, (low, high) in enumerate(zip((start + shift).tolist(), (end - shift).tolist(), strict=True)):
        surface.locator.IntersectWithLine(low, high, 1e-9, hits, cells)
        touched = [cells.GetId(j) for j in range(cells.GetNumberOfIds())]
        if any(not np.isin(surface.triangles[cell], edges[k]).any() for cell in touched):
            crossed.append(0.5 * (start[k] + end[k]))
    if crossed:
        raise GeometryError(
            f"{name}: the surface crosses itself at {len(crossed)} edges, one near {_at(crossed[0])}; remove the "
            "overlap and export it again"
        )
