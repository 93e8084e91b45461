"""PyVista scenes of a run: plate and screws on the jaw, motion, stress, fields of the bone, unrolled interfaces."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from femsim.report.cameras import CAMERAS, aim, aim_outward, outward
from femsim.report.catalogue import Catalogue
from femsim.report.read import RunData
from femsim.results import RunFolder

if TYPE_CHECKING:
    import pyvista as pv

BONE, TITANIUM, REMOVED, LOOSE, HOLE = "#f2e8d5", "#aab2bd", "#b8a28c", "#c8380b", "#23282f"
SIZE = (1400, 1000)
ASPECT = SIZE[0] / SIZE[1]
LABEL_HEIGHT = 6.5
"""Labels stand this far above the screw heads [mm], clear of a plate of usual width."""
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
TOP_SHARE = 99.5
"""A scale of stress or strain ends at this percentile: single elements at an edge would dim all others."""
SCREW_GAP = 3.0
"""Room between two unrolled screws [mm]."""


@dataclass(frozen=True)
class BoneField:
    """How one field of the bone is shown.

    Attributes
    ----------
    column : str
        Cell array of ``fields/surgery.vtu``, or ``strain``.
    colours : str
        A perceptually uniform colour map, readable for colour-blind people and in grey.
    low, high : float or None
        Ends of the scale; None takes a round number beyond the values.
    even : bool
        Whether the field is even enough in space to be drawn without the edges of elements.
    top : float
        Percentile at which the scale ends.
    """

    column: str
    colours: str
    low: float | None = 0.0
    high: float | None = 1.0
    even: bool = True
    top: float = 100.0


BONE_FIELDS = {
    "dose": BoneField("eqd2", "plasma", high=None),
    "vessels": BoneField("vessels", "viridis"),
    "oxygen": BoneField("oxygen", "viridis", high=None),
    "cells": BoneField("cells", "viridis"),
    "stiffness": BoneField("young_ratio", "cividis", low=None, even=False),
    "strain": BoneField("strain", "magma_r", high=None, top=TOP_SHARE),
}


@dataclass(frozen=True)
class Scene:
    """How a scene is drawn, what it needs, and into how many panels.

    Attributes
    ----------
    draw : callable
        ``(plotter, run, words)``
    needed : str
        File of the run folder without which it cannot be drawn.
    panels : tuple of int
        Rows and columns.
    """

    draw: Callable[[pv.Plotter, RunData, Catalogue], None]
    needed: str
    panels: tuple[int, int] = (1, 1)


def draw_operation(plotter: pv.Plotter, run: RunData, words: Catalogue) -> None:
    """Jaw, transparent removed part, plate and screws from the operated side."""
    surfaces = read_surfaces(run.folder)
    _draw_jaw(plotter, run, surfaces)
    _label_screws(plotter, run, surfaces)
    aim_outward(plotter, surfaces["bone"], surfaces["plate"], surfaces["bone"], 1.02)


def draw_views(plotter: pv.Plotter, run: RunData, words: Catalogue) -> None:
    """The same from the front, from both sides and from below, with letters for the directions."""
    surfaces = read_surfaces(run.folder)
    for number, (name, camera) in enumerate(CAMERAS.items()):
        plotter.subplot(number // 2, number % 2)
        _draw_jaw(plotter, run, surfaces)
        plotter.add_text(words.say(f"scenes.view_{name}"), position="upper_left", font_size=15, color="black")
        for edge, place in zip(camera.edges, ((0.02, 0.5), (0.95, 0.5)), strict=True):
            letter = words.say(f"viewer.letter_{edge}")
            plotter.add_text(letter, position=place, viewport=True, font_size=14, color="#565f6b")
        aim(plotter, name, surfaces["bone"], ASPECT)


def draw_closeup(plotter: pv.Plotter, run: RunData, words: Catalogue) -> None:
    """Plate and screws with the screws coloured by motion, bone transparent."""
    surfaces = read_surfaces(run.folder)
    plotter.add_mesh(surfaces["bone"], color=BONE, opacity=0.25, smooth_shading=True)
    plotter.add_mesh(surfaces["plate"], color=TITANIUM, opacity=0.45, smooth_shading=True, split_sharp_edges=True)
    screws = surfaces["screws"].copy()
    motion = np.array([row["motion_p95_um"] for row in run.screws])
    screws.cell_data["motion"] = motion[np.asarray(screws.cell_data["screw"])]
    limit = float(run.record["criteria"]["motion_um"])
    bar = _bar(words.say("scenes.bar_motion"))
    plotter.add_mesh(screws, scalars="motion", cmap="cividis", clim=(0, limit), scalar_bar_args=bar)
    _label_screws(plotter, run, surfaces)
    aim_outward(plotter, surfaces["bone"], surfaces["plate"], surfaces["plate"], 1.0)


def draw_stress(plotter: pv.Plotter, run: RunData, words: Catalogue) -> None:
    """Von Mises stress on plate and screws, smoothed over the vertices for the eye; bone transparent."""
    grid = _grid(run.folder, "surgery")
    cells = grid.extract_cells(np.asarray(grid.cell_data["region"]) != 1)
    values = np.asarray(cells.cell_data["von_mises"])
    hardware = cells.cell_data_to_point_data().extract_surface(algorithm=None)
    surfaces = read_surfaces(run.folder)
    plotter.add_mesh(surfaces["bone"], color=BONE, opacity=0.15, smooth_shading=True)
    plotter.add_mesh(
        hardware,
        scalars="von_mises",
        cmap="inferno",
        clim=(0, float(np.percentile(values, TOP_SHARE))),
        scalar_bar_args=_bar(words.say("scenes.bar_stress")),
    )
    aim_outward(plotter, surfaces["bone"], surfaces["plate"], surfaces["plate"], 1.0)


def draw_bone_field(plotter: pv.Plotter, run: RunData, words: Catalogue, *, name: str, small: bool = True) -> None:
    """One field on the surface of the bone on the day of surgery, with plate and screws."""
    shown = BONE_FIELDS[name]
    grid = _grid(run.folder, "surgery")
    bone = grid.extract_cells(np.asarray(grid.cell_data["region"]) == 1)
    if shown.column == "strain":
        sides = [np.abs(np.asarray(bone.cell_data[side])) for side in ("strain_tension", "strain_compression")]
        bone.cell_data["strain"] = 1e6 * np.max(sides, axis=0)
    values = np.asarray(bone.cell_data[shown.column])
    greatest = float(np.percentile(values, shown.top))
    ticks = scale_ticks(float(values.min()), greatest, shown.low, shown.high)
    if shown.even:
        bone = bone.cell_data_to_point_data()
    surfaces = read_surfaces(run.folder)
    plotter.add_mesh(
        bone.extract_surface(algorithm=None),
        scalars=shown.column,
        cmap=shown.colours,
        clim=(ticks[0], ticks[-1]),
        ambient=BONE_GLOW,
        diffuse=1.0 - BONE_GLOW,
        scalar_bar_args={
            **_bar(words.say(f"scenes.bar_{name}")),
            **(SMALL_PICTURE if small else {}),
            "n_labels": len(ticks),
        },
    )
    _draw_hardware(plotter, run, surfaces)
    aim_outward(plotter, surfaces["bone"], surfaces["plate"], surfaces["bone"], 1.02)


def draw_unrolled(plotter: pv.Plotter, run: RunData, words: Catalogue) -> None:
    """The interface of every screw unrolled to its true size, coloured by what is left of its thread hold."""
    place, sheets, tops = 0.0, [], []
    diameters = {screw["name"]: screw["diameter_mm"] for screw in run.record["operation"]["screws"]}
    for row in run.screws:
        around = math.pi * diameters[row["screw"]]
        sheets.append(_unrolled(run, row["screw"], around, place))
        tops.append((place + 0.5 * around, 0.0, 0.6))
        place += around + SCREW_GAP
    sheet = sheets[0].merge(sheets[1:]) if len(sheets) > 1 else sheets[0]
    bar = _bar(words.say("scenes.bar_thread_hold"))
    plotter.add_mesh(
        sheet, scalars="thread_hold", cmap="cividis", clim=(0, 1), lighting=False, show_edges=True,
        edge_color="#5b6470", scalar_bar_args=bar,
    )  # fmt: skip
    names = [words.say("scenes.screw", label=row["screw"].removeprefix("screw-")) for row in run.screws]
    plotter.add_point_labels(
        np.array(tops), names, font_size=24, text_color="black", shape=None, show_points=False,
        always_visible=True, justification_horizontal="center", justification_vertical="bottom",
    )  # fmt: skip
    aim(plotter, "frontal", _framed(sheet), ASPECT)


def _unrolled(run: RunData, screw: str, around: float, place: float) -> pv.PolyData:
    """Patches of a screw as rectangles in the plane of x and z, head at z = 0, beginning at x = ``place``."""
    import pyvista as pv

    own = [row for row in run.patches if row["screw"] == screw]
    sector = np.array([int(row["sector"]) for row in own])
    ring = np.array([int(row["ring"]) for row in own])
    ring -= ring.min()
    width = around / (sector.max() + 1)
    depth = np.bincount(ring, [row["depth_mm"] for row in own]) / np.bincount(ring)
    between = 0.5 * (depth[1:] + depth[:-1])
    edges = np.concatenate([[2 * depth[0] - between[0]], between, [2 * depth[-1] - between[-1]]])
    left, high, low = place + sector * width, -edges[ring], -edges[ring + 1]
    corners = [(left, low), (left + width, low), (left + width, high), (left, high)]
    points = np.stack([np.stack([x, np.zeros_like(x), z], axis=1) for x, z in corners], axis=1).reshape(-1, 3)
    faces = np.column_stack([np.full(len(own), 4), np.arange(4 * len(own)).reshape(-1, 4)])
    sheet = pv.PolyData(points, faces.ravel())
    sheet.cell_data["thread_hold"] = [row["thread_hold"] for row in own]
    return sheet


def _framed(sheet: pv.PolyData) -> pv.PolyData:
    """The sheet with room for names above and the scale below."""
    import pyvista as pv

    (x0, x1, _, _, z0, z1) = sheet.bounds
    tall = z1 - z0
    return pv.PolyData([(x0, 0.0, z0 - 0.45 * tall), (x1, 0.0, z1 + 0.2 * tall)])


def scale_ticks(least: float, greatest: float, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Evenly spaced round numbers from ``low`` to ``high``, or from below the least to above the greatest value.

    A field of one value still gets a scale, one unit wide.
    """
    from matplotlib.ticker import MaxNLocator

    bottom, top = least if low is None else low, greatest if high is None else high
    if top - bottom < FLAT:
        bottom, top = (bottom - 1.0, bottom) if low is None else (bottom, bottom + 1.0)
    return np.asarray(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(bottom, top - FLAT))


