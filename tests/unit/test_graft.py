"""Fibula struts in a defect, their unions and their screws."""

from __future__ import annotations

import numpy as np
import pytest
from operation_models import adult_jaw

from femsim.errors import GeometryError
from femsim.geometry.graft import loft
from femsim.geometry.operation import Operation, plan_operation
from femsim.geometry.plan import GraftPlan, PlatePlan, SegmentPlan
from femsim.geometry.surface import checked_closed
from femsim.parameters import load_parameters

CASES = [((34, 36), 1, 2), ((33, 37), 2, 1), ((43, 34), 3, 1), ((44, 47), 2, 1)]


def grafted(teeth: tuple[int, int], struts: int, screws: int, **sizes: float) -> Operation:
    return plan_operation(
        adult_jaw(),
        load_parameters(),
        segments=[SegmentPlan(teeth=teeth)],
        plates=[PlatePlan(per_stump=3)],
        graft=GraftPlan(struts, screws, **sizes),
    )


def test_loft_of_two_equal_squares_is_a_box() -> None:
    """A loft between two parallel squares is a closed box that faces outwards, whichever comes first."""
    square = np.array([[0.0, 0, 0], [2, 0, 0], [2, 3, 0], [0, 3, 0]])
    above = square + np.array([0.0, 0.0, 5.0])
    for order in ((square, above), (above, square)):
        solid = loft(*order)
        assert solid.volume == pytest.approx(30.0)
        assert checked_closed(solid, "loft") is solid


@pytest.mark.parametrize(("teeth", "struts", "screws"), CASES)
def test_struts_fill_the_defect_between_the_cuts(teeth: tuple[int, int], struts: int, screws: int) -> None:
    """Struts lie in the removed part one gap off the cuts, closed, as thick as asked, and clear of the plate."""
    operation = grafted(teeth, struts, screws)
    graft, resection, plate = operation.graft, operation.resection, operation.plates[0]
    assert graft is not None
    assert resection is not None
    assert [strut.piece.name for strut in graft.struts] == [f"graft-{k + 1}" for k in range(struts)]
    area = 11.0 * 13.0 - (4 - np.pi) * 2.5**2
    for strut in graft.struts:
        assert checked_closed(strut.surface, "strut") is strut.surface
        # A mitred prism has the volume of its section times the length between the centres of its ends.
        assert strut.surface.volume == pytest.approx(area * strut.length, rel=0.02)
        assert plate.surface.signed_distance(strut.surface.points).min() > 0.59
        assert resection.depth(strut.surface.points).min() > 0.99
    low, high = resection.segments[0].cuts
    assert low.depth(graft.struts[0].surface.points).min() == pytest.approx(1.0, abs=1e-6)
    assert high.depth(graft.struts[-1].surface.points).min() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("teeth", "struts", "screws"), CASES)
def test_every_strut_has_its_screws(teeth: tuple[int, int], struts: int, screws: int) -> None:
    """Each strut holds its number of screws, in its own bone and off its ends; holes are numbered along the plate."""
    operation = grafted(teeth, struts, screws)
    assert operation.graft is not None
    mine = [screw.stump for screw in operation.screws]
    for strut in operation.graft.struts:
        assert mine.count(strut.piece.name) == screws
    assert [screw.name for screw in operation.screws] == [f"screw-{k + 1}" for k in range(len(mine))]
    x = np.array([screw.head for screw in operation.screws]) @ np.array([1.0, 0.0, 0.0])
    assert (np.diff(x) > 0).all()
    for screw in operation.screws:
        along = screw.head + np.linspace(screw.bone_entry + 0.2, screw.bone_exit - 0.2, 9)[:, None] * screw.axis
        assert operation.bone_contains(along).all()
        in_strut = operation.graft.in_struts(along)
        assert in_strut.all() if screw.stump.startswith("graft") else not in_strut.any()
        assert screw.distance_to_cut > 3.0


def test_unions_join_struts_and_stumps() -> None:
    """A union lies between every two neighbours, as wide as the gap; struts and unions share no volume."""
    operation = grafted((33, 37), 2, 1, gap=2.0)
    graft = operation.graft
    assert graft is not None
    assert len(graft.unions) == 3
    for union in graft.unions:
        centre = union.points.mean(axis=0)
        assert graft.in_unions(centre[None])[0]
        assert not graft.in_struts(centre[None])[0]
        assert union.volume == pytest.approx(2.0 * (11.0 * 13.0 - (4 - np.pi) * 2.5**2), rel=0.15)
    rng = np.random.default_rng(5)
    low = np.min([body.bounds[0] for body in graft.bodies], axis=0)
    high = np.max([body.bounds[1] for body in graft.bodies], axis=0)
    points = rng.uniform(low, high, (4000, 3))
    assert not (graft.in_struts(points) & graft.in_unions(points)).any()
    assert np.array_equal(graft.contains(points), graft.in_struts(points) | graft.in_unions(points))


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (GraftPlan(struts=4), "would be"),
        (GraftPlan(struts=0), "0 struts in a defect"),
        (GraftPlan(screws=9), "9 screws in a strut"),
        (GraftPlan(screws=4), "4 screws need 24.0 mm on the graft-1 piece"),
        (GraftPlan(width=2.0), "width is 2 mm, allowed are 6 to 20 mm"),
        (GraftPlan(gap=0.0), "gap is 0 mm"),
    ],
)
def test_impossible_grafts_are_refused(plan: GraftPlan, words: str) -> None:
    """Struts too short, too many screws, or a size out of range is refused in one sentence with the numbers."""
    with pytest.raises(GeometryError) as caught:
        plan_operation(
            adult_jaw(),
            load_parameters(),
            segments=[SegmentPlan(teeth=(34, 36))],
            plates=[PlatePlan(per_stump=3)],
            graft=plan,
        )
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
