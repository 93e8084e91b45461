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
from femsim.fem.solvers import Structure, SuperLUSolver, bordered, factor_with_schur, make_solver, rslab_available
from femsim.fem.spaces import Space

HAS_MKL = pytest.mark.skipif(not pardiso.available(), reason="no MKL here")
HAS_RSLAB = pytest.mark.skipif(not rslab_available(), reason="no rslab here")
DIRECT = ["superlu", pytest.param("pardiso", marks=HAS_MKL), pytest.param("rslab", marks=HAS_RSLAB)]
SOLVERS = [*DIRECT, "multigrid"]


def held_box(n: int = 4) -> tuple[Space, sp.csr_matrix]:
    """A heterogeneous box on springs at its bottom."""
    space = Space(*box(n, 0.2))
    young = np.random.default_rng(2).uniform(100.0, 1e5, (space.n_cells, len(space.weights)))
    stiffness = assemble_stiffness(space, upper_pattern(space), young, 0.3)
    springs = np.repeat(np.where(space.nodes[:, 2] < 1e-9, 50.0, 0.0), 3)
    return space, add_symmetric(stiffness, sp.diags(springs, format="csr"))


@pytest.mark.parametrize("name", SOLVERS)
def test_solve_verifies_a_tiny_residual(name: str) -> None:
    """Many right sides are solved at once, each with a tiny residual, and one vector keeps its shape."""
    space, upper = held_box()
    factor = make_solver(name, structure=Structure(space)).factor(upper)
    right = np.random.default_rng(0).standard_normal((space.n_dof, 5))
    right[:, 3] = 0.0
    solution = factor.solve(right)
    residual = np.linalg.norm(full_matrix(upper) @ solution - right, axis=0)
    allowed = 1e-9 if name == "multigrid" else 1e-11
    assert residual.max() < allowed * np.linalg.norm(right, axis=0).max()
    assert factor.last_residual < allowed
    assert 1.0 < factor.last_amplification < 1e9
    assert not solution[:, 3].any()
    np.testing.assert_allclose(factor.solve(right[:, 0]), solution[:, 0], rtol=1e-6)
    factor.close()


@pytest.mark.parametrize("name", SOLVERS)
def test_schur_complement_equals_separate_solves(name: str) -> None:
    """G of the factorisation with Schur complement equals C^T K^-1 C of separate solves to 1e-8."""
    space, upper = held_box()
    columns = sp.random(space.n_dof, 40, 0.01, random_state=4, format="csc")
    factor, compliance = factor_with_schur(upper, columns, make_solver(name, structure=Structure(space)))
    reference = columns.T @ SuperLUSolver().factor(upper).solve(columns.toarray())
    assert np.abs(compliance - reference).max() < 1e-8 * np.abs(reference).max()
    np.testing.assert_array_equal(compliance, compliance.T)
    factor.close()


