"""Everything one loosening run needs, gathered and checked; no time stepping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from femsim.errors import InputError
from femsim.interface.contact import ContactSolver
from femsim.interface.law import InterfaceState, PatchTissue
from femsim.interface.measures import axial_stiffness, holding_force, lateral_stiffness
from femsim.interface.patches import Patches
from femsim.loosening.chewing import Chewing
from femsim.loosening.criteria import LooseCriteria, ScrewMeasures
from femsim.loosening.hardware import HardwareFatigue, PartStress
from femsim.loosening.integrator import Tolerances
from femsim.loosening.rates import BondedRate, LooseningConstants, steering
from femsim.loosening.spectrum import HealingSpectrum, Task, checked_tasks

Array = np.ndarray
StressRecovery = Callable[[float, Chewing], Sequence[PartStress]]
"""``(day, chewing) -> one mapping per task``; ``chewing.solved`` has the equilibria, ``chewing.loads`` the loads."""
TorqueRatio = Callable[[Array, float, Array], Array]
"""``(bonded (p,), day, strength (p,)) -> removal torque over insertion torque (p,)``; for reports only."""


@dataclass
class LooseningCase:
    """Inputs of :func:`femsim.loosening.evolution.evolve`.

    Attributes
    ----------
    solver : ContactSolver
        Condensed contact problem of the construct.
    patches : Patches
    stumps : sequence of str
        Stump (or block) of every screw.
    tasks : sequence of Task
    spectrum : HealingSpectrum
    tissue_at : callable
        ``day since surgery -> PatchTissue`` (p,).
    bonded_rate : callable
        See :data:`femsim.loosening.rates.BondedRate`.
    constants : LooseningConstants
    criteria : LooseCriteria
    initial_bond : float
        Bonded fraction of a fresh screw.
    probe : float
        Sideways shift in mm at which lateral stiffness is read.
    tolerances : Tolerances
    start : InterfaceState, optional
        State at surgery; a fresh insertion by default.
    hardware : HardwareFatigue, optional
        Plate and screw fatigue; needs ``stress_at``.
    stress_at : callable, optional
        See :data:`StressRecovery`.
    torque_ratio : callable, optional
        See :data:`TorqueRatio`; NaN is recorded without it.
    refresh_days : sequence of float
        Days on which ``refreshed`` gives a new solver because bulk moduli have aged.
    refreshed : callable, optional
        ``day -> ContactSolver``; also called on resuming, with the last day of refresh.
    snapshot_every : float
        Days between two patch maps.
    end_at_loss : bool
        End the run when a stump or a part is lost (the model has no meaning afterwards).
    end_at_first : bool
        End the run with the first loose screw, for studies of the time to it.
    """

    solver: ContactSolver
    patches: Patches
    stumps: Sequence[str]
    tasks: Sequence[Task]
    spectrum: HealingSpectrum
    tissue_at: Callable[[float], PatchTissue]
    bonded_rate: BondedRate
    constants: LooseningConstants
    criteria: LooseCriteria
    initial_bond: float
    probe: float
    tolerances: Tolerances = field(default_factory=Tolerances)
    start: InterfaceState | None = None
    hardware: HardwareFatigue | None = None
    stress_at: StressRecovery | None = None
    torque_ratio: TorqueRatio | None = None
    refresh_days: Sequence[float] = ()
    refreshed: Callable[[float], ContactSolver] | None = None
    snapshot_every: float = 30.0
    end_at_loss: bool = True
    end_at_first: bool = False

    def __post_init__(self) -> None:
        operator = self.solver.operator
        self.tasks = checked_tasks(self.tasks, operator.g_loads.shape[1], operator.n_bites)
        if len(self.patches) != operator.n_patches:
            raise InputError(f"loosening: {len(self.patches)} patches but the operator has {operator.n_patches}")
        if len(self.stumps) != self.patches.n_screws:
            raise InputError(
                f"loosening: {len(self.stumps)} stump names for {self.patches.n_screws} screws; give one each"
            )
        if (self.hardware is None) != (self.stress_at is None):
            raise InputError(
                "loosening: hardware fatigue and its stress recovery belong together; give both or neither"
            )
        if len(self.refresh_days) and self.refreshed is None:
            raise InputError("loosening: days of refresh are given without a function that gives the new solver")

    @property
    def cycles_per_day(self) -> Array:
        """Cycles a day of every task (tasks,)."""
        return np.array([task.cycles_per_day for task in self.tasks])

    def insertion(self) -> InterfaceState:
        """State at surgery."""
        if self.start is not None:
            return self.start
        zero = np.zeros(len(self.patches))
        return InterfaceState(np.full(len(self.patches), self.initial_bond), zero, zero.copy(), zero.copy())

    def holds(self, state: InterfaceState, tissue: PatchTissue) -> Array:
        """Holding force in N, lateral and axial stiffness in N/mm of every screw (3, s)."""
        frozen = self.solver.coefficients(state, tissue)
        return np.stack(
            [
                holding_force(self.patches, frozen),
                lateral_stiffness(self.patches, frozen, self.solver.law, self.probe),
                axial_stiffness(self.patches, frozen),
            ]
        )

    def measure(self, state: InterfaceState, tissue: PatchTissue, chewing: Chewing, inserted: Array) -> ScrewMeasures:
        """Measure every screw; ``inserted`` is :meth:`holds` at surgery."""
        motion, _ = steering(chewing.stress, chewing.motion, self.cycles_per_day, self.constants)
        points = np.array(
            [np.percentile(motion[self.patches.screw == k], [50.0, 95.0, 100.0]) for k in range(self.patches.n_screws)]
        )
        holds = self.holds(state, tissue)
        return ScrewMeasures(*points.T, *holds, *(holds / inserted))

    def carried(self, chewing: Chewing) -> Array:
        """Force of every screw on the bone at peak and valley of every task (tasks, 2, s, 3) [N]."""
        forces = np.array([[one.forces for one in pair] for pair in chewing.solved])
        patches = self.patches
        local = forces[..., : 3 * len(patches)].reshape(*forces.shape[:2], len(patches), 3)
        everywhere = np.einsum("tsni,nij->tsnj", local, patches.directions)
        own = np.eye(patches.n_screws)[patches.screw]
        return np.einsum("tsnj,nk->tskj", everywhere, own)

    def mean(self, values: Array) -> Array:
        """Area-weighted mean over the patches of each screw (s,)."""
        weight = self.patches.area
        return self.patches.per_screw(weight * values) / self.patches.per_screw(weight)
