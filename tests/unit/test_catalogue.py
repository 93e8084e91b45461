"""One catalogue holds every visible sentence: templates have none, and another language is used throughout."""

from __future__ import annotations

import base64
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from comparison_models import compared_runs
from jinja2 import Environment

import femsim.report
from femsim.errors import FemsimError, InputError
from femsim.report import page, write_comparison, write_report
from femsim.report.catalogue import PLACEHOLDER, load_catalogue
from femsim.results import RunFolder

REPORT = Path(femsim.report.__file__).parent
TEMPLATES = sorted((REPORT / "templates").glob("*.j2"))
ENGLISH = REPORT / "strings.en.json"
VISIBLE = ("alt", "title", "aria-label", "placeholder", "summary")
WORD = re.compile(r"[A-Za-z]{3,}")
CYRILLIC = str.maketrans("abcdefghijklmnopqrstuvwxyz", "абцдефгхийклмнопярстувшыюз")
UNITS = {"mmhg", "mpa", "gpa", "dmean", "dmax", "eqd", "femsim"}


class Seen(HTMLParser):
    """Text that a reader of a page sees or hears, and what its charts hold."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.charts: list[str] = []
        self.payload = ""
        self.hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in ("style", "script"):
            self.hidden.append("payload" if found.get("type") == "application/json" else tag)
        self.text += [value for key, value in attrs if key in VISIBLE and value]
        source = found.get("src") or ""
        if source.startswith("data:image/svg"):
            self.charts.append(base64.b64decode(source.partition(",")[2]).decode())

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script") and self.hidden:
            self.hidden.pop()

    def handle_data(self, data: str) -> None:
        if self.hidden == ["payload"]:
            self.payload += data
        elif not self.hidden:
            self.text.append(data)


def pseudo(text: str) -> str:
    """The same sentence in Cyrillic letters, its names untouched."""
    parts = PLACEHOLDER.split(text)
    wide = [part.lower().translate(CYRILLIC) for part in parts[::2]]
    return "".join(f"{a}{{{b}}}" for a, b in zip(wide, [*parts[1::2], ""], strict=True)).removesuffix("{}")


@pytest.fixture
def other_language(tmp_path: Path) -> Path:
    """A catalogue in Cyrillic letters."""
    content = json.loads(ENGLISH.read_text(encoding="utf-8"))
    content["language"] = "en-x-cyrillic"
    for name, section in content.items():
        if isinstance(section, dict):
            content[name] = {key: pseudo(text) for key, text in section.items()}
    path = tmp_path / "strings.cyrillic.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def without_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "render_run", lambda *given: None)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_words(path: Path):
    """Between the tags of a template, and in its attributes, stand only names of the catalogue and of data."""
    source = path.read_text(encoding="utf-8")
    tokens = Environment().lex(source)
    literal = "".join(text if kind == "data" else "\x00" for _, kind, text in tokens if "comment" not in kind)
    attributes = re.findall(rf"(?:{'|'.join(VISIBLE)})=\"([^\"]*)\"", literal)
    between = re.sub(r"<style.*?</style>|<[^>]*>", "", literal, flags=re.DOTALL)
    assert [text for text in [*attributes, between] if re.search(r"[^\W\d_]", text)] == []


def leftovers(path: Path, told: str) -> set[str]:
    """English words of a page, charts and viewer included, that no run has written."""
    seen = Seen()
    seen.feed(path.read_text(encoding="utf-8"))
    charts = [re.sub(r"<style.*?</style>|<metadata.*?</metadata>|<[^>]*>", " ", one, flags=re.S) for one in seen.charts]
    strings = json.loads(seen.payload)["strings"] if seen.payload else {}
    strings = {key: PLACEHOLDER.sub("", value) for key, value in strings.items()}
    text = html.unescape(" ".join([*seen.text, *charts, *strings.values()]))
    return set(WORD.findall(text.lower())) - set(WORD.findall(told.lower())) - UNITS


@pytest.mark.usefixtures("without_renderer")
def test_another_language_is_used_throughout(tmp_path: Path, other_language: Path):
    """With another catalogue no English word is left but those of the runs, on either page, in charts and viewer."""
    runs = compared_runs(tmp_path / "runs")
    words = load_catalogue(str(other_language))
    told = " ".join([*(json.dumps(said_by(run)) for run in runs), "strings cyrillic json femsim compare"])
    single = write_report(runs[1], words=words)
    both = write_comparison(runs, tmp_path / "both.html", command="femsim compare", words=words)
    for written in (single, both):
        assert '<html lang="en-x-cyrillic">' in written.read_text(encoding="utf-8")
        assert leftovers(written, told) == set()
    assert len(leftovers(write_report(runs[1]), told)) > 100  # the same test finds English where there is some


def said_by(run: RunFolder) -> dict[str, Any]:
    """What a run has written for people that no catalogue can translate."""
    record = run.record()
    kept = ("title", "question", "expect", "command", "versions", "inputs", "parameters", "scenario_file", "hash")
    causes = [event["causes"] for event in record["events"]]
    return {key: record[key] for key in kept} | {"causes": causes, "key": record["mesh"]["key"]}


def test_numbers_follow_the_language(tmp_path: Path):
    """Decimal sign and grouping belong to the language."""
    content = json.loads(ENGLISH.read_text(encoding="utf-8"))
    content["number"] |= {"decimal": ",", "group": "."}
    path = tmp_path / "strings.de.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    words = load_catalogue(str(path))
    assert words.number(1234.5) == "1.234" or words.number(1234.5) == "1.235"
    assert words.number(0.25) == "0,25"
    assert words.viewer()["decimal"] == ","


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["page"].pop("screws"), "lacks 1 sentences, such as page.screws"),
        (lambda content: content["page"].update(odd="x"), "has unknown 1 sentences, such as page.odd"),
        (
            lambda content: content["words"].update(day="Tag {tag}"),
            "fills in other names than English in 1 .*words.day",
        ),
        (lambda content: content.pop("language"), "is not a catalogue"),
        (lambda content: content.update(page=3), "is not a catalogue"),
    ],
)
def test_catalogue_with_holes_is_refused(tmp_path: Path, change: Any, message: str):
    """A language that would leave a hole on a page is refused with the first key that is wrong."""
    content = json.loads(ENGLISH.read_text(encoding="utf-8"))
    change(content)
    path = tmp_path / "strings.de.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_catalogue(str(path))


def test_unknown_language_is_refused():
    """A language without a file is refused with those that are known."""
    with pytest.raises(FemsimError, match=r"--language xx: no catalogue.*known: en"):
        load_catalogue("xx")


def test_no_sentence_claims_safety():
    """No sentence says that something is safe; the two that use the word deny it."""
    claim = re.compile(r"\b(safe|safety|secure|stable|reliable|recommended|best)\b", re.IGNORECASE)
    content = json.loads(ENGLISH.read_text(encoding="utf-8"))
    found = [text for section in content.values() if isinstance(section, dict) for text in section.values()]
    assert [text for text in found if claim.search(text)] == [content["viewer"]["research"]]


def test_fixed_sentences_of_runs_are_in_the_catalogue():
    """Limits, remarks and checks that runs write are known to the catalogue, so that they can be translated."""
    from femsim.results.records import BULK_LIMITS, HARDWARE_NOTE, LIMITS, SCREW_LIMITS

    record = load_catalogue().sections["record"]
    balance = (REPORT.parent / "interface" / "balance.py").read_text(encoding="utf-8")
    checks = re.findall(r'Check\(\s*"([^"]+)"', balance)
    assert checks
    told = {*LIMITS, *BULK_LIMITS.values(), *SCREW_LIMITS.values(), HARDWARE_NOTE, *checks}
    assert told - record.keys() == set()
