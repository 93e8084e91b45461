"""Stress of plate and screws averaged over small volumes at fixed places, as fatigue assessment wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from femsim.fem.spaces import Space
from femsim.fem.stress import ball_weights, near_weights, strain, stress, stress_operator

SPACING = 0.8
"""Places lie about this far apart [mm], inside the 1.24 mm of a 1 mm3 ball, so that no peak falls between them."""


@dataclass(frozen=True, eq=False)
class StressPlaces:
    """Averaging of the stress tensor over balls around places of one part.

    Attributes
    ----------
    name : str
        Plate or screw.
    cells : ndarray of int, shape (c,)
        Cells of the part.
    centres : ndarray, shape (k, 3)
        Places [mm].
    weights : csr_matrix, shape (k, c * q)
        Rows sum to one.
    factors : ndarray, shape (k,)
        Stress in the real section over stress in the meshed one.
    """

    name: str
    cells: np.ndarray
    centres: np.ndarray
    weights: sp.csr_matrix
    factors: np.ndarray

    def average(self, space: Space, displacement: np.ndarray, young: np.ndarray, poisson: np.ndarray) -> np.ndarray:
        """Averaged stress tensors (k, 6) [MPa] of a displacement field (n_dof,) [mm]."""
        strains = strain(space, displacement, self.cells)
        tensors = stress(strains, young[self.cells], poisson[self.cells])
        return self.factors[:, None] * (self.weights @ tensors.reshape(-1, 6))

    def operator(self, space: Space, young: np.ndarray, poisson: np.ndarray) -> sp.csr_matrix:
        """Matrix (6 k, n_dof) that takes a displacement field [mm] to what :meth:`average` gives, row by row."""
        rows = stress_operator(space, self.cells, young[self.cells], poisson[self.cells])
        averaging = sp.diags(self.factors) @ self.weights
        return sp.csr_matrix(sp.kron(averaging, sp.eye(6), format="csr") @ rows)


def stress_places(
    space: Space,
    parts: Mapping[str, np.ndarray],
    *,
    volume: float,
    distance: float = 0.0,
    factors: Mapping[str, Callable[[np.ndarray], np.ndarray]] | None = None,
) -> tuple[StressPlaces, ...]:
    """Spread places over parts and prepare their averages.

    Parameters
    ----------
    space : Space
    parts : mapping of str to ndarray of int
        Cells of every part.
    volume : float
        Volume to average over [mm3]; a peak at a sharp corner is singular, its average over a volume is not.
    distance : float
        Average within this distance of a place instead [mm], where it is not zero.
    factors : mapping of str to callable, optional
        Places (k, 3) to stress factors (k,) of a part whose real section is smaller than the meshed one.
    """
    points, volumes = space.quadrature_points(), space.quadrature_volumes()
    made = []
    for name, cells in parts.items():
        own, weight = points[cells].reshape(-1, 3), volumes[cells].ravel()
        centres = _thinned(points[cells].mean(axis=1))
        factor = factors[name](centres) if factors and name in factors else np.ones(len(centres))
        if distance > 0.0:
            averaging = near_weights(own, weight, centres, distance)
        else:
            averaging = ball_weights(own, weight, centres, volume)
        made.append(StressPlaces(name, cells, centres, averaging, factor))
    return tuple(made)


def average_stresses(
    places: Sequence[StressPlaces], space: Space, displacement: np.ndarray, young: np.ndarray, poisson: np.ndarray
) -> dict[str, np.ndarray]:
    """Averaged stress tensors (k, 6) [MPa] of every part."""
    return {place.name: place.average(space, displacement, young, poisson) for place in places}


def _thinned(points: np.ndarray) -> np.ndarray:
    """One point per cube of side ``SPACING``: the first met."""
    cube = np.floor((points - points.min(axis=0)) / SPACING).astype(np.int64)
    _, first = np.unique(cube, axis=0, return_index=True)
    return points[np.sort(first)]
