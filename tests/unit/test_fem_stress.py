"""Materials and stress recovery."""

from __future__ import annotations

import numpy as np
import pytest
from fem_models import box

from femsim.errors import InputError
from femsim.fem import stress
from femsim.fem.materials import (
    Anisotropy,
    Elasticity,
    OrthotropicElasticity,
    class_young,
    is_cortical,
    isotropic_stiffness,
    orthotropic_stiffness,
    region_moduli,
    rotated_stiffness,
)
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
    centres = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    weights = stress.ball_weights(grid, volumes, centres, 1.0)
    np.testing.assert_allclose(weights @ value, [5.0, 5.5], atol=1e-2)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-13)
    whole = stress.ball_weights(grid, volumes, centres[:1], 1e6)
    assert (whole @ value)[0] == pytest.approx(5.0)


def test_ball_average_reaches_its_volume_among_uneven_points() -> None:
    """Where points are far smaller than the mean, the ball takes as many as its volume needs."""
    points = np.r_[np.arange(400.0), 1e4][:, None] * [1.0, 0.0, 0.0]
    volumes = np.r_[np.full(400, 1e-3), 1e3]
    weights = stress.ball_weights(points, volumes, points[:1], 0.1)
    np.testing.assert_allclose(weights.toarray()[0, :100], 0.01, rtol=1e-9)


def test_averages_over_cells_and_nodes() -> None:
    """Cell and nodal means keep a constant field."""
    space = Space(*box(2))
    values = np.full((space.n_cells, len(space.weights)), 4.0)
    np.testing.assert_allclose(stress.cell_average(space, values), 4.0)
    np.testing.assert_allclose(stress.nodal_average(space, values), 4.0)


def test_averages_within_a_distance() -> None:
    """Points within the distance count by their volume, others do not; a lone centre takes the nearest point."""
    points = np.column_stack([np.arange(6.0), np.zeros(6), np.zeros(6)])
    volumes = np.array([1.0, 1.0, 2.0, 1.0, 1.0, 1.0])
    weights = stress.near_weights(points, volumes, np.array([[2.2, 0.0, 0.0], [40.0, 0.0, 0.0]]), 1.3).toarray()
    np.testing.assert_allclose(weights[0], [0.0, 0.25, 0.5, 0.25, 0.0, 0.0])
    np.testing.assert_allclose(weights[1], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0])


def test_region_moduli() -> None:
    """Bone, plate and screw cells get their own constants; bone is scaled by its class and stiffness ratio."""
    elasticity = Elasticity.from_parameters(load_parameters())
    cortical = is_cortical(np.array([[0.5, 3.0], [3.0, 4.0]]), np.array([[2.0, 2.0], [2.0, 2.0]]))
    moduli = class_young(cortical, elasticity) * np.where(cortical, 0.9, 0.5)
    np.testing.assert_allclose(moduli, [[0.9 * 13700, 0.5 * 1370], [0.5 * 1370, 0.5 * 1370]])
    young, poisson = region_moduli(
        np.array([2, 1, 10, 1]), 2, elasticity, bone=1, plate=2, bone_moduli=moduli, bone_cortical=cortical
    )
    np.testing.assert_allclose(young[[1, 3]], moduli)
    assert young[0, 0] == 105000
    assert young[2, 1] == 110000
    np.testing.assert_allclose(poisson, [0.34, 0.30, 0.34, 0.30])


def test_orthotropic_constants() -> None:
    """The shipped orthotropic cortex is stable, and stiffest along axis 3 in tension and in shear."""
    shipped = OrthotropicElasticity.from_parameters(load_parameters())
    matrix = shipped.stiffness()
    assert np.linalg.eigvalsh(matrix).min() > 0
    assert matrix[2, 2] > matrix[1, 1] > matrix[0, 0]
    assert matrix[3, 3] > matrix[4, 4] > matrix[5, 5]  # G23 > G13 > G12


def test_shipped_poisson_ratios_match_their_recalled_reciprocals() -> None:
    """nu_ji = nu_ij E_j / E_i gives the source's own nu21, nu31, nu32 (0.381, 0.445, 0.328): the axes are in order."""
    c = OrthotropicElasticity.from_parameters(load_parameters())
    compliance = np.linalg.inv(c.stiffness())
    for (i, j), recalled in zip(((1, 0), (2, 0), (2, 1)), (0.381, 0.445, 0.328), strict=True):
        assert -compliance[j, i] * c.young[i] == pytest.approx(recalled, abs=0.005)


def test_isotropic_stiffness_and_equal_orthotropic_constants() -> None:
    """Equal constants give the isotropic matrix, in any axes."""
    matrix = orthotropic_stiffness(np.full(3, 10.0), np.full(3, 10.0 / 2.6), np.full(3, 0.3))
    np.testing.assert_allclose(matrix, isotropic_stiffness(10.0, 0.3), atol=1e-12)
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 3, 3)))[0]
    np.testing.assert_allclose(rotated_stiffness(matrix, axes), np.broadcast_to(matrix, (4, 6, 6)), atol=1e-12)


@pytest.mark.parametrize(
    ("young", "poisson", "told"), [(10.0, 0.6, "not positive definite"), (-1.0, 0.3, "every modulus must be positive")]
)
def test_unstable_constants_are_refused(young: float, poisson: float, told: str) -> None:
    """Constants of a material that would give energy away are refused with the constants in the message."""
    with pytest.raises(InputError, match=rf"orthotropic constants E \[{young}.*{told}"):
        orthotropic_stiffness(np.full(3, young), np.full(3, 4.0), np.full(3, poisson))


def test_rotated_stiffness_by_hand() -> None:
    """A quarter turn about z swaps the moduli of x and y; a tension along a material axis meets its own modulus."""
    matrix = orthotropic_stiffness(np.array([1.0, 2.0, 4.0]), np.array([0.3, 0.5, 0.7]), np.array([0.3, 0.25, 0.2]))
    quarter = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    turned = rotated_stiffness(matrix, quarter)
    swap = [1, 0, 2, 4, 3, 5]
    np.testing.assert_allclose(turned, matrix[np.ix_(swap, swap)], atol=1e-14)
    axes = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))[0]
    compliance = np.linalg.inv(rotated_stiffness(matrix, axes))
    for axis, young in zip(axes, (1.0, 2.0, 4.0), strict=True):
        along = np.outer(axis, axis)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]  # unit tension; engineering strains
        assert along @ compliance @ along == pytest.approx(1.0 / young)


def test_stress_of_anisotropic_cells() -> None:
    """Cells with a full stiffness take it, the others stay isotropic; an isotropic full stiffness changes nothing."""
    rng = np.random.default_rng(1)
    strains, young = rng.standard_normal((3, 4, 6)), rng.uniform(1.0, 2.0, (3, 4))
    plain = stress.stress(strains, young, 0.3)
    same = Anisotropy(np.array([1]), isotropic_stiffness(young[[1]], 0.3))
    np.testing.assert_allclose(stress.stress(strains, young, 0.3, same), plain, rtol=1e-13)
    double = Anisotropy(np.array([1]), 2.0 * same.stiffness)
    changed = stress.stress(strains, young, 0.3, double)
    np.testing.assert_allclose(changed[1], 2.0 * plain[1], rtol=1e-13)
    np.testing.assert_array_equal(changed[[0, 2]], plain[[0, 2]])
