"""Years of chewing: advance the patch states by error-controlled cycle jumps and tell what happens to each screw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from femsim.errors import ConvergenceError, InputError, Stopped
from femsim.interface.law import InterfaceState
from femsim.interface.threads import one_dense_thread
from femsim.loosening.case import LooseningCase
from femsim.loosening.causes import Ledger
from femsim.loosening.checkpoint import pack, unpack
from femsim.loosening.chewing import Chewer, Chewing, Warm
from femsim.loosening.criteria import Event, Timers
from femsim.loosening.endings import declare_events, hardware_events, support_event
from femsim.loosening.history import History
from femsim.loosening.integrator import Step, exponential_step, locate, next_length
from femsim.loosening.points import Candidate, Outcome, Point
from femsim.loosening.rates import MICROMETRES_PER_MM, PatchRates, bounded, patch_rates, steering

Array = np.ndarray
Checkpoint = dict[str, np.ndarray]

BACK_OFF = 0.25
"""Factor on a step whose contact problems did not converge: they start from the last step's solution."""

STAGES = 2
"""Evaluations inside a step: at its middle and at its end."""

ROOT_TRIES = 12
"""Guided tries to locate the onset of a criterion before plain bisection takes over."""


def evolve(
    case: LooseningCase,
    horizon: float,
    *,
    resume: Mapping[str, Array] | None = None,
    on_checkpoint: Callable[[Checkpoint], None] | None = None,
    checkpoint_every: int = 5,
    should_stop: Callable[[], bool] | None = None,
    on_progress: Callable[[float, float], None] | None = None,
) -> Outcome:
    """Advance from surgery, or from a checkpoint, to ``horizon`` days.

    Parameters
    ----------
    case : LooseningCase
    horizon : float
        Days since surgery.
    resume : mapping, optional
        A checkpoint; the run continues bit-equal to one that was never interrupted.
    on_checkpoint : callable, optional
        Gets a dict of arrays after every ``checkpoint_every`` accepted steps and at the end.
    checkpoint_every : int
        Any number gives the same run.
    should_stop : callable, optional
        Polled after every accepted step; the last checkpoint is what a resumed run starts from.
    on_progress : callable, optional
        ``(day, horizon)``.

    Raises
    ------
    Stopped
        ``should_stop`` returned True.
    ConvergenceError
        The contact problem does not converge however short the step.
    InputError
        Horizon not positive, or a checkpoint of another case.
    """
    if not (np.isfinite(horizon) and horizon > 0.0):
        raise InputError(f"loosening: the horizon is {horizon} days, it must be positive")

    def keep(run: Evolution) -> None:
        if on_checkpoint is not None:
            on_checkpoint(pack(run))

    with one_dense_thread():
        run = Evolution(case, horizon)
        if resume is None:
            run.begin()
            keep(run)
        else:
            run.restore(resume)
        while not run.ended:
            run.advance()
            if on_progress is not None:
                on_progress(run.point.day, horizon)
            if run.ended or run.steps % checkpoint_every == 0:
                keep(run)
            if not run.ended and should_stop is not None and should_stop():
                raise Stopped(f"stopped on day {run.point.day:.1f} of {horizon:g}; continue with --resume")
        return run.outcome()


@dataclass(frozen=True)
class Inside:
    """What the stages at the start, the middle and the end of a trial step tell about a day inside it."""

    middle: Warm
    end: Warm
    anchors: tuple[Array, Array, Array]

    def guess(self, day: float) -> Warm:
        """Starting guess for a day."""
        return self.end.on(day, self.middle)

    def anchor(self, share: float) -> Array:
        """Stick anchors (p,) [mm] after the last stage that is not later than a share of the step."""
        return self.anchors[int(STAGES * share)]


