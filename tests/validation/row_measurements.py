"""What the model gives for each validation row: pull-out, softening, stresses and lives of plates, motion over months.

Each scenario of ``tests/validation/scenarios`` is meshed and condensed once per process; everything here is measured
on it at the state and the load that the row names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from calibrate_loosening import COARSE

from femsim.fem.places import stress_places
from femsim.fem.stress import von_mises
from femsim.interface.bone import PatchBone
from femsim.interface.contact import ContactSolver
from femsim.interface.law import Coefficients, InterfaceState, LawConstants, PatchTissue, ScrewBoneLaw
from femsim.interface.patches import Patches
from femsim.loosening.case import LooseningCase
from femsim.loosening.chewing import Chewer
from femsim.loosening.evolution import evolve
from femsim.loosening.hardware import Part, equivalent_amplitude, fatigue_life
from femsim.loosening.spectrum import DAYS_PER_WEEK
from femsim.mesh.tetmesh import PLATE
from femsim.parameters import load_parameters
from femsim.pipeline.construct import Construct, construct, loosening_case, meshed
from femsim.pipeline.hooks import Hooks
from femsim.pipeline.setting import Setting, prepare
from femsim.scenario import load_scenario

SCENARIOS = Path(__file__).resolve().parent / "scenarios"
Array = np.ndarray

PULL = np.linspace(0.0, 0.2, 41)
"""Axial shifts of the pull-out test [mm]; the thread's cap is reached within tens of micrometres."""

SWEEP = (1e5, 1e3, 1e2, 1e1)
"""Uniform interface stiffnesses of the design's softening sweep [N/mm3]."""


@lru_cache(maxsize=1)
def built(name: str) -> tuple[Setting, Construct, LooseningCase, Chewer]:
    """One scenario up to its loosening case; one is kept at a time, as each needs more than a gigabyte."""
    setting = prepare(load_scenario(SCENARIOS / f"{name}.yaml"), Hooks())
    mesh, _, _ = meshed(setting, Hooks())
    made = construct(setting, mesh, Hooks())
    return setting, made, *loosening_case(setting, made)


# --- screws -----------------------------------------------------------------------------------------------------------


def law() -> ScrewBoneLaw:
    """The law with the constants of the cards."""
    return ScrewBoneLaw(LawConstants.from_parameters(load_parameters()))


def pull_out(patches: Patches, tissue: PatchTissue) -> Array:
    """Largest axial force (screws,) of fresh screws pulled slowly out of bone, both taken as rigid [N]."""
    model = law()
    frozen = model.coefficients(InterfaceState.insertion(len(patches), model.constants), tissue, patches.thread_shape)
    best = np.zeros(patches.n_screws)
    for shift in PULL:
        jumps = np.zeros((len(patches), 3))
        jumps[:, 1] = -shift
        traction, _ = model.response(frozen, jumps, model.friction_cap(frozen, jumps))
        best = np.maximum(best, -patches.per_screw(patches.area * traction[:, 1]))
    return best


def fresh_over_chapman() -> float:
    """Pull-out of the screws of one construct in healthy cortical bone over Chapman's S pi D L TSF, mean of screws."""
    setting, made, _, _ = built("sweep")
    patches, constants = made.patches, law().constants
    force = pull_out(patches, PatchTissue.healthy(len(patches), constants))
    # L is the length in bone that the patches cover: their area over the circumference.
    lengths = patches.per_screw(patches.area) / (
        np.pi * np.array([screw.diameter for screw in setting.operation.screws])
    )
    chapman = [
        constants.shear_strength
        * np.pi
        * screw.diameter
        * length
        * constants.thread_shape(screw.thread_depth, screw.pitch)
        for screw, length in zip(setting.operation.screws, lengths, strict=True)
    ]
    return float(np.mean(force / np.array(chapman)))


