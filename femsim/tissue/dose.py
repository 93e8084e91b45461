"""Dose fields of radiotherapy courses and the dose metric EQD2 at points of the jaw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc, ndtri

from femsim.errors import InputError

SIGMA_PER_PENUMBRA = 1.0 / (2.0 * float(ndtri(0.8)))
"""Standard deviation of a Gaussian-blurred edge over its 20-80 % width (arithmetic: 2 x 0.8416 standard deviations)."""


def eqd2(dose: ArrayLike, fractions: int, alpha_beta: float) -> NDArray[np.float64]:
    """Equivalent dose in 2 Gy fractions, ``D (d + ab) / (2 + ab)`` with ``d = D / n``.

    Parameters
    ----------
    dose : array_like
        Total physical dose of one course at each point, Gy. Each point has its own dose per fraction.
    fractions : int
        Number of fractions, 1 or more.
    alpha_beta : float
        Gy.

    Raises
    ------
    InputError
        Negative or non-finite dose, fewer than one fraction, alpha/beta not positive.

    Examples
    --------
    >>> float(eqd2(70.0, 35, 3.0))
    70.0
    >>> float(eqd2(15.0, 1, 3.0))
    54.0
    """
    total = np.asarray(dose, dtype=float)
    if not np.all(np.isfinite(total)):
        raise InputError("dose holds a value that is not a finite number; every point needs a dose in Gy")
    if total.size and total.min() < 0.0:
        raise InputError(f"dose is {total.min():g} Gy at some point; it must be 0 or more")
    _check_fractions(fractions)
    if not (np.isfinite(alpha_beta) and alpha_beta > 0.0):
        raise InputError(f"alpha/beta is {alpha_beta:g} Gy; it must be more than 0 (late bone damage: 1.8-4 Gy)")
    return np.asarray(total * (total / fractions + alpha_beta) / (2.0 + alpha_beta))


def soft_edge(distance: NDArray[np.float64], penumbra: float) -> NDArray[np.float64]:
    """Return ``erfc(d / (sqrt(2) s)) / 2``: the share of the prescription at a distance outside a target's surface.

    Parameters
    ----------
    distance : ndarray, (n,)
        mm, negative inside.
    penumbra : float
        Width from 80 % to 20 %, mm; ``s = penumbra / 1.683``.
    """
    return np.asarray(0.5 * erfc(distance / (np.sqrt(2.0) * SIGMA_PER_PENUMBRA * penumbra)))


@runtime_checkable
class RelativeField(Protocol):
    """A distribution given as a share of the prescription, 0 to 1: a parametric stand-in for a plan."""

    def relative(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return dose over prescription (n,) at points (n, 3) in mm."""


