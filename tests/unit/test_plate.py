"""Swept plates and their bending to the jaw."""

from __future__ import annotations

import numpy as np
import pytest
from operation_models import planned, planned_with

from femsim.errors import GeometryError, InputError
from femsim.geometry.plan import HolePlan, PlatePlan, ScrewPlan
from femsim.geometry.plate import arc_length, plate_section, sweep_section
from femsim.geometry.plate_path import ACROSS
from femsim.geometry.surface import Surface, checked_closed
from femsim.parameters import load_parameters

CASES = [(33, 37), (43, 33), (34, 36), (43, 47)]


def test_straight_sweep_is_a_box() -> None:
    """A straight sweep has the volume and area of the box, and its triangles face outwards."""
    path = np.column_stack([np.linspace(0, 30, 11), np.zeros(11), np.zeros(11)])
    solid = sweep_section(path, np.tile([0.0, 0.0, 1.0], (11, 1)), 8.0, 2.5)
    assert solid.volume == pytest.approx(30 * 8 * 2.5)
    assert solid.area == pytest.approx(2 * (30 * 8 + 30 * 2.5 + 8 * 2.5))
    assert checked_closed(solid, "plate") is solid


def test_bent_sweep_follows_pappus() -> None:
    """A quarter ring has the volume of its section times the length of its centreline."""
    angle = np.linspace(0, np.pi / 2, 200)
    radial = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(200)])
    solid = sweep_section(20 * radial, radial, 6.0, 2.0)
    assert solid.volume == pytest.approx(12 * 20 * np.pi / 2, rel=1e-3)


