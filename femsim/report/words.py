"""The answer of a run in plain words, made from its events and margins."""

from __future__ import annotations

from typing import Any

from femsim.report.read import RunData

DAYS_PER_MONTH = 30.4
CRITERIA = {
    "motion": "the motion between screw and bone rose above the limit",
    "holding": "the axial holding force fell below the limit",
    "stiffness": "the lateral stiffness fell below the limit",
}


def when(days: float) -> str:
    """Spell a moment since surgery in a sentence: ``on day 12``, ``in month 7 (day 214)``."""
    return f"{'on' if days < 60 else 'in'} {duration(days)}"


def screw_name(name: str) -> str:
    """Spell a screw's name in a sentence: ``screw-4`` becomes ``screw 4``."""
    return name.replace("-", " ")


def duration(days: float) -> str:
    """Spell a time since surgery for people: ``day 12``, ``month 7 (day 214)``."""
    if days < 60:
        return f"day {days:.0f}"
    return f"month {days / DAYS_PER_MONTH:.0f} (day {days:.0f})"


def count(number: float) -> str:
    """Spell a number of chewing cycles: ``1.23 million``, ``42,000``."""
    return f"{number / 1e6:.2f} million" if number >= 1e6 else f"{number:,.0f}"


def answer(run: RunData) -> list[str]:
    """Sentences for the first screen: what happens, why, what is nearest to happening; state of the run first."""
    sentences = []
    status = run.record["status"]
    if status != "complete":
        reason = run.record.get("reason", "")
        reached = run.timeline[-1]["day"] if run.timeline else 0.0
        why = f"{status}: {reason}" if reason else status
        sentences.append(f"This run is not complete ({why}); what follows covers {duration(reached)} at most.")
    if not run.screws:
        return sentences
    loose = [event for event in run.events if event["kind"] == "screw loose"]
    horizon = run.record["horizon_days"]
    if status == "complete" and not loose:
        sentences.append(f"In this simulation all {len(run.screws)} screws hold to the horizon of {duration(horizon)}.")
    for event in loose:
        sentences.append(
            f"{screw_name(event['subject']).capitalize()} counts as loose {when(event['day'])}, "
            f"after {count(event['cycles'])} chewing cycles: {CRITERIA[event['criterion']]}."
        )
    sentences += [_other_event(event) for event in run.events if event["kind"] != "screw loose"]
    if loose and loose[0]["causes"]:
        sentences.append(f"Why the first one: {'; '.join(loose[0]['causes'])}.")
    sentences.append(nearest_margin(run))
    return [sentence for sentence in sentences if sentence]


def nearest_margin(run: RunData) -> str:
    """The screw and criterion nearest to its limit among the screws that hold."""
    limits = run.record["criteria"]
    margins: list[tuple[float, str]] = []
    for screw in run.screws:
        if screw["loose"]:
            continue
        name = screw_name(screw["screw"])
        margins += [
            (
                1 - screw["motion_p95_um"] / limits["motion_um"],
                f"{name} moves {screw['motion_p95_um']:.0f} µm of {limits['motion_um']:.0f} µm allowed",
            ),
            (
                screw["holding_ratio"] / limits["holding_ratio"] - 1,
                f"{name} holds {100 * screw['holding_ratio']:.0f} % of its insertion force "
                f"(limit {100 * limits['holding_ratio']:.0f} %)",
            ),
            (
                screw["lateral_ratio"] / limits["lateral_ratio"] - 1,
                f"{name} keeps {100 * screw['lateral_ratio']:.0f} % of its lateral stiffness "
                f"(limit {100 * limits['lateral_ratio']:.0f} %)",
            ),
        ]
    if not margins:
        return ""
    return f"Among the screws that hold, the nearest to a limit at the end: {min(margins)[1]}."


def headline(run: RunData) -> str:
    """One line that answers the question of the scenario."""
    loose = [event for event in run.events if event["kind"] == "screw loose"]
    if run.record["status"] != "complete" and not loose:
        return "Run not complete"
    if not loose:
        return f"All {len(run.screws)} screws hold for {run.record['horizon_days'] / 365.25:.1f} years"
    first = loose[0]
    name = screw_name(first["subject"])
    return f"{len(loose)} of {len(run.screws)} screws loosen, the first ({name}) {when(first['day'])}"


def no_viewer(reason: str) -> str:
    """Sentence in place of the 3-D viewer."""
    return f"There is no interactive 3-D view of this run: {reason}."


def _other_event(event: dict[str, Any]) -> str:
    text = event["text"]
    return f"{text[:1].upper()}{text[1:]} ({duration(event['day'])}, {count(event['cycles'])} cycles)."
