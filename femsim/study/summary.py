"""What a study says: survival of every design, comparisons on the same patients, drivers; ``summary.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from femsim.durable import write_json
from femsim.errors import InputError
from femsim.study import ends
from femsim.study.drivers import drivers_of
from femsim.study.ends import FRACTURES, LOOSENING, STUMP_LOST, Ends, first_ends
from femsim.study.outcomes import StudyTable, read_outcomes
from femsim.study.paired import Outlasting, outlasting
from femsim.study.record import OPERATOR_CHECK, StudyRecord, read_record
from femsim.study.survival import CENSORED, Curve, cumulative_incidence, hazard_ratio, kaplan_meier, logrank

FILE = "summary.json"
KIND = "femsim-study"
VERSION = 1
FRACTURE_NAMES = {ends.PLATE_FRACTURE: "plate_fracture", ends.SCREW_FRACTURE: "screw_fracture"}
FIRST_LOOSENING = "first-loosening"
"""Setting with which points end with their first loose screw."""
MOST_COMPARED = 8
"""Designs of which all pairs are compared; with more, each is compared with the first one."""


def write_summary(folder: Path) -> dict[str, Any]:
    """Analyse the table of a study folder and write ``summary.json`` into it.

    Parameters
    ----------
    folder : Path
        With ``table.csv`` and ``study.json``.

    Returns
    -------
    dict
        What was written.

    Raises
    ------
    InputError
        The table or the record is absent or broken.
    """
    table = read_outcomes(folder)
    found = summarise(table, read_record(folder, table), _operator_checks(folder))
    write_json(folder / FILE, found)
    return found


def summarise(table: StudyTable, record: StudyRecord, checks: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Analyse the points of a study; only those that are done have a result.

    Each of ``checks`` holds outcomes of a point with the shared and with its own operator.
    """
    everything, horizon = table.groups(), record.horizon
    whole = {name: _population(group.points, record) for name, group in everything.items()}
    groups = {name: group.where(group.done) for name, group in whole.items()}
    counts = {state: int((table.status == state).sum()) for state in ("done", "failed", "stopped", "queued")}
    return {
        "kind": KIND,
        "version": VERSION,
        "title": record.content["title"],
        "question": record.content.get("question") or "",
        "horizon_days": horizon,
        "points": len(table),
        **counts,
        "designs": [
            {
                "name": name,
                "design": group.design,
                "entry": group.entry,
                **record.about(name),
                **_design(groups[name], whole[name], record),
            }
            for name, group in everything.items()
        ],
        "comparisons": [_comparison(a, b, groups[a], groups[b], horizon) for a, b in _pairs(table, groups)],
        "drivers": [one for name in everything for one in drivers_of(name, everything[name].points, record)],
        "reasons": _reasons(table),
        "operator_checks": [_operator_check(row) for row in checks],
    }


def _population(group: StudyTable, record: StudyRecord) -> StudyTable:
    """Patients that are independent of each other: of a Saltelli design the blocks A and B, which the others repeat."""
    size = record.saltelli_samples
    return group if size is None else group.where(group.sample <= 2 * size)


def _pairs(table: StudyTable, groups: Mapping[str, StudyTable]) -> list[tuple[str, str]]:
    """Designs that are compared: those with results, in a study of patients."""
    names = [name for name, group in groups.items() if table.sampled and len(group)]
    return list(combinations(names, 2)) if len(names) <= MOST_COMPARED else [(names[0], name) for name in names[1:]]


# --- one design -------------------------------------------------------------------------------------------------------


def _design(done: StudyTable, whole: StudyTable, record: StudyRecord) -> dict[str, Any]:
    if not len(done):
        return {"n": 0, "missing": len(whole)}
    horizon = record.horizon
    loosening = first_ends(done, horizon, LOOSENING)
    parts: dict[str, Any] = {
        "n": len(done),
        "missing": len(whole) - len(done),
        "whole": _whole(loosening, horizon),
        "first_loosening": _survival(loosening, LOOSENING, horizon),
    }
    if record.settings.get("end") != FIRST_LOOSENING:  # otherwise no point is followed to the loss of a stump
        parts["stump_lost"] = _survival(first_ends(done, horizon, STUMP_LOST), STUMP_LOST, horizon)
    for cause in FRACTURES:
        curve = cumulative_incidence(loosening.day, loosening.end, cause, horizon)
        columns = {"day": curve.day, "incidence": curve.value, "low": curve.low, "high": curve.high}
        parts[FRACTURE_NAMES[cause]] = {"events": int((loosening.end == cause).sum()), **columns}
    low, high = _missing_bounds(loosening, len(whole) - len(done), horizon)
    parts["first_loosening"] |= {"missing_low": low, "missing_high": high}
    return parts


