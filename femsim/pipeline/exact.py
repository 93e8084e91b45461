"""A contact solver that goes to the limit of rounding, for checks of the model and for recovered fields."""

from __future__ import annotations

from femsim.interface.contact import ContactSolver
from femsim.pipeline.construct import Construct, solver_of
from femsim.pipeline.setting import Setting

CHECK_TOLERANCE = 1e-11
"""Residual of the contact solve whose balances are checked: the checks are about the model, not about the tolerance."""


def exact_solver(setting: Setting, built: Construct) -> ContactSolver:
    """Contact solver of a construct that goes to the limit of rounding, for balances and fields."""
    operator = built.condensation.operator
    return solver_of(setting, operator, built.patches, built.law, built.joints, tolerance=CHECK_TOLERANCE)
