"""Numbers to trust a mesh by: scaled Jacobians, volumes and interface areas beside the exact geometry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyvista as pv

from femsim.mesh.tetmesh import BONE, PLATE, SCREW_FIRST, Mesh, outer_faces

if TYPE_CHECKING:
    from femsim.geometry.operation import Operation
    from femsim.geometry.plate import Plate
    from femsim.geometry.screws import Screw

# Samples along and around a screw for the exact areas and volumes; the error is far below the mesh's own.
AXIAL_SAMPLES = 160
ANGULAR_SAMPLES = 36
RADIAL_SAMPLES = 8
# Borders of the classes in which scaled Jacobians are counted.
CLASSES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# Lines through a plate along which elements are counted, and samples along each.
PROBES = 400
PROBE_SAMPLES = 40


def scaled_jacobian(points: np.ndarray, tets: np.ndarray) -> np.ndarray:
    """Scaled Jacobian of straight tetrahedra, shape (m,): 1 regular, 0 flat, negative inverted.

    The smallest of the four corner determinants over the product of that corner's edge lengths, times sqrt(2)
    (Knupp 2000; the verdict library's ``scaled_jacobian``).
    """
    a, b, c, d = np.moveaxis(points[tets], -2, 0)
    ab, ac, ad, bc, bd, cd = b - a, c - a, d - a, c - b, d - b, d - c
    determinant = np.einsum("...i,...i->...", np.cross(ab, ac), ad)
    i, j, k, p, q, r = (np.linalg.norm(edge, axis=-1) for edge in (ab, ac, ad, bc, bd, cd))
    product = np.max([i * j * k, i * p * q, j * p * r, k * q * r], axis=0)
    return np.sqrt(2.0) * determinant / np.maximum(product, np.finfo(float).tiny)


def face_areas(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area of triangles, shape (f,) [mm2]."""
    a, b, c = np.moveaxis(points[faces], 1, 0)
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)


def exact_interface_area(operation: Operation, screw: Screw) -> float:
    """Area of a screw's exact cylinder and tip disc that lies inside kept bone [mm2]."""
    across = _directions(screw)
    axial = (np.arange(AXIAL_SAMPLES) + 0.5) / AXIAL_SAMPLES * screw.length
    radius = 0.5 * screw.diameter
    points = screw.head + axial[:, None, None] * screw.axis + radius * across
    # Bone may touch the plate's own holes only on paper: inside a plate there is no bone.
    inside = _bone_without_plates(operation, points.reshape(-1, 3))
    side = inside.mean() * np.pi * screw.diameter * screw.length
    radial = (np.arange(RADIAL_SAMPLES) + 0.5) / RADIAL_SAMPLES * radius
    disc = screw.head + screw.length * screw.axis + radial[:, None, None] * across
    weight = np.repeat(radial, ANGULAR_SAMPLES)
    tip = _bone_without_plates(operation, disc.reshape(-1, 3)) @ weight / weight.sum() * np.pi * radius**2
    return float(side + tip)


