"""State of irradiated bone at points: mechanisms, and the stiffness, strength and fatigue factors that follow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from femsim.errors import InputError
from femsim.tissue.constants import TissueConstants
from femsim.tissue.environment import Hyperbaric, environment
from femsim.tissue.history import integrate_balance
from femsim.tissue.laws import PUBLISHED, Laws

Array = NDArray[np.float64]

LONGEST_TIME = 36525.0
"""Days, a century: the model has nothing to say beyond it, and an integration over more would not end."""


@dataclass(frozen=True)
class TissueState:
    """Bone at n points on one day; every array is (n,), every ratio is over healthy bone.

    Attributes
    ----------
    V, N : ndarray
        Vessel density and osteocyte survival.
    p : ndarray
        Oxygen pressure, mmHg.
    O : ndarray
        Oxygen limit of bone-forming cells, 0 to 1.
    C : ndarray
        Osteogenic cells.
    rho_cortical, rho_trabecular : ndarray
        Density.
    Q : ndarray
        Matrix quality (toughness ``K_IC`` ratio).
    constants : TissueConstants
        Exponents of the mechanical factors.
    """

    V: Array
    N: Array
    p: Array
    O: Array  # noqa: E741  (the symbol of the model)
    C: Array
    rho_cortical: Array
    rho_trabecular: Array
    Q: Array
    constants: TissueConstants

    @cached_property
    def Phi(self) -> Array:
        """Bone-forming activity ``C O``; also the healing rate over healthy."""
        return self.C * self.O

    @cached_property
    def E_cortical(self) -> Array:
        """Stiffness ratio of cortical bone, ``rho^2``."""
        return np.asarray(self.rho_cortical**self.constants.stiffness_exponent)

    @cached_property
    def E_trabecular(self) -> Array:
        """Stiffness ratio of trabecular bone, ``rho^2``."""
        return np.asarray(self.rho_trabecular**self.constants.stiffness_exponent)

    @cached_property
    def strength_cortical(self) -> Array:
        """Strength ratio of cortical bone, ``fs = rho^1.5 Q^0.3``."""
        return self._strength(self.rho_cortical)

    @cached_property
    def strength_trabecular(self) -> Array:
        """Strength ratio of trabecular bone, ``fs = rho^1.5 Q^0.3`` with its own density."""
        return self._strength(self.rho_trabecular)

    @cached_property
    def log10_life(self) -> Array:
        """Log10 of the fatigue life of cortical bone over healthy at the same stress, ``11 log10(fs)``."""
        return np.asarray(self.constants.fatigue_exponent * np.log10(self.strength_cortical))

    def _strength(self, density: Array) -> Array:
        c = self.constants
        return np.asarray(density**c.strength_exponent * self.Q**c.quality_exponent)


def checked_dose(eqd2: ArrayLike) -> Array:
    """Return doses as a float array (n,), or raise InputError."""
    dose = np.asarray(eqd2, dtype=float)
    if dose.ndim != 1:
        raise InputError(f"EQD2 has shape {dose.shape}; one value per point, shape (n,), is needed")
    if not np.all(np.isfinite(dose)):
        raise InputError("EQD2 holds a value that is not a finite number; bone without radiotherapy has 0 Gy")
    if dose.size and dose.min() < 0.0:
        raise InputError(f"EQD2 is {dose.min():g} Gy at some point; it must be 0 or more")
    return dose


def checked_day(day: float) -> float:
    """Return a day since radiotherapy, or raise InputError."""
    if not (np.isfinite(day) and day >= 0.0):
        raise InputError(
            f"day {day:g} since radiotherapy; it must be 0 or later (surgery before radiotherapy is not modelled)"
        )
    if day > LONGEST_TIME:
        raise InputError(f"day {day:g} since radiotherapy; at most {LONGEST_TIME:g}, a century, can be asked for")
    return float(day)


def tissue_state(
    eqd2: ArrayLike,
    days_since_rt: float,
    constants: TissueConstants,
    *,
    hbo_sessions: float = 0.0,
    hbo_day: float | None = None,
    laws: Laws = PUBLISHED,
) -> TissueState:
    """State of bone at points, by direct integration (no table).

    Distinct doses are integrated once; for more than some thousand distinct doses use
    :class:`femsim.tissue.table.TissueTable`.

    Parameters
    ----------
    eqd2 : array_like, (n,)
        Gy.
    days_since_rt : float
        Days since the end of radiotherapy.
    constants : TissueConstants
    hbo_sessions : float
        Sessions of hyperbaric oxygen.
    hbo_day : float, optional
        Day since radiotherapy on which they end; by default ``days_since_rt`` (treatment right before surgery).
    laws : Laws
        Law of each mechanism; ``Laws().without("oxygen")`` switches one off.

    Raises
    ------
    InputError
        Negative or non-finite dose or day.

    Examples
    --------
    >>> from femsim.parameters import load_parameters
    >>> constants = TissueConstants.from_parameters(load_parameters())
    >>> state = tissue_state([0.0, 60.0], 12 * 30.4, constants)
    >>> [round(float(value), 2) for value in state.Phi]
    [1.0, 0.37]
    """
    dose = checked_dose(eqd2)
    day = checked_day(days_since_rt)
    hyperbaric = Hyperbaric(hbo_sessions, day if hbo_day is None else hbo_day)
    distinct, place = np.unique(dose, return_inverse=True)
    balance = integrate_balance(distinct, np.array([day]), constants, hyperbaric=hyperbaric, laws=laws)
    around = environment(distinct, day, constants, hyperbaric=hyperbaric, laws=laws)
    return TissueState(
        V=around.V[place],
        N=around.N[place],
        p=around.p[place],
        O=around.O[place],
        C=balance.C[0][place],
        rho_cortical=1.0 - constants.aC * balance.density_loss[0][place],
        rho_trabecular=1.0 - constants.aT * balance.density_loss[0][place],
        Q=laws.cells.matrix_quality(distinct, day, constants)[place],
        constants=constants,
    )
