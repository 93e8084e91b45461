"""The loop: events at the right day, bite force, boundaries, history, creep guard, refresh, hooks."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from loosening_models import case, uniform_tissue

from femsim.errors import InputError
from femsim.loosening import Chewer, HealingSpectrum, Task, Tolerances, creep_guard, evolve
from femsim.loosening.evolution import Evolution
from femsim.loosening.hardware import FatigueMaterial, HardwareFatigue, Part, fatigue_life
from femsim.parameters import load_parameters

IRRADIATED = uniform_tissue(32, 0.89, 0.82, 0.37)


@pytest.fixture(scope="module")
def broken():
    """A construct that gives way within months."""
    return evolve(case(80.0, tissue=IRRADIATED, end_at_loss=False), 200.0)


def test_bite_reaction_is_met_at_every_step(broken):
    """The solved bite reaction is the wanted force times the healing factor within 0.5 %."""
    held = broken.history.step("supported") > 0.5
    wanted = 80.0 * broken.history.step("factor")[held]
    found = np.array(broken.history.reactions)[held, 0]
    np.testing.assert_allclose(found, wanted, rtol=5e-3)


def test_weeks_of_the_spectrum_are_step_ends():
    """Every kink of the healing spectrum is an accepted day, to the bit."""
    table = [[0, 0.1], [1, 0.2], [3.3, 0.3]]
    outcome = evolve(case(30.0, spectrum=HealingSpectrum.from_table(table)), 40.0)
    days = set(outcome.history.step("day").tolist())
    assert {7.0, 3.3 * 7.0, 40.0} <= days


def test_patches_fail_on_the_day_their_damage_crosses(broken):
    """Failed patches were below the limit one accepted step earlier and stay failed."""
    failed = np.isfinite(broken.failed_day)
    assert failed.any()
    assert np.all(broken.state.damage[failed] >= 0.95)
    days = broken.history.step("day")
    assert set(np.unique(broken.failed_day[failed])) <= set(days.tolist())


def test_patches_fail_at_the_end_of_a_step_only():
    """Inside a step rates stay smooth beyond the limit; the accepted point then has the rates of failed patches."""
    built = case(20.0)
    run = Evolution(built, 10.0)
    run.begin()
    state = run.point.state.copy()
    state[1, 3] = 0.96
    held = np.zeros(32, dtype=bool)
    _, inside = run.evaluate(0.0, state, run.point.memory, held, run.point.warm)
    assert np.all(inside.feeds[2] == 0.0)
    accepted = run.candidate(0.0, state, run.point.memory, run.point.warm, run.point.warm).point.rates
    assert np.flatnonzero(accepted.feeds[2]).tolist() == [3]


def test_failure_day_does_not_depend_on_the_longest_step():
    """The first failure moves by less than 8 % when steps are kept three times shorter and tolerances finer."""
    rough = evolve(case(80.0, tissue=IRRADIATED), 200.0)
    fine = Tolerances(0.0005, 0.00025, 0.000025, 0.00125, longest_step=3.0, event=0.01)
    exact = evolve(case(80.0, tissue=IRRADIATED, tolerances=fine), 200.0)
    assert rough.day == pytest.approx(exact.day, rel=0.08)


def test_study_tolerances_cost_less_and_end_alike():
    """The tolerances for studies need fewer evaluations and end within 10 % of the default's day."""
    default = evolve(case(80.0, tissue=IRRADIATED), 200.0)
    study = evolve(case(80.0, tissue=IRRADIATED, tolerances=Tolerances.study()), 200.0)
    assert study.evaluations < default.evaluations
    assert study.day == pytest.approx(default.day, rel=0.10)
    assert study.ending == default.ending


def test_loose_screw_is_declared_when_its_week_is_full():
    """Day minus onset is exactly the duration, and the onset is located within the event tolerance."""
    built = case(0.0, shape=(2, 2, 4), bonded=lambda b, activity, day, u: np.full_like(b, -0.01))
    built.criteria = replace(built.criteria, loose_stiffness=0.6, loose_holding=0.0)
    outcome = evolve(built, 60.0)
    first = outcome.events[0]
    # At rest B falls by 0.01 a day from 0.30; stiffness is proportional to B, so 60 % is passed on day 12.
    assert first.kind == "screw loose"
    assert first.criterion == "stiffness"
    assert first.onset == pytest.approx(12.0, abs=0.06)
    assert first.onset >= 12.0 - 1e-9
    assert first.day == first.onset + 7.0
    assert first.cycles == pytest.approx(first.day * 1600.0)
    assert first.margins["stiffness"] < 0.0 < first.margins["motion"]
    assert "stayed below 60%" in first.causes[-1]


def test_a_run_can_end_with_its_first_loose_screw():
    """For the time to the first loosening nothing later is followed; the day is that of a run that goes on."""
    runs = []
    for ends in (False, True):
        built = case(0.0, bonded=lambda b, activity, day, u: np.full_like(b, -0.01), end_at_first=ends)
        built.criteria = replace(built.criteria, stump_minimum=0.0)
        runs.append(evolve(built, 60.0))
    whole, short = runs
    first = next(event for event in whole.events if event.kind == "screw loose")
    assert (whole.ending, whole.day) == ("horizon", 60.0)
    assert (short.ending, short.day) == (f"first loose screw: {first.subject}", first.day)


