"""Segmental resection."""

from __future__ import annotations

import numpy as np
import pytest
from operation_models import adult_arch, adult_jaw

from femsim.errors import GeometryError
from femsim.geometry.resection import (
    Resection,
    combined,
    resect_distances,
    resect_planes,
    resect_ramus,
    resect_teeth,
    resect_tooth_and_distance,
)
from femsim.geometry.surface import Surface, checked_closed

CASES = [(33, 37), (34, 36), (43, 47), (43, 33), (47, 37), (46, 46), (35, 38)]


def resected(first: int, last: int) -> Resection:
    return resect_teeth(adult_jaw().surface, adult_arch(), first, last)


def stumps(first: int, last: int) -> tuple[str, ...]:
    return tuple(piece.name for piece in resected(first, last).pieces)


@pytest.mark.parametrize(("first", "last"), CASES)
def test_removed_is_exactly_the_span(first: int, last: int) -> None:
    """Bone between the outer edges of the two teeth is removed, all other bone stays, on both sides of the jaw."""
    resection = resected(first, last)
    points = adult_jaw().surface.points
    s, n, _ = adult_arch().locate(points)
    near = np.abs(n) < 12
    inside = (s > resection.span[0] + 0.05) & (s < resection.span[1] - 0.05)
    outside = (s < resection.span[0] - 0.05) | (s > resection.span[1] + 0.05)
    removed = resection.removed(points)
    assert removed[inside & near].all()
    assert not removed[outside].any()


def test_order_of_teeth_does_not_matter() -> None:
    """From 37 to 33 is the same resection as from 33 to 37."""
    a, b = resected(33, 37), resected(37, 33)
    assert a.span == b.span
    assert a.side == b.side == "left"


def test_sides_and_stumps_are_named() -> None:
    """Left, right and midline defects name their stumps in the order of the arch coordinate."""
    assert stumps(33, 37) == ("mesial", "distal")
    assert stumps(43, 47) == ("distal", "mesial")
    assert stumps(43, 33) == ("right", "left")


def test_planes_equal_teeth() -> None:
    """Two planes at the cuts of two teeth, of any sense and order, remove the same bone."""
    teeth = resected(33, 37)
    planes = [(cut.point, -3 * cut.normal) for cut in teeth.cuts[::-1]]
    other = resect_planes(adult_jaw().surface, adult_arch(), planes)
    points = adult_jaw().surface.points
    assert np.array_equal(teeth.removed(points), other.removed(points))


def test_bad_planes_are_refused() -> None:
    """A plane along the arch, beside the jaw, or a pair that nearly coincides is refused with numbers."""
    arch, surface = adult_arch(), adult_jaw().surface
    s = np.array([20.0, 21.0, 40.0])
    point, tangent, normal = arch.point(s), arch.tangent(s), arch.normal(s)
    with pytest.raises(GeometryError, match="degrees"):
        resect_planes(surface, arch, [(point[0], normal[0]), (point[2], tangent[2])])
    with pytest.raises(GeometryError, match="beside the jaw"):
        resect_planes(surface, arch, [(point[0] + 60 * normal[0], tangent[0]), (point[2], tangent[2])])
    with pytest.raises(GeometryError, match="at least 2 mm"):
        resect_planes(surface, arch, [(point[0], tangent[0]), (point[1], tangent[1])])


def test_tooth_and_distance_make_a_segment() -> None:
    """A tooth at one end, included, and a distance at the other: the cuts of both, on either side."""
    arch, surface = adult_arch(), adult_jaw().surface
    left = resect_tooth_and_distance(surface, arch, 37, 75.0)
    assert left.span == pytest.approx((arch.tooth(37)[0], 75.0), abs=1e-6)
    right = resect_tooth_and_distance(surface, arch, 47, -75.0)
    assert right.span == pytest.approx((-75.0, arch.tooth(47)[0]), abs=1e-6)


def test_level_cut_through_the_ramus_keeps_the_condyle() -> None:
    """Below a level cut behind the teeth everything up to the posterior border goes, above it nothing, on one side."""
    arch, surface = adult_arch(), adult_jaw().surface
    body = arch.point(np.array([45.0]))[0], arch.tangent(np.array([45.0]))[0]
    level = np.array([50.0, 23.0, 56.0]), np.array([0.0, 0.0, 1.0])
    for planes in ([body, level], [level, (body[0], -body[1])]):
        resection = resect_planes(surface, arch, planes)
        removed = resection.removed(surface.points)
        behind = (surface.points[:, 0] > 0) & (body[1] @ (surface.points - body[0]).T > 0)
        assert np.array_equal(removed, behind & (surface.points[:, 2] < 56.0))
        kept, _ = resection.split(surface)
        assert kept.volume < surface.volume
        assert resection.side == "left"
        assert [piece.name for piece in resection.pieces] == ["mesial", "distal"]
        assert not resection.removed(adult_jaw().landmarks.points["condyle_left"][None])[0]
    mirror = np.diag([-1.0, 1.0, 1.0])
    right = resect_planes(surface, arch, [(mirror @ point, mirror @ normal) for point, normal in (body, level)])
    assert right.side == "right"
    assert right.removed(surface.points).sum() == pytest.approx(removed.sum(), rel=0.02)


