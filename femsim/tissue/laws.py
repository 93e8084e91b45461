"""The law of each of the three H's: the published one, none (switched off), or another one that a reader brings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from femsim.errors import InputError
from femsim.tissue import kinetics
from femsim.tissue.constants import TissueConstants

Array = NDArray[np.float64]
Day = Array | float

MECHANISMS = ("vessels", "oxygen", "cells")
"""Hypovascularity, hypoxia and hypocellularity, in the order in which they act on each other."""


class VesselLaw(Protocol):
    """Vessel density over healthy; 1 at zero dose, more than 0 everywhere."""

    def __call__(self, dose: Array, day: Day, constants: TissueConstants, /) -> Array:
        """Return V at EQD2 ``dose`` [Gy], ``day`` days after radiotherapy (arrays that broadcast)."""


class OxygenLaw(Protocol):
    """Oxygen pressure of the tissue; its value at V = N = 1 is taken as healthy."""

    def __call__(self, vessel: Array, osteocyte: Array, constants: TissueConstants, /) -> Array:
        """Return p [mmHg] from vessel density and osteocyte survival."""


class CellLaw(Protocol):
    """Everything that radiation does to cells directly; all ratios are 1 at zero dose."""

    def osteocytes(self, dose: Array, day: Day, constants: TissueConstants) -> Array:
        """Return the surviving share N of osteocytes."""

    def matrix_quality(self, dose: Array, day: Day, constants: TissueConstants) -> Array:
        """Return the matrix quality Q that belongs to these osteocytes, more than 0."""

    def survivors(self, dose: Array, constants: TissueConstants) -> Array:
        """Return the osteogenic cells C on the day radiotherapy ends."""

    def recovery(self, constants: TissueConstants) -> float:
        """Return krep [1/day] of ``dC/dt = krep C (O - C)``."""


class PublishedCells:
    """Osteocytes, matrix quality and osteogenic cells of the card ``tissue``; subclass it to replace one of them."""

    def osteocytes(self, dose: Array, day: Day, constants: TissueConstants) -> Array:
        """See :func:`femsim.tissue.kinetics.osteocytes`."""
        return kinetics.osteocytes(dose, day, constants)

    def matrix_quality(self, dose: Array, day: Day, constants: TissueConstants) -> Array:
        """See :func:`femsim.tissue.kinetics.matrix_quality`."""
        return kinetics.matrix_quality(dose, day, constants)

    def survivors(self, dose: Array, constants: TissueConstants) -> Array:
        """See :func:`femsim.tissue.kinetics.survivors`."""
        return kinetics.survivors(dose, constants)

    def recovery(self, constants: TissueConstants) -> float:
        """Return ``krep``."""
        return constants.krep


class HealthyCells:
    """No cell is harmed, and none starves: C, N and Q stay 1 (the mechanism is switched off)."""

    def osteocytes(self, dose: Array, day: Day, constants: TissueConstants) -> Array:
        """Return 1."""
        return np.ones(np.broadcast_shapes(np.shape(dose), np.shape(day)))

    matrix_quality = osteocytes

    def survivors(self, dose: Array, constants: TissueConstants) -> Array:
        """Return 1."""
        return np.ones_like(dose)

    def recovery(self, constants: TissueConstants) -> float:
        """Return 0: the cells do not follow the oxygen limit."""
        return 0.0


def healthy_vessels(dose: Array, day: Day, constants: TissueConstants) -> Array:
    """Vessel density 1 at any dose (the mechanism is switched off)."""
    return np.ones(np.broadcast_shapes(np.shape(dose), np.shape(day)))


def healthy_oxygen(vessel: Array, osteocyte: Array, constants: TissueConstants) -> Array:
    """Healthy pressure whatever the vessels (the mechanism is switched off)."""
    one = np.ones(np.broadcast_shapes(np.shape(vessel), np.shape(osteocyte)))
    return kinetics.oxygen(one, one, constants)


@dataclass(frozen=True)
class Laws:
    """One law per mechanism; by default the published ones.

    Examples
    --------
    Without the oxygen limit, and with vessels that fade in proportion to dose:

    >>> def fading(dose, day, constants):
    ...     return 1.0 - np.minimum(dose / 100.0, 0.9) * -np.expm1(-np.asarray(day) / constants.tauV)
    >>> laws = Laws(vessels=fading).without("oxygen")
    """

    vessels: VesselLaw = kinetics.vessels
    oxygen: OxygenLaw = kinetics.oxygen
    cells: CellLaw = field(default_factory=PublishedCells)

    def without(self, *mechanisms: str) -> Laws:
        """Switch mechanisms off, out of :data:`MECHANISMS`."""
        healthy: dict[str, Any] = {"vessels": healthy_vessels, "oxygen": healthy_oxygen, "cells": HealthyCells()}
        for name in mechanisms:
            if name not in healthy:
                raise InputError(
                    f"mechanism {name!r} is unknown; those that can be switched off are {', '.join(MECHANISMS)}"
                )
        return replace(self, **{name: healthy[name] for name in mechanisms})

    def limit(self, pressure: Array, constants: TissueConstants) -> Array:
        """Oxygen limit O of bone-forming cells at a pressure [mmHg], 1 at the healthy pressure of this oxygen law."""
        healthy = self.oxygen(np.ones(1), np.ones(1), constants)
        return kinetics.oxygen_response(pressure, healthy, constants)


PUBLISHED = Laws()
