"""The planned operation as a whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from operation_models import adult_jaw, planned, planned_with

from femsim.errors import GeometryError, InputError
from femsim.geometry.jaw import jaw_from_surface
from femsim.geometry.operation import plan_operation
from femsim.geometry.plan import PlatePlan, ScrewPlan, SegmentPlan, Structure
from femsim.parameters import load_parameters


def test_bone_is_the_jaw_without_the_segment() -> None:
    """A point is in bone when it is in the jaw and not between the cuts."""
    operation = planned()
    arch = operation.arch
    assert arch is not None
    inside = arch.tooth_point(36), arch.tooth_point(46), arch.tooth_point(31)
    assert operation.bone_contains(np.array(inside)).tolist() == [False, True, True]
    assert not operation.bone_contains(np.array([[0.0, 0.0, 200.0]]))[0]


def test_left_and_right_plans_mirror() -> None:
    """On a symmetric jaw the plan for the right side is the mirror image of that for the left side."""
    left, right = planned(33, 37), planned(43, 47)
    heads = np.array([s.head for s in right.screws[::-1]]) * [-1, 1, 1]
    assert np.abs(heads - np.array([s.head for s in left.screws])).max() < 0.6
    assert [s.stump for s in right.screws[::-1]] == [s.stump for s in left.screws]


def test_unequal_screw_counts_go_to_their_stumps() -> None:
    """(2, 4) puts two screws in the mesial and four in the distal stump on either side, and points out the two."""
    for first, last in ((33, 36), (43, 46)):
        operation = planned(first, last, (2, 4))
        stumps = [screw.stump for screw in operation.screws]
        assert stumps.count("mesial") == 2
        assert stumps.count("distal") == 4
        assert any("mesial stump: 2 screws" in text for text in operation.warnings)


def test_table_tells_what_a_surgeon_checks() -> None:
    """Every screw has a row with its lengths, cortical engagement, distance to the cut and the plate's clearance."""
    operation = planned()
    rows = operation.table()
    assert len(rows) == 6
    for row, screw in zip(rows, operation.screws, strict=True):
        assert row["screw"] == screw.name
        assert 0 < row["cortical_engagement"] <= screw.length_in_bone + 0.1  # type: ignore[operator]
        assert row["near_cortex"] + row["far_cortex"] == pytest.approx(row["cortical_engagement"], abs=0.011)  # type: ignore[operator]
        assert min(row["near_cortex"], row["far_cortex"]) > 0.5  # type: ignore[type-var]
        assert 0.5 < row["gap_at_hole"] < 1.2  # type: ignore[operator]
        assert row["distance_to_cut"] == pytest.approx(screw.distance_to_cut, abs=0.01)


def test_cortex_thins_backwards_and_is_thicker_on_the_cheek() -> None:
    """Mean thickness falls from 3.7 mm at the chin to 1.4 mm behind; the facial plate is the thicker one."""
    operation = planned()
    arch, thickness = operation.arch, operation.cortical_thickness
    assert arch is not None
    s = np.linspace(0, 80, 30)
    middle = thickness(arch.point(s))
    assert middle[0] == pytest.approx(3.7, abs=0.05)
    assert middle[-1] == pytest.approx(1.4)
    assert np.all(np.diff(middle) <= 1e-9)
    facial = thickness(arch.unrolled(s, np.full(30, 5.0), np.full(30, 20.0)))
    lingual = thickness(arch.unrolled(s, np.full(30, -5.0), np.full(30, 20.0)))
    assert np.allclose(facial / lingual, 1.2, rtol=0.01)


def test_activation_follows_the_bite() -> None:
    """A bite's name picks its pattern: front teeth INC, a molar the side it is on; names stay open to use directly."""
    operation = planned()
    assert operation.muscle_activation("incisal") == operation.muscle_activation("INC")
    assert operation.muscle_activation("right-first-molar") == operation.muscle_activation("RMOL")
    assert set(operation.muscle_activation("ICP")) == {site.name for site in operation.loads}
    with pytest.raises(InputError, match="right-first-molar"):
        operation.muscle_activation("left-first-molar")


def test_lost_muscles_have_no_activation() -> None:
    """A detached muscle is in no activation pattern."""
    operation = plan_operation(
        adult_jaw(), load_parameters(), segments=[SegmentPlan(teeth=(34, 36))], detached=["SM_left"]
    )
    assert "SM_left" not in operation.muscle_activation("INC")
    assert "SM_right" in operation.muscle_activation("INC")


