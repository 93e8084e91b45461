"""Symmetric matrices in 3 x 3 blocks, upper half only, and their product with one or many vectors on every thread."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import scipy.sparse as sp

BLOCK = 3
"""Unknowns of a node."""


@dataclass(frozen=True, eq=False)
class BlockUpper:
    """Upper half of a symmetric matrix in 3 x 3 blocks; half the memory traffic of the full matrix.

    Attributes
    ----------
    indptr, indices : int32 arrays, (N + 1,) and (blocks,)
        Block rows; the first block of each row is its diagonal one, stored full.
    data : (blocks, 3, 3) array, float64 or float32
    bounds : (threads + 1,) int64 array
        Rows of each thread, about equal in blocks.

    Notes
    -----
    Each thread adds into a vector of its own and the vectors are summed in a fixed order: results are the same to the
    bit for a given number of threads.
    """

    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray
    bounds: np.ndarray

    @property
    def n(self) -> int:
        """Unknowns."""
        return BLOCK * (len(self.indptr) - 1)

    def astype(self, dtype: type[np.floating]) -> BlockUpper:
        """Return the same matrix in another precision; the structure is shared."""
        return BlockUpper(self.indptr, self.indices, self.data.astype(dtype), self.bounds)

    def diagonal_blocks(self) -> np.ndarray:
        """Return the diagonal blocks, (N, 3, 3)."""
        return self.data[self.indptr[:-1]]

    def norm_bound(self) -> float:
        """Return the largest absolute row sum, a bound of the 2-norm."""
        return float(_row_sums(self.indptr, self.indices, self.data).max())

    def multiply(self, vectors: np.ndarray) -> np.ndarray:
        """Return K v for vectors (n, k), C-contiguous, in the matrix's precision."""
        result = np.empty_like(vectors)
        work = np.empty((len(self.bounds) - 1, *vectors.shape), dtype=self.data.dtype)
        if vectors.shape[1] == 1:
            _multiply_one(self.indptr, self.indices, self.data, self.bounds, vectors, work, result)
        else:
            _multiply_many(self.indptr, self.indices, self.data, self.bounds, vectors, work, result)
        return result

    def to_csr(self) -> sp.csr_matrix:
        """Return the full matrix: the reference in tests, and what other packages want."""
        n = self.n
        rows = sp.bsr_matrix((self.data, self.indices, self.indptr), shape=(n, n))
        strict = rows.tocsr() - sp.block_diag(self.diagonal_blocks(), format="csr")
        return (rows.tocsr() + strict.T).tocsr()


