"""Sourced parameters: every physical constant with value, unit, range, distribution, source and mark."""

from femsim.parameters.cards import DISTRIBUTIONS, MARKS, Parameter, ParameterSet, load_parameters, load_references

__all__ = ["DISTRIBUTIONS", "MARKS", "Parameter", "ParameterSet", "load_parameters", "load_references"]
