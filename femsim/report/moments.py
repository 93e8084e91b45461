"""The time line of a run: radiotherapy, this surgery as time zero, events, end."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from femsim.report.catalogue import Catalogue
from femsim.report.design import Design
from femsim.report.differences import shown_value
from femsim.report.words import ending, event_sentence

COURSE = re.compile(r"irradiation\.courses\.(\d+)\.(prescription|fractions)")


@dataclass(frozen=True)
class Moment:
    """Something on the time line.

    Attributes
    ----------
    day : float
        Since this surgery; negative before it.
    kind : str
        ``radiotherapy``, ``surgery``, ``screw loose``, ``stump lost``, ``part broken``, ``yield``, ``support lost``
        or ``end``.
    text : str
    causes : tuple of str
    cycles : float or None
        Chewing cycles so far.
    """

    day: float
    kind: str
    text: str
    causes: tuple[str, ...] = field(default=())
    cycles: float | None = None


def moments(design: Design, words: Catalogue) -> list[Moment]:
    """Everything from the end of radiotherapy to the end of the run, in order."""
    record = design.record
    found = []
    if record.get("surgery_after_days"):
        text = words.say("words.radiotherapy_end", courses=radiotherapy(design, words))
        found.append(Moment(-record["surgery_after_days"], "radiotherapy", text))
    found.append(Moment(0.0, "surgery", words.say("words.this_surgery")))
    for event in design.run.events:
        text = event_sentence(event, words)
        found.append(Moment(event["day"], event["kind"], text, tuple(event["causes"]), event["cycles"]))
    if record.get("ending"):
        found.append(Moment(design.end_day, "end", words.say("words.run_ends", why=ending(record["ending"], words))))
    return found


def radiotherapy(design: Design, words: Catalogue) -> str:
    """Courses in a few words: ``60 Gy in 30 fractions``."""
    courses: dict[str, dict[str, str]] = {}
    for one in design.record["inputs"]:
        match = COURSE.fullmatch(one["key"])
        if match:
            courses.setdefault(match[1], {})[match[2]] = shown_value(one["value"], words)
    told = [
        words.say("words.course", dose=course["prescription"], fractions=course.get("fractions", "–"))
        for course in courses.values()
        if "prescription" in course
    ]
    return words.listed(told) if told else words.say("words.planned_dose")
