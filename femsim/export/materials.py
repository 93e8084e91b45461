"""Few materials from many moduli, for programs that want one material card per modulus."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from femsim.export.linear import LinearModel

MOST_MATERIALS = 20_000
"""Material cards beyond which moduli are put into classes: CalculiX searches its cards one by one (1.3 s for these)."""


def with_few_materials(model: LinearModel, most: int = MOST_MATERIALS) -> tuple[LinearModel, float]:
    """Put Young's moduli into classes of equal ratio where there are too many different ones.

    Parameters
    ----------
    model : LinearModel
    most : int
        Materials allowed, at least two for each Poisson's ratio; a model with no more is returned as it is.

    Returns
    -------
    model : LinearModel
        Each cell with the middle of its class.
    error : float
        Largest relative change of a modulus.
    """
    pairs = np.unique(np.column_stack([model.young, model.poisson]), axis=0)
    if len(pairs) <= most:
        return model, 0.0
    logarithm = np.log(model.young)
    low, span = logarithm.min(), np.ptp(logarithm)
    classes, number = 1, np.zeros(len(logarithm), dtype=int)
    while True:  # most classes stay empty: bone, plate and screws lie decades apart
        finer = np.minimum(((logarithm - low) / span * 2 * classes).astype(int), 2 * classes - 1)
        if len(np.unique(np.column_stack([finer, model.poisson]), axis=0)) > most:
            break
        classes, number = 2 * classes, finer
    young = np.exp(low + (number + 0.5) / classes * span)
    return replace(model, young=young), float(np.abs(young / model.young - 1.0).max())
