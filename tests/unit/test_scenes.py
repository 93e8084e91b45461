"""Scenes and cameras off screen: every view stands where anatomy wants it, and the window changes field and view."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from comparison_models import compared_runs

from femsim.errors import InputError
from femsim.report import window
from femsim.report.cameras import CAMERAS, FILLED, aim
from femsim.report.read import read_run
from femsim.report.scenes import SCENES
from femsim.report.window import FIELDS, VIEWS, fields_of, show_run

ASPECT = 1.4
CHILD = """
import json, sys
from pathlib import Path
from femsim.report.catalogue import load_catalogue
from femsim.report.read import read_run
from femsim.report.scenes import make_plotter
from femsim.report.window import VIEWS, Window, fields_of
from femsim.results import RunFolder
run = read_run(RunFolder(Path(sys.argv[1])))
plotter = make_plotter(off_screen=True)
seen = Window(plotter, run, load_catalogue())
seen.paint("operation")
found = {}
for view in VIEWS:
    seen.look(view)
    found[view] = plotter.camera.direction
    picture = plotter.screenshot(return_img=True)
    found[view + " ink"] = float((picture < 250).any(axis=2).mean())
fields = []
for _ in fields_of(run):
    fields.append(seen.field)
    seen.next_field()
print(json.dumps({"views": found, "fields": fields, "last": seen.field}))
"""
"""A child process, as the pictures have: VTK aborts where there is no GL library."""


class Points:
    """A box of points, 60 by 20 by 30 mm."""

    points = np.array([(x, y, z) for x in (0, 60) for y in (0, 20) for z in (0, 30)], dtype=float)
    length = 70.0


class Eye:
    """Takes what a plotter is told about its camera."""

    def __init__(self) -> None:
        self.camera = type("Camera", (), {})()
        self.renderer = type("Renderer", (), {"reset_camera_clipping_range": lambda self: None})()


@pytest.mark.parametrize(
    ("name", "toward", "wide", "tall"),
    [
        ("frontal", (0, -1, 0), 60, 30),
        ("left", (1, 0, 0), 20, 30),
        ("right", (-1, 0, 0), 20, 30),
        ("inferior", (0, 0, -1), 60, 20),
    ],
)
def test_cameras_stand_where_anatomy_wants_them(name: str, toward: tuple[int, ...], wide: float, tall: float):
    """The eye stands in front, at the patient's left or right, or below, and the jaw fills the picture."""
    eye = Eye()
    aim(eye, name, Points(), ASPECT)
    centre = np.array([30.0, 10.0, 15.0])
    assert eye.camera.focal_point == pytest.approx(centre)
    offset = np.asarray(eye.camera.position) - centre
    assert offset / np.linalg.norm(offset) == pytest.approx(np.array(toward, dtype=float))
    assert eye.camera.parallel_scale == pytest.approx(max(tall, wide / ASPECT) / 2 / FILLED)


def test_every_field_has_a_scene():
    """What the window offers is what the pictures show."""
    assert set(FIELDS.values()) <= SCENES.keys()
    assert list(VIEWS) == [*CAMERAS, "plate", "unrolled"]


def test_window_changes_field_and_view(tmp_path: Path):
    """Off screen, every view draws something from its direction, and the fields of a run come round in order."""
    folder = compared_runs(tmp_path)[1]
    surfaces = folder / "surfaces"
    make_surfaces(folder.path)
    assert surfaces.is_dir()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder.path)], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode < 0:
        pytest.skip("no GL library here (Debian: apt install libegl1 libgl1-mesa-dri)")
    assert done.returncode == 0, done.stderr[-800:]
    told = json.loads(done.stdout.splitlines()[-1])
    for name, camera in CAMERAS.items():
        assert told["views"][name] == pytest.approx([-x for x in camera.back], abs=1e-6)
    assert all(told["views"][f"{view} ink"] > 0.02 for view in VIEWS)
    known = fields_of(read_run(folder))
    assert told["fields"] == known == list(FIELDS)
    assert told["last"] == "operation"


def make_surfaces(path: Path) -> None:
    """Surfaces of the bricks, as a run writes them."""
    from viewer_models import bricks

    from femsim.mesh.tetmesh import outer_faces
    from femsim.results.fields import write_surface

    points, tets, region = bricks()
    (path / "surfaces").mkdir()
    for name, chosen in (("bone", region == 1), ("plate", region == 2), ("screws", region >= 10)):
        faces, owners = outer_faces(tets[chosen])
        extra = {"screw": region[chosen][owners] - 10} if name == "screws" else {}
        write_surface(path / "surfaces" / f"{name}.vtp", points, faces, **extra)


@pytest.mark.parametrize(
    ("field", "view", "message"),
    [("colour", None, "has no field 'colour' to show; choose one of"), (None, "top", "has no view 'top' to show")],
)
def test_unknown_field_or_view_is_refused(tmp_path: Path, field: str | None, view: str | None, message: str):
    """A field or view that is not there is refused with those that are."""
    with pytest.raises(InputError, match=message):
        show_run(compared_runs(tmp_path)[0], field, view)


def test_nothing_to_show_is_said(tmp_path: Path):
    """A run without surfaces and fields says so."""
    folder = compared_runs(tmp_path)[0]
    for name in ("surgery", "end"):
        (folder / "fields" / f"{name}.vtu").unlink()
    (folder / "patches.csv").unlink()
    with pytest.raises(InputError, match="no surfaces to show"):
        show_run(folder)
    assert window.fields_of(read_run(folder)) == []
