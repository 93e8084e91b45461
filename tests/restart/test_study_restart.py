"""Studies whose scheduler, workers or both are killed end with the table of one that was left alone."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline_models import session_cache, workspace
from study_models import comparable, finished, read_study_table, started, study_values, written

from femsim.study.command import Where, run_study
from femsim.study.folder import StudyFolder

POINTS = 10
PATIENCE = 240.0
"""Seconds to wait for something that takes a few on a machine that does nothing else."""


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    with session_cache() as found:
        yield found


def study_in(folder: Path, **more: Any) -> Path:
    """Ten points of about a second, of which the fourth list entry cannot be run."""
    values = study_values(samples=2, **more)
    good = [{"tissue.tlag": f"{days} day"} for days in (9, 11, 13, 15)]
    # The capillary pressure must exceed that of the tissue: valid as a number, refused by the tissue model.
    values["list"] = [*good[:3], {"tissue.pc": "60 mmHg"}, good[3]]
    return written(folder, values, years=0.05)


def undisturbed() -> list[dict[str, Any]]:
    """Table of the study left alone with one worker; made once per session."""
    runs = workspace() / "study-alone"
    known = list(runs.glob("blocks-*/table.csv"))
    if not known:
        finished(study_in(runs / "file"), runs)
        known = list(runs.glob("blocks-*/table.csv"))
    return read_study_table(known[0].parent)


def folder_in(runs: Path) -> StudyFolder:
    wait_for(lambda: bool(list(runs.glob("blocks-*/manifest.sqlite"))))
    return StudyFolder(next(runs.glob("blocks-*/manifest.sqlite")).parent)


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "nothing happened for minutes"
        time.sleep(0.05)


def done(folder: StudyFolder) -> int:
    return sum(1 for _ in folder.path.glob("points/*/record.json"))


def workers_of(folder: StudyFolder) -> list[int]:
    """Process numbers of the study's workers on this machine."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"femsim.study.worker" in words and str(folder.path).encode() in words:
            found.append(int(entry.name))
    return found


def test_a_failing_point_is_recorded_and_stops_nothing(environment):
    """Its reason stands in the table; all others are done; failures have no outcome."""
    rows = undisturbed()
    assert [row["status"] for row in rows] == ["done"] * 6 + ["failed"] * 2 + ["done"] * 2
    assert all("tissue.pc is 60 mmHg" in row["reason"] for row in rows[6:8])
    assert all(row["end_day"] is None for row in rows[6:8])
    assert {row["ending"] for row in rows} == {"horizon", None}


def test_killed_workers_and_schedulers_change_nothing(tmp_path, environment):
    """A worker, then the scheduler, then everything is killed; the resumed study ends with the identical table."""
    expected = undisturbed()
    file, runs = study_in(tmp_path / "file"), tmp_path / "runs"
    first = started(file, runs, environment, "--workers", "2")
    folder = folder_in(runs)
    wait_for(lambda: done(folder) >= 1 and len(workers_of(folder)) == 2)
    os.kill(workers_of(folder)[0], signal.SIGKILL)
    reached = done(folder)
    wait_for(lambda: done(folder) >= reached + 2)
    first.kill()
    first.communicate()
    wait_for(lambda: not workers_of(folder))  # workers do not outlive their study
    assert done(folder) < POINTS

    second = started(file, runs, environment, "--resume", "--workers", "2")
    wait_for(lambda: len(workers_of(folder)) == 2)
    reached = done(folder)
    wait_for(lambda: done(folder) > reached)
    for number in [second.pid, *workers_of(folder)]:
        os.kill(number, signal.SIGKILL)
    second.communicate()
    kept = {path: path.read_bytes() for path in folder.path.glob("points/*/record.json")}

    run_study(file, Where(1), runs, resume=True)
    assert comparable(read_study_table(folder.path)) == comparable(expected)
    assert all(path.read_bytes() == content for path, content in kept.items())  # nothing was overwritten
    assert len(list(runs.glob("blocks-*"))) == 1


def test_two_processes_share_a_study(tmp_path, environment):
    """A second process joins with --resume; every point is run exactly once and both end with the whole table."""
    expected = undisturbed()
    file, runs = study_in(tmp_path / "file"), tmp_path / "runs"
    first = started(file, runs, environment, "--workers", "1")
    folder = folder_in(runs)
    second = started(file, runs, environment, "--resume", "--workers", "1")
    for process in (first, second):
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, output
    assert comparable(read_study_table(folder.path)) == comparable(expected)
    attempts = [path.name for path in folder.path.glob("points/*/attempt-*")]
    assert attempts == ["attempt-1"] * POINTS


@pytest.mark.slow
def test_stopped_study_is_resumed_and_a_new_one_gets_its_own_folder(tmp_path, environment):
    """A termination signal leaves a table of what is finished, exit code 4; without --resume nothing is touched."""
    file, runs = study_in(tmp_path / "file"), tmp_path / "runs"
    process = started(file, runs, environment, "--workers", "1")
    folder = folder_in(runs)
    wait_for(lambda: done(folder) >= 1)
    process.terminate()
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 4, output
    assert "continue with --resume" in output
    states = [row["status"] for row in read_study_table(folder.path)]
    assert "done" in states
    assert "queued" in states
    again = StudyFolder.create(runs, folder.plan())
    assert again.path.name == "study-" + folder.path.name.split("-")[1]  # the folder's own study file has this name
    finished_now, rows = finished(file, runs, resume=True)
    assert finished_now.folder == folder.path
    assert comparable(rows) == comparable(undisturbed())


@pytest.mark.slow
def test_two_hundred_points_of_which_five_fail(tmp_path, environment):
    """Five points that cannot be run fail with their reason; the other 195 are done, on one factorisation."""
    values = study_values(samples=5)
    values["list"] = [{"tissue.tlag": f"{8.0 + 0.25 * number} day"} for number in range(39)] + [
        {"tissue.pc": "60 mmHg"}
    ]
    found, rows = finished(written(tmp_path / "file", values), tmp_path / "runs", workers=2)
    assert len(rows) == 200
    assert [row["point"] for row in rows if row["status"] == "failed"] == [196, 197, 198, 199, 200]
    assert sum(row["status"] == "done" for row in rows) == 195
    assert found.factorisations <= 1


@pytest.mark.slow
def test_the_error_of_sharing_an_operator_is_measured(tmp_path, environment):
    """A point with sampled density is run with its own operator too; both results are told and kept."""
    values = study_values(samples=2, operator_checks=1)
    values["sample"] = {"patient.bone_density": {"low": 0.7, "high": 0.8}}
    found, rows = finished(written(tmp_path / "file", values, years=0.05), tmp_path / "runs")
    assert len(rows) == 2  # checks are no rows of the table
    (check,) = json.loads((found.folder / "operator_check.json").read_text(encoding="utf-8"))["rows"]
    assert check["point"] == 2
    shared = next(row for row in rows if row["point"] == 2)
    assert check["margin_motion_shared"] == shared["margin_motion"]
    assert check["margin_motion_own"] != shared["margin_motion"]
    assert check["margin_motion_own"] == pytest.approx(shared["margin_motion"], abs=0.05)
    assert any("was checked on 1 points" in sentence for sentence in found.sentences)