def _draw_jaw(plotter: pv.Plotter, run: RunData, surfaces: dict[str, pv.PolyData]) -> None:
    plotter.add_mesh(surfaces["bone"], color=BONE, smooth_shading=True, split_sharp_edges=True, ambient=0.15)
    if "removed" in surfaces:
        plotter.add_mesh(surfaces["removed"], color=REMOVED, opacity=0.22, smooth_shading=True)
    _draw_hardware(plotter, run, surfaces)


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
    away = outward(surfaces["bone"], surfaces["plate"])
    for wanted, colour in ((False, "#111111"), (True, LOOSE)):
        chosen = [screw for screw in run.record["operation"]["screws"] if loose.get(screw["name"], False) is wanted]
        if chosen:
            heads = np.array([screw["head"] for screw in chosen])
            places = heads + 3.0 * away + np.array([0.0, 0.0, LABEL_HEIGHT])
            plotter.add_point_labels(
                places,
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
        "fmt": "%.4g",
    }


def make_plotter(*, off_screen: bool, panels: tuple[int, int] = (1, 1)) -> pv.Plotter:
    """An empty white scene of the size of all pictures."""
    import pyvista as pv

    plotter = pv.Plotter(
        off_screen=off_screen, window_size=list(SIZE), lighting="light kit", shape=panels, border=False
    )
    plotter.set_background("white")
    return plotter


def read_surfaces(folder: RunFolder) -> dict[str, pv.PolyData]:
    """Outer surfaces of a run by name: bone, plate, screws, removed."""
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


SCENES = {
    "operation": Scene(draw_operation, "surfaces/plate.vtp"),
    "views": Scene(draw_views, "surfaces/plate.vtp", (2, 2)),
    "closeup": Scene(draw_closeup, "fields/end.vtu"),
    "stress": Scene(draw_stress, "fields/surgery.vtu"),
    "strain": Scene(partial(draw_bone_field, name="strain", small=False), "fields/surgery.vtu"),
    "unrolled": Scene(draw_unrolled, "patches.csv"),
    **{
        name: Scene(partial(draw_bone_field, name=name), "fields/surgery.vtu")
        for name in ("dose", "vessels", "oxygen", "cells", "stiffness")
    },
}
