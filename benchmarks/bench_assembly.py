"""Assembly of the elastic stiffness matrix: femsim against scikit-fem, the memory bandwidth, and one thread.

Same mesh, same quadrature, Young's modulus at every quadrature point. "fresh" counts everything after the mesh:
numbering, geometry, pattern and fill. "again" is new moduli on an existing pattern. Compilation is outside all timings.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable

import numba
import numpy as np
from skfem import Basis, BilinearForm, ElementTetP2, ElementVector, MeshTet
from skfem.helpers import ddot, sym_grad, trace

from femsim.fem.assembly import assemble_stiffness, upper_pattern, warm_up
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


def best(work: Callable[[], object], repeats: int) -> float:
    """Return the shortest of several wall-clock times in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


@numba.njit(parallel=True)
def _write(target, value):  # pragma: no cover - compiled
    for i in numba.prange(target.size):
        target[i] = value


@numba.njit(parallel=True)
def _read(source):  # pragma: no cover - compiled
    total = 0.0
    for i in numba.prange(source.size):
        total += source[i]
    return total


def bandwidth(work: Callable[[], object]) -> float:
    """Return the bandwidth in bytes per second of a pass over ``COPY_DOUBLES``."""
    work()
    return 8.0 * COPY_DOUBLES / best(work, 5)


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
        first = min(first, best(fresh, repeats - 1))
    return first, best(lambda: elasticity.assemble(basis, lam=lam, mu=mu), repeats)


def measure(bricks: int, peer_repeats: int) -> dict[str, float]:
    points, tets = cube(bricks)
    space = Space(points, tets)
    young = np.random.default_rng(0).uniform(1e3, 2e4, (space.n_cells, len(space.weights)))
    poisson = np.full(space.n_cells, 0.3)
    warm_up()

    def fresh() -> object:
        own = Space(points, tets)
        return assemble_stiffness(own, upper_pattern(own), young, poisson)

    fresh_time = best(fresh, REPEATS)
    pattern = upper_pattern(space)
    matrix = assemble_stiffness(space, pattern, young, poisson)

    def again() -> object:
        return assemble_stiffness(space, pattern, young, poisson, out=matrix)

    again_time = best(again, REPEATS)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    one_thread = best(again, REPEATS)
    numba.set_num_threads(threads)
    target = np.empty(COPY_DOUBLES)
    write_speed, read_speed = bandwidth(lambda: _write(target, 1.0)), bandwidth(lambda: _read(target))
    # What any assembly of this storage must move at least once: moduli, geometry and incidence in, matrix out.
    inwards = young.nbytes + poisson.nbytes + space.gradients.nbytes + space.volumes.nbytes + pattern.entry.nbytes
    bound = matrix.data.nbytes / write_speed + (inwards + pattern.slots.nbytes) / read_speed
    peer_fresh, peer_again = scikit_fem_times(points, tets, young, peer_repeats)
    return {
        "unknowns": space.n_dof,
        "cells": space.n_cells,
        "assembly_fresh_seconds": fresh_time,
        "assembly_again_seconds": again_time,
        "skfem_fresh_seconds": peer_fresh,
        "skfem_again_seconds": peer_again,
        "write_gb_per_second": write_speed / 1e9,
        "read_gb_per_second": read_speed / 1e9,
        "assembly_fresh_vs_skfem": peer_fresh / fresh_time,
        "assembly_again_vs_skfem": peer_again / again_time,
        "assembly_bandwidth_share": bound / again_time,
        "assembly_two_threads": one_thread / again_time,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small cube, for continuous integration")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    figures = measure(BRICKS_QUICK if arguments.quick else BRICKS, 1)
    for name, value in figures.items():
        print(f"{name:28s} {value:12.4g}")
    if arguments.json:
        machine = f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores, {numba.get_num_threads()} threads"
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine, "figures": figures}, file, indent=1)


if __name__ == "__main__":
    main()
