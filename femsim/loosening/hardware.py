"""Fatigue and yield of plate and screws: Basquin with Goodman, Miner over the healing spectrum, margins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from femsim.errors import InputError
from femsim.fem.stress import von_mises
from femsim.loosening.spectrum import HealingSpectrum
from femsim.parameters import ParameterSet

Array = np.ndarray
PartStress = Mapping[str, tuple[Array, Array]]
"""Part name -> peak and valley stress, (6,) or (places, 6), MPa: three normal, then three shear components."""

QUADRATURE_POINTS = 6
"""Gauss points per step: damage goes with about the tenth power of a bite factor that is linear inside a step."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(QUADRATURE_POINTS)


@dataclass(frozen=True)
class FatigueMaterial:
    """Fatigue of one titanium.

    Attributes
    ----------
    name : str
        Shown in tables.
    strength : float
        sigma_f of ``sigma_a = sigma_f (2N)^c``, MPa.
    exponent : float
        c, negative.
    ultimate, yield_stress : float
        MPa; Goodman intercept and yield.
    endurance_life : float
        Cycles to which a reported endurance stress refers.
    """

    name: str
    strength: float
    exponent: float
    ultimate: float
    yield_stress: float
    endurance_life: float

    @classmethod
    def alloy(cls, parameters: ParameterSet) -> FatigueMaterial:
        """Ti-6Al-4V: ``sigma_a = 2030 (2N)^-0.104`` (recalled)."""
        p = {key: parameters[f"loosening.{key}"] for key in _ALLOY_KEYS}
        return cls(
            name="titanium alloy",
            strength=p["alloy_fatigue_strength"],
            exponent=p["fatigue_exponent"],
            ultimate=p["alloy_ultimate"],
            yield_stress=p["alloy_yield"],
            endurance_life=p["endurance_life"],
        )

    @classmethod
    def pure(cls, parameters: ParameterSet) -> FatigueMaterial:
        """Commercially pure titanium grade 4: the alloy's slope through the endurance stress of the card."""
        p = {key: parameters[f"loosening.{key}"] for key in _PURE_KEYS}
        strength = p["pure_endurance"] * (2.0 * p["endurance_life"]) ** (-p["fatigue_exponent"])
        return cls(
            name="pure titanium",
            strength=strength,
            exponent=p["fatigue_exponent"],
            ultimate=p["pure_ultimate"],
            yield_stress=p["pure_yield"],
            endurance_life=p["endurance_life"],
        )


_ALLOY_KEYS = ("alloy_fatigue_strength", "fatigue_exponent", "alloy_ultimate", "alloy_yield", "endurance_life")
_PURE_KEYS = ("pure_endurance", "endurance_life", "fatigue_exponent", "pure_ultimate", "pure_yield")


@dataclass(frozen=True)
class Part:
    """One plate or screw that can break.

    Attributes
    ----------
    name : str
        Key of the stress callback.
    material : FatigueMaterial
    knock_down : float
        Factor on the fatigue strength, 0 < f <= 1 (hand bending, printed surface: multiply them).
    finish : str
        How it was made, in words for tables; empty where nothing is said.
    """

    name: str
    material: FatigueMaterial
    knock_down: float = 1.0
    finish: str = ""

    def __post_init__(self) -> None:
        if not 0.0 < self.knock_down <= 1.0:
            raise InputError(f"part {self.name!r}: the knock-down factor is {self.knock_down}, it must be in (0, 1]")


FINISH_WORDS = {"bent": "bent by hand", "milled": "milled", "printed": "as printed"}


def plate_part(name: str, finish: str, parameters: ParameterSet) -> Part:
    """A plate by the way it was made.

    Parameters
    ----------
    name : str
    finish : str
        ``bent`` by hand or ``milled`` to its shape, both of commercially pure titanium; ``printed``, the alloy with its
        surface as printed.
    parameters : ParameterSet
        Card ``loosening``.
    """
    words = FINISH_WORDS[finish]
    if finish == "printed":
        return Part(name, FatigueMaterial.alloy(parameters), parameters["loosening.printed_knock_down"], words)
    knock_down = parameters["loosening.bending_knock_down"] if finish == "bent" else 1.0
    return Part(name, FatigueMaterial.pure(parameters), knock_down, words)


