"""Tissue over time at a few doses, from the end of radiotherapy on: what a chart of the years shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from femsim.tissue.constants import TissueConstants
from femsim.tissue.environment import NO_HYPERBARIC, Hyperbaric, environment
from femsim.tissue.history import integrate_balance
from femsim.tissue.laws import PUBLISHED, Laws
from femsim.tissue.response import TissueState, checked_day, checked_dose


def tissue_courses(
    eqd2: ArrayLike,
    days_since_rt: ArrayLike,
    constants: TissueConstants,
    *,
    hyperbaric: Hyperbaric = NO_HYPERBARIC,
    laws: Laws = PUBLISHED,
) -> TissueState:
    """State of bone at n doses on k days, in one integration.

    Parameters
    ----------
    eqd2 : array_like, (n,)
        Gy.
    days_since_rt : array_like, (k,)
        Days since the end of radiotherapy, ascending.
    constants : TissueConstants
    hyperbaric, laws
        See :func:`femsim.tissue.environment.environment`. Vessels step up on the day of hyperbaric oxygen.

    Returns
    -------
    TissueState
        Every array is (k, n): one row per day.

    Raises
    ------
    InputError
        A dose or day that is negative or no number, days that do not ascend.

    Examples
    --------
    >>> from femsim.parameters import load_parameters
    >>> constants = TissueConstants.from_parameters(load_parameters())
    >>> tissue_courses([60.0], [0.0, 364.8, 1824.0], constants).V[:, 0].round(2)
    array([1.  , 0.47, 0.39])
    """
    dose = checked_dose(eqd2)
    days = np.array([checked_day(float(day)) for day in np.asarray(days_since_rt, dtype=float)])
    balance = integrate_balance(dose, days, constants, hyperbaric=hyperbaric, laws=laws)
    around = environment(dose[None, :], days[:, None], constants, hyperbaric=hyperbaric, laws=laws)
    return TissueState(
        V=around.V,
        N=around.N,
        p=around.p,
        O=around.O,
        C=balance.C,
        rho_cortical=1.0 - constants.aC * balance.density_loss,
        rho_trabecular=1.0 - constants.aT * balance.density_loss,
        Q=laws.cells.matrix_quality(dose[None, :], days[:, None], constants),
        constants=constants,
    )
