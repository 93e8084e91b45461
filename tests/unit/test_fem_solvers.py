"""Direct solvers, their Schur complement, and their errors."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from fem_models import box

from femsim.errors import ConvergenceError, GeometryError, InputError
from femsim.fem import pardiso, solvers
from femsim.fem.assembly import add_symmetric, assemble_stiffness, full_matrix, upper_pattern
from femsim.fem.boundary import check_supported
from femsim.fem.solvers import SuperLUSolver, bordered, factor_with_schur, make_solver
from femsim.fem.spaces import Space

SOLVERS = ["superlu", pytest.param("pardiso", marks=pytest.mark.skipif(not pardiso.available(), reason="no MKL here"))]


def held_box(n: int = 4) -> tuple[Space, sp.csr_matrix]:
    """A heterogeneous box on springs at its bottom."""
    space = Space(*box(n, 0.2))
    young = np.random.default_rng(2).uniform(100.0, 1e5, (space.n_cells, len(space.weights)))
    stiffness = assemble_stiffness(space, upper_pattern(space), young, 0.3)
    springs = np.repeat(np.where(space.nodes[:, 2] < 1e-9, 50.0, 0.0), 3)
    return space, add_symmetric(stiffness, sp.diags(springs, format="csr"))


@pytest.mark.parametrize("name", SOLVERS)
def test_solve_verifies_a_tiny_residual(name: str) -> None:
    """Many right sides are solved at once, each with a residual below 1e-11, and one vector keeps its shape."""
    space, upper = held_box()
    factor = make_solver(name).factor(upper)
    right = np.random.default_rng(0).standard_normal((space.n_dof, 5))
    right[:, 3] = 0.0
    solution = factor.solve(right)
    residual = np.linalg.norm(full_matrix(upper) @ solution - right, axis=0)
    assert residual.max() < 1e-11 * np.linalg.norm(right, axis=0).max()
    assert factor.last_residual < 1e-11
    assert not solution[:, 3].any()
    np.testing.assert_allclose(factor.solve(right[:, 0]), solution[:, 0], rtol=1e-9)
    factor.close()


@pytest.mark.parametrize("name", SOLVERS)
def test_schur_complement_equals_separate_solves(name: str) -> None:
    """G of the factorisation with Schur complement equals C^T K^-1 C of separate solves to 1e-9."""
    space, upper = held_box()
    columns = sp.random(space.n_dof, 40, 0.01, random_state=4, format="csc")
    factor, compliance = factor_with_schur(upper, columns, make_solver(name))
    reference = columns.T @ SuperLUSolver().factor(upper).solve(columns.toarray())
    assert np.abs(compliance - reference).max() < 1e-9 * np.abs(reference).max()
    np.testing.assert_array_equal(compliance, compliance.T)
    factor.close()


@pytest.mark.parametrize("name", SOLVERS)
def test_factor_of_schur_mode_solves_plain_and_constrained_problems(name: str) -> None:
    """The kept factor gives K^-1 F, condensed loads, and the field [[K, C], [C^T, 0]] [u; lam] = [f; delta]."""
    space, upper = held_box()
    rng = np.random.default_rng(5)
    columns = sp.random(space.n_dof, 12, 0.02, random_state=6, format="csc")
    factor, compliance = factor_with_schur(upper, columns, make_solver(name))
    loads = rng.standard_normal((space.n_dof, 3))
    direct = make_solver("superlu").factor(upper).solve(loads)
    solution = factor.solve(loads)
    assert np.abs(solution - direct).max() < 1e-9 * np.abs(direct).max()
    delta = rng.standard_normal((12, 3))
    forces = np.linalg.solve(compliance, columns.T @ solution - delta)
    field = factor.solve(loads - columns @ forces)
    saddle = sp.bmat([[full_matrix(upper), columns], [columns.T, None]], format="csc")
    expected = sp.linalg.spsolve(saddle, np.vstack([loads, delta]))
    assert np.abs(field - expected[: space.n_dof]).max() < 1e-8 * np.abs(expected[: space.n_dof]).max()
    assert np.abs(forces - expected[space.n_dof :]).max() < 1e-8 * np.abs(forces).max()
    factor.close()


def test_bordered_matrix() -> None:
    """The matrix given to MKL is the upper half of [[K, C], [C^T, 0]] with its zero diagonal stored."""
    _, upper = held_box(1)
    columns = sp.random(upper.shape[0], 3, 0.3, random_state=7, format="csr")
    matrix = bordered(upper, columns)
    expected = sp.bmat([[upper, columns], [None, sp.csr_matrix((3, 3))]]).toarray()
    np.testing.assert_array_equal(matrix.toarray(), expected)
    assert matrix.nnz == upper.nnz + columns.nnz + 3
    matrix.check_format(full_check=True)


@pytest.mark.parametrize("name", SOLVERS)
def test_indefinite_matrix_is_refused(name: str) -> None:
    """A body that floats or a matrix that is not positive definite ends in a sentence, not in numbers."""
    space = Space(*box(2))
    upper = assemble_stiffness(space, upper_pattern(space), 1000.0, 0.3)
    right = np.zeros(space.n_dof)
    right[0] = 1.0
    with pytest.raises((GeometryError, ConvergenceError), match=r"float|held too loosely"):
        make_solver(name).factor(upper).solve(right)


@pytest.mark.skipif(not pardiso.available(), reason="no MKL here")
def test_floating_body_is_refused_with_schur_complement() -> None:
    """The factorisation with Schur complement refuses a floating body too."""
    space = Space(*box(2))
    upper = assemble_stiffness(space, upper_pattern(space), 1000.0, 0.3)
    with pytest.raises((GeometryError, ConvergenceError), match=r"float|held too loosely"):
        factor_with_schur(upper, sp.random(space.n_dof, 4, 0.1, random_state=1))[0].solve(np.ones(space.n_dof))


def test_floating_bodies_are_named() -> None:
    """Two boxes of which one is held: the other is named with its region and place; a link or a support cures it."""
    points, tets = box(1)
    n = len(points)
    space = Space(np.vstack([points, points + 5.0]), np.vstack([tets, tets + n]))
    region = np.repeat([1, 10], len(tets))
    held = [np.array([0, 1, 2])]
    with pytest.raises(GeometryError, match=r"1 bodies float.*screw A.*1\.00 mm3, near \[5\.5, 5\.5, 5\.5\]"):
        check_supported(space, held, region=region, names={10: "screw A"})
    check_supported(space, [*held, np.array([n])])
    link = np.zeros((space.n_dof, 1))
    link[0], link[3 * n] = -1.0, 1.0
    check_supported(space, held, sp.csc_matrix(link))
    lonely = np.zeros((space.n_dof, 1))
    lonely[3 * n] = 1.0
    with pytest.raises(GeometryError, match="float"):
        check_supported(space, held, sp.csc_matrix(lonely))


def test_wrong_factor_is_caught_by_the_residual(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that returns wrong numbers raises ConvergenceError."""
    _, upper = held_box(1)
    factor = make_solver("superlu").factor(upper)
    monkeypatch.setattr(factor, "_raw", lambda right: 0.1 * right)
    with pytest.raises(ConvergenceError, match="relative residual"):
        factor.solve(np.ones(upper.shape[0]))


