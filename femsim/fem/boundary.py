"""Loads, elastic foundations and averages on patches of the boundary; floating bodies found before factorising."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from femsim.errors import GeometryError
from femsim.fem.spaces import Space

# Integrals of N_a N_b over a straight six-node triangle of unit area (vertices, then mid-edges 01, 12, 20).
_MASS_QUADRATIC = (
    np.array(
        [
            [6, -1, -1, 0, -4, 0],
            [-1, 6, -1, 0, 0, -4],
            [-1, -1, 6, -4, 0, 0],
            [0, 0, -4, 32, 16, 16],
            [-4, 0, 0, 16, 32, 16],
            [0, -4, 0, 16, 16, 32],
        ]
    )
    / 180.0
)
_MASS_LINEAR = (np.ones((3, 3)) + np.eye(3)) / 12.0


FACE_DIVISIONS = 8
"""A face is sampled at the centres of this number squared of equal triangles when a weight varies over it."""


def _face_points() -> np.ndarray:
    """Barycentric coordinates (q, 3) of the centres of equal triangles that a face is cut into."""
    step = 1.0 / FACE_DIVISIONS
    found = []
    for i in range(FACE_DIVISIONS):
        for j in range(FACE_DIVISIONS - i):
            found.append((i + 1 / 3, j + 1 / 3))
            if i + j < FACE_DIVISIONS - 1:
                found.append((i + 2 / 3, j + 2 / 3))
    first = step * np.array(found)
    return np.column_stack([1.0 - first.sum(axis=1), first])


FACE_POINTS = _face_points()
"""Where weights are given on every face, as barycentric coordinates (q, 3); each stands for an equal share of it."""


def area_vectors(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Return normal times area of triangles, (f, 3) in mm2."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return 0.5 * np.cross(b - a, c - a)


def _face_shares(space: Space) -> np.ndarray:
    """Return the integrals of the shape functions over a face of unit area."""
    return np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]) / 3.0 if space.degree == 2 else np.ones(3) / 3.0


def _shape_functions(space: Space) -> np.ndarray:
    """Shape functions (q, a) of a face at :data:`FACE_POINTS`: vertices, then mid-edges 01, 12, 20."""
    if space.degree == 1:
        return FACE_POINTS
    edges = 4.0 * FACE_POINTS * np.roll(FACE_POINTS, -1, axis=1)
    return np.hstack([FACE_POINTS * (2.0 * FACE_POINTS - 1.0), edges])


def surface_force(
    space: Space, triangles: np.ndarray, force: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the consistent nodal forces (n_dof,) of a total force (3,) in N, spread over triangles.

    Without weights it is spread evenly: on a quadratic face the vertices carry nothing and the mid-edge nodes a third
    of the face each.

    Parameters
    ----------
    weights : (f, q) array, optional
        Traction at :data:`FACE_POINTS` of every triangle, up to a factor.
    """
    triangles, force = np.asarray(triangles), np.asarray(force, dtype=float)
    area = np.linalg.norm(area_vectors(space.nodes, triangles), axis=1)
    if weights is None:
        return surface_traction(space, triangles, np.broadcast_to(force / area.sum(), (len(triangles), 3)))
    shares = area[:, None] * (weights @ _shape_functions(space)) / len(FACE_POINTS)
    shares /= shares.sum()
    nodal = np.zeros((space.n_nodes, 3))
    np.add.at(nodal, space.face_nodes(triangles).ravel(), shares.reshape(-1, 1) * force)
    return nodal.ravel()


def surface_traction(space: Space, triangles: np.ndarray, traction: np.ndarray) -> np.ndarray:
    """Return the consistent nodal forces (n_dof,) of a traction in MPa, constant (3,) or one per triangle (f, 3)."""
    triangles = np.asarray(triangles)
    nodes = space.face_nodes(triangles)
    area = np.linalg.norm(area_vectors(space.nodes, triangles), axis=1)
    traction = np.broadcast_to(np.asarray(traction, dtype=float), (len(triangles), 3))
    share = _face_shares(space)
    values = area[:, None, None] * share[None, :, None] * traction[:, None, :]
    force = np.zeros((space.n_nodes, 3))
    np.add.at(force, nodes.ravel(), values.reshape(-1, 3))
    return force.ravel()


def surface_pressure(space: Space, triangles: np.ndarray, pressure: float) -> np.ndarray:
    """Return the consistent nodal forces (n_dof,) of a pressure in MPa, positive against outward triangles."""
    vectors = area_vectors(space.nodes, np.asarray(triangles))
    area = np.linalg.norm(vectors, axis=1)
    return surface_traction(space, triangles, -pressure * vectors / area[:, None])


