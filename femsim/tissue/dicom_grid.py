"""One RT Dose file as a dose grid: scaling, units, place of every voxel centre (DICOM PS3.3, C.8.8.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from femsim.images.dicom import COSINE_TOLERANCE, Item, big_endian, compressed, placed
from femsim.tissue.dose_grid import DoseGrid

PLANE_TOLERANCE = 1e-2
"""Largest difference [mm] between an absolute offset and the position's z that is rounding."""
BITS = (16, 32)
OFFSET_VECTOR_TAG = 0x3004000C


def dose_grid(file: Item, outside: float | None = None) -> DoseGrid:
    """Return the dose of one file in Gy, in the patient's frame (LPS, mm).

    Values are unsigned pixels times DoseGridScaling; rescale elements are ignored. The position is the centre of the
    first voxel. Planes follow the cross product of the row and column directions when the offsets are relative
    (their first is 0) and are z coordinates when they are absolute (their first is the position's z).

    Raises
    ------
    InputError
        A missing or contradictory element, compressed or cut-off pixels.
    """
    position, row, column, spacing = placed(file)
    shifts = _plane_shifts(file, position, np.cross(row, column))
    values = _pixels(file, len(shifts)) * _scaling(file)
    # Order i along a row, j along a column, k by plane; descending planes are turned round.
    dose = np.ascontiguousarray(values.transpose(2, 1, 0))
    direction = shifts[-1] / np.linalg.norm(shifts[-1])
    places = shifts @ direction
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = row * spacing[1], column * spacing[0], direction
    matrix[:3, 3] = position
    return DoseGrid(dose, matrix, places, file.label, outside)


def _plane_shifts(file: Item, position: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the vector (n, 3) [mm] from the first plane to every plane."""
    pointer = file.numbers("FrameIncrementPointer")
    if len(pointer) and (len(pointer) != 1 or int(pointer[0]) != OFFSET_VECTOR_TAG):
        raise file.wrong("FrameIncrementPointer does not name GridFrameOffsetVector; export the dose again")
    offsets = file.numbers("GridFrameOffsetVector")
    frames = file.whole("NumberOfFrames")
    if len(offsets) < 2 or frames != len(offsets):
        raise file.wrong(
            f"GridFrameOffsetVector holds {len(offsets)} planes and NumberOfFrames is {frames or 'missing'}; the same "
            "number, 2 or more, is needed"
        )
    steps = np.diff(offsets)
    if not (np.all(steps > 0.0) or np.all(steps < 0.0)):
        raise file.wrong("the planes of GridFrameOffsetVector neither ascend nor descend; export the dose again")
    if offsets[0] == 0.0:
        return offsets[:, None] * normal
    if abs(offsets[0] - position[2]) > PLANE_TOLERANCE:
        raise file.wrong(
            f"GridFrameOffsetVector starts at {offsets[0]:g} mm, neither 0 (relative) nor the z of the position, "
            f"{position[2]:g} mm (absolute); export the dose again"
        )
    if abs(abs(normal[2]) - 1.0) > COSINE_TOLERANCE:
        raise file.wrong(
            "GridFrameOffsetVector holds absolute z coordinates but the planes are oblique; export the dose again "
            "with relative offsets"
        )
    return (offsets - offsets[0])[:, None] * np.array([0.0, 0.0, 1.0])


def _scaling(file: Item) -> float:
    units = file.text("DoseUnits").upper()
    if units != "GY":
        raise file.wrong(f"DoseUnits is {units or 'missing'}; only GY can be used, export an absolute dose")
    scaling = file.numbers("DoseGridScaling")
    if len(scaling) != 1 or scaling[0] <= 0.0:
        found = scaling.tolist() if len(scaling) else "missing"
        raise file.wrong(f"DoseGridScaling is {found}; one number of Gy per unit is needed, export the dose again")
    return float(scaling[0])


def _pixels(file: Item, frames: int) -> NDArray[np.float64]:
    if compressed(file):
        raise file.wrong("the pixels are compressed; export the dose uncompressed")
    rows, columns, bits = (file.whole(key) for key in ("Rows", "Columns", "BitsAllocated"))
    if not rows or not columns or rows < 0 or columns < 0:
        raise file.wrong("Rows or Columns is missing; export the dose again")
    if bits not in BITS or file.whole("BitsStored") not in (None, bits):
        raise file.wrong(f"the pixels have {bits} bits of which some are unused; whole 16 or 32 bits are needed")
    if file.whole("PixelRepresentation") != 0 or file.whole("SamplesPerPixel") not in (None, 1):
        raise file.wrong("the pixels are not single unsigned numbers; export an ordinary dose, not a difference")
    raw, needed = file.pixels(), rows * columns * frames * bits // 8
    if not needed <= len(raw) <= needed + 1:  # an odd number of bytes is padded
        raise file.wrong(
            f"the pixels have {len(raw)} bytes where {frames} planes of {rows} x {columns} need {needed}; the file is "
            "cut off or contradicts itself, export it again"
        )
    order = ">" if big_endian(file) else "<"
    stored = np.frombuffer(raw[:needed], dtype=f"{order}u{bits // 8}")
    return stored.astype(np.float64).reshape(frames, rows, columns)
