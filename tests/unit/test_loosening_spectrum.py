"""Tasks and the healing spectrum."""

from __future__ import annotations

import numpy as np
import pytest

from femsim.errors import InputError
from femsim.loosening.spectrum import HealingSpectrum, Task, checked_tasks

PULL = np.array([1.0, 0.5])


def test_straight_lines_between_weeks_and_constant_outside():
    """The factor is linear between the points and stays at the ends outside them."""
    spectrum = HealingSpectrum.from_table([[1, 0.2], [6, 0.4], [26, 1.0]])
    assert spectrum.factor(0.0) == 0.2
    assert spectrum.factor(3.5 * 7.0) == pytest.approx(0.3, rel=1e-14)
    assert spectrum.factor(16 * 7.0) == pytest.approx(0.7, rel=1e-14)
    assert spectrum.factor(1e4) == 1.0
    np.testing.assert_array_equal(spectrum.kinks, [7.0, 42.0, 182.0])


@pytest.mark.parametrize(
    "table", [[], [[0, 1], [0, 2]], [[3, 1], [2, 1]], [[0, -0.1]], [[0, 1, 2]], [[0, np.nan]], [[-1, 1]]]
)
def test_bad_spectrum_is_refused(table):
    """Empty, unordered, negative or malformed tables are refused."""
    with pytest.raises(InputError, match="healing spectrum"):
        HealingSpectrum.from_table(table)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"load_ratio": 1.0}, "load_ratio"),
        ({"load_ratio": -0.1}, "load_ratio"),
        ({"cycles_per_day": -1.0}, "cycles_per_day"),
        ({"bite_force": -5.0}, "bite_force"),
        ({"bite": None}, "bite point"),
        ({"activation": np.array([np.nan, 1.0])}, "activation"),
    ],
)
def test_bad_task_is_refused_by_name(changes, word):
    """The message names the task and the value at fault."""
    given = {"name": "molar", "activation": PULL, "bite": 0, "bite_force": 100.0, "cycles_per_day": 1600.0, **changes}
    with pytest.raises(InputError, match="molar") as caught:
        Task(**given)
    assert word in str(caught.value)


def test_tasks_are_checked_against_the_operator():
    """No task, a name used twice, a wrong number of loads and an unknown bite point are refused."""
    task = Task("molar", PULL, 0, 100.0, 1600.0)
    assert checked_tasks([task], 2, 1) == (task,)
    for tasks, loads, bites in (([], 2, 1), ([task, task], 2, 1), ([task], 3, 1), ([task], 2, 0)):
        with pytest.raises(InputError):
            checked_tasks(tasks, loads, bites)
