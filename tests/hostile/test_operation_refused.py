"""Operations that cannot be built are refused in one sentence with the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from operation_models import adult_jaw

from femsim.errors import FemsimError, GeometryError, InputError
from femsim.geometry.operation import plan_operation
from femsim.geometry.plan import HolePlan, PlatePlan, ScrewPlan, SegmentPlan
from femsim.parameters import load_parameters


def screws(**given: object) -> PlatePlan:
    return PlatePlan(screws=ScrewPlan(**given))  # type: ignore[arg-type]


LEFT: dict[str, object] = {"segments": [SegmentPlan(teeth=(34, 36))]}


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"segments": [SegmentPlan(teeth=(33, 27))]}, InputError, "tooth 27"),
        ({"segments": [SegmentPlan()]}, InputError, "by two teeth, by two distances or by two planes"),
        ({"segments": [SegmentPlan(teeth=(33, 37), planes=[])]}, InputError, "one of these"),
        ({"segments": [SegmentPlan(planes=[])]}, GeometryError, "two planes are needed, got 0"),
        (
            {"segments": [SegmentPlan(teeth=(34, 36), side="right")]},
            InputError,
            "side is 'right' but teeth 34 to 36 lie on side 'left'",
        ),
        ({**LEFT, "plates": [PlatePlan(preset="titanium")]}, InputError, "no preset 'titanium'"),
        ({**LEFT, "plates": [screws(preset="locking-24")]}, InputError, "did you mean"),
        ({**LEFT, "plates": [PlatePlan(width=60.0)]}, GeometryError, "width is 60 mm, allowed are 2 to 20 mm"),
        ({**LEFT, "plates": [PlatePlan(thickness=-1.0)]}, GeometryError, "thickness is -1 mm"),
        ({**LEFT, "plates": [PlatePlan(height=1.0)]}, GeometryError, "height above the lower border is 1 mm"),
        ({**LEFT, "plates": [PlatePlan(height=float("nan"))]}, GeometryError, "nan"),
        ({**LEFT, "plates": [PlatePlan(height=39.0)]}, GeometryError, "another height"),
        ({**LEFT, "plates": [PlatePlan(standoff=0.0)]}, GeometryError, "standoff from the bone is 0 mm"),
        ({**LEFT, "plates": [screws(min_distance_to_cut=0.0)]}, GeometryError, "minimal_distance_to_cut is 0 mm"),
        ({**LEFT, "plates": [PlatePlan(per_stump=0)]}, GeometryError, "0 per stump, allowed are 1 to 8"),
        ({**LEFT, "plates": [PlatePlan(per_stump=(3, 99))]}, GeometryError, "99 per stump"),
        ({**LEFT, "plates": [screws(diameter=5.0)]}, GeometryError, "does not"),
        ({**LEFT, "plates": [screws(core=2.6)]}, GeometryError, "core diameter"),
        ({**LEFT, "plates": [screws(length=40.0)]}, GeometryError, "passes the far cortex"),
        ({**LEFT, "plates": [screws(length=5.0)]}, GeometryError, "at least 2 mm are needed"),
        ({**LEFT, "plates": [screws(length="tricortical")]}, GeometryError, "'bicortical', 'monocortical'"),
        ({**LEFT, "plates": [PlatePlan(bridge_width=60.0)]}, GeometryError, "bridge_width is 60 mm"),
        ({**LEFT, "plates": [PlatePlan(edge_radius=1.2)]}, GeometryError, "edge_radius is 1.2 mm"),
        ({**LEFT, "plates": [PlatePlan(wave=-1.0)]}, GeometryError, "wave over the defect is -1 mm"),
        ({**LEFT, "plates": []}, InputError, "0 are given, allowed are 1 to 2"),
        ({**LEFT, "plates": [screws(holes={9: HolePlan()})]}, InputError, "no hole 9; the plate has holes 1 to 8"),
        (
            {**LEFT, "plates": [screws(holes={k: HolePlan(screw=False) for k in (1, 2, 3, 4)})]},
            GeometryError,
            "every hole of the mesial stump is empty",
        ),
        ({**LEFT, "plates": [screws(holes={3: HolePlan(up=20.0)})]}, GeometryError, "tilted by 20.0 degrees"),
        ({**LEFT, "bites": ["left-first-molar"]}, InputError, "tooth 36 is in the removed part"),
        ({**LEFT, "bites": ["intercuspal"]}, InputError, "tooth 36 is in the removed part"),
        ({**LEFT, "bites": ["nose"]}, InputError, "bite 'nose' is unknown"),
        ({**LEFT, "detached": ["tongue"]}, InputError, "no muscle 'tongue'"),
        ({**LEFT, "plates": [PlatePlan(per_stump=8, pitch=16.0)]}, GeometryError, "do not fit"),
    ],
)
def test_refused(given: Mapping[str, object], kind: type[FemsimError], words: str) -> None:
    """Each impossible request raises the documented error and says what is wrong in one line."""
    with pytest.raises(kind) as caught:
        plan_operation(adult_jaw(), load_parameters(), **given)  # type: ignore[arg-type]
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_removed_condyle_is_refused() -> None:
    """A cut behind the condyle would leave a plate without a joint; it is refused and names the side."""
    jaw = adult_jaw()
    behind = jaw.landmarks.points["condyle_left"] + np.array([0.0, 2.0, -3.0])
    planes = [(np.array([25.0, -17, 25]), np.array([0.4, 0.9, 0])), (behind, np.array([0.0, 1.0, 0.0]))]
    with pytest.raises(GeometryError, match="the left condyle lies in the removed part"):
        plan_operation(jaw, load_parameters(), segments=[SegmentPlan(planes=planes)])


def test_screw_in_the_defect_is_refused() -> None:
    """A hole placed at the cut without room for tilt is a screw in the defect and is refused with numbers."""
    parameters = load_parameters({"screws.tilt": "0 degree", "screws.bone_around": "8 mm"})
    with pytest.raises(GeometryError, match=r"a screw in the defect, its axis lies \d"):
        plan_operation(adult_jaw(), parameters, **LEFT, plates=[PlatePlan(per_stump=1)])  # type: ignore[arg-type]


def test_landmarks_of_another_jaw_are_refused() -> None:
    """Landmarks that lie beside the surface are refused instead of giving a plate in the air."""
    jaw = adult_jaw()
    moved = {name: point + np.array([0.0, 0.0, 90.0]) for name, point in jaw.landmarks.points.items()}
    with pytest.raises(GeometryError, match="landmarks"):
        plan_operation(replace(jaw, landmarks=replace(jaw.landmarks, points=moved)), load_parameters(), **LEFT)  # type: ignore[arg-type]
