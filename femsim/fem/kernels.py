"""Numba kernels of the stiffness matrix: sparsity pattern and in-place fill by row gather, free of races."""

from __future__ import annotations

import numba as nb
import numpy as np

SKIP = np.uint16(65535)
"""Slot of a node pair that belongs to the row of its other node (upper half only)."""

CHUNKS = 64
"""Row chunks handed to threads; fixed, and rows never share data, so results do not depend on the thread count."""

# Contraction to fused multiply-add changes no result between thread counts; reassociation would not either, but is
# left out so that a row is always summed in the order of its cells.
_FAST = {"contract", "nsz"}


@nb.njit(cache=True)
def incidence(cells, n_nodes):  # pragma: no cover - compiled
    """Return (pointer (N+1,), entry (k*m,)): for each node its cells, coded ``16 * cell + local number``."""
    pointer = np.zeros(n_nodes + 1, dtype=np.int32)
    for e in range(cells.shape[0]):
        for a in range(cells.shape[1]):
            pointer[cells[e, a] + 1] += 1
    for i in range(n_nodes):
        pointer[i + 1] += pointer[i]
    cursor = pointer[:-1].copy()
    entry = np.empty(cells.size, dtype=np.int32)
    for e in range(cells.shape[0]):
        for a in range(cells.shape[1]):
            i = cells[e, a]
            entry[cursor[i]] = 16 * e + a
            cursor[i] += 1
    return pointer, entry


@nb.njit(cache=True, parallel=True)
def neighbours(cells, pointer, entry, bounds):  # pragma: no cover - compiled
    """Return (count (N,), buffer): sorted neighbours j > i of node i start at ``(k-1) * pointer[i]`` of the buffer."""
    n_nodes = pointer.size - 1
    width = cells.shape[1] - 1
    count = np.zeros(n_nodes, dtype=np.int32)
    buffer = np.empty(width * entry.size, dtype=np.int32)
    for chunk in nb.prange(bounds.size - 1):
        seen = np.full(n_nodes, -1, dtype=np.int32)
        for i in range(bounds[chunk], bounds[chunk + 1]):
            start = width * pointer[i]
            n = 0
            for t in range(pointer[i], pointer[i + 1]):
                e = entry[t] >> 4
                for b in range(width + 1):
                    j = cells[e, b]
                    if j > i and seen[j] != i:
                        seen[j] = i
                        k = start + n  # insertion sort: rows are short
                        while k > start and buffer[k - 1] > j:
                            buffer[k] = buffer[k - 1]
                            k -= 1
                        buffer[k] = j
                        n += 1
            count[i] = n
    return count, buffer


@nb.njit(cache=True, parallel=True)
def fill_pattern(cells, pointer, entry, adjacency, buffer, bounds, corners, slots, indptr, indices):  # pragma: no cover
    """Write CSR rows of the upper half and the slot of every node pair.

    ``slots`` has k entries per vertex incidence; incidences of mid-edge nodes hold only the six mid-edge columns,
    because vertices are numbered first and their columns lie in the lower half.
    """
    n_nodes = pointer.size - 1
    width = cells.shape[1]
    head = pointer[corners]
    for chunk in nb.prange(bounds.size - 1):
        where = np.empty(n_nodes, dtype=np.uint16)
        for i in range(bounds[chunk], bounds[chunk + 1]):
            begin = adjacency[i]
            n = adjacency[i + 1] - begin
            source = (width - 1) * pointer[i]
            row = 6 * i + 9 * begin
            for c in range(3):
                indptr[3 * i + c] = row
                for d in range(c, 3):
                    indices[row + d - c] = 3 * i + d
                row += 3 - c
                for k in range(n):
                    j = 3 * buffer[source + k]
                    indices[row] = j
                    indices[row + 1] = j + 1
                    indices[row + 2] = j + 2
                    row += 3
            for k in range(n):
                where[buffer[source + k]] = k + 1
            where[i] = 0
            for t in range(pointer[i], pointer[i + 1]):
                e = entry[t] >> 4
                if i < corners:
                    for b in range(width):
                        j = cells[e, b]
                        slots[width * t + b] = SKIP if j < i else where[j]
                else:
                    base = width * head + 6 * (t - head)
                    for b in range(6):
                        j = cells[e, 4 + b]
                        slots[base + b] = SKIP if j < i else where[j]
    indptr[3 * n_nodes] = 6 * n_nodes + 9 * adjacency[n_nodes]


