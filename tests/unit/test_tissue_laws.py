"""Laws of the three H's: replaced by another one, switched off, and what each contributes."""

from __future__ import annotations

import time
from itertools import permutations

import numpy as np
import pytest

from femsim.errors import InputError
from femsim.parameters import load_parameters
from femsim.tissue import (
    MECHANISMS,
    Laws,
    PublishedCells,
    TissueConstants,
    TissueTable,
    contributions,
    tissue_point,
    tissue_state,
)

CONSTANTS = TissueConstants.from_parameters(load_parameters())
YEAR = 364.8


def linear_vessels(dose, day, constants):
    """Vessels lost in proportion to dose, half of them at D50, never below Vmin: a law a reader could bring."""
    late_loss = np.minimum(0.5 * dose / constants.D50, 1.0 - constants.Vmin)
    return 1.0 + late_loss * np.expm1(-np.asarray(day) / constants.tauV)


def test_linear_vessel_law():
    """An own vessel law is one function: it is used as written, and oxygen and cells follow it."""
    laws = Laws(vessels=linear_vessels)
    state = tissue_state([0.0, 20.0, 60.0], YEAR, CONSTANTS, laws=laws)
    assert pytest.approx(1.0 - np.array([0.0, 0.5 * 20 / 45, 0.5 * 60 / 45]) * -np.expm1(-YEAR / 180.0)) == state.V
    published = tissue_state([0.0, 20.0, 60.0], YEAR, CONSTANTS)
    assert state.p[1] < published.p[1]
    assert state.Phi[1] < published.Phi[1]
    assert state.Phi[0] == 1.0


def test_another_oxygen_law():
    """Oxygen in proportion to vessels is healthy at V = 1 by construction, and limits the cells elsewhere."""
    laws = Laws(oxygen=lambda vessel, osteocyte, constants: constants.p0 * vessel)
    state = tissue_state([0.0, 60.0], YEAR, CONSTANTS, laws=laws)
    assert state.p == pytest.approx(CONSTANTS.p0 * state.V)
    assert state.O[0] == 1.0
    assert state.O[1] < 1.0


def test_another_cell_law():
    """A cell law is changed by subclassing: without recovery the cells stay as radiotherapy left them."""

    class NoRecovery(PublishedCells):
        def recovery(self, constants):
            return 0.0

    state = tissue_state([60.0], 10 * YEAR, CONSTANTS, laws=Laws(cells=NoRecovery()))
    assert state.C[0] == pytest.approx(np.exp(-CONSTANTS.sC * 60.0), rel=1e-13)
    assert state.N[0] == tissue_state([60.0], 10 * YEAR, CONSTANTS).N[0]


def test_table_and_histories_use_the_law():
    """Tables and patch histories under another law agree with direct integration under it."""
    laws = Laws(vessels=linear_vessels).without("cells")
    table = TissueTable(CONSTANTS, surgery_day=YEAR, horizon=400.0, eqd2_max=70.0, laws=laws)
    exact = tissue_state([33.3, 66.6], YEAR + 200.0, CONSTANTS, laws=laws)
    for state in (table.at([33.3, 66.6], 200.0), table.histories([33.3, 66.6]).at(200.0)):
        for name in ("V", "p", "O", "C", "Phi", "Q", "rho_trabecular"):
            assert getattr(state, name) == pytest.approx(getattr(exact, name), abs=2e-5), name


def test_absurd_dose_leaves_no_cell_and_no_warning():
    """A dose beyond any sense gives finite numbers, not an overflow."""
    state = tissue_state([1e6], YEAR, CONSTANTS)
    assert 0.0 <= state.Phi[0] < 1e-6
    assert np.isfinite(state.log10_life[0])


@pytest.fixture(scope="module")
def found():
    table = TissueTable(CONSTANTS, surgery_day=YEAR, horizon=1095.0, eqd2_max=70.0)
    return contributions([0.0, 50.0, 60.0, 70.0], table, 180.0)