def foundation_stiffness(
    space: Space,
    triangles: np.ndarray,
    normal_stiffness: float,
    tangential_stiffness: float = 0.0,
    weights: np.ndarray | None = None,
) -> sp.csr_matrix:
    """Return the full symmetric stiffness (n_dof, n_dof) of an elastic (Winkler) foundation under triangles.

    Parameters
    ----------
    normal_stiffness, tangential_stiffness : float
        Stiffness per area along and across each triangle's normal, N/mm3.
    weights : (f, q) array, optional
        Factor on the stiffness at :data:`FACE_POINTS` of every triangle; one when left out.
    """
    triangles = np.asarray(triangles)
    nodes = space.face_nodes(triangles)
    vectors = area_vectors(space.nodes, triangles)
    area = np.linalg.norm(vectors, axis=1)
    normal = vectors / area[:, None]
    across = np.einsum("fi,fj->fij", normal, normal)
    material = normal_stiffness * across + tangential_stiffness * (np.eye(3) - across)
    if weights is None:
        even = _MASS_QUADRATIC if space.degree == 2 else _MASS_LINEAR
        mass = np.broadcast_to(even, (len(area), *even.shape))
    else:
        shapes = _shape_functions(space)
        mass = np.einsum("fq,qa,qb->fab", weights / len(FACE_POINTS), shapes, shapes)
    blocks = np.einsum("f,fab,fij->faibj", area, mass, material)
    dofs = (3 * nodes[:, :, None] + np.arange(3)).reshape(len(triangles), -1)
    width = dofs.shape[1]
    rows, columns = np.repeat(dofs, width, axis=1).ravel(), np.tile(dofs, (1, width)).ravel()
    return sp.coo_matrix((blocks.reshape(-1), (rows, columns)), shape=(space.n_dof, space.n_dof)).tocsr()


def average_displacement(
    space: Space, triangles: np.ndarray, direction: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return c (n_dof,) such that ``c @ u`` is the area average over triangles of the displacement along a direction.

    Parameters
    ----------
    direction : (3,) array
        Unit vector, or zero-length to be refused.
    weights : (f, q) array, optional
        As for :func:`surface_force`.

    Examples
    --------
    The reaction R of a bite support acts on the jaw as the nodal forces ``R * c``.
    """
    direction = np.asarray(direction, dtype=float)
    length = np.linalg.norm(direction)
    if not length > 0.0:
        raise ValueError("direction of an average has no length")
    return surface_force(space, triangles, direction / length, weights)


def bodies(tets: np.ndarray, n_points: int) -> np.ndarray:
    """Return the number of the connected body of every vertex, (n_points,) int."""
    ends = np.asarray(tets)[:, [0, 1, 2]].ravel(), np.asarray(tets)[:, [1, 2, 3]].ravel()
    graph = sp.coo_matrix((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(n_points, n_points))
    return connected_components(graph, directed=False)[1]


def check_supported(
    space: Space,
    held: Sequence[np.ndarray],
    links: sp.spmatrix | None = None,
    *,
    region: np.ndarray | None = None,
    names: Mapping[int, str] | None = None,
) -> None:
    """Raise when a connected body is neither held nor linked to a held one: its stiffness would be singular.

    Parameters
    ----------
    space : Space
    held : sequence of int arrays
        Vertices held by foundations or springs, one array per support.
    links : sparse (n_dof, k), optional
        Jump operator: each column links the bodies of its nonzero rows.
    region : (m,) int array, optional
        Region of every cell, to name the body.
    names : mapping, optional
        Region number to a name.

    Raises
    ------
    GeometryError
        Names every floating body with its region, size and place.
    """
    label = bodies(space.tets, space.n_points)
    count = int(label.max()) + 1
    node_label = np.empty(space.n_nodes, dtype=np.int64)
    node_label[space.cells] = label[space.tets[:, :1]]
    graph = sp.csr_matrix((count, count))
    if links is not None:
        columns = sp.csc_matrix(links)
        of_column = np.repeat(np.arange(columns.shape[1]), np.diff(columns.indptr))
        touched = np.ones(columns.nnz), (node_label[columns.indices // 3], of_column)
        touching = sp.coo_matrix(touched, shape=(count, columns.shape[1])).tocsr()
        graph = touching @ touching.T
    group = connected_components(graph, directed=False)[1]
    supported = np.zeros(group.max() + 1, dtype=bool)
    for vertices in held:
        supported[group[label[np.asarray(vertices, dtype=np.int64)]]] = True
    floating = np.nonzero(~supported[group])[0]
    if len(floating) == 0:
        return
    told = [_describe_body(space, label, int(body), region, names) for body in floating[:5]]
    more = f" and {len(floating) - 5} more" if len(floating) > 5 else ""
    raise GeometryError(
        f"{len(floating)} bodies float, held by no support or screw: {'; '.join(told)}{more}; "
        "add a support, or remove the fragment (a screw that misses bone floats too)"
    )


def _describe_body(
    space: Space, label: np.ndarray, body: int, region: np.ndarray | None, names: Mapping[int, str] | None
) -> str:
    cells = label[space.tets[:, 0]] == body
    centre = np.round(space.nodes[space.tets[cells]].mean(axis=(0, 1)), 1).tolist()
    what = "body"
    if region is not None:
        numbers = np.unique(region[cells]).tolist()
        what = ", ".join((names or {}).get(number, f"region {number}") for number in numbers)
    return f"{what} ({int(cells.sum())} cells, {space.volumes[cells].sum():.2f} mm3, near {centre} mm)"
