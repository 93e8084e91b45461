"""A run folder of bricks written by hand for the viewer: two stumps, a plate, four screws, fields that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pipeline_models import bench

from femsim.results import RunFolder, write_json, write_table
from femsim.results.fields import write_fields
from femsim.results.records import opening_record

SIZE = 60.0
"""Length of the construct along x [mm]; the dose rises evenly along it."""
DOSE = 60.0
HORIZON = 300.0
SAID_BY_BRICKS = ("title", "hash", "criteria", "inputs", "screws", "events", "horizon_days")
"""Entries of a record that the bricks have values of their own for."""
LOOSE_DAY = 120.0
HEADS = (7.5, 15.0, 45.0, 52.5)
DEFLECTION = 0.6
"""Displacement at the right end [mm]; it grows evenly along x."""
# The six tetrahedra of a cube around its diagonal, by corner bits xyz.
KUHN = ((0, 1, 3, 7), (0, 3, 2, 7), (0, 2, 6, 7), (0, 6, 4, 7), (0, 4, 5, 7), (0, 5, 1, 7))


def brick(low: tuple[float, ...], high: tuple[float, ...], cells: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) and tetrahedra (m, 4) of a box."""
    axes = [np.linspace(a, b, n + 1) for a, b, n in zip(low, high, cells, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    number = np.arange(len(points)).reshape([n + 1 for n in cells])
    corner = [
        number[i : i + cells[0] or None, j : j + cells[1] or None, k : k + cells[2] or None].ravel()
        for k in (0, 1)
        for j in (0, 1)
        for i in (0, 1)
    ]
    cube = np.stack([c[: np.prod(cells)] for c in corner], axis=1)
    return points, np.concatenate([cube[:, list(tet)] for tet in KUHN])


def bricks() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, tetrahedra and regions of the whole construct."""
    boxes = [
        (1, brick((0, 0, 0), (22, 10, 30), (11, 4, 10))),
        (1, brick((38, 0, 0), (60, 10, 30), (11, 4, 10))),
        (2, brick((4, -3, 6), (56, -1, 11), (26, 1, 3))),
        *((10 + k, brick((x - 1, -3, 7.5), (x + 1, 8, 9.5), (1, 6, 1))) for k, x in enumerate(HEADS)),
    ]
    points, tets, region, start = [], [], [], 0
    for number, (one, corners) in boxes:
        points.append(one)
        tets.append(corners + start)
        region += [number] * len(corners)
        start += len(one)
    return np.concatenate(points), np.concatenate(tets), np.array(region)


def course(day: float, number: int) -> dict[str, float]:
    """State of a screw on a day: its holding force falls evenly, faster for later screws."""
    lost = (0.1 + 0.2 * number) * day / HORIZON
    return {
        "motion_p50_um": 50 * lost,
        "motion_p95_um": 214 * lost,
        "motion_max_um": 230 * lost,
        "holding_n": 1000 * (1 - lost),
        "holding_ratio": 1 - lost,
        "lateral_ratio": 1 - 0.5 * lost,
        "axial_ratio": 1 - lost,
        "bonded": 0.3 + 0.2 * lost,
        "damage": 0.1 * lost,
        "clearance_um": 40 * lost,
        "failed_share": 0.0,
        "torque_ratio": 1.0,
    }


def written_run(runs: Path, title: str = "Bricks", dose: float = DOSE, days: int = 31, **changes: Any) -> RunFolder:
    """A complete run in which the last screw counts as loose on ``LOOSE_DAY``; ``changes`` replace record entries."""
    folder = RunFolder.create(runs, "bricks", "01234567")
    points, tets, region = bricks()
    centre = points[tets].mean(axis=1)
    bone = region == 1
    share = centre[:, 0] / SIZE
    cells = {"region": region, "von_mises": np.where(bone, 5.0, 200 * share), "young": np.where(bone, 13000.0, 1e5)}
    cells |= {"strain_tension": 1e-3 * share, "strain_compression": -5e-4 * share}
    tissue = {"eqd2": dose * share, "vessels": 1 - 0.5 * share, "oxygen": 70 - 20 * share, "cells": 1 - 0.6 * share}
    tissue["young_ratio"] = 1 - 0.4 * share
    (folder / "fields").mkdir()
    bent = np.stack([0 * points[:, 0], 0 * points[:, 0], DEFLECTION * points[:, 0] / SIZE], axis=1)
    for moment, factor in (("surgery", 1.0), ("end", 2.0)):
        known = {key: np.where(bone, values, np.nan) for key, values in tissue.items()} if moment == "surgery" else {}
        loads = {key: factor * cells[key] for key in ("von_mises", "strain_tension", "strain_compression")}
        path = folder / "fields" / f"{moment}.vtu"
        data = {**cells, **loads, **known}
        write_fields(path, points, tets, point_data={"displacement": factor * bent}, cell_data=data)
    names = [f"screw-{k + 1}" for k in range(len(HEADS))]
    table = [
        {"day": day, "cycles": 1600 * day, "bite_factor": 1.0, "screw": name, **course(day, k)}
        for day in np.linspace(0, HORIZON, days)
        for k, name in enumerate(names)
    ]
    write_table(folder / "timeline.csv", table)
    last = len(HEADS) - 1
    record = {
        "kind": "femsim run",
        "format": 1,
        "title": title,
        "hash": "01234567",
        "status": "complete",
        "ending": "horizon",
        "day": HORIZON,
        "horizon_days": HORIZON,
        "criteria": {"motion_um": 150.0, "holding_ratio": 0.5, "lateral_ratio": 0.3, "duration_days": 7.0},
        "inputs": [{"key": "jaw.parametric", "value": "{}", "origin": "scenario"}],
        "operation": {
            "plates": [],
            "screws": [
                {
                    "name": name,
                    "stump": "A" if k < 2 else "B",
                    "head": [x, -3.0, 8.5],
                    "axis": [0.0, 1.0, 0.0],
                    "length_mm": 11.0,
                    "diameter_mm": 2.0,
                }
                for k, (name, x) in enumerate(zip(names, HEADS, strict=True))
            ]
        },
        "screws": [
            {
                "screw": name,
                "stump": "A" if k < 2 else "B",
                "loose": k == last,
                "loose_day": LOOSE_DAY if k == last else None,
                "loose_cycles": 1600 * LOOSE_DAY if k == last else None,
                "criterion": "motion" if k == last else "",
                "eqd2_gy": dose * x / SIZE,
                "length_mm": 11.0,
                "length_in_bone_mm": 8.0,
                "distance_to_cut_mm": 5.0,
                **course(HORIZON, k),
            }
            for k, (name, x) in enumerate(zip(names, HEADS, strict=True))
        ],
        "events": [
            {
                "day": LOOSE_DAY,
                "cycles": 1600 * LOOSE_DAY,
                "kind": "screw loose",
                "subject": names[last],
                "criterion": "motion",
                "text": "it counts as loose",
                "causes": [],
            }
        ],
        **changes,
    }
    write_json(folder / "run.json", record)
    return folder


def reported_run(runs: Path, title: str = "Bricks", **changes: Any) -> RunFolder:
    """The same run with everything in its record that a report says."""
    opening = opening_record(bench("bricks"), "01234567")
    told = {key: value for key, value in opening.items() if key not in SAID_BY_BRICKS}
    return written_run(runs, title, **told | {"reason": "", "timings": {}} | changes)
