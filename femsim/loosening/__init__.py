"""Loosening: load spectrum, rates, cycle-jump integration, criteria, hardware fatigue."""

from femsim.loosening.case import LooseningCase
from femsim.loosening.chewing import Chewer, Chewing, CreepGuard, creep_guard
from femsim.loosening.criteria import CRITERIA, Event, LooseCriteria, ScrewMeasures
from femsim.loosening.evolution import evolve
from femsim.loosening.hardware import FatigueMaterial, HardwareFatigue, Part
from femsim.loosening.history import History
from femsim.loosening.integrator import Tolerances
from femsim.loosening.points import Outcome
from femsim.loosening.rates import LooseningConstants
from femsim.loosening.spectrum import HealingSpectrum, Task

__all__ = [
    "CRITERIA",
    "Chewer",
    "Chewing",
    "CreepGuard",
    "Event",
    "FatigueMaterial",
    "HardwareFatigue",
    "HealingSpectrum",
    "History",
    "LooseCriteria",
    "LooseningCase",
    "LooseningConstants",
    "Outcome",
    "Part",
    "ScrewMeasures",
    "Task",
    "Tolerances",
    "creep_guard",
    "evolve",
]
