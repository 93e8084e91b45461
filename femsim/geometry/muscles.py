"""Masticatory muscles: full forces, activation patterns, and their attachments carried over to another jaw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import RBFInterpolator

from femsim.errors import InputError
from femsim.parameters import ParameterSet

NAMES = {
    "SM": "superficial masseter",
    "DM": "deep masseter",
    "MP": "medial pterygoid",
    "AT": "anterior temporalis",
    "MT": "middle temporalis",
    "PT": "posterior temporalis",
    "ILP": "inferior lateral pterygoid",
    "SLP": "superior lateral pterygoid",
}

SIDES = {"left": 1.0, "right": -1.0}

PATTERNS = {
    "INC": ("incisal", {"left": 0, "right": 1}),
    "ICP": ("intercuspal", {"left": 0, "right": 1}),
    "LMOL": ("unilateral", {"left": 0, "right": 1}),
    "RMOL": ("unilateral", {"left": 1, "right": 0}),
}
"""Pattern name to card key and to the entry (0 working, 1 balancing) that each side takes."""

REFERENCE = ("condyle", "first_molar", "coronoid", "incisor")
"""Landmarks known on the reference jaw; all but the incisor on both sides."""


@dataclass(frozen=True, eq=False)
class Muscle:
    """One muscle of one side on one jaw.

    Attributes
    ----------
    code, side : str
        ``SM``, ... and ``left`` or ``right``.
    point : ndarray, shape (3,)
        Mandibular attachment [mm].
    direction : ndarray, shape (3,)
        Unit direction from mandible to skull.
    force : float
        Full force [N].
    radius : float
        Patch radius [mm].
    """

    code: str
    side: str
    point: np.ndarray
    direction: np.ndarray
    force: float
    radius: float

    @property
    def name(self) -> str:
        """Name of the load site, for example ``SM_left``."""
        return f"{self.code}_{self.side}"


def reference_muscles(parameters: ParameterSet) -> tuple[Muscle, ...]:
    """All muscles of both sides on the reference jaw."""
    muscles = []
    for side, sign in SIDES.items():
        mirror = np.array([sign, 1.0, 1.0])
        for code in NAMES:
            start = parameters.vector(f"muscles.{code}.mandible") * mirror
            line = parameters.vector(f"muscles.{code}.skull") * mirror - start
            muscles.append(
                Muscle(
                    code=code,
                    side=side,
                    point=start,
                    direction=line / np.linalg.norm(line),
                    force=parameters[f"muscles.{code}.force"],
                    radius=parameters[f"muscles.{code}.radius"],
                )
            )
    return tuple(muscles)


def mapped_muscles(parameters: ParameterSet, landmarks: Mapping[str, np.ndarray]) -> tuple[Muscle, ...]:
    """Carry the muscles over to a jaw by its landmarks.

    A similarity (rotation, scale, shift) is fitted to condyles, first molars, coronoids and incisor; what is left at
    the landmarks is spread smoothly. Attachments move with both, lines of action turn with the similarity only.

    Parameters
    ----------
    parameters : ParameterSet
        Card ``muscles``.
    landmarks : mapping of str to (3,)
        On the new jaw [mm].

    Returns
    -------
    tuple of Muscle
        Points are near the new bone, not yet on it.
    """
    source, target = [], []
    for name in REFERENCE:
        point = parameters.vector(f"muscles.reference.{name}")
        for side, sign in SIDES.items():
            key = name if name == "incisor" else f"{name}_{side}"
            if name == "incisor" and side == "right":
                continue
            if key not in landmarks:
                raise InputError(f"muscles: the jaw has no landmark {key!r}, which places the attachments; give it")
            source.append(point * np.array([sign, 1.0, 1.0]))
            target.append(np.asarray(landmarks[key], dtype=float))
    x, y = np.array(source), np.array(target)
    scale, rotation, shift = similarity(x, y)
    residual = RBFInterpolator(
        x,
        y - (scale * x @ rotation.T + shift),
        kernel="linear",
        degree=0,
        smoothing=parameters["muscles.mapping_smoothing"],
    )
    muscles = []
    for muscle in reference_muscles(parameters):
        point = scale * rotation @ muscle.point + shift + residual(muscle.point[None])[0]
        muscles.append(
            Muscle(muscle.code, muscle.side, point, rotation @ muscle.direction, muscle.force, muscle.radius)
        )
    return tuple(muscles)


def similarity(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Least-squares scale, proper rotation and shift with ``target = scale R source + shift`` (Umeyama 1991).

    Parameters
    ----------
    source, target : ndarray, shape (n, 3)
    """
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    u, sigma, vt = np.linalg.svd(b.T @ a)
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ sign @ vt
    scale = float(np.trace(np.diag(sigma) @ sign) / np.sum(a**2))
    return scale, rotation, target.mean(axis=0) - scale * rotation @ source.mean(axis=0)


def activation_patterns(parameters: ParameterSet) -> dict[str, dict[str, float]]:
    """Activation of every muscle (``SM_left``, ...) for INC, ICP, LMOL and RMOL, as fractions of full force."""
    return {
        pattern: {
            f"{code}_{side}": float(parameters.vector(f"muscles.{code}.{key}")[entry])
            for side, entry in entries.items()
            for code in NAMES
        }
        for pattern, (key, entries) in PATTERNS.items()
    }
