"""Charts of a run as SVG text: courses of every screw, tissue along the jaw, hardware stress, unrolled interfaces."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from femsim.report.read import RunData

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
                ax.plot(days / DAYS_PER_MONTH, scale * values, label=screw["screw"], lw=1.6, **_line(number))
            ax.axhline(limit, color="#444", lw=1, ls=(0, (1, 1)))
            place = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
            ax.annotate(f"limit {limit:g}", (1, limit), color="#444", size=8, **place)
            ax.set(xlabel="months since surgery", ylabel=label)
            ax.set_ylim(bottom=0)
            _mark_events(ax, run)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False, handlelength=2.8)
        return _svg(figure)


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
                ax.plot(days / DAYS_PER_MONTH, scale * values, label=screw["screw"], lw=1.6, **_line(number))
            ax.set(xlabel="months since surgery", ylabel=label)
            ax.set_ylim(bottom=0)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False, handlelength=2.8)
        return _svg(figure)


def tissue_strips(run: RunData) -> str:
    """Dose, vessels, oxygen, cells, stiffness and strength at surgery along the jaw, from right to left."""
    rows = run.tissue
    s = np.array([row["s_mm"] for row in rows])
    strips = (
        (("eqd2_gy",), ("dose (EQD2)",), "Gy"),
        (("vessels", "osteocytes", "cells"), ("vessels", "osteocytes", "osteogenic cells"), "of healthy"),
        (("oxygen_mmhg",), ("oxygen",), "mmHg"),
        (
            ("young_cortical", "young_cancellous", "strength_cortical"),
            ("cortical E", "cancellous E", "strength"),
            "of healthy",
        ),
    )
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 6.2))
        axes = figure.subplots(len(strips), 1, sharex=True)
        for ax, (columns, labels, unit) in zip(axes, strips, strict=True):
            for number, (column, label) in enumerate(zip(columns, labels, strict=True)):
                ax.plot(s, [row[column] for row in rows], label=label, lw=1.7, **_line(number))
            ax.set_ylabel(unit)
            ax.set_ylim(bottom=0)
            ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
            _mark_operation(ax, run)
        axes[-1].set_xlabel("position along the jaw [mm]: right side negative, midline 0, left side positive")
        return _svg(figure)


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
        return _svg(figure)


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
        return _svg(figure)


def _unrolled(patches: Sequence[dict[str, Any]], screw: str) -> np.ndarray:
    own = [row for row in patches if row["screw"] == screw]
    rings = np.array([int(row["ring"]) for row in own])
    sectors = np.array([int(row["sector"]) for row in own])
    grid = np.full((rings.max() - rings.min() + 1, sectors.max() + 1), np.nan)
    grid[rings - rings.min(), sectors] = [row["thread_hold"] for row in own]
    return grid


def _line(number: int) -> dict[str, Any]:
    return {"color": COLOURS[number % len(COLOURS)], "ls": LINES[(number // len(COLOURS) + number) % len(LINES)]}


def _mark_events(ax: Axes, run: RunData) -> None:
    for event in run.events:
        ax.axvline(event["day"] / DAYS_PER_MONTH, color="#999", lw=0.8, zorder=0)


def _mark_operation(ax: Axes, run: RunData) -> None:
    place = run.record.get("operation", {})
    span = place.get("defect_s_mm")
    if span:
        ax.axvspan(*sorted(span), color="#d9d9d9", alpha=0.6, lw=0)
    for s in place.get("screw_s_mm", []):
        ax.axvline(s, color="#888", lw=0.7, ls=(0, (2, 2)))


def _svg(figure: Figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": "femsim"})
    return stream.getvalue()
