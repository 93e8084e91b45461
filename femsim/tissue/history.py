"""Time integration of bone-forming cells and density at many doses at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from femsim.errors import InputError
from femsim.tissue.constants import TissueConstants
from femsim.tissue.environment import NO_HYPERBARIC, Environment, Hyperbaric, environment
from femsim.tissue.laws import PUBLISHED, Laws

Array = NDArray[np.float64]

STEP = 6.0
"""Days; leaves less than 1e-7 over the ranges of the card, where the oxygen limit sets in with a kink inside a step."""

STEP_SHARE = 0.3
"""Longest step over the shortest time of the constants; below :data:`STEP` only outside the ranges of the card."""

FEWEST_CELLS = 1e-300
"""Share of osteogenic cells; keeps its inverse finite at absurd doses."""

_NODES = np.array([0.0, 0.5 - np.sqrt(5.0) / 10.0, 0.5 + np.sqrt(5.0) / 10.0, 1.0])
"""Four-point Lobatto nodes of the unit interval."""


def _integration_matrix(nodes: Array) -> Array:
    """Return M with M[i] @ f = integral from 0 to nodes[i] of the polynomial through f at the nodes."""
    powers = np.arange(len(nodes))
    integrals = nodes[:, None] ** (powers + 1) / (powers + 1)
    return np.asarray(integrals @ np.linalg.inv(nodes[:, None] ** powers))


_WEIGHTS = _integration_matrix(_NODES)


@dataclass(frozen=True)
class Balance:
    """Solution of the balances at given days; every array is (k, n) for k days and n doses.

    Attributes
    ----------
    C : ndarray
        Osteogenic cells over healthy.
    density_loss : ndarray
        Loss of bone density over its greatest loss, ``(1 - rho)/a``: the same for cortical and trabecular bone.
    """

    C: Array
    density_loss: Array


def integrate_balance(
    dose: Array,
    days: Array,
    constants: TissueConstants,
    *,
    hyperbaric: Hyperbaric = NO_HYPERBARIC,
    laws: Laws = PUBLISHED,
) -> Balance:
    """Integrate the balances of osteogenic cells and density from the end of radiotherapy.

    ``dC/dt = krep C (O - C)``, ``C(0) = exp(-sC D)``, and ``drho/dt = [1 - a (1 - C O) - rho]/taurho``, ``rho(0) = 1``.
    With ``1/C = 1 + z`` the first is linear, ``dz/dt = krep (1 - O - O z)``, and the density loss ``r = 1 - rho``
    follows ``dr/dt = [a (1 - C O) - r]/taurho``. Both are solved through their integrating factors with the integrals
    of a four-point Lobatto collocation in each step, so zero dose stays exactly healthy.

    Parameters
    ----------
    dose : ndarray, (n,)
        EQD2, Gy.
    days : ndarray, (k,)
        Since the end of radiotherapy, ascending, 0 or more.
    constants : TissueConstants
    hyperbaric, laws
        See :func:`femsim.tissue.environment.environment`.
    """
    c = constants
    if days.size and (days[0] < 0.0 or np.any(np.diff(days) < 0.0)):
        raise InputError(
            "days since radiotherapy must ascend from 0 or later; surgery before radiotherapy is not modelled"
        )
    recovery = laws.cells.recovery(c)
    shortest = min(c.tauV, c.tauN, c.tau_rho, 1.0 / recovery if recovery > 0.0 else np.inf)
    times = _time_grid(days, hyperbaric, min(STEP, STEP_SHARE * shortest))
    inverse = 1.0 / np.maximum(laws.cells.survivors(dose, c), FEWEST_CELLS) - 1.0  # z = 1/C - 1
    loss = np.zeros_like(dose)
    wanted = np.searchsorted(times, days)
    first_of = dict(zip(*np.unique(wanted, return_index=True), strict=True))
    inverse_at, loss_at = np.empty((len(days), len(dose))), np.empty((len(days), len(dose)))

    def record(node: int) -> None:
        if node in first_of:
            rows = wanted == node
            inverse_at[rows], loss_at[rows] = inverse, loss

    record(0)
    for node in range(len(times) - 1):
        start, length = float(times[node]), float(times[node + 1] - times[node])
        moments = start + length * _NODES[:, None]
        around = environment(
            dose[None, :], moments, c, hyperbaric=hyperbaric, laws=laws, treated=start >= hyperbaric.day
        )
        inverse, loss = _step(inverse, loss, around, length, recovery, c.tau_rho)
        record(node + 1)
    return Balance(C=1.0 / (1.0 + inverse_at), density_loss=loss_at)


def _step(
    inverse: Array, loss: Array, around: Environment, length: float, recovery: float, turnover: float
) -> tuple[Array, Array]:
    limit = around.O
    grown = recovery * length * (_WEIGHTS @ limit)
    fed = recovery * length * (_WEIGHTS @ (np.exp(grown) * (1.0 - limit)))
    inside = np.exp(-grown) * (inverse + fed)
    pace = length / turnover
    missing = 1.0 - limit / (1.0 + inside)
    later = np.exp(-pace) * (loss + pace * (_WEIGHTS[-1] @ (np.exp(pace * _NODES)[:, None] * missing)))
    return inside[-1], later


def _time_grid(days: Array, hyperbaric: Hyperbaric, step: float) -> Array:
    """Return step ends that hold 0, every wanted day and the day of hyperbaric oxygen."""
    last = float(days[-1]) if days.size else 0.0
    marks = [np.arange(0.0, last, step), np.zeros(1), days]
    if hyperbaric.sessions > 0.0:
        marks.append(np.array([hyperbaric.day]))
    grid = np.unique(np.concatenate(marks))
    return grid[grid <= last]
