"""The parametric jaw: closed, symmetric, deterministic, and of the size it was asked for."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from femsim.errors import InputError
from femsim.geometry.jaw import Jaw, jaw_from_surface, parametric_jaw
from femsim.geometry.landmarks import find_landmarks
from femsim.geometry.morphometrics import morphometrics
from femsim.geometry.parametric import MandibleShape, mandible_surface
from femsim.geometry.repair import repaired
from femsim.geometry.surface import checked_closed
from femsim.parameters import load_parameters


@pytest.fixture(scope="module")
def jaw() -> Jaw:
    return parametric_jaw()


def triangle_quality(corners: np.ndarray) -> np.ndarray:
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    return 4 * np.sqrt(3) * area / (edges**2).sum(axis=1)


def test_surface_is_closed_and_manifold(jaw: Jaw) -> None:
    """The surface is one closed ball-like manifold that faces outwards."""
    surface = checked_closed(jaw.surface, "parametric")
    assert surface.volume == pytest.approx(jaw.surface.volume)
    data = surface.polydata
    assert data.is_manifold
    assert data.n_open_edges == 0
    edges = len(np.unique(np.sort(surface.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0))
    assert len(surface.points) - edges + len(surface.triangles) == 2
    assert jaw.parametric
    assert jaw.name == "parametric mandible"


def test_triangles_are_even_and_never_fold(jaw: Jaw) -> None:
    """Mean edge 1 to 1.5 mm, no needle, and no two neighbours folded onto each other."""
    corners = jaw.surface.corners
    edge = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    assert 1.0 < edge.mean() < 1.5
    assert edge.max() < 3.0
    quality = triangle_quality(corners)
    assert quality.min() > 0.15
    assert np.percentile(quality, 1) > 0.7
    normals = jaw.surface.area_vectors / np.linalg.norm(jaw.surface.area_vectors, axis=1)[:, None]
    pairs = np.sort(jaw.surface.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    order = np.lexsort(pairs.T)
    triangle = (order // 3).reshape(-1, 2)
    assert np.einsum("ij,ij->i", normals[triangle[:, 0]], normals[triangle[:, 1]]).min() > -0.2


def test_exactly_symmetric_and_deterministic(jaw: Jaw) -> None:
    """Mirrored vertices are vertices, and a second construction is the same to the bit."""
    key = {tuple(point) for point in jaw.surface.points}
    assert all((-x if x else x, y, z) in key for x, y, z in jaw.surface.points)
    again = parametric_jaw().surface
    np.testing.assert_array_equal(again.points, jaw.surface.points)
    np.testing.assert_array_equal(again.triangles, jaw.surface.triangles)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("bicondylar_width", 2.0),
        ("bigonial_width", 2.0),
        ("gonion_menton", 2.0),
        ("ramus_height", 2.0),
        ("symphysis_height", 2.0),
        ("body_height", 2.0),
        ("body_thickness", 2.0),
        ("ramus_width", 2.0),
        ("condyle_width", 2.0),
        ("gonial_angle", 3.0),
    ],
)
def test_produced_size_is_the_size_asked_for(jaw: Jaw, name: str, tolerance: float) -> None:
    """Each morphometric measured on the default surface is the parameter within 2 mm or 3 degrees."""
    assert jaw.shape is not None
    expected = getattr(jaw.shape, name)
    expected += {"symphysis_height": jaw.shape.crown_height_incisor, "body_height": jaw.shape.crown_height_molar}.get(
        name, 0.0
    )
    assert morphometrics(jaw.surface, jaw.landmarks)[name] == pytest.approx(expected, abs=tolerance)


def test_size_follows_the_parameters(jaw: Jaw) -> None:
    """An atrophic, edentulous, narrow jaw measures atrophic and narrow, and is still found to be a jaw."""
    shape = replace(
        MandibleShape.default(),
        bigonial_width=92.0,
        body_height=14.0,
        symphysis_height=26.0,
        crown_height_incisor=0.0,
        crown_height_molar=0.0,
        body_thickness=10.0,
        gonial_angle=130.0,
    )
    atrophic = parametric_jaw(shape)
    checked_closed(atrophic.surface, "atrophic")
    measured = morphometrics(atrophic.surface, atrophic.landmarks)
    assert measured["bigonial_width"] == pytest.approx(92.0, abs=2.5)
    assert measured["body_height"] == pytest.approx(14.0, abs=2.5)
    assert measured["gonial_angle"] == pytest.approx(130.0, abs=3.0)
    assert atrophic.surface.volume < 0.8 * jaw.surface.volume
    find_landmarks(atrophic.surface)


def test_known_and_found_landmarks_agree(jaw: Jaw) -> None:
    """The search finds the parametric jaw in its own frame, each landmark within 3 mm of the known one."""
    frame, found = find_landmarks(jaw.surface)
    np.testing.assert_array_equal(frame.rotation, np.eye(3))
    for name, point in jaw.landmarks.points.items():
        assert np.linalg.norm(found[name] - point) < 3.0, name
    assert np.abs(jaw.surface.signed_distance(jaw.landmarks.array)).max() < 1.5


def test_overall_size_is_that_of_an_adult(jaw: Jaw) -> None:
    """The box of the default jaw is near that of the measured adult jaw (117.7 x 87.2 x 76.9 mm, within a tenth)."""
    np.testing.assert_allclose(np.ptp(jaw.surface.bounds, axis=0), [117.7, 87.2, 76.9], rtol=0.10)


def test_values_outside_the_card_are_refused() -> None:
    """A value outside the published range is refused with the value, the range and the usual value."""
    with pytest.raises(
        InputError, match="gonial_angle is 95 degree, allowed 110 to 135 degree; the usual value is 122"
    ):
        replace(MandibleShape.default(), gonial_angle=95.0)
    with pytest.raises(InputError, match="exceeds bicondylar_width"):
        replace(MandibleShape.default(), bigonial_width=110.0, bicondylar_width=108.0)


def test_shape_reads_overrides() -> None:
    """A parameter override reaches the shape."""
    shape = MandibleShape.from_parameters(load_parameters({"jaw.ramus_height": "58 mm"}))
    assert shape.ramus_height == 58.0
    assert all(hasattr(shape, item.name) for item in fields(MandibleShape))


def test_coarser_edge_is_coarser() -> None:
    """The edge length asked for sets the number of triangles."""
    surface, _ = mandible_surface(MandibleShape.default(), edge=2.5)
    checked_closed(surface, "coarse")
    assert 3_000 < len(surface.triangles) < 9_000


def test_real_jaw_reads_as_a_jaw(real_jaw_path) -> None:
    """The real jaw arrives closed, in its own frame, with the adult measures of the card."""
    real = jaw_from_surface(real_jaw_path)
    assert not real.parametric
    assert real.surface.volume > 0
    measured = morphometrics(real.surface, real.landmarks)
    assert measured["bicondylar_width"] == pytest.approx(117.7, abs=0.2)
    assert measured["gonial_angle"] == pytest.approx(114.8, abs=3.0)


def test_an_asymmetric_jaw_is_asymmetric_as_told(jaw: Jaw) -> None:
    """The chin stands beside the midline and one ramus is higher by what was asked; both are found again."""
    told = parametric_jaw(replace(MandibleShape.default(), chin_deviation=5.0, ramus_difference=-6.0))
    assert repaired(told.surface, "told")[1] == ()
    assert told.landmarks["menton"][0] == pytest.approx(5.0, abs=0.2)
    points = told.landmarks
    left, right = (np.linalg.norm(points[f"condyle_{s}"] - points[f"gonion_{s}"]) for s in ("left", "right"))
    assert left - right == pytest.approx(-6.0, abs=0.3)
    assert told.surface.volume == pytest.approx(jaw.surface.volume, rel=0.01)
    frame, found = find_landmarks(told.surface)
    for name, point in told.landmarks.points.items():
        assert np.linalg.norm(frame.to_file(found[name]) - point) < 3.0, name


def test_the_arch_can_be_wide_and_short(jaw: Jaw) -> None:
    """Width and depth of the dental arch follow their factors, the basal bone stays."""
    wide = parametric_jaw(replace(MandibleShape.default(), arch_width=1.08, arch_depth=0.92))
    for name, factor in (("first_molar_left", 1.08), ("incisor", 1.0)):
        assert wide.landmarks[name][0] == pytest.approx(factor * jaw.landmarks[name][0], abs=1.5)
    assert morphometrics(wide.surface, wide.landmarks)["bigonial_width"] == pytest.approx(98.0, abs=2.0)
