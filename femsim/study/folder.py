"""The folder of one study: made once, never overwritten, complete enough to be continued from it alone."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from femsim.durable import write_bytes, write_json, write_table, write_text
from femsim.errors import InputError
from femsim.results.folder import slug
from femsim.study.about import write_record
from femsim.study.load import load_study
from femsim.study.manifest import Manifest, Task
from femsim.study.plan import Point, StudyPlan, plan_study
from femsim.study.sampling import Range
from femsim.study.table import columns, row, write_study_table


@dataclass(frozen=True)
class StudyFolder:
    """``runs/<name>-<hash8>`` (``-2``, ``-3``, ... when that study exists already)."""

    path: Path

    @property
    def manifest(self) -> Manifest:
        """The manifest of this study."""
        return Manifest(self.path / "manifest.sqlite")

    def point(self, name: str) -> Path:
        """Folder of a point."""
        return self.path / "points" / name

    def mesh(self, key: str) -> Path:
        """File of a mesh."""
        return self.path / "meshes" / f"{key}.npz"

    def operator(self, key: str) -> Path:
        """Folder of a condensed jaw."""
        return self.path / "operators" / key

    # --- making and finding -------------------------------------------------------------------------------------

    @classmethod
    def create(cls, runs: Path, plan: StudyPlan) -> StudyFolder:
        """Make the folder of a new study with everything in it queued."""
        stem = f"{slug(plan.study.name)}-{plan.hash}"
        try:
            runs.mkdir(parents=True, exist_ok=True)
            path = _fresh(runs, stem)
            for name in ("points", "meshes", "operators", "logs"):
                (path / name).mkdir()
        except OSError as error:
            why = error.strerror or error
            raise InputError(f"{runs}: no study folder can be made here ({why}); choose another --output") from error
        folder = cls(path)
        write_bytes(path / "base.yaml", plan.study.base_path.read_bytes())
        write_text(path / "study.yaml", resolved_text(plan))
        write_record(path, plan)
        if plan.patients is not None:
            write_table(path / "sampling.csv", plan.patients.table())
        about = {"hash": plan.hash, "cube": cube_digest(plan), "name": plan.study.name}
        # The manifest appears last and whole: a folder without one was never begun.
        part = Manifest(path / ".part-manifest.sqlite")
        part.create(tasks_of(plan), about)
        os.replace(part.path, folder.manifest.path)
        return folder

    @classmethod
    def find(cls, runs: Path, plan: StudyPlan) -> StudyFolder:
        """Return the newest folder of exactly this study.

        Raises
        ------
        InputError
            There is none; the message says whether the study has changed since.
        """
        stem = slug(plan.study.name)
        own = re.compile(re.escape(stem) + r"-([0-9a-f]{8})(-\d+)?")
        known = [(item.parent, own.fullmatch(item.parent.name)) for item in runs.glob(f"{stem}-*/manifest.sqlite")]
        same = [path for path, match in known if match and match[1] == plan.hash]
        if same:
            return cls(max(same, key=lambda path: path.stat().st_mtime).resolve())  # workers may start elsewhere
        if any(match for _, match in known):
            raise InputError(
                f"{runs}: {stem} or its base has changed since its study was started; restore it to resume, or run "
                "the new one without --resume"
            )
        raise InputError(f"{runs}: no study of {stem!r} to resume; run it without --resume")

    @classmethod
    def open(cls, path: Path) -> StudyFolder:
        """Open a study folder; InputError when it is none."""
        if not (path / "manifest.sqlite").is_file():
            raise InputError(
                f"{path}: no study folder (no manifest.sqlite); give the folder that 'femsim study' printed"
            )
        return cls(path.resolve())

    def plan(self) -> StudyPlan:
        """Read the plan back, and check that this machine draws the same patients."""
        plan = plan_study(load_study(self.path / "study.yaml"))
        about = self.manifest.about()
        if about["cube"] != cube_digest(plan):
            raise InputError(
                f"{self.path}: this machine draws other patients than the one that began the study; use the same "
                "versions of NumPy and SciPy everywhere"
            )
        if about["hash"] != plan.hash:
            raise InputError(f"{self.path}: files that the study names have changed since it began; restore them")
        return plan

    # --- results ------------------------------------------------------------------------------------------------

    def record(self, name: str) -> dict[str, Any] | None:
        """Record of a finished point, or None."""
        path = self.point(name) / "record.json"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error}); it may be damaged") from error

    def publish(self, name: str, attempt: int, record: dict[str, Any]) -> None:
        """Make a record the point's own; the first one stays."""
        part = self.point(name) / f"attempt-{attempt}" / "record.json"
        final = self.point(name) / "record.json"
        write_json(part, {"kind": "femsim study point", "version": 1, **record})
        try:
            os.link(part, final)
        except FileExistsError:
            return
        except OSError:  # a file system without links; a record that is there was written whole
            if not final.is_file():
                os.replace(part, final)

    def write_table(self, plan: StudyPlan) -> tuple[Path, ...]:
        """Write the table of all points as they are now."""
        states, rows = self.manifest.states(), []
        for point in plan.points:
            if point.exact:
                continue
            status, reason = states[point.name]
            found = self.record(point.name) if status in ("done", "failed") else None
            head = {"point": point.number, "design": point.design, "sample": point.sample}
            head |= {"status": "queued" if status == "running" else status, "reason": reason}
            inputs = found["inputs"] if found and "inputs" in found else _inputs(plan, point)
            outcome = {**found.get("outcome", {}), "seconds": found.get("seconds")} if found else {}
            outcome["operator"] = plan.keys(point)[1]
            rows.append(row(head, plan.inputs, inputs, outcome))
        return write_study_table(self.path, rows or [dict.fromkeys(columns(plan.inputs))])