RAMUS = {
    "parametric": [((38.0, -18.0, 30.0), (0.5, 0.87, 0.0)), ((50.0, 23.0, 56.0), (0.0, 0.0, 1.0))],
    "real": [((33.0, -20.0, 25.0), (0.5, 0.87, 0.0)), ((50.0, 20.0, 45.0), (0.0, 0.0, 1.0))],
}
"""Planes at the first molar and level through the ramus, by jaw: angle and lower ramus go, the condyle stays."""


@pytest.mark.parametrize("kind", RAMUS)
def test_plate_turns_up_the_ramus(kind: str, real_jaw_path: object) -> None:
    """Over a missing angle the plate climbs the ramus, keeps clear of bone, and its screws hold above the cut."""
    jaw = adult_jaw() if kind == "parametric" else jaw_from_surface(str(real_jaw_path))
    planes = [(np.array(point), np.array(normal)) for point, normal in RAMUS[kind]]
    operation = plan_operation(
        jaw,
        load_parameters(),
        segments=[SegmentPlan(planes=planes)],
        plates=[PlatePlan(per_stump=3, screws=ScrewPlan(whole_screw=True))],
        bites=["right-first-molar"],
    )
    plate, level = operation.plates[0], RAMUS[kind][1][0][2]
    above = [screw for screw in operation.screws if screw.stump == "distal"]
    assert len(above) == 3
    for screw in above:
        assert screw.head[2] > level + 4.0
        assert screw.length_in_bone > 3.0
        assert screw.distance_to_cut > 4.9
    # Level on the body, upright on the ramus.
    along = np.diff(plate.path[[0, 8, -9, -1]], axis=0)[[0, 2]]
    assert abs(along[0, 2]) < 0.3 * np.linalg.norm(along[0])
    assert along[1, 2] > 0.9 * np.linalg.norm(along[1])
    assert plate.clearance[0] > 0.3
    assert plate.clearance[1] < 3.0


def test_screws_near_the_joint_are_told() -> None:
    """A row that reaches the neck of the condyle is built, and the distance to the joint is told."""
    segment = SegmentPlan(ramus=(36, 40.0))
    operation = plan_operation(adult_jaw(), load_parameters(), segments=[segment], plates=[PlatePlan(per_stump=2)])
    told = [warning for warning in operation.warnings if "from the top of the left condyle" in warning]
    assert told
    assert told[0].startswith("screw-4: passes")


def test_muscles_go_with_angle_and_coronoid() -> None:
    """Masseter and medial pterygoid are lost with the angle, temporalis with the coronoid; the other side keeps all."""
    planes = [(np.array(point), np.array(normal)) for point, normal in RAMUS["parametric"]]
    bites = ["right-first-molar"]
    plates = [PlatePlan(per_stump=3)]
    angle = plan_operation(
        adult_jaw(), load_parameters(), segments=[SegmentPlan(planes=planes)], plates=plates, bites=bites
    )
    lost = {entry.split()[0] for entry in angle.dropped}
    assert lost >= {"SM_left", "MP_left"}
    assert not any("PT_left" in entry or "right" in entry for entry in angle.dropped)
    assert not lost & set(angle.muscle_activation("RMOL"))
    front = SegmentPlan(tooth_and_distance=(37, 75.0))
    coronoid = plan_operation(adult_jaw(), load_parameters(), segments=[front], bites=bites)
    assert {entry.split()[0] for entry in coronoid.dropped} == {"AT_left", "MT_left", "PT_left"}
    assert all("of its attachment is in the removed part" in entry for entry in (*angle.dropped, *coronoid.dropped))


@pytest.mark.parametrize(
    ("plate", "screw"),
    [
        ("low-profile-1.0", "locking-2.0"),
        ("low-profile-1.3", "locking-2.0"),
        ("low-profile-2.0", "locking-2.0"),
        ("reconstruction-3.0", "locking-3.0"),
    ],
)
def test_presets_can_be_planned(plate: str, screw: str) -> None:
    """Light and heavy presets fit the adult jaw."""
    operation = plan_operation(
        adult_jaw(),
        load_parameters(),
        segments=[SegmentPlan(teeth=(34, 36))],
        plates=[PlatePlan(preset=plate, per_stump=3, screws=ScrewPlan(preset=screw, length="monocortical"))],
    )
    assert len(operation.screws) == 6
    assert not any(s.bicortical for s in operation.screws)


