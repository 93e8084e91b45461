"""A stored jaw gives the years of chewing that the full model gives: same tissue, contact and hardware stress."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from pipeline_models import bench_values, constructed, mesh_of, workspace

from femsim.interface.contact import ContactSolver
from femsim.loosening import evolve
from femsim.pipeline import Hooks
from femsim.pipeline.condensed import CondensedJaw, chewing_case, condensed_jaw
from femsim.pipeline.construct import construct, loosening_case
from femsim.pipeline.setting import Setting, prepare
from femsim.scenario import scenario_from_mapping

DOSE = 60.0


@cache
def stored() -> CondensedJaw:
    """Jaw of the shared irradiated bench block, written and read again."""
    setting, built = constructed(DOSE)
    jaw = condensed_jaw(setting, built, Hooks())
    folder = workspace() / "condensed" / "jaw"
    jaw.save(folder)
    return CondensedJaw.load(folder)


def stiffer(factor: float) -> Setting:
    """The same block with another bearing stiffness of the interface."""
    values = bench_values(force=60.0, dose=DOSE, years=0.1)
    values["parameters"] = {"interface.bearing_stiffness": f"{1e4 * factor} N/mm^3"}
    return prepare(scenario_from_mapping(values), Hooks())


def test_hardware_stresses_follow_from_patch_forces():
    """Unit stresses and recovery through the full field agree to the precision they are stored in."""
    setting, built = constructed(DOSE)
    full, chewer = loosening_case(setting, built)
    short = chewing_case(setting, stored())
    chewing = chewer.chew(full.insertion(), full.tissue_at(0.0), 1.0, chewer.cold())
    expected, found = full.stress_at(0.0, chewing), short.stress_at(0.0, chewing)
    assert set(found[0]) == set(expected[0])
    for name, pair in expected[0].items():
        largest = np.abs(pair[0]).max()
        for exact, own in zip(pair, found[0][name], strict=True):
            assert own == pytest.approx(exact, abs=2e-5 * largest)


def test_tissue_at_the_patches_needs_no_mesh():
    """Dose at the stored points, averaged per patch, is the model's."""
    setting, built = constructed(DOSE)
    short = chewing_case(setting, stored())
    for day in (0.0, 100.0):
        ours, theirs = short.tissue_at(day), built.bone.at(day)
        for name in ("young", "strength", "activity"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-9)


def test_other_interface_constants_share_the_operator():
    """Reference springs only condition the factorised matrix: a stored operator serves another bearing stiffness."""
    setting = stiffer(3.0)
    built = construct(setting, mesh_of(), Hooks())
    own, _ = loosening_case(setting, built)
    shared = chewing_case(setting, stored())
    assert built.condensation.operator.k_ref[0] > 2.0 * stored().operator.k_ref[0]
    (exact, locked), (found, own_locked) = (
        built.condensation.operator.bulk_stiffness(),
        stored().operator.bulk_stiffness(),
    )
    assert np.abs(found - exact).max() < 1e-7 * np.abs(exact).max()
    assert np.abs(own_locked - locked).max() < 1e-7 * np.abs(locked).max()
    # Steps are chosen by error estimates, so years agree to the tolerance of the integration only.
    first, second = evolve(own, setting.horizon), evolve(shared, setting.horizon)
    assert second.day == first.day
    assert second.smallest_margins == pytest.approx(first.smallest_margins, rel=2e-3)
    damage = {row["part"]: row["damage"] for row in own.hardware.table()}
    assert {row["part"]: row["damage"] for row in shared.hardware.table()} == pytest.approx(damage, rel=1e-3)


def test_sharing_the_bulk_leaves_no_trace():
    """A solver with another law on the same bulk is what a new one would be, and the first keeps its own law."""
    jaw = stored()
    before = jaw.bulk.law.constants.bearing_stiffness
    case = chewing_case(stiffer(3.0), jaw)
    assert jaw.bulk.law.constants.bearing_stiffness == before
    fresh = ContactSolver(jaw.operator, jaw.patches.thread_shape, case.solver.law, 1e5)
    state, tissue = case.insertion(), case.tissue_at(0.0)
    load = case.tasks[0].activation * 10.0
    assert np.array_equal(
        case.solver.solve(state, tissue, load, case.tasks[0].bite).q,
        fresh.solve(state, tissue, load, case.tasks[0].bite).q,
    )


def test_unlocked_screws_chew_on_a_stored_jaw(tmp_path):
    """Preload, joints and the stresses of a plate that may slip come from the stored jaw as from the full model."""
    values = bench_values(force=60.0, dose=DOSE, years=0.05)
    values["screws"] |= {"locking": False, "preload": "120 N"}
    setting = prepare(scenario_from_mapping(values), Hooks())
    built = construct(setting, mesh_of(), Hooks())
    full, chewer = loosening_case(setting, built)
    condensed_jaw(setting, built, Hooks()).save(tmp_path / "jaw")
    short = chewing_case(setting, CondensedJaw.load(tmp_path / "jaw"))
    assert short.insertion().joints == pytest.approx(full.insertion().joints, abs=1e-9)
    chewing = chewer.chew(full.insertion(), full.tissue_at(0.0), 1.0, chewer.cold())
    expected, found = full.stress_at(0.0, chewing), short.stress_at(0.0, chewing)
    for name, (peak, _) in expected[0].items():
        assert found[0][name][0] == pytest.approx(peak, abs=1e-4 * np.abs(peak).max())
    first, second = evolve(full, setting.horizon), evolve(short, setting.horizon)
    assert second.smallest_margins == pytest.approx(first.smallest_margins, rel=2e-3)