def exact_plate_volume(operation: Operation, plate: Plate) -> float:
    """Volume of a plate without its empty holes and without the screws in it [mm3]."""
    total = plate.surface.volume - sum(hole.volume for hole in plate.empty_holes)
    for screw in operation.screws:
        axial = (np.arange(AXIAL_SAMPLES) + 0.5) / AXIAL_SAMPLES * screw.length
        radial = (np.arange(RADIAL_SAMPLES) + 0.5) / RADIAL_SAMPLES * 0.5 * screw.diameter
        across = _directions(screw)[:: ANGULAR_SAMPLES // 9]
        points = (screw.head + axial[:, None, None, None] * screw.axis + radial[:, None, None] * across).reshape(-1, 3)
        weight = np.broadcast_to(radial[:, None], (len(axial), len(radial), len(across))).ravel()
        total -= plate.contains(points) @ weight / weight.sum() * np.pi / 4 * screw.diameter**2 * screw.length
    return float(total)


def _directions(screw: Screw) -> np.ndarray:
    """Unit vectors around a screw's axis, shape (ANGULAR_SAMPLES, 3)."""
    first = np.cross(screw.axis, np.eye(3)[np.argmin(np.abs(screw.axis))])
    first /= np.linalg.norm(first)
    angle = 2 * np.pi * np.arange(ANGULAR_SAMPLES) / ANGULAR_SAMPLES
    return np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * np.cross(screw.axis, first)


def _bone_without_plates(operation: Operation, points: np.ndarray) -> np.ndarray:
    inside = operation.bone_contains(points)
    for plate in operation.plates:
        inside &= ~plate.contains(points)
    return inside


def jacobian_distribution(jacobian: np.ndarray) -> dict[str, Any]:
    """Smallest value, percentiles and counts per class of scaled Jacobians (m,)."""
    counts, _ = np.histogram(jacobian, bins=[-np.inf, *CLASSES[1:-1], np.inf])
    return {
        "min": float(jacobian.min()),
        **{f"p{p}": float(np.percentile(jacobian, p)) for p in (1, 5, 25)},
        "median": float(np.median(jacobian)),
        "histogram": {
            f"{low:g}-{high:g}": int(count) for low, high, count in zip(CLASSES, CLASSES[1:], counts, strict=False)
        },
    }


def plate_layers(mesh: Mesh, number: int, thickness: float) -> float:
    """Layers of elements through a plate: its thickness over the mean stretch of the elements that a line meets.

    Lines start on the plate's outer faces and run along the inward normal; lines that leave the plate, or meet a screw
    or a hole, within the thickness are left out. The value is the median over the lines.

    Parameters
    ----------
    number : int
        Plate number.
    thickness : float
        [mm].
    """
    cells = mesh.tets[mesh.region == PLATE + number]
    faces, _ = outer_faces(cells)
    faces = faces[:: max(1, len(faces) // PROBES)]
    a, b, c = np.moveaxis(mesh.points[faces], 1, 0)
    inward = -np.cross(b - a, c - a)
    inward /= np.linalg.norm(inward, axis=1, keepdims=True)
    depth = (np.arange(PROBE_SAMPLES) + 0.5) / PROBE_SAMPLES * thickness
    points = ((a + b + c) / 3)[:, None] + depth[:, None] * inward[:, None]
    grid = pv.UnstructuredGrid({pv.CellType.TETRA: cells.astype(np.int64)}, mesh.points)
    met = np.asarray(grid.find_containing_cell(points.reshape(-1, 3))).reshape(points.shape[:2])
    layers = []
    for line, direction in zip(met, inward, strict=True):
        if (line < 0).any():
            continue
        stretch = np.ptp(mesh.points[cells[np.unique(line)]] @ direction, axis=1)
        layers.append(thickness / stretch.mean())
    return float(np.median(layers)) if layers else 0.0


def quality_report(mesh: Mesh, operation: Operation, dropped: int) -> dict[str, Any]:
    """Collect the numbers of a mesh; plain floats, ints, lists, ready for JSON.

    Parameters
    ----------
    dropped : int
        Number of tetrahedra in loose crumbs that were dropped.
    """
    jacobian = scaled_jacobian(mesh.points, mesh.tets)
    area = face_areas(mesh.points, mesh.interface.bone_triangles)
    screws: list[dict[str, Any]] = []
    for number, screw in enumerate(operation.screws):
        exact = exact_interface_area(operation, screw)
        here = float(area[mesh.interface.screw == number].sum())
        volume = float(mesh.volumes[mesh.region == SCREW_FIRST + number].sum())
        whole = float(np.pi / 4 * screw.diameter**2 * screw.length)
        screws.append(
            {
                "name": screw.name,
                "interface_area": here,
                "interface_area_exact": exact,
                "interface_area_error": here / exact - 1 if exact > 0 else 0.0,
                "volume": volume,
                "volume_exact": whole,
                "volume_error": volume / whole - 1,
            }
        )
    plate = float(mesh.volumes[mesh.plates].sum())
    plate_exact = sum(exact_plate_volume(operation, one) for one in operation.plates)
    exact_area = float(sum(row["interface_area_exact"] for row in screws))
    return {
        "points": len(mesh.points),
        "tets": len(mesh.tets),
        "tets_bone": int((mesh.region == BONE).sum()),
        "tets_plate": int(mesh.plates.sum()),
        "tets_screws": int((mesh.region >= SCREW_FIRST).sum()),
        "tets_dropped_as_crumbs": dropped,
        "inverted": int((mesh.volumes <= 0).sum()),
        "scaled_jacobian": jacobian_distribution(jacobian),
        "bone_pieces": int(mesh.component.max(initial=-1)) + 1,
        "bone_volume": float(mesh.volumes[mesh.region == BONE].sum()),
        "plate_volume": plate,
        "plate_volume_exact": plate_exact,
        "plate_volume_error": plate / plate_exact - 1 if plate_exact > 0 else 0.0,
        "plate_layers": min(
            (plate_layers(mesh, k, one.thickness) for k, one in enumerate(operation.plates)), default=None
        ),
        "interface_area": float(area.sum()),
        "interface_area_exact": exact_area,
        "interface_area_error": float(area.sum() / exact_area - 1) if exact_area > 0 else 0.0,
        "screws": screws,
    }