def test_a_short_dip_declares_nothing():
    """A criterion exceeded for five days only is no event."""

    def dip(bonded, activity, day, motion):
        return np.full_like(bonded, -0.01 if day < 14.5 else 0.01)

    built = case(0.0, bonded=dip, spectrum=HealingSpectrum.from_table([[0, 1], [14.5 / 7.0, 1]]))
    built.criteria = replace(built.criteria, loose_stiffness=0.6, loose_holding=0.0)
    outcome = evolve(built, 29.0)
    assert outcome.smallest_margins[2].min() < 0.0
    assert not outcome.events


def test_stump_is_lost_when_fewer_than_two_screws_hold():
    """With two screws per stump the first loose screw ends the stump, the same day."""
    built = case(0.0, bonded=lambda b, activity, day, u: np.full_like(b, -0.01))
    outcome = evolve(built, 60.0)
    kinds = {event.kind: event for event in outcome.events}
    assert outcome.ending.startswith("stump lost")
    assert kinds["stump lost"].day == kinds["screw loose"].day
    assert outcome.day == kinds["stump lost"].day


def test_plate_breaks_on_the_day_its_life_is_used_up():
    """A plate at constant stress breaks after its life in cycles, located within the event tolerance."""
    material = FatigueMaterial.pure(load_parameters())
    stress = np.array([420.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    spectrum = HealingSpectrum.constant()
    hardware = HardwareFatigue([Part("plate", material)], np.array([1600.0]), spectrum, refresh_days=10.0)
    built = case(
        5.0, spectrum=spectrum, hardware=hardware, stress_at=lambda day, chewing: [{"plate": (stress, -stress)}]
    )
    outcome = evolve(built, 400.0)
    expected = fatigue_life(np.array([420.0]), material)[0] / 1600.0
    event = outcome.events[-1]
    assert (event.kind, event.subject) == ("part broken", "plate")
    assert outcome.ending == "part broken: plate"
    assert event.causes[-1] == "100% of the wear at its worst place comes from 'bite'"
    assert expected - 1e-9 <= event.day <= expected + 0.05


@pytest.mark.parametrize(("force", "held"), [(2.0, True), (60.0, False)])
def test_hardware_stress_is_recovered_when_screws_share_the_bite_differently(force, held):
    """Once for a bite that leaves the interface as it is, again and again when patches fail; never twice in a week."""
    asked: list[float] = []

    def stress_at(day, chewing):
        asked.append(day)
        return [{"plate": (np.zeros(6), np.zeros(6))}]

    spectrum = HealingSpectrum.constant()
    hardware = HardwareFatigue([Part("plate", FatigueMaterial.pure(load_parameters()))], np.array([1600.0]), spectrum)
    still = {"bonded": lambda b, activity, day, u: np.zeros_like(b)} if held else {}
    evolve(case(force, spectrum=spectrum, hardware=hardware, stress_at=stress_at, **still), 40.0)
    assert asked[0] == 0.0
    assert (len(asked) == 1) == held
    assert all(later - earlier >= 7.0 for earlier, later in itertools.pairwise(asked[:-1]))


def test_constant_cycling_does_not_creep():
    """1e5 cycles at constant load below slip move no patch by 0.01 um or more."""
    built = case(60.0)
    chewer = Chewer(built.solver, built.tasks, built.constants, built.initial_bond)
    guard = creep_guard(chewer, built.insertion(), built.tissue_at(0.0), 1.0)
    assert guard.cycles == 1e5
    assert guard.slipping == 0
    assert 0.0 < guard.factor < 1.0
    assert guard.drift * 1000.0 < 0.01


def test_motion_is_peak_to_valley():
    """At load ratio 0.1 a linear interface moves nine tenths of what it moves at ratio 0, at no load by nothing."""
    motions = []
    for ratio in (0.0, 0.1):
        task = Task("bite", np.array([0.0, 1.0]), 0, 0.05, 1600.0, ratio)
        built = case(tasks=[task])
        chewer = Chewer(built.solver, built.tasks, built.constants, built.initial_bond)
        motions.append(chewer.chew(built.insertion(), built.tissue_at(0.0), 1.0, chewer.cold()).motion.max())
    assert motions[1] == pytest.approx(0.9 * motions[0], rel=0.1)


def test_refreshed_solver_is_used_from_its_day_on():
    """A solver is asked for on each day of refresh, exactly once."""
    asked: list[float] = []
    aged = case(20.0).solver
    built = case(20.0, refresh_days=[10.0, 25.0], refreshed=lambda day: (asked.append(day), aged)[1])
    outcome = evolve(built, 40.0)
    assert asked == [10.0, 25.0]
    assert {10.0, 25.0} <= set(outcome.history.step("day").tolist())


def test_hooks_and_tables():
    """Progress never goes back, the time line has one row per step and screw, snapshots carry all patches."""
    seen: list[float] = []
    outcome = evolve(case(20.0), 65.0, on_progress=lambda day, horizon: seen.append(day))
    assert seen == sorted(seen)
    assert seen[-1] == 65.0
    rows = outcome.history.rows(["a", "b", "c", "d"])
    assert len(rows) == 4 * len(outcome.history)
    assert {"day", "screw", "motion_p95_um", "holding_ratio", "lateral_ratio"} <= set(rows[0])
    assert outcome.history.snapshots[-1].shape == (5, 32)
    assert outcome.history.snapshot_days[0] == 0.0


def test_bad_horizon_is_refused():
    """A horizon of zero days is refused."""
    with pytest.raises(InputError, match="horizon"):
        evolve(case(), 0.0)
