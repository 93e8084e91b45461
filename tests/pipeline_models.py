"""Bench blocks taken through the pipeline; each mesh, construct and run is made once per session."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from femsim.loosening import Outcome, evolve
from femsim.mesh.tetmesh import Mesh
from femsim.pipeline import Hooks, RunResult, run
from femsim.pipeline.construct import Construct, construct, loosening_case, meshed
from femsim.pipeline.setting import Setting, prepare
from femsim.scenario import Scenario, scenario_from_mapping

ROOT = Path(__file__).resolve().parents[1]
BENCH_FILE = ROOT / "scenarios" / "bench-block.yaml"


@cache
def workspace() -> Path:
    """Folder of this test session; it also holds the mesh cache, so that no test sees the user's."""
    path = Path(tempfile.mkdtemp(prefix="femsim-tests-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@contextmanager
def session_cache() -> Iterator[dict[str, str]]:
    """Let meshes come from the session's cache; yields the environment for processes that shall use it too."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(workspace() / "cache")
    try:
        yield {**os.environ, "PYTHONPATH": str(ROOT)}
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before


def bench_values(
    *,
    force: float = 20.0,
    dose: float | None = None,
    thickness: float | None = None,
    per_stump: int = 2,
    years: float = 0.05,
    criteria: Any = "default",
) -> dict[str, Any]:
    """A bench-block scenario as a mapping; ``dose`` [Gy] is uniform, six months before the operation."""
    plate: dict[str, Any] = {"preset": "reconstruction-2.5"}
    if thickness is not None:
        plate["thickness"] = f"{thickness} mm"
    field = {"prescription": f"{dose} Gy", "fractions": 30, "field": {"uniform": {}}}
    return {
        "schema": 1,
        "title": "Bench block",
        "jaw": {"bench_block": {"gap": "10 mm"}},
        "resection": None,
        "plate": plate,
        "screws": {"preset": "locking-2.4", "per_stump": per_stump, "length": "bicortical"},
        "irradiation": None if dose is None else {"surgery_after": "6 months", "courses": [field]},
        "loading": {
            "tasks": [{"bite": "tip", "force": f"{force} N", "cycles_per_day": 1600}],
            "recovery": [[0, 1.0]],
        },
        "simulate": {"years": years, "criteria": criteria},
        "mesh": {"preset": "preview"},
    }


def bench(name: str = "bench", **choices: Any) -> Scenario:
    """A bench-block scenario; see :func:`bench_values`."""
    return scenario_from_mapping(bench_values(**choices), f"{name}.yaml")


@cache
def mesh_of(thickness: float | None = None, per_stump: int = 2) -> Mesh:
    """One mesh per shape: the mesher throws dice, so comparisons share it where the shape is the same."""
    with session_cache():
        made, _, _ = meshed(prepare(bench(thickness=thickness, per_stump=per_stump), Hooks()), Hooks())
    return made


@cache
def constructed(
    dose: float | None = None, thickness: float | None = None, per_stump: int = 2
) -> tuple[Setting, Construct]:
    """Setting and construct; the setting's years are the longest that :func:`evolved` can be asked for."""
    setting = prepare(bench(dose=dose, thickness=thickness, per_stump=per_stump, years=1.0), Hooks())
    return setting, construct(setting, mesh_of(thickness, per_stump), Hooks())


def evolved(force: float, years: float, dose: float | None = None, **choices: Any) -> Outcome:
    """Years of chewing on the shared construct of this dose."""
    _, built = constructed(dose)
    setting = prepare(bench(force=force, years=years, dose=dose, **choices), Hooks())
    case, _ = loosening_case(setting, built)
    built.solver.forget()
    return evolve(case, setting.horizon)


EARLY = {"motion": "40 um", "holding": 0.05, "lateral_stiffness": 0.05, "duration": "6 hours"}
"""Criteria that fire as soon as screws begin to wander: runs that go on until they rattle take minutes."""


def first_loose(outcome: Outcome) -> float:
    """Day on which the first screw counts as loose; infinite when all hold."""
    return min((event.day for event in outcome.events if event.kind == "screw loose"), default=np.inf)


@cache
def finished_run() -> RunResult:
    """A complete run of a small bench scenario, with its folder."""
    with session_cache():
        return run(bench("small", years=0.05), workspace() / "runs")
