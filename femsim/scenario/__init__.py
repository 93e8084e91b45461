"""Scenario files: what they may say (schema), how they are read (load), and every value with its origin (resolve)."""

from femsim.scenario.checks import notices
from femsim.scenario.load import ScenarioError, load_scenario, scenario_from_mapping
from femsim.scenario.resolve import Value, dump_scenario, json_schema, resolve, scenario_hash
from femsim.scenario.schema import Scenario

__all__ = [
    "Scenario",
    "ScenarioError",
    "Value",
    "dump_scenario",
    "json_schema",
    "load_scenario",
    "notices",
    "resolve",
    "scenario_from_mapping",
    "scenario_hash",
]
