"""Dose metric and dose fields."""

from __future__ import annotations

import numpy as np
import pytest

from femsim.parameters import load_parameters
from femsim.tissue import Course, TargetField, TissueConstants, UniformField, course_eqd2, eqd2


@pytest.mark.parametrize(
    ("dose", "fractions", "expected", "half_digit"),
    [
        *[(5.0, 1, 8.0, 0.5), (15.0, 1, 54.0, 0.5), (25.0, 1, 140.0, 0.5)],  # rabbit
        *[(10.0, 1, 26.0, 0.5), (20.0, 1, 92.0, 0.5), (30.0, 1, 198.0, 0.5)],  # rat
        *[(20.0, 4, 32.0, 0.5), (43.0, 10, 62.8, 0.05), (60.0, 4, 216.0, 0.5), (35.0, 5, 70.0, 0.5)],
        *[(5 * 5.91, 5, 52.7, 0.05), (5 * 8.89, 5, 105.7, 0.05)],  # called 75 and 150 % of 70 Gy by their authors
        *[(70.0, 35, 70.0, 1e-12), (66.0, 33, 66.0, 1e-12), (60.0, 30, 60.0, 1e-12)],
    ],
)
def test_published_schedules(dose, fractions, expected, half_digit):
    """EQD2 with alpha/beta 3 Gy gives the schedules of the animal experiments to the printed digit."""
    assert float(eqd2(dose, fractions, 3.0)) == pytest.approx(expected, abs=half_digit + 1e-9)


def test_each_point_has_its_own_fraction_size():
    """A point with half the dose also gets half the dose per fraction: 30 Gy in 30 is 24 Gy EQD2, not 30."""
    assert eqd2([60.0, 30.0, 0.0], 30, 3.0).tolist() == [60.0, 24.0, 0.0]


def test_courses_add_up():
    """Courses are converted one by one and summed, without forgiveness."""
    courses = [Course(60.0, 30), Course(43.0, 10)]
    assert course_eqd2(courses, np.zeros((2, 3)), 3.0) == pytest.approx([122.78, 122.78])
    assert course_eqd2([], np.zeros((4, 3)), 3.0).tolist() == [0.0] * 4


def test_uniform_field_is_one_everywhere():
    """A uniform field carries its prescription at every point."""
    assert UniformField().relative(np.random.default_rng(0).normal(size=(5, 3))).tolist() == [1.0] * 5


@pytest.mark.parametrize("penumbra", [5.0, 8.0, 10.0])
def test_penumbra_is_the_80_to_20_percent_width(penumbra):
    """The dose of a target falls from 80 % to 20 % over exactly one penumbra, centred on the sphere."""
    target = TargetField((1.0, 2.0, 3.0), 35.0, penumbra)
    edge = np.array([-0.5, 0.0, 0.5]) * penumbra
    points = np.array([1.0, 2.0, 3.0]) + (35.0 + edge)[:, None] * np.array([0.0, 0.6, -0.8])
    assert target.relative(points) == pytest.approx([0.8, 0.5, 0.2], abs=1e-12)


def test_target_is_full_inside_and_empty_outside():
    """Deep inside the prescription is met, far outside nothing is left, and the dose falls all the way."""
    target = TargetField((0.0, 0.0, 0.0), 35.0, 8.0)
    profile = target.relative(np.column_stack([np.linspace(0.0, 80.0, 200), np.zeros(200), np.zeros(200)]))
    assert profile[0] == pytest.approx(1.0, abs=1e-9)
    assert profile[-1] < 1e-15
    assert np.all(np.diff(profile) <= 0.0)


def test_any_object_with_a_relative_dose_is_a_field():
    """A new kind of field needs nothing but ``relative``."""

    class HalfSpace:
        def relative(self, points):
            return (points[:, 0] > 0.0).astype(float)

    assert course_eqd2([Course(60.0, 30, HalfSpace())], np.array([[1.0, 0, 0], [-1.0, 0, 0]]), 3.0).tolist() == [
        60.0,
        0.0,
    ]


def test_cell_kill_follows_alpha_beta():
    """Changing alpha/beta keeps the measured kill of the calibration dose, 15 Gy once; an explicit sC is left alone."""
    card = TissueConstants.from_parameters(load_parameters())
    changed = TissueConstants.from_parameters(load_parameters({"tissue.alpha_beta": "2 Gy"}))
    assert changed.sC * float(eqd2(15.0, 1, 2.0)) == pytest.approx(card.sC * float(eqd2(15.0, 1, 3.0)))
    explicit = load_parameters({"tissue.alpha_beta": "2 Gy", "tissue.sC": "0.03 / Gy"})
    assert TissueConstants.from_parameters(explicit).sC == pytest.approx(0.03)
