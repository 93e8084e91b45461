"""The page of a study: one self-contained HTML file without scripts, made from its table and record alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from femsim.durable import write_text
from femsim.report.catalogue import Catalogue, load_catalogue
from femsim.report.frame import Chart, Table, render, svg_chart
from femsim.study import charts, page_tables
from femsim.study import words as told
from femsim.study.outcomes import read_outcomes
from femsim.study.record import FILE, StudyRecord, read_record
from femsim.study.summary import write_summary

HASHED = ("study.yaml", FILE, "table.csv")


def write_study_page(folder: Path, summary: Mapping[str, Any] | None = None, words: Catalogue | None = None) -> Path:
    """Write ``report.html`` into a study folder.

    Parameters
    ----------
    folder : Path
        With ``table.csv`` and ``study.json``; the study may be unfinished.
    summary : mapping, optional
        What :func:`femsim.study.summary.write_summary` has just made of the folder; without it that is done here.
    words : Catalogue, optional
        Language of the page; English by default.

    Returns
    -------
    Path
        The page.
    """
    summary = summary or write_summary(folder)
    record = read_record(folder, read_outcomes(folder))
    hashes = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in HASHED if (folder / name).is_file()
    }
    path = folder / "report.html"
    write_text(path, render_study(summary, record, hashes, words or load_catalogue()))
    return path


def render_study(summary: Mapping[str, Any], record: StudyRecord, hashes: Mapping[str, str], words: Catalogue) -> str:
    """Fill the template with a study's summary and record."""
    known = told.known_designs(summary)
    sweep = told.is_sweep(summary)
    charted = _sweep_charts(summary, record, words) if sweep else _survival_charts(summary, words) if known else []
    table = (page_tables.sweep_table if sweep else page_tables.designs_table)(summary, words) if known else None
    sampled = any(pair["pairs"] for pair in summary["comparisons"])
    return render(
        "study.html.j2",
        words,
        title=words.say("study.title", title=summary["title"]),
        heading=summary["title"],
        question=summary["question"],
        expected=record.content.get("expect") or "",
        headline=told.headline(summary, words),
        answer=told.answer(summary, words),
        unfinished=_unfinished(summary, words),
        survival=charted,
        survival_title=words.say("study.sweep" if sweep else "study.survival"),
        designs=table,
        pairs_chart=_pairs_chart(summary, words) if sampled else None,
        pairs=page_tables.pairs_table(summary, words) if sampled else None,
        drivers=_drivers(summary, words),
        reasons=page_tables.reasons_table(summary, words) if summary["reasons"] else None,
        inputs=page_tables.inputs_table(record, words) if record.inputs else None,
        unknowns=told.unknowns(summary, record, words),
        origin=page_tables.origin_table(record, hashes, words),
        version=record.content.get("femsim") or "",
    )


def _unfinished(summary: Mapping[str, Any], words: Catalogue) -> str:
    waiting = summary["queued"] + summary["stopped"]
    return words.say("study.unfinished", waiting=waiting, points=summary["points"]) if waiting else ""


def _survival_charts(summary: Mapping[str, Any], words: Catalogue) -> list[Chart]:
    known = told.known_designs(summary)
    more = len(known) - charts.MOST_CURVES
    left_out = f" {words.say('study.left_out', more=more)}" if more > 0 else ""
    return [
        svg_chart(
            charts.survival_chart(known, words),
            words.say("study.survival"),
            words.say("study.survival_alt"),
            words.say("study.survival_note") + left_out,
        ),
        svg_chart(
            charts.ends_chart(known, words),
            words.say("study.ends"),
            words.say("study.ends_alt"),
            words.say("study.ends_note"),
        ),
    ]


def _sweep_charts(summary: Mapping[str, Any], record: StudyRecord, words: Catalogue) -> list[Chart]:
    """Month of the first end over the one number that is listed; with more or with words the table has to do."""
    known = told.known_designs(summary)
    keys = {key for design in known for key in design["entry"]}
    numbers = all(isinstance(value, float) for design in known for value in design["entry"].values())
    if len(keys) != 1 or not numbers or not all(design["entry"] for design in known):
        return []
    key = keys.pop()
    svg = charts.sweep_chart(known, record.input(key), words)
    return [svg_chart(svg, words.say("study.sweep_chart"), words.say("study.sweep_alt"))]


def _pairs_chart(summary: Mapping[str, Any], words: Catalogue) -> Chart:
    pairs = [pair for pair in summary["comparisons"] if pair["pairs"]]
    svg = charts.pairs_chart(pairs, told.labels_of(summary), words)
    return svg_chart(svg, words.say("study.pairs_chart"), words.say("study.pairs_alt"))


def _drivers(summary: Mapping[str, Any], words: Catalogue) -> list[dict[str, Any]]:
    """One section per design and output: chart and table, or why there is none."""
    found = []
    labels = told.labels_of(summary)
    for driver in summary["drivers"]:
        output = words.say(f"study.output_{driver['output']}")
        title = words.say("study.drivers_of", design=labels[driver["design"]], output=output)
        notes = [told.note_sentence(note, words) for note in driver["notes"]]
        chart: Chart | None = None
        table: Table | None = None
        if driver["rows"]:
            alt = words.say("study.drivers_alt", output=output)
            chart = svg_chart(charts.drivers_chart(driver, words), title, alt)
            table = page_tables.drivers_table(driver, labels[driver["design"]], words)
            notes.insert(0, _method(driver, words))
        folded = driver["output"] != "days_held"
        found.append({"title": title, "notes": notes, "chart": chart, "table": table, "folded": folded})
    return found


def _method(driver: Mapping[str, Any], words: Catalogue) -> str:
    explained = driver["explained"]
    filled = {} if explained is None else {"explained": words.percent(max(explained, 0.0), 2)}
    return words.say(f"study.method_{driver['method']}", samples=words.number(driver["n"], 6), **filled)
