"""What browser tests do with a page: open it, wait for it, move its controls, look at it."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

PATIENCE = 10.0
"""Seconds until a page must have done what it was asked for."""


def opened(browser, page: Path, width: int, height: int):
    browser.size(width, height)
    browser.driver.get("about:blank")
    browser.complaints(), browser.requests()
    browser.driver.get(page.as_uri())
    wait(lambda: browser.driver.execute_script("return Number(document.querySelector('.fv').dataset.drawn) > 0"))
    return browser


def wait(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "the page does not get there"
        time.sleep(0.05)


def settled(browser) -> None:
    """Wait until what was asked for has been drawn."""
    browser.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


def all_of(browser, selector: str) -> list:
    return browser.driver.find_elements("css selector", selector)


def choose(browser, position: int, value: str) -> None:
    browser.driver.execute_script(
        "const s = document.querySelectorAll('.fv select')[arguments[0]]; s.value = arguments[1];"
        "s.dispatchEvent(new Event('change'))",
        position,
        value,
    )
    settled(browser)


def slide(browser, value: float) -> None:
    browser.driver.execute_script(
        "const s = document.querySelector('.fv-time-input'); s.value = arguments[0];"
        "s.dispatchEvent(new Event('input'))",
        value,
    )
    settled(browser)


def press_button(browser, text: str) -> None:
    next(button for button in all_of(browser, ".fv-buttons button") if button.text == text).click()
    settled(browser)


def eyes(browser) -> list[tuple[float, float, float]]:
    settled(browser)
    return [
        tuple(float(stage.get_attribute(f"data-{key}")) for key in ("azimuth", "elevation", "zoom"))
        for stage in all_of(browser, ".fv-stage")
    ]


def click_at(browser, stage, x: float, y: float) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    half = [stage.size["width"] / 2, stage.size["height"] / 2]
    ActionChains(browser.driver).move_to_element_with_offset(stage, x - half[0], y - half[1]).click().perform()
    settled(browser)


def drag(browser, stage, dx: float, dy: float) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    chain = ActionChains(browser.driver).move_to_element_with_offset(stage, 0, 150).click_and_hold()
    chain.move_by_offset(dx / 2, dy / 2).move_by_offset(dx / 2, dy / 2).release().perform()
    settled(browser)


def screenshot(element) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(element.screenshot_as_base64))).convert("RGB"), dtype=int)


def legend(browser) -> np.ndarray:
    return np.array(
        browser.driver.execute_script(
            "return [...document.querySelector('.fv-scale').getContext('2d').getImageData(0, 0, 256, 1).data]"
        )
    ).reshape(256, 4)[:, :3]


def chip(browser, number: int) -> float | None:
    text = browser.driver.execute_script("return document.querySelectorAll('.fv-chip')[arguments[0]].innerText", number)
    return float(text.split()[0]) if text else None
