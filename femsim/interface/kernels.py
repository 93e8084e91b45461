"""Numba kernels of the contact problem: the traction law in one pass, forces from tractions, a symmetric copy."""

from __future__ import annotations

import numba as nb
import numpy as np

BLOCK = 32
"""Side of the tiles of a transposed copy: two of single precision fit into the fastest cache."""


@nb.njit(cache=True, inline="always")
def _clipped(stiffness, cap, displacement):  # pragma: no cover - compiled
    elastic = stiffness * displacement
    if elastic >= cap:
        return cap, 0.0
    if elastic <= -cap:
        return -cap, 0.0
    return elastic, stiffness


@nb.njit(cache=True)
def screw_bone_response(
    bearing, clearance, bond, bond_cap, axial, axial_cap, circumferential, anchor, jumps, cap
):  # pragma: no cover - compiled
    """Traction (p, 3) and diagonal tangent (p, 3) of :class:`femsim.interface.law.ScrewBoneLaw` at held ``cap``."""
    count = jumps.shape[0]
    traction = np.empty((count, 3))
    tangent = np.empty((count, 3))
    for p in range(count):
        radial = jumps[p, 0]
        pressed = radial - clearance[p]
        if pressed > 0.0:
            traction[p, 0], tangent[p, 0] = bearing[p] * pressed, bearing[p]
        elif radial < 0.0:
            traction[p, 0], tangent[p, 0] = _clipped(bond[p], bond_cap[p], radial)
        else:
            traction[p, 0] = tangent[p, 0] = 0.0
        traction[p, 1], tangent[p, 1] = _clipped(axial[p], axial_cap[p], jumps[p, 1])
        traction[p, 2], tangent[p, 2] = _clipped(circumferential[p], cap[p], jumps[p, 2] - anchor[p])
    return traction, tangent


@nb.njit(cache=True)
def coulomb_cap(bearing, clearance, bond_cap, friction, jumps):  # pragma: no cover - compiled
    """Friction limit (p,) of the circumferential traction."""
    cap = np.empty(jumps.shape[0])
    for p in range(jumps.shape[0]):
        cap[p] = friction * bearing[p] * max(jumps[p, 0] - clearance[p], 0.0) + bond_cap[p]
    return cap


@nb.njit(cache=True)
def first_outside(values, low, high):  # pragma: no cover - compiled
    """Index of the first value that is not finite or not within its limits; -1 when all are."""
    for p in range(values.size):
        if not (np.isfinite(values[p]) and low <= values[p] <= high):
            return p
    return -1


@nb.njit(cache=True)
def patch_forces(traction, tangent, jumps, area, residual, size):  # pragma: no cover - compiled
    """Forces (size,) and tangents (size,) of patches with residual springs; the entries beyond the patches are zero."""
    force = np.zeros(size)
    stiffness = np.zeros(size)
    for p in range(jumps.shape[0]):
        for k in range(3):
            force[3 * p + k] = area[p] * (traction[p, k] + residual * jumps[p, k])
            stiffness[3 * p + k] = area[p] * (tangent[p, k] + residual)
    return force, stiffness


@nb.njit(cache=True)
def fill_upper(matrix):  # pragma: no cover - compiled
    """Copy the lower half of a square matrix onto its upper half, tile by tile."""
    size = matrix.shape[0]
    for start in range(0, size, BLOCK):
        for column in range(0, start + 1, BLOCK):
            for j in range(column, min(column + BLOCK, size)):
                for i in range(max(start, j + 1), min(start + BLOCK, size)):
                    matrix[j, i] = matrix[i, j]
