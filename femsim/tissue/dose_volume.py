"""Dose-volume table and cumulative histogram of a bone: mean, near-maximum and the share above stated doses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from femsim.errors import InputError

CUSTOMARY_LEVELS = (50.0, 60.0)
"""Doses [Gy] at which jaw volumes are usually quoted; only names of columns, no result depends on them."""
CUSTOMARY_SHARES = (30.0,)
"""Percent of the volume for which the least dose is usually quoted."""
LEVEL_SLACK = 1e-9
"""Share of a level by which a dose may miss it: a jaw at 60 Gy throughout has V60 = 100 % whatever the rounding."""


@dataclass(frozen=True)
class DoseVolume:
    """Dose-volume numbers of one bone.

    Attributes
    ----------
    volume : float
        mm3.
    mean, maximum : float
        Dmean and highest dose, Gy.
    dose_to : dict
        Percent of the volume to the dose that at least this share receives, Gy: ``dose_to[30]`` is D30.
    volume_above : dict
        Dose [Gy] to the percent of the volume that receives at least it: ``volume_above[50]`` is V50.
    """

    volume: float
    mean: float
    maximum: float
    dose_to: dict[float, float]
    volume_above: dict[float, float]

    def rows(self) -> list[tuple[str, float, str]]:
        """Return (name, value, unit) in the usual order: Dmean, Dmax, D30, V50, V60."""
        found = [("Dmean", self.mean, "Gy"), ("Dmax", self.maximum, "Gy")]
        found += [(f"D{share:g}", dose, "Gy") for share, dose in self.dose_to.items()]
        return found + [(f"V{level:g}", share, "%") for level, share in self.volume_above.items()]


def dose_volume_table(
    doses: ArrayLike,
    volumes: ArrayLike,
    *,
    shares: Sequence[float] = CUSTOMARY_SHARES,
    levels: Sequence[float] = CUSTOMARY_LEVELS,
) -> DoseVolume:
    """Summarise the dose of a bone over its volume.

    Parameters
    ----------
    doses : array_like, (n,)
        Dose of every piece of bone (a tetrahedron, a quadrature point, a voxel), Gy.
    volumes : array_like, (n,)
        Volume of each piece, mm3; density does not enter.
    shares : sequence of float
        Percent of the volume, for ``dose_to``.
    levels : sequence of float
        Gy, for ``volume_above``.

    Raises
    ------
    InputError
        No pieces, different lengths, a value that is not finite or negative, no volume at all.

    Examples
    --------
    >>> dose_volume_table([70.0, 55.0, 20.0, 0.0], [1.0, 1.0, 1.0, 1.0]).volume_above
    {50.0: 50.0, 60.0: 25.0}
    """
    dose, volume = _checked(doses, volumes)
    order = np.argsort(-dose, kind="stable")
    filled = np.cumsum(volume[order]) * (100.0 / volume.sum())
    to_share = {
        float(share): float(dose[order][min(int(np.searchsorted(filled, share)), len(dose) - 1)]) for share in shares
    }
    above = dict(zip(map(float, levels), map(float, volume_above(dose, volume, levels)), strict=True))
    return DoseVolume(float(volume.sum()), float(dose @ volume / volume.sum()), float(dose.max()), to_share, above)


def volume_above(doses: ArrayLike, volumes: ArrayLike, levels: ArrayLike) -> NDArray[np.float64]:
    """Percent of the volume that receives at least each level: the cumulative dose-volume histogram.

    Parameters
    ----------
    doses, volumes : array_like, (n,)
        As in :func:`dose_volume_table`.
    levels : array_like, (k,)
        Gy, in any order.

    Returns
    -------
    ndarray, (k,)
        100 at level 0, never rising with the level.

    Examples
    --------
    >>> volume_above([70.0, 20.0], [1.0, 3.0], [0.0, 20.0, 50.0, 80.0])
    array([100., 100.,  25.,   0.])
    """
    dose, volume = _checked(doses, volumes)
    order = np.argsort(dose, kind="stable")
    below = np.concatenate([np.zeros(1), np.cumsum(volume[order])])
    wanted = np.asarray(levels, dtype=float) * (1.0 - LEVEL_SLACK)
    first = np.searchsorted(dose[order], wanted, side="left")
    return np.asarray(100.0 * (1.0 - below[first] / below[-1]))


def _checked(doses: ArrayLike, volumes: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    dose, volume = np.asarray(doses, dtype=float), np.asarray(volumes, dtype=float)
    if dose.ndim != 1 or dose.shape != volume.shape or not len(dose):
        raise InputError(
            f"doses have shape {dose.shape} and volumes {volume.shape}; one of each per piece of bone is needed"
        )
    for name, values in (("dose", dose), ("volume", volume)):
        if not np.all(np.isfinite(values)) or values.min() < 0.0:
            raise InputError(f"a {name} of a piece of bone is {values.min():g}; finite values of 0 or more are needed")
    if volume.sum() <= 0.0:
        raise InputError("the pieces of bone have no volume; a dose-volume table needs some")
    return dose, volume
