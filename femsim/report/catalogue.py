"""Every visible sentence of pages, charts, pictures and viewer, from one file per language, with numbers for people."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from femsim.errors import InputError

ENGLISH = "en"
DAYS_PER_MONTH = 30.4
DAYS_PER_YEAR = 365.25
EARLY_DAYS = 60
SHORT_YEARS = 0.97
"""Spans shorter than this many years are told in months."""
"""Times before this are told in days, later ones in months too."""
MANY = 1e6
"""From here on counts are told in millions."""
PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Catalogue:
    """The sentences of one language.

    Attributes
    ----------
    language : str
        Code for the ``lang`` attribute of a page, such as ``en``.
    sections : mapping of str to mapping
        ``page``, ``tables``, ``words``, ``charts``, ``scenes``, ``viewer``, ``inputs`` (scenario keys), ``study``,
        ``number`` and ``record``; the last one
        translates fixed sentences that a run writes into its record, such as names of checks.
    source : str
        What :func:`load_catalogue` was given; a child process loads the same catalogue with it.
    """

    language: str
    sections: Mapping[str, Mapping[str, str]]
    source: str = ENGLISH

    def say(self, key: str, **filled: Any) -> str:
        """Sentence ``section.key`` with its ``{names}`` filled in.

        Raises
        ------
        KeyError
            The catalogue lacks it: a fault of the program, found by the tests.
        """
        section, _, name = key.partition(".")
        text = self.sections[section][name]
        return text.format(**filled) if filled else text

    def told(self, sentence: str) -> str:
        """A fixed sentence of a run's record in this language; one that is not known stays as it was written."""
        return self.sections["record"].get(sentence, sentence)

    def known(self, key: str) -> bool:
        """Whether there is such a sentence."""
        section, _, name = key.partition(".")
        return name in self.sections[section]

    def number(self, value: Any, digits: int = 3) -> str:
        """Spell a number for people: three significant digits, no needless exponent; an unknown one as a dash."""
        if value is None or (isinstance(value, float) and value != value):
            return "–"
        if isinstance(value, bool):
            return self.say("number.yes" if value else "number.no")
        if isinstance(value, str):
            return value
        if isinstance(value, list | tuple):
            return ", ".join(self.number(item, digits) for item in value)
        if value == 0:
            return "0"
        if 1e-3 <= abs(value) < MANY:
            # What rounds up to the next power of ten would get an exponent.
            text = f"{value:,.{digits}g}" if abs(value) < 10**digits - 0.5 else f"{value:,.0f}"
        else:
            text = f"{value:.{digits}g}"
        return text.translate({ord(","): self.say("number.group"), ord("."): self.say("number.decimal")})

    def percent(self, share: float | None, digits: int = 3) -> str:
        """Spell a share as a number of percent, without the sign."""
        return self.number(None if share is None else 100 * share, digits)

    def at_least(self, value: float, least: float = 1e-3) -> str:
        """Spell a number that nobody needs below ``least``: ``< 0.001``."""
        if 0 < value < least:
            return self.say("number.below", least=self.number(least))
        return self.number(value)

    def count(self, number: float) -> str:
        """Spell a number of chewing cycles: ``1.23 million``, ``42,000``."""
        if number >= MANY:
            return self.say("words.million", value=self.number(number / MANY))
        return self.number(float(round(number)), 6)

    def duration(self, days: float) -> str:
        """Spell a time since surgery for people: ``day 12``, ``month 7 (day 214)``."""
        day = self.number(float(round(days)), 6)
        if abs(days) < EARLY_DAYS:
            return self.say("words.day", day=day)
        return self.say("words.month", day=day, month=self.number(float(round(days / DAYS_PER_MONTH)), 4))

    def when(self, days: float) -> str:
        """Spell a moment since surgery in a sentence: ``on day 12``, ``in month 7 (day 214)``."""
        return self.say("words.on" if abs(days) < EARLY_DAYS else "words.in", time=self.duration(days))

    def years(self, days: float) -> str:
        """Spell a long time: ``3 years``, ``10 months``; below two months in days."""
        if days < EARLY_DAYS:
            return self.say("words.days", days=self.number(days))
        if days < SHORT_YEARS * DAYS_PER_YEAR:
            return self.say("words.months", months=self.number(float(round(days / DAYS_PER_MONTH))))
        years = self.number(days / DAYS_PER_YEAR)
        return self.say("words.year" if years == "1" else "words.years", years=years)

    def listed(self, names: list[str]) -> str:
        """Join names in a sentence."""
        return self.say("words.and").join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

    def viewer(self) -> dict[str, str]:
        """Sentences that the 3-D viewer carries with it."""
        return {**self.sections["viewer"], "decimal": self.say("number.decimal")}


@cache
def load_catalogue(language: str = ENGLISH) -> Catalogue:
    """Read the sentences of a language.

    Parameters
    ----------
    language : str
        A code with a file ``strings.<code>.json`` in the package, or the path of such a file elsewhere.

    Raises
    ------
    InputError
        No such file, or one that lacks sentences, has unknown ones, or fills in other names than the English one.
    """
    own = files("femsim.report") / f"strings.{language}.json"
    path = Path(language)
    source = own if own.is_file() else path
    if not source.is_file():
        known = sorted(
            item.name.split(".")[1]
            for item in files("femsim.report").iterdir()
            if item.name.startswith("strings.") and item.name.endswith(".json")
        )
        raise InputError(
            f"--language {language}: no catalogue of sentences for it (known: {', '.join(known)}); "
            "give one of them or the path of a strings.<code>.json file"
        )
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
        code, sections = content.pop("language"), content
        assert isinstance(code, str)
        assert all(isinstance(text, str) for section in sections.values() for text in section.values())
    except (OSError, ValueError, KeyError, AttributeError, AssertionError) as error:
        raise InputError(f"{language}: is not a catalogue of sentences ({type(error).__name__}: {error})") from error
    if language != ENGLISH:
        _compare(language, sections, load_catalogue(ENGLISH).sections)
    return Catalogue(code, sections, language)


def _compare(name: str, sections: Mapping[str, Mapping[str, str]], english: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse a catalogue that would leave a hole on a page."""
    ours = {f"{section}.{key}": text for section, texts in sections.items() for key, text in texts.items()}
    wanted = {f"{section}.{key}": text for section, texts in english.items() for key, text in texts.items()}
    lacking = [key for key in wanted if key not in ours and not key.startswith("record.")]
    unknown = [key for key in ours if key not in wanted]
    other = [
        key
        for key in wanted.keys() & ours.keys()
        if set(PLACEHOLDER.findall(ours[key])) != set(PLACEHOLDER.findall(wanted[key]))
    ]
    for what, keys in (("lacks", lacking), ("has unknown", unknown), ("fills in other names than English in", other)):
        if keys:
            raise InputError(f"{name}: the catalogue {what} {len(keys)} sentences, such as {min(keys)}")
