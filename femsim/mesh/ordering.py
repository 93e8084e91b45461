"""Numbering along a space-filling curve, so that neighbours in space are neighbours in memory."""

from __future__ import annotations

import numpy as np

# Bits per axis of the curve: cells of a hundredth of a millimetre on a jaw.
BITS = 14


def locality_order(points: np.ndarray) -> np.ndarray:
    """Permutation that sorts points, shape (n, 3), along a Morton curve."""
    low = points.min(axis=0)
    extent = max(float(np.ptp(points, axis=0).max()), np.finfo(float).tiny)
    cells = ((points - low) / extent * (2**BITS - 1)).astype(np.int64)
    code = np.zeros(len(points), dtype=np.int64)
    for bit in range(BITS):
        for axis in range(3):
            code |= (cells[:, axis] >> bit & 1) << (3 * bit + axis)
    return np.argsort(code, kind="stable")


def renumbered(points: np.ndarray, tets: np.ndarray, region: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points and tetrahedra (with their regions) sorted along a Morton curve."""
    order = locality_order(points)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    cells = locality_order(points[tets].mean(axis=1))
    return points[order], rank[tets[cells]], region[cells]
