"""Screw-bone interface: patches, traction law, condensation onto them, contact solve, measures per screw."""

from femsim.interface.condensation import Condensation, Operator, check_semidefinite, condense, reference_stiffness
from femsim.interface.contact import ContactSolver, Equilibrium
from femsim.interface.law import (
    Coefficients,
    InterfaceLaw,
    InterfaceState,
    LawConstants,
    PatchTissue,
    ScrewBoneLaw,
)
from femsim.interface.measures import axial_stiffness, holding_force, lateral_stiffness, screw_motion
from femsim.interface.patches import Patches, build_patches, jump_operator

__all__ = [
    "Coefficients",
    "Condensation",
    "ContactSolver",
    "Equilibrium",
    "InterfaceLaw",
    "InterfaceState",
    "LawConstants",
    "Operator",
    "PatchTissue",
    "Patches",
    "ScrewBoneLaw",
    "axial_stiffness",
    "build_patches",
    "check_semidefinite",
    "condense",
    "holding_force",
    "jump_operator",
    "lateral_stiffness",
    "reference_stiffness",
    "screw_motion",
]
