"""The checks that every mesh passes: what the mechanics cannot use is refused, with what, where and what to try."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from femsim.errors import MeshError
from femsim.mesh.quality import scaled_jacobian
from femsim.mesh.regions import pieces
from femsim.mesh.tetmesh import PLATE, SCREW_FIRST, Mesh

if TYPE_CHECKING:
    from femsim.geometry.operation import Operation

# Below this a tetrahedron spoils the conditioning of the stiffness matrix and the stresses in it.
SMALLEST_SCALED_JACOBIAN = 0.05
# Largest errors against the exact geometry: the interface carries the load by its area, hardware bends by its volume.
LARGEST_AREA_ERROR = 0.02
LARGEST_VOLUME_ERROR = 0.03
# Quadratic elements through a plate, so that it bends as it should.
FEWEST_LAYERS = 2.0


def check_mesh(mesh: Mesh, operation: Operation) -> None:
    """Refuse a mesh that the mechanics cannot use.

    Raises
    ------
    MeshError
        A flat or inverted tetrahedron, a screw in pieces, away from its plate or from bone, a loose bone fragment,
        stumps that touch, one stump in pieces, areas or volumes off the exact ones, too few elements through a plate.
    """
    _check_shapes(mesh)
    _check_hardware(mesh, operation)
    _check_bone(mesh, operation)
    _check_geometry(mesh)


def _check_shapes(mesh: Mesh) -> None:
    smallest = mesh.quality["scaled_jacobian"]["min"]
    if mesh.quality["inverted"] or smallest < SMALLEST_SCALED_JACOBIAN:
        worst = mesh.points[mesh.tets[np.argmin(scaled_jacobian(mesh.points, mesh.tets))]].mean(axis=0)
        raise MeshError(
            f"mesh: the smallest scaled Jacobian is {smallest:.3f} near {_place(worst)}, at "
            f"least {SMALLEST_SCALED_JACOBIAN:g} is needed; try a finer sizing preset or a smaller stop_energy"
        )


def _check_geometry(mesh: Mesh) -> None:
    """Areas and volumes beside the exact geometry, and elements through the plates."""
    found = [
        (f"the area of {row['name']} in bone", row["interface_area_error"], LARGEST_AREA_ERROR)
        for row in mesh.quality["screws"]
    ]
    found += [
        (f"the volume of {row['name']}", row["volume_error"], LARGEST_VOLUME_ERROR) for row in mesh.quality["screws"]
    ]
    found.append(("the volume of the plates", mesh.quality["plate_volume_error"], LARGEST_VOLUME_ERROR))
    for what, error, limit in found:
        if abs(error) > limit:
            raise MeshError(
                f"mesh: {what} is off the exact geometry by {100 * error:+.1f} %, at most {100 * limit:g} % are "
                "allowed; try a finer sizing preset"
            )
    layers = mesh.quality["plate_layers"]
    if layers is not None and layers < FEWEST_LAYERS:
        raise MeshError(
            f"mesh: {layers:.1f} elements through a plate, at least {FEWEST_LAYERS:g} are needed; try a finer sizing "
            "preset"
        )


def _place(point: np.ndarray) -> str:
    return "({:.1f}, {:.1f}, {:.1f}) mm".format(*point)


def _check_hardware(mesh: Mesh, operation: Operation) -> None:
    hardware = pieces(mesh.tets, mesh.hardware)
    with_plate = {
        plate.name: np.unique(hardware[mesh.region == PLATE + number]) for number, plate in enumerate(operation.plates)
    }
    for number, screw in enumerate(operation.screws):
        body = mesh.region == SCREW_FIRST + number
        count = len(np.unique(pieces(mesh.tets, body)[body]))
        if count != 1:
            raise MeshError(
                f"mesh: screw {screw.name!r} ({screw.diameter:g} x {screw.length:g} mm) came out in {count} pieces, "
                "one is needed; make near_screws smaller than half its diameter"
            )
        if operation.plates and not np.isin(hardware[body], with_plate[screw.plate_name]).all():
            raise MeshError(
                f"mesh: screw {screw.name!r} is not connected with plate {screw.plate_name!r}; its head must reach "
                "into the plate, check the hole position and the screw's axis"
            )
        if not (mesh.interface.screw == number).any():
            raise MeshError(
                f"mesh: screw {screw.name!r} has no face in common with bone (planned length in bone "
                f"{screw.length_in_bone:.1f} mm); use a longer screw or another hole"
            )


def _check_bone(mesh: Mesh, operation: Operation) -> None:
    held: dict[int, str] = {}
    at: dict[str, int] = {}
    for number, screw in enumerate(operation.screws):
        mine = mesh.component[mesh.interface.bone_tets[mesh.interface.screw == number]]
        if not (mine >= 0).any():
            raise MeshError(f"mesh: screw {screw.name!r} holds in no bone, only in a union of the graft; move its hole")
        piece = int(np.bincount(mine[mine >= 0]).argmax())
        if held.setdefault(piece, screw.stump) != screw.stump:
            raise MeshError(
                f"mesh: the stumps {held[piece]!r} and {screw.stump!r} are one piece of bone; move the cut planes "
                "apart or check that they cross the whole jaw"
            )
        if at.setdefault(screw.stump, piece) != piece:
            raise MeshError(
                f"mesh: stump {screw.stump!r} came out in several pieces that each hold screws ({screw.name!r} is in "
                "another piece than the first); check the bone surface for gaps"
            )
    for piece in range(mesh.quality["bone_pieces"]):
        if piece not in held:
            body = mesh.component == piece
            centre = mesh.points[mesh.tets[body]].mean(axis=(0, 1))
            raise MeshError(
                f"mesh: a bone piece of {mesh.volumes[body].sum():.0f} mm3 near {_place(centre)} is held by "
                "no screw; resect it as well or give it screws"
            )
