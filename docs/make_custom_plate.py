"""Draw the plate of scenarios/custom-plate.yaml as a designer's program would: surface and axes of its holes.

Run it from the top of the project:

    python docs/make_custom_plate.py

It writes scenarios/custom-plate.stl and scenarios/custom-plate-holes.csv in the frame of the parametric jaw, which is
the anatomical frame. The plate follows the buccal surface, is wider over the defect with three windows in it, and has
bores with conical seats for the heads of its screws.
"""

from __future__ import annotations

from pathlib import Path

import manifold3d
import numpy as np
import pyvista as pv

from femsim.geometry.hole import Hole
from femsim.geometry.jaw import parametric_jaw
from femsim.geometry.operation import plan_operation
from femsim.geometry.plan import PlatePlan, ScrewPlan, SegmentPlan
from femsim.geometry.plate import section_directions
from femsim.geometry.surface import Surface
from femsim.parameters import load_parameters

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
BORE, SEAT, SEAT_DEPTH = 3.0, 4.2, 1.0
"""Bore and conical seat for the head of a 2.4 mm locking screw [mm]."""
WINDOW, WINDOW_STEP = 5.0, 9.0
"""Diameter and distance of the windows over the defect [mm]."""


def solid(surface: Surface) -> manifold3d.Manifold:
    """The surface as a body that can be cut."""
    return manifold3d.Manifold(manifold3d.Mesh64(surface.points, surface.triangles.astype(np.uint64)))


def main() -> None:
    """Draw the plate, drill it, write surface and table."""
    plan = PlatePlan(
        width=7.0, bridge_width=11.0, thickness=2.5, standoff=0.8, per_stump=3, screws=ScrewPlan(whole_screw=True)
    )
    segment = SegmentPlan(teeth=(34, 37))
    operation = plan_operation(parametric_jaw(), load_parameters(), segments=[segment], plates=[plan])
    plate, resection = operation.plates[0], operation.resection
    assert resection is not None
    body = solid(plate.surface)
    axes = [screw.axis for screw in operation.screws]
    for centre, axis in zip(plate.holes, axes, strict=True):
        body -= solid(Hole(centre, axis, BORE, plate.thickness, SEAT, SEAT_DEPTH).plug(1.0, 32))
    over = resection.depth(plate.path)
    middle = int(np.argmax(over))
    _, normal, _ = section_directions(plate.path, plate.outward)
    step = round(WINDOW_STEP / float(np.linalg.norm(plate.path[1] - plate.path[0])))
    for k in (middle - step, middle, middle + step):
        body -= solid(Hole(plate.path[k], -normal[k], WINDOW, plate.thickness).plug(1.0, 32))
    mesh = body.to_mesh64()
    surface = pv.PolyData.from_regular_faces(mesh.vert_properties[:, :3], mesh.tri_verts.astype(np.int64))
    surface.save(SCENARIOS / "custom-plate.stl", binary=True)
    rows = [",".join(f"{value:.4f}" for value in (*at, *axis)) for at, axis in zip(plate.holes, axes, strict=True)]
    (SCENARIOS / "custom-plate-holes.csv").write_text("\n".join(["x,y,z,dx,dy,dz", *rows]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
