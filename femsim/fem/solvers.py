"""Direct solvers behind one protocol: factor, solve many right sides, Schur complement, residual always verified."""

from __future__ import annotations

import platform
import weakref
from collections.abc import Callable
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from femsim.errors import ConvergenceError, GeometryError, InputError
from femsim.fem import pardiso
from femsim.fem.assembly import full_matrix

RESIDUAL_TOLERANCE = 1e-9
"""Largest |f - K u| / (|f| + ROUNDING_SHARE |K| |u|) accepted; refinement reaches about 1e-12."""

ROUNDING_SHARE = 1e-5
"""With the tolerance above: a residual below 1e-14 of |K| |u| is rounding of the product itself. A jaw on soft discs
moves far under a small load, so that |K| |u| exceeds |f| by many decades."""

LARGEST_AMPLIFICATION = 1e12
"""|K| |u| / |f| above which a body floats: a lower bound of the condition number; jaws stay far below."""

REFINEMENT_GOAL = 1e-12
"""Refinement stops below this relative residual: two steps from rounding at the sizes met here."""

REFINEMENT_STEPS = 3
"""A direct factor that needs more refinement than this is not a factor of the matrix."""

SUPERLU_LIMIT = 120_000
"""Unknowns above which SuperLU's fill takes tens of gigabytes in three dimensions."""

MEMORY_SHARE = 0.95
"""Share of the memory left that a factorisation may claim."""


