"""Conjugate gradients with a multigrid preconditioner: memory grows with the size only, not with its 4/3rd power."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba
import numpy as np
import scipy.sparse as sp

from femsim.errors import ConvergenceError, GeometryError, InputError
from femsim.fem import pardiso
from femsim.fem.solve import direct
from femsim.fem.solve.blocks import block_upper
from femsim.fem.solve.conjugate import conjugate_gradients
from femsim.fem.solve.multigrid import Coarse, Multigrid
from femsim.fem.solve.structure import Structure
from femsim.fem.solve.verified import RESIDUAL_TOLERANCE, Factor, Verified

GOAL = 1e-10
"""Relative residual of the recurrence: a tenth of what is accepted, as the true residual lags behind."""

ITERATION_LIMIT = 400
"""Iterations allowed; jaws with plate and screws take 20 to 40."""

COLUMNS_AT_ONCE = 16
"""Right sides that share one pass over the matrix."""

ONE_THREAD_BELOW = 30_000
"""Unknowns below which starting the threads of a kernel costs more than they save."""

DIRECT_LIMIT = {"pardiso": 150_000, "rslab": 100_000, "superlu": 12_000}
"""Unknowns of the last level: below these its factor takes less time and memory than more levels and iterations."""


class MultigridFactor(Verified):
    """A multigrid hierarchy of K; ``solve`` runs conjugate gradients with it."""

    goal = RESIDUAL_TOLERANCE

    def __init__(self, upper: sp.csr_matrix, structure: Structure) -> None:
        super().__init__(upper, structure)
        self._last: list[Factor] = []
        name, self._direct = direct_solver()
        self.last_iterations = 0
        try:
            with _threads_for(self.n):
                self._matrix = block_upper(upper)
                self._grid = Multigrid(self._matrix, structure.geometry(), self._last_level, DIRECT_LIMIT[name])
        except (GeometryError, np.linalg.LinAlgError) as error:
            raise GeometryError(f"the stiffness matrix of {self.n} unknowns is singular: {self.why()}") from error
        except MemoryError as error:
            raise pardiso.TooLargeError(
                f"multigrid ran out of memory with {self.n} unknowns; use a coarser mesh or a larger machine"
            ) from error
        self.sizes = tuple(self._grid.sizes)

    def _last_level(self, upper: sp.csr_matrix) -> Coarse:
        factor = self._direct.factor(upper)
        self._last.append(factor)
        return factor.apply

    def solve(self, right: np.ndarray) -> np.ndarray:
        with _threads_for(self.n):
            return super().solve(right)

    def apply(self, right: np.ndarray) -> np.ndarray:
        return self._grid.apply(right)

    def multiply(self, vectors: np.ndarray) -> np.ndarray:
        return self._matrix.multiply(np.ascontiguousarray(vectors))

    def _start(self, columns: np.ndarray) -> np.ndarray:
        solution = np.empty(columns.shape)
        self.last_iterations = 0
        for start in range(0, columns.shape[1], COLUMNS_AT_ONCE):
            part = slice(start, start + COLUMNS_AT_ONCE)
            reached = conjugate_gradients(
                self.multiply, self.apply, columns[:, part], norm=self.norm, goal=GOAL, limit=ITERATION_LIMIT
            )
            if not reached.converged:
                raise ConvergenceError(
                    f"multigrid conjugate gradients on {self.n} unknowns stopped after {reached.iterations} of "
                    f"{ITERATION_LIMIT} iterations at a relative residual of {reached.residual:.2g} (wanted "
                    f"{GOAL:.0e}): {self.why()}"
                )
            solution[:, part] = reached.solution
            self.last_iterations = max(self.last_iterations, reached.iterations)
        return solution

    def close(self) -> None:
        for factor in self._last:
            factor.close()


class MultigridSolver:
    """Multigrid and conjugate gradients; needs to know where the unknowns are."""

    name = "multigrid"

    def __init__(self, structure: Structure | None) -> None:
        if structure is None:
            raise InputError("solver multigrid needs the space of the matrix; give make_solver a structure")
        self._structure = structure

    def factor(self, upper: sp.csr_matrix) -> Factor:
        direct.check_upper(upper)
        if upper.shape[0] != self._structure.space.n_dof:
            raise ValueError(f"{upper.shape[0]} unknowns on a space of {self._structure.space.n_dof}")
        return MultigridFactor(upper, self._structure)

    def factor_with_schur(self, upper: sp.csr_matrix, columns: sp.spmatrix) -> tuple[Factor, np.ndarray]:
        factor = self.factor(upper)
        return factor, direct.schur_by_solves(factor, columns)


@contextmanager
def _threads_for(n: int) -> Iterator[None]:
    """Let small models run on one thread."""
    before = numba.get_num_threads()
    numba.set_num_threads(1 if n < ONE_THREAD_BELOW else before)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def direct_solver() -> tuple[str, direct.Solver]:
    """Return the best direct solver installed, for the last level."""
    if pardiso.available():
        return "pardiso", direct.PardisoSolver()
    return ("rslab", direct.RslabSolver()) if direct.rslab_available() else ("superlu", direct.SuperLUSolver())
