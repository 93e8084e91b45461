"""Bad input to the commands: exit code 2, one clear sentence, no traceback, no run that looks unfinished."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from operation_models import adult_jaw
from typer.testing import CliRunner

from femsim.cli import app
from femsim.geometry.bench_block import box_surface
from femsim.geometry.surface import Surface
from femsim.pipeline import anatomy

ROOT = Path(__file__).resolve().parents[2]
GOOD = """\
schema: 1
title: test
jaw: {parametric: {}}
resection: {side: left, from: 34, to: 36}
plate: {preset: reconstruction-2.5}
screws: {preset: locking-2.4, per_stump: 4, length: bicortical}
loading: {tasks: [{bite: right-first-molar, force: 150 N}]}
simulate: {years: 1}
mesh: {preset: preview}
"""
SURFACE = ("{parametric: {}}", "{surface: jaw.stl}")

# replacements (old, new) in the good file, words that the sentence has to contain
SCENARIO_ERRORS = {
    "wrong unit": ([("150 N", "150 kg")], [":7: loading.tasks.0.force: ", "wrong dimension", "N"]),
    "no unit": ([("150 N", "150")], [":7: loading.tasks.0.force: ", "has no unit", "'150 N'"]),
    "unknown key": ([("per_stump", "perstump")], [":6: screws.perstump: ", "did you mean 'per_stump'?"]),
    "missing surface": ([SURFACE], [":3: jaw.surface: ", "no file 'jaw.stl'"]),
    "plate at the bone": ([("-2.5}", "-2.5, standoff: 0.1 mm}")], [":5: plate.standoff: ", "0.2 mm to 5 mm"]),
    "plate under the border": ([("-2.5}", "-2.5, height: 3 mm}")], [":5: plate.height: ", "at least 4 mm"]),
}
PLANNING_ERRORS = {
    "plate misses the bone": ([("-2.5}", "-2.5, height: 30 mm}")], ["the plate misses the bone by", "another height"]),
    "too many screws": (
        [("-2.5}", "-2.5, pitch: 15 mm}"), ("per_stump: 4", "per_stump: 8")],
        ["8 screws do not fit on the distal stump", "take fewer screws"],
    ),
    "screw in the defect": (
        [("2.4", "3.0"), ("bicortical}", "bicortical, minimal_distance_to_cut: 2 mm}")],
        ["a screw in the defect", "from the bone cut", "at least"],
    ),
    "screw too short": ([("bicortical", "4 mm")], ["in bone, at least 2 mm are needed"]),
    "screw too long": ([("bicortical", "30 mm")], ["passes the far cortex by", "or 'bicortical'"]),
}


@pytest.fixture(autouse=True)
def one_jaw(monkeypatch):
    """The parametric jaw is built once for all tests."""
    monkeypatch.setattr(anatomy, "parametric_jaw", lambda shape: adult_jaw())


def scenario(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = GOOD
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = tmp_path / "case.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(command: str, path: Path) -> str:
    """Run a command that has to refuse and return its only sentence."""
    result = CliRunner().invoke(
        app, [command, str(path), *([] if command == "check" else ["-o", str(path.parent / "runs")])]
    )
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    return result.stderr.strip()


def nothing_unfinished(tmp_path: Path, command: str, sentence: str) -> None:
    """A plan leaves nothing behind; a run leaves a record that says what was wrong, and no results."""
    folders = list((tmp_path / "runs").glob("*"))
    if command != "run":
        assert folders == []
        return
    (folder,) = folders
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert (record["status"], record["reason"]) == ("invalid input", sentence)
    files = {item.name for item in folder.rglob("*") if item.is_file()}
    assert files <= {"run.json", "log.jsonl", "scenario.yaml"}


@pytest.mark.parametrize("case", SCENARIO_ERRORS)
@pytest.mark.parametrize("command", ["check", "plan", "mesh", "run"])
def test_wrong_scenario_leaves_nothing(tmp_path, command, case):
    """An error in the scenario file is told with its line before anything is made."""
    changes, words = SCENARIO_ERRORS[case]
    path = scenario(tmp_path, *changes)
    sentence = refused(command, path)
    assert sentence.startswith(f"{path}:")
    assert all(word in sentence for word in words), sentence
    assert [item.name for item in tmp_path.iterdir()] == ["case.yaml"]


@pytest.mark.parametrize("case", PLANNING_ERRORS)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_impossible_operation_is_refused(tmp_path, command, case):
    """What only the geometry shows is refused with place, number and advice, and no run looks unfinished."""
    changes, words = PLANNING_ERRORS[case]
    sentence = refused(command, scenario(tmp_path, *changes))
    assert all(word in sentence for word in words), sentence
    nothing_unfinished(tmp_path, command, sentence)


def ball(open_at: float = 2.0) -> Surface:
    """A ball of 50 mm radius; faces above ``open_at`` radii are left out."""
    import pyvista as pv

    solid = Surface.from_polydata(pv.Sphere(radius=50.0))
    return Surface(solid.points, solid.triangles[solid.points[solid.triangles, 2].min(axis=1) <= 50.0 * open_at])


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("open", ["jaw.stl: the surface is not closed", "of its edges are free", "close larger ones and export"]),
        ("cut off", ["jaw.stl: the file is broken or cut off", "again"]),
        ("empty", ["jaw.stl: the file is broken or cut off", "0 bytes"]),
        ("text", ["jaw.stl: "]),
        ("ball", ["jaw.stl: the surface does not look like a mandible"]),
        ("metres", ["jaw.stl: the longest extent is", "in millimetres"]),
    ],
)
def test_bad_surface_file_is_refused(tmp_path, command, shape, words):
    """A surface that is open, broken, no jaw or in another unit is refused by name and with what to do."""
    file = tmp_path / "jaw.stl"
    surfaces = {"open": ball(0.8), "metres": box_surface([0, 0, 0], [0.12, 0.1, 0.07])}
    surfaces.get(shape, ball()).polydata.save(file)
    content = file.read_bytes()
    file.write_bytes({"cut off": content[: len(content) // 2], "empty": b"", "text": b"a" * 500}.get(shape, content))
    sentence = refused(command, scenario(tmp_path, SURFACE))
    assert all(word in sentence for word in words), sentence
    nothing_unfinished(tmp_path, command, sentence)


@pytest.mark.parametrize("command", ["plan", "run"])
def test_output_that_is_a_file(tmp_path, command):
    """A place where no folder can be made is told as such."""
    path = scenario(
        tmp_path,
        ("{parametric: {}}", "{bench_block: {}}"),
        ("{side: left, from: 34, to: 36}", "null"),
        ("right-first-molar", "tip"),
    )
    (tmp_path / "runs").write_text("a file", encoding="utf-8")
    assert "no run folder can be made here" in refused(command, path)


@pytest.mark.parametrize(
    "arguments",
    [("report", "none"), ("show", "none"), ("run", "none.yaml"), ("run", "."), ("compare", "none.yaml")],
)
def test_missing_files_and_folders(tmp_path, arguments):
    """A path that leads nowhere is one sentence for every command that takes one."""
    command, name = arguments
    result = CliRunner().invoke(app, [command, str(tmp_path / name)])
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert str(tmp_path / name) in result.stderr
    assert list(tmp_path.iterdir()) == []


def not_a_number() -> Surface:
    """A box with a corner that is nowhere; the reading library complains about it in a log of its own."""
    box = box_surface([0, 0, 0], [120, 100, 70])
    return Surface(np.where(np.arange(len(box.points))[:, None] == 3, np.nan, box.points), box.triangles)


@pytest.mark.parametrize(
    ("surface", "words"), [(ball(0.8), "the surface is not closed"), (not_a_number(), "export the surface again")]
)
def test_as_a_process(tmp_path, surface, words):
    """The program itself keeps to it: exit code 2, one line on standard error, nothing on standard output."""
    surface.polydata.save(tmp_path / "jaw.stl")
    path = scenario(tmp_path, SURFACE)
    command = [sys.executable, "-m", "femsim.cli", "run", str(path), "-o", str(tmp_path / "runs")]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr
    nothing_unfinished(tmp_path, "run", done.stderr.strip())
