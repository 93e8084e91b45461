"""Small loosening cases on the dense stand-in for a plated jaw, shared by the tests of several folders."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np

from femsim.interface.contact import ContactSolver
from femsim.interface.demonstration import Demonstration, demonstration
from femsim.interface.law import LawConstants, PatchTissue, ScrewBoneLaw
from femsim.loosening import HealingSpectrum, LooseCriteria, LooseningCase, LooseningConstants, Task
from femsim.parameters import load_parameters
from femsim.tissue.bonding import bonded_rate
from femsim.tissue.constants import TissueConstants

RAMP = [[0, 0.2], [6, 0.4], [12, 0.7], [26, 1.0]]


@cache
def parameters() -> Any:
    return load_parameters()


@cache
def model(per_stump: int = 2, rings: int = 2, sectors: int = 4) -> Demonstration:
    return demonstration(LawConstants.from_parameters(parameters()), per_stump=per_stump, rings=rings, sectors=sectors)


def bonding(bonded: np.ndarray, activity: np.ndarray, day: float, motion_um: np.ndarray) -> np.ndarray:
    return bonded_rate(bonded, activity, day, motion_um, TissueConstants.from_parameters(parameters()))


def uniform_tissue(n: int, young: float = 1.0, strength: float = 1.0, activity: float = 1.0) -> PatchTissue:
    law = LawConstants.from_parameters(parameters())
    one = np.ones(n)
    return PatchTissue(young * law.reference_modulus * one, strength * one, activity * one)


def case(
    force: float = 100.0,
    *,
    bite: int = 0,
    tissue: PatchTissue | None = None,
    shape: tuple[int, int, int] = (2, 2, 4),
    cycles: float = 1600.0,
    spectrum: HealingSpectrum | None = None,
    tasks: list[Task] | None = None,
    bonded: Any = None,
    **changes: Any,
) -> LooseningCase:
    """A run of the stand-in: muscle on the far stump, bite on the near one, so that the plate carries the bite."""
    built = model(*shape)
    law = LawConstants.from_parameters(parameters())
    solver = ContactSolver(
        built.condensation.operator,
        built.patches.thread_shape,
        ScrewBoneLaw(law),
        parameters()["interface.bite_stiffness"],
    )
    surroundings = tissue or uniform_tissue(len(built.patches))
    default = Task("bite", np.array([0.0, 1.0]), bite, force, cycles)
    return LooseningCase(
        solver=solver,
        patches=built.patches,
        stumps=[name.split("-")[0] for name in built.patches.screw_names],
        tasks=tasks or [default],
        spectrum=spectrum or HealingSpectrum.from_table(RAMP),
        tissue_at=lambda day: surroundings,
        bonded_rate=bonded or partial(bonding),
        constants=LooseningConstants.from_parameters(parameters()),
        criteria=LooseCriteria.from_parameters(parameters()),
        initial_bond=law.initial_bond,
        probe=parameters()["interface.probe_displacement"],
        **changes,
    )
