"""Survival from this surgery on: how many still hold, which end comes first, and how two groups differ.

Kaplan-Meier curves and the log-rank test are those of SciPy. Cumulative incidence with competing ends and the hazard
ratio of two groups, which SciPy lacks, are here; a package that has them (lifelines, MIT) would bring pandas and
seven more packages for two short functions.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq

Array = np.ndarray

CONFIDENCE = 0.95
Z = float(stats.norm.ppf(0.5 + CONFIDENCE / 2.0))
DROP = float(stats.chi2.ppf(CONFIDENCE, 1)) / 2.0
"""Fall of the log-likelihood from its maximum to the ends of the interval."""
CENSORED = 0
"""Code of a member that was still without an end when observation ended."""
ROUNDING = 1e-12
"""Share below which nobody is left; what a sum of shares leaves behind."""
FARTHEST = 30.0
"""Logarithm of the largest hazard ratio that is sought; e^30 is without meaning."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A step curve with pointwise 95 % confidence bands: entry ``i`` holds from ``day[i]`` to before ``day[i + 1]``.

    Attributes
    ----------
    day, value, low, high : ndarray (k,)
        The first day is 0, the last the horizon.
    """

    day: Array
    value: Array
    low: Array
    high: Array

    def at(self, day: float) -> tuple[float, float, float]:
        """Value on a day with its band."""
        here = int(np.searchsorted(self.day, day, side="right")) - 1
        return float(self.value[here]), float(self.low[here]), float(self.high[here])

    def first_below(self, level: float, values: Array) -> float | None:
        """First day on which one of the curve's rows is at or below a level; None when it never is."""
        below = np.flatnonzero(values <= level + np.finfo(float).eps)
        return float(self.day[below[0]]) if below.size else None

    def median(self) -> tuple[float | None, float | None, float | None]:
        """Day on which half are left, with its 95 % interval (Brookmeyer and Crowley: where the bands cross a half)."""
        day, low, high = (self.first_below(0.5, values) for values in (self.value, self.low, self.high))
        return day, low, high


def kaplan_meier(day: Array, ended: Array, horizon: float) -> Curve:
    """Share without an end over days since surgery, with bands by Greenwood's variance on the log-log scale.

    Before the first end the formula has no width: there the lower bound is the exact binomial one of no end among those
    at risk. Where nobody is left, the upper bound is the last one that could be given.

    Parameters
    ----------
    day : ndarray (n,)
        Day of the end, or the last one under observation.
    ended : ndarray (n,) of bool
        Whether the end happened on that day; otherwise the member is censored.
    horizon : float
        Last day of the curve.

    Examples
    --------
    >>> curve = kaplan_meier(np.array([100.0, 200.0, 300.0, 800.0]), np.array([True, False, True, False]), 730.0)
    >>> curve.day.tolist(), [round(share, 3) for share in curve.value.tolist()]
    ([0.0, 100.0, 300.0, 730.0], [1.0, 0.75, 0.375, 0.375])
    """
    if not ended.any():
        return _steps(int((day >= horizon).sum()), np.empty((4, 0)), horizon)
    share = stats.ecdf(stats.CensoredData.right_censored(day, ~ended)).sf
    with warnings.catch_warnings():  # the formula divides by zero at 0 and 1; both are filled in below
        warnings.simplefilter("ignore", RuntimeWarning)
        band = share.confidence_interval(CONFIDENCE, method="log-log")
    event = np.isin(share.quantiles, day[ended])
    columns = (share.quantiles, share.probabilities, band.low.probabilities, band.high.probabilities)
    at_risk = int((day >= day[ended].min()).sum())
    return _steps(at_risk, np.array([np.asarray(column)[event] for column in columns]), horizon)


def cumulative_incidence(day: Array, end: Array, cause: int, horizon: float) -> Curve:
    """Share that has ended by one cause when others compete (Aalen and Johansen), with pointwise bands.

    With ``S`` the share without any end, ``n`` at risk, ``d`` ends of any cause and ``d_k`` of this one::

        F_k(t) = sum over t_j <= t of S(t_j-) d_kj / n_j
        var F_k(t) = sum of (F_k(t) - F_kj)^2 d_j / (n_j (n_j - d_j)) + S(t_j-)^2 (n_j - d_kj) d_kj / n_j^3
                     - 2 (F_k(t) - F_kj) S(t_j-) d_kj / n_j^2

    Bands are log-log of ``1 - F_k``: without competing ends they are those of :func:`kaplan_meier`, upside down.
    Other causes are not counted as censored, which would overstate this one.

    Parameters
    ----------
    day : ndarray (n,)
        Day of the end, or the last one under observation.
    end : ndarray (n,) of int
        Cause of the end, 0 where the member is censored.
    cause : int
        The cause in question.
    horizon : float
        Last day of the curve.

    References
    ----------
    Marubini and Valsecchi, Analysing Survival Data from Clinical Trials and Observational Studies (1995), chapter 10.
    """
    times = np.unique(day[end != CENSORED])
    at_risk = (day[None] >= times[:, None]).sum(axis=1).astype(float)
    here = day[None] == times[:, None]
    any_end, own = (here & (end != CENSORED)).sum(axis=1), (here & (end == cause)).sum(axis=1)
    before = np.concatenate([[1.0], np.cumprod(1.0 - any_end / at_risk)[:-1]])
    share = np.cumsum(before * own / at_risk)
    variance = np.array([_incidence_variance(k, share, before, at_risk, any_end, own) for k in range(len(times))])
    shown = own > 0  # in between neither share nor variance changes
    held = 1.0 - share[shown]
    held[held < ROUNDING] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        width = Z * np.sqrt(variance[shown]) / np.abs(held * np.log(held))
        low, high = held ** np.exp(width), held ** np.exp(-width)
    first = times[shown][0] if shown.any() else horizon
    known = int(((day >= first) | (end != CENSORED)).sum())  # who ended otherwise cannot end by this cause any more
    steps = _steps(known, np.array([times[shown], held, low, high]), horizon)
    return Curve(steps.day, 1.0 - steps.value, 1.0 - steps.high, 1.0 - steps.low)


