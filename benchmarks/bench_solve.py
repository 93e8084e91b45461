"""Solvers of femsim against SciPy and CalculiX: one load case, thread scaling, cost against size, end to end.

The model is made here: a bar of bone (a cortical shell on a cancellous core) with a titanium plate on top and screws
through it, bonded, on perturbed bricks of six ten-node tetrahedra. One end is held, the other one loaded. Every
measurement runs in a process of its own, so that its peak memory is its own; compilation is outside all timings.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

MODULI = {"cancellous": 500.0, "cortical": 13_700.0, "titanium": 110_000.0}  # MPa
POISSON = 0.3
LENGTH = 3  # bar length over its width
LOAD = 100.0  # N
JITTER = 0.15  # of a brick
STANDARD = {"bricks": 15, "sizes": [6, 9, 11, 15, 19, 24], "scipy": 6, "direct_up_to": 15, "million": 24}
QUICK = {"bricks": 5, "sizes": [4, 5, 6], "scipy": 4, "direct_up_to": 6, "million": None}
CG_TOLERANCE = 1e-9
KIB_PER_GIB = 1024.0**2
LOOK_EVERY = 0.02  # seconds between looks at the memory of CalculiX


def bar(bricks: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points [mm], cells and material (index into MODULI) of the plated bar, ``bricks`` bricks wide."""
    from skfem import MeshTet

    from femsim.mesh.ordering import renumbered

    counts = np.array([LENGTH * bricks, bricks, bricks])
    mesh = MeshTet.init_tensor(*[np.arange(k + 1.0) for k in counts])
    points, tets = mesh.p.T.copy(), mesh.t.T.copy()
    place = np.floor(points[tets].mean(axis=1)).astype(int)
    shell = (place[:, 1:] == 0).any(axis=1) | (place[:, 1:] == bricks - 1).any(axis=1)
    material = shell.astype(np.int64)
    middle = np.abs(place[:, 1] + 0.5 - bricks / 2) < bricks / 4
    plate = (place[:, 2] == bricks - 1) & middle
    screws = (place[:, 1] == bricks // 2) & (place[:, 0] % max(bricks // 2, 2) == 1)
    material[plate | screws] = 2
    inside = ((points > 0) & (points < counts)).all(axis=1)
    points[inside] += JITTER * np.random.default_rng(0).uniform(-1, 1, (int(inside.sum()), 3))
    points *= 12.0 / bricks
    flip = np.linalg.det(points[tets[:, 1:]] - points[tets[:, :1]]) < 0
    tets[flip] = tets[flip][:, [0, 2, 1, 3]]
    return renumbered(points, tets, material)


def model(bricks: int) -> dict[str, Any]:
    """Return the assembled bar: space, upper half with the held end eliminated, force, moduli, held unknowns."""
    from femsim.fem.spaces import Space

    points, tets, material = bar(bricks)
    space = Space(points, tets)
    held, pulled = ends(space.nodes)
    force = np.zeros((space.n_nodes, 3))
    force[pulled, 2] = -LOAD / len(pulled)
    fixed = np.zeros((space.n_nodes, 3), dtype=bool)
    fixed[held] = True
    young = np.array(list(MODULI.values()))[material]
    return assembled(space, young, fixed.ravel(), force.ravel())


def assembled(space: Any, young: np.ndarray, fixed: np.ndarray, force: np.ndarray) -> dict[str, Any]:
    """Assemble, and replace the equations of held unknowns by their diagonals."""
    from femsim.fem.assembly import assemble_stiffness, upper_pattern

    upper = assemble_stiffness(space, upper_pattern(space), young, POISSON)
    rows = np.repeat(np.arange(space.n_dof), np.diff(upper.indptr))
    upper.data[(fixed[rows] | fixed[upper.indices]) & (rows != upper.indices)] = 0.0
    return {"space": space, "upper": upper, "force": force, "young": young, "fixed": fixed}


def ends(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes of the held and of the loaded end."""
    x = nodes[:, 0]
    return np.flatnonzero(x < 1e-9), np.flatnonzero(x > x.max() - 1e-9)


def write_input(path: Path, made: dict[str, Any], solver: str) -> None:
    """Write the CalculiX input of the bar, as ``femsim export`` does."""
    from femsim.export.calculix import write_calculix
    from femsim.export.linear import LinearModel

    space, poisson = made["space"], np.full(made["space"].n_cells, POISSON)
    linear = LinearModel(space.nodes, space.cells, made["young"], poisson, made["force"], fixed=made["fixed"])
    write_calculix(linear, path, solver=solver, tables=False)


def peak_gib(process: int | str = "self") -> float:
    """Peak memory of a process so far; what wait reports would count the parent that it was forked from."""
    text = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"VmHWM:\s*(\d+)", text)
    return int(found.group(1)) / KIB_PER_GIB if found else 0.0


# Cases: each runs in a process of its own and prints one line of JSON.


def case_solve(bricks: int, solver: str) -> dict[str, float]:
    """Factorise (or set up) and solve one right side."""
    from femsim.fem.solvers import Structure, make_solver

    warm(solver)
    made = model(bricks)
    start = time.perf_counter()
    factor = make_solver(solver, structure=Structure(made["space"])).factor(made["upper"])
    ready = time.perf_counter()
    solution = factor.solve(made["force"])
    done = time.perf_counter()
    return {
        "unknowns": made["space"].n_dof,
        "factor_seconds": ready - start,
        "solve_seconds": done - ready,
        "seconds": done - start,
        "residual": factor.last_residual,
        "iterations": getattr(factor, "last_iterations", 0),
        "peak_gib": peak_gib(),
        "work_n_mm": float(made["force"] @ solution),
    }


def case_scipy(bricks: int, solver: str) -> dict[str, float]:
    """Solve with SciPy's SuperLU as it comes, or its conjugate gradients scaled by the diagonal."""
    from scipy.sparse.linalg import cg, splu

    from femsim.fem.assembly import full_matrix

    made = model(bricks)
    full = full_matrix(made["upper"]).tocsc()
    start = time.perf_counter()
    if solver == "superlu":
        solution = splu(full).solve(made["force"])
    else:
        full = full.tocsr()
        solution, _ = cg(full, made["force"], rtol=CG_TOLERANCE, maxiter=50_000, M=sp.diags(1.0 / full.diagonal()))
    seconds = time.perf_counter() - start
    return {
        "unknowns": made["space"].n_dof,
        "seconds": seconds,
        "residual": float(np.linalg.norm(full @ solution - made["force"]) / np.linalg.norm(made["force"])),
        "peak_gib": peak_gib(),
    }


def case_whole(file: str, solver: str) -> dict[str, float]:
    """Read the mesh, assemble, solve, recover stress, write: what CalculiX does with the same file."""
    import meshio

    from femsim.fem.solvers import Structure, make_solver
    from femsim.fem.spaces import Space
    from femsim.fem.stress import nodal_average, strain, stress, von_mises

    warm(solver)
    stage = {}
    start = last = time.perf_counter()

    def note(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        stage[name], last = now - last, now

    points, cells, young, fixed, force = read_input(Path(file))
    note("read_seconds")
    space = Space(points, cells[:, :4])
    if not np.array_equal(space.cells, cells):
        raise SystemExit(f"{file}: mid-edge nodes are numbered otherwise")
    made = assembled(space, young, fixed, force)
    note("assemble_seconds")
    factor = make_solver(solver, structure=Structure(space), right_sides=1).factor(made["upper"])
    solution = factor.solve(made["force"])
    note("solve_seconds")
    stresses = stress(strain(space, solution), np.repeat(made["young"][:, None], len(space.weights), axis=1),
                      np.full(space.n_cells, POISSON))  # fmt: skip
    equivalent = nodal_average(space, von_mises(stresses))
    components = nodal_average(space, stresses)
    note("stress_seconds")
    out = meshio.Mesh(space.nodes[: space.n_points], [("tetra", space.tets)], point_data={
        "displacement": solution.reshape(-1, 3)[: space.n_points], "stress": components, "von_mises": equivalent,
    })  # fmt: skip
    out.write(Path(file).with_suffix(f".{solver}.vtu"), binary=True, compression=None)
    note("write_seconds")
    return {
        "unknowns": space.n_dof,
        **stage,
        "seconds": time.perf_counter() - start,
        "residual": factor.last_residual,
        "peak_gib": peak_gib(),
        "tip_mm": float(solution.reshape(-1, 3)[ends(space.nodes)[1], 2].mean()),
    }


def read_input(path: Path) -> tuple[np.ndarray, ...]:
    """Read vertices, cells, moduli, held unknowns and forces of an input written by :func:`write_input`."""
    sets: dict[str, np.ndarray] = {}
    name = ""
    for block in re.split(r"^\*", path.read_text(encoding="ascii"), flags=re.MULTILINE):
        head, _, body = block.partition("\n")
        if head.startswith(("HEADING", "STEP", "STATIC", "NODE FILE", "EL FILE")) or not body:
            continue
        values = np.fromstring(body.replace("\n", ",").rstrip(","), sep=",")
        if head.startswith("NODE"):
            nodes = values.reshape(-1, 4)[:, 1:]
        elif head.startswith("ELEMENT"):
            cells = values.reshape(-1, 11)[:, 1:].astype(np.int64) - 1
            young, fixed, force = np.empty(len(cells)), np.zeros(nodes.shape, dtype=bool), np.zeros(nodes.shape)
        elif head.startswith("ELSET"):
            name = head.split("=")[1].strip()
            sets[name] = values.astype(np.int64) - 1
        elif head.startswith("ELASTIC"):
            young[sets[name]] = values[0]  # the writer gives each set its material at once
        elif head.startswith("BOUNDARY"):
            node, component = values.reshape(-1, 3)[:, :2].astype(np.int64).T
            fixed[node - 1, component - 1] = True
        elif head.startswith("CLOAD"):
            node, component = values.reshape(-1, 3)[:, :2].astype(np.int64).T
            force[node - 1, component - 1] = values.reshape(-1, 3)[:, 2]
    return nodes[: cells[:, :4].max() + 1], cells, young, fixed.ravel(), force.ravel()


def warm(solver: str) -> None:
    """Compile everything on a tiny model."""
    from femsim.fem.solvers import Structure, make_solver
    from femsim.fem.stress import strain

    made = model(2)
    structure = Structure(made["space"])
    for name in {solver, "multigrid"}:
        make_solver(name, structure=structure).factor(made["upper"]).solve(np.column_stack([made["force"]] * 2))
        strain(made["space"], make_solver(name, structure=structure).factor(made["upper"]).solve(made["force"]))


def child(case: str, threads: int, *arguments: object) -> dict[str, float]:
    """Run a case in a process of its own."""
    command = [sys.executable, __file__, "--case", case, *map(str, arguments)]
    done = subprocess.run(command, env=environment(threads), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case} {arguments}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def environment(threads: int) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {**os.environ, **dict.fromkeys((*names, "CCX_NPROC_EQUATION_SOLVER"), str(threads))}


def calculix(file: Path, pulled: np.ndarray, threads: int) -> dict[str, float]:
    """Run CalculiX on an input file: wall time, peak memory, mean deflection of the loaded end."""
    peak = 0.0
    start = time.perf_counter()
    with file.with_suffix(".log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            ["ccx", "-i", file.stem], cwd=file.parent, env=environment(threads), stdout=log, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            peak = max(peak, peak_gib(process.pid))
            time.sleep(LOOK_EVERY)
        seconds = time.perf_counter() - start
        log.seek(0)
        text = log.read()
    result = file.with_suffix(".frd")
    if process.returncode or "Job finished" not in text or not result.is_file():
        raise SystemExit(f"ccx failed on {file.name}: {text[-1000:]}")
    return {"seconds": seconds, "peak_gib": peak, "tip_mm": tip(set((pulled + 1).tolist()), result)}


def tip(wanted: set[int], result: Path) -> float:
    """Mean deflection of nodes in a CalculiX result file."""
    found, inside = [], False
    with result.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith(" -4"):
                inside = "DISP" in line
            elif inside and line.startswith(" -3"):
                break
            elif inside and line.startswith(" -1") and int(line[3:13]) in wanted:
                found.append(float(line[37:49]))
    return float(np.mean(found))


def exponent(rows: list[dict[str, float]], key: str) -> float:
    """Fitted exponent of a cost against the unknowns."""
    sizes = np.log([row["unknowns"] for row in rows])
    return float(np.polyfit(sizes, np.log([row[key] for row in rows]), 1)[0]) if len(rows) > 1 else float("nan")


def show(name: str, row: dict[str, float]) -> None:
    print(f"{name:34s} " + "  ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)


def against_scipy(setup: dict[str, Any], figures: dict[str, float], threads: int) -> None:
    bricks = setup["scipy"]
    rows = {f"scipy {name}": child("scipy", threads, bricks, name) for name in ("superlu", "cg")}
    rows |= {name: child("solve", threads, bricks, name) for name in direct_names()}
    rows["multigrid"] = child("solve", threads, bricks, "multigrid")
    for name, row in rows.items():
        show(name, row)
    best = min(row["seconds"] for name, row in rows.items() if not name.startswith("scipy"))
    figures["solve_vs_scipy_superlu"] = rows["scipy superlu"]["seconds"] / best
    figures["solve_vs_scipy_cg"] = rows["scipy cg"]["seconds"] / best


def direct_names() -> list[str]:
    from femsim.fem import pardiso
    from femsim.fem.solvers import rslab_available

    return [name for name, here in (("pardiso", pardiso.available()), ("rslab", rslab_available())) if here]


def against_size(setup: dict[str, Any], figures: dict[str, float], threads: int) -> None:
    for solver in [*direct_names(), "multigrid"]:
        rows = []
        for bricks in setup["sizes"]:
            if solver == "multigrid" or bricks <= setup["direct_up_to"]:
                rows.append(child("solve", threads, bricks, solver))
                show(solver, rows[-1])
                figures[f"{solver}_{bricks}_bricks_seconds"] = rows[-1]["seconds"]
                figures[f"{solver}_{bricks}_bricks_gib"] = rows[-1]["peak_gib"]
            if bricks == setup["million"] and solver == "multigrid":
                figures["solve_1m_gib"] = rows[-1]["peak_gib"]
                figures["solve_1m_seconds"] = rows[-1]["seconds"]
                figures["solve_1m_unknowns"] = rows[-1]["unknowns"]
        figures[f"{solver}_time_exponent"] = exponent(rows, "seconds")
        figures[f"{solver}_memory_exponent"] = exponent(rows, "peak_gib")


def thread_scaling(setup: dict[str, Any], figures: dict[str, float], threads: int) -> None:
    for solver in [*direct_names()[:1], "multigrid"]:
        one, all_ = (child("solve", count, setup["bricks"], solver)["seconds"] for count in (1, threads))
        figures[f"{solver}_{threads}_threads_vs_one"] = one / all_


def end_to_end(setup: dict[str, Any], figures: dict[str, float], threads: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = model(setup["bricks"])
        pulled = ends(made["space"].nodes)[1]
        for name, keyword in (("direct", ""), ("iterative", "ITERATIVE CHOLESKY")):
            write_input(Path(folder) / f"{name}.inp", made, keyword)
        del made
        file = Path(folder) / "direct.inp"
        rows = {f"femsim {name}": child("whole", threads, file, name) for name in ("auto", *direct_names()[:1])}
        if shutil.which("ccx"):
            for name in ("iterative", "direct"):
                rows[f"ccx {name}"] = calculix(Path(folder) / f"{name}.inp", pulled, threads)
    for name, row in rows.items():
        show(name, row)
    ours = rows["femsim auto"]
    figures["whole_seconds"], figures["whole_gib"] = ours["seconds"], ours["peak_gib"]
    for name in ("direct", "iterative"):
        if f"ccx {name}" in rows:
            peer = rows[f"ccx {name}"]
            figures[f"calculix_{name}_seconds"], figures[f"calculix_{name}_gib"] = peer["seconds"], peer["peak_gib"]
            figures[f"solve_vs_calculix_{name}"] = peer["seconds"] / ours["seconds"]
            figures[f"memory_vs_calculix_{name}"] = ours["peak_gib"] / peer["peak_gib"]
            figures[f"tip_difference_calculix_{name}"] = abs(peer["tip_mm"] / ours["tip_mm"] - 1.0)


PARTS = {"scipy": against_scipy, "whole": end_to_end, "threads": thread_scaling, "sizes": against_size}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small models, for continuous integration")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part only (can be repeated)")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--case", nargs=3, metavar=("CASE", "MODEL", "SOLVER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        case, what, solver = arguments.case
        run = {"solve": case_solve, "scipy": case_scipy, "whole": case_whole}[case]
        print(json.dumps(run(what if case == "whole" else int(what), solver)))  # type: ignore[operator]
        return
    figures: dict[str, float] = {}
    for name, part in PARTS.items():
        if not arguments.only or name in arguments.only:
            part(QUICK if arguments.quick else STANDARD, figures, arguments.threads)
    for name, value in figures.items():
        print(f"{name:34s} {value:12.4g}")
    if arguments.json:
        machine = f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores, {arguments.threads} threads"
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine, "figures": figures}, file, indent=1)


if __name__ == "__main__":
    main()
