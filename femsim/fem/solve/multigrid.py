"""Multigrid preconditioner of displacement problems: quadratic to linear elements, smoothed aggregation, direct solve.

The finest level of a quadratic space is corrected on its linear subspace (vertices), a linear one by smoothed
aggregation with the six rigid motions (pyamg). The last level is factorised. All levels but the last work in single
precision: a preconditioner needs no more, and memory traffic is what a cycle costs.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numba
import numpy as np
import scipy.sparse as sp

from femsim.fem.solve.blocks import BLOCK, BlockUpper, block_upper, multiply_diagonal, thread_bounds

SMOOTHER_DEGREE = 4
"""Matrix products of one smoothing; Chebyshev polynomials keep the cycle symmetric and run on all threads."""

SMOOTHER_RANGE = 20.0
"""Share of the spectrum smoothed: from the largest eigenvalue down to it over this number."""

EIGENVALUE_STEPS = 12
"""Lanczos steps for the largest eigenvalue of D^-1 K; the safety factor covers what they miss."""

EIGENVALUE_SAFETY = 1.1

STRENGTH = 0.05
"""Couplings weaker than this times the diagonals do not aggregate: bone and titanium stay apart, thin bone does not."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the unknowns of a matrix are: what a multigrid method needs beside the matrix.

    Attributes
    ----------
    nodes : (N, 3) array
        Coordinates, mm; unknown ``3 * node + component``.
    edges : (E, 2) int array
        The two vertices of each mid-edge node of a quadratic space; these nodes are the last E. Empty for a linear one.
    """

    nodes: np.ndarray
    edges: np.ndarray = field(default_factory=lambda: np.empty((0, 2), dtype=np.int32))

    @property
    def n_vertices(self) -> int:
        """Nodes that are vertices."""
        return len(self.nodes) - len(self.edges)


class Coarse(Protocol):
    """Solves on the last level, in double precision."""

    def __call__(self, right: np.ndarray) -> np.ndarray:
        """Return K_c^-1 right for (n, k)."""
        ...


class Transfer(Protocol):
    """Interpolation from the next level and its transpose."""

    def up(self, coarse: np.ndarray, fine: np.ndarray) -> None:
        """Add P coarse to fine."""
        ...

    def down(self, fine: np.ndarray) -> np.ndarray:
        """Return P^T fine."""
        ...


class EdgeTransfer:
    """Linear functions in the quadratic space: a mid-edge node moves as the mean of its two vertices."""

    def __init__(self, geometry: Geometry) -> None:
        self._edges = np.ascontiguousarray(geometry.edges, dtype=np.int32)
        self._vertices = geometry.n_vertices
        ends = self._edges.ravel()
        order = np.argsort(ends, kind="stable")
        self._edge_of = (order // 2).astype(np.int32)  # edges of each vertex: a gather runs on all threads
        self._start = np.searchsorted(ends[order], np.arange(self._vertices + 1)).astype(np.int32)

    def up(self, coarse: np.ndarray, fine: np.ndarray) -> None:
        _add_from_vertices(self._edges, self._vertices, coarse, fine)

    def down(self, fine: np.ndarray) -> np.ndarray:
        coarse = np.empty((BLOCK * self._vertices, fine.shape[1]), dtype=fine.dtype)
        _sum_to_vertices(self._start, self._edge_of, self._vertices, fine, coarse)
        return coarse

    def galerkin(self, matrix: BlockUpper) -> BlockUpper:
        """Return P^T K P, the stiffness of the linear subspace."""
        nodes = len(matrix.indptr) - 1
        mids = np.arange(self._vertices, nodes)
        parents = np.empty((nodes, 2), dtype=np.int32)
        parents[: self._vertices] = np.arange(self._vertices)[:, None]
        parents[self._vertices :] = self._edges
        rows = np.concatenate([np.arange(self._vertices), mids, mids])
        columns = np.concatenate([np.arange(self._vertices), self._edges[:, 0], self._edges[:, 1]])
        spread = sp.csr_matrix((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(nodes, self._vertices))
        ones = np.ones(len(matrix.indices), dtype=np.int8)
        graph = sp.csr_matrix((ones, matrix.indices, matrix.indptr), shape=(nodes, nodes))
        pattern = (spread.T @ (graph @ spread).astype(bool)).astype(bool)
        pattern = sp.triu(pattern + pattern.T, format="csr")
        pattern.sort_indices()
        indptr, indices = pattern.indptr.astype(np.int32), pattern.indices.astype(np.int32)
        data = np.zeros((len(indices), BLOCK, BLOCK))
        _galerkin(matrix.indptr, matrix.indices, matrix.data, parents, self._vertices, indptr, indices, data)
        return BlockUpper(indptr, indices, data, thread_bounds(indptr))


class MatrixTransfer:
    """Interpolation given as a sparse matrix."""

    def __init__(self, matrix: sp.spmatrix) -> None:
        self._matrix = sp.csr_matrix(matrix, dtype=np.float32)
        self._transposed = self._matrix.T.tocsr()

    def up(self, coarse: np.ndarray, fine: np.ndarray) -> None:
        fine += self._matrix @ coarse

    def down(self, fine: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(self._transposed @ fine)


class Level:
    """One level: its matrix in single precision, its smoother, and the way to the next."""

    def __init__(self, matrix: BlockUpper, transfer: Transfer) -> None:
        self.matrix = matrix.astype(np.float32)
        self.transfer = transfer
        self._inverse = np.linalg.inv(matrix.diagonal_blocks()).astype(np.float32)
        largest = EIGENVALUE_SAFETY * largest_eigenvalue(self.matrix, self._inverse)
        self._centre = 0.5 * (largest + largest / SMOOTHER_RANGE)
        self._radius = 0.5 * (largest - largest / SMOOTHER_RANGE)

    def smooth(self, right: np.ndarray, start: np.ndarray | None) -> np.ndarray:
        """Return the start (nothing: zero) improved by a Chebyshev polynomial in D^-1 K."""
        residual = right.copy() if start is None else right - self.matrix.multiply(start)
        step = np.empty_like(residual)
        multiply_diagonal(self._inverse, residual, step)
        step /= np.float32(self._centre)
        solution = step.copy() if start is None else start + step
        ratio = self._centre / self._radius
        rho = 1.0 / ratio
        preconditioned = np.empty_like(residual)
        for _ in range(SMOOTHER_DEGREE - 1):
            residual -= self.matrix.multiply(step)
            multiply_diagonal(self._inverse, residual, preconditioned)
            following = 1.0 / (2.0 * ratio - rho)
            step *= np.float32(following * rho)
            preconditioned *= np.float32(2.0 * following / self._radius)
            step += preconditioned
            solution += step
            rho = following
        return solution


class Multigrid:
    """A symmetric positive V-cycle.

    Parameters
    ----------
    upper : csr_matrix (n, n)
        Upper half of the matrix.
    geometry : Geometry
    direct : callable
        Takes the upper half (CSR) of the last level and returns its solve.
    direct_limit : int
        Unknowns up to which a level is given to ``direct``.
    """

    def __init__(
        self,
        matrix: BlockUpper,
        geometry: Geometry,
        direct: Callable[[sp.csr_matrix], Coarse],
        direct_limit: int,
    ) -> None:
        self.levels: list[Level] = []
        self.sizes = [matrix.n]
        modes = rigid_modes(geometry.nodes[: geometry.n_vertices])
        if len(geometry.edges):
            transfer = EdgeTransfer(geometry)
            self.levels.append(Level(matrix, transfer))
            matrix = transfer.galerkin(matrix)
            self.sizes.append(matrix.n)
        if matrix.n > direct_limit:
            found, last = aggregation_levels(matrix, modes, direct_limit)
            for fine, prolongation in found:
                self.levels.append(Level(fine, MatrixTransfer(prolongation)))
                self.sizes.append(prolongation.shape[1])
        else:
            last = upper_csr(matrix)
        self._coarse = direct(last)

    def apply(self, residual: np.ndarray) -> np.ndarray:
        """Return M^-1 residual (n, k), in double precision."""
        size = np.abs(residual).max(axis=0)
        size[size == 0.0] = 1.0  # scaled, so that single precision neither overflows nor loses small columns
        return self._cycle(0, np.ascontiguousarray((residual / size).astype(np.float32))).astype(float) * size

    def _cycle(self, depth: int, right: np.ndarray) -> np.ndarray:
        if depth == len(self.levels):
            return np.ascontiguousarray(self._coarse(right.astype(float)), dtype=np.float32)
        level = self.levels[depth]
        solution = level.smooth(right, None)
        residual = right - level.matrix.multiply(solution)
        level.transfer.up(self._cycle(depth + 1, level.transfer.down(residual)), solution)
        return level.smooth(right, solution)


def rigid_modes(nodes: np.ndarray) -> np.ndarray:
    """Return the six rigid motions (3 N, 6) of nodes (N, 3): translations, then rotations about the mean."""
    x, y, z = (nodes - nodes.mean(axis=0)).T
    modes = np.zeros((len(nodes), 3, 6))
    modes[:, 0, 0] = modes[:, 1, 1] = modes[:, 2, 2] = 1.0
    modes[:, 1, 3], modes[:, 2, 3] = -z, y
    modes[:, 0, 4], modes[:, 2, 4] = z, -x
    modes[:, 0, 5], modes[:, 1, 5] = -y, x
    return modes.reshape(-1, 6)


def largest_eigenvalue(matrix: BlockUpper, inverse: np.ndarray) -> float:
    """Return the largest eigenvalue of D^-1 K by a short Lanczos recurrence; D^-1 K is symmetric in the D product."""
    rng = np.random.default_rng(0)
    vector = rng.standard_normal((matrix.n, 1)).astype(matrix.data.dtype)
    preconditioned = np.empty_like(vector)
    # Conjugate gradients on a random right side: their coefficients are the Lanczos matrix.
    residual = vector
    multiply_diagonal(inverse, residual, preconditioned)
    direction = preconditioned.copy()
    gamma = float(np.vdot(residual, preconditioned))
    diagonal, side = [], []
    alpha, beta = 1.0, 0.0
    for _ in range(min(EIGENVALUE_STEPS, matrix.n)):
        product = matrix.multiply(direction)
        curvature = float(np.vdot(direction, product))
        if not curvature > 0.0:
            break
        previous, alpha = alpha, gamma / curvature
        diagonal.append(1.0 / alpha + beta / previous)
        residual = residual - np.float32(alpha) * product
        multiply_diagonal(inverse, residual, preconditioned)
        following = float(np.vdot(residual, preconditioned))
        if not following > 0.0:
            break
        beta, gamma = following / gamma, following
        side.append(np.sqrt(beta) / alpha)
        direction = preconditioned + np.float32(beta) * direction
    if not diagonal:
        return 1.0
    side = side[: len(diagonal) - 1]
    return float(np.linalg.eigvalsh(np.diag(diagonal) + np.diag(side, 1) + np.diag(side, -1))[-1])


def aggregation_levels(
    matrix: BlockUpper, modes: np.ndarray, direct_limit: int
) -> tuple[list[tuple[BlockUpper, sp.csr_matrix]], sp.csr_matrix]:
    """Return (matrix, interpolation) of each aggregation level, finest first, and the upper half of the last."""
    import pyamg

    full = matrix.to_csr().tobsr((BLOCK, BLOCK))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyamg warns of formats that it converts to itself
        hierarchy = pyamg.smoothed_aggregation_solver(
            full, B=modes, symmetry="symmetric", strength=("symmetric", {"theta": STRENGTH}),
            smooth=("jacobi", {"omega": 4.0 / 3.0, "weighting": "block"}), presmoother=None, postsmoother=None,
            max_coarse=max(direct_limit // BLOCK, 1), improve_candidates=None,
        )  # fmt: skip
    upper = upper_csr(matrix)
    found: list[tuple[BlockUpper, sp.csr_matrix]] = []
    for fine, coarse in itertools.pairwise(hierarchy.levels):
        found.append((matrix if not found else block_upper(upper), sp.csr_matrix(fine.P)))
        upper = _with_held_voids(sp.triu(coarse.A.tocsr(), format="csr"))
    return found, upper


def _with_held_voids(upper: sp.csr_matrix) -> sp.csr_matrix:
    """Hold the modes that an aggregate is too small to have (a lone vertex cannot rotate): they have no stiffness."""
    diagonal = upper.diagonal()
    void = diagonal <= np.finfo(float).eps * diagonal.max()
    upper = sp.csr_matrix(upper + sp.diags(np.where(void, diagonal.max(), 0.0), format="csr"))
    upper.sort_indices()
    return upper


def upper_csr(matrix: BlockUpper) -> sp.csr_matrix:
    """Return the upper half in CSR, as the direct solvers take it."""
    n = matrix.n
    rows = sp.bsr_matrix((matrix.data, matrix.indices, matrix.indptr), shape=(n, n))
    upper = sp.triu(rows.tocsr(), format="csr")
    upper.sort_indices()
    return upper


@numba.njit(cache=True, parallel=True)
def _add_from_vertices(edges, vertices, coarse, fine):  # pragma: no cover - compiled
    half = coarse.dtype.type(0.5)
    for row in numba.prange(3 * vertices):
        for k in range(coarse.shape[1]):
            fine[row, k] += coarse[row, k]
    for e in numba.prange(len(edges)):
        a, b, i = 3 * edges[e, 0], 3 * edges[e, 1], 3 * (vertices + e)
        for r in range(3):
            for k in range(coarse.shape[1]):
                fine[i + r, k] += half * (coarse[a + r, k] + coarse[b + r, k])


@numba.njit(cache=True, parallel=True)
def _sum_to_vertices(start, edge_of, vertices, fine, coarse):  # pragma: no cover - compiled
    half = coarse.dtype.type(0.5)
    for v in numba.prange(vertices):
        for r in range(3):
            for k in range(fine.shape[1]):
                coarse[3 * v + r, k] = fine[3 * v + r, k]
        for position in range(start[v], start[v + 1]):
            i = 3 * (vertices + edge_of[position])
            for r in range(3):
                for k in range(fine.shape[1]):
                    coarse[3 * v + r, k] += half * fine[i + r, k]


@numba.njit(cache=True, inline="always")
def _add_block(indptr, indices, data, row, column, weight, block, transposed):  # pragma: no cover - compiled
    low, high = indptr[row], indptr[row + 1]
    while low < high:
        middle = (low + high) // 2
        if indices[middle] < column:
            low = middle + 1
        else:
            high = middle
    for r in range(3):
        for c in range(3):
            data[low, r, c] += weight * (block[c, r] if transposed else block[r, c])


@numba.njit(cache=True)
def _galerkin(indptr, indices, values, parents, vertices, coarse_indptr, coarse_indices, data):  # pragma: no cover
    for i in range(len(indptr) - 1):
        n_i = 1 if i < vertices else 2
        for slot in range(indptr[i], indptr[i + 1]):
            j = indices[slot]
            n_j = 1 if j < vertices else 2
            weight = 1.0 / (n_i * n_j)
            block = values[slot]
            for p in range(n_i):
                for q in range(n_j):
                    a, b = parents[i, p], parents[j, q]
                    if a < b or (a == b and i == j):
                        _add_block(coarse_indptr, coarse_indices, data, a, b, weight, block, False)
                    elif a > b and i != j:
                        _add_block(coarse_indptr, coarse_indices, data, b, a, weight, block, True)
                    elif a == b:
                        _add_block(coarse_indptr, coarse_indices, data, a, a, weight, block, False)
                        _add_block(coarse_indptr, coarse_indices, data, a, a, weight, block, True)
