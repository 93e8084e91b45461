"""Manufactured solutions with heterogeneous and orthotropic moduli: rates of linear and quadratic cells."""

from __future__ import annotations

import numpy as np
import pytest
from fem_models import boundary_faces, box, solve_fixed

from femsim.fem.assembly import assemble_stiffness, upper_pattern
from femsim.fem.materials import Anisotropy, isotropic_stiffness, orthotropic_stiffness, rotated_stiffness
from femsim.fem.spaces import Space

AMPLITUDE = np.array([1.0, -0.7, 0.5])
WAVE = np.array([[1.3, 0.7, -0.4], [0.5, 1.1, 0.9], [-0.8, 0.6, 1.2]])
PHASE = np.array([0.2, 0.9, -0.3])
SLOPE = np.array([0.5, 0.3, 0.2])
POISSON = 0.3
FINE_ORDER = 6


def displacement(x: np.ndarray) -> np.ndarray:
    return AMPLITUDE * np.sin(x @ WAVE.T + PHASE)


def displacement_gradient(x: np.ndarray) -> np.ndarray:
    return (AMPLITUDE * np.cos(x @ WAVE.T + PHASE))[..., None] * WAVE


def modulus(x: np.ndarray) -> np.ndarray:
    return 1.0 + 0.6 * np.sin(x @ (4.0 * SLOPE))


ORTHOTROPIC = orthotropic_stiffness(
    np.array([1.08, 1.33, 1.94]), np.array([0.38, 0.41, 0.46]), np.array([0.3, 0.25, 0.22])
)


def axes(x: np.ndarray) -> np.ndarray:
    """Material axes that turn along the body, as along an arch: (..., 3, 3)."""
    turn, tilt = x @ SLOPE, 0.4 + 0.3 * x[..., 0]
    c, s, ct, st, zero = np.cos(turn), np.sin(turn), np.cos(tilt), np.sin(tilt), 0.0 * turn
    along = np.stack([ct * c, ct * s, st], axis=-1)
    out = np.stack([-s, c, zero], axis=-1)
    return np.stack([out, np.cross(along, out), along], axis=-2)


def stiffness(x: np.ndarray, orthotropic: bool) -> np.ndarray:
    matrix = rotated_stiffness(ORTHOTROPIC, axes(x)) if orthotropic else isotropic_stiffness(1.0, POISSON)
    return modulus(x)[..., None, None] * matrix


def strain_of(gradient: np.ndarray) -> np.ndarray:
    """Engineering strains (..., 6) of displacement gradients (..., 3, 3)."""
    both = gradient + np.swapaxes(gradient, -1, -2)
    return np.stack([0.5 * both[..., 0, 0], 0.5 * both[..., 1, 1], 0.5 * both[..., 2, 2], both[..., 1, 2],
                     both[..., 0, 2], both[..., 0, 1]], axis=-1)  # fmt: skip


def stress_of(x: np.ndarray, orthotropic: bool) -> np.ndarray:
    voigt = np.einsum("...ij,...j->...i", stiffness(x, orthotropic), strain_of(displacement_gradient(x)))
    return voigt[..., [[0, 5, 4], [5, 1, 3], [4, 3, 2]]]


def body_force(x: np.ndarray, orthotropic: bool) -> np.ndarray:
    """Return minus the divergence of the exact stress, by central differences: their error (1e-9) is far below ours."""
    step = 1e-4
    force = np.zeros(x.shape)
    for j, shift in enumerate(step * np.eye(3)):
        force -= (stress_of(x + shift, orthotropic) - stress_of(x - shift, orthotropic))[..., j] / (2.0 * step)
    return force


def errors(n: int, degree: int, orthotropic: bool) -> tuple[float, float]:
    """Return the errors in L2 and in the energy norm on a distorted cube of n^3 bricks."""
    space = Space(*box(n, 0.15), degree)
    points = space.quadrature_points()
    full = Anisotropy(np.arange(space.n_cells), stiffness(points, True)) if orthotropic else None
    upper = assemble_stiffness(space, upper_pattern(space), modulus(points), POISSON, anisotropy=full)
    fine = Space(space.nodes[: space.n_points], space.tets, degree, FINE_ORDER)
    x, weight = fine.quadrature_points(), fine.quadrature_volumes()
    shape = fine.values(fine.barycentric)
    force = np.zeros((space.n_nodes, 3))
    np.add.at(force, space.cells, np.einsum("mq,qa,mqi->mai", weight, shape, body_force(x, orthotropic), optimize=True))
    outside = np.zeros(space.n_nodes, dtype=bool)
    outside[space.face_nodes(boundary_faces(space.tets))] = True
    fixed = np.repeat(outside, 3)
    u = solve_fixed(upper, force.ravel(), fixed, displacement(space.nodes).ravel()[fixed]).reshape(-1, 3)[space.cells]
    slope = np.einsum("qak,mkj->mqaj", fine.barycentric_derivatives(fine.barycentric), fine.gradients, optimize=True)
    off = np.einsum("qa,mai->mqi", shape, u) - displacement(x)
    off_strain = strain_of(np.einsum("mqaj,mai->mqij", slope, u, optimize=True) - displacement_gradient(x))
    energy = np.einsum("mqi,mqij,mqj->mq", off_strain, stiffness(x, orthotropic), off_strain, optimize=True)
    return float(np.sqrt((weight * (off**2).sum(-1)).sum())), float(np.sqrt((weight * energy).sum()))


@pytest.mark.parametrize("orthotropic", [False, True])
@pytest.mark.parametrize(("degree", "sizes"), [(1, (5, 10)), (2, (3, 6))])
def test_manufactured_solution_rates(degree: int, sizes: tuple[int, int], orthotropic: bool) -> None:
    """With moduli (and material axes) that vary inside cells errors fall as h^(p+1) in L2 and h^p in energy (-0.25)."""
    coarse, fine = (np.array(errors(n, degree, orthotropic)) for n in sizes)
    rate = np.log(coarse / fine) / np.log(sizes[1] / sizes[0])
    assert rate[0] > degree + 1 - 0.25
    assert rate[1] > degree - 0.25
