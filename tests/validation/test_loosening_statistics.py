"""Statistics of the loosening ensemble against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from loosening_statistics import (
    Arm,
    fracture_months,
    hazard_ratio,
    loose_share,
    median_months,
    misfit,
    summary,
    verdicts,
)


def arm(days: list[float], loose: list[bool], fracture: float = np.inf) -> Arm:
    return Arm(np.array(days), np.array(loose), np.full(len(days), fracture))


def test_share_counts_censored_jaws_as_kaplan_and_meier_do() -> None:
    """Loose on day 100 of five, one lost to follow-up on 200, loose on 300 of three: 1 - 4/5 * 2/3."""
    found = loose_share(arm([100, 200, 300, 800, 800], [True, False, True, False, False]), 730.0)
    assert found == pytest.approx(1.0 - 4.0 / 5.0 * 2.0 / 3.0)
    assert loose_share(arm([800.0], [False]), 730.0) == 0.0


def test_median_is_that_of_jaws_that_loosen() -> None:
    """Days 304, 608 and 912 are 10, 20 and 30 months; the jaw that holds does not count."""
    assert median_months(arm([304, 608, 912, 1826], [True, True, True, False])) == pytest.approx(20.0)
    assert np.isnan(median_months(arm([1826.0], [False])))
    assert median_months(arm([20, 30, 608, 912], [True, True, True, True]), after=56.0) == pytest.approx(25.0)


def test_hazard_ratio_of_one_step() -> None:
    """With e the ratio, the partial likelihood of two times is greatest where 2 = e/(e + 1) + 4e/(2e + 3)."""
    exposed, control = arm([10, 20, 50], [True, True, False]), arm([20, 50, 50], [True, False, False])
    # day 10: 1 event, 3 and 3 at risk; day 20: 2 events, 2 and 3 at risk; hence 2 e^2 - 3 e - 6 = 0
    ratio, low, high = hazard_ratio(exposed, control)
    assert ratio == pytest.approx((3.0 + np.sqrt(57.0)) / 4.0)
    assert 0.0 < low < ratio < high < np.inf


def test_hazard_ratio_of_known_exponentials() -> None:
    """Two exponential arms with rates 2 and 1 give a ratio near 2, and equal arms one near 1."""
    generator = np.random.default_rng(3)
    fast, slow = generator.exponential(500.0, 3000), generator.exponential(1000.0, 3000)

    def observed(days: np.ndarray) -> Arm:
        return Arm(np.minimum(days, 1000.0), days < 1000.0, np.full(len(days), np.inf))

    ratio, low, high = hazard_ratio(observed(fast), observed(slow))
    assert low < ratio < high
    assert ratio == pytest.approx(2.0, rel=0.12)
    assert hazard_ratio(observed(slow), observed(slow))[0] == pytest.approx(1.0)


def test_no_control_loosens() -> None:
    """Without any loosening among the controls the ratio is infinite, without any at all unknown."""
    still = arm([100.0, 100.0], [False, False])
    assert hazard_ratio(arm([10.0, 100.0], [True, False]), still)[0] == np.inf
    assert np.isnan(hazard_ratio(still, still)[0])


def test_broken_plate_ends_observation() -> None:
    """A plate that breaks on day 152 (5 months) hides the loosening of day 500."""
    broken = arm([500.0, 500.0], [True, True], fracture=152.0)
    assert loose_share(broken, 730.0) == 0.0
    assert fracture_months(broken) == pytest.approx([5.0, 5.0])
    assert fracture_months(arm([100.0], [True], fracture=152.0)).size == 0


def test_misfit_is_zero_inside_and_grows_outside() -> None:
    """Inside every range nothing is left; twice too early costs ln(2) squared, 10 % too many healthy ones 1."""
    good = {"healthy_share_2y": 0.05, "irradiated_median_months": 30.0, "hazard_ratio": 2.0}
    assert misfit(good) == 0.0
    assert misfit({**good, "irradiated_median_months": 9.5}) == pytest.approx(np.log(2.0) ** 2)
    assert misfit({**good, "healthy_share_2y": 0.2}) == pytest.approx(1.0)
    assert misfit({**good, "hazard_ratio": np.inf}) == pytest.approx(4.0)


def test_verdicts_say_what_was_missed() -> None:
    """Every number has a line: met, missed by how much, or not comparable."""
    healthy = arm([1826.0, 1826.0], [False, False])
    irradiated = arm([152.0, 1826.0], [True, False])
    lines = verdicts(summary(healthy, irradiated))
    assert lines[0].endswith("met")
    assert "missed by a factor 3.8" in lines[1]
    assert "missed by inf" in lines[2]
    assert "not comparable" in lines[3]
