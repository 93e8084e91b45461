"""The constants of the tissue model, read once from the parameter cards and checked for physical sense."""

from __future__ import annotations

from dataclasses import dataclass, fields

from femsim.errors import InputError
from femsim.parameters import ParameterSet, load_parameters

SURFACES = {"plate_screw": "x", "machined": "x_machined", "tps": "x_tps", "sla": "x_sla", "ha": "x_ha"}
"""Implant surfaces and the parameter that holds their resorption ratio."""

_POSITIVE = {
    *("alpha_beta", "sC_dose", "sC_alpha_beta", "penumbra"),
    *("D50", "nV", "tauV", "p0", "pc", "pM", "p50", "h", "hbo_sessions"),
    *("DE", "tauN", "tau_rho", "tauQ", "tlag", "u50", "nu", "torque_time"),
}
FARTHEST = 10.0
"""An override may leave the range of its card by this factor; the numerical methods are checked no further out."""
_SHARES = ("Vmin", "Emax", "aC", "aT", "Bi", "chi", "etaH", "hbo_target")


@dataclass(frozen=True)
class TissueConstants:
    """Constants of card ``tissue``, under the symbols of its equations; units mm, day, Gy, mmHg, and um for ``u50``.

    The meaning, range, source and mark of each is in the card (:func:`femsim.parameters.load_parameters`).

    Raises
    ------
    InputError
        A value outside what the equations allow.
    """

    alpha_beta: float
    penumbra: float
    Vmin: float
    D50: float
    nV: float
    tauV: float
    p0: float
    pc: float
    R0_rc: float
    pM: float
    p50: float
    h: float
    sC: float
    sC_dose: float
    sC_alpha_beta: float
    krep: float
    Emax: float
    DE: float
    tauN: float
    aC: float
    aT: float
    tau_rho: float
    aQ: float
    tauQ: float
    stiffness_exponent: float
    strength_exponent: float
    quality_exponent: float
    fatigue_exponent: float
    kf: float
    tlag: float
    x: float
    Bi: float
    chi: float
    u50: float
    nu: float
    kF: float
    torque_gain: float
    torque_time: float
    etaH: float
    hbo_target: float
    hbo_sessions: float

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            low = "more than 0" if item.name in _POSITIVE else "0 or more"
            if not (value > 0.0 if item.name in _POSITIVE else value >= 0.0):
                raise InputError(f"parameter tissue.{item.name} is {value:g}; it must be {low}")
            if item.name in _SHARES and value > 1.0:
                raise InputError(f"parameter tissue.{item.name} is {value:g}; a share must lie between 0 and 1")
        if self.Vmin == 0.0:
            raise InputError(
                "parameter tissue.Vmin is 0; without any vessel the oxygen model has no solution, use 0.01 or more"
            )
        if self.R0_rc <= 1.0:
            raise InputError(
                f"parameter tissue.R0_rc is {self.R0_rc:g}; the tissue cylinder must be wider than its capillary (> 1)"
            )
        if self.pc <= self.p0:
            raise InputError(f"parameter tissue.pc is {self.pc:g} mmHg; it must exceed tissue.p0 ({self.p0:g} mmHg)")

    @classmethod
    def from_parameters(cls, parameters: ParameterSet, *, surface: str = "plate_screw") -> TissueConstants:
        """Read the constants from a parameter set.

        Parameters
        ----------
        parameters : ParameterSet
            Must hold card ``tissue``.
        surface : str
            Implant surface, a key of :data:`SURFACES`.

        Raises
        ------
        InputError
            An unknown surface, a value that the equations do not allow or that lies far outside the range of its card.

        Notes
        -----
        When ``alpha_beta`` is overridden and ``sC`` is not, ``sC`` is rescaled so that the cell kill of its calibration
        experiment, ``exp(-sC EQD2(15 Gy x 1))``, stays what was measured.
        """
        if surface not in SURFACES:
            raise InputError(f"implant surface {surface!r} is unknown; choose one of {', '.join(SURFACES)}")
        values = {item.name: _computable(parameters, item.name) for item in fields(cls) if item.name != "x"}
        values["x"] = _computable(parameters, SURFACES[surface])
        if parameters.entry("tissue.sC").origin == "card":
            dose, reference, current = values["sC_dose"], values["sC_alpha_beta"], values["alpha_beta"]
            if current != reference:  # ratio of the two EQD2 of one fraction
                values["sC"] *= (dose + reference) / (2.0 + reference) * (2.0 + current) / (dose + current)
        return cls(**values)


def _computable(parameters: ParameterSet, key: str) -> float:
    """Return one parameter; an override must be 0 or lie within FARTHEST times the range of the card."""
    entry, value = parameters.entry(f"tissue.{key}"), parameters[f"tissue.{key}"]
    if entry.origin != "card" and value > 0.0:  # below 0 is refused with the other signs
        low, high = entry.range or (load_parameters()[entry.name],) * 2
        if not low / FARTHEST <= value <= high * FARTHEST:
            raise InputError(
                f"{entry.origin}: parameter {entry.name} is {value:g} {entry.unit}".rstrip()
                + f"; the model is computed between {low / FARTHEST:g} and {high * FARTHEST:g} (range of its card: "
                + (f"{low:g} to {high:g})" if entry.range else "none)")
            )
    return value
