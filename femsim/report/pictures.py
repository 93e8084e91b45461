"""Pictures of a run, rendered in a child process because VTK aborts without a GL library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from femsim.errors import FemsimError
from femsim.report.catalogue import ENGLISH, Catalogue, load_catalogue
from femsim.report.read import read_run
from femsim.report.scenes import SCENES, make_plotter
from femsim.results import RunFolder

RENDER_SECONDS = 300
"""A software renderer needs seconds per picture; past this it hangs."""
PICTURES = ("operation", "views", "closeup", "stress", "strain", "unrolled")
TISSUE_PICTURES = ("dose", "vessels", "oxygen", "cells", "stiffness")
"""Shown for irradiated jaws; a healthy one is of one colour."""


def render_run(folder: RunFolder, words: Catalogue | None = None) -> None:
    """Render every picture the folder has data for, in a child process.

    Raises
    ------
    FemsimError
        The renderer could not work; the message says what to install.
    """
    language = ENGLISH if words is None else words.source
    try:
        done = subprocess.run(
            [sys.executable, "-m", "femsim.report", str(folder.path), language],
            capture_output=True,
            text=True,
            timeout=RENDER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise FemsimError(
            f"no pictures: the renderer did not finish within {RENDER_SECONDS} s; check the GL library"
        ) from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1][:160]
        folder.log("rendering failed", returncode=done.returncode, stderr=done.stderr[-2000:])
        raise FemsimError(
            f"no pictures: the renderer stopped with code {done.returncode} ({last}); install libegl1 and "
            "libgl1-mesa-dri (Debian, Ubuntu) and run `femsim report` on the folder again"
        )


def render_here(path: Path, language: str = ENGLISH) -> None:
    """Render every picture in this process; crashes with VTK where there is no GL library."""
    run, words = read_run(RunFolder(path)), load_catalogue(language)
    for name, scene in SCENES.items():
        if not (path / scene.needed).is_file() or (name in TISSUE_PICTURES and not run.irradiated):
            continue
        plotter = make_plotter(off_screen=True, panels=scene.panels)
        plotter.enable_anti_aliasing("ssaa")
        scene.draw(plotter, run, words)
        target = path / "pictures" / f"{name}.png"
        part = target.with_name(f".part-{target.name}")
        plotter.screenshot(part)
        part.replace(target)
        plotter.close()
