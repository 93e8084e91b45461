"""Run the studies of the gallery and keep their pages: python docs/make_studies.py [--pages] [--workers N] [NAME ...].

Each study of scenarios/studies is run (or continued) into runs/ and its page, summary and table are copied to
docs/studies/; ``--pages`` copies what the newest finished folders hold and runs nothing. A study that has points
waiting is refused: its page would be quoted as a result.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from femsim.durable import write_bytes
from femsim.errors import FemsimError, InputError
from femsim.study.command import Where, run_study
from femsim.study.folder import StudyFolder
from femsim.study.load import load_study
from femsim.study.page import write_study_page
from femsim.study.plan import plan_study
from femsim.terminal import Screen, StopSwitch, say

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ROOT / "scenarios" / "studies"
PAGES = ROOT / "docs" / "studies"
KEPT = {"report.html": ".html", "summary.json": ".json", "table.csv": ".csv"}


def folder_of(file: Path, runs: Path, run: bool, workers: int | None) -> Path:
    """Folder of a study that is finished; runs or continues it when asked to."""
    plan = plan_study(load_study(file))
    if not run:
        return StudyFolder.find(runs, plan).path
    known = any(runs.glob(f"{plan.study.name}-{plan.hash}*/manifest.sqlite"))
    with Screen() as screen, StopSwitch(screen.note) as stop:
        finished = run_study(
            *(file, Where(workers), runs, known),
            progress=lambda done, total, failed: screen.progress(f"points ({failed} failed)", done / max(total, 1)),
            should_stop=stop,
        )
    return finished.folder


def keep(name: str, folder: Path) -> None:
    """Write a study's page again and copy it with its numbers."""
    write_study_page(folder)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    waiting = summary["queued"] + summary["stopped"]
    if waiting:
        raise InputError(f"{folder}: {waiting} of {summary['points']} points are not finished; run it to its end first")
    PAGES.mkdir(exist_ok=True)
    for source, suffix in KEPT.items():
        write_bytes(PAGES / f"{name}{suffix}", (folder / source).read_bytes())
    say(f"{name}: {PAGES / name}.html")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", default=sorted(path.stem for path in STUDIES.glob("*.yaml")))
    parser.add_argument("--pages", action="store_true", help="copy the newest finished folders, run nothing")
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs")
    given = parser.parse_args()
    try:
        for name in given.names:
            keep(name, folder_of(STUDIES / f"{name}.yaml", given.runs, not given.pages, given.workers))
    except FemsimError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
