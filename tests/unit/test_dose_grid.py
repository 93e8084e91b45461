"""Dose grids: interpolation, the unknown outside, registration, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from femsim.errors import InputError
from femsim.images.grid import rigid_matrix
from femsim.tissue import Course, TargetField, UniformField, course_eqd2
from femsim.tissue.dose import highest_eqd2
from femsim.tissue.dose_grid import DoseGrid, DoseSum

RANDOM = np.random.default_rng(5)
VALUES = RANDOM.random((5, 6, 7)) * 60.0
MATRIX = np.array([[2.0, 0.0, 0.3, -10.0], [0.0, 3.0, 0.0, 4.0], [-0.2, 0.0, 2.5, 7.0], [0.0, 0.0, 0.0, 1.0]])


def place(indices):
    """Voxel indices (n, 3) to mm."""
    return np.asarray(indices, dtype=float) @ MATRIX[:3, :3].T + MATRIX[:3, 3]


def test_voxel_centres_and_their_middle():
    """A voxel's own value stands at its centre and the mean of eight in their middle."""
    grid = DoseGrid.even(VALUES, MATRIX, "image")
    assert grid.dose(place([[0, 0, 0], [4, 5, 6], [2, 3, 1]])) == pytest.approx(
        [VALUES[0, 0, 0], VALUES[4, 5, 6], VALUES[2, 3, 1]]
    )
    assert grid.dose(place([[1.5, 2.5, 3.5]])) == pytest.approx([VALUES[1:3, 2:4, 3:5].mean()])


def test_between_uneven_planes():
    """Between planes at uneven distances the dose is linear in the distance."""
    values = np.tile([10.0, 20.0, 50.0], (2, 2, 1))
    grid = DoseGrid(values, np.eye(4), np.array([0.0, 2.0, 8.0]), "image")
    assert grid.dose(np.array([[0.5, 0.5, 1.0], [0.5, 0.5, 5.0]])) == pytest.approx([15.0, 35.0])


def test_outside_is_refused_or_given():
    """Points outside are counted and located, never zero, unless the user states their dose."""
    grid = DoseGrid.even(VALUES, MATRIX, "image")
    points = place([[1, 1, 1], [-0.2, 1, 1], [1, 1, 6.4], [1, 1, 2]])
    with pytest.raises(InputError, match=r"unknown at 2 of 4 points.*outside: 0 Gy"):
        grid.dose(points)
    given = DoseGrid.even(VALUES, MATRIX, "image", outside=1.5)
    assert given.dose(points).tolist()[1:3] == [1.5, 1.5]
    assert given.dose(points)[0] == pytest.approx(VALUES[1, 1, 1])


def test_registration_moves_the_dose():
    """After a rigid move a point carries the dose of where it came from."""
    angle = np.radians(30.0)
    move = np.eye(4)
    move[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    move[:3, 3] = [5.0, -3.0, 11.0]
    grid, points = DoseGrid.even(VALUES, MATRIX, "image"), place(RANDOM.random((50, 3)) * [4, 5, 6])
    moved = points @ move[:3, :3].T + move[:3, 3]
    assert grid.moved(move).dose(moved) == pytest.approx(grid.dose(points))
    total = DoseSum((grid, grid)).moved(move)
    assert total.dose(moved) == pytest.approx(2 * grid.dose(points))
    assert total.scaled(0.5).dose(moved) == pytest.approx(grid.dose(points))


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.eye(3), "four rows"),
        (np.diag([1.0, 1.0, -1.0, 1.0]), "not rigid"),
        (np.diag([1.1, 1.1, 1.1, 1.0]), "not rigid"),
        (np.eye(4)[::-1], "last row"),
        (np.full((4, 4), np.nan), "finite"),
    ],
)
def test_registration_refused(matrix, words):
    """A registration turns and shifts; scaling, mirrors and broken matrices are refused."""
    with pytest.raises(InputError, match=words):
        rigid_matrix(matrix, "register")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"values": VALUES[0]}, "three axes"),
        ({"values": VALUES[:1]}, "two voxels"),
        ({"values": -VALUES}, "0 or more"),
        ({"values": np.where(VALUES > 30, np.nan, VALUES)}, "finite"),
        ({"values": VALUES * 100}, "cGy"),
        ({"matrix": np.diag([1.0, 1.0, 0.0, 1.0])}, "span space"),
        ({"outside": -1.0}, "outside is -1"),
    ],
)
def test_grid_refused(change, words):
    """A grid that cannot be a dose is refused when it is made."""
    content = {"values": VALUES, "matrix": MATRIX, "name": "image", **change}
    with pytest.raises(InputError, match=words):
        DoseGrid.even(**content)


def test_courses_mix_relative_and_planned_doses():
    """A course with a planned dose adds to one with a relative field; the bound of the sum holds everywhere."""
    grid = DoseGrid.even(VALUES, MATRIX, "image")
    points = place(RANDOM.random((200, 3)) * [4, 5, 6])
    courses = [Course(None, 30, grid), Course(20.0, 10, TargetField((0.0, 8.0, 12.0), 5.0, 4.0)), Course(5.0, 1)]
    planned, total = grid.dose(points), course_eqd2(courses, points, 3.0)
    rest = course_eqd2(courses[1:], points, 3.0)
    assert total - rest == pytest.approx(planned * (planned / 30 + 3.0) / 5.0)
    assert courses[0].maximum == VALUES.max()
    assert courses[0].dose(points) == pytest.approx(planned)
    assert total.max() <= highest_eqd2(courses, 3.0)
    with pytest.raises(InputError, match="prescription is missing"):
        Course(None, 30, UniformField())
