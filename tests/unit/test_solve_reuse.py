"""An old factor serves a matrix that drifts until a new one costs less."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from fem_models import box

from femsim.fem.assembly import add_symmetric, assemble_stiffness, full_matrix, upper_pattern
from femsim.fem.solvers import ReusedFactor, make_solver
from femsim.fem.spaces import Space


def drifting(change: float) -> sp.csr_matrix:
    """A held box whose moduli have changed by up to this share."""
    space = Space(*box(3, 0.2))
    rng = np.random.default_rng(1)
    young = rng.uniform(100.0, 1e4, space.n_cells) * (1.0 + change * rng.uniform(-1.0, 1.0, space.n_cells))
    springs = np.repeat(np.where(space.nodes[:, 2] < 1e-9, 50.0, 0.0), 3)
    stiffness = assemble_stiffness(space, upper_pattern(space), young, 0.3)
    return add_symmetric(stiffness, sp.diags(springs, format="csr"))


def residual(upper: sp.csr_matrix, solution: np.ndarray, right: np.ndarray) -> float:
    """Largest relative residual of the columns."""
    return float((np.linalg.norm(full_matrix(upper) @ solution - right, axis=0) / np.linalg.norm(right, axis=0)).max())


def test_small_drift_is_solved_with_the_old_factor() -> None:
    """Moduli that moved by 2 % are solved in a few iterations, to the residual of any solve, without a new factor."""
    factor = ReusedFactor(make_solver("superlu"), drifting(0.0), break_even=100.0)
    right = np.random.default_rng(0).standard_normal((factor.n, 2))
    factor.solve(right)
    assert (factor.factorisations, factor.applications) == (1, 0)
    factor.update(drifting(0.02))
    solution = factor.solve(right)
    assert residual(drifting(0.02), solution, right) < 1e-9
    assert factor.last_residual < 1e-9
    assert factor.factorisations == 1
    assert 4 <= factor.applications <= 24
    assert factor.solve(right[:, 0]).shape == (factor.n,)
    factor.close()


def test_past_the_break_even_the_matrix_is_factorised() -> None:
    """Many right sides, or a large change, cost more than a factor; then one is made and used from there on."""
    factor = ReusedFactor(make_solver("superlu"), drifting(0.0), break_even=30.0)
    right = np.random.default_rng(0).standard_normal((factor.n, 2))
    factor.update(drifting(0.9))
    assert residual(drifting(0.9), factor.solve(right), right) < 1e-9
    assert factor.factorisations == 2
    assert factor.applications <= 30
    spent = factor.applications
    factor.solve(right)
    assert (factor.factorisations, factor.applications) == (2, spent)
    factor.update(drifting(0.91))
    factor.solve(right)
    assert factor.factorisations == 2


def test_spending_is_counted_over_the_solves_of_a_matrix() -> None:
    """Single solves, each below the break-even, together reach it."""
    factor = ReusedFactor(make_solver("superlu"), drifting(0.0), break_even=25.0)
    factor.update(drifting(0.05))
    right = np.random.default_rng(0).standard_normal(factor.n)
    for _ in range(8):
        factor.solve(right)
    assert factor.factorisations == 2
    assert factor.applications <= 25


def test_break_even_is_measured() -> None:
    """Without a given number the costs of the first factor and of one application decide."""
    factor = ReusedFactor(make_solver("superlu"), drifting(0.0))
    assert factor.break_even > 1.0


def test_a_factor_that_exists_is_used() -> None:
    """With the factor of a matrix near it nothing is factorised; without a break-even it is refused."""
    old, new = drifting(0.0), drifting(0.05)
    factor = make_solver("auto").factor(old)
    reused = ReusedFactor(make_solver("auto"), new, break_even=100.0, factor=factor)
    right = np.random.default_rng(5).standard_normal(old.shape[0])
    assert residual(new, reused.solve(right), right) < 1e-9
    assert reused.factorisations == 0
    assert reused.applications > 1
    with pytest.raises(ValueError, match="break-even"):
        ReusedFactor(make_solver("auto"), new, factor=factor)


def test_wrong_sizes_and_closed_factors_are_refused() -> None:
    """The next matrix has the same unknowns; a closed factor says so."""
    factor = ReusedFactor(make_solver("superlu"), drifting(0.0), break_even=5.0)
    with pytest.raises(ValueError, match="unknowns; the old one"):
        factor.update(sp.identity(3, format="csr"))
    factor.close()
    with pytest.raises(ValueError, match="closed"):
        factor.solve(np.ones(factor.n))
