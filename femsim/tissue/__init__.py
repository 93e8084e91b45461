"""Dose to tissue: EQD2, vessels, oxygen and cells, and the stiffness, strength, healing and bonding that follow."""

from femsim.tissue.bonding import bonded_history, bonded_rate, fibrous_rate, motion_factor, removal_torque_ratio
from femsim.tissue.constants import TissueConstants
from femsim.tissue.contributions import Contributions, contributions
from femsim.tissue.dose import Course, DoseField, TargetField, UniformField, course_eqd2, eqd2
from femsim.tissue.laws import MECHANISMS, PUBLISHED, HealthyCells, Laws, PublishedCells
from femsim.tissue.point import tissue_point
from femsim.tissue.response import TissueState, tissue_state
from femsim.tissue.table import PatchHistories, TissueTable

__all__ = [
    "MECHANISMS",
    "PUBLISHED",
    "Contributions",
    "Course",
    "DoseField",
    "HealthyCells",
    "Laws",
    "PatchHistories",
    "PublishedCells",
    "TargetField",
    "TissueConstants",
    "TissueState",
    "TissueTable",
    "UniformField",
    "bonded_history",
    "bonded_rate",
    "contributions",
    "course_eqd2",
    "eqd2",
    "fibrous_rate",
    "motion_factor",
    "removal_torque_ratio",
    "tissue_point",
    "tissue_state",
]
