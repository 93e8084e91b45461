"""The page of a study: answer first, everything that its summary says, no script, no request."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from made_studies import MadeDesign, MadeStudy, change_record, outcome, record_of, row, write_study

from femsim.durable import write_json, write_table
from femsim.report.catalogue import load_catalogue
from femsim.study.page import write_study_page
from femsim.study.summary import write_summary
from femsim.study.words import headline, leaders

WHY = "did not converge <here> & now"
DESIGNS = (
    MadeDesign("thin", 1 / 500, 1 / 900, "low-profile 1.5 mm"),
    MadeDesign("standard", 1 / 900, 1 / 3000, "reconstruction 2.5 mm"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = MadeStudy(DESIGNS, 120, {3: WHY, 9: WHY})
    made = write_study(tmp_path_factory.mktemp("page"), study, expect="The thin one breaks.")
    write_study_page(made)
    return made


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", " ", page, flags=re.DOTALL)).split())


def test_answer_stands_first_with_its_uncertainty(page: str) -> None:
    """Question, headline, ends of every design with limits, pairs, lost points, research use."""
    text = text_of(page)
    places = [
        text.index(part)
        for part in (
            "Which plate holds longer?",
            "Expected beforehand: The thin one breaks.",
            "On the same patients reconstruction 2.5 mm holds longer than low-profile 1.5 mm",
            "low-profile 1.5 mm: of 100 virtual patients",
            "on the same 118 patients",
            "2 of 240 points gave no result",
            "Research use only.",
            "How long nothing happens",
            "Which end comes first",
            "Designs on the same patients",
            "What drives the outcome",
            "Points without a result",
            "What this study does not know",
            "What varied",
            "How to reproduce",
        )
    ]
    assert places == sorted(places)


def test_page_is_whole_in_itself(page: str) -> None:
    """No script, no address outside; the policy allows its own style by hash and pictures as data, nothing else."""
    assert "<script" not in page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src 'none'; img-src data:; style-src 'sha256-" in policy[1]
    assert "unsafe" not in policy[1]
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)


def test_charts_are_vectors_with_descriptions_and_units(page: str) -> None:
    """Every picture is SVG text with a description; axes carry units."""
    pictures = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]+)"', page)
    assert len(pictures) == 3 + 6  # survival, ends, pairs; three outputs of two designs
    texts = []
    for content, alt in pictures:
        assert len(alt) > 20
        drawing = ET.fromstring(base64.b64decode(content))
        texts.append(" ".join("".join(one.itertext()) for one in drawing.iter("{http://www.w3.org/2000/svg}text")))
    assert "months since surgery" in texts[0]
    assert "low-profile 1.5 mm" in texts[0]
    assert "patients with this end first [%]" in texts[1]
    assert "pairs of the same patient [%]" in texts[2]
    assert "mean days held [days]" in texts[3]


def test_failures_inputs_and_origin_are_told(page: str, folder: Path) -> None:
    """Reasons with their points, inputs with range and evidence weakest first, command, seed, hashes."""
    text = text_of(page)
    assert "did not converge &lt;here&gt; &amp; now 000003, 000009" in text
    varied = page.split("<h2>What varied")[1]
    marks = re.findall(r'<td class="text">(chosen|assumed|derived|recalled|found)</td>', varied)
    assert marks == ["chosen", "assumed", "derived", "recalled"]
    assert "60 to 200" in text.replace("\u00a0", " ")
    assert "femsim study scenarios/studies/made.yaml" in text
    assert "Had all of them loosened at once" in text
    assert re.search(r"SHA-256 of table\.csv [0-9a-f]{64}", text)


def test_page_says_the_same_twice(folder: Path, page: str) -> None:
    """Nothing on it depends on the day or on chance."""
    assert write_study_page(folder).read_text(encoding="utf-8") == page


def test_unfinished_study_says_so_first(tmp_path: Path) -> None:
    """Waiting points are named before the headline; a study without any result has no charts."""
    rows = [row(str(k), "a", k, {"tissue.x": float(k)}, **outcome(50.0 * k, np.inf)) for k in range(1, 9)]
    rows += [row(str(k), "a", k, {"tissue.x": float(k)}, status="queued") for k in range(9, 12)]
    write_table(tmp_path / "table.csv", rows)
    write_json(tmp_path / "study.json", record_of(MadeStudy([MadeDesign("a", 1.0)])))
    text = text_of(write_study_page(tmp_path).read_text(encoding="utf-8"))
    assert text.index("3 of 11 points are waiting or were stopped") < text.index(
        "% of 8 virtual patients reach 2 years"
    )
    assert "No shares: only 8 points have a known value" in text
    write_table(tmp_path / "table.csv", rows[8:])
    page = write_study_page(tmp_path).read_text(encoding="utf-8")
    assert "This study has no results yet" in page
    assert "<img" not in page


def test_sweep_without_patients_has_no_pairs(tmp_path: Path) -> None:
    """Entries of a grid are run once each: the headline counts them and nothing is said of patients' pairs."""
    rows = [row(str(k), "a", "", {"plate.height": 7.0 + k}, **outcome(200.0 * k, np.inf)) for k in range(1, 6)]
    write_table(tmp_path / "table.csv", rows)
    write_json(tmp_path / "study.json", record_of(MadeStudy([MadeDesign("a", 1.0)])))
    page = write_study_page(tmp_path).read_text(encoding="utf-8")
    text = text_of(page)
    assert "3 of 5 entries have a loose screw or a broken part within 2 years" in text
    assert "a, plate.height = 8 screw loose first 200" in text
    assert "a, plate.height = 12 neither to the horizon 730" in text
    assert "Designs on the same patients" not in text
    assert "virtual patients" not in text
    assert page.count("<img") == 1


