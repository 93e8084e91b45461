"""Plates drawn elsewhere: what is found around an axis; a drawn plate equals the swept one it was drawn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_models import BORE, SEAT, SEAT_DEPTH, body, drilled, shell, swept
from operation_models import adult_jaw

from femsim.errors import GeometryError
from femsim.geometry.bench_block import box_surface
from femsim.geometry.drawn_holes import probe_hole, read_hole_table
from femsim.geometry.frame import Frame
from femsim.geometry.hole import Hole
from femsim.geometry.operation import Operation, plan_operation
from femsim.geometry.plan import DrawnPlate, GraftPlan, HolePlan, PlatePlan, ScrewPlan, SegmentPlan
from femsim.mesh.sizing import Sizing
from femsim.mesh.tetmesh import PLATE
from femsim.mesh.tetrahedra import build_mesh
from femsim.parameters import load_parameters


def planned_drawn(drawn: DrawnPlate, graft: GraftPlan | None = None, **screws: object) -> Operation:
    plan = PlatePlan(drawn=drawn, screws=ScrewPlan(**screws))  # type: ignore[arg-type]
    segment = SegmentPlan(teeth=(34, 37))
    return plan_operation(adult_jaw(), load_parameters(), segments=[segment], plates=[plan], graft=graft)


def test_hole_is_felt_in_the_metal() -> None:
    """In a flat plate of 8 x 2.5 mm: the bore, the seat where the metal is whole, both faces, the edge."""
    hole = Hole(np.array([0.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]), BORE, 2.5, SEAT, SEAT_DEPTH)
    flat = body(box_surface([-20, -4, -1.25], [20, 4, 1.25])) - body(hole.plug(1.0, 48))
    found = probe_hole(shell(flat), np.array([0.0, 0.0, 0.7]), hole.axis, "hole", Frame())
    assert found.radius == pytest.approx(BORE / 2, abs=0.11)
    assert found.seat_radius == pytest.approx(SEAT / 2, abs=0.16)
    assert found.edge == pytest.approx(4.0, abs=0.11)
    assert found.thickness == pytest.approx(2.5, abs=0.15)
    assert found.inner[2] == pytest.approx(1.25)


def test_void_of_a_hole_is_a_bore_and_a_cone() -> None:
    """The closed surface of an empty hole encloses cylinder and frustum; its volume is exact."""
    hole = Hole(np.array([1.0, 2.0, 3.0]), np.array([0.6, 0.0, 0.8]), BORE, 2.5, SEAT, SEAT_DEPTH)
    exact = np.pi * (1.5**2 * 1.5 + (1.5**2 + 1.5 * 2.1 + 2.1**2) / 3)
    assert hole.volume == pytest.approx(exact)
    assert hole.plug(0.0, 64).volume == pytest.approx(exact, rel=1e-3)
    seat = hole.centre - 1.2 * hole.axis + 1.9 * np.array([0.8, 0.0, -0.6])
    assert hole.contains(seat[None])[0]
    assert not hole.contains(seat[None] + 2.0 * hole.axis)[0]


def test_drawn_plate_is_the_swept_one() -> None:
    """Drilled and read back, the plate has its holes filled and screws of the same heads, axes and lengths."""
    operation, original = planned_drawn(drilled()), swept()
    plate, before = operation.plates[0], original.plates[0]
    assert plate.surface.volume == pytest.approx(before.surface.volume, rel=0.005)
    assert plate.thickness == pytest.approx(before.thickness, abs=0.1)
    assert plate.clearance[0] == pytest.approx(before.clearance[0], abs=0.15)
    assert plate.length == pytest.approx(before.length, rel=0.03)
    assert plate.width == pytest.approx(before.width, abs=0.5)
    assert [screw.name for screw in operation.screws] == [screw.name for screw in original.screws]
    for screw, wanted in zip(operation.screws, original.screws, strict=True):
        assert np.linalg.norm(screw.head - wanted.head) < 0.3
        assert screw.axis == pytest.approx(wanted.axis)
        assert abs(screw.length - wanted.length) <= 1.0
        assert screw.stump == wanted.stump


def test_drawing_without_holes_gives_the_same_screws() -> None:
    """A plate drawn without bores is bonded to its screws as it is."""
    solid = replace(drilled(), surface=swept().plates[0].surface)
    operation = planned_drawn(solid)
    assert operation.plates[0].surface.volume == pytest.approx(swept().plates[0].surface.volume, rel=0.003)
    assert [screw.length for screw in operation.screws] == [screw.length for screw in swept().screws]


def test_empty_drawn_hole_stays_a_void() -> None:
    """A hole without a screw is left as drawn; a solid plate gets the bore of the thread there."""
    holes = {2: HolePlan(screw=False)}
    drawn = planned_drawn(drilled(), holes=holes)
    assert drawn.plates[0].contains(drawn.plates[0].holes).tolist() == [True, False, True, True, True, True]
    solid = planned_drawn(replace(drilled(), surface=swept().plates[0].surface), holes=holes)
    assert solid.plates[0].contains(solid.plates[0].holes).tolist() == [True, False, True, True, True, True]
    assert [screw.name for screw in drawn.screws] == ["screw-1", "screw-3", "screw-4", "screw-5", "screw-6"]


def test_drawn_plate_follows_its_frame() -> None:
    """Places in messages are those of the file: a plate pushed into the bone is refused where the file has it."""
    inward = 2.0 * np.mean([screw.axis for screw in swept().screws[:3]], axis=0)
    frame = Frame(np.eye(3), np.array([1000.0, 0.0, 0.0]))
    drawn = drilled()
    moved = replace(
        drawn, surface=drawn.surface.transformed(np.eye(3), inward), points=drawn.points + inward, frame=frame
    )
    with pytest.raises(
        GeometryError, match=r"plate\.stl: the plate runs \d\.\d mm into the bone near \((9[89]|10)\d\d\.\d"
    ):
        planned_drawn(moved)


def test_drawn_plate_carries_a_graft() -> None:
    """Struts follow the centreline of a drawn plate."""
    operation = planned_drawn(drilled(), graft=GraftPlan(struts=1))
    assert operation.graft is not None
    strut = operation.graft.struts[0]
    assert strut.length == pytest.approx(swept().resection.segments[0].length, rel=0.3)  # type: ignore[union-attr]
    assert operation.plates[0].surface.signed_distance(strut.surface.points).min() > 0.5


def test_table_of_holes_is_read(tmp_path) -> None:
    """Points and directions come line by line; empty lines do not count."""
    path = tmp_path / "holes.csv"
    path.write_text("x,y,z,dx,dy,dz\n1,2,3,0,1,0\n\n4, 5, 6, 0, 0, -2\n", encoding="utf-8")
    points, directions = read_hole_table(path)
    assert points.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert directions.tolist() == [[0, 1, 0], [0, 0, -2]]


@pytest.mark.slow
def test_drawn_plate_is_meshed() -> None:
    """A coarse mesh keeps the volume of the drawn plate and the area of its screws; the drawn empty hole stays open."""
    operation = planned_drawn(drilled(), holes={2: HolePlan(screw=False)})
    coarse = Sizing(
        near_screws=1.5,
        growth=0.6,
        plate=2.4,
        elsewhere=7.0,
        outside=25.0,
        envelope=0.3,
        jaw_error=0.5,
        stop_energy=100.0,
        iterations=10,
        threads=1,
    )
    mesh = build_mesh(operation, coarse)
    assert mesh.quality["inverted"] == 0
    assert mesh.quality["bone_pieces"] == 2
    assert abs(mesh.quality["plate_volume_error"]) < 0.03
    assert abs(mesh.quality["interface_area_error"]) < 0.02
    centres = mesh.points[mesh.tets[mesh.region == PLATE]].mean(axis=1)
    hole = operation.plates[0].holes[1]
    axis = operation.plates[0].hole_axes[1]
    off = centres - hole
    radial = np.linalg.norm(off - np.outer(off @ axis, axis), axis=1)
    near = np.linalg.norm(off, axis=1) < 4.0
    assert radial[near].min() > 1.0
