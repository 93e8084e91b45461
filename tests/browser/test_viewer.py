"""The 3-D viewer as a surgeon meets it: opened from disk, without network, by mouse, keys and touch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from browser_hands import (
    all_of,
    chip,
    choose,
    click_at,
    drag,
    eyes,
    legend,
    opened,
    press_button,
    screenshot,
    settled,
    slide,
)
from PIL import Image
from viewer_models import DEFLECTION, DOSE, HEADS, LOOSE_DAY, SIZE, brick, written_run

from femsim.mesh.tetmesh import outer_faces
from femsim.report.catalogue import load_catalogue
from femsim.report.viewer_block import viewer_block
from femsim.report.viewer_data import pack_run
from femsim.results import RunFolder, write_json
from femsim.results.fields import write_surface

WORDS = load_catalogue().viewer()
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src {}; script-src {}">
<title>Viewer</title></head><body><main><h1>Two designs</h1>{}</main></body></html>"""
PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
REFERENCES = Path(__file__).parent / "references"
SMALL = (160, 120)
TOLERANCE = 6.0
"""Mean difference of grey values (0 to 255) that fonts and software renderers may make on a small picture."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two designs, the second with half the dose."""
    runs = tmp_path_factory.mktemp("designs")
    designs = [pack_run(written_run(runs, "Design A")), pack_run(written_run(runs, "Design B", DOSE / 2))]
    block = viewer_block(designs, stills=[PIXEL, None])
    path = runs / "two.html"
    path.write_text(PAGE.format(block.style_source, block.script_source, block.markup), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shared_browser(start_browser: Callable) -> Iterator:
    return start_browser()


@pytest.fixture
def browser(shared_browser, page: Path):
    """The freshly opened page, 1280 pixels wide."""
    return opened(shared_browser, page, 1280, 1400)


def test_opens_from_disk_without_a_request_or_complaint(browser):
    """A page with two designs opens under a strict policy, asks for nothing and complains of nothing in use."""
    assert len(all_of(browser, ".fv-view")) == 2
    slide(browser, 50)
    choose(browser, 0, "eqd2")
    drag(browser, all_of(browser, ".fv-stage")[0], 80, 20)
    choose(browser, 2, "section_y")
    all_of(browser, ".fv-screw")[1].click()
    settled(browser)
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.endswith("/two.html")] == []


def test_slider_tells_which_screws_count_as_loose(browser):
    """Before its day a screw does not count as loose, after it does; numbers, words and marks follow."""
    screw = all_of(browser, ".fv-screw")[3]
    slide(browser, LOOSE_DAY - 1)
    assert WORDS["state_holds"] in screw.get_attribute("aria-label")
    assert "0 of 4" in all_of(browser, ".fv-tally")[0].text
    slide(browser, LOOSE_DAY + 1)
    assert "since day 120" in screw.get_attribute("aria-label")
    assert "fv-loose" in screw.get_attribute("class")
    assert "1 of 4" in all_of(browser, ".fv-tally")[0].text


def test_turning_one_view_turns_the_other(browser):
    """Linked views follow a drag in either; unlinked ones do not."""
    before = eyes(browser)
    drag(browser, all_of(browser, ".fv-stage")[0], 120, -30)
    after = eyes(browser)
    assert after[0] == after[1]
    assert after[0][0] != before[0][0]
    link = all_of(browser, ".fv-tickbox input")[0]
    link.click()
    drag(browser, all_of(browser, ".fv-stage")[1], 120, 0)
    apart = eyes(browser)
    assert apart[0] == after[0]
    assert apart[1][0] != after[1][0]


