"""Whether bone around the screws yields on the day of surgery: principal strains of the full bite against limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from femsim.fem.places import StressPlaces, stress_places
from femsim.fem.stress import principal, strain
from femsim.loosening.chewing import Chewing
from femsim.loosening.criteria import Event
from femsim.pipeline.construct import Construct
from femsim.pipeline.setting import Setting

NEAR = 3.0
"""Bone within this distance [mm] of a screw's interface is looked at: strain decays over about one diameter."""

KINDS = ("tension", "compression")


def strains_at_screws(setting: Setting, built: Construct, chewing: Chewing) -> list[dict[str, Any]]:
    """Largest tension and compression of bone around every screw at the full bite of every task, one row per screw.

    Strains are averaged over the volume in which hardware stresses are: peaks at a thread's edge are singular. Bone
    yields by strain, whatever its modulus, so irradiated bone is judged by the same limits.
    """
    places = _places(setting, built)
    peaks: dict[str, list[tuple[float, float, str]]] = {place.name: [] for place in places}
    for task, (peak, _), load in zip(setting.scenario.loading.chewing, chewing.solved, chewing.loads, strict=True):
        field = built.condensation.displacement(peak.q, peak.forces, load)
        for place in places:
            tensors = strain(built.model.space, field, place.cells).reshape(-1, 6)
            values = principal(place.weights @ tensors)
            peaks[place.name].append((float(values[:, 2].max()), float(-values[:, 0].min()), task.name))
    limits = {kind: setting.parameters[f"materials.yield_strain_{kind}"] for kind in KINDS}
    rows = []
    for name, found in peaks.items():
        row: dict[str, Any] = {"screw": name}
        for kind, strains in zip(KINDS, ([one[0] for one in found], [one[1] for one in found]), strict=True):
            task_name = found[int(np.argmax(strains))][2]
            row |= {kind: max(strains), f"{kind}_limit": limits[kind], f"{kind}_task": task_name}
        rows.append(row)
    return rows


def yield_events(rows: Sequence[dict[str, Any]]) -> list[Event]:
    """Events of day zero for the screws whose bone yields under the full bite force."""
    events = []
    for row in rows:
        for kind in KINDS:
            value, limit = float(row[kind]), float(row[f"{kind}_limit"])
            if value < limit:
                continue
            cause = (
                f"the full bite of task {row[f'{kind}_task']!r} on fresh screws strains the bone around {row['screw']} "
                f"by {value:.2%} in {kind}, beyond its yield strain of {limit:.2%}"
            )
            events.append(
                Event(
                    kind="yield",
                    subject=f"bone at {row['screw']}",
                    day=0.0,
                    onset=0.0,
                    cycles=0.0,
                    criterion=f"strain in {kind}",
                    value=value,
                    threshold=limit,
                    unit="strain",
                    margins={kind: limit / value - 1.0},
                    causes=(cause,),
                )
            )
    return events


def _places(setting: Setting, built: Construct) -> tuple[StressPlaces, ...]:
    """Small volumes of bone near every screw."""
    bone, patches, model = built.model.bone_cells, built.patches, built.model
    centroids = model.mesh.points[model.mesh.tets[bone]].mean(axis=1)
    cells = {}
    for number, name in enumerate(patches.screw_names):
        distance, _ = cKDTree(patches.centre[patches.screw == number]).query(centroids)
        cells[name] = bone[distance < NEAR]
    volume, distance = (setting.parameters[f"loosening.averaging_{key}"] for key in ("volume", "distance"))
    return stress_places(model.space, cells, volume=volume, distance=distance)
