"""A scenario can force its solver, from file to operator; every solver gives the same condensed jaw."""

from __future__ import annotations

import numpy as np
import pytest
from pipeline_models import bench_values, session_cache

from femsim.fem.solvers import NAMES
from femsim.pipeline import Hooks
from femsim.pipeline.construct import construct, meshed
from femsim.pipeline.setting import prepare
from femsim.scenario import ScenarioError, dump_scenario, scenario_from_mapping


def test_scenario_names_every_solver() -> None:
    """The words that a scenario takes are those of the solvers; others are refused with the choice."""
    for name in NAMES:
        assert scenario_from_mapping({**bench_values(), "solver": name}).solver == name
    with pytest.raises(ScenarioError, match=r"solver.*multigrid"):
        scenario_from_mapping({**bench_values(), "solver": "mumps"})
    assert "solver: auto" in dump_scenario(scenario_from_mapping(bench_values()))


@pytest.mark.slow
def test_forced_solvers_condense_to_the_same_operator() -> None:
    """The condensed bench block of each solver equals that of the automatic choice to 1e-7, and is announced."""
    found = {}
    for name in ("auto", "multigrid", "rslab"):
        told: list[str] = []
        hooks = Hooks(note=told.append)
        setting = prepare(scenario_from_mapping({**bench_values(per_stump=1), "solver": name}), hooks)
        with session_cache():
            mesh, _, _ = meshed(setting, hooks)
        found[name] = construct(setting, mesh, hooks).condensation.operator
        announced = next(sentence for sentence in told if sentence.startswith("solver "))
        assert name in ("auto", announced.split()[1])
    for name in ("multigrid", "rslab"):
        for field in ("G", "g_loads"):
            one, other = getattr(found["auto"], field), getattr(found[name], field)
            assert np.abs(one - other).max() < 1e-7 * np.abs(one).max()
