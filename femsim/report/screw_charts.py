"""Charts of screws and time: courses over months, unrolled interfaces, the line of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from femsim.report.catalogue import DAYS_PER_MONTH, Catalogue
from femsim.report.charts import STYLE, WIDTH, chart_line, name_rows, svg_text
from femsim.report.design import Design
from femsim.report.moments import moments
from femsim.report.words import part_name

Panel = tuple[str, float, str, str]
"""Column of the time line, factor, key of its label, key of its limit in the criteria (empty: none)."""
COURSES: tuple[Panel, ...] = (
    ("motion_p95_um", 1.0, "charts.motion", "motion_um"),
    ("holding_ratio", 100.0, "charts.holding", "holding_ratio"),
    ("lateral_ratio", 100.0, "charts.lateral", "lateral_ratio"),
)
STATES: tuple[Panel, ...] = (
    ("bonded", 1.0, "charts.bonded", ""),
    ("damage", 1.0, "charts.damage", ""),
    ("clearance_um", 1.0, "charts.clearance", ""),
)
MARKS: dict[str, dict[str, Any]] = {
    "radiotherapy": {"marker": "v", "color": "#5A4FCF"},
    "surgery": {"marker": "|", "color": "#000000", "markersize": 16, "markeredgewidth": 2},
    "screw loose": {"marker": "o", "color": "#D55E00"},
    "stump lost": {"marker": "X", "color": "#000000"},
    "part broken": {"marker": "D", "color": "#CC79A7"},
    "yield": {"marker": "P", "color": "#E69F00"},
    "support lost": {"marker": "s", "color": "#0072B2"},
    "end": {"marker": "|", "color": "#777777", "markersize": 12, "markeredgewidth": 2},
}
"""Marks of the line of time; their shapes tell them apart in grey."""
NARROW_NAME = 20
"""Letters of a design's name in one line beside a chart."""


def screw_courses(designs: Sequence[Design], words: Catalogue) -> str:
    """Motion, holding force and lateral stiffness of every screw over months since surgery, with the limits."""
    return _courses(designs, COURSES, words)


def state_courses(designs: Sequence[Design], words: Catalogue) -> str:
    """Bonded fraction, damage and clearance of every screw over months since surgery."""
    return _courses(designs, STATES, words)


def _courses(designs: Sequence[Design], panels: Sequence[Panel], words: Catalogue) -> str:
    """One row of panels per design, all with the axes of their column."""
    screws = list(dict.fromkeys(row["screw"] for design in designs for row in design.run.screws))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.4 + (3.0 if len(designs) == 1 else 2.3) * len(designs)))
        axes = figure.subplots(len(designs), len(panels), sharex=True, sharey="col", squeeze=False)
        handles: dict[str, Any] = {}
        for row, design in zip(axes, designs, strict=True):
            for ax, (column, scale, label, limit) in zip(row, panels, strict=True):
                for screw in (one["screw"] for one in design.run.screws):
                    days, values = design.run.course(screw, column)
                    style = chart_line(screws.index(screw))
                    (handles[screw],) = ax.plot(days / DAYS_PER_MONTH, scale * values, lw=1.6, **style)
                if limit:
                    _mark_limit(ax, scale * design.record["criteria"][limit], words)
                    _mark_events(ax, design)
                ax.set_ylabel(words.say(label))
                ax.set_ylim(bottom=0)
        for ax in axes[-1]:
            ax.set_xlabel(words.say("charts.months"))
        name_rows(axes, designs)
        found = {part_name(screw, words): handles[screw] for screw in screws if screw in handles}
        figure.legend(found.values(), found.keys(), loc="outside right center", frameon=False, handlelength=2.8)
        return svg_text(figure)


def _mark_limit(ax: Axes, limit: float, words: Catalogue) -> None:
    ax.axhline(limit, color="#444", lw=1, ls=(0, (1, 1)))
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
    ax.annotate(words.say("charts.limit", value=words.number(limit)), (1, limit), color="#444", size=8, **place)


def _mark_events(ax: Axes, design: Design) -> None:
    for event in design.run.events:
        ax.axvline(event["day"] / DAYS_PER_MONTH, color="#999", lw=0.8, zorder=0)


def interface_maps(designs: Sequence[Design], words: Catalogue) -> str:
    """The screw-bone interface unrolled: what is left of the thread hold of each patch, ring by sector, at the end."""
    shown = [design for design in designs if design.run.patches]
    most = max(len(design.run.screws) for design in shown)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.5 + 2.4 * len(shown)))
        axes = figure.subplots(len(shown), most, squeeze=False)
        image = None
        for row, design in zip(axes, shown, strict=True):
            screws = [one["screw"] for one in design.run.screws]
            for ax, screw in zip(row, screws, strict=False):
                grid = unrolled(design.run.patches, screw)
                image = ax.imshow(grid, aspect="auto", vmin=0, vmax=1, cmap="cividis", interpolation="nearest")
                ax.set_xlabel(part_name(screw, words), fontsize=9.5)
                ax.set_xticks([])
                ax.set_yticks([])
                ax.grid(False)
            for ax in row[len(screws) :]:
                ax.axis("off")
            row[0].set_ylabel(words.say("charts.head_tip"))
        name_rows(axes, shown)
        figure.supxlabel(words.say("charts.around"), fontsize=9.5)
        if image is not None:
            figure.colorbar(image, ax=list(axes.ravel()), label=words.say("charts.thread_hold"), shrink=0.9)
        return svg_text(figure)


def unrolled(patches: Sequence[dict[str, Any]], screw: str) -> np.ndarray:
    """Thread hold of the patches of a screw, ring (head first) by sector; NaN where there is no patch."""
    own = [row for row in patches if row["screw"] == screw]
    rings = np.array([int(row["ring"]) for row in own])
    sectors = np.array([int(row["sector"]) for row in own])
    grid = np.full((rings.max() - rings.min() + 1, sectors.max() + 1), np.nan)
    grid[rings - rings.min(), sectors] = [row["thread_hold"] for row in own]
    return grid


def moment_line(designs: Sequence[Design], words: Catalogue) -> str:
    """From the end of radiotherapy over this surgery to the events and the end, one line per design."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.1 + 0.5 * len(designs)))
        ax = figure.subplots()
        seen: dict[str, Any] = {}
        for row, design in enumerate(designs):
            found = moments(design, words)
            ends = [min(one.day for one in found), max([design.horizon, *(one.day for one in found)])]
            ax.plot([day / DAYS_PER_MONTH for day in ends], [row, row], color="#b5bcc5", lw=1.2, ls=":", zorder=1)
            ran = [0.0, design.end_day]
            ax.plot([day / DAYS_PER_MONTH for day in ran], [row, row], color="#55606e", lw=3, zorder=2)
            for one in found:
                (seen[one.kind],) = ax.plot(
                    one.day / DAYS_PER_MONTH, row, ls="", zorder=3, **({"markersize": 8} | MARKS[one.kind])
                )
        names = [_wrapped(design.name) for design in designs] if len(designs) > 1 else [""]
        ax.set_yticks(range(len(designs)), names)
        ax.set_ylim(len(designs) - 0.4, -0.6)
        ax.grid(False, axis="y")
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel(words.say("charts.months"))
        legend = {kind: words.say(f"charts.mark_{kind.replace(' ', '_')}") for kind in MARKS if kind in seen}
        figure.legend([seen[kind] for kind in legend], legend.values(), loc="outside right center", frameon=False)
        return svg_text(figure)


def _wrapped(name: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(name, NARROW_NAME))
