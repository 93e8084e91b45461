"""Drawings that are no plate for this jaw are refused in one sentence with the place and what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_models import drilled, swept
from operation_models import adult_jaw

from femsim.errors import FemsimError, InputError
from femsim.geometry.bench_block import box_surface
from femsim.geometry.drawn_holes import read_hole_table
from femsim.geometry.operation import plan_operation
from femsim.geometry.plan import DrawnPlate, HolePlan, PlatePlan, ScrewPlan, SegmentPlan
from femsim.geometry.surface import Surface, merge_surfaces
from femsim.parameters import load_parameters
from femsim.scenario.load import ScenarioError, scenario_from_mapping


def refused(drawn: DrawnPlate, holes: dict[int, HolePlan] | None = None) -> FemsimError:
    plan = PlatePlan(drawn=drawn, screws=ScrewPlan(holes=holes or {}))
    with pytest.raises(FemsimError) as caught:
        plan_operation(adult_jaw(), load_parameters(), segments=[SegmentPlan(teeth=(34, 37))], plates=[plan])
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(("plate.stl: ", "screws: "))
    return caught.value


def scaled(factor: float) -> DrawnPlate:
    drawn = drilled()
    surface = Surface(factor * drawn.surface.points, drawn.surface.triangles)
    return replace(drawn, surface=surface, points=factor * drawn.points)


@pytest.mark.parametrize(("factor", "unit"), [(1e-3, "metres"), (0.1, "centimetres"), (1e3, "micrometres")])
def test_another_unit(factor: float, unit: str) -> None:
    """A drawing in metres or centimetres is recognised by its size."""
    error = refused(scaled(factor))
    assert isinstance(error, InputError)
    assert unit in str(error)


def test_several_bodies() -> None:
    """Screws drawn along with the plate are separate bodies."""
    screw = box_surface([60.0, 0.0, 30.0], [64.0, 4.0, 44.0])
    assert "2 separate bodies" in str(refused(replace(drilled(), surface=merge_surfaces([drilled().surface, screw]))))


def test_surface_that_is_no_solid() -> None:
    """A triangle too many makes an edge of three."""
    surface = drilled().surface
    broken = Surface(surface.points, np.vstack([surface.triangles, surface.triangles[:1]]))
    assert "not a clean closed surface" in str(refused(replace(drilled(), surface=broken)))


def test_plate_of_another_frame() -> None:
    """A plate that lies nowhere near the jaw."""
    far = np.array([0.0, -80.0, 0.0])
    drawn = drilled()
    moved = replace(drawn, surface=drawn.surface.transformed(np.eye(3), far), points=drawn.points + far)
    assert "in the frame of the jaw's file" in str(refused(moved))


def test_axes_that_miss_the_plate_or_the_bone() -> None:
    """An axis beside the plate, an axis on its edge, an axis away from the bone, and a hole over the defect."""
    drawn, plate = drilled(), swept().plates[0]

    def with_first(point: np.ndarray, direction: np.ndarray) -> DrawnPlate:
        points, directions = drawn.points.copy(), drawn.directions.copy()
        points[0], directions[0] = point, direction
        return replace(drawn, points=points, directions=directions)

    up = np.array([0.0, 0.0, 1.0])
    assert "no metal lies within" in str(refused(with_first(drawn.points[0] + 15 * up, drawn.directions[0])))
    assert "breaks out of the plate's edge" in str(refused(with_first(drawn.points[0] + 4.6 * up, drawn.directions[0])))
    on_edge = with_first(drawn.points[0] + 4.0 * up, drawn.directions[0])
    assert "has metal only within" in str(refused(replace(on_edge, surface=plate.surface)))
    assert "no bone for a screw under hole 6" in str(refused(with_first(drawn.points[0], -drawn.directions[0])))
    middle = len(plate.path) // 2
    over = with_first(plate.path[middle], -plate.outward[middle])
    assert "no bone for a screw under hole 4" in str(refused(over))
    nothing_there = {k: HolePlan(screw=False) for k in (4, 5, 6)}
    assert "every hole of the distal stump is empty" in str(refused(over, nothing_there))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,y,z\n1,2,3\n", "holes.csv:1: the columns are x, y, z"),
        ("x,y,z,dx,dy,dz\n1,2,3,0,1\n", "holes.csv:2: '1,2,3,0,1' is not 6 numbers"),
        ("x,y,z,dx,dy,dz\n1,2,3,0,1,nan\n", "holes.csv:2"),
        ("x,y,z,dx,dy,dz\n1,2,3,0,0,0\n", "direction of the hole is zero"),
        ("x,y,z,dx,dy,dz\n", "lists no hole"),
        ("", "the columns are none"),
    ],
)
def test_bad_tables(tmp_path, text: str, words: str) -> None:
    """A table of holes names the line that is wrong."""
    path = tmp_path / "holes.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_hole_table(path)
    assert words in str(caught.value)


BASE = {
    "schema": 1,
    "title": "drawn",
    "jaw": {"parametric": {}},
    "resection": {"side": "left", "from": 34, "to": 37},
    "plate": {"surface": "plate.stl", "holes": [{"point": ["1 mm"] * 3, "direction": [0, 1, 0]}] * 2},
    "screws": {"preset": "locking-2.4"},
    "loading": {"tasks": [{"bite": "incisal", "force": "100 N"}]},
    "simulate": {"years": 1},
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"plate": {"surface": "plate.stl"}}, "the key 'holes' is missing"),
        ({"plate": {"preset": "reconstruction-2.5", "holes": "h.csv"}}, "read only with a surface"),
        ({"plate": {"width": "8 mm"}}, "the key 'preset' is missing"),
        ({"plate": BASE["plate"] | {"preset": "reconstruction-2.5"}}, "the surface already says it"),  # type: ignore[operator]
        ({"plate": BASE["plate"] | {"holes": "none.csv"}}, "no file 'none.csv'"),  # type: ignore[operator]
        ({"plate": BASE["plate"] | {"finish": "forged"}}, "plate.finish"),  # type: ignore[operator]
        ({"screws": {"preset": "locking-2.4", "per_stump": 3}}, "holes of the drawn plate say where"),
        ({"graft": {"screws": 2}}, "graft.screws"),
    ],
)
def test_scenarios(tmp_path, change: dict[str, object], words: str) -> None:
    """Keys that a drawn plate does not read, files that are not there, and axes without a surface are refused."""
    (tmp_path / "plate.stl").write_bytes(b"")
    with pytest.raises(ScenarioError) as caught:
        scenario_from_mapping({**BASE, **change}, folder=tmp_path)
    assert words in str(caught.value)
