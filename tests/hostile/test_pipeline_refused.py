"""Operations, surfaces and disks that do not work, through the whole pipeline: one sentence, true records."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv
from pipeline_models import bench, bench_values, finished_run, session_cache

from femsim import durable
from femsim.errors import FemsimError, GeometryError, InputError, Stopped
from femsim.geometry.parametric import MandibleShape, mandible_surface
from femsim.pipeline import Hooks, mesh, plan, run
from femsim.pipeline.setting import prepare
from femsim.report import page
from femsim.results import write_text
from femsim.scenario import scenario_from_mapping


def jaw_values(**sections: Any) -> dict[str, Any]:
    """A jaw operation as a mapping."""
    values = bench_values()
    values |= {
        "jaw": {"parametric": {}},
        "resection": {"side": "left", "from": 34, "to": 36},
        "plate": {"preset": "reconstruction-2.5", "height": "9 mm", "standoff": "0.6 mm"},
    }
    values["screws"]["per_stump"] = 3
    values["loading"] = {"tasks": [{"bite": "right-first-molar", "force": "100 N"}]}
    return values | sections


def refusal(values: dict[str, Any], folder: Path | None = None) -> FemsimError:
    """The error that planning ends with: one sentence of reasonable length, exit code 2."""
    with pytest.raises(InputError) as caught:
        prepare(scenario_from_mapping(values, "bad.yaml", folder), Hooks())
    message = str(caught.value)
    assert "\n" not in message
    assert 20 < len(message) < 400
    assert caught.value.exit_code == 2
    return caught.value


@pytest.fixture(scope="module")
def outline() -> pv.PolyData:
    surface, _ = mandible_surface(MandibleShape.default(), edge=3.0)
    return surface.polydata


def test_plate_that_misses_the_bone() -> None:
    """A plate laid higher than the bone reaches is refused with its height."""
    error = refusal(jaw_values(plate={"preset": "reconstruction-2.5", "height": "30 mm"}))
    assert isinstance(error, GeometryError)
    assert "height" in str(error)


def test_screw_in_the_defect() -> None:
    """A screw that would end in the defect is refused by name with its distance."""
    overrides = {"screws.tilt": "0 degree", "screws.bone_around": "8 mm"}
    error = refusal(jaw_values(parameters=overrides, screws={"preset": "locking-2.4", "per_stump": 1}))
    assert isinstance(error, GeometryError)
    assert "screw in the defect" in str(error)


def test_screw_too_short_for_the_bone() -> None:
    """A screw too short to reach bone through plate and gap is refused with the length in bone."""
    values = bench_values()
    values["screws"]["length"] = "4 mm"
    assert "at least 2 mm" in str(refusal(values))


def test_more_screws_than_bone() -> None:
    """More screws than a stump has room for are refused."""
    screws = {"preset": "locking-2.4", "per_stump": {"mesial": 3, "distal": 8}}
    values = jaw_values(screws=screws, plate={"preset": "reconstruction-2.5", "pitch": "15 mm"})
    assert "do not fit" in str(refusal(values))


def test_surface_in_metres(outline: pv.PolyData, tmp_path: Path) -> None:
    """A jaw exported in metres is refused and the unit is named."""
    outline.scale(1e-3).save(tmp_path / "jaw.stl")
    assert "metres" in str(refusal(jaw_values(jaw={"surface": "jaw.stl"}), tmp_path))


def test_open_surface(outline: pv.PolyData, tmp_path: Path) -> None:
    """A jaw with a hole is refused with the place of the hole."""
    part = outline.extract_cells(np.arange(40, outline.n_cells)).extract_surface(algorithm=None)
    part.save(tmp_path / "jaw.stl")
    assert "not closed" in str(refusal(jaw_values(jaw={"surface": "jaw.stl"}), tmp_path))


def test_surface_that_is_no_jaw(tmp_path: Path) -> None:
    """A ball of jaw size is refused."""
    pv.Sphere(radius=55, theta_resolution=60, phi_resolution=60).save(tmp_path / "ball.stl")
    assert "does not look like a mandible" in str(refusal(jaw_values(jaw={"surface": "ball.stl"}), tmp_path))


def test_refused_run_says_so_in_its_record(tmp_path: Path) -> None:
    """The folder of a run that was refused tells status and reason, and holds no page that looks like a result."""
    values = bench_values()
    values["screws"]["length"] = "4 mm"
    with pytest.raises(InputError) as caught:
        run(scenario_from_mapping(values, "short.yaml"), tmp_path)
    (folder,) = tmp_path.glob("short-*")
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record["status"] == "invalid input"
    assert record["reason"] == str(caught.value)
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("work", [run, plan, mesh])
def test_output_that_is_a_file(tmp_path: Path, work: Any) -> None:
    """An output path that is a file is refused before any work of a run, and the file stays."""
    target = tmp_path / "taken"
    target.write_text("mine")
    with session_cache(), pytest.raises(InputError, match="no run folder can be made"):
        work(bench(), **({"runs": target} if work is run else {"output": target}))
    assert target.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder without permission is refused."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="choose another --output"):
            run(bench(), tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_full_disk_during_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up ends the run with one sentence; what was written before stays whole and readable."""
    real, calls = os.fsync, iter(range(1000))

    def filling(descriptor: int) -> None:
        if next(calls) >= 4:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(durable.os, "fsync", filling)
    with session_cache(), pytest.raises(FemsimError, match="No space left on device") as caught:
        run(bench("full"), tmp_path)
    assert "\n" not in str(caught.value)
    (folder,) = tmp_path.glob("full-*")
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["status"] == "running"
    assert not list(folder.rglob(".part-*"))


def test_full_disk_leaves_the_old_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing the page again on a full disk fails in one sentence and keeps the page that was there."""
    path = finished_run().folder / "report.html"
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(FemsimError, match="No space left"):
        write_text(path, "half a page")
    assert path.read_bytes() == before
    assert not list(path.parent.glob(".part-*"))


def test_stop_before_the_first_stage(tmp_path: Path) -> None:
    """A stop asked for at once leaves a folder that says so and can be resumed."""
    with pytest.raises(Stopped, match="--resume"):
        run(bench("early"), tmp_path, hooks=Hooks(should_stop=lambda: True))
    (folder,) = tmp_path.glob("early-*")
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["status"] == "stopped"


def test_page_of_a_stop_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run stopped among its years keeps its own reason and gets a page although the stop is still asked for."""
    reached: list[float] = []
    monkeypatch.setattr(page, "render_run", lambda *given: None)
    hooks = Hooks(
        progress=lambda name, fraction: reached.append(fraction or 0.0) if name == "years of chewing" else None,
        should_stop=lambda: len(reached) >= 2,
    )
    with session_cache(), pytest.raises(Stopped, match="stopped on day"):
        run(bench("stopped", years=0.05), tmp_path, hooks=hooks)
    (folder,) = tmp_path.glob("stopped-*")
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["reason"].startswith("stopped on day")
    assert "This run is not complete" in (folder / "report.html").read_text(encoding="utf-8")