def test_picked_screw_is_read_in_both_designs(browser):
    """A click on the body of a screw fills one table with a column per design, for the day of the slider."""
    slide(browser, 150)
    press_button(browser, WORDS["view_frontal"])
    stage = all_of(browser, ".fv-stage")[0]
    image = screenshot(stage)
    orange = np.argwhere(np.abs(image - [0xC4, 0x5A, 0]).max(axis=2) < 3)
    y, x = orange[len(orange) // 2]
    click_at(browser, stage, x, y)
    assert all_of(browser, ".fv-readout caption")[0].text.startswith("Screw 4 on day 150")
    rows = {row.find_element("tag name", "th").text: row for row in all_of(browser, ".fv-readout tbody tr")}
    cells = rows["Holding force, share of insertion [%]"].find_elements("tag name", "td")
    assert [cell.text for cell in cells] == ["65", "65"]
    cells = rows["Dose at the screw, EQD2 [Gy]"].find_elements("tag name", "td")
    assert [cell.text for cell in cells] == ["52.5", "26.3"]


def test_colours_are_those_of_the_legend(browser):
    """Where the value is known from the model, the pixel has the legend's colour of that value, in both designs."""
    choose(browser, 0, "eqd2")
    press_button(browser, WORDS["view_frontal"])
    colours = legend(browser)
    bar = all_of(browser, ".fv-bar")[0]
    per_mm = bar.size["width"] / float(bar.text.split()[0])
    top = float(all_of(browser, ".fv-tick")[-1].text)  # one scale: the largest dose of both designs
    assert top == pytest.approx(DOSE, abs=1.0)
    values = []
    for number, stage in enumerate(all_of(browser, ".fv-stage")):
        image = screenshot(stage)
        height, width = image.shape[:2]
        for x in (5.0, 18.0, 42.0, 55.0):
            column, row = round(width / 2 + (x - SIZE / 2) * per_mm), height // 2
            known = DOSE / (number + 1) * x / SIZE
            index = int(known / top * 255)
            near = colours[max(index - 5, 0) : index + 6]  # half an element either way
            assert np.abs(near - image[row, column]).max(axis=1).min() <= 3, (number, x)
            click_at(browser, stage, column, row)
            shown = chip(browser, number)
            assert shown == pytest.approx(known, abs=1.5)
            assert np.abs(colours[round(shown / top * 255)] - image[row, column]).max() <= 4
            values.append(shown)
    assert max(values) > 50


def test_screws_have_the_legends_colour_through_bone(browser):
    """Nothing that is seen through dims a colour: a screw within bone has exactly the legend's colour."""
    choose(browser, 0, "holding_ratio")
    slide(browser, 150)
    press_button(browser, WORDS["view_inferior"])
    image = screenshot(all_of(browser, ".fv-stage")[0])
    expected = legend(browser)[round(0.65 * 255)]
    assert (np.abs(image - expected).max(axis=2) <= 2).sum() > 100


def test_section_shows_the_inside_in_the_same_colours(browser):
    """An upright cut through the middle of a stump shows the dose of that place on its face."""
    choose(browser, 0, "eqd2")
    press_button(browser, WORDS["view_left"])
    choose(browser, 2, "section_x")
    place = all_of(browser, ".fv-more input[type=range]")[0]
    browser.driver.execute_script(
        "arguments[0].value = 20; arguments[0].dispatchEvent(new Event('input'))", place
    )  # 20 mm left of the middle, at x = 50 mm
    settled(browser)
    image = screenshot(all_of(browser, ".fv-stage")[0])
    middle = image[image.shape[0] // 2, image.shape[1] // 2]
    index = round(50 / SIZE * 255)
    assert np.abs(legend(browser)[index - 3 : index + 4] - middle).max(axis=1).min() <= 3


def test_deformation_is_drawn_to_scale(browser):
    """Drawn twenty times as large as computed, a screw moves by twenty times its displacement, and a note says so."""
    press_button(browser, WORDS["view_frontal"])
    bar = all_of(browser, ".fv-bar")[0]
    per_mm = bar.size["width"] / float(bar.text.split()[0])

    def heights() -> list[float]:
        read = "return document.querySelectorAll('.fv-screw')[arguments[0]].style.transform"
        found = [browser.driver.execute_script(read, k) for k in (0, 3)]
        return [float(text.split(",")[1].strip(" px)")) for text in found]

    before = heights()
    browser.driver.execute_script(
        "document.querySelector('.fv-more').open = true;"
        "const s = document.querySelectorAll('.fv-slider input')[1]; s.value = 5; s.dispatchEvent(new Event('input'))"
    )
    settled(browser)
    assert "20 times as large" in all_of(browser, ".fv-legend .fv-note")[0].text
    moved = [a - b for a, b in zip(before, heights(), strict=True)]
    known = [20 * DEFLECTION * x / SIZE * per_mm for x in (HEADS[0], HEADS[3])]
    assert moved == pytest.approx(
        known, abs=20 * DEFLECTION * 2 / SIZE * per_mm
    )  # a number stands at the nearest point


def test_keys_turn_zoom_and_pick(browser):
    """Arrows, plus, digits work in a focused view; Tab and Enter pick a screw."""
    from selenium.webdriver.common.keys import Keys

    stage = all_of(browser, ".fv-stage")[0]
    browser.driver.execute_script("arguments[0].focus()", stage)
    active = browser.driver.switch_to.active_element
    active.send_keys("1")
    assert eyes(browser)[0][:2] == (0, 0)
    active.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_UP)
    assert eyes(browser)[1][:2] == pytest.approx((np.pi / 18, np.pi / 18), abs=1e-3)
    zoom = eyes(browser)[0][2]
    active.send_keys("+")
    assert eyes(browser)[0][2] == pytest.approx(1.2 * zoom, abs=1e-2)
    active.send_keys("4")
    assert eyes(browser)[0][1] == pytest.approx(-np.pi / 2, abs=1e-3)
    active.send_keys(Keys.TAB)
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert all_of(browser, ".fv-readout caption")[0].text.startswith("Screw 1")


def test_fingers_turn_and_zoom(browser):
    """One finger turns, two fingers zoom."""
    box = all_of(browser, ".fv-stage")[0].rect
    x, y = box["x"] + box["width"] / 2, box["y"] + 300

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": px, "y": py, "id": k} for k, (px, py) in enumerate(places)]
        browser.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = eyes(browser)[0]
    touch("touchStart", (x, y))
    touch("touchMove", (x + 60, y))
    touch("touchEnd")
    turned = eyes(browser)[0]
    assert turned[0] < before[0]
    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchEnd")
    assert eyes(browser)[0][2] > 1.5 * turned[2]


def test_what_is_not_known_is_said_and_grey(shared_browser, tmp_path: Path):
    """Beside a whole run: one without dose and without its inside, and one that failed before it had any field."""
    whole = pack_run(written_run(tmp_path, "Whole"))
    bare = pack_run(written_run(tmp_path, "Bare"), largest=len(json.dumps(whole)) - 100)
    for part in bare["parts"]:
        part["fields"].pop("eqd2", None)
    del bare["ranges"]["eqd2"]
    early = RunFolder.create(tmp_path, "early", "01234567")
    write_json(early / "run.json", {"kind": "femsim run", "format": 1, "title": "Early", "status": "failed"})
    (early / "surfaces").mkdir()
    points, tets = brick((0, 0, 0), (60, 10, 30), (1, 1, 1))
    write_surface(early / "surfaces" / "bone.vtp", points, outer_faces(tets)[0])
    block = viewer_block([whole, bare, pack_run(early)])
    path = tmp_path / "three.html"
    path.write_text(PAGE.format(block.style_source, block.script_source, block.markup), encoding="utf-8")
    browser = opened(shared_browser, path, 1280, 1400)
    choose(browser, 0, "eqd2")
    press_button(browser, WORDS["view_frontal"])
    assert WORDS["unknown_swatch"] in all_of(browser, ".fv-legend .fv-note")[0].text
    stages = all_of(browser, ".fv-stage")
    for stage in stages[1:]:
        image = screenshot(stage)
        grey = np.ptp(image, axis=2) < 25
        assert grey.mean() > 0.95  # nothing but greys and a few marks: no colour of the scale
    assert "This run is not complete (failed)." in all_of(browser, ".fv-tally")[2].text
    assert "Bare: the run is too large" in all_of(browser, ".fv-more")[0].get_attribute("textContent")
    choose(browser, 2, "section_screw")
    assert browser.complaints() == []


@pytest.mark.parametrize("width", [1280, 390])
def test_looks_as_when_it_was_looked_at(shared_browser, page: Path, width: int):
    """Nothing sticks out sideways, and the views look as in the small reference that was looked at."""
    browser = opened(shared_browser, page, width, 1400)
    wide = "return document.documentElement.scrollWidth"
    assert browser.driver.execute_script(wide) <= width
    choose(browser, 0, "motion_p95_um")  # a scale with a limit near its end, and the table of a picked screw
    all_of(browser, ".fv-screw")[3].click()
    assert browser.driver.execute_script(wide) <= width
    choose(browser, 0, "young_ratio")
    image = Image.fromarray(screenshot(all_of(browser, ".fv-grid")[0]).astype(np.uint8)).resize(SMALL)
    reference = np.asarray(Image.open(REFERENCES / f"viewer-{width}.png").convert("RGB"), dtype=int)
    assert np.abs(np.asarray(image, dtype=int) - reference).mean() < TOLERANCE


def test_pictures_stand_in_without_webgl(start_browser, page: Path):
    """Without WebGL the pictures stay, with a sentence why, and the controls that would do nothing are not there."""
    browser = start_browser(gl=False)
    browser.size(1280, 900)
    browser.driver.get(page.as_uri())
    assert all_of(browser, ".fv-why")[0].text == WORDS["no_webgl"]
    assert all_of(browser, ".fv-still img")[0].is_displayed()
    assert all_of(browser, ".fv-app") == []
    assert "Design B" in all_of(browser, ".fv-still figcaption")[1].text
    assert not any("Uncaught" in line for line in browser.complaints())
