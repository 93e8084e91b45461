"""Write down what a study is while its file is at hand: ``study.json``, from which its results are told later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from femsim import __version__
from femsim.durable import write_json
from femsim.errors import InputError
from femsim.pipeline.setting import DAYS_PER_YEAR
from femsim.results.provenance import machine, package_versions
from femsim.study.changes import PATIENT, parameter_of
from femsim.study.plan import StudyPlan
from femsim.study.record import CHOSEN, FILE, KIND
from femsim.study.sampling import Range
from femsim.units import parse_quantity

INTERNAL = ("mm", "N", "MPa", "Gy", "day")
"""Units of scenario values inside femsim, and so in the table of a study."""


def write_record(folder: Path, plan: StudyPlan) -> None:
    """Write ``study.json`` into the folder of a study."""
    write_json(folder / FILE, record_of(plan))


def record_of(plan: StudyPlan) -> dict[str, Any]:
    """Question, designs, inputs with their evidence, sampling, settings, versions of a study."""
    study = plan.study
    sampling = study.sampling
    hashes = plan.design_hashes()
    return {
        "kind": KIND,
        "version": 1,
        "name": study.name,
        "title": study.title,
        "question": study.question or "",
        "expect": study.expect or "",
        "hash": plan.hash,
        "command": f"femsim study {_named(Path(study.origin.name))}",
        "femsim": __version__,
        "seed": None if sampling is None else sampling.seed,
        "sampling": None if sampling is None else sampling.model_dump(mode="json"),
        "horizon_days": _horizon(plan),
        "settings": {"accuracy": study.accuracy, "operator": study.operator, "end": study.end},
        "designs": [
            {"name": name, "scenario": Path(study.base).name, "scenario_hash": hashes[name]} for name in hashes
        ],
        "inputs": [_input(key, plan) for key in plan.inputs],
        "packages": package_versions(),
        "machine": machine(),
    }


def _named(file: Path) -> Path:
    """Name a file as it was given, but no folders of this machine."""
    return Path(file.name) if file.is_absolute() else file


def _horizon(plan: StudyPlan) -> float:
    """Longest time that any design or entry is run for."""
    scenarios = (plan.scenario(point) for point in _one_per_variant(plan))
    return max(scenario.simulate.years for scenario in scenarios) * DAYS_PER_YEAR


def _one_per_variant(plan: StudyPlan) -> list[Any]:
    patients = 1 if plan.patients is None else len(plan.patients)
    return [point for point in plan.points if not point.exact][::patients]


def _input(key: str, plan: StudyPlan) -> dict[str, Any]:
    """One varied value: its range where it is sampled, unit and evidence of its card."""
    drawn = next((one for one in plan.ranges if one.key == key), None)
    card = parameter_of(key)
    found: dict[str, Any] = {"column": f"input:{key}", "unit": card.unit if card else PATIENT.get(key, "")}
    if drawn is None:
        return {**found, "mark": CHOSEN}
    unit, factor = (drawn.unit, 1.0) if card or key in PATIENT else _inside(drawn)
    ends = {"low": factor * drawn.low, "high": factor * drawn.high}
    return {**found, "unit": unit, **ends, "distribution": drawn.distribution, "mark": drawn.mark or CHOSEN}


def _inside(drawn: Range) -> tuple[str, float]:
    """Internal unit of a scenario value whose range is written in another one, and the factor to it."""
    for unit in INTERNAL if drawn.unit else ():
        try:
            return unit, parse_quantity(f"1 {drawn.unit}", unit)
        except InputError:
            continue
    return drawn.unit, 1.0
