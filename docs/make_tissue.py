"""Figures and tables of docs/tissue.md, from the model, its parameter card and its tests: python docs/make_tissue.py.

Tables stand in the page between ``<!-- name -->`` and ``<!-- end name -->`` and are replaced there; figures go to
docs/tissue/. ``--tables`` leaves out the figures.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parent
sys.path += [str(DOCS.parent), *(str(DOCS.parent / "tests" / kind) for kind in ("validation", "verification"))]

import test_tissue_bands as bands  # noqa: E402
import test_tissue_reference as reference  # noqa: E402
import test_tissue_rows as rows  # noqa: E402

from femsim.durable import write_text  # noqa: E402
from femsim.parameters import load_parameters  # noqa: E402
from femsim.report.charts import DAYS_PER_MONTH, STYLE, chart_line, svg_text  # noqa: E402
from femsim.tissue import TissueConstants, TissueTable, bonded_history, tissue_point, tissue_state  # noqa: E402
from femsim.tissue.environment import Hyperbaric  # noqa: E402
from femsim.tissue.timecourse import tissue_courses  # noqa: E402

PAGE = DOCS / "tissue.md"
FIGURES = DOCS / "tissue"
PARAMETERS = load_parameters()
NOMINAL = TissueConstants.from_parameters(PARAMETERS)
DOSES = np.arange(0.0, 80.1, 2.0)
YEAR = 12.0
BAND_NAMES = {
    "V": "vessels V [-]",
    "p": "oxygen pressure p [mmHg]",
    "C": "bone-forming cells C [-]",
    "E_cortical": "modulus of cortical bone [-]",
    "E_trabecular": "modulus of cancellous bone [-]",
    "strength_cortical": "strength of cortical bone [-]",
    "bonding": "contact, irradiated / healthy [-]",
}


@cache
def sample() -> list[TissueConstants]:
    return bands.drawn_constants()


def table(head: Iterable[str], lines: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    titles = list(head)
    body = [titles, ["---"] * len(titles), *lines]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in body)


def constants_table() -> str:
    entries = [PARAMETERS.entry(f"tissue.{item.name}") for item in fields(TissueConstants)]
    surfaces = [PARAMETERS.entry(f"tissue.x_{name}") for name in ("machined", "tps", "sla", "ha")]
    return table(
        ("card name", "symbol", "value", "range", "unit", "evidence", "what it is"),
        (
            (
                f"`{entry.name}`",
                entry.symbol,
                f"{entry.value:g}",
                f"{entry.range[0]:g} to {entry.range[1]:g}" if entry.range else "",
                entry.unit,
                entry.mark,
                entry.remark,
            )
            for entry in [*entries, *surfaces]
        ),
    )


def interval(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.3g}" if ends[0] == ends[1] else f"{ends[0]:.3g} to {ends[1]:.3g}"


def rows_table() -> str:
    return table(
        ("experiment", "data", "model", "verdict", "why, or what it fixes"),
        ((row.name, interval(row.data), f"{row.value():.3g}", row.verdict, row.why) for row in rows.ROWS),
    )


def reference_table() -> str:
    keys = reference.COLUMNS
    lines = []
    for dose, months in reference.ROWS:
        early, late = (tissue_point(dose, months, heal, constants=NOMINAL) for heal in (28.0, 180.0))
        values = [f"{late[key]:.1f}" if key == "p" else f"{late[key]:.2f}" for key in keys]
        lines.append([dose, months, *values, f"{early['B_ratio']:.2f}", f"{late['B_ratio']:.2f}"])
    return table(("EQD2 [Gy]", "months", *keys, "B28", "B180"), lines)


def bands_table() -> str:
    drawn = [bands.headline(constants) for constants in sample()]
    nominal = bands.headline(NOMINAL)
    lines = []
    for name, label in BAND_NAMES.items():
        digits = 1 if name == "p" else 2
        low, high = np.percentile([one[name] for one in drawn], [5, 95])
        quoted = bands.BANDS[name]
        lines.append(
            [label, *(f"{value:.{digits}f}" for value in (nominal[name], low, high)), f"{quoted[0]:g} to {quoted[1]:g}"]
        )
    return table(("quantity", "nominal", "5 %", "95 %", "band quoted in advance"), lines)


def oxygen_table() -> str:
    lines = []
    for gray in (0, 10, 20, 30, 40, 50, 60, 70):
        state = tissue_state([float(gray)], YEAR * DAYS_PER_MONTH, NOMINAL)
        lines.append([gray, f"{state.p[0]:.1f}", f"{state.O[0]:.3f}", f"{state.V[0]:.2f}", f"{state.N[0]:.2f}"])
    return table(("EQD2 [Gy]", "p [mmHg]", "O", "V", "N"), lines)


TABLES = {
    "constants": constants_table,
    "rows": rows_table,
    "reference": reference_table,
    "oxygen": oxygen_table,
    "bands": bands_table,
}


def dose_response() -> Figure:
    """Every state against dose with its 5-95 % band."""
    figure = Figure(figsize=(10.4, 9.4))
    panels = figure.subplots(3, 3).flat
    doses = DOSES[::2]

    def curves(constants: TissueConstants) -> dict[str, np.ndarray]:
        state = tissue_state(doses, bands.SURGERY, constants)
        found = {name: getattr(state, name) for name in BAND_NAMES if name != "bonding"}
        return found | {"Phi": state.Phi, "Q": state.Q, "bonding": bands.bonding_ratios(constants, doses)}

    drawn, nominal = [curves(constants) for constants in sample()], curves(NOMINAL)
    names = {**BAND_NAMES, "Phi": "activity Φ = C O [-]", "Q": "matrix quality Q [-]"}
    for ax, (name, label) in zip(panels, names.items(), strict=True):
        low, high = np.percentile([one[name] for one in drawn], [5, 95], axis=0)
        ax.fill_between(doses, low, high, color="#56B4E9", alpha=0.35, lw=0, label="5-95 % of 250 draws")
        ax.plot(doses, nominal[name], lw=1.8, label="nominal", **chart_line(0))
        ax.set(ylabel=label, ylim=(0, 1.05 * ax.dataLim.y1), xlim=(0, 80))
    for ax in list(figure.axes)[-3:]:
        ax.set_xlabel("EQD2 [Gy]")
    figure.axes[0].legend(loc="lower left", frameon=False)
    return figure


def low_dose_oxygen() -> Figure:
    """Pressure rises a little at low dose; the oxygen limit does not."""
    figure = Figure(figsize=(10.4, 3.6))
    pressure, rise, limit = figure.subplots(1, 3)
    for number, months in enumerate((2, 6, 12, 60)):
        state = tissue_state(DOSES, months * DAYS_PER_MONTH, NOMINAL)
        for ax, values in ((pressure, state.p), (rise, state.p), (limit, state.O)):
            ax.plot(DOSES, values, lw=1.8, label=f"{months} months", **chart_line(number))
    for ax in (pressure, rise):
        ax.axhline(NOMINAL.p0, color="#777", lw=1, ls=(0, (1, 2)))
        ax.set_ylabel("oxygen pressure p [mmHg]")
    rise.annotate("healthy", (0.5, NOMINAL.p0), va="top", size=8.5, color="#444")
    pressure.set(xlim=(0, 80), ylim=(0, 80))
    rise.set(xlim=(0, 40), ylim=(NOMINAL.p0 - 2.0, NOMINAL.p0 + 2.0), title="the same at low dose")
    rise.title.set_size(9.5)
    limit.set(ylabel="oxygen limit O of bone formation [-]", xlim=(0, 80), ylim=(0, 1.05))
    for ax in (pressure, rise, limit):
        ax.set_xlabel("EQD2 [Gy]")
    limit.legend(loc="lower left", frameon=False)
    return figure


def time_courses() -> Figure:
    """States from the end of radiotherapy on, with and without hyperbaric oxygen, and contact after surgery."""
    figure = Figure(figsize=(10.4, 8.4))
    panels = list(figure.subplots(3, 3).flat)
    surgery, horizon = YEAR * DAYS_PER_MONTH, 5 * 365.0
    before = np.linspace(-surgery, -1.0, 60)
    after = np.unique(np.concatenate([np.linspace(0.0, 180.0, 61), np.linspace(0.0, horizon, 80)]))
    days = np.concatenate([before, after])
    shown = (
        ("V", "vessels V [-]"),
        ("p", "oxygen pressure p [mmHg]"),
        ("N", "osteocytes N [-]"),
        ("C", "bone-forming cells C [-]"),
        ("Phi", "activity Φ = C O [-]"),
        ("E_cortical", "modulus of cortical bone [-]"),
        ("E_trabecular", "modulus of cancellous bone [-]"),
        ("strength_cortical", "strength of cortical bone [-]"),
    )
    cases = ((50.0, 0), (60.0, 0), (70.0, 0), (70.0, 30))
    for number, (gray, sessions) in enumerate(cases):
        label = f"{gray:g} Gy" + (f", {sessions} sessions of hyperbaric oxygen" if sessions else "")
        course = tissue_courses([gray], surgery + days, NOMINAL, hyperbaric=Hyperbaric(sessions, surgery))
        for ax, (name, _) in zip(panels, shown, strict=False):
            ax.plot(days / DAYS_PER_MONTH, getattr(course, name)[:, 0], lw=1.6, label=label, **chart_line(number))
        made = TissueTable(NOMINAL, surgery_day=surgery, horizon=horizon, eqd2_max=gray, hbo_sessions=sessions)
        bone = made.histories([gray])
        contact = bonded_history(after, lambda now, bone=bone: bone.at(now).Phi, NOMINAL)
        panels[-1].plot(after / DAYS_PER_MONTH, contact[:, 0], lw=1.6, **chart_line(number))
    healthy = bonded_history(after, 1.0, NOMINAL)[:, 0]
    panels[-1].plot(after / DAYS_PER_MONTH, healthy, color="#777", lw=1.2, ls=(0, (1, 1.5)), label="healthy bone")
    for ax, (_, label) in zip(panels, (*shown, ("", "contact of a still screw B [-]")), strict=True):
        ax.set(ylabel=label, ylim=(0, 1.05 * ax.dataLim.y1))
        ax.axvline(0.0, color="#444", lw=1)
    for ax in panels[-3:]:
        ax.set_xlabel("months since surgery")
    handles, labels = panels[0].get_legend_handles_labels()
    extra, healthy_label = panels[-1].get_legend_handles_labels()
    figure.legend(handles + extra, labels + healthy_label, loc="outside lower center", ncols=5, frameon=False)
    return figure


def comparison() -> Figure:
    """Model against experiment, every row that is a share or ratio."""
    shown = [row for row in rows.ROWS if max(row.data) < 3.0]
    figure = Figure(figsize=(10.4, 0.27 * len(shown) + 0.9))
    ax: Axes = figure.subplots()
    marks = {"calibrated": ("o", "#0072B2"), "checked": ("s", "#009E73"), "missed": ("X", "#D55E00")}
    for place, row in enumerate(shown):
        low, high = row.data
        width = {"lw": 7, "solid_capstyle": "butt"} if high > low else {"marker": "|", "ms": 13, "mew": 3}
        ax.plot([low, high], [place, place], color="#b9c2cc", label="experiment" if not place else "", **width)
        mark, colour = marks[row.verdict]
        ax.plot(row.value(), place, mark, color=colour, ms=6, ls="")
    for verdict, (mark, colour) in marks.items():
        ax.plot([], [], mark, color=colour, label=f"model: {verdict}", ls="")
    ax.set_yticks(range(len(shown)), [row.name for row in shown])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set(xlabel="share or ratio [-]", xlim=(0, 2))
    ax.legend(loc="lower right", frameon=False)
    return figure


DRAWINGS = {
    "dose-response": dose_response,
    "low-dose-oxygen": low_dose_oxygen,
    "time-courses": time_courses,
    "comparison": comparison,
}


def filled(text: str, name: str, content: str) -> str:
    """Put a table between its marks.

    Raises
    ------
    ValueError
        The page has no such marks.
    """
    marks = re.compile(rf"(<!-- {name} -->\n).*?(\n?<!-- end {name} -->)", re.DOTALL)
    if not marks.search(text):
        raise ValueError(f"{PAGE.name} has no marks for the table {name!r}")
    return marks.sub(lambda found: f"{found[1]}{content}\n<!-- end {name} -->", text, count=1)


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, make in TABLES.items():
        text = filled(text, name, make())
    write_text(PAGE, text)
    if "--tables" in sys.argv[1:]:
        return
    FIGURES.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, draw in DRAWINGS.items():
            write_text(FIGURES / f"{name}.svg", svg_text(draw()))


if __name__ == "__main__":
    main()
