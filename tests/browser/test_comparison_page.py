"""The comparison of two designs as a surgeon meets it: from disk, network cut, wide and narrow, for any reader."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from browser_hands import all_of, choose, drag, eyes, opened, screenshot, settled
from comparison_models import compared_runs
from PIL import Image
from pipeline_models import bench, finished_run, session_cache, workspace

from femsim import pipeline
from femsim.report import page as report_page
from femsim.report import print_page, write_comparison, write_report
from femsim.report.catalogue import load_catalogue

REFERENCES = Path(__file__).parent / "references"
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
WORDS = load_catalogue()
TOLERANCE = 6.0
"""Mean difference of grey values (0 to 255) that fonts and software renderers may make on a small picture."""
SMALLER = 8
GRAVE = ("serious", "critical")
FITS = "return document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def real_page() -> Path:
    """The comparison of real runs of two designs: a healthy and an irradiated bench block."""
    finished_run()
    runs = workspace() / "runs"
    with session_cache():
        return pipeline.compare([bench("small", years=0.05), bench("irradiated", years=0.05, dose=60.0)], runs).page


@pytest.fixture(scope="module")
def brick_pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages of bricks, which look the same on every day: a comparison and the report of one run."""
    place = tmp_path_factory.mktemp("bricks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_page, "render_run", lambda *given: None)
        runs = compared_runs(place)
        both = write_comparison(runs, place / "comparison.html", command="femsim compare first second")
        return {"comparison": both, "report": write_report(runs[1])}


@pytest.fixture(scope="module")
def shared_browser(start_browser: Callable) -> Iterator:
    return start_browser()


def test_two_real_designs_side_by_side(shared_browser, real_page: Path):
    """The page opens from disk; slider, linked views, screws and fields work; nothing is asked for or complained of."""
    from selenium.webdriver.common.action_chains import ActionChains

    assert real_page.stat().st_size < 10e6
    browser = opened(shared_browser, real_page, 1280, 1400)
    assert len(all_of(browser, ".fv-view")) == 2
    slider, when = all_of(browser, ".fv-time-input")[0], all_of(browser, ".fv-when")[0]
    at_end = when.text
    ActionChains(browser.driver).click_and_hold(slider).move_by_offset(-200, 0).release().perform()
    settled(browser)
    assert when.text != at_end
    assert float(slider.get_attribute("value")) < 0.5 * 0.05 * 365.25
    before = eyes(browser)
    drag(browser, all_of(browser, ".fv-stage")[0], 120, -30)
    after = eyes(browser)
    assert after[0] == after[1] != before[1]
    all_of(browser, ".fv-screw")[1].click()
    assert all_of(browser, ".fv-readout caption")[0].text.startswith("Screw 2 on day")
    assert len(all_of(browser, ".fv-readout thead th")) == 3
    choose(browser, 0, "young_ratio")
    assert "Stiffness" in all_of(browser, ".fv-legend-title")[0].text
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.endswith("/comparison.html")] == []


@pytest.mark.parametrize("name", ["comparison", "report"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_serious_fault_for_any_reader(shared_browser, brick_pages: dict[str, Path], name: str, width: int):
    """An automated checker finds no serious fault: contrast, names, headers, order, landmarks, language."""
    if not AXE.is_file():
        pytest.skip("axe-core is not here (npm ci in tests/browser)")
    browser = opened(shared_browser, brick_pages[name], width, 1400)
    browser.driver.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true })")
    all_of(browser, ".fv-screw")[1].click()
    browser.driver.execute_script(AXE.read_text(encoding="utf-8"))
    browser.driver.set_script_timeout(120)
    found = browser.driver.execute_async_script(
        "axe.run(document, {resultTypes: ['violations']}).then(arguments[0], error => arguments[0](String(error)))"
    )
    assert isinstance(found, dict), found
    assert len(found["passes"]) > 15
    faults = [
        (fault["id"], fault["impact"], [node["target"] for node in fault["nodes"]][:3])
        for fault in found["violations"]
        if fault["impact"] in GRAVE
    ]
    assert faults == []


@pytest.mark.parametrize("width", [1280, 390])
def test_looks_as_when_it_was_looked_at(shared_browser, brick_pages: dict[str, Path], width: int):
    """Nothing sticks out sideways, and the first screen looks as in the small reference that was looked at."""
    browser = opened(shared_browser, brick_pages["comparison"], width, 1400)
    assert browser.driver.execute_script(FITS) <= width
    image = Image.fromarray(screenshot(browser.driver.find_element("css selector", "header")).astype(np.uint8))
    small = image.resize((width // SMALLER, 700 // SMALLER))
    path = REFERENCES / f"comparison-{width}.png"
    reference = np.asarray(Image.open(path).convert("RGB"), dtype=int)
    assert np.abs(np.asarray(small, dtype=int) - reference).mean() < TOLERANCE


def test_reading_order(shared_browser, brick_pages: dict[str, Path]):
    """By keyboard one comes first to the link past the answer, then to the order, then to the view's link."""
    from selenium.webdriver.common.keys import Keys

    browser = opened(shared_browser, brick_pages["comparison"], 1280, 1400)
    all_of(browser, "body")[0].send_keys(Keys.TAB)
    seen = []
    for _ in range(3):
        active = browser.driver.switch_to.active_element
        seen.append(active.text if active.tag_name == "a" else active.get_attribute("aria-label"))
        active.send_keys(Keys.TAB)
    assert seen == [WORDS.say("page.skip_to_content"), WORDS.say("tables.ranking"), WORDS.say("page.skip_viewer")]


def test_prints(start_browser: Callable, brick_pages: dict[str, Path]):
    """The page prints to a PDF of several pages that holds the answer as text."""
    del start_browser  # skips where Chromium is absent
    printed = print_page(brick_pages["comparison"])
    assert printed.read_bytes().startswith(b"%PDF-")
    try:
        text = subprocess.run(["pdftotext", str(printed), "-"], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("the PDF was written; pdftotext (poppler-utils) is not here to read it")
    assert "Thick plate comes first" in " ".join(text.split())
    assert text.count("\f") >= 3
