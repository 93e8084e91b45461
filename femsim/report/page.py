"""One self-contained HTML page of a run or of several designs: no request, one script known by its hash."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from femsim.errors import FemsimError, InputError
from femsim.report import answers, load_charts, page_tables, screw_charts, tissue_charts
from femsim.report import words as told
from femsim.report.catalogue import DAYS_PER_YEAR, Catalogue, load_catalogue
from femsim.report.design import Design, short_names
from femsim.report.differences import changes_situation, differences
from femsim.report.ensemble import Ensemble, find_ensemble
from femsim.report.frame import Chart, Table, picture_uri, render, svg_chart
from femsim.report.moments import moments
from femsim.report.pictures import PICTURES, TISSUE_PICTURES, render_run
from femsim.report.ranking import rank
from femsim.report.read import read_run
from femsim.report.viewer_block import MOST_DESIGNS, ViewerBlock, viewer_block
from femsim.report.viewer_data import LARGEST, pack_run
from femsim.results import RunFolder, write_text
from femsim.results.rows import STRIP_STEP

STILL = "operation"
"""The picture that stands in for the viewer in print and where WebGL or scripts are missing."""
COMPARED_PICTURES = ("views", "closeup", "stress")
"""Pictures of each design on a page of several; the others are on the page of its run."""
PACKED_ON_PAGE = 6_000_000
"""Characters of all packed runs of a page; with pictures and charts it stays below ten megabytes."""


def write_report(
    folder: RunFolder,
    *,
    note: Callable[[str], None] = lambda text: None,
    study: Path | None = None,
    words: Catalogue | None = None,
) -> Path:
    """Render the pictures in a child process and write ``report.html`` into the run folder.

    Parameters
    ----------
    folder : RunFolder
        A run, complete or not.
    note : callable
        Receives one sentence when pictures are missing.
    study : Path, optional
        Study that gives the confidence band; by default one beside the run that knows its scenario.
    words : Catalogue, optional
        Language of the page; English by default.

    Returns
    -------
    Path
        The page.
    """
    words = words or load_catalogue()
    designs = designs_of([folder], find_study([folder], study))
    missing = draw_pictures([folder], words, note)
    path = folder / "report.html"
    write_text(path, render_page(designs, words, missing))
    return path


def write_comparison(
    folders: Sequence[RunFolder],
    path: Path,
    *,
    command: str,
    note: Callable[[str], None] = lambda text: None,
    study: Path | None = None,
    words: Catalogue | None = None,
) -> Path:
    """Write the page that compares two to four runs.

    Parameters
    ----------
    folders : sequence of RunFolder
        Complete or not; those that are not are named first and not ranked.
    path : Path
        The page; its folder exists.
    command : str
        How to make the page again.
    note, study, words
        As for :func:`write_report`.

    Raises
    ------
    InputError
        Fewer than two or more than four runs, or the study knows none of them.
    """
    check_count(len(folders))
    words = words or load_catalogue()
    ensemble = find_study(folders, study)
    designs = designs_of(folders, ensemble)
    missing = draw_pictures(folders, words, note)
    write_text(path, render_page(designs, words, missing, ensemble=ensemble, command=command))
    return path


def check_count(designs: int) -> None:
    """Refuse to compare fewer than two designs, or more than a page holds."""
    if not 2 <= designs <= MOST_DESIGNS:
        raise InputError(f"{designs} designs to compare; a page holds two to {MOST_DESIGNS}: make several pages")


def draw_pictures(folders: Iterable[RunFolder], words: Catalogue, note: Callable[[str], None]) -> list[str]:
    """Render what is missing or of another language; returns why pictures are missing, each reason once."""
    missing: dict[str, None] = {}
    for folder in folders:
        try:
            render_run(folder, words)
        except FemsimError as error:
            missing[str(error)] = None
    for sentence in missing:
        note(sentence)
    return list(missing)


def find_study(folders: Iterable[RunFolder], study: Path | None) -> Ensemble | None:
    """The study that knows these runs."""
    known = list(folders)
    return find_ensemble(study, (one.path for one in known), (one.record().get("hash", "") for one in known))


def designs_of(folders: Sequence[RunFolder], ensemble: Ensemble | None = None) -> list[Design]:
    """Runs as the designs of a page, with short names and what the study says of each."""
    runs = [read_run(folder) for folder in folders]
    for run in runs:
        if "horizon_days" not in run.record:
            raise InputError(
                f"{run.folder.path}: holds no run (it is {run.record.get('status', 'empty')}); "
                "run its scenario with femsim run first"
            )
    names = short_names([run.record.get("title", "") for run in runs])
    bands = {} if ensemble is None else ensemble.bands
    return [Design(name, run, bands.get(run.record.get("hash", ""))) for name, run in zip(names, runs, strict=True)]


def comparison_rows(folders: Sequence[RunFolder], ensemble: Ensemble | None) -> list[dict[str, Any]]:
    """The order of the designs as plain numbers, best first; None where all screws hold or nothing is known."""
    rows = []
    for place in rank(designs_of(folders, ensemble), ensemble).places:
        design, life, volume = place.design, place.design.plate_life, place.design.implant_volume
        day = design.first_loose_day
        rows.append(
            {
                "place": place.rank,
                "design": design.name,
                "run": design.run.folder.path.name,
                "first_loose_day": day if math.isfinite(day) else None,
                "plate_life_years": None if life is None or math.isinf(life) else life / DAYS_PER_YEAR,
                "implant_mm3": volume,
                "decided_by": place.decided_by,
            }
        )
    return rows


def render_page(
    designs: Sequence[Design],
    words: Catalogue,
    missing_pictures: Sequence[str] = (),
    *,
    ensemble: Ensemble | None = None,
    command: str = "",
) -> str:
    """Fill the template; ``missing_pictures`` says why there are none.

    The 3-D viewer shows what the pictures show: with it they stand folded, and the first is its still.
    """
    viewer, missing_viewer = _viewer(designs, words)
    many = len(designs) > 1
    ranking = rank(designs, ensemble)
    differing = differences(designs, words) if many else []
    return render(
        "runs.html.j2",
        words,
        script_source=viewer.script_source if viewer else "",
        styles=[viewer.style_source] if viewer else [],
        many=many,
        **_opening(designs, words, command),
        headline=answers.headline(designs, ranking, words),
        answer=answers.sentences(designs[0], words),
        unfinished=answers.unfinished(designs, words),
        ranking=answers.ranking_table(ranking, words),
        reasons=answers.reasons(designs, words),
        situation=words.say("page.situation") if changes_situation(differing) else "",
        viewer=viewer,
        missing_viewer=missing_viewer,
        missing_pictures=missing_pictures,
        stills=_galleries(designs, words, "stills", _shown_pictures(many, viewer is not None)),
        tissue_stills=[] if many else _galleries(designs, words, "tissue_stills", TISSUE_PICTURES),
        charts=_charts(designs, words),
        tables=_tables(designs, words)
        | {"differences": page_tables.difference_table(differing, designs, words) if differing else None},
        inputs=[page_tables.input_table(design, designs, words) for design in designs if design.record.get("inputs")],
        moments=[(design, moments(design, words)) for design in designs],
        verdicts=_verdicts(designs, words),
        warnings=_of_designs(designs, words, lambda design: design.record.get("warnings", [])),
        limits=[words.told(text) for text in dict.fromkeys(t for d in designs for t in d.record["limits"])],
    )


def _opening(designs: Sequence[Design], words: Catalogue, command: str) -> dict[str, Any]:
    """Titles, questions and what is said about the origin of the page."""
    record = designs[0].record
    if len(designs) == 1:
        title = words.say("page.report_title", title=record["title"])
        heading = record["title"]
        expected = [words.say("page.expected", expected=record["expect"])] if record["expect"] else []
    else:
        title = words.say("page.compare_title", count=len(designs))
        heading = words.say("page.compare_heading", names=words.listed([design.name for design in designs]))
        expected = []
    questions = dict.fromkeys(design.record["question"] for design in designs if design.record["question"])
    files = dict.fromkeys(design.record["scenario_file"] for design in designs)
    source = words.listed(list(files))
    return {
        "title": title,
        "heading": heading,
        "questions": [words.say("page.question", question=question) for question in questions],
        "expected": expected,
        "command": command,
        "made_by": words.say("page.made_by", version=record["versions"]["femsim"], source=source),
    }


def _of_designs(designs: Sequence[Design], words: Catalogue, find: Callable[[Design], Iterable[str]]) -> list[str]:
    """Sentences of all designs, with the name of the design before each when there are several."""
    many = len(designs) > 1
    return [
        words.say("words.of_design", name=design.name, told=text) if many else text
        for design in designs
        for text in find(design)
    ]


def _verdicts(designs: Sequence[Design], words: Catalogue) -> list[str]:
    def verdict(design: Design) -> list[str]:
        checks = design.record["checks"]
        failed = sum(1 for check in checks if not check["passed"])
        if not checks:
            return []
        key = "page.some_failed" if failed else "page.all_passed"
        return [words.say(key, failed=failed, count=len(checks))]

    return _of_designs(designs, words, verdict)


def _viewer(designs: Sequence[Design], words: Catalogue) -> tuple[ViewerBlock | None, list[str]]:
    """The 3-D viewer of all runs that have bodies, and one sentence for each that has none."""
    packed, stills, missing = [], [], []
    for design in designs:
        folder = design.run.folder
        try:
            one = pack_run(folder, largest=min(LARGEST, PACKED_ON_PAGE // len(designs)))
        except InputError as error:
            # A page travels without its folder.
            reason = words.say("page.no_viewer", reason=str(error).removeprefix(f"{folder.path}: "))
            missing.append(words.say("words.of_design", name=design.name, told=reason) if len(designs) > 1 else reason)
            continue
        packed.append(one | {"name": design.name, "ending": told.ending(one["ending"], words)})
        still = folder / "pictures" / f"{STILL}.png"
        stills.append(picture_uri(still) if still.is_file() else None)
    if not packed:
        return None, missing
    return viewer_block(packed, stills=stills, strings=words.viewer()), missing


def _shown_pictures(many: bool, viewer: bool) -> tuple[str, ...]:
    names = COMPARED_PICTURES if many else PICTURES
    return tuple(name for name in names if not viewer or name != STILL)


def _galleries(
    designs: Sequence[Design], words: Catalogue, title: str, names: Iterable[str]
) -> list[tuple[str, list[dict[str, str]]]]:
    """Title and pictures of each design that has some."""
    found = []
    for design in designs:
        paths = {name: design.run.folder / "pictures" / f"{name}.png" for name in names}
        pictures = [
            {"caption": words.say(f"scenes.{name}"), "data": picture_uri(path)}
            for name, path in paths.items()
            if path.is_file()
        ]
        if len(designs) == 1:
            found.append((words.say(f"page.{title}"), pictures))
        else:
            found.append((words.say(f"page.{title}_of", name=design.name), pictures))
    return [(head, pictures) for head, pictures in found if pictures]


def _charts(designs: Sequence[Design], words: Catalogue) -> dict[str, Chart | None]:
    """Every chart that a run has data for; a stopped run has no tables for some of them."""
    many = len(designs) > 1
    with_strips = [design for design in designs if design.run.tissue]
    makers: dict[str, tuple[Callable[[Sequence[Design], Catalogue], str], Sequence[Design], str, str]] = {
        "screws": (screw_charts.screw_courses, _having(designs, "timeline"), "screws", "shared_axes" if many else ""),
        "states": (screw_charts.state_courses, _having(designs, "timeline"), "states", ""),
        "interface": (screw_charts.interface_maps, _having(designs, "patches"), "interface", ""),
        "hardware": (load_charts.hardware_bars, _having(designs, "hardware"), "hardware", ""),
        "strain": (load_charts.strain_curves, [one for one in designs if one.strain], "strain", ""),
        "tissue": (tissue_charts.tissue_strips, with_strips, "strips", ""),
        "histogram": (tissue_charts.dose_histograms, _having(designs, "histogram"), "dvh", ""),
        "courses": (
            tissue_charts.tissue_courses,
            _having(designs, "courses"),
            "courses",
            "courses_designs" if many else "courses_note",
        ),
        "moments": (screw_charts.moment_line, designs, "moments", ""),
    }
    drawn: dict[str, Chart | None] = dict.fromkeys(makers)
    for name, (make, shown, key, small_print) in makers.items():
        if not shown:
            continue
        note = words.say(f"charts.{small_print}") if small_print else ""
        if name == "tissue":
            note = words.say("charts.strips_note", step=words.number(STRIP_STEP))
            note += f" {words.say('charts.strips_designs')}" if many else ""
        svg = make(shown, words)
        drawn[name] = svg_chart(svg, words.say(f"charts.{key}_title"), words.say(f"charts.{key}_alt"), note)
    return drawn


def _having(designs: Sequence[Design], table: str) -> list[Design]:
    return [design for design in designs if getattr(design.run, table)]


def _tables(designs: Sequence[Design], words: Catalogue) -> dict[str, Table | None]:
    """Every table with at least one row."""
    makers: dict[str, Callable[[Sequence[Design], Catalogue], Table]] = {
        "screws": page_tables.screw_table,
        "hardware": page_tables.hardware_table,
        "bone_yield": page_tables.bone_yield_table,
        "strain": page_tables.strain_table,
        "density": page_tables.density_table,
        "dose": page_tables.dose_table,
        "mechanisms": page_tables.mechanism_table,
        "checks": page_tables.check_table,
        "mesh": page_tables.mesh_table,
        "convergence": page_tables.convergence_table,
        "constants": page_tables.constant_table,
        "reproduce": page_tables.reproduce_table,
        "versions": page_tables.version_table,
        "timings": page_tables.timing_table,
    }
    tables = {name: make(designs, words) for name, make in makers.items()}
    return {name: table if table.rows else None for name, table in tables.items()}
