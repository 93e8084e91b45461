"""Plain-NumPy twins of the compiled assembly kernels: slow, memory-hungry, and the reference of the tests."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from femsim.fem.materials import VOIGT, Anisotropy, isotropic_stiffness
from femsim.fem.spaces import Space


def incidence(cells: np.ndarray, n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`femsim.fem.kernels.incidence` returns."""
    order = np.argsort(cells.ravel(), kind="stable")
    pointer = np.searchsorted(cells.ravel()[order], np.arange(n_nodes + 1))
    return pointer, 16 * (order // cells.shape[1]) + order % cells.shape[1]


def neighbours(cells: np.ndarray) -> np.ndarray:
    """Return the node pairs (k, 2) with i < j that share a cell, sorted: what the kernel ``neighbours`` counts."""
    width = cells.shape[1]
    pairs = np.stack([np.repeat(cells, width, axis=1).ravel(), np.tile(cells, (1, width)).ravel()], axis=1)
    return np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)


def upper_structure(cells: np.ndarray, n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (indptr, indices) of the upper half with three unknowns per node: what ``fill_pattern`` writes."""
    pairs = neighbours(cells)
    nodes = np.arange(n_nodes)
    rows, columns = np.r_[pairs[:, 0], nodes], np.r_[pairs[:, 1], nodes]
    blocks = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(n_nodes, n_nodes))
    upper = sp.triu(sp.kron(blocks, np.ones((3, 3))), format="csr")
    upper.sort_indices()
    return upper.indptr, upper.indices


def assemble_stiffness(
    space: Space, young: np.ndarray, poisson: np.ndarray | float, anisotropy: Anisotropy | None = None
) -> sp.csr_matrix:
    """Assemble the upper half as B^T C B with dense element matrices: the twin of both ``fill`` kernels."""
    m, q = space.n_cells, len(space.weights)
    young = np.asarray(young, dtype=float)
    young = np.broadcast_to(young[:, None] if young.ndim == 1 else young, (m, q))
    stiffness = isotropic_stiffness(young, np.broadcast_to(np.asarray(poisson, dtype=float), (m,))[:, None])
    if anisotropy is not None:
        stiffness[anisotropy.cells] = anisotropy.stiffness
    gradient = np.einsum("qak,mkd->mqad", space.barycentric_derivatives(space.barycentric), space.gradients)
    strain = np.zeros((m, q, 6, space.cells.shape[1], 3))  # engineering strain per displacement of node and component
    for row, (i, j) in enumerate(VOIGT):
        strain[:, :, row, :, i] += gradient[..., j]
        if i != j:
            strain[:, :, row, :, j] += gradient[..., i]
    matrix = strain.reshape(m, q, 6, -1)
    stress = (stiffness * space.quadrature_volumes()[..., None, None]) @ matrix
    element = np.einsum("mqrx,mqry->mxy", matrix, stress, optimize=True)
    dofs = (3 * space.cells[:, :, None] + np.arange(3)).reshape(m, -1)
    width = dofs.shape[1]
    rows, columns = np.repeat(dofs, width, axis=1).ravel(), np.tile(dofs, (1, width)).ravel()
    full = sp.coo_matrix((element.ravel(), (rows, columns)), shape=(space.n_dof, space.n_dof))
    return sp.triu(full.tocsr(), format="csr")
