"""Dose images: the place of every voxel in each format, and files that are refused."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista as pv

from femsim.errors import InputError
from femsim.tissue.dose_images import read_dose_image

VALUES = np.random.default_rng(2).random((4, 5, 6)) * 60.0
ANGLE = np.radians(20.0)
AXES = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0.0], [np.sin(ANGLE), np.cos(ANGLE), 0.0], [0.0, 0.0, 1.0]])
SPACING, ORIGIN = np.array([2.0, 1.5, 3.0]), np.array([-20.0, 30.0, 7.0])
RAS = np.array([-1.0, -1.0, 1.0])


def place(i, j, k):
    """Centre (1, 3) of a voxel in LPS, mm."""
    return (AXES @ (SPACING * [i, j, k]) + ORIGIN)[None]


def check(grid):
    """Every corner and an inner voxel stand where they were written."""
    for index in ((0, 0, 0), (3, 0, 0), (0, 4, 0), (0, 0, 5), (2, 3, 1)):
        assert grid.dose(place(*index))[0] == pytest.approx(VALUES[index], abs=1e-4)


def vti(path):
    image = pv.ImageData(dimensions=VALUES.shape, spacing=SPACING, origin=ORIGIN, direction_matrix=AXES)
    image.point_data["dose"] = VALUES.ravel(order="F")
    image.point_data["other"] = np.zeros(VALUES.size)
    image.save(path)


def test_vti(tmp_path):
    """A VTK image keeps its directions, spacing and origin."""
    vti(tmp_path / "dose.vti")
    check(read_dose_image(tmp_path / "dose.vti"))


def test_vti_of_a_crop(tmp_path):
    """An image whose extent does not start at zero stays in its place."""
    image = pv.ImageData(dimensions=VALUES.shape, spacing=SPACING, origin=ORIGIN)
    image.point_data["dose"] = VALUES.ravel(order="F")
    image.offset = (2, 1, 3)
    centre = np.array(image.points[image.FindPoint(image.points[-1])])
    image.save(tmp_path / "dose.vti")
    assert read_dose_image(tmp_path / "dose.vti").dose(centre[None])[0] == pytest.approx(VALUES[-1, -1, -1])


@pytest.mark.parametrize("space", ["left-posterior-superior", "right-anterior-superior"])
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_nrrd(tmp_path, space, encoding):
    """A NRRD image in LPS or RAS stands in LPS."""
    nrrd = pytest.importorskip("nrrd", reason="the optional package pynrrd is absent (femsim[images])")
    signs = np.ones(3) if space.startswith("left") else RAS
    header = {"space": space, "space directions": (AXES * SPACING).T * signs, "space origin": ORIGIN * signs}
    nrrd.write(str(tmp_path / "dose.nrrd"), VALUES, {**header, "encoding": encoding})
    check(read_dose_image(tmp_path / "dose.nrrd"))


@pytest.mark.parametrize(("unit", "per_mm"), [("mm", 1.0), ("meter", 1e-3)])
def test_nifti(tmp_path, unit, per_mm):
    """A NIfTI image, RAS by its standard, stands in LPS and mm."""
    nibabel = pytest.importorskip("nibabel", reason="the optional package nibabel is absent (femsim[images])")
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = AXES * SPACING * per_mm * RAS[:, None], ORIGIN * RAS * per_mm
    image = nibabel.Nifti1Image(VALUES.astype(np.float32), affine)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "dose.nii.gz")
    check(read_dose_image(tmp_path / "dose.nii.gz"))


def test_outside_is_handed_on(tmp_path):
    """The user's dose outside reaches the grid."""
    vti(tmp_path / "dose.vti")
    assert read_dose_image(tmp_path / "dose.vti", outside=0.5).dose(np.full((1, 3), 500.0))[0] == 0.5


def broken_images(folder):
    """Files that are no dose images, with a word of the refusal."""
    vti(folder / "whole.vti")
    content = (folder / "whole.vti").read_bytes()
    (folder / "cut.vti").write_bytes(content[: len(content) // 2])
    yield folder / "cut.vti", "cut off"
    (folder / "text.nrrd").write_text("not an image")
    yield folder / "text.nrrd", "could not be read"
    (folder / "cut.nii").write_bytes(b"\0" * 100)
    yield folder / "cut.nii", "could not be read"
    (folder / "dose.png").write_bytes(b"")
    yield folder / "dose.png", "not a dose image format"
    yield folder / "absent.vti", "no file"
    pv.Sphere().save(folder / "sphere.vtp")
    (folder / "sphere.vtp").rename(folder / "sphere.vti")
    yield folder / "sphere.vti", "no image|could not be read|needs one array"
    image = pv.ImageData(dimensions=(3, 3, 3))
    image.point_data["a"], image.point_data["b"] = np.zeros(27), np.zeros(27)
    image.save(folder / "two.vti")
    yield folder / "two.vti", "named 'dose'"


def test_refused(tmp_path):
    """Broken, foreign and ambiguous files are refused with one sentence each."""
    pytest.importorskip("nrrd", reason="the optional package pynrrd is absent (femsim[images])")
    pytest.importorskip("nibabel", reason="the optional package nibabel is absent (femsim[images])")
    for path, words in broken_images(tmp_path):
        with pytest.raises(InputError, match=words) as refusal:
            read_dose_image(path)
        assert "\n" not in str(refusal.value)
