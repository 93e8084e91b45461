"""The tissue table and the patch histories against direct integration."""

from __future__ import annotations

import time
from dataclasses import fields, replace

import numpy as np
import pytest

from femsim.parameters import load_parameters
from femsim.tissue import Laws, TissueConstants, TissueTable, tissue_state
from femsim.tissue.table import TABLE_ERROR

PARAMETERS = load_parameters()
NOMINAL = TissueConstants.from_parameters(PARAMETERS)
RATIOS = (
    *("V", "N", "O", "C", "Phi", "rho_cortical", "rho_trabecular", "Q"),
    *("E_cortical", "E_trabecular", "strength_cortical", "strength_trabecular"),
)


def worst_error(constants, surgery_day, hbo_sessions=0.0):
    doses = np.random.default_rng(3).uniform(0.0, 120.0, 150)
    table = TissueTable(constants, surgery_day=surgery_day, horizon=3650.0, eqd2_max=120.0, hbo_sessions=hbo_sessions)
    patches = table.histories(doses)
    worst = 0.0
    for day in (0.0, 0.7, 3.3, 11.0, 29.0, 47.7, 111.0, 333.3, 777.0, 1500.5, 3650.0):
        exact = tissue_state(doses, surgery_day + day, constants, hbo_sessions=hbo_sessions, hbo_day=surgery_day)
        for state in (table.at(doses, day), patches.at(day)):
            errors = [np.abs(getattr(state, name) - getattr(exact, name)).max() for name in RATIOS]
            worst = max(worst, *errors, np.abs(state.p / exact.p - 1.0).max())
    return worst


@pytest.mark.parametrize("surgery_day", [0.0, 30.0, 364.8, 1824.0])
@pytest.mark.parametrize("sessions", [0.0, 30.0])
def test_table_error_nominal(surgery_day, sessions):
    """Table and histories keep every ratio within the stated table error for ten years."""
    assert worst_error(NOMINAL, surgery_day, sessions) < TABLE_ERROR


@pytest.mark.parametrize("seed", range(6))
def test_table_error_over_the_ranges(seed):
    """The stated table error holds for constants anywhere in the ranges of the card."""
    rng = np.random.default_rng(seed)
    ranges = {item.name: PARAMETERS.entry(f"tissue.{item.name}").range for item in fields(NOMINAL)}
    constants = replace(NOMINAL, **{name: float(rng.uniform(*span)) for name, span in ranges.items() if span})
    assert worst_error(constants, 0.0) < TABLE_ERROR
    assert worst_error(constants, 182.4) < TABLE_ERROR


def test_histories_are_reproducible():
    """The same request gives the same bits, whatever other patches are asked for beside it."""
    tables = [TissueTable(NOMINAL, surgery_day=364.8, horizon=1095.0, eqd2_max=70.0) for _ in range(2)]
    first = tables[0].histories([60.0, 33.3, 0.0]).at(123.4)
    second = tables[1].histories([0.0, 60.0, 33.3, 60.0]).at(123.4)
    for name in (*RATIOS, "p", "log10_life"):
        assert getattr(first, name).tolist() == getattr(second, name)[[1, 2, 0]].tolist(), name


def test_short_horizon():
    """A horizon of one day is as good as ten years."""
    table = TissueTable(NOMINAL, surgery_day=100.0, horizon=1.0, eqd2_max=0.0)
    assert table.histories([0.0]).at(1.0).Phi.tolist() == [1.0]


@pytest.mark.parametrize("mechanism", ["vessels", "oxygen", "cells"])
def test_switched_off_mechanisms_reach_the_table(mechanism):
    """A table with one mechanism off equals direct integration with it off."""
    doses = np.array([20.0, 45.0, 66.0])
    table = TissueTable(NOMINAL, surgery_day=365.0, horizon=400.0, eqd2_max=70.0, laws=Laws().without(mechanism))
    exact = tissue_state(doses, 665.0, NOMINAL, laws=Laws().without(mechanism))
    for state in (table.at(doses, 300.0), table.histories(doses).at(300.0)):
        for name in RATIOS:
            assert getattr(state, name) == pytest.approx(getattr(exact, name), abs=TABLE_ERROR), name


def test_a_million_points_in_two_seconds():
    """Table and every factor of a million points with their own doses, the size of a fine mesh, within two seconds."""
    doses = np.random.default_rng(0).uniform(0.0, 80.0, 1_000_000)
    spent = []
    for _ in range(2):
        start = time.process_time()
        state = TissueTable(NOMINAL, surgery_day=365.0, horizon=1095.0, eqd2_max=80.0).at(doses, 0.0)
        for name in ("Phi", "E_cortical", "E_trabecular", "strength_cortical", "strength_trabecular", "log10_life"):
            assert np.isfinite(getattr(state, name)).all()
        spent.append(time.process_time() - start)
    assert min(spent) < 2.0
