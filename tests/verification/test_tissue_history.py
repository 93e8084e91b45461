"""Time integration against an independent high-order solution of the same equations, written out from the model."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from femsim.parameters import load_parameters
from femsim.tissue import TissueConstants, bonded_history, tissue_state

PARAMETERS = load_parameters()
NOMINAL = TissueConstants.from_parameters(PARAMETERS)
AGREEMENT = 1e-7


def sampled(seed):
    """Constants drawn uniformly over the ranges of the card."""
    rng = np.random.default_rng(seed)
    ranges = {item.name: PARAMETERS.entry(f"tissue.{item.name}").range for item in fields(NOMINAL)}
    return replace(NOMINAL, **{name: float(rng.uniform(*span)) for name, span in ranges.items() if span})


class Reference:
    """The model by a general solver, with hyperbaric oxygen as a restart on its day."""

    def __init__(self, c, dose, last, sessions=0.0, hbo_day=np.inf):
        self.c, self.dose, self.hbo_day = c, dose, hbo_day
        self.floor = 0.0
        start = np.array([np.exp(-c.sC * dose), 1.0, 1.0, 1.0])
        self.parts = []
        if sessions:
            start = self._solve(0.0, hbo_day, start)
            reached = self.vessel(hbo_day)
            self.floor = reached + c.etaH * max(0.0, c.hbo_target - reached) * (1 - np.exp(-sessions / c.hbo_sessions))
            self._solve(hbo_day, last, start)
        else:
            self._solve(0.0, last, start)

    def _solve(self, first, last, start):
        found = solve_ivp(
            self.rates, (first, last), start, method="DOP853", rtol=1e-11, atol=1e-13, max_step=10.0, dense_output=True
        )
        self.parts.append((first, found.sol))
        return found.y[:, -1]

    def vessel(self, t):
        c = self.c
        late = c.Vmin + (1 - c.Vmin) / (1 + (self.dose / c.D50) ** c.nV)
        return max(late + (1 - late) * np.exp(-t / c.tauV), self.floor)

    def osteocyte(self, t):
        c = self.c
        return 1 - c.Emax * (1 - np.exp(-self.dose / c.DE)) * (1 - np.exp(-t / c.tauN))

    def pressure(self, t):
        c = self.c

        def k(V):
            L = c.R0_rc / np.sqrt(V)
            return 2 * L**4 * np.log(L) / (L**2 - 1) - L**2 - (L**2 - 1) / 2

        G = (c.pc - c.p0) * (c.p0 + c.pM) / c.p0 * self.osteocyte(t) * k(self.vessel(t)) / k(1.0)
        b = c.pc - c.pM - G
        return (b + np.sqrt(b**2 + 4 * c.pc * c.pM)) / 2

    def limit(self, t):
        c, p = self.c, self.pressure(t)
        return min(1.0, p**c.h / (p**c.h + c.p50**c.h) * (c.p0**c.h + c.p50**c.h) / c.p0**c.h)

    def rates(self, t, y):
        c = self.c
        C, dense, spongy, Q = y
        Phi = C * self.limit(t)
        return [
            c.krep * C * (self.limit(t) - C),
            (1 - c.aC * (1 - Phi) - dense) / c.tau_rho,
            (1 - c.aT * (1 - Phi) - spongy) / c.tau_rho,
            (1 - c.aQ * (1 - self.osteocyte(t)) - Q) / c.tauQ,
        ]

    def at(self, t):
        solution = [part for first, part in self.parts if first <= t][-1]
        C, dense, spongy, Q = solution(t)
        return {
            "V": self.vessel(t),
            "N": self.osteocyte(t),
            "p": self.pressure(t),
            "O": self.limit(t),
            "C": C,
            "Phi": C * self.limit(t),
            "rho_cortical": dense,
            "rho_trabecular": spongy,
            "Q": Q,
            "E_cortical": dense**self.c.stiffness_exponent,
            "strength_trabecular": spongy**self.c.strength_exponent * Q**self.c.quality_exponent,
        }


def compare(state, index, expected):
    for name, value in expected.items():
        assert getattr(state, name)[index] == pytest.approx(value, rel=AGREEMENT, abs=AGREEMENT), name


@pytest.mark.parametrize("dose", [5.0, 30.0, 42.0, 60.0, 120.0])
def test_nominal_constants(dose):
    """All states agree with the general solver to 1e-7 from the first day to fifteen years."""
    reference = Reference(NOMINAL, dose, 5500.0)
    for day in (0.5, 17.0, 90.0, 364.8, 1824.0, 5500.0):
        compare(tissue_state([dose], day, NOMINAL), 0, reference.at(day))


@pytest.mark.parametrize("seed", range(8))
def test_constants_over_their_ranges(seed):
    """Agreement to 1e-7 holds for constants anywhere in their ranges, also where the oxygen limit sets in late."""
    constants = sampled(seed)
    doses = [15.0, 38.0, 66.0]
    for day in (60.0, 700.0):
        state = tissue_state(doses, day, constants)
        for index, dose in enumerate(doses):
            compare(state, index, Reference(constants, dose, day).at(day))


def test_hyperbaric_oxygen_in_between():
    """The jump of the vessels on the day of hyperbaric oxygen is integrated exactly."""
    reference = Reference(NOMINAL, 70.0, 1500.0, sessions=30, hbo_day=365.0)
    for day in (365.0, 366.5, 500.0, 1500.0):
        compare(tissue_state([70.0], day, NOMINAL, hbo_sessions=30, hbo_day=365.0), 0, reference.at(day))


@pytest.mark.parametrize("motion", [0.0, 90.0])
def test_bonding(motion):
    """Bonding under a changing activity agrees with the general solver to 1e-8."""
    c = NOMINAL

    def activity(day):
        return np.array([0.6 - 0.3 * np.exp(-day / 40.0)])

    def rate(s, B):
        formed = s**2 / (s**2 + c.tlag**2) * activity(s) / (1 + (motion / c.u50) ** c.nu) * (1 - B)
        return c.kf * (formed - c.x * (c.chi + (1 - c.chi) * activity(s)) * B)

    days = [7.0, 28.0, 180.0]
    expected = solve_ivp(rate, (0, 180), [c.Bi], method="DOP853", rtol=1e-12, atol=1e-13, t_eval=days).y[0]
    assert bonded_history(days, activity, c, micromotion_um=motion)[:, 0] == pytest.approx(expected, abs=1e-8)
