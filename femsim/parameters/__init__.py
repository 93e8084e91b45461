"""Sourced parameters: every physical constant with value, unit, range, distribution, source and mark."""

from femsim.parameters.cards import DISTRIBUTIONS, MARKS, Parameter, ParameterSet, load_parameters, load_references
from femsim.parameters.evidence import citations, evidence_rows, parameter_differences

__all__ = [
    "DISTRIBUTIONS",
    "MARKS",
    "Parameter",
    "ParameterSet",
    "citations",
    "evidence_rows",
    "load_parameters",
    "load_references",
    "parameter_differences",
]
