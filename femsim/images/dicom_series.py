"""One CT series from a folder of DICOM slices, in Hounsfield units (DICOM PS3.3, C.8.2)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from femsim.errors import InputError
from femsim.images.dicom import Item, compressed, is_dicom, open_file, placed
from femsim.images.grid import VoxelGrid, place_of

PLACE_TOLERANCE = 0.05
"""Slices may stand so far beside the line through the others [mm], and turned by so much between them: rounding."""
LARGEST_STEP = 1.5
"""A step between slices beyond this multiple of the usual one is a lost slice."""
SORTING = ["Modality", "SeriesInstanceUID"]


def read_ct_series(folder: str | Path) -> VoxelGrid:
    """Read the slices of the only CT series in a folder and the folders below it.

    Returns
    -------
    VoxelGrid
        Hounsfield units, 4-byte numbers, in the patient's frame (LPS, mm).

    Raises
    ------
    InputError
        No such folder, none or several series, slices that do not fit together, pydicom absent.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise InputError(f"CT: no folder {str(root)!r}; give the folder with the slices of one CT series")
    name = f"CT folder {root.name!r}"
    slices = [_Slice.read(path, label) for path, label in _only_series(root, name)]
    if len(slices) < 2:
        raise InputError(f"{name}: one slice is no volume; give the folder with all slices of the series")
    first = slices[0]
    normal = np.cross(first.row, first.column)
    slices.sort(key=lambda one: float(one.position @ normal))
    for one in slices[1:]:
        _check_alike(one, first)
    positions = np.array([one.position for one in slices])
    direction, places = _line(positions, normal, name)
    # A slice is stored row by row; the grid counts along a row first, then from row to row.
    values = np.stack([one.values.T for one in slices], axis=2)
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1] = first.row * first.spacing[1], first.column * first.spacing[0]
    matrix[:3, 2], matrix[:3, 3] = direction, positions[0]
    return VoxelGrid(values, matrix, places, name)


def _only_series(root: Path, name: str) -> list[tuple[Path, str]]:
    paths = [path for path in sorted(one for one in root.rglob("*") if one.is_file()) if is_dicom(path)]
    found: list[tuple[Path, str, str]] = []
    for number, path in enumerate(paths, start=1):
        label = f"{name}, file {number} of {len(paths)} by name"
        head = open_file(path, label, only=SORTING)
        if head.text("Modality") == "CT":
            found.append((path, label, head.text("SeriesInstanceUID")))
    series = Counter(uid for _, _, uid in found)
    if not series:
        raise InputError(f"{name}: no CT slice among {len(paths)} DICOM files; give the folder with one CT series")
    if len(series) > 1:
        counts = " and ".join(str(count) for count in series.values())
        raise InputError(f"{name}: holds {len(series)} CT series ({counts} slices); leave one of them in the folder")
    return [(path, label) for path, label, _ in found]


class _Slice:
    """Place and Hounsfield units of one file."""

    def __init__(self, file: Item, values: NDArray[np.float32]) -> None:
        self.file, self.values = file, values
        self.position, self.row, self.column, self.spacing = placed(file)

    @classmethod
    def read(cls, path: Path, label: str) -> _Slice:
        file = open_file(path, label)
        if compressed(file):
            raise file.wrong("the pixels are compressed; export the series uncompressed")
        unit = file.text("RescaleType").upper()
        if unit not in ("", "HU"):
            raise file.wrong(f"RescaleType is {unit}; Hounsfield units (HU) are needed, export the CT and no map of it")
        factors = [file.numbers(key) for key in ("RescaleSlope", "RescaleIntercept")]
        if any(len(found) != 1 for found in factors) or factors[0][0] <= 0.0:
            raise file.wrong("RescaleSlope or RescaleIntercept is missing or wrong; export the CT again")
        (slope,), (intercept,) = factors
        stored = file.pixel_array()
        if stored.ndim != 2:
            raise file.wrong(f"holds {stored.shape[0]} frames; export the series as one file for each slice")
        return cls(file, (stored * np.float32(slope) + np.float32(intercept)).astype(np.float32))


def _check_alike(one: _Slice, first: _Slice) -> None:
    if one.values.shape != first.values.shape:
        raise one.file.wrong(
            f"the slice has {one.values.shape[0]} x {one.values.shape[1]} pixels where the first has "
            f"{first.values.shape[0]} x {first.values.shape[1]}; leave one series in the folder"
        )
    turned = max(float(np.abs(a - b).max()) for a, b in ((one.row, first.row), (one.column, first.column)))
    # Over a jaw of 100 mm a turn of half a thousandth shifts a slice by the tolerance.
    if turned > PLACE_TOLERANCE / 100.0 or not np.allclose(one.spacing, first.spacing, rtol=PLACE_TOLERANCE / 100.0):
        raise one.file.wrong(
            f"the slice at {place_of(one.position)} mm has another direction or pixel spacing than the first; leave "
            "one series in the folder"
        )


def _line(
    positions: NDArray[np.float64], normal: NDArray[np.float64], name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the direction (3,) from slice to slice and the place (n,) of each along it [mm]."""
    shifts = positions - positions[0]
    direction = shifts[-1] / max(float(np.linalg.norm(shifts[-1])), 1e-9)
    places = shifts @ direction
    beside = np.linalg.norm(shifts - places[:, None] * direction, axis=1)
    if beside.max() > PLACE_TOLERANCE:
        raise InputError(
            f"{name}: the slice at {place_of(positions[beside.argmax()])} mm stands {beside.max():.2f} mm beside the "
            "line through the others; leave one series in the folder"
        )
    steps = np.diff(places)
    usual = float(np.median(steps))
    if steps.min() < PLACE_TOLERANCE:
        raise InputError(f"{name}: two slices lie at {place_of(positions[steps.argmin()])} mm; leave one of them")
    if steps.max() > LARGEST_STEP * usual:
        raise InputError(
            f"{name}: {steps.max():.2f} mm lie between the slices behind {place_of(positions[steps.argmax()])} mm "
            f"where {usual:.2f} mm are usual; a slice is missing, export the whole series"
        )
    if abs(direction @ normal) < 0.5:
        raise InputError(f"{name}: the slices do not follow one another across their planes; export the series again")
    return direction, places
