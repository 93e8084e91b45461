"""The static model of an operation on the day of surgery, made linear at a solved bite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import reverse_cuthill_mckee

from femsim.export.linear import OPPOSITE_TO_FACE, LinearModel, Springs
from femsim.fem.assembly import assemble_stiffness, upper_pattern
from femsim.fem.materials import Anisotropy
from femsim.fem.model import StaticModel
from femsim.fem.solvers import make_solver
from femsim.fem.spaces import Space
from femsim.fem.stress import cell_average
from femsim.geometry.operation import Operation
from femsim.interface.condensation import with_springs
from femsim.interface.patches import Patches
from femsim.mesh.tetmesh import BONE, PLATE, SCREW_FIRST, Mesh

ZERO_PIVOT = 1e-13
"""Pivots of a foundation below this share of its largest diagonal are round-off of zero."""

Parts = tuple[sp.csc_matrix, np.ndarray, np.ndarray]
"""Columns (n_dof, s), stiffness (s,) [N/mm] and places (s, 3) [mm] of springs."""


@dataclass(frozen=True, eq=False)
class SolvedBite:
    """A solved bite, as far as an export needs it.

    Attributes
    ----------
    columns : csc_matrix, shape (n_dof, m)
        Averages that the springs act on: patch jumps, then bite points.
    q, forces : ndarray, shape (m,)
        Unknowns [mm] and the forces [N] that go with them.
    load : ndarray, shape (n_loads,)
        Load factors.
    """

    columns: sp.csc_matrix
    q: np.ndarray
    forces: np.ndarray
    load: np.ndarray


def secant_stiffness(forces: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return force over displacement [N/mm]: springs with which a linear solve meets the solved bite again.

    An unknown that did not move bears no force with any spring, and gets none.
    """
    return np.divide(forces, q, out=np.zeros_like(forces), where=q != 0.0)


