"""How much each of the three H's contributes to the loss of stiffness and of bonding at points of irradiated bone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from femsim.errors import InputError
from femsim.tissue.bonding import bonded_history
from femsim.tissue.laws import MECHANISMS
from femsim.tissue.response import checked_dose
from femsim.tissue.table import TissueTable

Array = NDArray[np.float64]

LOSSES = ("stiffness_cortical", "stiffness_cancellous", "bonding")
"""What is lost, as a share of healthy bone: 1 - E/E0 of both kinds of bone, and 1 - B/B(healthy) of a screw."""

EVERY_SUBSET = tuple(frozenset(some) for size in range(4) for some in combinations(MECHANISMS, size))


@dataclass(frozen=True)
class Contributions:
    """Losses under every combination of mechanisms; every array is (3, n), rows in the order of :data:`LOSSES`.

    Attributes
    ----------
    loss : dict of frozenset of str to ndarray, (3, n)
        Loss with exactly these mechanisms at work.

    Notes
    -----
    Vessels and oxygen act in a chain (fewer vessels carry less oxygen, less oxygen slows the cells), so each alone does
    nothing and ``alone`` does not sum up to ``together``. ``share`` does: it is the mean of what a mechanism adds over
    all orders in which the three can be switched on (Shapley value).
    """

    loss: dict[frozenset[str], Array]

    @property
    def together(self) -> Array:
        """Loss with all three mechanisms."""
        return self.loss[frozenset(MECHANISMS)]

    def alone(self, mechanism: str) -> Array:
        """Loss with only this mechanism at work."""
        return self.loss[frozenset({_known(mechanism)})]

    def avoided(self, mechanism: str) -> Array:
        """Loss that would not be there if this mechanism alone were switched off."""
        return self.together - self.loss[frozenset(MECHANISMS) - {_known(mechanism)}]

    def share(self, mechanism: str) -> Array:
        """Share of the loss that is due to this mechanism; the three shares sum up to ``together``."""
        name, count = _known(mechanism), len(MECHANISMS)
        total = np.zeros_like(self.together)
        for before, loss in self.loss.items():
            if name not in before:
                orders = factorial(len(before)) * factorial(count - len(before) - 1)
                total += orders / factorial(count) * (self.loss[before | {name}] - loss)
        return total

    def rows(self, weights: ArrayLike | None = None) -> list[dict[str, str | float]]:
        """Rows for a table: one per mechanism and loss, averaged over the points.

        Parameters
        ----------
        weights : array_like, (n,), optional
            Weight of every point, such as the area of a patch; equal by default.

        Returns
        -------
        list of dict
            ``loss, mechanism, alone, avoided, share``; the row ``together`` has the whole loss in all three.
        """
        found: list[dict[str, str | float]] = []
        parts = None if weights is None else np.asarray(weights, dtype=float)
        for row, name in enumerate(LOSSES):
            for mechanism in MECHANISMS:
                values = {kind: getattr(self, kind)(mechanism)[row] for kind in ("alone", "avoided", "share")}
                means = {kind: float(np.average(value, weights=parts)) for kind, value in values.items()}
                found.append({"loss": name, "mechanism": mechanism, **means})
            whole = float(np.average(self.together[row], weights=parts))
            found.append({"loss": name, "mechanism": "together", "alone": whole, "avoided": whole, "share": whole})
        return found


def contributions(eqd2: ArrayLike, table: TissueTable, day: float, *, micromotion_um: ArrayLike = 0.0) -> Contributions:
    """Losses on a day after surgery with every combination of the three mechanisms.

    Parameters
    ----------
    eqd2 : array_like, (n,)
        Gy.
    table : TissueTable
        Gives constants, laws, day of surgery and hyperbaric oxygen; ``day`` must lie within its horizon.
    day : float
        Days since surgery, more than 0.
    micromotion_um : array_like, (n,)
        Peak cyclic motion of the screw, um, the same in healthy bone.

    Examples
    --------
    In a run, on its screw patches: ``contributions(built.eqd2, setting.tissue.table, outcome.day).rows(patches.area)``.

    >>> from femsim.parameters import load_parameters
    >>> from femsim.tissue import TissueConstants
    >>> constants = TissueConstants.from_parameters(load_parameters())
    >>> table = TissueTable(constants, surgery_day=364.8, horizon=1095.0, eqd2_max=60.0)
    >>> found = contributions([60.0], table, 180.0)
    >>> round(float(found.together[2, 0]), 2)
    0.2
    """
    dose = checked_dose(eqd2)
    if not 0.0 < day <= table.horizon:
        raise InputError(f"day {day:g} since surgery; contributions are known from just after 0 to {table.horizon:g}")
    healthy = bonded_history([day], 1.0, table.constants, micromotion_um=micromotion_um)[0]
    known: dict[frozenset[str], Array] = {}
    for some in EVERY_SUBSET:
        # Vessels act through oxygen only, and oxygen is short only where vessels or osteocytes are lost.
        acting = some if "oxygen" in some else some - {"vessels"}
        if acting <= {"oxygen"}:
            known[some] = np.zeros((len(LOSSES), len(dose)))
        else:
            known[some] = known[acting] if acting in known else _loss(dose, table, day, micromotion_um, acting, healthy)
    return Contributions(known)


def _loss(
    dose: Array, table: TissueTable, day: float, micromotion_um: ArrayLike, acting: frozenset[str], healthy: Array
) -> Array:
    laws = table.laws.without(*(name for name in MECHANISMS if name not in acting))
    part = TissueTable(
        table.constants,
        surgery_day=table.surgery_day,
        horizon=day,
        eqd2_max=float(dose.max(initial=0.0)),
        hbo_sessions=table.hyperbaric.sessions,
        laws=laws,
    )
    bone = part.histories(dose)
    state = bone.at(day)
    bonded = bonded_history([day], lambda now: bone.at(now).Phi, table.constants, micromotion_um=micromotion_um)[0]
    return np.stack([1.0 - state.E_cortical, 1.0 - state.E_trabecular, 1.0 - bonded / healthy])


def _known(mechanism: str) -> str:
    if mechanism not in MECHANISMS:
        raise InputError(f"mechanism {mechanism!r} is unknown; choose one of {', '.join(MECHANISMS)}")
    return mechanism
