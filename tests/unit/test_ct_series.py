"""CT series from DICOM slices: the place of every voxel, and folders that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_models import PATIENT, write_ct

from femsim.errors import InputError
from femsim.images.dicom_series import read_ct_series

SHAPE = (9, 7, 6)
ANGLE = np.radians(15.0)
MATRIX = np.eye(4)
TURN = np.array([[np.cos(ANGLE), 0, np.sin(ANGLE)], [0, 1, 0], [-np.sin(ANGLE), 0, np.cos(ANGLE)]])
MATRIX[:3, :3] = TURN * [0.5, 0.8, 1.5]
MATRIX[:3, 3] = [-20.0, 30.0, 7.0]
VALUES = np.random.default_rng(5).integers(-1000, 2500, SHAPE)


def test_every_voxel_stands_in_its_place(tmp_path: Path) -> None:
    """Oblique slices in shuffled files come back with their Hounsfield units at their places in LPS."""
    write_ct(tmp_path, VALUES, MATRIX)
    indices = np.argwhere(np.ones(SHAPE, dtype=bool))
    found, outside = read_ct_series(tmp_path).sample(indices @ MATRIX[:3, :3].T + MATRIX[:3, 3])
    assert not outside.any()
    np.testing.assert_allclose(found, VALUES[tuple(indices.T)], atol=2e-2)


def test_slices_may_descend(tmp_path: Path) -> None:
    """The order of positions, not that of files or numbers, makes the volume."""
    matrix = MATRIX.copy()
    matrix[:3, 2], matrix[:3, 3] = -MATRIX[:3, 2], MATRIX[:3, 3] + 5 * MATRIX[:3, 2]
    write_ct(tmp_path, VALUES[:, :, ::-1], matrix)
    place = MATRIX[:3, :3] @ [4, 3, 1] + MATRIX[:3, 3]
    assert read_ct_series(tmp_path).sample(place[None])[0][0] == pytest.approx(VALUES[4, 3, 1], abs=2e-2)


def test_the_rescaling_of_each_slice_counts(tmp_path: Path) -> None:
    """PET-CT scanners change slope and intercept from slice to slice."""
    write_ct(tmp_path, VALUES, MATRIX, {2: {"RescaleSlope": "2", "RescaleIntercept": "-2048"}})
    place = MATRIX[:3, :3] @ [4, 3, 2] + MATRIX[:3, 3]
    assert read_ct_series(tmp_path).sample(place[None])[0][0] == pytest.approx(2 * VALUES[4, 3, 2], abs=2e-2)


def moved(slice_number: int, across: float = 0.0, along: float = 0.0) -> dict[int, dict[str, object]]:
    axes = MATRIX[:3, :3] / np.linalg.norm(MATRIX[:3, :3], axis=0)
    place = MATRIX[:3, 3] + slice_number * MATRIX[:3, 2] + across * axes[:, 0] + along * axes[:, 2]
    return {slice_number: {"ImagePositionPatient": [f"{x:.8g}" for x in place]}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({k: {"Modality": "MR"} for k in range(6)}, "no CT slice among 6 DICOM files"),
        ({3: {"SeriesInstanceUID": "1.2.3.8"}}, r"holds 2 CT series \((5 and 1|1 and 5) slices\); leave one"),
        ({3: {"PixelSpacing": ["0.9", "0.5"]}}, r"the slice at \(.*\) mm has another direction or pixel spacing"),
        ({3: {"Rows": 3, "PixelData": b"\0" * 54}}, "has 3 x 9 pixels where the first has 7 x 9"),
        ({3: {"RescaleType": "OD"}}, "RescaleType is OD; Hounsfield units"),
        ({3: {"RescaleSlope": "0"}}, "RescaleSlope or RescaleIntercept is missing or wrong"),
        ({3: {"PixelData": b"\0" * 20}}, "the pixels cannot be read"),
        ({3: {"ImagePositionPatient": None}}, "ImagePositionPatient holds 0 numbers"),
        (moved(3, across=1.0), r"stands \d\.\d\d mm beside the line"),
        (moved(3, along=-1.5), r"two slices lie at \("),
        (moved(5, along=1.0), r"2\.50 mm lie between the slices behind \(.* 1\.50 mm are usual; a slice is missing"),
    ],
)
def test_refused(tmp_path: Path, changes: dict[int, dict[str, object]], words: str) -> None:
    """Slices that make no volume are refused with the place, and nobody's name is told."""
    write_ct(tmp_path, VALUES, MATRIX, changes)
    with pytest.raises(InputError, match=words) as error:
        read_ct_series(tmp_path)
    assert "\n" not in str(error.value)
    assert PATIENT.split("^")[0] not in str(error.value)


def test_no_folder_and_one_slice(tmp_path: Path) -> None:
    """A folder that is not there, an empty one and a single slice are refused."""
    with pytest.raises(InputError, match="no folder"):
        read_ct_series(tmp_path / "absent")
    with pytest.raises(InputError, match="no CT slice among 0"):
        read_ct_series(tmp_path)
    write_ct(tmp_path, VALUES[:, :, :1], MATRIX)
    with pytest.raises(InputError, match="one slice is no volume"):
        read_ct_series(tmp_path)
