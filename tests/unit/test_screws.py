"""Screws: cylinders, coordinates, lengths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operation_models import planned

from femsim.errors import GeometryError
from femsim.geometry.bench_block import box_surface
from femsim.geometry.resection import BonePiece, CutPlane
from femsim.geometry.screws import (
    Screw,
    axis_distance,
    check_screws,
    choose_length,
    place_screw,
    screw_thread,
    spread_axes,
)
from femsim.parameters import load_parameters

BLOCK = box_surface([-20, 0, -10], [20, 10, 10])


def put(
    head: tuple[float, float, float], axis: tuple[float, float, float], length: str | float = "bicortical"
) -> Screw:
    parameters = load_parameters()
    return place_screw(
        BLOCK,
        parameters,
        screw_thread(parameters, "locking-2.4"),
        name="screw-1",
        head=np.array(head),
        axis=np.array(axis) / np.linalg.norm(axis),
        stump="A",
        plate_name="plate",
        length=length,
    )


@given(st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1), st.integers(12, 32))
@settings(max_examples=30, deadline=None)
def test_cylinder_matches_the_exact_one(direction: tuple[float, float, float], segments: int) -> None:
    """Any faceted cylinder has the exact volume and a side within two per cent of the exact one, facing outwards."""
    axis = np.array(direction) / np.linalg.norm(direction)
    screw = replace(put((0, -3, 0), (0, 1, 0)), axis=axis)
    solid = screw.cylinder(segments)
    assert solid.volume == pytest.approx(np.pi * 1.2**2 * screw.length, rel=1e-9)
    side = np.linalg.norm(solid.area_vectors[: 2 * segments], axis=1).sum()
    assert side == pytest.approx(2 * np.pi * 1.2 * screw.length, rel=0.02)


def test_coordinates_and_inside_agree() -> None:
    """A point is inside when its axial and radial coordinates are; angle zero points upwards."""
    screw = put((0, -3, 0), (0, 1, 0))
    axial, radial, angle = screw.coordinates(np.array([[0.0, 2.0, 0.5], [0.5, 2.0, 0.0], [0.0, -4.0, 0.0]]))
    assert np.allclose(axial, [5.0, 5.0, -1.0])
    assert np.allclose(radial, [0.5, 0.5, 0.0])
    assert angle[0] == pytest.approx(0.0)
    random = np.random.default_rng(0).uniform(-4, 14, (2000, 3))
    axial, radial, _ = screw.coordinates(random)
    expected = (axial > 0) & (axial < screw.length) & (radial < 1.2)
    assert np.array_equal(screw.contains(random), expected)
    assert np.linalg.det(screw.frame) == pytest.approx(1.0)


def test_bicortical_length_is_the_depth_gauge_plus_one_rounded_up() -> None:
    """Bone from 3.1 to 13.1 mm: exit plus 1 mm is 14.1, rounded up 15 mm; 10 mm are held."""
    screw = put((0, -3.1, 0), (0, 1, 0))
    assert (screw.length, screw.bone_entry, screw.length_in_bone) == pytest.approx((15.0, 3.1, 10.0))
    assert screw.bicortical


def test_monocortical_screw_stays_in_bone() -> None:
    """A monocortical screw holds about 6 mm and never passes the far cortex, however thin the bone."""
    screw = put((0, -3.1, 0), (0, 1, 0), "monocortical")
    assert screw.length == 10.0
    assert not screw.bicortical
    parameters = load_parameters()
    assert choose_length(parameters, "monocortical", 3.0, 7.0) <= 6.5


def test_longest_screw_is_capped() -> None:
    """Bone thicker than the longest screw gets the longest screw."""
    assert choose_length(load_parameters(), "bicortical", 3.0, 40.0) == 24.0


@pytest.mark.parametrize("length", ["both", 2.0, 60.0])
def test_lengths_out_of_range_are_refused(length: str | float) -> None:
    """An unknown word or a length outside the shelf is refused with what is allowed."""
    with pytest.raises(GeometryError, match="4 to 40 mm"):
        put((0, -3, 0), (0, 1, 0), length)


def test_screw_beside_the_bone_is_refused() -> None:
    """A hole that is not over bone is refused and says that the plate misses the bone."""
    with pytest.raises(GeometryError, match="misses the bone"):
        put((0, -3, 12), (0, 1, 0))


def test_distance_between_axes() -> None:
    """Parallel axes keep their distance, crossing axes meet, collinear ones count from end to end."""
    first = put((0, -3, 0), (0, 1, 0))
    assert axis_distance(first, put((4, -3, 0), (0, 1, 0))) == pytest.approx(4.0)
    assert axis_distance(first, replace(first, head=np.array([-5.0, 2.0, 0.0]), axis=np.array([1.0, 0, 0]))) < 1e-9
    assert axis_distance(first, replace(first, head=first.tip + 2.0 * first.axis)) == pytest.approx(2.0)


def test_screws_in_each_other_are_refused() -> None:
    """Two screws closer than their radii and the bone between them are refused with both names."""
    second = replace(put((2.5, -3, 0), (0, 1, 0)), name="screw-2")
    with pytest.raises(GeometryError, match=r"screw-1 and screw-2.*2\.5 mm"):
        check_screws([put((0, -3, 0), (0, 1, 0)), second], load_parameters())


def test_converging_axes_are_spread_within_the_allowed_tilt() -> None:
    """Axes that meet in the bone are turned until the screws pass each other, by at most 15 degrees."""
    parameters = load_parameters()
    heads = np.array([[-4.0, -3, 0], [4.0, -3, 0]])
    axes = np.array([[0.28, 0.96, 0], [-0.28, 0.96, 0]])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    far = BonePiece("A", (CutPlane(np.array([100.0, 0, 0]), np.array([1.0, 0, 0])),))
    turned = spread_axes([BLOCK, BLOCK], parameters, heads, axes, screw_thread(parameters, "locking-2.4"), [far, far])
    screws = [
        replace(put(tuple(h), tuple(a)), name=f"screw-{k}") for k, (h, a) in enumerate(zip(heads, turned, strict=True))
    ]
    check_screws(screws, parameters)
    assert np.degrees(np.arccos(np.einsum("ij,ij->i", axes, turned))).max() <= 15.0
    assert axis_distance(put(tuple(heads[0]), tuple(axes[0])), put(tuple(heads[1]), tuple(axes[1]))) < 3.4


@pytest.mark.parametrize(("first", "last"), [(33, 37), (43, 33), (34, 36), (43, 47)])
def test_planned_screws_hold_bone_that_stays(first: int, last: int) -> None:
    """The whole engaged length of every screw, also its rim, lies in bone that stays; bicortical tips come out."""
    operation = planned(first, last)
    for screw in operation.screws:
        axial = np.linspace(screw.bone_entry + 0.3, screw.bone_entry + screw.length_in_bone - 0.3, 20)
        assert operation.bone_contains(screw.head + axial[:, None] * screw.axis).all()
        middle = screw.head + axial[10] * screw.axis
        rim = middle + 1.2 * np.array([np.cos(t) * screw.frame[0] + np.sin(t) * screw.frame[1] for t in range(6)])
        assert operation.bone_contains(rim).all()
        assert screw.bicortical
        assert 1.0 <= screw.length - screw.bone_exit <= 2.0 + 1e-9
