"""The page of several designs and the command behind it: what it says first, what it takes over, what it refuses."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from comparison_models import compared_runs, study_summary
from pipeline_models import bench, finished_run, session_cache
from viewer_models import DOSE, SIZE, bricks, reported_run

from femsim import pipeline
from femsim.errors import FemsimError, InputError
from femsim.pipeline import comparing
from femsim.report import page, pdf, print_page, write_comparison, write_report
from femsim.report.catalogue import load_catalogue
from femsim.report.differences import differences, shown_value
from femsim.report.ensemble import find_ensemble
from femsim.report.moments import moments
from femsim.report.read import read_run
from femsim.report.strain import bone_strain
from femsim.results import RunFolder, write_table

WORDS = load_catalogue()


@pytest.fixture(autouse=True)
def without_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "render_run", lambda *given: None)


@pytest.fixture
def without_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests about words: charts take most of the time of a page."""
    names = ("screws", "states", "interface", "hardware", "strain", "tissue", "histogram", "courses", "moments")
    monkeypatch.setattr(page, "_charts", lambda *given: dict.fromkeys(names))


@pytest.fixture
def runs(tmp_path: Path) -> list[RunFolder]:
    return compared_runs(tmp_path / "runs")


def content_of(folders: list[RunFolder], place: Path, **choices) -> str:
    path = write_comparison(folders, place / "both.html", command="femsim compare a b", **choices)
    return html.unescape(path.read_text(encoding="utf-8"))


@pytest.mark.usefixtures("without_charts")
def test_first_screen_answers(runs: list[RunFolder], tmp_path: Path):
    """Before the details stand which design comes first, the order with its measures, and research use only."""
    content = content_of(runs, tmp_path)
    head = content[: content.index("<main ")]
    assert "Thick plate comes first: all 4 screws hold for 10 months" in head
    assert "Research use only" in head
    rows = re.findall(r"<tr>(.*?)</tr>", head)
    cells = [re.sub(r"<[^>]*>", "|", row).strip("|").split("||") for row in rows[1:]]
    assert [cell[:4] for cell in cells] == [
        ["1", "Thick plate", "none to 10 months", "0 of 4"],
        ["2", "Thin plate", "month 4 (day 120)", "1 of 4"],
    ]
    assert cells[0][-1] == "time to first loosening"


def test_every_section_is_there_once(runs: list[RunFolder], tmp_path: Path):
    """Every part of the page stands under one heading, in the order of its importance."""
    content = content_of(runs, tmp_path)
    keys = ("reasons", "viewer", "screws", "hardware", "strain", "tissue", "moments", "differences", "inputs")
    titles = [WORDS.say(f"page.{key}") for key in (*keys, "quality", "limits", "reproduce")]
    assert re.findall(r"<h2>(.*?)</h2>", content) == titles
    assert "femsim compare a b" in content
    assert "All 1 checks passed" in content
    assert "11111111" in content
    assert len(content.encode()) < 10e6


@pytest.mark.usefixtures("without_charts")
def test_what_differs_is_said_in_words(runs: list[RunFolder], tmp_path: Path):
    """Scenario values that differ are named in words with both values; more than the implant is pointed at."""
    found = differences(page.designs_of(runs), WORDS)
    assert [(one.label, one.values) for one in found] == [
        ("plate thickness", ("2.5 mm", "1.5 mm")),
        ("dose of course 1", ("30 Gy", "60 Gy")),
    ]
    assert WORDS.say("page.situation") in content_of(runs, tmp_path)


@pytest.mark.parametrize(
    ("value", "shown"), [("60.0 Gy", "60 Gy"), ("364.8 day", "364.8 day"), ("bicortical", "bicortical"), (None, "–")]
)
def test_values_are_spelt_for_people(value: str | None, shown: str):
    """Numbers of a scenario lose needless digits, words stay."""
    assert shown_value(value, WORDS) == shown


@pytest.mark.usefixtures("without_charts")
def test_unfinished_run_is_said_first(runs: list[RunFolder], tmp_path: Path):
    """A run that failed is named before the headline and has no place."""
    record = runs[0].record()
    kept = {key: value for key, value in record.items() if key not in ("kind", "format")}
    runs[0].write_record(kept | {"status": "failed", "reason": "the solver diverged"})
    content = content_of(runs, tmp_path)
    said = "Thick plate: this run is not complete (failed: the solver diverged)"
    assert said in content[: content.index('class="headline"')]
    assert "not ranked" in content[: content.index("<main ")]


