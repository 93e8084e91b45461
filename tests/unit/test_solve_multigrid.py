"""Block matrices, multigrid and conjugate gradients: their kernels, their transfers, their iterations."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from fem_models import box

from femsim.errors import ConvergenceError
from femsim.fem.assembly import add_symmetric, assemble_stiffness, full_matrix, upper_pattern
from femsim.fem.solve import iterative
from femsim.fem.solve.blocks import block_upper
from femsim.fem.solve.conjugate import conjugate_gradients
from femsim.fem.solve.direct import SuperLUSolver
from femsim.fem.solve.multigrid import EdgeTransfer, largest_eigenvalue, rigid_modes, upper_csr
from femsim.fem.solve.structure import Structure
from femsim.fem.spaces import Space


def held_box(n: int, degree: int = 2, contrast: float = 1e3, far_springs: int = 3) -> tuple[Space, sp.csr_matrix]:
    """A box with moduli that jump from cell to cell, on springs at its bottom; the springs couple distant nodes too."""
    space = Space(*box(n, 0.2), degree)
    young = np.random.default_rng(2).choice([100.0, 100.0 * contrast], space.n_cells)
    stiffness = assemble_stiffness(space, upper_pattern(space), young, 0.3)
    springs = np.repeat(np.where(space.nodes[:, 2] < 1e-9, 50.0, 0.0), 3)
    far = sp.random(space.n_dof, far_springs, 0.02, random_state=1, format="csc")
    return space, add_symmetric(stiffness, sp.diags(springs, format="csr"), sp.csr_matrix(20.0 * far @ far.T))


@pytest.mark.parametrize("width", [1, 5])
def test_block_product_equals_scipy(width: int) -> None:
    """The product of the upper half in blocks equals the product of the full matrix, in both precisions."""
    space, upper = held_box(2)
    matrix = block_upper(upper)
    vectors = np.random.default_rng(0).standard_normal((space.n_dof, width))
    expected = full_matrix(upper) @ vectors
    np.testing.assert_allclose(matrix.multiply(vectors), expected, atol=1e-13 * np.abs(expected).max())
    single = matrix.astype(np.float32).multiply(vectors.astype(np.float32))
    np.testing.assert_allclose(single, expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(matrix.multiply(vectors), matrix.multiply(vectors))
    assert np.abs(matrix.to_csr() - full_matrix(upper)).max() == 0.0
    assert np.abs(upper_csr(matrix) - upper).max() == 0.0
    assert matrix.norm_bound() == pytest.approx(abs(full_matrix(upper)).sum(axis=1).max())


def test_matrix_of_no_displacements_is_refused() -> None:
    """Blocks need three unknowns a node."""
    with pytest.raises(ValueError, match="no multiple of three"):
        block_upper(sp.identity(4, format="csr"))


def test_linear_subspace_of_a_quadratic_space() -> None:
    """P^T K P, P v and P^T f of the kernels equal those of the interpolation as a matrix."""
    space, upper = held_box(2)
    geometry = Structure(space).geometry()
    edges, vertices = geometry.edges, geometry.n_vertices
    np.testing.assert_allclose(space.nodes[vertices:], space.nodes[edges].mean(axis=1), atol=1e-14)
    rows = np.concatenate([np.arange(vertices), np.repeat(np.arange(vertices, space.n_nodes), 2)])
    columns = np.concatenate([np.arange(vertices), edges.ravel()])
    values = np.concatenate([np.ones(vertices), np.full(edges.size, 0.5)])
    scalar = sp.csr_matrix((values, (rows, columns)), shape=(space.n_nodes, vertices))
    prolongation = sp.kron(scalar, np.eye(3), format="csr")
    transfer = EdgeTransfer(geometry)
    expected = prolongation.T @ full_matrix(upper) @ prolongation
    assert np.abs(transfer.galerkin(block_upper(upper)).to_csr() - expected).max() < 1e-12 * expected.max()
    rng = np.random.default_rng(3)
    coarse, fine = rng.standard_normal((3 * vertices, 2)), rng.standard_normal((space.n_dof, 2))
    np.testing.assert_allclose(transfer.down(fine), prolongation.T @ fine, atol=1e-13)
    wanted = fine + prolongation @ coarse
    transfer.up(coarse, fine)
    np.testing.assert_allclose(fine, wanted, atol=1e-13)


def test_rigid_motions_need_no_force() -> None:
    """The six rigid motions of a free body are in the null space of its stiffness."""
    space = Space(*box(2, 0.2))
    stiffness = full_matrix(assemble_stiffness(space, upper_pattern(space), 1000.0, 0.3))
    modes = rigid_modes(space.nodes)
    assert np.linalg.matrix_rank(modes) == 6
    assert np.abs(stiffness @ modes).max() < 1e-12 * stiffness.max()


def test_largest_eigenvalue() -> None:
    """The short recurrence finds the largest eigenvalue of D^-1 K to a few per cent, from below."""
    _, upper = held_box(2)
    matrix = block_upper(upper)
    inverse = np.linalg.inv(matrix.diagonal_blocks())
    blocks = sp.block_diag(inverse).toarray()
    exact = np.linalg.eigvals(blocks @ full_matrix(upper).toarray()).real.max()
    assert 0.92 * exact < largest_eigenvalue(matrix, inverse) <= exact * (1.0 + 1e-9)


def test_cycle_is_symmetric_and_positive() -> None:
    """Conjugate gradients need a symmetric positive preconditioner: the cycle is one, to single precision."""
    space, upper = held_box(2)
    factor = iterative.MultigridSolver(Structure(space)).factor(upper)
    first, second = np.random.default_rng(4).standard_normal((2, space.n_dof, 1))
    left, right = np.vdot(first, factor.apply(second)), np.vdot(second, factor.apply(first))
    energy = np.vdot(first, factor.apply(first))
    assert energy > 0.0
    assert abs(left - right) < 1e-4 * energy


@pytest.mark.parametrize(("degree", "bricks"), [(2, 4), (1, 8)])
@pytest.mark.parametrize("contrast", [1.0, 1e3])
def test_iterations_stay_few(degree: int, bricks: int, contrast: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quadratic cells on a linear and aggregated levels, and linear cells aggregated, converge in a few dozen steps."""
    monkeypatch.setattr(iterative, "DIRECT_LIMIT", dict.fromkeys(iterative.DIRECT_LIMIT, 300))
    space, upper = held_box(bricks, degree, contrast, far_springs=0)
    factor = iterative.MultigridSolver(Structure(space)).factor(upper)
    right = np.random.default_rng(5).standard_normal((space.n_dof, 2))
    reference = SuperLUSolver().factor(upper).solve(right)
    assert np.abs(factor.solve(right) - reference).max() < 1e-6 * np.abs(reference).max()
    assert len(factor.sizes) >= degree + 1
    assert factor.sizes[-1] < 1000
    assert factor.last_iterations <= 60


