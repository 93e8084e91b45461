"""Tables of a run about dose: dose-volume numbers and histograms of the bone that stays, and tissue over the years."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from femsim.geometry.operation import Operation
from femsim.geometry.resection import GATE_MARGIN
from femsim.results.rows import Row, along_jaw
from femsim.tissue import TissueTable, bonded_history
from femsim.tissue.dose_volume import dose_volume_table, volume_above
from femsim.tissue.timecourse import tissue_courses

WHOLE = "whole jaw"
HEALTHY = "healthy bone"
SAME_DOSE = 1.0
"""Gy; courses of doses nearer to each other lie on one line."""
HISTOGRAM_STEP = 0.5
"""Dose step [Gy] of the stored histogram."""
COURSE_STEPS = 60
"""Days of a time course before and, from each of its two parts, after surgery."""
HEALING_DAYS = 180.0
"""After surgery the first days are dense: contact of a screw dips and recovers within this time."""
DAY_BEFORE = 1.0
"""Hyperbaric oxygen steps vessels up on the day of surgery; the row of the day before shows the step."""


def bone_regions(operation: Operation, points: np.ndarray) -> dict[str, np.ndarray]:
    """Whether points (n, 3) in bone lie in the whole jaw that stays and in each of its pieces, by name.

    A specimen without a resection has the whole only. A graft of this operation is not jaw.
    """
    jaw = np.ones(len(points), dtype=bool) if operation.graft is None else ~operation.graft.contains(points)
    regions = {WHOLE: jaw}
    if operation.resection is None:
        return regions
    place = along_jaw(operation, points)
    passed = np.zeros(len(points), dtype=int)
    for segment in operation.resection.segments:
        low, high = segment.span
        beyond = place > 0.5 * (low + high)
        # Beside an oblique cut the plane tells the sides apart; far away it has crossed the other half of the jaw.
        near = (place > low - GATE_MARGIN) & (place < high + GATE_MARGIN)
        beyond[near] = segment.cuts[1].depth(points[near]) < segment.cuts[0].depth(points[near])
        passed += beyond
    for number, piece in enumerate(operation.resection.pieces):
        kind = "stump" if number in (0, len(operation.resection.segments)) else "piece"
        regions[f"{piece.name} {kind}"] = jaw & (passed == number)
    return regions


def dose_volume_rows(
    regions: Mapping[str, np.ndarray], doses: Mapping[str, np.ndarray], volumes: np.ndarray
) -> list[Row]:
    """One row per region and kind of dose: Dmean, Dmax, D30, V50, V60.

    Parameters
    ----------
    regions : mapping of str to ndarray of bool, (n,)
        See :func:`bone_regions`.
    doses : mapping of str to ndarray, (n,)
        ``physical`` and ``EQD2``, Gy.
    volumes : ndarray, (n,)
        Of bone around each point, mm3.
    """
    rows: list[Row] = []
    for region, inside in regions.items():
        for kind, dose in doses.items():
            found = dose_volume_table(dose[inside], volumes[inside])
            row: Row = {"region": region, "dose": kind, "volume_mm3": found.volume}
            units = {"Gy": "gy", "%": "percent"}
            row |= {f"{name.lower()}_{units[unit]}": value for name, value, unit in found.rows()}
            rows.append(row)
    return rows


def histogram_rows(
    regions: Mapping[str, np.ndarray], doses: Mapping[str, np.ndarray], volumes: np.ndarray
) -> list[Row]:
    """Cumulative dose-volume histograms, long form: region, kind of dose, dose [Gy], percent of the volume above it."""
    rows: list[Row] = []
    for kind, dose in doses.items():
        levels = np.arange(0.0, dose.max() + 2 * HISTOGRAM_STEP, HISTOGRAM_STEP)
        for region, inside in regions.items():
            shares = volume_above(dose[inside], volumes[inside], levels)
            rows += [
                {"region": region, "dose": kind, "dose_gy": float(level), "volume_percent": float(share)}
                for level, share in zip(levels, shares, strict=True)
            ]
    return rows


def course_rows(places: Mapping[str, float], table: TissueTable) -> list[Row]:
    """Tissue from the end of radiotherapy to the horizon at named places, and the contact of a screw put in at surgery.

    Parameters
    ----------
    places : mapping of str to float
        Name of a place to its EQD2 [Gy].
    table : TissueTable
        Gives constants, laws, day of surgery, hyperbaric oxygen and horizon.

    Returns
    -------
    list of dict
        ``day`` counts from surgery and is negative before it; the last place is :data:`HEALTHY`. ``bonded`` is that of
        a screw that nothing moves, empty before surgery: the screws of a run are moved, see ``timeline.csv``.
    """
    named = {**places, HEALTHY: 0.0}
    dose = np.array(list(named.values()))
    spans = (min(HEALING_DAYS, table.horizon), table.horizon)
    after = np.unique([np.linspace(0.0, span, COURSE_STEPS + 1) for span in spans])
    before = np.linspace(0.0, table.surgery_day, COURSE_STEPS, endpoint=False) - table.surgery_day
    eve = np.full(int(table.surgery_day > DAY_BEFORE), -DAY_BEFORE)
    days = np.unique(np.concatenate([before, eve, after]))
    since = np.maximum(table.surgery_day + days, 0.0)
    state = tissue_courses(dose, since, table.constants, hyperbaric=table.hyperbaric, laws=table.laws)
    bone = table.histories(dose)
    bonded = bonded_history(after, lambda day: bone.at(day).Phi, table.constants)
    columns = {
        "vessels": state.V,
        "osteocytes": state.N,
        "oxygen_mmhg": state.p,
        "cells": state.C,
        "activity": state.Phi,
        "young_cortical": state.E_cortical,
        "young_cancellous": state.E_trabecular,
        "toughness": state.Q,
        "strength_cortical": state.strength_cortical,
    }
    first = len(days) - len(after)
    rows: list[Row] = []
    for number, (place, gray) in enumerate(named.items()):
        for k, day in enumerate(days):
            row: Row = {"place": place, "eqd2_gy": gray, "day": float(day)}
            row |= {name: float(values[k, number]) for name, values in columns.items()}
            row["bonded"] = float(bonded[k - first, number]) if k >= first else None
            rows.append(row)
    return rows


def course_places(eqd2: Mapping[str, float]) -> dict[str, float]:
    """Places for time courses: the most irradiated screw, and the least of those that differ from it and from healthy.

    Parameters
    ----------
    eqd2 : mapping of str to float
        Screw to the dose of the bone around it [Gy].
    """
    most = max(eqd2, key=lambda name: eqd2[name])
    others = [name for name, dose in eqd2.items() if SAME_DOSE < dose < eqd2[most] - SAME_DOSE]
    return {name: eqd2[name] for name in (most, *sorted(others, key=lambda name: eqd2[name])[:1])}
