"""Tables of a run about dose: dose-volume numbers of whole jaw and stumps, histograms, tissue over the years."""

from __future__ import annotations

import csv
from functools import cache

import numpy as np
import pytest
from operation_models import adult_jaw, planned
from pipeline_models import bench, constructed

from femsim.geometry.operation import plan_operation
from femsim.geometry.plan import GraftPlan, PlatePlan, SegmentPlan
from femsim.parameters import load_parameters
from femsim.pipeline import Hooks
from femsim.pipeline.scenario_run import ScenarioRun
from femsim.results import RunFolder
from femsim.results.radiation import (
    HEALTHY,
    WHOLE,
    bone_regions,
    course_places,
    course_rows,
    dose_volume_rows,
    histogram_rows,
)
from femsim.tissue import TissueConstants, TissueTable, tissue_point, tissue_state
from femsim.tissue.dose_volume import volume_above
from femsim.tissue.timecourse import tissue_courses

CONSTANTS = TissueConstants.from_parameters(load_parameters())
MONTH = 30.4
HALVES = {WHOLE: np.ones(4, dtype=bool), "left stump": np.array([True, True, False, False])}
SYMBOLS = {"vessels": "V", "oxygen_mmhg": "p", "cells": "C", "young_cancellous": "E_trabecular"}
VOLUMES = np.array([2.0, 1.0, 1.0, 2.0])


@cache
def table(hbo_sessions: int = 0) -> TissueTable:
    return TissueTable(
        CONSTANTS, surgery_day=12 * MONTH, horizon=1095.75, eqd2_max=60.0, hbo_sessions=float(hbo_sessions)
    )


def column(rows, place, name):
    return np.array([np.nan if row[name] is None else row[name] for row in rows if row["place"] == place])


def test_even_dose():
    """A jaw at 60 Gy throughout has Dmean = Dmax = D30 = 60 Gy and V50 = V60 = 100 %, whole and in part."""
    for row in dose_volume_rows(HALVES, {"physical": np.full(4, 60.0 * (1 - 1e-14))}, VOLUMES):
        assert [row[name] for name in ("dmean_gy", "dmax_gy", "d30_gy")] == pytest.approx([60.0] * 3)
        assert [row["v50_percent"], row["v60_percent"]] == [100.0, 100.0]
    assert [row["volume_mm3"] for row in dose_volume_rows(HALVES, {"EQD2": np.zeros(4)}, VOLUMES)] == [6.0, 3.0]


def test_half_a_jaw():
    """With half of the volume at 70 Gy the whole jaw has Dmean 35 Gy, D30 70 Gy, V50 50 %; the stump has everything."""
    dose = np.array([70.0, 70.0, 0.0, 0.0])
    whole, stump = dose_volume_rows(HALVES, {"EQD2": dose}, VOLUMES)
    assert (whole["dmean_gy"], whole["d30_gy"], whole["v50_percent"], whole["v60_percent"]) == (35.0, 70.0, 50.0, 50.0)
    assert (stump["dmean_gy"], stump["v60_percent"]) == (70.0, 100.0)


def test_histogram():
    """The histogram starts at 100 %, never rises, ends at 0 and passes V50 of the table."""
    dose = np.linspace(0.0, 64.0, 200)
    regions, volumes = {WHOLE: np.ones(200, dtype=bool)}, np.ones(200)
    rows = histogram_rows(regions, {"EQD2": dose}, volumes)
    levels, shares = (np.array([row[name] for row in rows]) for name in ("dose_gy", "volume_percent"))
    assert shares[0] == 100.0
    assert shares[-1] == 0.0
    assert np.all(np.diff(shares) <= 0.0)
    v50 = dose_volume_rows(regions, {"EQD2": dose}, volumes)[0]["v50_percent"]
    assert shares[levels == 50.0] == pytest.approx(v50)
    assert v50 == pytest.approx(100.0 * 14.0 / 64.0, abs=0.5)


