"""What a study leaves behind when its points are finished: table, error of the shared operator, measured times."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from femsim.durable import write_json
from femsim.errors import FemsimError
from femsim.mesh.cache import default_cache_dir
from femsim.study.folder import StudyFolder
from femsim.study.page import write_study_page
from femsim.study.plan import StudyPlan
from femsim.study.record import OPERATOR_CHECK
from femsim.study.summary import write_summary

COMPARED = ("end_day", "first_loose_day", "margin_motion", "margin_holding", "margin_stiffness", "plate_life_used")
MOST_REASONS = 5


@dataclass(frozen=True)
class Finished:
    """What :func:`finish_study` wrote, and sentences about it."""

    folder: Path
    files: tuple[Path, ...]
    sentences: tuple[str, ...]
    factorisations: int
    summary: Mapping[str, Any]
    page: Path


def finish_study(folder: StudyFolder, plan: StudyPlan) -> Finished:
    """Write the table and the operator check, remember times, and sum up; also of an unfinished study."""
    files = folder.write_table(plan)
    manifest = folder.manifest
    counts, states = manifest.counts(), manifest.states()
    told = [f"{count} {status}" for status, count in sorted(counts.items())]
    made = {kind: len(manifest.seconds(kind)) for kind in ("mesh", "operator")}
    sentences = [
        f"{sum(counts.values())} points: {', '.join(told)}",
        f"made for this study: {made['mesh']} of the meshes, {made['operator']} of the factorisations",
    ]
    reasons = Counter(reason for status, reason in states.values() if status == "failed")
    sentences += [f"failed ({count}): {reason}" for reason, count in reasons.most_common(MOST_REASONS)]
    checks = operator_checks(folder, plan)
    if checks:
        write_json(folder.path / OPERATOR_CHECK, {"kind": "femsim operator check", "version": 1, "rows": checks})
        sentences += check_sentences(checks)
    remember_times(folder, plan)
    summary = write_summary(folder.path)
    page = write_study_page(folder.path, summary)
    return Finished(folder.path, files, tuple(sentences), made["operator"], summary, page)


def operator_checks(folder: StudyFolder, plan: StudyPlan) -> list[dict[str, Any]]:
    """Rows of the points that were run with the shared and with their own operator; both values of each outcome."""
    rows = []
    for point in plan.points:
        if not point.exact:
            continue
        shared, own = folder.record(f"{point.number:06d}"), folder.record(point.name)
        if not (shared and own and "outcome" in shared and "outcome" in own):
            continue
        row: dict[str, Any] = {"point": point.number, "design": point.design, "sample": point.sample}
        for name in COMPARED:
            row |= {f"{name}_shared": shared["outcome"][name], f"{name}_own": own["outcome"][name]}
        rows.append(row)
    return rows


def check_sentences(rows: list[dict[str, Any]]) -> list[str]:
    """Say how much the shared operator changes what was measured."""
    found = [f"operator: nominal was checked on {len(rows)} points against each point's own operator"]
    for row in rows:
        days = [row["first_loose_day_shared"], row["first_loose_day_own"]]
        words = ["none" if day is None else f"day {day:.1f}" for day in days]
        found.append(
            f"  point {row['point']}: first loose screw {words[0]} (own operator: {words[1]}); smallest margin of "
            f"motion {_number(row['margin_motion_shared'])} ({_number(row['margin_motion_own'])})"
        )
    return found


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


# --- times ----------------------------------------------------------------------------------------------------------


def times_file() -> Path:
    """File of the times measured on this machine, beside the mesh cache."""
    return default_cache_dir().parent / "study-times.json"


def known_times() -> dict[str, float]:
    """Seconds by kind of task as measured by earlier studies on this machine; empty when there were none."""
    try:
        content = json.loads(times_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): float(value) for key, value in content.items()} if isinstance(content, dict) else {}


def time_keys(plan: StudyPlan) -> Mapping[str, str]:
    """Key of the time of each kind of task: what a task costs hangs on the mesh, the jaw and the accuracy."""
    scenario = plan.scenario(plan.points[0])
    jaw = "block" if scenario.jaw.bench_block is not None else "jaw"
    size = f"{jaw} {scenario.mesh.preset}"
    tasks = len(scenario.loading.chewing)
    chewing = f"{tasks} tasks {scenario.simulate.years:g} years {plan.study.accuracy} to {plan.study.end}"
    return {"mesh": f"mesh {size}", "operator": f"operator {size}", "point": f"evolution {size} {chewing}"}


def remember_times(folder: StudyFolder, plan: StudyPlan) -> None:
    """Add the seconds of this study's tasks to those of the machine; a cache that cannot be written is skipped."""
    times = known_times()
    for kind, key in time_keys(plan).items():
        seconds = folder.manifest.seconds(kind)
        if seconds:
            times[key] = statistics.mean(seconds) if kind == "point" else statistics.median(seconds)
    try:
        times_file().parent.mkdir(parents=True, exist_ok=True)
        write_json(times_file(), times)
    except (OSError, FemsimError):
        return


ONE = {"mesh": "mesh", "operator": "factorisation", "point": "evolution"}
MANY = {"mesh": "meshes", "operator": "factorisations", "point": "evolutions"}


def estimate(plan: StudyPlan, workers: int) -> list[str]:
    """Say how many meshes, factorisations and evolutions a study needs, and about how long they take."""
    keys = [plan.keys(point) for point in plan.points]
    counts = {"mesh": len({key[0] for key in keys}), "operator": len({key[1] for key in keys}), "point": len(keys)}
    checks = sum(point.exact for point in plan.points)
    times, names = known_times(), time_keys(plan)
    lines, total, unknown = [], 0.0, []
    for kind, count in counts.items():
        each = times.get(names[kind])
        more = f", {checks} of them to check the shared operator" if kind == "point" and checks else ""
        if each is None:
            unknown.append(MANY[kind])
            lines.append(f"{count} {ONE[kind] if count == 1 else MANY[kind]}{more}")
            continue
        # Meshes and operators of one design wait for each other; points share all workers.
        total += count * each / min(workers, count)
        lines.append(f"{count} {ONE[kind] if count == 1 else MANY[kind]}{more}, about {each:.3g} s each on one worker")
    if unknown:
        lines.append(f"how long is not known: no study with such {' and '.join(unknown)} was measured on this machine")
    else:
        lines.append(
            f"about {duration(total)} on {workers} worker{'s' * (workers > 1)}, less for what the caches hold already"
        )
    return lines


def duration(seconds: float) -> str:
    """Spell a time for people."""
    if seconds < 120.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 7200.0 else f"{seconds / 3600.0:.1f} h"
