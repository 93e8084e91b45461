"""One day of chewing seen by the interface: every task solved at its peak and at its valley."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from femsim.errors import ConvergenceError, InputError
from femsim.interface.contact import ContactSolver, Equilibrium
from femsim.interface.law import InterfaceState, PatchTissue
from femsim.interface.threads import one_dense_thread
from femsim.loosening.rates import SMALLEST_STRESS, LooseningConstants, equivalent_stress
from femsim.loosening.spectrum import Task

Array = np.ndarray

BITE_TOLERANCE = 5e-4
"""Relative error of a bite reaction; damage goes with its eleventh power, so rates are good to half a percent."""


BITE_MISSED = 5e-3
"""Relative error of a bite reaction that counts as not reached."""

PROBE_DAMAGE, PROBE_CLEARANCE = 1e-5, 1e-6
"""Changes of damage and clearance (mm) for difference quotients: far above round-off, far below where the law bends."""

INVERSE = "chewing"
"""All tasks share one kept inverse: it stays in the processor's cache, and correcting it for a task costs little."""

LONGEST_GUESS = 3.0
"""Starting guesses are extrapolated over so many times the distance of the two solutions they come from."""

SMALLEST_REMAINDER = 1e-6
"""Keeps a flexibility finite where the reference spring carries everything."""


@dataclass(frozen=True)
class Warm:
    """Starting guesses for a day of chewing.

    Attributes
    ----------
    day : float
        Day since surgery that they belong to.
    q : ndarray (tasks, 2, m)
        Peak and valley unknowns of every task.
    gain : ndarray (tasks,)
        Bite reaction per unit scale of the activation, N; 0 when not known yet.
    """

    day: float
    q: Array
    gain: Array

    @classmethod
    def cold(cls, tasks: int, unknowns: int, day: float = 0.0) -> Warm:
        """Nothing known yet."""
        return cls(day, np.zeros((tasks, 2, unknowns)), np.zeros(tasks))

    def on(self, day: float, before: Warm) -> Warm:
        """Guess for another day on the straight line from what was solved ``before`` through this."""
        span = self.day - before.day
        if span == 0.0 or not before.gain.all():
            return replace(self, day=day)
        share = float(np.clip((day - self.day) / span, -LONGEST_GUESS, LONGEST_GUESS))
        return Warm(day, self.q + share * (self.q - before.q), self.gain + share * (self.gain - before.gain))


@dataclass(frozen=True)
class Chewing:
    """What one day of chewing does to the interface.

    Attributes
    ----------
    stress : ndarray (tasks, p)
        Equivalent stress of the thread-engaged bone at peak, MPa.
    shedding : ndarray (tasks, 2, p)
        Change of ``stress`` with the patch's own damage (MPa) and clearance (MPa/mm).
    motion : ndarray (tasks, p)
        Peak-to-valley relative motion, mm.
    loads : ndarray (tasks, n_loads)
        Load factors at peak.
    reaction : ndarray (tasks,)
        Bite reaction at peak, N.
    memory : ndarray (p + 3 j,)
        What friction remembers after all tasks have been done once (``InterfaceState.memory``), mm.
    supported : bool
        Whether the screws hold every task and let its bite force be reached.
    iterations, solves : int
        Cost.
    warm : Warm
        For the next call.
    solved : tuple of (Equilibrium, Equilibrium)
        Peak and valley of every task.
    """

    stress: Array
    shedding: Array
    motion: Array
    loads: Array
    reaction: Array
    memory: Array
    supported: bool
    iterations: int
    solves: int
    warm: Warm
    solved: tuple[tuple[Equilibrium, Equilibrium], ...]


