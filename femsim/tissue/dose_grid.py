"""Dose given in Gy on a grid of voxels: trilinear between voxel centres, unknown outside, never silently zero."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from femsim.errors import InputError
from femsim.tissue.dose import checked_points

RIGID_TOLERANCE = 1e-3
"""Largest |R R^T - I| of a registration: three digits after the point are what people write by hand."""
EDGE_TOLERANCE = 1e-6
"""Points so far outside the first or last voxel centre [voxels] are on it: rounding of the change of frames."""
IMPLAUSIBLE_DOSE = 300.0
"""No course of radiotherapy comes near this dose [Gy]; cGy read as Gy and a course multiplied by its fractions do."""
MOST_OFF_PRESCRIPTION = 2.0
"""No plan's highest dose is half or twice its prescription; another unit, or one fraction for all of them, is."""
LEAST_PLANES = 2


@dataclass(frozen=True, eq=False)
class DoseGrid:
    """Total physical dose of one course at the centres of voxels.

    The dose at a point is interpolated linearly along the three grid axes. The dose is known inside the box of voxel
    centres only; elsewhere it is refused unless ``outside`` is given.

    Attributes
    ----------
    values : ndarray, (ni, nj, nk)
        Dose at voxel centres, Gy.
    matrix : ndarray, (4, 4)
        Takes ``(i, j, w, 1)`` to mm in the frame of the points; ``w`` is the place of a plane, see ``planes``.
    planes : ndarray, (nk,)
        Ascending ``w`` of every plane; 0, 1, 2, ... for planes at even distance.
    name : str
        For messages.
    outside : float or None
        Dose outside the grid, Gy; None: unknown.

    Raises
    ------
    InputError
        Fewer than two voxels along an axis, values that are no doses, a matrix that folds the grid.
    """

    values: NDArray[np.float64]
    matrix: NDArray[np.float64]
    planes: NDArray[np.float64]
    name: str = "dose image"
    outside: float | None = None

    def __post_init__(self) -> None:
        shape = self.values.shape
        if len(shape) != 3 or min(shape) < LEAST_PLANES:
            raise InputError(
                f"{self.name}: the dose has shape {' x '.join(map(str, shape)) or 'of a single number'}; at least "
                "two voxels along each of three axes are needed"
            )
        check_values(self.values, self.name)
        matrix, planes = np.asarray(self.matrix, dtype=float), np.asarray(self.planes, dtype=float)
        if matrix.shape != (4, 4) or not np.all(np.isfinite(matrix)) or not _unfolded(matrix[:3, :3]):
            raise InputError(f"{self.name}: the voxels' directions or spacings do not span space; export it again")
        if planes.shape != shape[2:] or not np.all(np.isfinite(planes)) or not np.all(np.diff(planes) > 0.0):
            raise InputError(f"{self.name}: the planes do not follow one another in one direction; export it again")
        if self.outside is not None and not 0.0 <= self.outside < np.inf:
            raise InputError(f"{self.name}: the dose outside is {self.outside:g} Gy; it must be 0 or more")
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "planes", planes)

    @classmethod
    def even(cls, values: ArrayLike, matrix: ArrayLike, name: str, outside: float | None = None) -> DoseGrid:
        """Make a grid whose planes are one step of ``matrix`` apart."""
        dose = np.ascontiguousarray(values, dtype=float)
        planes = np.arange(dose.shape[2] if dose.ndim == 3 else 0, dtype=float)
        return cls(dose, np.asarray(matrix, dtype=float), planes, name, outside)

    @property
    def maximum(self) -> float:
        """Highest dose the field gives anywhere, Gy."""
        return max(float(self.values.max()), self.outside or 0.0)

    def moved(self, matrix: ArrayLike) -> DoseGrid:
        """Return the grid in another frame; ``matrix`` (4, 4), rigid, takes the old frame to the new."""
        return replace(self, matrix=rigid_matrix(matrix, self.name) @ self.matrix)

    def scaled(self, factor: float) -> DoseGrid:
        """Return the grid with every known dose multiplied."""
        return replace(self, values=self.values * factor)

    def dose(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the dose (n,) [Gy] at points (n, 3) [mm].

        Raises
        ------
        InputError
            Points outside the voxel centres while ``outside`` is None: how many, where, and what to do.
        """
        where = checked_points(points)
        indices = self._indices(where)
        last = np.array(self.values.shape) - 1
        missing = ~np.all((indices >= -EDGE_TOLERANCE) & (indices <= last + EDGE_TOLERANCE), axis=1)
        if self.outside is None and missing.any():
            raise InputError(self._unknown(where, missing))
        found = _trilinear(self.values, np.clip(np.nan_to_num(indices), 0.0, last))
        return np.where(missing, self.outside or 0.0, found)

    def _indices(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        inverse = np.linalg.inv(self.matrix)
        indices = points @ inverse[:3, :3].T + inverse[:3, 3]
        w, planes = indices[:, 2], self.planes
        place = np.interp(w, planes, np.arange(len(planes), dtype=float))
        # Beyond the first and last plane the index goes on, so that "outside" stays visible.
        place = np.where(w < planes[0], (w - planes[0]) / (planes[1] - planes[0]), place)
        beyond = len(planes) - 1 + (w - planes[-1]) / (planes[-1] - planes[-2])
        indices[:, 2] = np.where(w > planes[-1], beyond, place)
        return indices

    def _unknown(self, points: NDArray[np.float64], missing: NDArray[np.bool_]) -> str:
        low, high = np.round(points[missing].min(axis=0), 1), np.round(points[missing].max(axis=0), 1)
        return (
            f"{self.name}: the dose is unknown at {int(missing.sum())} of {len(points)} points, which lie outside the "
            f"dose grid between {_place(low)} and {_place(high)} mm; export a larger grid, correct 'register', or "
            "state the dose there with 'outside: 0 Gy'"
        )


@dataclass(frozen=True, eq=False)
class DoseSum:
    """The sum of several doses of one course, such as one grid for every beam; each may have its own grid.

    Attributes
    ----------
    parts : tuple of DoseGrid
        One or more.
    """

    parts: tuple[DoseGrid, ...]

    @property
    def maximum(self) -> float:
        """A bound of the dose anywhere, Gy: the parts' highest doses together."""
        return float(sum(part.maximum for part in self.parts))

    def dose(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the dose (n,) [Gy] at points (n, 3) [mm]; see :meth:`DoseGrid.dose`."""
        return np.sum([part.dose(points) for part in self.parts], axis=0)

    def moved(self, matrix: ArrayLike) -> DoseSum:
        """Return the sum in another frame."""
        return DoseSum(tuple(part.moved(matrix) for part in self.parts))

    def scaled(self, factor: float) -> DoseSum:
        """Return the sum with every known dose multiplied."""
        return DoseSum(tuple(part.scaled(factor) for part in self.parts))


def check_values(values: NDArray[np.float64], name: str) -> None:
    """Raise :class:`InputError` unless all values can be doses in Gy of one course."""
    if not np.all(np.isfinite(values)):
        raise InputError(f"{name}: the dose holds values that are not finite numbers; export it again")
    if values.size and values.min() < 0.0:
        raise InputError(f"{name}: the dose is {values.min():g} Gy in some voxel; it must be 0 or more")
    check_plausible(float(values.max(initial=0.0)), name)


def check_plausible(highest: float, name: str) -> None:
    """Raise :class:`InputError` for a dose that no course reaches."""
    if highest > IMPLAUSIBLE_DOSE:
        raise InputError(
            f"{name}: the dose reaches {highest:g} Gy, more than any course gives ({IMPLAUSIBLE_DOSE:g} Gy); write "
            "the image in Gy for the whole course, not in cGy, percent or numbers without scaling"
        )


def fits_prescription(highest: float, prescription: float | None) -> bool:
    """Tell whether a highest dose [Gy] can belong to a prescription [Gy]; any can to an unknown one."""
    off = MOST_OFF_PRESCRIPTION
    return prescription is None or (highest <= off * prescription and prescription <= off * highest)


def check_prescription(field: DoseGrid | DoseSum, prescription: float | None, name: str) -> None:
    """Raise :class:`InputError` when a planned dose cannot belong to a prescription [Gy]; None: nothing is known."""
    highest = field.maximum
    # Of a sum only a bound of the maximum is known, for the beams' highest doses need not lie at one place: it can be
    # too low but not too high.
    least = highest if isinstance(field, DoseGrid) else min(highest, prescription or highest)
    if not fits_prescription(least, prescription):
        raise InputError(
            f"{name}: the dose reaches {highest:.4g} Gy for a prescription of {prescription:g} Gy; check that it is in "
            "Gy and holds all fractions of this course, or correct the prescription"
        )


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


def _trilinear(values: NDArray[np.float64], indices: NDArray[np.float64]) -> NDArray[np.float64]:
    base = np.minimum(indices.astype(np.int64), np.array(values.shape) - 2)
    i, j, k = base.T
    total = np.zeros(len(indices))
    share = indices - base
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, share, 1.0 - share), axis=1)
        total += weight * values[i + corner[0], j + corner[1], k + corner[2]]
    return total


def _place(corner: NDArray[np.float64]) -> str:
    return f"({corner[0]:g}, {corner[1]:g}, {corner[2]:g})"
