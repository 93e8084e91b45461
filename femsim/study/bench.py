"""Run the benchmark scripts of a source tree on this machine or on a Slurm node, and compare two results."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from femsim.durable import write_json
from femsim.errors import FemsimError, InputError
from femsim.study.execute import cores, environment

KIND = "femsim bench"
PACKAGES = ("femsim", "numpy", "scipy", "numba", "scikit-fem", "pytetwild", "pypardiso", "rslab")


@dataclass(frozen=True)
class Script:
    """One benchmark script with its options in each suite; None leaves it out."""

    name: str
    quick: tuple[str, ...] | None
    standard: tuple[str, ...] | None


SUITES = (
    Script("bench_assembly.py", ("--quick",), ()),
    Script("bench_solve.py", ("--quick",), ()),
    Script("bench_mesh.py", ("--quick",), ()),
    Script("bench_loosening.py", ("--quick",), ()),
    Script("bench_study.py", ("--quick",), ("--samples", "200")),
)
"""``standard`` takes the parametric jaw, so that it needs no file; the study takes 200 samples on it."""


def scripts_folder() -> Path:
    """Folder of the benchmark scripts.

    Raises
    ------
    InputError
        An installed femsim has none: they are part of the source tree only.
    """
    folder = Path(__file__).resolve().parents[2] / "benchmarks"
    if not (folder / "bench_study.py").is_file():
        raise InputError(
            "the benchmark scripts are not part of an installed femsim; run 'femsim bench' from a source tree "
            "(git clone, pip install -e .)"
        )
    return folder


def run_suite(suite: str, output: Path, told: Callable[[str], None], slurm: str | None = None) -> dict[str, Any]:
    """Run a suite and write one JSON with all figures and what they were measured on.

    Parameters
    ----------
    suite : str
        ``quick`` (minutes) or ``standard`` (an hour).
    output : Path
        JSON file.
    told : callable
        Gets sentences on the way.
    slurm : str, optional
        Options of ``srun``: the scripts run on a node of their own.

    Raises
    ------
    FemsimError
        A script failed; what it said is repeated. The others have been run and their figures written.
    """
    if suite not in ("quick", "standard"):
        raise InputError(f"--suite {suite!r}: choose quick or standard")
    if output.parent.is_dir() is False:
        raise InputError(f"{output}: its folder does not exist; choose another --output")
    launcher = _launcher(slurm)
    figures: dict[str, dict[str, float]] = {}
    seconds: dict[str, float] = {}
    failed: dict[str, str] = {}
    machine: dict[str, Any] = {}
    for script in SUITES:
        options = getattr(script, suite)
        if options is None:
            continue
        told(f"{script.name} {' '.join(options)}".rstrip())
        start = time.perf_counter()
        name = script.name.removesuffix(".py")
        try:
            figures[name], machine = _run(scripts_folder() / script.name, options, launcher)
        except FemsimError as error:
            failed[name] = str(error)
            told(f"failed: {error}")
        seconds[name] = round(time.perf_counter() - start, 1)
    content = {
        "kind": KIND,
        "version": 1,
        "suite": suite,
        "environment": {**surroundings(), "scripts": machine, "slurm": slurm},
        "figures": figures,
        "seconds": seconds,
        "failed": failed,
    }
    write_json(output, content)
    if failed:
        raise FemsimError(f"{', '.join(failed)} failed; the figures of the others are in {output}")
    return content


def _launcher(slurm: str | None) -> list[str]:
    if slurm is None:
        return []
    if shutil.which("srun") is None:
        raise InputError("--slurm: there is no srun here; run this on a node from which Slurm jobs are submitted")
    return ["srun", "--ntasks=1", *shlex.split(slurm)]


def _run(script: Path, options: Sequence[str], launcher: Sequence[str]) -> tuple[dict[str, float], dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as place:  # srun's node sees it too
        result = Path(place) / "figures.json"
        own = ["--folder", place] if script.name == "bench_study.py" else []
        command = [*launcher, sys.executable, str(script), *options, *own, "--json", str(result)]
        found = subprocess.run(command, capture_output=True, text=True, env=environment(cores()))
        if found.returncode != 0 or not result.is_file():
            last = (found.stderr or found.stdout).strip().splitlines()[-1:]
            raise FemsimError(f"{script.name}: {last[0] if last else f'exit code {found.returncode}'}")
        content = json.loads(result.read_text(encoding="utf-8"))
    return {str(key): float(value) for key, value in content["figures"].items()}, dict(content["machine"])


def surroundings() -> dict[str, Any]:
    """Describe the machine and the versions that figures hang on."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": cores(),
        "memory_gib": _memory(),
        "python": platform.python_version(),
        "packages": found,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def compared(first: Path, second: Path) -> list[dict[str, Any]]:
    """Rows of figures that both results have: the two values and their ratio.

    Raises
    ------
    InputError
        A file is no result of ``femsim bench``, or the two are of different suites.
    """
    one, two = _read(first), _read(second)
    if one["suite"] != two["suite"]:
        raise InputError(
            f"{first} is of the suite {one['suite']}, {second} of {two['suite']}; their figures cannot be compared"
        )
    rows = []
    for script, figures in one["figures"].items():
        for name, value in figures.items():
            other = two["figures"].get(script, {}).get(name)
            if other is None:
                continue
            ratio = round(other / value, 3) if value else None
            rows.append({"script": script, "figure": name, "first": value, "second": other, "second/first": ratio})
    return rows


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(content, dict) or content.get("kind") != KIND or content.get("version") != 1:
        raise InputError(f"{path}: this is no result of 'femsim bench'")
    return content