def equivalent_amplitude(peak: Array, valley: Array, ultimate: float) -> Array:
    """Fully reversed amplitude of the same life, ``sigma_a / (1 - sigma_m / R_m)`` (Goodman), MPa.

    The amplitude is the von Mises stress of half the tensor difference; the mean is that of half the tensor sum,
    signed by its trace. A compressive mean gives no credit. A mean at or above the ultimate stress gives infinity.

    Parameters
    ----------
    peak, valley : ndarray (..., 6)
        MPa.
    """
    return goodman(*amplitude_and_mean(peak, valley), ultimate)


def amplitude_and_mean(peak: Array, valley: Array) -> tuple[Array, Array]:
    """Stress amplitude and tensile mean stress (...,) of cycles between tensors (..., 6), MPa; linear in their size."""
    half = 0.5 * (np.asarray(peak, dtype=float) - valley)
    middle = 0.5 * (np.asarray(peak, dtype=float) + valley)
    return von_mises(half), np.where(middle[..., :3].sum(axis=-1) > 0.0, von_mises(middle), 0.0)


def goodman(amplitude: Array, mean: Array, ultimate: float) -> Array:
    """Fully reversed amplitude ``sigma_a / (1 - sigma_m / R_m)`` of the same life, MPa."""
    left = 1.0 - mean / ultimate
    return np.where(left > 0.0, amplitude / np.where(left > 0.0, left, 1.0), np.where(amplitude > 0.0, np.inf, 0.0))


def fatigue_life(amplitude: Array, material: FatigueMaterial, knock_down: float = 1.0) -> Array:
    """Cycles to failure ``N = (sigma_ar / (f sigma_f))^(1/c) / 2``; no endurance limit; at least one cycle.

    Titanium under a spectrum is taken without a cut-off: small cycles after large ones do damage.
    """
    relative = np.asarray(amplitude, dtype=float) / (knock_down * material.strength)
    with np.errstate(divide="ignore"):
        life = 0.5 * relative ** (1.0 / material.exponent)
    return np.maximum(life, 1.0)


def allowable_amplitude(life: float, material: FatigueMaterial, knock_down: float = 1.0) -> float:
    """Fully reversed amplitude in MPa that gives ``life`` cycles."""
    return float(knock_down * material.strength * (2.0 * life) ** material.exponent)


