"""Plan the operations of docs/operations.md, draw them, and write that page.

Run it from the top of the project:

    python docs/make_operations.py [scenario ...]

Every picture and table is what ``femsim plan`` gives for a scenario of the gallery; the picture is trimmed and made small.
Without names every operation is planned and the page is written again.
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
    "angle-ramus-plate": "Angle and lower ramus, cut level below the notch: the condyle stays and the plate turns up the "
    "ramus. Muscles whose attachment is removed are dropped from the loads and named.",
    "two-segments": "Two segments with a piece of bone between them; a second, thin plate with short screws above.",
    "custom-plate": "A plate drawn elsewhere: its surface and the axes of its holes come from two files.",
    "fibula": "One strut of fibula in a body defect, with its own two screws.",
    "fibula-chin": "Three struts around the front of the jaw, mitred against each other.",
}

HEAD = """\
# Operations

This page is written by `docs/make_operations.py` from scenarios of the gallery. Every picture and table is the answer of
`femsim plan`, which needs no mesh and takes a few seconds. Research use only.

## What can be asked

| What | In the scenario |
|---|---|
| Segment | `resection: {side: left, from: 34, to: 36}` by teeth (FDI), by distances from the midline along the arch (`from: 20 mm, to: 55 mm`), by a tooth and a distance (`from: 37, to: 75 mm`), or by `planes:`; several under `segments:` |
| Condyle kept | the upper one of two `planes:` may lie level across the ramus; in front of the ramus a cut may stand up to 60 degrees oblique |
| Plate of a preset | `plate: {preset: reconstruction-2.5}` with `width`, `thickness`, `pitch`, `height` above the lower border, `standoff`, `bridge_width`, `edge_radius`, `wave`, `countersink` |
| Plate drawn elsewhere | `plate: {surface: plate.stl, holes: holes.csv}` or `holes: [{point: [...], direction: [...]}, ...]` |
| How it was made | `finish: bent`, `milled` or `printed`; sets metal and knock-down of its fatigue strength |
| Screws | `screws: {preset, per_stump, length, diameter, minimal_distance_to_cut, distance_measured, holes}`; `length` is `bicortical`, `monocortical` or in mm |
| One hole | `holes: [{hole: 2, screw: false}, {hole: 3, length: 9 mm, diameter: 2.7 mm, along: 5 degree, up: -3 degree}]` |
| Keep clear of | `jaw: {keep_clear: [{name: canal, points: [...], radius: 1.5 mm, distance: 1 mm}]}`; conflicts are listed with their numbers |
| Fibula | `graft: {struts: 2, screws: 2, width, height, cortex, gap, union}` |

Holes are numbered along the plate from the right of the jaw to its left. `minimal_distance_to_cut` (5 mm) is kept by the
hole, and a screw that leans nearer to the cut inside the bone is told; with `distance_measured: along_screw` the holes are
moved until the whole screw keeps it.

## What the table says

`long` is from the plate's outer face to the tip, `in bone` the part in bone, `cortex` the lengths in the near and the far
cortex, `to cut` the least distance of the axis in bone to a saw cut, `gap` the distance from the plate to the bone along the
axis; all in mm. `metal beside seats` is the least metal between the seat of a screw's head and the edge of the plate or the
next seat. `plan.csv` in the folder of the plan holds more: every length, and the distance to whatever is to be kept clear of.

## Seats of the heads

Screws are bonded to the plate, as a locked head is, and the head fills its seat; a hole with a screw is therefore metal
through and through, and the countersink changes nothing there. It matters in two places: an empty hole is a void with the
bore of the thread and a conical seat as wide as the head, and the metal beside the seat is reported and refused when nothing
is left. The contact inside the locking thread is not modelled.

## A plate drawn elsewhere

The surface must be closed, one body, and in millimetres in the frame of the jaw's file (of the anatomical frame for a
parametric jaw). The table of holes has the columns `x, y, z, dx, dy, dz`: a point on the axis and the direction into the
bone. Femsim feels around every axis for the bore, its seat, both faces and the edge, fills the bore where a locking head
fills it, and refuses an axis that does not pass through the plate or meets no bone. The gap to the bone is reported; a plate
that runs into the bone is refused with depth and place. Screws stand in the given axes and are turned only where `along` and
`up` ask for it. The metal of a printed plate is the alloy with the knock-down of its rough surface, that of a milled or bent
one pure titanium; both have the stiffness of the card `materials.plate_E`.

## What is not there

Plates are bent over the buccal surface; a plate on the lower border or the lingual side has to be drawn. A plate may bridge
a condyle that stays, not replace one. Non-locking screws that press the plate onto the bone are not modelled.
"""


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
    """Plan and draw every operation; write the page when all were asked for."""
    names = sys.argv[1:] or list(OPERATIONS)
    (DOCS / "operations").mkdir(exist_ok=True)
    page = HEAD
    for name in names:
        scenario = load_scenario(SCENARIOS / f"{name}.yaml")
        with tempfile.TemporaryDirectory() as folder:
            made = plan(scenario, output=Path(folder))
            if made.picture is None:
                raise SystemExit(f"{name}: no picture was drawn; is a GL library installed?")
            small_picture(made.picture, DOCS / "operations" / f"{name}.png")
        page += section(name, OPERATIONS[name], scenario, made)
    if names == list(OPERATIONS):
        (DOCS / "operations.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
