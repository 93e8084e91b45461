"""Grouping of interface faces into patches: merging, end faces, refusals, and arrays for files."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from femsim.errors import InputError, MeshError
from femsim.interface import LawConstants, Patches, build_patches
from femsim.parameters import load_parameters

CONSTANTS = LawConstants.from_parameters(load_parameters())


def tube(rings=4, sides=16, radius=1.2, length=4.0, screw=0, offset=0.0, last=None):
    """Triangles of a cylinder side along +x; ``last`` shortens the last ring."""
    z = np.linspace(0.0, length, rings + 1) if last is None else np.append(np.arange(rings), rings - 1 + last)
    angle = 2 * np.pi * np.arange(sides) / sides
    points = np.array([[h + offset, radius * np.cos(a), radius * np.sin(a)] for h in z for a in angle])
    faces = []
    for k in range(rings):
        for j in range(sides):
            a, b = k * sides + j, k * sides + (j + 1) % sides
            faces += [(a, b, b + sides), (a, b + sides, a + sides)]
    return points, np.array(faces), np.full(len(faces), screw)


def mesh_of(points, faces, screw):
    return SimpleNamespace(points=points, interface=SimpleNamespace(screw=screw, screw_triangles=faces))


def screw(name="screw-1", x=-1.0):
    return SimpleNamespace(
        name=name, head=np.array([x, 0.0, 0.0]), axis=np.array([1.0, 0.0, 0.0]), pitch=1.0, thread_depth=0.35
    )


def test_one_patch_per_ring_and_sector():
    """A cylinder four rings long has 4 x 8 patches of equal area, and sector 0 begins upwards."""
    patches = build_patches(mesh_of(*tube()), [screw()], CONSTANTS, ring_length=1.0)
    assert len(patches) == 32
    np.testing.assert_allclose(patches.area, patches.area[0])
    first = np.flatnonzero((patches.sector == 0) | (patches.sector == 7))
    assert (patches.centre[first, 2] > 1.0).all()
    np.testing.assert_allclose(np.unique(patches.depth.round(6)), [1.5, 2.5, 3.5, 4.5], atol=1e-6)


def test_slivers_join_a_neighbour():
    """A last ring of a tenth of a pitch adds no patches of its own, and no area is lost."""
    points, faces, number = tube(rings=4, last=0.1)
    patches = build_patches(mesh_of(points, faces, number), [screw()], CONSTANTS, ring_length=1.0)
    assert patches.area.min() >= 0.25 * np.median(patches.area)
    assert patches.area.sum() == pytest.approx(patches.face_area.sum())
    assert (patches.face >= 0).all()


def test_a_sector_of_few_faces_joins_its_larger_neighbour_in_the_ring():
    """In a single ring a sector with an eighth of its faces merges sideways, into the neighbour that has more."""
    points, faces, number = tube(rings=1, sides=64, length=1.0)
    sector = np.arange(len(faces)) // 16
    keep = ((sector != 3) | (np.arange(len(faces)) % 16 < 2)) & ((sector != 2) | (np.arange(len(faces)) % 16 < 8))
    patches = build_patches(mesh_of(points, faces[keep], number[keep]), [screw()], CONSTANTS)
    assert len(patches) == 7
    whole = np.median(patches.area)
    np.testing.assert_allclose(np.sort(patches.area) / whole, [0.5, 1, 1, 1, 1, 1, 1.125], rtol=1e-9)


def test_end_faces_carry_nothing():
    """Faces across the axis belong to no patch."""
    points, faces, number = tube()
    points = np.vstack([points, [4.0, 0.0, 0.0]])
    cap = np.array([(64 + j, 64 + (j + 1) % 16, len(points) - 1) for j in range(16)])
    mesh = mesh_of(points, np.vstack([faces, cap]), np.append(number, np.zeros(16, dtype=int)))
    patches = build_patches(mesh, [screw()], CONSTANTS)
    assert (patches.face[-16:] == -1).all()
    assert (patches.face[:-16] >= 0).all()


def test_two_screws_are_numbered_apart():
    """Patches of two screws never mix, and per-screw sums add up."""
    a, b = tube(), tube(screw=1, offset=20.0)
    mesh = mesh_of(np.vstack([a[0], b[0]]), np.vstack([a[1], b[1] + len(a[0])]), np.concatenate([a[2], b[2]]))
    patches = build_patches(mesh, [screw(), screw("screw-2", 19.0)], CONSTANTS, ring_length=1.0)
    assert patches.n_screws == 2
    np.testing.assert_array_equal(patches.screw, np.repeat([0, 1], 32))
    np.testing.assert_allclose(patches.per_screw(patches.area), patches.area.sum() / 2)


def test_missing_contact_and_bad_settings_are_refused():
    """A screw without bone, three sectors, or a negative ring length is refused with the reason."""
    mesh = mesh_of(*tube())
    with pytest.raises(MeshError, match="screw-2: no face touches bone"):
        build_patches(mesh, [screw(), screw("screw-2")], CONSTANTS)
    with pytest.raises(InputError, match="at least 4"):
        build_patches(mesh, [screw()], CONSTANTS, sectors=3)
    with pytest.raises(InputError, match="ring length"):
        build_patches(mesh, [screw()], CONSTANTS, ring_length=-1.0)


def test_arrays_round_trip():
    """Patches survive the way through plain arrays."""
    patches = build_patches(mesh_of(*tube()), [screw()], CONSTANTS)
    again = Patches.from_arrays(patches.arrays())
    assert again.screw_names == patches.screw_names
    assert (again.directions == patches.directions).all()
