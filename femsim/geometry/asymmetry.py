"""Make a symmetric mandible asymmetric: a chin beside the midline, rami of different height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Asymmetry:
    """A smooth change of places in mandibular-plane coordinates (x left, a back, h up).

    The chin moves aside with the whole front of the jaw, less and less towards the rami, which stay. A ramus grows or
    shrinks along its own direction, from its angle to the top of its condyle, half the difference on either side.

    Attributes
    ----------
    chin : float
        How far the chin moves to the left [mm].
    ramus : float
        Height of the left ramus above that of the right [mm].
    corner : float
        a of the meeting point of the lower and posterior tangents [mm].
    direction : ndarray, shape (2,)
        Unit (a, h) along the posterior border, upwards.
    angle, top : float
        Where along it the growth begins and is complete [mm].
    """

    chin: float
    ramus: float
    corner: float
    direction: np.ndarray
    angle: float
    top: float

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Move points (n, 3) [mm]."""
        if self.chin == 0.0 and self.ramus == 0.0:
            return points
        x, a, h = np.asarray(points, dtype=float).T
        x = x + self.chin * _step(1.0 - a / self.corner)
        along = (a - self.corner) * self.direction[0] + h * self.direction[1]
        # Near the midline there is no ramus: the sides pass into each other over the front of the jaw.
        side = np.tanh(points[:, 0] / (0.2 * self.corner))
        grown = 0.5 * self.ramus * side * _step((along - self.angle) / (self.top - self.angle))
        grown *= _step((a / self.corner - 0.35) / 0.45)
        return np.column_stack([x, a + grown * self.direction[0], h + grown * self.direction[1]])


def _step(share: np.ndarray) -> np.ndarray:
    """Smooth step from 0 to 1 over the unit interval."""
    share = np.clip(share, 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)
