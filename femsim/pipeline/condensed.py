"""A jaw condensed onto its screws, stored with all that years of chewing need: no mesh, no model, no factor."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from femsim.durable import read_npz, write_json, write_npz, write_via
from femsim.errors import InputError
from femsim.fem.materials import Elasticity
from femsim.fem.solvers import make_solver
from femsim.interface.bone import PatchBone, points_behind
from femsim.interface.condensation import Operator
from femsim.interface.contact import ContactSolver
from femsim.interface.law import LawConstants, ScrewBoneLaw
from femsim.interface.patches import Patches
from femsim.interface.unit_stress import UnitStress, unit_stress
from femsim.loosening.case import LooseningCase
from femsim.loosening.chewing import Chewing
from femsim.loosening.hardware import HardwareFatigue, PartStress
from femsim.mesh.tetmesh import Mesh
from femsim.pipeline.construct import Construct, case_of, construct, hardware_parts, hardware_places, tasks
from femsim.pipeline.hooks import Hooks
from femsim.pipeline.setting import Setting

FORMAT = 1


@dataclass(frozen=True, eq=False)
class CondensedJaw:
    """What :func:`chewing_case` needs of one jaw.

    Attributes
    ----------
    operator : Operator
    patches : Patches
    cortical : ndarray, shape (p,)
        Share of cortical bone behind every patch.
    grafted : ndarray, shape (p,), or None
        Share of graft there.
    points : ndarray, shape (n, 3)
        Quadrature points of the bone behind the patches [mm], where the dose is asked for.
    averaging : csr_matrix, shape (p, n)
        Their mean per patch.
    unit_stress : UnitStress
    info : dict
        How it was made: unknowns, tetrahedra, seconds.
    """

    operator: Operator
    patches: Patches
    cortical: np.ndarray
    grafted: np.ndarray | None
    points: np.ndarray
    averaging: sp.csr_matrix
    unit_stress: UnitStress
    info: Mapping[str, Any]

    @cached_property
    def bulk(self) -> ContactSolver:
        """Contact solver that keeps the bulk stiffness; its law stands in for those of the cases."""
        from femsim.parameters import load_parameters

        cards = load_parameters()
        law = ScrewBoneLaw(LawConstants.from_parameters(cards))
        return ContactSolver(self.operator, self.patches.thread_shape, law, cards["interface.bite_stiffness"])

    def save(self, folder: Path) -> None:
        """Write into a new folder, which appears whole or not at all; one that is there already is left alone."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
        try:
            self.operator.save(part / "operator.npz")
            averaging = {
                "data": self.averaging.data,
                "indices": self.averaging.indices,
                "indptr": self.averaging.indptr,
            }
            write_npz(
                part / "patches.npz",
                {
                    **{f"patches_{name}": array for name, array in self.patches.arrays().items()},
                    **{f"averaging_{name}": array for name, array in averaging.items()},
                    "cortical": self.cortical,
                    "points": self.points,
                    **({} if self.grafted is None else {"grafted": self.grafted}),
                    "parts": np.array(self.unit_stress.parts),
                    "counts": np.array(self.unit_stress.counts),
                },
            )
            write_via(part / "unit_stress.npy", lambda path: np.save(path, self.unit_stress.matrix))
            write_json(part / "info.json", {"kind": "femsim condensed jaw", "format": FORMAT, **self.info})
            part.chmod(0o755)
            try:
                part.rename(folder)
            except OSError:
                if not (folder / "info.json").is_file():
                    raise
        finally:
            shutil.rmtree(part, ignore_errors=True)

    @classmethod
    def load(cls, folder: Path) -> CondensedJaw:
        """Read a folder written by :meth:`save`; unit stresses stay on disk and are shared between processes.

        Raises
        ------
        InputError
            No such folder, damaged, or of another version.
        """
        try:
            info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
            data = read_npz(folder / "patches.npz")
            matrix = np.load(folder / "unit_stress.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{folder}: cannot be read as a condensed jaw ({error}); remove it to make it again"
            ) from error
        if info.get("kind") != "femsim condensed jaw" or info.get("format") != FORMAT:
            raise InputError(f"{folder}: a condensed jaw of another version; remove it to make it again")
        patches = {name.removeprefix("patches_"): data[name] for name in data if name.startswith("patches_")}
        averaging = tuple(data[f"averaging_{name}"] for name in ("data", "indices", "indptr"))
        return cls(
            operator=Operator.load(folder / "operator.npz"),
            patches=Patches.from_arrays(patches),
            cortical=data["cortical"],
            grafted=data.get("grafted"),
            points=data["points"],
            averaging=sp.csr_matrix(averaging, shape=(len(data["cortical"]), len(data["points"]))),
            unit_stress=UnitStress(
                matrix, tuple(str(one) for one in data["parts"]), tuple(int(one) for one in data["counts"])
            ),
            info=info,
        )


