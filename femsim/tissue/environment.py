"""What surrounds the cells of irradiated bone: vessels (with hyperbaric oxygen), osteocytes and oxygen on a day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from femsim.errors import InputError
from femsim.tissue.constants import TissueConstants
from femsim.tissue.laws import PUBLISHED, Laws

Array = NDArray[np.float64]

MOST_SESSIONS = 100
"""As in scenarios; treatments have 20 to 40, and beyond a hundred the gain no longer depends on the number."""


@dataclass(frozen=True)
class Hyperbaric:
    """A course of hyperbaric oxygen that ends on one day.

    Attributes
    ----------
    sessions : float
        Number of sessions; 0 is no treatment.
    day : float
        Day since the end of radiotherapy from which the gained vessels count.
    """

    sessions: float = 0.0
    day: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.sessions <= MOST_SESSIONS:
            raise InputError(
                f"the number of hyperbaric sessions is {self.sessions:g}; it must lie between 0 and {MOST_SESSIONS}"
            )
        if not (np.isfinite(self.day) and self.day >= 0.0):
            raise InputError(f"hyperbaric oxygen ends on day {self.day:g} after radiotherapy; it must be 0 or later")


NO_HYPERBARIC = Hyperbaric()


def hyperbaric_vessels(
    natural: Array, dose: Array, constants: TissueConstants, hyperbaric: Hyperbaric, laws: Laws = PUBLISHED
) -> Array:
    """Raise ``natural`` vessel density to the floor that hyperbaric oxygen leaves from its day on.

    On that day ``V`` grows by ``etaH max(0, VH - V) (1 - exp(-n/nH))``; the value reached is held as a floor.
    """
    if hyperbaric.sessions == 0.0:
        return natural
    c = constants
    reached = laws.vessels(dose, hyperbaric.day, c)
    gain = -c.etaH * np.maximum(0.0, c.hbo_target - reached) * np.expm1(-hyperbaric.sessions / c.hbo_sessions)
    return np.maximum(natural, reached + gain)


@dataclass(frozen=True)
class Environment:
    """What surrounds the cells at given doses and one day: V, N over healthy, oxygen pressure p [mmHg] and limit O."""

    V: Array
    N: Array
    p: Array
    O: Array  # noqa: E741  (the symbol of the model)


def environment(
    dose: Array,
    day: Array | float,
    constants: TissueConstants,
    *,
    hyperbaric: Hyperbaric = NO_HYPERBARIC,
    laws: Laws = PUBLISHED,
    treated: bool | None = None,
) -> Environment:
    """Evaluate vessels, osteocytes and oxygen.

    Parameters
    ----------
    dose : ndarray
        EQD2, Gy.
    day : float or ndarray broadcast with ``dose``
        Since the end of radiotherapy.
    constants : TissueConstants
    hyperbaric : Hyperbaric
        Hyperbaric oxygen.
    laws : Laws
        Law of each mechanism.
    treated : bool, optional
        Whether hyperbaric oxygen has ended; by default where ``day >= hyperbaric.day``.
    """
    vessel = laws.vessels(dose, day, constants)
    if hyperbaric.sessions > 0.0 and treated is not False:
        raised = hyperbaric_vessels(vessel, dose, constants, hyperbaric, laws)
        vessel = raised if treated else np.where(np.asarray(day) >= hyperbaric.day, raised, vessel)
    osteocyte = laws.cells.osteocytes(dose, day, constants)
    pressure = laws.oxygen(vessel, osteocyte, constants)
    return Environment(V=vessel, N=osteocyte, p=pressure, O=laws.limit(pressure, constants))
