"""Strain and stress recovery at quadrature points, invariants, and averages that do not depend on peak values."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from femsim.fem.materials import Anisotropy, lame
from femsim.fem.spaces import Space

# Stresses and strains are stored as xx, yy, zz, yz, xz, xy; shear strains are tensor components, not doubled.
_FIRST = np.array([0, 1, 2, 1, 0, 0])
_SECOND = np.array([0, 1, 2, 2, 2, 1])
_ENGINEERING = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])


def strain(
    space: Space,
    displacement: np.ndarray,
    cells: np.ndarray | None = None,
    barycentric: np.ndarray | None = None,
) -> np.ndarray:
    """Return the strain tensor, (m, q, 6): xx, yy, zz, yz, xz, xy (not doubled).

    Parameters
    ----------
    space : Space
    displacement : (n_dof,) array
        mm.
    cells : (c,) int array, optional
        Only these cells.
    barycentric : (q, 4) array, optional
        Points of each cell; default the quadrature points, where stresses of quadratic cells are most accurate.
    """
    u = np.asarray(displacement, dtype=float).reshape(-1, 3)
    chosen = slice(None) if cells is None else cells
    derivative = space.barycentric_derivatives(space.barycentric if barycentric is None else barycentric)
    # du_i / d lambda_k at each point, then the chain rule with the constant gradients of the cell.
    slope = np.einsum("qak,mai->mqki", derivative, u[space.cells[chosen]], optimize=True)
    gradient = np.einsum("mqki,mkj->mqij", slope, space.gradients[chosen], optimize=True)
    return 0.5 * (gradient[..., _FIRST, _SECOND] + gradient[..., _SECOND, _FIRST])


def stress(
    strains: np.ndarray,
    young: np.ndarray,
    poisson: np.ndarray | float,
    anisotropy: Anisotropy | None = None,
) -> np.ndarray:
    """Return the stress (m, q, 6) in MPa of strains (m, q, 6).

    Parameters
    ----------
    strains : (m, q, 6) array
        Tensor components.
    young : (m, q) or (m,) array
        MPa.
    poisson : (m,) array or float
    anisotropy : Anisotropy, optional
        Cells with a full stiffness; row k of ``strains`` must then be cell k, at the quadrature points.
    """
    strains = np.asarray(strains, dtype=float)
    young = np.asarray(young, dtype=float)
    young = young[:, None] if young.ndim == 1 else young
    poisson = np.asarray(poisson, dtype=float)
    lam, mu = lame(young, poisson[:, None] if poisson.ndim == 1 else poisson)
    lam, mu = np.broadcast_to(lam, strains.shape[:-1]), np.broadcast_to(mu, strains.shape[:-1])
    result = 2.0 * mu[..., None] * strains
    result[..., :3] += (lam * strains[..., :3].sum(axis=-1))[..., None]
    if anisotropy is not None:
        result[anisotropy.cells] = np.einsum(
            "mqij,mqj->mqi", anisotropy.stiffness, strains[anisotropy.cells] * _ENGINEERING, optimize=True
        )
    return result


def stress_operator(space: Space, cells: np.ndarray, young: np.ndarray, poisson: np.ndarray) -> sp.csr_matrix:
    """Return the matrix (6 c q, n_dof) from a displacement field [mm] to isotropic stresses [MPa] of some cells.

    Row ``6 (q cell + point) + component``; the matrix form of :func:`strain` and :func:`stress`, for many fields.

    Parameters
    ----------
    cells : (c,) int array
    young : (c, q) array
        MPa.
    poisson : (c,) array
    """
    derivative = space.barycentric_derivatives(space.barycentric)
    slope = np.einsum("qak,mkj->mqaj", derivative, space.gradients[cells], optimize=True)
    lam, mu = lame(np.asarray(young, dtype=float), np.asarray(poisson, dtype=float)[:, None])
    count, points, nodes, _ = slope.shape
    entries = np.zeros((count, points, 6, nodes, 3))
    for component, (i, j) in enumerate(zip(_FIRST, _SECOND, strict=True)):
        # sigma_ij = mu (du_i/dx_j + du_j/dx_i) + lam delta_ij div u
        entries[:, :, component, :, i] += mu[..., None] * slope[..., j]
        entries[:, :, component, :, j] += mu[..., None] * slope[..., i]
        if i == j:
            entries[:, :, component] += lam[..., None, None] * slope
    columns = (3 * space.cells[cells].astype(np.int64)[:, :, None] + np.arange(3)).reshape(count, -1)
    wide = np.broadcast_to(columns[:, None, None], (count, points, 6, 3 * nodes))
    start = 3 * nodes * np.arange(count * points * 6 + 1)
    return sp.csr_matrix((entries.ravel(), wide.ravel(), start), shape=(count * points * 6, space.n_dof))


def von_mises(stresses: np.ndarray) -> np.ndarray:
    """Return von Mises' equivalent stress of (..., 6)."""
    xx, yy, zz, yz, xz, xy = np.moveaxis(np.asarray(stresses, dtype=float), -1, 0)
    normal = 0.5 * ((xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2)
    return np.sqrt(normal + 3.0 * (yz**2 + xz**2 + xy**2))


def principal(tensors: np.ndarray) -> np.ndarray:
    """Return the principal values (..., 3), smallest first, of symmetric tensors (..., 6)."""
    tensors = np.asarray(tensors, dtype=float)
    matrix = np.empty((*tensors.shape[:-1], 3, 3))
    matrix[..., _FIRST, _SECOND] = tensors
    matrix[..., _SECOND, _FIRST] = tensors
    return np.linalg.eigvalsh(matrix)


def cell_average(space: Space, values: np.ndarray) -> np.ndarray:
    """Return the mean over each cell of quadrature values (m, q, ...)."""
    return np.einsum("q,mq...->m...", space.weights, values)


def ball_weights(points: np.ndarray, volumes: np.ndarray, centres: np.ndarray, volume: float) -> sp.csr_matrix:
    """Return the averaging (c, n) over the points nearest to each centre that make up ``volume``; rows sum to one.

    Peaks at screw heads are singular and grow with refinement; the mean over a fixed volume converges. The last point
    counts only as far as it is needed, so that the mean is a continuous function of the volume.

    Parameters
    ----------
    points : (n, 3) array
        Quadrature points of one body, mm.
    volumes : (n,) array
        Their volumes, mm3.
    centres : (c, 3) array
    volume : float
        mm3; where the whole body is smaller, its mean is taken.
    """
    wanted = min(len(points), max(8, int(4.0 * volume / volumes.mean())))
    tree = cKDTree(points)
    while True:
        nearest = tree.query(centres, k=np.arange(1, wanted + 1))[1]
        reached = np.cumsum(volumes[nearest], axis=1)
        if wanted == len(points) or reached[:, -1].min() >= volume:
            break
        wanted = min(len(points), 2 * wanted)
    share = np.clip(volume - (reached - volumes[nearest]), 0.0, volumes[nearest])
    share /= share.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(len(centres)), wanted)
    weights = sp.csr_matrix((share.ravel(), (rows, nearest.ravel())), shape=(len(centres), len(points)))
    weights.eliminate_zeros()
    return weights


