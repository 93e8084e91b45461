"""Charts of a study as SVG text: survival, first ends, pairs of designs, drivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from femsim.report.catalogue import DAYS_PER_MONTH, Catalogue
from femsim.report.charts import COLOURS, STYLE, WIDTH, chart_line, svg_text
from femsim.study.record import VariedInput
from femsim.study.words import end_of, input_name

Design = Mapping[str, Any]

MOST_CURVES = 8
"""Designs in one chart; more cannot be told apart by colour and line."""
MOST_INPUTS = 12
"""Inputs in a chart of drivers; the table has all."""
HALF_YEAR, LONG = 6, 48
"""Months between marks, and beyond which they stand a year apart."""
PANELS_IN_A_ROW = 3
BAND = 0.16
"""Opacity of a band."""
SWEEP_MARKS: dict[str, dict[str, Any]] = {
    "loosening": {"marker": "o", "ms": 7, "ls": ""},
    "plate_fracture": {"marker": "X", "ms": 8, "ls": ""},
    "screw_fracture": {"marker": "P", "ms": 8, "ls": ""},
    "none": {"marker": "^", "ms": 8, "ls": "", "markerfacecolor": "white"},
}
"""Marks by the end of a single run."""
ENDS = {"first_loosening": "loosening", "plate_fracture": "plate_fracture", "screw_fracture": "screw_fracture"}


def survival_chart(designs: Sequence[Design], words: Catalogue) -> str:
    """Share of patients without a loose screw or a broken part over months since surgery, with bands."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.2))
        ax = figure.subplots()
        for number, design in enumerate(designs[:MOST_CURVES]):
            _step(ax, design["whole"], "held", number, design["label"])
        ax.set(xlabel=words.say("charts.months"), ylabel=words.say("study.axis_whole"), ylim=(0, 102))
        _months(ax, designs[0])
        figure.legend(loc="outside right center", frameon=False, handlelength=3.4)
        return svg_text(figure)


def ends_chart(designs: Sequence[Design], words: Catalogue) -> str:
    """Which end comes first: cumulative incidence of loosening and of fractures, one panel per design."""
    shown = designs[:MOST_CURVES]
    rows = -(-len(shown) // PANELS_IN_A_ROW)
    columns = min(len(shown), PANELS_IN_A_ROW)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.1 * rows + 0.3))
        axes = np.atleast_1d(figure.subplots(rows, columns, sharey=True, sharex=True)).ravel()
        for ax, design in zip(axes, shown, strict=False):
            for number, (name, key) in enumerate(ENDS.items()):
                if name != "screw_fracture" or any(one[name]["events"] for one in shown):
                    _step(ax, design[name], "incidence", number, words.say(f"study.end_{key}"))
            ax.set_title(design["label"], fontsize=10)
            _months(ax, design)
            ax.set_ylim(bottom=0)
        for ax in axes[len(shown) :]:
            ax.axis("off")
        for ax in axes[::columns]:
            ax.set_ylabel(words.say("study.axis_incidence"))
        for ax in axes[max(len(shown) - columns, 0) : len(shown)]:
            ax.set_xlabel(words.say("charts.months"))
            ax.tick_params(labelbottom=True)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, handlelength=3.4)
        return svg_text(figure)


def _months(ax: Axes, design: Design) -> None:
    """Show the months from surgery to the horizon, with half-years where there are several."""
    last = design["whole"]["day"][-1] / DAYS_PER_MONTH
    ax.set_xlim(0, last)
    if last > HALF_YEAR * 2:
        ax.xaxis.set_major_locator(MultipleLocator(HALF_YEAR * (1 if last <= LONG else 2)))


def _step(ax: Axes, curve: Mapping[str, Any], name: str, number: int, label: str) -> None:
    """Draw a step curve in percent with its band."""
    months = np.array(curve["day"]) / DAYS_PER_MONTH
    ends = (f"{name}_low", f"{name}_high") if f"{name}_low" in curve else ("low", "high")
    value, low, high = (100.0 * np.array(curve[key]) for key in (name, *ends))
    style = chart_line(number)
    ax.step(months, value, where="post", label=label, lw=1.9, **style)
    ax.fill_between(months, low, high, step="post", color=style["color"], alpha=BAND, lw=0)
    for edge in (low, high):  # bands overlap: their edges tell whose they are, in grey too
        ax.step(months, edge, where="post", lw=0.7, alpha=0.8, **style)


