"""A scenario turned into parameters, geometry and tissue: everything before the mesh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from femsim.fem.density import MeasuredBone
from femsim.geometry.bench_block import bench_block
from femsim.geometry.drawn_holes import read_hole_table
from femsim.geometry.jaw import Jaw
from femsim.geometry.operation import Operation, plan_operation
from femsim.geometry.plan import DrawnPlate, GraftPlan, HolePlan, PlatePlan, ScrewPlan, SegmentPlan, Structure
from femsim.geometry.surface import read_surface
from femsim.mesh.sizing import Sizing
from femsim.parameters import ParameterSet, load_parameters
from femsim.pipeline.anatomy import jaw_of, measured_bone
from femsim.pipeline.courses import courses_of, laws_of
from femsim.pipeline.hooks import Hooks
from femsim.scenario import Scenario
from femsim.scenario.schema import Plate as PlateSection
from femsim.scenario.schema import Screws, Segment
from femsim.tissue import Course, TissueConstants, TissueState, TissueTable, course_eqd2, highest_eqd2

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, eq=False)
class JawTissue:
    """Dose and tissue of one scenario as functions of place.

    Attributes
    ----------
    courses : tuple of Course
        Empty for a healthy jaw.
    table : TissueTable
    """

    courses: tuple[Course, ...]
    table: TissueTable

    def eqd2(self, points: np.ndarray) -> np.ndarray:
        """EQD2 (n,) [Gy] at points (n, 3) in the anatomical frame [mm]."""
        return course_eqd2(self.courses, points, self.table.constants.alpha_beta)

    def physical(self, points: np.ndarray) -> np.ndarray:
        """Physical dose (n,) [Gy] of all courses together at points (n, 3) in the anatomical frame [mm]."""
        return np.asarray(sum((course.dose(points) for course in self.courses), np.zeros(len(points))))

    def at_surgery(self, points: np.ndarray) -> TissueState:
        """Tissue at points (n, 3) on the day of surgery."""
        return self.table.at(self.eqd2(points), 0.0)

    def ratios(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cortical and cancellous stiffness left on the day of surgery."""
        return self.ratios_on(0.0)(points)

    def ratios_on(self, day: float) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """Cortical and cancellous stiffness left on a day since surgery, as a function of points (n, 3)."""

        def left(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            state = self.table.at(self.eqd2(points), day)
            return state.E_cortical, state.E_trabecular

        return left


@dataclass(frozen=True, eq=False)
class Setting:
    """A scenario turned into geometry, parameters and tissue; nothing meshed yet.

    Attributes
    ----------
    measured : MeasuredBone or None
        The jaw's bone from a CT.
    """

    scenario: Scenario
    parameters: ParameterSet
    operation: Operation
    tissue: JawTissue
    sizing: Sizing
    measured: MeasuredBone | None = None

    @property
    def preload(self) -> dict[int, float]:
        """Preload [N] of every screw that is not locked, by its number."""
        scenario = self.scenario
        given = [scenario.screws, *([] if scenario.second_plate is None else [scenario.second_plate.screws])]
        wanted = {plate.name: screws.preload for plate, screws in zip(self.operation.plates, given, strict=False)}
        found = {number: wanted.get(screw.plate_name) for number, screw in enumerate(self.operation.screws)}
        return {number: value for number, value in found.items() if value is not None}

    @property
    def horizon(self) -> float:
        """Days to simulate."""
        return self.scenario.simulate.years * DAYS_PER_YEAR


def prepare(scenario: Scenario, hooks: Hooks, operation: Operation | None = None) -> Setting:
    """Build the jaw and plan the operation, or take the operation planned for a scenario of the same shape."""
    with hooks.timed("planning the operation"):
        parameters = load_parameters(scenario.overrides())
        if operation is None:
            operation = _operation(scenario, parameters)
        courses, notices = courses_of(scenario, operation, parameters)
        measured, told = measured_bone(scenario, parameters, operation)
        anatomy = () if operation.jaw is None else operation.jaw.notices
        operation = replace(
            operation,
            warnings=(*anatomy, *told, *operation.warnings, *notices),
            cortical=None if measured is None else measured.is_cortical,
        )
        return Setting(
            scenario,
            parameters,
            operation,
            _tissue(scenario, parameters, courses),
            Sizing.preset(scenario.mesh.preset),
            measured,
        )


def _operation(scenario: Scenario, parameters: ParameterSet) -> Operation:
    jaw = scenario.jaw
    if jaw.bench_block is not None:
        plan = _plate(scenario.plate, scenario.screws)
        return bench_block(parameters, gap=jaw.bench_block.gap, plate=plan)
    bone = jaw_of(scenario, parameters)
    resection = scenario.resection
    assert resection is not None  # the schema refuses a jaw without a resection
    middles, second, graft = len(resection.parts) - 1, scenario.second_plate, scenario.graft
    plates = [_plate(scenario.plate, scenario.screws, middles, _drawn(scenario, "plate", bone))]
    if second is not None:
        plates.append(_plate(second, second.screws, middles, _drawn(scenario, "second_plate", bone)))
    return plan_operation(
        bone,
        parameters,
        segments=[_segment(part, bone) for part in resection.parts],
        plates=plates,
        keep_clear=[
            Structure(one.name, bone.frame.to_anatomical(np.array(one.points)), one.radius, one.distance)
            for one in jaw.keep_clear
        ],
        graft=None if graft is None else GraftPlan(struts=graft.struts, screws=graft.screws),
        bites=tuple(dict.fromkeys(task.site for task in scenario.loading.chewing)),
    )


def _drawn(scenario: Scenario, key: str, jaw: Jaw) -> DrawnPlate | None:
    """A plate drawn elsewhere, brought from the frame of the jaw's file into the anatomical one."""
    path = scenario.files.get((key, "surface"))
    if path is None:
        return None
    table = scenario.files.get((key, "holes"))
    if table is not None:
        points, directions = read_hole_table(table)
    else:
        holes = getattr(scenario, key).holes
        points, directions = (np.array([getattr(hole, name) for hole in holes]) for name in ("point", "direction"))
    frame = jaw.frame
    surface = read_surface(path).transformed(frame.rotation, -frame.rotation @ frame.origin)
    return DrawnPlate(surface, frame.to_anatomical(points), directions @ frame.rotation.T, frame, path.name)


def _plate(plate: PlateSection, screws: Screws, middles: int = 0, drawn: DrawnPlate | None = None) -> PlatePlan:
    """One plate as the geometry takes it, on a jaw with ``middles`` pieces of bone between removed segments."""
    count = screws.per_stump
    middle = count.mesial if count.middle is None else count.middle
    holes = {
        hole.hole: HolePlan(screw=hole.screw, length=hole.length, diameter=hole.diameter, along=hole.along, up=hole.up)
        for hole in screws.holes
    }
    return PlatePlan(
        preset=plate.preset,
        width=plate.width,
        thickness=plate.thickness,
        pitch=plate.pitch,
        height=plate.height,
        standoff=plate.standoff,
        bridge_width=plate.bridge_width,
        edge_radius=plate.edge_radius,
        wave=plate.wave,
        countersink=plate.countersink,
        drawn=drawn,
        per_stump=(count.mesial, *[middle] * middles, count.distal),
        screws=ScrewPlan(
            preset=screws.preset,
            diameter=screws.diameter,
            length=screws.length,
            min_distance_to_cut=screws.minimal_distance_to_cut,
            whole_screw=screws.distance_measured == "along_screw",
            holes=holes,
        ),
    )


def _segment(part: Segment, jaw: Jaw) -> SegmentPlan:
    """A removed segment in the anatomical frame."""
    planes = part.planes and [
        (jaw.frame.to_anatomical(np.array(plane.point)), jaw.frame.rotation @ np.array(plane.normal))
        for plane in part.planes
    ]
    return SegmentPlan(
        teeth=part.teeth,
        distances=part.distances,
        tooth_and_distance=part.tooth_and_distance,
        ramus=part.up_the_ramus,
        planes=planes,
        side=part.side,
    )


def _tissue(scenario: Scenario, parameters: ParameterSet, courses: tuple[Course, ...]) -> JawTissue:
    given = scenario.irradiation
    constants = TissueConstants.from_parameters(parameters)
    highest = highest_eqd2(courses, constants.alpha_beta)
    table = TissueTable(
        constants,
        surgery_day=0.0 if given is None else given.surgery_after,
        horizon=scenario.simulate.years * DAYS_PER_YEAR,
        eqd2_max=highest,
        hbo_sessions=0 if given is None else given.hyperbaric_oxygen_sessions,
        laws=laws_of(scenario, constants, highest),
    )
    return JawTissue(courses, table)