def manifold(surface: Surface) -> bool:
    edges = np.sort(surface.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    return bool(np.all(np.unique(edges, axis=0, return_counts=True)[1] == 2))


@pytest.mark.parametrize(("first", "last"), CASES)
def test_plate_is_a_closed_solid_of_its_section(first: int, last: int) -> None:
    """The plate is a closed manifold whose volume is section times length within one per cent: it never folds over."""
    plate = planned(first, last).plates[0]
    assert manifold(plate.surface)
    assert plate.surface.volume == pytest.approx(plate.length * plate.width * plate.thickness, rel=0.01)
    assert plate.contains(plate.path[1:-1]).all()
    middle = plate.path[:-1] + 0.5 * np.diff(plate.path, axis=0)
    assert plate.surface.contains(middle).all()


@pytest.mark.parametrize(("first", "last"), CASES)
def test_plate_keeps_clear_of_the_bone(first: int, last: int) -> None:
    """The whole plate stands at least 0.5 mm off the bone (0.6 mm asked), and nowhere far off under its centreline."""
    operation = planned(first, last)
    plate = operation.plates[0]
    across = np.cross(plate.outward, np.gradient(plate.path, axis=0))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    face = plate.path[:, None] - plate.thickness / 2 * plate.outward[:, None]
    face = face + plate.width * ACROSS[None, :, None] * across[:, None]
    gap = operation.bone.signed_distance(face.reshape(-1, 3))
    assert gap.min() > 0.5
    assert plate.clearance[0] > 0.5
    assert plate.clearance[1] < 2.0


@pytest.mark.parametrize(("first", "last"), CASES)
def test_holes_keep_their_pitch_and_distance(first: int, last: int) -> None:
    """Holes of one stump are one pitch apart along the plate; the first is at least 5 mm from the cut."""
    operation = planned(first, last)
    plate, resection = operation.plates[0], operation.resection
    assert resection is not None
    fine_arc = arc_length(plate.path)
    nearest = [fine_arc[np.argmin(np.linalg.norm(plate.path - hole, axis=1))] for hole in plate.holes]
    stump = [screw.stump for screw in operation.screws]
    steps = [b - a for a, b, s, t in zip(nearest, nearest[1:], stump, stump[1:], strict=False) if s == t]
    assert np.allclose(steps, 8.0, atol=1.6)
    assert len(steps) == 4
    inner = plate.holes + (plate.thickness / 2 + 0.6) * plate.hole_axes
    assert max(min(cut.depth(point[None])[0] for cut in resection.cuts) for point in inner) < -4.9


def test_plate_stands_at_its_height() -> None:
    """Under the body the centreline lies at the asked height above the lower border."""
    operation = planned(34, 36)
    arch, plate = operation.arch, operation.plates[0]
    assert arch is not None
    s, _, z = arch.locate(plate.path)
    slope = np.gradient(arch.lower_border(s), s)
    height = (z - arch.lower_border(s)) / np.hypot(1, slope)
    assert np.abs(height - 9.0).max() < 1.0


def test_presets_can_be_changed_and_misspelt_ones_are_matched() -> None:
    """A preset's width can be replaced; an unknown preset is refused with the closest name."""
    parameters = load_parameters()
    assert plate_section(parameters, PlatePlan(width=10.0)) == {
        "width": 10.0,
        "thickness": 2.5,
        "pitch": 8.0,
        "countersink": 1.2,
        "bridge_width": 10.0,
        "edge_radius": 0.0,
    }
    with pytest.raises(InputError, match=r"did you mean 'reconstruction-2\.5'"):
        plate_section(parameters, PlatePlan(preset="reconstrution-2.5"))


def test_rounded_edges_keep_the_area_of_the_rounded_section() -> None:
    """Bevelled edges take away as much of the section as edges of the asked radius, 0.86 r^2."""
    path = np.column_stack([np.linspace(0, 30, 11), np.zeros(11), np.zeros(11)])
    solid = sweep_section(path, np.tile([0.0, 0.0, 1.0], (11, 1)), 8.0, 2.5, 0.6)
    assert solid.volume == pytest.approx(30 * (8 * 2.5 - (4 - np.pi) * 0.36))
    assert checked_closed(solid, "plate") is solid


def test_width_may_vary_along_the_plate() -> None:
    """A linearly widening plate has the volume of its mean section."""
    path = np.column_stack([np.linspace(0, 30, 11), np.zeros(11), np.zeros(11)])
    solid = sweep_section(path, np.tile([0.0, 0.0, 1.0], (11, 1)), np.linspace(6, 10, 11), 2.5)
    assert solid.volume == pytest.approx(30 * 8 * 2.5)


def test_bridge_is_wider_and_waved_over_the_defect_only() -> None:
    """Over the defect the plate is wider and farther out; on the stumps and at the holes nothing changes."""
    plain = planned(33, 37).plates[0]
    operation = planned_with(33, 37, PlatePlan(per_stump=3, bridge_width=12.0, wave=5.0))
    plate, resection = operation.plates[0], operation.resection
    assert resection is not None
    assert np.linalg.norm(plate.holes - plain.holes, axis=1).max() < 0.3
    depth = resection.depth(plate.path)
    on_stump = np.flatnonzero(depth == 0.0)
    ring = plate.surface.points.reshape(len(plate.path), 4, 3)
    width = np.linalg.norm(ring[:, 0] - ring[:, 1], axis=1)
    assert width[on_stump] == pytest.approx(8.0, abs=0.3)
    assert width[depth > 6] == pytest.approx(12.0, abs=1e-6)
    off = operation.bone.signed_distance(plate.path) - plate.thickness / 2
    assert off[on_stump].max() < 2.0
    assert 4.5 < off[depth > 14].min() <= off[depth > 14].max() < 8.0


def test_empty_hole_is_a_void() -> None:
    """An empty hole is no metal and holds no screw; every other hole keeps its number."""
    holes = {2: HolePlan(screw=False)}
    operation = planned_with(33, 37, PlatePlan(per_stump=3, screws=ScrewPlan(holes=holes)))
    plate = operation.plates[0]
    assert [screw.name for screw in operation.screws] == ["screw-1", "screw-3", "screw-4", "screw-5", "screw-6"]
    inside = plate.contains(plate.holes)
    assert inside.tolist() == [True, False, True, True, True, True]
    (hole,) = plate.empty_holes
    assert hole.wall_distance(hole.centre[None])[0] == pytest.approx(hole.diameter / 2)
    assert hole.contains(hole.plug(0.2, 24).points * 0.99 + hole.centre * 0.01).all()


def test_screws_turn_as_asked() -> None:
    """A screw tilted up and along leaves the hole's axis by those angles, and may have a length of its own."""
    holes = {3: HolePlan(along=6.0, up=8.0, length=9.0), 4: HolePlan(up=-5.0)}
    operation = planned_with(33, 37, PlatePlan(per_stump=3, screws=ScrewPlan(holes=holes)))
    plate = operation.plates[0]
    for number, along, up in ((3, 6.0, 8.0), (4, 0.0, -5.0)):
        axis, hole = operation.screws[number - 1].axis, plate.hole_axes[number - 1]
        angle = np.degrees(np.arctan(np.hypot(np.tan(np.radians(along)), np.tan(np.radians(up)))))
        assert np.degrees(np.arccos(axis @ hole)) == pytest.approx(angle, abs=1e-6)
        assert np.sign(axis[2] - hole[2]) == np.sign(up)
    assert operation.screws[2].length == 9.0
    assert operation.screws[2].axis[0] > plate.hole_axes[2][0]


def test_whole_screws_keep_their_distance_when_asked() -> None:
    """Holes are moved off the cut until every screw keeps the wanted distance over its whole length in bone."""
    leaning = planned_with(33, 37, PlatePlan(per_stump=3))
    upright = planned_with(33, 37, PlatePlan(per_stump=3, screws=ScrewPlan(whole_screw=True)))
    assert min(screw.distance_to_cut for screw in leaning.screws) < 4.5
    nearest = [min(s.distance_to_cut for s in upright.screws if s.stump == stump) for stump in ("mesial", "distal")]
    assert nearest == pytest.approx([5.0, 5.0], abs=0.1)
    assert not any("of the cut" in warning for warning in upright.warnings)


def test_one_hole_may_take_another_diameter() -> None:
    """A thicker screw in one hole keeps the depth of the thread; the others stay as they are."""
    holes = {2: HolePlan(diameter=2.7), 5: HolePlan(screw=False, diameter=2.7)}
    operation = planned_with(33, 37, PlatePlan(per_stump=3, screws=ScrewPlan(holes=holes)))
    assert [screw.diameter for screw in operation.screws] == [2.4, 2.7, 2.4, 2.4, 2.4]
    assert [screw.core_diameter for screw in operation.screws] == pytest.approx([1.7, 2.0, 1.7, 1.7, 1.7])
    assert operation.plates[0].empty_holes[0].diameter == 2.7


def test_seat_leaves_metal_beside_it() -> None:
    """Half of what the seat of a 4 mm head leaves of an 8 mm plate; a narrow plate with little left is told."""
    assert planned(33, 37).plates[0].rim == pytest.approx(2.0)
    narrow = planned_with(33, 37, PlatePlan(per_stump=3, width=5.0))
    assert narrow.plates[0].rim == pytest.approx(0.5)
    assert any("0.5 mm of metal beside the seat" in warning for warning in narrow.warnings)
    with pytest.raises(GeometryError, match="leave no metal"):
        planned_with(
            33, 37, PlatePlan(per_stump=3, width=5.0, screws=ScrewPlan(diameter=3.0, preset="locking-3.0"), pitch=4.0)
        )
    with pytest.raises(GeometryError, match="countersink is 3 mm"):
        planned_with(33, 37, PlatePlan(per_stump=3, countersink=3.0))


def test_empty_hole_has_a_seat_of_its_own() -> None:
    """Without a screw the plate lacks the bore and the cone above it."""
    screws = ScrewPlan(holes={2: HolePlan(screw=False)})
    (hole,) = planned_with(33, 37, PlatePlan(per_stump=3, screws=screws)).plates[0].empty_holes
    assert (hole.diameter, hole.seat_diameter, hole.seat_depth) == (2.4, 4.0, 1.2)
    (plain,) = planned_with(33, 37, PlatePlan(per_stump=3, countersink=0.0, screws=screws)).plates[0].empty_holes
    assert plain.volume == pytest.approx(np.pi * 1.2**2 * 2.5)
