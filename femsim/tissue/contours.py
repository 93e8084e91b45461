"""A stack of closed planar contours as a closed surface, and points that fill a surface evenly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyvista as pv
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from femsim.errors import InputError
from femsim.geometry.surface import Surface, checked_closed

RASTER = 1.0
"""Step of the raster between the contours [mm]: half the usual distance of planes; the level is interpolated in it."""
MOST_NODES = 8_000_000
"""A larger structure gets a coarser raster, so that memory stays below half a gigabyte."""
ALONG_CONTOUR = 0.1
"""Distance of the samples of a contour [mm]; far below the 1 mm to which contours are drawn."""
FLATNESS = 0.1
"""Largest distance [mm] of a contour's points from its plane: coordinates carry two digits after the point."""
LARGEST_GAP = 2.5
"""Planes further apart than this many usual distances are no stack: one contour may be left out, two not."""
LARGEST_EXTENT = 2000.0
"""No structure of a patient reaches further [mm]; coordinates of a broken file do."""
LEVEL_GUARD = 0.01
"""Field values below this share of the raster step are moved from zero: no needle triangles at raster nodes."""


def contour_surface(contours: Sequence[ArrayLike], name: str) -> Surface:
    """Return the closed surface of a stack of contours.

    Inside a plane, a point is inside when an odd number of contours surrounds it: holes may be drawn as contours of
    their own. Between planes the signed distances of both planes are interpolated linearly; beyond the first and
    last the structure reaches half a plane distance further.

    Parameters
    ----------
    contours : sequence of array_like, (n, 3)
        Closed polygons in parallel planes of any orientation, mm.
    name : str
        Name of the structure, for messages.

    Raises
    ------
    InputError
        No contours, a contour that is not flat or encloses nothing, planes that are not parallel, one plane only, a
        gap in the stack.
    """
    polygons = [np.asarray(one, dtype=float) for one in contours]
    if not polygons or any(one.ndim != 2 or one.shape[1:] != (3,) or len(one) < 3 for one in polygons):
        raise InputError(f"{name}: the structure needs closed contours of three points or more; draw it again")
    basis = _basis(polygons, name)
    planes = _planes([one @ basis for one in polygons], name)
    heights = np.array(sorted(planes))
    distance = _plane_distance(heights, name)
    corners = np.vstack([one for group in planes.values() for one in group])[:, :2]
    low = np.r_[corners.min(axis=0), heights[0] - distance / 2]
    high = np.r_[corners.max(axis=0), heights[-1] + distance / 2]
    if not np.all(high - low <= LARGEST_EXTENT):
        raise InputError(
            f"{name}: the contours span {float(np.max(high - low)):.3g} mm, more than a patient; export them again"
        )
    step = max(RASTER, float(np.prod(high - low + 4 * RASTER) / MOST_NODES) ** (1 / 3))
    axes = [np.arange(low[k] - 1.5 * step, high[k] + 2.5 * step, step) for k in range(3)]
    stack = np.stack([_signed_distance(planes[height], axes[0], axes[1]) for height in heights])
    field = _between(stack, heights, axes[2])
    ends = np.maximum(low[2] - axes[2], axes[2] - high[2])
    field = np.maximum(field, ends[:, None, None])
    field = np.where(np.abs(field) < LEVEL_GUARD * step, LEVEL_GUARD * step, field)
    image = pv.ImageData(
        dimensions=[len(axis) for axis in axes], spacing=(step, step, step), origin=[axis[0] for axis in axes]
    )
    image.point_data["distance"] = field.transpose(2, 1, 0).ravel(order="F")
    level = image.contour([0.0], scalars="distance")
    if level.n_cells == 0:
        raise InputError(f"{name}: the contours enclose nothing; draw the structure again")
    surface = Surface.from_polydata(level)
    return checked_closed(Surface(surface.points @ basis.T, surface.triangles), name)


