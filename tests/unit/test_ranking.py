"""The order of designs: time, plate life, volume; ties; what a study changes; the names of designs."""

from __future__ import annotations

import math

import pytest
from comparison_models import PLATE_VOLUME, SCREW_VOLUME, band, design
from viewer_models import HORIZON

from femsim.report.design import Design, short_names
from femsim.report.ensemble import Ensemble
from femsim.report.ranking import SAME_TIME, rank


def order(*designs: Design, ensemble: Ensemble | None = None) -> list[tuple[int | None, str, str]]:
    """Place, name and what decided, best first."""
    places = rank(designs, ensemble).places
    return [(place.rank, place.design.name, place.decided_by) for place in places]


def study(**p: float) -> Ensemble:
    """A study that compared designs named by pairs of letters."""
    return Ensemble("made", {}, {frozenset((one[0] * 8, one[1] * 8)): value for one, value in p.items()})


def test_later_loosening_comes_first():
    """Time decides before life and volume: a design that holds comes before one that loosens late, then early."""
    designs = [design("A", 50.0, plate_damage=1e-9, plate_volume=1.0), design("B", None), design("C", 200.0)]
    assert order(*designs) == [(1, "B", "time"), (2, "C", "time"), (3, "A", "time")]


def test_plate_life_decides_among_equal_times():
    """Designs that hold are ordered by the life of the plate, when lives differ by more than a factor."""
    worn, fresh = design("A", None, plate_damage=0.1), design("B", None, plate_damage=0.02)
    assert order(worn, fresh) == [(1, "B", "life"), (2, "A", "life")]
    assert worn.plate_life == pytest.approx(10 * HORIZON)


def test_volume_decides_last():
    """Where times and lives are not told apart, the smaller implant comes first."""
    large, small = design("A", None, plate_volume=1500.0), design("B", None, plate_volume=900.0)
    assert order(large, small) == [(1, "B", "volume"), (2, "A", "volume")]
    assert large.implant_volume == pytest.approx(PLATE_VOLUME + 4 * SCREW_VOLUME)


def test_ties_are_ties():
    """Designs that no measure tells apart share their place, and the next one counts them both."""
    designs = [design("A", None), design("B", None), design("C", 100.0)]
    assert order(*designs) == [(1, "A", "tie"), (1, "B", "tie"), (3, "C", "time")]


@pytest.mark.parametrize(("day", "apart"), [(100 * (1 - 0.9 * SAME_TIME), False), (100 * (1 - 1.1 * SAME_TIME), True)])
def test_days_within_the_noise_of_a_run_are_not_told_apart(day: float, apart: bool):
    """Single runs differ in time only when their days differ by more than a tenth."""
    assert (order(design("A", 100.0), design("B", day))[1][0] == 2) is apart


def test_lives_beyond_a_patients_are_the_same():
    """Ten thousand and a million years of plate life tie."""
    assert order(design("A", None, plate_damage=1e-5), design("B", None, plate_damage=1e-8))[1][0] == 1


def test_times_count_up_to_the_shortest_horizon():
    """A loosening after the end of the shortest run is not held against a design."""
    short, long = design("A", None, horizon_days=100.0), design("B", 200.0)
    ranking = rank([short, long])
    assert [place.rank for place in ranking.places] == [1, 1]
    assert ranking.common_horizon == 100.0


def test_unfinished_runs_are_not_ranked():
    """A run that stopped stands last without a place."""
    assert order(design("A", None, status="stopped"), design("B", 50.0)) == [
        (1, "B", "only"),
        (None, "A", "unfinished"),
    ]


def test_study_decides_by_its_test():
    """With a study the medians count, and its log-rank test says whether they differ."""
    late, early = design("A", 50.0, band=band(200.0, 150.0, 250.0)), design("B", 90.0, band=band(120.0, 100.0, 180.0))
    assert order(late, early, ensemble=study(AB=0.01)) == [(1, "A", "time"), (2, "B", "time")]
    assert [place[0] for place in order(late, early, ensemble=study(AB=0.3))] == [1, 1]


def test_without_a_test_intervals_decide():
    """Where a study did not compare two designs, their intervals must not overlap."""
    late, near, early = (
        design("A", None, band=band(250.0, 200.0, None)),
        design("B", None, band=band(220.0, 190.0, 240.0)),
        design("C", None, band=band(60.0, 40.0, 80.0)),
    )
    assert [place[:2] for place in order(late, near, early, ensemble=study())] == [(1, "A"), (1, "B"), (3, "C")]


def test_study_that_lacks_a_design_does_not_decide():
    """Medians are not compared with days of single runs."""
    ranking = rank([design("A", 100.0, band=band(10.0, 5.0, 20.0)), design("B", 50.0)], study())
    assert not ranking.from_ensemble
    assert ranking.places[0].design.name == "A"


def test_broken_plate_has_the_life_it_had():
    """A plate that broke in the run lasted until that day."""
    broken = design("A", None, events=[{"kind": "part broken", "subject": "plate", "day": 77.0}])
    assert broken.plate_life == 77.0
    assert design("B", None, plate_damage=0.0).plate_life == math.inf


def test_broken_plate_is_no_design_that_holds():
    """A plate that breaks before any screw is loose stands behind a design whose screws loosen later."""
    event = {"kind": "part broken", "subject": "plate", "day": 60.0}
    assert order(design("A", None, events=[event]), design("B", 200.0)) == [(1, "B", "time"), (2, "A", "time")]


@pytest.mark.parametrize(
    ("titles", "names"),
    [
        (["Left defect, 1.5 mm, 60 Gy", "Left defect, 2.5 mm, 60 Gy"], ["1.5 mm", "2.5 mm"]),
        (["Left defect, healthy jaw", "Left defect, 60 Gy"], ["Healthy jaw", "60 Gy"]),
        (["Same", "Same"], ["Same", "Same (2)"]),
        (["One, two", "One"], ["One, two", "One"]),
        (["Only, one"], ["Only, one"]),
    ],
)
def test_short_names(titles: list[str], names: list[str]):
    """A design is named by what tells its title from the others."""
    assert short_names(titles) == names