class PhysicalField(Protocol):
    """A distribution given in Gy for the whole course: a planned dose."""

    @property
    def maximum(self) -> float:
        """Highest dose the field gives anywhere, Gy."""

    def dose(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the total physical dose (n,) [Gy] at points (n, 3) in mm."""


DoseField = RelativeField | PhysicalField
"""Where a course puts its dose."""


class Body(Protocol):
    """A closed body, such as :class:`femsim.geometry.surface.Surface`."""

    def contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether points (n, 3) in mm lie inside."""


@dataclass(frozen=True)
class UniformField:
    """The prescription everywhere."""

    def relative(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ones (n,)."""
        return np.ones(len(checked_points(points)))


@dataclass(frozen=True)
class TargetField:
    """A spherical target with a soft edge: ``S(d) = erfc(d / (sqrt(2) s)) / 2``, d the distance outside the sphere.

    The edge of a sharp field blurred by a Gaussian of standard deviation ``s = penumbra / 1.683`` falls from 80 % to
    20 % over exactly one penumbra; the sphere's surface carries 50 %. A parametric stand-in for a dose plan, not for
    use where a plan exists.

    Attributes
    ----------
    centre : tuple of float
        mm, anatomical frame.
    radius : float
        mm.
    penumbra : float
        Width from 80 % to 20 %, mm.
    """

    centre: tuple[float, float, float]
    radius: float
    penumbra: float

    def __post_init__(self) -> None:
        centre = np.asarray(self.centre, dtype=float)
        if centre.shape != (3,) or not np.all(np.isfinite(centre)):
            raise InputError(f"the target centre is {self.centre!r}; it needs three finite coordinates in mm")
        object.__setattr__(self, "centre", tuple(float(value) for value in centre))
        for name in ("radius", "penumbra"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0.0):
                raise InputError(f"the target {name} is {value:g} mm; it must be more than 0")

    def relative(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return dose over prescription (n,) at points (n, 3) in mm."""
        outside = np.linalg.norm(checked_points(points) - np.asarray(self.centre), axis=1) - self.radius
        return soft_edge(outside, self.penumbra)


@dataclass(frozen=True)
class Course:
    """One course of radiotherapy.

    Attributes
    ----------
    prescription : float or None
        Total dose where a relative field is 1, Gy. A physical field carries its own dose and does not read it: None.
    fractions : int
        Number of fractions.
    field : RelativeField or PhysicalField
        Distribution over the jaw.
    grafts : tuple of Body
        Bone that was placed after this course: no dose inside, whatever the field says.

    Examples
    --------
    >>> Course(60.0, 30).dose(np.zeros((2, 3)))
    array([60., 60.])
    """

    prescription: float | None
    fractions: int
    field: DoseField = field(default_factory=UniformField)
    grafts: tuple[Body, ...] = ()

    def __post_init__(self) -> None:
        if self.prescription is None:
            if isinstance(self.field, RelativeField):
                raise InputError("the prescription is missing; a field without its own dose in Gy needs one")
        elif not (np.isfinite(self.prescription) and self.prescription >= 0.0):
            raise InputError(f"the prescription is {self.prescription:g} Gy; it must be 0 or more")
        _check_fractions(self.fractions)

    @property
    def maximum(self) -> float:
        """Highest physical dose of the course anywhere, Gy."""
        if isinstance(self.field, RelativeField):
            return float(self.prescription or 0.0)
        return self.field.maximum

    def dose(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return the total physical dose (n,) [Gy] at points (n, 3) [mm].

        Raises
        ------
        InputError
            A point of bone that was there, for which the field has no dose.
        """
        where = checked_points(points)
        total, native = np.zeros(len(where)), np.ones(len(where), dtype=bool)
        for graft in self.grafts:
            native &= ~graft.contains(where)
        total[native] = self._given(where[native])
        return total

    def _given(self, where: NDArray[np.float64]) -> NDArray[np.float64]:
        if isinstance(self.field, RelativeField):
            return np.asarray((self.prescription or 0.0) * self.field.relative(where))
        return self.field.dose(where)


def course_eqd2(courses: Sequence[Course], points: ArrayLike, alpha_beta: float) -> NDArray[np.float64]:
    """Sum the EQD2 of all courses, course by course, at points.

    Parameters
    ----------
    courses : sequence of Course
        May be empty: no radiotherapy.
    points : array_like, (n, 3)
        mm, in the frame of the fields.
    alpha_beta : float
        Gy.

    Returns
    -------
    ndarray, (n,)
        Gy. No forgiveness between courses.
    """
    where = checked_points(points)
    total = np.zeros(len(where))
    for course in courses:
        total += eqd2(course.dose(where), course.fractions, alpha_beta)
    return total


def highest_eqd2(courses: Sequence[Course], alpha_beta: float) -> float:
    """Return a bound of the summed EQD2 at any point, Gy: every course at its maximum."""
    return float(sum(float(eqd2(course.maximum, course.fractions, alpha_beta)) for course in courses))


def checked_points(points: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(points, dtype=float)
    if array.ndim != 2 or array.shape[1] != 3:
        raise InputError(f"points have shape {array.shape}; (n, 3) coordinates in mm are needed")
    return array


def _check_fractions(fractions: int) -> None:
    if isinstance(fractions, bool) or not (1 <= fractions < np.inf) or int(fractions) != fractions:
        raise InputError(f"the number of fractions is {fractions!r}; it must be a whole number, 1 or more")
