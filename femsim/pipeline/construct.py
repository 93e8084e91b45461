"""Mesh, static model, patches and condensed operator of a setting, and the loosening case built on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from femsim.fem import assembly
from femsim.fem.materials import Elasticity
from femsim.fem.model import StaticModel, build_model
from femsim.fem.places import StressPlaces, average_stresses, stress_places
from femsim.fem.solvers import Structure, make_solver
from femsim.geometry.screws import Screw
from femsim.interface.bone import PatchBone, patch_means, points_behind
from femsim.interface.condensation import Condensation, Operator, condense, reference_stiffness
from femsim.interface.contact import ContactSolver
from femsim.interface.joints import JointConstants
from femsim.interface.law import LawConstants, ScrewBoneLaw
from femsim.interface.patches import Patches, build_patches, jump_operator
from femsim.interface.plate_contact import Joints, build_joints
from femsim.interface.tightening import tightened
from femsim.loosening.case import LooseningCase, StressRecovery
from femsim.loosening.chewing import Chewer, Chewing
from femsim.loosening.criteria import LooseCriteria
from femsim.loosening.hardware import FatigueMaterial, HardwareFatigue, Part, PartStress, plate_part
from femsim.loosening.rates import LooseningConstants
from femsim.loosening.spectrum import HealingSpectrum, Task
from femsim.mesh.cache import cached_mesh, mesh_key
from femsim.mesh.release import HoleWalls, released
from femsim.mesh.tetmesh import BONE, PLATE, SCREW_FIRST, Mesh
from femsim.pipeline.hooks import Hooks
from femsim.pipeline.setting import Setting
from femsim.tissue import (
    bonded_rate,
    removal_torque_ratio,
)


def meshed(setting: Setting, hooks: Hooks) -> tuple[Mesh, bool, str]:
    """Take or make the mesh; also its key in the cache."""
    with hooks.timed("meshing") as progress:
        mesh, from_cache = cached_mesh(
            setting.operation, setting.sizing, progress=lambda stage, fraction: progress(fraction), note=hooks.note
        )
    return mesh, from_cache, mesh_key(setting.operation, setting.sizing)


@dataclass(frozen=True, eq=False)
class Construct:
    """Model, patches and condensed operator of a setting, with the moduli of one day.

    Attributes
    ----------
    model : StaticModel
    patches : Patches
    bone : PatchBone
    eqd2 : ndarray, shape (p,)
        Dose of every patch [Gy].
    law : ScrewBoneLaw
    condensation : Condensation
    solver : ContactSolver
    joints : Joints, optional
        Of unlocked screws.
    day : float
        Day since surgery whose moduli the bulk has.
    """

    model: StaticModel
    patches: Patches
    bone: PatchBone
    eqd2: np.ndarray
    law: ScrewBoneLaw
    condensation: Condensation
    solver: ContactSolver
    joints: Joints | None = None
    day: float = 0.0


def _structure(setting: Setting, model: StaticModel) -> Structure:
    """Name the bodies, so that a solver can say which one floats."""
    plates = {PLATE + number: plate.name for number, plate in enumerate(setting.operation.plates)}
    screws = {SCREW_FIRST + number: screw.name for number, screw in enumerate(setting.operation.screws)}
    return Structure(model.space, model.mesh.region, {BONE: "bone", **plates, **screws})


def construct(
    setting: Setting,
    mesh: Mesh,
    hooks: Hooks,
    *,
    degree: int = 2,
    operator: Operator | None = None,
    day: float = 0.0,
) -> Construct:
    """Assemble, factorise and condense.

    Parameters
    ----------
    degree : int
        Of the finite-element space.
    operator : Operator, optional
        That of the run being resumed: taken as it is, so that resuming does not depend on how a solver rounds.
    day : float
        Day since surgery whose moduli the bulk gets.
    """
    parameters, operation = setting.parameters, setting.operation
    walls = None
    if setting.preload:
        mesh, walls = released(mesh, tuple(setting.preload))
    with hooks.timed("assembling"):
        assembly.warm_up(hooks.note)
        elasticity = elasticity_of(setting)
        model = model_on(setting, mesh, day, degree)
    with hooks.timed("condensing onto the interface"):
        law = ScrewBoneLaw(LawConstants.from_parameters(parameters))
        patches = build_patches(mesh, operation.screws, law.constants)
        points = model.space.quadrature_points()[model.bone_cells]
        eqd2 = patch_means(model, patches, setting.tissue.eqd2(points.reshape(-1, 3)).reshape(points.shape[:2]))
        bone = _patch_bone(setting, model, patches, elasticity, eqd2)
        joints = None if walls is None else _joints(setting, model, walls, elasticity, law)
        jumps = jump_operator(model.space, mesh, patches)
        springs = reference_stiffness(patches, bone.at(0.0), law)
        condensation = _condensed(setting, model, patches, jumps, springs, joints, hooks)
    if operator is not None:
        condensation = replace(condensation, operator=operator)
    solver = solver_of(setting, condensation.operator, patches, law, joints)
    return Construct(model, patches, bone, eqd2, law, condensation, solver, joints, day)


def model_on(setting: Setting, mesh: Mesh, day: float, degree: int) -> StaticModel:
    """Static model with the moduli of a day since surgery."""
    ratios, operation = setting.tissue.ratios_on(day), setting.operation
    return build_model(operation, mesh, elasticity_of(setting), ratios, degree=degree, measured=setting.measured)


def elasticity_of(setting: Setting) -> Elasticity:
    """Healthy moduli of a setting."""
    orthotropic = setting.scenario.bone.cortical == "orthotropic"
    return Elasticity.from_parameters(
        setting.parameters, graft=setting.operation.graft is not None, orthotropic=orthotropic
    )


def solver_of(
    setting: Setting,
    operator: Operator,
    patches: Patches,
    law: ScrewBoneLaw,
    joints: Joints | None,
    **options: float,
) -> ContactSolver:
    """Contact solver of an operator; ``options`` are those of the solver."""
    stiffness = setting.parameters["interface.bite_stiffness"]
    own = None if joints is None else joints.law
    return ContactSolver(operator, patches.thread_shape, law, stiffness, joints=own, **options)


def aged(setting: Setting, built: Construct, day: float, hooks: Hooks, operator: Operator | None = None) -> Construct:
    """Condense a construct anew with the moduli of another day; the factor of ``built`` is freed.

    Parameters
    ----------
    operator : Operator, optional
        That of the run being resumed, taken as it is.
    """
    built.condensation.factor.close()
    model = model_on(setting, built.model.mesh, day, built.model.space.degree)
    count = 3 * len(built.patches)
    jumps, springs = built.condensation.C[:, :count], built.condensation.operator.k_ref[:count]
    condensation = _condensed(setting, model, built.patches, jumps, springs, built.joints, hooks)
    if operator is not None:
        condensation = replace(condensation, operator=operator)
    solver = solver_of(setting, condensation.operator, built.patches, built.law, built.joints)
    return replace(built, model=model, condensation=condensation, solver=solver, day=day)


def _condensed(
    setting: Setting,
    model: StaticModel,
    patches: Patches,
    jumps: sp.csc_matrix,
    springs: np.ndarray,
    joints: Joints | None,
    hooks: Hooks,
) -> Condensation:
    return condense(
        model.stiffness,
        jumps,
        patches,
        model.loads,
        model.load_names,
        k_ref=springs,
        bites=model.bites,
        bite_names=model.bite_names,
        bite_spring=setting.parameters["interface.bite_stiffness"],
        joints=None if joints is None else joints.columns,
        joint_springs=None if joints is None else joints.law.reference,
        solver=make_solver(setting.scenario.solver, structure=_structure(setting, model), announce=hooks.note),
    )


def _joints(
    setting: Setting, model: StaticModel, walls: HoleWalls, elasticity: Elasticity, law: ScrewBoneLaw
) -> Joints:
    """Joints of the unlocked screws; a pad is as wide as the plate."""
    plates = {plate.name: (PLATE + k, plate.width / 2) for k, plate in enumerate(setting.operation.plates)}
    screws = setting.operation.screws
    return build_joints(
        model.space,
        model.mesh,
        walls,
        screws,
        {number: plates[screws[number].plate_name] for number in setting.preload},
        JointConstants.from_parameters(setting.parameters),
        setting.preload,
        elasticity.cortical_young / law.constants.reference_modulus,
    )


def _patch_bone(
    setting: Setting, model: StaticModel, patches: Patches, elasticity: Elasticity, eqd2: np.ndarray
) -> PatchBone:
    """Bone behind the patches, of the classes by depth or of the density in a CT."""
    histories, graft = setting.tissue.table.histories(eqd2), setting.operation.graft
    if setting.measured is not None:
        places, averaging = points_behind(model, patches)
        healthy, cortical = model.healthy.ravel()[places], model.cortical.ravel()[places]
        return PatchBone.of_points(averaging, healthy, cortical, elasticity, histories)
    cortical = patch_means(model, patches, model.cortical.astype(float))
    if graft is None:
        return PatchBone.of_classes(cortical, elasticity, histories)
    points = model.space.quadrature_points()[model.bone_cells]
    struts = graft.in_struts(points.reshape(-1, 3)).reshape(points.shape[:2])
    return PatchBone.of_classes(cortical, elasticity, histories, patch_means(model, patches, struts.astype(float)))


def tasks(setting: Setting, names: tuple[str, ...], bites: tuple[str, ...]) -> tuple[tuple[Task, ...], HealingSpectrum]:
    """Chewing tasks in terms of the operator's loads and bites."""
    made = []
    for task in setting.scenario.loading.chewing:
        site = setting.operation.bite(task.site)
        activation = setting.operation.muscle_activation(task.activation or site.name)
        made.append(
            Task(
                name=task.name,
                activation=np.array([activation[name] for name in names]),
                bite=bites.index(site.name),
                bite_force=task.force,
                cycles_per_day=task.cycles_per_day,
                load_ratio=task.load_ratio,
            )
        )
    return tuple(made), HealingSpectrum.from_table(setting.scenario.loading.recovery)


