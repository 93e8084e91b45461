"""A sparse polynomial fit of samples whose coefficients give shares of variance (polynomial chaos from given data).

Each input is replaced by its rank, which changes no share of variance when inputs are independent, and gets its own
polynomials, orthonormal over the ranks that occur: lists and ties need no other treatment. Terms with one or two inputs
are taken one after the other, each time the one that explains most of what is left (orthogonal matching pursuit); how
many is decided by cross-validation that repeats the choice of terms, so that its figure is honest.

References
----------
Sudret, Global sensitivity analysis using polynomial chaos expansions, Reliab. Eng. Syst. Saf. 93 (2008) 964-979.
Oladyshkin and Nowak, Data-driven uncertainty quantification, Reliab. Eng. Syst. Saf. 106 (2012) 179-190.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.polynomial.legendre import legvander
from scipy.stats import rankdata

Array = np.ndarray

LARGEST_DEGREE = 8
"""Of one input alone; also the largest sum of degrees of a pair."""
CANDIDATES_PER_SAMPLE = 3
"""Terms that are offered for each sample; more lets chance into the choice."""
SAMPLES_PER_TERM = 4
"""Terms taken at most, one for so many samples."""
MOST_TERMS = 80
FOLDS = 5
COLLINEAR = 1e-8
"""Squared norm below which what is left of a candidate lies in the terms taken already."""

Term = tuple[int, ...]
"""Degree of every input."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Terms that are offered to the fit.

    Attributes
    ----------
    values : ndarray (n, p)
        Their values at the samples, without the constant.
    inputs : ndarray (p, 2) of int
        Inputs of each term; the same one twice when it has one input only.
    """

    values: Array
    inputs: Array


def candidates(inputs: Array) -> Candidates:
    """Offer polynomials of every input and products of two.

    Parameters
    ----------
    inputs : ndarray (n, d)
        Each column has at least two different values.
    """
    count, dimension = inputs.shape
    bases = [_orthonormal(column) for column in inputs.T]
    values = [basis[:, k] for basis in bases for k in range(basis.shape[1])]
    owners = [(i, i) for i, basis in enumerate(bases) for _ in range(basis.shape[1])]
    pairs = list(combinations(range(dimension), 2))
    for total in range(2, LARGEST_DEGREE + 1):
        offered = [
            (bases[i][:, a - 1] * bases[j][:, total - a - 1], (i, j))
            for i, j in pairs
            for a in range(1, total)
            if a <= bases[i].shape[1] and total - a <= bases[j].shape[1]
        ]
        if len(values) + len(offered) > CANDIDATES_PER_SAMPLE * count:
            break
        values += [value for value, _ in offered]
        owners += [owner for _, owner in offered]
    return Candidates(np.column_stack(values), np.array(owners))


def _orthonormal(column: Array) -> Array:
    """Polynomials of the rank, of degree 1 and up, orthonormal over the samples and orthogonal to the constant."""
    place = 2.0 * (rankdata(column) - 0.5) / column.size - 1.0
    degree = min(LARGEST_DEGREE, np.unique(place).size - 1)
    basis, triangle = np.linalg.qr(legvander(place, degree))
    return (basis * np.sign(np.diag(triangle)) * np.sqrt(column.size))[:, 1:]


@dataclass(frozen=True, eq=False)
class Pursuit:
    """Terms in the order in which they were taken.

    Attributes
    ----------
    order : ndarray (k,) of int
        Numbers of the candidates.
    directions : ndarray (n, k)
        Orthonormal directions that they add.
    """

    order: Array
    directions: Array


def pursue(offered: Array, output: Array, terms: int) -> Pursuit:
    """Take terms one after the other, each the one that explains most of what is left of the centred output.

    Parameters
    ----------
    offered : ndarray (n, p)
        Centred columns.
    output : ndarray (n,)
        Centred output.
    terms : int
        Number of terms at most; fewer when the candidates run out.
    """
    left, rest = output.copy(), np.einsum("np,np->p", offered, offered)
    start, usable = rest.copy(), rest > 0.0
    order: list[int] = []
    directions = np.empty((output.size, min(terms, offered.shape[1])))
    while len(order) < directions.shape[1]:
        gain = np.where(usable, (offered.T @ left) ** 2 / np.where(usable, rest, 1.0), -1.0)
        best = int(np.argmax(gain))
        if not usable[best]:
            break
        taken = directions[:, : len(order)]
        direction = offered[:, best] - taken @ (taken.T @ offered[:, best])
        direction /= np.linalg.norm(direction)
        directions[:, len(order)] = direction
        order.append(best)
        left = left - direction * (direction @ left)
        rest = rest - (offered.T @ direction) ** 2
        usable &= rest > COLLINEAR * start
        usable[best] = False
    return Pursuit(np.array(order, dtype=int), directions[:, : len(order)])


def honest_terms(offered: Array, output: Array, rng: np.random.Generator) -> tuple[int, float]:
    """Number of terms with the smallest error on samples that were left out, and the share of variance it explains.

    The terms are chosen again for every fold. The share is below 0 when the fit is worse than the mean.
    """
    most = max(1, min(MOST_TERMS, output.size // SAMPLES_PER_TERM, offered.shape[1]))
    fold = rng.permutation(output.size) % FOLDS
    errors = np.zeros(most + 1)
    for number in range(FOLDS):
        inside, outside = fold != number, fold == number
        mean = output[inside].mean()
        centre = offered[inside].mean(axis=0)
        found = pursue(offered[inside] - centre, output[inside] - mean, most)
        predicted = _along_path(found, (offered - centre)[inside], (offered - centre)[outside], output[inside] - mean)
        wrong = ((output[outside] - mean)[:, None] - predicted) ** 2
        sums = wrong.sum(axis=0)
        errors += np.concatenate([sums, np.full(most + 1 - sums.size, sums[-1])])
    best = int(np.argmin(errors))
    return best, float(1.0 - errors[best] / np.sum((output - output.mean()) ** 2))


def _along_path(found: Pursuit, inside: Array, outside: Array, output: Array) -> Array:
    """Predictions (m, k + 1) with the first 0, 1, ... k terms."""
    triangle = found.directions.T @ inside[:, found.order]
    # Directions at new samples: the same combinations of the candidates there.
    new = np.linalg.solve(triangle.T, outside[:, found.order].T).T if found.order.size else np.empty((len(outside), 0))
    steps = new * (found.directions.T @ output)
    return np.concatenate([np.zeros((len(outside), 1)), np.cumsum(steps, axis=1)], axis=1)


def shares(offered: Candidates, rows: Array, output: Array, terms: int, dimension: int) -> tuple[Array, Array]:
    """First and total shares of the variance of the output by input, from a fit to some of the samples.

    Returns
    -------
    first, total : ndarray (dimension,)
        What the fit leaves unexplained belongs to none.
    """
    first, total = np.zeros(dimension), np.zeros(dimension)
    values = offered.values[rows] - offered.values[rows].mean(axis=0)
    centred = output[rows] - output[rows].mean()
    if terms == 0 or not centred.any():
        return first, total
    order = pursue(values, centred, terms).order
    coefficients = np.linalg.lstsq(values[:, order], centred, rcond=None)[0]
    # The variance of the fit over all values of the inputs, not over these samples, in which terms correlate by chance.
    variance = float(np.sum(coefficients**2) + np.mean((centred - values[:, order] @ coefficients) ** 2))
    for (i, j), share in zip(offered.inputs[order], coefficients**2 / variance, strict=True):
        total[i] += share
        if i == j:
            first[i] += share
        else:
            total[j] += share
    return first, total