def test_time_line_counts_from_this_surgery(runs: list[RunFolder]):
    """Radiotherapy lies before day zero, events and the end after it."""
    found = moments(page.designs_of(runs)[1], WORDS)
    assert [(one.day, one.kind) for one in found] == [
        (-180.0, "radiotherapy"),
        (0.0, "surgery"),
        (120.0, "screw loose"),
        (300.0, "end"),
    ]
    assert "60 Gy in 30 fractions" in found[0].text


def test_strain_is_that_of_the_model(tmp_path: Path):
    """Percentiles weighted by volume are those of the known field: strain grows evenly along the construct."""
    shares = {one.place: one for one in bone_strain(read_run(reported_run(tmp_path)))}
    assert list(shares) == ["A", "B", ""]
    # Bone fills 0..22 and 38..60 mm of 60, strain is 1000 microstrain times x over 60.
    assert shares[""].volume == pytest.approx(2 * 22 * 10 * 30)
    assert shares[""].percentiles[1] == pytest.approx(1000 * (60 - 0.05 * 44) / SIZE, rel=0.02)
    assert shares["A"].percentiles[2] < 1000 * 20 / SIZE < shares["B"].percentiles[0]
    assert shares["B"].above[0] == pytest.approx(1.0)
    assert (shares["B"].above[1:] <= shares["B"].above[:-1]).all()


@pytest.mark.usefixtures("without_charts")
class TestMeshStudy:
    """The table of `femsim converge` on the page of a run."""

    @pytest.mark.parametrize(("hash8", "there"), [("22222222", True), ("33333333", False)])
    def test_is_found_beside_the_run(self, runs: list[RunFolder], tmp_path: Path, hash8: str, there: bool):
        """A mesh study of exactly this scenario stands on the page, one of another scenario does not."""
        folder = tmp_path / "runs" / f"converge-made-{hash8}"
        folder.mkdir()
        differences = {"displacement_difference": -0.021, "screw_load_difference": 0.043, "traction_difference": 0.087}
        write_table(folder / "convergence.csv", [{"preset": "preview", "tets": 1000, "unknowns": 6000, **differences}])
        content = write_report(runs[1]).read_text(encoding="utf-8")
        row = "preview</th><td>1,000</td><td>6,000</td><td>-2.1</td><td>4.3</td><td>8.7</td>"
        assert (row in content) is there


@pytest.mark.usefixtures("without_charts")
class TestBoneYield:
    """Strain of the bone at each screw against its yield strain, where a run has written it."""

    def test_stands_on_the_page_when_known(self, runs: list[RunFolder]):
        """Strains are told in microstrain beside their limits; a run without them has no such table."""
        assert WORDS.say("tables.bone_yield") not in write_report(runs[1]).read_text(encoding="utf-8")
        record = {key: value for key, value in runs[1].record().items() if key not in ("kind", "format")}
        strains = {"tension": 0.0091, "tension_limit": 0.0073, "compression": 0.004, "compression_limit": 0.0104}
        runs[1].write_record(record | {"bone_strain": [{"screw": "screw-1", **strains}]})
        content = write_report(runs[1]).read_text(encoding="utf-8")
        row = '<tr class="failed"><th scope="row" class="text name">screw 1</th>'
        assert f"{row}<td>9,100</td><td>7,300</td><td>4,000</td><td>10,400</td></tr>" in content


@pytest.mark.usefixtures("without_charts")
class TestStudy:
    """The confidence band of a study on either page."""

    def test_is_found_beside_the_runs(self, runs: list[RunFolder], tmp_path: Path):
        """A study beside the runs that knows their hashes gives both pages their band."""
        study_summary(tmp_path / "runs" / "study-1", {"one": ("11111111", None), "two": ("22222222", 90.0)}, p=0.001)
        content = content_of(runs, tmp_path)
        head = content[: content.index("<main ")]
        assert "median month 3 (day 90) (month 2 (day 72) to not reached)" in head
        assert "40 % hold (30 to 50 %)" in head
        assert "log-rank" in head
        single = html.unescape(write_report(runs[1]).read_text(encoding="utf-8"))
        assert "Among 100 virtual patients of a study: half have a loose screw by month 3 (day 90)" in single

    def test_without_one_the_page_says_so(self, runs: list[RunFolder]):
        """A page without a study says that one patient was computed."""
        assert WORDS.say("words.no_band") in html.unescape(write_report(runs[1]).read_text(encoding="utf-8"))

    def test_wrong_study_is_refused(self, runs: list[RunFolder], tmp_path: Path):
        """A study that was asked for must exist and know a scenario of the page."""
        other = study_summary(tmp_path / "other", {"one": ("99999999", None)})
        with pytest.raises(InputError, match="knows none of the scenarios on this page"):
            write_report(runs[0], study=other)
        with pytest.raises(InputError, match="no study with results there"):
            write_report(runs[0], study=tmp_path)
        (other / "summary.json").write_text('{"kind": "femsim-study"}', encoding="utf-8")
        with pytest.raises(InputError, match="is not the summary of a femsim study"):
            write_report(runs[0], study=other)

    def test_foreign_summary_beside_runs_is_passed_by(self, runs: list[RunFolder], tmp_path: Path):
        """A file of that name that nobody asked for does not stop a page."""
        (tmp_path / "runs" / "junk").mkdir()
        (tmp_path / "runs" / "junk" / "summary.json").write_text("[]", encoding="utf-8")
        assert find_ensemble(None, [runs[0].path], ["11111111"]) is None


