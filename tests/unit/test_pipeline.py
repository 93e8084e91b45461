"""What the pipeline hands over and leaves behind: run folder, tables, fields, plan, mesh, hooks."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from pipeline_models import BENCH_FILE, bench, constructed, finished_run, session_cache

from femsim.errors import FemsimError, Stopped
from femsim.interface.condensation import Operator
from femsim.pipeline import Hooks, mesh, plan, report, run
from femsim.pipeline.setting import prepare
from femsim.report import page
from femsim.results import RunFolder
from femsim.scenario import load_scenario, scenario_hash


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: RunFolder, words: object = None) -> None:
        raise FemsimError("no pictures here")

    monkeypatch.setattr(page, "render_run", refuse)
    monkeypatch.setattr("femsim.pipeline.commands.render_run", refuse)


def test_run_leaves_everything_behind() -> None:
    """A complete run leaves record, resolved scenario, tables, fields, operator, checkpoints and page."""
    result = finished_run()
    tables = [f"{name}.csv" for name in ("plan", "screws", "timeline", "patches", "hardware", "tissue")]
    models = ["mesh.vtu", "operator.npz", "fields/surgery.vtu", "fields/end.vtu", "surfaces/bone.vtp"]
    names = ["run.json", "scenario.yaml", "report.html", "log.jsonl", *tables, *models]
    assert [name for name in names if not (result.folder / name).is_file()] == []
    assert list((result.folder / "checkpoints").glob("*.npz"))
    assert result.status == "complete"
    assert result.report == result.folder / "report.html"
    assert not list(result.folder.rglob(".part-*"))


def test_resolved_scenario_is_the_same_run() -> None:
    """The scenario.yaml in the folder loads again and stands for the same run."""
    record = json.loads((finished_run().folder / "run.json").read_text(encoding="utf-8"))
    assert scenario_hash(load_scenario(finished_run().folder / "scenario.yaml")) == record["hash"]


def test_tables_agree_with_each_other() -> None:
    """The screw table is the last state of the time line, and cycles are days times cycles a day."""
    folder = finished_run().folder
    timeline, screws = rows(folder / "timeline.csv"), rows(folder / "screws.csv")
    assert len(screws) == 4
    assert float(timeline[-1]["day"]) == 0.05 * 365.25
    for row in timeline:
        assert float(row["cycles"]) == pytest.approx(1600 * float(row["day"]))
    last = {row["screw"]: row for row in timeline[-4:]}
    for row in screws:
        for column in ("motion_p95_um", "holding_n", "bonded", "damage", "clearance_um"):
            assert row[column] == last[row["screw"]][column]


def test_fields_hold_the_whole_model() -> None:
    """The fields of the last day are finite and move: bone, plate and every screw."""
    grid = pv.read(finished_run().folder / "fields" / "end.vtu")
    assert {1, 2, 10, 11, 12, 13} == set(np.unique(grid.cell_data["region"]))
    displacement = np.asarray(grid.point_data["displacement"])
    assert np.isfinite(displacement).all()
    assert 0 < np.abs(displacement).max() < 5.0
    assert np.isfinite(np.asarray(grid.cell_data["von_mises"])).all()


def test_operator_file_is_that_of_the_construct() -> None:
    """The stored operator loads and has the size the record states."""
    folder = finished_run().folder
    operator = Operator.load(folder / "operator.npz")
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert len(operator.G) == record["evolution"]["unknowns"] == 3 * record["evolution"]["patches"] + 1
    assert operator.bite_names == ("tip",)


def test_every_constant_has_its_evidence() -> None:
    """Every constant in the record names unit, source and mark."""
    record = json.loads((finished_run().folder / "run.json").read_text(encoding="utf-8"))
    assert len(record["parameters"]) > 50
    assert {entry["mark"] for entry in record["parameters"]} <= {"found", "recalled", "derived", "assumed"}
    assert all(entry["source"] for entry in record["parameters"])


@pytest.mark.usefixtures("without_pictures")
def test_plan_gives_a_table_without_a_mesh(tmp_path: Path) -> None:
    """Planning writes one row per screw and a folder of its own; without a renderer it says so and goes on."""
    notes: list[str] = []
    result = plan(bench(), Hooks(note=notes.append), tmp_path)
    assert [row["screw"] for row in result.table] == [screw.name for screw in result.operation.screws]
    assert result.picture is None
    assert notes == ["no pictures here"]
    (folder,) = tmp_path.iterdir()
    assert len(rows(folder / "plan.csv")) == 4
    assert not (folder / "mesh.vtu").exists()


def test_mesh_is_written_and_cached(tmp_path: Path) -> None:
    """The mesh command writes a file other programs read, and takes a known mesh from the cache."""
    constructed()
    with session_cache():
        result = mesh(bench(), output=tmp_path)
    assert result.from_cache
    assert pv.read(result.path).n_cells == result.mesh["tets"]


@pytest.mark.usefixtures("without_pictures")
def test_report_is_written_again() -> None:
    """The page of a finished run can be written again from its folder alone."""
    path = finished_run().folder / "report.html"
    before = path.read_bytes()
    try:
        assert report(finished_run().folder) == path
        assert b"no pictures here" in path.read_bytes()
    finally:
        path.write_bytes(before)


def test_hooks_tell_stages_and_time(tmp_path: Path) -> None:
    """Each stage is announced once, timed, and a stop is obeyed before the next one."""
    told: list[str] = []
    hooks = Hooks(stage=told.append)
    with hooks.timed("one"):
        pass
    assert told == ["one"]
    assert hooks.timings["one"] >= 0.0
    with pytest.raises(Stopped, match="stopped before two"), Hooks(should_stop=lambda: True).timed("two"):
        pass
    with Hooks(stage=told.append, should_stop=lambda: True).timed("three", stoppable=False):
        pass
    assert told == ["one", "three"]


@pytest.mark.usefixtures("without_pictures")
def test_run_without_any_bite_force(tmp_path: Path) -> None:
    """A patient who does not chew is a valid run: it ends at its horizon, checks pass and nothing loosens."""
    with session_cache():
        result = run(bench("idle", force=0.0, years=0.02), tmp_path)
    record = json.loads((result.folder / "run.json").read_text(encoding="utf-8"))
    assert record["ending"] == "horizon"
    assert record["events"] == []
    assert all(check["passed"] for check in record["checks"])


def test_gallery_bench_is_what_the_tests_run() -> None:
    """The bench file of the gallery gives the same geometry as the scenario of these tests."""
    ours, gallery = (prepare(scenario, Hooks()).operation for scenario in (bench(), load_scenario(BENCH_FILE)))
    np.testing.assert_array_equal(ours.bone.points, gallery.bone.points)
    assert [screw.length for screw in ours.screws] == [screw.length for screw in gallery.screws]
