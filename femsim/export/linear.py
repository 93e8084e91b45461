"""A linear static model as plain data: solid cells, springs on weighted displacements, nodal forces, fixed unknowns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

OPPOSITE_TO_FACE = np.array([3, 4, 2, 1])
"""Face number of CalculiX and Abaqus (1: corners 1-2-3, 2: 1-4-2, 3: 2-4-3, 4: 3-4-1), by the corner it leaves out.

Entry k belongs to the face without corner k (counted from 0)."""


@dataclass(frozen=True, eq=False)
class Springs:
    """Springs on weighted sums of displacements: spring j has the energy k_j (c_j . u)^2 / 2.

    Attributes
    ----------
    columns : csc_matrix, shape (n_dof, s)
        c_j in column j; unknown ``3 * node + component``.
    stiffness : ndarray, shape (s,)
        k_j [N/mm], positive.
    places : ndarray, shape (s, 3)
        Where the spring is drawn [mm]; without influence on the answer.
    groups : dict of str to ndarray of int
        Springs that belong together, under their name.
    """

    columns: sp.csc_matrix
    stiffness: np.ndarray
    places: np.ndarray
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.stiffness)


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A linear static model that every format is written from.

    Attributes
    ----------
    nodes : ndarray, shape (n, 3)
        [mm]
    cells : ndarray of int, shape (m, 4) or (m, 10)
        Nodes in the order of :data:`femsim.fem.spaces.EDGES`, which is that of C3D10 and of FEBio's tet10.
    young, poisson : ndarray, shape (m,)
        Constant in each cell [MPa].
    forces : ndarray, shape (3 n,)
        Nodal forces [N].
    springs : Springs, optional
    fixed : ndarray of bool, shape (3 n,), optional
        Unknowns held at zero.
    stiffness : dict of int to ndarray (6, 6)
        Full stiffness of the cells that are not isotropic [MPa], order xx, yy, zz, yz, xz, xy with doubled shear
        strains.
    cell_sets, node_sets : dict of str to ndarray of int
    surfaces : dict of str to (ndarray of int, ndarray of int)
        Cells and their face numbers, see :data:`OPPOSITE_TO_FACE`.
    title : str
    notes : tuple of str
        Sentences for the head of the file.
    """

    nodes: np.ndarray
    cells: np.ndarray
    young: np.ndarray
    poisson: np.ndarray
    forces: np.ndarray
    springs: Springs | None = None
    fixed: np.ndarray | None = None
    stiffness: Mapping[int, np.ndarray] = field(default_factory=dict)
    cell_sets: Mapping[str, np.ndarray] = field(default_factory=dict)
    node_sets: Mapping[str, np.ndarray] = field(default_factory=dict)
    surfaces: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    title: str = "linear static model"
    notes: tuple[str, ...] = ()


def isotropic_materials(model: LinearModel) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the distinct pairs of Young's modulus and Poisson's ratio (k, 2), and the isotropic cells of each."""
    isotropic = np.ones(len(model.cells), dtype=bool)
    isotropic[list(model.stiffness)] = False
    cells = np.flatnonzero(isotropic)
    pairs, label = np.unique(np.column_stack([model.young, model.poisson])[cells], axis=0, return_inverse=True)
    order = np.argsort(label.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(label.ravel(), minlength=len(pairs)))[:-1]
    return pairs, np.split(cells[order], ends) if len(pairs) else []


def set_name(name: str) -> str:
    """Return a name that every program accepts: upper case, letters, digits and underscores, a letter first."""
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in name.upper())
    return plain if plain[:1].isalpha() else f"S_{plain}"
