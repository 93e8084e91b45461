"""Meshing: time and quality of the standard jaw with eight screws, and random operations that must all succeed.

The jaw is the real mandible given with --jaw (or found beside the project), the parametric one otherwise; what was
meshed is printed. ``--random N`` draws N operations with fixed seeds (see random_operations.py), writes one JSON line
for each and tabulates them; started again with the same lines it skips what is finished. ``--table`` only prints.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from random_operations import DRAWS_VERSION, random_operation

from femsim.durable import append_line
from femsim.errors import FemsimError
from femsim.geometry.bench_block import bench_block
from femsim.geometry.jaw import Jaw, jaw_from_surface, parametric_jaw
from femsim.geometry.operation import Operation, plan_operation
from femsim.geometry.plan import SegmentPlan
from femsim.mesh import Sizing, build_mesh
from femsim.mesh.cache import ROUTE_VERSION
from femsim.parameters import load_parameters

REAL_JAW = Path(__file__).resolve().parents[2] / "shared" / "data" / "mandible_real.obj"
LINES = Path(__file__).resolve().parent / "results" / "mesh_random.jsonl"
# What lines must share to belong to one table.
SAME = ("draws", "route", "preset", "real_jaw")


def standard_operation(jaw: Jaw) -> Operation:
    """Left body defect, 2.5 mm plate, 4 + 4 locking screws."""
    return plan_operation(jaw, load_parameters(), segments=[SegmentPlan(teeth=(33, 37))])


def measured(operation: Operation, sizing: Sizing) -> dict[str, Any]:
    """Mesh once; seconds and quality, or the reason of the failure."""
    start, used = time.perf_counter(), _processor_seconds()
    try:
        mesh = build_mesh(operation, sizing)
    except FemsimError as error:
        failed = {"failure": str(error)}
        return {"seconds": time.perf_counter() - start, "processor_seconds": _processor_seconds() - used, **failed}
    quality = mesh.quality
    return {
        "seconds": time.perf_counter() - start,
        "processor_seconds": _processor_seconds() - used,
        "tries": quality["tries"],
        "tets": quality["tets"],
        "scaled_jacobian": quality["scaled_jacobian"],
        "min_scaled_jacobian": quality["scaled_jacobian"]["min"],
        "interface_area_error": abs(quality["interface_area_error"]),
        "worst_screw_area_error": max(abs(row["interface_area_error"]) for row in quality["screws"]),
        "screw_volume_error": max(abs(row["volume_error"]) for row in quality["screws"]),
        "plate_volume_error": abs(quality["plate_volume_error"]),
        "plate_layers": quality["plate_layers"],
    }


def _processor_seconds() -> float:
    """Of this process and of its finished children; other work on the machine does not count."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


HEADER = "     s  cpu s tries    tets min SJ   area  screw volume  plate layers"


def _numbers(result: dict[str, Any]) -> str:
    times = f"{result['seconds']:6.1f} {result['processor_seconds']:6.1f}"
    if "failure" in result:
        return f"{times} FAILED: {result['failure']}"
    errors = ("interface_area_error", "worst_screw_area_error", "screw_volume_error", "plate_volume_error")
    shares = " ".join(f"{100 * result[name]:5.2f}%" for name in errors)
    counts = f"{result['tries']:5d} {result['tets']:7d} {result['min_scaled_jacobian']:6.3f}"
    return f"{times} {counts} {shares} {result['plate_layers']:6.2f}"


def run_random(count: int, jaw: Path, preset: str, lines: Path, processes: int) -> None:
    """Mesh the operations that have no line yet; one line each, written as soon as it is known."""
    head = _head(_real_jaw(jaw), preset)
    done = {line["seed"] for line in read_lines(lines, head)}
    lines.parent.mkdir(parents=True, exist_ok=True)
    missing = [seed for seed in range(count) if seed not in done]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for line in pool.map(partial(_one, jaw=jaw, preset=preset), missing):
            append_line(lines, line | head)
            print(f"{line['seed']:3d} {_numbers(line['result'])}", flush=True)


def _one(seed: int, *, jaw: Path, preset: str) -> dict[str, Any]:
    """Draw and mesh one operation on one thread, so that times do not depend on what runs beside; its line."""
    drawn = random_operation(seed, _real_jaw(jaw))
    return {
        "seed": seed,
        "choices": drawn.choices,
        "screws": len(drawn.operation.screws),
        "refused": drawn.refused,
        "result": measured(drawn.operation, Sizing.preset(preset, threads=1)),
    }


@cache
def _real_jaw(path: Path) -> Jaw | None:
    return jaw_from_surface(path) if path.is_file() else None


def _head(real: Jaw | None, preset: str) -> dict[str, Any]:
    values = (DRAWS_VERSION, ROUTE_VERSION, preset, None if real is None else real.name)
    return dict(zip(SAME, values, strict=True))


