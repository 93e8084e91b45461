"""Analytic and published structures: beam, thick cylinder, plate with a hole, NAFEMS LE10."""

from __future__ import annotations

import numpy as np
import pytest
from fem_models import boundary_faces, box, faces_where, fixed_mask, positive, solve_fixed

from femsim.fem import stress
from femsim.fem.assembly import assemble_stiffness, upper_pattern
from femsim.fem.boundary import surface_force, surface_pressure, surface_traction
from femsim.fem.spaces import Space

CORNERS = np.eye(4)


def cantilever_deflection(counts: tuple[int, int, int], degree: int) -> float:
    """Return the mean tip deflection of a 20 x 1 x 2 mm beam under 1 N, E 1000 MPa, nu 0.3."""
    space = Space(*box(counts, lengths=(20.0, 1.0, 2.0)), degree)
    upper = assemble_stiffness(space, upper_pattern(space), 1000.0, 0.3)
    end = faces_where(space.nodes, boundary_faces(space.tets), space.nodes[: space.n_points, 0] > 20 - 1e-9)
    clamp = space.nodes[:, 0] < 1e-9
    force = surface_force(space, end, np.array([0.0, 0.0, 1.0]))
    return float(force @ solve_fixed(upper, force, np.repeat(clamp, 3)))


def timoshenko() -> float:
    inertia, area, shear = 1.0 * 2.0**3 / 12.0, 2.0, 1000.0 / 2.6
    kappa = 10 * (1 + 0.3) / (12 + 11 * 0.3)
    return 20.0**3 / (3 * 1000.0 * inertia) + 20.0 / (kappa * shear * area)


def test_cantilever() -> None:
    """Quadratic cells bend a slender cantilever within 1 % of Timoshenko's deflection."""
    assert cantilever_deflection((20, 1, 2), 2) == pytest.approx(timoshenko(), rel=0.01)


def test_linear_cells_lock_in_bending() -> None:
    """The same mesh of linear cells is more than 30 % too stiff: locking is known, and why degree 2 is the default."""
    assert cantilever_deflection((20, 1, 2), 1) < 0.7 * timoshenko()