def filling_points(surface: Surface, step: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points (n, 3) [mm] that fill a closed surface evenly and the volume (n,) [mm3] each stands for."""
    low, high = surface.bounds
    axes = [np.arange(low[k] + step / 2, high[k], step) for k in range(3)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    points = points[surface.contains(points)]
    if len(points) == 0:
        raise InputError(f"no point of a {step:g} mm raster lies inside the structure; choose a smaller step")
    return points, np.full(len(points), surface.volume / len(points))


def _basis(polygons: list[NDArray[np.float64]], name: str) -> NDArray[np.float64]:
    """Return the proper rotation (3, 3) whose last column is the normal of the largest contour."""
    areas = [0.5 * np.cross(one, np.roll(one, -1, axis=0)).sum(axis=0) for one in polygons]
    largest = max(areas, key=lambda area: float(np.linalg.norm(area)))
    size = float(np.linalg.norm(largest))
    if not np.isfinite(size) or size == 0.0:
        raise InputError(f"{name}: the contours enclose no area; draw the structure again")
    normal = largest / size
    first = np.cross(normal, np.eye(3)[int(np.argmin(np.abs(normal)))])
    first /= np.linalg.norm(first)
    return np.column_stack([first, np.cross(normal, first), normal])


def _planes(polygons: list[NDArray[np.float64]], name: str) -> dict[float, list[NDArray[np.float64]]]:
    found: dict[float, list[NDArray[np.float64]]] = {}
    for one in polygons:
        height = float(one[:, 2].mean())
        if np.abs(one[:, 2] - height).max() > FLATNESS:
            raise InputError(
                f"{name}: a contour leaves the common plane direction by {np.abs(one[:, 2] - height).max():.2g} mm; "
                "only flat contours in parallel planes can be used"
            )
        plane = next((key for key in found if abs(key - height) <= FLATNESS), height)
        found.setdefault(plane, []).append(one)
    return found


def _plane_distance(heights: NDArray[np.float64], name: str) -> float:
    if len(heights) < 2:
        raise InputError(f"{name}: all contours lie in one plane; a stack of at least two planes is needed")
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    if gaps.max() > LARGEST_GAP * usual:
        raise InputError(
            f"{name}: the contours leave a gap of {gaps.max():.3g} mm where {usual:.3g} mm are usual; draw the missing "
            "contours or make two structures"
        )
    return usual


def _between(stack: NDArray[np.float64], heights: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    place = np.interp(at, heights, np.arange(len(heights), dtype=float))
    below = np.minimum(place.astype(np.int64), len(heights) - 2)
    share = (place - below)[:, None, None]
    return (1.0 - share) * stack[below] + share * stack[below + 1]


def _signed_distance(
    polygons: list[NDArray[np.float64]], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance (len(y), len(x)) [mm] to the contours of one plane, negative inside."""
    starts = np.vstack([one[:, :2] for one in polygons])
    ends = np.vstack([np.roll(one[:, :2], -1, axis=0) for one in polygons])
    counts = np.maximum(1, np.ceil(np.linalg.norm(ends - starts, axis=1) / ALONG_CONTOUR)).astype(np.int64)
    owner = np.repeat(np.arange(len(starts)), counts)
    share = (np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)) / counts[owner]
    samples = starts[owner] + share[:, None] * (ends - starts)[owner]
    nodes = np.stack(np.meshgrid(x, y), axis=-1)
    distance = np.asarray(cKDTree(samples).query(nodes.reshape(-1, 2))[0]).reshape(nodes.shape[:2])
    inside = np.zeros(nodes.shape[:2], dtype=bool)
    for row, level in enumerate(y):
        crossing = (starts[:, 1] <= level) != (ends[:, 1] <= level)
        a, b = starts[crossing], ends[crossing]
        hits = np.sort(a[:, 0] + (level - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0]))
        inside[row] = np.searchsorted(hits, x) % 2 == 1
    return np.where(inside, -distance, distance)
