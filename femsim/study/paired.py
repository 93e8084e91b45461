"""Two designs on the same patients: which one outlasts the other, how often, and by how many days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

Array = np.ndarray

CONFIDENCE = 0.95
RESAMPLES = 2000
SEED = 20260


@dataclass(frozen=True)
class Outlasting:
    """Pairs of the same patient in designs A and B.

    A pair is decided when one of the two is seen to hold longer. It is a tie when both end on the same day or both
    hold to the horizon, and undecided when observation of the one that has no end stops before the other's end.

    Attributes
    ----------
    pairs : int
        Patients with a result in both designs.
    a, b : int
        Pairs in which A, or B, holds longer.
    ties : int
        Pairs that end on the same day or both reach the horizon.
    undecided : int
        Pairs whose observation is too short to tell.
    gain : tuple of float
        Mean days that A holds longer than B up to the horizon over decided and tied pairs, with its 95 % interval by
        bootstrap over patients; NaN without such pairs.
    """

    pairs: int
    a: int
    b: int
    ties: int
    undecided: int
    gain: tuple[float, float, float]

    def share(self, number: int) -> tuple[float, float, float]:
        """Share of all pairs with Wilson's 95 % interval; NaN without pairs."""
        if not self.pairs:
            return float("nan"), float("nan"), float("nan")
        interval = stats.binomtest(number, self.pairs).proportion_ci(CONFIDENCE, method="wilson")
        return number / self.pairs, float(interval.low), float(interval.high)


def outlasting(day_a: Array, ended_a: Array, day_b: Array, ended_b: Array, horizon: float) -> Outlasting:
    """Compare pairs of the same patients.

    Parameters
    ----------
    day_a, day_b : ndarray (n,)
        Day of the end, or the last one under observation; entry ``i`` is the same patient in both.
    ended_a, ended_b : ndarray (n,) of bool
        Whether the end happened on that day.
    horizon : float
        Last day of the study; who is censored there has held throughout.

    Examples
    --------
    >>> found = outlasting(
    ...     np.array([100.0, 730.0, 730.0]), np.array([True, False, False]),
    ...     np.array([200.0, 300.0, 730.0]), np.array([True, True, False]), 730.0,
    ... )
    >>> found.a, found.b, found.ties
    (1, 1, 1)
    """
    day_a, day_b = np.minimum(day_a, horizon), np.minimum(day_b, horizon)
    a_longer = ended_b & ((day_a > day_b) | (~ended_a & (day_a >= day_b)))
    b_longer = ended_a & ((day_b > day_a) | (~ended_b & (day_b >= day_a)))
    same = ended_a & ended_b & (day_a == day_b)
    both_hold = ~ended_a & ~ended_b & (day_a >= horizon) & (day_b >= horizon)
    ties = same | both_hold
    known = a_longer | b_longer | ties
    # A pair is known in days only when each one has ended or reached the horizon.
    measured = known & (ended_a | (day_a >= horizon)) & (ended_b | (day_b >= horizon))
    return Outlasting(
        pairs=len(day_a),
        a=int(a_longer.sum()),
        b=int(b_longer.sum()),
        ties=int(ties.sum()),
        undecided=int((~known).sum()),
        gain=_mean_with_interval((day_a - day_b)[measured]),
    )


def _mean_with_interval(values: Array) -> tuple[float, float, float]:
    if values.size == 0:
        return float("nan"), float("nan"), float("nan")
    mean = float(values.mean())
    if np.ptp(values) == 0.0:
        return mean, mean, mean
    drawn = np.random.default_rng(SEED).integers(0, values.size, (RESAMPLES, values.size))
    low, high = np.percentile(values[drawn].mean(axis=1), [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return mean, float(low), float(high)
