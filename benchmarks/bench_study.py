"""Study: samples per hour on one shared operator, two workers against one, factorisations.

A thousand samples of interface, tissue and damage constants on the standard left body defect (3 + 3 screws, 60 Gy a
year before), two years of chewing each at the tolerances of studies, on the jaw given with ``--jaw`` or the parametric
one. Mesh and operator are made in the run. The folder is kept: the same command again continues a run that was killed.
``--quick`` takes the bench block, 40 samples and two weeks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from femsim.errors import InputError
from femsim.study.command import Where, run_study
from femsim.study.finish import duration
from femsim.study.folder import StudyFolder

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
TISSUE = (
    "D50",
    "tauV",
    "krep",
    "sC",
    "chi",
    "x",
    "u50",
    "nu",
    "Bi",
    "aC",
    "aT",
    "aQ",
    "kf",
    "tlag",
    "quality_exponent",
)
INTERFACE = (
    "bearing_stiffness",
    "circumferential_ratio",
    "bond_stiffness",
    "bond_strength",
    "shear_strength",
    "friction",
)
LOOSENING = ("life_exponent", "contact_floor", "repair", "resorption_motion_exponent", "resorption_stress")
SAMPLED = (
    *(f"tissue.{key}" for key in TISSUE),
    *(f"interface.{key}" for key in INTERFACE),
    *(f"loosening.{key}" for key in LOOSENING),
)
PAIRED = 40
"""Samples run by one worker and again by two; too few to be exact, enough that the last one to end does not matter."""


def scenario(jaw: Path | None, quick: bool) -> dict[str, Any]:
    """Base of the study."""
    name = "bench-block.yaml" if quick else "60gy-12-months.yaml"
    values = YAML(typ="safe").load((SCENARIOS / name).read_text(encoding="utf-8"))
    if quick:
        values["loading"]["tasks"][0]["force"] = "40 N"
        values["mesh"] = {"preset": "preview"}
    elif jaw is not None:
        values["jaw"] = {"surface": str(jaw.resolve())}
    values["simulate"] = {"years": 0.04 if quick else 2, "criteria": "default"}
    return dict(values)


def study_file(folder: Path, name: str, base: dict[str, Any], samples: int, accuracy: str) -> Path:
    """Write base and study into a folder; the same content gives the same study."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "study": 1,
        "title": "Samples of interface, tissue and damage constants on one operator",
        "base": "base.yaml",
        "sample": dict.fromkeys(SAMPLED, "card"),
        "sampling": {"method": "latin-hypercube", "samples": samples, "seed": 20261125, "holds_at_rest": True},
        "operator": "nominal",
        "operator_checks": 0,
        "accuracy": accuracy,
    }
    yaml = YAML(typ="safe", pure=True)
    for path, values in ((folder / "base.yaml", base), (folder / f"{name}.yaml", content)):
        with path.open("w", encoding="utf-8") as stream:
            yaml.dump(values, stream)
    return folder / f"{name}.yaml"


class Told:
    """Prints how far a study is, twice a minute."""

    def __init__(self) -> None:
        self.start = self.last = time.perf_counter()

    def __call__(self, finished: int, total: int, failed: int) -> None:
        now = time.perf_counter()
        if now - self.last > 30.0:
            self.last = now
            print(f"  {finished} of {total} points, {failed} failed, after {duration(now - self.start)}", flush=True)


def measured(file: Path, runs: Path, workers: int) -> tuple[float | None, StudyFolder, int]:
    """Run or continue a study: wall seconds (None where an earlier call did a part), folder, factorisations."""
    start, found = time.perf_counter(), []
    resume = any(runs.glob(f"{file.stem}-*/manifest.sqlite"))
    finished = run_study(file, Where(workers), runs, resume, Told(), found.append)
    seconds = None if resume else time.perf_counter() - start
    return seconds, StudyFolder(found[0]), finished.factorisations


def per_sample(folder: StudyFolder) -> dict[str, float]:
    """Mean seconds and processor seconds of the points that were done; the second hardly hang on what else runs."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in folder.path.glob("points/*/record.json")]
    done = [record for record in records if record["status"] == "done"]
    if not done:
        raise InputError(f"{folder.path}: no point of the study was done; its table says why")
    return {
        f"{name}_per_sample": sum(one[name] for one in done) / len(done) for name in ("seconds", "processor_seconds")
    }


def throughput(folder: Path, base: dict[str, Any], arguments: argparse.Namespace, samples: int) -> dict[str, float]:
    """All samples, with mesh and operator, on the wall clock."""
    file = study_file(folder, f"samples-{samples}", base, samples, arguments.accuracy)
    wall, made, factorisations = measured(file, folder, arguments.workers)
    figures = {
        "factorisations": float(factorisations),
        **per_sample(made),
        "failed": float(made.manifest.counts().get("failed", 0)),
    }
    if wall is None:
        print("continued from an earlier call: samples_per_hour is left out, the others count all points")
        return figures
    print(f"{'all in, ' + str(arguments.workers) + ' workers':<50}{wall / 60.0:10.1f} min")
    return {"samples_per_hour": 3600.0 * samples / wall, **figures}


def pair(folder: Path, base: dict[str, Any], samples: int, accuracy: str) -> dict[str, float]:
    """Two workers against one on the same samples, with their start; mesh and operator come from the cache for both."""
    seconds = []
    for workers in (1, 2):
        file = study_file(folder, f"workers-{workers}-{time.time_ns()}", base, samples, accuracy)
        wall, _, factorisations = measured(file, folder, workers)
        if factorisations or wall is None:
            raise InputError("the operator was not in the cache, so that workers cannot be compared; run this again")
        seconds.append(wall)
    return {"workers_two_vs_one": seconds[0] / seconds[1], "one_worker_seconds": seconds[0]}


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="bench block, 40 samples, two weeks")
    parser.add_argument("--jaw", type=Path, help="closed surface of a real jaw; the parametric jaw by default")
    parser.add_argument("--samples", type=int, help="1000 by default")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--accuracy", choices=("run", "study", "coarse"), default="study", help="tolerances")
    parser.add_argument("--folder", type=Path, default=Path("runs") / "bench-study", help="kept, to continue a run")
    parser.add_argument("--skip-pair", action="store_true", help="leave out two workers against one")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    samples = arguments.samples or (PAIRED if arguments.quick else 1000)
    folder = (arguments.folder / ("quick" if arguments.quick else "standard")).resolve()
    # A cache of its own: mesh and operator are made and counted here, whatever this machine has made before.
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    base = scenario(arguments.jaw, arguments.quick)
    name = "bench block" if arguments.quick else "parametric jaw" if arguments.jaw is None else arguments.jaw.name
    years = base["simulate"]["years"]
    print(
        f"{name}: {samples} samples of {len(SAMPLED)} constants, {years:g} years each, accuracy {arguments.accuracy}",
        flush=True,
    )
    figures = throughput(folder, base, arguments, samples)
    if not arguments.skip_pair:
        figures |= pair(folder, base, min(PAIRED, samples), arguments.accuracy)
    for key, value in figures.items():
        print(f"{key:<50}{value:10.2f}")
    if arguments.json:
        machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
        arguments.json.write_text(json.dumps({"machine": machine, "jaw": name, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
