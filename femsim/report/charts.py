"""Charts of a run as SVG text: screws over time, dose and tissue along the jaw and over time, stress, interfaces."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from femsim.report.read import RunData
from femsim.results.radiation import HEALTHY

# Okabe and Ito's palette: distinct for colour-blind readers; line styles carry the difference in grey print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5A4FCF", "#000000")
LINES = ("-", "--", "-.", ":")
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "femsim",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e6ea",
    "axes.axisbelow": True,
    "figure.constrained_layout.use": True,
}
DAYS_PER_MONTH = 30.4
QUOTED_DOSES = (50.0, 60.0)
"""Gy; lines in the histogram at V50 and V60."""
QUOTED_SHARE = 30.0
"""Percent; line in the histogram at D30."""
COURSES = {
    "vessels": "vessels V [-]",
    "oxygen_mmhg": "oxygen p [mmHg]",
    "cells": "bone-forming cells C [-]",
    "activity": "activity Φ = C O [-]",
    "osteocytes": "osteocytes N [-]",
    "toughness": "matrix quality Q [-]",
    "young_cortical": "cortical modulus [-]",
    "young_cancellous": "cancellous modulus [-]",
    "strength_cortical": "cortical strength [-]",
    "bonded": "contact of a still screw B [-]",
}
"""Columns of ``courses.csv`` with their labels; the last one, of a screw and from surgery on, has more room."""


def screw_courses(run: RunData) -> str:
    """Motion, holding force and lateral stiffness of every screw over months since surgery, with the limits."""
    limits = run.record["criteria"]
    panels = (
        ("motion_p95_um", 1.0, "motion, 95th percentile [µm]", limits["motion_um"]),
        ("holding_ratio", 100.0, "holding force [% of insertion]", 100 * limits["holding_ratio"]),
        ("lateral_ratio", 100.0, "lateral stiffness [% of insertion]", 100 * limits["lateral_ratio"]),
    )
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 3.5))
        axes = figure.subplots(1, 3)
        for ax, (column, scale, label, limit) in zip(axes, panels, strict=True):
            for number, screw in enumerate(run.screws):
                days, values = run.course(screw["screw"], column)
                ax.plot(days / DAYS_PER_MONTH, scale * values, label=screw["screw"], lw=1.6, **chart_line(number))
            ax.axhline(limit, color="#444", lw=1, ls=(0, (1, 1)))
            place = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
            ax.annotate(f"limit {limit:g}", (1, limit), color="#444", size=8, **place)
            ax.set(xlabel="months since surgery", ylabel=label)
            ax.set_ylim(bottom=0)
            _mark_events(ax, run)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False, handlelength=2.8)
        return svg_text(figure)


def state_courses(run: RunData) -> str:
    """Bonded fraction, damage and clearance of every screw over months since surgery."""
    panels = (
        ("bonded", 1.0, "bonded fraction [-]"),
        ("damage", 1.0, "thread-shell damage [-]"),
        ("clearance_um", 1.0, "mean clearance [µm]"),
    )
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 3.1))
        axes = figure.subplots(1, 3)
        for ax, (column, scale, label) in zip(axes, panels, strict=True):
            for number, screw in enumerate(run.screws):
                days, values = run.course(screw["screw"], column)
                ax.plot(days / DAYS_PER_MONTH, scale * values, label=screw["screw"], lw=1.6, **chart_line(number))
            ax.set(xlabel="months since surgery", ylabel=label)
            ax.set_ylim(bottom=0)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False, handlelength=2.8)
        return svg_text(figure)


def tissue_strips(run: RunData) -> str:
    """Dose, vessels, oxygen, cells, stiffness and strength at surgery along the jaw, from right to left."""
    rows = run.tissue
    s = np.array([row["s_mm"] for row in rows])
    strips = (
        ("dose [Gy]", {"eqd2_gy": "EQD2"}),
        ("vessels [-]", {"vessels": "vessels"}),
        ("oxygen [mmHg]", {"oxygen_mmhg": "oxygen pressure"}),
        ("cells [-]", {"cells": "bone-forming cells", "osteocytes": "osteocytes"}),
        ("modulus [-]", {"young_cortical": "cortical bone", "young_cancellous": "cancellous bone"}),
        ("strength [-]", {"strength_cortical": "cortical bone"}),
    )
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 8.6))
        axes = figure.subplots(len(strips), 1, sharex=True)
        for ax, (unit, columns) in zip(axes, strips, strict=True):
            for number, (column, label) in enumerate(columns.items()):
                ax.plot(s, [row[column] for row in rows], label=label, lw=1.7, **chart_line(number))
            ax.set_ylabel(unit)
            _from_zero(ax)
            ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
            _mark_operation(ax, run)
        figure.align_ylabels(axes)
        axes[-1].set_xlabel("position along the jaw [mm]: right side negative, midline 0, left side positive")
        return svg_text(figure)


def dose_histograms(run: RunData) -> str:
    """Cumulative dose-volume histograms of the bone that stays, whole and by piece: physical dose and EQD2."""
    kinds = list(dict.fromkeys(row["dose"] for row in run.histogram))
    regions = list(dict.fromkeys(row["region"] for row in run.histogram))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 3.6))
        axes = np.atleast_1d(figure.subplots(1, len(kinds), sharey=True))
        for ax, kind in zip(axes, kinds, strict=True):
            for number, region in enumerate(regions):
                own = [row for row in run.histogram if row["dose"] == kind and row["region"] == region]
                dose, volume = ([row[name] for row in own] for name in ("dose_gy", "volume_percent"))
                ax.plot(dose, volume, label=region, lw=1.9, **chart_line(number))
            for level in QUOTED_DOSES:
                ax.axvline(level, color="#777", lw=0.9, ls=(0, (1, 2)), zorder=0)
            ax.axhline(QUOTED_SHARE, color="#777", lw=0.9, ls=(0, (1, 2)), zorder=0)
            ax.set(xlabel=f"{kind if kind == 'EQD2' else kind + ' dose'} [Gy]", xlim=(0, None), ylim=(0, 103))
        axes[0].set_ylabel("volume that receives at least it [%]")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False, handlelength=3.2)
        return svg_text(figure)


def tissue_courses(run: RunData) -> str:
    """Tissue around the most and the least irradiated screw, from the end of radiotherapy to the horizon."""
    places = list(dict.fromkeys(row["place"] for row in run.courses))
    start = min(row["day"] for row in run.courses) / DAYS_PER_MONTH
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 9.6))
        rows = 1 + -(-(len(COURSES) - 1) // 3)
        grid = figure.add_gridspec(rows, 3)
        panels = [figure.add_subplot(grid[k // 3, k % 3]) for k in range(len(COURSES) - 1)]
        panels.append(figure.add_subplot(grid[-1, :2]))
        for ax, (column, label) in zip(panels, COURSES.items(), strict=True):
            for number, place in enumerate(places):
                own = [row for row in run.courses if row["place"] == place]
                healthy = place == HEALTHY
                months = np.array([row["day"] for row in own]) / DAYS_PER_MONTH
                style = {"color": "#777", "ls": (0, (1, 1.5))} if healthy else chart_line(number)
                name = place if healthy else f"{place}, {own[0]['eqd2_gy']:.0f} Gy EQD2"
                ax.plot(months, [row[column] for row in own], label=name, lw=1.7, **style)
            ax.axvline(0.0, color="#444", lw=1.1)
            ax.set_ylabel(label)
            _from_zero(ax)
            ax.set_xlim(start - 1, None)
        place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "size": 8.5}
        panels[0].annotate("surgery", (0, 0.03), xytext=(3, 0), color="#444", **place)
        for ax in panels[-4:]:
            ax.set_xlabel("months since surgery")
        handles, labels = panels[-1].get_legend_handles_labels()
        words = figure.add_subplot(grid[-1, 2])
        words.axis("off")
        words.legend(handles, labels, loc="center left", frameon=False, handlelength=3.2)
        return svg_text(figure)


def hardware_bars(run: RunData) -> str:
    """Peak stress of plate and screws under the full bite against yield and endurance."""
    rows = run.hardware
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 0.36 * len(rows) + 1.3))
        ax = figure.subplots()
        place = np.arange(len(rows))
        peak = np.array([row["stress_peak_mpa"] for row in rows])
        ax.barh(place, peak, color="#56B4E9", edgecolor="#1f4e69", height=0.62, label="peak stress, full bite")
        ax.plot([row["yield_mpa"] for row in rows], place, "|", ms=15, mew=2, color="#000", label="yield")
        endurance = [row["endurance_mpa"] for row in rows]
        ax.plot(endurance, place, "|", ms=15, mew=2, color="#D55E00", label="allowed amplitude, 1e7 cycles")
        ax.set_yticks(place, [str(row["part"]) for row in rows])
        ax.invert_yaxis()
        ax.set_xlabel("stress [MPa]")
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        return svg_text(figure)


def interface_maps(run: RunData) -> str:
    """The screw-bone interface unrolled: what is left of the thread hold of each patch, ring by sector, at the end."""
    screws = [row["screw"] for row in run.screws]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 2.9))
        axes = np.atleast_1d(figure.subplots(1, len(screws)))
        image = None
        for ax, screw in zip(axes, screws, strict=True):
            image = ax.imshow(
                _unrolled(run.patches, screw), aspect="auto", vmin=0, vmax=1, cmap="cividis", interpolation="nearest"
            )
            ax.set_title(screw, fontsize=10)
            ax.set_xticks([])
            ax.set_yticks([])
            ax.grid(False)
        axes[0].set_ylabel("head  →  tip")
        figure.supxlabel("once around each screw", fontsize=9.5)
        if image is not None:
            figure.colorbar(image, ax=list(axes), label="thread hold left [-]", shrink=0.9)
        return svg_text(figure)


def _unrolled(patches: Sequence[dict[str, Any]], screw: str) -> np.ndarray:
    own = [row for row in patches if row["screw"] == screw]
    rings = np.array([int(row["ring"]) for row in own])
    sectors = np.array([int(row["sector"]) for row in own])
    grid = np.full((rings.max() - rings.min() + 1, sectors.max() + 1), np.nan)
    grid[rings - rings.min(), sectors] = [row["thread_hold"] for row in own]
    return grid


def chart_line(number: int) -> dict[str, Any]:
    """Colour and line style of the curve with a number, counted from 0."""
    return {"color": COLOURS[number % len(COLOURS)], "ls": LINES[(number // len(COLOURS) + number) % len(LINES)]}


def _from_zero(ax: Axes) -> None:
    """Start the axis at 0, with room above a course that never leaves its highest value."""
    ax.set_ylim(0, 1.08 * ax.dataLim.y1 or None)  # all zero, as the dose of a healthy jaw: the chart chooses


def _mark_events(ax: Axes, run: RunData) -> None:
    for event in run.events:
        ax.axvline(event["day"] / DAYS_PER_MONTH, color="#999", lw=0.8, zorder=0)


def _mark_operation(ax: Axes, run: RunData) -> None:
    place = run.record.get("operation", {})
    for span in place.get("defects_s_mm", []):
        ax.axvspan(*span, color="#d9d9d9", alpha=0.6, lw=0)
    for s in place.get("screw_s_mm", []):
        ax.axvline(s, color="#888", lw=0.7, ls=(0, (2, 2)))


def svg_text(figure: Figure) -> str:
    """Write a figure as SVG text, the same on every day."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": "femsim"})
    return stream.getvalue()
