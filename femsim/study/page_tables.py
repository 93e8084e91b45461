"""Tables of a study's page: designs, pairs, drivers, points without a result, inputs, how to reproduce."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from femsim.report.catalogue import Catalogue
from femsim.report.frame import Column, Row, Table
from femsim.study.record import StudyRecord
from femsim.study.words import day_number, end_of, input_name, known_designs, labels_of, median_limits

Summary = Mapping[str, Any]

TEXT, NAME, WIDE = "text", "text name", "text wide"
NO_BREAK = "\u00a0"
SMALLEST_P = 0.0001
"""Smaller values are told as below it."""
POINTS_NAMED = 12
"""Points named for a reason; the rest are counted."""


def _columns(words: Catalogue, keys: str, kinds: Mapping[str, str]) -> tuple[Column, ...]:
    return tuple(Column(words.say(f"study.column_{key}"), kinds.get(key, "")) for key in keys.split())


def _share(words: Catalogue, value: float | None) -> str:
    return words.percent(value, 3)


def _interval(words: Catalogue, low: float | None, high: float | None) -> str:
    return _range(_share(words, low), _share(words, high), words)


def _range(low: str, high: str, words: Catalogue) -> str:
    """Two numbers of a cell, which is not broken between them."""
    return words.say("study.between", low=low, high=high).replace(" ", NO_BREAK)


def _p_value(words: Catalogue, value: float | None) -> str:
    return (
        words.say("study.p_below", p=SMALLEST_P) if value is not None and value < SMALLEST_P else words.number(value, 2)
    )


def designs_table(summary: Summary, words: Catalogue) -> Table:
    """Ends, shares at the horizon and medians of every design."""
    keys = "design patients lost loosened broken whole whole_limits median median_limits"
    rows, followed = [], all("stump_lost" in design for design in known_designs(summary))
    for design in known_designs(summary):
        whole, first = design["whole"], design["first_loosening"]
        share = whole["share_horizon"]
        cells = (
            design["label"],
            words.number(design["n"], 6),
            words.number(design["missing"], 6),
            words.number(first["events"], 6),
            words.number(first["competing"], 6),
            _share(words, share["held"]),
            _interval(words, share["low"], share["high"]),
            day_number(whole["median_day"], words),
            median_limits(whole, words).replace(" ", NO_BREAK),
        )
        stump = (words.number(design["stump_lost"]["events"], 6),) if followed else ()
        rows.append(Row((*cells, *stump)))
    columns = _columns(words, f"{keys} stump" if followed else keys, {"design": TEXT})
    note = " ".join(words.say(f"study.{key}") for key in ("designs_note", *(("stumps_note",) if followed else ())))
    return Table(words.say("study.designs"), columns, tuple(rows), note)


def sweep_table(summary: Summary, words: Catalogue) -> Table:
    """First end and its day of every entry that was run once."""
    rows = []
    for design in known_designs(summary):
        kind, day = end_of(design)
        rows.append(Row((design["label"], words.say(f"study.end_{kind}"), day_number(day, words))))
    columns = _columns(words, "entry end day", {"entry": TEXT, "end": TEXT})
    return Table(words.say("study.sweep"), columns, tuple(rows), words.say("study.sweep_note"))


def pairs_table(summary: Summary, words: Catalogue) -> Table:
    """Two designs on the same patients, hazard ratio and log-rank test."""
    keys = "a b pairs a_longer a_limits b_longer equal gain gain_limits hazard hazard_limits p"
    labels, rows = labels_of(summary), []
    for pair in summary["comparisons"]:
        hazard = pair["hazard_note"]
        cells = (
            labels[pair["a"]],
            labels[pair["b"]],
            words.number(pair["pairs"], 6),
            _share(words, pair["a_outlasts"]),
            _interval(words, pair["a_low"], pair["a_high"]),
            _share(words, pair["b_outlasts"]),
            _share(words, pair["ties"]),
            words.number(pair["gain_days"]),
            _range(words.number(pair["gain_low"]), words.number(pair["gain_high"]), words),
            words.say(f"study.hazard_{hazard}") if hazard else words.number(pair["hazard_ratio"]),
            _hazard_limits(pair, words),
            _p_value(words, pair["logrank_p"]),
        )
        rows.append(Row(cells))
    columns = _columns(words, keys, {"a": TEXT, "b": TEXT})
    return Table(words.say("study.pairs"), columns, tuple(rows), words.say("study.pairs_note"))


def _hazard_limits(pair: Mapping[str, Any], words: Catalogue) -> str:
    """Interval of a hazard ratio; without an upper end where nothing loosens in a."""
    if pair["hazard_note"] == "none_loosens":
        return words.number(None)
    if pair["hazard_note"] == "none_in_a":
        return words.say("study.from_on_ratio", low=words.number(pair["hazard_low"]))
    return _range(words.number(pair["hazard_low"]), words.number(pair["hazard_high"]), words)


def drivers_table(driver: Mapping[str, Any], design: str, words: Catalogue) -> Table:
    """Indices and outer fifths of every input of one output."""
    keys = "input mark unit first first_limits total total_limits low_value output_low high_value output_high"
    rows = tuple(
        Row(
            (
                input_name(row["input"], row["label"], words),
                words.say(f"study.mark_{row['mark']}"),
                row["unit"],
                _share(words, row["first"]),
                _interval(words, row["first_low"], row["first_high"]),
                _share(words, row["total"]),
                _interval(words, row["total_low"], row["total_high"]),
                *(words.number(row[key]) for key in ("low_value", "output_low", "high_value", "output_high")),
            )
        )
        for row in driver["rows"]
    )
    output = words.say(f"study.output_{driver['output']}")
    caption = words.say("study.drivers_table", design=design, output=output)
    return Table(caption, _columns(words, keys, {"input": TEXT, "mark": TEXT, "unit": TEXT}), rows)


def reasons_table(summary: Summary, words: Catalogue) -> Table:
    """Points without a result, by reason."""
    rows = []
    for one in summary["reasons"]:
        named = ", ".join(one["points"][:POINTS_NAMED])
        more = len(one["points"]) - POINTS_NAMED
        points = words.say("study.and_more", points=named, more=more) if more > 0 else named
        rows.append(Row((words.say(f"study.status_{one['status']}"), len(one["points"]), one["reason"], points)))
    columns = _columns(words, "status count reason points", {"status": TEXT, "reason": WIDE, "points": WIDE})
    return Table(words.say("study.reasons"), columns, tuple(rows))


def inputs_table(record: StudyRecord, words: Catalogue) -> Table:
    """What varied over which range, weakest evidence first."""
    rows = tuple(
        Row(
            (
                input_name(one.name, one.label, words),
                words.say(f"study.mark_{one.mark}"),
                words.number(None) if one.low is None else _range(words.number(one.low), words.number(one.high), words),
                one.unit,
                words.say(f"study.distribution_{one.distribution}"),
                one.remark,
            )
        )
        for one in record.inputs
    )
    columns = _columns(
        words,
        "input mark range unit distribution remark",
        dict.fromkeys(("input", "mark", "unit", "distribution"), TEXT) | {"remark": WIDE},
    )
    return Table(words.say("study.inputs"), columns, rows, words.say("study.inputs_note"))


def origin_table(record: StudyRecord, hashes: Mapping[str, str], words: Catalogue) -> Table:
    """Command, version, seed, hashes of scenarios and files, versions of packages, machine."""
    content = record.content
    sampling = content.get("sampling") or {}
    drawn = words.say("study.sampling_text", method=sampling["method"], samples=sampling["samples"]) if sampling else ""
    known = {
        "command": content.get("command"),
        "version": content.get("femsim"),
        "study_hash": content.get("hash"),
        "sampling": drawn,
        "seed": content.get("seed"),
        "machine": ", ".join(f"{key} {value}" for key, value in (content.get("machine") or {}).items()),
        "packages": ", ".join(f"{key} {value}" for key, value in (content.get("packages") or {}).items()),
    }
    rows = [(words.say(f"study.origin_{key}"), str(value)) for key, value in known.items() if value not in (None, "")]
    rows += [
        (
            words.say("study.origin_design", design=one["name"]),
            f"{one.get('scenario', '')} {one['scenario_hash']}".strip(),
        )
        for one in content["designs"]
        if one.get("scenario_hash")
    ]
    rows += [(words.say("study.origin_file", file=name), digest) for name, digest in hashes.items()]
    columns = _columns(words, "what value", {"what": TEXT, "value": WIDE})
    return Table(words.say("study.origin"), columns, tuple(Row(row) for row in rows))
