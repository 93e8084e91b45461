"""Choice of the solver from size, right sides and memory; every solver has one protocol and verifies each solve."""

from __future__ import annotations

import platform
from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from femsim.errors import InputError
from femsim.fem import pardiso
from femsim.fem.pardiso import TooLargeError
from femsim.fem.solve.direct import (
    PardisoSolver,
    RslabSolver,
    Solver,
    SuperLUSolver,
    bordered,
    rslab_available,
)
from femsim.fem.solve.iterative import MultigridSolver
from femsim.fem.solve.reuse import ReusedFactor
from femsim.fem.solve.structure import Structure
from femsim.fem.solve.verified import RESIDUAL_TOLERANCE, Factor

__all__ = [
    "NAMES",
    "RESIDUAL_TOLERANCE",
    "AutomaticSolver",
    "Factor",
    "MultigridSolver",
    "PardisoSolver",
    "ReusedFactor",
    "RslabSolver",
    "Solver",
    "Structure",
    "SuperLUSolver",
    "bordered",
    "factor_with_schur",
    "make_solver",
]

NAMES = ("auto", "pardiso", "rslab", "superlu", "multigrid")
"""Solvers that can be asked for."""

SUPERLU_LIMIT = 120_000
"""Unknowns above which SuperLU's fill takes tens of gigabytes in three dimensions."""

FEW_RIGHT_SIDES = 3
"""Right sides up to which one multigrid solve each costs less than a factorisation (measured: about a fifth of one)."""

WORTH_MULTIGRID = 10_000
"""Unknowns below which a factorisation takes no time worth saving."""


class AutomaticSolver:
    """A direct solver, or multigrid when the factor does not fit into memory or few right sides are wanted.

    Parameters
    ----------
    direct : Solver
    structure : Structure, optional
        Without it there is no multigrid.
    right_sides : int, optional
        Right sides to come, when known: a factorisation pays for itself only from a few on.
    announce : callable, optional
        Called with one sentence that says what was chosen and why.
    """

    name = "auto"

    def __init__(
        self,
        direct: Solver,
        structure: Structure | None,
        right_sides: int | None = None,
        announce: Callable[[str], None] | None = None,
    ) -> None:
        self._direct = direct
        self._structure = structure
        self._right_sides = right_sides
        self._announce = announce

    def factor(self, upper: sp.csr_matrix) -> Factor:
        few = self._right_sides is not None and self._right_sides <= FEW_RIGHT_SIDES
        if few and self._structure is not None and upper.shape[0] > WORTH_MULTIGRID:
            self._say("multigrid", f"{upper.shape[0]} unknowns, {self._right_sides} right sides")
            return MultigridSolver(self._structure).factor(upper)
        try:
            factor = self._checked(upper.shape[0]).factor(upper)
        except TooLargeError as error:
            return self._instead(error).factor(upper)
        self._say(self._direct.name, _fits(factor))
        return factor

    def factor_with_schur(self, upper: sp.csr_matrix, columns: sp.spmatrix) -> tuple[Factor, np.ndarray]:
        try:
            factor, compliance = self._checked(upper.shape[0]).factor_with_schur(upper, columns)
        except TooLargeError as error:
            slow = f", one solve for each of {columns.shape[1]} columns: this takes long"
            return self._instead(error, slow).factor_with_schur(upper, columns)
        self._say(self._direct.name, _fits(factor))
        return factor, compliance

    def _checked(self, n: int) -> Solver:
        if self._direct.name == "superlu" and n > SUPERLU_LIMIT:
            raise TooLargeError(
                f"{n} unknowns are too many for SuperLU (at most {SUPERLU_LIMIT}); "
                "install pypardiso or rslab, choose the solver multigrid or coarsen the mesh"
            )
        return self._direct

    def _instead(self, error: TooLargeError, more: str = "") -> Solver:
        if self._structure is None:
            raise error
        self._say("multigrid", f"{str(error).split(';')[0]}{more}")
        return MultigridSolver(self._structure)

    def _say(self, name: str, reason: str) -> None:
        if self._announce is not None:
            self._announce(f"solver {name} ({reason})")


def _fits(factor: Factor) -> str:
    size = getattr(factor, "memory_gib", None)
    return f"{factor.n} unknowns" + (f", the factor takes {size:.1f} GiB" if size is not None else "")


def make_solver(
    name: str = "auto",
    *,
    structure: Structure | None = None,
    right_sides: int | None = None,
    announce: Callable[[str], None] | None = None,
) -> Solver:
    """Choose a solver.

    Parameters
    ----------
    name : str
        ``"auto"``, ``"pardiso"``, ``"rslab"``, ``"superlu"`` or ``"multigrid"``.
    structure : Structure, optional
        Space and regions behind the matrix: multigrid needs them, and errors name the body that floats.
    right_sides : int, optional
        Right sides to come, for the automatic choice; a Schur complement needs many.
    announce : callable, optional
        Called with one sentence that says what was chosen and why.

    Raises
    ------
    InputError
        Unknown name, a solver asked for where it is not installed, or multigrid without a structure.
    """
    if name not in NAMES:
        raise InputError(f"solver {name!r} is unknown; choose {', '.join(NAMES[:-1])} or {NAMES[-1]}")
    if name == "auto":
        return AutomaticSolver(_best_direct(structure), structure, right_sides, announce)
    if name == "pardiso" and not pardiso.available():
        raise InputError(f"solver pardiso is not installed on this {platform.machine()} machine; use auto or rslab")
    if name == "rslab" and not rslab_available():
        raise InputError("solver rslab is not installed; pip install rslab, or use auto")
    if announce is not None:
        announce(f"solver {name} (asked for)")
    if name == "multigrid":
        return MultigridSolver(structure)
    if name == "pardiso":
        return PardisoSolver(structure)
    return RslabSolver(structure) if name == "rslab" else SuperLUSolver(structure)


def _best_direct(structure: Structure | None) -> Solver:
    if pardiso.available():
        return PardisoSolver(structure)
    return RslabSolver(structure) if rslab_available() else SuperLUSolver(structure)


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
    solver = solver or make_solver("auto")
    return solver.factor_with_schur(upper, columns)
