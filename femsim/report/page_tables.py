"""Tables of a page about runs: screws, loads, strain, dose, mechanisms, quality, inputs, constants, versions.

Every table takes the designs of the page; with several of them its first column names the design.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from femsim.report.catalogue import Catalogue
from femsim.report.design import Design
from femsim.report.differences import Difference, input_label, shown_value
from femsim.report.frame import Column, Row, Table
from femsim.report.read import read_convergence
from femsim.report.strain import MICRO
from femsim.report.words import CRITERIA, part_name

WEAKEST_FIRST = {"assumed": 0, "derived": 1, "recalled": 2, "found": 3}
LOSSES = ("stiffness_cortical", "stiffness_cancellous", "bonding")
MECHANISMS = ("vessels", "oxygen", "cells", "together")
TEXT = "text"
NAME = "text name"


def _columns(words: Catalogue, keys: str, texts: str = "") -> tuple[Column, ...]:
    """Columns by their keys in the catalogue; those also in ``texts`` hold words."""
    names = texts.split()
    return tuple(Column(words.say(f"tables.{key}"), TEXT if key in names else "") for key in keys.split())


def _per_design(
    designs: Sequence[Design],
    words: Catalogue,
    key: str,
    columns: Sequence[Column],
    rows_of: Callable[[Design], Iterable[Row]],
    note: str = "",
) -> Table:
    """A table with the rows of every design, under the name of the design when there are several."""
    parts = [(design.name, tuple(rows_of(design))) for design in designs]
    groups = tuple((name, len(rows)) for name, rows in parts if rows) if len(designs) > 1 else ()
    named = (Column(columns[0].label, NAME), *columns[1:])
    return Table(words.say(key), named, tuple(row for _, rows in parts for row in rows), note, groups=groups)


def screw_table(designs: Sequence[Design], words: Catalogue) -> Table:
    """State of every screw at the end of its run."""
    keys = "screw stump loose day cycles criterion motion holding_n holding lateral bonded damage clearance"
    keys += " eqd2 in_bone to_cut"
    limits = designs[0].record["criteria"]
    note = words.say(
        "tables.screws_note",
        days=words.number(limits["duration_days"]),
        motion=words.number(limits["motion_um"]),
        holding=words.percent(limits["holding_ratio"]),
        lateral=words.percent(limits["lateral_ratio"]),
    )
    columns = _columns(words, keys, "screw stump loose criterion")
    return _per_design(
        designs, words, "tables.screws", columns, lambda one: (_screw_row(row, words) for row in one.run.screws), note
    )


def _screw_row(row: dict[str, Any], words: Catalogue) -> Row:
    number = words.number
    criterion = words.say(f"words.short_{row['criterion']}") if row["criterion"] in CRITERIA else "–"
    cells = (
        part_name(row["screw"], words),
        words.told(row["stump"]),
        words.say("tables.is_loose" if row["loose"] else "tables.holds"),
        number(row["loose_day"]),
        number(row["loose_cycles"]),
        criterion,
        number(row["motion_p95_um"]),
        number(row["holding_n"]),
        *(words.percent(row[key]) for key in ("holding_ratio", "lateral_ratio", "bonded", "damage")),
        *(number(row[key]) for key in ("clearance_um", "eqd2_gy", "length_in_bone_mm", "distance_to_cut_mm")),
    )
    return Row(cells, "loose" if row["loose"] else "")


def hardware_table(designs: Sequence[Design], words: Catalogue) -> Table:
    """Stress and fatigue of plate and screws."""
    keys = "part material peak yield yield_margin amplitude endurance fatigue_margin life_used"
    columns = _columns(words, keys, "part material")
    numbers = ("stress_peak_mpa", "yield_mpa", "yield_margin", "amplitude_mpa", "endurance_mpa", "fatigue_margin")

    def rows(design: Design) -> Iterator[Row]:
        for row in design.run.hardware:
            names = (part_name(row["part"], words), words.told(row["material"]))
            yield Row((*names, *(words.number(row[key]) for key in numbers), words.at_least(100 * row["damage"])))

    return _per_design(designs, words, "tables.hardware", columns, rows, words.told(designs[0].record["hardware_note"]))


def bone_yield_table(designs: Sequence[Design], words: Catalogue) -> Table:
    """Largest strain of the bone at every screw against its yield strain, for runs that have written it."""
    columns = _columns(words, "screw tension tension_limit compression compression_limit", "screw")

    def rows(design: Design) -> Iterator[Row]:
        for row in design.record.get("bone_strain") or ():
            strains = [MICRO * row[key] for key in ("tension", "tension_limit", "compression", "compression_limit")]
            yields = strains[0] >= strains[1] or strains[2] >= strains[3]
            yield Row((part_name(row["screw"], words), *map(words.number, strains)), "failed" if yields else "")

    return _per_design(designs, words, "tables.bone_yield", columns, rows, words.say("tables.bone_yield_note"))


def strain_table(designs: Sequence[Design], words: Catalogue) -> Table:
    """Percentiles of bone strain on the day of surgery."""
    columns = _columns(words, "bone volume_mm3 p50 p95 p99", "bone")

    def rows(design: Design) -> Iterator[Row]:
        for share in design.strain:
            stump = words.told(share.place)
            place = words.say("tables.near_stump", stump=stump) if stump else words.say("tables.all_bone")
            yield Row((place, words.number(share.volume), *(words.number(p) for p in share.percentiles)))

    return _per_design(designs, words, "tables.strain", columns, rows, words.say("tables.strain_note"))


def density_table(designs: Sequence[Design], words: Catalogue) -> Table:
    """Bounds of the modulus that a calibrated CT gave the bone."""
    columns = _columns(words, "scan points lowest median highest capped raised cortical_share hounsfield", "scan")

    def rows(design: Design) -> Iterator[Row]:
        found = design.record.get("bone_from_ct")
        if found is not None:
            moduli = (words.number(found[f"young_{key}_mpa"]) for key in ("min", "median", "max"))
            shares = (words.percent(found[f"{key}_share"], 2) for key in ("capped", "raised", "cortical"))
            span = words.say(
                "tables.from_to", low=words.number(found["hounsfield_min"]), high=words.number(found["hounsfield_max"])
            )
            yield Row((found["scan"], words.count(found["points"]), *moduli, *shares, span))

    note = ""
    known = next((one.record["bone_from_ct"] for one in designs if one.record.get("bone_from_ct")), None)
    if known is not None:
        note = words.say(
            "tables.density_note",
            cap=words.number(known["cap_mpa"]),
            threshold=words.number(known["cortical_threshold_g_cm3"]),
        )
    return _per_design(designs, words, "tables.density", columns, rows, note)


def dose_table(designs: Sequence[Design], words: Catalogue) -> Table:
    """Dose-volume numbers of the bone that stays."""
    columns = _columns(words, "bone dose volume dmean dmax d30 v50 v60", "bone dose")
    numbers = ("dmean_gy", "dmax_gy", "d30_gy", "v50_percent", "v60_percent")

    def rows(design: Design) -> Iterator[Row]:
        for row in design.record.get("dose_volume", []):
            names = (words.told(row["region"]), words.told(row["dose"]), words.number(row["volume_mm3"] / 1000))
            yield Row((*names, *(words.number(row[key]) for key in numbers)))

    return _per_design(designs, words, "tables.dose_volume", columns, rows, words.say("tables.dose_volume_note"))


def mechanism_table(designs: Sequence[Design], words: Catalogue) -> Table:
    """What each of the three H's costs the bone at the screws."""
    columns = _columns(words, "loss vessels oxygen cells together", "loss")

    def rows(design: Design) -> Iterator[Row]:
        share = {(one["loss"], one["mechanism"]): one["share"] for one in design.record.get("mechanisms", [])}
        for loss in LOSSES:
            if (loss, "together") in share:
                yield Row((words.say(f"tables.{loss}"), *(words.percent(share[loss, one], 2) for one in MECHANISMS)))

    return _per_design(designs, words, "tables.mechanisms", columns, rows, words.say("tables.mechanisms_note"))


