"""What the unknowns of a matrix stand for: nodes and bodies, so that a failed solve can say which body floats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from femsim.fem.boundary import bodies
from femsim.fem.solve.multigrid import Geometry, rigid_modes
from femsim.fem.spaces import EDGES, Space

LARGEST_AMPLIFICATION = 1e12
"""|K| |u| / |f| above which a body floats: a lower bound of the condition number; jaws stay far below."""

SHARE_OF_MOTION = 0.1
"""A body takes part in a free motion when it moves at least this share of the body that moves most."""

MOST_NAMED = 5
"""Groups of floating bodies that a message names."""


@dataclass(frozen=True, eq=False)
class Structure:
    """Space and region names behind a stiffness matrix.

    Attributes
    ----------
    space : Space
    region : (m,) int array, optional
        Region of every cell.
    names : mapping
        Region number to a name, such as ``{1: "bone", 2: "plate", 10: "screw-1"}``.
    """

    space: Space
    region: np.ndarray | None = None
    names: Mapping[int, str] = field(default_factory=dict)

    def geometry(self) -> Geometry:
        """Return node places and the ends of every edge that has a node."""
        space = self.space
        edges = np.empty((space.n_nodes - space.n_points, 2), dtype=np.int32)
        if len(edges):
            for local, ends in enumerate(EDGES):
                edges[space.cells[:, 4 + local] - space.n_points] = space.cells[:, ends]
        return Geometry(space.nodes, edges)

    def floating(self, upper: sp.csr_matrix) -> str:
        """Name the bodies that can move without resistance: ``"screw-3 (412 nodes, near [1.0, 2.0, 3.0] mm)"``.

        Every connected body is given its six rigid motions; a combination of them that the matrix does not resist is
        a floating body, a group of bodies that floats together, or a hinge.

        Returns
        -------
        str
            Empty when every rigid motion of every body is resisted.
        """
        space = self.space
        of_vertex = bodies(space.tets, space.n_points)
        of_node = np.empty(space.n_nodes, dtype=np.int64)
        of_node[space.cells] = of_vertex[space.tets[:, :1]]
        count = int(of_vertex.max()) + 1
        motions = self._motions(of_node, count)
        product = upper @ motions + upper.T @ motions - sp.diags(upper.diagonal()) @ motions
        reduced = np.asarray((motions.T @ product).toarray())
        values, vectors = sl.eigh(0.5 * (reduced + reduced.T))
        size = float(abs(upper).sum(axis=1).max())
        free = vectors[:, values <= size / LARGEST_AMPLIFICATION]
        if not free.shape[1]:
            return ""
        moved = np.linalg.norm(free.reshape(count, 6, -1), axis=(1, 2))
        taking_part = np.flatnonzero(moved >= SHARE_OF_MOTION * moved.max())
        joined = np.linalg.norm(reduced.reshape(count, 6, count, 6), axis=(1, 3)) > size / LARGEST_AMPLIFICATION
        group = connected_components(joined[np.ix_(taking_part, taking_part)], directed=False)[1]
        told = [self._group(of_node, taking_part[group == g]) for g in range(group.max() + 1)]
        more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
        return "; ".join(told[:MOST_NAMED]) + more

    def _motions(self, of_node: np.ndarray, count: int) -> sp.csr_matrix:
        """Orthonormal rigid motions of every body, (n_dof, 6 count)."""
        rows, columns, values = [], [], []
        for body in range(count):
            nodes = np.flatnonzero(of_node == body)
            modes = np.linalg.qr(rigid_modes(self.space.nodes[nodes]))[0]
            dofs = (3 * nodes[:, None] + np.arange(3)).ravel()
            rows.append(np.repeat(dofs, 6))
            columns.append(np.tile(6 * body + np.arange(6), len(dofs)))
            values.append(modes.ravel())
        shape = (self.space.n_dof, 6 * count)
        coordinates = np.concatenate(rows), np.concatenate(columns)
        return sp.csr_matrix((np.concatenate(values), coordinates), shape=shape)

    def _group(self, of_node: np.ndarray, members: np.ndarray) -> str:
        nodes = np.isin(of_node, members)
        cells = nodes[self.space.tets[:, 0]]
        what = "body"
        if self.region is not None:
            numbers = np.unique(self.region[cells]).tolist()
            what = ", ".join(self.names.get(number, f"region {number}") for number in numbers)
        centre = np.round(self.space.nodes[nodes].mean(axis=0), 1).tolist()
        return f"{what} ({int(nodes.sum())} nodes, near {centre} mm)"


def why_singular(structure: Structure | None, upper: sp.csr_matrix) -> str:
    """Say which body floats, as the end of a sentence, or what to check when that is not known."""
    floating = ""
    if structure is not None and structure.space.n_dof == upper.shape[0]:
        floating = structure.floating(upper)
    if floating:
        return f"a body floats: {floating}; add a support or connect it, or remove it"
    return (
        "a body floats or is held too loosely, or moduli differ too much; "
        "check supports and that plate, screws and bone touch"
    )
