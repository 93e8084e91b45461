"""Swept plates and their bending to the jaw."""

from __future__ import annotations

import numpy as np
import pytest
from operation_models import planned

from femsim.errors import InputError
from femsim.geometry.plan import PlatePlan
from femsim.geometry.plate import arc_length, plate_section, sweep_section
from femsim.geometry.plate_path import ACROSS
from femsim.geometry.surface import Surface, checked_closed
from femsim.parameters import load_parameters

CASES = [(33, 37), (43, 33), (34, 36), (43, 47)]


def test_straight_sweep_is_a_box() -> None:
    """A straight sweep has the volume and area of the box, and its triangles face outwards."""
    path = np.column_stack([np.linspace(0, 30, 11), np.zeros(11), np.zeros(11)])
    solid = sweep_section(path, np.tile([0.0, 0.0, 1.0], (11, 1)), 8.0, 2.5)
    assert solid.volume == pytest.approx(30 * 8 * 2.5)
    assert solid.area == pytest.approx(2 * (30 * 8 + 30 * 2.5 + 8 * 2.5))
    assert checked_closed(solid, "plate") is solid


def test_bent_sweep_follows_pappus() -> None:
    """A quarter ring has the volume of its section times the length of its centreline."""
    angle = np.linspace(0, np.pi / 2, 200)
    radial = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(200)])
    solid = sweep_section(20 * radial, radial, 6.0, 2.0)
    assert solid.volume == pytest.approx(12 * 20 * np.pi / 2, rel=1e-3)


def manifold(surface: Surface) -> bool:
    edges = np.sort(surface.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    return bool(np.all(np.unique(edges, axis=0, return_counts=True)[1] == 2))


@pytest.mark.parametrize(("first", "last"), CASES)
def test_plate_is_a_closed_solid_of_its_section(first: int, last: int) -> None:
    """The plate is a closed manifold whose volume is section times length within one per cent: it never folds over."""
    plate = planned(first, last).plates[0]
    assert manifold(plate.surface)
    assert plate.surface.volume == pytest.approx(plate.length * plate.width * plate.thickness, rel=0.01)
    assert plate.contains(plate.path[1:-1]).all()
    middle = plate.path[:-1] + 0.5 * np.diff(plate.path, axis=0)
    assert plate.surface.contains(middle).all()


@pytest.mark.parametrize(("first", "last"), CASES)
def test_plate_keeps_clear_of_the_bone(first: int, last: int) -> None:
    """The whole plate stands at least 0.5 mm off the bone (0.6 mm asked), and nowhere far off under its centreline."""
    operation = planned(first, last)
    plate = operation.plates[0]
    across = np.cross(plate.outward, np.gradient(plate.path, axis=0))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    face = plate.path[:, None] - plate.thickness / 2 * plate.outward[:, None]
    face = face + plate.width * ACROSS[None, :, None] * across[:, None]
    gap = operation.bone.signed_distance(face.reshape(-1, 3))
    assert gap.min() > 0.5
    assert plate.clearance[0] > 0.5
    assert plate.clearance[1] < 2.0


@pytest.mark.parametrize(("first", "last"), CASES)
def test_holes_keep_their_pitch_and_distance(first: int, last: int) -> None:
    """Holes of one stump are one pitch apart along the plate; the first is at least 5 mm from the cut."""
    operation = planned(first, last)
    plate, resection = operation.plates[0], operation.resection
    assert resection is not None
    fine_arc = arc_length(plate.path)
    nearest = [fine_arc[np.argmin(np.linalg.norm(plate.path - hole, axis=1))] for hole in plate.holes]
    stump = [screw.stump for screw in operation.screws]
    steps = [b - a for a, b, s, t in zip(nearest, nearest[1:], stump, stump[1:], strict=False) if s == t]
    assert np.allclose(steps, 8.0, atol=1.6)
    assert len(steps) == 4
    inner = plate.holes + (plate.thickness / 2 + 0.6) * plate.hole_axes
    assert max(min(cut.depth(point[None])[0] for cut in resection.cuts) for point in inner) < -4.9


def test_plate_stands_at_its_height() -> None:
    """Under the body the centreline lies at the asked height above the lower border."""
    operation = planned(34, 36)
    arch, plate = operation.arch, operation.plates[0]
    assert arch is not None
    s, _, z = arch.locate(plate.path)
    slope = np.gradient(arch.lower_border(s), s)
    height = (z - arch.lower_border(s)) / np.hypot(1, slope)
    assert np.abs(height - 9.0).max() < 1.0


def test_presets_can_be_changed_and_misspelt_ones_are_matched() -> None:
    """A preset's width can be replaced; an unknown preset is refused with the closest name."""
    parameters = load_parameters()
    assert plate_section(parameters, PlatePlan(width=10.0)) == {
        "width": 10.0,
        "thickness": 2.5,
        "pitch": 8.0,
        "bridge_width": 10.0,
        "edge_radius": 0.0,
    }
    with pytest.raises(InputError, match=r"did you mean 'reconstruction-2\.5'"):
        plate_section(parameters, PlatePlan(preset="reconstrution-2.5"))
