"""When a screw is loose and a stump lost: three criteria, each sustained for a week, with onsets and margins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from femsim.parameters import ParameterSet

Array = np.ndarray

CRITERIA = ("motion", "holding", "stiffness")
"""Order of the rows of every criterion array."""

NEARLY = 0.1
"""A criterion within this margin of its threshold is watched with short steps."""


@dataclass(frozen=True)
class LooseCriteria:
    """Thresholds (card ``loosening``); all can be changed by the user.

    Attributes
    ----------
    loose_motion : float
        Largest 95th-percentile patch motion of a holding screw, mm.
    loose_holding, loose_stiffness : float
        Smallest holding force and lateral stiffness over those at insertion.
    loose_duration : float
        Days for which a criterion must be exceeded without a break.
    stump_minimum : float
        Fewest holding screws of a stump that is not lost.
    """

    loose_motion: float
    loose_holding: float
    loose_stiffness: float
    loose_duration: float
    stump_minimum: float

    @classmethod
    def from_parameters(cls, parameters: ParameterSet) -> LooseCriteria:
        """Read the card."""
        return cls(**{name: parameters[f"loosening.{name}"] for name in cls.__dataclass_fields__})

    @property
    def thresholds(self) -> Array:
        """Thresholds in the order of :data:`CRITERIA`."""
        return np.array([self.loose_motion, self.loose_holding, self.loose_stiffness])

    def margins(self, measures: ScrewMeasures) -> Array:
        """Distance of every screw from every threshold (3, s) as a share of it; negative when exceeded.

        Motion: ``1 - u/limit``; holding and stiffness: ``value/limit - 1``. A threshold of 0 switches its criterion
        off: the margin is infinite.
        """
        off = np.full_like(measures.motion_p95, np.inf)
        holding, stiffness = self.loose_holding, self.loose_stiffness
        return np.stack(
            [
                1.0 - measures.motion_p95 / self.loose_motion if self.loose_motion > 0.0 else off,
                measures.holding_ratio / holding - 1.0 if holding > 0.0 else off,
                measures.lateral_ratio / stiffness - 1.0 if stiffness > 0.0 else off,
            ]
        )


@dataclass(frozen=True)
class ScrewMeasures:
    """What is measured of every screw (s,).

    Attributes
    ----------
    motion_p50, motion_p95, motion_max : ndarray
        Peak-to-valley patch motion, mm.
    holding, lateral, axial : ndarray
        Holding force in N, lateral and axial stiffness in N/mm.
    holding_ratio, lateral_ratio, axial_ratio : ndarray
        The same over those at insertion.
    """

    motion_p50: Array
    motion_p95: Array
    motion_max: Array
    holding: Array
    lateral: Array
    axial: Array
    holding_ratio: Array
    lateral_ratio: Array
    axial_ratio: Array

    @property
    def values(self) -> Array:
        """Values compared with the thresholds (3, s), in the order of :data:`CRITERIA`."""
        return np.stack([self.motion_p95, self.holding_ratio, self.lateral_ratio])


@dataclass
class Timers:
    """How long each criterion of each screw has been exceeded.

    Attributes
    ----------
    onset : ndarray (3, s)
        Day since which a criterion is exceeded without a break; NaN when it is not.
    loose_day : ndarray (s,)
        Day on which a screw was declared loose; NaN while it holds. A loose screw stays loose.
    """

    onset: Array
    loose_day: Array = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def fresh(cls, screws: int) -> Timers:
        """No criterion exceeded."""
        return cls(np.full((len(CRITERIA), screws), np.nan), np.full(screws, np.nan))

    def update(self, day: float, margins: Array) -> None:
        """Start and stop timers at an accepted step."""
        exceeded = margins < 0.0
        self.onset = np.where(exceeded, np.where(np.isnan(self.onset), day, self.onset), np.nan)

    def flips(self, margins: Array) -> Array:
        """Criteria (3, s) of holding screws that ``margins`` would start or stop."""
        return ((margins < 0.0) != ~np.isnan(self.onset)) & np.isnan(self.loose_day)

    def next_full(self, duration: float) -> float:
        """Day on which the next running timer is full; infinity when none runs."""
        running = self.onset[:, np.isnan(self.loose_day)]
        return float(np.min(running[~np.isnan(running)], initial=np.inf) + duration)

    def watched(self, margins: Array) -> bool:
        """Whether a holding screw is beyond or near a threshold."""
        return bool(np.any(margins[:, np.isnan(self.loose_day)] < NEARLY))

    def declare(self, day: float, duration: float) -> list[tuple[int, int]]:
        """Declare screws whose week is full on ``day``; return (screw, criterion that was exceeded first)."""
        # The week is a step boundary; the slack covers the rounding of onset + duration.
        full = day - self.onset >= duration - 1e-9
        declared = []
        for screw in np.flatnonzero(full.any(axis=0) & np.isnan(self.loose_day)):
            first = int(np.argmin(np.where(full[:, screw], self.onset[:, screw], np.inf)))
            self.loose_day[screw] = day
            declared.append((int(screw), first))
        return declared


@dataclass(frozen=True)
class Event:
    """Something that happened to a screw, a stump or a part.

    Attributes
    ----------
    kind : str
        ``screw loose``, ``stump lost``, ``support lost``, ``plate or screw broken`` or ``yield``.
    subject : str
        Name of the screw, stump or part.
    day, onset : float
        Day since surgery on which it was certain, and on which it began.
    cycles : float
        Cycles of all tasks until ``day``.
    criterion : str
        What fired.
    value, threshold : float
        In mm for motion, ratios otherwise.
    unit : str
        Unit of the two.
    margins : mapping
        Margins of all criteria of that screw on ``day``.
    causes : tuple of str
        The chain of causes in plain words, first cause first.
    """

    kind: str
    subject: str
    day: float
    onset: float
    cycles: float
    criterion: str
    value: float
    threshold: float
    unit: str = ""
    margins: Mapping[str, float] = field(default_factory=dict)
    causes: tuple[str, ...] = ()

    def record(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "margins": dict(self.margins),
            "causes": list(self.causes),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> Event:
        """Inverse of :meth:`record`."""
        values = dict(record)
        values["causes"] = tuple(values["causes"])  # type: ignore[arg-type]
        return cls(**values)  # type: ignore[arg-type]


def lost_stumps(stumps: Sequence[str], loose: Array, minimum: float) -> list[str]:
    """Stumps that hold with fewer than ``minimum`` screws; one that began with fewer is lost when none holds.

    Parameters
    ----------
    stumps : sequence of str
        Stump of every screw.
    loose : ndarray (s,) of bool
    minimum : float
    """
    lost = []
    for stump in dict.fromkeys(stumps):
        mine = np.array([name == stump for name in stumps])
        count, holding = int(mine.sum()), int((mine & ~loose).sum())
        if holding < (minimum if count >= minimum else 1):
            lost.append(stump)
    return lost
