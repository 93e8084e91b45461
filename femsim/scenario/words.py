"""Scenario values that are words, tooth numbers, points or open lists of named quantities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import PlainSerializer, WithJsonSchema
from pydantic.functional_validators import BeforeValidator, PlainValidator

from femsim.errors import InputError
from femsim.parameters import Parameter
from femsim.scenario import teeth
from femsim.scenario.defaults import cards
from femsim.scenario.quantities import Path, Quantity, closest, problem, problems, read_quantity
from femsim.units import format_quantity, shown

COORDINATE = Quantity("mm", "-1000 mm", "1000 mm")
ALONG_ARCH = Quantity("mm", "0 mm", "150 mm")
PARAMETER_OF_KEY = {
    ("jaw", "bench_block", "gap"): "bench.gap",
    ("plate", "width"): "plates.{preset}.width",
    ("plate", "thickness"): "plates.{preset}.thickness",
    ("plate", "pitch"): "plates.{preset}.pitch",
    ("plate", "countersink"): "plates.{preset}.countersink",
    ("plate", "height"): "plates.height",
    ("plate", "standoff"): "plates.standoff",
    ("plate", "edge_radius"): "plates.edge_radius",
    ("plate", "wave"): "plates.wave",
    ("graft", "width"): "graft.width",
    ("graft", "height"): "graft.height",
    ("graft", "cortex"): "graft.cortex",
    ("graft", "gap"): "graft.gap",
    ("graft", "union"): "graft.union_E",
    ("screws", "preload"): "screws.preload",
    ("screws", "minimal_distance_to_cut"): "plates.min_distance_to_cut",
    ("simulate", "criteria", "motion"): "loosening.loose_motion",
    ("simulate", "criteria", "holding"): "loosening.loose_holding",
    ("simulate", "criteria", "lateral_stiffness"): "loosening.loose_stiffness",
    ("simulate", "criteria", "duration"): "loosening.loose_duration",
}
"""Scenario keys that stand for one parameter of the cards: the key replaces it, ``parameters:`` may not."""


def empty_means_all_defaults(*keys: str) -> Callable[[Any], Any]:
    """Read a key that is written without content (``parametric:``) as an empty section, not as absent."""

    def fill(cls: Any, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {key: {} if value is None and key in keys else value for key, value in given.items()}

    return classmethod(fill)  # type: ignore[return-value]


def _tooth(given: Any) -> int:
    if isinstance(given, bool) or given not in teeth.LOWER:
        raise problem(f"{shown(given)} is not a tooth of the lower jaw; write an FDI number, 31 to 38 or 41 to 48")
    return int(given)


def _segment_end(given: Any) -> int | float:
    if not isinstance(given, str):
        return _tooth(given)
    return float(ALONG_ARCH.read(given))


def _write_segment_end(value: float) -> int | str:
    return value if isinstance(value, int) else format_quantity(value, "mm")


def _bite(given: Any) -> str | int:
    known = (*teeth.BITES, *teeth.BOTH_SIDES)
    if isinstance(given, str) and given in known:
        return given
    if isinstance(given, bool) or given not in teeth.LOWER:
        words = ", ".join(known)
        raise problem(f"{shown(given)} is not a bite{closest(given, known)} (known: {words} or an FDI number)")
    return int(given)


def _centre(given: Any) -> int | tuple[float, ...]:
    if not isinstance(given, tuple | list):
        return _tooth(given)
    if len(given) != 3:
        raise problem(f"{shown(given)} is not a point; write three lengths such as [30 mm, 5 mm, 12 mm]")
    return tuple(float(COORDINATE.read(value)) for value in given)


def _write_centre(value: int | tuple[float, ...]) -> int | list[str]:
    return value if isinstance(value, int) else [format_quantity(x, "mm") for x in value]


def _morphometrics(given: Any) -> dict[str, float]:
    if not isinstance(given, dict):
        raise problem(f"expects a section of named sizes or {{}}, not {shown(given)}")
    sizes = _sizes()
    found: list[tuple[Path, str]] = []
    values: dict[str, float] = {}
    for name, text in given.items():
        if name not in sizes:
            found.append(((name,), f"unknown size {name!r}{closest(name, sizes)} (known: {', '.join(sizes)})"))
            continue
        entry = sizes[name]
        low, high = entry.range or (float("-inf"), float("inf"))
        try:
            values[name] = read_quantity(text, entry.unit)
        except InputError as error:
            found.append(((name,), str(error)))
            continue
        if not low <= values[name] <= high:
            limits = f"{low:g} to {high:g} {entry.unit}".strip()
            found.append(((name,), f"{shown(text)} is outside the plausible range {limits}; check value and unit"))
    if found:
        raise problems(found)
    return values


def _write_morphometrics(values: dict[str, float]) -> dict[str, str | float]:
    units = {name: cards().entry(f"jaw.{name}").unit for name in values}
    return {name: format_quantity(value, units[name]) if units[name] else value for name, value in values.items()}


def _sizes() -> dict[str, Parameter]:
    """Return the morphometrics of the parametric jaw: the scalar entries of the card ``jaw`` that have a range and
    are no constants of its drawing (``form_``)."""
    entries = {entry.name.removeprefix("jaw."): entry for entry in cards() if entry.name.startswith("jaw.")}
    return {
        name: entry
        for name, entry in entries.items()
        if entry.range and not isinstance(entry.value, tuple) and not name.startswith("form_")
    }


def _covering_key(name: str) -> str | None:
    card, _, key = name.partition(".")
    if card == "scenario":
        return key
    if card == "jaw" and key in _sizes():
        return f"jaw.parametric.{key}"
    if name == "tissue.penumbra":
        return "penumbra of the dose field"
    preset = key.rpartition(".")[0]
    for path, pattern in PARAMETER_OF_KEY.items():
        if name == pattern.format(preset=preset):
            return ".".join(path)
    return None


def _overrides(given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        raise problem(f"expects parameter names with values, such as {{tissue.D50: 40 Gy}}, not {shown(given)}")
    known = {entry.name: entry for entry in cards()}
    found: list[tuple[Path, str]] = []
    for name, text in given.items():
        if name not in known:
            found.append(((name,), f"unknown parameter {name!r}{closest(name, known)}"))
        elif key := _covering_key(name):
            found.append(((name,), f"only supplies the default of the key {key}; write that key instead"))
        elif isinstance(known[name].value, tuple):
            found.append(((name,), "is a list of numbers and cannot be replaced by one value"))
        else:
            try:
                read_quantity(text, known[name].unit)
            except InputError as error:
                found.append(((name,), str(error)))
    if found:
        raise problems(found)
    return {name: text if isinstance(text, str) else repr(text) for name, text in given.items()}


TOOTH_SCHEMA = {"type": "integer", "enum": list(teeth.LOWER), "description": "FDI tooth number"}
POINT_SCHEMA = {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 3}
NAMED_SCHEMA = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}

Tooth = Annotated[int, BeforeValidator(_tooth), WithJsonSchema(TOOTH_SCHEMA)]
SegmentEnd = Annotated[
    int | float,
    PlainValidator(_segment_end),
    PlainSerializer(_write_segment_end, when_used="json"),
    WithJsonSchema(
        {"anyOf": [TOOTH_SCHEMA, {"type": "string", "description": "distance from the midline along the arch"}]}
    ),
]
Bite = Annotated[
    str | int,
    PlainValidator(_bite),
    WithJsonSchema({"anyOf": [{"enum": [*teeth.BITES, *teeth.BOTH_SIDES]}, TOOTH_SCHEMA]}),
]
Centre = Annotated[
    int | tuple[float, ...],
    PlainValidator(_centre),
    PlainSerializer(_write_centre, when_used="json"),
    WithJsonSchema({"anyOf": [TOOTH_SCHEMA, POINT_SCHEMA]}),
]
Morphometrics = Annotated[
    dict[str, float],
    PlainValidator(_morphometrics),
    PlainSerializer(_write_morphometrics, when_used="json"),
    WithJsonSchema(NAMED_SCHEMA),
]
Overrides = Annotated[dict[str, str], PlainValidator(_overrides), WithJsonSchema(NAMED_SCHEMA)]
