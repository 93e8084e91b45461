"""A plate drawn elsewhere for the adult jaw: the swept plate of a plan, drilled as a designer would drill it."""

from __future__ import annotations

from functools import cache

import manifold3d
import numpy as np
from operation_models import planned

from femsim.geometry.frame import Frame
from femsim.geometry.hole import Hole
from femsim.geometry.operation import Operation
from femsim.geometry.plan import DrawnPlate
from femsim.geometry.surface import Surface

BORE, SEAT, SEAT_DEPTH = 3.0, 4.2, 1.0
"""Bore and conical seat of the drawn holes [mm]."""


def body(surface: Surface) -> manifold3d.Manifold:
    return manifold3d.Manifold(manifold3d.Mesh64(surface.points, surface.triangles.astype(np.uint64)))


def shell(solid: manifold3d.Manifold) -> Surface:
    mesh = solid.to_mesh64()
    return Surface(np.array(mesh.vert_properties[:, :3]), mesh.tri_verts.astype(np.int64))


@cache
def swept() -> Operation:
    """The plan whose plate is drawn."""
    return planned(34, 37)


@cache
def drilled() -> DrawnPlate:
    """Its plate with a bore and a seat along every screw."""
    plate, solid = swept().plates[0], body(swept().plates[0].surface)
    axes = np.array([screw.axis for screw in swept().screws])
    for centre, axis in zip(plate.holes, axes, strict=True):
        solid -= body(Hole(centre, axis, BORE, plate.thickness, SEAT, SEAT_DEPTH).plug(1.0, 32))
    # Listed from the left of the jaw to its right: the order of the list must not matter.
    return DrawnPlate(shell(solid), plate.holes[::-1], 3.0 * axes[::-1], Frame(), "plate.stl")
