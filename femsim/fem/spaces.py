"""Finite-element spaces on straight tetrahedra: node numbering, geometry and quadrature, no materials."""

from __future__ import annotations

import numpy as np
from skfem.quadrature import get_quadrature
from skfem.refdom import RefTet

from femsim.errors import MeshError

EDGES = np.array([[0, 1], [1, 2], [2, 0], [0, 3], [1, 3], [2, 3]])
"""Local mid-edge order after the four vertices; the order of VTK, meshio ``tetra10`` and CalculiX C3D10."""

FACE_EDGES = np.array([[0, 1], [1, 2], [2, 0]])
"""Local mid-edge order of a six-node face."""


class Space:
    """Continuous vector-valued Lagrange space of degree 1 or 2 on affine tetrahedra.

    Unknown ``3 * node + component``. Nodes below ``n_points`` are the mesh vertices in their given order; the
    mid-edge nodes of a quadratic space follow. Edges are straight, so barycentric gradients are constant in a cell.

    Parameters
    ----------
    points : (n, 3) array
        Vertex coordinates in mm; every vertex must belong to a cell.
    tets : (m, 4) int array
        Positively oriented cells.
    degree : int
        1 or 2. Linear cells lock in bending: use 2 unless the question is locking.
    quadrature_order : int
        Polynomial order integrated exactly; the default ``2 * (degree - 1)`` (at least 2, four points) is exact for
        the stiffness of a modulus that is constant in a cell, and keeps the full order of convergence otherwise.

    Attributes
    ----------
    nodes : (N, 3) array
        Node coordinates, mm.
    cells : (m, 4) or (m, 10) int32 array
        Node numbers: vertices, then mid-edge nodes in the order of :data:`EDGES`.
    gradients : (m, 4, 3) array
        Gradients of the barycentric coordinates, 1/mm.
    volumes : (m,) array
        Cell volumes, mm3.
    barycentric : (q, 4) array
        Barycentric coordinates of the quadrature points.
    weights : (q,) array
        Quadrature weights as fractions of the cell volume; they sum to 1.

    Raises
    ------
    MeshError
        Inverted or flat cells, or vertices that no cell uses.

    Examples
    --------
    >>> import numpy as np
    >>> space = Space(np.vstack([np.zeros(3), np.eye(3)]), np.array([[0, 1, 2, 3]]))
    >>> space.n_nodes, space.n_dof
    (10, 30)
    """

    def __init__(self, points: np.ndarray, tets: np.ndarray, degree: int = 2, quadrature_order: int = 2) -> None:
        if degree not in (1, 2):
            raise ValueError(f"degree is {degree}; a Space has degree 1 or 2")
        points = np.ascontiguousarray(points, dtype=float)
        tets = np.ascontiguousarray(tets, dtype=np.int32)
        self.degree = degree
        self.n_points = len(points)
        self.gradients, self.volumes = _affine_geometry(points, tets)
        used = np.zeros(len(points), dtype=bool)
        used[tets] = True
        if not used.all():
            raise MeshError(
                f"{np.count_nonzero(~used)} mesh vertices (first: {int(np.argmin(used))}) belong to no tetrahedron; "
                "remove unused vertices"
            )
        self._edge_keys = np.empty(0, dtype=np.int64)
        self.nodes = points
        self.cells = tets
        if degree == 2:
            self._number_edges(points, tets)
        reference, weights = get_quadrature(RefTet, quadrature_order)
        self.barycentric = np.ascontiguousarray(np.vstack([1.0 - reference.sum(axis=0), reference]).T)
        self.weights = weights / weights.sum()

    def _number_edges(self, points: np.ndarray, tets: np.ndarray) -> None:
        keys, inverse = np.unique(self._keys(tets[:, EDGES].reshape(-1, 2)), return_inverse=True)
        ends = np.stack([keys // self.n_points, keys % self.n_points], axis=1)
        mids = (self.n_points + inverse.reshape(len(tets), 6)).astype(np.int32)
        self._edge_keys = keys
        self.nodes = np.vstack([points, 0.5 * (points[ends[:, 0]] + points[ends[:, 1]])])
        self.cells = np.hstack([tets, mids])

    def _keys(self, edges: np.ndarray) -> np.ndarray:
        edges = edges.astype(np.int64)
        return edges.min(axis=-1) * self.n_points + edges.max(axis=-1)

    @property
    def n_nodes(self) -> int:
        return len(self.nodes)

    @property
    def n_dof(self) -> int:
        return 3 * len(self.nodes)

    @property
    def n_cells(self) -> int:
        return len(self.cells)

    @property
    def tets(self) -> np.ndarray:
        """Vertex numbers of the cells, (m, 4)."""
        return self.cells[:, :4]

    def positions(self, barycentric: np.ndarray) -> np.ndarray:
        """Return the points with given barycentric coordinates (q, 4) in every cell, (m, q, 3) in mm."""
        return np.einsum("qk,mkd->mqd", barycentric, self.nodes[self.tets])

    def quadrature_points(self) -> np.ndarray:
        """Return the quadrature points, (m, q, 3) in mm."""
        return self.positions(self.barycentric)

    def quadrature_volumes(self) -> np.ndarray:
        """Return weight times volume of every quadrature point, (m, q) in mm3; they sum to the volume of the mesh."""
        return self.volumes[:, None] * self.weights

    def face_nodes(self, triangles: np.ndarray) -> np.ndarray:
        """Return the nodes of triangles given by vertices: (f, 3), or (f, 6) with mid-edges 01, 12, 20.

        Raises
        ------
        MeshError
            A triangle has an edge that the mesh does not have.
        """
        triangles = np.asarray(triangles, dtype=np.int32).reshape(-1, 3)
        if self.degree == 1 or len(triangles) == 0:
            return triangles if self.degree == 1 else np.empty((0, 6), dtype=np.int32)
        keys = self._keys(triangles[:, FACE_EDGES])
        found = np.minimum(np.searchsorted(self._edge_keys, keys), len(self._edge_keys) - 1)
        wrong = self._edge_keys[found] != keys
        if wrong.any():
            triangle = triangles[np.nonzero(wrong)[0][0]].tolist()
            raise MeshError(f"triangle {triangle} is no face of the mesh: it has an edge that no tetrahedron has")
        return np.hstack([triangles, (self.n_points + found).astype(np.int32)])

    def values(self, barycentric: np.ndarray) -> np.ndarray:
        """Return the shape functions at barycentric points (q, 4): (q, 4) or (q, 10)."""
        corner = np.asarray(barycentric, dtype=float)
        if self.degree == 1:
            return corner
        edge = 4.0 * corner[:, EDGES[:, 0]] * corner[:, EDGES[:, 1]]
        return np.hstack([corner * (2.0 * corner - 1.0), edge])

    def barycentric_derivatives(self, barycentric: np.ndarray) -> np.ndarray:
        """Return d N_a / d lambda_k at barycentric points (q, 4): (q, 4 or 10, 4).

        The gradient of shape function a in cell e is the sum over k of this times ``gradients[e, k]``.
        """
        point = np.asarray(barycentric, dtype=float)
        identity = np.broadcast_to(np.eye(4), (len(point), 4, 4))
        if self.degree == 1:
            return identity.copy()
        derivative = np.zeros((len(point), 10, 4))
        derivative[:, :4] = (4.0 * point - 1.0)[:, :, None] * identity
        for row, (first, second) in enumerate(EDGES):
            derivative[:, 4 + row, first] = 4.0 * point[:, second]
            derivative[:, 4 + row, second] = 4.0 * point[:, first]
        return derivative


def _affine_geometry(points: np.ndarray, tets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return barycentric gradients (m, 4, 3) and volumes (m,)."""
    origin, a, b, c = (points[tets[:, k]] for k in range(4))
    a, b, c = a - origin, b - origin, c - origin
    normals = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    determinant = np.einsum("md,md->m", a, normals[:, 0])
    if len(tets) and determinant.min() <= 0.0:
        worst = int(np.argmin(determinant))
        raise MeshError(
            f"tetrahedron {worst} is inverted or flat (volume {determinant[worst] / 6.0:.3g} mm3); "
            "volumes must be positive: refine or repair the mesh"
        )
    gradients = np.empty((len(tets), 4, 3))
    gradients[:, 1:] = normals / determinant[:, None, None]
    gradients[:, 0] = -gradients[:, 1:].sum(axis=1)
    return gradients, determinant / 6.0