def _whole(found: Ends, horizon: float) -> dict[str, Any]:
    """Kaplan-Meier curve of the share without any end: no screw loose, nothing broken."""
    return {"events": int(found.any.sum()), **_curve(kaplan_meier(found.day, found.any, horizon), horizon)}


def _curve(curve: Curve, horizon: float) -> dict[str, Any]:
    median, median_low, median_high = curve.median()
    return {
        "median_day": median,
        "median_low": median_low,
        "median_high": median_high,
        "day": curve.day,
        "held": curve.value,
        "low": curve.low,
        "high": curve.high,
        "share_horizon": dict(zip(("held", "low", "high"), curve.at(horizon), strict=True)),
    }


def _survival(found: Ends, main: int, horizon: float) -> dict[str, Any]:
    """Kaplan-Meier curve of one end, its cumulative incidence among competing ends, median and counts."""
    own = found.end == main
    curve = kaplan_meier(found.day, own, horizon)
    incidence = cumulative_incidence(found.day, found.end, main, horizon)
    return {
        "events": int(own.sum()),
        "censored": int((found.end == CENSORED).sum()),
        "competing": int((found.any & ~own).sum()),
        **_curve(curve, horizon),
        **_incidence(incidence, curve),
    }


def _incidence(incidence: Curve, curve: Curve) -> dict[str, Any]:
    """Cumulative incidence on the days of the survival curve; both step on the days of the same end."""
    rows = np.array([incidence.at(day) for day in curve.day])
    return dict(zip(("incidence", "incidence_low", "incidence_high"), rows.T, strict=True))


def _missing_bounds(found: Ends, missing: int, horizon: float) -> tuple[float, float]:
    """Share that holds at the horizon if every point without a result had loosened at once, or had held."""
    bounds = []
    for day, end in ((0.0, LOOSENING), (horizon, CENSORED)):
        days = np.append(found.day, np.full(missing, day))
        ended = np.append(found.end, np.full(missing, end)) == LOOSENING
        bounds.append(kaplan_meier(days, ended, horizon).at(horizon)[0])
    return bounds[0], bounds[1]


# --- two designs ------------------------------------------------------------------------------------------------------


def _comparison(a: str, b: str, table_a: StudyTable, table_b: StudyTable, horizon: float) -> dict[str, Any]:
    """Compare two designs: loosening of all members, then first ends of the same patients."""
    whole_a, whole_b = (first_ends(table, horizon) for table in (table_a, table_b))
    loose_a, loose_b = (found.end == LOOSENING for found in (whole_a, whole_b))
    ratio, low, high = hazard_ratio(whole_b.day, loose_b, whole_a.day, loose_a)
    pairs = _outlasting(table_a, table_b, horizon)
    shares = {key: pairs.share(count) for key, count in (("a", pairs.a), ("b", pairs.b))}
    return {
        "a": a,
        "b": b,
        "logrank_p": logrank(whole_b.day, loose_b, whole_a.day, loose_a),
        "hazard_ratio": ratio,
        "hazard_low": low,
        "hazard_high": high,
        "hazard_note": _hazard_note(ratio),
        "a_outlasts": shares["a"][0],
        "a_low": shares["a"][1],
        "a_high": shares["a"][2],
        "b_outlasts": shares["b"][0],
        "b_low": shares["b"][1],
        "b_high": shares["b"][2],
        "ties": pairs.share(pairs.ties)[0],
        "undecided": pairs.share(pairs.undecided)[0],
        "pairs": pairs.pairs,
        **dict(zip(("gain_days", "gain_low", "gain_high"), pairs.gain, strict=True)),
    }