def test_headline_does_not_choose_between_designs_that_are_not_told_apart(tmp_path: Path) -> None:
    """Equal designs: none is shown to outlast; two strong ones and a weak one: both lead."""
    equal = [MadeDesign("a", 1 / 500), MadeDesign("b", 1 / 500)]
    write_study(tmp_path, MadeStudy(equal, 60))
    summary = write_summary(tmp_path)
    assert headline(summary, load_catalogue()) == "On the same patients none of a and b is shown to outlast another"
    write_study(tmp_path, MadeStudy([*equal, MadeDesign("weak", 1 / 50)], 60))
    summary = write_summary(tmp_path)
    assert headline(summary, load_catalogue()).startswith("On the same patients a and b hold longer than weak;")


def test_hazard_ratio_without_a_number_is_told_in_words(tmp_path: Path) -> None:
    """Nothing loosens in a: the ratio has a lower bound only, and no infinity stands on the page."""
    write_study(tmp_path, MadeStudy([MadeDesign("a", 0.0), MadeDesign("b", 1 / 300)], 40))
    text = text_of(write_study_page(tmp_path).read_text(encoding="utf-8"))
    assert "a never loosens" in text
    assert re.search(r"a never loosens [\d.]+ or more", text)
    assert not re.search(r"\b(inf|nan)\b", text)


def test_design_whose_points_all_failed_does_not_hide_the_others(tmp_path: Path) -> None:
    """It is in no comparison, its reasons are told, and the other design has its curve."""
    study = MadeStudy([MadeDesign("a", 1 / 300), MadeDesign("b", 1 / 300)], 12, dict.fromkeys(range(1, 13), WHY))
    page = write_study_page(write_study(tmp_path, study)).read_text(encoding="utf-8")
    assert "of 12 virtual patients reach 2 years" in text_of(page)
    assert "12 of 24 points gave no result" in text_of(page)
    assert "Designs on the same patients" not in page
    assert page.count("<img") == 2


def test_designs_that_outlast_each_other_in_a_circle_have_no_winner() -> None:
    """a over b, b over c, c over a: none is named."""
    one = {"pairs": 9, "a_low": 0.6, "a_high": 0.8, "b_low": 0.1, "b_high": 0.3}
    names = [("a", "b"), ("b", "c"), ("c", "a")]
    designs = [{"name": name, "n": 9} for name in "abc"]
    assert leaders({"designs": designs, "comparisons": [{"a": a, "b": b, **one} for a, b in names]}) == (
        list("abc"),
        [],
    )


def test_a_few_pairs_more_are_not_shown_to_be_a_difference(tmp_path: Path) -> None:
    """3 of 20 patients against 1 of 20: the intervals of the shares overlap, so no design is named."""
    days = {"a": [200.0] * 3 + [250.0] + [1e9] * 16, "b": [100.0] * 3 + [300.0] + [1e9] * 16}
    rows = [
        row(f"{name}{k}", name, k + 1, {"tissue.x": 1.0}, **outcome(day, np.inf))
        for name, own in days.items()
        for k, day in enumerate(own)
    ]
    write_table(tmp_path / "table.csv", rows)
    write_json(tmp_path / "study.json", record_of(MadeStudy([MadeDesign("a", 1.0), MadeDesign("b", 1.0)])))
    assert "none of a and b is shown to outlast" in headline(write_summary(tmp_path), load_catalogue())


def test_settings_of_the_runs_are_named_among_what_is_not_known(tmp_path: Path) -> None:
    """Coarse steps and points that end early are said, not hidden; of stumps that nobody followed nothing is told."""
    write_study(tmp_path, MadeStudy([MadeDesign("a", 0.01)], 20))
    assert "stump lost" in text_of(write_study_page(tmp_path).read_text(encoding="utf-8"))
    change_record(tmp_path, settings={"accuracy": "coarse", "operator": "nominal", "end": "first-loosening"})
    text = text_of(write_study_page(tmp_path).read_text(encoding="utf-8"))
    for part in ("Steps in time are coarse", "operator: nominal", "Each point ends with its first loose screw"):
        assert part in text.split("What this study does not know")[1]
    assert "stump lost" not in text
