"""The report of one run as a surgeon meets it: opened from disk, without network, on a wide and a narrow screen."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from viewer_models import LOOSE_DAY, reported_run

from femsim.report import page as report_page
from femsim.report.catalogue import load_catalogue
from femsim.report.pictures import PICTURES, TISSUE_PICTURES
from femsim.results import RunFolder, write_bytes

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PATIENCE = 5.0
DRAWN = "return Number(document.querySelector('.fv').dataset.drawn) > 0"


def pictures_of_one_pixel(folder: RunFolder, words: object) -> None:
    for name in (*PICTURES, *TISSUE_PICTURES):
        write_bytes(folder / "pictures" / f"{name}.png", PIXEL)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that `femsim report` writes for a small run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_page, "render_run", pictures_of_one_pixel)
        return report_page.write_report(reported_run(tmp_path_factory.mktemp("report"), "Bricks on a plate"))


@pytest.fixture(scope="module")
def shared_browser(start_browser: Callable) -> Iterator:
    return start_browser()


def opened(browser, report: Path, width: int):
    browser.size(width, 1200)
    browser.driver.get("about:blank")
    browser.complaints(), browser.requests()
    browser.driver.get(report.as_uri())
    end = time.monotonic() + PATIENCE
    while not browser.driver.execute_script(DRAWN):
        assert time.monotonic() < end, "the view is never drawn"
        time.sleep(0.05)
    return browser


def one(browser, selector: str):
    return browser.driver.find_element("css selector", selector)


@pytest.mark.parametrize("width", [1280, 390])
def test_page_opens_and_works(shared_browser, report: Path, width: int):
    """The view lives on the page: slider and screws work, nothing is asked for or complained of, nothing sticks out."""
    browser = opened(shared_browser, report, width)
    browser.driver.execute_script(
        "const s = document.querySelector('.fv-time-input'); s.value = arguments[0];"
        "s.dispatchEvent(new Event('input'))",
        LOOSE_DAY + 1,
    )
    assert "1 of 4" in one(browser, ".fv-tally").text
    browser.driver.find_elements("css selector", ".fv-screw")[3].click()
    assert one(browser, ".fv-readout caption").text.startswith("Screw 4 on day 121")
    assert not one(browser, ".fv-still").is_displayed()
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= width
    right = "return Math.max(...[...document.querySelectorAll(arguments[0])].map(e => e.getBoundingClientRect().right))"
    assert browser.driver.execute_script(right, ".fv select, .fv-row button") <= browser.driver.execute_script(
        right, ".fv"
    )
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.endswith("/report.html")] == []


def test_keyboard_can_pass_the_view(shared_browser, report: Path):
    """The first Tabs reach links that skip the answer and the view; the next stop after it lies beyond the view."""
    from selenium.webdriver.common.keys import Keys

    browser = opened(shared_browser, report, 1280)
    one(browser, "body").send_keys(Keys.TAB)
    first = browser.driver.switch_to.active_element
    assert first.text == "Skip to the details"
    first.send_keys(Keys.TAB)
    link = browser.driver.switch_to.active_element
    assert link.text == "Skip the 3-D view"
    link.send_keys(Keys.ENTER)
    browser.driver.switch_to.active_element.send_keys(Keys.TAB)
    after = browser.driver.switch_to.active_element
    assert after.tag_name == "summary"
    assert "still pictures" in after.text


def test_print_shows_stills(shared_browser, report: Path):
    """On paper the still stands in for the view, and the folded pictures are open."""
    browser = opened(shared_browser, report, 1280)
    try:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert one(browser, ".fv-still img").is_displayed()
        assert not one(browser, ".fv-app").is_displayed()
        folded = "return document.querySelector('details.pictures img').checkVisibility()"
        assert browser.driver.execute_script(folded)
        assert not one(browser, ".skip").is_displayed()
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_still_stands_in_without_webgl(start_browser, report: Path):
    """Without WebGL the page has the picture of the operation, with a sentence why."""
    browser = start_browser(gl=False)
    browser.size(1280, 1200)
    browser.driver.get(report.as_uri())
    assert one(browser, ".fv-why").text == load_catalogue().viewer()["no_webgl"]
    assert one(browser, ".fv-still img").is_displayed()
    assert browser.driver.find_elements("css selector", ".fv-app") == []