@pytest.mark.parametrize("name", SOLVERS)
def test_factor_of_schur_mode_solves_plain_and_constrained_problems(name: str) -> None:
    """The kept factor gives K^-1 F, condensed loads, and the field [[K, C], [C^T, 0]] [u; lam] = [f; delta]."""
    space, upper = held_box()
    rng = np.random.default_rng(5)
    columns = sp.random(space.n_dof, 12, 0.02, random_state=6, format="csc")
    factor, compliance = factor_with_schur(upper, columns, make_solver(name, structure=Structure(space)))
    loads = rng.standard_normal((space.n_dof, 3))
    direct = make_solver("superlu").factor(upper).solve(loads)
    solution = factor.solve(loads)
    assert np.abs(solution - direct).max() < 1e-7 * np.abs(direct).max()
    delta = rng.standard_normal((12, 3))
    forces = np.linalg.solve(compliance, columns.T @ solution - delta)
    field = factor.solve(loads - columns @ forces)
    saddle = sp.bmat([[full_matrix(upper), columns], [columns.T, None]], format="csc")
    expected = sp.linalg.spsolve(saddle, np.vstack([loads, delta]))
    assert np.abs(field - expected[: space.n_dof]).max() < 1e-6 * np.abs(expected[: space.n_dof]).max()
    assert np.abs(forces - expected[space.n_dof :]).max() < 1e-6 * np.abs(forces).max()
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
def test_floating_body_is_refused_and_named(name: str) -> None:
    """Of two boxes one is held: the other is named, with its region, its nodes and its place."""
    points, tets = box(1)
    space = Space(np.vstack([points, points + 5.0]), np.vstack([tets, tets + len(points)]))
    region = np.repeat([1, 12], len(tets))
    springs = np.repeat(np.where(space.nodes[:, 2] < 1e-9, 50.0, 0.0), 3)
    stiffness = assemble_stiffness(space, upper_pattern(space), 1000.0, 0.3)
    upper = add_symmetric(stiffness, sp.diags(springs, format="csr"))
    solver = make_solver(name, structure=Structure(space, region, {1: "bone", 12: "screw-3"}))
    right = np.zeros(space.n_dof)
    right[-1] = 1.0
    named = r"floats: screw-3 \(27 nodes, near \[5\.5, 5\.5, 5\.5\]"
    with pytest.raises((GeometryError, ConvergenceError), match=named):
        solver.factor(upper).solve(right)


@pytest.mark.parametrize("name", DIRECT)
def test_singular_matrix_without_structure_is_refused(name: str) -> None:
    """Where nobody said what the unknowns are, the message says what to check."""
    space = Space(*box(2))
    upper = assemble_stiffness(space, upper_pattern(space), 1000.0, 0.3)
    with pytest.raises((GeometryError, ConvergenceError), match="check supports"):
        make_solver(name).factor(upper).solve(np.eye(space.n_dof)[0])


@HAS_MKL
def test_floating_body_is_refused_with_schur_complement() -> None:
    """The factorisation with Schur complement names a floating body too."""
    space = Space(*box(2))
    upper = assemble_stiffness(space, upper_pattern(space), 1000.0, 0.3)
    solver = make_solver("pardiso", structure=Structure(space, np.ones(space.n_cells), {1: "plate"}))
    with pytest.raises((GeometryError, ConvergenceError), match=r"floats: plate \(125 nodes"):
        factor_with_schur(upper, sp.random(space.n_dof, 4, 0.1, random_state=1), solver)[0].solve(np.ones(space.n_dof))


def test_group_that_floats_and_hinge_are_told_apart_from_held_bodies() -> None:
    """Bodies that float together are one group; held ones are not named; a body that can only turn floats."""
    points, tets = box(1)
    n = len(points)
    space = Space(np.vstack([points + 4.0 * k for k in range(3)]), np.vstack([tets + n * k for k in range(3)]), 1)
    structure = Structure(space, np.repeat([1, 2, 10], len(tets)), {1: "bone", 2: "plate", 10: "screw-1"})
    stiffness = assemble_stiffness(space, upper_pattern(space), 1000.0, 0.3)
    springs = np.zeros((space.n_nodes, 3))
    springs[:n] = 50.0
    held = add_symmetric(stiffness, sp.diags(springs.ravel(), format="csr"))
    link = np.zeros((space.n_dof, 3 * n))
    link[3 * n + np.arange(3 * n), np.arange(3 * n)] = 1.0
    link[6 * n + np.arange(3 * n), np.arange(3 * n)] = -1.0
    linked = add_symmetric(held, sp.csr_matrix(50.0 * link @ link.T))
    assert structure.floating(held).count("near") == 2
    assert structure.floating(linked) == "plate, screw-1 (16 nodes, near [6.5, 6.5, 6.5] mm)"
    springs[n:] = 50.0
    assert structure.floating(add_symmetric(stiffness, sp.diags(springs.ravel(), format="csr"))) == ""
    springs[2 * n + 1 :] = 0.0  # the screw hangs on one node: it turns about it
    hinged = add_symmetric(stiffness, sp.diags(springs.ravel(), format="csr"))
    assert structure.floating(hinged).startswith("screw-1 (8 nodes")


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
    monkeypatch.setattr(factor, "apply", lambda right: 0.1 * right)
    with pytest.raises(ConvergenceError, match="relative residual"):
        factor.solve(np.ones(upper.shape[0]))


