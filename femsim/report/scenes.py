"""PyVista pictures of a run, rendered in a child process because VTK aborts without a GL library."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from femsim.errors import FemsimError, InputError
from femsim.report.read import RunData, read_run
from femsim.results import RunFolder

if TYPE_CHECKING:
    import pyvista as pv

BONE, TITANIUM, REMOVED, LOOSE, HOLE = "#f2e8d5", "#aab2bd", "#b8a28c", "#c8380b", "#23282f"
SIZE = (1400, 1000)
LABEL_HEIGHT = 6.5
"""Labels stand this far beside the screw heads [mm], clear of a plate of usual width."""
STEEP = 0.5
"""A plate steeper than this cosine has its labels in front of it."""
HEAD_RAISED = 0.25
"""Screws are drawn this far out of the plate [mm]."""
HOLE_PROUD = 0.1
"""Empty holes are drawn this far beyond both faces of the plate [mm], or they would fight for the same pixels."""
BONE_GLOW = 0.55
"""Share of light that has no direction: shading must not turn a colour into another one of the scale."""
SMALL_PICTURE = {"title_font_size": 42, "label_font_size": 38, "position_x": 0.1, "width": 0.8, "height": 0.13}
"""Scale of a picture that stands in a row of three on the page."""
FLAT = 1e-3
"""A scale narrower than this shows rounding, and values so little beyond a round number end there."""
RENDER_SECONDS = 300
"""A software renderer needs seconds per picture; past this it hangs."""



@dataclass(frozen=True)
class BoneField:
    """How one field of the bone is shown.

    Attributes
    ----------
    column : str
        Cell array of ``fields/surgery.vtu``.
    title : str
        Quantity and unit, on the colour scale.
    colours : str
        A perceptually uniform colour map, readable for colour-blind people and in grey.
    low, high : float or None
        Ends of the scale; None takes a round number beyond the values.
    even : bool
        Whether the field is even enough in space to be drawn without the edges of elements.
    """

    column: str
    title: str
    colours: str
    low: float | None = 0.0
    high: float | None = 1.0
    even: bool = True


BONE_FIELDS = {
    "dose": BoneField("eqd2", "dose, EQD2 [Gy]", "plasma", high=None),
    "vessels": BoneField("vessels", "vessels, fraction of healthy bone [-]", "viridis"),
    "oxygen": BoneField("oxygen", "oxygen pressure [mmHg]", "viridis", high=None),
    "cells": BoneField("cells", "bone-forming cells, fraction of healthy bone [-]", "viridis"),
    "stiffness": BoneField(
        "young_ratio", "Young's modulus, fraction of healthy bone [-]", "cividis", low=None, even=False
    ),
}

PICTURES = {
    "operation": "Plate and screws on the jaw. The removed part is shown transparent.",
    "closeup": "Screws at the end of the run, coloured by their motion against bone; loose screws are named in red.",
    "stress": "Von Mises stress in plate and screws under the first task at full bite force, on the day of surgery.",
}
TISSUE_PICTURES = {
    "dose": "Dose in the bone, as EQD2.",
    "vessels": "Vessels on the day of surgery: hypovascularity.",
    "oxygen": "Mean oxygen pressure of the bone on the day of surgery: hypoxia.",
    "cells": "Bone-forming cells on the day of surgery: hypocellularity.",
    "stiffness": "Young's modulus on the day of surgery over that of healthy bone at the same place; cancellous bone, "
    "seen in the cut faces, loses more than cortical bone.",
}
"""Shown for irradiated jaws; a healthy one is of one colour."""


def render_run(folder: RunFolder) -> None:
    """Render every picture the folder has data for, in a child process.

    Raises
    ------
    FemsimError
        The renderer could not work; the message says what to install.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "femsim.report", str(folder.path)],
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


def show_run(folder: RunFolder) -> None:
    """Open an interactive window on the close-up scene of a run.

    Raises
    ------
    InputError
        There is no display to open a window on.
    """
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError(
            f"{folder.path}: no display here to open a window on; look at pictures/ and report.html in that folder, "
            "or run this command where there is a screen"
        )
    run = read_run(folder)
    plotter = _plotter(off_screen=False)
    draw = draw_closeup if (folder / "fields" / "end.vtu").is_file() else draw_operation
    draw(plotter, run)
    plotter.show(title=f"femsim – {run.record.get('title', '')} – research use only")


def draw_operation(plotter: pv.Plotter, run: RunData) -> None:
    """Jaw, transparent removed part, plate and screws from the operated side."""
    surfaces = _surfaces(run.folder)
    plotter.add_mesh(surfaces["bone"], color=BONE, smooth_shading=True, split_sharp_edges=True, ambient=0.15)
    if "removed" in surfaces:
        plotter.add_mesh(surfaces["removed"], color=REMOVED, opacity=0.22, smooth_shading=True)
    _draw_hardware(plotter, run, surfaces)
    _label_screws(plotter, run, surfaces)
    _view(plotter, surfaces, zoom=1.02)


