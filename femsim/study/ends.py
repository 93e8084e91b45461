"""How each member of a design ended: which end came first, when, or when observation stopped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from femsim.study.outcomes import SAME_DAY, StudyTable
from femsim.study.survival import CENSORED

Array = np.ndarray

LOOSENING, STUMP_LOST, PLATE_FRACTURE, SCREW_FRACTURE = 1, 2, 3, 4
COLUMN = {
    LOOSENING: "first_loose_day",
    STUMP_LOST: "stump_lost_day",
    PLATE_FRACTURE: "plate_fracture_day",
    SCREW_FRACTURE: "screw_fracture_day",
}
FRACTURES = (PLATE_FRACTURE, SCREW_FRACTURE)


@dataclass(frozen=True, eq=False)
class Ends:
    """Follow-up of the members of one design.

    Attributes
    ----------
    day : ndarray (n,)
        Day of the first end since this surgery, or the last one under observation; at most the horizon.
    end : ndarray (n,) of int
        Which end it was, 0 where the member is censored.
    """

    day: Array
    end: Array

    @property
    def any(self) -> Array:
        """Whether there was an end of any kind."""
        return self.end != CENSORED


def first_ends(table: StudyTable, horizon: float, main: int = LOOSENING) -> Ends:
    """Find the first of one end and of the fractures of hardware in every member.

    On the same day the main end counts. A member without any is censored where its run ended, at the latest at the
    horizon.

    Parameters
    ----------
    table : StudyTable
        Points that have a result.
    horizon : float
        Days since this surgery.
    main : int
        ``LOOSENING`` (of the first screw) or ``STUMP_LOST``.
    """
    kinds = (main, *FRACTURES)
    days = np.stack([_day(table, kind) for kind in kinds])
    first = days.min(axis=0)
    happened = first <= horizon
    end = np.where(happened, np.array(kinds)[days.argmin(axis=0)], CENSORED)
    last = table.numbers["end_day"]
    last = np.where(last >= horizon - SAME_DAY, horizon, last)
    return Ends(np.where(happened, first, last), end)


def _day(table: StudyTable, kind: int) -> Array:
    day = table.numbers[COLUMN[kind]]
    return np.where(np.isnan(day), np.inf, day)
