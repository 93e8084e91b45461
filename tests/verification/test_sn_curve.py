"""Human cortical S-N curve and the equivalent stress of a patch."""

from __future__ import annotations

import numpy as np
import pytest

from femsim.loosening.rates import LooseningConstants, cycles_to_failure, equivalent_stress
from femsim.parameters import load_parameters


@pytest.fixture(scope="module")
def constants() -> LooseningConstants:
    return LooseningConstants.from_parameters(load_parameters())


def test_anchor_45_mpa(constants):
    """45 MPa in healthy bone lasts exactly the published 7.31e5 cycles."""
    assert cycles_to_failure(np.array([45.0]), 1.0, constants)[0] == pytest.approx(7.31e5, rel=1e-14)


def test_anchor_35_mpa(constants):
    """35 MPa lasts 1.22e7 cycles to the published three digits: 7.31e5 (45/35)^11.2 = 1.21993e7."""
    life = cycles_to_failure(np.array([35.0]), 1.0, constants)[0]
    assert life == pytest.approx(1.2199314693698e7, rel=1e-12)
    assert float(f"{life:.2e}") == 1.22e7


def test_strength_scales_the_stress_axis(constants):
    """Bone at strength 0.82 lasts at 0.82 x 45 MPa as long as healthy bone at 45 MPa; at 45 MPa ten times less."""
    assert cycles_to_failure(np.array([0.82 * 45.0]), 0.82, constants)[0] == pytest.approx(7.31e5, rel=1e-12)
    ratio = cycles_to_failure(np.array([45.0]), 0.82, constants)[0] / 7.31e5
    assert np.log10(ratio) == pytest.approx(11.2 * np.log10(0.82), rel=1e-12)


def test_no_stress_never_fails_and_no_life_is_below_one_cycle(constants):
    """Zero stress gives an infinite life, absurd stress one cycle."""
    life = cycles_to_failure(np.array([0.0, 1e6]), 1.0, constants)
    assert life[0] == np.inf
    assert life[1] == 1.0


def test_equivalent_stress_by_hand(constants):
    """Kt sqrt(t_r^2 + 3 (t_a^2 + t_c^2)) / max(b, 0.2) with tension left out: 3 sqrt(4 + 3 (1 + 4)) = 3 sqrt(19)."""
    tractions = np.array([[2.0, 1.0, 2.0], [-2.0, 1.0, 2.0], [2.0, 1.0, 2.0]])
    expected = np.array([3 * np.sqrt(19.0), 3 * np.sqrt(15.0), 3 * np.sqrt(19.0) / 0.2])
    np.testing.assert_allclose(
        equivalent_stress(tractions, np.array([1.0, 1.0, 0.05]), constants), expected, rtol=1e-14
    )
