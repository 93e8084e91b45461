"""Reference integrator that solves every single cycle: slow, without any step control, only for verification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from femsim.errors import InputError
from femsim.interface.law import InterfaceState
from femsim.interface.threads import one_dense_thread
from femsim.loosening.case import LooseningCase
from femsim.loosening.chewing import Chewer
from femsim.loosening.rates import bounded, patch_rates

Array = np.ndarray


@dataclass(frozen=True)
class CycleByCycle:
    """State after every cycle has been solved.

    Attributes
    ----------
    state : ndarray (3, p)
        Bonded fraction, damage, clearance (mm).
    memory : ndarray (p + 3 j,)
        What friction remembers, mm.
    failed : ndarray (p,) of bool
    first_failure : float
        Day on which the first patch lost its thread shell; NaN if none did.
    """

    state: Array
    memory: Array
    failed: Array
    first_failure: float


def every_cycle(case: LooseningCase, cycles: int, on_cycle: Callable[[int], None] | None = None) -> CycleByCycle:
    """Advance by ``cycles`` rounds of all tasks, one round at a time, each by the rates at its beginning.

    A round is one cycle of the most frequent task and its share of the others, so a day holds as many rounds as that
    task has cycles. Stick anchors move in every round, as they do in the jaw.

    Raises
    ------
    InputError
        No task has any cycle.
    """
    per_day = float(case.cycles_per_day.max())
    if per_day <= 0.0:
        raise InputError("cycle by cycle: no task has any cycle a day")
    chewer = Chewer(case.solver, case.tasks, case.constants, case.initial_bond)
    start = case.insertion()
    state, memory, warm = np.stack([start.bonded, start.damage, start.clearance]), start.memory, chewer.cold()
    failed, first = np.zeros(state.shape[1], dtype=bool), np.nan
    length = 1.0 / per_day
    with one_dense_thread():
        for cycle in range(cycles):
            day = cycle * length
            tissue = case.tissue_at(day)
            chewing = chewer.chew(
                InterfaceState.remembering(state, memory), tissue, case.spectrum.factor(day), warm
            )
            rates = patch_rates(
                state,
                failed,
                chewing.stress,
                chewing.shedding,
                chewing.motion,
                chewer.cycles,
                tissue.strength,
                tissue.activity,
                day,
                case.bonded_rate,
                case.constants,
            )
            state = bounded(state + length * rates.rate)
            memory, warm = chewing.memory, chewing.warm
            failed = failed | (state[1] >= case.constants.damage_failed)
            if np.isnan(first) and failed.any():
                first = day + length
            if on_cycle is not None:
                on_cycle(cycle + 1)
    return CycleByCycle(state, memory, failed, first)
