"""What dose and bite force do to bone and to the life of screws on the bench block: directions, not numbers."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
from pipeline_models import EARLY, constructed, evolved, first_loose

from femsim.loosening import Outcome
from femsim.loosening.history import SCREW_COLUMNS, STEP_COLUMNS

DOSES = (None, 40.0, 60.0, 80.0)
FORCES = (150.0, 180.0, 210.0)


@cache
def life(force: float, dose: float | None) -> float:
    """Day of the first loose screw under early criteria; the same mesh for every dose."""
    day = first_loose(evolved(force, 0.06, dose, criteria=EARLY))
    assert np.isfinite(day)
    return day


def test_more_dose_never_stiffens_bone() -> None:
    """At every integration point of the same mesh, bone after more dose is softer, and titanium stays what it is."""
    models = [constructed(dose)[1].model for dose in DOSES]
    bone = models[0].bone_cells
    metal = np.setdiff1d(np.arange(len(models[0].young)), bone)
    for less, more in itertools.pairwise(models):
        assert (more.young[bone] < less.young[bone]).all()
        np.testing.assert_array_equal(more.young[metal], less.young[metal])


def test_more_dose_never_lengthens_life() -> None:
    """The first screw loosens no later after more dose, all else equal."""
    days = [life(180.0, dose) for dose in DOSES]
    assert all(later <= earlier for earlier, later in itertools.pairwise(days))
    assert days[-1] < days[0]


def test_higher_bite_force_never_lengthens_life() -> None:
    """The first screw loosens no later under a higher bite force."""
    days = [life(force, 60.0) for force in FORCES]
    assert days[0] >= days[1] >= days[2]
    assert days[2] < days[0]


def test_zero_load_never_loosens() -> None:
    """Without chewing nothing moves, nothing is damaged and no screw loosens, in healthy and irradiated bone."""
    for dose in (None, 60.0):
        outcome = evolved(0.0, 30.0 / 365.25, dose)
        assert outcome.ending == "horizon"
        assert not outcome.events
        assert outcome.history.screw("motion_max_um").max() == 0.0
        assert outcome.history.screw("damage").max() == 0.0
        assert outcome.history.screw("clearance_um").max() == 0.0


def timeline(outcome: Outcome) -> list[np.ndarray]:
    history = outcome.history
    return [history.step(name) for name in STEP_COLUMNS] + [history.screw(name) for name in SCREW_COLUMNS]


@pytest.mark.parametrize("force", [60.0])
def test_zero_dose_equals_healthy(force: float) -> None:
    """Radiotherapy with a prescription of 0 Gy gives the healthy jaw's time line to the bit."""
    np.testing.assert_array_equal(constructed(0.0)[1].model.young, constructed(None)[1].model.young)
    healthy, zero = (timeline(evolved(force, 15.0 / 365.25, dose)) for dose in (None, 0.0))
    for expected, found in zip(healthy, zero, strict=True):
        assert found.tobytes() == expected.tobytes()
