"""Sides and hard bites in a scenario: what the jaw really does, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pipeline_models import BENCH_FILE

from femsim.errors import InputError
from femsim.scenario import dump_scenario, load_scenario, scenario_from_mapping

BASE: dict[str, Any] = {
    "schema": 1,
    "title": "Habits",
    "jaw": {"parametric": {}},
    "resection": {"side": "left", "from": 34, "to": 35},
    "plate": {"preset": "reconstruction-2.5"},
    "screws": {"preset": "locking-2.4"},
    "simulate": {"years": 1},
}


def chewing(**task: Any) -> list[tuple[str, str | None, float, float]]:
    """Name, muscles, force and cycles a day of what one task becomes."""
    scenario = scenario_from_mapping({**BASE, "loading": {"tasks": [task]}}, "habits.yaml")
    return [(one.name, one.activation, one.force, one.cycles_per_day) for one in scenario.loading.chewing]


def test_a_patient_who_chews_four_fifths_on_the_left() -> None:
    """The cycles of a bite without a side go to both sides by the habit, each with its own muscles."""
    found = chewing(bite="first-molar", left=0.8, force="150 N", cycles_per_day=1000)
    assert found == [
        ("first-molar, left", "LMOL", 150.0, pytest.approx(800.0)),
        ("first-molar, right", "RMOL", 150.0, pytest.approx(200.0)),
    ]
    assert [one[3] for one in chewing(bite="first-molar", force="150 N", cycles_per_day=1000)] == [500.0, 500.0]
    assert [one[0] for one in chewing(bite="first-molar", left=1.0, force="150 N")] == ["first-molar, left"]


def test_hard_bites_of_given_probability() -> None:
    """One bite in ten thousand is a hard one: the expected number a day is what enters the Miner sum."""
    hard = {"force": "400 N", "probability": 1e-4}
    found = chewing(bite="right-first-molar", force="150 N", cycles_per_day=1000, hard_bite=hard)
    assert found == [
        ("right-first-molar", "RMOL", 150.0, pytest.approx(999.9)),
        ("right-first-molar, hard bite", "RMOL", 400.0, pytest.approx(0.1)),
    ]
    assert sum(one[3] for one in chewing(bite="canine", force="90 N", cycles_per_day=600, hard_bite=hard)) == 600.0


def test_habits_load_again(tmp_path: Any) -> None:
    """The resolved scenario of a habit is the same scenario."""
    task = {"bite": "canine", "left": 0.3, "force": "90 N", "hard_bite": {"force": "200 N", "probability": 0.001}}
    scenario = scenario_from_mapping({**BASE, "loading": {"tasks": [task]}}, "habits.yaml")
    path = tmp_path / "again.yaml"
    path.write_text(dump_scenario(scenario), encoding="utf-8")
    assert load_scenario(path).loading == scenario.loading


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"bite": "left-first-molar", "left": 0.8, "force": "100 N"}, "has its side"),
        ({"bite": "first-molar", "activation": "LMOL", "force": "100 N"}, "muscles follow the side"),
        ({"bite": "first-molar", "left": 80, "force": "100 N"}, "at most 1"),
        (
            {"bite": "incisal", "force": "100 N", "hard_bite": {"force": "50 N", "probability": 0.1}},
            "weaker than the usual one",
        ),
        ({"bite": "incisal", "force": "100 N", "hard_bite": {"force": "200 N", "probability": 0}}, "more than 0"),
        ({"bite": "first-premolar", "force": "100 N"}, "needs tooth 34, which the resection removes"),
    ],
)
def test_contradictions_are_refused(task: dict[str, Any], words: str) -> None:
    """A share for a bite with a side, muscles for one without, a weak hard bite, a tooth that is gone."""
    with pytest.raises(InputError, match=words):
        scenario_from_mapping({**BASE, "loading": {"tasks": [task]}}, "habits.yaml")


def test_scenarios_without_habits_are_unchanged() -> None:
    """A task with a side and without hard bites stays the one task it was."""
    (task,) = load_scenario(BENCH_FILE).loading.tasks
    assert task.parts == (task,)