def sweep_chart(designs: Sequence[Design], listed: VariedInput, words: Catalogue) -> str:
    """Month of the first end over the value of one listed input: one run per value, one line per design."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.0))
        ax, key = figure.subplots(), listed.name
        for number, name in enumerate(dict.fromkeys(design["design"] for design in designs)):
            own = sorted((one for one in designs if one["design"] == name), key=lambda one: one["entry"][key])
            values = [one["entry"][key] for one in own]
            months = [end_of(one)[1] / DAYS_PER_MONTH for one in own]
            ax.plot(values, months, lw=1.4, label=name, **chart_line(number))
            for value, month, one in zip(values, months, own, strict=True):
                ax.plot(value, month, color=chart_line(number)["color"], clip_on=False, **SWEEP_MARKS[end_of(one)[0]])
        for end, marks in SWEEP_MARKS.items():
            ax.plot([], [], color="#444", label=words.say(f"study.end_{end}"), **marks)
        label = input_name(key, listed.label, words)
        ax.set(xlabel=f"{label} [{listed.unit or '-'}]", ylabel=words.say("study.axis_months"))
        ax.set_ylim(0, 1.05 * designs[0]["whole"]["day"][-1] / DAYS_PER_MONTH)
        figure.legend(loc="outside right center", frameon=False, handlelength=3.4)
        return svg_text(figure)


def pairs_chart(pairs: Sequence[Mapping[str, Any]], labels: Mapping[str, str], words: Catalogue) -> str:
    """Which design outlasts the other on the same patients: one bar per pair, with 95 % limits at both ends."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.55 * len(pairs) + 1.5))
        ax = figure.subplots()
        place = np.arange(len(pairs))
        a, b, ties, undecided = (
            100.0 * np.array([pair[key] for pair in pairs]) for key in ("a_outlasts", "b_outlasts", "ties", "undecided")
        )
        bar: dict[str, Any] = {"height": 0.5, "edgecolor": "#222", "linewidth": 0.8}
        ax.barh(place, a, color=COLOURS[0], label=words.say("study.left_longer"), **bar)
        ax.barh(place, ties, left=a, color="#ffffff", hatch="...", label=words.say("study.equal"), **bar)
        if undecided.any():
            ax.barh(place, undecided, left=a + ties, color="#ffffff", label=words.say("study.undecided"), **bar)
        ax.barh(place, b, left=100.0 - b, color=COLOURS[4], hatch="//", label=words.say("study.right_longer"), **bar)
        for k, pair in enumerate(pairs):
            _limits(ax, k - 0.36, 100 * pair["a_low"], 100 * pair["a_high"], COLOURS[0])
            _limits(ax, k - 0.36, 100 - 100 * pair["b_high"], 100 - 100 * pair["b_low"], COLOURS[1])
        ax.set_yticks(place, [labels[pair["a"]] for pair in pairs])
        right = ax.secondary_yaxis("right")
        right.set_yticks(place, [labels[pair["b"]] for pair in pairs])
        right.spines["right"].set_visible(False)
        for axis in (ax, right):
            axis.tick_params(axis="y", length=0)
        ax.set(xlim=(0, 100), ylim=(len(pairs) - 0.5, -0.7), xlabel=words.say("study.axis_pairs"))
        ax.grid(axis="y", visible=False)
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
        return svg_text(figure)


def _limits(ax: Axes, place: float, low: float, high: float, colour: str) -> None:
    ax.plot([low, high], [place, place], "|-", color=colour, lw=1.4, ms=7, mew=1.6, clip_on=False)


def drivers_chart(driver: Mapping[str, Any], words: Catalogue) -> str:
    """Sobol indices with intervals, and the mean output with the lowest and highest values of each input."""
    rows = driver["rows"][:MOST_INPUTS]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.34 * len(rows) + 1.6))
        shares, means = figure.subplots(1, 2, sharey=True)
        place = np.arange(len(rows))
        for kind, offset, marker, colour, face in (
            ("first", -0.13, "o", COLOURS[0], COLOURS[0]),
            ("total", 0.13, "s", COLOURS[1], "white"),
        ):
            value, low, high = (100.0 * np.array([row[kind + end] for row in rows]) for end in ("", "_low", "_high"))
            shares.hlines(place + offset, low, high, color=colour, lw=1.6)
            style: dict[str, Any] = {"color": colour, "markerfacecolor": face, "ms": 6, "ls": ""}
            shares.plot(value, place + offset, marker, label=words.say(f"study.share_{kind}"), **style)
        low, high = (np.array([row[key] for row in rows]) for key in ("output_low", "output_high"))
        means.hlines(place, low, high, color="#8a94a1", lw=5)
        means.plot(low, place, "v", color=COLOURS[0], ms=7, label=words.say("study.lowest_fifth"))
        means.plot(
            high, place, "^", color=COLOURS[1], markerfacecolor="white", ms=7, label=words.say("study.highest_fifth")
        )
        shares.set_yticks(place, [input_name(row["input"], row["label"], words) for row in rows])
        shares.invert_yaxis()
        shares.set_xlabel(words.say("study.axis_share"))
        shares.set_xlim(left=0)
        means.set_xlabel(words.say(f"study.axis_{driver['output']}"))
        for ax in (shares, means):
            ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
        return svg_text(figure)