def test_histogram_by_hand():
    """Each level counts the volume at it and above, pieces in any order."""
    assert volume_above([20.0, 70.0, 50.0], [5.0, 2.0, 3.0], [0, 20, 20.1, 50, 70, 71]) == pytest.approx(
        [100, 100, 50, 50, 20, 0]
    )


def test_regions_of_a_resected_jaw():
    """Every point of bone that stays belongs to one stump, that of the screws there, and nothing is counted twice."""
    operation = planned()
    points = operation.bone.points[~operation.resection.removed(operation.bone.points)]
    regions = bone_regions(operation, points)
    assert list(regions) == [WHOLE, "mesial stump", "distal stump"]
    parts = np.sum([inside for name, inside in regions.items() if name != WHOLE], axis=0)
    assert np.all(parts == 1)
    for screw in operation.screws:
        inside = bone_regions(operation, screw.head[None] + 3.0 * screw.axis)
        assert inside[f"{screw.stump} stump"] == [True]
    s = operation.arch.locate(points)[0]
    assert s[regions["mesial stump"]].max() < s[regions["distal stump"]].min() + 10.0


def test_regions_between_two_removed_segments():
    """Bone between two removed segments is a region of its own."""
    operation = plan_operation(
        adult_jaw(),
        load_parameters(),
        segments=[SegmentPlan(teeth=(44, 45)), SegmentPlan(teeth=(34, 35))],
        plates=[PlatePlan(per_stump=3)],
    )
    points = operation.bone.points[~operation.resection.removed(operation.bone.points)]
    regions = bone_regions(operation, points)
    assert list(regions) == [WHOLE, "right stump", "middle piece", "left stump"]
    for name, side in (("right stump", -1), ("left stump", 1)):
        assert np.all(side * points[regions[name], 0] > 0.0)
    assert np.abs(operation.arch.locate(points[regions["middle piece"]])[0]).max() < 40.0


def test_graft_is_no_jaw():
    """Bone that this operation brings is in no region: it would lower the mean dose of the jaw."""
    operation = plan_operation(
        adult_jaw(),
        load_parameters(),
        segments=[SegmentPlan(teeth=(33, 37))],
        plates=[PlatePlan(per_stump=3)],
        graft=GraftPlan(struts=1, screws=2),
    )
    inside = operation.graft.struts[0].surface.points.mean(axis=0)[None]
    assert operation.graft.contains(inside).all()
    assert not any(found.any() for found in bone_regions(operation, inside).values())
    stump = operation.screws[0].head[None] + 3.0 * operation.screws[0].axis
    assert bone_regions(operation, stump)[WHOLE] == [True]


def test_courses_agree_with_single_days():
    """All days at once give what each day alone gives, with hyperbaric oxygen before and after its day."""
    rows = course_rows({"screw-1": 60.0}, table(30))
    days = column(rows, "screw-1", "day")
    for k in (0, 30, int(np.flatnonzero(days == -1.0)[0]), int(np.flatnonzero(days == 0.0)[0]), len(days) - 1):
        since = max(364.8 + days[k], 0.0)
        alone = tissue_state([60.0], since, CONSTANTS, hbo_sessions=30, hbo_day=364.8)
        for name, symbol in SYMBOLS.items():
            assert column(rows, "screw-1", name)[k] == pytest.approx(getattr(alone, symbol)[0], rel=1e-6), name


def test_courses_run_from_radiotherapy_to_the_horizon():
    """Days count from surgery: negative from the end of radiotherapy, 0 on the day of surgery, then to the horizon."""
    rows = course_rows({"screw-1": 60.0}, table())
    days = column(rows, "screw-1", "day")
    assert days[0] == pytest.approx(-12 * MONTH)
    assert 0.0 in days
    assert days[-1] == pytest.approx(1095.75)
    assert np.all(np.diff(days) > 0.0)
    assert column(rows, "screw-1", "vessels")[0] == 1.0
    assert np.array_equal(np.isnan(column(rows, "screw-1", "bonded")), days < 0.0)


