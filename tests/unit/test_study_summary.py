"""What a study says, on made-up lives whose law is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_studies import HORIZON, MadeDesign, MadeStudy, change_record, outcome, record_of, row, write_study
from scipy.stats import qmc

from femsim.durable import write_json, write_table
from femsim.errors import InputError
from femsim.report.ensemble import find_ensemble
from femsim.study.summary import comparison_rows, design_rows, write_summary
from femsim.tables import text_table

WHY = "did not converge on day 12"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    designs = [
        MadeDesign("thin", 1 / 500, 1 / 900),
        MadeDesign("standard", 1 / 900, 1 / 3000),
        MadeDesign("thick", 0.0),
    ]
    study = MadeStudy(designs, 300, {3: WHY, 9: WHY, 77: "plate off the bone"})
    return write_study(tmp_path_factory.mktemp("study"), study)


@pytest.fixture(scope="module")
def summary(folder: Path) -> dict[str, Any]:
    write_summary(folder)
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def test_counts_and_reasons(summary: dict[str, Any]) -> None:
    """Failed points are counted with their reasons and are in no statistics."""
    assert (summary["kind"], summary["version"]) == ("femsim-study", 1)
    assert [summary[key] for key in ("points", "done", "failed", "stopped", "queued")] == [900, 897, 3, 0, 0]
    assert [(one["reason"], len(one["points"])) for one in summary["reasons"]] == [(WHY, 2), ("plate off the bone", 1)]
    thin = summary["designs"][0]
    assert (thin["n"], thin["missing"]) == (297, 3)
    first = thin["first_loosening"]
    assert first["events"] + first["censored"] + first["competing"] == 297
    assert first["competing"] == thin["plate_fracture"]["events"]
    assert thin["scenario_hash"] == "00000000"


def test_curves_are_steps_from_surgery_to_horizon(summary: dict[str, Any]) -> None:
    """Same length, falling or rising, bands around the value; loosened, broken and whole add up to one."""
    for design in summary["designs"]:
        first, broken = design["first_loosening"], design["plate_fracture"]
        for curve, key in ((first, "held"), (broken, "incidence")):
            day, value, low, high = (np.array(curve[name]) for name in ("day", key, "low", "high"))
            assert (day[0], day[-1]) == (0.0, HORIZON)
            assert np.all(np.diff(day) > 0.0)
            assert np.all(np.diff(value) * (1 if key == "incidence" else -1) >= 0.0)
            assert np.all((low <= value) & (value <= high))
        whole = design["n"] - first["events"] - first["competing"]
        assert first["incidence"][-1] + broken["incidence"][-1] == pytest.approx(1.0 - whole / design["n"])
        assert first["incidence"][-1] <= 1.0 - first["held"][-1] + 1e-12  # fractures are no censoring


def test_incidence_is_that_of_the_law(tmp_path: Path) -> None:
    """Without an effect of inputs: a/(a+b) (1 - exp(-(a+b) T)) of 2000 members, inside the band."""
    a, b = 1 / 600, 1 / 1200
    chance = np.random.default_rng(0).exponential(size=(2000, 2)) / [a, b]
    rows = [row(str(k), "d", k + 1, {"tissue.x": 1.0}, **outcome(*pair)) for k, pair in enumerate(chance)]
    write_table(tmp_path / "table.csv", rows)
    write_json(tmp_path / "study.json", record_of(MadeStudy([MadeDesign("d", a, b)])))
    design = write_summary(tmp_path)["designs"][0]
    ends = 1.0 - np.exp(-(a + b) * HORIZON)
    broken = design["plate_fracture"]
    assert broken["low"][-1] < b / (a + b) * ends < broken["high"][-1]
    assert broken["incidence"][-1] == pytest.approx(b / (a + b) * ends, abs=0.03)
    assert design["first_loosening"]["incidence"][-1] == pytest.approx(a / (a + b) * ends, abs=0.03)
    assert design["first_loosening"]["held"][-1] == pytest.approx(np.exp(-a * HORIZON), abs=0.03)


def test_points_without_a_result_are_bounded(summary: dict[str, Any]) -> None:
    """If the three failed points had loosened at once, or held, the share at the horizon would lie a little beside."""
    first = summary["designs"][0]["first_loosening"]
    held = first["share_horizon"]["held"]
    assert first["missing_low"] < held < first["missing_high"]
    assert first["missing_low"] == pytest.approx(held * 297 / 300, rel=1e-9)


def test_comparisons_are_on_the_same_patients(summary: dict[str, Any]) -> None:
    """Chance is the same for a patient in every design here, so the weaker one never outlasts the stronger."""
    thin_standard, thin_thick, _ = summary["comparisons"]
    assert thin_standard["pairs"] == 297
    assert thin_standard["a_outlasts"] == 0.0
    assert 0.0 < thin_standard["a_high"] < 0.02
    shares = [thin_standard[key] for key in ("a_outlasts", "b_outlasts", "ties", "undecided")]
    assert sum(shares) == pytest.approx(1.0)
    assert thin_standard["b_low"] < thin_standard["b_outlasts"] < thin_standard["b_high"]
    assert thin_standard["gain_high"] < 0.0
    assert thin_standard["hazard_low"] < 500 / 900 < thin_standard["hazard_high"]
    assert thin_standard["logrank_p"] < 0.01
    assert (thin_thick["hazard_ratio"], thin_thick["hazard_note"]) == (0.0, "none_in_b")
    assert thin_thick["hazard_high"] < 0.05


def test_drivers_find_the_bite_force(summary: dict[str, Any]) -> None:
    """Force is first, then D50; the rest is chance, which the fit cannot explain and says so."""
    days, margin, life = (one for one in summary["drivers"] if one["design"] == "thin")
    assert [one["output"] for one in (days, margin, life)] == ["days_held", "least_margin", "plate_life_used"]
    assert [any(note["key"] == "ends_early" for note in one["notes"]) for one in (days, margin)] == [False, True]
    first = days["rows"][0]
    assert (first["input"], first["label"], first["unit"], first["mark"]) == (
        "patient.bite_force",
        "patient.bite_force",
        "N",
        "chosen",
    )
    assert first["total_low"] > 0.05
    assert first["output_low"] > first["output_high"]
    assert first["low_value"] < 100.0 < 160.0 < first["high_value"]
    assert days["explained"] < 0.5
    assert days["notes"][0]["key"] == "weak_fit"
    assert {row["input"]: row["mark"] for row in days["rows"]}["tissue.x"] == "derived"
    thick = next(one for one in summary["drivers"] if one["design"] == "thick")
    assert thick["rows"] == []
    assert thick["notes"] == [{"key": "all_equal", "values": {}}]


def test_days_held_are_unknown_of_points_that_were_lost_from_view(tmp_path: Path) -> None:
    """A run that ended early without loosening or fracture has no known days held and is in no index."""
    rows = [row(str(k), "d", k, {"tissue.x": float(k)}, **outcome(7.0 * k, np.inf)) for k in range(1, 61)]
    rows += [
        row(str(k), "d", k, {"tissue.x": float(k)}, **{**outcome(np.inf, np.inf), "end_day": 5.0})
        for k in range(61, 71)
    ]
    write_table(tmp_path / "table.csv", rows)
    write_json(tmp_path / "study.json", record_of(MadeStudy([MadeDesign("d", 1.0)])))
    found = write_summary(tmp_path)
    assert (found["designs"][0]["n"], found["drivers"][0]["n"]) == (70, 60)


def test_rows_for_a_terminal(summary: dict[str, Any]) -> None:
    """The tables of a hundred columns say who holds, with limits, and who outlasts whom."""
    designs, pairs = text_table(design_rows(summary)), text_table(comparison_rows(summary))
    assert max(map(len, [*designs.splitlines(), *pairs.splitlines()])) <= 100
    assert "thick     300         0            0     100  99-100" in designs
    assert "hazard b/a" in pairs
    nothing = {"hazard_ratio": float("nan"), "hazard_low": float("nan"), "hazard_high": float("nan")}
    assert comparison_rows({"comparisons": [summary["comparisons"][0] | nothing]})[0]["hazard 95 %"] == "-"


def test_saltelli_survival_counts_each_patient_once(tmp_path: Path) -> None:
    """Blocks A and B are the population, the mixed blocks repeat them; all blocks give the indices."""
    size, ranges = 64, {"tissue.x": (0.0, 1.0), "tissue.D50": (0.0, 1.0)}
    both = qmc.Sobol(4, rng=np.random.default_rng(1)).random(size)
    a, b = both[:, :2], both[:, 2:]
    unit = np.vstack([a, b, np.column_stack([b[:, 0], a[:, 1]]), np.column_stack([a[:, 0], b[:, 1]])])
    days = HORIZON * (0.1 + 0.6 * unit[:, 0] + 0.2 * unit[:, 1])
    rows = [
        row(str(k), "d", k + 1, dict(zip(ranges, values.tolist(), strict=True)), **outcome(day, np.inf))
        for k, (values, day) in enumerate(zip(unit, days, strict=True))
    ]
    write_table(tmp_path / "table.csv", rows)
    write_json(
        tmp_path / "study.json",
        record_of(MadeStudy([MadeDesign("d", 1.0)]), sampling={"method": "saltelli", "samples": size}),
    )
    found = write_summary(tmp_path)
    assert found["designs"][0]["n"] == 2 * size
    days_held = found["drivers"][0]
    assert (days_held["method"], days_held["n"], days_held["explained"]) == ("saltelli", 4 * size, None)
    assert [one["input"] for one in days_held["rows"]] == ["tissue.x", "tissue.D50"]
    assert [one["first"] for one in days_held["rows"]] == pytest.approx([0.9, 0.1], abs=0.02)


def test_check_points_tell_the_error_of_a_shared_operator(tmp_path: Path) -> None:
    """The first end of a point that was run again with its own operator, a fracture too, beside the shared one."""
    rows = [row(str(k), "d", k, {"tissue.x": 1.0 + k}, **outcome(100.0 + k, np.inf)) for k in range(1, 5)]
    write_table(tmp_path / "table.csv", rows)
    write_json(tmp_path / "study.json", record_of(MadeStudy([MadeDesign("d", 1.0)])))
    days = {"first_loose_day_shared": 102.0, "first_loose_day_own": None, "end_day_shared": 730.0, "end_day_own": 105.0}
    write_json(tmp_path / "operator_check.json", {"rows": [{"point": 2, **days}]})
    found = write_summary(tmp_path)
    assert found["operator_checks"] == [{"point": 2, "shared_day": 102.0, "own_day": 105.0}]
    (tmp_path / "operator_check.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="the check of the operator cannot be read"):
        write_summary(tmp_path)


def test_study_without_results_says_so(tmp_path: Path) -> None:
    """All points queued or failed: counted, no curves, no comparison of nothing."""
    rows = [
        row(str(k), design, k + 1, {"tissue.x": 1.0}, status="failed", reason=WHY) for k in range(2) for design in "a"
    ]
    write_table(tmp_path / "table.csv", rows)
    write_json(tmp_path / "study.json", record_of(MadeStudy([MadeDesign("a", 1.0)])))
    found = write_summary(tmp_path)
    assert found["designs"] == [
        {"name": "a", "design": "a", "entry": {}, "label": "a", "scenario_hash": "00000000", "n": 0, "missing": 2}
    ]
    assert text_table(design_rows(found)).splitlines()[-1].split() == ["a", "0", "2"]
    with pytest.raises(InputError, match="knows none of the scenarios"):
        find_ensemble(tmp_path, [], ["00000000"])


def test_reports_and_comparisons_read_their_bands_from_the_summary(folder: Path, summary: dict[str, Any]) -> None:
    """The page of a run finds the band of its scenario, that of two runs whether the study tells them apart."""
    found = find_ensemble(folder, [], ["00000000"])
    assert found is not None
    band, first = found.bands["00000000"], summary["designs"][0]["first_loosening"]
    assert (band.patients, band.horizon) == (297, HORIZON)
    assert (band.median, band.median_low, band.median_high) == tuple(
        first[key] for key in ("median_day", "median_low", "median_high")
    )
    assert (band.held, band.held_low, band.held_high) == tuple(first["share_horizon"].values())
    assert found.differ[frozenset({"00000000", "00000001"})] == summary["comparisons"][0]["logrank_p"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no study there"),
        ("{", "cannot be read"),
        ('{"kind": "other"}', "not the record of a femsim study"),
        ('{"kind": "femsim study record", "title": "x"}', "lacks horizon_days, designs"),
    ],
)
def test_broken_record_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    """Absent, cut off, of something else, or without what the analysis needs."""
    write_study(tmp_path, MadeStudy([MadeDesign("a", 0.01)], 5))
    (tmp_path / "study.json").unlink()
    if content is not None:
        (tmp_path / "study.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        write_summary(tmp_path)


def test_inputs_that_were_drawn_again_are_not_quite_independent(tmp_path: Path) -> None:
    """Sobol indices presuppose independent inputs; where combinations were refused the summary says so."""
    write_study(tmp_path, MadeStudy([MadeDesign("a", 0.01)], 60))
    change_record(tmp_path, sampling={"method": "latin-hypercube", "samples": 60, "holds_at_rest": True})
    notes = write_summary(tmp_path)["drivers"][0]["notes"]
    assert {"key": "drawn_again", "values": {}} in notes
