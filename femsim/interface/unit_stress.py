"""Stress of plate and screws per unit interface force: with it, fatigue needs no model and no factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import orth
from scipy.sparse.csgraph import connected_components

from femsim.errors import InputError
from femsim.fem.assembly import full_matrix
from femsim.fem.model import StaticModel
from femsim.fem.places import StressPlaces
from femsim.fem.solvers import Solver

BATCH = 96
"""Right sides solved together: enough for the solver to stream its factor once, few enough to stay in memory."""


@dataclass(frozen=True, eq=False)
class UnitStress:
    """Averaged stresses of the hardware as a linear function of the interface forces.

    No load acts on plate and screws but through the unknowns of the operator, so their stresses follow from the forces
    of those alone.

    Attributes
    ----------
    matrix : ndarray of float32, shape (6 k, m)
        Stress components at all places [MPa] per interface force [N].
    parts : tuple of str
        Plates and screws, in the order of the rows.
    counts : tuple of int
        Places of every part; they sum to k.
    """

    matrix: np.ndarray
    parts: tuple[str, ...]
    counts: tuple[int, ...]

    def stresses(self, forces: np.ndarray) -> dict[str, np.ndarray]:
        """Stress tensors (n, places, 6) [MPa] of every part under n sets of interface forces (n, m) [N]."""
        every = (self.matrix @ np.asarray(forces, dtype=np.float32).T).T.astype(float).reshape(len(forces), -1, 6)
        ends = np.cumsum(self.counts)
        return dict(zip(self.parts, np.split(every, ends[:-1], axis=1), strict=True))


def unit_stress(
    model: StaticModel, columns: sp.csc_matrix, places: Sequence[StressPlaces], solver: Solver
) -> UnitStress:
    """Solve the hardware, floating, under a unit force of every unknown of the operator.

    A single force is not in balance. Each is completed by the forces of all unknowns on its body that balance it with
    the least sum of squares; under forces that are in balance, as those of an equilibrium are, these cancel.

    Parameters
    ----------
    model : StaticModel
    columns : csc_matrix, shape (n_dof, m)
        Averages that define the unknowns (``Condensation.C``).
    places : sequence of StressPlaces
    solver : Solver

    Raises
    ------
    InputError
        Bone and hardware share nodes, or a load acts on the hardware, so that it does not float.
    """
    space, hardware = model.space, model.mesh.hardware
    nodes = np.unique(space.cells[hardware])
    unknowns = (3 * nodes[:, None] + np.arange(3)).ravel()
    if np.isin(space.cells[~hardware], nodes).any() or model.loads[unknowns].any():
        raise InputError("unit stresses: plate or screws share nodes with the bone or carry a load of their own")
    stiffness = sp.csr_matrix(model.stiffness[unknowns][:, unknowns])
    own = sp.csc_matrix(columns)[unknowns]
    rigid, supports = _rigid_bodies(stiffness, space.nodes[nodes])
    basis = orth(np.asarray(own.T @ rigid))
    factor = solver.factor(sp.csr_matrix(stiffness + sp.triu(supports)))
    read = sp.vstack([place.operator(space, model.young, model.poisson)[:, unknowns] for place in places], format="csr")
    matrix = np.zeros((read.shape[0], own.shape[1]), dtype=np.float32)
    acting = np.flatnonzero(np.diff(own.indptr))  # a bite point has no part in the hardware
    for start in range(0, len(acting), BATCH):
        chosen = acting[start : start + BATCH]
        balanced = own[:, chosen].toarray() - own @ (basis @ basis[chosen].T)
        matrix[:, chosen] = read @ -factor.solve(balanced)
    factor.close()
    return UnitStress(matrix, tuple(one.name for one in places), tuple(len(one.centres) for one in places))


def _rigid_bodies(stiffness: sp.csr_matrix, points: np.ndarray) -> tuple[np.ndarray, sp.csr_matrix]:
    """Rigid motions (n, 6 bodies) of every separate body, and springs that just hold each: forces in balance load none.

    Three springs at one node, two at a second, one at a third are statically determinate.
    """
    pattern = full_matrix(stiffness)[::3][:, ::3]
    count, body = connected_components(pattern, directed=False)
    strength = float(stiffness.diagonal().max())
    motions = np.zeros((3 * len(points), 6 * count))
    blocks: dict[int, np.ndarray] = {}
    for number in range(count):
        own = np.flatnonzero(body == number)
        at = points[own] - points[own].mean(axis=0)
        for axis in range(3):
            motions[3 * own + axis, 6 * number + axis] = 1.0
            turned = np.cross(np.eye(3)[axis], at) / max(float(np.abs(at).max()), 1e-12)
            motions[(3 * own[:, None] + np.arange(3)).ravel(), 6 * number + 3 + axis] = turned.ravel()
        first, second, third = _tripod(at)
        along = at[second] - at[first]
        along /= np.linalg.norm(along)
        normal = np.cross(along, at[third] - at[first])
        normal /= np.linalg.norm(normal)
        blocks[own[first]] = np.eye(3)
        blocks[own[second]] = np.eye(3) - np.outer(along, along)
        blocks[own[third]] = np.outer(normal, normal)
    rows = np.concatenate([np.repeat(3 * node + np.arange(3), 3) for node in blocks])
    cols = np.concatenate([np.tile(3 * node + np.arange(3), 3) for node in blocks])
    values = strength * np.concatenate([block.ravel() for block in blocks.values()])
    springs = sp.csr_matrix((values, (rows, cols)), shape=stiffness.shape)
    return motions, springs


def _tripod(points: np.ndarray) -> tuple[int, int, int]:
    """Three points far apart and not on a line."""
    first = int(np.argmax(np.linalg.norm(points, axis=1)))
    second = int(np.argmax(np.linalg.norm(points - points[first], axis=1)))
    along = points[second] - points[first]
    off = np.cross(points - points[first], along / np.linalg.norm(along))
    return first, second, int(np.argmax(np.linalg.norm(off, axis=1)))
