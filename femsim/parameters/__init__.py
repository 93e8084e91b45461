"""Sourced parameters: every physical constant with value, unit, range, distribution, source and mark."""

from femsim.parameters.cards import MARKS, Parameter, ParameterSet, load_parameters

__all__ = ["MARKS", "Parameter", "ParameterSet", "load_parameters"]
