"""An interactive window on a run: the fields and cameras of the pictures, to be turned with the mouse."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from femsim.errors import InputError
from femsim.report.cameras import CAMERAS, aim, aim_outward
from femsim.report.catalogue import Catalogue, load_catalogue
from femsim.report.pictures import TISSUE_PICTURES
from femsim.report.read import RunData, read_run
from femsim.report.scenes import ASPECT, SCENES, make_plotter, read_surfaces
from femsim.results import RunFolder

if TYPE_CHECKING:
    import pyvista as pv

FIELDS = {"operation": "operation", "motion": "closeup", "stress": "stress", "strain": "strain"} | {
    name: name for name in TISSUE_PICTURES
}
"""Fields that can be asked for, with the scene that draws each."""
VIEWS = (*CAMERAS, "plate", "unrolled")
"""Cameras by their number key, from 1 on; the last one is a scene of its own."""
NEXT_FIELD = "n"


class Window:
    """A scene that changes its field and its camera on demand.

    Parameters
    ----------
    plotter : pyvista.Plotter
        Of one panel; off screen in tests.
    run : RunData
    words : Catalogue
    """

    def __init__(self, plotter: pv.Plotter, run: RunData, words: Catalogue) -> None:
        self.plotter, self.run, self.words = plotter, run, words
        self.surfaces = read_surfaces(run.folder)
        self.field = ""

    def paint(self, field: str) -> None:
        """Show a field of :data:`FIELDS`; the camera takes the place that the pictures have."""
        self._draw(FIELDS[field])
        self.field = field

    def next_field(self) -> None:
        """Show the next field that this run has."""
        known = fields_of(self.run)
        self.paint(known[(known.index(self.field) + 1) % len(known)])

    def look(self, view: str) -> None:
        """Take one of :data:`VIEWS`; the unrolled interface replaces the scene until another view is taken."""
        if view == "unrolled":
            self._draw("unrolled")
            return
        self.paint(self.field)
        bone, plate = self.surfaces["bone"], self.surfaces["plate"]
        if view == "plate":
            aim_outward(self.plotter, bone, plate, plate, 1.0)
        else:
            aim(self.plotter, view, bone, ASPECT)

    def _draw(self, scene: str) -> None:
        self.plotter.clear()
        SCENES[scene].draw(self.plotter, self.run, self.words)
        keys = self.words.say("scenes.window_keys")
        self.plotter.add_text(keys, position="upper_left", font_size=9, color="black")

    def bind(self) -> None:
        """Give every view its number and the next field its letter."""
        for number, view in enumerate(views_of(self.run), 1):
            self.plotter.add_key_event(str(number), partial(self.look, view))
        self.plotter.add_key_event(NEXT_FIELD, self.next_field)


def fields_of(run: RunData) -> list[str]:
    """Fields that a run has data for."""
    return [
        field
        for field, scene in FIELDS.items()
        if (run.folder / SCENES[scene].needed).is_file() and (scene not in TISSUE_PICTURES or run.irradiated)
    ]


def views_of(run: RunData) -> list[str]:
    """Cameras that a run has something for."""
    return [view for view in VIEWS if view != "unrolled" or run.patches]


def show_run(folder: RunFolder, field: str | None = None, view: str | None = None) -> None:
    """Open an interactive window on a run.

    Parameters
    ----------
    folder : RunFolder
    field : str, optional
        One of :data:`FIELDS`; by default the motion of the screws, or the operation before there is any.
    view : str, optional
        One of :data:`VIEWS`; by default as in the pictures.

    Raises
    ------
    InputError
        The run has no such field or view, nothing to show, or there is no display to open a window on.
    """
    run = read_run(folder)
    known = fields_of(run)
    if not known:
        raise InputError(f"{folder.path}: no surfaces to show; run the scenario, or femsim plan, again")
    for kind, asked, offered in (("field", field, known), ("view", view, views_of(run))):
        if asked is not None and asked not in offered:
            raise InputError(f"{folder.path}: has no {kind} {asked!r} to show; choose one of {', '.join(offered)}")
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError(
            f"{folder.path}: no display here to open a window on; look at pictures/ and report.html in that folder, "
            "or run this command where there is a screen"
        )
    words = load_catalogue()
    plotter = make_plotter(off_screen=False)
    window = Window(plotter, run, words)
    window.paint(field or ("motion" if "motion" in known else "operation"))
    if view is not None:
        window.look(view)
    window.bind()
    plotter.show(title=words.say("scenes.window", title=run.record.get("title", "")))
