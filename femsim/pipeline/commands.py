"""What the commands call: plan, mesh, run, report, show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from femsim.errors import FemsimError
from femsim.geometry.operation import Operation
from femsim.mesh.files import write_mesh
from femsim.pipeline.construct import meshed
from femsim.pipeline.hooks import Hooks
from femsim.pipeline.scenario_run import RunResult, ScenarioRun
from femsim.pipeline.setting import prepare
from femsim.report import print_page, write_report
from femsim.report.catalogue import ENGLISH, load_catalogue
from femsim.report.pictures import render_run
from femsim.report.window import show_run
from femsim.results import RunFolder, open_run, records, write_table
from femsim.scenario import Scenario, resolve, scenario_hash


@dataclass(frozen=True)
class PlanResult:
    """Outcome of :func:`plan`."""

    operation: Operation
    table: list[dict[str, object]]
    warnings: list[str]
    picture: Path | None


@dataclass(frozen=True)
class MeshResult:
    """Outcome of :func:`mesh`."""

    mesh: dict[str, Any]
    from_cache: bool
    path: Path


def plan(scenario: Scenario, hooks: Hooks | None = None, output: Path = Path("runs")) -> PlanResult:
    """Plan the operation, write table and picture into a folder of their own."""
    hooks = hooks or Hooks()
    setting = prepare(scenario, hooks)
    operation = setting.operation
    folder = RunFolder.create(output, f"plan-{scenario.name}", scenario_hash(scenario))
    write_table(folder / "plan.csv", operation.table())
    folder.write_record(
        {"status": "planned", "title": scenario.title, "operation": records.operation_record(operation)}
    )
    records.write_plan_surfaces(folder, operation)
    picture = None
    with hooks.timed("drawing"):
        try:
            render_run(folder)
            picture = folder / "pictures" / "operation.png"
        except FemsimError as error:
            hooks.note(str(error))
    return PlanResult(operation, operation.table(), [*operation.warnings, *operation.dropped], picture)


def mesh(scenario: Scenario, hooks: Hooks | None = None, output: Path = Path("runs")) -> MeshResult:
    """Make or take the mesh and write it as VTU into a folder of its own."""
    hooks = hooks or Hooks()
    setting = prepare(scenario, hooks)
    made, from_cache, key = meshed(setting, hooks)
    folder = RunFolder.create(output, f"mesh-{scenario.name}", scenario_hash(scenario))
    path = write_mesh(made, folder / "mesh.vtu")
    summary = records.mesh_record(made, key)
    folder.write_record({"status": "meshed", "title": scenario.title, "mesh": summary})
    return MeshResult({name: value for name, value in summary.items() if not isinstance(value, list)}, from_cache, path)


def run(scenario: Scenario, runs: Path = Path("runs"), resume: bool = False, hooks: Hooks | None = None) -> RunResult:
    """Run a scenario from geometry to report.

    Parameters
    ----------
    scenario : Scenario
    runs : Path
        Where the run folder is made.
    resume : bool
        Continue the newest unfinished run of exactly this scenario.
    hooks : Hooks, optional

    Raises
    ------
    FemsimError
        Bad input, no convergence, or a stop; ``run.json`` in the folder tells the status and the reason.
    """
    hooks = hooks or Hooks()
    hash8 = scenario_hash(scenario)
    if resume:
        inputs = {one.key: str(one.value) for one in resolve(scenario)}
        folder = RunFolder.resumable(runs, scenario.name, hash8, inputs)
    else:
        folder = RunFolder.create(runs, scenario.name, hash8)
    return ScenarioRun(scenario, folder, hash8, hooks).complete(resume)


def report(
    folder: Path,
    hooks: Hooks | None = None,
    *,
    pdf: bool = False,
    study: Path | None = None,
    language: str = ENGLISH,
) -> Path:
    """Write the page of a run again, and its print version if asked; returns what was asked for.

    Parameters
    ----------
    folder : Path
        A run folder.
    hooks : Hooks, optional
    pdf : bool
        Also print the page; the PDF stands beside it.
    study : Path, optional
        Study for the confidence band; by default one beside the run that knows its scenario.
    language : str
        Code or file of a catalogue of sentences.
    """
    hooks = hooks or Hooks()
    words = load_catalogue(language)
    with hooks.timed("report"):
        page = write_report(open_run(folder), note=hooks.note, study=study, words=words)
    if not pdf:
        return page
    with hooks.timed("printing"):
        return print_page(page)


def show(folder: Path, field: str | None = None, view: str | None = None) -> None:
    """Open a run in an interactive window."""
    show_run(open_run(folder), field, view)