class Bulk(Protocol):
    """Who knows the construct with the moduli of today."""

    current: Construct

    @property
    def days(self) -> Sequence[float]:
        """Days of refresh."""

    def refreshed(self, day: float) -> ContactSolver:
        """Renew the moduli."""


@dataclass
class FixedBulk:
    """A bulk that keeps the moduli of its construct.

    Attributes
    ----------
    current : Construct
    """

    current: Construct
    days: Sequence[float] = ()

    def refreshed(self, day: float) -> ContactSolver:
        """Return the same solver."""
        return self.current.solver


def loosening_case(setting: Setting, built: Construct, bulk: Bulk | None = None) -> tuple[LooseningCase, Chewer]:
    """Everything the cycle integrator needs; the moduli of the bulk stay as they are unless ``bulk`` renews them."""
    operator = built.condensation.operator
    made, spectrum = tasks(setting, operator.load_names, operator.bite_names)
    bulk = FixedBulk(built) if bulk is None else bulk
    hardware, stress_at = hardware_fatigue(setting, bulk, made, spectrum)
    case = case_of(setting, built.solver, built.patches, built.bone, made, spectrum, hardware, stress_at)
    case = replace(case, refresh_days=bulk.days, refreshed=bulk.refreshed)
    if built.joints is not None:
        case.start = tightened(built.solver, case.insertion(), case.tissue_at(0.0))
    return case, Chewer(built.solver, made, case.constants, case.initial_bond)


