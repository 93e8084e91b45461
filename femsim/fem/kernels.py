"""Numba kernels of the stiffness matrix: sparsity pattern and in-place fill by row gather, free of races."""

from __future__ import annotations

import numba as nb
import numpy as np

from femsim.fem.lanes import BLOCK, add_lanes, add_one, add_pair, combine, set_lanes, write_block

SKIP = np.uint16(65535)
"""Slot of a node pair that belongs to the row of its other node (upper half only)."""

CHUNKS = 64
"""Row chunks handed to threads; fixed, and rows never share data, so results do not depend on the thread count."""

# Contraction to fused multiply-add changes no result between thread counts; reassociation would not either, but is
# left out so that a row is always summed in the order of its cells.
_FAST = {"contract", "nsz"}

# Ends of the six mid-edges in the order of ``spaces.EDGES``.
_FIRST = np.array([0, 1, 2, 0, 1, 2])
_SECOND = np.array([1, 2, 0, 3, 3, 3])


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


@nb.njit(fastmath=_FAST, forceinline=True)
def _modulus_moments(table, young, e, scale, shares, barycentric, p, r):  # pragma: no cover - compiled
    """Write ``scale`` times the integrals of E lambda_p lambda_s and, from lane 4 on, of E lambda_r lambda_s.

    With ``r`` = -1 lane 4 on holds the integrals of E lambda_s, the sum over all p.
    """
    for q in range(barycentric.shape[0]):
        x = scale * young[e, q]
        first = x * barycentric[q, p]
        second = x if r < 0 else x * barycentric[q, r]
        if q == 0:
            set_lanes(table, 0, first, shares, q)
            set_lanes(table, 1, second, shares, q)
        else:
            add_lanes(table, 0, first, shares, q)
            add_lanes(table, 1, second, shares, q)


@nb.njit(fastmath=_FAST)
def _stress_moments(moment, stiffness, slopes, weights, volume, barycentric, g, a):  # pragma: no cover - compiled
    """Write the integrals of lambda_s C : (e_i grad N_a), (4, 3, 6), and at index 4 the integral without lambda_s."""
    moment[:] = 0.0
    h = np.empty(3)
    for q in range(weights.size):
        weight = weights[q] * volume
        for d in range(3):
            h[d] = weight * (
                slopes[q, a, 0] * g[0, d]
                + slopes[q, a, 1] * g[1, d]
                + slopes[q, a, 2] * g[2, d]
                + slopes[q, a, 3] * g[3, d]
            )
        for m in range(6):
            c = stiffness[q, m]
            x = c[0] * h[0] + c[4] * h[2] + c[5] * h[1]
            y = c[1] * h[1] + c[3] * h[2] + c[5] * h[0]
            z = c[2] * h[2] + c[3] * h[1] + c[4] * h[0]
            for s in range(4):
                moment[s, 0, m] += barycentric[q, s] * x
                moment[s, 1, m] += barycentric[q, s] * y
                moment[s, 2, m] += barycentric[q, s] * z
            moment[4, 0, m] += x
            moment[4, 1, m] += y
            moment[4, 2, m] += z


@nb.njit(fastmath=_FAST)
def _add_stress(sums, block, factor, moment, g):  # pragma: no cover - compiled
    """Add ``factor`` times the divergence row of three stresses (3, 6) against a gradient to matrix A of a block."""
    start = BLOCK * np.int64(block)
    x, y, z = factor * g[0], factor * g[1], factor * g[2]
    for i in range(3):
        s = moment[i]
        sums[start + 4 * i] += s[0] * x + s[5] * y + s[4] * z
        sums[start + 4 * i + 1] += s[5] * x + s[1] * y + s[3] * z
        sums[start + 4 * i + 2] += s[4] * x + s[3] * y + s[2] * z


@nb.njit(fastmath=_FAST, forceinline=True)
def _add_edges(sums, slots, base, ratio, v, gradients, e):  # pragma: no cover - compiled
    """Accumulate the six mid-edge columns of one isotropic incidence, in the order of ``spaces.EDGES``."""
    k = slots[base]
    if k != SKIP:
        add_pair(sums, k, ratio, v, 0, 1, gradients, e)
    k = slots[base + 1]
    if k != SKIP:
        add_pair(sums, k, ratio, v, 1, 2, gradients, e)
    k = slots[base + 2]
    if k != SKIP:
        add_pair(sums, k, ratio, v, 2, 0, gradients, e)
    k = slots[base + 3]
    if k != SKIP:
        add_pair(sums, k, ratio, v, 0, 3, gradients, e)
    k = slots[base + 4]
    if k != SKIP:
        add_pair(sums, k, ratio, v, 1, 3, gradients, e)
    k = slots[base + 5]
    if k != SKIP:
        add_pair(sums, k, ratio, v, 2, 3, gradients, e)


@nb.njit(fastmath=_FAST)
def _write_row(data, row, sums, n):  # pragma: no cover - compiled
    """Write the finished blocks of one node to its three CSR rows; the diagonal block keeps its upper half."""
    second = row + 3 * n
    third = second + 3 * n - 1
    trace = sums[12] + sums[17] + sums[22]
    data[row] = sums[0] + sums[12] + trace
    data[row + 1] = sums[1] + sums[16]
    data[row + 2] = sums[2] + sums[20]
    data[second] = sums[5] + sums[17] + trace
    data[second + 1] = sums[6] + sums[21]
    data[third] = sums[10] + sums[22] + trace
    for k in range(1, n):
        write_block(sums, k, data, row + 3 * k, second + 3 * k - 1, third + 3 * k - 2)


