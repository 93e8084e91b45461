"""The page of a run, from a run folder written by hand: what it says, what it must never contain."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from pipeline_models import bench
from viewer_models import reported_run

from femsim.errors import FemsimError, InputError
from femsim.report import page, pictures, scenes, window, words, write_report
from femsim.report.catalogue import load_catalogue
from femsim.report.read import read_run
from femsim.results import RunFolder, write_bytes, write_table
from femsim.results.records import opening_record

SCREWS = ("screw-1", "screw-2")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TISSUE = (
    *("vessels", "oxygen_mmhg", "osteocytes", "cells", "activity"),
    *("young_cortical", "young_cancellous", "strength_cortical", "toughness"),
)
DOSE_VOLUME = {
    "region": "whole jaw",
    "dose": "EQD2",
    "volume_mm3": 62400.0,
    "dmean_gy": 13.72,
    "dmax_gy": 60.0,
    "d30_gy": 8.954,
    "v50_percent": 16.23,
    "v60_percent": 0.0,
}
WORDS = load_catalogue()
NO_PICTURES = "no pictures: the renderer stopped; install libegl1"


def state(screw: str, motion: float) -> dict[str, Any]:
    return {
        "screw": screw,
        "motion_p50_um": 0.5 * motion,
        "motion_p95_um": motion,
        "motion_max_um": 2 * motion,
        "holding_n": 1234.5678,
        "holding_ratio": 0.9,
        "lateral_ratio": 0.8,
        "axial_ratio": 0.9,
        "bonded": 0.3,
        "damage": 1e-5,
        "clearance_um": 2.5,
        "failed_share": 0.0,
        "torque_ratio": None,
    }


def screw_row(screw: str, motion: float, loose_day: float | None = None) -> dict[str, Any]:
    return {
        "stump": "A",
        "loose": loose_day is not None,
        "loose_day": loose_day,
        "onset_day": loose_day,
        "loose_cycles": None if loose_day is None else 1600 * loose_day,
        "criterion": "" if loose_day is None else "motion",
        **state(screw, motion),
        "eqd2_gy": 60.0,
        "diameter_mm": 2.4,
        "length_mm": 14.0,
        "length_in_bone_mm": 10.0,
        "distance_to_cut_mm": 5.0,
    }


def loosened(screw: str, day: float) -> dict[str, Any]:
    return {
        "day": day,
        "cycles": 1600 * day,
        "kind": "screw loose",
        "subject": screw,
        "criterion": "motion",
        "onset": day - 7.0,
        "text": f"screw {screw} counts as loose (motion)",
        "causes": ["a & b wore its thread"],
    }


def written(folder: Path, tables: bool = False, **changes: Any) -> RunFolder:
    """A run folder as a run of two screws leaves it; ``changes`` replace entries of its record."""
    run = RunFolder.create(folder, "made", "01234567")
    record = {
        **opening_record(bench("made", years=1.0), "01234567"),
        "status": "complete",
        "reason": "",
        "timings": {"meshing": 1.25},
        "screws": [screw_row("screw-1", 20.0), screw_row("screw-2", 75.0)],
        "checks": [{"name": "reactions", "value": 1.23456e-12, "limit": 1e-6, "unit": "", "passed": True}],
    }
    run.write_record(record | changes)
    if tables:
        days = [{"day": day, "cycles": 1600 * day, "bite_factor": 1.0} for day in (0.0, 10.0, 365.25)]
        write_table(run / "timeline.csv", [when | state(screw, 20.0) for when in days for screw in SCREWS])
        patch = {"ring": 0, "sector": 0, "thread_hold": 0.5}
        write_table(
            run / "tissue.csv",
            [{"s_mm": s, "eqd2_gy": dose, **dict.fromkeys(TISSUE, 1.0)} for s, dose in ((-1.0, 0.0), (1.0, 60.0))],
        )
        curve = [(0.0, 100.0), (60.0, 50.0), (61.0, 0.0)]
        write_table(
            run / "dose_histogram.csv",
            [
                {"region": region, "dose": kind, "dose_gy": dose, "volume_percent": share}
                for region in ("whole jaw", "distal stump")
                for kind in ("physical", "EQD2")
                for dose, share in curve
            ],
        )
        course = [
            {"place": place, "eqd2_gy": dose, "day": day, **dict.fromkeys(TISSUE, 0.5), "bonded": 0.3 if day else None}
            for place, dose in (("screw-1", 60.0), ("healthy bone", 0.0))
            for day in (-365.0, 0.0, 365.0)
        ]
        write_table(run / "courses.csv", course)
        write_table(run / "patches.csv", [{"patch": k, "screw": name, **patch} for k, name in enumerate(SCREWS)])
    return run


@pytest.fixture
def without_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: RunFolder, language: object = None) -> None:
        raise FemsimError(NO_PICTURES)

    monkeypatch.setattr(page, "render_run", refuse)


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("without_renderer")
class TestPage:
    """What every page shows and never contains."""

    def test_nothing_is_loaded_from_outside(self, tmp_path: Path) -> None:
        """A page without the viewer: no reference leaves it, no script is in it, and a policy forbids both."""
        folder = written(tmp_path, tables=True)
        write_bytes(folder / "pictures" / "operation.png", PIXEL)
        content = text_of(write_report(folder))
        assert re.search(r'http-equiv="Content-Security-Policy" content="default-src \'none\'', content)
        references = re.findall(r"""(?:src|href|srcset|action|data|poster)\s*=\s*["']?([^"'\s>]*)""", content)
        assert references
        assert {reference.partition("/")[0] for reference in references} == {"data:image", "#content"}
        assert not re.search(r"url\(|@import|<script|<link|<iframe|<base|\son\w+\s*=", content)

    def test_charts_refer_to_nothing_outside(self, tmp_path: Path) -> None:
        """The embedded SVG charts are as self-contained as the page around them."""
        content = text_of(write_report(written(tmp_path, tables=True)))
        charts = [base64.b64decode(found).decode() for found in re.findall(r"svg\+xml;base64,([^\"]+)", content)]
        assert len(charts) == 7
        for chart in charts:
            links = re.findall(r"""(?:href|src)\s*=\s*"([^"]*)"|url\(([^)]*)\)""", chart)
            assert all((first or second).startswith(("#", "data:image/png;")) for first, second in links)
            assert "<script" not in chart

    def test_dose_to_the_jaw_is_told(self, tmp_path: Path) -> None:
        """The page of an irradiated jaw has strips, histogram with its table, and courses, each once."""
        content = text_of(write_report(written(tmp_path, tables=True, dose_volume=[DOSE_VOLUME])))
        for title in ("Dose and tissue of the jaw", "Dose to the bone that stays", "Tissue around the screws"):
            assert len(re.findall(f"<h[23]>{title}", content)) == 1
        row = content[content.index('<th scope="row" class="text name">whole jaw') :]
        assert re.findall(r"<td>([^<]*)</td>", row)[:6] == ["62.4", "13.7", "60", "8.95", "16.2", "0"]

    def test_healthy_jaw_has_no_dose(self, tmp_path: Path) -> None:
        """A jaw without radiotherapy has neither histogram nor courses."""
        run = written(tmp_path, tables=True)
        for name in ("dose_histogram.csv", "courses.csv"):
            (run / name).unlink()
        content = text_of(write_report(run))
        assert "Dose to the bone that stays" not in content
        assert "Tissue around the screws" not in content

    def test_research_use_is_said(self, tmp_path: Path) -> None:
        """Nobody reads a result without reading that it is for research only."""
        content = text_of(write_report(written(tmp_path)))
        assert "Research use only" in content
        assert content.index("Research use only") < content.index("<main ")

    def test_answer_comes_first(self, tmp_path: Path) -> None:
        """The first lines say that all screws hold, for how long, and which is nearest to a limit."""
        content = text_of(write_report(written(tmp_path)))
        head = html.unescape(content[: content.index("<main ")])
        assert "All 2 screws hold for 1 year" in head
        assert "screw 2 moves 75 µm of 150 µm allowed" in head

    def test_loose_screw_is_the_headline(self, tmp_path: Path) -> None:
        """A loosening is told with screw, day, cycles, criterion and cause."""
        events = [loosened("screw-2", 214.0)]
        screws = [screw_row("screw-1", 20.0), screw_row("screw-2", 190.0, 214.0)]
        content = html.unescape(text_of(write_report(written(tmp_path, events=events, screws=screws))))
        assert "1 of 2 screws loosen, the first (screw 2) in month 7 (day 214)" in content
        assert "after 342,400 chewing cycles: the motion between screw and bone rose above the limit" in content
        assert "Why the first one: a & b wore its thread." in content
        assert '<tr class="loose"><th scope="row" class="text name">screw 2' in content

    def test_broken_plate_is_the_headline(self, tmp_path: Path) -> None:
        """A plate that breaks before any screw is loose is told first, and nothing says that the screws hold."""
        broken = {"day": 100.0, "cycles": 160000.0, "kind": "part broken", "subject": "plate", "criterion": "Miner sum"}
        told = {"onset": 100.0, "text": "plate breaks: its fatigue life is used up", "causes": []}
        content = html.unescape(text_of(write_report(written(tmp_path, events=[broken | told], day=100.0))))
        head = content[: content.index("<main ")]
        assert "Plate breaks: its fatigue life is used up in month 3 (day 100); no screw had loosened by then" in head
        assert "hold for" not in head
        assert "hold to the horizon" not in head

    def test_page_without_pictures_says_why(self, tmp_path: Path) -> None:
        """A machine that cannot render still gets the page, with the reason and what to install."""
        notes: list[str] = []
        content = text_of(write_report(written(tmp_path), note=notes.append))
        assert notes == [NO_PICTURES]
        assert NO_PICTURES in content
        assert "data:image/webp" not in content
        assert "<h2>Screws</h2>" in content

    def test_stopped_run_says_so_first(self, tmp_path: Path) -> None:
        """The page of a stopped run opens with the fact that it is not complete, why, and how far it came."""
        run = written(
            tmp_path, tables=True, status="stopped", reason="stopped on day 365.2 of 730; continue with --resume"
        )
        content = html.unescape(text_of(write_report(run)))
        assert "Run not complete" in content[: content.index("</p>", content.index("headline"))]
        first = content[content.index("<li>") : content.index("</li>")]
        assert "This run is not complete (stopped: stopped on day 365.2 of 730; continue with --resume)" in first
        assert "month 12 (day 365)" in first
        assert "screws hold to the horizon" not in content

    @pytest.mark.parametrize("status", ["running", "stopped", "failed", "did not converge"])
    def test_run_without_tables(self, tmp_path: Path, status: str) -> None:
        """A run that ended before any table was written still has a page that says so."""
        run = written(tmp_path, status=status, screws=[], checks=[])
        content = text_of(write_report(run))
        assert "Run not complete" in content
        assert f"This run is not complete ({status})" in content
        assert "<h2>Screws</h2>" not in content

    @pytest.mark.parametrize("key", ["title", "question", "reason", "scenario_file", "command"])
    def test_hostile_words_are_escaped(self, tmp_path: Path, key: str) -> None:
        """Words from a scenario file never become markup."""
        evil = "<script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)>\"'"
        content = text_of(write_report(written(tmp_path, status="stopped", **{key: evil})))
        assert "<script" not in content
        assert "<img src=http" not in content
        assert "&lt;script&gt;alert(1)" in content

    def test_failed_check_is_visible(self, tmp_path: Path) -> None:
        """A check that failed is shown as NO."""
        check = {"name": "reactions", "value": 0.1, "limit": 1e-6, "unit": "N", "passed": False}
        assert '<tr class="failed">' in text_of(write_report(written(tmp_path / "other", checks=[check])))
        assert '<td class="text">NO</td>' in text_of(write_report(written(tmp_path, checks=[check])))

    def test_numbers_are_spelt_for_people(self, tmp_path: Path) -> None:
        """Numbers have three significant digits, and unknown ones are a dash."""
        content = text_of(write_report(written(tmp_path)))
        assert "<td>1,235</td>" in content
        assert "1234.5678" not in content
        assert "<td>1.23e-12</td>" in content
        assert "<td>–</td>" in content
        assert "nan" not in re.sub(r"data:[^\"]+", "", content).lower()


@pytest.mark.usefixtures("without_renderer")
class TestViewerOnThePage:
    """The 3-D view right after the answer, under a policy that knows its one script."""

    def test_one_script_and_the_policy_knows_it(self, tmp_path: Path) -> None:
        """The page runs exactly one script, whose hash the policy names; nothing else may run or be loaded."""
        content = text_of(write_report(reported_run(tmp_path)))
        (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', content)
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        found = re.findall(r"<script([^>]*)>(.*?)</script>", content, re.DOTALL)
        assert [kind for kind, _ in found] == [' type="application/json"', ""]
        digest = base64.b64encode(hashlib.sha256(found[1][1].encode()).digest()).decode()
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == f"'sha256-{digest}'"
        assert rules["img-src"] == "data:"
        without = content.replace(found[0][1], "").replace(found[1][1], "")
        references = re.findall(r"""(?:src|href|srcset|action|data|poster)\s*=\s*["']?([^"'\s>]*)""", without)
        assert {reference.split(",")[0][:11] for reference in references} == {"data:image/", "#after-view", "#content"}
        assert not re.search(r"url\(|@import|<link|<iframe|<base|\son\w+\s*=", without)
        assert len(content.encode()) < 10e6

    def test_stands_between_answer_and_table(self, tmp_path: Path) -> None:
        """After the answer comes the view under a heading, then the table of screws."""
        content = text_of(write_report(reported_run(tmp_path)))
        places = [content.index(mark) for mark in ('class="headline"', "<main ", 'class="fv"', "<h2>Screws</h2>")]
        assert places == sorted(places)
        assert content.count('<section class="fv"') == 1

    def test_operation_is_the_still_and_other_pictures_are_folded(self, tmp_path: Path) -> None:
        """No picture stands open beside a view that shows the same, and the still is not there twice."""
        folder = reported_run(tmp_path)
        for name in ("operation", "closeup"):
            write_bytes(folder / "pictures" / f"{name}.png", PIXEL)
        content = text_of(write_report(folder))
        still = content[content.index('<div class="fv-still">') : content.index("application/json")]
        assert still.count("data:image/webp") == 1
        assert WORDS.say("scenes.operation") not in content
        folded = content[content.index('<details class="pictures">') : content.index("</details>")]
        assert folded.count("data:image/webp") == content.count("data:image/webp") - 1 == 1

    def test_run_without_bodies_says_so(self, tmp_path: Path) -> None:
        """Without fields and surfaces there is one sentence, no script, no rule for one, and pictures stand open."""
        folder = written(tmp_path)
        write_bytes(folder / "pictures" / "operation.png", PIXEL)
        content = text_of(write_report(folder))
        assert content.count("There is no interactive 3-D view of this run: no surfaces to show") == 1
        assert str(folder.path) not in content
        assert "script-src" not in content
        assert "<details class" not in content
        assert WORDS.say("scenes.operation") in content

    def test_hostile_title_stays_data(self, tmp_path: Path) -> None:
        """A title made to end the data block neither ends it nor becomes markup."""
        evil = "</script><script>alert(1)</script>"
        content = text_of(write_report(reported_run(tmp_path, evil)))
        assert content.count("<script") == 2
        data = re.findall(r'<script type="application/json">(.*?)</script>', content, re.DOTALL)
        assert json.loads(data[0])["designs"][0]["name"] == evil


def test_plan_is_no_run(tmp_path: Path) -> None:
    """The folder of a plan has no page; one sentence says what to do."""
    folder = RunFolder.create(tmp_path, "plan-made", "01234567")
    folder.write_record({"status": "planned", "title": "Made", "operation": {}})
    with pytest.raises(InputError, match=r"holds no run \(it is planned\); run its scenario"):
        write_report(folder)


@pytest.mark.parametrize(
    ("value", "spelt"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (True, "yes"),
        (0, "0"),
        (0.0, "0"),
        (12.3456, "12.3"),
        (-12.3456, "-12.3"),
        (999.4, "999"),
        (999.9, "1,000"),
        (123456.7, "123,457"),
        (2.5e7, "2.5e+07"),
        (1.5e-7, "1.5e-07"),
        ([1.0, 2.5], "1, 2.5"),
        ("word", "word"),
    ],
)
def test_number_filter(value: Any, spelt: str) -> None:
    """The filter of the page spells every kind of value without a needless exponent."""
    assert WORDS.number(value) == spelt


@pytest.mark.parametrize(
    ("values", "ends", "ticks"),
    [
        ((0.0, 59.9998), (0.0, None), [0, 10, 20, 30, 40, 50, 60]),
        ((54.0, 72.3), (0.0, None), [0, 20, 40, 60, 80]),
        ((0.4, 1.0), (0.0, 1.0), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ((0.637, 1.0), (None, 1.0), [0.6, 0.7, 0.8, 0.9, 1.0]),
        ((1.0, 1.0), (None, 1.0), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ((0.0, 0.0), (0.0, None), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    ],
)
def test_scale_of_a_picture(values: tuple[float, float], ends: tuple[Any, Any], ticks: list[float]) -> None:
    """Colour scales hold every value and have round ticks that end at the ends."""
    assert scenes.scale_ticks(*values, *ends) == pytest.approx(ticks)


def test_pictures_of_tissue_only_where_there_is_a_dose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A healthy jaw is not drawn five times in one colour, an irradiated one shows dose, each H and modulus."""
    drawn: list[str] = []

    class Plotter:
        def screenshot(self, path: Path) -> None:
            drawn.append(path.stem.removeprefix(".part-"))
            write_bytes(path, PIXEL)

        def enable_anti_aliasing(self, kind: str) -> None: ...

        def close(self) -> None: ...

    monkeypatch.setattr(pictures, "make_plotter", lambda **choices: Plotter())
    silent = {name: scenes.Scene(lambda *given: None, "run.json") for name in scenes.SCENES}
    monkeypatch.setattr(pictures, "SCENES", silent)
    irradiated, healthy = written(tmp_path, tables=True), written(tmp_path)
    pictures.render_here(irradiated.path)
    assert drawn == [*pictures.PICTURES, *pictures.TISSUE_PICTURES]
    drawn.clear()
    pictures.render_here(healthy.path)
    assert drawn == [*pictures.PICTURES]


def test_times_and_counts_are_spelt() -> None:
    """Early times are days, later ones months with the day; cycles have separators or millions."""
    assert WORDS.duration(12.4) == "day 12"
    assert WORDS.duration(214.0) == "month 7 (day 214)"
    assert WORDS.duration(-365.0) == "month -12 (day -365)"
    assert WORDS.count(42000.0) == "42,000"
    assert WORDS.count(1.234e6) == "1.23 million"


def test_nearest_margin_leaves_out_loose_screws(tmp_path: Path) -> None:
    """The nearest margin is that of a screw which still holds."""
    folder = written(tmp_path, screws=[screw_row("screw-1", 20.0), screw_row("screw-2", 400.0, 30.0)])
    assert "screw 1" in words.nearest_margin(read_run(folder), WORDS)


def test_window_needs_a_display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a screen `show` says so instead of opening nothing."""
    monkeypatch.setattr(window.sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match="no display here"):
        window.show_run(reported_run(tmp_path))
