"""The triangle soup given to the mesher: bone coarsened within an error, plates, screw cylinders, cut sheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyvista as pv
from vtkmodules.vtkFiltersCore import vtkQuadricDecimation

from femsim.geometry.surface import Surface, merge_surfaces

if TYPE_CHECKING:
    from femsim.geometry.operation import Operation
    from femsim.geometry.resection import CutPlane

# Surfaces with fewer triangles than this are already as coarse as they can be.
COARSE_ENOUGH = 2000
# Share of triangles removed, tried from the boldest; the first within the allowed error is taken.
REDUCTIONS = (0.9, 0.85, 0.8, 0.7, 0.6, 0.45, 0.3)
# A cut sheet ends this far outside the bone so that it cuts cleanly through the surface [mm].
SHEET_MARGIN = 2.0
# The surface of an empty hole ends this far outside the plate [mm]; no plate stands nearer to the bone.
HOLE_MARGIN = 0.2
# Side step by which the two sides of a cut plane are told apart [mm].
SIDE_STEP = 0.02


def coarsened(surface: Surface, error: float) -> Surface:
    """Return the surface with as few triangles as ``error`` allows.

    Parameters
    ----------
    error : float
        Largest distance of an old vertex to the new surface, and of a new triangle's centre to the old one [mm];
        the 99.5th percentile is held to it, because single tooth grooves may be lost.
    """
    if len(surface.triangles) < COARSE_ENOUGH:
        return surface
    for reduction in REDUCTIONS:
        filter_ = vtkQuadricDecimation()
        filter_.SetInputData(surface.polydata)
        filter_.SetTargetReduction(reduction)
        filter_.VolumePreservationOn()
        filter_.Update()
        reduced = Surface.from_polydata(pv.wrap(filter_.GetOutput()).clean())
        off = np.r_[
            np.abs(reduced.signed_distance(surface.points)),
            np.abs(surface.signed_distance(reduced.corners.mean(axis=1))),
        ]
        if np.percentile(off, 99.5) <= error and reduced.polydata.n_open_edges == 0:
            return reduced
    return surface


def cut_sheets(operation: Operation, bone: Surface) -> list[Surface]:
    """Rectangles along the cut planes, just large enough to part the kept bone from the removed one."""
    if operation.resection is None:
        return []
    sheets = (cut_sheet(operation, cut, bone) for cut in operation.resection.cuts)
    return [sheet for sheet in sheets if sheet is not None]


def cut_sheet(operation: Operation, cut: CutPlane, bone: Surface) -> Surface | None:
    """One rectangle in a cut plane; None where the plane does not part anything."""
    if operation.resection is None:
        return None
    point, normal = np.asarray(cut.point, dtype=float), np.asarray(cut.normal, dtype=float)
    section = np.asarray(bone.polydata.slice(normal=normal, origin=point).points, dtype=float)
    if len(section) == 0:
        return None
    removed = operation.resection.removed
    parts = removed(section + SIDE_STEP * normal) != removed(section - SIDE_STEP * normal)
    if not parts.any():
        return None
    section = section[parts]
    first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    first /= np.linalg.norm(first)
    axes = np.stack([first, np.cross(normal, first)])
    flat = (section - point) @ axes.T
    (a, b), (c, d) = flat.min(axis=0) - SHEET_MARGIN, flat.max(axis=0) + SHEET_MARGIN
    corners = np.array([[a, b], [c, b], [c, d], [a, d]])
    return Surface(point + corners @ axes, np.array([[0, 1, 2], [0, 2, 3]]))


def build_soup(operation: Operation, bone: Surface, segments: int) -> Surface:
    """Every triangle that the mesh must follow.

    Parameters
    ----------
    bone : Surface
        The coarsened bone surface.
    segments : int
        Sides of a screw's polygon.
    """
    screws = [screw.cylinder(segments) for screw in operation.screws]
    plates = [plate.surface for plate in operation.plates]
    holes = [hole.plug(HOLE_MARGIN, segments) for plate in operation.plates for hole in plate.empty_holes]
    graft = () if operation.graft is None else operation.graft.bodies
    return merge_surfaces([bone, *graft, *plates, *holes, *screws, *cut_sheets(operation, bone)])
