"""Bonding of bone to a screw over the days after surgery, under bone-forming activity and micromotion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from femsim.errors import InputError
from femsim.tissue.constants import TissueConstants

Array = NDArray[np.float64]
Activity = ArrayLike | Callable[[float], Array]

LONGEST_STEP = 0.5
"""Days. The classical fourth-order step leaves an error below 1e-8 of B at this length (fastest rate 0.15 per day)."""
USUAL_RATE = 0.25
"""Fastest rate of B over the ranges of the card [1/day]; where an override is faster, steps are shorter."""


def motion_factor(micromotion_um: ArrayLike, constants: TissueConstants) -> Array:
    """Share of bone formation left under peak cyclic micromotion, ``g = 1/(1 + (u/u50)^nu)``; u in um."""
    return np.asarray(1.0 / (1.0 + (np.asarray(micromotion_um, dtype=float) / constants.u50) ** constants.nu))


def bonded_rate(
    bonded: ArrayLike,
    activity: ArrayLike,
    day: float,
    micromotion_um: ArrayLike,
    constants: TissueConstants,
    fibrous: ArrayLike = 0.0,
) -> Array:
    """Rate of the bonded fraction of a screw patch, per day.

    ``dB/ds = kf [ l(s) Phi g(u) (1 - B - F) - x (chi + (1 - chi) Phi) B ]`` with ``l = s^2/(s^2 + tlag^2)``.

    Parameters
    ----------
    bonded : array_like, (p,)
        B, 0 to 1.
    activity : array_like, (p,)
        Phi of the bone around the patch.
    day : float
        Days since surgery.
    micromotion_um : array_like, (p,)
        Peak cyclic relative motion, um.
    constants : TissueConstants
    fibrous : array_like, (p,)
        F, share irreversibly covered by fibrous tissue; 0 unless that state is followed.
    """
    c = constants
    B, Phi = np.asarray(bonded, dtype=float), np.asarray(activity, dtype=float)
    started = day * day / (day * day + c.tlag * c.tlag)
    formed = started * Phi * motion_factor(micromotion_um, c) * (1.0 - B - np.asarray(fibrous))
    return np.asarray(c.kf * (formed - c.x * (c.chi + (1.0 - c.chi) * Phi) * B))


def fibrous_rate(bonded: ArrayLike, fibrous: ArrayLike, micromotion_um: ArrayLike, constants: TissueConstants) -> Array:
    """Rate of the fibrous share per day, ``dF/ds = kF (1 - g)(1 - B - F)``; optional, nothing reverses it."""
    free = 1.0 - np.asarray(bonded) - np.asarray(fibrous)
    return np.asarray(constants.kF * (1.0 - motion_factor(micromotion_um, constants)) * free)


def bonded_history(
    days: ArrayLike,
    activity: Activity,
    constants: TissueConstants,
    *,
    micromotion_um: ArrayLike = 0.0,
    start: ArrayLike | None = None,
) -> Array:
    """Integrate the bonded fraction from surgery under constant micromotion.

    Parameters
    ----------
    days : array_like, (k,)
        Days since surgery at which B is wanted, ascending, 0 or more.
    activity : array_like (p,) or callable
        Phi, constant or as a function of the day since surgery.
    constants : TissueConstants
    micromotion_um : array_like, (p,)
        Peak cyclic relative motion, um.
    start : array_like, (p,), optional
        B at surgery; ``Bi`` by default.

    Returns
    -------
    ndarray, (k, p)
    """
    wanted = np.atleast_1d(np.asarray(days, dtype=float))
    if wanted.size and (wanted[0] < 0.0 or np.any(np.diff(wanted) < 0.0) or not np.all(np.isfinite(wanted))):
        raise InputError("days since surgery must be finite and ascend from 0 or later")
    fixed = None if callable(activity) else np.asarray(activity, dtype=float)

    def phi(day: float) -> Array:
        return activity(day) if callable(activity) else np.asarray(fixed)

    def rate(B: Array, Phi: Array, day: float) -> Array:
        return bonded_rate(B, Phi, day, micromotion_um, constants)

    first = phi(0.0)
    shape = np.broadcast_shapes(
        first.shape, np.shape(micromotion_um), np.shape(start if start is not None else 0.0), (1,)
    )
    B = np.broadcast_to(np.asarray(constants.Bi if start is None else start, dtype=float), shape).copy()
    history = np.empty((len(wanted), *shape))
    now = 0.0
    longest = LONGEST_STEP * min(1.0, USUAL_RATE / (constants.kf * (1.0 + constants.x) or USUAL_RATE))
    for row, day in enumerate(wanted):
        steps = max(1, int(np.ceil((day - now) / longest)))
        h = (day - now) / steps
        for step in range(steps if h > 0.0 else 0):
            s = now + step * h
            middle, last = phi(s + 0.5 * h), phi(s + h)
            k1 = rate(B, first, s)
            k2 = rate(B + 0.5 * h * k1, middle, s + 0.5 * h)
            k3 = rate(B + 0.5 * h * k2, middle, s + 0.5 * h)
            k4 = rate(B + h * k3, last, s + h)
            B = B + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
            first = last
        now = float(day)
        history[row] = B
    return history


def removal_torque_ratio(bonded: ArrayLike, day: float, strength: ArrayLike, constants: TissueConstants) -> Array:
    """Removal torque over insertion torque, ``(B/Bi) [1 + 0.5 (1 - exp(-s/28))] fs``; for reports only.

    Parameters
    ----------
    bonded : array_like
        B on that day.
    day : float
        Days since surgery.
    strength : array_like
        Strength ratio ``fs`` of the bone.
    constants : TissueConstants
    """
    c = constants
    if c.Bi == 0.0:
        raise InputError(
            "parameter tissue.Bi is 0; a screw without contact at insertion has no insertion torque to compare with"
        )
    matured = 1.0 - c.torque_gain * np.expm1(-day / c.torque_time)
    return np.asarray(np.asarray(bonded) / c.Bi * matured * np.asarray(strength))
