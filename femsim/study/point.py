"""Do one task of a study in this process: a mesh, a condensed operator, or a point's years of chewing."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from femsim.durable import write_text
from femsim.errors import FemsimError, Stopped
from femsim.geometry.operation import Operation
from femsim.interface.threads import one_dense_thread
from femsim.loosening.evolution import evolve
from femsim.loosening.integrator import Tolerances
from femsim.loosening.points import Outcome
from femsim.mesh.cache import cached_mesh, default_cache_dir
from femsim.mesh.files import load_mesh, save_mesh
from femsim.mesh.sizing import Sizing
from femsim.pipeline.condensed import CondensedJaw, chewing_case, condense_jaw
from femsim.pipeline.hooks import Hooks
from femsim.pipeline.setting import Setting, prepare
from femsim.study.folder import StudyFolder
from femsim.study.manifest import Claim, Heartbeat
from femsim.study.plan import Point, StudyPlan

KEPT = 3
"""Condensed jaws and operations kept in a process: points come sorted by operator, a few designs alternate."""
ACCURACY = {"run": Tolerances, "study": Tolerances.study, "coarse": Tolerances.coarse}
NEVER = float("inf")
Kept = TypeVar("Kept")


class TakenElsewhere(Exception):
    """Another process has this attempt although the manifest gave it to us: the file system's locks do not work."""


class Workshop:
    """What a worker process keeps between tasks.

    Parameters
    ----------
    folder : StudyFolder
    should_stop : callable
        Polled while a point runs.
    """

    def __init__(self, folder: StudyFolder, should_stop: Callable[[], bool] = lambda: False) -> None:
        self.folder, self.should_stop = folder, should_stop
        self.manifest = folder.manifest
        self.plan: StudyPlan = folder.plan()
        self._points = {point.name: point for point in self.plan.points}
        self._representatives = _representatives(self.plan)
        self._operations: OrderedDict[str, Operation] = OrderedDict()
        self._jaws: OrderedDict[str, CondensedJaw] = OrderedDict()

    def do(self, claim: Claim) -> str:
        """Do a claimed task and end the claim; return its status. No failure of a task leaves this function."""
        began = time.perf_counter()
        try:
            with Heartbeat(self.manifest, claim):
                made = self._work(claim)
        except TakenElsewhere:
            return "taken"  # its lease runs out unless the other process ends it
        except Stopped as stop:
            self.manifest.finish(claim, "stopped", str(stop))
            return "stopped"
        except FemsimError as error:
            return self._failed(claim, " ".join(str(error).split()), began)
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            self._note(claim, traceback.format_exc())
            return self._failed(claim, reason, began)
        except BaseException:
            self.manifest.finish(claim, "stopped", "stopped at once")
            raise
        self.manifest.finish(claim, "done", seconds=time.perf_counter() - began, made=made)
        return "done"

    def _work(self, claim: Claim) -> bool:
        """Do the work; return whether it was done here and not found."""
        _, _, key = claim.name.partition("-")
        if claim.kind == "mesh":
            return self._mesh(key)
        if claim.kind == "operator":
            return self._operator(key)
        known = self.folder.record(claim.name)
        if known is not None:  # ended by a worker that died before it could say so
            if known["status"] == "failed":
                raise FemsimError(known["reason"])
            return False
        self.folder.point(claim.name).mkdir(exist_ok=True)
        try:
            (self.folder.point(claim.name) / f"attempt-{claim.attempt}").mkdir()
        except FileExistsError:
            raise TakenElsewhere from None
        # The last digits of dense algebra hang on the number of threads, and the table must not.
        with one_dense_thread():
            self._point(claim)
        return True

    def _failed(self, claim: Claim, reason: str, began: float) -> str:
        if claim.kind in ("point", "check"):
            point = self._points[claim.name]
            record = {**_head(point), "status": "failed", "reason": reason, "seconds": time.perf_counter() - began}
            if (self.folder.point(claim.name) / f"attempt-{claim.attempt}").is_dir():
                self.folder.publish(claim.name, claim.attempt, record)
        self.manifest.finish(claim, "failed", reason)
        return "failed"

    def _note(self, claim: Claim, text: str) -> None:
        write_text(self.folder.path / "logs" / f"{claim.name}-attempt-{claim.attempt}.txt", text)

    # --- shared work --------------------------------------------------------------------------------------------

    def _mesh(self, key: str) -> bool:
        if self.folder.mesh(key).is_file():
            return False
        scenario = self.plan.bulk_scenario(self._representatives[f"mesh-{key}"])
        setting = prepare(scenario, Hooks())
        mesh, known = cached_mesh(setting.operation, Sizing.preset(scenario.mesh.preset))
        save_mesh(mesh, self.folder.mesh(key))
        return not known

    def _operator(self, key: str) -> bool:
        target = self.folder.operator(key)
        if (target / "info.json").is_file():
            return False
        point = self._representatives[f"operator-{key}"]
        mesh = self.folder.mesh(self.plan.keys(point)[0])
        digest = hashlib.sha256(mesh.read_bytes()).hexdigest()[:16]
        cached = default_cache_dir().parent / "operators" / f"{key}-{digest}"
        if (cached / "info.json").is_file():
            _linked(cached, target)
            return False
        setting = prepare(_with_card_interface(self.plan.bulk_scenario(point)), Hooks())
        condense_jaw(setting, load_mesh(mesh), Hooks()).save(target)
        with suppress(OSError):  # a full or read-only cache costs a factorisation later, nothing else
            _linked(target, cached)
        return True

    def jaw(self, key: str) -> CondensedJaw:
        """Condensed jaw of an operator, kept in memory."""
        return _kept(self._jaws, key, lambda: CondensedJaw.load(self.folder.operator(key)))

    def setting(self, point: Point) -> Setting:
        """Setting of a point; the operation is planned once for all points of an operator."""
        key = self.plan.keys(point)[1]
        shape = _kept(self._operations, key, lambda: prepare(self.plan.bulk_scenario(point), Hooks()).operation)
        return prepare(self.plan.scenario(point), Hooks(), shape)

    # --- a point ------------------------------------------------------------------------------------------------

    def _point(self, claim: Claim) -> None:
        began, spent, point = time.perf_counter(), time.process_time(), self._points[claim.name]
        setting = self.setting(point)
        case = chewing_case(setting, self.jaw(self.plan.keys(point)[1]))
        case.tolerances = ACCURACY[self.plan.study.accuracy]()
        case.end_at_first = self.plan.study.end == "first-loosening"
        case.snapshot_every = NEVER
        outcome = evolve(
            case, setting.horizon, checkpoint_every=10**9, on_checkpoint=None, should_stop=self.should_stop
        )
        hardware = case.hardware.table() if case.hardware is not None else []
        plates = {plate.name for plate in setting.operation.plates}
        record = {
            **_head(point),
            "status": "done",
            "reason": "",
            "inputs": self.plan.values(point, setting.scenario),
            "outcome": outcome_columns(outcome, plates, hardware, float(case.cycles_per_day.sum())),
            "events": [event.record() for event in outcome.events],
            "screws": list(case.patches.screw_names),
            "smallest_margins": outcome.smallest_margins,
            "hardware": hardware,
            "steps": outcome.steps,
            "evaluations": outcome.evaluations,
            "seconds": round(time.perf_counter() - began, 3),
            "processor_seconds": round(time.process_time() - spent, 3),
        }
        self.folder.publish(claim.name, claim.attempt, record)