@pytest.mark.parametrize(("first", "last", "count"), [(33, 37, 3), (33, 37, 4), (43, 33, 4), (34, 36, 3), (43, 47, 4)])
def test_real_jaw_can_be_planned(real_jaw_path: object, first: int, last: int, count: int) -> None:
    """On a real mandible the plate keeps clear of the bone by 0.5 to 2 mm and every screw holds at least 4 mm."""
    operation = plan_operation(
        jaw_from_surface(str(real_jaw_path)),
        load_parameters(),
        segments=[SegmentPlan(teeth=(first, last))],
        plates=[PlatePlan(per_stump=count)],
    )
    assert len(operation.screws) == 2 * count
    assert operation.plates[0].clearance[0] > 0.5
    assert operation.plates[0].clearance[1] < 2.0
    for screw in operation.screws:
        assert screw.length_in_bone > 4.0
        assert screw.distance_to_cut > 2.2
        assert screw.bicortical


def test_two_segments_share_one_plate() -> None:
    """One plate over two defects holds the bone between them with its own screws, each on the piece of its name."""
    segments = [SegmentPlan(teeth=(46, 47)), SegmentPlan(teeth=(34, 36))]
    plates = [PlatePlan(per_stump=(3, 4, 3), height=10.0)]
    operation = plan_operation(adult_jaw(), load_parameters(), segments=segments, plates=plates)
    assert [screw.stump for screw in operation.screws] == ["right"] * 3 + ["middle"] * 4 + ["left"] * 3
    for screw in operation.screws:
        along = screw.head + np.linspace(screw.bone_entry + 0.3, screw.bone_exit - 0.3, 9)[:, None] * screw.axis
        assert operation.bone_contains(along).all()
        assert screw.distance_to_cut > 2.2
    gone = {site.name for site in operation.bites}
    assert not gone & {"left-first-molar", "right-first-molar", "intercuspal"}


def test_middle_piece_without_room_is_refused() -> None:
    """Screws that do not fit between two defects are refused with the room there is."""
    segments = [SegmentPlan(teeth=(33, 33)), SegmentPlan(teeth=(36, 37))]
    with pytest.raises(GeometryError, match=r"4 screws need 24\.0 mm on the middle piece of bone and \d"):
        plan_operation(adult_jaw(), load_parameters(), segments=segments, plates=[PlatePlan(per_stump=(3, 4, 3))])
    with pytest.raises(InputError, match="2 numbers for 3 pieces of bone"):
        plan_operation(adult_jaw(), load_parameters(), segments=segments, plates=[PlatePlan(per_stump=(3, 3))])


def test_two_plates_share_a_jaw() -> None:
    """A second plate above the first has screws of its own, numbered on, all in bone and clear of the other plate."""
    upper = PlatePlan(
        preset="low-profile-1.3", height=19.0, per_stump=2, screws=ScrewPlan("locking-2.0", length="monocortical")
    )
    operation = planned_with(34, 36, PlatePlan(height=7.0, per_stump=3), upper)
    assert [plate.name for plate in operation.plates] == ["plate-1", "plate-2"]
    assert [screw.name for screw in operation.screws] == [f"screw-{k}" for k in range(1, 11)]
    assert [screw.plate_name for screw in operation.screws] == ["plate-1"] * 6 + ["plate-2"] * 4
    low, high = (plate.path[:, 2].mean() for plate in operation.plates)
    assert high - low == pytest.approx(12.0, abs=2.0)
    with pytest.raises(GeometryError, match="plate-1 and plate-2: they come within"):
        planned_with(34, 36, PlatePlan(height=7.0, per_stump=3), replace(upper, height=12.0))


def test_conflicts_with_canal_and_roots_are_listed() -> None:
    """A tube beside or through a screw is told with the bone between them; one far away is not."""
    screw = planned_with(34, 36, PlatePlan()).screws[0]
    middle = screw.head + 0.5 * (screw.bone_entry + screw.bone_exit) * screw.axis
    across, along = screw.frame[0], screw.frame[1]
    line = np.array([-20.0, 0.0, 20.0])[:, None] * along
    structures = [
        Structure("near", middle + 4.0 * across + line, 1.5, 2.0),
        Structure("through", middle + 1.0 * across + line, 1.5, 2.0),
        Structure("far", middle + 40.0 * across + line, 1.5, 2.0),
    ]
    operation = plan_operation(
        adult_jaw(), load_parameters(), segments=[SegmentPlan(teeth=(34, 36))], keep_clear=structures
    )
    assert "screw-1: passes 1.3 mm from near; 2 mm were wanted" in operation.warnings
    assert "screw-1: runs 1.7 mm into through; 2 mm were wanted" in operation.warnings
    assert not any("far;" in warning for warning in operation.warnings)
    assert operation.table()[0]["to_near"] == pytest.approx(1.3)
