"""Rows of the tables of a run: screws, patches, tissue along the jaw, hardware, time line, parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from femsim.fem.model import StaticModel
from femsim.geometry.operation import Operation
from femsim.interface.law import InterfaceState, LawConstants
from femsim.interface.patches import Patches
from femsim.loosening.criteria import Event
from femsim.loosening.history import SCREW_COLUMNS, History
from femsim.parameters import Parameter
from femsim.tissue import TissueState

STRIP_STEP = 2.0
"""Width [mm] of the slices of jaw over which the tissue strip is averaged."""

INTERFACE_TIMES = 7
"""Times of the interface maps: enough to see where damage starts and where it goes."""

Row = dict[str, Any]


def screw_rows(
    operation: Operation, patches: Patches, eqd2: np.ndarray, history: History, events: Sequence[Event]
) -> list[Row]:
    """One row per screw: what became of it, its state at the end, and its place.

    Parameters
    ----------
    eqd2 : ndarray, shape (p,)
        Dose of every patch [Gy].
    """
    loose = {event.subject: event for event in events if event.kind == "screw loose"}
    dose = patches.per_screw(patches.area * eqd2) / patches.per_screw(patches.area)
    rows = []
    for number, screw in enumerate(operation.screws):
        event = loose.get(screw.name)
        rows.append(
            {
                "screw": screw.name,
                "stump": screw.stump,
                "loose": event is not None,
                "loose_day": event.day if event else None,
                "onset_day": event.onset if event else None,
                "loose_cycles": event.cycles if event else None,
                "criterion": event.criterion if event else "",
                **{name: float(history.screw(name)[-1, number]) for name in SCREW_COLUMNS},
                "eqd2_gy": float(dose[number]),
                "diameter_mm": screw.diameter,
                "length_mm": screw.length,
                "length_in_bone_mm": screw.length_in_bone,
                "distance_to_cut_mm": screw.distance_to_cut,
            }
        )
    return rows


def timeline_rows(history: History, names: Sequence[str], cycles_per_day: float) -> list[Row]:
    """One row per accepted step and screw."""
    factors = dict(zip(history.steps["day"], history.steps["factor"], strict=True))
    return [
        {
            "day": row["day"],
            "cycles": float(row["day"]) * cycles_per_day,
            "bite_factor": factors[float(row["day"])],
            **{key: value for key, value in row.items() if key != "day"},
        }
        for row in history.rows(names)
    ]


def patch_rows(
    patches: Patches, state: InterfaceState, failed_day: np.ndarray, eqd2: np.ndarray, constants: LawConstants
) -> list[Row]:
    """One row per interface patch at the end; ``thread_hold`` is its axial thread capacity over that at insertion."""
    contact = np.minimum(state.bonded / constants.initial_bond, 1.0)
    hold = (1 - state.damage) * np.exp(-state.clearance / constants.clearance_length) * contact
    return [
        {
            "patch": p,
            "screw": patches.screw_names[patches.screw[p]],
            "ring": int(patches.ring[p]),
            "sector": int(patches.sector[p]),
            "depth_mm": float(patches.depth[p]),
            "area_mm2": float(patches.area[p]),
            "eqd2_gy": float(eqd2[p]),
            "bonded": float(state.bonded[p]),
            "damage": float(state.damage[p]),
            "clearance_um": 1000 * float(state.clearance[p]),
            "thread_hold": float(hold[p]),
            "failed_day": float(failed_day[p]),
        }
        for p in range(len(patches))
    ]


def interface_rows(patches: Patches, history: History) -> list[Row]:
    """State, motion and stress of every patch at a few times from surgery to the end: interface maps over time."""
    days = np.array(history.snapshot_days)
    wanted = np.linspace(days[0], days[-1], INTERFACE_TIMES)
    chosen = sorted({int(np.argmin(np.abs(days - day))) for day in wanted})
    return [
        {
            "day": float(days[k]),
            "screw": patches.screw_names[patches.screw[p]],
            "ring": int(patches.ring[p]),
            "sector": int(patches.sector[p]),
            "bonded": float(values[0]),
            "damage": float(values[1]),
            "clearance_um": 1000 * float(values[2]),
            "motion_um": 1000 * float(values[3]),
            "stress_mpa": float(values[4]),
        }
        for k in chosen
        for p, values in enumerate(history.snapshots[k].T)
    ]


def tissue_rows(operation: Operation, model: StaticModel, eqd2: np.ndarray, state: TissueState) -> list[Row]:
    """Tissue on the day of surgery, averaged over slices of bone along the jaw.

    Parameters
    ----------
    eqd2 : ndarray, shape (b * q,)
        Dose at the quadrature points of the bone cells [Gy].
    state : TissueState
        At the same points.
    """
    cells = model.bone_cells
    points = model.space.quadrature_points()[cells].reshape(-1, 3)
    weight = model.space.quadrature_volumes()[cells].ravel()
    place = along_jaw(operation, points)
    slot = np.floor(place / STRIP_STEP).astype(int)
    first = int(slot.min())
    count = int(slot.max()) - first + 1
    volume = np.bincount(slot - first, weights=weight, minlength=count)
    columns = {
        "eqd2_gy": eqd2,
        "vessels": state.V,
        "oxygen_mmhg": state.p,
        "osteocytes": state.N,
        "cells": state.C,
        "activity": state.Phi,
        "young_cortical": state.E_cortical,
        "young_cancellous": state.E_trabecular,
        "strength_cortical": state.strength_cortical,
        "toughness": state.Q,
    }
    with np.errstate(invalid="ignore"):
        means = {
            name: np.bincount(slot - first, weights=weight * values, minlength=count) / volume
            for name, values in columns.items()
        }
    return [
        {"s_mm": (first + k + 0.5) * STRIP_STEP, **{name: float(values[k]) for name, values in means.items()}}
        for k in range(count)
    ]


def along_jaw(operation: Operation, points: np.ndarray) -> np.ndarray:
    """Position along the arch (n,) [mm], left positive; along x where there is no arch."""
    return points[:, 0] if operation.arch is None else operation.arch.locate(points)[0]


def parameter_rows(parameters: Iterable[Parameter]) -> list[Row]:
    """Every constant with its evidence."""
    return [
        {
            "name": entry.name,
            "symbol": entry.symbol,
            "value": list(entry.value) if isinstance(entry.value, tuple) else entry.value,
            "unit": entry.unit,
            "range": list(entry.range) if entry.range else None,
            "source": list(entry.source),
            "mark": entry.mark,
            "remark": entry.remark,
            "origin": entry.origin,
        }
        for entry in parameters
    ]


def event_rows(events: Sequence[Event]) -> list[Row]:
    """Events with a sentence for people."""
    return [{**event.record(), "text": _sentence(event)} for event in events]


def _sentence(event: Event) -> str:
    words = {
        "screw loose": f"{event.subject} counts as loose ({event.criterion})",
        "stump lost": f"the stump {event.subject} is lost: too few of its screws hold",
        "part broken": f"{event.subject} breaks: its fatigue life is used up",
        "yield": f"{event.subject} yields under the full bite force",
        "support lost": f"the screws no longer carry the load of {event.subject}",
    }
    return words[event.kind]
