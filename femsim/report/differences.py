"""What differs between designs: scenario values as words, with the value of each design."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from femsim.report.catalogue import Catalogue
from femsim.report.design import Design

WORDS_ONLY = ("title", "question", "expect")
SITUATION = ("jaw", "irradiation", "loading", "simulate", "resection", "bone", "parameters")
"""Sections of a scenario that describe patient, task or model, not the implant."""
MEASURE = re.compile(r"(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)( .+)?")


@dataclass(frozen=True)
class Difference:
    """One scenario value that is not the same in all designs.

    Attributes
    ----------
    key : str
        Such as ``plate.thickness``.
    label : str
        The same in words.
    values : tuple of str
        As shown, one per design; a dash where a scenario has no such value.
    """

    key: str
    label: str
    values: tuple[str, ...]


def differences(designs: Sequence[Design], words: Catalogue) -> list[Difference]:
    """Values that differ, in the order of the scenario files; words without numbers behind them are left out."""
    tables = [{one["key"]: one["value"] for one in design.record["inputs"]} for design in designs]
    keys = dict.fromkeys(key for table in tables for key in table)
    found = []
    for key in keys:
        values = [table.get(key) for table in tables]
        if key in WORDS_ONLY or len(set(values)) == 1:
            continue
        if any(value == "None" for value in values) and any(other.startswith(f"{key}.") for other in keys):
            continue  # a section that one design leaves out: its own keys say so
        found.append(Difference(key, input_label(key, words), tuple(shown_value(value, words) for value in values)))
    return found


def changes_situation(found: Sequence[Difference]) -> bool:
    """Whether more than the implant differs."""
    return any(one.key.split(".")[0] in SITUATION for one in found)


def input_label(key: str, words: Catalogue) -> str:
    """A scenario key in words; a key without words of its own stays as it is written in the file."""
    place = re.search(r"\.(\d+)(?=\.|$)", key)
    pattern = re.sub(r"\.\d+(?=\.|$)", ".n", key)
    if not words.known(f"inputs.{pattern}"):
        return key
    return words.say(f"inputs.{pattern}", n=1 + int(place[1]) if place else "")


def shown_value(value: str | None, words: Catalogue) -> str:
    """A value with its number spelt for people: ``60.0 Gy`` becomes ``60 Gy``."""
    if value is None:
        return "–"
    found = MEASURE.fullmatch(value)
    return f"{words.number(float(found[1]), 4)}{found[2] or ''}" if found else value
