"""Capsule and surface targets, and the dose-volume table."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista as pv

from femsim.errors import GeometryError, InputError
from femsim.geometry.surface import Surface
from femsim.tissue import TargetField
from femsim.tissue.dose_volume import dose_volume_table
from femsim.tissue.targets import CapsuleField, SurfaceField

EDGE = np.array([-4.0, 0.0, 4.0])
POINTS = np.random.default_rng(1).normal(scale=30.0, size=(300, 3))


def test_capsule_penumbra_beside_and_beyond():
    """The dose falls from 80 % to 20 % over one penumbra, beside the axis and beyond its ends."""
    capsule = CapsuleField((0.0, 0.0, 0.0), (0.0, 40.0, 0.0), 15.0, 8.0)
    beside = np.column_stack([15.0 + EDGE, np.full(3, 20.0), np.zeros(3)])
    beyond = np.column_stack([np.zeros(3), 55.0 + EDGE, np.zeros(3)])
    assert capsule.relative(beside) == pytest.approx([0.8, 0.5, 0.2])
    assert capsule.relative(beyond) == pytest.approx([0.8, 0.5, 0.2])


def test_capsule_without_length_is_a_sphere():
    """A capsule whose ends coincide gives the dose of the sphere."""
    capsule, sphere = CapsuleField((3, 4, 5), (3, 4, 5), 20.0, 6.0), TargetField((3, 4, 5), 20.0, 6.0)
    assert capsule.relative(POINTS) == pytest.approx(sphere.relative(POINTS))


def test_surface_of_a_ball_is_a_sphere():
    """The inside of a finely triangulated ball gets the sphere's dose, also when its triangles face inwards."""
    ball = Surface.from_polydata(pv.Sphere(radius=20.0, theta_resolution=90, phi_resolution=90))
    inwards = Surface(ball.points, ball.triangles[:, ::-1])
    expected = TargetField((0, 0, 0), 20.0, 6.0).relative(POINTS)
    assert SurfaceField(ball, 6.0).relative(POINTS) == pytest.approx(expected, abs=5e-3)
    assert SurfaceField(inwards, 6.0).relative(POINTS) == pytest.approx(expected, abs=5e-3)


def test_targets_refused():
    """Sizes that are no lengths and open surfaces are refused."""
    ball = Surface.from_polydata(pv.Sphere())
    for make, error in (
        (lambda: CapsuleField((0, 0, 0), (1, 0, 0), 0.0, 8.0), InputError),
        (lambda: CapsuleField((0, 0, 0), (1, 0, 0), 5.0, -1.0), InputError),
        (lambda: CapsuleField((0, 0), (1, 0, 0), 5.0, 8.0), InputError),
        (lambda: SurfaceField(ball, 0.0), InputError),
        (lambda: SurfaceField(Surface(ball.points, ball.triangles[1:]), 8.0), GeometryError),
    ):
        with pytest.raises(error):
            make()


def test_dose_volume_by_hand():
    """Dmean weighs by volume; D30 is the dose that the hottest 30 % receive at least; V50 includes 50 Gy itself."""
    table = dose_volume_table([10.0, 50.0, 70.0, 60.0], [4.0, 2.0, 1.0, 3.0])
    assert table.mean == pytest.approx((40.0 + 100.0 + 70.0 + 180.0) / 10.0)
    assert table.dose_to == {30.0: 60.0}
    assert table.volume_above == {50.0: pytest.approx(60.0), 60.0: pytest.approx(40.0)}
    assert [name for name, _, _ in table.rows()] == ["Dmean", "Dmax", "D30", "V50", "V60"]


def test_dose_volume_of_even_doses():
    """Of doses spread evenly from 0 to 100 Gy, D30 is 70 Gy, V50 50 % and V60 40 %."""
    doses = np.linspace(0.0, 100.0, 100_001)
    table = dose_volume_table(np.random.default_rng(0).permutation(doses), np.ones(len(doses)))
    assert table.dose_to[30.0] == pytest.approx(70.0, abs=0.01)
    assert [table.volume_above[level] for level in (50.0, 60.0)] == pytest.approx([50.0, 40.0], abs=0.01)


@pytest.mark.parametrize(
    ("doses", "volumes"), [([], []), ([1.0], [1.0, 2.0]), ([-1.0], [1.0]), ([np.nan], [1.0]), ([1.0], [0.0])]
)
def test_dose_volume_refused(doses, volumes):
    """Lists that do not belong together, empty or impossible values are refused."""
    with pytest.raises(InputError):
        dose_volume_table(doses, volumes)
