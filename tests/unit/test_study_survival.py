"""Survival statistics of studies: worked by hand, against lifelines, and on lives whose law is known."""

from __future__ import annotations

import numpy as np
import pytest

from femsim.study.survival import Z, cumulative_incidence, hazard_ratio, kaplan_meier, logrank

DAY = np.array(
    [30, 60, 60, 90, 120, 150, 180, 210, 240, 300, 330, 365, 400, 450, 500, 540, 600, 650, 700, 730], dtype=float
)
END = np.array([1, 2, 1, 0, 1, 1, 2, 1, 0, 1, 2, 1, 1, 0, 1, 2, 1, 0, 0, 0])
GROUP = np.array([1, 0, 1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 0]) == 1


def lives(rate: float, count: int, seed: int, horizon: float = 730.0) -> tuple[np.ndarray, np.ndarray]:
    """Exponential lives censored at a horizon: days and whether the end was seen."""
    day = np.random.default_rng(seed).exponential(1.0 / rate, count)
    return np.minimum(day, horizon), day < horizon


def test_kaplan_meier_by_hand() -> None:
    """Five members: an end of five, one censored, an end of three: 4/5 and 4/5 * 2/3, bands by Greenwood on log-log."""
    curve = kaplan_meier(np.array([100.0, 200, 300, 800, 800]), np.array([1, 0, 1, 0, 0]) == 1, 730.0)
    assert curve.day.tolist() == [0.0, 100.0, 300.0, 730.0]
    assert curve.value == pytest.approx([1.0, 4 / 5, 8 / 15, 8 / 15])
    spread = np.sqrt(1 / (5 * 4) + 1 / (3 * 2)) / abs(np.log(8 / 15))
    assert curve.low[-1] == pytest.approx((8 / 15) ** np.exp(Z * spread))
    assert curve.high[-1] == pytest.approx((8 / 15) ** np.exp(-Z * spread))
    assert curve.at(299.0)[0] == pytest.approx(4 / 5)
    assert curve.at(300.0)[0] == pytest.approx(8 / 15)


def test_band_without_an_end_is_the_exact_binomial_one() -> None:
    """That none of 50 has ended says that at least 0.025^(1/50) = 92.9 % hold, not that all do."""
    curve = kaplan_meier(np.full(50, 730.0), np.zeros(50, dtype=bool), 730.0)
    assert curve.value.tolist() == [1.0, 1.0]
    assert curve.low == pytest.approx([0.025 ** (1 / 50)] * 2)
    assert curve.median() == (None, None, None)
    unseen = cumulative_incidence(np.full(50, 730.0), np.zeros(50, dtype=int), 1, 730.0)
    assert unseen.high == pytest.approx(1.0 - curve.low)


def test_who_ended_otherwise_counts_against_an_end_that_nobody_had() -> None:
    """40 of 60 break, 20 hold, none loosens: the bound is that of none of 60, not of the 20 left at the horizon."""
    day, end = np.where(np.arange(60) < 40, 100.0, 730.0), np.where(np.arange(60) < 40, 2, 0)
    assert cumulative_incidence(day, end, 1, 730.0).high == pytest.approx([1.0 - 0.025 ** (1 / 60)] * 2)


def test_band_where_nobody_is_left_is_not_empty() -> None:
    """After the last end the share is 0, and the upper bound the last one that could be given."""
    curve = kaplan_meier(np.array([10.0, 20.0, 30.0]), np.ones(3, dtype=bool), 730.0)
    assert curve.value[-1] == 0.0
    assert curve.low[-1] == 0.0
    assert 0.0 < curve.high[-1] < 1.0
    assert np.all(np.isfinite([curve.low, curve.high]))


def test_aalen_johansen_by_hand() -> None:
    """Six members end by 1, 2, are censored, end by 1, 2, are censored: both causes reach 1/6 + 2/9."""
    day, end = np.arange(1.0, 7.0), np.array([1, 2, 0, 1, 2, 0])
    first, second = (cumulative_incidence(day, end, cause, 10.0) for cause in (1, 2))
    assert first.day.tolist() == [0.0, 1.0, 4.0, 10.0]
    assert first.value == pytest.approx([0.0, 1 / 6, 7 / 18, 7 / 18])
    assert second.value == pytest.approx([0.0, 1 / 6, 7 / 18, 7 / 18])
    assert kaplan_meier(day, end > 0, 10.0).value[-1] == pytest.approx(1.0 - 7 / 9)


def test_incidence_without_competitors_is_kaplan_meier_upside_down() -> None:
    """Value and bands; the variance is then Greenwood's."""
    curve = kaplan_meier(DAY, END == 1, 730.0)
    incidence = cumulative_incidence(DAY, np.where(END == 1, 1, 0), 1, 730.0)
    assert incidence.day == pytest.approx(curve.day)
    assert incidence.value == pytest.approx(1.0 - curve.value)
    assert incidence.low == pytest.approx(1.0 - curve.high)
    assert incidence.high == pytest.approx(1.0 - curve.low)