def check_table(designs: Sequence[Design], words: Catalogue) -> Table:
    """Balances and residuals of the day of surgery."""
    columns = _columns(words, "check value limit unit passed", "check unit passed")

    def rows(design: Design) -> Iterator[Row]:
        for check in design.record["checks"]:
            numbers = (words.number(check["value"]), words.number(check["limit"]), check["unit"])
            passed = words.say("number.yes" if check["passed"] else "tables.failed")
            yield Row((words.told(check["name"]), *numbers, passed), "" if check["passed"] else "failed")

    return _per_design(designs, words, "tables.checks", columns, rows)


def mesh_table(designs: Sequence[Design], words: Catalogue) -> Table:
    """Mesh, interface and time steps, one column per design."""
    measured = [_mesh_values(design, words) for design in designs]
    columns = (Column(words.say("tables.quantity"), NAME), *(Column(_value_head(d, designs, words)) for d in designs))
    rows = tuple(
        Row((words.say(f"tables.{key}"), *(one.get(key, "–") for one in measured)))
        for key in dict.fromkeys(key for one in measured for key in one)
    )
    return Table(words.say("tables.mesh"), columns, rows, words.say("tables.mesh_note"))


def _value_head(design: Design, designs: Sequence[Design], words: Catalogue) -> str:
    return words.say("tables.value") if len(designs) == 1 else design.name