def test_refinement_repairs_a_sloppy_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A factor that is right to 1e-5 is refined to 1e-10."""
    _, upper = held_box(1)
    factor = make_solver("superlu").factor(upper)
    exact = factor.apply
    monkeypatch.setattr(factor, "apply", lambda right: exact(right) * (1.0 + 1e-5))
    factor.solve(np.ones((upper.shape[0], 2)))
    assert factor.last_residual < 1e-10


def test_choice_of_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice is announced; unknown and missing solvers, and models too large for SuperLU, are refused."""
    space, upper = held_box(1)
    told: list[str] = []
    make_solver("superlu", announce=told.append)
    assert told == ["solver superlu (asked for)"]
    with pytest.raises(InputError, match="choose auto, pardiso, rslab, superlu or multigrid"):
        make_solver("cholmod")
    with pytest.raises(InputError, match="needs the space"):
        make_solver("multigrid")
    monkeypatch.setattr(pardiso, "available", lambda: False)
    monkeypatch.setattr(solvers, "rslab_available", lambda: False)
    make_solver("auto", announce=told.append).factor(upper)
    assert told[1] == f"solver superlu ({space.n_dof} unknowns)"
    for name in ("pardiso", "rslab"):
        with pytest.raises(InputError, match="not installed"):
            make_solver(name)
    monkeypatch.setattr(solvers, "SUPERLU_LIMIT", 10)
    with pytest.raises(InputError, match="too many for SuperLU"):
        make_solver("auto").factor(upper)


@pytest.mark.parametrize("name", [pytest.param("pardiso", marks=HAS_MKL), pytest.param("rslab", marks=HAS_RSLAB)])
def test_too_little_memory_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A factorisation that needs more memory than is left is refused before it starts."""
    _, upper = held_box(1)
    monkeypatch.setattr(pardiso, "available_memory_gib", lambda: 1e-9)
    with pytest.raises(InputError, match="GiB are left; choose the solver multigrid"):
        make_solver(name).factor(upper)


def test_automatic_choice_takes_multigrid_when_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the factor does not fit, multigrid solves instead, with and without Schur complement, and says so."""
    space, upper = held_box(2)
    columns = sp.random(space.n_dof, 3, 0.05, random_state=4, format="csc")
    expected = columns.T @ SuperLUSolver().factor(upper).solve(columns.toarray())

    def too_large(*arguments: object) -> None:
        raise pardiso.TooLargeError("factorising 375 unknowns needs 9.0 GiB and 1.0 GiB are left; try something")

    told: list[str] = []
    solver = make_solver("auto", structure=Structure(space), announce=told.append)
    monkeypatch.setattr(type(solver._direct), "factor", too_large)
    monkeypatch.setattr(type(solver._direct), "factor_with_schur", too_large)
    monkeypatch.setattr("femsim.fem.solve.iterative.direct_solver", lambda: ("superlu", SuperLUSolver()))
    _, compliance = solver.factor_with_schur(upper, columns)
    assert np.abs(compliance - expected).max() < 1e-8 * np.abs(expected).max()
    assert told[0].startswith("solver multigrid (factorising 375 unknowns needs 9.0 GiB and 1.0 GiB are left, one")
    assert solver.factor(upper).n == space.n_dof
    with pytest.raises(InputError, match="GiB are left"):
        make_solver("auto").factor(upper)


def test_automatic_choice_takes_multigrid_for_few_right_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """One load on a large model is not worth a factorisation; a hundred are."""
    monkeypatch.setattr(solvers, "WORTH_MULTIGRID", 10)
    space, upper = held_box(1)
    told: list[str] = []
    for right_sides in (1, 100):
        make_solver("auto", structure=Structure(space), right_sides=right_sides, announce=told.append).factor(upper)
    assert told[0] == "solver multigrid (81 unknowns, 1 right sides)"
    assert "multigrid" not in told[1]


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
