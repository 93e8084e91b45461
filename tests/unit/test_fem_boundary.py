"""Loads, foundations and averages on boundary patches."""

from __future__ import annotations

import numpy as np
import pytest
from fem_models import boundary_faces, box, faces_where

from femsim.errors import GeometryError
from femsim.fem.boundary import (
    average_displacement,
    faces_near,
    foundation_stiffness,
    nearest_vertex,
    spring_stiffness,
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
    spring = spring_stiffness(c, 9.0)
    assert u.ravel() @ (spring @ u.ravel()) == pytest.approx(9.0 * 25.0, rel=1e-12)
    with pytest.raises(ValueError, match="no length"):
        average_displacement(space, top, np.zeros(3))


def test_faces_near_a_point() -> None:
    """A patch holds the faces within the radius, at least three, only those that face the normal."""
    points, tets = box(6)
    faces = boundary_faces(tets)
    patch = faces_near(points, faces, np.array([0.5, 0.5, 1.0]), 0.3)
    assert np.linalg.norm(points[faces[patch]].mean(axis=1) - [0.5, 0.5, 1.0], axis=1).max() <= 0.3
    assert len(faces_near(points, faces, np.array([0.5, 0.5, 1.0]), 0.01 * 6)) == 3
    through = faces_near(points, faces, np.array([0.5, 0.5, 1.0]), 1.2, normal=np.array([0, 0, 1.0]))
    assert np.all(points[faces[through]][:, :, 2] > 1 - 1e-9)


def test_patch_where_nothing_is_is_refused() -> None:
    """A patch far from the boundary or facing away names itself, its place and the distance."""
    points, tets = box(2)
    faces = boundary_faces(tets)
    with pytest.raises(GeometryError, match=r"masseter at \[9\.0, 9\.0, 9\.0\] mm: the nearest boundary is 1"):
        faces_near(points, faces, np.array([9.0, 9.0, 9.0]), 1.0, name="masseter")
    top = faces_where(points, faces, points[:, 2] > 1 - 1e-9)
    with pytest.raises(GeometryError, match="only 0 boundary triangles face it"):
        faces_near(points, top, np.array([0.5, 0.5, 1.0]), 1.0, normal=np.array([0, 0, -1.0]))


def test_nearest_vertex() -> None:
    """The nearest vertex of each target is found."""
    points, _ = box(2)
    assert np.all(
        points[nearest_vertex(points, np.array([[0.9, 0.9, 0.9], [0.1, 0.0, 0.4]]))] == [[1, 1, 1], [0, 0, 0.5]]
    )
