"""Materials and stress recovery."""

from __future__ import annotations

import numpy as np
import pytest
from fem_models import box

from femsim.fem import stress
from femsim.fem.materials import Elasticity, bone_young, is_cortical, orthotropic_stiffness, region_moduli
from femsim.fem.spaces import Space
from femsim.parameters import load_parameters


def test_strain_of_a_quadratic_field_is_exact() -> None:
    """The strain of a quadratic displacement is recovered exactly at the quadrature points and at the corners."""
    space = Space(*box(2, 0.2))

    def exact(x: np.ndarray) -> np.ndarray:
        one, two, three = np.moveaxis(x, -1, 0)
        return np.stack([2 * one, 0 * one, two, 0.5 * three, 0.5 * two, 0.5 * three], axis=-1)

    x = space.nodes
    u = np.stack([x[:, 0] ** 2 + x[:, 1] * x[:, 2], 0 * x[:, 0], x[:, 1] * x[:, 2]], axis=1)
    np.testing.assert_allclose(stress.strain(space, u.ravel()), exact(space.quadrature_points()), atol=1e-12)
    corners = stress.strain(space, u.ravel(), np.array([3, 5]), np.eye(4))
    np.testing.assert_allclose(corners, exact(space.nodes[space.tets[[3, 5]]]), atol=1e-12)


def test_uniaxial_stress() -> None:
    """Uniaxial strain with its lateral contraction gives E times the strain and the same von Mises stress."""
    strains = np.zeros((1, 2, 6))
    strains[..., :3] = 1e-3 * np.array([1.0, -0.3, -0.3])
    result = stress.stress(strains, np.array([[1e4, 2e4]]), 0.3)
    np.testing.assert_allclose(result[0, :, 0], [10.0, 20.0], rtol=1e-13)
    np.testing.assert_allclose(result[..., 1:], 0.0, atol=1e-12)
    np.testing.assert_allclose(stress.von_mises(result)[0], [10.0, 20.0], rtol=1e-12)
    np.testing.assert_allclose(stress.stress(strains, np.array([1e4]), np.array([0.3]))[0, 1, 0], 10.0, rtol=1e-13)


def test_invariants_of_pure_shear() -> None:
    """Pure shear tau has principal values -tau, 0, tau and von Mises sqrt(3) tau."""
    tensor = np.array([0, 0, 0, 0, 2.0, 0])
    np.testing.assert_allclose(stress.principal(tensor), [-2.0, 0.0, 2.0], atol=1e-14)
    assert stress.von_mises(tensor) == pytest.approx(2.0 * np.sqrt(3.0))


def test_ball_average_is_exact_for_linear_fields_and_clips_to_the_body() -> None:
    """The mean over 1 mm3 of a linear field is its value at the centre; a smaller body gives its own mean."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1.95, 1.95, 40)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    volumes = np.full(len(grid), 1e-3)
    value = 5.0 + grid[:, 0]
    assert stress.ball_average(grid, volumes, value, np.array([0.0, 0.0, 0.0]))[0] == pytest.approx(5.0, abs=1e-2)
    assert stress.ball_average(grid, volumes, value, np.array([0.5, 0.0, 0.0]))[0] == pytest.approx(5.5, abs=1e-2)
    assert stress.ball_average(grid, volumes, value, np.zeros(3), volume=1e6)[0] == pytest.approx(5.0)


def test_hot_spots_are_disjoint_and_ordered() -> None:
    """Two peaks are found apart from each other, strongest average first."""
    grid = np.stack(np.meshgrid(*[np.linspace(0, 10, 41)] * 2, [0.0], indexing="ij"), axis=-1).reshape(-1, 3)
    value = 2 * np.exp(-((grid - [2, 2, 0]) ** 2).sum(axis=1)) + np.exp(-((grid - [8, 8, 0]) ** 2).sum(axis=1))
    averages, centres = stress.hot_spots(grid, np.full(len(grid), 0.05), value, count=2)
    np.testing.assert_allclose(centres, [[2, 2, 0], [8, 8, 0]], atol=1e-12)
    assert averages[0] > averages[1] > 0.5


def test_averages_over_cells_and_nodes() -> None:
    """Cell and nodal means keep a constant field; a distance mask leaves edges out."""
    space = Space(*box(2))
    values = np.full((space.n_cells, len(space.weights)), 4.0)
    np.testing.assert_allclose(stress.cell_average(space, values), 4.0)
    np.testing.assert_allclose(stress.nodal_average(space, values), 4.0)
    assert stress.away_from(np.array([[0.0, 0, 0], [1.0, 0, 0]]), np.zeros((1, 3)), 0.25).tolist() == [False, True]


def test_region_moduli() -> None:
    """Bone, plate and screw cells get their own constants; bone is scaled by its class and stiffness ratio."""
    elasticity = Elasticity.from_parameters(load_parameters())
    cortical = is_cortical(np.array([[0.5, 3.0], [3.0, 4.0]]), np.array([[2.0, 2.0], [2.0, 2.0]]))
    moduli = bone_young(cortical, 0.9, 0.5, elasticity)
    np.testing.assert_allclose(moduli, [[0.9 * 13700, 0.5 * 1370], [0.5 * 1370, 0.5 * 1370]])
    young, poisson = region_moduli(
        np.array([2, 1, 10, 1]), 2, elasticity, bone=1, plate=2, bone_moduli=moduli, bone_cortical=cortical
    )
    np.testing.assert_allclose(young[[1, 3]], moduli)
    assert young[0, 0] == 105000
    assert young[2, 1] == 110000
    np.testing.assert_allclose(poisson, [0.34, 0.30, 0.34, 0.30])


def test_orthotropic_constants() -> None:
    """The shipped orthotropic cortex is stable, equal constants give the isotropic one, unstable ones are refused."""
    p = load_parameters()
    names = [f"materials.cortical_orthotropic_{key}" for key in ("E", "G", "nu")]
    assert np.linalg.eigvalsh(orthotropic_stiffness(*(p.vector(name) for name in names))).min() > 0
    isotropic = orthotropic_stiffness(np.full(3, 10.0), np.full(3, 10.0 / 2.6), np.full(3, 0.3))
    assert isotropic[0, 0] == pytest.approx(10.0 * 0.7 / (1.3 * 0.4))
    assert isotropic[0, 1] == pytest.approx(10.0 * 0.3 / (1.3 * 0.4))
    with pytest.raises(ValueError, match="positive definite"):
        orthotropic_stiffness(np.full(3, 10.0), np.full(3, 4.0), np.full(3, 0.6))
