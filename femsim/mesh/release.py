"""Separate screws from their plate: walls of holes are doubled, so that a head can turn and lift in its hole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from femsim.errors import MeshError
from femsim.mesh.tetmesh import SCREW_FIRST, Mesh, face_pairs


@dataclass(frozen=True, eq=False)
class HoleWalls:
    """Faces that a released screw shared with its plate, seen from both sides.

    Attributes
    ----------
    screw : ndarray of int, shape (f,)
        Screw number of each face.
    screw_triangles, plate_triangles : ndarray of int, shape (f, 3)
        Vertices on the two sides, corresponding one by one.
    """

    screw: np.ndarray
    screw_triangles: np.ndarray
    plate_triangles: np.ndarray


def released(mesh: Mesh, screws: Sequence[int]) -> tuple[Mesh, HoleWalls]:
    """Return a mesh in which some screws share no vertex with their plate, and where they touched it.

    Parameters
    ----------
    mesh : Mesh
    screws : sequence of int
        Numbers of the screws to release; their cells keep their numbers.

    Raises
    ------
    MeshError
        A screw does not touch any plate.
    """
    points, tets, interface = mesh.points, mesh.tets.copy(), mesh.interface
    on_screw = interface.screw_triangles.copy()
    faces, first, second = face_pairs(mesh.tets)
    number, on_plate, walls = [], [], []
    plates = np.unique(mesh.tets[mesh.plates])
    for screw in screws:
        cells = mesh.region == SCREW_FIRST + screw
        wall = faces[(cells[first] & mesh.plates[second]) | (cells[second] & mesh.plates[first])]
        if len(wall) == 0:
            raise MeshError(f"{mesh.screw_names[screw]}: its head touches no plate; use a finer mesh")
        shared = np.intersect1d(np.unique(mesh.tets[cells]), plates)
        copy = np.arange(len(points))
        copy[shared] = len(points) + np.arange(len(shared))
        points = np.vstack([points, points[shared]])
        tets[cells] = copy[mesh.tets[cells]]
        own = interface.screw == screw
        on_screw[own] = copy[on_screw[own]]
        number.append(np.full(len(wall), screw))
        on_plate.append(wall)
        walls.append(copy[wall])
    made = replace(mesh, points=points, tets=tets, interface=replace(interface, screw_triangles=on_screw))
    return made, HoleWalls(np.concatenate(number), np.vstack(walls), np.vstack(on_plate))
