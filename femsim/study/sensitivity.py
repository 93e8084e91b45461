"""Which inputs drive an output: first and total Sobol indices with intervals, and what each input does by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from femsim.study import expansion

Array = np.ndarray

CONFIDENCE = 0.95
Z = 1.959964
"""Standard deviations to both sides of a 95 % interval."""
RESAMPLES = 500
HALVES = 60
"""Random halves of the samples from which intervals of fitted indices come."""
SEED = 20261
TAIL = 0.2
"""Share of the samples with the lowest, and with the highest values of an input in a tornado."""
FEWEST = 40
"""Samples below which no indices are given."""


@dataclass(frozen=True, eq=False)
class Indices:
    """Sobol indices of every input: shares of the variance of an output.

    Attributes
    ----------
    first, total : ndarray (d, 3)
        Of the input alone, and with everything it interacts with: estimate, lower and upper end of the 95 % interval.
    method : str
        ``saltelli`` or ``fitted``.
    samples : int
        Samples that were used.
    explained : float or None
        Share of the variance that a fit explains in samples that it has not seen; None without a fit.
    """

    first: Array
    total: Array
    method: str
    samples: int
    explained: float | None


def saltelli_blocks(inputs: Array, sample: Array, size: int) -> Array | None:
    """Find the blocks of a Saltelli design: row numbers (d + 2, n) of A, B and A with one column from B after another.

    Parameters
    ----------
    inputs : ndarray (m, d)
    sample : ndarray (m,) of int
        Number of each sample: A is 1 to ``size``, B follows, then A with one column from B for every sampled value,
        also for those that a design does not have. Samples without a result may be missing: all of their row of
        blocks are left out.
    size : int
        Samples in a block.

    Returns
    -------
    ndarray or None
        None when the values are not those of such a design.
    """
    rows = np.full(-(-int(sample.max()) // size) * size, -1)
    rows[sample - 1] = np.arange(len(sample))
    blocks = rows.reshape(-1, size)
    blocks = blocks[:, np.all(blocks >= 0, axis=0)]
    if len(blocks) < 3 or blocks.shape[1] < 2:
        return None
    a, b = inputs[blocks[0]], inputs[blocks[1]]
    own = []
    for number in range(inputs.shape[1]):
        mixed = a.copy()
        mixed[:, number] = b[:, number]
        found = [block for block in blocks[2:] if np.array_equal(inputs[block], mixed)]
        if not found:
            return None
        own.append(found[0])
    return np.stack([*blocks[:2], *own])


def saltelli_indices(f_a: Array, f_b: Array, f_ab: Array) -> Indices:
    """Sobol indices from a Saltelli design (Saltelli 2010), with bootstrap intervals over its rows.

    The same formulas as ``scipy.stats.sobol_indices``, which takes whole powers of two only: a study with one failed
    point has none.

    Parameters
    ----------
    f_a, f_b : ndarray (n,)
        Outputs of A and B.
    f_ab : ndarray (d, n)
        Outputs of A with one column from B.
    """
    count = len(f_a)
    drawn = np.random.default_rng(SEED).integers(0, count, (RESAMPLES, count))
    best = _saltelli(f_a, f_b, f_ab)
    repeated = np.array([_saltelli(f_a[rows], f_b[rows], f_ab[:, rows]) for rows in drawn])
    ends = np.nanpercentile(repeated, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)], axis=0)
    first, total = (np.column_stack([best[kind], ends[0, kind], ends[1, kind]]) for kind in (0, 1))
    return Indices(first, total, "saltelli", count * (2 + len(f_ab)), None)


def _saltelli(f_a: Array, f_b: Array, f_ab: Array) -> Array:
    """First and total indices (2, d)."""
    both = np.concatenate([f_a, f_b])
    mean, variance = both.mean(), both.var()
    if variance == 0.0:
        return np.full((2, len(f_ab)), np.nan)
    a, b, ab = f_a - mean, f_b - mean, f_ab - mean  # centred: less noise in the products
    return np.array([np.mean(b * (ab - a), axis=1), 0.5 * np.mean((a - ab) ** 2, axis=1)]) / variance


def fitted_indices(inputs: Array, output: Array) -> Indices:
    """Sobol indices from any independent samples, through a sparse polynomial fit.

    Intervals come from fits to random halves: half of the samples taken without repetition scatter about the whole as
    the whole does about the truth. They show the scatter of the fit, not the variance that it leaves unexplained.

    Parameters
    ----------
    inputs : ndarray (n, d)
        Each column has at least two different values; columns are independent of each other.
    output : ndarray (n,)
    """
    count, dimension = inputs.shape
    rng = np.random.default_rng(SEED)
    offered = expansion.candidates(inputs)
    terms, explained = expansion.honest_terms(offered.values, output, rng)
    best = np.array(expansion.shares(offered, np.arange(count), output, terms, dimension))
    halves = (rng.permutation(count)[: count // 2] for _ in range(HALVES))
    repeated = np.array([expansion.shares(offered, rows, output, min(terms, count // 8), dimension) for rows in halves])
    spread = Z * repeated.std(axis=0)
    hidden = (1.0 - max(explained, 0.0)) * 2.0 * np.log(offered.values.shape[1]) / count
    low, high = np.clip(best - spread, 0.0, 1.0), np.clip(np.maximum(best + spread, hidden), 0.0, 1.0)
    first, total = (np.column_stack([np.minimum(best[k], 1.0), low[k], high[k]]) for k in (0, 1))
    return Indices(first, total, "fitted", count, explained)


@dataclass(frozen=True)
class Ends:
    """Mean output among the samples with the lowest and with the highest values of one input.

    Attributes
    ----------
    low_value, high_value : float
        Mean of the input in the two groups.
    output_low, output_high : float
        Mean of the output in the two groups.
    """

    low_value: float
    high_value: float
    output_low: float
    output_high: float


def tornado_ends(values: Array, output: Array) -> Ends:
    """Compare the fifth of the samples with the lowest values of an input with the fifth with the highest."""
    low = values <= np.quantile(values, TAIL)
    high = values >= np.quantile(values, 1.0 - TAIL)
    means = (float(column[group].mean()) for column in (values, output) for group in (low, high))
    return Ends(*means)
