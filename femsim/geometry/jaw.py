"""A mandible ready for planning: surface and landmarks in the anatomical frame, from a file or from parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyvista as pv
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from femsim.errors import GeometryError
from femsim.geometry.frame import Frame
from femsim.geometry.landmarks import JawLimits, Landmarks, find_landmarks
from femsim.geometry.parametric import MandibleShape, mandible_surface
from femsim.geometry.surface import Surface, checked_closed, read_surface

CRUMB_SHARE = 0.02
"""Loose pieces below this share of the volume are dropped as debris of a segmentation; larger ones are refused."""


@dataclass(frozen=True, eq=False)
class Jaw:
    """A mandible in the anatomical frame (x left, y posterior, z up, x = 0 on the midline).

    Attributes
    ----------
    surface : Surface
        Closed, facing outwards [mm].
    landmarks : Landmarks
    frame : Frame
        Its place in the coordinates of the file; identity for a parametric jaw.
    name : str
        For messages and reports.
    parametric : bool
    shape : MandibleShape or None
        What a parametric jaw was built from.
    """

    surface: Surface
    landmarks: Landmarks
    frame: Frame
    name: str
    parametric: bool
    shape: MandibleShape | None = None


def jaw_from_surface(
    path: str | Path,
    landmarks: Mapping[str, np.ndarray] | None = None,
    limits: JawLimits | None = None,
) -> Jaw:
    """Read a mandible surface in any orientation and bring it into the anatomical frame.

    Parameters
    ----------
    path : str or Path
        STL, OBJ or PLY in millimetres.
    landmarks : mapping of str to (3,) array, optional
        Landmarks picked by the user, in file coordinates; any subset.
    limits : JawLimits, optional
        Plausible measures; from the parameter card when not given.

    Raises
    ------
    InputError, GeometryError
        No such file, open surface, several bodies, or not a mandible.
    """
    surface = _one_body(_consistent(read_surface(path), str(path)), str(path))
    frame, found = find_landmarks(surface, landmarks, limits, name=str(path))
    placed = surface.transformed(frame.rotation, -frame.rotation @ frame.origin)
    return Jaw(placed, found, frame, Path(path).stem, parametric=False)


def parametric_jaw(shape: MandibleShape | None = None) -> Jaw:
    """Build a mandible from morphometrics (adult defaults when ``shape`` is not given)."""
    shape = shape or MandibleShape.default()
    surface, points = mandible_surface(shape)
    return Jaw(surface, Landmarks(points), Frame(), "parametric mandible", parametric=True, shape=shape)


def _consistent(surface: Surface, name: str) -> Surface:
    """Turn single flipped triangles so that neighbours agree; the whole then faces outwards."""
    directed = surface.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    _, counts = np.unique(directed, axis=0, return_counts=True)
    if np.all(counts == 1):
        return surface
    turned = surface.polydata.compute_normals(
        cell_normals=True, point_normals=False, consistent_normals=True, auto_orient_normals=True, split_vertices=False
    )
    return checked_closed(Surface.from_polydata(pv.PolyData(turned.points, turned.faces)), name)


def _one_body(surface: Surface, name: str) -> Surface:
    """Keep the largest connected piece; refuse a file with another large one."""
    count = len(surface.points)
    edges = surface.triangles[:, [[0, 1], [1, 2]]].reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    pieces, piece_of_point = connected_components(graph, directed=False)
    if pieces == 1:
        return surface
    piece = piece_of_point[surface.triangles[:, 0]]
    cones = np.einsum("ij,ij->i", surface.corners.mean(axis=1), surface.area_vectors) / 3
    volumes = np.bincount(piece, weights=cones, minlength=pieces)
    largest = int(np.abs(volumes).argmax())
    rest = float(np.delete(np.abs(volumes), largest).max())
    if rest > CRUMB_SHARE * abs(volumes[largest]):
        raise GeometryError(
            f"{name}: the file holds {pieces} separate bodies, the second with {rest / 1000:.2f} cm3 of "
            f"{abs(volumes[largest]) / 1000:.2f} cm3; join them (a boolean union of teeth and bone) into one closed "
            "surface and export it again"
        )
    triangles = surface.triangles[piece == largest]
    used, renumbered = np.unique(triangles, return_inverse=True)
    return checked_closed(Surface(surface.points[used], renumbered.reshape(-1, 3)), name)
