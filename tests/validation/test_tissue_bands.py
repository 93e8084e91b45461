"""Uncertainty of the tissue model at 60 Gy, twelve months: a Latin hypercube over the ranges of the card."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.stats import qmc

from femsim.parameters import load_parameters
from femsim.tissue import TissueConstants, bonded_history, tissue_state
from femsim.tissue.environment import environment
from femsim.tissue.history import integrate_balance

PARAMETERS = load_parameters()
NOMINAL = TissueConstants.from_parameters(PARAMETERS)
DRAWS, SEED = 250, 1
DOSE, SURGERY, HEALED = 60.0, 364.8, 180.0
MECHANICAL_EXPONENTS = {"stiffness_exponent", "strength_exponent", "quality_exponent", "fatigue_exponent"}
"""Held at their values: with the stiffness exponent drawn too, cortical E would reach down to 0.74 instead of 0.80."""
KNOTS = np.linspace(0.0, HEALED, 13)
"""Days between which activity is interpolated; it changes over months."""

# The quoted 5 and 95 % values, and what 250 draws leave open: over twelve seeds the lower end of p wandered from 30 to
# 40 mmHg, that of V and of bonding by 0.05 either way. 2,000 draws gave V .36-.68, p 37-70, C .22-.74, cortical E
# .80-.99, trabecular E .51-.87, strength .73-.94, bonding .41-.96: each within 0.01 (p 1.3 mmHg) of the quoted band.
BANDS = {
    "V": (0.37, 0.68, 0.05),
    "p": (36.0, 69.0, 6.0),
    "C": (0.21, 0.74, 0.05),
    "E_cortical": (0.80, 0.99, 0.05),
    "E_trabecular": (0.52, 0.86, 0.05),
    "strength_cortical": (0.72, 0.94, 0.05),
    "bonding": (0.41, 0.95, 0.05),
}


def bonding_ratios(constants: TissueConstants, doses: np.ndarray) -> np.ndarray:
    """Contact 180 days after surgery over that of healthy bone, at each dose."""
    cells = integrate_balance(doses, SURGERY + KNOTS, constants).C
    limit = environment(doses, (SURGERY + KNOTS)[:, None], constants).O
    activity = CubicSpline(KNOTS, np.hstack([cells * limit, np.ones((len(KNOTS), 1))]))
    found = bonded_history([HEALED], activity, constants)[0]
    return found[:-1] / found[-1]


def drawn_constants() -> list[TissueConstants]:
    """The draws: every constant with a range, but for the mechanical exponents."""
    ranges = {item.name: PARAMETERS.entry(f"tissue.{item.name}").range for item in fields(NOMINAL)}
    drawn = {name: span for name, span in ranges.items() if span and name not in MECHANICAL_EXPONENTS}
    low, high = np.array(list(drawn.values())).T
    sample = qmc.scale(qmc.LatinHypercube(len(drawn), seed=SEED).random(DRAWS), low, high)
    return [replace(NOMINAL, **dict(zip(drawn, map(float, values), strict=True))) for values in sample]


def headline(constants: TissueConstants) -> dict[str, float]:
    """Values of the bands at 60 Gy, twelve months after radiotherapy."""
    state = tissue_state([DOSE], SURGERY, constants)
    found = {name: float(getattr(state, name)[0]) for name in BANDS if name != "bonding"}
    return found | {"bonding": float(bonding_ratios(constants, np.array([DOSE]))[0])}


@pytest.fixture(scope="module")
def draws() -> dict[str, np.ndarray]:
    found = [headline(constants) for constants in drawn_constants()]
    return {name: np.array([one[name] for one in found]) for name in BANDS}


@pytest.mark.parametrize("name", BANDS)
def test_band(draws, name):
    """Uniform draws over the ranges give the quoted 5-95 % band within what 250 draws can tell."""
    low, high, tolerance = BANDS[name]
    assert np.percentile(draws[name], [5, 95]) == pytest.approx([low, high], abs=tolerance)


def test_nominal_lies_inside(draws):
    """The nominal value lies inside its own band, so that the band can be quoted beside it."""
    for name, value in headline(NOMINAL).items():
        low, high = np.percentile(draws[name], [5, 95])
        assert low < value < high, name