@nb.njit(cache=True, parallel=True, fastmath=_FAST)
def moments(young, poisson, volumes, barycentric, weights, record):  # pragma: no cover - compiled
    """Write per cell the ten integrals of E lambda_p lambda_s (p <= s), then lambda/E and mu/E (Lame constants)."""
    for e in nb.prange(volumes.size):
        for k in range(10):
            record[e, k] = 0.0
        for q in range(weights.size):
            weight = young[e, q] * weights[q] * volumes[e]
            k = 0
            for p in range(4):
                wp = weight * barycentric[q, p]
                for s in range(p, 4):
                    record[e, k] += wp * barycentric[q, s]
                    k += 1
        nu = poisson[e]
        record[e, 10] = nu / ((1.0 + nu) * (1.0 - 2.0 * nu))
        record[e, 11] = 0.5 / (1.0 + nu)


@nb.njit(inline="always")
def _add_block(block, k, lam, mu, v0, v1, v2, g0, g1, g2):  # pragma: no cover - compiled
    """Add lam v g^T + mu g v^T + mu (v.g) I."""
    o00 = v0 * g0
    o11 = v1 * g1
    o22 = v2 * g2
    trace = mu * (o00 + o11 + o22)
    both = lam + mu
    o01 = v0 * g1
    o10 = v1 * g0
    o02 = v0 * g2
    o20 = v2 * g0
    o12 = v1 * g2
    o21 = v2 * g1
    block[k] += both * o00 + trace
    block[k + 1] += lam * o01 + mu * o10
    block[k + 2] += lam * o02 + mu * o20
    block[k + 3] += lam * o10 + mu * o01
    block[k + 4] += both * o11 + trace
    block[k + 5] += lam * o12 + mu * o21
    block[k + 6] += lam * o20 + mu * o02
    block[k + 7] += lam * o21 + mu * o12
    block[k + 8] += both * o22 + trace


@nb.njit(inline="always")
def _add_pair(block, k, lam, mu, v, s, g, t):  # pragma: no cover - compiled
    """Add the block of the mid-edge column between corners s and t: outer products v_s g_t + v_t g_s."""
    o00 = v[s, 0] * g[t, 0] + v[t, 0] * g[s, 0]
    o11 = v[s, 1] * g[t, 1] + v[t, 1] * g[s, 1]
    o22 = v[s, 2] * g[t, 2] + v[t, 2] * g[s, 2]
    o01 = v[s, 0] * g[t, 1] + v[t, 0] * g[s, 1]
    o10 = v[s, 1] * g[t, 0] + v[t, 1] * g[s, 0]
    o02 = v[s, 0] * g[t, 2] + v[t, 0] * g[s, 2]
    o20 = v[s, 2] * g[t, 0] + v[t, 2] * g[s, 0]
    o12 = v[s, 1] * g[t, 2] + v[t, 1] * g[s, 2]
    o21 = v[s, 2] * g[t, 1] + v[t, 2] * g[s, 1]
    trace = mu * (o00 + o11 + o22)
    both = lam + mu
    block[k] += both * o00 + trace
    block[k + 1] += lam * o01 + mu * o10
    block[k + 2] += lam * o02 + mu * o20
    block[k + 3] += lam * o10 + mu * o01
    block[k + 4] += both * o11 + trace
    block[k + 5] += lam * o12 + mu * o21
    block[k + 6] += lam * o20 + mu * o02
    block[k + 7] += lam * o21 + mu * o12
    block[k + 8] += both * o22 + trace


@nb.njit(inline="always")
def _add_edges(block, slots, base, lam, mu, v, g):  # pragma: no cover - compiled
    """Add the six mid-edge columns of one incidence, in the order of ``spaces.EDGES``."""
    k = slots[base]
    if k != SKIP:
        _add_pair(block, 9 * k, lam, mu, v, 0, g, 1)
    k = slots[base + 1]
    if k != SKIP:
        _add_pair(block, 9 * k, lam, mu, v, 1, g, 2)
    k = slots[base + 2]
    if k != SKIP:
        _add_pair(block, 9 * k, lam, mu, v, 2, g, 0)
    k = slots[base + 3]
    if k != SKIP:
        _add_pair(block, 9 * k, lam, mu, v, 0, g, 3)
    k = slots[base + 4]
    if k != SKIP:
        _add_pair(block, 9 * k, lam, mu, v, 1, g, 3)
    k = slots[base + 5]
    if k != SKIP:
        _add_pair(block, 9 * k, lam, mu, v, 2, g, 3)


@nb.njit(inline="always")
def _write_row(data, row, block, n):  # pragma: no cover - compiled
    """Copy the finished 3x3 blocks of one node to its three CSR rows; the diagonal block keeps its upper half."""
    for c in range(3):
        for d in range(c, 3):
            data[row + d - c] = block[3 * c + d]
        row += 3 - c
        for k in range(1, n):
            data[row] = block[9 * k + 3 * c]
            data[row + 1] = block[9 * k + 3 * c + 1]
            data[row + 2] = block[9 * k + 3 * c + 2]
            row += 3