def test_refinement_repairs_a_sloppy_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A factor that is right to 1e-5 is refined to 1e-10."""
    _, upper = held_box(1)
    factor = make_solver("superlu").factor(upper)
    exact = factor._raw
    monkeypatch.setattr(factor, "_raw", lambda right: exact(right) * (1.0 + 1e-5))
    factor.solve(np.ones((upper.shape[0], 2)))
    assert factor.last_residual < 1e-10


def test_choice_of_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice is announced, unknown names and models too large for SuperLU are refused."""
    told: list[str] = []
    make_solver("superlu", announce=told.append)
    assert told == ["direct solver superlu (asked for)"]
    with pytest.raises(InputError, match="unknown"):
        make_solver("cholmod")
    monkeypatch.setattr(pardiso, "available", lambda: False)
    assert make_solver("auto").name == "superlu"
    with pytest.raises(InputError, match="not installed"):
        make_solver("pardiso")
    with pytest.raises(InputError, match="too many for SuperLU"):
        make_solver("auto", n_dof=10**6)


@pytest.mark.skipif(not pardiso.available(), reason="no MKL here")
def test_too_little_memory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A factorisation that needs more memory than is left is refused before it starts."""
    _, upper = held_box(1)
    monkeypatch.setattr(pardiso, "available_memory_gib", lambda: 1e-6)
    with pytest.raises(InputError, match="GiB are left"):
        make_solver("pardiso").factor(upper)


def test_malformed_matrices_are_refused() -> None:
    """Missing diagonals, lower entries, NaN and non-positive diagonals never reach the solver."""
    solver = make_solver("superlu")
    with pytest.raises(ValueError, match="begin with its diagonal"):
        solver.factor(sp.csr_matrix(np.array([[1.0, 0.0], [1.0, 1.0]])))
    with pytest.raises(ValueError, match="NaN"):
        solver.factor(sp.csr_matrix(np.array([[1.0, np.nan], [0.0, 1.0]])))
    with pytest.raises(GeometryError, match="no stiffness"):
        solver.factor(sp.csr_matrix(np.array([[1.0, 0.0], [0.0, -1.0]])))
    assert solvers.RESIDUAL_TOLERANCE < 1e-6
