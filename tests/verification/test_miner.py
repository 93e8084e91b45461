"""Miner's rule: sums over tasks, two load levels in sequence, repair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from femsim.loosening.integrator import exponential_step
from femsim.loosening.rates import LooseningConstants, bounded, cycles_to_failure, patch_rates
from femsim.parameters import load_parameters

CONSTANTS = LooseningConstants.from_parameters(load_parameters())
NO_REPAIR = replace(CONSTANTS, repair=0.0)
CYCLES = 1600.0


def rates(state, stress, constants, cycles=(CYCLES,)):
    stress = np.asarray(stress, dtype=float)
    shape = stress.shape
    one = np.ones(shape[1])
    return patch_rates(
        state,
        np.zeros(shape[1], dtype=bool),
        stress,
        np.zeros((shape[0], 2, shape[1])),
        np.zeros(shape),
        np.asarray(cycles),
        one,
        one,
        10.0,
        lambda b, activity, day, motion: np.zeros_like(b),
        constants,
    )


def held(days, stress, state, constants):
    """Hold a stress for so many days in one exponential step (exact for these linear equations)."""
    now = rates(state, stress, constants)
    return exponential_step(
        0.0, days, state, now.rate, now.slope, lambda day, y: rates(y, stress, constants).rate, bounded
    ).end


def test_two_steps_without_repair_fill_the_sum_exactly():
    """Half the life at 60 MPa and then half the life at 40 MPa use the life up to the last digits, in either order."""
    lives = [cycles_to_failure(np.array([s]), 1.0, CONSTANTS)[0] for s in (60.0, 40.0)]
    for order in ((60.0, 40.0), (40.0, 60.0)):
        state = np.zeros((3, 1))
        for stress in order:
            life = lives[0] if stress == 60.0 else lives[1]
            state = held(0.5 * life / CYCLES, [[stress]], state, NO_REPAIR)
        assert state[1, 0] == pytest.approx(1.0, rel=1e-12)


def test_tasks_add_up():
    """Two tasks damage as much as the sum of both alone, each with its own count of cycles."""
    both = rates(np.zeros((3, 1)), [[50.0], [30.0]], CONSTANTS, (1600.0, 900.0)).rate[1, 0]
    life = cycles_to_failure(np.array([50.0, 30.0]), 1.0, CONSTANTS)
    assert both == pytest.approx(1600.0 / life[0] + 900.0 / life[1], rel=1e-14)


def test_repair_holds_damage_at_the_balance():
    """Under a constant rate w damage settles at w / k_heal, and gets there as 1 - exp(-k t)."""
    stress = [[44.0]]
    growth = CYCLES / cycles_to_failure(np.array([44.0]), 1.0, CONSTANTS)[0]
    state = held(200.0, stress, np.zeros((3, 1)), CONSTANTS)
    expected = growth / CONSTANTS.repair * -np.expm1(-200.0 * CONSTANTS.repair)
    assert state[1, 0] == pytest.approx(expected, rel=1e-12)


def test_failed_patch_is_not_repaired_and_is_resorbed():
    """A patch without its thread shell keeps its damage and resorbs at k_res even at rest."""
    state = np.array([[0.3], [0.97], [0.0]])
    one = np.ones(1)
    found = patch_rates(
        state,
        np.array([True]),
        np.zeros((1, 1)),
        np.zeros((1, 2, 1)),
        np.zeros((1, 1)),
        np.array([CYCLES]),
        one,
        one,
        10.0,
        lambda b, activity, day, motion: np.zeros_like(b),
        CONSTANTS,
    )
    assert found.rate[1, 0] == 0.0
    assert found.rate[2, 0] == pytest.approx(CONSTANTS.resorption, rel=1e-14)
