"""Charts of dose and tissue: along the jaw, dose-volume histograms, over time at the screws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from femsim.report.catalogue import DAYS_PER_MONTH, Catalogue
from femsim.report.charts import STYLE, WIDTH, chart_line, from_zero, svg_text
from femsim.report.design import Design
from femsim.report.words import part_name
from femsim.results.radiation import HEALTHY

QUOTED_DOSES = (50.0, 60.0)
"""Gy; lines in the histogram at V50 and V60."""
QUOTED_SHARE = 30.0
"""Percent; line in the histogram at D30."""
COURSES = (
    *("vessels", "oxygen_mmhg", "cells", "activity", "osteocytes", "toughness"),
    *("young_cortical", "young_cancellous", "strength_cortical", "bonded"),
)
"""Columns of ``courses.csv``; the last one, of a screw and from surgery on, has more room."""
STRIPS = (
    ("charts.dose", {"eqd2_gy": "charts.eqd2"}),
    ("charts.vessels", {"vessels": "charts.vessels_line"}),
    ("charts.oxygen", {"oxygen_mmhg": "charts.oxygen_line"}),
    ("charts.cells", {"cells": "charts.cells_line", "osteocytes": "charts.osteocytes_line"}),
    ("charts.modulus", {"young_cortical": "charts.cortical", "young_cancellous": "charts.cancellous"}),
    ("charts.strength", {"strength_cortical": "charts.cortical"}),
)
"""Label and columns of every strip along the jaw of one design."""
COMPARED_STRIPS = {
    "eqd2_gy": "charts.dose",
    "vessels": "charts.vessels",
    "oxygen_mmhg": "charts.oxygen",
    "cells": "charts.cells",
    "young_cortical": "charts.modulus_cortical",
    "young_cancellous": "charts.modulus_cancellous",
}
"""Columns of the strips that compare designs, with their labels."""


def tissue_strips(designs: Sequence[Design], words: Catalogue) -> str:
    """Dose, vessels, oxygen, cells, stiffness and strength at surgery along the jaw, from right to left."""
    strips = list(_strips(designs, words))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.43 * len(strips)))
        axes = figure.subplots(len(strips), 1, sharex=True)
        for ax, (label, curves) in zip(axes, strips, strict=True):
            for number, (name, design, column) in enumerate(curves):
                rows = design.run.tissue
                s = [row["s_mm"] for row in rows]
                ax.plot(s, [row[column] for row in rows], label=name, lw=1.7, **chart_line(number))
            ax.set_ylabel(label)
            from_zero(ax)
            if len(designs) == 1:
                ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
            _mark_operation(ax, designs[0])
        if len(designs) > 1:
            figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", frameon=False, ncols=2)
        figure.align_ylabels(axes)
        axes[-1].set_xlabel(words.say("charts.along"))
        return svg_text(figure)


def _strips(designs: Sequence[Design], words: Catalogue) -> Iterator[tuple[str, list[tuple[str, Design, str]]]]:
    """Label of each strip with its curves: name, design, column."""
    if len(designs) == 1:
        for label, columns in STRIPS:
            yield words.say(label), [(words.say(name), designs[0], column) for column, name in columns.items()]
        return
    for column, label in COMPARED_STRIPS.items():
        yield words.say(label), [(design.name, design, column) for design in designs if design.run.tissue]


def _mark_operation(ax: Axes, design: Design) -> None:
    place = design.record.get("operation", {})
    for span in place.get("defects_s_mm", []):
        ax.axvspan(*span, color="#d9d9d9", alpha=0.6, lw=0)
    for s in place.get("screw_s_mm", []):
        ax.axvline(s, color="#888", lw=0.7, ls=(0, (2, 2)))


def dose_histograms(designs: Sequence[Design], words: Catalogue) -> str:
    """Cumulative dose-volume histograms of the bone that stays, physical dose and EQD2.

    By piece of bone for one design; of the whole jaw for several.
    """
    shown = [design for design in designs if design.run.histogram]
    kinds = list(dict.fromkeys(row["dose"] for row in shown[0].run.histogram))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.6))
        axes = np.atleast_1d(figure.subplots(1, len(kinds), sharey=True))
        for ax, kind in zip(axes, kinds, strict=True):
            for number, (name, rows) in enumerate(_histograms(shown, words)):
                own = [row for row in rows if row["dose"] == kind]
                dose, volume = ([row[column] for row in own] for column in ("dose_gy", "volume_percent"))
                ax.plot(dose, volume, label=name, lw=1.9, **chart_line(number))
            for level in QUOTED_DOSES:
                ax.axvline(level, color="#777", lw=0.9, ls=(0, (1, 2)), zorder=0)
            ax.axhline(QUOTED_SHARE, color="#777", lw=0.9, ls=(0, (1, 2)), zorder=0)
            eqd2 = kind == "EQD2"
            label = words.say("charts.dvh_eqd2") if eqd2 else words.say("charts.dvh_dose", kind=words.told(kind))
            ax.set(xlabel=label, xlim=(0, None), ylim=(0, 103))
        axes[0].set_ylabel(words.say("charts.dvh_volume"))
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False, handlelength=3.2)
        return svg_text(figure)


def _histograms(designs: Sequence[Design], words: Catalogue) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Name and rows of every curve."""
    for design in designs:
        regions = list(dict.fromkeys(row["region"] for row in design.run.histogram))
        for region in regions if len(designs) == 1 else regions[:1]:
            name = words.told(region) if len(designs) == 1 else design.name
            yield name, [row for row in design.run.histogram if row["region"] == region]


