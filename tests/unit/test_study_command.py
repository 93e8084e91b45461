"""The commands study and bench: what they say without running anything, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from study_models import read_study_table, study_values, written
from test_study_manifest import claimed
from typer.testing import CliRunner

from femsim.cli import app
from femsim.errors import FemsimError, InputError
from femsim.study import bench, execute
from femsim.study.command import Where, planned
from femsim.study.execute import THREADS, LocalPool, environment, run_tasks
from femsim.study.finish import check_sentences, duration, known_times, time_keys, times_file
from femsim.study.folder import StudyFolder
from femsim.study.load import load_study
from femsim.study.plan import plan_study
from femsim.study.point import Workshop
from femsim.study.table import columns, row, write_study_table


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def told(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    return result.exit_code, result.output


# --- dry run --------------------------------------------------------------------------------------------------------


def test_dry_run_counts_meshes_factorisations_and_evolutions(tmp_path):
    """Two plates on the same patients: two meshes and operators, all points, checks named; nothing is made."""
    values = study_values(samples=5, designs={"thick": {}, "thin": {"plate.thickness": "2 mm"}})
    values["sample"] = {"patient.bone_density": {"low": 0.8, "high": 1.0}, "interface.friction": "card"}
    code, text = told("study", written(tmp_path, values), "--dry-run", "--output", tmp_path / "runs")
    assert code == 0
    assert "4 meshes" not in text
    assert "2 meshes" in text
    assert "4 factorisations" in text  # one per plate, two of checks
    assert "12 evolutions, 2 of them to check the shared operator" in text
    assert "how long is not known" in text
    assert not (tmp_path / "runs").exists()


def test_dry_run_takes_times_measured_on_this_machine(tmp_path):
    """Ten points of 6 s on two workers, one mesh of 10 s, one operator of 20 s: 60 s."""
    file = written(tmp_path, study_values(samples=10))
    keys = time_keys(plan_study(load_study(file)))
    times_file().parent.mkdir(parents=True)
    times_file().write_text(json.dumps({keys["mesh"]: 10.0, keys["operator"]: 20.0, keys["point"]: 6.0}))
    assert known_times()[keys["point"]] == 6.0
    lines = planned(file, Where(2))
    assert "10 evolutions, about 6 s each on one worker" in lines
    assert lines[-1].startswith("about 60 s on 2 workers")
    assert planned(file, Where(1))[-1].startswith("about 90 s on 1 worker,")


@pytest.mark.parametrize(("seconds", "text"), [(59.6, "60 s"), (600.0, "10 min"), (9000.0, "2.5 h")])
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text


def test_workers_together_fill_the_cores_and_no_more():
    """Every library that starts threads is bounded in a worker's environment."""
    assert {environment(3)[name] for name in THREADS} == {"3"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--workers", "0"], "at least one worker"),
        (["--dask", "tcp://127.0.0.1:1", "--slurm", ""], "exclude each other"),
        (["--slurm", "--partition=cpu"], "how many jobs"),
        (["--resume"], "no study of 'blocks' to resume"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path, options, sentence):
    """Exit code 2, a sentence, nothing made."""
    code, text = told("study", written(tmp_path), "--output", tmp_path / "runs", *options)
    assert code == 2
    assert sentence in text
    assert "Traceback" not in text


def test_resume_tells_that_the_study_has_changed(tmp_path):
    """A study of the same name and another content is not continued."""
    file = written(tmp_path)
    StudyFolder.create(tmp_path / "runs", plan_study(load_study(file)))
    written(tmp_path, study_values(samples=9))
    code, text = told("study", file, "--resume", "--output", tmp_path / "runs")
    assert code == 2
    assert "has changed since its study was started" in text


def test_a_folder_that_is_no_study_is_refused(tmp_path):
    code, text = told("study", tmp_path)
    assert code == 2
    assert "no study folder" in text


def test_an_attempt_that_another_process_has_begun_is_left_to_it(tmp_path):
    """Where file locks do not work, the attempt's folder decides: nothing is run, nothing is recorded."""
    folder = StudyFolder.create(tmp_path / "runs", plan_study(load_study(written(tmp_path))))
    for _ in ("mesh", "operator"):
        folder.manifest.finish(claimed(folder.manifest), "done")
    claim = claimed(folder.manifest)
    (folder.point(claim.name) / "attempt-1").mkdir(parents=True)
    assert Workshop(folder).do(claim) == "taken"
    assert folder.record(claim.name) is None
    assert folder.manifest.states()[claim.name][0] == "running"


@pytest.mark.parametrize("status", ["done", "failed"])
def test_a_record_of_a_worker_that_died_too_early_is_kept(tmp_path, status):
    """A point whose record is whole is not run again, its status is the record's, and the first record stays."""
    folder = StudyFolder.create(tmp_path / "runs", plan_study(load_study(written(tmp_path))))
    for _ in ("mesh", "operator"):
        folder.manifest.finish(claimed(folder.manifest), "done")
    claim = claimed(folder.manifest)
    for attempt in (1, 2):
        (folder.point(claim.name) / f"attempt-{attempt}").mkdir(parents=True)
        folder.publish(claim.name, attempt, {"status": status, "reason": "why", "seconds": float(attempt)})
    assert Workshop(folder).do(claim) == status
    assert folder.record(claim.name)["seconds"] == 1.0
    assert folder.manifest.states()[claim.name] == (status, "why" if status == "failed" else "")


def test_workers_that_cannot_take_part_end_the_study_with_their_reason(tmp_path, monkeypatch):
    """When nothing moves and workers only die, the study says what the last one said."""
    folder = StudyFolder.create(tmp_path / "runs", plan_study(load_study(written(tmp_path))))
    with folder.manifest._change() as connection:
        connection.execute("UPDATE about SET value='other' WHERE key='cube'")
    monkeypatch.setattr(execute, "MOST_DEATHS", -5)
    with pytest.raises(FemsimError, match=r"the last one said: '.*this machine draws other patients"):
        run_tasks(folder, LocalPool(folder, 1), lambda *counts: None)


# --- table ----------------------------------------------------------------------------------------------------------


def test_table_has_the_agreed_columns_and_reads_back(tmp_path):
    """Columns in order; None is an empty cell; Parquet holds the same where pyarrow is."""
    inputs = ("tissue.kf", "plate.preset")
    head = {"point": 1, "design": "thin", "sample": 3, "status": "done", "reason": ""}
    one = row(head, inputs, {"tissue.kf": 0.05, "plate.preset": "low"}, {"end_day": 730.5, "first_loose_day": None})
    two = row({**head, "point": 2, "status": "failed", "reason": "no"}, inputs, {"tissue.kf": 0.06}, {})
    files = write_study_table(tmp_path, [one, two])
    assert tuple(one) == columns(inputs)
    assert columns(inputs)[:7] == (
        "point",
        "design",
        "sample",
        "status",
        "reason",
        "input:tissue.kf",
        "input:plate.preset",
    )
    back = read_study_table(tmp_path)
    assert (back[0]["end_day"], back[0]["first_loose_day"], back[0]["input:plate.preset"]) == (730.5, None, "low")
    if len(files) == 2:
        parquet = pytest.importorskip("pyarrow.parquet")
        table = parquet.read_table(files[1]).to_pylist()
        assert [tuple(one) for one in table] == [columns(inputs)] * 2
        assert table[0]["end_day"] == 730.5
        assert table[1]["input:plate.preset"] is None


def test_operator_check_is_told_point_by_point():
    """The error of sharing is said as days and margins of both operators."""
    row_of = {"point": 7, "design": "a", "sample": 7, "first_loose_day_shared": 100.0, "first_loose_day_own": None}
    lines = check_sentences([{**row_of, "margin_motion_shared": -0.1, "margin_motion_own": 0.05}])
    assert "point 7: first loose screw day 100.0 (own operator: none)" in lines[1]
    assert "-0.100 (0.050)" in lines[1]


# --- bench ----------------------------------------------------------------------------------------------------------


def result(path: Path, suite: str = "quick", **figures: float) -> Path:
    content = {"kind": "femsim bench", "version": 1, "suite": suite, "figures": {"bench_study": figures}}
    path.write_text(json.dumps(content))
    return path


def test_compare_prints_the_ratio_of_every_common_figure(tmp_path):
    """Second over first; figures that only one file has are left out."""
    first = result(tmp_path / "a.json", samples_per_hour=1000.0, gone=1.0)
    second = result(tmp_path / "b.json", samples_per_hour=1500.0)
    code, text = told("bench", "--compare", first, second)
    assert code == 0
    assert "samples_per_hour" in text
    assert "1.5" in text
    assert "gone" not in text


def test_compare_refuses_other_suites_and_other_files(tmp_path):
    """Figures of different configurations have no ratio."""
    first = result(tmp_path / "a.json")
    with pytest.raises(InputError, match="cannot be compared"):
        bench.compared(first, result(tmp_path / "b.json", suite="standard"))
    (tmp_path / "c.json").write_text("{}")
    with pytest.raises(InputError, match="no result of 'femsim bench'"):
        bench.compared(first, tmp_path / "c.json")


def test_bench_says_that_an_installed_femsim_has_no_scripts(tmp_path, monkeypatch):
    """The wheel has no benchmarks; the sentence tells where they are."""
    monkeypatch.setattr(bench, "__file__", str(tmp_path / "site-packages" / "femsim" / "study" / "bench.py"))
    with pytest.raises(InputError, match="source tree"):
        bench.scripts_folder()


def test_bench_runs_scripts_and_keeps_what_a_failing_one_leaves(tmp_path, monkeypatch):
    """Figures of all scripts in one JSON with the machine; a failed script is named and its sentence kept."""
    scripts = tmp_path / "benchmarks"
    scripts.mkdir()
    good = "import json, sys\njson.dump({'machine': {'cpus': 2}, 'figures': {'x': 1.5}}, open(sys.argv[-1], 'w'))\n"
    (scripts / "bench_good.py").write_text(good)
    (scripts / "bench_bad.py").write_text("raise SystemExit('no such solver')\n")
    monkeypatch.setattr(bench, "scripts_folder", lambda: scripts)
    suites = tuple(bench.Script(name, ("--quick",), None) for name in ("bench_good.py", "bench_bad.py"))
    monkeypatch.setattr(bench, "SUITES", suites)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match="bench_bad failed"):
        bench.run_suite("quick", tmp_path / "out.json", lambda text: None)
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["figures"] == {"bench_good": {"x": 1.5}}
    assert content["failed"] == {"bench_bad": "bench_bad.py: no such solver"}
    assert content["environment"]["cores"] >= 1
    assert content["environment"]["packages"]["numpy"]
