"""The whole pipeline on a real jaw: left body defect 33 to 37, 2.5 mm plate, three screws a stump, 60 Gy a year ago."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista as pv
from pipeline_models import session_cache

from femsim.geometry.surface import Surface
from femsim.pipeline import Hooks, run
from femsim.pipeline.setting import Setting, prepare
from femsim.scenario import Scenario, scenario_from_mapping

pytestmark = pytest.mark.slow


def scenario(jaw: Path) -> Scenario:
    course = {"prescription": "60 Gy", "fractions": 30, "field": {"uniform": {}}}
    return scenario_from_mapping(
        {
            "schema": 1,
            "title": "Real jaw, left body defect",
            "jaw": {"surface": str(jaw)},
            "resection": {"side": "left", "from": 33, "to": 37},
            "plate": {"preset": "reconstruction-2.5"},
            "screws": {"preset": "locking-2.4", "per_stump": 3, "length": "bicortical"},
            "irradiation": {"surgery_after": "12 months", "courses": [course]},
            "loading": {"tasks": [{"bite": "right-first-molar", "force": "150 N", "cycles_per_day": 1600}]},
            "simulate": {"years": 0.1},
            "mesh": {"preset": "preview"},
        },
        "real-jaw.yaml",
    )


@pytest.fixture(scope="module")
def setting(real_jaw_path: Path) -> Setting:
    return prepare(scenario(real_jaw_path), Hooks())


@pytest.fixture(scope="module")
def finished(real_jaw_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with session_cache():
        return run(scenario(real_jaw_path), tmp_path_factory.mktemp("real")).folder


@pytest.fixture(scope="module")
def record(finished: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((finished / "run.json").read_text(encoding="utf-8"))
    return content


def test_plate_lies_on_the_bone(setting: Setting) -> None:
    """The plate's inner face runs 0.3 to 2 mm off the outside of the uncut jaw, all along, and never inside it."""
    (plate,) = setting.operation.plates
    assert 0.3 <= plate.clearance[0] <= plate.clearance[1] <= 2.0
    inner = plate.path - 0.5 * plate.thickness * plate.outward
    assert setting.operation.jaw is not None
    whole: Surface = setting.operation.jaw.surface
    assert not whole.contains(plate.surface.points).any()
    near = whole.signed_distance(inner)
    assert near.min() > 0.2
    assert np.median(near) < 2.0


def test_screws_are_in_bone(setting: Setting) -> None:
    """Three screws a stump, each with most of its length in bone that stays, and clear of the cut."""
    operation = setting.operation
    assert [screw.stump for screw in operation.screws] == ["mesial"] * 3 + ["distal"] * 3
    for screw in operation.screws:
        assert screw.length_in_bone > 6.0
        assert screw.distance_to_cut > 2.0
        depth = screw.bone_entry + np.linspace(0.2, 0.8, 7) * screw.length_in_bone
        assert operation.bone_contains(screw.head + depth[:, None] * screw.axis).mean() > 0.7


def test_mesh_is_sound(record: dict[str, Any]) -> None:
    """No inverted element, two stumps, plate volume and interface area as designed."""
    mesh = record["mesh"]
    assert mesh["inverted"] == 0
    assert mesh["bone_pieces"] == 2
    assert mesh["scaled_jacobian"]["min"] > 0.02
    assert abs(mesh["plate_volume_error"]) < 0.03
    assert abs(mesh["interface_area_error"]) < 0.05


def test_run_is_complete_and_balanced(record: dict[str, Any]) -> None:
    """The run reaches its horizon, every check passes and both joints are pressed."""
    assert record["status"] == "complete"
    assert record["ending"] == "horizon"
    assert all(check["passed"] for check in record["checks"])
    reactions = {name: np.array(force) for name, force in record["reactions_n"].items()}
    assert np.abs(sum(reactions.values())).max() <= 1e-6 * np.linalg.norm(reactions["applied"])
    assert reactions["condyle_left"][2] < 0.0
    assert reactions["condyle_right"][2] < 0.0


def test_dose_reaches_every_screw(record: dict[str, Any]) -> None:
    """A uniform field of 30 fractions of 2 Gy is 60 Gy EQD2 at every screw."""
    assert [screw["eqd2_gy"] for screw in record["screws"]] == pytest.approx([60.0] * 6)


def test_pictures_are_drawn(finished: Path) -> None:
    """Operation and close-up are rendered and are not blank."""
    for name in ("operation", "closeup"):
        path = finished / "pictures" / f"{name}.png"
        if not path.is_file():
            pytest.skip("no renderer on this machine")
        assert np.asarray(pv.read(path).point_data.active_scalars).std() > 10