def test_together_is_the_whole_model(found):
    """All mechanisms together lose exactly what the model says, and nothing at zero dose."""
    table = TissueTable(CONSTANTS, surgery_day=YEAR, horizon=1095.0, eqd2_max=70.0)
    state = table.at([0.0, 50.0, 60.0, 70.0], 180.0)
    assert found.together[0] == pytest.approx(1.0 - state.E_cortical, abs=2e-5)
    assert found.together[1] == pytest.approx(1.0 - state.E_trabecular, abs=2e-5)
    point = tissue_point(60.0, 12.0, 180.0, constants=CONSTANTS)
    assert 1.0 - found.together[2, 2] == pytest.approx(point["B_ratio"], abs=2e-5)
    assert not found.together[:, 0].any()


def test_each_alone_against_switched_off_states(found):
    """Each mechanism alone, and each left out, is the model with the others, or itself, switched off."""
    doses = [0.0, 50.0, 60.0, 70.0]
    for name in MECHANISMS:
        others = [other for other in MECHANISMS if other != name]
        alone = tissue_state(doses, YEAR + 180.0, CONSTANTS, laws=Laws().without(*others))
        rest = tissue_state(doses, YEAR + 180.0, CONSTANTS, laws=Laws().without(name))
        assert found.alone(name)[1] == pytest.approx(1.0 - alone.E_trabecular, abs=2e-5)
        assert found.avoided(name)[1] == pytest.approx(found.together[1] - 1.0 + rest.E_trabecular, abs=2e-5)
    assert not found.alone("vessels").any()
    assert not found.alone("oxygen").any()
    assert found.avoided("vessels")[1, 2] > 0.01
    assert found.alone("cells")[1, 2] > 0.1


def test_shares_are_means_over_orders_and_sum_up(found):
    """The share of a mechanism is its mean gain over all orders of switching on; the three sum up to the whole."""
    assert sum(found.share(name) for name in MECHANISMS) == pytest.approx(found.together, abs=1e-14)
    gains = []
    for order in permutations(MECHANISMS):
        before = frozenset(order[: order.index("oxygen")])
        gains.append(found.loss[before | {"oxygen"}] - found.loss[before])
    assert found.share("oxygen") == pytest.approx(np.mean(gains, axis=0), abs=1e-14)


def test_rows_average_with_weights(found):
    """Rows hold weighted means: one per mechanism and loss, and the whole."""
    rows = found.rows(weights=[0.0, 0.0, 3.0, 1.0])
    assert len(rows) == 12
    cells = next(row for row in rows if row["loss"] == "bonding" and row["mechanism"] == "cells")
    assert cells["alone"] == pytest.approx((3 * found.alone("cells")[2, 2] + found.alone("cells")[2, 3]) / 4)
    together = next(row for row in rows if row["loss"] == "bonding" and row["mechanism"] == "together")
    assert together["share"] == pytest.approx((3 * found.together[2, 2] + found.together[2, 3]) / 4)


def test_cheap_for_a_run():
    """Four hundred patches after three years cost a few seconds at most."""
    table = TissueTable(CONSTANTS, surgery_day=YEAR, horizon=1095.75, eqd2_max=70.0)
    start = time.process_time()
    contributions(np.linspace(0.0, 70.0, 400), table, 1095.75, micromotion_um=np.full(400, 30.0))
    assert time.process_time() - start < 20.0


@pytest.mark.parametrize("day", [0.0, -1.0, 1100.0, float("nan")])
def test_day_outside_the_table(day):
    """A day that the table does not cover is refused."""
    table = TissueTable(CONSTANTS, surgery_day=YEAR, horizon=1095.0, eqd2_max=70.0)
    with pytest.raises(InputError, match=r"days? .* since surgery"):
        contributions([60.0], table, day)


def test_unknown_mechanism(found):
    """A misspelt mechanism is refused with the choices."""
    with pytest.raises(InputError, match="choose one of vessels, oxygen, cells"):
        found.alone("oxygene")
