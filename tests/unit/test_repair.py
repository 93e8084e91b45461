"""What is repaired in a surface file and told, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from femsim.errors import GeometryError, InputError
from femsim.geometry.bench_block import box_surface
from femsim.geometry.jaw import jaw_from_surface
from femsim.geometry.parametric import MandibleShape, mandible_surface
from femsim.geometry.repair import LARGEST_HOLE, repaired
from femsim.geometry.surface import Surface, read_surface, read_triangles

BALL = Surface.from_polydata(pv.Icosphere(radius=20.0, nsub=4, center=(5.0, 6.0, 7.0)))
POLE = np.array([5.0, 6.0, 27.0])


def without(surface: Surface, radius: float, centre: np.ndarray = POLE) -> Surface:
    """The surface with a hole around a point."""
    far = np.linalg.norm(surface.corners.mean(axis=1) - centre, axis=1) > radius
    return Surface(surface.points, surface.triangles[far])


def test_a_sound_surface_is_left_alone() -> None:
    """A closed surface that faces outwards comes back as it is, without a word."""
    assert repaired(BALL, "ball") == (BALL, ())


def test_a_small_hole_is_closed_and_told() -> None:
    """A hole of the ball's pole is closed flat: the volume is right to 0.1 %, size and place stand in the notice."""
    surface, (told,) = repaired(without(BALL, 2.0), "ball")
    assert surface.polydata.n_open_edges == 0
    assert surface.volume == pytest.approx(BALL.volume, rel=1e-3)
    assert told.startswith("ball: 1 hole was closed: ")
    size, place = told.split("closed: ")[1].split(" mm across near ")
    assert 3.0 < float(size) < LARGEST_HOLE
    assert np.linalg.norm(np.array(place.removesuffix(" mm").strip("()").split(","), dtype=float) - POLE) < 0.5


def test_a_hole_in_a_turned_surface_is_closed() -> None:
    """A hole and triangles that face the wrong way are repaired together, each with its sentence."""
    holed = without(BALL, 2.0)
    mixed = holed.triangles.copy()
    mixed[::9] = mixed[::9, ::-1]
    surface, told = repaired(Surface(holed.points, mixed), "ball")
    assert surface.volume == pytest.approx(BALL.volume, rel=1e-3)
    assert [sentence.split()[2] for sentence in told] == ["of", "hole"]
    assert f"{len(mixed[::9])} of {len(mixed)} triangles faced the wrong way" in told[0]


def test_a_surface_that_faces_inwards_is_turned() -> None:
    """A wholly inverted surface is turned, and one sentence says so."""
    surface, told = repaired(Surface(BALL.points, BALL.triangles[:, ::-1]), "ball")
    assert surface.volume == pytest.approx(BALL.volume)
    assert told == ("ball: the surface faced inwards and was turned",)


def test_debris_and_doubled_triangles_are_left_out() -> None:
    """Loose crumbs, even open ones, and triangles given twice go; their number and a place are told."""
    whole = Surface.from_polydata(pv.Icosphere(radius=1.5, nsub=2, center=(5, 6, 60)))
    crumb = without(whole, 1.0, np.array([5, 6, 61.5]))
    points = np.vstack([BALL.points, crumb.points])
    triangles = np.vstack([BALL.triangles, BALL.triangles[:3], crumb.triangles + len(BALL.points)])
    surface, told = repaired(Surface(points, triangles), "ball")
    assert surface.volume == pytest.approx(BALL.volume)
    assert "3 triangles given twice or without area were left out, one near (" in told[0]
    assert "1 loose pieces of 0.012 cm3 together were left out, the largest near (5.0, 6.0, 5" in told[1]


def touching() -> Surface:
    """Two boxes that share one edge."""
    first, second = box_surface([0, 0, 0], [10, 10, 10]), box_surface([10, 10, 0], [20, 20, 10])
    both = pv.PolyData.from_regular_faces(
        np.vstack([first.points, second.points]), np.vstack([first.triangles, second.triangles + 8])
    )
    return Surface.from_polydata(both.clean())


def pinched() -> Surface:
    """Two boxes that share one corner."""
    first, second = box_surface([0, 0, 0], [10, 10, 10]), box_surface([10, 10, 10], [20, 20, 20])
    both = pv.PolyData.from_regular_faces(
        np.vstack([first.points, second.points]), np.vstack([first.triangles, second.triangles + 8])
    )
    return Surface.from_polydata(both.clean())


def crossing() -> Surface:
    """A ball with one vertex pushed through the far side."""
    points = BALL.points.copy()
    points[np.argmax(points[:, 2])] -= [0.0, 0.0, 45.0]
    return Surface(points, BALL.triangles)


def one_sided() -> Surface:
    """A closed surface with one side only: the projective plane in six points."""
    fan = [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5], [0, 5, 1]]
    rest = [[1, 2, 4], [2, 3, 5], [3, 4, 1], [4, 5, 2], [5, 1, 3]]
    return Surface(np.random.default_rng(3).random((6, 3)) * 10.0, np.array(fan + rest))


@pytest.mark.parametrize(
    ("surface", "words"),
    [
        (without(BALL, 6.0), r"not closed, \d+ of its edges are free, one near \(.*, 2.*\) mm at a hole 1.* mm across"),
        (touching(), r"touches itself, more than two triangles meet at 1 edges, one near \(10\.0, 10\.0, 5\.0\) mm"),
        (pinched(), r"touches itself in a single vertex at \(10\.0, 10\.0, 10\.0\) mm"),
        (crossing(), r"crosses itself at \d+ edges, one near \("),
        (one_sided(), "has one side only"),
    ],
    ids=["large hole", "contact", "corner", "crossing", "one side"],
)
def test_refused_with_the_place(surface: Surface, words: str) -> None:
    """What cannot be repaired is refused in one sentence with a place in the file's coordinates."""
    with pytest.raises(GeometryError, match=words) as error:
        repaired(surface, "file")
    assert "\n" not in str(error.value)


def test_a_torn_surface_is_refused() -> None:
    """More small holes than a surface has that was one when it was exported."""
    torn = BALL
    for direction in np.random.default_rng(2).normal(size=(40, 3)):
        torn = without(torn, 1.2, np.array([5, 6, 7]) + 20.0 * direction / np.linalg.norm(direction))
    with pytest.raises(GeometryError, match=r"one of \d+ holes, at most 20 are closed here|where holes meet"):
        repaired(torn, "file")


def test_vtp_is_read_and_repairs_reach_the_jaw(tmp_path: Path) -> None:
    """A jaw in a VTP file with a small hole is read, and the repair is among its notices; strict readers refuse it."""
    whole, points = mandible_surface(MandibleShape.default(), edge=2.5)
    path = tmp_path / "jaw.vtp"
    far = np.linalg.norm(whole.corners.mean(axis=1) - points["gonion_left"], axis=1) > 1.8
    pv.PolyData.from_regular_faces(whole.points, whole.triangles[far]).save(path)
    jaw = jaw_from_surface(path)
    assert jaw.surface.volume == pytest.approx(whole.volume, rel=2e-3)
    assert len(jaw.notices) == 1
    assert "jaw.vtp: 1 hole was closed" in jaw.notices[0]
    with pytest.raises(GeometryError, match="not closed"):
        read_surface(path)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InputError, match="cut off"):
        read_triangles(path)
