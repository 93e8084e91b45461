"""The examination of an installation: it names what is missing and what that means, and never fails itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from femsim import doctor
from femsim.fem import pardiso
from femsim.fem.solve import direct


def examined() -> dict[str, doctor.Finding]:
    return {finding.what: finding for finding in doctor.examine(lambda stage: None)}


@pytest.fixture
def no_renderer(monkeypatch):
    """A machine whose graphics library ends the process; also saves the seconds of drawing."""
    monkeypatch.setattr(doctor, "RENDER_TEST", "import os; os._exit(7)")


@pytest.mark.usefixtures("no_renderer")
def test_a_missing_renderer_costs_the_pictures_only():
    """A process that dies while drawing is reported with the packages that help, and the examination goes on."""
    found = examined()
    assert found["renderer"].found == "ended with 7"
    assert "libegl1" in found["renderer"].verdict
    assert found["temporary files"].verdict == "ok"


def test_a_renderer_without_an_answer(monkeypatch):
    """A renderer that hangs is given up after its time."""

    def hangs(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(doctor.subprocess, "run", hangs)
    assert examined()["renderer"].found == "no answer (TimeoutExpired)"


@pytest.mark.usefixtures("no_renderer")
def test_without_pardiso(monkeypatch):
    """Without PARDISO the examination says which solver is used instead and what that means."""
    monkeypatch.setattr(pardiso, "available", lambda: False)
    assert examined()["direct solver"].found == "rslab"
    monkeypatch.setattr(direct, "rslab_available", lambda: False)
    found = examined()["direct solver"]
    assert found.found == "SuperLU"
    assert "small meshes only" in found.verdict


@pytest.mark.usefixtures("no_renderer")
def test_missing_packages(monkeypatch):
    """A package that is needed is to be installed; an optional one is named as optional."""
    monkeypatch.setattr(doctor, "package_versions", lambda: {"numpy": "absent", "mkl": "absent", "femsim": "absent"})
    found = examined()
    assert found["numpy"].verdict == "install it with pip"
    assert found["mkl"].verdict.startswith("optional")
    assert found["femsim"].found == "not installed"


@pytest.mark.usefixtures("no_renderer")
def test_caches_that_do_not_exist_or_cannot_be_written(monkeypatch, tmp_path):
    """A cache that is not there yet is fine; one that cannot be written is said to be so."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "none"))
    assert "not made yet" in examined()["numba cache"].found
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: Path(path) != tmp_path)
    assert "cannot be written" in examined()["numba cache"].verdict
