"""Exports that cannot be: one sentence, exit code 2, nothing written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pipeline_models import BENCH_FILE
from typer.testing import CliRunner

from femsim.cli import app
from femsim.durable import write_json


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run that was stopped before it had a mesh."""
    folder = tmp_path / "runs" / "begun-00000000"
    folder.mkdir(parents=True)
    write_json(folder / "run.json", {"kind": "femsim run", "format": 1, "status": "stopped"})
    shutil.copy(BENCH_FILE, folder / "scenario.yaml")
    return folder


def refused(*arguments: object, words: str) -> None:
    """Call ``femsim export`` and expect one sentence with these words."""
    result = CliRunner().invoke(app, ["export", *map(str, arguments)])
    assert result.exit_code == 2, result.output
    assert words in result.output
    told = [line for line in result.output.strip().splitlines() if not line.startswith("planning the operation")]
    assert len(told) == 1


def test_unknown_program(begun: Path) -> None:
    """The programs that are known are named."""
    refused(begun, "--to", "ansys", words="choose one of calculix, abaqus, febio")


def test_run_without_mesh(begun: Path) -> None:
    """The message tells the status of the run and what to do."""
    refused(begun, "--to", "calculix", words="no mesh.npz (status: stopped)")
    assert not list(begun.glob("*.inp"))


def test_nothing_there(tmp_path: Path) -> None:
    """Neither a folder nor a file."""
    refused(tmp_path / "absent", "--to", "calculix", words="no run folder or scenario file there")


def test_folder_that_is_no_run(tmp_path: Path) -> None:
    """A folder without the record of a run."""
    refused(tmp_path, "--to", "febio", words="no run.json")


def test_damaged_mesh(begun: Path) -> None:
    """A mesh that cannot be read."""
    (begun / "mesh.npz").write_bytes(b"not a mesh")
    refused(begun, "--to", "calculix", words="mesh.npz")


def test_existing_file(begun: Path) -> None:
    """An existing file is left alone, before any work."""
    target = begun / "surgery-calculix.inp"
    target.write_text("mine")
    refused(begun, "--to", "calculix", words="not overwritten")
    assert target.read_text() == "mine"


def test_missing_folder(begun: Path) -> None:
    """A file in a folder that does not exist."""
    refused(begun, "--to", "calculix", "-o", begun / "absent" / "m.inp", words="does not exist")


def test_unknown_task() -> None:
    """A task that the scenario has not got; refused before the mesh is made."""
    refused(BENCH_FILE, "--to", "abaqus", "--task", "molar", "-o", "never-written.inp", words="choose one of")
    assert not Path("never-written.inp").exists()


def test_orthotropic_cortex_for_febio(tmp_path: Path) -> None:
    """FEBio has no such material; refused before the mesh is made."""
    scenario = tmp_path / "orthotropic.yaml"
    scenario.write_text(BENCH_FILE.read_text(encoding="utf-8") + "bone: {cortical: orthotropic}\n", encoding="utf-8")
    refused(scenario, "--to", "febio", "-o", tmp_path / "m.feb", words="orthotropic cortex")
    assert not (tmp_path / "m.feb").exists()