class Factor(Protocol):
    """A factorised symmetric positive definite matrix.

    Attributes
    ----------
    n : int
        Unknowns.
    last_residual : float
        Largest residual of the last solve, after refinement, relative as :data:`RESIDUAL_TOLERANCE` says.
    """

    n: int
    last_residual: float

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Return K^-1 right for (n,) or (n, k); raises ConvergenceError when the residual stays too large."""
        ...

    def close(self) -> None:
        """Free the factor."""
        ...


class Solver(Protocol):
    """Makes factors of symmetric positive definite matrices given by their upper half in CSR."""

    name: str

    def factor(self, upper: sp.csr_matrix) -> Factor:
        """Factorise K."""
        ...

    def factor_with_schur(self, upper: sp.csr_matrix, columns: sp.spmatrix) -> tuple[Factor, np.ndarray]:
        """Factorise K and return G = C^T K^-1 C with it, dense (m, m), symmetric."""
        ...


class _Refined:
    """Solve, verify the residual of every column, refine; shared by the factors."""

    def __init__(self, upper: sp.csr_matrix) -> None:
        self._upper = upper
        self._diagonal = upper.diagonal()
        self._lower = upper.T  # a view: CSC of the same arrays
        size = abs(upper)
        ones = np.ones(upper.shape[0])
        self._norm = float((size @ ones + size.T @ ones - np.abs(self._diagonal)).max())
        self.n = upper.shape[0]
        self.last_residual = 0.0

    def _raw(self, right: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _residual(self, right: np.ndarray, solution: np.ndarray) -> np.ndarray:
        product = self._upper @ solution + self._lower @ solution - self._diagonal[:, None] * solution
        return right - product

    def solve(self, right: np.ndarray) -> np.ndarray:
        right = np.asarray(right, dtype=float)
        if right.shape[0] != self.n:
            raise ValueError(f"right side has {right.shape[0]} rows; the matrix has {self.n}")
        columns = right.reshape(self.n, -1)
        if columns.shape[1] == 0:
            return np.zeros(right.shape)
        solution = self._raw(columns)
        size = np.linalg.norm(columns, axis=0)
        reached = self._norm * np.linalg.norm(solution, axis=0)
        floats = not (reached <= LARGEST_AMPLIFICATION * size).all()
        size += ROUNDING_SHARE * reached
        size[size == 0.0] = 1.0
        for step in range(REFINEMENT_STEPS + 1):
            residual = self._residual(columns, solution)
            relative = np.linalg.norm(residual, axis=0) / size
            worst = float(relative.max()) if np.isfinite(relative).all() else float("inf")
            if worst <= REFINEMENT_GOAL or step == REFINEMENT_STEPS or worst == float("inf"):
                break
            poor = relative > REFINEMENT_GOAL
            correction = self._raw(residual[:, poor])
            trial = solution[:, poor] + correction
            better = np.linalg.norm(self._residual(columns[:, poor], trial), axis=0) / size[poor]
            if not better.max() < 0.5 * worst:  # at rounding level already
                solution[:, poor] = np.where(better < relative[poor], trial, solution[:, poor])
                worst = float(np.maximum.reduce(np.minimum(better, relative[poor])))
                break
            solution[:, poor] = trial
        self.last_residual = worst
        if floats or not worst <= RESIDUAL_TOLERANCE:
            raise ConvergenceError(
                f"linear solve of {self.n} unknowns left a relative residual of {worst:.2g} (allowed "
                f"{RESIDUAL_TOLERANCE:.0e}): a body is held too loosely or moduli differ too much; check supports"
            )
        return solution.reshape(right.shape)


class PardisoFactor(_Refined):
    """PARDISO factor of K, or of K bordered by C (then ``solve`` runs on the leading block)."""

    def __init__(self, upper: sp.csr_matrix, columns: sp.csr_matrix | None = None) -> None:
        super().__init__(upper)
        self._border = 0 if columns is None else columns.shape[1]
        if columns is None:
            self._handle = pardiso.PardisoHandle(_int32(upper), pardiso.POSITIVE_DEFINITE)
        else:
            self._handle = pardiso.PardisoHandle(bordered(upper, columns), pardiso.INDEFINITE, self._border)
        # MKL's memory is freed with the factor; at the end of the process the system does it.
        weakref.finalize(self, self._handle.release).atexit = False
        self.memory_gib = self._handle.analyse()
        left = pardiso.available_memory_gib()
        if self.memory_gib > MEMORY_SHARE * left:
            self._handle.release()
            raise InputError(
                f"factorising {self.n} unknowns needs {self.memory_gib:.1f} GiB and {left:.1f} GiB are left; "
                "use a coarser mesh or a larger machine"
            )
        self.schur = self._handle.factorise()
        if self._border and self._handle.perturbed_pivots:
            pivots = self._handle.perturbed_pivots
            self._handle.release()
            raise GeometryError(
                f"the stiffness matrix of {self.n} unknowns is singular ({pivots} zero pivots): "
                "a body floats; check supports and that plate, screws and bone touch"
            )

    def _raw(self, right: np.ndarray) -> np.ndarray:
        if self._border == 0:
            return self._handle.apply(pardiso.SOLVE, right)
        # With the Schur complement of [[K, C], [C^T, 0]] on the last block, the forward phase gives L^-1 f and
        # -C^T K^-1 f below it; with zeros there instead, the backward phase returns K^-1 f itself.
        extended = np.zeros((self.n + self._border, right.shape[1]), order="F")
        extended[: self.n] = right
        middle = self._handle.apply(pardiso.FORWARD, extended)
        middle[self.n :] = 0.0
        return self._handle.apply(pardiso.BACKWARD, middle)[: self.n]

    def close(self) -> None:
        self._handle.release()


class SuperLUFactor(_Refined):
    """SuperLU factor (SciPy), for small models and machines without MKL."""

    def __init__(self, upper: sp.csr_matrix) -> None:
        super().__init__(upper)
        try:
            self._factor = splu(
                full_matrix(upper).tocsc(),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
        except MemoryError as error:
            raise InputError(
                f"SuperLU ran out of memory with {self.n} unknowns; use a coarser mesh or a machine with PARDISO"
            ) from error
        except RuntimeError as error:
            raise GeometryError(
                f"the stiffness matrix of {self.n} unknowns is singular ({error}): a body floats; check supports"
            ) from error

    def _raw(self, right: np.ndarray) -> np.ndarray:
        return self._factor.solve(np.ascontiguousarray(right))

    def close(self) -> None:
        self._factor = None


class PardisoSolver:
    """MKL PARDISO: Cholesky for plain factors, its built-in Schur complement for condensation."""

    name = "pardiso"

    def factor(self, upper: sp.csr_matrix) -> Factor:
        _check_upper(upper)
        return PardisoFactor(upper)

    def factor_with_schur(self, upper: sp.csr_matrix, columns: sp.spmatrix) -> tuple[Factor, np.ndarray]:
        _check_upper(upper)
        if columns.shape[1] == 0:
            return PardisoFactor(upper), np.zeros((0, 0))
        factor = PardisoFactor(upper, sp.csr_matrix(columns))
        schur, factor.schur = factor.schur, np.zeros((0, 0))
        schur += schur.T.copy()
        schur *= -0.5
        return factor, np.ascontiguousarray(schur)


class SuperLUSolver:
    """SuperLU from SciPy: everywhere, for small models."""

    name = "superlu"

    def factor(self, upper: sp.csr_matrix) -> Factor:
        _check_upper(upper)
        return SuperLUFactor(upper)

    def factor_with_schur(self, upper: sp.csr_matrix, columns: sp.spmatrix) -> tuple[Factor, np.ndarray]:
        factor = self.factor(upper)
        columns = sp.csc_matrix(columns)
        compliance = np.empty((columns.shape[1], columns.shape[1]))
        step = 64  # right sides held dense at a time
        for start in range(0, columns.shape[1], step):
            block = columns[:, start : start + step]
            compliance[:, start : start + step] = columns.T @ factor.solve(block.toarray())
        return factor, 0.5 * (compliance + compliance.T)


def make_solver(name: str = "auto", *, n_dof: int = 0, announce: Callable[[str], None] | None = None) -> Solver:
    """Choose a direct solver.

    Parameters
    ----------
    name : str
        ``"auto"``, ``"pardiso"`` or ``"superlu"``.
    n_dof : int
        Size of the model, for the automatic choice; 0 when unknown.
    announce : callable, optional
        Called with one sentence that says what was chosen and why.

    Raises
    ------
    InputError
        Unknown name, PARDISO asked for where it is not installed, or a model too large for what is there.
    """
    if name not in ("auto", "pardiso", "superlu"):
        raise InputError(f"solver {name!r} is unknown; choose auto, pardiso or superlu")
    here = pardiso.available() if name != "superlu" else False
    if name == "pardiso" and not here:
        raise InputError(f"solver pardiso is not installed on this {platform.machine()} machine; use auto or superlu")
    chosen: Solver = PardisoSolver() if here else SuperLUSolver()
    if chosen.name == "superlu" and n_dof > SUPERLU_LIMIT:
        raise InputError(
            f"{n_dof} unknowns are too many for SuperLU (at most {SUPERLU_LIMIT}); "
            "install pypardiso or coarsen the mesh"
        )
    if announce is not None:
        reason = "asked for" if name != "auto" else ("MKL is installed" if here else "MKL is not installed here")
        announce(f"direct solver {chosen.name} ({reason})")
    return chosen


def factor_with_schur(
    upper: sp.csr_matrix, columns: sp.spmatrix, solver: Solver | None = None
) -> tuple[Factor, np.ndarray]:
    """Factorise K and return (factor, G) with G = C^T K^-1 C.

    Parameters
    ----------
    upper : csr_matrix (n, n)
        Upper half of a symmetric positive definite K, N/mm.
    columns : sparse (n, m)
        C.
    solver : Solver, optional
        Default: the automatic choice.

    Returns
    -------
    factor : Factor
        ``factor.solve(F)`` is K^-1 F, so load columns condense as ``C.T @ factor.solve(F)`` and the field under loads F
        and patch forces lam is ``factor.solve(F - C @ lam)``.
    compliance : (m, m) array
        G, symmetric, mm/N.
    """
    solver = solver or make_solver("auto", n_dof=upper.shape[0])
    return solver.factor_with_schur(upper, columns)


def bordered(upper: sp.csr_matrix, columns: sp.csr_matrix) -> sp.csr_matrix:
    """Return the upper half of [[K, C], [C^T, 0]] with an explicit zero diagonal in the last block, as MKL wants it."""
    columns = columns.tocsr()
    columns.sort_indices()
    n, m = columns.shape
    left, right = np.diff(upper.indptr), np.diff(columns.indptr)
    indptr = np.concatenate([[0], np.cumsum(left + right), upper.nnz + columns.nnz + 1 + np.arange(m)])
    indices = np.empty(indptr[-1], dtype=np.int32)
    data = np.zeros(indptr[-1])
    from_upper = np.arange(upper.nnz) + np.repeat(columns.indptr[:-1].astype(np.int64), left)
    from_columns = np.arange(columns.nnz) + np.repeat(upper.indptr[1:].astype(np.int64), right)
    indices[from_upper], data[from_upper] = upper.indices, upper.data
    indices[from_columns], data[from_columns] = columns.indices + n, columns.data
    indices[indptr[n] :] = n + np.arange(m)
    matrix = sp.csr_matrix((n + m, n + m))
    matrix.indptr, matrix.indices, matrix.data = indptr.astype(np.int32), indices, data
    return matrix


def _int32(matrix: sp.csr_matrix) -> sp.csr_matrix:
    if matrix.indices.dtype == np.int32 and matrix.indptr.dtype == np.int32:
        return matrix
    converted = sp.csr_matrix(matrix.shape)
    converted.indptr, converted.indices = matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32)
    converted.data = matrix.data
    return converted


def _check_upper(upper: sp.csr_matrix) -> None:
    """Refuse what would crash MKL: empty rows, missing or unsorted diagonals, NaN."""
    if upper.format != "csr" or upper.shape[0] != upper.shape[1]:
        raise ValueError(f"a square CSR upper half is needed, got {upper.format} {upper.shape}")
    upper.sort_indices()
    n = upper.shape[0]
    starts = upper.indptr[:-1]
    if np.any(np.diff(upper.indptr) == 0) or np.any(upper.indices[starts] != np.arange(n)):
        raise ValueError(
            "every row of the upper half must begin with its diagonal entry; no lower entries, no empty rows"
        )
    diagonal = upper.data[starts]
    if not np.isfinite(upper.data.sum()):
        raise ValueError("the stiffness matrix holds NaN or infinity; check moduli")
    if diagonal.min() <= 0.0:
        row = int(np.argmin(diagonal))
        raise GeometryError(f"unknown {row} (node {row // 3}) has no stiffness; every node must belong to a stiff cell")
