"""Study folders with made-up outcomes whose laws are known: exponential lives that depend on a few inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import qmc

from femsim.durable import write_json, write_table
from femsim.study.outcomes import REQUIRED

HORIZON = 730.0
RANGES = {
    "patient.bite_force": (60.0, 200.0, "N"),
    "tissue.D50": (30.0, 50.0, "Gy"),
    "tissue.x": (0.7, 2.5, ""),
    "interface.friction": (0.2, 0.5, ""),
}
HEAD, TAIL = REQUIRED[:5], REQUIRED[5:]


@dataclass(frozen=True)
class MadeDesign:
    """Hazards per day at the middle of every input; loosening grows with bite force, fracture with nothing."""

    name: str
    loosening: float
    fracture: float = 0.0
    label: str = ""


@dataclass(frozen=True)
class MadeStudy:
    """A study of some designs on the same patients."""

    designs: Sequence[MadeDesign]
    patients: int = 200
    failed: Mapping[int, str] = field(default_factory=dict)
    """Reason by sample number, in the first design."""
    seed: int = 5


def row(point: str, design: str, sample: int | str, inputs: Mapping[str, Any], **outcome: Any) -> dict[str, Any]:
    """One row of a table; what is not given is empty."""
    cells = {"point": point, "design": design, "sample": sample, "status": outcome.pop("status", "done")}
    cells["reason"] = outcome.pop("reason", "")
    cells |= {f"input:{name}": value for name, value in inputs.items()}
    return cells | {name: outcome.get(name, "") for name in (*TAIL,)}


def made_rows(study: MadeStudy) -> list[dict[str, Any]]:
    """Rows of the table of a made-up study."""
    drawn = qmc.LatinHypercube(len(RANGES), rng=np.random.default_rng(study.seed)).random(study.patients)
    low, high = (np.array([ends[k] for ends in RANGES.values()]) for k in (0, 1))
    values = low + drawn * (high - low)
    chance = np.random.default_rng([study.seed, 1]).exponential(size=(study.patients, 2))  # the same in every design
    rows = []
    for design in study.designs:
        for k in range(study.patients):
            inputs = dict(zip(RANGES, values[k].tolist(), strict=True))
            point, sample = f"{len(rows) + 1:06d}", k + 1
            if design is study.designs[0] and sample in study.failed:
                rows.append(row(point, design.name, sample, inputs, status="failed", reason=study.failed[sample]))
                continue
            hazard = design.loosening * np.exp(3.0 * (drawn[k, 0] - 0.5) + 1.0 * (drawn[k, 1] - 0.5))
            loose = chance[k, 0] / hazard if hazard > 0.0 else np.inf
            broken = chance[k, 1] / design.fracture if design.fracture else np.inf
            rows.append(row(point, design.name, sample, inputs, **outcome(loose, broken)))
    return rows


def outcome(loose: float, broken: float) -> dict[str, Any]:
    """Outcome of a point whose first screw loosens, or whose plate breaks, on some day."""
    end = min(broken, HORIZON)
    found: dict[str, Any] = {
        "end_day": end,
        "ending": "horizon" if end == HORIZON else "part broken: plate",
        "cycles": 1600.0 * end,
        "screws_loose": int(loose < end),
        "margin_motion": 0.4,
        "margin_holding": min(loose, HORIZON) / HORIZON - 0.5,
        "margin_stiffness": 0.6,
        "plate_life_used": HORIZON / broken if np.isfinite(broken) else 0.01,
        "seconds": 3.0,
        "operator": "abcd",
    }
    if loose < end:
        found |= {"first_loose_day": loose, "first_loose_screw": "screw-4", "first_loose_criterion": "holding"}
    if broken < HORIZON:
        found["plate_fracture_day"] = broken
    return found


def record_of(study: MadeStudy, **changes: Any) -> dict[str, Any]:
    """``study.json`` of a made-up study."""
    inputs = [
        {
            "column": f"input:{name}",
            "unit": unit,
            "low": low,
            "high": high,
            "distribution": "uniform",
            **({"mark": "chosen"} if name.startswith("patient.") else {}),
        }
        for name, (low, high, unit) in RANGES.items()
    ]
    return {
        "kind": "femsim study record",
        "version": 1,
        "name": "made",
        "title": "Made-up lives of plates",
        "question": "Which plate holds longer?",
        "hash": "0123abcd",
        "command": "femsim study scenarios/studies/made.yaml",
        "femsim": "0.1.0",
        "seed": study.seed,
        "sampling": {"method": "latin-hypercube", "samples": study.patients},
        "horizon_days": HORIZON,
        "settings": {"accuracy": "study", "operator": "exact", "end": "horizon"},
        "designs": [
            {"name": one.name, "label": one.label, "scenario": "made.yaml", "scenario_hash": f"{k:08x}"}
            for k, one in enumerate(study.designs)
        ],
        "inputs": inputs,
        "packages": {"numpy": np.__version__},
        "machine": {"system": "test", "cores": 2},
        "seconds": 600.0,
        **changes,
    }


def write_study(folder: Path, study: MadeStudy, **changes: Any) -> Path:
    """Make a study folder that is ready to be analysed."""
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / "table.csv", made_rows(study))
    write_json(folder / "study.json", record_of(study, **changes))
    return folder


def change_record(folder: Path, **changes: Any) -> None:
    """Replace values of a folder's ``study.json``."""
    content = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    write_json(folder / "study.json", {**content, **changes})
