"""Sparse stiffness matrices: pattern built once, moduli reassembled in place, symmetric springs added."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from femsim.errors import MeshError
from femsim.fem import kernels
from femsim.fem.materials import Anisotropy
from femsim.fem.spaces import Space

LARGEST_INDEX = 2**31 - 1
"""Entries of a matrix are addressed by 32-bit integers, as the direct solvers want them."""


@dataclass(frozen=True)
class UpperPattern:
    """Upper half (diagonal included) of the sparsity of a space, with what a fill needs.

    Attributes
    ----------
    indptr : (n_dof + 1,) int32 array
    indices : (nnz,) int32 array
        CSR structure; shared, never copied, by every matrix assembled on it.
    pointer, entry, adjacency, slots, bounds, widest
        Node to cell incidence, block-row starts, slot of each node pair, row chunks, longest row.
    """

    indptr: np.ndarray
    indices: np.ndarray
    pointer: np.ndarray
    entry: np.ndarray
    adjacency: np.ndarray
    slots: np.ndarray
    bounds: np.ndarray
    widest: int

    @property
    def nnz(self) -> int:
        return len(self.indices)


def _chunk_bounds(weight: np.ndarray) -> np.ndarray:
    """Split rows into chunks of about equal weight (cumulative, first entry 0)."""
    goals = np.linspace(0, weight[-1], kernels.CHUNKS + 1)
    bounds = np.searchsorted(weight, goals).astype(np.int64)
    bounds[0], bounds[-1] = 0, len(weight) - 1
    return bounds


def upper_pattern(space: Space) -> UpperPattern:
    """Build the sparsity of the upper half once for a space.

    Raises
    ------
    MeshError
        More entries than 32-bit addressing allows, or a node with too many neighbours.
    """
    cells = space.cells
    pointer, entry = kernels.incidence(cells, space.n_nodes)
    bounds = _chunk_bounds(pointer)
    count, buffer = kernels.neighbours(cells, pointer, entry, bounds)
    adjacency = np.zeros(space.n_nodes + 1, dtype=np.int64)
    np.cumsum(count, out=adjacency[1:])
    nnz = 6 * space.n_nodes + 9 * int(adjacency[-1])
    if nnz > LARGEST_INDEX:
        raise MeshError(f"the stiffness matrix would have {nnz} entries; at most {LARGEST_INDEX}: coarsen the mesh")
    widest = int(count.max()) if len(count) else 0
    if widest >= int(kernels.SKIP) - 1:
        raise MeshError(f"a mesh node has {widest} neighbours; at most {int(kernels.SKIP) - 2}: repair the mesh")
    corners = space.n_points
    first_slot = pointer.astype(np.int64) * cells.shape[1]
    first_slot[corners:] = first_slot[corners] + 6 * (pointer[corners:] - pointer[corners]).astype(np.int64)
    slots = np.empty(int(first_slot[-1]), dtype=np.uint16)
    indptr = np.empty(space.n_dof + 1, dtype=np.int32)
    indices = np.empty(nnz, dtype=np.int32)
    kernels.fill_pattern(cells, pointer, entry, adjacency, buffer, bounds, corners, slots, indptr, indices)
    work = adjacency + first_slot  # blocks to write and slots to sum cost about the same
    return UpperPattern(indptr, indices, pointer, entry, adjacency, slots, _chunk_bounds(work), widest)


def assemble_stiffness(
    space: Space,
    pattern: UpperPattern,
    young: np.ndarray | float,
    poisson: np.ndarray | float,
    out: sp.csr_matrix | None = None,
    *,
    anisotropy: Anisotropy | None = None,
) -> sp.csr_matrix:
    """Assemble the stiffness matrix, upper half.

    Parameters
    ----------
    space : Space
    pattern : UpperPattern
        Of the same space.
    young : (m, q) array, (m,) array or float
        Young's modulus at the quadrature points, MPa.
    poisson : (m,) array or float
        Poisson's ratio per cell.
    out : csr_matrix, optional
        Result of an earlier call, overwritten in place: new moduli without new memory.
    anisotropy : Anisotropy, optional
        Cells with a full stiffness; their ``young`` and ``poisson`` are not used.

    Returns
    -------
    csr_matrix (n_dof, n_dof)
        Upper half in N/mm, sorted, int32 indices, every diagonal entry present.
    """
    m, q = space.n_cells, len(space.weights)
    young = np.asarray(young, dtype=float)
    young = np.ascontiguousarray(np.broadcast_to(young[:, None] if young.ndim == 1 else young, (m, q)))
    poisson = np.ascontiguousarray(np.broadcast_to(np.asarray(poisson, dtype=float), (m,)))
    if not (young.min() > 0.0 and np.isfinite(young).all()):
        raise ValueError(f"Young's modulus must be positive and finite, got a minimum of {young.min()} MPa")
    if not (poisson.min() > -1.0 and poisson.max() < 0.5):
        raise ValueError(f"Poisson's ratio must lie in (-1, 0.5), got {poisson.min()} to {poisson.max()}")
    if anisotropy is None:
        anisotropy = Anisotropy(np.empty(0, dtype=np.int64), np.empty((0, q, 6, 6)))
    elif anisotropy.stiffness.shape != (len(anisotropy.cells), q, 6, 6):
        raise ValueError(f"stiffness has shape {anisotropy.stiffness.shape}; (cells, {q}, 6, 6) is wanted")
    matrix = out if out is not None else upper_csr(pattern, np.empty(pattern.nnz), space.n_dof)
    fill = kernels.fill_quadratic if space.degree == 2 else kernels.fill_linear
    fill(
        pattern.pointer, pattern.entry, pattern.adjacency, pattern.slots, pattern.bounds,
        space.n_points, pattern.widest, space.gradients,
        young, 8.0 * space.volumes / (1.0 + poisson), 2.0 * poisson / (1.0 - 2.0 * poisson),
        anisotropy.row_of_cell(m), np.ascontiguousarray(anisotropy.stiffness),
        space.barycentric_derivatives(space.barycentric), space.volumes, space.barycentric, space.weights,
        space.weights[:, None] * space.barycentric, matrix.data,
    )  # fmt: skip
    return matrix


def upper_csr(pattern: UpperPattern, data: np.ndarray, n_dof: int) -> sp.csr_matrix:
    """Wrap data on a pattern without copying or checking it."""
    matrix = sp.csr_matrix((n_dof, n_dof))
    matrix.indptr, matrix.indices, matrix.data = pattern.indptr, pattern.indices, data
    matrix.has_sorted_indices = True
    matrix.has_canonical_format = True
    return matrix


def add_symmetric(upper: sp.csr_matrix, *contributions: sp.spmatrix) -> sp.csr_matrix:
    """Return the upper half plus the upper halves of full symmetric contributions (springs, foundations)."""
    total = upper
    for contribution in contributions:
        total = total + sp.triu(contribution, format="csr")
    total.sort_indices()
    return total


def full_matrix(upper: sp.csr_matrix) -> sp.csr_matrix:
    """Return the full symmetric matrix of an upper half."""
    return (upper + sp.triu(upper, k=1).T).tocsr()


def multiply_upper(upper: sp.csr_matrix, vectors: np.ndarray) -> np.ndarray:
    """Return the product of the full symmetric matrix, given by its upper half, with vectors (n,) or (n, k)."""
    diagonal = upper.diagonal()
    scaled = diagonal * vectors if vectors.ndim == 1 else diagonal[:, None] * vectors
    return upper @ vectors + upper.T @ vectors - scaled


def warm_up(announce: Callable[[str], None] | None = None) -> None:
    """Compile the assembly kernels (cached on disk) outside any timing.

    Parameters
    ----------
    announce : callable, optional
        Called with one sentence before, so that a first run does not look stuck.
    """
    if announce is not None:
        announce("loading the assembly kernels (the first time they are compiled, for half a minute or so)")
    points = np.vstack([np.zeros(3), np.eye(3)])
    for degree in (1, 2):
        space = Space(points, np.array([[0, 1, 2, 3]]), degree)
        assemble_stiffness(space, upper_pattern(space), np.ones(1), 0.3)
