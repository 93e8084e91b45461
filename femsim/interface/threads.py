"""One thread for the small dense problems of the interface."""

from __future__ import annotations

from contextlib import AbstractContextManager

from threadpoolctl import ThreadpoolController


def one_dense_thread() -> AbstractContextManager[object]:
    """Context in which OpenBLAS runs one thread.

    A product of 1,500 unknowns takes a tenth of a millisecond: on a busy machine more threads wait for each other a
    hundred times as long, and one thread gives the same bits everywhere. Sparse solvers keep theirs.
    """
    limited: AbstractContextManager[object] = ThreadpoolController().select(internal_api="openblas").limit(limits=1)
    return limited
