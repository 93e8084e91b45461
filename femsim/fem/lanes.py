"""Four-lane vector operations of the stiffness kernels, as the compiler does not find them in scalar code.

A row of the stiffness matrix is summed in an *accumulator*, a flat array with 24 doubles per 3x3 block: a matrix A and
a matrix B, three rows of four lanes each, the fourth lane unused. For an outer product o of shear-weighted gradients
A grows by (lambda/mu) o and B by o; the block is A + B^T + trace(B) I. Gradients are (m, 4, 3) arrays.

Widths are fixed at four doubles, so that results do not depend on the vector length of the processor.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic as _intrinsic

intrinsic: Any = _intrinsic  # its stub counts the typing context among the caller's arguments

BLOCK = 24
"""Doubles per block of the accumulator."""

_DOUBLE, _BIT, _I32, _I64 = ir.DoubleType(), ir.IntType(1), ir.IntType(32), ir.IntType(64)
_FOUR = ir.VectorType(_DOUBLE, 4)
_THREE = ir.VectorType(_DOUBLE, 3)
_FLAGS = ("contract", "nsz")


class _Lanes:
    """Emits the vector instructions of one operation."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.context, self.builder, self.types, self.values = context, builder, signature.args, arguments

    def array(self, n: int) -> Any:
        return self.context.make_array(self.types[n])(self.context, self.builder, self.values[n]).data

    def index(self, n: int, scale: int) -> Any:
        value = self.context.cast(self.builder, self.values[n], self.types[n], types.int64)
        return self.builder.mul(value, _I64(scale))

    def at(self, base: Any, offset: Any, shift: int = 0) -> Any:
        return self.builder.gep(base, [self.builder.add(offset, _I64(shift))])

    def load(self, base: Any, offset: Any, shift: int = 0, kind: Any = _FOUR) -> Any:
        vector = self.builder.load(self.builder.bitcast(self.at(base, offset, shift), kind.as_pointer()))
        vector.align = 8
        return vector

    def gradient(self, base: Any, cell: Any, corner: Any) -> Any:
        """Three doubles, never the one behind them."""
        three = self.load(base, self.builder.add(cell, corner), kind=_THREE)
        return self.shuffle(three, three, (0, 1, 2, 2))

    def store(self, vector: Any, base: Any, offset: Any, shift: int = 0) -> None:
        target = self.builder.bitcast(self.at(base, offset, shift), vector.type.as_pointer())
        self.builder.store(vector, target).align = 8

    def shuffle(self, first: Any, second: Any, lanes: tuple[int, ...]) -> Any:
        return self.builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(_I32, len(lanes)), list(lanes)))

    def spread(self, scalar: Any) -> Any:
        undefined = ir.Constant(_FOUR, ir.Undefined)
        return self.shuffle(self.builder.insert_element(undefined, scalar, _I32(0)), undefined, (0, 0, 0, 0))

    def scalar(self, base: Any, offset: Any, shift: int) -> Any:
        return self.spread(self.builder.load(self.at(base, offset, shift)))

    def times(self, x: Any, y: Any) -> Any:
        return self.builder.fmul(x, y, flags=_FLAGS)

    def plus(self, x: Any, y: Any) -> Any:
        return self.builder.fadd(x, y, flags=_FLAGS)

    def accumulate(self, base: Any, block: Any, ratio: Any, outer: list[Any]) -> None:
        """A += ratio o, B += o."""
        old = [self.load(base, block, 4 * n) for n in range(6)]
        for i in range(3):
            self.store(self.plus(self.times(ratio, outer[i]), old[i]), base, block, 4 * i)
            self.store(self.plus(outer[i], old[3 + i]), base, block, 12 + 4 * i)


@intrinsic
def set_lanes(_typing, target, k, x, source, q):  # pragma: no cover - compiled
    """Write ``target[k] = x source[q]``, four lanes each; ``target`` is flat, ``source`` is (n, 4)."""

    def emit(context, builder, signature, arguments):
        lanes = _Lanes(context, builder, signature, arguments)
        term = lanes.times(lanes.spread(arguments[2]), lanes.load(lanes.array(3), lanes.index(4, 4)))
        lanes.store(term, lanes.array(0), lanes.index(1, 4))
        return context.get_dummy_value()

    return types.void(target, k, x, source, q), emit


@intrinsic
def add_lanes(_typing, target, k, x, source, q):  # pragma: no cover - compiled
    """Add ``x source[q]`` to ``target[k]``, as :func:`set_lanes`."""

    def emit(context, builder, signature, arguments):
        lanes = _Lanes(context, builder, signature, arguments)
        term = lanes.times(lanes.spread(arguments[2]), lanes.load(lanes.array(3), lanes.index(4, 4)))
        place = lanes.index(1, 4)
        lanes.store(lanes.plus(term, lanes.load(lanes.array(0), place)), lanes.array(0), place)
        return context.get_dummy_value()

    return types.void(target, k, x, source, q), emit


