"""How fast the bone around a screw is damaged, repaired, resorbed and refilled: rates per day of the patch states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from femsim.parameters import ParameterSet

Array = np.ndarray
BondedRate = Callable[[Array, Array, float, Array], Array]
"""``(bonded (p,), activity (p,), day since surgery, motion (p,) in micrometres) -> d(bonded)/d(day) (p,)``."""

MICROMETRES_PER_MM = 1000.0
SMALLEST_STRESS = 1e-9
"""MPa. Keeps slopes finite where nothing presses; damage at such a stress takes longer than any run."""
SHORTEST_LIFE = 1.0
"""Cycles. A patch cannot fail in less than one cycle, however high the stress: that would be a static failure."""


@dataclass(frozen=True)
class LooseningConstants:
    """Constants of the damage and resorption laws (card ``loosening``); stresses in MPa, lengths in mm, time in days.

    Attributes
    ----------
    stress_concentration, contact_floor : float
        Kt and the smallest contact fraction of the equivalent stress.
    life_reference, life_reference_stress, life_exponent : float
        S-N curve ``N_f = life_reference (life_reference_stress fs / sigma)^life_exponent``.
    repair, refill : float
        Damage repair and clearance refilling per day at activity 1.
    damage_failed : float
        Damage above which a patch has lost its thread shell.
    resorption : float
        Highest rate of each resorption term, mm/day.
    resorption_motion, resorption_motion_exponent, resorption_stress, resorption_stress_exponent : float
        Half point and steepness of the two resorption terms.
    rare_task : float
        Cycles a day below which a task does not steer resorption and bonding.
    """

    stress_concentration: float
    contact_floor: float
    life_reference: float
    life_reference_stress: float
    life_exponent: float
    repair: float
    refill: float
    damage_failed: float
    resorption: float
    resorption_motion: float
    resorption_motion_exponent: float
    resorption_stress: float
    resorption_stress_exponent: float
    rare_task: float

    @classmethod
    def from_parameters(cls, parameters: ParameterSet) -> LooseningConstants:
        """Read the card, and the micromotion at which bone turns from ``tissue.u50``."""
        names = [name for name in cls.__dataclass_fields__ if name != "resorption_motion"]
        motion = parameters["tissue.u50"] / MICROMETRES_PER_MM
        return cls(**{name: parameters[f"loosening.{name}"] for name in names}, resorption_motion=motion)


def equivalent_stress(tractions: Array, contact: Array, constants: LooseningConstants) -> Array:
    """Stress of the thread-engaged bone, ``Kt sqrt(<t_r>+^2 + 3 (t_a^2 + t_c^2)) / max(b, b_min)``.

    Parameters
    ----------
    tractions : ndarray (..., p, 3)
        Radial (positive presses on bone), axial, circumferential, MPa.
    contact : ndarray (p,)
        Contact fraction b: bonded fraction over that of a fresh screw.

    Returns
    -------
    ndarray (..., p)
        MPa.
    """
    pressing = np.maximum(tractions[..., 0], 0.0)
    shear_squared = tractions[..., 1] ** 2 + tractions[..., 2] ** 2
    patch = np.sqrt(pressing**2 + 3.0 * shear_squared)
    return constants.stress_concentration * patch / np.maximum(contact, constants.contact_floor)


def cycles_to_failure(stress: Array, strength: Array | float, constants: LooseningConstants) -> Array:
    """Cycles to failure of cortical bone, ``N_ref (sigma_ref fs / sigma)^m``; infinite at zero stress.

    Parameters
    ----------
    stress : ndarray
        Equivalent stress, MPa.
    strength : ndarray or float
        Strength factor fs of the irradiated bone, 1 when healthy.

    Notes
    -----
    Source: human cortical S-N data, 45 MPa 7.31e5 and 35 MPa 1.22e7 cycles. Never below one cycle.
    """
    stress = np.asarray(stress, dtype=float)
    relative = np.divide(
        constants.life_reference_stress * strength, stress, out=np.full(np.shape(stress), np.inf), where=stress > 0.0
    )
    return np.maximum(constants.life_reference * relative**constants.life_exponent, SHORTEST_LIFE)


def resorption_by_motion(motion: Array, constants: LooseningConstants) -> Array:
    """Share of the resorption rate called up by motion, ``1 / (1 + (u50/u)^n)``; motion in mm."""
    power = (motion / constants.resorption_motion) ** constants.resorption_motion_exponent
    return power / (1.0 + power)


def resorption_by_stress(stress: Array, strength: Array, constants: LooseningConstants) -> Array:
    """Share of the resorption rate called up by overload, ``1 / (1 + (sigma50 fs / sigma)^n)``; stress in MPa."""
    power = (stress / (constants.resorption_stress * strength)) ** constants.resorption_stress_exponent
    # power / (1 + power) would be inf / inf at absurd stresses.
    return 1.0 - 1.0 / (1.0 + power)


@dataclass(frozen=True)
class PatchRates:
    """Rates per day of all patches, their slopes, and what feeds them.

    Attributes
    ----------
    rate : ndarray (3, p)
        d/d(day) of bonded fraction, damage, clearance (mm).
    slope : ndarray (3, p)
        Derivative of each rate with respect to its own state with everything else held (used to step stably).
    growth : ndarray (tasks, p)
        Damage per day from every task before repair.
    feeds : ndarray (3, p)
        Resorption (mm/day) by motion, by overload, and after loss of the thread shell.
    """

    rate: Array
    slope: Array
    growth: Array
    feeds: Array


def patch_rates(
    state: Array,
    failed: Array,
    stress: Array,
    shedding: Array,
    motion: Array,
    cycles: Array,
    strength: Array,
    activity: Array,
    day: float,
    bonded_rate: BondedRate,
    constants: LooseningConstants,
) -> PatchRates:
    """Evaluate all rates.

    Damage grows by Miner's rule over the tasks and is repaired in proportion to itself, ``- k_heal Phi D``; a failed
    patch is not repaired. Clearance grows by ``k_res (s_u + s_e + failed)`` and refills by ``k_fill Phi g``. Motion and
    stress for resorption and bonding are the largest over the tasks done at least ``rare_task`` times a day.

    Parameters
    ----------
    state : ndarray (3, p)
        Bonded fraction, damage, clearance (mm); inside their bounds.
    failed : ndarray (p,) of bool
        Patches that have lost their thread shell.
    stress : ndarray (tasks, p)
        Equivalent stress at peak, MPa.
    shedding : ndarray (tasks, 2, p)
        Slope of ``stress`` with damage and clearance at held jumps; only for the slopes of the rates.
    motion : ndarray (tasks, p)
        Peak-to-valley motion, mm.
    cycles : ndarray (tasks,)
        Cycles a day.
    strength, activity : ndarray (p,)
        Strength factor and bone-forming activity.
    day : float
        Days since surgery.
    bonded_rate : callable
        See :data:`BondedRate`.
    """
    bonded, damage, clearance = state
    growth = cycles[:, None] / cycles_to_failure(stress, strength, constants)
    total = growth.sum(axis=0)
    repair = np.where(failed, 0.0, constants.repair * activity)
    damage_rate = total - repair * damage
    # A damaged or crushed patch leaves its load to its neighbours: both feedbacks are local, fast and stabilising.
    safe = np.maximum(stress, SMALLEST_STRESS)
    damage_slope = (constants.life_exponent * growth * shedding[:, 0] / safe).sum(axis=0) - repair

    daily_motion, daily_stress = steering(stress, motion, cycles, constants)
    leading = np.argmax(np.where((cycles >= constants.rare_task)[:, None], stress, -1.0), axis=0)
    unloading = np.take_along_axis(shedding[:, 1], leading[None], axis=0)[0]
    feeds = constants.resorption * np.stack(
        [
            resorption_by_motion(daily_motion, constants),
            resorption_by_stress(daily_stress, strength, constants),
            np.asarray(failed, dtype=float),
        ]
    )
    share = feeds[1] / constants.resorption if constants.resorption > 0.0 else np.zeros_like(damage)
    # s_e = x / (1 + x) with x ~ sigma^n, so ds_e/dsigma = n s_e (1 - s_e) / sigma.
    steepness = constants.resorption_stress_exponent * share * (1.0 - share) / np.maximum(daily_stress, SMALLEST_STRESS)
    refill = constants.refill * activity
    clearance_slope = constants.resorption * steepness * unloading - refill

    micrometres = daily_motion * MICROMETRES_PER_MM
    at_bonded = bonded_rate(bonded, activity, day, micrometres)
    # The bonding law is linear in B, so two values give its slope exactly.
    bonded_slope = bonded_rate(np.ones_like(bonded), activity, day, micrometres) - bonded_rate(
        np.zeros_like(bonded), activity, day, micrometres
    )
    return PatchRates(
        rate=np.stack([at_bonded, damage_rate, feeds.sum(axis=0) - refill * clearance]),
        slope=np.minimum(np.stack([bonded_slope, damage_slope, clearance_slope]), 0.0),
        growth=growth,
        feeds=feeds,
    )


def steering(stress: Array, motion: Array, cycles: Array, constants: LooseningConstants) -> tuple[Array, Array]:
    """Motion (p,) and stress (p,) that steer resorption and bonding: the largest over the daily tasks."""
    daily = cycles >= constants.rare_task
    if not np.any(daily):
        return np.zeros(motion.shape[1]), np.zeros(stress.shape[1])
    return motion[daily].max(axis=0), stress[daily].max(axis=0)


def bounded(state: Array) -> Array:
    """Return the state inside its bounds: 0 <= B <= 1, 0 <= D <= 1, g >= 0."""
    result = np.maximum(state, 0.0)
    result[:2] = np.minimum(result[:2], 1.0)
    return result
