"""Numbers at the centres of voxels: their place in space, and values between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from femsim.errors import InputError

RIGID_TOLERANCE = 1e-3
"""Largest |R R^T - I| of a registration: three digits after the point are what people write by hand."""
EDGE_TOLERANCE = 1e-6
"""Points so far outside the first or last voxel centre [voxels] are on it: rounding of the change of frames."""
LEAST_PLANES = 2


@dataclass(frozen=True, eq=False)
class VoxelGrid:
    """Numbers at the centres of voxels, interpolated linearly along the three grid axes between them.

    Attributes
    ----------
    values : ndarray, (ni, nj, nk)
    matrix : ndarray, (4, 4)
        Takes ``(i, j, w, 1)`` to mm in the frame of the points; ``w`` is the place of a plane, see ``planes``.
    planes : ndarray, (nk,)
        Ascending ``w`` of every plane; 0, 1, 2, ... for planes at even distance.
    name : str
        For messages.

    Raises
    ------
    InputError
        Fewer than two voxels along an axis, values that are not finite, a matrix that folds the grid.
    """

    values: NDArray[np.floating]
    matrix: NDArray[np.float64]
    planes: NDArray[np.float64]
    name: str = "image"
    WHAT: ClassVar[str] = "image"

    def __post_init__(self) -> None:
        shape = self.values.shape
        if len(shape) != 3 or min(shape) < LEAST_PLANES:
            raise InputError(
                f"{self.name}: the {self.WHAT} has shape {' x '.join(map(str, shape)) or 'of a single number'}; at "
                "least two voxels along each of three axes are needed"
            )
        if not np.all(np.isfinite(self.values)):
            raise InputError(f"{self.name}: the {self.WHAT} holds values that are not finite numbers; export it again")
        matrix, planes = np.asarray(self.matrix, dtype=float), np.asarray(self.planes, dtype=float)
        if matrix.shape != (4, 4) or not np.all(np.isfinite(matrix)) or not _unfolded(matrix[:3, :3]):
            raise InputError(f"{self.name}: the voxels' directions or spacings do not span space; export it again")
        if planes.shape != shape[2:] or not np.all(np.isfinite(planes)) or not np.all(np.diff(planes) > 0.0):
            raise InputError(f"{self.name}: the planes do not follow one another in one direction; export it again")
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "planes", planes)

    @classmethod
    def even(cls, values: ArrayLike, matrix: ArrayLike, name: str) -> Self:
        """Make a grid whose planes are one step of ``matrix`` apart."""
        found = np.ascontiguousarray(values)
        return cls(found, np.asarray(matrix, dtype=float), even_planes(found), name)

    def moved(self, matrix: ArrayLike) -> Self:
        """Return the grid in another frame; ``matrix`` (4, 4), rigid, takes the old frame to the new."""
        return replace(self, matrix=rigid_matrix(matrix, self.name) @ self.matrix)

    def indices(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the places (n, 3) of points (n, 3) [mm] in voxels; they go on beyond the first and last voxel."""
        inverse = np.linalg.inv(self.matrix)
        indices = points @ inverse[:3, :3].T + inverse[:3, 3]
        w, planes = indices[:, 2], self.planes
        place = np.interp(w, planes, np.arange(len(planes), dtype=float))
        # Beyond the first and last plane the index goes on, so that "outside" stays visible.
        place = np.where(w < planes[0], (w - planes[0]) / (planes[1] - planes[0]), place)
        beyond = len(planes) - 1 + (w - planes[-1]) / (planes[-1] - planes[-2])
        indices[:, 2] = np.where(w > planes[-1], beyond, place)
        return indices

    def sample(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the values (n,) at points (n, 3) [mm] and the mask (n,) of those outside the voxel centres.

        The value of a point outside is that of the nearest point inside.
        """
        indices = self.indices(points)
        last = np.array(self.values.shape) - 1
        outside = ~np.all((indices >= -EDGE_TOLERANCE) & (indices <= last + EDGE_TOLERANCE), axis=1)
        return _trilinear(self.values, np.clip(np.nan_to_num(indices), 0.0, last)), outside


def even_planes(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the places of planes one step apart, none for an array without a third axis."""
    return np.arange(values.shape[2] if values.ndim == 3 else 0, dtype=float)


def box_of(points: NDArray[np.float64]) -> str:
    """Spell the two corners of the box around points (n, 3) for a message."""
    low, high = np.round(points.min(axis=0), 1), np.round(points.max(axis=0), 1)
    return f"{place_of(low)} and {place_of(high)} mm"


def place_of(point: NDArray[np.float64]) -> str:
    """Spell a point for a message."""
    x, y, z = np.round(point, 1) + 0.0
    return f"({x:g}, {y:g}, {z:g})"


def rigid_matrix(matrix: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return a registration (4, 4) as an array, or raise :class:`InputError` unless it turns and shifts only.

    Parameters
    ----------
    matrix : array_like, (4, 4)
        ``[[R, t], [0, 1]]`` with a proper rotation R and a shift t in mm.
    name : str
        For the message.
    """
    found = np.asarray(matrix, dtype=float)
    if found.shape != (4, 4) or not np.all(np.isfinite(found)):
        raise InputError(f"{name}: the registration has shape {found.shape}; four rows of four finite numbers needed")
    if not np.allclose(found[3], [0.0, 0.0, 0.0, 1.0], atol=1e-12):
        raise InputError(f"{name}: the last row of the registration is {found[3].tolist()}; it must be [0, 0, 0, 1]")
    rotation = found[:3, :3]
    error = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if error > RIGID_TOLERANCE or np.linalg.det(rotation) < 0.0:
        raise InputError(
            f"{name}: the registration is not rigid (determinant {np.linalg.det(rotation):.4g}, deviation from "
            f"orthogonality {error:.2g}, allowed {RIGID_TOLERANCE:g}); register the two scans rigidly on the jaw"
        )
    return found


def _unfolded(axes: NDArray[np.float64]) -> bool:
    lengths = np.linalg.norm(axes, axis=0)
    # Axes of one voxel step each; a volume below a millionth of the box of their lengths has lost a direction.
    return bool(np.all(lengths > 0.0) and abs(np.linalg.det(axes / np.where(lengths > 0.0, lengths, 1.0))) > 1e-6)


def _trilinear(values: NDArray[np.floating], indices: NDArray[np.float64]) -> NDArray[np.float64]:
    base = np.minimum(indices.astype(np.int64), np.array(values.shape) - 2)
    i, j, k = base.T
    total = np.zeros(len(indices))
    share = indices - base
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, share, 1.0 - share), axis=1)
        total += weight * values[i + corner[0], j + corner[1], k + corner[2]]
    return total
