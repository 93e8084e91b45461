"""A factor whose every solve is verified: residual of each column, refinement, and the size of the answer."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import scipy.sparse as sp

from femsim.errors import ConvergenceError
from femsim.fem.solve.structure import LARGEST_AMPLIFICATION, Structure, why_singular

RESIDUAL_TOLERANCE = 1e-9
"""Largest |f - K u| / (|f| + ROUNDING_SHARE |K| |u|) accepted; refinement reaches about 1e-12."""

ROUNDING_SHARE = 1e-5
"""With the tolerance above: a residual below 1e-14 of |K| |u| is rounding of the product itself. A jaw on soft discs
moves far under a small load, so that |K| |u| exceeds |f| by many decades."""

REFINEMENT_GOAL = 1e-12
"""Refinement stops below this relative residual: two steps from rounding at the sizes met here."""

REFINEMENT_STEPS = 3
"""A direct factor that needs more refinement than this is not a factor of the matrix."""


class Factor(Protocol):
    """Something that solves with one symmetric positive definite matrix, again and again.

    Attributes
    ----------
    n : int
        Unknowns.
    last_residual : float
        Largest residual of the last solve, after refinement, relative as :data:`RESIDUAL_TOLERANCE` says.
    last_amplification : float
        Largest |K| |u| / |f| of the last solve: a lower bound of the condition number.
    """

    n: int
    last_residual: float
    last_amplification: float

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Return K^-1 right for (n,) or (n, k); raises ConvergenceError when the residual stays too large."""
        ...

    def apply(self, right: np.ndarray) -> np.ndarray:
        """Return about K^-1 right for (n, k), neither verified nor refined: a preconditioner."""
        ...

    def close(self) -> None:
        """Free the factor."""
        ...


class Verified:
    """Solve, verify the residual of every column, refine; shared by the factors.

    Parameters
    ----------
    upper : csr_matrix (n, n)
        Upper half of K.
    structure : Structure, optional
        Names the body that floats when the solve fails.
    """

    goal = REFINEMENT_GOAL

    def __init__(self, upper: sp.csr_matrix, structure: Structure | None = None) -> None:
        self._upper = upper
        self._structure = structure
        self._diagonal = upper.diagonal()
        self._lower = upper.T  # a view: CSC of the same arrays
        size = abs(upper)
        ones = np.ones(upper.shape[0])
        self.norm = float((size @ ones + size.T @ ones - np.abs(self._diagonal)).max())
        self.n = upper.shape[0]
        self.last_residual = 0.0
        self.last_amplification = 0.0

    def apply(self, right: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def multiply(self, vectors: np.ndarray) -> np.ndarray:
        """Return K vectors for (n, k)."""
        return self._upper @ vectors + self._lower @ vectors - self._diagonal[:, None] * vectors

    def why(self) -> str:
        """Say why the matrix may be singular."""
        return why_singular(self._structure, self._upper)

    def solve(self, right: np.ndarray) -> np.ndarray:
        right = np.asarray(right, dtype=float)
        if right.shape[0] != self.n:
            raise ValueError(f"right side has {right.shape[0]} rows; the matrix has {self.n}")
        columns = right.reshape(self.n, -1)
        if columns.shape[1] == 0:
            return np.zeros(right.shape)
        solution = self._start(columns)
        size = np.linalg.norm(columns, axis=0)
        reached = self.norm * np.linalg.norm(solution, axis=0)
        self.last_amplification = float(np.max(reached[size > 0.0] / size[size > 0.0], initial=0.0))
        floats = not (reached <= LARGEST_AMPLIFICATION * size).all()
        size += ROUNDING_SHARE * reached
        size[size == 0.0] = 1.0
        worst = self._refine(columns, solution, size)
        self.last_residual = worst
        if floats or not worst <= RESIDUAL_TOLERANCE:
            raise ConvergenceError(
                f"linear solve of {self.n} unknowns left a relative residual of {worst:.2g} (allowed "
                f"{RESIDUAL_TOLERANCE:.0e}) with |K| |u| / |f| = {self.last_amplification:.1g} (allowed "
                f"{LARGEST_AMPLIFICATION:.0e}): {self.why()}"
            )
        return solution.reshape(right.shape)

    def _start(self, columns: np.ndarray) -> np.ndarray:
        return self.apply(columns)

    def _refine(self, columns: np.ndarray, solution: np.ndarray, size: np.ndarray) -> float:
        """Improve the solution in place; return its largest relative residual."""
        for step in range(REFINEMENT_STEPS + 1):
            residual = columns - self.multiply(solution)
            relative = np.linalg.norm(residual, axis=0) / size
            worst = float(relative.max()) if np.isfinite(relative).all() else float("inf")
            if worst <= self.goal or step == REFINEMENT_STEPS or worst == float("inf"):
                break
            poor = relative > self.goal
            trial = solution[:, poor] + self._start(residual[:, poor])
            better = np.linalg.norm(columns[:, poor] - self.multiply(trial), axis=0) / size[poor]
            if not better.max() < 0.5 * worst:  # at rounding level already
                solution[:, poor] = np.where(better < relative[poor], trial, solution[:, poor])
                worst = float(np.maximum.reduce(np.minimum(better, relative[poor])))
                break
            solution[:, poor] = trial
        return worst
