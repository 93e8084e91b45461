"""Assembly of the elastic stiffness matrix: femsim against scikit-fem, NGSolve and MFEM, the memory, and one thread.

Same mesh, degree and quadrature, a modulus at every quadrature point, best of several runs. "fresh" counts everything
after the mesh: numbering, geometry, pattern and fill. "again" is new moduli on an existing pattern. Compilation is
outside all timings. scikit-fem runs here and always; NGSolve (with its TaskManager on as many threads as femsim) and
MFEM (serial build) run in the Python given by --peers, this one by default, where they can be imported.
The peers store the full matrix or the lower half as they choose; a distributed MFEM or DOLFINx is not measured.

"assembly_bandwidth_share" is a bound over the measured time of "again" on all threads. The bound counts what must move
once even with perfect caches: the matrix values out (at the speed of a threaded store pass over 256 MiB), moduli,
Poisson ratios, volumes, gradients, incidence and slots in (at the speed of a threaded, vectorised sum). Tables that
femsim itself writes and reads back, index arrays and a second touch of any of these are not in the bound.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
from assembly_peers import shortest
from skfem import Basis, BilinearForm, ElementTetP2, ElementVector, MeshTet
from skfem.helpers import ddot, sym_grad, trace

from femsim.fem.assembly import assemble_stiffness, upper_pattern, warm_up
from femsim.fem.materials import Anisotropy, orthotropic_stiffness, rotated_stiffness
from femsim.fem.spaces import Space
from femsim.mesh.ordering import locality_order

BRICKS = 21  # cube edge in bricks: about 240k unknowns
BRICKS_QUICK = 10
REPEATS = 7
COPY_DOUBLES = 2**25  # 256 MiB, far above the caches


def cube(bricks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points and positively oriented cells of a cube, numbered along a Morton curve as femsim's meshes are."""
    mesh = MeshTet.init_tensor(*[np.linspace(0.0, 1.0, bricks + 1)] * 3)
    points, tets = mesh.p.T, mesh.t.T.copy()
    order = locality_order(points)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    points, tets = points[order], rank[tets]
    flip = np.linalg.det(points[tets[:, 1:]] - points[tets[:, :1]]) < 0
    tets[flip] = tets[flip][:, [0, 2, 1, 3]]
    return points, tets[locality_order(points[tets].mean(axis=1))]


@numba.njit(parallel=True)
def _write(target, value):  # pragma: no cover - compiled
    for i in numba.prange(target.size):
        target[i] = value


# Without reassociation a sum waits for its own last addition and shows the adder, not the memory.
@numba.njit(parallel=True, fastmath=True)
def _read(source):  # pragma: no cover - compiled
    total = 0.0
    for i in numba.prange(source.size):
        total += source[i]
    return total


def bandwidth(work: Callable[[], object]) -> float:
    """Return the bandwidth in bytes per second of a pass over ``COPY_DOUBLES``."""
    work()
    return 8.0 * COPY_DOUBLES / shortest(work, 5)


def scikit_fem_times(points: np.ndarray, tets: np.ndarray, young: np.ndarray, repeats: int) -> tuple[float, float]:
    """Return (fresh, again) seconds of scikit-fem with Lame constants at the quadrature points."""

    @BilinearForm
    def elasticity(u, v, w):  # type: ignore[no-untyped-def]
        strain, test = sym_grad(u), sym_grad(v)
        return w.lam * trace(strain) * trace(test) + 2.0 * w.mu * ddot(strain, test)

    lam, mu = young * 0.3 / (1.3 * 0.4), young / 2.6
    mesh = MeshTet(points.T.copy(), tets.T.copy())

    def fresh() -> Basis:
        basis = Basis(mesh, ElementVector(ElementTetP2()), intorder=2)
        elasticity.assemble(basis, lam=lam, mu=mu)
        return basis

    start = time.perf_counter()
    basis = fresh()
    first = time.perf_counter() - start
    if repeats > 1:
        first = min(first, shortest(fresh, repeats - 1))
    return first, shortest(lambda: elasticity.assemble(basis, lam=lam, mu=mu), repeats)


