"""Criteria, timers, lost stumps, events and their words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from femsim.loosening.causes import Ledger, ScrewStory, chain_of_causes
from femsim.loosening.criteria import Event, LooseCriteria, ScrewMeasures, Timers, lost_stumps
from femsim.parameters import load_parameters

CRITERIA = LooseCriteria.from_parameters(load_parameters())


def measures(motion=0.01, holding=1.0, lateral=1.0) -> ScrewMeasures:
    one = np.ones(1)
    return ScrewMeasures(one, motion * one, one, one, one, one, holding * one, lateral * one, one)


@pytest.mark.parametrize(
    ("given", "row", "margin"),
    [({"motion": 0.165}, 0, -0.1), ({"holding": 0.4}, 1, -0.2), ({"lateral": 0.15}, 2, -0.5)],
)
def test_each_criterion_alone_is_exceeded(given: dict[str, Any], row: int, margin: float):
    """Motion above 150 um, holding below 50 % and stiffness below 30 % of insertion each give a negative margin."""
    found = CRITERIA.margins(measures(**given))[:, 0]
    assert found[row] == pytest.approx(margin, rel=1e-12)
    assert np.all(np.delete(found, row) > 0.0)


def test_a_week_without_a_break_is_needed():
    """Six days, a day of relief and six more days declare nothing; seven days without a break do."""
    timers = Timers.fresh(1)
    bad, good = np.array([[-0.1], [1.0], [1.0]]), np.ones((3, 1))
    for day, margins in ((10.0, bad), (16.0, bad), (16.5, good), (17.0, bad), (23.0, bad)):
        timers.update(day, margins)
        assert timers.declare(day, 7.0) == []
    assert timers.next_full(7.0) == 24.0
    timers.update(24.0, bad)
    assert timers.declare(24.0, 7.0) == [(0, 0)]
    assert timers.loose_day[0] == 24.0
    assert timers.onset[0, 0] == 17.0


def test_a_loose_screw_stays_loose_and_is_declared_once():
    """Relief after the declaration changes nothing."""
    timers = Timers.fresh(1)
    timers.update(0.0, -np.ones((3, 1)))
    assert len(timers.declare(7.0, 7.0)) == 1
    timers.update(8.0, np.ones((3, 1)))
    assert timers.loose_day[0] == 7.0
    timers.update(9.0, -np.ones((3, 1)))
    assert timers.declare(20.0, 7.0) == []
    assert timers.next_full(7.0) == np.inf


def test_lost_stumps():
    """A stump of three is lost with the second loose screw, one that began with a single screw with that one."""
    stumps = ["mesial", "mesial", "mesial", "distal"]
    assert lost_stumps(stumps, np.array([True, False, False, False]), 2.0) == []
    assert lost_stumps(stumps, np.array([True, True, False, False]), 2.0) == ["mesial"]
    assert lost_stumps(stumps, np.array([False, False, False, True]), 2.0) == ["distal"]


def test_event_survives_json():
    """An event comes back from its record as it was, however its floats look."""
    event = Event("screw loose", "d-1", 40.1, 33.1, 64160.0, "motion", 0.2, 0.15, "mm", {"motion": -1 / 3}, ("a", "b"))
    assert Event.from_record(json.loads(json.dumps(event.record()))) == event


def test_chain_names_the_first_patch_and_what_fed_it():
    """The words name the first failed patch, the worst task and the feeds of the resorption, earlier screws first."""
    ledger = Ledger.empty(2, 3)
    ledger.damage = np.array([[0.0, 0.9, 0.9], [0.0, 0.1, 0.1]])
    ledger.fail(np.array([False, False, True]), 12.0, np.full(3, 61.0))
    ledger.fail(np.array([False, True, True]), 20.0, np.full(3, 70.0))
    ledger.resorbed = np.full((3, 3), 0.01) * np.array([[3.0], [1.0], [0.0]])
    story = ScrewStory("d-1", np.array([False, True, True]), np.array([0, 1, 2]), np.array([5, 6, 7]), np.ones(3))
    words = chain_of_causes(story, ledger, ["molar", "incisal"], np.full(3, 0.1), 0.3, np.full(3, 0.4), [("d-2", 5.0)])
    assert words[0].startswith("d-2")
    assert "ring 2, sector 7" in words[1]
    assert "day 12.0" in words[1]
    assert "61 MPa" in words[1]
    assert "90% of the damage from 'molar'" in words[1]
    assert "40 µm" in words[2]
    assert "75% by micromotion, 25% by overload" in words[2]
    assert "from 0.30 to 0.10" in words[3]
