"""The answer of a study in plain words, with its uncertainty, and what the study does not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from femsim.report.catalogue import Catalogue
from femsim.report.differences import input_label
from femsim.study.record import LISTED, StudyRecord

Summary = Mapping[str, Any]

MOST_PAIRS_TOLD = 3


def known_designs(summary: Summary) -> list[Mapping[str, Any]]:
    """Designs of which at least one point has a result."""
    return [design for design in summary["designs"] if design["n"]]


def labels_of(summary: Summary) -> dict[str, str]:
    """Names of designs for people."""
    return {design["name"]: design["label"] for design in summary["designs"]}


def headline(summary: Summary, words: Catalogue) -> str:
    """One line that answers the question of the study."""
    known, horizon = known_designs(summary), words.years(summary["horizon_days"])
    if not known:
        return words.say("study.no_results")
    if is_sweep(summary):
        ended = sum(design["whole"]["events"] for design in known)
        return words.say("study.headline_sweep", count=len(known), ended=ended, horizon=horizon)
    if len(known) == 1:
        share = known[0]["whole"]["share_horizon"]["held"]
        return words.say("study.headline_one", percent=words.percent(share, 2), patients=known[0]["n"], horizon=horizon)
    best, rest = leaders(summary)
    labels = labels_of(summary)
    told = {
        "lead": words.listed([labels[name] for name in best]),
        "rest": words.listed([labels[name] for name in rest]),
    }
    if not rest:
        return words.say("study.headline_none", lead=told["lead"])
    return words.say("study.headline_best" if len(best) == 1 else "study.headline_several", **told)


def is_sweep(summary: Summary) -> bool:
    """Whether every group is a single run without a patient drawn: an entry of a list or grid."""
    known = known_designs(summary)
    return bool(known) and not summary["comparisons"] and all(design["n"] == 1 for design in known)


def end_of(design: Mapping[str, Any]) -> tuple[str, float]:
    """First end of a single run, ``none`` when it has none, and its day or the horizon."""
    ends = {"loosening": "first_loosening", "plate_fracture": "plate_fracture", "screw_fracture": "screw_fracture"}
    kind = next((kind for kind, name in ends.items() if design[name]["events"]), "none")
    whole = design["whole"]
    return kind, whole["day"][-1] if kind == "none" else whole["median_day"]


def leaders(summary: Summary) -> tuple[list[str], list[str]]:
    """Designs that no other one is shown to outlast more often than the reverse, and the rest.

    Shown means that the 95 % intervals of both shares of pairs do not overlap.
    """
    beaten = set()
    for pair in summary["comparisons"]:
        if not pair["pairs"]:
            continue
        if pair["a_low"] > pair["b_high"]:
            beaten.add(pair["b"])
        elif pair["b_low"] > pair["a_high"]:
            beaten.add(pair["a"])
    names = [design["name"] for design in known_designs(summary)]
    if beaten.issuperset(names):  # each outlasts another in a circle: none stands out
        return names, []
    return [name for name in names if name not in beaten], [name for name in names if name in beaten]


def answer(summary: Summary, words: Catalogue) -> list[str]:
    """Sentences for the first screen: ends of every design, pairs, the strongest driver, points without a result."""
    labels = labels_of(summary)
    told = [] if is_sweep(summary) else known_designs(summary)
    sentences = [_design(design, summary, words) for design in told]
    sentences += [_pair(pair, labels, words) for pair in summary["comparisons"][:MOST_PAIRS_TOLD] if pair["pairs"]]
    sentences += _strongest(summary, labels, words)
    lost = summary["points"] - summary["done"]
    if lost:
        sentences.append(words.say("study.lost", lost=lost, points=summary["points"]))
    return sentences


def _design(design: Mapping[str, Any], summary: Summary, words: Catalogue) -> str:
    broken = sum(design[name]["incidence"][-1] for name in ("plate_fracture", "screw_fracture"))
    whole = design["whole"]
    share = whole["share_horizon"]
    text = words.say(
        "study.of_hundred",
        design=design["label"],
        loose=_percent(design["first_loosening"]["incidence"][-1], words),
        broken=_percent(broken, words),
        whole=_percent(share["held"], words),
        low=_percent(share["low"], words),
        high=_percent(share["high"], words),
        horizon=words.years(summary["horizon_days"]),
    )
    if whole["median_day"] is None:
        return text
    half = words.say("study.half", median=words.duration(whole["median_day"]), limits=median_limits(whole, words))
    return f"{text} {half}"


def median_limits(curve: Mapping[str, Any], words: Catalogue) -> str:
    """Limits of a median in days; one that is not reached lies behind the horizon."""
    if curve["median_low"] is None:
        return words.number(None)
    low, high = (None if curve[key] is None else day_number(curve[key], words) for key in ("median_low", "median_high"))
    return words.say("study.from_on", low=low) if high is None else words.say("study.between", low=low, high=high)


def day_number(day: float | None, words: Catalogue) -> str:
    """A day as a whole number."""
    return words.number(None if day is None else float(round(day)), 6)


def _pair(pair: Mapping[str, Any], labels: Mapping[str, str], words: Catalogue) -> str:
    return words.say(
        "study.pair",
        a=labels[pair["a"]],
        b=labels[pair["b"]],
        pairs=pair["pairs"],
        **{key: _percent(pair[key], words) for key in ("a_outlasts", "a_low", "a_high", "b_outlasts", "ties")},
    )


def _strongest(summary: Summary, labels: Mapping[str, str], words: Catalogue) -> list[str]:
    """The strongest driver of the days held, with the designs in which it is the strongest."""
    parts: dict[str, list[str]] = {}
    for driver in summary["drivers"]:
        if driver["output"] == "days_held" and driver["rows"]:
            first = driver["rows"][0]
            shares = {key: _percent(first[key], words) for key in ("total", "total_low", "total_high")}
            told = words.say("study.strongest_in", design=labels[driver["design"]], **shares)
            parts.setdefault(input_name(first["input"], first["label"], words), []).append(told)
    return [words.say("study.strongest", input=name, designs=words.listed(told)) for name, told in parts.items()]


def input_name(name: str, label: str, words: Catalogue) -> str:
    """Spell a varied value in words where the catalogue has them, otherwise by its label."""
    known = input_label(name, words)
    return label if known == name else known


def note_sentence(note: Mapping[str, Any], words: Catalogue) -> str:
    """Spell a remark of the summary."""
    return words.say(f"study.{note['key']}", **note["values"])


def unknowns(summary: Summary, record: StudyRecord, words: Catalogue) -> list[str]:
    """What the bands do not contain, the assumed inputs first."""
    drawn = [one for one in record.inputs if one.distribution != LISTED]
    sentences = [] if is_sweep(summary) else [words.say("study.unknown_bands")]
    sentences.append(words.say("study.unknown_model"))
    if drawn:
        assumed = sum(one.mark == "assumed" for one in drawn)
        sentences.append(words.say("study.unknown_ranges", inputs=len(drawn), assumed=assumed))
    sentences.append(words.say("study.unknown_rest"))
    sentences.append(words.say("study.unknown_later", horizon=words.years(summary["horizon_days"])))
    settings = (f"study.setting_{key}_{value}" for key, value in record.settings.items())
    sentences += [words.say(key) for key in settings if words.known(key)]
    sentences += _lost_bounds(summary, words)
    checks = summary["operator_checks"]
    if checks:
        apart = max(abs(one["shared_day"] - one["own_day"]) for one in checks)
        sentences.append(words.say("study.unknown_operator", checks=len(checks), days=words.number(apart)))
    return sentences


def _lost_bounds(summary: Summary, words: Catalogue) -> list[str]:
    """How far points without a result could move the share that keeps its screws."""
    return [
        words.say(
            "study.unknown_lost",
            design=design["label"],
            lost=design["missing"],
            low=_percent(design["first_loosening"]["missing_low"], words),
            high=_percent(design["first_loosening"]["missing_high"], words),
        )
        for design in known_designs(summary)
        if design["missing"]
    ]


def _percent(share: float | None, words: Catalogue) -> str:
    """A share in whole percent, with one digit where it is small."""
    if share is None or share != share:
        return words.number(None)
    percent = 100.0 * share
    return words.number(
        float(round(percent)) if percent >= 1.0 or percent == 0.0 else percent, 1 if percent < 1.0 else 3
    )
