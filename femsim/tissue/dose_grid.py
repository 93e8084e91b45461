"""Dose given in Gy on a grid of voxels: trilinear between voxel centres, unknown outside, never silently zero."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from femsim.errors import InputError
from femsim.images.grid import VoxelGrid, box_of, even_planes
from femsim.tissue.dose import checked_points

IMPLAUSIBLE_DOSE = 300.0
"""No course of radiotherapy comes near this dose [Gy]; cGy read as Gy and a course multiplied by its fractions do."""
MOST_OFF_PRESCRIPTION = 2.0
"""No plan's highest dose is half or twice its prescription; another unit, or one fraction for all of them, is."""


@dataclass(frozen=True, eq=False)
class DoseGrid(VoxelGrid):
    """Total physical dose of one course at the centres of voxels, in Gy.

    The dose at a point is interpolated linearly along the three grid axes. The dose is known inside the box of voxel
    centres only; elsewhere it is refused unless ``outside`` is given.

    Attributes
    ----------
    outside : float or None
        Dose outside the grid, Gy; None: unknown.

    Raises
    ------
    InputError
        Fewer than two voxels along an axis, values that are no doses, a matrix that folds the grid.
    """

    name: str = "dose image"
    outside: float | None = None
    WHAT: ClassVar[str] = "dose"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_values(self.values, self.name)
        if self.outside is not None and not 0.0 <= self.outside < np.inf:
            raise InputError(f"{self.name}: the dose outside is {self.outside:g} Gy; it must be 0 or more")

    @classmethod
    def even(cls, values: ArrayLike, matrix: ArrayLike, name: str, outside: float | None = None) -> Self:
        """Make a grid whose planes are one step of ``matrix`` apart."""
        dose = np.ascontiguousarray(values, dtype=float)
        return cls(dose, np.asarray(matrix, dtype=float), even_planes(dose), name, outside)

    @property
    def maximum(self) -> float:
        """Highest dose the field gives anywhere, Gy."""
        return max(float(self.values.max()), self.outside or 0.0)

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
        found, missing = self.sample(where)
        if self.outside is None and missing.any():
            raise InputError(
                f"{self.name}: the dose is unknown at {int(missing.sum())} of {len(where)} points, which lie outside "
                f"the dose grid between {box_of(where[missing])}; export a larger grid, correct 'register', or "
                "state the dose there with 'outside: 0 Gy'"
            )
        return np.where(missing, self.outside or 0.0, found)


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


def check_values(values: NDArray[np.floating], name: str) -> None:
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
