"""Rates of damage, bonding and clearance, and the tasks that steer them."""

from __future__ import annotations

import numpy as np
import pytest

from femsim.loosening.rates import (
    LooseningConstants,
    bounded,
    patch_rates,
    resorption_by_motion,
    resorption_by_stress,
    steering,
)
from femsim.parameters import load_parameters

CONSTANTS = LooseningConstants.from_parameters(load_parameters())


def bonding(bonded, activity, day, motion_um):
    return 0.04 * (activity * (1.0 - bonded) / (1.0 + (motion_um / 120.0) ** 4) - 1.5 * bonded)


def rates(state, stress=40.0, motion=0.02, strength=0.9, activity=0.5, shedding=(-60.0, -4000.0)):
    one = np.ones((1, 1))
    slopes = np.array(shedding).reshape(1, 2, 1)
    args = (np.array([False]), stress * one, slopes, motion * one, np.array([1600.0]))
    return patch_rates(state, *args, strength * one[0], activity * one[0], 30.0, bonding, CONSTANTS)


def test_half_points():
    """Motion of 120 um and stress of 50 fs MPa each call up half of the resorption rate; zero calls up nothing."""
    assert resorption_by_motion(np.array([0.120, 0.0]), CONSTANTS) == pytest.approx([0.5, 0.0], rel=1e-14)
    found = resorption_by_stress(np.array([41.0, 0.0]), np.array([0.82, 0.82]), CONSTANTS)
    assert found == pytest.approx([0.5, 0.0], rel=1e-14)


def test_steepness():
    """Twice the half point gives 16/17 for motion and 256/257 for stress."""
    assert resorption_by_motion(np.array([0.240]), CONSTANTS)[0] == pytest.approx(16 / 17, rel=1e-14)
    assert resorption_by_stress(np.array([100.0]), np.ones(1), CONSTANTS)[0] == pytest.approx(256 / 257, rel=1e-14)


def test_clearance_refills_without_load():
    """At rest a clearance of 50 um shrinks at k_fill Phi g."""
    found = rates(np.array([[0.3], [0.0], [0.05]]), stress=0.0, motion=0.0)
    assert found.rate[2, 0] == pytest.approx(-0.5 * 0.05 / 60.0, rel=1e-12)


@pytest.mark.parametrize("row", [0, 1, 2])
def test_slopes_are_derivatives_at_held_jumps(row):
    """Each slope equals the difference quotient of its rate when stress follows the given shedding."""
    state, step = np.array([[0.25], [0.3], [0.01]]), 1e-7
    shedding = (-60.0, -4000.0)
    changed = state.copy()
    changed[row] += step
    stress = 40.0 + (shedding[row - 1] * step if row else 0.0)
    quotient = (rates(changed, stress).rate[row, 0] - rates(state).rate[row, 0]) / step
    assert rates(state).slope[row, 0] == pytest.approx(quotient, rel=1e-4)


def test_rare_tasks_do_not_steer():
    """Motion and stress of a task done less than ten times a day are left out; without daily tasks both are zero."""
    stress, motion = np.array([[10.0], [90.0]]), np.array([[0.01], [0.5]])
    assert steering(stress, motion, np.array([1600.0, 0.1]), CONSTANTS) == (0.01, 10.0)
    assert steering(stress, motion, np.array([1.0, 0.1]), CONSTANTS) == (0.0, 0.0)


def test_bounds():
    """Fractions stay in 0..1 and clearance at or above zero."""
    given = np.array([[-0.1, 1.1], [-1e-9, 2.0], [-1e-6, 3.0]])
    np.testing.assert_array_equal(bounded(given), [[0.0, 1.0], [0.0, 1.0], [0.0, 3.0]])
