"""Runs of brick constructs as designs of a page, with what ranking and tables need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from viewer_models import HORIZON, LOOSE_DAY, reported_run

from femsim.report.design import Design
from femsim.report.ensemble import Band
from femsim.report.read import RunData
from femsim.results import RunFolder, write_json, write_table

PLATE_VOLUME = 1500.0
SCREW_VOLUME = 3.141592653589793 / 4 * 2.0**2 * 11.0
"""Each of the four screws of the bricks [mm3]."""


def design(
    name: str = "A",
    loose_day: float | None = LOOSE_DAY,
    plate_damage: float = 1e-3,
    plate_volume: float = PLATE_VOLUME,
    band: Band | None = None,
    **changes: Any,
) -> Design:
    """A design without a folder, for ranking: one loose screw or none, a plate with some life used."""
    events = [] if loose_day is None else [{"kind": "screw loose", "subject": "screw-4", "day": loose_day}]
    screw = {"diameter_mm": 2.0, "length_mm": 11.0}
    record = {
        "hash": name * 8,
        "status": "complete",
        "horizon_days": HORIZON,
        "day": HORIZON,
        "events": events,
        "mesh": {"plate_volume_exact": plate_volume},
        "operation": {"screws": [screw] * 4},
        **changes,
    }
    hardware = [{"part": "plate", "damage": plate_damage}, {"part": "screw-1", "damage": 0.5}]
    return Design(name, RunData(RunFolder(Path(name)), record, [], [], hardware, [], [], []), band)


def band(median: float | None, low: float | None, high: float | None, held: float = 0.5) -> Band:
    """What a study of a hundred patients says of a design."""
    return Band(100, median, low, high, HORIZON, held, held - 0.1, held + 0.1)


def compared_runs(runs: Path) -> list[RunFolder]:
    """Two complete brick runs that differ in plate and dose, with every table a page shows; the second loosens."""
    first = _told(runs, "Bricks, thick plate", "2.5 mm", dose=30.0, hash="11111111")
    second = _told(runs, "Bricks, thin plate", "1.5 mm", dose=60.0, hash="22222222")
    record = first.record()
    held = [
        row | {"loose": False, "loose_day": None, "loose_cycles": None, "criterion": ""} for row in record["screws"]
    ]
    first.write_record(
        {key: value for key, value in record.items() if key not in ("kind", "format")} | {"screws": held, "events": []}
    )
    return [first, second]


def _told(runs: Path, title: str, thickness: str, dose: float, **changes: Any) -> RunFolder:
    cause = ["overload wore its thread"]
    event = {"cycles": 1600 * LOOSE_DAY, "kind": "screw loose", "subject": "screw-4", "criterion": "motion"}
    inputs = [
        {"key": "jaw.parametric", "value": "{}", "origin": "made.yaml:1"},
        {"key": "plate.thickness", "value": thickness, "origin": "made.yaml:2"},
        {"key": "irradiation.courses.0.prescription", "value": f"{dose} Gy", "origin": "made.yaml:3"},
        {"key": "irradiation.courses.0.fractions", "value": "30", "origin": "made.yaml:4"},
    ]
    constants = [
        {"name": f"law.{mark}", "value": 1.5, "unit": "mm", "range": [1.0, 2.0], "source": ["someone2001"],
         "mark": mark, "remark": "", "origin": "card"}
        for mark in ("found", "assumed")
    ]  # fmt: skip
    check = {"name": "moments balance", "value": 1e-12, "limit": 1e-6, "unit": "", "passed": True}
    folder = reported_run(
        runs,
        title,
        dose=dose,
        inputs=inputs,
        parameters=constants,
        checks=[check],
        surgery_after_days=180.0,
        events=[{"day": LOOSE_DAY, "text": "it counts as loose", "causes": cause, **event}],
        mesh={"key": "abc", "tets": 1000, "unknowns": 6000, "plate_volume_exact": PLATE_VOLUME},
        **changes,
    )
    hardware = {"material": "titanium alloy", "stress_peak_mpa": 200.0, "yield_mpa": 800.0, "yield_margin": 4.0}
    hardware |= {"amplitude_mpa": 90.0, "endurance_mpa": 350.0, "fatigue_margin": 3.9, "damage": 1e-6}
    write_table(folder / "hardware.csv", [{"part": part, **hardware} for part in ("plate", "screw-1")])
    names = ("vessels", "oxygen_mmhg", "osteocytes", "cells", "activity", "young_cortical", "young_cancellous")
    strip = dict.fromkeys((*names, "strength_cortical", "toughness"), 0.8)
    write_table(folder / "tissue.csv", [{"s_mm": s, "eqd2_gy": dose, **strip} for s in (-10.0, 0.0, 10.0)])
    patch = {"depth_mm": 1.0, "area_mm2": 3.0, "thread_hold": 0.5}
    write_table(
        folder / "patches.csv",
        [
            {"screw": f"screw-{k + 1}", "ring": ring, "sector": sector, **patch, "depth_mm": 1.0 + ring}
            for k in range(4)
            for ring in range(3)
            for sector in range(4)
        ],
    )
    return folder


def study_summary(folder: Path, designs: dict[str, tuple[str, float | None]], p: float | None = None) -> Path:
    """A study folder whose designs have a hash and a median day; ``p`` of the log-rank test of the first two."""
    folder.mkdir(parents=True)
    names = list(designs)
    rows = []
    for name, (hash8, median) in designs.items():
        first = {"events": 60, "censored": 40, "competing": 0, "median_day": median}
        first |= {"median_low": None if median is None else 0.8 * median, "median_high": None}
        first |= {"day": [0, 100, HORIZON], "held": [1.0, 0.8, 0.4], "low": [1.0, 0.7, 0.3], "high": [1.0, 0.9, 0.5]}
        rows.append({"name": name, "scenario_hash": hash8, "n": 100, "first_loosening": first})
    comparisons = [] if p is None else [{"a": names[0], "b": names[1], "logrank_p": p}]
    summary = {"kind": "femsim-study", "version": 1, "title": "Made", "horizon_days": HORIZON}
    write_json(folder / "summary.json", summary | {"designs": rows, "comparisons": comparisons})
    return folder
