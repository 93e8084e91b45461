"""Tissue states and bonding: exact limits, mechanisms switched off, hyperbaric oxygen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from femsim.parameters import load_parameters
from femsim.tissue import (
    MECHANISMS,
    Laws,
    TissueConstants,
    TissueTable,
    bonded_history,
    bonded_rate,
    fibrous_rate,
    motion_factor,
    removal_torque_ratio,
    tissue_state,
)
from femsim.tissue.kinetics import matrix_quality, osteocytes

CONSTANTS = TissueConstants.from_parameters(load_parameters())
RATIOS = (
    *("V", "N", "O", "C", "Phi", "rho_cortical", "rho_trabecular", "Q"),
    *("E_cortical", "E_trabecular", "strength_cortical", "strength_trabecular"),
)
ALL = MECHANISMS


def assert_healthy(state):
    for name in RATIOS:
        assert np.all(getattr(state, name) == 1.0), name
    assert np.all(state.log10_life == 0.0)
    assert state.p == pytest.approx(np.full(len(state.p), CONSTANTS.p0), rel=1e-14)


@pytest.mark.parametrize("day", [0.0, 1.0, 365.0, 5000.0])
@pytest.mark.parametrize("sessions", [0.0, 30.0])
def test_zero_dose_is_healthy_to_the_bit(day, sessions):
    """Bone without dose is exactly healthy at any time, directly, in a table and in a history."""
    assert_healthy(tissue_state(np.zeros(3), day, CONSTANTS, hbo_sessions=sessions))
    table = TissueTable(CONSTANTS, surgery_day=day, horizon=500.0, eqd2_max=70.0, hbo_sessions=sessions)
    assert_healthy(table.at(np.zeros(2), 123.4))
    assert_healthy(table.histories(np.zeros(2)).at(123.4))


def test_states_of_no_points():
    """No points give empty states, not an error."""
    assert tissue_state([], 10.0, CONSTANTS).Phi.shape == (0,)


def test_end_of_radiotherapy():
    """On the day radiotherapy ends only the cells are killed; vessels, density and matrix are still whole."""
    state = tissue_state([60.0], 0.0, CONSTANTS)
    assert state.C[0] == pytest.approx(np.exp(-CONSTANTS.sC * 60.0), rel=1e-14)
    for name in ("V", "N", "rho_cortical", "rho_trabecular", "Q"):
        assert getattr(state, name)[0] == 1.0, name


def test_everything_switched_off_is_healthy():
    """With all three mechanisms switched off any dose leaves healthy bone, exactly."""
    assert_healthy(tissue_state([10.0, 70.0], 365.0, CONSTANTS, laws=Laws().without(*ALL)))
    table = TissueTable(CONSTANTS, surgery_day=365.0, horizon=100.0, eqd2_max=70.0, laws=Laws().without(*ALL))
    assert_healthy(table.histories([10.0, 70.0]).at(50.0))


@pytest.mark.parametrize(
    ("disabled", "kept", "moved"),
    [("vessels", "V", "C"), ("oxygen", "O", "V"), ("cells", "C", "O"), ("cells", "N", "V"), ("cells", "Q", "O")],
)
def test_one_mechanism_switched_off(disabled, kept, moved):
    """A mechanism that is switched off stays healthy while the others still act; each one costs activity."""
    state = tissue_state([60.0], 365.0, CONSTANTS, laws=Laws().without(disabled))
    assert getattr(state, kept)[0] == 1.0
    assert getattr(state, moved)[0] < 1.0
    assert state.Phi[0] > tissue_state([60.0], 365.0, CONSTANTS).Phi[0]


def test_order_and_repetition_of_points_do_not_matter():
    """Each point depends on its own dose only."""
    doses = np.array([60.0, 0.0, 60.0, 20.0])
    state = tissue_state(doses, 365.0, CONSTANTS)
    for index, dose in enumerate(doses):
        assert state.Phi[index] == tissue_state([dose], 365.0, CONSTANTS).Phi[0]


def test_matrix_quality_with_equal_times():
    """The closed form of matrix quality passes smoothly through equal times, where a naive form divides by zero."""
    dose, day = np.array([60.0]), 100.0
    equal = matrix_quality(dose, day, replace(CONSTANTS, tauQ=42.0))
    near = matrix_quality(dose, day, replace(CONSTANTS, tauQ=42.0 * (1 + 1e-9)))
    share = 1.2 * 0.4 * -np.expm1(-1.0)
    exact = 1.0 - share * (1.0 - np.exp(-day / 42.0) * (1.0 + day / 42.0))
    assert equal[0] == pytest.approx(exact, rel=1e-13)
    assert near[0] == pytest.approx(exact, rel=1e-8)


def test_matrix_quality_follows_osteocytes():
    """Late matrix quality is 1 - aQ (1 - N)."""
    dose = np.array([30.0, 70.0])
    late = 1e5
    expected = 1.0 - CONSTANTS.aQ * (1.0 - osteocytes(dose, late, CONSTANTS))
    assert matrix_quality(dose, late, CONSTANTS) == pytest.approx(expected, rel=1e-12)


def test_worst_corner_of_the_ranges_stays_finite():
    """With aQ and Emax at the top of their ranges even 200 Gy leaves a positive quality and a finite fatigue life."""
    worst = replace(CONSTANTS, aQ=1.8, Emax=0.6)
    state = tissue_state([200.0], 5000.0, worst)
    assert state.Q[0] > 0.0
    assert np.isfinite(state.log10_life[0])
    assert tissue_state([200.0], 5000.0, CONSTANTS).Q[0] > 0.5


def test_hyperbaric_gain_and_floor():
    """Sessions raise V by etaH (0.8 - V)(1 - exp(-n/8)) on their day, and V never falls below that again."""
    before = tissue_state([70.0], 365.0, CONSTANTS).V[0]
    gain = 0.5 * (0.8 - before) * (1.0 - np.exp(-30.0 / 8.0))
    treated = tissue_state([70.0], 365.0, CONSTANTS, hbo_sessions=30)
    assert treated.V[0] == pytest.approx(before + gain, rel=1e-13)
    later = tissue_state([70.0], 1500.0, CONSTANTS, hbo_sessions=30, hbo_day=365.0)
    assert later.V[0] == treated.V[0]
    assert later.Phi[0] > tissue_state([70.0], 1500.0, CONSTANTS).Phi[0]


def test_hyperbaric_oxygen_still_to_come_changes_nothing():
    """Before its day hyperbaric oxygen has no effect."""
    assert (
        tissue_state([70.0], 300.0, CONSTANTS, hbo_sessions=30, hbo_day=365.0).V
        == tissue_state([70.0], 300.0, CONSTANTS).V
    )


def test_bonding_limits():
    """Healthy bonding tends to 1/(1 + x); without activity or with huge motion bone is only lost."""
    assert bonded_history([5000.0], 1.0, CONSTANTS)[0, 0] == pytest.approx(1.0 / 2.5, rel=1e-4)
    lost = bonded_rate([0.3], [0.0], 50.0, 0.0, CONSTANTS)[0]
    assert lost == pytest.approx(-0.045 * 1.5 * 0.3 * 0.3)
    assert bonded_rate([0.0], [1.0], 50.0, 1e6, CONSTANTS)[0] == pytest.approx(0.0, abs=1e-12)
    assert bonded_rate([0.0], [1.0], 0.0, 0.0, CONSTANTS)[0] == 0.0


def test_bonding_without_activity_has_a_closed_form():
    """Without bone formation B decays exponentially at the rate kf x chi."""
    days = np.array([0.0, 3.0, 30.0, 200.0])
    expected = 0.3 * np.exp(-0.045 * 1.5 * 0.3 * days)
    assert bonded_history(days, [0.0], CONSTANTS)[:, 0] == pytest.approx(expected, rel=1e-8)


def test_bonding_of_many_patches_and_a_start():
    """Patches with different activity, motion and start are integrated side by side."""
    both = bonded_history([28.0], [1.0, 0.4], CONSTANTS, micromotion_um=[0.0, 100.0], start=[0.2, 0.3])
    first = bonded_history([28.0], 1.0, CONSTANTS, start=0.2)
    second = bonded_history([28.0], lambda day: np.array([0.4]), CONSTANTS, micromotion_um=100.0)
    assert both[0] == pytest.approx([first[0, 0], second[0, 0]], rel=1e-14)


def test_motion_factor_halves_at_u50():
    """Bone formation is halved at 120 um and undisturbed without motion."""
    assert motion_factor([0.0, 120.0], CONSTANTS).tolist() == [1.0, 0.5]


def test_fibrous_tissue_takes_only_free_surface():
    """Fibrous tissue grows under motion on free surface only, and slows bonding by the share it holds."""
    assert fibrous_rate(0.3, 0.0, 0.0, CONSTANTS) == 0.0
    assert fibrous_rate(0.3, 0.7, 500.0, CONSTANTS) == 0.0
    assert fibrous_rate(0.3, 0.2, 120.0, CONSTANTS) == pytest.approx(0.03 * 0.5 * 0.5)
    free = bonded_rate(0.3, 1.0, 50.0, 0.0, CONSTANTS)
    covered = bonded_rate(0.3, 1.0, 50.0, 0.0, CONSTANTS, fibrous=0.2)
    assert free - covered == pytest.approx(0.045 * 2500.0 / 2669.0 * 0.2)


def test_surfaces_change_resorption():
    """A rough surface keeps more bone than a plate screw, machined titanium lies between."""
    x = [
        TissueConstants.from_parameters(load_parameters(), surface=name).x
        for name in ("plate_screw", "machined", "sla")
    ]
    assert x == [1.5, 1.0, 0.2]


def test_torque_ratio_starts_at_one():
    """Removal torque equals insertion torque right after surgery in healthy bone."""
    assert removal_torque_ratio(0.3, 0.0, 1.0, CONSTANTS) == pytest.approx(1.0)