def small_screw(cortex: float) -> float:
    """Pull-out [N] of a 2.0 x 6 mm screw with ``cortex`` mm of its thread in cortical bone, the rest in cancellous."""
    cards, constants = load_parameters(), law().constants
    diameter, core, pitch = (cards[f"screws.locking-2.0.{key}"] for key in ("diameter", "core", "pitch"))
    depth = 0.5 * (diameter - core)
    power = cards["tissue.strength_exponent"] / cards["tissue.stiffness_exponent"]
    weak = (cards["materials.cancellous_E"] / cards["materials.cortical_E"]) ** power
    length = np.array([cortex, cards["screws.monocortical_depth"] - cortex])
    state = InterfaceState.insertion(2, constants)
    strength = np.array([1.0, weak])
    tissue = PatchTissue(constants.reference_modulus * strength, strength, np.ones(2))
    frozen = law().coefficients(state, tissue, np.full(2, constants.thread_shape(depth, pitch)))
    return float((np.pi * diameter * length * frozen.axial_cap).sum())


@dataclass(frozen=True)
class UniformSprings:
    """A linear interface of one stiffness [N/mm3] in all directions: no contact, no caps."""

    stiffness: float

    def coefficients(self, state: InterfaceState, tissue: PatchTissue, thread_shape: Array) -> Coefficients:
        """Nothing depends on state or tissue; the numbers are for the solver's bookkeeping."""
        one = np.full(len(state.bonded), self.stiffness)
        zero = np.zeros_like(one)
        return Coefficients(one, zero, one, one, one, one, one, zero, 0.0)

    def friction_cap(self, coefficients: Coefficients, jumps: Array) -> Array:
        """No friction."""
        return np.zeros(len(jumps))

    def potential(self, coefficients: Coefficients, jumps: Array, cap: Array) -> Array:
        """``k |jump|^2 / 2`` per area."""
        return 0.5 * self.stiffness * (jumps**2).sum(axis=1)

    def response(self, coefficients: Coefficients, jumps: Array, cap: Array) -> tuple[Array, Array]:
        """``k jump`` and ``k``."""
        return self.stiffness * jumps, np.full_like(jumps, self.stiffness)

    def update(self, state: InterfaceState, coefficients: Coefficients, jumps: Array) -> InterfaceState:
        """No memory."""
        return state


@cache
def softening() -> tuple[float, ...]:
    """Largest relative motion [um] of any patch at each stiffness of :data:`SWEEP`."""
    _, made, case, _ = built("sweep")
    (task,) = case.tasks
    assert task.bite is not None
    assert task.bite_force is not None
    found = []
    for stiffness in SWEEP:
        solver = ContactSolver(
            made.condensation.operator,
            made.patches.thread_shape,
            UniformSprings(stiffness),
            load_parameters()["interface.bite_stiffness"],
        )
        tissue = PatchTissue.healthy(len(made.patches), law().constants)
        equilibrium, _ = solver.solve_for_bite_force(
            case.insertion(), tissue, task.activation, task.bite, task.bite_force
        )
        found.append(1000.0 * float(np.linalg.norm(equilibrium.jumps, axis=1).max()))
    return tuple(found)


# --- plates -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hardware:
    """What one bite does to plate and screws.

    Attributes
    ----------
    stress : mapping of str to float
        Largest von Mises stress at peak, averaged over the volume of the card [MPa].
    life : mapping of str to float
        Strokes until the part breaks.
    stump : str
        Stump of the screw nearest to the place where the plate lives shortest.
    """

    stress: Mapping[str, float]
    life: Mapping[str, float]
    stump: str

    @property
    def screws(self) -> tuple[str, ...]:
        """Names of the screws."""
        return tuple(name for name in self.life if name != "plate")


@cache
def bitten(name: str, force: float) -> Mapping[str, tuple[Array, Array]]:
    """Peak and valley stresses of plate and screws under the task of a scenario at another bite force [N]."""
    _, made, case, _ = built(name)
    task = replace(case.tasks[0], bite_force=force)
    chewer = Chewer(made.solver, (task,), case.constants, case.initial_bond)
    chewing = chewer.chew(case.insertion(), case.tissue_at(0.0), 1.0, chewer.cold())
    assert case.stress_at is not None
    (found,) = case.stress_at(0.0, chewing)
    return found


@cache
def parts(name: str) -> tuple[Part, ...]:
    """Plate and screws of a scenario, the plate first."""
    _, _, case, _ = built(name)
    assert case.hardware is not None
    return case.hardware.parts