def test_incidences_and_the_share_without_an_end_add_up() -> None:
    """Every member has ended by one cause or none; counting competitors as censored would give more than one."""
    causes = [cumulative_incidence(DAY, END, cause, 730.0).value[-1] for cause in (1, 2)]
    assert sum(causes) + kaplan_meier(DAY, END > 0, 730.0).value[-1] == pytest.approx(1.0)
    assert 1.0 - kaplan_meier(DAY, END == 1, 730.0).value[-1] > causes[0]


def test_against_lifelines() -> None:
    """Golden numbers of lifelines 0.30.3 (AalenJohansenFitter, KaplanMeierFitter, CoxPHFitter) for the same members.

    The two ends of day 60 are set a millionth of a day apart, because lifelines shifts ties at random.
    """
    day = DAY + 1e-6 * np.arange(20)
    for cause, share, variance in ((1, 0.56846591, 0.014562521246898871), (2, 0.22869318, 0.010291878432520586)):
        curve = cumulative_incidence(day, END, cause, 731.0)
        width = Z * np.sqrt(variance) / abs((1 - share) * np.log(1 - share))
        assert curve.value[-1] == pytest.approx(share, abs=1e-8)
        assert curve.low[-1] == pytest.approx(1.0 - (1.0 - share) ** np.exp(-width), abs=1e-7)
        assert curve.high[-1] == pytest.approx(1.0 - (1.0 - share) ** np.exp(width), abs=1e-7)
    curve = kaplan_meier(DAY, END == 1, 730.0)
    assert curve.at(730.0) == pytest.approx((0.32124126, 0.09498403, 0.57823123), abs=1e-8)
    assert curve.median()[0] == 500.0
    loose = END == 1
    ratio, _, _ = hazard_ratio(DAY[GROUP], loose[GROUP], DAY[~GROUP], loose[~GROUP])
    assert ratio == pytest.approx(2.86369515, rel=1e-6)


def test_median_lies_where_the_curve_and_its_bands_cross_a_half() -> None:
    """Of many exponential lives half are left after ln 2 over the rate, and the interval holds it."""
    median, low, high = kaplan_meier(*lives(1 / 400, 2000, seed=2), 730.0).median()
    assert median is not None
    assert low is not None
    assert high is not None
    assert low < 400 * np.log(2) < high
    assert median == pytest.approx(400 * np.log(2), rel=0.06)


def test_bands_hold_the_truth_nineteen_times_in_twenty() -> None:
    """Of 300 samples of 60 lives the band of day 300 and the interval of the hazard ratio miss in about 5 %."""
    inside = np.zeros((300, 2), dtype=bool)
    for number in range(300):
        fast, slow = lives(1 / 500, 60, seed=2 * number), lives(1 / 1000, 60, seed=2 * number + 1)
        _, low, high = kaplan_meier(*fast, 730.0).at(300.0)
        inside[number, 0] = low < np.exp(-300 / 500) < high
        _, low, high = hazard_ratio(*fast, *slow)
        inside[number, 1] = low < 2.0 < high
    assert np.all(inside.mean(axis=0) > 0.92)
    assert np.all(inside.mean(axis=0) < 0.98)


def test_large_hazard_ratio_is_not_drawn_towards_one() -> None:
    """Rates 6 to 1 give 6; observed over expected ends of the log-rank test would give less than 4."""
    ratio, low, high = hazard_ratio(*lives(6 / 1000, 3000, seed=11), *lives(1 / 1000, 3000, seed=12))
    assert low < 6.0 < high
    assert ratio == pytest.approx(6.0, rel=0.06)


def test_hazard_ratio_turns_over_with_the_groups() -> None:
    """The ratio of group 0 over 1 is one over that of 1 over 0, interval and all."""
    fast, slow = lives(1 / 400, 80, seed=7), lives(1 / 900, 80, seed=8)
    ratio, low, high = hazard_ratio(*fast, *slow)
    assert hazard_ratio(*slow, *fast) == pytest.approx((1 / ratio, 1 / high, 1 / low))


def test_hazard_ratio_without_ends_in_one_group_has_one_bound() -> None:
    """When the control never ends the data still say that the ratio is not small; without any end they say nothing."""
    day, ended = lives(1 / 300, 40, seed=4)
    still = np.full(40, 730.0), np.zeros(40, dtype=bool)
    ratio, low, high = hazard_ratio(day, ended, *still)
    assert ratio == high == np.inf
    assert 5.0 < low < np.inf
    assert hazard_ratio(*still, day, ended) == pytest.approx((0.0, 0.0, 1 / low))
    assert np.all(np.isnan(hazard_ratio(*still, *still)))


def test_logrank_tells_different_lives_apart() -> None:
    """Equal groups give p = 1, a threefold rate a tiny p, and without any end there is none."""
    fast, slow = lives(1 / 300, 100, seed=1), lives(1 / 900, 100, seed=9)
    assert logrank(*fast, *fast) == pytest.approx(1.0)
    different = logrank(*fast, *slow)
    assert different is not None
    assert different < 1e-6
    still = np.full(4, 730.0), np.zeros(4, dtype=bool)
    assert logrank(*still, *still) is None
