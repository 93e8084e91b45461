"""The page of a study opened from disk: no request, no complaint, nothing wider than the screen, readable in print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from made_studies import MadeDesign, MadeStudy, write_study

from femsim.study.page import write_study_page

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
CHART_WIDTH = 640
"""CSS pixels below which a chart is scrolled, not shrunk."""


def test_page_opens_on_wide_and_narrow_screens(start_browser: Callable, tmp_path: Path) -> None:
    """Charts load, tables scroll in their boxes, the policy stops nothing, folded parts open in print."""
    designs = [MadeDesign("a", 1 / 400, 1 / 900, "low-profile 1.5 mm"), MadeDesign("b", 1 / 900, 0.0, "reconstruction")]
    page = write_study_page(write_study(tmp_path, MadeStudy(designs, 60, {2: "no mesh"})))
    browser = start_browser(gl=False)
    for width in (1280, 390):
        browser.size(width, 1000)
        browser.driver.get(page.as_uri())
        ask = browser.driver.execute_script
        assert ask("return document.documentElement.scrollWidth") <= width
        assert ask("return [...document.images].every(image => image.complete && image.naturalWidth > 0)")
        shown = ask("return [...document.images].filter(image => image.width > 0).map(image => image.width)")
        assert len(shown) >= 3
        assert min(shown) >= CHART_WIDTH
        assert ask("return getComputedStyle(document.querySelector('.answer')).borderLeftWidth") == "5px"
        order = ask("return [...document.querySelectorAll('h1, h2, h3')].map(head => head.tagName).join()")
        assert order.startswith("H1,H2,H3,H2")
    assert browser.complaints() == []
    assert set(browser.requests()) == {page.as_uri()}
    _no_fault_for_any_reader(browser)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.driver.execute_script(
        "return [...document.querySelectorAll('details')].every(one => one.getBoundingClientRect().height > 20)"
    )


def _no_fault_for_any_reader(browser) -> None:
    """An automated checker finds nothing: names, headers, order, contrast, landmarks."""
    if not AXE.is_file():
        pytest.skip("axe-core is not here (npm ci in tests/browser)")
    browser.driver.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true })")
    browser.driver.execute_script(AXE.read_text(encoding="utf-8"))
    browser.driver.set_script_timeout(120)
    found = browser.driver.execute_async_script(
        "axe.run(document, {resultTypes: ['violations']}).then(arguments[0], error => arguments[0](String(error)))"
    )
    assert isinstance(found, dict), found
    assert len(found["passes"]) > 15
    assert [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found["violations"]] == []
