"""Closed triangle surfaces: reading, checking, inside and distance tests, ray casting. No elements here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyvista as pv
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkDoubleArray, vtkIdList, vtkPoints
from vtkmodules.vtkCommonDataModel import vtkStaticCellLocator
from vtkmodules.vtkFiltersCore import vtkImplicitPolyDataDistance

from femsim.errors import GeometryError, InputError
from femsim.geometry.surface_files import check_whole

SURFACE_FORMATS = (".stl", ".obj", ".ply", ".vtp")


@dataclass(frozen=True, eq=False)
class Surface:
    """A triangle surface.

    Attributes
    ----------
    points : ndarray, shape (n, 3)
        Vertices [mm].
    triangles : ndarray of int, shape (m, 3)
        Vertex numbers, counter-clockwise seen from outside.
    """

    points: np.ndarray
    triangles: np.ndarray

    @classmethod
    def from_polydata(cls, mesh: pv.PolyData) -> Surface:
        """Take points and triangles of a PyVista surface (faces are triangulated)."""
        mesh = mesh.triangulate()
        return cls(np.asarray(mesh.points, dtype=float), mesh.regular_faces.astype(np.int64))

    @cached_property
    def polydata(self) -> pv.PolyData:
        """The same surface as PyVista data."""
        return pv.PolyData.from_regular_faces(self.points, self.triangles)

    @property
    def bounds(self) -> np.ndarray:
        """Lower and upper corner, shape (2, 3) [mm]."""
        return np.array([self.points.min(axis=0), self.points.max(axis=0)])

    @property
    def corners(self) -> np.ndarray:
        """Triangle corners, shape (m, 3, 3) [mm]."""
        return self.points[self.triangles]

    @cached_property
    def area_vectors(self) -> np.ndarray:
        """Outward area vector of every triangle, shape (m, 3) [mm2]."""
        a, b, c = np.moveaxis(self.corners, 1, 0)
        return 0.5 * np.cross(b - a, c - a)

    @property
    def area(self) -> float:
        """Total area [mm2]."""
        return float(np.linalg.norm(self.area_vectors, axis=1).sum())

    @property
    def volume(self) -> float:
        """Enclosed volume [mm3]; negative when the triangles face inwards."""
        return float(np.einsum("ij,ij->", self.corners.mean(axis=1), self.area_vectors) / 3)

    def transformed(self, rotation: np.ndarray, translation: np.ndarray) -> Surface:
        """Return ``rotation @ x + translation`` applied to every vertex (``rotation`` proper)."""
        return Surface(self.points @ np.asarray(rotation).T + translation, self.triangles)

    def signed_distance(self, points: np.ndarray) -> np.ndarray:
        """Distance to the surface [mm], negative inside; shape (n,) for ``points`` of shape (n, 3)."""
        points = np.ascontiguousarray(points, dtype=float)
        if len(points) == 0:
            return np.zeros(0)
        distances = vtkDoubleArray()
        self._implicit.FunctionValue(numpy_to_vtk(points), distances)
        return vtk_to_numpy(distances).copy()

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Whether each of the points, shape (n, 3), lies inside."""
        points = np.asarray(points, dtype=float)
        low, high = self.bounds
        inside = np.all((points >= low) & (points <= high), axis=1)
        inside[inside] = self.signed_distance(points[inside]) < 0
        return inside

    def closest(self, points: np.ndarray) -> np.ndarray:
        """Nearest points on the surface, shape (n, 3), for ``points`` of shape (n, 3) [mm]."""
        found = np.array(points, dtype=float)
        place = [0.0, 0.0, 0.0]
        for k, point in enumerate(found):
            self._implicit.EvaluateFunctionAndGetClosestPoint(point.tolist(), place)
            found[k] = place
        return found

    def ray_hits(self, origin: np.ndarray, direction: np.ndarray, length: float) -> np.ndarray:
        """Distances along a ray at which it crosses the surface, ascending [mm].

        Parameters
        ----------
        origin, direction : ndarray, shape (3,)
            Start and unit direction.
        length : float
            How far to look [mm].
        """
        origin = np.asarray(origin, dtype=float)
        hits, cells = vtkPoints(), vtkIdList()
        end = origin + length * np.asarray(direction, dtype=float)
        self.locator.IntersectWithLine(origin.tolist(), end.tolist(), 1e-9, hits, cells)
        if hits.GetNumberOfPoints() == 0:
            return np.zeros(0)
        distance = np.sort(np.linalg.norm(vtk_to_numpy(hits.GetData()) - origin, axis=1))
        # A ray through an edge reports both triangles; crossings closer than this are one crossing.
        return distance[np.r_[True, np.diff(distance) > 1e-6]]

    @cached_property
    def _implicit(self) -> vtkImplicitPolyDataDistance:
        function = vtkImplicitPolyDataDistance()
        function.SetInput(self.polydata)
        return function

    @cached_property
    def locator(self) -> vtkStaticCellLocator:
        """Search tree of the triangles."""
        locator = vtkStaticCellLocator()
        locator.SetDataSet(self.polydata)
        locator.BuildLocator()
        return locator