def block_upper(upper: sp.csr_matrix) -> BlockUpper:
    """Return the blocks of an upper half in CSR with sorted rows, each beginning with its diagonal entry.

    Raises
    ------
    ValueError
        The size is no multiple of three.
    """
    n = upper.shape[0]
    if n % BLOCK:
        raise ValueError(f"{n} unknowns are no multiple of three: this is no matrix of displacements")
    count = np.zeros(n // BLOCK + 1, dtype=np.int64)
    _count_blocks(upper.indptr, upper.indices, count)
    indptr = np.cumsum(count).astype(np.int32)
    indices = np.empty(indptr[-1], dtype=np.int32)
    data = np.zeros((indptr[-1], BLOCK, BLOCK))
    _fill_blocks(upper.indptr, upper.indices, upper.data, indptr, indices, data)
    return BlockUpper(indptr, indices, data, thread_bounds(indptr))


def thread_bounds(indptr: np.ndarray) -> np.ndarray:
    """Split rows among the threads by their number of blocks."""
    threads = numba.get_num_threads()
    bounds = np.searchsorted(indptr, np.linspace(0, indptr[-1], threads + 1)).astype(np.int64)
    bounds[0], bounds[-1] = 0, len(indptr) - 1
    return bounds


@numba.njit(cache=True, inline="always")
def _next_block(indices, position, ends):  # pragma: no cover - compiled
    """Return the smallest block column that any of the three rows still has, or -1."""
    smallest = -1
    for r in range(3):
        if position[r] < ends[r]:
            column = indices[position[r]] // 3
            if smallest < 0 or column < smallest:
                smallest = column
    return smallest


@numba.njit(cache=True, parallel=True)
def _count_blocks(indptr, indices, count):  # pragma: no cover - compiled
    for row in numba.prange(len(count) - 1):
        position, ends = np.empty(3, np.int64), np.empty(3, np.int64)
        for r in range(3):
            position[r], ends[r] = indptr[3 * row + r], indptr[3 * row + r + 1]
        found = 0
        while True:
            column = _next_block(indices, position, ends)
            if column < 0:
                break
            found += 1
            for r in range(3):
                while position[r] < ends[r] and indices[position[r]] // 3 == column:
                    position[r] += 1
        count[row + 1] = found


@numba.njit(cache=True, parallel=True)
def _fill_blocks(indptr, indices, values, pointer, columns, data):  # pragma: no cover - compiled
    for row in numba.prange(len(pointer) - 1):
        position, ends = np.empty(3, np.int64), np.empty(3, np.int64)
        for r in range(3):
            position[r], ends[r] = indptr[3 * row + r], indptr[3 * row + r + 1]
        for slot in range(pointer[row], pointer[row + 1]):
            column = _next_block(indices, position, ends)
            columns[slot] = column
            for r in range(3):
                while position[r] < ends[r] and indices[position[r]] // 3 == column:
                    c = indices[position[r]] - 3 * column
                    data[slot, r, c] = values[position[r]]
                    if column == row:
                        data[slot, c, r] = values[position[r]]
                    position[r] += 1


@numba.njit(cache=True)
def _row_sums(indptr, indices, data):  # pragma: no cover - compiled
    sums = np.zeros(3 * (len(indptr) - 1))
    for row in range(len(indptr) - 1):
        for slot in range(indptr[row], indptr[row + 1]):
            column = indices[slot]
            for r in range(3):
                for c in range(3):
                    size = abs(data[slot, r, c])
                    sums[3 * row + r] += size
                    if column != row:
                        sums[3 * column + c] += size
    return sums


@numba.njit(cache=True, parallel=True, fastmath={"contract"})
def _multiply_one(indptr, indices, data, bounds, x, work, y):  # pragma: no cover - compiled
    threads = len(bounds) - 1
    for t in numba.prange(threads):
        mine = work[t, :, 0]
        mine[3 * bounds[t] :] = 0  # the upper half adds to rows below only
        for row in range(bounds[t], bounds[t + 1]):
            i = 3 * row
            x0, x1, x2 = x[i, 0], x[i + 1, 0], x[i + 2, 0]
            slot = indptr[row]
            a = data[slot]
            s0 = a[0, 0] * x0 + a[0, 1] * x1 + a[0, 2] * x2
            s1 = a[1, 0] * x0 + a[1, 1] * x1 + a[1, 2] * x2
            s2 = a[2, 0] * x0 + a[2, 1] * x1 + a[2, 2] * x2
            for slot in range(indptr[row] + 1, indptr[row + 1]):
                j = 3 * indices[slot]
                a = data[slot]
                z0, z1, z2 = x[j, 0], x[j + 1, 0], x[j + 2, 0]
                s0 += a[0, 0] * z0 + a[0, 1] * z1 + a[0, 2] * z2
                s1 += a[1, 0] * z0 + a[1, 1] * z1 + a[1, 2] * z2
                s2 += a[2, 0] * z0 + a[2, 1] * z1 + a[2, 2] * z2
                mine[j] += a[0, 0] * x0 + a[1, 0] * x1 + a[2, 0] * x2
                mine[j + 1] += a[0, 1] * x0 + a[1, 1] * x1 + a[2, 1] * x2
                mine[j + 2] += a[0, 2] * x0 + a[1, 2] * x1 + a[2, 2] * x2
            mine[i] += s0
            mine[i + 1] += s1
            mine[i + 2] += s2
    for t in numba.prange(threads):
        for row in range(3 * bounds[t], 3 * bounds[t + 1]):
            total = work[t, row, 0]
            for other in range(t):
                total += work[other, row, 0]
            y[row, 0] = total


@numba.njit(cache=True, parallel=True, fastmath={"contract"})
def _multiply_many(indptr, indices, data, bounds, x, work, y):  # pragma: no cover - compiled
    threads = len(bounds) - 1
    width = x.shape[1]
    for t in numba.prange(threads):
        mine = work[t]
        mine[3 * bounds[t] :] = 0
        for row in range(bounds[t], bounds[t + 1]):
            i = 3 * row
            for slot in range(indptr[row], indptr[row + 1]):
                column = indices[slot]
                j = 3 * column
                a = data[slot]
                a00, a01, a02 = a[0, 0], a[0, 1], a[0, 2]
                a10, a11, a12 = a[1, 0], a[1, 1], a[1, 2]
                a20, a21, a22 = a[2, 0], a[2, 1], a[2, 2]
                for k in range(width):
                    z0, z1, z2 = x[j, k], x[j + 1, k], x[j + 2, k]
                    mine[i, k] += a00 * z0 + a01 * z1 + a02 * z2
                    mine[i + 1, k] += a10 * z0 + a11 * z1 + a12 * z2
                    mine[i + 2, k] += a20 * z0 + a21 * z1 + a22 * z2
                if column != row:
                    for k in range(width):
                        x0, x1, x2 = x[i, k], x[i + 1, k], x[i + 2, k]
                        mine[j, k] += a00 * x0 + a10 * x1 + a20 * x2
                        mine[j + 1, k] += a01 * x0 + a11 * x1 + a21 * x2
                        mine[j + 2, k] += a02 * x0 + a12 * x1 + a22 * x2
    for t in numba.prange(threads):
        for row in range(3 * bounds[t], 3 * bounds[t + 1]):
            for k in range(width):
                total = work[t, row, k]
                for other in range(t):
                    total += work[other, row, k]
                y[row, k] = total


@numba.njit(cache=True, parallel=True)
def multiply_diagonal(blocks, vectors, result):  # pragma: no cover - compiled
    """Write the product of a block diagonal (N, 3, 3) with vectors (3 N, k)."""
    for row in numba.prange(len(blocks)):
        a = blocks[row]
        for k in range(vectors.shape[1]):
            x0, x1, x2 = vectors[3 * row, k], vectors[3 * row + 1, k], vectors[3 * row + 2, k]
            for r in range(3):
                result[3 * row + r, k] = a[r, 0] * x0 + a[r, 1] * x1 + a[r, 2] * x2
