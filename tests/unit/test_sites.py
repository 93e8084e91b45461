"""Patches, muscles carried to another jaw, bites."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista as pv
from operation_models import adult_arch, adult_jaw, planned

from femsim.errors import GeometryError, InputError
from femsim.fem.boundary import FACE_POINTS
from femsim.geometry.bench_block import box_surface
from femsim.geometry.jaw_sites import BITE_TEETH, STANDARD_BITES, jaw_bites, jaw_foundations, jaw_loads
from femsim.geometry.muscles import NAMES, activation_patterns, mapped_muscles, reference_muscles, similarity
from femsim.geometry.resection import resect_planes, resect_teeth
from femsim.geometry.sites import BiteSite, Foundation, site_triangles, site_weights
from femsim.geometry.surface import Surface
from femsim.parameters import load_parameters


def test_patch_of_an_end_face_does_not_spill_over_the_edge() -> None:
    """A foundation on a box face takes that face only, even when its radius reaches around the edge."""
    box = box_surface([0, 0, 0], [4, 4, 4])
    fine = box.polydata.subdivide(3, "linear")
    surface = Surface.from_polydata(fine)
    site = Foundation("end", np.array([4.0, 2, 2]), np.array([1.0, 0, 0]), 3.0, 1.0, 1.0)
    chosen = site_triangles(site, surface)
    area = np.linalg.norm(surface.area_vectors[chosen], axis=1).sum()
    assert np.allclose(surface.corners[chosen][..., 0], 4.0)
    assert area == pytest.approx(16.0)


def test_patch_is_never_empty() -> None:
    """On a coarse surface a patch smaller than a triangle is the nearest triangle."""
    box = box_surface([0, 0, 0], [40, 40, 40])
    site = BiteSite("tip", np.array([3.0, 3, 40]), np.array([0.0, 0, -1]), 0.5, np.zeros((0, 3)))
    assert len(site_triangles(site, box)) == 1


def test_similarity_recovers_a_known_map() -> None:
    """Scale, rotation and shift of a known similarity are found to rounding."""
    random = np.random.default_rng(3)
    x = random.normal(size=(9, 3))
    rotation = np.linalg.qr(random.normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    scale, found, shift = similarity(x, 1.3 * x @ rotation.T + [1, 2, 3])
    assert scale == pytest.approx(1.3)
    assert np.allclose(found, rotation)
    assert np.allclose(shift, [1, 2, 3])


def test_reference_jaw_maps_onto_itself() -> None:
    """On a jaw with the reference landmarks every attachment and direction stays where it was published."""
    parameters = load_parameters()
    landmarks = {}
    for name in ("condyle", "first_molar", "coronoid"):
        point = parameters.vector(f"muscles.reference.{name}")
        landmarks[f"{name}_left"], landmarks[f"{name}_right"] = point, point * [-1, 1, 1]
    landmarks["incisor"] = parameters.vector("muscles.reference.incisor")
    for a, b in zip(reference_muscles(parameters), mapped_muscles(parameters, landmarks), strict=True):
        assert np.allclose(a.point, b.point, atol=1e-9)
        assert np.allclose(a.direction, b.direction, atol=1e-12)


def test_mapping_needs_its_landmarks() -> None:
    """A missing landmark is named."""
    with pytest.raises(InputError, match="condyle_left"):
        mapped_muscles(load_parameters(), {})


def test_attachments_lie_on_the_bone() -> None:
    """All sites of a planned jaw lie on its surface; a symmetric jaw gives mirrored muscles."""
    operation = planned()
    points = np.array([site.point for site in (*operation.loads, *operation.foundations)])
    assert np.abs(operation.bone.signed_distance(points)).max() < 1e-3
    by_name = {site.name: site for site in operation.loads}
    assert len(by_name) == 2 * len(NAMES)
    for code in NAMES:
        left, right = by_name[f"{code}_left"], by_name[f"{code}_right"]
        assert np.allclose(left.point, right.point * [-1, 1, 1], atol=1.0)
        assert left.force_max == right.force_max
        assert np.allclose(left.direction, right.direction * [-1, 1, 1], atol=0.02)


def test_muscles_of_the_removed_angle_are_lost_with_a_reason() -> None:
    """When the angle is removed the masseter and medial pterygoid of that side are dropped; the others stay."""
    arch, jaw = adult_arch(), adult_jaw()
    s = np.array([40.0, 88.0])
    point, tangent = arch.point(s), arch.tangent(s)
    point[1, 2] = 45.0
    resection = resect_planes(
        jaw.surface, arch, [(point[0], tangent[0]), (point[1], np.array([0.3, 0.3, 0.9]) + tangent[1])]
    )
    loads, dropped = jaw_loads(jaw.surface, resection, load_parameters(), jaw.landmarks.points)
    names = {site.name for site in loads}
    assert {"SM_left", "MP_left"}.isdisjoint(names)
    assert {f"{code}_right" for code in NAMES} <= names
    assert any(text.startswith("SM_left (superficial masseter, left)") for text in dropped)
    assert len(dropped) + len(loads) == 2 * len(NAMES)


def test_a_surgeon_can_detach_a_muscle() -> None:
    """A detached muscle is dropped and says so; a misspelt one is refused."""
    jaw = adult_jaw()
    resection = resect_teeth(jaw.surface, adult_arch(), 33, 37)
    _, dropped = jaw_loads(jaw.surface, resection, load_parameters(), jaw.landmarks.points, ["AT_left"])
    assert dropped == ("AT_left (anterior temporalis, left): detached by the surgeon",)
    with pytest.raises(InputError, match="SM_left"):
        jaw_loads(jaw.surface, resection, load_parameters(), jaw.landmarks.points, ["masseter"])


def test_condyles_rest_on_the_disc() -> None:
    """Disc 44 MPa, 0.40, 2 mm: confined modulus 94.3 MPa and shear modulus 15.7 MPa over 2 mm."""
    jaw = adult_jaw()
    resection = resect_teeth(jaw.surface, adult_arch(), 33, 37)
    for foundation in jaw_foundations(jaw.surface, resection, load_parameters(), jaw.landmarks.points):
        assert foundation.stiffness_normal == pytest.approx(47.14, abs=0.01)
        assert foundation.stiffness_tangential == pytest.approx(7.857, abs=0.001)
        assert foundation.normal[2] > 0.8
        area = jaw.surface.area_vectors[site_triangles(foundation, jaw.surface)].sum(axis=0)
        assert np.linalg.norm(area) > 30


def test_bites_stand_on_teeth_that_remain() -> None:
    """Standard bites leave out removed teeth; every point is the top of the jaw at its tooth."""
    operation = planned()
    names = [site.name for site in operation.bites]
    assert "left-first-molar" not in names
    assert "intercuspal" not in names
    assert {"incisal", "right-first-molar", "right-canine"} <= set(names)
    for site in operation.bites:
        assert np.allclose(site.normal, [0, 0, -1])
        for point in site.points:
            assert not operation.bone_contains(point[None] + [0, 0, 0.5])[0]
            s = adult_arch().locate(point[None])[0][0]
            edges = np.array([adult_arch().tooth(fdi) for fdi in BITE_TEETH[site.name]])
            assert edges.min() - 2 < s < edges.max() + 2


def test_every_tooth_can_be_bitten_on() -> None:
    """Each remaining tooth has a bite by its number; an intercuspal bite rests on both first molars."""
    jaw, arch = adult_jaw(), adult_arch()
    resection = resect_teeth(jaw.surface, arch, 31, 41)
    names = ["tooth-36", "tooth-45", "tooth-37", "intercuspal"]
    sites = jaw_bites(jaw.surface, arch, resection, load_parameters(), jaw.landmarks.points, names)
    assert [site.name for site in sites] == names
    assert sites[-1].points[:, 0].prod() < 0
    assert set(STANDARD_BITES) <= set(BITE_TEETH)


def test_patterns_mirror() -> None:
    """Biting on the left activates the left side as biting on the right activates the right side."""
    patterns = activation_patterns(load_parameters())
    for code in NAMES:
        assert patterns["LMOL"][f"{code}_left"] == patterns["RMOL"][f"{code}_right"]
        assert patterns["INC"][f"{code}_left"] == patterns["INC"][f"{code}_right"]
    assert patterns["LMOL"]["SM_left"] == 0.72
    assert patterns["LMOL"]["SM_right"] == 0.60


@pytest.mark.parametrize("count", [3, 5, 8, 16])
def test_site_weights_hold_the_area_of_the_disc_on_any_mesh(count: int) -> None:
    """The weight integrates to the disc's area whatever the triangles are: a patch does not jump with the mesh."""
    line = np.linspace(-6.0, 6.0, count + 1)
    grid = pv.RectilinearGrid(line, line, [-6.0, 6.0]).extract_surface(algorithm=None).triangulate()
    box = Surface.from_polydata(grid)
    site = Foundation("disc", np.array([0.7, -0.4, 6.0]), np.array([0.0, 0.0, 1.0]), 3.5, 1.0, 0.0)
    chosen, weights = site_weights(site, box, FACE_POINTS)
    area = np.linalg.norm(box.area_vectors[chosen], axis=1)
    assert area @ weights.mean(axis=1) == pytest.approx(np.pi * 3.5**2, rel=0.03)
    assert (box.corners[chosen][:, :, 2] > 5.9).all()


def test_site_off_the_bone_is_refused() -> None:
    """A site with no bone surface within its radius is refused with its name and place."""
    site = Foundation("condyle_left", np.array([90.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]), 3.0, 1.0, 0.0)
    with pytest.raises(GeometryError, match=r"condyle_left: no bone surface within 3 mm of \(90\.0, 0\.0, 0\.0\) mm"):
        site_weights(site, box_surface([-5, -5, -5], [5, 5, 5]), FACE_POINTS)