def foundation_springs(space: Space, matrix: sp.csr_matrix) -> Parts:
    """Springs that together have the stiffness of a foundation: K = L D L^T, one spring per pivot.

    Column j of L is one at its own unknown and reaches to few neighbours, because unknowns are numbered by the reverse
    Cuthill-McKee method; unknowns that the foundation does not hold (zero pivots) get no spring.

    Parameters
    ----------
    matrix : csr_matrix, shape (n_dof, n_dof)
        Full, symmetric and positive semidefinite [N/mm].
    """
    used = np.flatnonzero(np.diff(sp.csr_matrix(matrix).indptr))
    part = sp.csr_matrix(matrix[used][:, used])
    order = reverse_cuthill_mckee(part, symmetric_mode=True)
    used, rest = used[order], part[order][:, order].toarray()
    smallest = ZERO_PIVOT * rest.diagonal().max(initial=0.0)
    columns = np.zeros_like(rest)
    pivots = np.zeros(len(rest))
    for j in range(len(rest)):
        if rest[j, j] <= smallest:
            continue
        reach = j + np.flatnonzero(rest[j:, j])
        pivots[j] = rest[j, j]
        columns[reach, j] = rest[reach, j] / pivots[j]
        rest[np.ix_(reach, reach)] -= pivots[j] * np.outer(columns[reach, j], columns[reach, j])
    held = np.flatnonzero(pivots)
    compact = sp.coo_matrix(columns[:, held])
    full = sp.csc_matrix((compact.data, (used[compact.row], compact.col)), shape=(space.n_dof, len(held)))
    return full, pivots[held], space.nodes[used[held] // 3]


def surgery_model(
    operation: Operation,
    model: StaticModel,
    patches: Patches,
    bite: SolvedBite,
    *,
    title: str,
    notes: Sequence[str] = (),
) -> LinearModel:
    """Return the linear model of a solved bite, moduli averaged over each cell.

    Screws and bone are joined by the secant stiffness of every patch, foundations are the springs of
    :func:`foundation_springs`, a bite is the secant stiffness of the bitten object, and muscles pull with their solved
    forces. With moduli that do not vary inside cells its displacement is that of the solved bite.

    Parameters
    ----------
    operation, model, patches
        Of the same mesh.
    bite : SolvedBite
    title : str
    notes : sequence of str
        Sentences for the head of the file.
    """
    space = model.space
    springs = _springs(operation, model, patches, bite)
    anisotropy = model.anisotropy
    full = {}
    if anisotropy is not None:
        means = np.einsum("q,cqij->cij", space.weights, anisotropy.stiffness)
        full = dict(zip(anisotropy.cells.tolist(), means, strict=True))
    return LinearModel(
        nodes=space.nodes,
        cells=space.cells,
        young=cell_average(space, model.young),
        poisson=model.poisson,
        forces=model.loads @ bite.load,
        springs=springs,
        stiffness=full,
        cell_sets=_cell_sets(operation, model.mesh),
        node_sets=_node_sets(model),
        surfaces=_interface_surfaces(model.mesh),
        title=title,
        notes=tuple(notes),
    )


def _springs(operation: Operation, model: StaticModel, patches: Patches, bite: SolvedBite) -> Springs:
    secant = secant_stiffness(bite.forces, bite.q)
    jumps = 3 * len(patches)
    parts: dict[str, Parts] = {}
    for number, name in enumerate(patches.screw_names):
        mine = np.flatnonzero(np.repeat(patches.screw == number, 3) & (secant[:jumps] != 0.0))
        parts[f"interface {name}"] = (bite.columns[:, mine], secant[mine], patches.centre[mine // 3])
    for number, site in enumerate(operation.bites):
        if secant[jumps + number] != 0.0:
            mine = np.array([jumps + number])
            parts[f"bite {site.name}"] = (bite.columns[:, mine], secant[mine], site.point[None])
    for name, matrix in model.foundations.items():
        parts[f"foundation {name}"] = foundation_springs(model.space, matrix)
    ends = np.cumsum([len(stiffness) for _, stiffness, _ in parts.values()])
    groups = {
        name: np.arange(end - len(part[1]), end) for (name, part), end in zip(parts.items(), ends.tolist(), strict=True)
    }
    return Springs(
        columns=sp.hstack([columns for columns, _, _ in parts.values()], format="csc"),
        stiffness=np.concatenate([stiffness for _, stiffness, _ in parts.values()]),
        places=np.vstack([places for _, _, places in parts.values()]),
        groups=groups,
    )


def _cell_sets(operation: Operation, mesh: Mesh) -> dict[str, np.ndarray]:
    numbers = {"bone": BONE}
    numbers |= {_of_kind("plate", plate.name): PLATE + k for k, plate in enumerate(operation.plates)}
    numbers |= {_of_kind("screw", screw.name): SCREW_FIRST + k for k, screw in enumerate(operation.screws)}
    return {name: np.flatnonzero(mesh.region == number) for name, number in numbers.items()}


def _of_kind(kind: str, name: str) -> str:
    return name if name.startswith(kind) else f"{kind} {name}"


def _node_sets(model: StaticModel) -> dict[str, np.ndarray]:
    unknowns = {f"load {name}": np.flatnonzero(model.loads[:, k]) for k, name in enumerate(model.load_names)}
    unknowns |= {f"bite {name}": model.bites[:, [k]].nonzero()[0] for k, name in enumerate(model.bite_names)}
    unknowns |= {f"foundation {name}": matrix.nonzero()[0] for name, matrix in model.foundations.items()}
    return {name: np.unique(rows // 3) for name, rows in unknowns.items()}


def _interface_surfaces(mesh: Mesh) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    interface, surfaces = mesh.interface, {}
    for number, name in enumerate(mesh.screw_names):
        mine = interface.screw == number
        for side, cells, triangles in (
            ("bone", interface.bone_tets[mine], interface.bone_triangles[mine]),
            ("screw", interface.screw_tets[mine], interface.screw_triangles[mine]),
        ):
            left_out = (mesh.tets[cells][:, :, None] != triangles[:, None, :]).all(axis=2).argmax(axis=1)
            surfaces[f"{side} at {name}"] = (cells, OPPOSITE_TO_FACE[left_out])
    return surfaces


def solve(space: Space, model: LinearModel, solver: str = "auto") -> np.ndarray:
    """Return femsim's own displacement (n_dof,) [mm] of a model without fixed unknowns.

    Parameters
    ----------
    space : Space
        With the model's nodes and cells.
    solver : str
        As :func:`femsim.fem.solvers.make_solver` takes it.
    """
    points = len(space.weights)
    young = np.repeat(model.young[:, None], points, axis=1)
    anisotropy = None
    if model.stiffness:
        matrices = np.repeat(np.array(list(model.stiffness.values()))[:, None], points, axis=1)
        anisotropy = Anisotropy(np.array(list(model.stiffness)), matrices)
    matrix = assemble_stiffness(space, upper_pattern(space), young, model.poisson, anisotropy=anisotropy)
    if model.springs is not None:
        matrix = with_springs(matrix, model.springs.columns, model.springs.stiffness)
    factor = make_solver(solver).factor(matrix)
    try:
        return np.asarray(factor.solve(model.forces.reshape(-1, 1))).ravel()
    finally:
        factor.close()
