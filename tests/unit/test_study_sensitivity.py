"""Sobol indices of functions whose indices are known, from Saltelli designs and from plain samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import qmc, sobol_indices

from femsim.study.sensitivity import fitted_indices, saltelli_blocks, saltelli_indices, tornado_ends

ISHIGAMI_FIRST, ISHIGAMI_TOTAL = (0.3139, 0.4424, 0.0), (0.5576, 0.4424, 0.2437)
"""Of a = 7, b = 0.1: Ishigami and Homma (1990)."""


def latin(count: int, dimension: int, seed: int = 1) -> np.ndarray:
    return qmc.LatinHypercube(dimension, rng=np.random.default_rng(seed)).random(count)


def ishigami(unit: np.ndarray) -> np.ndarray:
    x, y, z = np.pi * (2.0 * unit.T - 1.0)
    return np.sin(x) + 7.0 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x)


def g_function(unit: np.ndarray, a: np.ndarray) -> np.ndarray:
    return np.prod((np.abs(4.0 * unit - 2.0) + a) / (1.0 + a), axis=1)


def g_indices(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    own = 1.0 / (3.0 * (1.0 + a) ** 2)
    whole = np.prod(1.0 + own) - 1.0
    return own / whole, own * np.prod(1.0 + own) / (1.0 + own) / whole


def test_fit_finds_the_indices_of_ishigami() -> None:
    """Interaction of the first and third input, none of the third alone, from 256 plain samples."""
    unit = latin(256, 3)
    found = fitted_indices(unit, ishigami(unit))
    assert found.first[:, 0] == pytest.approx(ISHIGAMI_FIRST, abs=0.01)
    assert found.total[:, 0] == pytest.approx(ISHIGAMI_TOTAL, abs=0.01)
    assert found.explained is not None
    assert found.explained > 0.99


def test_fit_finds_the_indices_of_the_g_function() -> None:
    """Eight inputs of falling weight; the truth lies within the intervals or at most 0.01 away."""
    a = np.array([0.0, 1.0, 4.5, 9.0, 99.0, 99.0, 99.0, 99.0])
    unit = latin(400, 8)
    found = fitted_indices(unit, g_function(unit, a))
    for truth, given in zip(g_indices(a), (found.first, found.total), strict=True):
        assert np.all((given[:, 1] - 0.01 < truth) & (truth < given[:, 2] + 0.01))
        assert given[:, 0] == pytest.approx(truth, abs=0.02)


def test_fit_does_not_depend_on_units_or_scales() -> None:
    """A monotone change of an input, such as a loguniform one, leaves its indices as they are."""
    unit = latin(200, 3)
    stretched = np.column_stack([1e4 * unit[:, 0], np.exp(5.0 * unit[:, 1]), -(unit[:, 2] ** 3)])
    output = ishigami(unit)
    assert fitted_indices(stretched, output).first == pytest.approx(fitted_indices(unit, output).first, abs=1e-3)


def test_fit_takes_lists_as_inputs() -> None:
    """An input of three values and one of two: y = x + 2 z has 1/4 (2/3) over 1/4 (2/3) + 1 of its variance from x."""
    x, z = (column.ravel() for column in np.meshgrid([0.0, 1.0, 2.0], [0.0, 1.0], indexing="ij"))
    rows = np.tile(np.column_stack([x, z]), (20, 1))
    found = fitted_indices(rows, rows[:, 0] + 2.0 * rows[:, 1])
    share = (2 / 3) / (2 / 3 + 1.0)
    assert found.first[:, 0] == pytest.approx([share, 1.0 - share])
    assert found.total[:, 0] == pytest.approx([share, 1.0 - share])


def test_fit_of_noise_explains_nothing_and_says_what_chance_can_hide() -> None:
    """Thirty inputs without effect: no share above what the intervals allow, and nothing explained in new samples."""
    found = fitted_indices(latin(200, 30), np.random.default_rng(3).normal(size=200))
    assert found.explained is not None
    assert found.explained < 0.1
    assert np.all(found.total[:, 1] < 0.02)
    assert np.all(found.total[:, 2] > 0.05)  # an effect of 5 % cannot be excluded from 200 samples


def test_intervals_of_the_fit_cover_noisy_truth() -> None:
    """y = 2 x + z + noise: shares 4/12, 1/12 of 4/12 + 1/12 + 1/9, and the third input has none."""
    whole = 4 / 12 + 1 / 12 + 1 / 9
    truth, missed = np.array([4 / 12, 1 / 12, 0.0]) / whole, 0
    for seed in range(30):
        unit = latin(150, 3, seed)
        output = 2 * unit[:, 0] + unit[:, 1] + np.random.default_rng([seed, 1]).normal(0.0, 1 / 3, 150)
        first = fitted_indices(unit, output).first
        missed += int(np.sum((truth < first[:, 1] - 1e-9) | (truth > first[:, 2])))
    assert missed <= 9  # one in ten of 90 intervals; sixty halves know their spread to ten percent


def test_saltelli_is_that_of_scipy() -> None:
    """The same outputs give the same indices as scipy.stats.sobol_indices, which needs a power of two."""
    f_a, f_b, *f_ab = ishigami(saltelli_design(512, 3)).reshape(5, 512)
    outputs = {"f_A": f_a[None], "f_B": f_b[None], "f_AB": np.array(f_ab)[:, None]}
    reference = sobol_indices(func=outputs, n=512)
    found = saltelli_indices(f_a, f_b, np.array(f_ab))
    assert found.first[:, 0] == pytest.approx(reference.first_order, abs=1e-12)
    assert found.total[:, 0] == pytest.approx(reference.total_order, abs=1e-12)
    assert np.all((found.first[:, 1] <= ISHIGAMI_FIRST) & (found.first[:, 2] >= ISHIGAMI_FIRST))
    assert np.all((found.total[:, 1] <= ISHIGAMI_TOTAL) & (found.total[:, 2] >= ISHIGAMI_TOTAL))


def saltelli_design(size: int, dimension: int) -> np.ndarray:
    both = qmc.Sobol(2 * dimension, rng=np.random.default_rng(4)).random(size)
    a, b = both[:, :dimension], both[:, dimension:]
    mixed = [np.where(np.arange(dimension) == k, b, a) for k in range(dimension)]
    return np.vstack([a, b, *mixed])


def test_blocks_of_a_saltelli_design_are_found() -> None:
    """With a point that failed, its row is left out of all blocks; an input that a design lacks does no harm."""
    inputs = saltelli_design(64, 3)
    sample = np.arange(1, len(inputs) + 1)
    kept = sample != 70  # row 5 of block B
    blocks = saltelli_blocks(inputs[kept], sample[kept], 64)
    assert blocks is not None
    assert blocks.shape == (5, 63)
    rows = sample[kept][blocks] - 1
    assert np.array_equal(rows % 64, np.tile(rows[0], (5, 1)))
    assert 5 not in rows[0]
    fewer = saltelli_blocks(inputs[kept][:, [0, 2]], sample[kept], 64)
    assert fewer is not None
    assert np.array_equal(fewer, blocks[[0, 1, 2, 4]])


def test_other_samples_are_no_saltelli_design() -> None:
    """A Latin hypercube of the same size has no such blocks."""
    assert saltelli_blocks(latin(320, 3), np.arange(1, 321), 64) is None


def test_tornado_compares_the_outer_fifths() -> None:
    """y = 10 x on an even grid from 0 to 1: means 0.1 and 0.9 of the outer fifths."""
    x = (np.arange(1000) + 0.5) / 1000
    ends = tornado_ends(x, 10.0 * x)
    assert (ends.low_value, ends.high_value) == pytest.approx((0.1, 0.9))
    assert (ends.output_low, ends.output_high) == pytest.approx((1.0, 9.0))
