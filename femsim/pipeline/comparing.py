"""Compare designs: take runs that exist, run scenarios that were not run yet, write one page."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from femsim.durable import write_json
from femsim.errors import FemsimError, InputError, Stopped
from femsim.pipeline.commands import run
from femsim.pipeline.hooks import Hooks
from femsim.report import print_page, write_comparison
from femsim.report.catalogue import ENGLISH, load_catalogue
from femsim.report.ensemble import find_ensemble
from femsim.report.page import check_count, comparison_rows, find_study
from femsim.results import RunFolder, new_folder, open_run
from femsim.scenario import Scenario, scenario_hash

FORMAT_VERSION = 1


@dataclass(frozen=True)
class ComparisonResult:
    """Outcome of :func:`compare`.

    Attributes
    ----------
    page : Path
        ``comparison.html`` in a folder of its own.
    pdf : Path or None
    table : list of dict
        One row per design, best first.
    notes : list of str
        What was run, taken over, or did not come to its end.
    """

    page: Path
    pdf: Path | None
    table: list[dict[str, Any]]
    notes: list[str]


def compare(
    designs: Sequence[Path | Scenario],
    runs: Path = Path("runs"),
    hooks: Hooks | None = None,
    *,
    study: Path | None = None,
    pdf: bool = False,
    language: str = ENGLISH,
) -> ComparisonResult:
    """Write the page of two to four designs into a new folder.

    Parameters
    ----------
    designs : sequence of Path or Scenario
        Run folders are taken as they are. For a scenario its newest complete run in ``runs`` is taken; without one it
        is run. A run that fails stands on the page as such; a stop ends the comparison.
    runs : Path
        Where runs are looked for and made, and where the folder of the page is made.
    hooks : Hooks, optional
    study : Path, optional
        Study for the confidence band; by default one beside the runs that knows their scenarios.
    pdf : bool
        Also print the page.
    language : str
        Code or file of a catalogue of sentences.

    Raises
    ------
    FemsimError
        Bad input, a stop, or no browser to print with; the page exists in the last case.
    """
    check_count(len(designs))  # before anything is run
    hooks, words = hooks or Hooks(), load_catalogue(language)
    notes: list[str] = []
    if study is not None:  # a wrong one is refused before anything is run
        find_ensemble(study, (), (_hash(design) for design in designs))
    folders = [_folder(design, runs, hooks, notes) for design in designs]
    twice = [folder.path for k, folder in enumerate(folders) if folder.path in [one.path for one in folders[:k]]]
    if twice:
        raise InputError(f"{twice[0]}: the same run twice; a comparison needs different designs")
    options = [] if study is None else ["--study", _spelt(study)]
    command = shlex.join(["femsim", "compare", *(_spelt(design) for design in designs), *options])
    key = hashlib.sha256(" ".join(folder.path.name for folder in folders).encode()).hexdigest()[:8]
    target = new_folder(runs, f"comparison-{key}")
    with hooks.timed("comparison", stoppable=False):
        page = write_comparison(
            folders, target / "comparison.html", command=command, note=hooks.note, study=study, words=words
        )
        table = comparison_rows(folders, find_study(folders, study))
        record = {"kind": "femsim comparison", "format": FORMAT_VERSION, "command": command, "order": table}
        sources = [{"folder": one.path.name, "hash": one.record()["hash"]} for one in folders]
        write_json(target / "comparison.json", record | {"runs": sources})
    if not pdf:
        return ComparisonResult(page, None, table, notes)
    with hooks.timed("printing", stoppable=False):
        return ComparisonResult(page, print_page(page), table, notes)


def _folder(design: Path | Scenario, runs: Path, hooks: Hooks, notes: list[str]) -> RunFolder:
    """The run of a design: the one named, the newest complete one of this scenario, or a new one."""
    if isinstance(design, Path):
        return open_run(design)
    hash8 = scenario_hash(design)
    known = RunFolder.completed(runs, hash8)
    if known is not None:
        notes.append(f"{design.source.name}: taken from the run {known.path}")
        return known
    hooks.note(f"{design.source.name}: not run yet; running it")
    before = set(runs.glob("*")) if runs.is_dir() else set()
    try:
        folder = open_run(run(design, runs, hooks=hooks).folder)
    except Stopped:
        raise
    except FemsimError as error:
        made = [path for path in set(runs.glob("*")) - before if (path / "run.json").is_file()]
        if len(made) != 1 or "operation" not in open_run(made[0]).record():
            raise
        notes.append(f"{design.source.name}: its run did not come to its end ({error})")
        return open_run(made[0])
    notes.append(f"{design.source.name}: run in {folder.path}")
    return folder


def _hash(design: Path | Scenario) -> str:
    return str(open_run(design).record().get("hash", "")) if isinstance(design, Path) else scenario_hash(design)


def _spelt(design: Path | Scenario) -> str:
    """How a command names a design; an absolute path is of this machine alone, and a page travels."""
    if not isinstance(design, Path):
        return design.source.name
    return design.name if design.is_absolute() else str(design)
