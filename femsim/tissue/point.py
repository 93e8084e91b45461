"""The whole tissue model at one point of bone, for tables and quick questions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from femsim.errors import InputError
from femsim.tissue.bonding import bonded_history
from femsim.tissue.constants import TissueConstants
from femsim.tissue.response import LONGEST_TIME, tissue_state
from femsim.tissue.table import TissueTable
from femsim.units import parse_quantity

HIGHEST_DOSE = 1000.0
"""Gy EQD2. No radiotherapy comes near; beyond it a slip of the pen is likelier than a question."""
HIGHEST_MOTION = 1e4
"""um, a centimetre: as above."""


def tissue_point(
    eqd2: float,
    months: float,
    heal_days: float = 180.0,
    micromotion: float = 0.0,
    hbo: float = 0.0,
    *,
    constants: TissueConstants,
) -> dict[str, float]:
    """Summarise one point: mechanisms and mechanical factors at surgery, bonding of a screw some days later.

    Parameters
    ----------
    eqd2 : float
        Gy.
    months : float
        From the end of radiotherapy to surgery, months of 30.4 days.
    heal_days : float
        Days after surgery at which bonding is reported.
    micromotion : float
        Peak cyclic micromotion of the screw, um.
    hbo : float
        Sessions of hyperbaric oxygen before surgery.
    constants : TissueConstants

    Raises
    ------
    InputError
        A value that is negative, no number, or beyond a century, 1000 Gy or 10 mm.

    Returns
    -------
    dict
        ``V, N, p`` [mmHg]``, C, Phi, Ec, Et, Q, fs`` (cortical)``, log10_Nf`` at surgery, ``B`` after ``heal_days`` and
        ``B_ratio``, B over that of healthy bone under the same micromotion.

    Examples
    --------
    >>> from femsim.parameters import load_parameters
    >>> constants = TissueConstants.from_parameters(load_parameters())
    >>> point = tissue_point(60.0, 12.0, 180.0, constants=constants)
    >>> round(point["B_ratio"], 2)
    0.8
    """
    if eqd2 > HIGHEST_DOSE:
        raise InputError(
            f"EQD2 is {eqd2:g} Gy; at most {HIGHEST_DOSE:g} Gy make sense here, check the unit (Gy, not cGy)"
        )
    if not 0.0 <= micromotion <= HIGHEST_MOTION:
        raise InputError(f"micromotion is {micromotion:g} um; it must lie between 0 and {HIGHEST_MOTION:g} um")
    month = parse_quantity("1 month", "day")
    for name, days, unit in (("months", months * month, month), ("heal_days", heal_days, 1.0)):
        if not 0.0 <= days <= LONGEST_TIME:
            raise InputError(
                f"{name} is {days / unit:g}; it must lie between 0 and {LONGEST_TIME / unit:.0f}, a century"
            )
    surgery = months * month
    state = tissue_state([eqd2], surgery, constants, hbo_sessions=hbo)
    table = TissueTable(constants, surgery_day=surgery, horizon=max(heal_days, 1.0), eqd2_max=eqd2, hbo_sessions=hbo)
    bone = table.histories([eqd2, 0.0])

    def activity(day: float) -> NDArray[np.float64]:
        return bone.at(day).Phi

    bonded, healthy = bonded_history([heal_days], activity, constants, micromotion_um=micromotion)[0]
    return {
        "V": float(state.V[0]),
        "N": float(state.N[0]),
        "p": float(state.p[0]),
        "C": float(state.C[0]),
        "Phi": float(state.Phi[0]),
        "Ec": float(state.E_cortical[0]),
        "Et": float(state.E_trabecular[0]),
        "Q": float(state.Q[0]),
        "fs": float(state.strength_cortical[0]),
        "log10_Nf": float(state.log10_life[0]),
        "B": float(bonded),
        "B_ratio": float(bonded / healthy) if healthy > 0.0 else 1.0,  # nothing has bonded yet, anywhere
    }
