"""Pairs of the same patient in two designs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from femsim.study.paired import outlasting

HORIZON = 730.0


def pairs(*given: tuple[float, bool, float, bool]):
    """Outlasting of pairs written as day and end of A, day and end of B."""
    day_a, ended_a, day_b, ended_b = (np.array(column) for column in zip(*given, strict=True))
    return outlasting(day_a.astype(float), ended_a, day_b.astype(float), ended_b, HORIZON)


def test_every_kind_of_pair() -> None:
    """Both end; one holds to the horizon; the same day; both hold; one is lost before the other's end."""
    found = pairs(
        (300, True, 200, True),  # A longer
        (730, False, 500, True),  # A longer
        (100, True, 730, False),  # B longer
        (400, True, 400, True),  # the same day
        (730, False, 730, False),  # both hold
        (150, False, 300, True),  # A is lost from view on day 150
        (150, False, 730, False),  # A is lost: it may end before B's horizon
        (500, False, 300, True),  # A was seen to hold on day 300
    )
    assert (found.pairs, found.a, found.b, found.ties, found.undecided) == (8, 3, 1, 2, 2)


def test_gain_is_the_mean_difference_of_days_held() -> None:
    """A pair in which one is lost from view counts as decided but has no number of days."""
    found = pairs((300, True, 200, True), (730, False, 500, True), (500, False, 300, True))
    assert found.gain[0] == pytest.approx((100 + 230) / 2)
    assert found.gain[1] <= found.gain[0] <= found.gain[2]
    assert pairs((730, False, 730, False)).gain == (0.0, 0.0, 0.0)


def test_share_has_wilsons_interval() -> None:
    """3 of 8: centre (p + z^2/2n) / (1 + z^2/n), by hand."""
    found = pairs(*[(300, True, 200, True)] * 3, *[(200, True, 300, True)] * 5)
    share, low, high = found.share(found.a)
    z2 = stats.norm.ppf(0.975) ** 2
    assert share == 3 / 8
    assert 0.5 * (low + high) == pytest.approx((3 / 8 + z2 / 16) / (1 + z2 / 8))


def test_exponential_lives_of_known_rates() -> None:
    """Of independent lives with rates 1 and 3 the first outlasts in 3 of 4 pairs."""
    generator = np.random.default_rng(0)
    a, b = generator.exponential(3.0, 4000), generator.exponential(1.0, 4000)
    found = outlasting(a, np.ones(4000, dtype=bool), b, np.ones(4000, dtype=bool), 1e9)
    share, low, high = found.share(found.a)
    assert low < 0.75 < high
    assert share == pytest.approx(0.75, abs=0.02)
    assert found.gain[1] < 2.0 < found.gain[2]


def test_no_pairs_say_nothing() -> None:
    """Without a patient that has both results there is no share."""
    empty = np.empty(0)
    found = outlasting(empty, empty.astype(bool), empty, empty.astype(bool), HORIZON)
    assert found.pairs == 0
    assert np.all(np.isnan(found.share(0)))
    assert np.all(np.isnan(found.gain))
