r"""Adaptive exponential Runge-Kutta steps of order 3(2) with dense output and event location; no mechanics.

The right side is split as :math:`y' = L y + N(y, t)` with a diagonal :math:`L \le 0` frozen at the start of each step
(healing, refilling and load shedding of damaged patches are fast and mostly local), and :math:`N = f - L y` is
integrated by Cox and Matthews' three-stage scheme (J. Comput. Phys. 176, 2002). With L = 0 this is Kutta's
third-order method with the midpoint rule embedded; the order does not depend on how good L is, only the stability does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

SERIES_BELOW = 0.5
"""Below this size the phi functions are summed as series: the closed forms lose digits to cancellation."""
SERIES_TERMS = 18
"""0.5^18 / 18! is far below one unit in the last place."""
SAFETY = 0.8
"""Share of the step that the error estimate allows: rejected steps cost more than short ones, and where a construct
gives way the error grows by a third from one step to the next."""
LARGEST_GROWTH, SMALLEST_SHRINK = 4.0, 0.2
"""Bounds of the change of step size from one step to the next: the estimate is only asymptotically right."""
ESTIMATE_ORDER = 3
"""The error estimate falls with this power of the step size (local error of the embedded second-order solution)."""


@dataclass(frozen=True)
class Tolerances:
    """What the integration must resolve; every number bounds the error estimate of one step or a time.

    Attributes
    ----------
    bonded, damage : float
        Absolute, of a fraction. An error of 0.001 in damage shifts load, hence the rate of damage, by about 1 %;
        a cascade of failing patches amplifies it.
    clearance : float
        Absolute, mm. A fresh patch of 1e4 N/mm3 changes its pressure by 1 MPa over 0.1 micrometres.
    clearance_share : float
        Relative, added to ``clearance``: a wide gap need not be known to a fraction of a micrometre.
    damage_change : float
        Largest change of damage in one step: its rate goes with the eleventh power of stress.
    first_step, longest_step : float
        Days.
    watch_step : float
        Longest step in days while a criterion is exceeded or nearly so, so that a short relief is not stepped over.
    event : float
        Days within which an event is located.
    contact : float
        Unbalanced over applied forces of the contact problems; jumps are good to about three times as much.
    hardware : float
        Change of the forces carried by the screws, over those of the same bite, from which on hardware stresses are
        recovered anew.
    """

    bonded: float = 0.001
    damage: float = 0.0005
    clearance: float = 0.00005
    clearance_share: float = 0.0025
    damage_change: float = 0.2
    first_step: float = 0.05
    longest_step: float = 30.0
    watch_step: float = 3.5
    event: float = 0.05
    contact: float = 1e-5
    hardware: float = 0.05

    @classmethod
    def study(cls) -> Tolerances:
        """Twice the default, for many runs that are compared with each other.

        In the most sensitive case met (parametric jaw at 1.6 times the usual bite, 55 patches failing one after the
        other) the first screw loosens on day 326 by tolerances fifteen times finer than the default, on day 331 by the
        default and on day 338 by these; ``benchmarks/bench_loosening.py --accuracy`` measures it.
        """
        own = cls()
        return cls(
            bonded=2.0 * own.bonded,
            damage=2.0 * own.damage,
            clearance=2.0 * own.clearance,
            clearance_share=2.0 * own.clearance_share,
            contact=2.0 * own.contact,
        )

    @classmethod
    def coarse(cls) -> Tolerances:
        """About twenty times the default, for ensembles whose spread is far wider than this error.

        The first screw of the standard jaw loosens on day 233 instead of 231.
        """
        own = cls()
        return cls(
            bonded=20.0 * own.bonded,
            damage=20.0 * own.damage,
            clearance=20.0 * own.clearance,
            clearance_share=20.0 * own.clearance_share,
            damage_change=2.0 * own.damage_change,
            first_step=5.0 * own.first_step,
            longest_step=2.0 * own.longest_step,
            watch_step=2.0 * own.watch_step,
            event=10.0 * own.event,
            contact=10.0 * own.contact,
        )

    def scale(self, state: Array) -> Array:
        """Errors allowed (3, p) at a state (3, p) of bonded fraction, damage and clearance."""
        absolute = np.array([[self.bonded], [self.damage], [self.clearance]])
        relative = np.array([[0.0], [0.0], [self.clearance_share]])
        return absolute + relative * state


def phi_functions(z: Array) -> tuple[Array, Array, Array, Array]:
    r"""Return :math:`e^z, \varphi_1, \varphi_2, \varphi_3` with :math:`\varphi_{k+1} = (\varphi_k - 1/k!)/z`."""
    z = np.asarray(z, dtype=float)
    small = np.abs(z) < SERIES_BELOW
    safe = np.where(small, 1.0, z)
    one = np.expm1(safe) / safe
    two = (one - 1.0) / safe
    three = (two - 0.5) / safe
    near = np.where(small, z, 0.0)
    # phi_k(z) = sum z^j / (j + k)!; by Horner from the highest power.
    series = [np.zeros_like(near) for _ in range(3)]
    for index in range(3):
        total = np.ones_like(near)
        for j in range(SERIES_TERMS, 0, -1):
            total = 1.0 + total * near / (j + index + 1)
        series[index] = total / (1.0, 2.0, 6.0)[index]
    chosen = [np.where(small, s, c) for s, c in zip(series, (one, two, three), strict=True)]
    return np.exp(z), chosen[0], chosen[1], chosen[2]


@dataclass(frozen=True)
class Step:
    """One trial step with its continuous solution.

    Attributes
    ----------
    day, length : float
        Start and length in days.
    start, slope, parts : ndarray
        State and diagonal slope at the start, and the three values of N.
    end, embedded : ndarray
        Third-order and second-order states at the end, inside their bounds.
    """

    day: float
    length: float
    start: Array
    slope: Array
    parts: tuple[Array, Array, Array]
    end: Array
    embedded: Array
    bound: Callable[[Array], Array]

    def at(self, share: float) -> Array:
        """State after ``share`` (0..1) of the step, third order inside smooth stretches; ``at(1)`` equals ``end``."""
        if share >= 1.0:
            return self.end
        n0, na, nb = self.parts
        h = share * self.length
        decay, one, two, three = phi_functions(h * self.slope)
        linear = -3.0 * n0 + 4.0 * na - nb
        square = 2.0 * n0 - 4.0 * na + 2.0 * nb
        return self.bound(decay * self.start + h * (one * n0 + share * two * linear + 2.0 * share**2 * three * square))

    def error(self, scale: Array) -> float:
        """Largest difference between the two solutions over the tolerance; the step is good at 1 or below."""
        return float(np.max(np.abs(self.end - self.embedded) / scale))


def exponential_step(
    day: float,
    length: float,
    start: Array,
    rate: Array,
    slope: Array,
    evaluate: Callable[[float, Array], Array],
    bound: Callable[[Array], Array] = lambda state: state,
) -> Step:
    """Advance one step with two further evaluations.

    Parameters
    ----------
    day, length : float
        Start and length of the step in days.
    start, rate, slope : ndarray
        State, its rate and the diagonal slope (<= 0) at the start.
    evaluate : callable
        ``(day, state) -> rate``; called at the middle and at the end, in this order.
    bound : callable
        Puts a state back inside its bounds; applied to every stage.
    """
    h = length
    n0 = rate - slope * start
    half_decay, half_one, _, _ = phi_functions(0.5 * h * slope)
    middle = bound(half_decay * start + 0.5 * h * half_one * n0)
    na = evaluate(day + 0.5 * h, middle) - slope * middle
    decay, one, two, three = phi_functions(h * slope)
    last = bound(decay * start + h * one * (2.0 * na - n0))
    nb = evaluate(day + h, last) - slope * last
    base = decay * start
    weights = (one - 3.0 * two + 4.0 * three, 4.0 * two - 8.0 * three, 4.0 * three - two)
    end = bound(base + h * (weights[0] * n0 + weights[1] * na + weights[2] * nb))
    embedded = bound(base + h * ((one - 2.0 * two) * n0 + 2.0 * two * na))
    return Step(day, h, start, slope, (n0, na, nb), end, embedded, bound)


def next_length(length: float, error: float) -> float:
    """Step length that would just meet the tolerance after one of ``length`` had ``error``."""
    if error <= 0.0:
        return length * LARGEST_GROWTH
    factor = SAFETY * error ** (-1.0 / ESTIMATE_ORDER)
    return float(length * min(max(factor, SMALLEST_SHRINK), LARGEST_GROWTH))


def locate(happened: Callable[[float], bool], length: float, tolerance: float) -> float:
    """Bisect for the first share of a step at which an event has happened.

    Parameters
    ----------
    happened : callable
        ``share -> bool``, true at share 1.
    length : float
        Step length in days.
    tolerance : float
        Days.

    Returns
    -------
    float
        Share in (0, 1] at which it has happened, at most ``tolerance`` days after it first did.
    """
    low, high = 0.0, 1.0
    while (high - low) * length > tolerance:
        middle = 0.5 * (low + high)
        if happened(middle):
            high = middle
        else:
            low = middle
    return high
