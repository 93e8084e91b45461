"""Does the mesh matter? One scenario on several sizing presets, compared on the day of surgery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from femsim.errors import InputError
from femsim.interface.patches import Patches
from femsim.mesh.sizing import Sizing
from femsim.pipeline.construct import Construct, construct, loosening_case, meshed
from femsim.pipeline.hooks import Hooks
from femsim.pipeline.setting import prepare
from femsim.results import RunFolder, write_table
from femsim.scenario import Scenario, scenario_hash


@dataclass(frozen=True, eq=False)
class Solved:
    """The first task's full bite on fresh screws, solved on one mesh.

    Attributes
    ----------
    preset : str
    size : dict
        Tetrahedra, unknowns, smallest scaled Jacobian, seconds of meshing and of condensing.
    displacement : float
        Largest displacement of the hardware [mm].
    screw_loads : ndarray, shape (s, 3)
        Force of every screw on its bone [N].
    patches : Patches
    tractions : ndarray, shape (p, 3)
        Radial, axial and circumferential traction on every patch [MPa].
    """

    preset: str
    size: dict[str, Any]
    displacement: float
    screw_loads: np.ndarray
    patches: Patches
    tractions: np.ndarray


@dataclass(frozen=True)
class ConvergenceResult:
    """Outcome of :func:`converge`: a row per preset, coarsest first, and the folder they are written to."""

    rows: list[dict[str, Any]]
    folder: Path


def converge(
    scenario: Scenario, presets: Sequence[str], hooks: Hooks | None = None, output: Path = Path("runs")
) -> ConvergenceResult:
    """Solve the day of surgery on several meshes; differences are against the last preset.

    Parameters
    ----------
    scenario : Scenario
    presets : sequence of str
        Sizing presets, from coarse to fine; at least two.
    hooks : Hooks, optional
    output : Path
        Where the folder is made.

    Raises
    ------
    InputError
        Fewer than two presets, one named twice, or an unknown one.
    """
    if len(presets) < 2 or len(set(presets)) != len(presets):
        raise InputError(
            f"converge: presets {', '.join(presets) or 'none'}; give two or three different ones, coarse to fine"
        )
    for preset in presets:
        Sizing.preset(preset)
    hooks = hooks or Hooks()
    solved = [_solve(scenario, preset, hooks) for preset in presets]
    rows = [_row(one, solved[-1]) for one in solved]
    folder = RunFolder.create(output, f"converge-{scenario.name}", scenario_hash(scenario))
    write_table(folder / "convergence.csv", rows)
    folder.write_record({"status": "complete", "title": scenario.title, "convergence": rows})
    return ConvergenceResult(rows, folder.path)


def _solve(scenario: Scenario, preset: str, hooks: Hooks) -> Solved:
    before = dict(hooks.timings)
    setting = prepare(scenario.model_copy(update={"mesh": type(scenario.mesh)(preset=preset)}), hooks)  # type: ignore[arg-type]
    made, from_cache, _ = meshed(setting, hooks)
    built = construct(setting, made, hooks)
    case, chewer = loosening_case(setting, built)
    with hooks.timed("solving the bite"):
        chewing = chewer.chew(case.insertion(), case.tissue_at(0.0), 1.0, chewer.cold())
    peak = chewing.solved[0][0]
    field = built.condensation.displacement(peak.q, peak.forces, chewing.loads[0]).reshape(-1, 3)
    seconds = {name: value - before.get(name, 0.0) for name, value in hooks.timings.items()}
    return Solved(
        preset=preset,
        size={
            "tets": len(made.tets),
            "unknowns": built.model.space.n_dof,
            "min_scaled_jacobian": made.quality["scaled_jacobian"]["min"],
            # A mesh from the cache took no time worth telling.
            "mesh_s": None if from_cache else round(seconds["meshing"], 1),
            "condense_s": round(seconds["condensing onto the interface"], 1),
        },
        displacement=float(np.linalg.norm(field[_hardware_nodes(built)], axis=1).max()),
        screw_loads=_screw_loads(built.patches, peak.tractions),
        patches=built.patches,
        tractions=peak.tractions,
    )


def _hardware_nodes(built: Construct) -> np.ndarray:
    return np.unique(built.model.mesh.tets[built.model.mesh.hardware])


def _screw_loads(patches: Patches, tractions: np.ndarray) -> np.ndarray:
    force = patches.area[:, None] * np.einsum("pk,pki->pi", tractions, patches.directions)
    return np.stack([patches.per_screw(force[:, axis]) for axis in range(3)], axis=1)


def _row(one: Solved, finest: Solved) -> dict[str, Any]:
    largest = np.linalg.norm(finest.screw_loads, axis=1).max()
    load = np.linalg.norm(one.screw_loads - finest.screw_loads, axis=1).max() / largest
    return {
        "preset": one.preset,
        **one.size,
        "displacement_mm": one.displacement,
        "displacement_difference": one.displacement / finest.displacement - 1.0,
        "screw_load_difference": float(load),
        "traction_difference": traction_difference(one, finest),
    }


def traction_difference(one: Solved, finest: Solved) -> float:
    """Norm over area of the difference of the patch tractions, over that of the finest mesh's tractions.

    The other mesh's tractions are taken at the places of the finest mesh's patches (:func:`tractions_at`); all three
    components count, weighted by the patches' areas.
    """
    area, reference = finest.patches.area, finest.tractions
    off = ((tractions_at(one, finest.patches) - reference) ** 2).sum(axis=1)
    return float(np.sqrt(area @ off / (area @ (reference**2).sum(axis=1))))


def tractions_at(one: Solved, places: Patches) -> np.ndarray:
    """Tractions of one mesh at the patches of another, shape (p, 3) [MPa].

    Sectors are the same on every mesh, rings nearly so: a patch is made of whole faces, so its centre wanders along the
    screw by a few tenths of a millimetre, while tractions halve from ring to ring at the entry. Between the centres of
    a sector's patches they are therefore taken as linear in depth, beyond the outermost as constant.
    """
    mine = one.patches
    found = np.empty((len(places), 3))
    for screw, sector in np.unique(np.column_stack([places.screw, places.sector]), axis=0):
        there = np.flatnonzero((places.screw == screw) & (places.sector == sector))
        here = np.flatnonzero((mine.screw == screw) & (mine.sector == sector))
        if len(here) == 0:
            # Every patch of the sector was merged into its neighbours.
            here = np.flatnonzero(mine.screw == screw)
        here = here[np.argsort(mine.depth[here], kind="stable")]
        for axis in range(3):
            found[there, axis] = np.interp(places.depth[there], mine.depth[here], one.tractions[here, axis])
    return found