def tissue_courses(designs: Sequence[Design], words: Catalogue) -> str:
    """Tissue around screws from the end of radiotherapy to the horizon, with healthy bone in grey.

    Of one design the most and the least irradiated screw, of several the most irradiated one of each.
    """
    curves = list(_places([design for design in designs if design.run.courses], words))
    start = min(row["day"] for _, rows, _ in curves for row in rows) / DAYS_PER_MONTH
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 9.6))
        rows = 1 + -(-(len(COURSES) - 1) // 3)
        grid = figure.add_gridspec(rows, 3)
        panels = [figure.add_subplot(grid[k // 3, k % 3]) for k in range(len(COURSES) - 1)]
        panels.append(figure.add_subplot(grid[-1, :2]))
        for ax, column in zip(panels, COURSES, strict=True):
            for number, (name, own, healthy) in enumerate(curves):
                months = np.array([row["day"] for row in own]) / DAYS_PER_MONTH
                style = {"color": "#777", "ls": (0, (1, 1.5))} if healthy else chart_line(number)
                ax.plot(months, [row[column] for row in own], label=name, lw=1.7, **style)
            ax.axvline(0.0, color="#444", lw=1.1)
            ax.set_ylabel(words.say(f"charts.course_{column}"))
            from_zero(ax)
            ax.set_xlim(start - 1, None)
        place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "size": 8.5}
        panels[0].annotate(words.say("charts.surgery"), (0, 0.03), xytext=(3, 0), color="#444", **place)
        for ax in panels[-4:]:
            ax.set_xlabel(words.say("charts.months"))
        handles, labels = panels[-1].get_legend_handles_labels()
        legend = figure.add_subplot(grid[-1, 2])
        legend.axis("off")
        legend.legend(handles, labels, loc="center left", frameon=False, handlelength=3.2)
        return svg_text(figure)


def _places(designs: Sequence[Design], words: Catalogue) -> Iterator[tuple[str, list[dict[str, Any]], bool]]:
    """Name, rows and whether it is healthy bone, of every place that is shown."""
    for design in designs:
        places = [place for place in dict.fromkeys(row["place"] for row in design.run.courses) if place != HEALTHY]
        by_place = {place: [row for row in design.run.courses if row["place"] == place] for place in places}
        ranked = sorted(places, key=lambda place: -by_place[place][0]["eqd2_gy"])
        for place in ranked if len(designs) == 1 else ranked[:1]:
            rows = by_place[place]
            dose = words.number(float(round(rows[0]["eqd2_gy"])))
            name = words.say("charts.course_place", place=part_name(place, words), dose=dose)
            several = len(designs) > 1
            yield words.say("charts.course_design", name=design.name, place=name) if several else name, rows, False
    healthy = [row for row in designs[0].run.courses if row["place"] == HEALTHY]
    if healthy:
        yield words.told(HEALTHY), healthy, True