@cache
def hardware(name: str, force: float, bent: bool = True) -> Hardware:
    """Plate and screws of a scenario under its task at another bite force [N], fresh screws.

    ``bent`` takes the plate as bent by hand, else as milled to shape (no knock-down).
    """
    setting, made, _, _ = built(name)
    found = bitten(name, force)
    stress, life = {}, {}
    for part in parts(name):
        peak, valley = found[part.name]
        stress[part.name] = float(von_mises(peak).max())
        life[part.name] = float(lives(part, peak, valley, bent).min())
    (plate,) = setting.operation.plates
    peak, valley = found[plate.name]
    weakest = int(np.argmin(lives(parts(name)[0], peak, valley, bent)))
    cells = np.flatnonzero(made.model.mesh.region == PLATE)
    (places,) = stress_places(
        made.model.space, {plate.name: cells}, volume=setting.parameters["loosening.averaging_volume"]
    )
    screws = setting.operation.screws
    nearest = int(np.argmin([np.linalg.norm(screw.head - places.centres[weakest]) for screw in screws]))
    return Hardware(stress, life, screws[nearest].stump)


def lives(part: Part, peak: Array, valley: Array, bent: bool) -> Array:
    """Strokes to failure at every place of a part."""
    amplitude = equivalent_amplitude(peak, valley, part.material.ultimate)
    return fatigue_life(amplitude, part.material, part.knock_down if bent else 1.0)


@cache
def bearable(name: str, force: float, cycles: float) -> float:
    """Bite force [N] whose plate lasts ``cycles`` strokes: stresses at ``force`` scaled by bisection."""
    low, high = 0.01 * force, 10.0 * force
    plate = parts(name)[0]
    peak, valley = bitten(name, force)[plate.name]
    for _ in range(40):
        middle = 0.5 * (low + high)
        scale = middle / force
        low, high = (middle, high) if lives(plate, scale * peak, scale * valley, True).min() > cycles else (low, middle)
    return low


# --- months of chewing ------------------------------------------------------------------------------------------------

MONTHS = 6.0
DAYS_PER_MONTH = 30.4


@dataclass(frozen=True)
class Months:
    """What months of chewing do to the screws (s,) of a scenario.

    Attributes
    ----------
    largest, mean : ndarray (s,)
        Equivalent stress of the bone at each screw on the day of surgery over its modulus, times 1e6: at the patch
        where it is largest, and its mean over the screw's surface (peaks depend on the mesh).
    gap : ndarray (s,)
        Distance of each screw from the cut [mm].
    stumps : tuple of str
    early, late : ndarray (s,)
        95th percentile of motion after a week and in the end [um].
    clearance : ndarray (s,)
        Bone lost at each screw in the end, mean over its surface [um].
    """

    largest: Array
    mean: Array
    gap: Array
    stumps: tuple[str, ...]
    early: Array
    late: Array
    clearance: Array

    def gap_side_leads(self, strain: Array) -> int:
        """On how many stumps the screw at the gap strains the bone most."""
        stumps = np.array(self.stumps)
        return sum(
            int(np.argmax(np.where(stumps == name, strain, -1.0)))
            == int(np.argmin(np.where(stumps == name, self.gap, np.inf)))
            for name in set(self.stumps)
        )


@cache
def months(irradiated: bool) -> Months:
    """Months of the scenario ``irradiated-defect``, or of the same jaw with healthy bone at the screws."""
    setting, made, case, chewer = built("irradiated-defect")
    if not irradiated:
        table = setting.tissue.table
        healthy = PatchBone(made.bone.cortical, made.bone.elasticity, table.histories(np.zeros(len(made.patches))))
        case = replace(case, tissue_at=healthy.at)
    case = replace(case, hardware=None, stress_at=None, tolerances=COARSE)
    tissue = case.tissue_at(0.0)
    chewing = chewer.chew(case.insertion(), tissue, 1.0, chewer.cold())
    strain = 1e6 * chewing.stress[0] / tissue.young
    made.solver.forget()
    history = evolve(case, MONTHS * DAYS_PER_MONTH).history
    day, motion = history.step("day"), history.screw("motion_p95_um")
    screws = setting.operation.screws
    return Months(
        largest=np.array([strain[made.patches.screw == k].max() for k in range(len(screws))]),
        mean=case.mean(strain),
        gap=np.array([screw.distance_to_cut for screw in screws]),
        stumps=tuple(screw.stump for screw in screws),
        early=motion[int(np.searchsorted(day, DAYS_PER_WEEK))],
        late=motion[-1],
        clearance=history.screw("clearance_um")[-1],
    )
