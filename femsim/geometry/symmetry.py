"""The plane of best mirror symmetry of a surface."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from femsim.geometry.surface import Surface

SAMPLES = 5000
"""Points on the surface: about 2 mm apart on a mandible; the plane is an average over them and far sharper."""
COARSE_SAMPLES = 300
CANDIDATES = 80
"""Start normals on the half sphere, about 16 degrees apart, within the catch of the iteration."""
STARTS_REFINED = 16
"""A lost part moves the centre, so the best start need not score best; short refinements tell them apart."""
SHORT_ITERATIONS, ITERATIONS = 12, 40
KEPT_SHARE = 0.8
"""Share of the mirrored points that count: asymmetric parts (a defect, a lost tooth) must not turn the plane."""
SETTLED = 1e-7


def area_samples(surface: Surface, count: int = SAMPLES) -> np.ndarray:
    """Return points spread evenly over a surface, the same on every call; shape (count, 3) [mm]."""
    random = np.random.default_rng(0)
    areas = np.linalg.norm(surface.area_vectors, axis=1)
    chosen = random.choice(len(areas), size=count, p=areas / areas.sum())
    first, second = random.random((2, count, 1))
    fold = first + second > 1
    first, second = np.where(fold, 1 - first, first), np.where(fold, 1 - second, second)
    a, b, c = np.moveaxis(surface.corners[chosen], 1, 0)
    return a + first * (b - a) + second * (c - a)


def symmetry_plane(samples: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Find the plane ``normal . x = offset`` about which points mirror best onto each other.

    Start normals are the principal axes and an even cover of the half sphere; the best are refined by matching each
    mirrored point with its nearest neighbour and solving for the reflection: with pairs (p, q) it is the eigenvector
    of the smallest eigenvalue of the symmetric part of sum (q - q_mean)(p - p_mean)^T.

    Parameters
    ----------
    samples : ndarray, shape (n, 3)
        Points spread over the surface [mm].

    Returns
    -------
    normal : ndarray, shape (3,)
    offset : float
        [mm]
    distance : float
        Trimmed root-mean-square distance of mirrored points from the set [mm].
    """
    tree = cKDTree(samples)
    centre = samples.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((samples - centre).T))
    starts = np.vstack([axes.T, _half_sphere(CANDIDATES)])
    coarse = samples[:: max(1, len(samples) // COARSE_SAMPLES)]
    scores = [_mirror_distance(tree, coarse, normal, normal @ centre) for normal in starts]
    order = np.unique(np.r_[np.argsort(scores)[:STARTS_REFINED], :3])  # the principal axes come first
    short = [_refine(tree, coarse, starts[i], starts[i] @ centre, SHORT_ITERATIONS) for i in order]
    normal, offset, _ = min(short, key=lambda found: found[2])
    return _refine(tree, samples, normal, offset, ITERATIONS)


def _half_sphere(count: int) -> np.ndarray:
    index = np.arange(count) + 0.5
    height = 1 - index / count
    angle = np.pi * (1 + np.sqrt(5)) * index
    radius = np.sqrt(1 - height**2)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), height])


def _mirrored(points: np.ndarray, normal: np.ndarray, offset: float) -> np.ndarray:
    return points - 2 * (points @ normal - offset)[:, None] * normal


def _mirror_distance(tree: cKDTree, points: np.ndarray, normal: np.ndarray, offset: float) -> float:
    distance, _ = tree.query(_mirrored(points, normal, offset))
    kept = np.sort(distance)[: int(KEPT_SHARE * len(distance))]
    return float(np.sqrt(np.mean(kept**2)))


def _refine(
    tree: cKDTree, points: np.ndarray, normal: np.ndarray, offset: float, iterations: int
) -> tuple[np.ndarray, float, float]:
    data = np.asarray(tree.data)
    for _ in range(iterations):
        distance, match = tree.query(_mirrored(points, normal, offset))
        kept = distance <= np.quantile(distance, KEPT_SHARE)
        here, there = points[kept], data[match[kept]]
        cross = (here - here.mean(axis=0)).T @ (there - there.mean(axis=0))
        _, axes = np.linalg.eigh(cross + cross.T)
        found = axes[:, 0] * np.sign(axes[:, 0] @ normal)
        found_offset = float(found @ (here.mean(axis=0) + there.mean(axis=0)) / 2)
        change = np.linalg.norm(found - normal) + abs(found_offset - offset)
        normal, offset = found, found_offset
        if change < SETTLED:
            break
    return normal, offset, _mirror_distance(tree, points, normal, offset)
