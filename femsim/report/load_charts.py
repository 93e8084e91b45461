"""Charts of loads on the day of surgery: stress of plate and screws, strain of the bone."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from femsim.report.catalogue import Catalogue
from femsim.report.charts import STYLE, WIDTH, chart_line, name_rows, svg_text
from femsim.report.design import Design
from femsim.report.words import part_name

BAR = 0.3
"""Inches of height per bar."""


def hardware_bars(designs: Sequence[Design], words: Catalogue) -> str:
    """Peak stress of plate and screws under the full bite against yield and endurance, on one axis for all designs."""
    shown = [design for design in designs if design.run.hardware]
    heights = [BAR * len(design.run.hardware) + 0.35 for design in shown]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, sum(heights) + 1.0))
        axes = figure.subplots(len(shown), 1, sharex=True, squeeze=False, height_ratios=heights)
        for ax, design in zip(axes[:, 0], shown, strict=True):
            rows = design.run.hardware
            place = np.arange(len(rows))
            peak = np.array([row["stress_peak_mpa"] for row in rows])
            label = words.say("charts.peak")
            ax.barh(place, peak, color="#56B4E9", edgecolor="#1f4e69", height=0.62, label=label)
            limit = [row["yield_mpa"] for row in rows]
            ax.plot(limit, place, color="#000", label=words.say("charts.yield"), ls="", marker="|", ms=13, mew=2)
            endurance = [row["endurance_mpa"] for row in rows]
            # A shape of its own, so that grey print tells it from the yield stress.
            mark = {"marker": "D", "color": "#D55E00", "markeredgecolor": "#fff", "ms": 7}
            ax.plot(endurance, place, ls="", label=words.say("charts.endurance"), **mark)
            ax.set_yticks(place, [part_name(str(row["part"]), words) for row in rows])
            ax.invert_yaxis()
        axes[-1, 0].set_xlabel(words.say("charts.stress"))
        name_rows(axes, shown)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
        return svg_text(figure)


def strain_curves(designs: Sequence[Design], words: Catalogue) -> str:
    """Share of the bone at the screws over the strain it has at least, one curve per stump and design."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.6))
        ax = figure.subplots()
        number = 0
        for design in designs:
            for share in design.strain:
                if not share.place:
                    continue
                place = words.told(share.place)
                several = len(designs) > 1
                name = words.say("charts.strain_place", name=design.name, place=place) if several else place
                ax.plot(share.levels, 100 * share.above, label=name, lw=1.7, **chart_line(number))
                number += 1
        ax.set(
            xlabel=words.say("charts.strain"), ylabel=words.say("charts.strain_share"), xlim=(0, None), ylim=(0, 103)
        )
        figure.legend(*ax.get_legend_handles_labels(), loc="outside right center", frameon=False, handlelength=3.2)
        return svg_text(figure)