class Chewer:
    """Solves all tasks for given patch states.

    Each task goes from the anchors of ``state`` to its peak, slips there if it must, and back to its valley at
    ``load_ratio`` times the peak load with the same bite support: motion is the difference of the two jumps.

    Parameters
    ----------
    solver : ContactSolver
    tasks : sequence of Task
    constants : LooseningConstants
    initial_bond : float
        Bonded fraction of a fresh screw, for the contact fraction.
    tolerance : float, optional
        Unbalanced over applied forces allowed; that of the solver by default.
    """

    def __init__(
        self,
        solver: ContactSolver,
        tasks: Sequence[Task],
        constants: LooseningConstants,
        initial_bond: float,
        tolerance: float | None = None,
    ) -> None:
        self.solver = solver
        self.tolerance = tolerance
        self.tasks = tuple(tasks)
        self.constants = constants
        self.initial_bond = initial_bond
        self.cycles = np.array([task.cycles_per_day for task in tasks])

    def cold(self) -> Warm:
        """Starting guess when nothing is known."""
        return Warm.cold(len(self.tasks), len(self.solver.operator.G))

    def chew(self, state: InterfaceState, tissue: PatchTissue, factor: float, warm: Warm) -> Chewing:
        """Solve every task at ``factor`` times its full bite force."""
        contact = state.bonded / self.initial_bond
        stress, shedding, motion, loads, gains, solved, chained = [], [], [], [], [], [], state
        carried = True
        for number, task in enumerate(self.tasks):
            peak, scale, reached = self._peak(task, state, tissue, factor, warm.q[number, 0], float(warm.gain[number]))
            slipped = self.solver.accept(state, tissue, peak)
            load = scale * task.activation
            valley = self._solve(task, slipped, tissue, task.load_ratio * load, warm.q[number, 1])
            for equilibrium in (peak, valley):
                chained = self.solver.accept(chained, tissue, equilibrium)
            stress.append(equivalent_stress(peak.tractions, contact, self.constants))
            shedding.append(self._shedding(state, tissue, peak, contact, stress[-1]))
            carried = carried and reached
            motion.append(np.linalg.norm(peak.jumps - valley.jumps, axis=1))
            loads.append(load)
            known = scale > 0.0 and peak.bite_reaction > 0.0
            gains.append(peak.bite_reaction / scale if known else float(warm.gain[number]))
            solved.append((peak, valley))
        pairs = [equilibrium for pair in solved for equilibrium in pair]
        return Chewing(
            stress=np.array(stress),
            shedding=np.array(shedding),
            motion=np.array(motion),
            loads=np.array(loads),
            reaction=np.array([peak.bite_reaction for peak, _ in solved]),
            memory=chained.memory,
            supported=carried and all(one.supported for one in pairs),
            iterations=sum(one.iterations for one in pairs),
            solves=len(pairs),
            warm=Warm(warm.day, np.array([[one.q for one in pair] for pair in solved]), np.array(gains)),
            solved=tuple(solved),
        )

    def _shedding(
        self, state: InterfaceState, tissue: PatchTissue, peak: Equilibrium, contact: Array, stress: Array
    ) -> Array:
        """Slopes of the equivalent stress with a patch's own damage and clearance (2, p) while all others stay.

        Differences of the law at held jumps, times the share ``1 / (1 + k A c)`` of it that is left because the patch's
        own jump yields: c is the flexibility of the bulk at this patch, k the patch's tangent stiffness.
        """
        less = np.where(state.damage > 0.5, -PROBE_DAMAGE, PROBE_DAMAGE)  # stays inside 0..1
        changed = (
            (replace(state, damage=state.damage + less), less),
            (replace(state, clearance=state.clearance + PROBE_CLEARANCE), PROBE_CLEARANCE),
        )
        slopes = []
        for other, change in changed:
            tractions, _ = self._response(other, tissue, peak)
            slopes.append((equivalent_stress(tractions, contact, self.constants) - stress) / change)
        return np.array(slopes) * self._held(state, tissue, peak)

    def _response(self, state: InterfaceState, tissue: PatchTissue, peak: Equilibrium) -> tuple[Array, Array]:
        frozen, law = self.solver.coefficients(state, tissue), self.solver.law
        return law.response(frozen, peak.jumps, law.friction_cap(frozen, peak.jumps))

    def _held(self, state: InterfaceState, tissue: PatchTissue, peak: Equilibrium) -> Array:
        """Share (p,) of a change at held jumps that is left when the patch's own jump yields, weighted by traction."""
        operator = self.solver.operator
        count = 3 * operator.n_patches
        own, reference = np.diag(operator.G)[:count], operator.k_ref[:count]
        # Flexibility without the patch's own reference spring; that of the neighbours stays.
        flexibility = (own / np.maximum(1.0 - reference * own, SMALLEST_REMAINDER)).reshape(-1, 3)
        tractions, tangent = self._response(state, tissue, peak)
        left = 1.0 / (1.0 + tangent * operator.areas[:, None] * flexibility)
        weight = tractions**2 + SMALLEST_STRESS**2
        return np.asarray((weight * left).sum(axis=1) / weight.sum(axis=1))

    def _solve(self, task: Task, state: InterfaceState, tissue: PatchTissue, load: Array, start: Array) -> Equilibrium:
        return self.solver.solve(state, tissue, load, task.bite, start, INVERSE, self.tolerance)

    def _peak(
        self, task: Task, state: InterfaceState, tissue: PatchTissue, factor: float, start: Array, gain: float
    ) -> tuple[Equilibrium, float, bool]:
        """Solution at peak, scale of the activation, and whether the wanted bite force was reached."""
        if task.bite_force is None or task.bite is None:
            return self._solve(task, state, tissue, factor * task.activation, start), factor, True
        force, place = factor * task.bite_force, (task.activation, task.bite)
        guess = force / gain if gain > 0.0 else None
        try:
            found, scale = self.solver.solve_for_bite_force(
                state, tissue, *place, force, start, guess, INVERSE, BITE_TOLERANCE, self.tolerance
            )
        except ConvergenceError:
            # Screws that rattle freely may pass no bite force on, however hard the muscles pull. Show the state under
            # the last known muscle force instead; whoever reads it must see that the construct has given way.
            if guess is None:
                raise
            found, scale = self._solve(task, state, tissue, guess * task.activation, start), guess
        return found, scale, abs(found.bite_reaction - force) <= BITE_MISSED * force