@nb.njit(cache=True, parallel=True, fastmath=_FAST)
def fill_quadratic(
    pointer, entry, adjacency, slots, bounds, corners, widest, gradients, record, data
):  # pragma: no cover
    """Fill the CSR data of quadratic cells, one node row at a time.

    With v_s = integral of E lambda_s grad N_a, the row of node a against a vertex b is D(4 v_b - sum_s v_s, g_b) and
    against the mid-edge st it is 4 [D(v_s, g_t) + D(v_t, g_s)], where D(v, g) = l v g^T + m g v^T + m (v.g) I,
    g the barycentric gradients and l, m the Lame constants for E = 1.
    """
    head = pointer[corners]
    for chunk in nb.prange(bounds.size - 1):
        block = np.empty(9 * (widest + 1))
        v = np.empty((4, 3))
        second = np.empty((4, 4))
        first = np.empty(4)
        for i in range(bounds[chunk], bounds[chunk + 1]):
            n = adjacency[i + 1] - adjacency[i] + 1
            block[: 9 * n] = 0.0
            for t in range(pointer[i], pointer[i + 1]):
                e = entry[t] >> 4
                a = entry[t] & 15
                g = gradients[e]
                k = 0
                for p in range(4):
                    for s in range(p, 4):
                        second[p, s] = record[e, k]
                        second[s, p] = record[e, k]
                        k += 1
                lam = record[e, 10]
                mu = record[e, 11]
                if a < 4:
                    for s in range(4):
                        first[s] = second[s, 0] + second[s, 1] + second[s, 2] + second[s, 3]
                    total0 = 0.0
                    total1 = 0.0
                    total2 = 0.0
                    for s in range(4):
                        factor = 4.0 * second[a, s] - first[s]
                        v[s, 0] = 4.0 * factor * g[a, 0]
                        v[s, 1] = 4.0 * factor * g[a, 1]
                        v[s, 2] = 4.0 * factor * g[a, 2]
                        total0 += factor * g[a, 0]
                        total1 += factor * g[a, 1]
                        total2 += factor * g[a, 2]
                    base = 10 * t
                    for b in range(4):
                        k = slots[base + b]
                        if k != SKIP:
                            _add_block(
                                block, 9 * k, lam, mu,
                                v[b, 0] - total0, v[b, 1] - total1, v[b, 2] - total2, g[b, 0], g[b, 1], g[b, 2],
                            )  # fmt: skip
                    _add_edges(block, slots, base + 4, lam, mu, v, g)
                else:
                    p = 0 if a == 4 or a == 7 else (1 if a == 5 or a == 8 else 2)
                    r = 1 if a == 4 else (2 if a == 5 else (0 if a == 6 else 3))
                    for s in range(4):
                        mp = 16.0 * second[p, s]
                        mr = 16.0 * second[r, s]
                        v[s, 0] = mp * g[r, 0] + mr * g[p, 0]
                        v[s, 1] = mp * g[r, 1] + mr * g[p, 1]
                        v[s, 2] = mp * g[r, 2] + mr * g[p, 2]
                    _add_edges(block, slots, 10 * head + 6 * (t - head), lam, mu, v, g)
            _write_row(data, 6 * i + 9 * adjacency[i], block, n)


@nb.njit(cache=True, parallel=True, fastmath=_FAST)
def fill_linear(pointer, entry, adjacency, slots, bounds, corners, widest, gradients, record, data):  # pragma: no cover
    """Fill the CSR data of linear cells, one node row at a time."""
    for chunk in nb.prange(bounds.size - 1):
        block = np.empty(9 * (widest + 1))
        for i in range(bounds[chunk], bounds[chunk + 1]):
            n = adjacency[i + 1] - adjacency[i] + 1
            block[: 9 * n] = 0.0
            for t in range(pointer[i], pointer[i + 1]):
                e = entry[t] >> 4
                a = entry[t] & 15
                g = gradients[e]
                diagonal = record[e, 0] + record[e, 4] + record[e, 7] + record[e, 9]
                off = record[e, 1] + record[e, 2] + record[e, 3] + record[e, 5] + record[e, 6] + record[e, 8]
                total = diagonal + 2.0 * off
                lam = total * record[e, 10]
                mu = total * record[e, 11]
                for b in range(4):
                    k = slots[4 * t + b]
                    if k != SKIP:
                        _add_block(block, 9 * k, lam, mu, g[a, 0], g[a, 1], g[a, 2], g[b, 0], g[b, 1], g[b, 2])
            _write_row(data, 6 * i + 9 * adjacency[i], block, n)
