"""Child process that runs fTetWild on one soup: ``python worker.py INPUT.npz OUTPUT.npz``."""

from __future__ import annotations

import ctypes
import signal
import sys

import numpy as np
import pytetwild

# From linux/prctl.h.
PR_SET_PDEATHSIG = 1


def main(source: str, target: str) -> None:
    """Read the soup and the sizing field from ``source``, write points and tetrahedra to ``target``."""
    with np.load(source, allow_pickle=False) as data:
        points, tets = pytetwild.tetrahedralize(
            data["points"],
            data["triangles"],
            edge_length_abs=float(data["coarsest"]),
            epsilon=float(data["epsilon"]),
            stop_energy=float(data["stop_energy"]),
            num_opt_iter=int(data["iterations"]),
            num_threads=int(data["threads"]),
            disable_filtering=True,
            # fTetWild's log is the only sign of progress it gives; the parent reads it from the pipe.
            quiet=False,
            loglevel=2,
            bg_vertices=data["bg_points"],
            bg_tets=data["bg_tets"],
            bg_values=data["bg_values"],
        )
    with open(target, "wb") as file:
        np.savez(file, points=points, tets=tets.astype(np.int32))


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, however that happens; elsewhere it just finishes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    # The C++ call never returns to Python's own handler: let Ctrl-C end the process at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _die_with_parent()
    main(sys.argv[1], sys.argv[2])
