"""Turn what a run measures into events: loose screws, lost stumps, broken or yielding parts, lost support."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from femsim.loosening.causes import ScrewStory, chain_of_causes
from femsim.loosening.chewing import BITE_MISSED
from femsim.loosening.criteria import CRITERIA, Event, lost_stumps
from femsim.loosening.points import Candidate

if TYPE_CHECKING:
    from femsim.loosening.evolution import Evolution

WORDS = {"motion": "motion of its patches", "holding": "holding force", "stiffness": "lateral stiffness"}
UNITS = {"motion": "mm", "holding": "of insertion", "stiffness": "of insertion"}


def declare_events(run: Evolution, candidate: Candidate) -> None:
    """Declare screws whose week is full and stumps that have lost too many."""
    day, case = candidate.point.day, run.case
    lost_before = {event.subject for event in run.events if event.kind == "stump lost"}
    # A construct that no longer carries the bite does not get a week: what is exceeded now is what gave way.
    duration = case.criteria.loose_duration if candidate.chewing.supported else 0.0
    for screw, criterion in run.timers.declare(day, duration):
        run.events.append(_loose(run, candidate, screw, criterion))
    loose = ~np.isnan(run.timers.loose_day)
    for stump in lost_stumps(tuple(case.stumps), loose, case.criteria.stump_minimum):
        if stump in lost_before:
            continue
        gone = [k for k, name in enumerate(case.stumps) if name == stump and loose[k]]
        names = [case.patches.screw_names[k] for k in gone]
        days = [float(run.timers.loose_day[k]) for k in gone]
        holding = sum(1 for k, name in enumerate(case.stumps) if name == stump and not loose[k])
        causes = tuple(f"{name} loose on day {when:.1f}" for when, name in sorted(zip(days, names, strict=True)))
        run.events.append(
            Event(
                kind="stump lost",
                subject=stump,
                day=day,
                onset=min(days, default=day),
                cycles=_cycles(run, day),
                criterion="holding screws",
                value=float(holding),
                threshold=case.criteria.stump_minimum,
                unit="screws",
                causes=causes,
            )
        )


def _cycles(run: Evolution, day: float) -> float:
    return float(day * run.case.cycles_per_day.sum())


def _loose(run: Evolution, candidate: Candidate, screw: int, criterion: int) -> Event:
    case, day = run.case, candidate.point.day
    patches, name = case.patches, case.patches.screw_names[screw]
    story = ScrewStory(name, patches.screw == screw, patches.ring, patches.sector, patches.area)
    earlier = [
        (patches.screw_names[k], float(run.timers.loose_day[k]))
        for k in range(patches.n_screws)
        if k != screw and case.stumps[k] == case.stumps[screw] and run.timers.loose_day[k] < day
    ]
    chain = chain_of_causes(
        story,
        run.ledger,
        [task.name for task in case.tasks],
        candidate.point.state[0],
        case.initial_bond,
        candidate.tissue.activity,
        earlier,
    )
    key, own = CRITERIA[criterion], candidate.margins[:, screw]
    value, limit = float(candidate.measures.values[criterion, screw]), float(case.criteria.thresholds[criterion])
    onset = float(run.timers.onset[criterion, screw])
    side = "above" if key == "motion" else "below"
    shown = (
        (f"{value * 1000:.0f} µm", f"{limit * 1000:.0f} µm") if key == "motion" else (f"{value:.0%}", f"{limit:.0%}")
    )
    until = f"for {case.criteria.loose_duration:g} days" if candidate.chewing.supported else "until the screws gave way"
    last = f"so its {WORDS[key]} ({shown[0]}) stayed {side} {shown[1]} from day {onset:.1f} {until}"
    return Event(
        kind="screw loose",
        subject=name,
        day=day,
        onset=onset,
        cycles=_cycles(run, day),
        criterion=key,
        value=value,
        threshold=limit,
        unit=UNITS[key],
        margins={one: float(margin) for one, margin in zip(CRITERIA, own, strict=True) if np.isfinite(margin)},
        causes=(*chain, last),
    )


def hardware_events(run: Evolution, day: float) -> None:
    """Declare parts whose fatigue life is used up, and parts that yield under the full bite."""
    hardware = run.case.hardware
    if hardware is None:
        return
    told = {(event.kind, event.subject) for event in run.events}
    for row in hardware.table():
        name, damage, margin = str(row["part"]), float(row["damage"]), float(row["yield_margin"])
        if damage >= 1.0 and ("part broken", name) not in told:
            run.events.append(
                Event(
                    "part broken",
                    name,
                    day,
                    day,
                    _cycles(run, day),
                    "fatigue life",
                    damage,
                    1.0,
                    "Miner sum",
                    {"yield": margin - 1.0, "fatigue": float(row["fatigue_margin"]) - 1.0},
                    _wear(run, name, row, day),
                )
            )
        if margin < 1.0 and ("yield", name) not in told:
            run.events.append(
                Event(
                    "yield",
                    name,
                    day,
                    day,
                    _cycles(run, day),
                    "peak stress at full bite",
                    float(row["stress_peak_mpa"]),
                    float(row["yield_mpa"]),
                    "MPa",
                    {"yield": margin - 1.0},
                    ("the peak stress of the full bite force exceeds the yield stress",),
                )
            )


def _wear(run: Evolution, name: str, row: Mapping[str, float | str], day: float) -> tuple[str, ...]:
    """What broke a part, first cause first: screws that had left it their load, its stress, the task that wore it."""
    hardware, names = run.case.hardware, run.case.patches.screw_names
    assert hardware is not None
    loose = sorted((float(when), names[k]) for k, when in enumerate(run.timers.loose_day) if when <= day)
    words = [f"{screw} had loosened on day {when:.0f} and left its share of the load" for when, screw in loose]
    words.append(
        f"stress amplitude {float(row['amplitude_mpa']):.0f} MPa (Goodman) at full bite against "
        f"{float(row['endurance_mpa']):.0f} MPa allowable for 1e7 cycles"
    )
    task, share = hardware.leading_task(next(part for part in hardware.parts if part.name == name), day)
    words.append(f"{share:.0%} of the wear at its worst place comes from {run.case.tasks[task].name!r}")
    return tuple(words)


def support_event(run: Evolution, candidate: Candidate) -> None:
    """Declare that the screws no longer carry the load at all."""
    if candidate.chewing.supported or any(event.kind == "support lost" for event in run.events):
        return
    day = candidate.point.day
    factor = run.case.spectrum.factor(day)
    tasks = [
        task.name
        for task, (peak, valley) in zip(run.case.tasks, candidate.chewing.solved, strict=True)
        if not (peak.supported and valley.supported)
        or abs(peak.bite_reaction - factor * (task.bite_force or 0.0))
        > BITE_MISSED * factor * (task.bite_force or np.inf)
    ]
    largest = max(float(np.abs(one.jumps).max()) for pair in candidate.chewing.solved for one in pair)
    failed = int(np.count_nonzero(run.ledger.failed))
    run.events.append(
        Event(
            kind="support lost",
            subject=", ".join(tasks),
            day=day,
            onset=day,
            cycles=_cycles(run, day),
            criterion="screws hold the load",
            value=largest,
            threshold=0.0,
            unit="mm jump",
            causes=(f"{failed} of {run.ledger.failed.size} interface patches have lost their thread shell",),
        )
    )