def _inputs(plan: StudyPlan, point: Point) -> dict[str, Any]:
    """Inputs of a point that has no record yet."""
    try:
        return plan.values(point, plan.scenario(point))
    except InputError:
        return {}


def _fresh(runs: Path, stem: str) -> Path:
    for attempt in range(1, 10_000):
        path = (runs / (stem if attempt == 1 else f"{stem}-{attempt}")).resolve()
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise InputError(f"{runs}: ten thousand studies named {stem} exist already; choose another --output")


def tasks_of(plan: StudyPlan) -> list[Task]:
    """Meshes, then operators, then points, each after what it needs."""
    meshes, operators, points = {}, {}, []
    for point in plan.points:
        shape, bulk = plan.keys(point)
        meshes[shape] = Task(f"mesh-{shape}", "mesh")
        operators[bulk] = Task(f"operator-{bulk}", "operator", f"mesh-{shape}")
        points.append(Task(point.name, "check" if point.exact else "point", f"operator-{bulk}"))
    return [*meshes.values(), *operators.values(), *points]


def cube_digest(plan: StudyPlan) -> str:
    """Hash of the sampled points, so that a machine with another generator is noticed."""
    if plan.patients is None:
        return ""
    return hashlib.sha256(plan.patients.cube.round(12).tobytes()).hexdigest()[:16]


def resolved_text(plan: StudyPlan) -> str:
    """Spell a study with every default and range written out; it loads again to the same study."""
    study = plan.study
    content = study.model_dump(mode="json", by_alias=True, exclude_none=True)
    for key in ("list", "grid", "sample"):
        if not content.get(key):
            content.pop(key, None)
    # Design values may be null on purpose (a healthy jaw), which exclude_none would drop.
    content["designs"] = {name: _plain(changes) for name, changes in study.designs.items()}
    content |= {
        key: _plain(getattr(study, name)) for key, name in (("list", "list_"), ("grid", "grid")) if key in content
    }
    content |= {"base": "base.yaml", "files": str(plan.files)}
    if plan.ranges:
        content["sample"] = {one.key: _written(one) for one in plan.ranges}
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.sort_base_mapping_type_on_output = False, False  # type: ignore[assignment]
    stream = io.StringIO()
    stream.write("# Resolved study: every default and range written out.\n")
    yaml.dump(content, stream)
    return stream.getvalue()


def _written(one: Range) -> dict[str, Any]:
    ends = {name: f"{getattr(one, name)!r} {one.unit}" if one.unit else getattr(one, name) for name in ("low", "high")}
    return {**ends, "distribution": one.distribution}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
