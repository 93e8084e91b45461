"""Exact solutions: patch test, rigid body modes, bimaterial bar, rotation invariance."""

from __future__ import annotations

import numpy as np
import pytest
from fem_models import boundary_faces, box, faces_where, fixed_mask, solve_fixed

from femsim.fem import stress
from femsim.fem.assembly import assemble_stiffness, full_matrix, multiply_upper, upper_pattern
from femsim.fem.boundary import surface_force
from femsim.fem.materials import Anisotropy, orthotropic_stiffness, rotated_stiffness
from femsim.fem.spaces import Space


@pytest.mark.parametrize("degree", [1, 2])
def test_patch_test(degree: int) -> None:
    """On a distorted mesh a linear displacement on the boundary is exact inside to 1e-10, with its uniform stress."""
    space = Space(*box(3, 0.3), degree)
    slope = np.array([[1.0, 0.2, -0.3], [0.1, -0.5, 0.4], [0.6, -0.1, 0.3]]) * 1e-3
    exact = (space.nodes @ slope.T).ravel()
    upper = assemble_stiffness(space, upper_pattern(space), 13700.0, 0.3)
    outside = np.zeros(space.n_nodes, dtype=bool)
    outside[space.face_nodes(boundary_faces(space.tets))] = True
    fixed = np.repeat(outside, 3)
    solution = solve_fixed(upper, np.zeros(space.n_dof), fixed, exact[fixed])
    assert np.abs(solution - exact).max() < 1e-10 * np.abs(exact).max()
    strain = 0.5 * (slope + slope.T)
    lam, mu = 13700.0 * 0.3 / (1.3 * 0.4), 13700.0 / 2.6
    tensor = 2 * mu * strain + lam * np.trace(strain) * np.eye(3)
    found = stress.stress(stress.strain(space, solution), np.full(space.n_cells, 13700.0), 0.3)
    expected = np.broadcast_to(tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]], found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9 * np.abs(tensor).max())


AXES = np.linalg.qr(np.random.default_rng(5).standard_normal((3, 3)))[0]
CORTEX = orthotropic_stiffness(
    np.array([10800.0, 13300.0, 19400.0]), np.array([3810.0, 4120.0, 4630.0]), np.array([0.309, 0.249, 0.224])
)


def everywhere(space: Space, stiffness: np.ndarray) -> Anisotropy:
    """One full stiffness at every quadrature point."""
    return Anisotropy(
        np.arange(space.n_cells), np.broadcast_to(stiffness, (space.n_cells, len(space.weights), 6, 6)).copy()
    )


@pytest.mark.parametrize("degree", [1, 2])
def test_orthotropic_patch_test(degree: int) -> None:
    """Orthotropic in oblique axes: a linear displacement is exact inside to 1e-10, with its uniform stress."""
    space = Space(*box(3, 0.3), degree)
    slope = np.array([[1.0, 0.2, -0.3], [0.1, -0.5, 0.4], [0.6, -0.1, 0.3]]) * 1e-3
    exact = (space.nodes @ slope.T).ravel()
    matrix = rotated_stiffness(CORTEX, AXES)
    upper = assemble_stiffness(space, upper_pattern(space), 1.0, 0.3, anisotropy=everywhere(space, matrix))
    outside = np.zeros(space.n_nodes, dtype=bool)
    outside[space.face_nodes(boundary_faces(space.tets))] = True
    fixed = np.repeat(outside, 3)
    solution = solve_fixed(upper, np.zeros(space.n_dof), fixed, exact[fixed])
    assert np.abs(solution - exact).max() < 1e-10 * np.abs(exact).max()
    # In the material's own axes the law is three moduli, three Poisson ratios and three shear moduli.
    own = AXES @ (0.5 * (slope + slope.T)) @ AXES.T
    inner = CORTEX @ (own[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] * [1, 1, 1, 2, 2, 2])
    tensor = AXES.T @ inner[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]] @ AXES
    found = stress.stress(
        stress.strain(space, solution), np.ones(space.n_cells), 0.3, everywhere(space, matrix)
    )
    expected = np.broadcast_to(tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]], found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9 * np.abs(tensor).max())


