"""A mandible ready for planning: surface and landmarks in the anatomical frame, from a file or from parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from femsim.geometry.frame import Frame
from femsim.geometry.labelled import label_surface
from femsim.geometry.landmarks import JawLimits, Landmarks, find_landmarks
from femsim.geometry.parametric import MandibleShape, mandible_surface
from femsim.geometry.repair import repaired
from femsim.geometry.surface import Surface, read_triangles


@dataclass(frozen=True, eq=False)
class Jaw:
    """A mandible in the anatomical frame (x left, y posterior, z up, x = 0 on the midline).

    Attributes
    ----------
    surface : Surface
        Closed, facing outwards [mm].
    landmarks : Landmarks
    frame : Frame
        Its place in the coordinates of the file; identity for a parametric jaw.
    name : str
        For messages and reports.
    parametric : bool
    shape : MandibleShape or None
        What a parametric jaw was built from.
    notices : tuple of str
        What was repaired or left out on the way here.
    """

    surface: Surface
    landmarks: Landmarks
    frame: Frame
    name: str
    parametric: bool
    shape: MandibleShape | None = None
    notices: tuple[str, ...] = ()


def jaw_from_surface(
    path: str | Path,
    landmarks: Mapping[str, np.ndarray] | None = None,
    limits: JawLimits | None = None,
) -> Jaw:
    """Read a mandible surface in any orientation and bring it into the anatomical frame.

    Parameters
    ----------
    path : str or Path
        STL, OBJ, PLY or VTP in millimetres.
    landmarks : mapping of str to (3,) array, optional
        Landmarks picked by the user, in file coordinates; any subset.
    limits : JawLimits, optional
        Plausible measures; from the parameter card when not given.

    Raises
    ------
    InputError, GeometryError
        No such file, a surface that cannot be repaired, several bodies, or not a mandible.
    """
    surface, notices = repaired(read_triangles(path), str(path))
    return _placed_jaw(surface, Path(path).stem, str(path), landmarks, limits, notices)


def jaw_from_labels(
    path: str | Path,
    value: int,
    landmarks: Mapping[str, np.ndarray] | None = None,
    limits: JawLimits | None = None,
) -> Jaw:
    """Make a mandible from one label of a segmented image in any orientation.

    Parameters
    ----------
    path : str or Path
        NIfTI, NRRD or VTK image.
    value : int
        The jaw's label.
    landmarks, limits
        As for :func:`jaw_from_surface`; points in LPS.

    Raises
    ------
    InputError, GeometryError
        A file that cannot be read, no such label, a label that is no whole mandible.
    """
    surface, notices = label_surface(path, value)
    return _placed_jaw(surface, Path(path).name.split(".")[0], str(path), landmarks, limits, notices)


def _placed_jaw(
    surface: Surface,
    name: str,
    label: str,
    landmarks: Mapping[str, np.ndarray] | None = None,
    limits: JawLimits | None = None,
    notices: tuple[str, ...] = (),
) -> Jaw:
    """Find the landmarks and change frames; ``name`` is the jaw's in reports, ``label`` its file's in messages."""
    frame, found = find_landmarks(surface, landmarks, limits, name=label)
    placed = surface.transformed(frame.rotation, -frame.rotation @ frame.origin)
    return Jaw(placed, found, frame, name, parametric=False, notices=notices)


def parametric_jaw(shape: MandibleShape | None = None) -> Jaw:
    """Build a mandible from morphometrics (adult defaults when ``shape`` is not given)."""
    shape = shape or MandibleShape.default()
    surface, points = mandible_surface(shape)
    return Jaw(surface, Landmarks(points), Frame(), "parametric mandible", parametric=True, shape=shape)
