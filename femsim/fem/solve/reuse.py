"""One factor for a matrix that drifts: the old factor preconditions, and a new one is made when that costs less."""

from __future__ import annotations

import time

import numpy as np
import scipy.sparse as sp

from femsim.errors import ConvergenceError
from femsim.fem.solve.conjugate import conjugate_gradients
from femsim.fem.solve.direct import Solver
from femsim.fem.solve.verified import RESIDUAL_TOLERANCE, Factor, Verified

GOAL = 1e-11
"""Relative residual of the recurrence, close to what a refined direct solve leaves."""


class ReusedFactor(Verified):
    """Solves with a matrix that changes a little at a time, as bone remodels over months.

    A solve with a new matrix runs conjugate gradients with the factor of an older one. The applications of the old
    factor on one matrix are counted; when they would cost more than a factorisation, the matrix is factorised. So no
    more than twice the cheaper of the two ways is ever spent.

    Parameters
    ----------
    solver : Solver
    upper : csr_matrix (n, n)
        First matrix, upper half; factorised at once.
    break_even : float, optional
        Applications of a factor that cost as much as making one. Measured when left out; give it where two runs must
        agree to the bit, as a measured time never does.
    factor : Factor, optional
        One of the first matrix, or of one near it, that exists already; nothing is factorised then.

    Attributes
    ----------
    factorisations, applications : int
        Made since the beginning; columns times iterations with an old factor.
    """

    goal = RESIDUAL_TOLERANCE

    def __init__(
        self,
        solver: Solver,
        upper: sp.csr_matrix,
        *,
        break_even: float | None = None,
        factor: Factor | None = None,
    ) -> None:
        super().__init__(upper)
        self._solver = solver
        self._given = break_even
        self.break_even = 0.0
        self.factorisations = self.applications = 0
        self._factor = factor
        if factor is None:
            self._refactor()
            return
        if break_even is None:
            raise ValueError("a factor that exists already tells no time; give the break-even of its applications")
        self.break_even, self._spent, self._fresh = break_even, 0.0, False

    def update(self, upper: sp.csr_matrix) -> None:
        """Take the next matrix of the same size, or the same one overwritten in place.

        Nothing is factorised before a solve needs it.
        """
        if upper.shape[0] != self.n:
            raise ValueError(f"the new matrix has {upper.shape[0]} unknowns; the old one {self.n}")
        super().__init__(upper)
        self._fresh = False
        self._spent = 0

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Return K^-1 right for (n,) or (n, k) with the newest matrix, verified as every solve is."""
        if not self._fresh:
            try:
                return super().solve(right)
            except ConvergenceError:
                self._refactor()  # past the break-even; its own solve says when the matrix itself is at fault
        factor = self._current()
        solution = factor.solve(right)
        self.last_residual, self.last_amplification = factor.last_residual, factor.last_amplification
        return solution

    def apply(self, right: np.ndarray) -> np.ndarray:
        return self._current().apply(right)

    def close(self) -> None:
        if self._factor is not None:
            self._factor.close()
            self._factor = None

    def _start(self, columns: np.ndarray) -> np.ndarray:
        """Solve with the old factor as long as that is the cheaper way."""
        width = columns.shape[1]
        limit = int(self.break_even - self._spent) // width
        reached = conjugate_gradients(self.multiply, self.apply, columns, norm=self.norm, goal=GOAL, limit=limit)
        self._spent += reached.iterations * width
        self.applications += reached.iterations * width
        if not reached.converged:
            raise ConvergenceError(f"the old factor needs more than {limit} iterations")
        return reached.solution

    def _current(self) -> Factor:
        if self._factor is None:
            raise ValueError("the factor was closed")
        return self._factor

    def _refactor(self) -> None:
        self.close()
        start = time.perf_counter()
        self._factor = self._solver.factor(self._upper)
        made = time.perf_counter()
        self.break_even = self._given if self._given is not None else self._measured(made - start)
        self._fresh = True
        self._spent = 0
        self.factorisations += 1

    def _measured(self, factor_seconds: float) -> float:
        vector = np.ones((self.n, 1))
        start = time.perf_counter()
        self.multiply(self._current().apply(vector))
        return factor_seconds / max(time.perf_counter() - start, 1e-9)
