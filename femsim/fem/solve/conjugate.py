"""Conjugate gradients for several right sides at once, each with its own coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from femsim.fem.solve.verified import ROUNDING_SHARE

Product = Callable[[np.ndarray], np.ndarray]
"""Takes and returns vectors (n, k)."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What conjugate gradients reached.

    Attributes
    ----------
    solution : (n, k) array
    iterations : int
    residual : float
        Largest of the recurrence, relative to |f| + ROUNDING_SHARE |K| |u|.
    converged : bool
    """

    solution: np.ndarray
    iterations: int
    residual: float
    converged: bool


def conjugate_gradients(
    multiply: Product, precondition: Product, right: np.ndarray, *, norm: float, goal: float, limit: int
) -> Outcome:
    """Solve K u = f, preconditioned.

    Parameters
    ----------
    multiply, precondition : callable
        Products with K and with about K^-1, both symmetric positive definite.
    right : (n, k) array
    norm : float
        Bound of |K|: residuals at the rounding of the product cannot be improved and end the iteration.
    goal : float
        Relative residual wanted of every column.
    limit : int
        Iterations allowed.
    """
    residual = np.array(right, dtype=float, order="C")
    solution = np.zeros_like(residual)
    direction = np.zeros_like(residual)
    gamma = np.ones(residual.shape[1])
    wanted = _squares(residual)
    active = wanted > 0.0
    worst, steps = 0.0, 0
    while active.any():
        size = np.sqrt(wanted) + ROUNDING_SHARE * norm * np.sqrt(_squares(solution))
        relative = np.sqrt(_squares(residual))[active] / size[active]
        worst = float(relative.max())
        active[active] = ~(relative <= goal)
        if steps == limit or not np.isfinite(worst) or not active.any():
            break
        preconditioned = precondition(residual)
        following = _dots(residual, preconditioned)
        direction *= _quotient(following, gamma, active) if steps else 0.0
        direction += preconditioned
        gamma = following
        product = multiply(direction)
        curvature = _dots(direction, product)
        if (curvature[active] <= 0.0).any():
            break  # not positive definite: the caller says why
        step = _quotient(gamma, curvature, active)
        solution += step * direction
        product *= step
        residual -= product
        steps += 1
    return Outcome(solution, steps, worst, not active.any())


def _dots(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("ij,ij->j", first, second))


def _squares(vectors: np.ndarray) -> np.ndarray:
    return _dots(vectors, vectors)


def _quotient(above: np.ndarray, below: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Return above / below; zero for columns that have arrived."""
    return np.where(active, above, 0.0) / np.where(active, below, 1.0)