def _outlasting(table_a: StudyTable, table_b: StudyTable, horizon: float) -> Outlasting:
    """Compare the patients that have a result in both designs; without samples there are none."""
    common, rows_a, rows_b = np.intersect1d(table_a.sample, table_b.sample, return_indices=True)
    sampled = common > 0
    a, b = (first_ends(table, horizon) for table in (table_a, table_b))
    rows_a, rows_b = rows_a[sampled], rows_b[sampled]
    return outlasting(a.day[rows_a], a.any[rows_a], b.day[rows_b], b.any[rows_b], horizon)


def _hazard_note(ratio: float) -> str:
    """Name what keeps a ratio from being a number: in neither design, in ``a`` or in ``b`` nothing loosens."""
    if np.isnan(ratio):
        return "none_loosens"
    return "none_in_a" if np.isinf(ratio) else "none_in_b" if ratio == 0.0 else ""


# --- points without a result, checks --------------------------------------------------------------------------------


def _reasons(table: StudyTable) -> list[dict[str, Any]]:
    """Points that failed or were stopped, by reason, the most frequent first."""
    lost = np.isin(table.status, ("failed", "stopped"))
    keys = list(zip(table.status[lost].tolist(), table.reason[lost].tolist(), strict=True))
    points = {key: [p for p, k in zip(table.point[lost].tolist(), keys, strict=True) if k == key] for key in keys}
    rows = [{"status": status, "reason": why, "points": found} for (status, why), found in points.items()]
    return sorted(rows, key=lambda row: -len(row["points"]))


def _operator_checks(folder: Path) -> list[dict[str, Any]]:
    path = folder / OPERATOR_CHECK
    if not path.is_file():
        return []
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["rows"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: the check of the operator cannot be read ({error}); it may be damaged") from error


def _operator_check(row: Mapping[str, Any]) -> dict[str, Any]:
    """Day of the first end of one point, or its last day, with the shared operator and with its own."""
    days = (
        min(day for day in (row[f"first_loose_day_{which}"], row[f"end_day_{which}"]) if day is not None)
        for which in ("shared", "own")
    )
    return {"point": row["point"], **dict(zip(("shared_day", "own_day"), days, strict=True))}


# --- rows for a terminal ----------------------------------------------------------------------------------------------


def design_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows for a terminal: of every design the share that holds and the median, with 95 % limits."""
    rows = []
    for design in summary["designs"]:
        row: dict[str, Any] = {"design": design["name"], "n": design["n"]}
        if design["n"]:
            first = design["first_loosening"]
            share = first["share_horizon"]
            row |= {
                "loosened": first["events"],
                "broke first": first["competing"],
                "hold %": _percent(share["held"]),
                "hold 95 %": f"{_percent(share['low'])}-{_percent(share['high'])}",
                "median day": first["median_day"],
                "median 95 %": _limits(first["median_low"], first["median_high"]),
            }
        rows.append(row | {"no result": design["missing"]})
    return rows


def comparison_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows for a terminal: of every two designs how often one outlasts the other on the same patients, with limits."""
    return [
        {
            "a": pair["a"],
            "b": pair["b"],
            "pairs": pair["pairs"],
            "a longer %": _percent(pair["a_outlasts"]),
            "95 %": f"{_percent(pair['a_low'])}-{_percent(pair['a_high'])}",
            "b longer %": _percent(pair["b_outlasts"]),
            "equal %": _percent(pair["ties"]),
            "hazard b/a": pair["hazard_ratio"],
            "hazard 95 %": _span(pair["hazard_low"], pair["hazard_high"]),
            "p": pair["logrank_p"],
        }
        for pair in summary["comparisons"]
    ]


def _percent(share: float | None) -> str:
    return "-" if share is None or share != share else f"{100.0 * share:.0f}"


def _span(low: float | None, high: float | None) -> str:
    """Spell an interval; a dash where there is none."""
    return "-" if low is None or high is None or low != low else f"{low:.2g}-{high:.2g}"


def _limits(low: float | None, high: float | None) -> str:
    """Spell limits of a day, the upper one open where it is not reached; a dash when both are."""
    known = "" if high is None else f"{high:.0f}"
    return "-" if low is None or (low == 0.0 and not known) else f"{low:.0f}-{known}"