def test_courses_end_in_the_reference_values():
    """At surgery and 180 days later the courses give the state and bonding of a single point; healthy bone stays 1."""
    rows = course_rows({"screw-1": 60.0}, table())
    days = column(rows, "screw-1", "day")
    surgery, healed = (int(np.flatnonzero(np.isclose(days, day))[0]) for day in (0.0, 180.0))
    point = tissue_point(60.0, 12.0, 180.0, constants=CONSTANTS)
    for name, key in (("vessels", "V"), ("activity", "Phi"), ("young_cortical", "Ec"), ("toughness", "Q")):
        assert column(rows, "screw-1", name)[surgery] == pytest.approx(point[key], rel=1e-6)
    bonded, healthy = (column(rows, place, "bonded")[healed] for place in ("screw-1", HEALTHY))
    assert bonded / healthy == pytest.approx(point["B_ratio"], abs=1e-3)
    for name in ("vessels", "cells", "activity", "young_cancellous", "strength_cortical"):
        assert column(rows, HEALTHY, name) == pytest.approx(1.0)


def test_surgery_on_the_last_day_of_radiotherapy():
    """Without a time before surgery the courses begin on the day of surgery."""
    soon = TissueTable(CONSTANTS, surgery_day=0.0, horizon=30.0, eqd2_max=60.0)
    assert column(course_rows({"screw-1": 60.0}, soon), "screw-1", "day")[0] == 0.0


def test_vessels_step_up_with_hyperbaric_oxygen():
    """Hyperbaric oxygen shows as a step of vessels on the day of surgery, never before."""
    days = np.array([0.0, 363.0, 364.8, 500.0])
    plain = tissue_courses([60.0], days, CONSTANTS).V[:, 0]
    treated = tissue_courses([60.0], days, CONSTANTS, hyperbaric=table(30).hyperbaric).V[:, 0]
    assert treated[:2] == pytest.approx(plain[:2])
    assert np.all(treated[2:] > plain[2:] + 0.1)


def test_places_of_courses():
    """Courses are shown for the most and the least irradiated screw, and once where all are alike."""
    assert course_places({"a": 20.0, "b": 60.0, "c": 40.0}) == {"b": 60.0, "a": 20.0}
    assert course_places({"a": 60.0, "b": 59.9}) == {"a": 60.0}
    assert course_places({"a": 60.0, "graft": 0.0, "c": 40.0}) == {"a": 60.0, "c": 40.0}
    assert course_places({"a": 0.0, "b": 0.0}) == {"a": 0.0}


def test_run_writes_them(tmp_path):
    """A run with one even dose writes its table, histogram and courses, and the table into its record."""
    setting, built = constructed(60.0)
    folder = RunFolder.create(tmp_path, "made", "01234567")
    started = ScenarioRun(bench("made", dose=60.0), folder, "01234567", Hooks())
    points = built.model.space.quadrature_points()[built.model.bone_cells].reshape(-1, 3)
    started.radiation(setting, built, points, setting.tissue.eqd2(points))
    whole = {row["dose"]: row for row in started.record["dose_volume"] if row["region"] == WHOLE}
    for kind in ("physical", "EQD2"):  # 30 fractions of 2 Gy: the two are the same
        assert whole[kind]["dmean_gy"] == pytest.approx(60.0)
        assert whole[kind]["v60_percent"] == 100.0
    bone = built.model.space.volumes[built.model.bone_cells].sum()
    assert whole["EQD2"]["volume_mm3"] == pytest.approx(bone)
    for name in ("dose_volume.csv", "dose_histogram.csv", "courses.csv"):
        with (folder / name).open(newline="", encoding="utf-8") as stream:
            assert len(list(csv.DictReader(stream))) > 1, name