def condense_jaw(setting: Setting, mesh: Mesh, hooks: Hooks) -> CondensedJaw:
    """Assemble, factorise and condense a setting, and solve the hardware under unit forces."""
    built = construct(setting, mesh, hooks)
    jaw = condensed_jaw(setting, built, hooks)
    built.condensation.factor.close()
    return jaw


def condensed_jaw(setting: Setting, built: Construct, hooks: Hooks) -> CondensedJaw:
    """Take from a construct what can be stored."""
    model = built.model
    with hooks.timed("unit stresses of the hardware"):
        solver = make_solver(setting.scenario.solver, announce=hooks.note)
        stresses = unit_stress(model, built.condensation.C, hardware_places(setting, model), solver)
    points, averaging = points_behind(model, built.patches)
    seconds = {name: round(value, 2) for name, value in hooks.timings.items()}
    return CondensedJaw(
        operator=built.condensation.operator,
        patches=built.patches,
        cortical=built.bone.cortical,
        grafted=built.bone.grafted,
        points=points,
        averaging=averaging,
        unit_stress=stresses,
        info={"unknowns": model.space.n_dof, "tetrahedra": len(model.mesh.tets), "seconds": seconds},
    )


def chewing_case(setting: Setting, jaw: CondensedJaw) -> LooseningCase:
    """Loosening case of a setting on a condensed jaw of the same shape.

    Law, tissue at the screws, tasks and fatigue are the setting's own; how the bulk spreads load is the jaw's.
    """
    parameters, operation = setting.parameters, setting.operation
    orthotropic = setting.scenario.bone.cortical == "orthotropic"
    elasticity = Elasticity.from_parameters(parameters, graft=operation.graft is not None, orthotropic=orthotropic)
    eqd2 = jaw.averaging @ setting.tissue.eqd2(jaw.points)
    # Rounding of the means may pass the table's end by a digit.
    eqd2 = np.clip(eqd2, 0.0, setting.tissue.table.eqd2_max)
    bone = PatchBone(jaw.cortical, elasticity, setting.tissue.table.histories(eqd2), jaw.grafted)
    law = ScrewBoneLaw(LawConstants.from_parameters(parameters))
    shapes = np.array([law.constants.thread_shape(screw.thread_depth, screw.pitch) for screw in operation.screws])
    solver = jaw.bulk.with_law(law, shapes[jaw.patches.screw], parameters["interface.bite_stiffness"])
    made, spectrum = tasks(setting, jaw.operator.load_names, jaw.operator.bite_names)

    def stress_at(day: float, chewing: Chewing) -> list[PartStress]:
        forces = np.array([one.forces for pair in chewing.solved for one in pair])
        every = jaw.unit_stress.stresses(forces)
        return [
            {name: (tensors[2 * number], tensors[2 * number + 1]) for name, tensors in every.items()}
            for number in range(len(chewing.solved))
        ]

    cycles = np.array([task.cycles_per_day for task in made])
    hardware = HardwareFatigue(hardware_parts(setting), cycles, spectrum)
    return case_of(setting, solver, jaw.patches, bone, made, spectrum, hardware, stress_at)
