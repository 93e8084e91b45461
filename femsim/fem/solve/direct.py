"""Direct factors: MKL PARDISO with its built-in Schur complement, rslab, and SciPy's SuperLU."""

from __future__ import annotations

import weakref
from typing import Protocol

import numba
import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from femsim.errors import GeometryError, InputError
from femsim.fem import pardiso
from femsim.fem.assembly import full_matrix
from femsim.fem.pardiso import TooLargeError
from femsim.fem.solve.structure import Structure
from femsim.fem.solve.verified import Factor, Verified

MEMORY_SHARE = 0.95
"""Share of the memory left that a factorisation may claim."""

RIGHT_SIDES_AT_ONCE = 64
"""Columns held dense at a time when G is made of separate solves."""

GIB = 1024.0**3


class Solver(Protocol):
    """Makes factors of symmetric positive definite matrices given by their upper half in CSR."""

    name: str

    def factor(self, upper: sp.csr_matrix) -> Factor:
        """Factorise K."""
        ...

    def factor_with_schur(self, upper: sp.csr_matrix, columns: sp.spmatrix) -> tuple[Factor, np.ndarray]:
        """Factorise K and return G = C^T K^-1 C with it, dense (m, m), symmetric."""
        ...


def check_memory(n: int, needed_gib: float) -> None:
    """Raise TooLargeError when a factorisation needs more memory than is left."""
    left = pardiso.available_memory_gib()
    if needed_gib > MEMORY_SHARE * left:
        raise TooLargeError(
            f"factorising {n} unknowns needs {needed_gib:.1f} GiB and {left:.1f} GiB are left; "
            "choose the solver multigrid, a coarser mesh or a larger machine"
        )


class PardisoFactor(Verified):
    """PARDISO factor of K, or of K bordered by C (then ``solve`` runs on the leading block)."""

    def __init__(
        self, upper: sp.csr_matrix, columns: sp.csr_matrix | None = None, structure: Structure | None = None
    ) -> None:
        super().__init__(upper, structure)
        self._border = 0 if columns is None else columns.shape[1]
        if columns is None:
            self._handle = pardiso.PardisoHandle(_int32(upper), pardiso.POSITIVE_DEFINITE)
        else:
            self._handle = pardiso.PardisoHandle(bordered(upper, columns), pardiso.INDEFINITE, self._border)
        # MKL's memory is freed with the factor; at the end of the process the system does it.
        weakref.finalize(self, self._handle.release).atexit = False
        self.memory_gib = self._handle.analyse()
        try:
            check_memory(self.n, self.memory_gib)
            self.schur = self._handle.factorise()
        except pardiso.NotPositiveError as error:
            self._handle.release()
            raise GeometryError(f"the stiffness matrix of {self.n} unknowns is singular: {self.why()}") from error
        except InputError:
            self._handle.release()
            raise
        if self._border and self._handle.perturbed_pivots:
            pivots = self._handle.perturbed_pivots
            self._handle.release()
            raise GeometryError(
                f"the stiffness matrix of {self.n} unknowns is singular ({pivots} zero pivots): {self.why()}"
            )

    def apply(self, right: np.ndarray) -> np.ndarray:
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


class RslabFactor(Verified):
    """Supernodal LDL^T of rslab: as fast as PARDISO at the sizes met here, permissive, on every platform."""

    def __init__(self, upper: sp.csr_matrix, structure: Structure | None = None) -> None:
        import rslab

        super().__init__(upper, structure)
        full = full_matrix(upper).tocsc()
        threads = numba.get_num_threads()
        analysis = rslab.analyze(full, path="ldlt", threads=threads)
        self.memory_gib = analysis.memory_plan("float64", threads=threads)["peak_bytes"] / GIB
        check_memory(self.n, self.memory_gib)
        try:
            self._factor = analysis.factor(full, threads=threads)
        except RuntimeError as error:
            raise GeometryError(
                f"the stiffness matrix of {self.n} unknowns is singular ({error}): {self.why()}"
            ) from error
        positive = self._factor.inertia[0]
        if positive != self.n:
            raise GeometryError(
                f"the stiffness matrix of {self.n} unknowns is singular ({self.n - positive} pivots not positive): "
                f"{self.why()}"
            )

    def apply(self, right: np.ndarray) -> np.ndarray:
        return np.asarray(self._factor.solve_many(np.ascontiguousarray(right)))

    def close(self) -> None:
        self._factor = None