def read_lines(path: Path, head: dict[str, Any]) -> list[dict[str, Any]]:
    """Lines of one table, by seed; a line cut off by a kill is left out and made again."""
    found: dict[int, dict[str, Any]] = {}
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if all(line.get(name) == value for name, value in head.items()):
            found[line["seed"]] = line
    return [found[seed] for seed in sorted(found)]


def print_table(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Print the operations, what the planner refused, and the worst of everything; returns the figures."""
    print(f"\n{'seed':>4} {'operation':<92} {HEADER}")
    for row in rows:
        print(f"{row['seed']:4d} {_words(row):<92} {_numbers(row['result'])}")
    refused = [one for row in rows for one in row["refused"]]
    print(f"\ndrawn again because the planner refused: {len(refused)} of {len(refused) + len(rows)} draws")
    for reason, times in Counter(one["reason"] for one in refused).most_common():
        print(f"  {times} x {reason}")
    results = [row["result"] for row in rows]
    good = [result for result in results if "failure" not in result]
    figures = {
        "mesh_random_successes": float(len(good)),
        "mesh_random_count": float(len(rows)),
        "mesh_random_refused_draws": float(len(refused)),
        "mesh_random_second_tries": float(sum(result["tries"] > 1 for result in good)),
        "mesh_random_worst_seconds": max((result["seconds"] for result in results), default=0.0),
        "mesh_random_worst_processor_seconds": max((result["processor_seconds"] for result in results), default=0.0),
        "mesh_random_worst_scaled_jacobian": min((r["min_scaled_jacobian"] for r in good), default=0.0),
    }
    for name in ("interface_area_error", "worst_screw_area_error", "screw_volume_error", "plate_volume_error"):
        figures[f"mesh_random_{name}"] = max((r[name] for r in good), default=1.0)
    print(f"\n{len(good)} of {len(rows)} meshed")
    print("scaled Jacobian of all elements: " + _distribution(good))
    for name, value in figures.items():
        print(f"{name:<42} {value:.4g}")
    return figures


def _words(row: dict[str, Any]) -> str:
    one = row["choices"]
    extra = [name for name, there in (("second plate", one["second_plate"]), ("fibula", one["graft"])) if there]
    words = (one["jaw"], one["side"], one["defect"], one["plate"], f"{row['screws']} x {one['screws']}", one["length"])
    return ", ".join([*words, f"{one['standoff']:g} mm", *extra])


def _distribution(results: list[dict[str, Any]]) -> str:
    total: Counter[str] = Counter()
    for result in results:
        total.update(result["scaled_jacobian"]["histogram"])
    count = max(sum(total.values()), 1)
    return ", ".join(f"{name}: {100 * number / count:.3g} %" for name, number in total.items())


def _standard(quick: bool, real: Jaw | None, sizing: Sizing) -> dict[str, float]:
    if quick:
        name, operation = "bench block, 2 + 2 screws", bench_block(load_parameters())
    elif real is not None:
        name, operation = "real jaw, left body defect, 4 + 4 screws", standard_operation(real)
    else:
        name, operation = "parametric jaw, left body defect, 4 + 4 screws", standard_operation(parametric_jaw())
    result = measured(operation, sizing)
    print(f"{'mesh':<48} {HEADER}\n{name:<48} {_numbers(result)}", flush=True)
    if "failure" in result:
        raise SystemExit(1)
    # Only the real jaw may carry the name that the budget is stated for.
    seconds = "mesh_seconds" if quick or real is None else "mesh_real_jaw_seconds"
    return {
        seconds: result["seconds"],
        "mesh_min_scaled_jacobian": result["min_scaled_jacobian"],
        "mesh_interface_area_error": result["interface_area_error"],
        "mesh_tets": float(result["tets"]),
    }


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="bench block and preview sizing instead of the jaw")
    parser.add_argument("--jaw", type=Path, default=REAL_JAW, help="closed surface of a real jaw")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="mesh N random operations instead")
    parser.add_argument("--processes", type=int, default=1, help="random operations at a time, one thread each")
    parser.add_argument("--preset", default="standard", help="sizing preset")
    parser.add_argument("--lines", type=Path, default=LINES, help="JSON lines of the random operations")
    parser.add_argument("--table", action="store_true", help="only print the table of the lines")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    preset = "preview" if arguments.quick else arguments.preset
    real = _real_jaw(arguments.jaw)
    if arguments.random and not arguments.table:
        run_random(arguments.random, arguments.jaw, preset, arguments.lines, arguments.processes)
    if arguments.random or arguments.table:
        figures = print_table(read_lines(arguments.lines, _head(real, preset)))
    else:
        figures = _standard(arguments.quick, real, Sizing.preset(preset))
    if arguments.json:
        machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
        arguments.json.write_text(json.dumps({"machine": machine, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
