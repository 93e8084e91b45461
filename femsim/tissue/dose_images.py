"""Read a planned dose in Gy from a VTK (.vti), NRRD or NIfTI image."""

from __future__ import annotations

from pathlib import Path

from femsim.images.formats import read_image
from femsim.tissue.dose_grid import DoseGrid


def read_dose_image(path: str | Path, outside: float | None = None) -> DoseGrid:
    """Read the total dose of one course in Gy.

    Parameters
    ----------
    path : str or Path
        See :func:`femsim.images.formats.read_image`; an array of a VTK image is named ``dose``.
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
    values, matrix = read_image(path, "dose image", "dose")
    return DoseGrid.even(values, matrix, str(path), outside)
