"""One self-contained HTML page of a run: no request, one script known by its hash, opens anywhere."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from femsim.errors import FemsimError, InputError
from femsim.report import charts, words
from femsim.report.read import RunData, read_run
from femsim.report.scenes import PICTURES, TISSUE_PICTURES, render_run
from femsim.report.viewer_block import ViewerBlock, viewer_block
from femsim.report.viewer_data import pack_run
from femsim.results import RunFolder, write_text
from femsim.results.rows import STRIP_STEP

CHART = Markup('<div class="scroll"><img class="chart" src="{}" alt="{}"></div>')
STILL = "operation"
"""The picture that stands in for the viewer in print and where WebGL or scripts are missing."""
WEAKEST_FIRST = {"assumed": 0, "derived": 1, "recalled": 2, "found": 3}


def write_report(folder: RunFolder, *, note: Callable[[str], None] = lambda text: None) -> Path:
    """Render the pictures in a child process and write ``report.html`` into the run folder.

    Parameters
    ----------
    folder : RunFolder
        A run, complete or not.
    note : callable
        Receives one sentence when pictures are missing.

    Returns
    -------
    Path
        The page.
    """
    missing = ""
    try:
        render_run(folder)
    except FemsimError as error:
        missing = str(error)
        note(missing)
    path = folder / "report.html"
    write_text(path, render_page(read_run(folder), missing))
    return path


def render_page(run: RunData, missing_pictures: str = "") -> str:
    """Fill the template with a run's data; ``missing_pictures`` says why there are none.

    The 3-D viewer shows what the pictures show: with it they stand folded, and the first is its still.
    """
    viewer, missing_viewer = _viewer(run.folder)
    environment = Environment(
        loader=PackageLoader("femsim.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, duration=words.duration, count=words.count)
    return environment.get_template("report.html.j2").render(
        run=run,
        record=run.record,
        headline=words.headline(run),
        answer=words.answer(run),
        viewer=viewer,
        missing_viewer=missing_viewer,
        pictures=_pictures(run.folder, {name: PICTURES[name] for name in PICTURES if not viewer or name != STILL}),
        tissue_pictures=_pictures(run.folder, TISSUE_PICTURES),
        missing_pictures=missing_pictures,
        charts=_charts(run),
        strip_step=STRIP_STEP,
        parameters=sorted(run.record.get("parameters", []), key=lambda entry: WEAKEST_FIRST[entry["mark"]]),
    )


def _viewer(folder: RunFolder) -> tuple[ViewerBlock | None, str]:
    """The 3-D viewer, or None and one sentence why there is none."""
    try:
        packed = pack_run(folder)
    except InputError as error:
        return None, words.no_viewer(str(error).removeprefix(f"{folder.path}: "))  # a page travels without its folder
    still = folder / "pictures" / f"{STILL}.png"
    picture = _data_uri("image/png", still.read_bytes()) if still.is_file() else None
    return viewer_block([packed], stills=[picture]), ""


def _pictures(folder: RunFolder, captions: Mapping[str, str]) -> list[dict[str, str]]:
    found = []
    for name, caption in captions.items():
        path = folder / "pictures" / f"{name}.png"
        if path.is_file():
            found.append({"name": name, "caption": caption, "data": _data_uri("image/png", path.read_bytes())})
    return found


def _charts(run: RunData) -> dict[str, Markup]:
    makers: Mapping[str, tuple[Callable[[RunData], str], list[dict[str, Any]], str]] = {
        "screws": (
            charts.screw_courses,
            run.timeline,
            "Motion, holding force and lateral stiffness of screws",
        ),
        "states": (charts.state_courses, run.timeline, "Bonded fraction, damage and clearance of screws over time"),
        "tissue": (
            charts.tissue_strips,
            run.tissue,
            "Dose, vessels, oxygen, cells, stiffness along the jaw",
        ),
        "histogram": (charts.dose_histograms, run.histogram, "Cumulative dose-volume histograms of the jaw"),
        "courses": (charts.tissue_courses, run.courses, "Tissue around screws from the end of radiotherapy on"),
        "hardware": (charts.hardware_bars, run.hardware, "Stress of plate and screws against yield and endurance"),
        "interface": (
            charts.interface_maps,
            run.patches,
            "Thread hold left on the interface of every screw",
        ),
    }
    images = dict.fromkeys(makers, Markup(""))  # a stopped run has no tables for some of them
    for name, (make, available, alt) in makers.items():
        if available:
            source = _data_uri("image/svg+xml", make(run).encode("utf-8"))
            images[name] = CHART.format(Markup(source), alt)
    return images


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _number(value: Any, digits: int = 3) -> str:
    """Spell a number for people: three significant digits, no needless exponent; an unknown one as a dash."""
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(_number(item, digits) for item in value)
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        # What rounds up to the next power of ten would get an exponent.
        return f"{value:,.{digits}g}" if abs(value) < 10**digits - 0.5 else f"{value:,.0f}"
    return f"{value:.{digits}g}"
