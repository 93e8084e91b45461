"""Dose to tissue: EQD2, vessels, oxygen and cells, and the stiffness, strength, healing and bonding that follow."""

from femsim.tissue.bonding import bonded_history, bonded_rate, fibrous_rate, motion_factor, removal_torque_ratio
from femsim.tissue.constants import TissueConstants
from femsim.tissue.contributions import Contributions, contributions
from femsim.tissue.dicom_dose import DicomDose, read_dicom_dose
from femsim.tissue.dicom_structures import Structure, read_structure
from femsim.tissue.dose import Course, DoseField, TargetField, UniformField, course_eqd2, eqd2, highest_eqd2
from femsim.tissue.dose_grid import DoseGrid, DoseSum
from femsim.tissue.dose_images import read_dose_image
from femsim.tissue.dose_volume import DoseVolume, dose_volume_table
from femsim.tissue.laws import MECHANISMS, PUBLISHED, HealthyCells, Laws, PublishedCells
from femsim.tissue.point import tissue_point
from femsim.tissue.response import TissueState, tissue_state
from femsim.tissue.table import PatchHistories, TissueTable
from femsim.tissue.targets import CapsuleField, SurfaceField

__all__ = [
    "MECHANISMS",
    "PUBLISHED",
    "CapsuleField",
    "Contributions",
    "Course",
    "DicomDose",
    "DoseField",
    "DoseGrid",
    "DoseSum",
    "DoseVolume",
    "HealthyCells",
    "Laws",
    "PatchHistories",
    "PublishedCells",
    "Structure",
    "SurfaceField",
    "TargetField",
    "TissueConstants",
    "TissueState",
    "TissueTable",
    "UniformField",
    "bonded_history",
    "bonded_rate",
    "contributions",
    "course_eqd2",
    "dose_volume_table",
    "eqd2",
    "fibrous_rate",
    "highest_eqd2",
    "motion_factor",
    "read_dicom_dose",
    "read_dose_image",
    "read_structure",
    "removal_torque_ratio",
    "tissue_point",
    "tissue_state",
]
