"""Segmental resection."""

from __future__ import annotations

import numpy as np
import pytest
from operation_models import adult_arch, adult_jaw

from femsim.errors import GeometryError
from femsim.geometry.resection import Resection, resect_planes, resect_teeth

CASES = [(33, 37), (34, 36), (43, 47), (43, 33), (47, 37), (46, 46), (35, 38)]


def resected(first: int, last: int) -> Resection:
    return resect_teeth(adult_jaw().surface, adult_arch(), first, last)


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


@pytest.mark.parametrize(("first", "last"), CASES)
def test_quads_cut_the_bone_and_nothing_else(first: int, last: int) -> None:
    """Each quad covers the whole section of its cut and stays on its side of the jaw."""
    resection = resected(first, last)
    surface = resection.planes_surface()
    assert surface.triangles.shape == (4, 3)
    for quad, cut, s_cut in zip(resection.quads, resection.cuts, resection.span, strict=True):
        assert np.abs(cut.depth(quad)).max() < 1e-9
        s, _, _ = adult_arch().locate(quad.mean(axis=0)[None])
        assert abs(s[0] - s_cut) < 1.0
        edges = np.roll(quad, -1, axis=0) - quad
        along = np.linspace(0, 1, 60)
        rim = (quad[:, None] + along[None, :, None] * edges[:, None]).reshape(-1, 3)
        assert not adult_jaw().surface.contains(rim).any()


def test_order_of_teeth_does_not_matter() -> None:
    """From 37 to 33 is the same resection as from 33 to 37."""
    a, b = resected(33, 37), resected(37, 33)
    assert a.span == b.span
    assert a.side == b.side == "left"


def test_sides_and_stumps_are_named() -> None:
    """Left, right and midline defects name their stumps in the order of the arch coordinate."""
    assert resected(33, 37).stumps == ("mesial", "distal")
    assert resected(43, 47).stumps == ("distal", "mesial")
    assert resected(43, 33).stumps == ("right", "left")


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
