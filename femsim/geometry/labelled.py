"""A closed smooth surface from one label of a segmented image.

The label's mask is blurred by one voxel, which takes the stairs away, and contoured at the level at which the enclosed
volume is that of the voxels, which blurring alone would shrink.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_fill_holes, gaussian_filter, label, map_coordinates, spline_filter, sum_labels

from femsim.errors import InputError
from femsim.geometry.isosurface import level_surface
from femsim.geometry.repair import CRUMB_SHARE
from femsim.geometry.surface import Surface
from femsim.images.formats import read_image
from femsim.images.grid import VoxelGrid, place_of

BLUR = 1.2
"""Width of the blur in voxels: the least that leaves no stairs."""
MARGIN = 5
"""Voxels around the label, so that its blurred field ends before the box does."""
EDGE = 1.0
"""Mean triangle edge [mm]; voxels larger than that make it their size."""
LARGEST_VOXEL, SMALLEST_VOXEL = 3.0, 0.02
"""Longer voxels [mm] show no jaw, the coronoid process is about 3 mm thick; no scanner of jaws has smaller ones."""
LEAST_VOLUME = 5000.0
"""No jaw, however atrophic, has less bone than this [mm3]; the parametric adult has 70,000."""
LARGEST_CUT = 25.0
"""A label that lies on the image's border over a larger area [mm2] was cut off by it."""
MOST_LISTED = 12
"""Labels of the image that a message lists."""


def label_surface(path: str | Path, value: int) -> tuple[Surface, tuple[str, ...]]:
    """Read one label of an image and make its surface.

    Parameters
    ----------
    path : str or Path
        See :func:`femsim.images.formats.read_image`.
    value : int
        The jaw's label.

    Returns
    -------
    surface : Surface
        Closed, facing outwards, in LPS [mm].
    notices : tuple of str
        What was left out or filled.

    Raises
    ------
    InputError
        A file that cannot be read, no such label, several bodies, a label cut off by the image.
    """
    values, matrix = read_image(path, "label image", "labels")
    grid = VoxelGrid.even(values, matrix, str(path))
    _check_voxels(grid)
    mask = _chosen(grid, value)
    mask, said = _one_body(mask, grid)
    if (volume := mask.sum() * _voxel_volume(grid)) < LEAST_VOLUME:
        raise InputError(
            f"{path}: the label {value} has {volume / 1000:.2g} cm3, a jaw has at least {LEAST_VOLUME / 1000:g} cm3; "
            "check the number of the jaw's label"
        )
    filled = np.asarray(binary_fill_holes(mask))
    if cavities := int(filled.sum() - mask.sum()):
        said = (*said, f"{path}: cavities of {cavities * _voxel_volume(grid) / 1000:.2g} cm3 in the label were filled")
    said = (*said, *_cut_off(filled, grid))
    return mask_surface(filled, grid.matrix), said


def mask_surface(mask: np.ndarray, matrix: np.ndarray) -> Surface:
    """Return the smooth surface around a mask's voxels, with their volume.

    Parameters
    ----------
    mask : ndarray of bool, shape (ni, nj, nk)
        One connected body without cavities.
    matrix : ndarray, shape (4, 4)
        From voxel numbers to mm.
    """
    low = np.array([np.flatnonzero(mask.any(axis=(1, 2)))[0] for mask in _turned(mask)]) - MARGIN
    high = np.array([np.flatnonzero(mask.any(axis=(1, 2)))[-1] for mask in _turned(mask)]) + MARGIN
    field = _Blurred.around(mask, matrix, low, high)
    axes = matrix[:3, :3]
    corners = np.array([[(low, high)[bit >> k & 1][k] for k in range(3)] for bit in range(8)])
    box = corners @ axes.T + matrix[:3, 3]
    edge = max(EDGE, float(np.linalg.norm(axes, axis=0).max()))
    surface = level_surface(field, box.min(axis=0), box.max(axis=0), edge)
    # The level is known to a voxel and chords lie inside curves: the rest of the volume is a layer of some micrometres.
    layer = (float(mask.sum() * abs(np.linalg.det(axes))) - surface.volume) / surface.area
    return Surface(surface.points + layer * _vertex_normals(surface), surface.triangles)


def _vertex_normals(surface: Surface) -> np.ndarray:
    """Mean of the area vectors around each vertex, of unit length, (n, 3)."""
    corners = surface.triangles.ravel()
    parts = np.repeat(surface.area_vectors, 3, axis=0).T
    normals = np.stack([np.bincount(corners, weights=part, minlength=len(surface.points)) for part in parts], axis=1)
    return normals / np.linalg.norm(normals, axis=1)[:, None]


def _turned(mask: np.ndarray) -> list[np.ndarray]:
    return [np.moveaxis(mask, axis, 0) for axis in range(3)]


