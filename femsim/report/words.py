"""The answer of a run in plain words, made from its events and margins with the sentences of a catalogue."""

from __future__ import annotations

from typing import Any

from femsim.report.catalogue import Catalogue
from femsim.report.ensemble import Band
from femsim.report.read import RunData

SCREW = "screw-"
CRITERIA = ("motion", "holding", "stiffness")


def part_name(name: str, words: Catalogue) -> str:
    """Spell a part in a sentence: ``screw-4`` becomes ``screw 4``."""
    if name.startswith(SCREW):
        return words.say("words.screw", label=name.removeprefix(SCREW))
    return words.told(name)


def sentence(text: str) -> str:
    """A text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def headline(run: RunData, words: Catalogue) -> str:
    """One line that answers the question of the scenario."""
    loose = [event for event in run.events if event["kind"] == "screw loose"]
    if run.record["status"] != "complete" and not loose:
        return words.say("words.not_complete")
    if not loose and run.failure is not None:
        text = sentence(event_sentence(run.failure, words))
        return words.say("words.other_failure", text=text, when=words.when(run.failure["day"]))
    if not loose:
        return words.say("words.all_hold", count=len(run.screws), horizon=words.years(run.record["horizon_days"]))
    first = loose[0]
    return words.say(
        "words.some_loose",
        loose=len(loose),
        count=len(run.screws),
        first=part_name(first["subject"], words),
        when=words.when(first["day"]),
    )


def state(run: RunData, words: Catalogue) -> str:
    """Sentence that a run is not complete, why, and how far it came; empty for a complete one."""
    status = run.record["status"]
    if status == "complete":
        return ""
    reason = run.record.get("reason", "")
    reached = run.timeline[-1]["day"] if run.timeline else 0.0
    told = words.told(status)
    why = f"{told}: {reason}" if reason else told
    return words.say("words.covers", why=why, reached=words.duration(reached))


def answer(run: RunData, words: Catalogue) -> list[str]:
    """Sentences for the first screen: what happens, why, what is nearest to happening; state of the run first."""
    sentences = [state(run, words)]
    if not run.screws:
        return [text for text in sentences if text]
    loose = [event for event in run.events if event["kind"] == "screw loose"]
    if run.record["status"] == "complete" and not loose and run.failure is None:
        horizon = words.duration(run.record["horizon_days"])
        sentences.append(words.say("words.hold_to_horizon", count=len(run.screws), horizon=horizon))
    for event in loose:
        sentences.append(
            words.say(
                "words.counts_as_loose",
                screw=sentence(part_name(event["subject"], words)),
                when=words.when(event["day"]),
                cycles=words.count(event["cycles"]),
                why=words.say(f"words.criterion_{event['criterion']}"),
            )
        )
    sentences += [
        words.say(
            "words.other_event",
            text=sentence(event_sentence(event, words)),
            time=words.duration(event["day"]),
            cycles=words.count(event["cycles"]),
        )
        for event in run.events
        if event["kind"] != "screw loose"
    ]
    sentences += [main_reason(run, words), nearest_margin(run, words), plate_margin(run, words)]
    return [text for text in sentences if text]


def main_reason(run: RunData, words: Catalogue) -> str:
    """Chain of causes of the first loosening; empty when all screws hold."""
    first = next((event for event in run.events if event["kind"] == "screw loose"), None)
    if first is None or not first["causes"]:
        return ""
    return words.say("words.why_first", causes="; ".join(first["causes"]))


def nearest_margin(run: RunData, words: Catalogue) -> str:
    """The screw and criterion nearest to its limit among the screws that hold."""
    found = _nearest(run, words)
    return words.say("words.nearest", margin=found) if found else ""


def margin_in_short(run: RunData, words: Catalogue) -> str:
    """The same for a cell of a table; a dash when no screw holds."""
    return _nearest(run, words) or "–"


def _nearest(run: RunData, words: Catalogue) -> str:
    limits = run.record["criteria"]
    margins: list[tuple[float, str]] = []
    for screw in run.screws:
        if screw["loose"]:
            continue
        of_limit = {
            "motion": 1 - screw["motion_p95_um"] / limits["motion_um"],
            "holding": screw["holding_ratio"] / limits["holding_ratio"] - 1,
            "stiffness": screw["lateral_ratio"] / limits["lateral_ratio"] - 1,
        }
        criterion = min(of_limit, key=lambda name: of_limit[name])
        margins.append((of_limit[criterion], _margin(screw, criterion, limits, words)))
    return min(margins)[1] if margins else ""


def _margin(screw: dict[str, Any], criterion: str, limits: dict[str, float], words: Catalogue) -> str:
    value, limit = {
        "motion": (screw["motion_p95_um"], limits["motion_um"]),
        "holding": (100 * screw["holding_ratio"], 100 * limits["holding_ratio"]),
        "stiffness": (100 * screw["lateral_ratio"], 100 * limits["lateral_ratio"]),
    }[criterion]
    return words.say(
        f"words.margin_{criterion}",
        screw=part_name(screw["screw"], words),
        value=words.number(float(round(value))),
        limit=words.number(float(round(limit))),
    )


def plate_margin(run: RunData, words: Catalogue) -> str:
    """How far the part that is nearest to fatigue is from its endurance; empty without a hardware table."""
    rows = [row for row in run.hardware if row["amplitude_mpa"] > 0]
    if not rows:
        return ""
    row = min(rows, key=lambda one: one["fatigue_margin"])
    return words.say(
        "words.fatigue_margin" if row["fatigue_margin"] > 1 else "words.fatigue_passed",
        part=part_name(row["part"], words),
        growth=words.percent(row["fatigue_margin"] - 1.0, 2),
        amplitude=words.number(row["amplitude_mpa"]),
        allowed=words.number(row["endurance_mpa"]),
    )


def confidence(band: Band | None, words: Catalogue) -> str:
    """What an ensemble of virtual patients says; empty without one."""
    if band is None:
        return ""
    parts = []
    if band.median is not None:
        low, high = (
            words.say("words.not_reached") if day is None else words.duration(day)
            for day in (band.median_low, band.median_high)
        )
        parts.append(words.say("words.band_median", median=words.duration(band.median), low=low, high=high))
    else:
        parts.append(words.say("words.band_no_median", horizon=words.duration(band.horizon)))
    if band.held is not None:
        low, high = (words.percent(share, 2) for share in (band.held_low, band.held_high))
        held = words.percent(band.held, 2)
        parts.append(words.say("words.band_held", held=held, low=low, high=high, horizon=words.duration(band.horizon)))
    return words.say("words.band", patients=band.patients, parts="; ".join(parts))


def event_sentence(event: dict[str, Any], words: Catalogue) -> str:
    """One event in words; an event of a kind without words of its own as the run has written it."""
    key = f"words.event_{event['kind'].replace(' ', '_')}"
    if not words.known(key):
        return str(event["text"])
    criterion = event.get("criterion", "")
    named = words.say(f"words.short_{criterion}") if criterion in CRITERIA else words.told(criterion)
    return words.say(key, subject=part_name(event["subject"], words), criterion=named)


def ending(text: str, words: Catalogue) -> str:
    """Why a run ended: ``stump lost: distal`` in the language of the page."""
    kind, _, subject = text.partition(": ")
    return words.told(kind) + (f": {part_name(subject, words)}" if subject else "")
