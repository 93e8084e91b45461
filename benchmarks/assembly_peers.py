"""Times the stiffness of one mesh with the compiled peers that this Python can import: NGSolve and MFEM.

Run by bench_assembly.py in a process of its own, so that the peers' thread pools and libraries do not meet ours:
reads points, cells and Young's modulus at the vertices of every cell, prints JSON {peer: {...seconds}}.
The modulus is a discontinuous linear field, evaluated at the quadrature points: four values per cell, as femsim has.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

POISSON = 0.3
LAMBDA, MU = POISSON / ((1 + POISSON) * (1 - 2 * POISSON)), 0.5 / (1 + POISSON)


def shortest(work: Callable[[], object], repeats: int) -> float:
    """Return the shortest of several wall-clock times in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def ngsolve_seconds(points: np.ndarray, tets: np.ndarray, young: np.ndarray, threads: int, repeats: int) -> Any:
    import ngsolve as ng
    from netgen.meshing import Element3D, FaceDescriptor, MeshPoint, Pnt
    from netgen.meshing import Mesh as NetgenMesh

    raw = NetgenMesh()
    raw.dim = 3
    raw.Add(FaceDescriptor(surfnr=1, domin=1, bc=1))
    numbers = [raw.Add(MeshPoint(Pnt(*point))) for point in points.tolist()]
    for cell in tets.tolist():
        raw.Add(Element3D(1, [numbers[k] for k in (cell[0], cell[2], cell[1], cell[3])]))
    mesh = ng.Mesh(raw)
    modulus = ng.GridFunction(ng.L2(mesh, order=1))
    modulus.vec[:] = 0.0
    modulus.vec.FV().NumPy()[: len(tets)] = young.mean(axis=1)  # the constants come first
    ng.SetNumThreads(threads)

    def form() -> Any:
        space = ng.VectorH1(mesh, order=2)
        u, v = space.TnT()
        strain, test = ng.Sym(ng.Grad(u)), ng.Sym(ng.Grad(v))
        stress = 2 * MU * strain + LAMBDA * ng.Trace(strain) * ng.Id(3)
        bilinear = ng.BilinearForm(space, symmetric=True, symmetric_storage=True)
        bilinear += (modulus * ng.InnerProduct(stress, test)).Compile() * ng.dx
        return bilinear

    def fresh() -> Any:
        return form().Assemble()

    with ng.TaskManager():
        first = shortest(fresh, repeats)
        kept = fresh()
        again = shortest(kept.Assemble, repeats)
    return {"fresh": first, "again": again, "unknowns": kept.space.ndof, "threads": threads, "version": ng.__version__}


def mfem_seconds(points: np.ndarray, tets: np.ndarray, young: np.ndarray, threads: int, repeats: int) -> Any:
    import mfem
    import mfem.ser as m

    mesh = m.Mesh(3, len(points), len(tets), 0, 3)
    for point in points.tolist():
        mesh.AddVertex(*point)
    for cell in tets.tolist():
        mesh.AddTet(*cell)
    mesh.FinalizeTetMesh(1, 0, True)
    linear = m.L2_FECollection(1, 3)
    scalar = m.FiniteElementSpace(mesh, linear)
    shear, first_lame = m.GridFunction(scalar), m.GridFunction(scalar)
    shear.GetDataArray()[:] = MU * young.ravel()
    first_lame.GetDataArray()[:] = LAMBDA * young.ravel()
    lam, mu = m.GridFunctionCoefficient(first_lame), m.GridFunctionCoefficient(shear)
    quadratic = m.H1_FECollection(2, 3)

    def fresh() -> Any:
        space = m.FiniteElementSpace(mesh, quadratic, 3)
        bilinear = m.BilinearForm(space)
        bilinear.UsePrecomputedSparsity(1)
        bilinear.AddDomainIntegrator(m.ElasticityIntegrator(lam, mu))
        bilinear.Assemble(0)
        bilinear.Finalize(0)
        return bilinear, space

    seconds = shortest(fresh, repeats)
    kept, space = fresh()

    def again() -> None:
        kept.SpMat().GetDataArray()[:] = 0.0
        kept.Assemble(0)

    return {
        "fresh": seconds,
        "again": shortest(again, repeats),
        "unknowns": space.GetTrueVSize(),
        "threads": 1,
        "version": mfem.__version__,
    }


def main() -> None:
    file, threads, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with np.load(file) as data:
        points, tets, young = data["points"], data["tets"], data["young"]
    found = {}
    for name, work in (("ngsolve", ngsolve_seconds), ("mfem", mfem_seconds)):
        try:
            found[name] = work(points, tets, young, threads, repeats)
        except ImportError:
            continue
    print(json.dumps(found))


if __name__ == "__main__":
    main()