def _incidence_variance(k: int, share: Array, before: Array, at_risk: Array, any_end: Array, own: Array) -> float:
    """Variance of the incidence at the time with an index."""
    upto = slice(0, k + 1)
    f, s, n, d, dk = share[upto], before[upto], at_risk[upto], any_end[upto], own[upto]
    ahead = share[k] - f
    # With the last at risk gone nothing comes after: 0 / 0 is 0.
    spread = np.divide(d, n * (n - d), out=np.zeros_like(n), where=n > d)
    return float(np.sum(ahead**2 * spread + s**2 * (n - dk) * dk / n**3 - 2.0 * ahead * s * dk / n**2))


def _steps(at_risk: int, steps: Array, horizon: float) -> Curve:
    """Complete a curve of the share that holds: from day 0 to the horizon, with bands where the formula has none.

    ``steps`` are days, shares, lower and upper bounds (4, k); ``at_risk`` were under observation up to the first one.
    """
    times, held, low, high = steps[:, steps[0] <= horizon]
    exact = ((1.0 - CONFIDENCE) / 2.0) ** (1.0 / at_risk) if at_risk else 0.0
    low, high = np.where(held <= 0.0, 0.0, low), _carried(np.where(held <= 0.0, np.nan, high))
    columns = [np.concatenate([[start], c]) for start, c in ((0.0, times), (1.0, held), (exact, low), (1.0, high))]
    if columns[0][-1] < horizon:
        columns = [np.append(column, column[-1]) for column in columns]
        columns[0][-1] = horizon
    days, shares, lows, highs = columns
    return Curve(days, shares, np.minimum.accumulate(lows), highs)


def _carried(values: Array) -> Array:
    """Replace NaN by the number before it, 1 at the start."""
    filled = values.copy()
    for place in np.flatnonzero(np.isnan(values)):
        filled[place] = filled[place - 1] if place else 1.0
    return filled


def logrank(day1: Array, ended1: Array, day0: Array, ended0: Array) -> float | None:
    """p value of the two-sided log-rank test; None when no end happened in either group.

    It takes the groups as independent. On the same patients it is cautious: their curves differ by less chance.
    """
    if not (ended1.any() or ended0.any()):
        return None
    groups = (stats.CensoredData.right_censored(d, ~e) for d, e in ((day1, ended1), (day0, ended0)))
    return float(stats.logrank(*groups).pvalue)


def hazard_ratio(day1: Array, ended1: Array, day0: Array, ended0: Array) -> tuple[float, float, float]:
    """Hazard of group 1 over that of group 0 with its 95 % interval, by Cox's partial likelihood.

    One covariate, ties by Breslow: with ``r1, r0`` at risk and ``d1, d`` ends in group 1 and in both at every time, the
    log-likelihood of ``b = log HR`` is ``sum d1 b - d log(r1 e^b + r0)``; the interval is where it lies within 1.92 of
    its maximum (profile likelihood). Without any end the ratio is NaN; with none in group 0 it is infinite and only its
    lower bound is finite, with none in group 1 it is 0 and only the upper one is given.

    Parameters
    ----------
    day1, day0 : ndarray
        Day of the end, or the last one under observation, of every member.
    ended1, ended0 : ndarray of bool
        Whether the end happened on that day.

    Returns
    -------
    ratio, low, high : float
    """
    times = np.unique(np.concatenate([day1[ended1], day0[ended0]]))
    risk1, risk0 = ((day[None] >= times[:, None]).sum(axis=1) for day in (day1, day0))
    both = (risk1 > 0) & (risk0 > 0)  # an end with nobody left in the other group says nothing
    times, risk1, risk0 = times[both], risk1[both], risk0[both]
    ends1, ends0 = ((day[ended][None] == times[:, None]).sum(axis=1) for day, ended in ((day1, ended1), (day0, ended0)))
    ends = ends1 + ends0
    if not ends.any():
        return float("nan"), float("nan"), float("nan")

    def likelihood(b: float) -> float:
        return float(np.sum(ends1 * b - ends * np.logaddexp(np.log(risk1) + b, np.log(risk0))))

    def slope(b: float) -> float:
        return float(np.sum(ends1 - ends * risk1 / (risk1 + risk0 * np.exp(-b))))

    if not ends0.any():
        best = np.inf
    elif not ends1.any():
        best = -np.inf
    else:
        best = brentq(slope, -FARTHEST, FARTHEST)
    place = float(np.clip(best, -FARTHEST, FARTHEST))
    edge = likelihood(place) - DROP

    def bound(farthest: float) -> float:
        if likelihood(farthest) >= edge:
            return float(np.sign(farthest)) * np.inf
        return float(brentq(lambda b: likelihood(b) - edge, farthest, place))

    return float(np.exp(best)), float(np.exp(bound(-FARTHEST))), float(np.exp(bound(FARTHEST)))
