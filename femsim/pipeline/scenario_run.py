"""One run in its folder, from geometry to report, with a record that is true at every moment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from femsim.errors import FemsimError, Stopped
from femsim.interface.balance import Check, balance_checks
from femsim.interface.condensation import Operator
from femsim.loosening.case import LooseningCase
from femsim.loosening.chewing import Chewer, creep_guard
from femsim.loosening.criteria import Event
from femsim.loosening.evolution import evolve
from femsim.loosening.history import History
from femsim.loosening.points import Outcome
from femsim.mesh.cache import mesh_key
from femsim.mesh.files import load_mesh, write_mesh
from femsim.parameters import citations
from femsim.pipeline.ageing import AgeingBulk
from femsim.pipeline.bone_yield import strains_at_screws, yield_events
from femsim.pipeline.construct import Construct, construct, loosening_case, meshed
from femsim.pipeline.exact import exact_solver
from femsim.pipeline.hooks import Hooks
from femsim.pipeline.setting import DAYS_PER_YEAR, Setting, prepare
from femsim.report import write_report
from femsim.results import RunFolder, records, write_table, write_text
from femsim.results.density import density_record, density_sentence
from femsim.results.radiation import bone_regions, course_places, course_rows, dose_volume_rows, histogram_rows
from femsim.results.rows import (
    event_rows,
    interface_rows,
    parameter_rows,
    patch_rows,
    screw_rows,
    timeline_rows,
    tissue_rows,
)
from femsim.scenario import Scenario, dump_scenario
from femsim.tissue.contributions import contributions

BITE_LIMIT = 5e-3
"""Allowed relative error of the bite reaction."""

CREEP_CHECK = "numerical creep in 1e5 cycles"

CREEP_LIMIT_UM = 0.01
"""Allowed drift [µm] of any patch in 1e5 equal cycles without bone loss."""


@dataclass(frozen=True)
class RunResult:
    """Outcome of :func:`run`."""

    folder: Path
    status: str
    screws: list[dict[str, Any]]
    messages: list[str]
    report: Path | None
    from_cache: bool


class ScenarioRun:
    """One run in its folder: keeps the record true at every moment."""

    def __init__(self, scenario: Scenario, folder: RunFolder, hash8: str, hooks: Hooks) -> None:
        self.scenario, self.folder, self.hash, self.hooks = scenario, folder, hash8, hooks
        self.record: dict[str, Any] = records.opening_record(scenario, hash8)
        self.checkpoint: dict[str, np.ndarray] | None = None
        self.at_surgery: list[Event] = []

    def complete(self, resume: bool) -> RunResult:
        """Run every stage; whatever happens, the record says it."""
        self.write("running")
        if not (self.folder / "scenario.yaml").is_file():
            write_text(self.folder / "scenario.yaml", dump_scenario(self.scenario))
        try:
            messages, from_cache = self.stages(resume)
            self.write("complete")
        except FemsimError as error:
            self.write(error.status, str(error))
            if self.record.get("screws"):
                self.page()
            raise
        except KeyboardInterrupt:
            self.write(Stopped.status, "stopped at once")
            raise
        except Exception as error:
            self.write("failed", f"{type(error).__name__}: {error}")
            raise
        page = self.page()
        return RunResult(self.folder.path, "complete", self.record["screws"], messages, page, from_cache)

    def write(self, status: str, reason: str = "") -> None:
        """Write ``run.json``."""
        self.record.update(status=status, reason=reason, timings=dict(self.hooks.timings))
        self.folder.write_record(self.record)
        self.folder.log(status, reason=reason)

    def page(self) -> Path:
        """Write the report, of a stopped run too."""
        with self.hooks.timed("report", stoppable=False):
            page = write_report(self.folder, note=self.hooks.note)
        return page

    def stages(self, resume: bool) -> tuple[list[str], bool]:
        """Geometry to evolution; returns messages for people and whether the mesh was known."""
        setting = prepare(self.scenario, self.hooks)
        operation = setting.operation
        self.record.update(operation=records.operation_record(operation), warnings=list(operation.warnings))
        self.record["dropped_muscles"] = list(operation.dropped)
        for warning in operation.warnings:
            self.hooks.note(f"warning: {warning}")
        write_table(self.folder / "plan.csv", operation.table())
        known = self.folder / "mesh.npz"
        if resume and known.is_file():
            # Not from the cache: the mesher never makes the same mesh twice, and the operator belongs to this one.
            made, from_cache, key = load_mesh(known), True, mesh_key(operation, setting.sizing)
        else:
            made, from_cache, key = meshed(setting, self.hooks)
        stored = self.folder / "operator.npz"
        built = construct(
            setting, made, self.hooks, operator=Operator.load(stored) if resume and stored.is_file() else None
        )
        self.record["mesh"] = {**records.mesh_record(made, key), "unknowns": built.model.space.n_dof}
        if setting.measured is not None:
            self.record["bone_from_ct"] = density_record(built.model, setting.measured, operation.graft)
            self.hooks.note(density_sentence(self.record["bone_from_ct"]))
        if not stored.is_file():
            write_mesh(made, self.folder / "mesh.vtu")
            built.condensation.operator.save(stored)
        bulk = AgeingBulk(setting, built, self.hooks, self.folder)
        case, chewer = loosening_case(setting, built, bulk)
        with self.hooks.timed("checking balances"):
            self.day_of_surgery(setting, built, case, chewer)
        self.write("running")
        outcome = self.evolve(setting, case, resume)
        with self.hooks.timed("writing results"):
            self.results(setting, bulk, case, outcome)
        return self.messages(outcome), from_cache

    def day_of_surgery(self, setting: Setting, built: Construct, case: LooseningCase, chewer: Chewer) -> None:
        """Solve the full bite on fresh screws, check every balance, write surfaces, fields and the tissue strip."""
        inserted, tissue = case.insertion(), case.tissue_at(0.0)
        exact = Chewer(exact_solver(setting, built), case.tasks, case.constants, case.initial_bond)
        full = exact.chew(inserted, tissue, 1.0, exact.cold())
        checks, forces, field = balance_checks(built.model, built.condensation, full.solved[0][0], full.loads[0])
        wanted = np.array([task.bite_force for task in case.tasks], dtype=float)
        error = float(np.max(np.abs(full.reaction - wanted) / np.maximum(wanted, 1e-9), initial=0.0))
        checks.append(Check("bite reaction meets the bite force", error if wanted.any() else 0.0, BITE_LIMIT))
        guard = creep_guard(chewer, inserted, tissue, case.spectrum.factor(0.0))
        checks.append(Check(CREEP_CHECK, 1000 * guard.drift, CREEP_LIMIT_UM, "µm"))
        self.record["bone_strain"] = strains_at_screws(setting, built, full)
        self.at_surgery = yield_events(self.record["bone_strain"])
        self.record["checks"] = [check.record() for check in checks]
        self.record["reactions_n"] = forces
        self.record["reaction_balance"] = checks[0].value
        records.write_run_surfaces(self.folder, setting.operation, built.model.mesh)
        points = built.model.space.quadrature_points()[built.model.bone_cells].reshape(-1, 3)
        dose, state = setting.tissue.eqd2(points), setting.tissue.at_surgery(points)
        write_table(self.folder / "tissue.csv", tissue_rows(setting.operation, built.model, dose, state))
        records.write_model_fields(self.folder, "surgery", built.model, field, dose, state)
        if setting.tissue.courses:
            self.radiation(setting, built, points, dose)

    def radiation(self, setting: Setting, built: Construct, points: np.ndarray, eqd2: np.ndarray) -> None:
        """Write dose-volume numbers and histograms of the bone, and the tissue around screws over the years."""
        volumes = built.model.space.quadrature_volumes()[built.model.bone_cells].ravel()
        regions = bone_regions(setting.operation, points)
        doses = {"physical": setting.tissue.physical(points), "EQD2": eqd2}
        self.record["dose_volume"] = dose_volume_rows(regions, doses, volumes)
        write_table(self.folder / "dose_volume.csv", self.record["dose_volume"])
        write_table(self.folder / "dose_histogram.csv", histogram_rows(regions, doses, volumes))
        patches = built.patches
        around = patches.per_screw(patches.area * built.eqd2) / patches.per_screw(patches.area)
        places = course_places(dict(zip(patches.screw_names, map(float, around), strict=True)))
        write_table(self.folder / "courses.csv", course_rows(places, setting.tissue.table))

    def evolve(self, setting: Setting, case: LooseningCase, resume: bool) -> Outcome:
        """Advance through the years; a stop leaves tables up to the last checkpoint."""
        stored = self.folder.load_checkpoint(self.hash) if resume else None
        self.checkpoint = stored

        def keep(arrays: dict[str, np.ndarray]) -> None:
            self.checkpoint = arrays
            self.folder.save_checkpoint(arrays, self.hash)

        with self.hooks.timed("years of chewing") as progress:
            try:
                return evolve(
                    case,
                    setting.horizon,
                    resume=stored,
                    on_checkpoint=keep,
                    should_stop=self.hooks.should_stop,
                    on_progress=lambda day, horizon: progress(day / horizon),
                )
            except FemsimError:
                self.unfinished(setting, case)
                raise

    def unfinished(self, setting: Setting, case: LooseningCase) -> None:
        """Write the time line that is known, so that a stopped run can be looked at."""
        if self.checkpoint is None:
            return
        history = History.from_arrays(self.checkpoint)
        events = [Event.from_record(json.loads(str(text))) for text in self.checkpoint["events"]]
        self.tables(setting, case, history, events)

    def tables(self, setting: Setting, case: LooseningCase, history: History, events: Sequence[Event]) -> None:
        """Write screws.csv and timeline.csv and put screws and events into the record."""
        cycles = float(case.cycles_per_day.sum())
        dose = setting.tissue.eqd2(case.patches.centre)
        self.record["screws"] = screw_rows(setting.operation, case.patches, dose, history, events)
        self.record["events"] = event_rows([*self.at_surgery, *events])
        write_table(self.folder / "screws.csv", self.record["screws"])
        write_table(self.folder / "timeline.csv", timeline_rows(history, case.patches.screw_names, cycles))

    def results(self, setting: Setting, bulk: AgeingBulk, case: LooseningCase, outcome: Outcome) -> None:
        """Write every table and the fields of the last day."""
        built = bulk.current
        self.tables(setting, case, outcome.history, outcome.events)
        write_table(
            self.folder / "patches.csv",
            patch_rows(built.patches, outcome.state, outcome.failed_day, built.eqd2, built.law.constants),
        )
        write_table(self.folder / "interface.csv", interface_rows(built.patches, outcome.history))
        hardware = [] if case.hardware is None else case.hardware.table()
        write_table(self.folder / "hardware.csv", hardware)
        self.record.update(
            day=outcome.day,
            ending=outcome.ending,
            hardware=hardware,
            evolution={
                "patches": len(built.patches),
                "unknowns": len(built.condensation.operator.G),
                "steps": outcome.steps,
                "rejected": outcome.rejected,
                "evaluations": outcome.evaluations,
            },
            parameters=parameter_rows(setting.parameters.read),
            mechanisms=self.mechanisms(setting, built, outcome.day),
        )
        write_text(self.folder / "citations.bib", citations(setting.parameters.read))
        chewer = Chewer(built.solver, case.tasks, case.constants, case.initial_bond)
        last = chewer.chew(outcome.state, case.tissue_at(outcome.day), case.spectrum.factor(outcome.day), chewer.cold())
        peak = last.solved[0][0]
        field = built.condensation.displacement(peak.q, peak.forces, last.loads[0])
        records.write_model_fields(self.folder, "end", built.model, field)
        refreshes = np.array(outcome.history.refreshes).reshape(-1, 3)
        self.record["bulk"] = bulk.record(refreshes, outcome.day, peak, last.loads[0])

    def mechanisms(self, setting: Setting, built: Construct, day: float) -> list[dict[str, Any]]:
        """What hypovascularity, hypoxia and hypocellularity cost the bone at the screws until ``day``."""
        if not setting.tissue.courses:
            return []
        return contributions(built.eqd2, setting.tissue.table, day).rows(built.patches.area)

    def messages(self, outcome: Outcome) -> list[str]:
        """Sentences for the terminal."""
        loose = [event for event in outcome.events if event.kind == "screw loose"]
        sentences = [f"ended on day {outcome.day:.0f} since surgery ({outcome.ending})"]
        if not loose:
            sentences.append(f"no screw loosened in {outcome.day / DAYS_PER_YEAR:.2f} years")
        for one in (self.record["bulk"] or {}).get("refreshes", ()):
            sentences.append(
                f"bone had aged by day {one['day']:.0f} (a modulus by {one['modulus_change']:.0%}): new moduli moved "
                f"the largest jump by {one['jump_change']:.1%}, the largest patch stress by {one['stress_change']:.1%}"
            )
        creep = next(check for check in self.record["checks"] if check["name"] == CREEP_CHECK)
        sentences.append(
            f"{len(self.record['checks'])} checks of balance and drift, among them a numerical creep of "
            f"{creep['value']:.1g} µm in 1e5 cycles (limit {CREEP_LIMIT_UM:g})"
        )
        failed = [check for check in self.record["checks"] if not check["passed"]]
        sentences += [f"CHECK FAILED: {c['name']}: {c['value']:.3g} (limit {c['limit']:g} {c['unit']})" for c in failed]
        return sentences
