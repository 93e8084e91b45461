"""What a surgeon would ask of each screw: motion, holding force, stiffness. Read from patch states, no solve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from femsim.interface.law import AXIAL, CIRCUMFERENTIAL, RADIAL, Coefficients, InterfaceLaw
from femsim.interface.patches import Patches

PROBE_DIRECTIONS = 16
"""Sideways directions in which lateral stiffness is tried; twice the usual number of sectors."""


def screw_motion(patches: Patches, jumps: np.ndarray, unloaded: np.ndarray | float = 0.0) -> np.ndarray:
    """Median, 95th percentile and maximum of patch motion per screw.

    Parameters
    ----------
    jumps, unloaded : ndarray, shape (p, 3)
        Jumps at peak and valley of a cycle [mm].

    Returns
    -------
    ndarray, shape (n_screws, 3)
        p50, p95, maximum of ``|jumps - unloaded|`` over the patches of each screw [mm]; every patch counts once.
    """
    size = np.linalg.norm(np.asarray(jumps) - unloaded, axis=1)
    return np.array([np.percentile(size[patches.screw == k], [50.0, 95.0, 100.0]) for k in range(patches.n_screws)])


def holding_force(patches: Patches, coefficients: Coefficients) -> np.ndarray:
    """Axial pull-out force of each screw (n_screws,) [N]: the axial traction cap integrated over its patches.

    For a fresh screw this is Chapman's S pi D L TSF plus the bond's share sigma_b B0 (about 3 %).
    """
    return patches.per_screw(patches.area * coefficients.axial_cap)


def axial_stiffness(patches: Patches, coefficients: Coefficients) -> np.ndarray:
    """Force per small axial shift of a rigid screw in rigid bone (n_screws,) [N/mm]."""
    return patches.per_screw(patches.area * coefficients.axial)


def lateral_stiffness(patches: Patches, coefficients: Coefficients, law: InterfaceLaw, probe: float) -> np.ndarray:
    """Secant stiffness of a rigid screw pushed sideways by ``probe`` [mm] in rigid bone, (n_screws,) [N/mm].

    The weakest of all sideways directions: what a driver wiggled by hand would feel. Clearance shows at once, because
    bearing starts only when it is used up; a secant at a fixed shift is defined for a rattling screw too, where the
    tangent at rest would be that of the bond alone. Friction follows the bearing pressure of the same push. Anchors are
    taken at rest, so that a screw's history of slip is not read as force.
    """
    _, first = np.unique(patches.screw, return_index=True)
    frame = patches.directions[first][patches.screw]  # angles count from the screw's first patch
    shift = np.empty((PROBE_DIRECTIONS, patches.n_screws))
    rest = replace(coefficients, anchor=np.zeros_like(coefficients.anchor))
    for row, angle in enumerate(np.arange(PROBE_DIRECTIONS) * 2 * np.pi / PROBE_DIRECTIONS):
        push = np.cos(angle) * frame[:, 0] + np.sin(angle) * frame[:, 2]
        jumps = probe * np.einsum("pij,pj->pi", patches.directions, push)
        jumps[:, AXIAL] = 0.0
        traction, _ = law.response(rest, jumps, law.friction_cap(rest, jumps))
        along = (traction * jumps / probe)[:, [RADIAL, CIRCUMFERENTIAL]].sum(axis=1)
        shift[row] = patches.per_screw(patches.area * along) / probe
    return shift.min(axis=0)
