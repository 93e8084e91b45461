"""The scenario gallery: every file is valid, opens with its question, and its operation can be planned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from femsim.parameters import load_parameters
from femsim.pipeline import Hooks
from femsim.pipeline.setting import prepare
from femsim.scenario import dump_scenario, load_scenario, notices, scenario_hash

FOLDER = Path(__file__).resolve().parents[2] / "scenarios"
FILES = sorted(FOLDER.glob("*.yaml"))
NEEDED = {
    "healthy-jaw",
    "60gy-12-months",
    "70gy-6-months",
    "thin-plate",
    "medium-plate",
    "healthy-thin-plate",
    "healthy-medium-plate",
    "three-screws",
    "four-screws",
    "bench-block",
}
COMMON = {"jaw", "resection", "simulate", "mesh", "parameters"}
"""Sections that all jaws of the gallery share."""
each = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def test_gallery_is_complete():
    """The gallery answers the questions that the project promises."""
    assert {path.stem for path in FILES} >= NEEDED


@each
def test_opens_with_question_expectation_and_reason(path):
    """Every scenario opens with its question, what to expect and why."""
    assert path.read_text(encoding="utf-8").startswith("question: ")
    scenario = load_scenario(path)
    assert str(scenario.question).endswith("?")
    assert "Why: " in str(scenario.expect)


@each
def test_is_valid_without_remarks(path):
    """Every scenario passes the check, and nothing in it is unusual."""
    scenario = load_scenario(path)
    assert not list(notices(scenario))
    load_parameters(scenario.overrides())


@each
def test_resolved_form_loads_again_to_the_same_scenario(path, tmp_path):
    """The resolved scenario of a run folder is itself a scenario with the same numbers."""
    scenario = load_scenario(path)
    copy = tmp_path / "scenario.yaml"
    copy.write_text(dump_scenario(scenario), encoding="utf-8")
    again = load_scenario(copy)
    names = {"plate": {"surface", "holes"}}  # written with their whole path
    assert again.model_dump(exclude=names) == scenario.model_dump(exclude=names)
    assert again.files == scenario.files
    assert scenario_hash(again) == scenario_hash(scenario)


def wanted_screws(scenario) -> int:
    """Count the screws that a scenario asks for."""
    if isinstance(scenario.plate.holes, str):
        return len((FOLDER / scenario.plate.holes).read_text(encoding="utf-8").split()) - 1
    parts = len(scenario.resection.parts) if scenario.resection is not None else 1
    total = 0
    for screws in [scenario.screws] + ([] if scenario.second_plate is None else [scenario.second_plate.screws]):
        count = screws.per_stump
        total += count.mesial + count.distal + (parts - 1) * (count.middle or count.mesial)
    return total + (0 if scenario.graft is None else parts * scenario.graft.struts * scenario.graft.screws)


@each
def test_can_be_planned(path):
    """Every scenario gives an operation: its plate lies on the bone, and every screw it asks for holds in bone."""
    scenario = load_scenario(path)
    made = prepare(scenario, Hooks())
    assert len(made.operation.screws) == wanted_screws(scenario)
    rules = dict.fromkeys(("plate", "plate-1"), scenario.screws.length)
    rules |= {} if scenario.second_plate is None else {"plate-2": scenario.second_plate.screws.length}
    for screw in made.operation.screws:
        assert screw.bicortical is (rules[screw.plate_name] == "bicortical")
    # A muscle that goes with the segment is part of the expectation.
    assert bool(made.operation.dropped) is ("masseter" in str(scenario.expect))
    eqd2 = made.tissue.eqd2(np.array([screw.tip for screw in made.operation.screws]))
    assert bool(eqd2.max() > 30) is (scenario.irradiation is not None)


def test_comparisons_differ_in_one_thing():
    """Scenarios that are compared differ only in what their question names."""

    def differences(first: str, second: str) -> set[str]:
        a, b = (load_scenario(FOLDER / f"{name}.yaml").model_dump() for name in (first, second))
        return {key for key in a if a[key] != b[key]} - {"title", "question", "expect"}

    assert differences("three-screws", "four-screws") == {"screws"}
    assert differences("healthy-jaw", "60gy-12-months") == {"irradiation"}
    assert differences("60gy-12-months", "70gy-6-months") == {"irradiation"}
    assert differences("60gy-12-months", "thin-plate") == {"plate"}
    assert differences("60gy-12-months", "medium-plate") == {"plate"}
    assert differences("healthy-thin-plate", "thin-plate") == {"irradiation"}
    assert differences("healthy-medium-plate", "medium-plate") == {"irradiation"}
    thick, thin = (load_scenario(FOLDER / f"{name}.yaml").plate for name in ("60gy-12-months", "thin-plate"))
    assert (thick.height, thick.standoff) == (thin.height, thin.standoff)
    assert {key for key in NEEDED - {"bench-block"} if differences(key, "60gy-12-months") & COMMON} == set()
