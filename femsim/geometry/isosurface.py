"""Mesh the zero level of a field as an even, closed triangle surface, left-right symmetric or not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyvista as pv
from scipy.sparse import csr_array

from femsim.geometry.surface import Surface

Field = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

ROUNDS = 10
RELAXATIONS_PER_ROUND = 4
RELAXATION_STEP = 0.5
"""Forty half steps in all even the triangles out; the field is only asked for its gradient once a round."""
FINAL_PROJECTIONS = 3
GRADIENT_STEP = 0.02
"""Forward differences of the field [mm]."""
LEAST_OFF_PLANE = 0.05
"""Vertices beside the midline stay at least so far from it [mm], or mirrored triangles would fold."""
LEAST_GRADIENT = 0.3
"""Smaller gradients, at fillets, would send a vertex too far in one step."""
SNAP_SHARE = 0.15
"""Field values below this share of the raster step are moved away from zero: no needle triangles at raster nodes."""


def symmetric_surface(field: Field, low: np.ndarray, high: np.ndarray, edge: float) -> Surface:
    """Return the closed surface field = 0, exactly symmetric about x = 0.

    The half x >= 0 is contoured on a raster, its vertices are evened out and projected back onto the level, and the
    half is mirrored and welded.

    Parameters
    ----------
    field : callable
        Takes broadcastable x, a, h and returns values, negative inside, with gradient near one at the level.
    low, high : ndarray, shape (3,)
        Box of the half; ``low[0]`` is 0.
    edge : float
        Mean triangle edge [mm].
    """
    points, triangles = _contour(field, low, high, edge)
    on_plane = np.abs(points[:, 0]) < 1e-9
    points = _evened(field, points, triangles, on_plane)
    points[on_plane, 0] = 0.0
    count = len(points)
    twin = np.arange(count)
    twin[~on_plane] = count + np.arange(np.count_nonzero(~on_plane))
    mirrored = points[~on_plane] * [-1.0, 1.0, 1.0]
    surface = Surface(np.vstack([points, mirrored]), np.vstack([triangles, twin[triangles[:, ::-1]]]))
    return surface if surface.volume > 0 else Surface(surface.points, surface.triangles[:, ::-1])


def level_surface(field: Field, low: np.ndarray, high: np.ndarray, edge: float) -> Surface:
    """Return the closed surface field = 0 inside a box: the largest where the level has several pieces.

    Parameters
    ----------
    field : callable
        As for :func:`symmetric_surface`.
    low, high : ndarray, shape (3,)
        Box in which the level is closed.
    edge : float
        Mean triangle edge [mm].
    """
    points, triangles = _contour(field, low, high, edge)
    points = _evened(field, points, triangles, None)
    surface = Surface(points, triangles)
    return surface if surface.volume > 0 else Surface(points, triangles[:, ::-1])


def _contour(field: Field, low: np.ndarray, high: np.ndarray, edge: float) -> tuple[np.ndarray, np.ndarray]:
    # A contoured square of the raster yields edges of 0.5 to 1.4 steps; this step makes their mean the wanted one.
    step = 1.22 * edge
    axes = [low[k] + step * np.arange(int(np.ceil((high[k] - low[k]) / step)) + 1) for k in range(3)]
    x, a = np.meshgrid(axes[0], axes[1], indexing="ij")
    values = field(x[:, :, None], a[:, :, None], axes[2][None, None, :])
    small = np.abs(values) < SNAP_SHARE * step
    values = np.where(small, np.where(values < 0, -1, 1) * SNAP_SHARE * step, values)
    grid = pv.ImageData(dimensions=values.shape, spacing=(step,) * 3, origin=tuple(low))
    grid["field"] = values.ravel(order="F")
    mesh = grid.contour([0.0], scalars="field", method="flying_edges").triangulate().clean()
    mesh = mesh.connectivity("largest")
    surface = Surface.from_polydata(mesh)
    return surface.points.copy(), surface.triangles


def _evened(field: Field, points: np.ndarray, triangles: np.ndarray, plane: np.ndarray | None) -> np.ndarray:
    """Move vertices towards the mean of their neighbours and back onto the level.

    ``plane`` marks the vertices on the plane of symmetry of a half; None when there is no such plane.
    """
    on_plane = np.zeros(len(points), dtype=bool) if plane is None else plane
    edges = np.vstack([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    first, second = np.r_[edges[:, 0], edges[:, 1]], np.r_[edges[:, 1], edges[:, 0]]
    # On the plane only neighbours on the plane count, so that the midline stays a curve in it.
    weight = np.where(on_plane[first] & ~on_plane[second], 0.0, 1.0)
    count = len(points)
    mean = csr_array((weight, (first, second)), shape=(count, count))
    mean = mean / np.maximum(np.asarray(mean.sum(axis=1)).reshape(-1, 1), 1.0)
    points, normal = _projected(field, points, plane)
    for _ in range(ROUNDS):
        for _ in range(RELAXATIONS_PER_ROUND):
            move = RELAXATION_STEP * (mean @ points - points)
            points = points + move - np.einsum("ij,ij->i", move, normal)[:, None] * normal
        points, normal = _projected(field, points, plane)
    for _ in range(FINAL_PROJECTIONS):
        points, _ = _projected(field, points, plane)
    return points


def _projected(field: Field, points: np.ndarray, plane: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """One Newton step towards the level; the midline stays on the plane, the rest off it. Also the unit normals."""
    level = field(points[:, 0], points[:, 1], points[:, 2])
    shifted = (points + step for step in GRADIENT_STEP * np.eye(3))
    gradient = np.column_stack([field(p[:, 0], p[:, 1], p[:, 2]) - level for p in shifted]) / GRADIENT_STEP
    if plane is not None:
        gradient[plane, 0] = 0.0  # by symmetry
    size = np.linalg.norm(gradient, axis=1)
    normal = gradient / np.maximum(size, 1e-9)[:, None]
    points = points - (level / np.maximum(size, LEAST_GRADIENT))[:, None] * normal
    if plane is not None:
        points[:, 0] = np.where(plane, 0.0, np.maximum(points[:, 0], LEAST_OFF_PLANE))
    return points, normal