def _head(point: Point) -> dict[str, Any]:
    return {"point": point.number, "design": point.design, "sample": point.sample, "exact_operator": point.exact}


def _representatives(plan: StudyPlan) -> dict[str, Point]:
    """A point of every mesh and operator."""
    found: dict[str, Point] = {}
    for point in plan.points:
        shape, bulk = plan.keys(point)
        found.setdefault(f"mesh-{shape}", point)
        found.setdefault(f"operator-{bulk}", point)
    return found


def _with_card_interface(scenario: Any) -> Any:
    """Drop interface overrides: they only condition the factorised matrix, and must not decide its last digits."""
    kept = {name: text for name, text in scenario.parameters.items() if name.partition(".")[0] != "interface"}
    made = scenario.model_copy(update={"parameters": kept})
    made._source = scenario.source
    return made


def _kept(store: OrderedDict[str, Kept], key: str, make: Callable[[], Kept]) -> Kept:
    if key not in store:
        store[key] = make()
        while len(store) > KEPT:
            store.popitem(last=False)
    store.move_to_end(key)
    return store[key]


def _linked(source: Path, target: Path) -> None:
    """Put a folder's files in a second place, as links where the file system can; one that is there stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=target.parent))
    try:
        shutil.copytree(source, part, copy_function=_link_or_copy, dirs_exist_ok=True)
        part.chmod(0o755)
        try:
            part.rename(target)
        except OSError:
            if not (target / "info.json").is_file():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def outcome_columns(
    outcome: Outcome, plates: set[str], hardware: list[dict[str, Any]], cycles_per_day: float
) -> dict[str, Any]:
    """Events and margins of one evolution as the study's table has them; None where an event did not happen."""
    loose = [event for event in outcome.events if event.kind == "screw loose"]
    broken = [event for event in outcome.events if event.kind == "part broken"]
    first = min(loose, key=lambda event: event.day, default=None)
    motion, holding, stiffness = outcome.smallest_margins.min(axis=1)
    return {
        "end_day": outcome.day,
        "ending": _ending(outcome.ending, plates),
        "cycles": outcome.day * cycles_per_day,
        "first_loose_day": first.day if first else None,
        "first_loose_screw": first.subject if first else None,
        "first_loose_criterion": first.criterion if first else None,
        "screws_loose": len(loose),
        "stump_lost_day": _first_day(event.day for event in outcome.events if event.kind == "stump lost"),
        "plate_fracture_day": _first_day(event.day for event in broken if event.subject in plates),
        "screw_fracture_day": _first_day(event.day for event in broken if event.subject not in plates),
        "margin_motion": motion,
        "margin_holding": holding,
        "margin_stiffness": stiffness,
        "plate_life_used": max((float(one["damage"]) for one in hardware if one["part"] in plates), default=None),
    }


def _first_day(days: Any) -> float | None:
    return min(days, default=None)


def _ending(text: str, plates: set[str]) -> str:
    kind, _, subject = text.partition(": ")
    if kind == "part broken":
        return "plate broken" if subject in plates else "screw broken"
    return kind