def _mesh_values(design: Design, words: Catalogue) -> dict[str, str]:
    mesh, evolution = design.record.get("mesh") or {}, design.record.get("evolution") or {}
    found: dict[str, Any] = {key: mesh.get(key) for key in ("tets", "unknowns")}
    jacobian = mesh.get("scaled_jacobian", {})
    found |= {"jacobian_min": jacobian.get("min"), "jacobian_median": jacobian.get("median")}
    for key in ("plate_volume_error", "interface_area_error"):
        found[key] = None if mesh.get(key) is None else 100 * mesh[key]
    found |= {key: evolution.get(key) for key in ("patches", "steps", "rejected")}
    timings = design.record.get("timings") or {}
    found["seconds"] = sum(timings.values()) if timings else None
    return {key: words.number(value) for key, value in found.items() if value is not None}


def convergence_table(designs: Sequence[Design], words: Catalogue) -> Table:
    """How the day of surgery changes from mesh to mesh, for designs with a mesh study beside their run."""
    columns = _columns(
        words, "preset tets unknowns displacement_difference load_difference traction_difference", "preset"
    )
    differences = ("displacement_difference", "screw_load_difference", "traction_difference")

    def rows(design: Design) -> Iterator[Row]:
        for row in read_convergence(design.run):
            sizes = (words.number(row["tets"]), words.number(row["unknowns"]))
            yield Row((row["preset"], *sizes, *(words.percent(row[key], 2) for key in differences)))

    return _per_design(designs, words, "tables.convergence", columns, rows, words.say("tables.convergence_note"))


def difference_table(found: Sequence[Difference], designs: Sequence[Design], words: Catalogue) -> Table:
    """Scenario values that are not the same, one column per design."""
    columns = (
        Column(words.say("tables.what"), TEXT),
        *(Column(design.name, TEXT) for design in designs),
        Column(words.say("tables.key"), TEXT),
    )
    rows = tuple(Row((one.label, *one.values, one.key)) for one in found)
    return Table(words.say("tables.differences"), columns, rows)