class HardwareFatigue:
    """Accumulates the fatigue damage of every part; stresses are refreshed now and then, factors follow the spectrum.

    Between two refreshes the stress tensors are taken proportional to the bite force, hence to the healing factor.

    Parameters
    ----------
    parts : sequence of Part
    cycles_per_day : ndarray (tasks,)
    spectrum : HealingSpectrum
    refresh_days : float
        Shortest time between two refreshes while every screw holds.
    """

    def __init__(
        self, parts: Sequence[Part], cycles_per_day: Array, spectrum: HealingSpectrum, refresh_days: float = 7.0
    ) -> None:
        self.parts = tuple(parts)
        self.cycles_per_day = np.asarray(cycles_per_day, dtype=float)
        self.spectrum = spectrum
        self.refresh_days = refresh_days
        self.reset()

    def reset(self) -> None:
        """Forget stresses and damage: nothing has been used yet."""
        self.damage: dict[str, Array] = {}
        self.stress: dict[str, Array] = {}
        self.cycles: dict[str, tuple[Array, Array]] = {}
        self.factor = 0.0
        self.refreshed = -np.inf

    def due(self, day: float) -> bool:
        """Whether the stresses may be refreshed again."""
        return day >= self.refreshed + self.refresh_days

    def refresh(self, day: float, solved: Sequence[PartStress]) -> None:
        """Take new stresses: one mapping per task, at the healing factor of ``day`` (which must not be 0)."""
        for part in self.parts:
            if any(part.name not in one for one in solved):
                raise InputError(f"hardware fatigue: no stress was recovered for part {part.name!r}")
            pairs = [tuple(np.atleast_2d(np.asarray(s, dtype=float)) for s in one[part.name]) for one in solved]
            self._take(part, np.array(pairs))
            self.damage.setdefault(part.name, np.zeros(pairs[0][0].shape[0]))
        self.factor = self.spectrum.factor(day)
        self.refreshed = day

    def _take(self, part: Part, stress: Array) -> None:
        """Keep stresses (tasks, 2, places, 6) and what does not change with the size of the bite."""
        self.stress[part.name] = stress
        self.cycles[part.name] = amplitude_and_mean(stress[:, 0], stress[:, 1])

    def rate(self, part: Part, day: float) -> Array:
        """Damage per day at every place of a part."""
        if part.name not in self.stress or self.factor <= 0.0:
            return np.zeros_like(self.damage.get(part.name, np.zeros(1)))
        scale = self.spectrum.factor(day) / self.factor
        amplitude, mean = self.cycles[part.name]
        amplitude = goodman(scale * amplitude, scale * mean, part.material.ultimate)
        return (self.cycles_per_day[:, None] / fatigue_life(amplitude, part.material, part.knock_down)).sum(axis=0)

    def leading_task(self, part: Part, day: float) -> tuple[int, float]:
        """Task that wears the worst place of a part most on a day, and its share of the wear there (0 when none)."""
        amplitude, mean = self.cycles[part.name]
        scale = self.spectrum.factor(day) / self.factor
        worn = goodman(scale * amplitude, scale * mean, part.material.ultimate)
        rates = self.cycles_per_day[:, None] / fatigue_life(worn, part.material, part.knock_down)
        own = rates[:, int(np.argmax(self.damage[part.name]))]
        first = int(np.argmax(own))
        return first, float(own[first] / own.sum()) if own.sum() > 0.0 else 0.0

    def gained(self, part: Part, start: float, end: float) -> Array:
        """Damage between two days without a kink of the spectrum between them (Gauss-Legendre)."""
        half, middle = 0.5 * (end - start), 0.5 * (end + start)
        rates = np.array([self.rate(part, middle + half * node) for node in _NODES])
        return np.asarray(half * (_WEIGHTS @ rates))

    def total(self, start: float, end: float) -> dict[str, float]:
        """Largest damage of every part at ``end`` when the stored damage belongs to ``start``."""
        return {
            part.name: float(np.max(self.damage[part.name] + self.gained(part, start, end)))
            for part in self.parts
            if part.name in self.damage
        }

    def advance(self, start: float, end: float) -> None:
        """Add the damage of a step."""
        for part in self.parts:
            if part.name in self.damage:
                self.damage[part.name] = self.damage[part.name] + self.gained(part, start, end)

    def table(self) -> list[dict[str, float | str]]:
        """One row per part: stresses at full bite (factor 1), yield and fatigue margins, damage used so far."""
        rows: list[dict[str, float | str]] = []
        for part in self.parts:
            if part.name not in self.stress or self.factor <= 0.0:
                continue
            full = self.stress[part.name] / self.factor
            peak = float(np.max(von_mises(full[:, 0])))
            amplitude = float(np.max(equivalent_amplitude(full[:, 0], full[:, 1], part.material.ultimate)))
            endurance = allowable_amplitude(part.material.endurance_life, part.material, part.knock_down)
            rows.append(
                {
                    "part": part.name,
                    "material": f"{part.material.name}, {part.finish}" if part.finish else part.material.name,
                    "knock_down": part.knock_down,
                    "stress_peak_mpa": peak,
                    "yield_mpa": part.material.yield_stress,
                    "yield_margin": part.material.yield_stress / peak if peak > 0.0 else np.inf,
                    "amplitude_mpa": amplitude,
                    "endurance_mpa": endurance,
                    "fatigue_margin": endurance / amplitude if amplitude > 0.0 else np.inf,
                    "damage": float(np.max(self.damage[part.name])),
                }
            )
        return rows

    def arrays(self) -> dict[str, Array]:
        """Everything that changes, for a checkpoint."""
        stored = {"hardware_clock": np.array([self.factor, self.refreshed])}
        for number, part in enumerate(self.parts):
            if part.name in self.stress:
                stored[f"hardware_stress_{number}"] = self.stress[part.name]
                stored[f"hardware_damage_{number}"] = self.damage[part.name]
        return stored

    def restore(self, stored: Mapping[str, Array]) -> None:
        """Take back what :meth:`arrays` gave."""
        self.factor, self.refreshed = (float(value) for value in stored["hardware_clock"])
        for number, part in enumerate(self.parts):
            if f"hardware_stress_{number}" in stored:
                self._take(part, np.array(stored[f"hardware_stress_{number}"]))
                self.damage[part.name] = np.array(stored[f"hardware_damage_{number}"])