@dataclass(frozen=True, eq=False)
class _Blurred:
    """A blurred mask as a field with gradient about one at its level, negative inside [mm]."""

    coefficients: np.ndarray
    inverse: np.ndarray
    scale: float
    level: float

    @classmethod
    def around(cls, mask: np.ndarray, matrix: np.ndarray, low: np.ndarray, high: np.ndarray) -> _Blurred:
        inner_low, inner_high = np.maximum(low, 0), np.minimum(high + 1, mask.shape)
        cropped = mask[tuple(slice(a, b) for a, b in zip(inner_low, inner_high, strict=True))]
        outside = list(zip(inner_low - low, high + 1 - inner_high, strict=True))
        padded = np.pad(cropped.astype(np.float32), outside)
        soft = gaussian_filter(padded, BLUR)
        # As many voxel centres above the level as the mask has voxels: the blurred body has its volume.
        level = float(np.partition(soft.ravel(), -int(padded.sum()))[-int(padded.sum())])
        steps = np.linalg.norm(matrix[:3, :3], axis=0)
        shift = np.eye(4)
        shift[:3, 3] = low
        # The slope of a blurred step: 1 / (sqrt(2 pi) width).
        scale = float(np.sqrt(2 * np.pi) * BLUR * np.cbrt(np.prod(steps)))
        return cls(spline_filter(soft, output=np.float32), np.linalg.inv(matrix @ shift), scale, level)

    def __call__(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        x, y, z = np.broadcast_arrays(x, y, z)
        place = [row[0] * x + row[1] * y + row[2] * z + row[3] for row in self.inverse[:3]]
        found = map_coordinates(self.coefficients, place, order=3, prefilter=False, mode="constant")
        return self.scale * (self.level - found.astype(float))


def _voxel_volume(grid: VoxelGrid) -> float:
    return float(abs(np.linalg.det(grid.matrix[:3, :3])))


def _check_voxels(grid: VoxelGrid) -> None:
    steps = np.linalg.norm(grid.matrix[:3, :3], axis=0)
    if steps.max() > LARGEST_VOXEL or steps.min() < SMALLEST_VOXEL:
        raise InputError(
            f"{grid.name}: the voxels are {steps[0]:.3g} x {steps[1]:.3g} x {steps[2]:.3g} mm, allowed are "
            f"{SMALLEST_VOXEL:g} to {LARGEST_VOXEL:g} mm; check the unit of the header or take a finer scan"
        )


def _chosen(grid: VoxelGrid, value: int) -> np.ndarray:
    mask = grid.values == value
    if not mask.any():
        found, counts = np.unique(grid.values, return_counts=True)
        if len(found) > MOST_LISTED:
            known = f"{len(found)} different values from {found[0]:g} to {found[-1]:g}, it may be a scan and no labels"
        else:
            known = ", ".join(f"{v:g} ({n} voxels)" for v, n in zip(found, counts, strict=True))
        raise InputError(f"{grid.name}: no voxel has the label {value}; the image holds {known}")
    return mask


def _one_body(mask: np.ndarray, grid: VoxelGrid) -> tuple[np.ndarray, tuple[str, ...]]:
    """Keep the largest connected body; refuse a label with another large one."""
    bodies, number = label(mask)
    if number == 1:
        return mask, ()
    sizes = sum_labels(mask, bodies, np.arange(1, number + 1))
    order = np.argsort(sizes)
    largest, second = int(order[-1]), int(order[-2])
    place = np.argwhere(bodies == second + 1)[0]
    where = place_of(grid.matrix[:3, :3] @ place + grid.matrix[:3, 3])
    volume = _voxel_volume(grid) / 1000
    if sizes[second] > CRUMB_SHARE * sizes[largest]:
        raise InputError(
            f"{grid.name}: the label is {number} separate bodies, the second near {where} mm with "
            f"{sizes[second] * volume:.2f} cm3 of {sizes[largest] * volume:.2f} cm3; give the jaw a label of its own"
        )
    rest = (sizes.sum() - sizes[largest]) * volume
    text = f"{grid.name}: {number - 1} loose parts of {rest:.2g} cm3 were left out, the largest near {where} mm"
    return bodies == largest + 1, (text,)


def _cut_off(mask: np.ndarray, grid: VoxelGrid) -> tuple[str, ...]:
    """Refuse a body that the image's border cuts; tell of one that just touches it."""
    area, place = 0.0, np.zeros(3)
    for axis in range(3):
        sides = np.moveaxis(mask, axis, 0)
        first, second = (grid.matrix[:3, k] for k in range(3) if k != axis)
        for end in (0, -1):
            here = float(sides[end].sum() * np.linalg.norm(np.cross(first, second)))
            if here > area:
                area, index = here, np.insert(np.argwhere(sides[end])[0], axis, end % mask.shape[axis])
                place = grid.matrix[:3, :3] @ index + grid.matrix[:3, 3]
    if area > LARGEST_CUT:
        raise InputError(
            f"{grid.name}: the label is cut off by the border of the image over {area:.0f} mm2 near "
            f"{place_of(place)} mm; take a scan or a crop that holds the whole jaw"
        )
    if area == 0.0:
        return ()
    return (f"{grid.name}: the label touches the border of the image over {area:.1f} mm2 near {place_of(place)} mm",)