@pytest.mark.usefixtures("without_charts")
class TestCompare:
    """Runs are taken over where they exist; the page lies in a folder of its own."""

    def test_takes_runs_and_scenarios(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """A scenario that was run is not run again, one that was not is; nothing is overwritten."""
        done = finished_run().folder
        home = done.parent
        ran: list[str] = []
        other = reported_run(tmp_path, "Other", hash="77777777")

        def run(scenario, runs, hooks):
            ran.append(scenario.name)
            return type("Result", (), {"folder": other.path})

        monkeypatch.setattr(comparing, "run", run)
        with session_cache():
            result = pipeline.compare([bench("small", years=0.05), bench("new", years=0.07)], home)
            again = pipeline.compare([done, other.path], home)
        assert ran == ["new"]
        assert result.page != again.page
        assert result.page.is_file()
        assert "taken from the run" in result.notes[0]
        record = json.loads((result.page.parent / "comparison.json").read_text(encoding="utf-8"))
        assert record["command"] == "femsim compare small.yaml new.yaml"
        assert [row["place"] for row in record["order"]] == [1, 2] or record["order"][0]["decided_by"] == "tie"

    def test_failed_run_stands_on_the_page(
        self, runs: list[RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """A run that does not converge is shown as such; bad input ends the command."""
        place = tmp_path / "new"

        def fail(scenario, where, hooks):
            reported_run(where, "Fails", status="did not converge", reason="it diverged")
            raise FemsimError("it diverged")

        monkeypatch.setattr(comparing, "run", fail)
        result = pipeline.compare([runs[0].path, bench("bad", years=0.07)], place)
        assert "did not come to its end (it diverged)" in result.notes[0]
        assert "did not converge: it diverged" in result.page.read_text(encoding="utf-8")

        def refuse(scenario, where, hooks):
            raise InputError("the plate lies off the bone")

        monkeypatch.setattr(comparing, "run", refuse)
        with pytest.raises(InputError, match="off the bone"):
            pipeline.compare([runs[0].path, bench("bad", years=0.07)], place)

    def test_wrong_study_is_refused_before_anything_is_run(self, runs: list[RunFolder], tmp_path: Path):
        """Minutes of computing do not end in a slip of the pen; nothing is left behind."""
        study = study_summary(tmp_path / "other", {"one": ("99999999", None)})
        with pytest.raises(InputError, match="knows none of the scenarios"):
            pipeline.compare([runs[0].path, bench("bad", years=0.07)], tmp_path / "new", study=study)
        assert not (tmp_path / "new").exists()

    def test_page_names_no_place_of_this_machine(self, runs: list[RunFolder], tmp_path: Path):
        """A page travels: neither its command nor anything else on it holds an absolute path."""
        content = pipeline.compare([run.path for run in runs], tmp_path / "new").page.read_text(encoding="utf-8")
        assert str(tmp_path) not in content
        assert f"femsim compare {runs[0].path.name} {runs[1].path.name}" in content

    @pytest.mark.parametrize("count", [0, 1, 5])
    def test_number_of_designs_is_limited(self, runs: list[RunFolder], count: int, tmp_path: Path):
        """A page holds two to four designs."""
        with pytest.raises(InputError, match="a page holds two to 4"):
            pipeline.compare([runs[0].path] * count, tmp_path)

    def test_same_run_twice_is_refused(self, runs: list[RunFolder], tmp_path: Path):
        """Comparing a run with itself is a slip."""
        with pytest.raises(InputError, match="the same run twice"):
            pipeline.compare([runs[0].path] * 2, tmp_path)


def test_missing_browser_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without Chromium the page stays, and one sentence says what to install."""
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    with pytest.raises(FemsimError, match=r"written, but no PDF of it: no Chromium or Chrome here; install chromium"):
        print_page(tmp_path / "report.html")


def test_bricks_are_as_the_tests_above_assume():
    """Dose and geometry of the bricks have not changed."""
    assert bricks()[0].max() == SIZE == DOSE
