"""Mesh, static model, patches and condensed operator of a setting, and the loosening case built on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from femsim.fem import assembly
from femsim.fem.materials import Elasticity
from femsim.fem.model import StaticModel, build_model
from femsim.fem.places import StressPlaces, average_stresses, stress_places
from femsim.fem.solvers import Structure, make_solver
from femsim.geometry.screws import Screw
from femsim.interface.bone import PatchBone, patch_means
from femsim.interface.condensation import Condensation, Operator, condense, reference_stiffness
from femsim.interface.contact import ContactSolver
from femsim.interface.law import LawConstants, ScrewBoneLaw
from femsim.interface.patches import Patches, build_patches, jump_operator
from femsim.loosening.case import LooseningCase, StressRecovery
from femsim.loosening.chewing import Chewer, Chewing
from femsim.loosening.criteria import LooseCriteria
from femsim.loosening.hardware import FatigueMaterial, HardwareFatigue, Part, PartStress
from femsim.loosening.rates import LooseningConstants
from femsim.loosening.spectrum import HealingSpectrum, Task
from femsim.mesh.cache import cached_mesh, mesh_key
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
            setting.operation, setting.sizing, progress=lambda stage, fraction: progress(fraction)
        )
    return mesh, from_cache, mesh_key(setting.operation, setting.sizing)


@dataclass(frozen=True, eq=False)
class Construct:
    """Model, patches and condensed operator of a setting on the day of surgery."""

    model: StaticModel
    patches: Patches
    bone: PatchBone
    eqd2: np.ndarray
    law: ScrewBoneLaw
    condensation: Condensation
    solver: ContactSolver


def _structure(setting: Setting, model: StaticModel) -> Structure:
    """Name the bodies, so that a solver can say which one floats."""
    plates = {PLATE + number: plate.name for number, plate in enumerate(setting.operation.plates)}
    screws = {SCREW_FIRST + number: screw.name for number, screw in enumerate(setting.operation.screws)}
    return Structure(model.space, model.mesh.region, {BONE: "bone", **plates, **screws})


def construct(
    setting: Setting, mesh: Mesh, hooks: Hooks, *, degree: int = 2, operator: Operator | None = None
) -> Construct:
    """Assemble, factorise and condense.

    Parameters
    ----------
    degree : int
        Of the finite-element space.
    operator : Operator, optional
        That of the run being resumed: taken as it is, so that resuming does not depend on how a solver rounds.
    """
    parameters, operation = setting.parameters, setting.operation
    with hooks.timed("assembling"):
        assembly.warm_up(hooks.note)
        orthotropic = setting.scenario.bone.cortical == "orthotropic"
        elasticity = Elasticity.from_parameters(parameters, graft=operation.graft is not None, orthotropic=orthotropic)
        model = build_model(operation, mesh, elasticity, setting.tissue.ratios, degree=degree)
    with hooks.timed("condensing onto the interface"):
        law = ScrewBoneLaw(LawConstants.from_parameters(parameters))
        patches = build_patches(mesh, operation.screws, law.constants)
        points = model.space.quadrature_points()[model.bone_cells]
        eqd2 = patch_means(model, patches, setting.tissue.eqd2(points.reshape(-1, 3)).reshape(points.shape[:2]))
        cortical = patch_means(model, patches, model.cortical.astype(float))
        grafted = None
        if operation.graft is not None:
            struts = operation.graft.in_struts(points.reshape(-1, 3)).reshape(points.shape[:2])
            grafted = patch_means(model, patches, struts.astype(float))
        bone = PatchBone(cortical, elasticity, setting.tissue.table.histories(eqd2), grafted)
        condensation = condense(
            model.stiffness,
            jump_operator(model.space, mesh, patches),
            patches,
            model.loads,
            model.load_names,
            k_ref=reference_stiffness(patches, bone.at(0.0), law),
            bites=model.bites,
            bite_names=model.bite_names,
            bite_spring=parameters["interface.bite_stiffness"],
            solver=make_solver(setting.scenario.solver, structure=_structure(setting, model), announce=hooks.note),
        )
    if operator is not None:
        condensation = replace(condensation, operator=operator)
    solver = ContactSolver(condensation.operator, patches.thread_shape, law, parameters["interface.bite_stiffness"])
    return Construct(model, patches, bone, eqd2, law, condensation, solver)


def tasks(setting: Setting, names: tuple[str, ...], bites: tuple[str, ...]) -> tuple[tuple[Task, ...], HealingSpectrum]:
    """Chewing tasks in terms of the operator's loads and bites."""
    made = []
    for task in setting.scenario.loading.tasks:
        site = setting.operation.bite(task.site)
        activation = setting.operation.muscle_activation(task.activation)
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


def loosening_case(setting: Setting, built: Construct) -> tuple[LooseningCase, Chewer]:
    """Everything the cycle integrator needs."""
    operator = built.condensation.operator
    made, spectrum = tasks(setting, operator.load_names, operator.bite_names)
    hardware, stress_at = hardware_fatigue(setting, built, made, spectrum)
    case = case_of(setting, built.solver, built.patches, built.bone, made, spectrum, hardware, stress_at)
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
    bent = parameters["loosening.bending_knock_down"]
    pure, alloy = FatigueMaterial.pure(parameters), FatigueMaterial.alloy(parameters)
    parts = [Part(plate.name, pure, bent) for plate in operation.plates]
    return parts + [Part(screw.name, alloy) for screw in operation.screws]


def hardware_fatigue(
    setting: Setting, built: Construct, made: tuple[Task, ...], spectrum: HealingSpectrum
) -> tuple[HardwareFatigue, StressRecovery]:
    """Fatigue of plate and screws from stresses averaged over small volumes of the recovered full field."""
    model, places = built.model, hardware_places(setting, built.model)

    def stress_at(day: float, chewing: Chewing) -> list[PartStress]:
        found: list[PartStress] = []
        for pair, load, task in zip(chewing.solved, chewing.loads, made, strict=True):
            fields = [
                built.condensation.displacement(one.q, one.forces, factors)
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
