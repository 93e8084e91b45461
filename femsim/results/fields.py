"""Fields and surfaces as VTK files: quadratic tetrahedra with everything known at nodes and elements."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyvista as pv

from femsim.durable import write_via

# VTK orders the mid-edge nodes 01, 12, 02, 03, 13, 23.
VTK_EDGES = ((0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3))


def write_fields(
    path: Path,
    nodes: np.ndarray,
    cells: np.ndarray,
    *,
    point_data: Mapping[str, np.ndarray],
    cell_data: Mapping[str, np.ndarray],
) -> None:
    """Write a VTU file.

    Parameters
    ----------
    path : Path
        Target, ending in ``.vtu``.
    nodes : ndarray, shape (n, 3)
        Node coordinates [mm].
    cells : ndarray of int, shape (m, 4) or (m, 10)
        Node numbers in VTK's order.
    point_data, cell_data : mapping of ndarray
        Arrays with n and m rows; floats are stored in single precision to keep run folders small.
    """
    kind = pv.CellType.TETRA if cells.shape[1] == 4 else pv.CellType.QUADRATIC_TETRA
    grid = pv.UnstructuredGrid({kind: np.asarray(cells, dtype=np.int64)}, np.asarray(nodes, dtype=float))
    for name, values in point_data.items():
        grid.point_data[name] = _stored(values)
    for name, values in cell_data.items():
        grid.cell_data[name] = _stored(values)
    write_via(path, grid.save)


def write_surface(path: Path, points: np.ndarray, triangles: np.ndarray, **cell_data: np.ndarray) -> None:
    """Write a triangle surface as VTP, with arrays on its triangles."""
    mesh = pv.PolyData.from_regular_faces(np.asarray(points, dtype=float), np.asarray(triangles, dtype=np.int64))
    for name, values in cell_data.items():
        mesh.cell_data[name] = values
    write_via(path, mesh.save)


def _stored(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    return values.astype(np.float32) if values.dtype.kind == "f" else values
