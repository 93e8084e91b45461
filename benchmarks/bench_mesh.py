"""Meshing: time and quality of the standard jaw with eight screws, and random operations that must all succeed.

The jaw is the real mandible given with --jaw (or found beside the project), the parametric one otherwise; what was
meshed is printed. ``--random N`` draws N operations with fixed seeds and tabulates each: jaw, defect, plate, screws,
standoff, time, counts, worst quality.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from femsim.errors import GeometryError, MeshError
from femsim.geometry.bench_block import bench_block
from femsim.geometry.jaw import Jaw, jaw_from_surface, parametric_jaw
from femsim.geometry.operation import Operation, plan_operation
from femsim.geometry.plan import PlatePlan, ScrewPlan, SegmentPlan
from femsim.geometry.shape import MandibleShape
from femsim.mesh import Sizing, build_mesh
from femsim.parameters import load_parameters

REAL_JAW = Path(__file__).resolve().parents[2] / "shared" / "data" / "mandible_real.obj"
# Defects from small to hemimandibular, FDI numbers.
DEFECTS = [(33, 37), (34, 36), (43, 46), (31, 35), (42, 32), (45, 47), (33, 43), (36, 37)]
PLATES = ["low-profile-2.0", "reconstruction-2.5", "reconstruction-3.0", "patient-specific-2.5"]
SCREWS = ["locking-2.4", "locking-2.7"]
# A draw that cannot be planned is drawn again, so often at most: the planner's refusals are not the mesher's.
DRAWS = 30


def standard_operation(jaw: Jaw) -> Operation:
    """Left body defect, 2.5 mm plate, 4 + 4 locking screws."""
    return plan_operation(jaw, load_parameters(), segments=[SegmentPlan(teeth=(33, 37))])


def random_operation(seed: int, real: Jaw | None) -> tuple[Operation, dict[str, Any]]:
    """Draw a jaw, defect, plate, screws and standoff."""
    rng = np.random.default_rng(seed)
    parameters = load_parameters()
    for _ in range(DRAWS):
        jaw = real if real is not None and rng.random() < 0.5 else _random_jaw(rng)
        first, last = DEFECTS[rng.integers(len(DEFECTS))]
        drawn: dict[str, Any] = {
            "from": first,
            "to": last,
            "plate": str(rng.choice(PLATES)),
            "screws": str(rng.choice(SCREWS)),
            "per_stump": int(rng.integers(3, 5)),
            "standoff": float(np.round(rng.uniform(0.3, 1.5), 2)),
            "length": str(rng.choice(["bicortical", "monocortical"])),
        }
        plate = PlatePlan(
            preset=drawn["plate"],
            per_stump=drawn["per_stump"],
            standoff=drawn["standoff"],
            screws=ScrewPlan(preset=drawn["screws"], length=drawn["length"]),
        )
        try:
            segments = [SegmentPlan(teeth=(first, last))]
            return plan_operation(jaw, parameters, segments=segments, plates=[plate]), {"jaw": jaw.name, **drawn}
        except GeometryError:
            continue
    raise SystemExit(f"seed {seed}: no operation could be planned in {DRAWS} draws")


def _random_jaw(rng: np.random.Generator) -> Jaw:
    shape = MandibleShape.default()
    names = [f.name for f in fields(shape) if f.name in ("bicondylar_width", "bigonial_width", "ramus_height")]
    return parametric_jaw(replace(shape, **{n: getattr(shape, n) * rng.uniform(0.97, 1.03) for n in names}))


def measured(operation: Operation, sizing: Sizing) -> dict[str, Any]:
    """Mesh once; seconds and quality, or the reason of the failure."""
    start = time.perf_counter()
    try:
        mesh = build_mesh(operation, sizing)
    except MeshError as error:
        return {"seconds": time.perf_counter() - start, "failure": str(error)}
    quality = mesh.quality
    return {
        "seconds": time.perf_counter() - start,
        "tets": quality["tets"],
        "min_scaled_jacobian": quality["scaled_jacobian"]["min"],
        "interface_area_error": max(abs(row["interface_area_error"]) for row in quality["screws"]),
        "screw_volume_error": max(abs(row["volume_error"]) for row in quality["screws"]),
        "plate_volume_error": abs(quality["plate_volume_error"]),
    }


def _row(name: str, result: dict[str, Any]) -> str:
    if "failure" in result:
        return f"{name:<78} {result['seconds']:7.1f}  FAILED: {result['failure']}"
    numbers = [result[k] for k in ("min_scaled_jacobian", "interface_area_error", "screw_volume_error")]
    return f"{name:<78} {result['seconds']:7.1f} {result['tets']:8d} " + " ".join(f"{x:8.4f}" for x in numbers)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="bench block and preview sizing instead of the jaw")
    parser.add_argument("--jaw", type=Path, default=REAL_JAW, help="closed surface of a real jaw")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="also mesh N random operations")
    parser.add_argument("--preset", default="standard", help="sizing preset")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    sizing = Sizing.preset("preview" if arguments.quick else arguments.preset)
    real = jaw_from_surface(arguments.jaw) if arguments.jaw.is_file() else None

    print(f"{'mesh':<78} {'seconds':>7} {'tets':>8} {'min SJ':>8} {'area':>8} {'volume':>8}")
    if arguments.quick:
        name, operation = "bench block, 2 + 2 screws", bench_block(load_parameters())
    elif real is not None:
        name, operation = "real jaw, left body defect, 4 + 4 screws", standard_operation(real)
    else:
        name, operation = "parametric jaw, left body defect, 4 + 4 screws", standard_operation(parametric_jaw())
    result = measured(operation, sizing)
    print(_row(name, result), flush=True)
    if "failure" in result:
        raise SystemExit(1)
    figures = {
        "mesh_real_jaw_seconds": result["seconds"],
        "mesh_min_scaled_jacobian": result["min_scaled_jacobian"],
        "mesh_interface_area_error": result["interface_area_error"],
        "mesh_tets": float(result["tets"]),
    }
    if arguments.quick or real is None:
        # Only the real jaw may carry the name that the budget is stated for.
        figures["mesh_seconds"] = figures.pop("mesh_real_jaw_seconds")
    if arguments.random:
        figures |= _random_table(arguments.random, real, sizing)
    if arguments.json:
        machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
        arguments.json.write_text(json.dumps({"machine": machine, "figures": figures}, indent=2) + "\n")


def _random_table(count: int, real: Jaw | None, sizing: Sizing) -> dict[str, float]:
    results = []
    for seed in range(count):
        operation, drawn = random_operation(seed, real)
        results.append(measured(operation, sizing))
        print(_row(f"{seed:2d} " + " ".join(str(value) for value in drawn.values()), results[-1]), flush=True)
    good = [result for result in results if "failure" not in result]
    print(f"{len(good)} of {count} meshed")
    return {
        "mesh_random_successes": float(len(good)),
        "mesh_random_count": float(count),
        "mesh_random_worst_seconds": max(result["seconds"] for result in results),
        "mesh_random_worst_scaled_jacobian": min((r["min_scaled_jacobian"] for r in good), default=0.0),
        "mesh_random_worst_area_error": max((r["interface_area_error"] for r in good), default=1.0),
    }


if __name__ == "__main__":
    main()
