"""Tissue states tabulated over dose and day: fast fields for many points, and histories of screw patches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from femsim.errors import InputError
from femsim.tissue.constants import TissueConstants
from femsim.tissue.environment import Hyperbaric, environment
from femsim.tissue.history import integrate_balance
from femsim.tissue.laws import PUBLISHED, Laws
from femsim.tissue.response import LONGEST_TIME, TissueState, checked_day, checked_dose

Array = NDArray[np.float64]

# With these spacings every ratio of a TissueState is within TABLE_ERROR of direct integration over the ranges of the
# parameter card (tests/verification/test_tissue_table.py).
TABLE_ERROR = 2.0e-5
DOSE_STEP = 0.25
FIRST_DAY_STEP = 2.0
DAY_STEP_GROWTH = 0.03
LONGEST_DAY_STEP = 20.0

# Days and doses may leave the table by this share of its size: rounding of sums of steps, never a real request.
EDGE_SLACK = 1.0e-9


@dataclass(frozen=True)
class PatchHistories:
    """Tissue of p fixed points (screw patches) over the days since surgery: cubic splines in time.

    Attributes
    ----------
    eqd2 : ndarray, (p,)
        Gy.
    days : ndarray, (k,)
        Knots, days since surgery.
    coefficients : ndarray, (4, k - 1, 6, p)
        Powers of the time since the knot, highest first, of V, N, p, C, density loss and Q.
    constants : TissueConstants
    laws : Laws
        Law of each mechanism.
    """

    eqd2: Array
    days: Array
    coefficients: Array
    constants: TissueConstants
    laws: Laws

    def at(self, day: float) -> TissueState:
        """Return the state on a day since surgery, 0 to the horizon of the table."""
        day = _inside(day, float(self.days[-1]), "day", "days since surgery")
        span = min(int(np.searchsorted(self.days, day, side="right")) - 1, len(self.days) - 2)
        past = day - self.days[span]
        cubic = self.coefficients[:, span]
        V, N, p, C, loss, Q = ((cubic[0] * past + cubic[1]) * past + cubic[2]) * past + cubic[3]
        c = self.constants
        return TissueState(V, N, p, self.laws.limit(p, c), C, 1.0 - c.aC * loss, 1.0 - c.aT * loss, Q, c)


class TissueTable:
    """Balances of cells and density over a grid of doses and of days from surgery to a horizon.

    Vessels, osteocytes, oxygen and matrix quality are closed forms and are evaluated, not tabulated.

    Parameters
    ----------
    constants : TissueConstants
    surgery_day : float
        Days from the end of radiotherapy to surgery.
    horizon : float
        Days after surgery that the table covers.
    eqd2_max : float
        Greatest dose asked for later, Gy.
    hbo_sessions : float
        Sessions of hyperbaric oxygen, given right before surgery.
    laws : Laws
        Law of each mechanism.

    Examples
    --------
    >>> from femsim.parameters import load_parameters
    >>> constants = TissueConstants.from_parameters(load_parameters())
    >>> table = TissueTable(constants, surgery_day=365.0, horizon=1095.0, eqd2_max=70.0)
    >>> young = 13700.0 * table.at([0.0, 60.0], 0.0).E_cortical  # at the quadrature points, on the day of surgery
    >>> patches = table.histories([0.0, 60.0])
    >>> activity = patches.at(28.0).Phi  # four weeks later
    """

    def __init__(
        self,
        constants: TissueConstants,
        *,
        surgery_day: float,
        horizon: float,
        eqd2_max: float,
        hbo_sessions: float = 0.0,
        laws: Laws = PUBLISHED,
    ) -> None:
        if not 0.0 < horizon <= LONGEST_TIME:
            raise InputError(
                f"the horizon of the tissue table is {horizon:g} days; it must be more than 0 and at most "
                f"{LONGEST_TIME:g}, a century"
            )
        self.constants = constants
        self.surgery_day = checked_day(surgery_day)
        self.horizon = float(horizon)
        self.eqd2_max = float(checked_dose([eqd2_max])[0])
        self.laws = laws
        self.hyperbaric = Hyperbaric(hbo_sessions, self.surgery_day)
        nodes = max(int(np.ceil(self.eqd2_max / DOSE_STEP)), 4) + 1
        self._dose: Array = DOSE_STEP * np.arange(nodes, dtype=np.float64)
        self._days = _knots(self.surgery_day, self.horizon)
        balance = integrate_balance(
            self._dose,
            self.surgery_day + self._days,
            constants,
            hyperbaric=self.hyperbaric,
            laws=self.laws,
        )
        self._balance = CubicSpline(self._days, np.stack([balance.C, balance.density_loss], axis=-1), axis=0)

    def at(self, eqd2: ArrayLike, day: float) -> TissueState:
        """State at n points on a day since surgery.

        Parameters
        ----------
        eqd2 : array_like, (n,)
            Gy, at most ``eqd2_max``.
        day : float
            Days since surgery, 0 to the horizon.
        """
        dose = self._checked(eqd2)
        day = _inside(day, self.horizon, "day", "days since surgery")
        C, loss = CubicSpline(self._dose, self._balance(day), axis=0)(dose).T
        c, since_rt = self.constants, self.surgery_day + day
        around = environment(dose, since_rt, c, hyperbaric=self.hyperbaric, laws=self.laws, treated=True)
        quality = self.laws.cells.matrix_quality(dose, since_rt, c)
        return TissueState(around.V, around.N, around.p, around.O, C, 1.0 - c.aC * loss, 1.0 - c.aT * loss, quality, c)

    def histories(self, eqd2: ArrayLike) -> PatchHistories:
        """Prepare p points whose state is asked for on many days.

        Parameters
        ----------
        eqd2 : array_like, (p,)
            Gy, at most ``eqd2_max``.
        """
        dose = self._checked(eqd2)
        distinct, place = np.unique(dose, return_inverse=True)
        rows = np.empty((len(self._days), 6, len(distinct)))
        for row, day in zip(rows, self._days, strict=True):
            state = self.at(distinct, float(day))
            loss = CubicSpline(self._dose, self._balance(day)[:, 1])(distinct)
            row[:] = state.V, state.N, state.p, state.C, loss, state.Q
        coefficients = CubicSpline(self._days, rows, axis=0).c
        return PatchHistories(
            eqd2=dose,
            days=self._days,
            coefficients=np.ascontiguousarray(coefficients[..., place]),
            constants=self.constants,
            laws=self.laws,
        )

    def _checked(self, eqd2: ArrayLike) -> Array:
        dose = checked_dose(eqd2)
        if dose.size:
            _inside(float(dose.max()), self.eqd2_max, "EQD2", "Gy, the eqd2_max of this table")
        return np.minimum(dose, self._dose[-1])


def _knots(surgery_day: float, horizon: float) -> Array:
    """Days since surgery at which splines are knotted: dense soon after radiotherapy, sparse later."""
    knots = [0.0]
    while knots[-1] < horizon:
        age = surgery_day + knots[-1]
        knots.append(knots[-1] + min(FIRST_DAY_STEP + DAY_STEP_GROWTH * age, LONGEST_DAY_STEP))
    # Stretch onto the horizon, so that the last span is not a sliver; a cubic needs four knots.
    if len(knots) < 4:
        return np.linspace(0.0, horizon, 4)
    return np.array(knots) * (horizon / knots[-1])


def _inside(value: float, top: float, name: str, unit: str) -> float:
    slack = EDGE_SLACK * max(top, 1.0)
    if not -slack <= value <= top + slack:
        raise InputError(f"{name} is {value:g}; this tissue table covers 0 to {top:g} {unit}")
    return min(max(value, 0.0), top)