class SuperLUFactor(Verified):
    """SuperLU factor (SciPy), for small models where nothing else is installed."""

    def __init__(self, upper: sp.csr_matrix, structure: Structure | None = None) -> None:
        super().__init__(upper, structure)
        try:
            self._factor = splu(
                full_matrix(upper).tocsc(),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
        except MemoryError as error:
            raise TooLargeError(
                f"SuperLU ran out of memory with {self.n} unknowns; choose the solver multigrid or a coarser mesh"
            ) from error
        except RuntimeError as error:
            raise GeometryError(
                f"the stiffness matrix of {self.n} unknowns is singular ({error}): {self.why()}"
            ) from error

    def apply(self, right: np.ndarray) -> np.ndarray:
        return self._factor.solve(np.ascontiguousarray(right))

    def close(self) -> None:
        self._factor = None


class PardisoSolver:
    """MKL PARDISO: Cholesky for plain factors, its built-in Schur complement for condensation."""

    name = "pardiso"

    def __init__(self, structure: Structure | None = None) -> None:
        self._structure = structure

    def factor(self, upper: sp.csr_matrix) -> Factor:
        check_upper(upper)
        return PardisoFactor(upper, structure=self._structure)

    def factor_with_schur(self, upper: sp.csr_matrix, columns: sp.spmatrix) -> tuple[Factor, np.ndarray]:
        check_upper(upper)
        if columns.shape[1] == 0:
            return PardisoFactor(upper, structure=self._structure), np.zeros((0, 0))
        factor = PardisoFactor(upper, sp.csr_matrix(columns), self._structure)
        schur, factor.schur = factor.schur, np.zeros((0, 0))
        schur += schur.T.copy()
        schur *= -0.5
        return factor, np.ascontiguousarray(schur)


class RslabSolver:
    """rslab: a permissive direct solver where MKL is not."""

    name = "rslab"

    def __init__(self, structure: Structure | None = None) -> None:
        self._structure = structure

    def factor(self, upper: sp.csr_matrix) -> Factor:
        check_upper(upper)
        return RslabFactor(upper, self._structure)

    def factor_with_schur(self, upper: sp.csr_matrix, columns: sp.spmatrix) -> tuple[Factor, np.ndarray]:
        factor = self.factor(upper)
        return factor, schur_by_solves(factor, columns)


class SuperLUSolver:
    """SuperLU from SciPy: everywhere, for small models."""

    name = "superlu"

    def __init__(self, structure: Structure | None = None) -> None:
        self._structure = structure

    def factor(self, upper: sp.csr_matrix) -> Factor:
        check_upper(upper)
        return SuperLUFactor(upper, self._structure)

    def factor_with_schur(self, upper: sp.csr_matrix, columns: sp.spmatrix) -> tuple[Factor, np.ndarray]:
        factor = self.factor(upper)
        return factor, schur_by_solves(factor, columns)


def rslab_available() -> bool:
    """Tell whether rslab is installed."""
    try:
        import rslab  # noqa: F401
    except ImportError:
        return False
    return True


def schur_by_solves(factor: Factor, columns: sp.spmatrix) -> np.ndarray:
    """Return G = C^T K^-1 C, dense (m, m), by one solve per column."""
    columns = sp.csc_matrix(columns)
    compliance = np.empty((columns.shape[1], columns.shape[1]))
    for start in range(0, columns.shape[1], RIGHT_SIDES_AT_ONCE):
        block = columns[:, start : start + RIGHT_SIDES_AT_ONCE]
        compliance[:, start : start + RIGHT_SIDES_AT_ONCE] = columns.T @ factor.solve(block.toarray())
    return 0.5 * (compliance + compliance.T)


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


def check_upper(upper: sp.csr_matrix) -> None:
    """Refuse what would crash a solver: empty rows, missing or unsorted diagonals, NaN."""
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