@nb.njit(cache=True, parallel=True, fastmath=_FAST)
def fill_quadratic(
    pointer, entry, adjacency, slots, bounds, corners, widest, gradients, young, scale, ratio, own, stiffness, slopes,
    volumes, barycentric, weights, shares, data,
):  # fmt: skip  # pragma: no cover - compiled
    """Fill the CSR data of quadratic cells, one node row at a time.

    Isotropic: with v_s = 4 times the integral of mu lambda_s grad N_a the row of node a against the mid-edge st is
    D(v_s, g_t) + D(v_t, g_s) and against a vertex b it is D(v_b - sum_s v_s / 4, g_b), where
    D(v, g) = (lambda/mu) v g^T + g v^T + (v.g) I and g are the barycentric gradients. ``scale`` is 16 mu V for E = 1,
    ``ratio`` lambda/mu, ``shares`` weight times barycentric coordinates of the quadrature points.
    Cells with a row in ``own`` (>= 0) take the full stiffness (6, 6) at their quadrature points instead.
    """
    head = np.int64(pointer[corners])
    for chunk in nb.prange(bounds.size - 1):
        sums = np.empty(BLOCK * (widest + 1))
        v = np.zeros(16)
        first = np.empty(4)
        table = np.empty(8)
        moment = np.empty((5, 3, 6))
        for i in range(bounds[chunk], bounds[chunk + 1]):
            n = adjacency[i + 1] - adjacency[i] + 1
            for k in range(BLOCK * n):
                sums[k] = 0.0
            for t in range(pointer[i], pointer[i + 1]):
                e = np.uint32(entry[t]) >> 4
                a = entry[t] & 15
                base = 10 * t + 4 if a < 4 else 10 * head + 6 * (t - head)
                if own[e] >= 0:
                    g = gradients[e]
                    _stress_moments(moment, stiffness[own[e]], slopes, weights, volumes[e], barycentric, g, a)
                    if a < 4:
                        for b in range(4):
                            k = slots[base - 4 + b]
                            if k != SKIP:
                                _add_stress(sums, k, 4.0, moment[b], g[b])
                                _add_stress(sums, k, -1.0, moment[4], g[b])
                    for b in range(6):
                        k = slots[base + b]
                        if k != SKIP:
                            _add_stress(sums, k, 4.0, moment[_FIRST[b]], g[_SECOND[b]])
                            _add_stress(sums, k, 4.0, moment[_SECOND[b]], g[_FIRST[b]])
                    continue
                if a < 4:
                    _modulus_moments(table, young, e, scale[e], shares, barycentric, a, -1)
                    total = 0.0
                    for s in range(4):
                        f = table[s] - 0.25 * table[4 + s]
                        first[s] = f
                        total += 0.25 * f
                        combine(v, s, f, 0.0, gradients, e, a, a)
                    for b in range(4):
                        k = slots[base - 4 + b]
                        if k != SKIP:
                            add_one(sums, k, ratio[e], first[b] - total, gradients, e, a, b)
                else:
                    p, r = _FIRST[a - 4], _SECOND[a - 4]
                    _modulus_moments(table, young, e, scale[e], shares, barycentric, p, r)
                    for s in range(4):
                        combine(v, s, table[s], table[4 + s], gradients, e, r, p)
                _add_edges(sums, slots, base, ratio[e], v, gradients, e)
            _write_row(data, 6 * i + 9 * adjacency[i], sums, n)


@nb.njit(cache=True, parallel=True, fastmath=_FAST)
def fill_linear(
    pointer, entry, adjacency, slots, bounds, corners, widest, gradients, young, scale, ratio, own, stiffness, slopes,
    volumes, barycentric, weights, shares, data,
):  # fmt: skip  # pragma: no cover - compiled
    """Fill the CSR data of linear cells, one node row at a time; arguments as for quadratic ones."""
    for chunk in nb.prange(bounds.size - 1):
        sums = np.empty(BLOCK * (widest + 1))
        moment = np.empty((5, 3, 6))
        for i in range(bounds[chunk], bounds[chunk + 1]):
            n = adjacency[i + 1] - adjacency[i] + 1
            for k in range(BLOCK * n):
                sums[k] = 0.0
            for t in range(pointer[i], pointer[i + 1]):
                e = np.uint32(entry[t]) >> 4
                a = entry[t] & 15
                if own[e] >= 0:
                    g = gradients[e]
                    _stress_moments(moment, stiffness[own[e]], slopes, weights, volumes[e], barycentric, g, a)
                    for b in range(4):
                        k = slots[4 * t + b]
                        if k != SKIP:
                            _add_stress(sums, k, 1.0, moment[4], g[b])
                    continue
                total = 0.0
                for q in range(weights.size):
                    total += weights[q] * young[e, q]
                total *= scale[e] / 16.0
                for b in range(4):
                    k = slots[4 * t + b]
                    if k != SKIP:
                        add_one(sums, k, ratio[e], total, gradients, e, a, b)
            _write_row(data, 6 * i + 9 * adjacency[i], sums, n)
