"""Read images from VTK (.vti), NRRD and NIfTI files: numbers as stored, places in LPS and mm."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from femsim.errors import InputError
from femsim.images.grid import LEAST_PLANES

SPACE = 3
LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
NRRD_SPACES = {
    "left-posterior-superior": np.eye(4),
    "lps": np.eye(4),
    "right-anterior-superior": LPS_FROM_RAS,
    "ras": LPS_FROM_RAS,
    "left-anterior-superior": np.diag([1.0, -1.0, 1.0, 1.0]),
    "las": np.diag([1.0, -1.0, 1.0, 1.0]),
}
"""Anatomical spaces of NRRD files, turned to LPS (x left, y posterior, z up)."""
MM_PER_UNIT = {"mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "unknown": 1.0, "meter": 1e3, "micron": 1e-3}
"""Length units of NIfTI and NRRD headers (definitions); files that name none are in mm by custom."""


Image = tuple[NDArray[Any], NDArray[np.float64]]
"""Values (ni, nj, nk) and the matrix (4, 4) from voxel numbers to mm."""


def read_image(path: str | Path, what: str, array: str) -> Image:
    """Read one image.

    Parameters
    ----------
    path : str or Path
        ``.vti`` (coordinates as they are), ``.nrrd`` or ``.nhdr`` (space LPS, RAS or LAS), ``.nii`` or ``.nii.gz``
        (RAS). NRRD needs the package pynrrd and NIfTI nibabel: ``pip install "femsim[images]"``.
    what : str
        What the image is, for messages: ``"dose image"``.
    array : str
        Name of the wanted array of a VTK image that holds several.

    Returns
    -------
    values : ndarray, shape (ni, nj, nk)
        As stored, with the file's own scaling applied.
    matrix : ndarray, shape (4, 4)
        Takes voxel numbers to mm in LPS.

    Raises
    ------
    InputError
        Missing, broken or unsuitable file, or an absent package.
    """
    path = Path(path)
    name = str(path)
    if not path.is_file():
        raise InputError(f"{what}: no file {name!r}; give the path of a .vti, .nrrd or .nii image")
    ending = next((end for end in READERS if path.name.lower().endswith(end)), None)
    if ending is None:
        raise InputError(f"{name}: {path.suffix!r} is not a {what} format; allowed are {', '.join(READERS)}")
    try:
        values, matrix = READERS[ending](path, array)
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{name}: the image does not fit into memory; crop it to the jaw") from error
    except Exception as error:  # readers raise whatever their format library raises
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{name}: the image could not be read ({reason}); export it again") from error
    while values.ndim > SPACE and values.shape[-1] == 1:
        values = values[..., 0]
    _check_dimensions(values, path)
    return values, matrix


def _check_dimensions(values: NDArray[Any], path: Path) -> None:
    if values.ndim != SPACE or min(values.shape) < LEAST_PLANES:
        shape = " x ".join(map(str, values.shape))
        raise InputError(f"{path}: the image has {shape} voxels; one volume with two or more along each axis is needed")


def required(package: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional package, or raise :class:`InputError` that says how to install it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        advice = f'install it with: pip install "femsim[{extra}]"'
        raise InputError(f"{purpose} needs the package {package}, which is absent; {advice}") from error


def _read_vti(path: Path, array: str) -> Image:
    if not path.read_bytes().rstrip().endswith(b"</VTKFile>"):
        raise InputError(f"{path}: the file is broken or cut off (no '</VTKFile>' at its end); export it again")
    image = pv.read(path)
    if not isinstance(image, pv.ImageData):
        raise InputError(f"{path}: the file holds no image; write a vtkImageData")
    arrays = {name: image.point_data[name] for name in image.point_data}
    chosen = arrays.get(array, next(iter(arrays.values())) if len(arrays) == 1 else None)
    if chosen is None or np.ndim(chosen) != 1:
        found = ", ".join(arrays) or "none"
        raise InputError(f"{path}: needs one array of numbers at the points, or one named {array!r} (found: {found})")
    # The extent of a cropped image need not start at zero; VTK's matrix counts from the extent's origin.
    low = np.array(image.extent[::2], dtype=float)
    matrix = np.asarray(image.index_to_physical_matrix, dtype=float).copy()
    matrix[:3, 3] += matrix[:3, :3] @ low
    return np.asarray(chosen).reshape(image.dimensions, order="F"), matrix


def _read_nrrd(path: Path, array: str) -> Image:
    nrrd: Any = required("nrrd", "images", "reading NRRD images")
    values, header = nrrd.read(str(path))
    _check_dimensions(values, path)
    directions, origin = header.get("space directions"), header.get("space origin")
    if directions is None or origin is None:
        raise InputError(f"{path}: the header has no 'space directions' and 'space origin'; export it with its place")
    space = str(header.get("space", "lps")).lower()
    if space not in NRRD_SPACES:
        raise InputError(f"{path}: the space {space!r} is not known; allowed are {', '.join(NRRD_SPACES)}")
    scale = np.array([_millimetres(str(unit), path) for unit in header.get("space units", ["mm"] * 3)])
    matrix = np.eye(4)
    matrix[:3, :3] = np.asarray(directions, dtype=float).T * scale[:, None]
    matrix[:3, 3] = np.asarray(origin, dtype=float) * scale
    return np.asarray(values), NRRD_SPACES[space] @ matrix


def _read_nifti(path: Path, array: str) -> Image:
    nibabel: Any = required("nibabel", "images", "reading NIfTI images")
    image = nibabel.load(str(path))
    if int(image.header["sform_code"]) == 0 and int(image.header["qform_code"]) == 0:
        raise InputError(f"{path}: the header does not place the image (sform and qform are 0); export it again")
    scale = _millimetres(image.header.get_xyzt_units()[0], path)
    matrix = np.diag([scale, scale, scale, 1.0]) @ np.asarray(image.affine, dtype=float)
    return np.asanyarray(image.dataobj), LPS_FROM_RAS @ matrix


def _millimetres(unit: str, path: Path) -> float:
    if unit not in MM_PER_UNIT:
        raise InputError(f"{path}: the length unit {unit!r} is not known; allowed are {', '.join(MM_PER_UNIT)}")
    return MM_PER_UNIT[unit]


Reader = Callable[[Path, str], Image]
READERS: dict[str, Reader] = {
    ".vti": _read_vti,
    ".nrrd": _read_nrrd,
    ".nhdr": _read_nrrd,
    ".nii": _read_nifti,
    ".nii.gz": _read_nifti,
}