def test_iteration_limit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Iterations that do not converge end in a sentence with the residual reached."""
    monkeypatch.setattr(iterative, "ITERATION_LIMIT", 2)
    space, upper = held_box(2)
    with pytest.raises(ConvergenceError, match=r"stopped after 2 of 2 iterations at a relative residual of"):
        iterative.MultigridSolver(Structure(space)).factor(upper).solve(np.ones(space.n_dof))


def test_columns_converge_each_on_its_own() -> None:
    """Zero, tiny and huge right sides are solved together, each to its own relative residual."""
    space, upper = held_box(1)
    full = full_matrix(upper)
    scale = np.array([1.0, 0.0, 1e-20, 1e20])
    right = np.random.default_rng(6).standard_normal((space.n_dof, 4)) * scale
    inverse = 1.0 / full.diagonal()[:, None]
    done = conjugate_gradients(lambda v: full @ v, lambda r: inverse * r, right, norm=0.0, goal=1e-11, limit=2000)
    assert done.converged
    assert not done.solution[:, 1].any()
    error = np.linalg.norm(full @ done.solution - right, axis=0)
    assert (error <= 1e-9 * np.linalg.norm(right, axis=0)).all()


def test_indefinite_matrix_ends_the_iteration() -> None:
    """A matrix that is not positive definite is not iterated on."""
    matrix = np.diag([1.0, -1.0, 2.0])
    done = conjugate_gradients(lambda v: matrix @ v, lambda r: r.copy(), np.ones((3, 1)), norm=2.0, goal=1e-9, limit=50)
    assert not done.converged
