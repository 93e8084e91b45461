"""MKL PARDISO behind one small class: one handle per factor, 64-entry control vector, error sentences."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
import scipy.sparse as sp

from femsim.errors import ConvergenceError, GeometryError, InputError

POSITIVE_DEFINITE = 2
INDEFINITE = -2

ANALYSE, FACTORISE, SOLVE, FORWARD, BACKWARD, RELEASE = 11, 22, 33, 331, 333, -1

_KIB_PER_GIB = 1024.0**2


class TooLargeError(InputError):
    """A factorisation needs more memory than is left."""


class NotPositiveError(GeometryError):
    """A pivot is zero or negative."""


@cache
def _entry_point() -> Any:
    """Return MKL's C entry point; pypardiso knows where its wheel put the library."""
    from pypardiso import PyPardisoSolver

    function = PyPardisoSolver().libmkl.pardiso
    function.restype = None
    function.argtypes = None
    return function


def available() -> bool:
    """Tell whether PARDISO can be used on this machine."""
    try:
        _entry_point()
    except (ImportError, OSError):
        return False
    return True


def available_memory_gib() -> float:
    """Return the memory the system can still hand out in GiB; infinity where it does not say (not Linux)."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return float(line.split()[1]) / _KIB_PER_GIB
    except OSError:
        return float("inf")
    return float("inf")


class PardisoHandle:
    """One factorisation held by MKL.

    Parameters
    ----------
    matrix : csr_matrix (n, n)
        Upper half with sorted int32 indices and every diagonal entry present; kept, because MKL reads it again.
    kind : int
        :data:`POSITIVE_DEFINITE` or :data:`INDEFINITE`.
    schur_size : int
        Number of last rows whose Schur complement is wanted; 0 for an ordinary factorisation.
    """

    def __init__(self, matrix: sp.csr_matrix, kind: int, schur_size: int = 0) -> None:
        self._matrix = matrix
        self._kind = kind
        self._schur_size = schur_size
        self._handle = np.zeros(64, dtype=np.int64)
        self._perm = np.zeros(matrix.shape[0], dtype=np.int32)
        self._control = np.zeros(64, dtype=np.int32)
        control = self._control
        control[0] = 1  # values below instead of MKL's defaults
        control[1] = 3  # parallel nested dissection
        control[7] = 0  # refinement is ours: it must use the residual that we report
        control[9] = 8  # perturb pivots below 1e-8, as recommended for symmetric indefinite matrices
        control[17] = -1  # report the entries of the factor
        control[34] = 1  # zero-based indices: no shifted copies
        if schur_size:
            self._perm[-schur_size:] = 1
            control[35] = 1  # Schur complement; the factor of the leading block serves forward and backward solves

    def _call(self, phase: int, right: np.ndarray, result: np.ndarray, columns: int) -> int:
        integer = ctypes.c_int32
        error = integer(0)
        matrix = self._matrix
        _entry_point()(
            ctypes.c_void_p(self._handle.ctypes.data),
            ctypes.byref(integer(1)),
            ctypes.byref(integer(1)),
            ctypes.byref(integer(self._kind)),
            ctypes.byref(integer(phase)),
            ctypes.byref(integer(matrix.shape[0])),
            ctypes.c_void_p(matrix.data.ctypes.data),
            ctypes.c_void_p(matrix.indptr.ctypes.data),
            ctypes.c_void_p(matrix.indices.ctypes.data),
            ctypes.c_void_p(self._perm.ctypes.data),
            ctypes.byref(integer(columns)),
            ctypes.c_void_p(self._control.ctypes.data),
            ctypes.byref(integer(0)),
            ctypes.c_void_p(right.ctypes.data),
            ctypes.c_void_p(result.ctypes.data),
            ctypes.byref(error),
        )
        return error.value

    def analyse(self) -> float:
        """Order the matrix and return the memory its factorisation needs at its peak, in GiB."""
        nothing = np.zeros(1)
        self._check(self._call(ANALYSE, nothing, nothing, 1), "ordering")
        control = self._control
        return max(int(control[14]), int(control[15]) + int(control[16])) / _KIB_PER_GIB

    def factorise(self) -> np.ndarray:
        """Factorise; return the Schur complement (schur_size, schur_size), empty when none was asked for."""
        schur = np.zeros((self._schur_size, self._schur_size), order="F")
        target = schur if self._schur_size else np.zeros(1)
        self._check(self._call(FACTORISE, np.zeros(1), target, 1), "factorisation")
        return schur

    @property
    def perturbed_pivots(self) -> int:
        return int(self._control[13])

    def apply(self, phase: int, right: np.ndarray) -> np.ndarray:
        """Run a solve phase on right sides (n, k); they are left alone."""
        if not self._handle.any():
            raise ValueError("the factor was closed")  # MKL would read memory that is no longer there
        right = np.asfortranarray(right, dtype=float)
        result = np.zeros_like(right, order="F")
        columns = 1 if right.ndim == 1 else right.shape[1]
        self._check(self._call(phase, right, result, columns), "solve")
        return result

    def release(self) -> None:
        """Give MKL's memory back."""
        if self._handle.any():
            nothing = np.zeros(1)
            self._call(RELEASE, nothing, nothing, 1)
            self._handle[:] = 0

    def _check(self, error: int, stage: str) -> None:
        if error == 0:
            return
        n = self._matrix.shape[0]
        if error in (-2, -9):
            raise TooLargeError(
                f"PARDISO ran out of memory in the {stage} of {n} unknowns ({available_memory_gib():.1f} GiB left); "
                "choose the solver multigrid, a coarser mesh or a larger machine"
            )
        if error == -4:
            raise NotPositiveError(f"the matrix of {n} unknowns is singular or not positive definite")
        raise ConvergenceError(f"PARDISO stopped with error {error} in the {stage} of {n} unknowns")
