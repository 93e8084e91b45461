"""Bone of the whole jaw ages: schedule, direction, exactness after a refresh, the same bits after a stop."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv
from pipeline_models import bench_values, finished_run, mesh_of, session_cache

from femsim.errors import InputError, Stopped
from femsim.fem.solvers import make_solver
from femsim.interface.balance import balance_checks
from femsim.interface.condensation import with_springs
from femsim.loosening import History, evolve
from femsim.pipeline import Hooks, fields, run
from femsim.pipeline.ageing import AgeingBulk, modulus_drift, refresh_days
from femsim.pipeline.construct import aged, construct, loosening_case
from femsim.pipeline.exact import exact_solver
from femsim.pipeline.fields import kept_state
from femsim.pipeline.setting import Setting, prepare
from femsim.results import RunFolder
from femsim.scenario import Scenario, scenario_from_mapping


def young_bone(years: float = 1.0, share: Any = 0.05) -> Scenario:
    """Bench block that had 60 Gy two weeks before: its moduli fall through the first year."""
    values = bench_values(dose=60.0, years=years)
    values["irradiation"]["surgery_after"] = "2 weeks"
    values["simulate"]["refresh_moduli"] = share
    return scenario_from_mapping(values, "ageing.yaml")


@pytest.fixture(scope="module")
def setting() -> Setting:
    return prepare(young_bone(), Hooks())


def test_days_of_refresh_follow_from_the_drift(setting: Setting) -> None:
    """Between two refreshes a modulus drifts by the share and not by much more; without dose or share there is none."""
    days = (0.0, *refresh_days(setting, 60.0))
    assert len(days) > 3
    for before, now in pairwise(days):
        assert 0.05 <= modulus_drift(setting, 60.0, before, now) < 0.08
    assert modulus_drift(setting, 60.0, days[-1], setting.horizon) < 0.05
    assert refresh_days(setting, 0.0) == ()
    assert refresh_days(prepare(young_bone(share="never"), Hooks()), 60.0) == ()


def test_wrong_share_is_refused() -> None:
    """A share of 0 would condense for ever, and a healthy jaw does not age."""
    with pytest.raises(InputError, match="refresh_moduli"):
        young_bone(share=0)
    values = bench_values()
    values["simulate"]["refresh_moduli"] = 0.1
    with pytest.raises(InputError, match="does not age"):
        scenario_from_mapping(values, "healthy.yaml")


def test_refreshed_operator_is_that_of_the_day_and_exact(setting: Setting) -> None:
    """Renewed moduli give the operator of a construct of that day; softer bone yields more; condensed equals full."""
    built = construct(setting, mesh_of(), Hooks())
    case, _ = loosening_case(setting, built)
    load = np.array([1.0])
    state, tissue = case.insertion(), case.tissue_at(0.0)
    first = exact_solver(setting, built).solve(state, tissue, load, None)
    before = built.condensation.displacement(first.q, first.forces, load)
    late = aged(setting, built, 300.0, Hooks())
    direct = construct(setting, mesh_of(), Hooks(), day=300.0)
    np.testing.assert_allclose(late.condensation.operator.G, direct.condensation.operator.G, rtol=1e-9, atol=1e-15)
    second = exact_solver(setting, late).solve(state, tissue, load, None)
    after = late.condensation.displacement(second.q, second.forces, load)
    # Linear work of the same pull: all bone is softer, so the block gives way more.
    assert late.model.loads[:, 0] @ after > 1.01 * (late.model.loads[:, 0] @ before)
    checks, _, _ = balance_checks(late.model, late.condensation, second, load)
    assert all(check.passed for check in checks)
    model, condensation = late.model, late.condensation
    full = model.stiffness @ after + model.stiffness.T @ after - model.stiffness.diagonal() * after
    factor = make_solver("auto").factor(with_springs(model.stiffness, condensation.C, condensation.operator.k_ref))
    step = factor.solve(model.loads @ load - full - condensation.C @ second.forces)
    factor.close()
    assert np.abs(condensation.C.T @ step).max() <= 1e-8 * np.abs(second.q).max()


def test_ageing_run_moves_otherwise_and_resumes_to_the_same_bits(tmp_path: Path) -> None:
    """Refreshes are reported; screws then move otherwise than on frozen moduli; a resumed run has the same bits."""
    setting = prepare(young_bone(share=0.1), Hooks())
    built = construct(setting, mesh_of(), Hooks())
    frozen = evolve(loosening_case(setting, built)[0], 60.0).history
    kept: list[dict[str, np.ndarray]] = []
    bulk = AgeingBulk(setting, built, Hooks(), RunFolder(tmp_path))
    ageing = evolve(
        loosening_case(setting, built, bulk)[0], 60.0, on_checkpoint=kept.append, checkpoint_every=1
    ).history
    assert bulk.current.day == ageing.refreshes[-1][0] == max(day for day in bulk.days if day <= 60.0)
    assert frozen.refreshes == []
    for _, jump, stress in ageing.refreshes:
        assert 1e-4 < jump < 0.1
        assert 0.0 < stress < 0.1
    assert ageing.screw("motion_p95_um")[-1].max() != frozen.screw("motion_p95_um")[-1].max()
    # A new process: it makes its own factors and takes the operators that were kept.
    anew = construct(setting, mesh_of(), Hooks(), operator=built.condensation.operator)
    case, _ = loosening_case(setting, anew, AgeingBulk(setting, anew, Hooks(), RunFolder(tmp_path)))
    after = next(one for one in kept if one["day"] >= ageing.refreshes[0][0])
    again: list[dict[str, np.ndarray]] = []
    evolve(case, 60.0, resume=after, on_checkpoint=again.append, checkpoint_every=1)
    for name, value in kept[-1].items():
        assert value.tobytes() == again[-1][name].tobytes(), name


def tables(folder: Path) -> dict[str, bytes]:
    names = ("screws.csv", "timeline.csv", "patches.csv", "hardware.csv", "interface.csv")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.slow
def test_stopped_after_a_refresh_and_resumed_to_the_same_bits(tmp_path: Path) -> None:
    """A run stopped after its moduli were renewed takes the kept operator and ends as the undisturbed one."""
    scenario = young_bone(years=0.2, share=0.1)
    with session_cache():
        whole = run(scenario, tmp_path / "whole")
        record = json.loads((whole.folder / "run.json").read_text(encoding="utf-8"))
        assert len(record["bulk"]["refreshes"]) >= 1
        kept = sorted(whole.folder.glob("operator-day-*.npz"))
        assert len(kept) == len(record["bulk"]["refreshes"])
        hooks = Hooks(should_stop=lambda: any((tmp_path / "cut").glob("ageing-*/operator-day-*.npz")))
        (tmp_path / "cut").mkdir()
        with pytest.raises(Stopped):
            run(scenario, tmp_path / "cut", hooks=hooks)
        resumed = run(scenario, tmp_path / "cut", resume=True)
    assert tables(resumed.folder) == tables(whole.folder)


def test_fields_on_demand() -> None:
    """Fields on the last day are those the run wrote; between two kept days the state is interpolated, and told so."""
    folder = finished_run().folder
    last = float(json.loads((folder / "run.json").read_text(encoding="utf-8"))["day"])
    found = fields(folder, last)
    assert "the state of the run itself" in found.note
    assert found.table[0]["bite_n"] == pytest.approx(20.0, rel=5e-3)
    ours, theirs = (pv.read(path).point_data["displacement"] for path in (*found.paths, folder / "fields" / "end.vtu"))
    np.testing.assert_allclose(ours, theirs, atol=2e-3 * np.abs(theirs).max())
    with pytest.raises(InputError, match="is not known; this run knows 0 to"):
        fields(folder, last + 10.0)


def test_states_between_kept_days() -> None:
    """A kept day gives its very state, a day between two the straight line, and the sentence says which it is."""
    history = History()
    for day in (0.0, 10.0):
        maps = {name: np.full(2, day) for name in ("bonded", "damage", "clearance", "motion", "stress")}
        history.add_snapshot(day, maps, np.array([day, -day, 0.0, day, 0.0]))
    state, note = kept_state(history, 10.0, Path("run"))
    assert "the state of the run itself" in note
    np.testing.assert_array_equal(state.memory, [10.0, -10.0, 0.0, 10.0, 0.0])
    state, note = kept_state(history, 2.5, Path("run"))
    assert "interpolated between days 0.0 and 10.0" in note
    np.testing.assert_allclose(state.damage, 2.5)
    np.testing.assert_allclose(state.joints, [[0.0, 2.5, 0.0]])


def test_interface_maps_over_time() -> None:
    """The table of interface maps has every patch at several days from surgery to the end."""
    with (finished_run().folder / "interface.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    days = sorted({float(row["day"]) for row in rows})
    assert days[0] == 0.0
    assert days[-1] == pytest.approx(0.05 * 365.25)
    assert len(rows) % len(days) == 0
    assert {row["screw"] for row in rows} == {f"screw-{k}" for k in range(1, 5)}
