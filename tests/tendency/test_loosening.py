"""Directions of effects: load, dose, healing ramp."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from loosening_models import bonding, case, uniform_tissue

from femsim.interface.law import PatchTissue
from femsim.loosening import HealingSpectrum, Task, evolve
from femsim.loosening.points import Outcome

YEAR = 365.0
HALF = 182.0
PATCHES = 32


def first_end(outcome: Outcome) -> float:
    """Day on which the first screw loosens or the support goes; infinity if neither happens."""
    days = [event.day for event in outcome.events if event.kind in ("screw loose", "support lost")]
    return min(days, default=np.inf)


def at_dose(grey: float) -> PatchTissue:
    """Irradiated bone 12 months after so many Gy, between the reference rows of 0, 50, 60 and 70 Gy."""
    dose = [0.0, 50.0, 60.0, 70.0]
    young, strength, activity = (
        np.interp(grey, dose, row) for row in ([1, 0.90, 0.89, 0.88], [1, 0.84, 0.82, 0.81], [1, 0.47, 0.37, 0.29])
    )
    return uniform_tissue(PATCHES, float(young), float(strength), float(activity))


def test_without_load_nothing_ever_loosens():
    """Five years without a bite leave no damage, no clearance and no event; bonding goes its own way."""
    outcome = evolve(case(0.0), 5.0 * YEAR)
    assert outcome.ending == "horizon"
    assert not outcome.events
    assert np.all(outcome.state.damage == 0.0)
    assert np.all(outcome.state.clearance < 1e-12)
    assert outcome.history.screw("motion_max_um").max() < 1e-6


def test_no_dose_equals_healthy_to_the_bit():
    """Tissue built from zero dose gives the very same run as healthy tissue."""
    healthy, undosed = evolve(case(60.0), 60.0), evolve(case(60.0, tissue=at_dose(0.0)), 60.0)
    np.testing.assert_array_equal(healthy.state.damage, undosed.state.damage)
    np.testing.assert_array_equal(healthy.state.clearance, undosed.state.clearance)


@pytest.fixture(scope="module")
def by_dose():
    return [evolve(case(70.0, tissue=at_dose(dose)), HALF) for dose in (0.0, 50.0, 60.0, 70.0)]


@pytest.mark.slow
def test_more_dose_never_lives_longer(by_dose):
    """The first loosening comes no later with more dose, and it comes at all in this construct."""
    days = [first_end(outcome) for outcome in by_dose]
    assert all(later <= earlier for earlier, later in itertools.pairwise(days)), days
    assert np.isfinite(days[-1])


@pytest.mark.slow
def test_higher_bite_never_lives_longer():
    """The first loosening comes no later with a harder bite."""
    days = [first_end(evolve(case(force, tissue=at_dose(60.0)), HALF)) for force in (20.0, 60.0, 80.0, 110.0)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(days)), days
    assert np.isfinite(days[-1])


def test_the_healing_ramp_helps():
    """Full bite from the first day damages no less than the usual ramp up to the same day."""
    ramped = evolve(case(60.0), 30.0)
    at_once = evolve(case(60.0, spectrum=HealingSpectrum.constant()), 30.0)
    assert at_once.state.damage.max() > ramped.state.damage.max()


def test_rare_hard_bites_add_damage_but_do_not_steer_resorption():
    """One hard bite in ten days leaves motion and resorption as they are and damage not smaller."""
    daily = Task("bite", np.array([0.0, 1.0]), 0, 50.0, 1600.0)
    hard = Task("hard bite", np.array([0.0, 1.0]), 0, 90.0, 0.1)
    without, with_hard = evolve(case(tasks=[daily]), 60.0), evolve(case(tasks=[daily, hard]), 60.0)
    assert with_hard.state.damage.max() >= without.state.damage.max()
    first = [outcome.history.screw("motion_p95_um")[0] for outcome in (without, with_hard)]
    np.testing.assert_allclose(first[1], first[0], rtol=1e-6)


def test_less_activity_bonds_less():
    """At rest, bone at lower activity bonds less after half a year."""
    outcomes = [evolve(case(0.0, tissue=at_dose(dose)), 180.0) for dose in (0.0, 60.0)]
    assert outcomes[1].state.bonded.max() < outcomes[0].state.bonded.min()
    assert bonding(np.array([0.3]), np.array([0.4]), 90.0, np.zeros(1)) < bonding(
        np.array([0.3]), np.array([1.0]), 90.0, np.zeros(1)
    )
