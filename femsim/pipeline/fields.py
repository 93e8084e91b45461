"""Full fields of a finished or stopped run on any day, recovered from its operator and what it remembers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from femsim.errors import InputError
from femsim.fem.stress import strain, von_mises
from femsim.interface.condensation import Operator
from femsim.interface.law import InterfaceState
from femsim.loosening.chewing import Chewer
from femsim.loosening.history import PATCH_COLUMNS, History
from femsim.loosening.rates import LooseningConstants
from femsim.mesh.files import load_mesh
from femsim.pipeline.ageing import operator_file
from femsim.pipeline.construct import Construct, construct, solver_of, tasks
from femsim.pipeline.exact import CHECK_TOLERANCE
from femsim.pipeline.hooks import Hooks
from femsim.pipeline.setting import Setting, prepare
from femsim.results import RunFolder, open_run, records
from femsim.scenario import load_scenario

SAME_DAY = 1e-6
"""Days between a day asked for and one whose state was kept that count as the same."""

SLOW = [PATCH_COLUMNS.index(name) for name in ("bonded", "damage", "clearance")]


@dataclass(frozen=True)
class FieldsResult:
    """Outcome of :func:`fields`.

    Attributes
    ----------
    paths : tuple of Path
        One file per task.
    table : list of dict
        Bite reaction, largest displacement and stress of every task.
    note : str
        Where the state of the day came from.
    """

    paths: tuple[Path, ...]
    table: list[dict[str, object]]
    note: str


def fields(source: Path, day: float, hooks: Hooks | None = None) -> FieldsResult:
    """Write displacement, stress and strain of every task's peak on a day of a run.

    The run keeps the whole state of all patches every month and at every event: on such a day the fields are those of
    the run. Between two of them the state is interpolated. The bulk has the moduli that the run used on that day.

    Parameters
    ----------
    source : Path
        Run folder.
    day : float
        Days since surgery, up to where the run came.
    hooks : Hooks, optional

    Raises
    ------
    InputError
        No run there, a run without mesh or checkpoint, a day beyond its end.
    """
    hooks = hooks or Hooks()
    folder = open_run(source)
    history = _history(folder)
    state, note = kept_state(history, day, source)
    needed = [name for name in ("scenario.yaml", "mesh.npz") if not (folder / name).is_file()]
    if needed:
        raise InputError(f"{source}: the run has no {needed[0]}; finish it with `femsim run --resume`")
    setting = prepare(load_scenario(folder / "scenario.yaml"), hooks)
    renewed = max([float(row[0]) for row in history.refreshes if row[0] <= day], default=0.0)
    stored = operator_file(folder, renewed)
    operator = Operator.load(stored) if stored.is_file() else None
    built = construct(setting, load_mesh(folder / "mesh.npz"), hooks, operator=operator, day=renewed)
    with hooks.timed("recovering fields"):
        return _written(folder, setting, built, state, day, note)


def _history(folder: RunFolder) -> History:
    stored = folder.load_checkpoint(str(folder.record().get("hash")))
    if stored is None:
        raise InputError(f"{folder.path}: no checkpoint is left, so no state is known; run the scenario again")
    return History.from_arrays(stored)


def kept_state(history: History, day: float, source: Path) -> tuple[InterfaceState, str]:
    """State of all patches on a day, and a sentence that says where it comes from."""
    days = np.array(history.snapshot_days)
    if not 0.0 <= day <= days[-1] + SAME_DAY:
        raise InputError(f"{source}: day {day:g} is not known; this run knows 0 to {days[-1]:.1f} days since surgery")
    late = min(int(np.searchsorted(days, day - SAME_DAY)), len(days) - 1)
    if abs(days[late] - day) <= SAME_DAY:
        known = InterfaceState.remembering(history.snapshots[late][SLOW], history.memories[late])
        return known, f"day {day:g}: the state of the run itself"
    early = late - 1
    share = (day - days[early]) / (days[late] - days[early])
    slow, memory = (
        (1.0 - share) * kept[early] + share * kept[late] for kept in (history.snapshots, history.memories)
    )
    words = f"day {day:g}: state interpolated between days {days[early]:.1f} and {days[late]:.1f}"
    return InterfaceState.remembering(slow[SLOW], memory), words


def _written(
    folder: RunFolder, setting: Setting, built: Construct, state: InterfaceState, day: float, note: str
) -> FieldsResult:
    operator = built.condensation.operator
    made, spectrum = tasks(setting, operator.load_names, operator.bite_names)
    solver = solver_of(setting, operator, built.patches, built.law, built.joints, tolerance=CHECK_TOLERANCE)
    chewer = Chewer(
        solver, made, LooseningConstants.from_parameters(setting.parameters), built.law.constants.initial_bond
    )
    chewing = chewer.chew(state, built.bone.at(day), spectrum.factor(day), chewer.cold())
    paths, table = [], []
    for number, (task, (peak, _), load) in enumerate(zip(made, chewing.solved, chewing.loads, strict=True)):
        field = built.condensation.displacement(peak.q, peak.forces, load)
        name = f"day-{day:06.1f}-task-{number + 1}"
        records.write_model_fields(folder, name, built.model, field)
        paths.append(folder / "fields" / f"{name}.vtu")
        stresses = von_mises(built.model.stresses(strain(built.model.space, field)))
        table.append(
            {
                "task": task.name,
                "bite_n": peak.bite_reaction,
                "largest_displacement_mm": float(np.linalg.norm(field.reshape(-1, 3), axis=1).max()),
                "largest_jump_um": 1000.0 * float(np.linalg.norm(peak.jumps, axis=1).max()),
                "largest_von_mises_mpa": float(stresses.max()),
                "file": paths[-1].name,
            }
        )
    return FieldsResult(tuple(paths), table, note)
