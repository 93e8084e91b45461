"""The two-block specimen."""

from __future__ import annotations

import numpy as np
import pytest

from femsim.errors import GeometryError, InputError
from femsim.geometry.bench_block import bench_block, box_surface
from femsim.geometry.plan import PlatePlan, ScrewPlan
from femsim.geometry.sites import site_triangles
from femsim.geometry.surface import checked_closed
from femsim.parameters import load_parameters


def test_box_is_closed_and_faces_outwards() -> None:
    """The box has its exact volume and its triangles face outwards."""
    box = box_surface([1, 2, 3], [2, 4, 6])
    assert box.volume == pytest.approx(6.0)
    assert checked_closed(box, "box") is box


@pytest.mark.parametrize("per_block", [1, 2, 4])
def test_screws_hold_both_blocks(per_block: int) -> None:
    """Every block gets its screws, 5 mm and more from the gap, bicortical, with the whole depth engaged."""
    operation = bench_block(load_parameters(), plate=PlatePlan(per_stump=per_block))
    stumps = [screw.stump for screw in operation.screws]
    assert stumps == ["A"] * per_block + ["B"] * per_block
    for screw in operation.screws:
        assert screw.length_in_bone == pytest.approx(10.0)
        assert screw.distance_to_cut >= 5.0
        assert screw.bicortical
        axial = np.linspace(screw.bone_entry + 0.1, screw.bone_exit - 0.1, 9)
        assert operation.bone_contains(screw.head + axial[:, None] * screw.axis).all()


def test_blocks_are_apart_and_the_plate_bridges_them() -> None:
    """There is no bone in the gap; the plate crosses it, standing off the blocks."""
    operation = bench_block(load_parameters(), gap=12.0)
    assert not operation.bone_contains(np.array([[0.0, 5.0, 0.0], [5.9, 5.0, 0.0]])).any()
    assert operation.bone_contains(np.array([[6.1, 5.0, 0.0], [-6.1, 5.0, 0.0]])).all()
    plate = operation.plates[0]
    assert plate.contains(np.array([[0.0, -1.85, 0.0]]))[0]
    assert operation.bone.signed_distance(plate.surface.points).min() >= 0.6 - 1e-6
    assert plate.surface.volume == pytest.approx(plate.length * plate.width * plate.thickness)


def test_sites_lie_where_a_bench_has_them() -> None:
    """Clamp on the far end of A, pull up in the middle of B, bite held at the far end of B, all on the surface."""
    operation = bench_block(load_parameters())
    clamp, pull, tip = operation.foundations[0], operation.loads[0], operation.bites[0]
    points = np.array([clamp.point, pull.point, tip.point])
    assert np.abs(operation.bone.signed_distance(points)).max() < 1e-9
    assert clamp.point[0] > 0 > pull.point[0] > tip.point[0]
    assert np.allclose(tip.normal, [0, 0, -1])
    assert len(site_triangles(clamp, operation.bone)) >= 1
    assert operation.muscle_activation("tip") == {"pull": 1.0}
    assert (operation.cortical_thickness(points) == 2.0).all()


def test_wrong_bench_is_refused() -> None:
    """A gap, a number of screws or a preset that cannot be built is refused."""
    parameters = load_parameters()
    with pytest.raises(GeometryError, match="gap is -3 mm"):
        bench_block(parameters, gap=-3)
    with pytest.raises(GeometryError, match="0 screws per block"):
        bench_block(parameters, plate=PlatePlan(per_stump=0))
    with pytest.raises(InputError, match="locking-2"):
        bench_block(parameters, plate=PlatePlan(screws=ScrewPlan(preset="locking-9")))