def draw_closeup(plotter: pv.Plotter, run: RunData) -> None:
    """Plate and screws with the screws coloured by motion, bone transparent."""
    surfaces = _surfaces(run.folder)
    plotter.add_mesh(surfaces["bone"], color=BONE, opacity=0.25, smooth_shading=True)
    plotter.add_mesh(surfaces["plate"], color=TITANIUM, opacity=0.45, smooth_shading=True, split_sharp_edges=True)
    screws = surfaces["screws"].copy()
    motion = np.array([row["motion_p95_um"] for row in run.screws])
    screws.cell_data["motion"] = motion[np.asarray(screws.cell_data["screw"])]
    limit = float(run.record["criteria"]["motion_um"])
    bar = _bar("motion of the screw in bone, 95th percentile [um]")
    plotter.add_mesh(screws, scalars="motion", cmap="cividis", clim=(0, limit), scalar_bar_args=bar)
    _label_screws(plotter, run, surfaces)
    _view(plotter, surfaces, zoom=1.0, focus="plate")


def draw_stress(plotter: pv.Plotter, run: RunData) -> None:
    """Von Mises stress on plate and screws, smoothed over the vertices for the eye; bone transparent."""
    grid = _grid(run.folder, "surgery")
    cells = grid.extract_cells(np.asarray(grid.cell_data["region"]) != 1)
    values = np.asarray(cells.cell_data["von_mises"])
    hardware = cells.cell_data_to_point_data().extract_surface(algorithm=None)
    surfaces = _surfaces(run.folder)
    plotter.add_mesh(surfaces["bone"], color=BONE, opacity=0.15, smooth_shading=True)
    plotter.add_mesh(
        hardware,
        scalars="von_mises",
        cmap="inferno",
        clim=(0, float(np.percentile(values, 99.5))),
        scalar_bar_args=_bar("von Mises stress [MPa]"),
    )
    _view(plotter, surfaces, zoom=1.0, focus="plate")


def draw_bone_field(plotter: pv.Plotter, run: RunData, shown: BoneField) -> None:
    """One field on the surface of the bone on the day of surgery, with plate and screws."""
    grid = _grid(run.folder, "surgery")
    bone = grid.extract_cells(np.asarray(grid.cell_data["region"]) == 1)
    values = np.asarray(bone.cell_data[shown.column])
    ticks = scale_ticks(float(values.min()), float(values.max()), shown.low, shown.high)
    if shown.even:
        bone = bone.cell_data_to_point_data()
    surfaces = _surfaces(run.folder)
    plotter.add_mesh(
        bone.extract_surface(algorithm=None),
        scalars=shown.column,
        cmap=shown.colours,
        clim=(ticks[0], ticks[-1]),
        ambient=BONE_GLOW,
        diffuse=1.0 - BONE_GLOW,
        scalar_bar_args={**_bar(shown.title), **SMALL_PICTURE, "n_labels": len(ticks)},
    )
    _draw_hardware(plotter, run, surfaces)
    _view(plotter, surfaces, zoom=1.02)


