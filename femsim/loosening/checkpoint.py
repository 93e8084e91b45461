"""Everything that changes in a run as plain arrays, and back, to the bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from femsim.errors import InputError
from femsim.loosening.causes import Ledger
from femsim.loosening.chewing import Warm
from femsim.loosening.criteria import Event
from femsim.loosening.history import History
from femsim.loosening.points import Point
from femsim.loosening.rates import PatchRates

if TYPE_CHECKING:
    from femsim.loosening.evolution import Evolution

Array = np.ndarray
GUESSES, GUESS_FIELDS = ("warm", "before"), ("day", "q", "gain")
RATE_ARRAYS = ("rate", "slope", "growth", "feeds")


def pack(run: Evolution) -> dict[str, Array]:
    """Return a checkpoint: a dict of arrays without any object array."""
    point = run.point
    stored = {
        "day": np.array(point.day),
        "horizon": np.array(run.horizon),
        "state": point.state,
        "memory": point.memory,
        **{f"{kind}_{name}": getattr(getattr(point, kind), name) for kind in GUESSES for name in GUESS_FIELDS},
        **{f"rates_{name}": getattr(point.rates, name) for name in RATE_ARRAYS},
        **{f"solver_{name}": value for name, value in run.chewer.solver.kept().items()},
        "step_length": np.array(run.length),
        "counts": np.array([run.steps, run.rejected, run.evaluations]),
        "onset": run.timers.onset,
        "loose_day": run.timers.loose_day,
        "margins": run.margins,
        "smallest_margins": run.smallest,
        "inserted": run.inserted,
        "carried": run.carried,
        "refreshed_day": np.array(run.refreshed_day),
        "ending": np.array(run.ending),
        "events": np.array([json.dumps(event.record()) for event in run.events], dtype=np.str_),
        **run.ledger.arrays(),
        **run.history.arrays(),
    }
    if run.case.hardware is not None:
        stored.update(run.case.hardware.arrays())
    return {name: np.array(value) for name, value in stored.items()}


def unpack(run: Evolution, stored: Mapping[str, Array]) -> None:
    """Put a checkpoint into a new run of the same case.

    Raises
    ------
    InputError
        Another number of patches, tasks or screws.
    """
    _check(run, stored)
    run.point = Point(
        day=float(stored["day"]),
        state=np.array(stored["state"]),
        memory=np.array(stored["memory"]),
        rates=PatchRates(**{name: np.array(stored[f"rates_{name}"]) for name in RATE_ARRAYS}),
        warm=_guess(stored, "warm"),
        before=_guess(stored, "before"),
    )
    run.length = float(stored["step_length"])
    run.steps, run.rejected, run.evaluations = (int(value) for value in stored["counts"])
    run.timers.onset, run.timers.loose_day = np.array(stored["onset"]), np.array(stored["loose_day"])
    run.margins, run.smallest = np.array(stored["margins"]), np.array(stored["smallest_margins"])
    run.inserted, run.carried = np.array(stored["inserted"]), np.array(stored["carried"])
    run.refreshed_day = float(stored["refreshed_day"])
    run.ending = str(stored["ending"])
    run.events = [Event.from_record(json.loads(str(text))) for text in stored["events"]]
    run.ledger = Ledger.from_arrays(stored)
    run.history = History.from_arrays(stored)
    if run.case.hardware is not None:
        run.case.hardware.restore(stored)


def _guess(stored: Mapping[str, Array], kind: str) -> Warm:
    return Warm(float(stored[f"{kind}_day"]), np.array(stored[f"{kind}_q"]), np.array(stored[f"{kind}_gain"]))


def _check(run: Evolution, stored: Mapping[str, Array]) -> None:
    expected = (len(run.case.tasks), 2, len(run.case.solver.operator.G))
    if np.shape(stored["warm_q"]) != expected:
        raise InputError(
            f"checkpoint: made for {np.shape(stored['warm_q'])} tasks, stages and unknowns, this run has {expected}; "
            "run without --resume"
        )
