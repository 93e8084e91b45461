"""Read a planned dose in Gy from a VTK (.vti), NRRD or NIfTI image."""

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
from femsim.tissue.dose_grid import DoseGrid

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


def read_dose_image(path: str | Path, outside: float | None = None) -> DoseGrid:
    """Read the total dose of one course in Gy.

    Parameters
    ----------
    path : str or Path
        ``.vti`` (coordinates as they are), ``.nrrd`` or ``.nhdr`` (space LPS, RAS or LAS), ``.nii`` or ``.nii.gz``
        (RAS). NRRD needs the package pynrrd and NIfTI nibabel: ``pip install "femsim[images]"``.
    outside : float, optional
        Dose outside the image, Gy; without it points outside are refused.

    Returns
    -------
    DoseGrid
        In mm, LPS.

    Raises
    ------
    InputError
        Missing, broken or unsuitable file, or an absent package.
    """
    path = Path(path)
    name = str(path)
    if not path.is_file():
        raise InputError(f"dose image: no file {name!r}; give the path of a .vti, .nrrd or .nii image in Gy")
    ending = next((end for end in READERS if path.name.lower().endswith(end)), None)
    if ending is None:
        raise InputError(f"{name}: {path.suffix!r} is not a dose image format; allowed are {', '.join(READERS)}")
    try:
        values, matrix = READERS[ending](path)
    except InputError:
        raise
    except Exception as error:  # readers raise whatever their format library raises
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{name}: the image could not be read ({reason}); export it again") from error
    return DoseGrid.even(values, matrix, name, outside)


def required(package: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional package, or raise :class:`InputError` that says how to install it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        advice = f'install it with: pip install "femsim[{extra}]"'
        raise InputError(f"{purpose} needs the package {package}, which is absent; {advice}") from error


def _read_vti(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not path.read_bytes().rstrip().endswith(b"</VTKFile>"):
        raise InputError(f"{path}: the file is broken or cut off (no '</VTKFile>' at its end); export it again")
    image = pv.read(path)
    if not isinstance(image, pv.ImageData):
        raise InputError(f"{path}: the file holds no image; write a vtkImageData with the dose in Gy")
    arrays = {name: image.point_data[name] for name in image.point_data}
    chosen = arrays.get("dose", next(iter(arrays.values())) if len(arrays) == 1 else None)
    if chosen is None or np.ndim(chosen) != 1:
        found = ", ".join(arrays) or "none"
        raise InputError(f"{path}: needs one array of numbers at the points, or one named 'dose' (found: {found})")
    # The extent of a cropped image need not start at zero; VTK's matrix counts from the extent's origin.
    low = np.array(image.extent[::2], dtype=float)
    matrix = np.asarray(image.index_to_physical_matrix, dtype=float).copy()
    matrix[:3, 3] += matrix[:3, :3] @ low
    return np.asarray(chosen, dtype=float).reshape(image.dimensions, order="F"), matrix


def _read_nrrd(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nrrd: Any = required("nrrd", "images", "reading NRRD images")
    values, header = nrrd.read(str(path))
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
    return np.asarray(values, dtype=float), NRRD_SPACES[space] @ matrix


def _read_nifti(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nibabel: Any = required("nibabel", "images", "reading NIfTI images")
    image = nibabel.load(str(path))
    if int(image.header["sform_code"]) == 0 and int(image.header["qform_code"]) == 0:
        raise InputError(f"{path}: the header does not place the image (sform and qform are 0); export it again")
    scale = _millimetres(image.header.get_xyzt_units()[0], path)
    matrix = np.diag([scale, scale, scale, 1.0]) @ np.asarray(image.affine, dtype=float)
    return np.asarray(image.get_fdata(), dtype=float), LPS_FROM_RAS @ matrix


def _millimetres(unit: str, path: Path) -> float:
    if unit not in MM_PER_UNIT:
        raise InputError(f"{path}: the length unit {unit!r} is not known; allowed are {', '.join(MM_PER_UNIT)}")
    return MM_PER_UNIT[unit]


Reader = Callable[[Path], tuple[NDArray[np.float64], NDArray[np.float64]]]
READERS: dict[str, Reader] = {
    ".vti": _read_vti,
    ".nrrd": _read_nrrd,
    ".nhdr": _read_nrrd,
    ".nii": _read_nifti,
    ".nii.gz": _read_nifti,
}