def polar_box(
    counts: tuple[int, int, int], radius: np.ndarray, height: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points, cells and (r, angle) of a quarter ring with radii given at equal steps."""
    points, tets = box(counts)
    r = np.interp(points[:, 0], np.linspace(0, 1, len(radius)), radius)
    angle = 0.5 * np.pi * points[:, 1]
    mapped = np.stack([r * np.cos(angle), r * np.sin(angle), height * points[:, 2]], axis=1)
    return mapped, positive(mapped, tets), np.stack([r, angle], axis=1)


def test_thick_cylinder() -> None:
    """A pressurised thick cylinder (plane strain) follows Lame: bore displacement 0.5 %, mid-wall hoop stress 1 %."""
    inner, outer, young, nu, pressure = 1.0, 2.0, 1000.0, 0.3, 10.0
    points, tets, polar = polar_box((5, 10, 1), np.linspace(inner, outer, 6), 0.2)
    space = Space(points, tets)
    upper = assemble_stiffness(space, upper_pattern(space), young, nu)
    bore = faces_where(points, boundary_faces(tets), polar[:, 0] < inner + 1e-9)
    x, y, z = space.nodes.T
    ends = (z < 1e-9) | (z > 0.2 - 1e-9)
    fixed = fixed_mask(space.n_nodes, (x < 1e-9, 0), (y < 1e-9, 1), (ends, 2))
    u = solve_fixed(upper, surface_pressure(space, bore, pressure), fixed)
    a = pressure * inner**2 / (outer**2 - inner**2)
    b = a * outer**2

    def radial(r: np.ndarray) -> np.ndarray:
        return (1 + nu) / young * (a * (1 - 2 * nu) * r + b / r)

    on_x = (y[: space.n_points] < 1e-9) & (polar[:, 0] < inner + 1e-9)
    np.testing.assert_allclose(u.reshape(-1, 3)[: space.n_points][on_x, 0], radial(inner), rtol=0.005)
    stresses = stress.cell_average(space, stress.stress(stress.strain(space, u), np.full(space.n_cells, young), nu))
    centre = points[tets].mean(axis=1)
    r = np.linalg.norm(centre[:, :2], axis=1)
    across = np.stack([-centre[:, 1], centre[:, 0]], axis=1) / r[:, None]
    hoop = (
        stresses[:, 0] * across[:, 0] ** 2
        + stresses[:, 1] * across[:, 1] ** 2
        + 2 * stresses[:, 5] * across.prod(axis=1)
    )
    middle = np.abs(r - 1.5) < 0.1
    np.testing.assert_allclose(hoop[middle].mean(), (a + b / r[middle] ** 2).mean(), rtol=0.01)


def test_plate_with_a_hole() -> None:
    """At the edge of a hole in a wide plate under tension the stress is three times the remote one, within 3 %."""
    far = 12.0
    radius = np.geomspace(1.0, far, 15)
    points, tets, polar = polar_box((14, 16, 1), radius, 0.1)
    space = Space(points, tets)
    upper = assemble_stiffness(space, upper_pattern(space), 1000.0, 0.3)
    rim = faces_where(points, boundary_faces(tets), polar[:, 0] > far - 1e-9)
    middle = points[rim].mean(axis=1)
    angle, ratio = np.arctan2(middle[:, 1], middle[:, 0]), (1.0 / far) ** 2
    # Kirsch's solution for unit tension along x, on the outer rim
    rr = 0.5 * (1 - ratio) + 0.5 * (1 - 4 * ratio + 3 * ratio**2) * np.cos(2 * angle)
    rt = -0.5 * (1 + 2 * ratio - 3 * ratio**2) * np.sin(2 * angle)
    out = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    across = np.stack([-np.sin(angle), np.cos(angle), 0 * angle], axis=1)
    force = surface_traction(space, rim, rr[:, None] * out + rt[:, None] * across)
    x, y, z = space.nodes.T
    fixed = fixed_mask(space.n_nodes, (x < 1e-9, 0), (y < 1e-9, 1), ((z < 1e-9) | (z > 0.1 - 1e-9), 2))
    u = solve_fixed(upper, force, fixed)
    corner = stress.stress(stress.strain(space, u, barycentric=CORNERS), np.full(space.n_cells, 1000.0), 0.3)
    top = (polar[:, 0] < 1 + 1e-9) & (polar[:, 1] > 0.5 * np.pi - 1e-9)
    assert corner[top[tets]][:, 0].mean() == pytest.approx(3.0, rel=0.03)


def le10_stress(k: int, grading: float) -> float:
    """Return sigma_yy at D of 3k x 6k x 2k bricks across, around and through; grading 1 is uniform, more is finer at D.

    D carries the mean of its cells' corner values.
    """
    box_points, tets = box((3 * k, 6 * k, 2 * k))
    across, around = box_points[:, 0] ** grading, box_points[:, 1] ** grading
    angle = 0.5 * np.pi * around
    long, short = 2.0 + 1.25 * across, 1.0 + 1.75 * across
    points = np.stack([long * np.cos(angle), short * np.sin(angle), 0.6 * box_points[:, 2]], axis=1)
    tets = positive(points, tets)
    space = Space(points, tets)
    upper = assemble_stiffness(space, upper_pattern(space), 210e3, 0.3)
    faces = boundary_faces(tets)
    top = faces_where(points, faces, points[:, 2] > 0.6 - 1e-9)
    rim = np.zeros(space.n_nodes, dtype=bool)
    rim[space.face_nodes(faces_where(points, faces, box_points[:, 0] > 1 - 1e-9))] = True
    x, y, z = space.nodes.T
    hinge = rim & (np.abs(z - 0.3) < 1e-9)
    fixed = fixed_mask(space.n_nodes, (x < 1e-9, 0), (y < 1e-9, 1), (rim, 0), (rim, 1), (hinge, 2))
    u = solve_fixed(upper, surface_pressure(space, top, 1.0), fixed)
    corner = stress.stress(stress.strain(space, u, barycentric=CORNERS), np.full(space.n_cells, 210e3), 0.3)
    d = np.linalg.norm(points - [2.0, 0.0, 0.6], axis=1) < 1e-9
    assert d.sum() == 1
    return float(corner[d[tets]][:, 1].mean())


LE10 = -5.38
"""Published target, MPa. LE11, its thermal sister, is left out: femsim has no initial strain, nothing would use it."""


@pytest.mark.parametrize("grading", [1.0, 1.5])
def test_nafems_le10_converges(grading: float) -> None:
    """NAFEMS LE10 (thick elliptic plate under pressure): every refinement brings sigma_yy at D nearer to -5.38 MPa.

    Uniform meshes come from below (-5.11, -5.18, -5.24), graded ones from above (-5.57, -5.46, -5.45).
    """
    error = np.array([le10_stress(k, grading) / LE10 - 1.0 for k in (1, 2, 3)])
    assert np.all(np.diff(np.abs(error)) < 0.0)
    assert np.all(np.sign(error) == (1.0 if grading > 1.0 else -1.0))
    assert abs(error[-1]) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("grading", [1.0, 1.5])
def test_nafems_le10_on_the_fine_mesh(grading: float) -> None:
    """NAFEMS LE10: the fourth mesh of either family, the finest run here, is within 2 % of -5.38 MPa."""
    assert le10_stress(4, grading) == pytest.approx(LE10, rel=0.02)


def test_four_point_bending() -> None:
    """Between the inner loads a beam has curvature M / (E I) and M c / I on its face, both within 1 %."""
    length, width, height, young, force = 24.0, 4.0, 2.0, 105e3, 50.0
    outer, inner = 22.0, 14.0  # spans; half the beam is modelled, its middle at x = 0
    space = Space(*box((24, 3, 3), lengths=(length / 2, width, height)))
    upper = assemble_stiffness(space, upper_pattern(space), young, 0.34)
    vertices = space.nodes[: space.n_points]
    near = (vertices[:, 2] > height - 1e-9) & (np.abs(vertices[:, 0] - inner / 2) < 0.5 + 1e-9)
    load = surface_force(
        space, faces_where(vertices, boundary_faces(space.tets), near), np.array([0.0, 0.0, -force / 2])
    )
    x, y, z = space.nodes.T
    support = (np.abs(x - outer / 2) < 1e-9) & (z < 1e-9)
    fixed = fixed_mask(space.n_nodes, (x < 1e-9, 0), (np.linalg.norm(space.nodes, axis=1) < 1e-9, 1), (support, 2))
    u = solve_fixed(upper, load, fixed)
    moment, inertia = force / 2 * (outer - inner) / 2, width * height**3 / 12
    axis = (np.abs(y - width / 3) < 1e-9) & (np.abs(z - height / 3) < 1e-9) & (x < 3.0)
    curvature = 2.0 * np.polyfit(x[axis] ** 2, u.reshape(-1, 3)[axis, 2], 1)[0]
    assert curvature == pytest.approx(moment / (young * inertia), rel=0.01)
    found = stress.stress(stress.strain(space, u, barycentric=CORNERS), np.full(space.n_cells, young), 0.34)[..., 0]
    face = (vertices[:, 2] < 1e-9) & (vertices[:, 0] < 2.0)
    assert found[face[space.tets]].mean() == pytest.approx(moment * height / 2 / inertia, rel=0.01)