@dataclass(frozen=True)
class CreepGuard:
    """Result of cycling at constant load and constant patch states.

    Attributes
    ----------
    drift : float
        Drift of any patch over ``cycles`` cycles, mm.
    cycles : float
        Number of cycles that ``drift`` stands for.
    solved_cycles : int
        Cycles really solved.
    slipping : int
        Patches whose stick anchor moved; 0 below slip.
    factor : float
        Healing factor at which the cycles were done.
    """

    drift: float
    cycles: float
    solved_cycles: int
    slipping: int
    factor: float


SETTLING_CYCLES = 3
"""First cycles at a constant load may slip into place; creep is what goes on afterwards."""

CREEP_HALVINGS = 8
"""Halvings of the load in search of one below slip; at 1/256 of a bite a screw that slips has no hold at all."""


def creep_guard(
    chewer: Chewer,
    state: InterfaceState,
    tissue: PatchTissue,
    factor: float,
    *,
    cycles: float = 1e5,
    solved_cycles: int = 12,
) -> CreepGuard:
    """Cycle all tasks at a constant load below slip and constant states, and report the drift.

    The load is halved from ``factor`` until no stick anchor moves. At constant states only the anchors remember earlier
    cycles: their drift per solved cycle is scaled to ``cycles``; the change of the jumps beyond that is the solver's
    own accuracy and is added as it is. A true stick anchor gives zero: numerical creep would let screws walk out
    without any bone loss. A run reports this number; it must stay below 0.01 micrometres in 1e5 cycles.
    """
    if solved_cycles <= SETTLING_CYCLES + 1:
        raise InputError(f"creep guard: {solved_cycles} cycles are too few, at least {SETTLING_CYCLES + 2} are needed")
    with one_dense_thread():
        found = _cycled(chewer, state, tissue, factor, cycles, solved_cycles)
        for _ in range(CREEP_HALVINGS):
            if found.slipping == 0:
                break
            found = _cycled(chewer, state, tissue, 0.5 * found.factor, cycles, solved_cycles)
    return found


def _cycled(
    chewer: Chewer, state: InterfaceState, tissue: PatchTissue, factor: float, cycles: float, solved_cycles: int
) -> CreepGuard:
    warm, first, last = chewer.cold(), np.zeros(0), np.zeros(0)
    start = settled = state.memory
    for number in range(solved_cycles):
        result = chewer.chew(state, tissue, factor, warm)
        state, warm = state.with_memory(result.memory), result.warm
        last = np.array([peak.jumps for peak, _ in result.solved])
        if number == SETTLING_CYCLES:
            first, settled = last, state.memory
    per_cycle = float(np.max(np.abs(state.memory - settled))) / (solved_cycles - SETTLING_CYCLES - 1)
    noise = float(np.max(np.abs(last - first)))
    slipping = int(np.count_nonzero(state.memory != start))
    return CreepGuard(per_cycle * cycles + noise, cycles, solved_cycles, slipping, factor)
