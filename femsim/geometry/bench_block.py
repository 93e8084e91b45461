"""A laboratory specimen with the same Operation type as a jaw: two bone blocks bridged by a straight plate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from femsim.errors import GeometryError, InputError
from femsim.geometry.operation import Operation
from femsim.geometry.plan import PlatePlan
from femsim.geometry.plate import Plate, metal_beside, sweep_section
from femsim.geometry.plate_path import WAVE_RAMP, WIDTH_RAMP, PlateSetting, ramp
from femsim.geometry.screws import place_screw, screw_thread
from femsim.geometry.sites import BiteSite, Foundation, LoadSite
from femsim.geometry.surface import Surface, merge_surfaces
from femsim.parameters import ParameterSet

PATH_STEP = 2.0
"""Spacing [mm] of the plate's sections; the plate is straight, so only the shape of its triangles depends on it."""


@dataclass(frozen=True)
class UniformCortex:
    """Cortical shell of one thickness.

    Attributes
    ----------
    thickness : float
        [mm]
    """

    thickness: float

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Thickness at points (n, 3), shape (n,) [mm]."""
        return np.full(len(points), self.thickness)


def box_surface(low: Sequence[float], high: Sequence[float]) -> Surface:
    """Closed box between two corners [mm], twelve triangles facing outwards."""
    start, size = np.array(low, dtype=float), np.array(high, dtype=float) - np.array(low, dtype=float)
    corner = np.array([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)])
    quads = [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]]
    triangles = np.array([t for a, b, c, d in quads for t in ([a, b, c], [a, c, d])])
    return Surface(start + corner * size, triangles)


def bench_block(
    parameters: ParameterSet,
    *,
    gap: float | None = None,
    plate: PlatePlan | None = None,
) -> Operation:
    """Two bone blocks A (left, clamped) and B (right, loaded) along x with a plate on their front face.

    Block A is held by a stiff foundation on its far end. An actuator pulls block B upwards and the bite ``tip`` holds
    B at its far end, so that a task on ``tip`` works as in a jaw.

    Parameters
    ----------
    parameters : ParameterSet
        Cards ``bench``, ``plates``, ``screws``.
    gap : float, optional
        Distance between the blocks [mm].
    plate : PlatePlan, optional
        Without height and single holes; ``per_stump`` counts the screws in each block, or in A and in B, 1 to 6. The
        default is the standard plate with two screws in each.

    Raises
    ------
    InputError
        Unknown preset.
    GeometryError
        A number out of its range or a screw that misses the bone.
    """
    bench = parameters.group("bench")
    if gap is not None and not 1.0 <= gap <= 100.0:
        raise GeometryError(f"bench block: gap is {gap} mm, allowed are 1 to 100 mm")
    plan = plate or PlatePlan(per_stump=2)
    counts = (plan.per_stump,) * 2 if isinstance(plan.per_stump, int) else plan.per_stump
    if len(counts) != 2 or not all(1 <= count <= 6 for count in counts):
        raise GeometryError(
            f"bench block: {' and '.join(str(count) for count in counts)} screws per block, allowed are 1 to 6 in each"
        )
    if plan.screws.holes:
        raise InputError("bench block: single holes cannot be changed here; give the number of screws per block")
    setting = PlateSetting.from_parameters(parameters, plan)
    thickness = setting.thickness
    half_gap = (bench["gap"] if gap is None else gap) / 2
    half_height = bench["height"] / 2
    far_a, far_b = (
        half_gap + setting.first_hole + setting.pitch * (count - 1) + bench["end_margin"] for count in counts
    )
    bone = merge_surfaces(
        [
            box_surface([half_gap, 0, -half_height], [far_a, bench["depth"], half_height]),
            box_surface([-far_b, 0, -half_height], [-half_gap, bench["depth"], half_height]),
        ]
    )
    # Block A lies at +x (left) and B at -x, so that "left" means the same as in a jaw.
    holes_a, holes_b = (half_gap + setting.first_hole + setting.pitch * np.arange(count) for count in counts)
    x_holes = np.r_[holes_a[::-1], -holes_b]
    y_plate = -(setting.standoff + thickness / 2)
    ends = holes_a[-1] + setting.end_margin, -holes_b[-1] - setting.end_margin
    stations = np.linspace(*ends, int(np.ceil((ends[0] - ends[1]) / PATH_STEP)) + 1)
    over = np.maximum(half_gap - np.abs(stations), 0.0)
    y_path = y_plate - setting.wave * ramp(over, WAVE_RAMP)
    width = setting.width + (setting.bridge_width - setting.width) * ramp(over, WIDTH_RAMP)
    path = np.stack([stations, y_path, np.zeros_like(stations)], axis=1)
    outward = np.tile([0.0, -1.0, 0.0], (len(path), 1))
    holes = np.stack([x_holes, np.full_like(x_holes, y_plate), np.zeros_like(x_holes)], axis=1)
    thread = screw_thread(parameters, plan.screws.preset, diameter=plan.screws.diameter, core=plan.screws.core)
    straight = Plate(
        name="plate",
        surface=sweep_section(path, outward, width, thickness, setting.edge_radius),
        path=path,
        outward=outward,
        holes=holes,
        hole_axes=np.tile([0.0, 1.0, 0.0], (len(holes), 1)),
        width=setting.width,
        thickness=thickness,
        clearance=(setting.standoff, setting.standoff),
        rim=metal_beside(holes, np.full(len(holes), max(thread["head"], thread["diameter"])), setting.width),
    )
    screws = []
    for k, x in enumerate(x_holes):
        screw = place_screw(
            bone,
            parameters,
            thread,
            name=f"screw-{k + 1}",
            head=straight.holes[k] - straight.hole_axes[k] * thickness / 2,
            axis=straight.hole_axes[k],
            stump="A" if x > 0 else "B",
            plate_name=straight.name,
            length=plan.screws.length,
        )
        # The block's own face at the gap stands where a jaw's cut plane would.
        screws.append(replace(screw, distance_to_cut=float(abs(x) - half_gap)))
    return Operation(
        bone=bone,
        resection=None,
        plates=(straight,),
        screws=tuple(screws),
        loads=(_pull(bench, 0.5 * (half_gap + far_b), half_height),),
        foundations=(_clamp(bench, far_a, half_height),),
        bites=(_tip(bench, far_b, half_height),),
        dropped=(),
        arch=None,
        jaw=None,
        cortical_thickness=UniformCortex(bench["cortex"]),
        activations={"PULL": {"pull": 1.0}},
    )


def _pull(bench: dict[str, float], x: float, half_height: float) -> LoadSite:
    return LoadSite(
        name="pull",
        point=np.array([-x, bench["depth"] / 2, half_height]),
        direction=np.array([0.0, 0.0, 1.0]),
        radius=bench["pad_radius"],
        force_max=bench["pull"],
        muscle="actuator",
        side="B",
    )


def _clamp(bench: dict[str, float], far: float, half_height: float) -> Foundation:
    return Foundation(
        name="clamp",
        point=np.array([far, bench["depth"] / 2, 0.0]),
        normal=np.array([1.0, 0.0, 0.0]),
        radius=float(np.hypot(bench["depth"] / 2, half_height)) * 1.01,
        stiffness_normal=bench["clamp_normal"],
        stiffness_tangential=bench["clamp_tangential"],
    )


def _tip(bench: dict[str, float], far: float, half_height: float) -> BiteSite:
    return BiteSite(
        name="tip",
        point=np.array([-far + bench["pad_radius"], bench["depth"] / 2, half_height]),
        normal=np.array([0.0, 0.0, -1.0]),
        radius=bench["pad_radius"],
        others=np.zeros((0, 3)),
    )
