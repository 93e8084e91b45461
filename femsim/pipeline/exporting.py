"""Export of the static model of a run or a scenario to other finite-element programs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from femsim import __version__
from femsim.errors import InputError
from femsim.export.calculix import write_calculix
from femsim.export.febio import write_febio
from femsim.export.linear import LinearModel
from femsim.export.materials import with_few_materials
from femsim.export.static import SolvedBite, solve, surgery_model
from femsim.interface.condensation import Operator
from femsim.loosening.chewing import Chewer
from femsim.mesh.files import load_mesh
from femsim.mesh.tetmesh import Mesh
from femsim.pipeline.construct import Construct, construct, loosening_case, meshed
from femsim.pipeline.exact import exact_solver
from femsim.pipeline.hooks import Hooks
from femsim.pipeline.setting import Setting, prepare
from femsim.results import open_run
from femsim.scenario import load_scenario

SUFFIX = {"calculix": ".inp", "abaqus": ".inp", "febio": ".feb"}
"""Programs that can be exported to, and the ending of their files."""


@dataclass(frozen=True)
class ExportResult:
    """Outcome of :func:`export`.

    Attributes
    ----------
    path : Path
        The file.
    table : list of dict
        What is in it, and how far its answer is from that of femsim.
    """

    path: Path
    table: list[dict[str, object]]


def export(
    source: Path, program: str, output: Path | None = None, task: str | None = None, hooks: Hooks | None = None
) -> ExportResult:
    """Write the static model of the day of surgery for another program.

    The model is that of one task at full bite on fresh screws, made linear at femsim's solution: springs between screws
    and bone have the secant stiffness of every patch, so a linear solve meets the nonlinear answer. Moduli vary inside
    femsim's cells but not in these programs: each cell gets its mean. femsim solves the exported model too, and the
    head of the file tells the displacement to compare with.

    Parameters
    ----------
    source : Path
        Run folder, or a scenario file (its mesh is made or taken from the cache).
    program : str
        ``calculix``, ``abaqus`` or ``febio``.
    output : Path, optional
        File to write; it must not exist. Default: ``surgery-<program>`` in the run folder, for a scenario file
        ``<scenario>-<program>`` in the working folder.
    task : str, optional
        Name of the task; the first by default.
    hooks : Hooks, optional

    Raises
    ------
    InputError
        Unknown program or task, no run and no scenario there, a run without mesh, a file that exists already.
    FemsimError
        The model cannot be solved, or the file not written.
    """
    hooks = hooks or Hooks()
    if program not in SUFFIX:
        raise InputError(f"--to {program!r}: unknown program; choose one of {', '.join(SUFFIX)}")
    target = _target(source, program, output)
    setting, mesh, operator = read_source(source, hooks)
    number = _task_number(setting, task)
    if program == "febio" and setting.scenario.bone.cortical == "orthotropic":
        raise InputError(
            "--to febio: the scenario has orthotropic cortex and FEBio no material for a full stiffness matrix; "
            "export to calculix or abaqus, or set bone: {cortical: isotropic}"
        )
    if setting.preload:
        raise InputError(
            f"--to {program}: the scenario has screws that are not locked, and a preload with friction is no linear "
            "model; export a scenario with locking screws"
        )
    built = construct(setting, mesh, hooks, operator=operator)
    with hooks.timed("solving the bite"):
        bite, field = solved_bite(setting, built, number)
        name = setting.scenario.loading.chewing[number].name
        title = f"{setting.scenario.title}: day of surgery, task {name}"
        model = surgery_model(setting.operation, built.model, built.patches, bite, title=title)
    spread = 0.0
    if program != "febio":
        model, spread = with_few_materials(model)
    with hooks.timed("solving the exported model"):
        own = solve(built.model.space, model, setting.scenario.solver)
    table = _table(built, model, field, own, spread)
    with hooks.timed("writing"):
        model = _with_notes(model, table)
        if program == "febio":
            write_febio(model, target)
        else:
            write_calculix(model, target, program="abaqus" if program == "abaqus" else "calculix")
    return ExportResult(target, table)


def _target(source: Path, program: str, output: Path | None) -> Path:
    """The file to write, refused before any work when it cannot be."""
    if not source.exists():
        raise InputError(f"{source}: no run folder or scenario file there; give the folder that `femsim run` printed")
    suffix = SUFFIX[program]
    default = source / f"surgery-{program}{suffix}" if source.is_dir() else Path(f"{source.stem}-{program}{suffix}")
    target = default if output is None else output
    if target.exists():
        raise InputError(f"{target}: exists already and is not overwritten; give another name with --output")
    if not target.parent.is_dir():
        raise InputError(f"{target}: its folder does not exist; make it, or give another name with --output")
    return target


def read_source(source: Path, hooks: Hooks) -> tuple[Setting, Mesh, Operator | None]:
    """Return setting, mesh and, of a run, its operator, from a run folder or a scenario file."""
    if source.is_dir():
        folder = open_run(source)
        for name in ("scenario.yaml", "mesh.npz"):
            if not (folder / name).is_file():
                status = folder.record().get("status", "unknown")
                raise InputError(
                    f"{source}: the run has no {name} (status: {status}); finish it with `femsim run --resume`, or "
                    "export the scenario file"
                )
        setting = prepare(load_scenario(folder / "scenario.yaml"), hooks)
        stored = folder / "operator.npz"
        return setting, load_mesh(folder / "mesh.npz"), Operator.load(stored) if stored.is_file() else None
    setting = prepare(load_scenario(source), hooks)
    return setting, meshed(setting, hooks)[0], None


def _task_number(setting: Setting, task: str | None) -> int:
    names = [one.name for one in setting.scenario.loading.chewing]
    if task is None:
        return 0
    if task not in names:
        raise InputError(f"--task {task!r}: the scenario has no such task; choose one of {', '.join(names)}")
    return names.index(task)


def solved_bite(setting: Setting, built: Construct, number: int) -> tuple[SolvedBite, np.ndarray]:
    """Solve the full bite of task ``number`` on fresh screws; also its displacement (n_dof,) [mm]."""
    case, _ = loosening_case(setting, built)
    exact = Chewer(exact_solver(setting, built), case.tasks, case.constants, case.initial_bond)
    full = exact.chew(case.insertion(), case.tissue_at(0.0), 1.0, exact.cold())
    peak, load = full.solved[number][0], full.loads[number]
    field = built.condensation.displacement(peak.q, peak.forces, load)
    return SolvedBite(built.condensation.C, peak.q, peak.forces, load), field


def _table(
    built: Construct, model: LinearModel, field: np.ndarray, own: np.ndarray, spread: float
) -> list[dict[str, object]]:
    sizes = np.linalg.norm(own.reshape(-1, 3), axis=1)
    node = int(sizes.argmax())
    moved = ", ".join(f"{value:.9e}" for value in own.reshape(-1, 3)[node])
    change = float(np.abs(own - field).max() / (np.abs(field).max() or 1.0))
    uneven = float((np.ptp(built.model.young, axis=1) / built.model.young.mean(axis=1)).max())
    springs = model.springs
    rows: dict[str, object] = {
        "nodes": len(model.nodes),
        "cells": len(model.cells),
        "springs": 0 if springs is None else len(springs),
        "total force, N": ", ".join(f"{value:.6g}" for value in model.forces.reshape(-1, 3).sum(axis=0)),
        "largest variation of E inside a cell, %": f"{100 * uneven:.3g}",
        "largest rounding of a cell's E to a class, %": f"{100 * spread:.3g}",
        "node of largest displacement": node + 1,
        "its displacement in this model (femsim), mm": moved,
        "effect of constant E in each cell, share of largest displacement": f"{change:.3g}",
    }
    return [{"quantity": key, "value": value} for key, value in rows.items()]


def _with_notes(model: LinearModel, table: list[dict[str, object]]) -> LinearModel:
    notes = [
        f"Written by femsim {__version__}. Units: mm, N, MPa.",
        "Static model of the day of surgery at full bite, linear at the solved state: springs between screws and bone",
        "have the secant stiffness of every interface patch, on the mean jump (screw - bone) of the patch.",
        "Foundations (joints, clamps) and the bitten object are springs on weighted displacements as well.",
        "Nodes and cells are numbered from 1 in the order of the run's fields/surgery.vtu.",
        "Moduli vary inside femsim's cells; here every cell has its mean, and femsim solved the same model:",
        *(f"{row['quantity']}: {row['value']}" for row in table),
    ]
    return replace(model, notes=tuple(notes))
