"""The look of all charts: vector, readable in grey, units on every axis; and how a figure becomes SVG text."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from femsim.report.catalogue import DAYS_PER_MONTH
from femsim.report.design import Design

__all__ = ["COLOURS", "DAYS_PER_MONTH", "LINES", "STYLE", "chart_line", "from_zero", "name_rows", "svg_text"]

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
NEEDLESS = re.compile(r"(\d\.\d\d)\d+")
"""Digits of a coordinate that no eye can see; without them a chart is a third smaller."""
WIDTH = 10.4
"""Inches; the width of a page's column."""


def chart_line(number: int) -> dict[str, Any]:
    """Colour and line style of the curve with a number, counted from 0."""
    return {"color": COLOURS[number % len(COLOURS)], "ls": LINES[(number // len(COLOURS) + number) % len(LINES)]}


def from_zero(ax: Axes) -> None:
    """Start the axis at 0, with room above a course that never leaves its highest value."""
    ax.set_ylim(0, 1.08 * ax.dataLim.y1 or None)  # all zero, as the dose of a healthy jaw: the chart chooses


def name_rows(axes: np.ndarray, designs: Sequence[Design]) -> None:
    """Write the name of each design over its row of axes (r, c), where there are several."""
    if len(designs) > 1:
        for ax, design in zip(axes[:, 0], designs, strict=True):
            ax.set_title(design.name, loc="left", fontsize=10, fontweight="bold")


def svg_text(figure: Figure) -> str:
    """Write a figure as SVG text, the same on every day, with coordinates to a hundredth of a point."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": "femsim"})
    return NEEDLESS.sub(r"\1", stream.getvalue())