def case_of(
    setting: Setting,
    solver: ContactSolver,
    patches: Patches,
    bone: PatchBone,
    made: tuple[Task, ...],
    spectrum: HealingSpectrum,
    hardware: HardwareFatigue,
    stress_at: StressRecovery,
) -> LooseningCase:
    """Loosening case of a setting, whatever its condensed operator and stress recovery come from."""
    parameters, biology = setting.parameters, setting.tissue.table.constants
    wanted = setting.scenario.simulate.criteria
    return LooseningCase(
        solver=solver,
        patches=patches,
        stumps=tuple(screw.stump for screw in setting.operation.screws),
        tasks=made,
        spectrum=spectrum,
        tissue_at=bone.at,
        bonded_rate=lambda bonded, activity, day, motion: bonded_rate(bonded, activity, day, motion, biology),
        constants=LooseningConstants.from_parameters(parameters),
        criteria=LooseCriteria(
            loose_motion=wanted.motion,
            loose_holding=wanted.holding,
            loose_stiffness=wanted.lateral_stiffness,
            loose_duration=wanted.duration,
            stump_minimum=parameters["loosening.stump_minimum"],
        ),
        initial_bond=biology.Bi,
        probe=parameters["interface.probe_displacement"],
        torque_ratio=lambda bonded, day, strength: removal_torque_ratio(bonded, day, strength, biology),
        hardware=hardware,
        stress_at=stress_at,
    )