def scale_ticks(least: float, greatest: float, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Evenly spaced round numbers from ``low`` to ``high``, or from below the least to above the greatest value.

    A field of one value still gets a scale, one unit wide.
    """
    from matplotlib.ticker import MaxNLocator

    bottom, top = least if low is None else low, greatest if high is None else high
    if top - bottom < FLAT:
        bottom, top = (bottom - 1.0, bottom) if low is None else (bottom, bottom + 1.0)
    return np.asarray(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(bottom, top - FLAT))


def _draw_hardware(plotter: pv.Plotter, run: RunData, surfaces: dict[str, pv.PolyData]) -> None:
    import pyvista as pv

    shine = {"specular": 0.35, "ambient": 0.25}
    plotter.add_mesh(surfaces["plate"], color=TITANIUM, smooth_shading=True, split_sharp_edges=True, **shine)
    plotter.add_mesh(surfaces["screws"], color="#7c8794", **shine)
    for plate in run.record["operation"]["plates"]:
        for hole in plate.get("empty_holes", []):
            bore = pv.Cylinder(
                center=hole["centre"],
                direction=hole["axis"],
                radius=hole["diameter_mm"] / 2,
                height=plate["thickness_mm"] + 2 * HOLE_PROUD,
                resolution=48,
            )
            plotter.add_mesh(bore, color=HOLE, lighting=False)


def _label_screws(plotter: pv.Plotter, run: RunData, surfaces: dict[str, pv.PolyData]) -> None:
    loose = {row["screw"]: bool(row["loose"]) for row in run.screws}
    places = _beside(run.record["operation"]["screws"], _outward(surfaces))
    for wanted, colour in ((False, "#111111"), (True, LOOSE)):
        chosen = [screw for screw in run.record["operation"]["screws"] if loose.get(screw["name"], False) is wanted]
        if chosen:
            plotter.add_point_labels(
                np.array([places[screw["name"]] for screw in chosen]),
                [screw["name"].removeprefix("screw-") for screw in chosen],
                font_size=26,
                text_color=colour,
                bold=wanted,
                shape="rounded_rect",
                shape_color="white",
                shape_opacity=0.75,
                show_points=False,
                always_visible=True,
            )


def _beside(screws: list[dict[str, Any]], outward: np.ndarray) -> dict[str, np.ndarray]:
    """Place of every screw's label: above the plate, or in front of it where it runs up the ramus."""
    heads = np.array([screw["head"] for screw in screws])
    places = {}
    for k, screw in enumerate(screws):
        row = [j for j in (k - 1, k, k + 1) if 0 <= j < len(screws) and screws[j]["stump"] == screw["stump"]]
        along = heads[row[-1]] - heads[row[0]]
        across = np.cross(along, outward) if len(row) > 1 else np.array([0.0, 0.0, 1.0])
        across /= max(float(np.linalg.norm(across)), FLAT)
        upright = abs(across[2]) < STEEP
        across *= -np.sign(across[1]) if upright else np.sign(across[2])
        places[screw["name"]] = heads[k] + 3.0 * outward + LABEL_HEIGHT * across
    return places


def _outward(surfaces: dict[str, pv.PolyData]) -> np.ndarray:
    """Horizontal direction from the middle of the jaw to the plate: where a surgeon would stand."""
    jaw = np.asarray(surfaces["bone"].points)
    middle = 0.5 * (jaw.min(axis=0) + jaw.max(axis=0))
    offset = np.asarray(surfaces["plate"].points).mean(axis=0) - middle
    offset[2] = 0.0
    length = np.linalg.norm(offset)
    return offset / length if length > 1.0 else np.array([0.0, -1.0, 0.0])


def _view(plotter: pv.Plotter, surfaces: dict[str, pv.PolyData], *, zoom: float, focus: str = "bone") -> None:
    direction = _outward(surfaces) + np.array([0.0, -0.25, 0.28])
    target = surfaces[focus]
    centre = np.array(target.center)
    centre[2] -= 0.05 * target.length  # room for the colour scale below
    plotter.camera.focal_point = centre
    plotter.camera.position = centre + 4 * target.length * direction / np.linalg.norm(direction)
    plotter.camera.up = (0.0, 0.0, 1.0)
    plotter.camera.parallel_projection = True
    plotter.camera.parallel_scale = 0.5 * target.length / zoom * 0.82
    plotter.renderer.reset_camera_clipping_range()


def _bar(title: str) -> dict[str, Any]:
    return {
        "title": title + "\n",  # the empty line keeps the title clear of the numbers
        "title_font_size": 26,
        "label_font_size": 24,
        "position_x": 0.2,
        "position_y": 0.02,
        "width": 0.6,
        "height": 0.11,
        "n_labels": 5,
        "color": "black",
        "fmt": "%.3g",
    }


def _plotter(*, off_screen: bool) -> pv.Plotter:
    import pyvista as pv

    plotter = pv.Plotter(off_screen=off_screen, window_size=list(SIZE), lighting="light kit")
    plotter.set_background("white")
    return plotter


def _surfaces(folder: RunFolder) -> dict[str, pv.PolyData]:
    import pyvista as pv

    surfaces = {path.stem: pv.read(path) for path in sorted((folder / "surfaces").glob("*.vtp"))}
    screws = surfaces["screws"]
    number = np.asarray(screws.cell_data["screw"])
    for k, screw in enumerate(folder.record()["operation"]["screws"]):
        # Heads lie level with the plate: drawn a little higher, or the two faces fight for the same pixels.
        points = np.unique(screws.regular_faces[number == k])
        screws.points[points] -= HEAD_RAISED * np.asarray(screw["axis"])
    return surfaces


def _grid(folder: RunFolder, name: str) -> pv.UnstructuredGrid:
    import pyvista as pv

    return pv.read(folder / "fields" / f"{name}.vtu")


SCENES: dict[str, tuple[Callable[[pv.Plotter, RunData], None], str]] = {
    "operation": (draw_operation, "surfaces/plate.vtp"),
    "closeup": (draw_closeup, "fields/end.vtu"),
    "stress": (draw_stress, "fields/surgery.vtu"),
    **{
        name: (partial(draw_bone_field, shown=shown), "fields/surgery.vtu")
        for name, shown in BONE_FIELDS.items()
    },
}


def render_here(path: Path) -> None:
    """Render every picture in this process; crashes with VTK where there is no GL library."""
    run = read_run(RunFolder(path))
    for name, (draw, needed) in SCENES.items():
        if not (path / needed).is_file() or (name in TISSUE_PICTURES and not run.irradiated):
            continue
        plotter = _plotter(off_screen=True)
        plotter.enable_anti_aliasing("ssaa")
        draw(plotter, run)
        target = path / "pictures" / f"{name}.png"
        part = target.with_name(f".part-{target.name}")
        plotter.screenshot(part)
        part.replace(target)
        plotter.close()
