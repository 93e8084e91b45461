"""Records passed around by a run: an accepted point, a candidate for one, and the outcome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from femsim.interface.law import InterfaceState, PatchTissue
from femsim.loosening.chewing import Chewing, Warm
from femsim.loosening.criteria import Event, ScrewMeasures
from femsim.loosening.history import History
from femsim.loosening.rates import PatchRates

Array = np.ndarray


@dataclass
class Point:
    """Everything known at an accepted time: the first stage of the next step.

    Attributes
    ----------
    day : float
    state : ndarray (3, p)
        Bonded fraction, damage, clearance (mm).
    memory : ndarray (p + 3 j,)
        What friction remembers (``InterfaceState.memory``), mm; it changes only at accepted steps.
    rates : PatchRates
    warm, before : Warm
        What was solved here and at the accepted time before.
    """

    day: float
    state: Array
    memory: Array
    rates: PatchRates
    warm: Warm
    before: Warm


@dataclass(frozen=True)
class Candidate:
    """A point that may be accepted, with what was measured there."""

    point: Point
    chewing: Chewing
    tissue: PatchTissue
    measures: ScrewMeasures
    margins: Array


@dataclass(frozen=True)
class Outcome:
    """Result of a run.

    Attributes
    ----------
    day : float
        Day on which it ended.
    ending : str
        ``horizon`` or what ended it.
    events : tuple of Event
        In order of time.
    history : History
    state : InterfaceState
        At the end.
    failed_day : ndarray (p,)
        Day on which each patch lost its thread shell; NaN while it has it.
    loose_day : ndarray (s,)
        Day on which each screw was declared loose; NaN while it holds.
    margins : ndarray (3, s)
        Margins at the end, in the order of ``criteria.CRITERIA``.
    smallest_margins : ndarray (3, s)
        Smallest margin of every criterion over the whole run.
    steps, rejected, evaluations : int
        Accepted and rejected steps, evaluations of all tasks.
    """

    day: float
    ending: str
    events: tuple[Event, ...]
    history: History
    state: InterfaceState
    failed_day: Array
    loose_day: Array
    margins: Array
    smallest_margins: Array
    steps: int
    rejected: int
    evaluations: int
