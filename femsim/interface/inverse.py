"""Kept inverses of the condensed stiffness as preconditioners, and their correction for springs that have changed."""

from __future__ import annotations

import numpy as np
import scipy.linalg as sl

from femsim.errors import ConvergenceError
from femsim.interface import kernels

STALE_TANGENT = 0.25
"""Change of a spring, over the stiffness that its unknown feels in the kept inverse, from which on it is corrected."""

SMALL_FACTOR_COST, COLUMN_COST = 4.0, 10.0
"""Time of an operation on a small factor, and on a column of a correction, over that in a large inverse: corrections
that have cost as much as a new inverse call for one."""

SINGLE_PIVOT = 1e-3
"""Smallest over largest Cholesky pivot (root of a condition number) at which single precision still preconditions."""


class KeptInverse:
    """Kept inverse of S0 + diag(springs), both halves stored; single precise where that is enough to precondition.

    ``spent`` is the work done on its corrections, in multiplications.
    """

    def __init__(self, stiffness: np.ndarray, springs: np.ndarray, spent: float = 0.0) -> None:
        self.springs, self.spent = springs, spent
        self.matrix = _inverted(stiffness, springs)
        self.diagonal = self.matrix.diagonal().astype(float)

    @property
    def worn(self) -> bool:
        """Whether its corrections have cost as much as a new one."""
        return self.spent > float(len(self.springs)) ** 3

    def changed(self, springs: np.ndarray) -> np.ndarray:
        """Unknowns whose springs differ too much from those of the inverse."""
        share = 1.0 + (springs - self.springs) * self.diagonal
        return np.flatnonzero((share > 1.0 + STALE_TANGENT) | (share < 1.0 / (1.0 + STALE_TANGENT)))


class Correction:
    """A kept inverse corrected for the springs that have changed: inverse of S0 + diag(springs) as far as those go.

    ``(H + E d E^T)^-1 = M - M E (1/d + E^T M E)^-1 E^T M`` with ``M = H^-1`` (Woodbury). ``tried`` says that it has
    been made for the second time in the present solve.
    """

    def __init__(self, inverse: KeptInverse, springs: np.ndarray, tried: bool) -> None:
        self.inverse, self.tried = inverse, tried
        self.rows = rows = inverse.changed(springs)
        self._columns = np.asfortranarray(inverse.matrix[:, rows])
        inner = np.asfortranarray(self._columns[rows], dtype=float)
        inner[np.diag_indices_from(inner)] += 1.0 / (springs[rows] - inverse.springs[rows])
        if rows.size:
            self._factor, self._pivots, _ = _FACTORISE(inner, overwrite_a=True)
        inverse.spent += SMALL_FACTOR_COST * float(rows.size) ** 3

    def apply(self, unbalanced: np.ndarray) -> np.ndarray:
        """Step (m,) [mm] against unbalanced forces (m,) [N]."""
        matrix = self.inverse.matrix
        step = product(matrix, unbalanced)
        if self.rows.size:
            weights, _ = _SOLVE(self._factor, self._pivots, step[self.rows])
            step -= self._columns @ weights.astype(matrix.dtype)
            self.inverse.spent += COLUMN_COST * self._columns.size
        return step


def _inverted(stiffness: np.ndarray, springs: np.ndarray) -> np.ndarray:
    """Inverse of S0 + diag(springs) by Cholesky: three factors' worth once, two triangular solves saved ever after."""
    for kind in (np.float32, np.float64):
        hessian = stiffness.astype(kind, order="F")
        np.fill_diagonal(hessian, hessian.diagonal() + springs.astype(kind))
        factorise, invert = sl.get_lapack_funcs(("potrf", "potri"), (hessian,))
        factor, failed = factorise(hessian, lower=True, overwrite_a=True, clean=False)
        pivots = factor.diagonal()
        if failed or pivots.min() < SINGLE_PIVOT * pivots.max() * (kind is np.float32):
            continue
        inverse, _ = invert(factor, lower=True, overwrite_c=True)
        kernels.fill_upper(inverse)
        return np.asarray(inverse)
    raise ConvergenceError(
        "contact: the tangent stiffness is not positive definite; a part of it has no screw and no foundation"
    )


def product(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Product (m,) in double precision of a symmetric matrix, of which half is read, in its own precision."""
    multiply = _SYMMETRIC[matrix.dtype.char]
    return np.asarray(multiply(1.0, matrix, vector.astype(matrix.dtype), lower=True), dtype=float)


_FACTORISE, _SOLVE = sl.get_lapack_funcs(("getrf", "getrs"), dtype=float)
_SYMMETRIC = {kind: sl.get_blas_funcs("symv", dtype=kind) for kind in ("f", "d")}