@intrinsic
def combine(_typing, v, s, x, y, gradients, e, p, r):  # pragma: no cover - compiled
    """Write ``v[s] = x gradients[e, p] + y gradients[e, r]``; ``v`` is flat, four lanes per vector."""

    def emit(context, builder, signature, arguments):
        lanes = _Lanes(context, builder, signature, arguments)
        base, cell = lanes.array(4), lanes.index(5, 12)
        first, second = (lanes.gradient(base, cell, lanes.index(n, 3)) for n in (6, 7))
        rest = lanes.times(lanes.spread(arguments[3]), second)
        vector = lanes.plus(lanes.times(lanes.spread(arguments[2]), first), rest)
        lanes.store(vector, lanes.array(0), lanes.index(1, 4))
        return context.get_dummy_value()

    return types.void(v, s, x, y, gradients, e, p, r), emit


@intrinsic
def add_pair(_typing, sums, block, ratio, v, s, t, gradients, e):  # pragma: no cover - compiled
    """Accumulate ``o = v[s] g[t]^T + v[t] g[s]^T`` of cell ``e`` into a block."""

    def emit(context, builder, signature, arguments):
        lanes = _Lanes(context, builder, signature, arguments)
        base, cell, vectors = lanes.array(6), lanes.index(7, 12), lanes.array(3)
        first, second = (lanes.gradient(base, cell, lanes.index(n, 3)) for n in (4, 5))
        s_at, t_at = lanes.index(4, 4), lanes.index(5, 4)
        outer = [
            lanes.plus(
                lanes.times(lanes.scalar(vectors, s_at, i), second), lanes.times(lanes.scalar(vectors, t_at, i), first)
            )
            for i in range(3)
        ]
        lanes.accumulate(lanes.array(0), lanes.index(1, BLOCK), lanes.spread(arguments[2]), outer)
        return context.get_dummy_value()

    return types.void(sums, block, ratio, v, s, t, gradients, e), emit


@intrinsic
def add_one(_typing, sums, block, ratio, x, gradients, e, p, t):  # pragma: no cover - compiled
    """Accumulate ``o = x g[p] g[t]^T`` of cell ``e`` into a block."""

    def emit(context, builder, signature, arguments):
        lanes = _Lanes(context, builder, signature, arguments)
        base, cell = lanes.array(4), lanes.index(5, 12)
        row = builder.add(cell, lanes.index(6, 3))
        column = lanes.times(lanes.spread(arguments[3]), lanes.gradient(base, cell, lanes.index(7, 3)))
        outer = [lanes.times(lanes.scalar(base, row, i), column) for i in range(3)]
        lanes.accumulate(lanes.array(0), lanes.index(1, BLOCK), lanes.spread(arguments[2]), outer)
        return context.get_dummy_value()

    return types.void(sums, block, ratio, x, gradients, e, p, t), emit


@intrinsic
def write_block(_typing, sums, block, data, row0, row1, row2):  # pragma: no cover - compiled
    """Write ``A + B^T + trace(B) I`` of a block to three places of the matrix data, three doubles each."""

    def emit(context, builder, signature, arguments):
        lanes = _Lanes(context, builder, signature, arguments)
        base, start, data_at = lanes.array(0), lanes.index(1, BLOCK), lanes.array(2)
        a = [lanes.load(base, start, 4 * i) for i in range(3)]
        b = [lanes.load(base, start, 12 + 4 * i) for i in range(3)]
        low, high = lanes.shuffle(b[0], b[1], (0, 4, 1, 5)), lanes.shuffle(b[0], b[1], (2, 6, 3, 7))
        turned = [
            lanes.shuffle(low, b[2], (0, 1, 4, 7)),
            lanes.shuffle(low, b[2], (2, 3, 5, 7)),
            lanes.shuffle(high, b[2], (0, 1, 6, 7)),
        ]
        diagonal = [builder.extract_element(b[i], _I32(i)) for i in range(3)]
        trace = lanes.spread(lanes.plus(lanes.plus(diagonal[0], diagonal[1]), diagonal[2]))
        for i in range(3):
            here = ir.Constant(ir.VectorType(_BIT, 4), [int(i == lane) for lane in range(4)])
            own = builder.select(here, trace, ir.Constant(_FOUR, [0.0] * 4))
            row = lanes.plus(lanes.plus(a[i], turned[i]), own)
            place = lanes.index(3 + i, 1)
            lanes.store(lanes.shuffle(row, row, (0, 1)), data_at, place)
            builder.store(builder.extract_element(row, _I32(2)), lanes.at(data_at, place, 2))
        return context.get_dummy_value()

    return types.void(sums, block, data, row0, row1, row2), emit