def peer_times(
    python: str, points: np.ndarray, tets: np.ndarray, young: np.ndarray, repeats: int
) -> dict[str, dict[str, float]]:
    """Return what assembly_peers.py measures in another Python: peer to its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mesh.npz"
        np.savez(file, points=points, tets=tets, young=young)
        script = Path(__file__).with_name("assembly_peers.py")
        command = [python, str(script), str(file), str(numba.get_num_threads()), str(repeats)]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise SystemExit(f"assembly_peers.py failed:\n{finished.stderr}")
    found: dict[str, dict[str, float]] = json.loads(finished.stdout.splitlines()[-1])
    return found


def orthotropic_cells(space: Space, young: np.ndarray) -> Anisotropy:
    """Every cell orthotropic, with axes of its own at every quadrature point: the dearest case."""
    matrix = orthotropic_stiffness(np.array([0.8, 1.0, 1.4]), np.array([0.3, 0.35, 0.4]), np.array([0.3, 0.25, 0.2]))
    axes = np.linalg.qr(np.random.default_rng(1).standard_normal((*young.shape, 3, 3)))[0]
    return Anisotropy(np.arange(space.n_cells), young[..., None, None] * rotated_stiffness(matrix, axes))


def measure(bricks: int, peer_repeats: int, peers: str) -> dict[str, float]:
    points, tets = cube(bricks)
    space = Space(points, tets)
    young = np.random.default_rng(0).uniform(1e3, 2e4, (space.n_cells, len(space.weights)))
    poisson = np.full(space.n_cells, 0.3)
    warm_up()

    def fresh() -> object:
        own = Space(points, tets)
        return assemble_stiffness(own, upper_pattern(own), young, poisson)

    fresh_time = shortest(fresh, REPEATS)
    pattern = upper_pattern(space)
    matrix = assemble_stiffness(space, pattern, young, poisson)

    def again() -> object:
        return assemble_stiffness(space, pattern, young, poisson, out=matrix)

    again_time = shortest(again, REPEATS)
    anisotropy = orthotropic_cells(space, young)
    orthotropic_time = shortest(
        lambda: assemble_stiffness(space, pattern, young, poisson, out=matrix, anisotropy=anisotropy), REPEATS
    )
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    one_thread = shortest(again, REPEATS)
    numba.set_num_threads(threads)
    target = np.empty(COPY_DOUBLES)
    write_speed, read_speed = bandwidth(lambda: _write(target, 1.0)), bandwidth(lambda: _read(target))
    # What any assembly of this storage must move at least once: moduli, geometry and incidence in, matrix out.
    inwards = young.nbytes + poisson.nbytes + space.gradients.nbytes + space.volumes.nbytes + pattern.entry.nbytes
    bound = matrix.data.nbytes / write_speed + (inwards + pattern.slots.nbytes) / read_speed
    peer_fresh, peer_again = scikit_fem_times(points, tets, young, peer_repeats)
    figures = {
        "unknowns": space.n_dof,
        "cells": space.n_cells,
        "threads": threads,
        "assembly_fresh_seconds": fresh_time,
        "assembly_again_seconds": again_time,
        "assembly_again_one_thread_seconds": one_thread,
        "assembly_orthotropic_seconds": orthotropic_time,
        "skfem_fresh_seconds": peer_fresh,
        "skfem_again_seconds": peer_again,
        "write_gb_per_second": write_speed / 1e9,
        "read_gb_per_second": read_speed / 1e9,
        "assembly_fresh_vs_skfem": peer_fresh / fresh_time,
        "assembly_again_vs_skfem": peer_again / again_time,
        "assembly_bandwidth_share": bound / again_time,
        "assembly_two_threads": one_thread / again_time,
    }
    compiled = peer_times(peers, points, tets, young, peer_repeats + 1)
    for name, seconds in compiled.items():
        figures |= {f"{name}_{key}_seconds": seconds[key] for key in ("fresh", "again")}
        figures[f"{name}_threads"] = seconds["threads"]
    if compiled:
        for key, own in (("fresh", fresh_time), ("again", again_time)):
            figures[f"assembly_{key}_vs_best_compiled"] = min(one[key] for one in compiled.values()) / own
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small cube, for continuous integration")
    parser.add_argument("--peers", metavar="PYTHON", default=sys.executable, help="Python that has ngsolve or mfem")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    figures = measure(BRICKS_QUICK if arguments.quick else BRICKS, 1, arguments.peers)
    for name, value in figures.items():
        print(f"{name:34s} {value:12.4g}")
    if "assembly_again_vs_best_compiled" not in figures:
        print("NGSolve and MFEM are not installed there; 'pip install ngsolve mfem' in a venv and --peers its python")
    if arguments.json:
        machine = f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores, {numba.get_num_threads()} threads"
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine, "figures": figures}, file, indent=1)


if __name__ == "__main__":
    main()