@pytest.mark.parametrize("orthotropic", [False, True])
@pytest.mark.parametrize("degree", [1, 2])
def test_rigid_body_modes(degree: int, orthotropic: bool) -> None:
    """Heterogeneous stiffness has exactly six zero eigenvalues: translations and infinitesimal rotations."""
    space = Space(*box(1), degree)
    young = np.random.default_rng(0).uniform(1.0, 10.0, (space.n_cells, len(space.weights)))
    full = everywhere(space, rotated_stiffness(CORTEX, AXES) / CORTEX[0, 0]) if orthotropic else None
    if full is not None:
        full.stiffness[:] *= young[..., None, None]
    upper = assemble_stiffness(space, upper_pattern(space), young, 0.3, anisotropy=full)
    x = space.nodes
    modes = [np.tile(axis, (space.n_nodes, 1)) for axis in np.eye(3)] + [np.cross(axis, x) for axis in np.eye(3)]
    forces = multiply_upper(upper, np.stack([mode.ravel() for mode in modes], axis=1))
    assert np.abs(forces).max() < 1e-12 * abs(upper).max()
    values = np.linalg.eigvalsh(full_matrix(upper).toarray())
    assert np.abs(values[:6]).max() < 1e-12 * values[-1]
    assert values[6] > 1e-4 * values[-1]


@pytest.mark.parametrize("degree", [1, 2])
def test_bimaterial_bar(degree: int) -> None:
    """Two bars in series (Poisson 0) stretch by F L / (E A) each, to 1e-10."""
    space = Space(*box((4, 2, 2), lengths=(4.0, 1.0, 1.0)), degree)
    first = space.positions(np.full((1, 4), 0.25))[:, 0, 0] < 2.0
    upper = assemble_stiffness(space, upper_pattern(space), np.where(first, 13700.0, 1370.0), 0.0)
    end = faces_where(space.nodes, boundary_faces(space.tets), space.nodes[: space.n_points, 0] > 4 - 1e-9)
    x, y, z = space.nodes.T
    fixed = fixed_mask(space.n_nodes, (x < 1e-9, 0), (y < 1e-9, 1), (z < 1e-9, 2))
    solution = solve_fixed(upper, surface_force(space, end, np.array([50.0, 0, 0])), fixed).reshape(-1, 3)
    expected = np.where(x <= 2.0, 50.0 * x / 13700.0, 50.0 * 2.0 / 13700.0 + 50.0 * (x - 2.0) / 1370.0)
    np.testing.assert_allclose(solution[:, 0], expected, atol=1e-10 * expected.max())


@pytest.mark.parametrize("orthotropic", [False, True])
def test_rotation_invariance(orthotropic: bool) -> None:
    """A rotated model with rotated loads (and material axes) gives the rotated displacement to 1e-10."""
    axis = np.array([[0, -0.6, 0.2], [0.6, 0, -0.5], [-0.2, 0.5, 0]])
    rotation = np.linalg.solve(np.eye(3) + axis, np.eye(3) - axis)
    points, tets = box(2, 0.2)
    results = []
    for turn in (np.eye(3), rotation):
        space = Space(points @ turn.T, tets)
        full = everywhere(space, rotated_stiffness(CORTEX, AXES @ turn.T)) if orthotropic else None
        upper = assemble_stiffness(space, upper_pattern(space), 1000.0, 0.3, anisotropy=full)
        rest = Space(points, tets).nodes
        fixed = np.repeat(rest[:, 2] < 1e-9, 3)
        top = faces_where(rest, boundary_faces(tets), points[:, 2] > 1 - 1e-9)
        force = surface_force(space, top, turn @ np.array([5.0, 2.0, 1.0]))
        results.append(solve_fixed(upper, force, fixed).reshape(-1, 3) @ turn)
    assert np.abs(results[0] - results[1]).max() < 1e-10 * np.abs(results[0]).max()