def input_table(design: Design, designs: Sequence[Design], words: Catalogue) -> Table:
    """Every value of a scenario with its origin."""
    caption = words.say("tables.inputs") if len(designs) == 1 else words.say("tables.inputs_of", name=design.name)
    columns = (*_columns(words, "key what value origin", "key what value origin"),)
    rows = tuple(
        Row((one["key"], _said(one["key"], words), shown_value(one["value"], words), words.told(one["origin"])))
        for one in design.record["inputs"]
    )
    return Table(caption, columns, rows)


def _said(key: str, words: Catalogue) -> str:
    label = input_label(key, words)
    return "" if label == key else label


def constant_table(designs: Sequence[Design], words: Catalogue) -> Table:
    """Every constant that was read, weakest evidence first; one that differs among designs has a row for each value."""
    columns = (
        Column(words.say("tables.constant"), TEXT),
        Column(words.say("tables.value")),
        *_columns(words, "unit range", "unit"),
        Column(words.say("tables.evidence"), "text evidence"),
        *_columns(words, "source origin", "source origin"),
        Column(words.say("tables.remark"), "text wide"),
    )
    found: dict[tuple[str, str], tuple[dict[str, Any], list[str]]] = {}
    for design in designs:
        for entry in design.record.get("parameters", []):
            found.setdefault((entry["name"], repr(entry["value"])), (entry, []))[1].append(design.name)
    entries = sorted(found.values(), key=lambda one: (WEAKEST_FIRST[one[0]["mark"]], one[0]["name"]))
    read = {name: sum(1 for key in found if key[0] == name) for name, _ in found}
    rows = tuple(_constant_row(entry, names if read[entry["name"]] > 1 else [], words) for entry, names in entries)
    return Table(words.say("tables.constants"), columns, rows)


def _constant_row(entry: dict[str, Any], names: list[str], words: Catalogue) -> Row:
    value = words.number(entry["value"])
    cells = (
        entry["name"],
        words.say("tables.only_in", value=value, names=words.listed(names)) if names else value,
        entry["unit"],
        words.number(entry["range"]),
        words.told(entry["mark"]),
        ", ".join(entry["source"]),
        words.told(entry["origin"]),
        entry["remark"],
    )
    return Row(cells, f"mark-{entry['mark']}")


def reproduce_table(designs: Sequence[Design], words: Catalogue) -> Table:
    """How every design was computed."""
    columns = (
        *([Column(words.say("tables.design"), TEXT)] if len(designs) > 1 else []),
        *_columns(
            words, "command version scenario_hash mesh_key status", "command version scenario_hash mesh_key status"
        ),
    )
    rows = []
    for design in designs:
        record = design.record
        key = record["mesh"]["key"] if record.get("mesh") else words.say("tables.not_made")
        cells = (record["command"], record["versions"]["femsim"], record["hash"], key, words.told(record["status"]))
        rows.append(Row((*([design.name] if len(designs) > 1 else []), *cells)))
    return Table(words.say("tables.reproduce"), columns, tuple(rows))


def version_table(designs: Sequence[Design], words: Catalogue) -> Table:
    """Versions of all packages, one column per design."""
    columns = (
        Column(words.say("tables.package"), TEXT),
        *(Column(_value_head(d, designs, words), TEXT) for d in designs),
    )
    names = dict.fromkeys(name for design in designs for name in design.record["versions"])
    rows = tuple(Row((name, *(design.record["versions"].get(name, "–") for design in designs))) for name in names)
    return Table(words.say("tables.versions"), columns, rows)


def timing_table(designs: Sequence[Design], words: Catalogue) -> Table:
    """Computing time by stage, one column per design."""
    columns = (Column(words.say("tables.stage"), TEXT), *(Column(_value_head(d, designs, words)) for d in designs))
    stages = dict.fromkeys(stage for design in designs for stage in design.record.get("timings", {}))
    rows = tuple(
        Row((words.told(stage), *(words.number(design.record.get("timings", {}).get(stage)) for design in designs)))
        for stage in stages
    )
    return Table(words.say("tables.timings"), columns, rows)
