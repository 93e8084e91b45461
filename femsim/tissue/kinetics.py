"""Closed forms of the published laws: vessels, cells, oxygen and matrix quality after radiotherapy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from femsim.tissue.constants import TissueConstants

Array = NDArray[np.float64]

QUALITY_FLOOR = 0.01
"""Numerical guard, not physics: the ranges of aQ and Emax meet at 1.08, where very high doses would make Q negative
and its power undefined. Out of reach with the card's values (Q stays above 0.52)."""


def vessels(dose: Array, day: Array | float, constants: TissueConstants) -> Array:
    """Vessel density over healthy, ``V = Vinf + (1 - Vinf) exp(-t/tauV)``.

    With ``Vinf = Vmin + (1 - Vmin) / (1 + (D/D50)^nV)``; ``dose`` is EQD2 in Gy, ``day`` counts from the end of
    radiotherapy. Written as a loss, so that zero dose gives exactly 1.
    """
    c = constants
    steep = (dose / c.D50) ** c.nV
    late_loss = (1.0 - c.Vmin) * steep / (1.0 + steep)
    return np.asarray(1.0 + late_loss * np.expm1(-np.asarray(day) / c.tauV))


def osteocytes(dose: Array, day: Array | float, constants: TissueConstants) -> Array:
    """Surviving share of osteocytes, ``N = 1 - Emax (1 - exp(-D/DE)) (1 - exp(-t/tauN))``."""
    c = constants
    return np.asarray(1.0 - c.Emax * np.expm1(-dose / c.DE) * np.expm1(-np.asarray(day) / c.tauN))


def survivors(dose: Array, constants: TissueConstants) -> Array:
    """Osteogenic cells left on the day radiotherapy ends, ``C(0) = exp(-sC D)``."""
    return np.asarray(np.exp(-constants.sC * dose))


def oxygen(vessel: Array, osteocyte: Array, constants: TissueConstants) -> Array:
    """Mean oxygen pressure of the tissue, mmHg: a Krogh cylinder per vessel with Michaelis-Menten consumption.

    ``p = (b + sqrt(b^2 + 4 pc pM)) / 2`` with ``b = pc - pM - G``, ``G = G0 N k(V)/k(1)``,
    ``G0 = (pc - p0)(p0 + pM)/p0`` and the geometric factor ``k(V)`` of a cylinder of radius ratio
    ``L = (R0/rc) / sqrt(V)``. Healthy bone (V = N = 1) gives p0.
    """
    c = constants
    healthy_drop = (c.pc - c.p0) * (c.p0 + c.pM) / c.p0
    drop = healthy_drop * osteocyte * (_krogh_factor(vessel, c) / _krogh_factor(np.float64(1.0), c))
    b = c.pc - c.pM - drop
    return np.asarray(0.5 * (b + np.sqrt(b * b + 4.0 * c.pc * c.pM)))


def _krogh_factor(vessel: Array | np.float64, constants: TissueConstants) -> Array:
    squared = constants.R0_rc**2 / vessel
    # L^4 ln L with L^2 at hand: ln L = ln(L^2) / 2.
    return np.asarray(squared * squared * np.log(squared) / (squared - 1.0) - squared - 0.5 * (squared - 1.0))


def oxygen_response(pressure: Array, healthy: Array, constants: TissueConstants) -> Array:
    """Oxygen limit of the bone-forming cells, ``O = min(1, phi(p)/phi(p0))`` with the Hill curve ``phi``.

    ``healthy`` is the pressure that the law of oxygen gives for healthy bone (p0 up to rounding), so that healthy
    tissue has exactly 1.
    """
    c = constants
    # phi(p)/phi(p0) = (1 + (p50/p0)^h) / (1 + (p50/p)^h): one power per point.
    response = (1.0 + (c.p50 / healthy) ** c.h) / (1.0 + (c.p50 / pressure) ** c.h)
    return np.minimum(1.0, response)


def matrix_quality(dose: Array, day: Array | float, constants: TissueConstants) -> Array:
    """Matrix quality (toughness ratio), the exact solution of ``dQ/dt = [1 - aQ (1 - N) - Q]/tauQ``, Q(0) = 1."""
    c = constants
    time = np.asarray(day)
    late_loss = -c.aQ * c.Emax * np.expm1(-dose / c.DE)
    # (exp(-t/tauN) - exp(-t/tauQ)) / (1/tauQ - 1/tauN), written to stay finite when both times are equal or t is huge.
    gap = abs(1.0 / c.tauQ - 1.0 / c.tauN) * time
    lagged = time * np.exp(-time / max(c.tauN, c.tauQ)) * _relative_decay(gap)
    return np.maximum(1.0 + late_loss * (np.expm1(-time / c.tauQ) + lagged / c.tauQ), QUALITY_FLOOR)


def _relative_decay(z: Array) -> Array:
    """Return (1 - exp(-z))/z, 1 at z = 0."""
    safe = np.where(z == 0.0, 1.0, z)
    return np.where(z == 0.0, 1.0, -np.expm1(-safe) / safe)
