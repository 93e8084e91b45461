"""Loads, foundations and averages on boundary patches."""

from __future__ import annotations

import numpy as np
import pytest
from fem_models import boundary_faces, box, faces_where

from femsim.fem.boundary import (
    FACE_POINTS,
    average_displacement,
    foundation_stiffness,
    surface_force,
    surface_pressure,
)
from femsim.fem.spaces import Space


@pytest.fixture(scope="module", params=[1, 2])
def space(request: pytest.FixtureRequest) -> Space:
    return Space(*box(3, 0.1, lengths=(2.0, 1.0, 1.0)), request.param)


@pytest.fixture(scope="module")
def top(space: Space) -> np.ndarray:
    return faces_where(space.nodes, boundary_faces(space.tets), space.nodes[: space.n_points, 2] > 1 - 1e-9)


def test_surface_force_has_the_given_resultant_and_moment(space: Space, top: np.ndarray) -> None:
    """A force spread over a flat patch keeps its resultant, and its moment is that of the patch's centroid."""
    force = np.array([3.0, -2.0, 5.0])
    nodal = surface_force(space, top, force).reshape(-1, 3)
    np.testing.assert_allclose(nodal.sum(axis=0), force, rtol=1e-13)
    moment = np.cross(space.nodes, nodal).sum(axis=0)
    np.testing.assert_allclose(moment, np.cross([1.0, 0.5, 1.0], force), rtol=1e-12)


def test_pressure_on_a_closed_surface_balances(space: Space, top: np.ndarray) -> None:
    """A pressure all around has no resultant; on the top it pushes down with pressure times area."""
    whole = surface_pressure(space, boundary_faces(space.tets), 7.0).reshape(-1, 3)
    np.testing.assert_allclose(whole.sum(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(surface_pressure(space, top, 7.0).reshape(-1, 3).sum(axis=0), [0, 0, -14.0], atol=1e-12)


def test_foundation_energy_of_a_linear_field(space: Space, top: np.ndarray) -> None:
    """The foundation stores the exact integral of k u^2 for a displacement linear in place, normal and tangential."""
    stiffness = foundation_stiffness(space, top, 11.0, 3.0)
    x = space.nodes[:, 0]
    u = np.stack([x, np.zeros_like(x), x], axis=1).ravel()
    # integral of x^2 over [0, 2] x [0, 1] is 8/3
    assert u @ (stiffness @ u) == pytest.approx((11.0 + 3.0) * 8.0 / 3.0, rel=1e-12)
    assert abs(stiffness - stiffness.T).max() < 1e-14


def test_average_of_a_linear_displacement(space: Space, top: np.ndarray) -> None:
    """The averaging vector gives the mean of the displacement along a direction, and c as load has unit resultant."""
    c = average_displacement(space, top, np.array([0.0, 0.0, 2.0]))
    u = np.zeros((space.n_nodes, 3))
    u[:, 2] = 1.0 + 4.0 * space.nodes[:, 0]
    assert c @ u.ravel() == pytest.approx(5.0, rel=1e-13)
    with pytest.raises(ValueError, match="no length"):
        average_displacement(space, top, np.zeros(3))


def test_even_weights_change_nothing(space: Space, top: np.ndarray) -> None:
    """A weight of one everywhere gives the even force, average and foundation, to the accuracy of the sampling."""
    even = np.ones((len(top), len(FACE_POINTS)))
    force = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(surface_force(space, top, force, even), surface_force(space, top, force), atol=2e-2)
    plain, weighted = foundation_stiffness(space, top, 5.0, 2.0), foundation_stiffness(space, top, 5.0, 2.0, even)
    ones = np.tile([0.0, 0.0, 1.0], space.n_nodes)
    assert ones @ (weighted @ ones) == pytest.approx(ones @ (plain @ ones), rel=1e-12)


def test_weighted_force_follows_its_weight(space: Space, top: np.ndarray) -> None:
    """A traction that grows linearly along x keeps its resultant and acts at the centroid of that distribution."""
    corners = space.nodes[top]
    x = np.einsum("qc,fc->fq", FACE_POINTS, corners[:, :, 0])
    nodal = surface_force(space, top, np.array([0.0, 0.0, 5.0]), x).reshape(-1, 3)
    assert nodal[:, 2].sum() == pytest.approx(5.0, rel=1e-12)
    # centroid of p ~ x on [0, 2]: 4/3
    assert nodal[:, 2] @ space.nodes[:, 0] / 5.0 == pytest.approx(4.0 / 3.0, rel=2e-3)