def merge_surfaces(surfaces: list[Surface] | tuple[Surface, ...]) -> Surface:
    """Concatenate surfaces without joining them."""
    offsets = np.cumsum([0] + [len(s.points) for s in surfaces[:-1]])
    return Surface(
        np.vstack([s.points for s in surfaces]),
        np.vstack([s.triangles + offset for s, offset in zip(surfaces, offsets, strict=True)]),
    )


def read_surface(path: str | Path) -> Surface:
    """Read a closed surface in millimetres from STL, OBJ, PLY or VTP.

    Raises
    ------
    InputError
        Missing, unreadable or wrong kind of file.
    GeometryError
        The surface is open or encloses no volume; the message names a place.
    """
    return checked_closed(read_triangles(path), str(path))


def read_triangles(path: str | Path) -> Surface:
    """Read the triangles of a surface file in millimetres, closed or not; equal vertices are joined.

    Raises
    ------
    InputError
        Missing, unreadable or wrong kind of file.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"jaw surface: no file {str(path)!r}; name a closed surface (STL, OBJ, PLY or VTP)")
    if path.suffix.lower() not in SURFACE_FORMATS:
        raise InputError(f"{path}: {path.suffix!r} is not a surface format; allowed are {', '.join(SURFACE_FORMATS)}")
    check_whole(path)
    try:
        mesh = pv.read(path)
    except Exception as error:  # readers raise whatever their format library raises
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{path}: the file could not be read as a surface ({reason}); export it again") from error
    if not isinstance(mesh, pv.PolyData) or mesh.n_points == 0 or mesh.n_cells == 0:
        raise InputError(f"{path}: no triangles in the file; it may be broken or empty, export the surface again")
    mesh = mesh.triangulate().clean()
    if not np.all(np.isfinite(mesh.points)):
        raise InputError(f"{path}: the file holds coordinates that are not finite numbers; export it again")
    return Surface.from_polydata(mesh)


def checked_closed(surface: Surface, name: str) -> Surface:
    """Return the surface facing outwards, or raise :class:`GeometryError` naming a place where it is open."""
    edges = np.sort(surface.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    odd = unique[counts % 2 == 1]
    if len(odd):
        place = np.round(surface.points[odd[0]].mean(axis=0), 1)
        raise GeometryError(
            f"{name}: the surface is not closed, {len(odd)} of its edges are free, one near "
            f"({place[0]}, {place[1]}, {place[2]}) mm; close the holes and export it again"
        )
    if surface.volume < 0:
        surface = Surface(surface.points, surface.triangles[:, ::-1])
    if surface.volume <= 0:
        raise GeometryError(f"{name}: the surface encloses no volume; check the export")
    return surface


def cylinder_surface(start: np.ndarray, end: np.ndarray, across: np.ndarray, diameter: float, segments: int) -> Surface:
    """Closed faceted cylinder whose section has the area of the exact circle.

    Parameters
    ----------
    start, end : ndarray, shape (3,)
        Centres of its two ends [mm].
    across : ndarray, shape (2, 3)
        Unit directions across the axis, right-handed with it.
    diameter : float
        Of the exact circle [mm].
    segments : int
        Number of facets around, at least 3.
    """
    if segments < 3:
        raise ValueError(f"a cylinder needs at least 3 segments, got {segments}")
    radius = diameter / 2 * np.sqrt(2 * np.pi / segments / np.sin(2 * np.pi / segments))
    angle = 2 * np.pi * np.arange(segments) / segments
    ring = radius * (np.cos(angle)[:, None] * across[0] + np.sin(angle)[:, None] * across[1])
    points = np.vstack([start + ring, end + ring, start, end])
    i = np.arange(segments)
    j = (i + 1) % segments
    top, bottom = np.full(segments, 2 * segments), np.full(segments, 2 * segments + 1)
    triangles = np.vstack(
        [
            np.stack([i, j, j + segments], axis=1),
            np.stack([i, j + segments, i + segments], axis=1),
            np.stack([top, j, i], axis=1),
            np.stack([bottom, i + segments, j + segments], axis=1),
        ]
    )
    return Surface(points, triangles)
