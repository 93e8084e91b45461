"""Studies of bench blocks for the tests of several folders; mesh and operator come from the session's cache."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline_models import bench_values
from ruamel.yaml import YAML

from femsim.study.command import Where, run_study
from femsim.study.finish import Finished
from femsim.study.table import TEXT

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def write_yaml(path: Path, content: Mapping[str, Any]) -> Path:
    """Write plain values as YAML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        yaml = YAML(typ="safe", pure=True)
        yaml.sort_base_mapping_type_on_output = False  # the order of designs is that of the points
        yaml.dump(dict(content), stream)
    return path


def study_values(samples: int = 4, **more: Any) -> dict[str, Any]:
    """A study of a bench block: interface, bonding and bite force are sampled."""
    return {
        "study": 1,
        "title": "Bench blocks",
        "base": "block.yaml",
        "sample": {
            "interface.bearing_stiffness": "card",
            "tissue.kf": "card",
            "patient.bite_force": {"low": "10 N", "high": "20 N"},
        },
        "sampling": {"method": "latin-hypercube", "samples": samples, "seed": 7},
        "accuracy": "coarse",
        **more,
    }


def written(folder: Path, values: Mapping[str, Any] | None = None, **base: Any) -> Path:
    """Write a study and its base into a folder; return the study file."""
    block = {**bench_values(**{"years": 0.02, **base}), "mesh": {"preset": "preview"}}
    write_yaml(folder / "block.yaml", block)
    return write_yaml(folder / "blocks.yaml", values or study_values())


def finished(file: Path, runs: Path, workers: int = 1, **options: Any) -> tuple[Finished, list[dict[str, Any]]]:
    """Run a study to its end; what it leaves and its table."""
    found = run_study(file, Where(workers), runs, **options)
    return found, read_study_table(found.folder)


def comparable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without the seconds, the only column that two runs of one study do not share."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def started(file: Path, runs: Path, environment: Mapping[str, str], *options: str) -> subprocess.Popen[str]:
    """Start ``femsim study`` as a process of its own."""
    command = [sys.executable, "-m", "femsim", "study", str(file), "--output", str(runs), *options]
    return subprocess.Popen(
        command,
        env={**os.environ, **environment, **ONE_THREAD},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_study_table(folder: Path) -> list[dict[str, Any]]:
    """Read ``table.csv``: numbers as floats, empty cells as None, words as text."""
    with (folder / "table.csv").open(encoding="utf-8", newline="") as stream:
        return [{name: _cell(name, text) for name, text in one.items()} for one in csv.DictReader(stream)]


def _cell(name: str, text: str) -> Any:
    if text == "" or name in TEXT:
        return text or None
    try:
        return float(text)
    except ValueError:
        return text
