"""Plan the operations of docs/operations.md, draw them, and write their part of that page.

Run it from the top of the project:

    python docs/make_operations.py [scenario ...]

Every picture and table is what ``femsim plan`` gives for a scenario of the gallery; the picture is trimmed and made
small. Without names every operation is planned; with names the other sections of the page stay as they are.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from femsim.pipeline import PlanResult, plan
from femsim.scenario import Scenario, load_scenario
from femsim.tables import plan_columns, plate_columns, text_table

DOCS = Path(__file__).resolve().parent
SCENARIOS = DOCS.parent / "scenarios"
WIDTH, MARGIN, COLOURS = 900, 30, 128
"""Of a picture [pixels], around its content [pixels of the drawing], and colours it is reduced to."""

OPERATIONS = {
    "60gy-12-months": "A body defect, the plainest case: three screws on either side of the gap.",
    "symphysis": "The chin from canine to canine; the plate is wider over the defect.",
    "angle-ramus-plate": "Angle and lower ramus, cut level below the notch: the condyle stays and the plate turns up "
    "the ramus. Muscles whose attachment is removed are dropped from the loads and named.",
    "two-segments": "Two segments with a piece of bone between them; a second, thin plate with short screws above.",
    "custom-plate": "A plate drawn elsewhere: its surface and the axes of its holes come from two files.",
    "fibula": "One strut of fibula in a body defect, with its own two screws.",
    "fibula-chin": "Three struts around the front of the jaw, mitred against each other.",
}

WRITTEN = "<!-- From here on written by docs/make_operations.py -->\n"
"""What stands above this line in the page is written by hand."""


def small_picture(source: Path, target: Path) -> None:
    """Trim the white around a picture, scale it to the width of the page and reduce its colours."""
    image = Image.open(source).convert("RGB")
    drawn = np.argwhere(np.asarray(image).min(axis=2) < 250)
    (top, left), (bottom, right) = drawn.min(axis=0) - MARGIN, drawn.max(axis=0) + MARGIN
    image = image.crop((max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)))
    image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    image.quantize(COLOURS).save(target, optimize=True)


def section(name: str, caption: str, scenario: Scenario, made: PlanResult) -> str:
    """One operation of the page."""
    tables = f"{text_table(plate_columns(made.plates))}\n\n{text_table(plan_columns(made.table))}"
    told = "".join(f"\n- {warning}" for warning in made.warnings)
    return (
        f"\n## {scenario.title}\n\n{caption} Scenario: [{name}.yaml](../scenarios/{name}.yaml).\n\n"
        f"![{scenario.title}](operations/{name}.png)\n\n```text\n{tables}\n```\n"
        + (f"\nTold by the plan:\n{told}\n" if told else "")
    )


def main() -> None:
    """Plan and draw the operations that were asked for, and write their sections of the page."""
    page = DOCS / "operations.md"
    above, _, below = page.read_text(encoding="utf-8").partition(WRITTEN)
    sections = {name: one for one in below.split("\n## ")[1:] for name in OPERATIONS if f"/{name}.yaml)" in one}
    (DOCS / "operations").mkdir(exist_ok=True)
    for name in sys.argv[1:] or list(OPERATIONS):
        scenario = load_scenario(SCENARIOS / f"{name}.yaml")
        with tempfile.TemporaryDirectory() as folder:
            made = plan(scenario, output=Path(folder))
            if made.picture is None:
                raise SystemExit(f"{name}: no picture was drawn; is a GL library installed?")
            small_picture(made.picture, DOCS / "operations" / f"{name}.png")
        sections[name] = section(name, OPERATIONS[name], scenario, made).removeprefix("\n## ")
    written = "".join(f"\n## {sections[name].rstrip()}\n" for name in OPERATIONS if name in sections)
    page.write_text(above + WRITTEN + written, encoding="utf-8")


if __name__ == "__main__":
    main()
