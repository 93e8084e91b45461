"""Surfaces from labels: volume, smoothness and error against the voxel size; a jaw through its landmarks."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from image_models import voxelised, voxels, write_nifti
from scipy.ndimage import distance_transform_edt

from femsim.errors import InputError
from femsim.geometry.jaw import Jaw, jaw_from_labels, parametric_jaw
from femsim.geometry.labelled import label_surface, mask_surface
from femsim.geometry.repair import repaired
from femsim.geometry.surface import Surface

RADIUS = 15.0
CENTRE = np.array([0.13, -0.21, 0.07])


@cache
def sphere(step: float) -> tuple[Surface, int]:
    """Surface of a voxelised sphere, and the number of its voxels."""
    edge = np.full(3, RADIUS + 2.0)
    mask, matrix = voxels(lambda p: np.linalg.norm(p - CENTRE, axis=1) < RADIUS, -edge, edge, np.full(3, step))
    return mask_surface(mask, matrix), int(mask.sum())


@pytest.mark.parametrize("step", [0.5, 1.0, 2.0])
def test_a_sphere_keeps_its_volume_and_its_place(step: float) -> None:
    """The volume is that of the voxels within 0.1 %; the surface is a tenth of a voxel off, at most half a voxel."""
    surface, count = sphere(step)
    assert surface.volume == pytest.approx(count * step**3, rel=1e-3)
    error = np.abs(np.linalg.norm(surface.points - CENTRE, axis=1) - RADIUS)
    assert error.mean() < 0.1 * step
    assert error.max() < 0.5 * step


@pytest.mark.parametrize("step", [0.5, 1.0, 2.0])
def test_a_sphere_has_no_stairs(step: float) -> None:
    """Stairs of voxels turn normals by up to 55 degrees; these turn by 5 degrees on average and 25 at most."""
    surface, _ = sphere(step)
    normal = surface.area_vectors / np.linalg.norm(surface.area_vectors, axis=1)[:, None]
    outward = surface.corners.mean(axis=1) - CENTRE
    outward /= np.linalg.norm(outward, axis=1)[:, None]
    turn = np.degrees(np.arccos(np.clip((normal * outward).sum(axis=1), -1, 1)))
    assert turn.mean() < 5.0
    assert turn.max() < 25.0


@pytest.fixture(scope="module")
def jaw() -> Jaw:
    return parametric_jaw()


@pytest.fixture(scope="module")
def scanned(jaw: Jaw, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parametric jaw as label 7 of an oblique, anisotropic image, with a crumb and a cavity."""
    mask, matrix = voxelised(jaw.surface, np.array([0.8, 0.8, 1.2]))
    labels = 7 * mask.astype(np.uint8)
    labels[2:4, 2:4, 2:4] = 7
    labels[np.unravel_index(distance_transform_edt(mask).argmax(), mask.shape)] = 0
    return write_nifti(tmp_path_factory.mktemp("labels") / "jaw.nii.gz", labels, oblique() @ matrix)


def oblique() -> np.ndarray:
    """The scanner's table: a turn about a skew axis and a shift."""
    angle = np.radians(25.0)
    matrix = np.eye(4)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    matrix[:3, :3], matrix[:3, 3] = turn @ turn[[2, 0, 1]][:, [2, 0, 1]], [30.0, -200.0, 812.0]
    return matrix


def test_a_labelled_jaw_is_the_jaw(jaw: Jaw, scanned: Path) -> None:
    """The surface of a voxelised jaw is a tenth of a voxel off on average, whole, and tells what was done to it."""
    surface, notices = label_surface(scanned, 7)
    back = oblique()[:3, :3]
    placed = surface.transformed(back.T, -back.T @ oblique()[:3, 3])
    error = np.abs(jaw.surface.signed_distance(placed.points[::4]))
    assert error.mean() < 0.12
    assert np.percentile(error, 99) < 0.6
    assert placed.volume == pytest.approx(jaw.surface.volume, rel=5e-3)
    assert repaired(surface, "label") == (surface, ())
    assert len(notices) == 2
    assert "1 loose parts" in notices[0]
    assert "cavities" in notices[1]


def test_landmarks_of_a_labelled_jaw(jaw: Jaw, scanned: Path) -> None:
    """The landmark route finds the same points on the labelled jaw, in its own coordinates, within 3 mm."""
    found = jaw_from_labels(scanned, 7)
    assert found.name == "jaw"
    assert len(found.notices) == 2
    matrix = oblique()
    for name, point in found.landmarks.in_file(found.frame).items():
        expected = matrix[:3, :3] @ jaw.landmarks[name] + matrix[:3, 3]
        assert np.linalg.norm(point - expected) < 3.0, name


def box_of_label(value: int = 1, size: int = 30, step: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    labels = np.zeros((40, 40, 40), dtype=np.uint8)
    labels[5 : 5 + size, 5 : 5 + size, 5 : 5 + size] = value
    return labels, np.diag([step, step, step, 1.0])


def refused() -> dict[str, tuple[np.ndarray, np.ndarray, str]]:
    labels, matrix = box_of_label()
    two = labels.copy()
    two[:, 18:21] = 0
    border = np.roll(labels, -5, axis=1)
    scan = np.random.default_rng(1).integers(-900, 1900, labels.shape).astype(np.int16)
    return {
        "other label": (2 * labels, matrix, r"no voxel has the label 1; the image holds 0 \(37000 voxels\), 2 \(27000"),
        "empty": (0 * labels, matrix, r"no voxel has the label 1; the image holds 0 \(64000 voxels\)"),
        "scan": (np.where(scan == 1, 0, scan), matrix, "it may be a scan and no labels"),
        "flat": (labels[:, :, 10], matrix, "40 x 40 voxels; one volume"),
        "four-dimensional": (np.stack([labels, labels], axis=3), matrix, "40 x 40 x 40 x 2 voxels"),
        "two bodies": (two, matrix, "2 separate bodies, the second near .* with .* cm3 of"),
        "cut off": (border, matrix, r"cut off by the border of the image over 900 mm2 near \("),
        "coarse": (labels, np.diag([1.0, 1.0, 5.0, 1.0]), "voxels are 1 x 1 x 5 mm, allowed are 0.02 to 3 mm"),
        "metres": (labels, np.diag([1e-3, 1e-3, 1e-3, 1.0]), "check the unit of the header"),
        "too small": (box_of_label(size=10)[0], matrix, "has 1 cm3, a jaw has at least 5 cm3"),
    }


@pytest.mark.parametrize("name", refused())
def test_refused(name: str, tmp_path: Path) -> None:
    """An image that is no label of a whole jaw is refused in one sentence with what it holds instead."""
    labels, matrix, words = refused()[name]
    with pytest.raises(InputError, match=words) as error:
        label_surface(write_nifti(tmp_path / "labels.nii.gz", labels, matrix), 1)
    assert "\n" not in str(error.value)


def test_absent_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the optional package the sentence says how to install it."""
    path = write_nifti(tmp_path / "labels.nii.gz", *box_of_label())
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(InputError, match=r'nibabel, which is absent; install it with: pip install "femsim\[images\]"'):
        label_surface(path, 1)


def test_a_label_may_touch_the_border(tmp_path: Path) -> None:
    """A tight crop that only touches the label is told, not refused."""
    labels, matrix = box_of_label()
    labels[0:5, 10:14, 10:14] = 1
    _, notices = label_surface(write_nifti(tmp_path / "labels.nii.gz", labels, matrix), 1)
    assert notices
    assert "touches the border of the image over 16.0 mm2" in notices[0]
