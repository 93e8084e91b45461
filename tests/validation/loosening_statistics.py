"""What an ensemble of jaws says about loosening: shares, medians, hazard ratio, misfit to the clinical clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from femsim.study import survival

Array = np.ndarray

DAYS_PER_MONTH = 30.4
TWO_YEARS = 730.5

HEALTHY_SHARE = (0.0, 0.10)
"""Share of non-irradiated jaws with a loose screw within two years: "few", taken as at most one in ten."""
LOOSE_MONTHS = (19.0, 53.0)
"""Median of irradiated jaws that loosen: 35.75 +- 17 months (Seol 2014)."""
FRACTURE_MONTHS = (4.0, 15.0)
"""Plate fracture: 9.25 +- 5.1 months (Seol 2014)."""
HEALING = 182.6
"""Days of the first two steps of the published healing spectrum: half a year. A series that finds loosening "in the
later stages" hardly counts a screw that never bonds."""
HAZARD_RATIO = (1.5, 3.0)
"""Irradiated over healthy; prior range."""


@dataclass(frozen=True)
class Arm:
    """Follow-up of the jaws of one arm.

    Attributes
    ----------
    day : ndarray (n,)
        Day of the first loose screw, or the last day under observation.
    loose : ndarray (n,) of bool
        Whether a screw was loose on that day; otherwise the jaw is censored.
    fracture : ndarray (n,)
        Day on which the plate breaks, infinity when it does not.
    """

    day: Array
    loose: Array
    fracture: Array

    def at_risk(self) -> tuple[Array, Array]:
        """Days and loosenings with a broken plate as the end of observation."""
        broken = self.fracture < self.day
        return np.where(broken, self.fracture, self.day), self.loose & ~broken


def loose_share(arm: Arm, horizon: float) -> float:
    """Share of jaws with a loose screw by ``horizon`` days, one minus Kaplan-Meier."""
    return 1.0 - survival.kaplan_meier(*arm.at_risk(), horizon).at(horizon)[0]


def median_months(arm: Arm, after: float = 0.0) -> float:
    """Median months to the first loose screw among jaws in which one loosens after a day; NaN when none does."""
    day, loose = arm.at_risk()
    loose = loose & (day > after)
    return float(np.median(day[loose])) / DAYS_PER_MONTH if loose.any() else float("nan")


def fracture_months(arm: Arm) -> Array:
    """Months (k,) to fracture of the plates that break before any screw is loose and inside the observation."""
    return np.sort(arm.fracture[arm.fracture < arm.day]) / DAYS_PER_MONTH


def hazard_ratio(exposed: Arm, control: Arm) -> tuple[float, float, float]:
    """Hazard ratio of loosening with its 95 % interval, as :func:`femsim.study.survival.hazard_ratio` gives it.

    With no loosening at all it is NaN, with none among the controls infinity.
    """
    return survival.hazard_ratio(*exposed.at_risk(), *control.at_risk())


def summary(healthy: Arm, irradiated: Arm) -> dict[str, float]:
    """Numbers that are compared with the clinical clock."""
    ratio, low, high = hazard_ratio(irradiated, healthy)
    fractures = np.concatenate([fracture_months(healthy), fracture_months(irradiated)])
    return {
        "members": float(len(healthy.day)),
        "healthy_share_2y": loose_share(healthy, TWO_YEARS),
        "irradiated_share_2y": loose_share(irradiated, TWO_YEARS),
        "irradiated_loose": float(irradiated.at_risk()[1].sum()),
        "irradiated_median_months": median_months(irradiated),
        "irradiated_loose_late": float((irradiated.at_risk()[1] & (irradiated.at_risk()[0] > HEALING)).sum()),
        "irradiated_late_median_months": median_months(irradiated, HEALING),
        "healthy_median_months": median_months(healthy),
        "hazard_ratio": ratio,
        "hazard_ratio_low": low,
        "hazard_ratio_high": high,
        "fractures": float(len(fractures)),
        "fracture_median_months": float(np.median(fractures)) if len(fractures) else float("nan"),
    }


def misfit(found: Mapping[str, float]) -> float:
    """Sum of squares of what lies outside the clinical ranges; 0 when all are met.

    Times and ratios count by their logarithm (a factor of e is 1), shares by tenths. An ensemble in which no
    irradiated jaw loosens says nothing about times and costs as much as a factor of e^2 for each.
    """
    total = (_outside(found["healthy_share_2y"], HEALTHY_SHARE) / 0.1) ** 2
    for key, wanted in (("irradiated_median_months", LOOSE_MONTHS), ("hazard_ratio", HAZARD_RATIO)):
        value = found[key]
        if np.isnan(value) or not np.isfinite(value):
            total += 4.0
        else:
            total += _outside(np.log(max(value, 1e-6)), (np.log(wanted[0]), np.log(wanted[1]))) ** 2
    return float(total)


def _outside(value: float, wanted: tuple[float, float]) -> float:
    return max(wanted[0] - value, value - wanted[1], 0.0)


def verdicts(found: Mapping[str, float]) -> list[str]:
    """One honest line per clinical number."""
    rows = [
        ("healthy jaws loose within 2 years", found["healthy_share_2y"], HEALTHY_SHARE, ""),
        ("median of irradiated jaws that loosen", found["irradiated_median_months"], LOOSE_MONTHS, " months"),
        ("hazard ratio irradiated : healthy", found["hazard_ratio"], HAZARD_RATIO, ""),
        ("median plate fracture", found["fracture_median_months"], FRACTURE_MONTHS, " months"),
    ]
    lines = []
    for what, value, (low, high), unit in rows:
        if np.isnan(value):
            verdict = "not comparable: it does not happen in this ensemble"
        elif low <= value <= high:
            verdict = "met"
        elif low > 0.0 and np.isfinite(value):
            verdict = f"missed by a factor {max(low / value, value / high):.2g}"
        else:
            verdict = f"missed by {_outside(value, (low, high)):.3g}"
        lines.append(f"{what}: {value:.3g}{unit}, wanted {low:g} to {high:g}{unit}: {verdict}")
    return lines