def test_segment_up_the_ramus_is_two_planes() -> None:
    """From a tooth, or from the distance of its edge, up to a level cut above the angle; mirrored on the other side."""
    arch, surface, landmarks = adult_arch(), adult_jaw().surface, adult_jaw().landmarks.points
    at = np.array([arch.tooth(36)[0]])
    level = np.array([50.0, 23.0, landmarks["gonion_left"][2] + 25.0]), np.array([0.0, 0.0, 1.0])
    removed = resect_planes(surface, arch, [(arch.point(at)[0], arch.tangent(at)[0]), level]).removed(surface.points)
    for start in (36, float(at[0])):
        assert np.array_equal(resect_ramus(surface, arch, landmarks, start, 25.0).removed(surface.points), removed)
    right = resect_ramus(surface, arch, landmarks, 46, 25.0)
    assert right.side == "right"
    assert right.removed(surface.points).sum() == pytest.approx(removed.sum(), rel=0.02)


def test_level_cut_in_front_of_the_ramus_is_refused() -> None:
    """A level cut through the body would leave its lower border, and a cut along the ramus would split it."""
    arch, surface = adult_arch(), adult_jaw().surface
    s = np.array([20.0, 40.0, 75.0])
    point, tangent, normal = arch.point(s), arch.tangent(s), arch.normal(s)
    for steep in ((point[1], np.array([0.0, 0.0, 1.0])), (point[2], normal[2])):
        with pytest.raises(GeometryError, match="in front of the ramus"):
            resect_planes(surface, arch, [(point[0], tangent[0]), steep])


def test_distances_equal_teeth() -> None:
    """Cuts at the arch coordinates of two teeth's outer edges, in either order, remove the same bone."""
    teeth = resected(43, 33)
    other = resect_distances(adult_jaw().surface, adult_arch(), teeth.span[1], teeth.span[0])
    points = adult_jaw().surface.points
    assert np.array_equal(teeth.removed(points), other.removed(points))


@pytest.mark.parametrize(
    ("teeth", "names"),
    [
        ([(35, 36), (31, 32)], ("mesial", "middle", "distal")),
        ([(41, 42), (45, 46)], ("distal", "middle", "mesial")),
        ([(36, 37), (46, 47)], ("right", "middle", "left")),
        ([(47, 47), (44, 44), (31, 41), (35, 36)], ("right", "middle-1", "middle-2", "middle-3", "left")),
    ],
)
def test_several_segments_leave_pieces_between_them(teeth: list[tuple[int, int]], names: tuple[str, ...]) -> None:
    """Segments in any order remove what each removes alone; pieces between them are named and border two cuts."""
    singles = [resected(*pair) for pair in teeth]
    resection = combined(singles)
    points = adult_jaw().surface.points
    assert np.array_equal(resection.removed(points), np.any([one.removed(points) for one in singles], axis=0))
    assert tuple(piece.name for piece in resection.pieces) == names
    assert [len(piece.cuts) for piece in resection.pieces] == [1, *[2] * (len(names) - 2), 1]
    middle = resection.pieces[1]
    centre = adult_arch().point(np.array([0.5 * (resection.segments[0].span[1] + resection.segments[1].span[0])]))
    assert middle.distance_to_cut(centre)[0] > 0
    assert not resection.removes(float(adult_arch().locate(centre)[0][0]))


@pytest.mark.parametrize("teeth", [[(33, 37)], [(43, 33)], [(46, 46)], [(36, 37), (46, 47)]])
def test_split_parts_the_surface_along_the_cuts(teeth: list[tuple[int, int]]) -> None:
    """What stays is closed; the removed part shares its rims with it, in the cut planes; no area is lost or doubled."""
    bone = adult_jaw().surface
    resection = combined([resected(*pair) for pair in teeth])
    kept, gone = resection.split(bone)
    faces = checked_closed(kept, "kept").area + gone.area - bone.area
    removed = checked_closed(Surface.from_polydata(gone.polydata.fill_holes(bone.area)), "removed")
    assert kept.volume + removed.volume == pytest.approx(bone.volume, rel=1e-9)
    assert faces == pytest.approx(removed.area - gone.area, rel=1e-6)
    edges = np.sort(gone.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, count = np.unique(edges, axis=0, return_counts=True)
    rim = gone.points[np.unique(unique[count == 1])]
    off = np.min([np.abs(cut.depth(rim)) for cut in resection.cuts], axis=0)
    assert off.max() < 1e-4
    assert resection.depth(kept.points).max() < 1e-4
    sizeable = np.linalg.norm(gone.area_vectors, axis=1) > 1e-3
    assert resection.removed(gone.corners.mean(axis=1)[sizeable]).all()


def test_segments_too_near_are_refused() -> None:
    """Overlapping segments, or segments that leave no room for a screw between them, are refused with numbers."""
    with pytest.raises(GeometryError, match=r"teeth 33 to 36 and teeth 35 to 37 overlap by \d"):
        combined([resected(35, 37), resected(33, 36)])
    with pytest.raises(GeometryError, match=r"leave \d\.\d mm of bone between them, at least 8 mm"):
        combined([resected(33, 34), resected(36, 37)])
