"""Bone yield on the day of surgery: strains around every screw in the record, an event only beyond the limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pipeline_models import finished_run

from femsim.parameters import load_parameters
from femsim.pipeline.bone_yield import yield_events
from femsim.results.rows import event_rows

LIMITS = {kind: load_parameters()[f"materials.yield_strain_{kind}"] for kind in ("tension", "compression")}


def row(tension: float, compression: float) -> dict[str, Any]:
    """Strains at one screw."""
    values = {"tension": tension, "compression": compression}
    limits = {f"{kind}_limit": limit for kind, limit in LIMITS.items()}
    return {"screw": "screw-3", **values, **limits, **{f"{kind}_task": "tip" for kind in LIMITS}}


def test_strains_of_a_light_bite_are_told_and_harmless() -> None:
    """A bite of 20 N strains the bone at every screw by less than a tenth of its limits; nothing is said to yield."""
    record = json.loads((finished_run().folder / "run.json").read_text(encoding="utf-8"))
    rows = record["bone_strain"]
    assert [one["screw"] for one in rows] == ["screw-1", "screw-2", "screw-3", "screw-4"]
    for one in rows:
        for kind, limit in LIMITS.items():
            assert 0.0 < one[kind] < 0.1 * limit
            assert one[f"{kind}_limit"] == limit
    assert not [event for event in record["events"] if event["kind"] == "yield"]


def test_limits_are_those_of_the_design() -> None:
    """0.73 % in tension and 1.04 % in compression."""
    assert LIMITS == {"tension": 0.0073, "compression": 0.0104}


def test_beyond_a_limit_bone_yields_on_day_zero() -> None:
    """Each sign has its own limit; the event tells screw, day, margin and the task that caused it."""
    assert yield_events([row(0.0072, 0.0103)]) == []
    (event,) = yield_events([row(0.0072, 0.0208)])
    assert (event.kind, event.subject, event.day, event.cycles) == ("yield", "bone at screw-3", 0.0, 0.0)
    assert event.margins["compression"] == pytest.approx(-0.5)
    assert "task 'tip'" in event.causes[0]
    assert "2.08% in compression" in event.causes[0]
    assert event_rows([event])[0]["text"] == "bone at screw-3 yields under the full bite force"
    assert len(yield_events([row(0.01, 0.02)])) == 2
