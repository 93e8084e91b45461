"""Manufactured solutions with a heterogeneous modulus: rates of linear and quadratic cells."""

from __future__ import annotations

import numpy as np
import pytest
from fem_models import boundary_faces, box, solve_fixed

from femsim.fem.assembly import assemble_stiffness, upper_pattern
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


def body_force(x: np.ndarray) -> np.ndarray:
    """Return minus the divergence of the stress of :func:`displacement` with :func:`modulus`."""
    lam, mu = POISSON / ((1 + POISSON) * (1 - 2 * POISSON)), 0.5 / (1 + POISSON)
    young = modulus(x)[..., None]
    rise = (0.6 * np.cos(x @ (4.0 * SLOPE)))[..., None] * 4.0 * SLOPE
    gradient = displacement_gradient(x)
    second = -displacement(x)[..., None, None] * WAVE[:, :, None] * WAVE[:, None, :]  # u_i,jl
    strain = 0.5 * (gradient + np.swapaxes(gradient, -1, -2))
    trace = np.trace(gradient, axis1=-2, axis2=-1)[..., None]
    grad_div = np.einsum("...jji->...i", second)
    div_strain = 0.5 * (np.einsum("...ijj->...i", second) + grad_div)
    return -(
        lam * (rise * trace + young * grad_div)
        + 2 * mu * (np.einsum("...ij,...j->...i", strain, rise) + young * div_strain)
    )


def errors(n: int, degree: int) -> tuple[float, float]:
    """Return the L2 and H1-seminorm errors on a distorted cube of n^3 bricks."""
    space = Space(*box(n, 0.15), degree)
    upper = assemble_stiffness(space, upper_pattern(space), modulus(space.quadrature_points()), POISSON)
    fine = Space(space.nodes[: space.n_points], space.tets, degree, FINE_ORDER)
    x, weight = fine.quadrature_points(), fine.quadrature_volumes()
    shape = fine.values(fine.barycentric)
    force = np.zeros((space.n_nodes, 3))
    np.add.at(force, space.cells, np.einsum("mq,qa,mqi->mai", weight, shape, body_force(x), optimize=True))
    outside = np.zeros(space.n_nodes, dtype=bool)
    outside[space.face_nodes(boundary_faces(space.tets))] = True
    fixed = np.repeat(outside, 3)
    u = solve_fixed(upper, force.ravel(), fixed, displacement(space.nodes).ravel()[fixed]).reshape(-1, 3)[space.cells]
    slope = np.einsum("qak,mkj->mqaj", fine.barycentric_derivatives(fine.barycentric), fine.gradients, optimize=True)
    off = np.einsum("qa,mai->mqi", shape, u) - displacement(x)
    off_slope = np.einsum("mqaj,mai->mqij", slope, u, optimize=True) - displacement_gradient(x)
    return float(np.sqrt((weight * (off**2).sum(-1)).sum())), float(
        np.sqrt((weight * (off_slope**2).sum((-1, -2))).sum())
    )


@pytest.mark.parametrize(("degree", "sizes"), [(1, (5, 10)), (2, (3, 6))])
def test_manufactured_solution_rates(degree: int, sizes: tuple[int, int]) -> None:
    """With a modulus that varies inside cells the error falls as h^(p+1) in L2 and h^p in H1 (within 0.25)."""
    coarse, fine = (np.array(errors(n, degree)) for n in sizes)
    rate = np.log(coarse / fine) / np.log(sizes[1] / sizes[0])
    assert rate[0] > degree + 1 - 0.25
    assert rate[1] > degree - 0.25