def hardware_places(setting: Setting, model: StaticModel) -> tuple[StressPlaces, ...]:
    """Small volumes of every plate and screw over which stresses are averaged for fatigue."""
    parameters, operation, region = setting.parameters, setting.operation, model.mesh.region
    cells = {plate.name: np.flatnonzero(region == PLATE + k) for k, plate in enumerate(operation.plates)}
    cells |= {screw.name: np.flatnonzero(region == SCREW_FIRST + k) for k, screw in enumerate(operation.screws)}
    thickness = {plate.name: plate.thickness for plate in operation.plates}
    cores = {screw.name: _core_factor(screw, thickness[screw.plate_name]) for screw in operation.screws}
    volume, distance = parameters["loosening.averaging_volume"], parameters["loosening.averaging_distance"]
    return stress_places(model.space, cells, volume=volume, distance=distance, factors=cores)


def hardware_parts(setting: Setting) -> list[Part]:
    """Plates and screws with their fatigue constants."""
    parameters, operation = setting.parameters, setting.operation
    finishes = [plate.finish for plate in setting.scenario.plates]
    parts = [
        plate_part(plate.name, finish, parameters) for plate, finish in zip(operation.plates, finishes, strict=True)
    ]
    return parts + [Part(screw.name, FatigueMaterial.alloy(parameters)) for screw in operation.screws]


def hardware_fatigue(
    setting: Setting, bulk: Bulk, made: tuple[Task, ...], spectrum: HealingSpectrum
) -> tuple[HardwareFatigue, StressRecovery]:
    """Fatigue of plate and screws from stresses averaged over small volumes of the recovered full field."""
    model = bulk.current.model
    places = hardware_places(setting, model)

    def stress_at(day: float, chewing: Chewing) -> list[PartStress]:
        found: list[PartStress] = []
        for pair, load, task in zip(chewing.solved, chewing.loads, made, strict=True):
            fields = [
                bulk.current.condensation.displacement(one.q, one.forces, factors)
                for one, factors in zip(pair, (load, task.load_ratio * load), strict=True)
            ]
            peak, valley = (average_stresses(places, model.space, u, model.young, model.poisson) for u in fields)
            found.append({place.name: (peak[place.name], valley[place.name]) for place in places})
        return found

    cycles = np.array([task.cycles_per_day for task in made])
    return HardwareFatigue(hardware_parts(setting), cycles, spectrum), stress_at


def _core_factor(screw: Screw, plate_thickness: float) -> Callable[[np.ndarray], np.ndarray]:
    """Bending stress in the screw's core over that in the meshed cylinder: (d / d_core)^3 outside the locking head."""
    thin = (screw.diameter / screw.core_diameter) ** 3

    def factor(points: np.ndarray) -> np.ndarray:
        axial, _, _ = screw.coordinates(points)
        return np.where(axial > plate_thickness, thin, 1.0)

    return factor
