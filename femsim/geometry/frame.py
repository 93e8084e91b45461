"""The anatomical frame (x left, y posterior, z up, x = 0 on the midline) and its place in a file's coordinates."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations, product

import numpy as np

from femsim.errors import InputError

ORTHOGONALITY_TOLERANCE = 1e-6
"""Largest |R R^T - I| accepted: rotations are built in double precision, so anything more is a wrong matrix."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A rigid change of coordinates between a surface file and the anatomical frame.

    ``anatomical = rotation @ (file - origin)``; the anatomical frame is right-handed with x left, y posterior and
    z up, in millimetres: the axes of DICOM (LPS).

    Attributes
    ----------
    rotation : ndarray, shape (3, 3)
        Proper rotation; its rows are the left, posterior and up directions in file coordinates.
    origin : ndarray, shape (3,)
        File point that becomes the anatomical origin [mm].

    Examples
    --------
    >>> ras = Frame(np.diag([-1.0, -1.0, 1.0]))
    >>> ras.to_anatomical(np.array([10.0, 20.0, 30.0]))
    array([-10., -20.,  30.])
    """

    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))
    origin: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        rotation = np.asarray(self.rotation, dtype=float)
        origin = np.asarray(self.origin, dtype=float)
        if rotation.shape != (3, 3) or origin.shape != (3,):
            raise InputError(
                f"frame: rotation must be 3 x 3 and origin 3 numbers, not {rotation.shape} and {origin.shape}"
            )
        error = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
        if not error < ORTHOGONALITY_TOLERANCE or np.linalg.det(rotation) < 0:
            raise InputError(
                f"frame: the rotation is not proper (determinant {np.linalg.det(rotation):.3g}, deviation from "
                f"orthogonality {error:.2g}, allowed {ORTHOGONALITY_TOLERANCE:g}); mirrored jaws are not accepted"
            )
        object.__setattr__(self, "rotation", rotation)
        object.__setattr__(self, "origin", origin)

    def to_anatomical(self, points: np.ndarray) -> np.ndarray:
        """Map file points, shape (..., 3), to the anatomical frame."""
        return (np.asarray(points, dtype=float) - self.origin) @ self.rotation.T

    def to_file(self, points: np.ndarray) -> np.ndarray:
        """Map anatomical points, shape (..., 3), to the file's coordinates."""
        return np.asarray(points, dtype=float) @ self.rotation + self.origin

    @property
    def angle_from_file_axes(self) -> float:
        """Rotation angle between file axes and anatomical axes [degrees]."""
        return rotation_angle(self.rotation, np.eye(3))


def rotation_angle(first: np.ndarray, second: np.ndarray) -> float:
    """Angle of the rotation that takes one rotation matrix to another [degrees]."""
    cosine = (np.trace(np.asarray(first) @ np.asarray(second).T) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def axis_rotations() -> np.ndarray:
    """Return the 24 proper rotations that permute the axes, identity first; shape (24, 3, 3).

    LPS (identity), RAS (-x, -y, z) and the y-up habits of drawing programs are all among them.
    """
    found = []
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[range(3), order] = signs
            if np.linalg.det(matrix) > 0:
                found.append(matrix)
    return np.array(found)


def snapped_rotation(rotation: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the nearest axis-permuting rotation when it is closer than ``tolerance`` [degrees], else ``rotation``.

    A surface that is already oriented keeps the exact axes of its file, so that points picked in another program
    have the same digits here.
    """
    candidates = axis_rotations()
    angles = [rotation_angle(rotation, candidate) for candidate in candidates]
    best = int(np.argmin(angles))
    return candidates[best] if angles[best] <= tolerance else rotation
