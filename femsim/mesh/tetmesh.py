"""The mesh that every later stage works on: tagged tetrahedra and the screw-bone interface as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyvista as pv

BONE = 1
PLATE = 2
SCREW_FIRST = 10

# Corners of the face opposite to each corner, counter-clockwise seen from outside a positive tetrahedron.
FACES = np.array([[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]])


@dataclass(frozen=True, eq=False)
class Interface:
    """Faces that a screw shares with bone, seen from both sides.

    Attributes
    ----------
    screw : ndarray of int, shape (f,)
        Screw number of each face.
    bone_triangles, screw_triangles : ndarray of int, shape (f, 3)
        Vertices on the two sides, corresponding one by one; counter-clockwise seen from the bone, so the area vector
        points from the screw into the bone.
    bone_tets, screw_tets : ndarray of int, shape (f,)
        Tetrahedra that own the two sides.
    """

    screw: np.ndarray
    bone_triangles: np.ndarray
    screw_triangles: np.ndarray
    bone_tets: np.ndarray
    screw_tets: np.ndarray


@dataclass(frozen=True, eq=False)
class Mesh:
    """Tetrahedra of bone and hardware; the two never share a vertex, plate and screws do.

    Attributes
    ----------
    points : ndarray, shape (n, 3)
        Vertices [mm].
    tets : ndarray of int32, shape (m, 4)
        Corners, positively oriented.
    region : ndarray of int32, shape (m,)
        ``BONE``, ``PLATE + k`` for plate k or ``SCREW_FIRST + k`` for screw k.
    component : ndarray of int32, shape (m,)
        Number of the connected bone piece (largest first), -1 in hardware and in the unions of a graft.
    interface : Interface
        Where screws and bone meet.
    screw_names : tuple of str
        Names of the screws, in the order of the operation.
    quality : dict
        Counts, scaled Jacobians, volumes and areas beside the exact ones; see :mod:`femsim.mesh.quality`.
    """

    points: np.ndarray
    tets: np.ndarray
    region: np.ndarray
    component: np.ndarray
    interface: Interface
    screw_names: tuple[str, ...]
    quality: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def hardware(self) -> np.ndarray:
        """Whether each tetrahedron belongs to a plate or a screw, shape (m,)."""
        return self.region >= PLATE

    @cached_property
    def plates(self) -> np.ndarray:
        """Whether each tetrahedron belongs to a plate, shape (m,)."""
        return (self.region >= PLATE) & (self.region < SCREW_FIRST)

    @cached_property
    def volumes(self) -> np.ndarray:
        """Volume of every tetrahedron, shape (m,) [mm3]."""
        return tet_volumes(self.points, self.tets)

    def boundary_triangles(self, region: int | None = None) -> np.ndarray:
        """Outer faces of a region, shape (f, 3), counter-clockwise seen from outside.

        Parameters
        ----------
        region : int, optional
            ``BONE``, ``PLATE + k`` or ``SCREW_FIRST + k``; every region when left out. The faces along screws belong to
            the boundary of the bone: take :meth:`free_triangles` for the anatomical surface.
        """
        tets = self.tets if region is None else self.tets[self.region == region]
        return outer_faces(tets)[0]

    def free_triangles(self, region: int) -> np.ndarray:
        """Outer faces of a region that do not belong to the screw-bone interface, shape (f, 3)."""
        faces = self.boundary_triangles(region)
        taken = np.vstack([self.interface.bone_triangles, self.interface.screw_triangles])
        n = len(self.points)
        return faces[~np.isin(_face_keys(faces, n), _face_keys(taken, n))]

    def grid(self) -> pv.UnstructuredGrid:
        """The mesh as PyVista data with cell arrays ``region`` and ``component``."""
        grid = pv.UnstructuredGrid({pv.CellType.TETRA: self.tets.astype(np.int64)}, self.points)
        grid.cell_data["region"] = self.region
        grid.cell_data["component"] = self.component
        return grid


def tet_volumes(points: np.ndarray, tets: np.ndarray) -> np.ndarray:
    """Signed volumes, shape (m,) [mm3]; positive for the orientation used here."""
    a, b, c, d = np.moveaxis(points[tets], 1, 0)
    return np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) / 6


def _face_keys(faces: np.ndarray, n_points: int) -> np.ndarray:
    """One integer per face, equal for the same three vertices in any order; fits 64 bits up to 2 million vertices."""
    low, middle, high = np.sort(faces.astype(np.int64), axis=1).T
    return (low * n_points + middle) * n_points + high


def outer_faces(tets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Faces that belong to one tetrahedron only, shape (f, 3), and the tetrahedron of each, shape (f,)."""
    faces = tets[:, FACES].reshape(-1, 3)
    _, first, counts = np.unique(_face_keys(faces, int(tets.max(initial=0)) + 1), return_index=True, return_counts=True)
    single = np.sort(first[counts == 1])
    return faces[single], single // 4


def face_pairs(tets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Faces shared by two tetrahedra.

    Returns
    -------
    faces : ndarray, shape (f, 3)
        Vertices, outward as seen from the first tetrahedron.
    first, second : ndarray, shape (f,)
        The two tetrahedra.
    """
    faces = tets[:, FACES].reshape(-1, 3)
    keys = _face_keys(faces, int(tets.max(initial=0)) + 1)
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    one, two = order[same], order[same + 1]
    return faces[one], one // 4, two // 4
