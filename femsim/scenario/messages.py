"""Turn validation errors into sentences: the place, the value, what is allowed, the closest valid word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from femsim.scenario.quantities import Path, closest
from femsim.units import shown

TYPE_WORDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a plain number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "tuple_type": "a list",
    "dict_type": "a section",
}


def sections(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """Return the section type that stands at ``path`` below ``model``, or nothing when there is no section."""
    current: Any = model
    for key in path:
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            return None
        if isinstance(key, int):
            continue
        fields = {field.alias or name: field for name, field in current.model_fields.items()}
        current = _section_of(fields[str(key)].annotation) if key in fields else None
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _section_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, tuple) or get_args(annotation):
        return next((found for item in get_args(annotation) if (found := _section_of(item))), None)
    return None


def keys_of(section: type[BaseModel]) -> list[str]:
    """Return the keys a section may have, as written in the file."""
    return [field.alias or name for name, field in section.model_fields.items()]


def sentences(model: type[BaseModel], error: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield the path and the sentence of every problem in one of pydantic's errors."""
    path: Path = tuple(error["loc"])
    if path and path[-1] == "[key]":  # pydantic's way to point at a key instead of its value
        path = path[:-1]
    kind, context = error["type"], error.get("ctx", {})
    if kind == "femsim":
        for below, text in context["problems"]:
            yield (*path, *below), text
    elif kind == "extra_forbidden":
        section = sections(model, path[:-1])
        keys = keys_of(section) if section else []
        if re.match(r"\d", str(path[-1])):
            yield path, f"unknown key {path[-1]!r}; a comma separates entries here, so write decimals with a point"
            return
        known = f" (known: {', '.join(keys)})" if keys else " (none is known here)"
        yield path, f"unknown key {path[-1]!r}{closest(path[-1], keys)}{known}"
    elif kind == "missing" and path and isinstance(path[-1], str):
        yield path, f"the key {path[-1]!r} is missing"
    elif kind != "default_factory_not_called":  # the error that prevented the call is reported itself
        yield path, _one(model, path, kind, context, error)


def _one(model: type[BaseModel], path: Path, kind: str, context: Mapping[str, Any], error: Mapping[str, Any]) -> str:
    given = error["input"]
    if kind in ("model_type", "model_attributes_type"):
        section = sections(model, path)
        keys = f" with the keys {', '.join(keys_of(section))}" if section and keys_of(section) else ""
        return (
            f"expects a section{keys}, not {shown(given)}"
            if given is not None
            else f"is empty; a section{keys} is needed"
        )
    if kind == "literal_error":
        words = re.findall(r"'([^']*)'", context["expected"])
        if not words:
            return f"is {shown(given)}; allowed is {context['expected']}"
        return f"{shown(given)} is not one of {', '.join(words)}{closest(given, words)}"
    if kind in TYPE_WORDS:
        return f"expects {TYPE_WORDS[kind]}, not {shown(given)}"
    limits = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most")}
    limits |= {"greater_than": ("gt", "more than"), "less_than": ("lt", "less than")}
    if kind in limits:
        key, words_of = limits[kind]
        return f"{shown(given)} is not plausible; the value has to be {words_of} {context[key]:g}"
    if kind == "too_short":
        return f"needs at least {context['min_length']} entries, not {context['actual_length']}"
    if kind == "too_long":
        return f"takes at most {context['max_length']} entries, not {context['actual_length']}"
    if kind == "missing":
        return "an entry is missing"
    return f"{shown(given)} cannot be used ({error['msg']})"
