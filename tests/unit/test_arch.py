"""Curtain coordinates of a jaw."""

from __future__ import annotations

import numpy as np
import pytest
from operation_models import adult_arch, adult_jaw

from femsim.errors import InputError
from femsim.geometry.arch import resampled


def test_locate_inverts_unrolled() -> None:
    """Curtain coordinates and space are one-to-one near the jaw, also behind the end of the spline."""
    arch, random = adult_arch(), np.random.default_rng(1)
    s, n, z = random.uniform(-130, 130, 500), random.uniform(-8, 20, 500), random.uniform(0, 80, 500)
    found = arch.locate(arch.unrolled(s, n, z))
    assert np.allclose(found, (s, n, z), atol=1e-8)


def test_curve_is_parametrised_by_arc_length_from_the_midline() -> None:
    """s counts millimetres from the midline, positive on the left (+x)."""
    arch = adult_arch()
    s = np.linspace(-80, 80, 3201)
    steps = np.linalg.norm(np.diff(arch.point(s)[:, :2], axis=0), axis=1)
    assert np.allclose(steps, 0.05, rtol=2e-3)
    assert abs(arch.point(np.array([0.0]))[0, 0]) < 0.05
    assert arch.point(np.array([40.0]))[0, 0] > 15


def test_curve_runs_inside_the_body() -> None:
    """From molar to molar the curve lies in bone at the middle height of the body."""
    points = adult_arch().point(np.linspace(-45, 45, 31))
    assert adult_jaw().surface.contains(points).all()


def test_normal_points_to_the_buccal_side() -> None:
    """Buccal is away from the tongue: forwards at the chin, to the left on the left side."""
    normal = adult_arch().normal(np.array([0.0, 50.0, -50.0]))
    assert normal[0, 1] < -0.99
    assert normal[1, 0] > 0.8
    assert normal[2, 0] < -0.8


@pytest.mark.parametrize(("fdi", "landmark"), [(36, "first_molar_left"), (46, "first_molar_right")])
def test_first_molar_stands_at_its_landmark(fdi: int, landmark: str) -> None:
    """Tooth widths are scaled so that the first molar's centre meets its landmark."""
    arch = adult_arch()
    s = arch.locate(adult_jaw().landmarks.points[landmark][None])[0][0]
    assert arch.tooth(fdi)[1] == pytest.approx(s, abs=1e-6)


def test_teeth_follow_each_other_without_gaps() -> None:
    """The distal edge of a tooth is the mesial edge of the next; widths keep the ratios of the card."""
    arch = adult_arch()
    for first, second in ((31, 32), (36, 37), (41, 42), (46, 47)):
        assert arch.tooth(first)[2] == pytest.approx(arch.tooth(second)[0])
    molar, incisor = arch.tooth(36), arch.tooth(31)
    assert (molar[2] - molar[0]) / (incisor[2] - incisor[0]) == pytest.approx(11.0 / 5.0)


def test_tooth_point_is_in_bone() -> None:
    """The centre of the bone section at a tooth lies in bone, at its arch coordinate."""
    arch = adult_arch()
    for fdi in (31, 33, 36, 37, 44, 47):
        point = arch.tooth_point(fdi)
        assert adult_jaw().surface.contains(point[None])[0]
        assert arch.locate(point[None])[0][0] == pytest.approx(arch.tooth(fdi)[1], abs=0.01)


@pytest.mark.parametrize("fdi", [0, 11, 30, 39, 49, 51])
def test_only_lower_teeth_exist(fdi: int) -> None:
    """A number that is no lower tooth is refused with the allowed ones."""
    with pytest.raises(InputError, match="31-38"):
        adult_arch().tooth(fdi)


def test_parallel_curve_keeps_its_height() -> None:
    """Along the body the curve stands at the wanted distance above the lower border, within half a millimetre."""
    arch = adult_arch()
    line = arch.parallel_to_border(9.0, 4.0)
    body = line[np.abs(line[:, 0]) < 40]
    slope = np.gradient(arch.lower_border(body[:, 0]), body[:, 0])
    height = (body[:, 1] - arch.lower_border(body[:, 0])) * np.cos(np.arctan(slope))
    assert np.abs(height - 9.0).max() < 0.5


def test_parallel_curve_turns_up_the_ramus() -> None:
    """Behind the angle the curve climbs parallel to the posterior border instead of leaving the bone."""
    line = adult_arch().parallel_to_border(9.0, 4.0)
    assert line[0, 1] - line[:, 1].min() > 40
    assert line[-1, 1] - line[:, 1].min() > 40
    assert line[0, 0] < -60
    assert line[-1, 0] > 60


def test_resampled_keeps_ends_and_step() -> None:
    """A resampled polyline keeps its ends and has equal steps."""
    path = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [4.0, 4.0]])
    new = resampled(path, 0.5)
    assert np.allclose(new[[0, -1]], path[[0, -1]])
    assert len(new) == 13