class Evolution:
    """State of a run in progress; see :func:`evolve`."""

    def __init__(self, case: LooseningCase, horizon: float) -> None:
        self.case = case
        self.horizon = horizon
        self.chewer = Chewer(case.solver, case.tasks, case.constants, case.initial_bond, case.tolerances.contact)
        self.timers = Timers.fresh(case.patches.n_screws)
        self.ledger = Ledger.empty(len(case.tasks), len(case.patches))
        self.history = History()
        self.events: list[Event] = []
        self.ending = ""
        self.length = case.tolerances.first_step
        self.steps = self.rejected = self.evaluations = 0
        self.refreshed_day = np.nan
        self.margins = np.full((3, case.patches.n_screws), np.inf)
        self.smallest = self.margins.copy()
        self.inserted = case.holds(case.insertion(), case.tissue_at(0.0))
        self.carried = np.zeros((len(case.tasks), 2, case.patches.n_screws, 3))
        self.point: Point

    @property
    def ended(self) -> bool:
        """Whether the horizon or an ending has been reached."""
        return bool(self.ending)

    @property
    def shortest(self) -> float:
        """Length of one cycle in days: a jump over one cycle needs no error control."""
        total = float(self.case.cycles_per_day.sum())
        return 1.0 / total if total > 0.0 else self.case.tolerances.event

    # --- evaluation ---------------------------------------------------------------------------------------------

    def evaluate(
        self, day: float, state: Array, anchor: Array, failed: Array, warm: Warm
    ) -> tuple[Chewing, PatchRates]:
        """Solve all tasks and evaluate the rates."""
        self.evaluations += 1
        tissue = self.case.tissue_at(day)
        interface = InterfaceState(state[0], state[1], state[2], anchor)
        chewing = self.chewer.chew(interface, tissue, self.case.spectrum.factor(day), warm)
        rates = patch_rates(
            state,
            failed,
            chewing.stress,
            chewing.shedding,
            chewing.motion,
            self.chewer.cycles,
            tissue.strength,
            tissue.activity,
            day,
            self.case.bonded_rate,
            self.case.constants,
        )
        return chewing, rates

    def candidate(self, day: float, state: Array, anchor: Array, warm: Warm, before: Warm) -> Candidate:
        """Evaluate and measure at a point that may be accepted; ``before`` was solved at the accepted point before."""
        failed = self.ledger.failed | (state[1] >= self.case.constants.damage_failed)
        chewing, rates = self.evaluate(day, state, anchor, failed, warm)
        tissue = self.case.tissue_at(day)
        interface = InterfaceState(state[0], state[1], state[2], anchor)
        measures = self.case.measure(interface, tissue, chewing, self.inserted)
        point = Point(day, state, chewing.anchor, rates, chewing.warm, before)
        return Candidate(point, chewing, tissue, measures, self.case.criteria.margins(measures))

    # --- stepping -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Evaluate the day of surgery, with a solver that remembers nothing."""
        self.chewer.solver.forget()
        if self.case.hardware is not None:
            self.case.hardware.reset()
        inserted = self.case.insertion()
        state = np.stack([inserted.bonded, inserted.damage, inserted.clearance]).astype(float)
        cold = self.chewer.cold()
        first = self.candidate(0.0, state, inserted.anchor.copy(), cold, cold)
        self.accept(first, 0.0, 0.0)

    def advance(self) -> None:
        """Do one accepted step."""
        boundary, rejected = self.boundary(), self.rejected
        room = boundary - self.point.day
        wanted = min(self.length, self.longest())
        step, error, candidate, share = self.trial(min(wanted, room))
        if share >= 1.0 and step.length == room:
            candidate.point.day = boundary  # not day + length: a boundary is hit to the bit
        self.ledger.add(candidate.point.day - self.point.day, self.point.rates, candidate.point.rates)
        if self.case.hardware is not None:
            self.case.hardware.advance(self.point.day, candidate.point.day)
        self.accept(candidate, candidate.point.day - self.point.day, error)
        proposal = next_length(step.length, error)
        # A step that was short because of a boundary says nothing against the length proposed before it.
        if self.rejected == rejected and error <= 1.0:
            proposal = max(self.length, proposal)
        self.length = min(max(proposal, self.shortest), self.case.tolerances.longest_step)

    def boundary(self) -> float:
        """Next day that must not be stepped over."""
        now = self.point.day
        marks = [self.horizon, self.timers.next_full(self.case.criteria.loose_duration)]
        marks += [day for day in (*self.case.spectrum.kinks, *self.case.refresh_days) if day > now]
        return float(min(mark for mark in marks if mark > now))

    def longest(self) -> float:
        """Longest step allowed now: short while a criterion runs, no longer than its week while one is near."""
        running = ~np.isnan(self.timers.onset) & np.isnan(self.timers.loose_day)
        if running.any():
            return self.case.tolerances.watch_step
        if self.timers.watched(self.margins):
            return min(self.case.criteria.loose_duration, self.case.tolerances.longest_step)
        return self.case.tolerances.longest_step

    def trial(self, length: float) -> tuple[Step, float, Candidate, float]:
        """Find a good step, cut it at the first event inside, and evaluate its end."""
        floor = min(self.shortest, length)
        while True:
            try:
                step, inside = self.stepped(length)
                error, change = (
                    step.error(self.case.tolerances.scale(step.end)),
                    float(np.max(np.abs(step.end[1] - step.start[1]))),
                )
                limit = self.case.tolerances.damage_change
                if (error > 1.0 or change > limit) and length > floor:
                    self.rejected += 1
                    shorter = min(next_length(length, max(error, 1.0)), length * limit / max(change, limit))
                    length = max(shorter, floor)
                    continue
                return step, error, *self.cut(step, inside)
            except ConvergenceError:
                # A long jump may land where no warm start reaches; only a single cycle has no way out.
                if length <= floor:
                    raise
                self.rejected += 1
                length = max(BACK_OFF * length, floor)

    def stepped(self, length: float) -> tuple[Step, Inside]:
        """One trial step, and what its stages tell about any day inside it."""
        point, failed = self.point, self.ledger.failed
        latest, before, anchors = point.warm, point.before, [point.anchor]

        def rate(day: float, state: Array) -> Array:
            nonlocal latest, before
            # Patches slip along as their states change, not only at accepted steps; but they fail at the end of a step
            # only, which is cut there: a jump of the rates inside would cost the order.
            chewing, rates = self.evaluate(day, state, anchors[-1], failed, latest.on(day, before))
            latest, before = chewing.warm, latest
            anchors.append(chewing.anchor)
            return rates.rate

        step = exponential_step(point.day, length, point.state, point.rates.rate, point.rates.slope, rate, bounded)
        return step, Inside(before, latest, (anchors[0], anchors[1], anchors[2]))

    def cut(self, step: Step, inside: Inside) -> tuple[Candidate, float]:
        """Evaluate the end of a step, or the first event inside it."""
        tolerance = self.case.tolerances.event
        share = self.first_failure(step, tolerance)
        share = self.first_fracture(step, share, tolerance)
        found = self.evaluated(step, share, inside)
        if not found.chewing.supported:
            return self.first_unsupported(step, share, found, inside)
        if self.timers.flips(found.margins).any():
            return self.first_flip(step, share, found, inside)
        return found, share

    def evaluated(self, step: Step, share: float, inside: Inside) -> Candidate:
        """Evaluate a share of a step."""
        day = step.day + share * step.length
        return self.candidate(day, step.at(share), inside.anchor(share), inside.guess(day), self.point.warm)

    def first_failure(self, step: Step, tolerance: float) -> float:
        """Share of the step at which the first patch loses its thread shell."""
        intact, limit = ~self.ledger.failed, self.case.constants.damage_failed

        def happened(share: float) -> bool:
            return bool(np.any(step.at(share)[1][intact] >= limit))

        return locate(happened, step.length, tolerance) if happened(1.0) else 1.0

    def first_fracture(self, step: Step, share: float, tolerance: float) -> float:
        """Share of the step at which the life of a part is used up, if before ``share``."""
        hardware = self.case.hardware
        if hardware is None:
            return share
        broken = {event.subject for event in self.events if event.kind == "part broken"}

        def happened(part: float) -> bool:
            damage = hardware.total(step.day, step.day + part * share * step.length)
            return any(value >= 1.0 for name, value in damage.items() if name not in broken)

        return share * locate(happened, share * step.length, tolerance) if happened(1.0) else share

    def first_unsupported(
        self, step: Step, share: float, found: Candidate, inside: Inside
    ) -> tuple[Candidate, float]:
        """Bisect for the day on which the screws no longer hold the load."""
        low, high = 0.0, share
        while (high - low) * step.length > self.case.tolerances.event:
            middle = 0.5 * (low + high)
            tried = self.evaluated(step, middle, inside)
            if tried.chewing.supported:
                low = middle
            else:
                high, found = middle, tried
        return found, high

    def first_flip(self, step: Step, share: float, found: Candidate, inside: Inside) -> tuple[Candidate, float]:
        """Locate the first onset or end of a criterion by secants aimed just past the crossing, then bisection."""
        tolerance = self.case.tolerances.event / step.length
        low, high, value_low, value_high = 0.0, share, self.distance(self.margins), self.distance(found.margins)
        for attempt in range(100):
            if high - low <= tolerance:
                break
            place = 0.5 * (low + high)
            if attempt < ROOT_TRIES and value_low > value_high:
                crossing = low + (high - low) * value_low / (value_low - value_high)
                # Alternate just behind and just before the estimate, so that the bracket closes from both sides.
                aim = crossing + (0.4 if attempt % 2 == 0 else -0.4) * tolerance
                place = min(max(aim, low + 0.3 * tolerance), high - 0.3 * tolerance)
            tried = self.evaluated(step, place, inside)
            value = self.distance(tried.margins)
            if value < 0.0 or not tried.chewing.supported:
                high, value_high, found = place, value, tried
            else:
                low, value_low = place, value
        return found, high

    def distance(self, margins: Array) -> float:
        """Smallest distance of a tracked criterion from changing sides; negative when one has changed."""
        running = ~np.isnan(self.timers.onset)
        sides = np.where(running, -margins, margins)[:, np.isnan(self.timers.loose_day)]
        return float(np.min(sides, initial=np.inf))

    # --- accepted points ----------------------------------------------------------------------------------------

    def accept(self, candidate: Candidate, length: float, error: float) -> None:
        """Make a candidate the current point: latch, declare, record, refresh."""
        point = candidate.point
        self.point, self.margins = point, candidate.margins
        self.smallest = np.minimum(self.smallest, candidate.margins)
        _, stress = steering(
            candidate.chewing.stress, candidate.chewing.motion, self.chewer.cycles, self.case.constants
        )
        newly = point.state[1] >= self.case.constants.damage_failed
        self.ledger.fail(newly, point.day, stress)
        self.timers.update(point.day, candidate.margins)
        first = len(self.events)
        declare_events(self, candidate)
        self.refresh_hardware(candidate, bool(self.events[first:]))
        hardware_events(self, point.day)
        support_event(self, candidate)
        self.record(candidate, length, error)
        self.steps += length > 0.0
        self.refresh_solver(candidate)
        lost = [event for event in self.events if event.kind in ("stump lost", "part broken", "support lost")]
        unsupported = any(event.kind == "support lost" for event in lost)
        if lost and (self.case.end_at_loss or unsupported):
            self.ending = f"{lost[0].kind}: {lost[0].subject}"
        elif self.case.end_at_first and (loose := [one for one in self.events if one.kind == "screw loose"]):
            self.ending = f"first loose screw: {loose[0].subject}"
        elif point.day >= self.horizon:
            self.ending = "horizon"

    def refresh_hardware(self, candidate: Candidate, changed: bool) -> None:
        """Recover new hardware stresses when a screw has just loosened or the screws share the bite differently."""
        case, day = self.case, candidate.point.day
        factor = case.spectrum.factor(day)
        if case.hardware is None or case.stress_at is None or factor <= 0.0:
            return
        carried = case.carried(candidate.chewing) / factor
        shift = float(np.linalg.norm(carried - self.carried))
        moved = shift > case.tolerances.hardware * float(np.linalg.norm(self.carried))
        if changed or (moved and case.hardware.due(day)):
            case.hardware.refresh(day, case.stress_at(day, candidate.chewing))
            self.carried = carried

    def refresh_solver(self, candidate: Candidate) -> None:
        """Take a solver with aged bulk moduli on its day and evaluate again."""
        case, day = self.case, candidate.point.day
        if case.refreshed is None or day not in {float(one) for one in case.refresh_days}:
            return
        self.chewer.solver = case.refreshed(day)
        self.refreshed_day = day
        point = self.point
        again = self.candidate(day, point.state, point.anchor, point.warm, point.before)
        self.point, self.margins = again.point, again.margins

    def record(self, candidate: Candidate, length: float, error: float) -> None:
        """Add a row to the history."""
        case, point, measures = self.case, candidate.point, candidate.measures
        bonded, damage, clearance = point.state
        torque = np.full(case.patches.n_screws, np.nan)
        if case.torque_ratio is not None:
            torque = case.mean(case.torque_ratio(bonded, point.day, candidate.tissue.strength))
        screws = {
            "motion_p50_um": measures.motion_p50 * MICROMETRES_PER_MM,
            "motion_p95_um": measures.motion_p95 * MICROMETRES_PER_MM,
            "motion_max_um": measures.motion_max * MICROMETRES_PER_MM,
            "holding_n": measures.holding,
            "holding_ratio": measures.holding_ratio,
            "lateral_ratio": measures.lateral_ratio,
            "axial_ratio": measures.axial_ratio,
            "bonded": case.mean(bonded),
            "damage": case.mean(damage),
            "clearance_um": case.mean(clearance) * MICROMETRES_PER_MM,
            "failed_share": case.mean(self.ledger.failed.astype(float)),
            "torque_ratio": torque,
        }
        row = {
            "day": point.day,
            "length": length,
            "error": error,
            "factor": case.spectrum.factor(point.day),
            "supported": float(candidate.chewing.supported),
        }
        self.history.add(row, screws, candidate.chewing.reaction)
        days = self.history.snapshot_days
        if not days or point.day >= days[-1] + case.snapshot_every or point.day >= self.horizon:
            motion, stress = steering(
                candidate.chewing.stress, candidate.chewing.motion, self.chewer.cycles, case.constants
            )
            maps = {"bonded": bonded, "damage": damage, "clearance": clearance, "motion": motion, "stress": stress}
            self.history.add_snapshot(point.day, maps)

    def outcome(self) -> Outcome:
        """Result so far."""
        point = self.point
        return Outcome(
            day=point.day,
            ending=self.ending,
            events=tuple(self.events),
            history=self.history,
            state=InterfaceState(point.state[0], point.state[1], point.state[2], point.anchor),
            failed_day=self.ledger.failed_day,
            loose_day=self.timers.loose_day,
            margins=self.margins,
            smallest_margins=self.smallest,
            steps=self.steps,
            rejected=self.rejected,
            evaluations=self.evaluations,
        )

    def restore(self, stored: Mapping[str, Array]) -> None:
        """Continue from a checkpoint."""
        unpack(self, stored)
        if not np.isnan(self.refreshed_day) and self.case.refreshed is not None:
            self.chewer.solver = self.case.refreshed(self.refreshed_day)
        self.chewer.solver.restore({name: stored[f"solver_{name}"] for name in ("keys", "springs", "spent")})
        if self.point.day < self.horizon and self.ending == "horizon":
            self.ending = ""