def near_weights(points: np.ndarray, volumes: np.ndarray, centres: np.ndarray, distance: float) -> sp.csr_matrix:
    """Return the averaging (c, n) over the points within ``distance`` of each centre; rows sum to one.

    Parameters
    ----------
    points : (n, 3) array
        Quadrature points of one body, mm.
    volumes : (n,) array
        Their volumes, mm3.
    centres : (c, 3) array
    distance : float
        mm; the nearest point counts even where it lies farther away.
    """
    tree = cKDTree(points)
    nearest = tree.query(centres)[1]
    within = tree.query_ball_point(centres, distance)
    near = [sorted({*found, int(one)}) for found, one in zip(within, nearest, strict=True)]
    rows = np.repeat(np.arange(len(centres)), [len(found) for found in near])
    columns = np.concatenate(near)
    weights = sp.csr_matrix((volumes[columns], (rows, columns)), shape=(len(centres), len(points)))
    return sp.csr_matrix(sp.diags(1.0 / np.asarray(weights.sum(axis=1)).ravel()) @ weights)


def nodal_average(space: Space, values: np.ndarray) -> np.ndarray:
    """Return volume-weighted means at the vertices, (n_points, ...): for pictures only, it smears interfaces."""
    volumes = space.quadrature_volumes()
    mean = np.einsum("mq,mq...->m...", volumes, values)
    total = np.zeros((space.n_points, *mean.shape[1:]))
    weight = np.zeros(space.n_points)
    for corner in range(4):
        np.add.at(total, space.tets[:, corner], mean)
        np.add.at(weight, space.tets[:, corner], volumes.sum(axis=1))
    return total / weight.reshape(-1, *([1] * (total.ndim - 1)))
