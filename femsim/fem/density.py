"""Healthy bone as a calibrated CT shows it: Hounsfield units to density, density to Young's modulus, at points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from femsim.errors import InputError
from femsim.images.grid import VoxelGrid, box_of, place_of
from femsim.parameters import ParameterSet

Law = Literal["femoral-neck", "pooled"]
Phantom = Literal["apparent", "ash", "hydroxyapatite"]


@dataclass(frozen=True)
class DensityLaw:
    """Apparent density of bone from a calibration, and its modulus: E = a rho^b up to a cap (Morgan 2003).

    Attributes
    ----------
    slope, intercept : float
        The density of the calibration is ``slope * HU + intercept`` [g/cm3].
    to_apparent : tuple of float
        Apparent density is ``first * density + second``; second in g/cm3.
    factor, exponent, cap : float
        a [MPa for rho in g/cm3], b and the greatest modulus [MPa].
    threshold : float
        Bone of this apparent density and more counts as cortical [g/cm3].
    softest : float, optional
        Modulus that softer points are given [MPa]; None: a modulus of zero or less is refused.

    Raises
    ------
    InputError
        A calibration line that does not rise.
    """

    slope: float
    intercept: float
    to_apparent: tuple[float, float]
    factor: float
    exponent: float
    cap: float
    threshold: float
    softest: float | None = None

    def __post_init__(self) -> None:
        if not self.slope > 0.0:
            raise InputError(
                f"CT calibration: the density changes by {self.slope:g} g/cm3 for one Hounsfield unit; it has to rise"
            )

    @classmethod
    def from_parameters(
        cls,
        parameters: ParameterSet,
        slope: float,
        intercept: float,
        *,
        phantom: Phantom = "apparent",
        law: Law = "femoral-neck",
        softest: float | None = None,
    ) -> DensityLaw:
        """Take the laws of the card ``density``.

        Parameters
        ----------
        slope, intercept : float
            Of the calibration line [g/cm3].
        phantom : {"apparent", "ash", "hydroxyapatite"}
            What its density is: that of wet bone over its whole volume, of ash, or of hydroxyapatite in a phantom.
        law : {"femoral-neck", "pooled"}
        softest : float, optional
            [MPa]
        """
        name = law.replace("-", "_")
        return cls(
            slope=slope,
            intercept=intercept,
            to_apparent=_to_apparent(parameters, phantom),
            factor=parameters[f"density.{name}_factor"],
            exponent=parameters[f"density.{name}_exponent"],
            cap=parameters["density.cap"],
            threshold=parameters["density.cortical_threshold"],
            softest=softest,
        )

    def density(self, hounsfield: NDArray[np.float64]) -> NDArray[np.float64]:
        """Apparent density [g/cm3]; the line is carried on below zero."""
        first, second = self.to_apparent
        return first * (self.slope * hounsfield + self.intercept) + second

    def uncapped(self, density: NDArray[np.float64]) -> NDArray[np.float64]:
        """Modulus of the law alone [MPa]; zero where there is no density."""
        return self.factor * np.maximum(density, 0.0) ** self.exponent


def _to_apparent(parameters: ParameterSet, phantom: Phantom) -> tuple[float, float]:
    if phantom == "apparent":
        return 1.0, 0.0
    per = 1.0 / parameters["density.ash_per_apparent"]
    if phantom == "ash":
        return per, 0.0
    return per * parameters["density.ash_slope"], per * parameters["density.ash_intercept"]


def calibration_line(points: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Return slope and intercept of the best line through (HU, density) pairs, and the largest distance from it.

    Raises
    ------
    InputError
        Pairs at one Hounsfield number, which no line goes through.
    """
    hounsfield, density = np.array(points, dtype=float).T
    if np.ptp(hounsfield) == 0.0:
        raise InputError(f"CT calibration: every point has {hounsfield[0]:g} HU; two different ones make a line")
    slope, intercept = np.polyfit(hounsfield, density, 1)
    return float(slope), float(intercept), float(np.abs(slope * hounsfield + intercept - density).max())


@dataclass(frozen=True, eq=False)
class BoneAtPoints:
    """Healthy bone at points.

    Attributes
    ----------
    young : ndarray, (n,)
        MPa.
    cortical : ndarray of bool, (n,)
    capped, raised : ndarray of bool, (n,)
        Where the cap of the law, and the softest modulus allowed, took the place of the law.
    hounsfield : ndarray, (n,)
    """

    young: NDArray[np.float64]
    cortical: NDArray[np.bool_]
    capped: NDArray[np.bool_]
    raised: NDArray[np.bool_]
    hounsfield: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MeasuredBone:
    """The CT of a jaw with its density law.

    Attributes
    ----------
    scan : VoxelGrid
        Hounsfield units in the scan's own frame.
    to_scan : ndarray, (4, 4)
        Rigid, from the frame of the points to that of the scan.
    law : DensityLaw
    """

    scan: VoxelGrid
    to_scan: NDArray[np.float64]
    law: DensityLaw

    def at(self, points: NDArray[np.float64]) -> BoneAtPoints:
        """Return the bone at points (n, 3) [mm].

        Raises
        ------
        InputError
            Points outside the scan, or whose modulus is zero or less: how many, where, and what to do.
        """
        hounsfield, places = self._hounsfield(points)
        density = self.law.density(hounsfield)
        law = self.law.uncapped(density)
        soft = law < (self.law.softest or 0.0)
        if self.law.softest is None and not law.min(initial=1.0) > 0.0:
            self._refuse(places, hounsfield, density)
        capped = law > self.law.cap
        young = np.where(soft, self.law.softest or 0.0, np.minimum(law, self.law.cap))
        return BoneAtPoints(young, density >= self.law.threshold, capped, soft, hounsfield)

    def is_cortical(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether the bone at points (n, 3) has the density of cortical bone."""
        return self.law.density(self._hounsfield(points)[0]) >= self.law.threshold

    def check_covers(self, points: NDArray[np.float64]) -> None:
        """Raise :class:`InputError` when points (n, 3) lie outside the scan."""
        self._hounsfield(points)

    def _hounsfield(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        places = np.asarray(points, dtype=float) @ self.to_scan[:3, :3].T + self.to_scan[:3, 3]
        hounsfield, outside = self.scan.sample(places)
        if outside.any():
            raise InputError(
                f"{self.scan.name}: {int(outside.sum())} of {len(places)} points of the bone lie outside the scan, "
                f"between {box_of(places[outside])} in its frame; take a scan that holds the whole jaw, or correct "
                "'register'"
            )
        return hounsfield, places

    def _refuse(
        self, places: NDArray[np.float64], hounsfield: NDArray[np.float64], density: NDArray[np.float64]
    ) -> None:
        none = ~(density > 0.0)
        worst = int(np.argmin(density))
        raise InputError(
            f"{self.scan.name}: {int(none.sum())} of {len(places)} points of the bone would have a modulus of zero or "
            f"less; the lowest, {hounsfield[worst]:.0f} HU, lies at {place_of(places[worst])} mm in the frame of the "
            f"scan and gives {density[worst]:.3g} g/cm3; check 'calibration', 'register' and the outline of the jaw, "
            "or state a modulus for such points with 'softest: 50 MPa'"
        )
