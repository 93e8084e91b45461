"""Every value of a scenario with its origin, as a table, as YAML that loads again, and as a hash."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from femsim.scenario.schema import SWEPT_ONLY, Scenario

KeyPath = tuple[str | int, ...]
SHOWN_WHEN_ABSENT = ("resection", "irradiation")
"""Sections whose absence means something (no defect, a healthy jaw) and is therefore written down."""
WORDS_ONLY = ("title", "question", "expect")
"""Keys that no number depends on."""
COMMENT_COLUMN = 56
HASH_LENGTH = 8


@dataclass(frozen=True)
class Value:
    """One value of a resolved scenario.

    Attributes
    ----------
    path : tuple
        Keys and list positions from the top of the file.
    value : object
        As written in a file: text with unit, number, word.
    origin : str
        ``file:line``, ``default (...)`` or ``preset <name>``.
    """

    path: KeyPath
    value: Any
    origin: str

    @property
    def key(self) -> str:
        """The path with dots, such as ``loading.tasks.0.force``."""
        return ".".join(str(key) for key in self.path)


def resolve(scenario: Scenario) -> tuple[Value, ...]:
    """List every value that a run uses, in the order of the schema, each with its origin."""
    return tuple(_values(scenario, scenario, _written(scenario), ()))


def _written(scenario: Scenario) -> dict[str, Any]:
    """Return the scenario as it would be written, with quantity strings and without empty alternatives."""
    content = _content(scenario)
    for place, file in scenario.files.items():
        _put(content, place, str(file))
    for key in SHOWN_WHEN_ABSENT:
        content.setdefault(key, None)
    order = [field.alias or name for name, field in Scenario.model_fields.items()]
    return {key: content[key] for key in order if key in content}


def _content(scenario: Scenario) -> dict[str, Any]:
    """Return what a run reads, with quantity strings."""
    content = scenario.model_dump(mode="json", by_alias=True, exclude_none=True)
    if scenario.jaw.bench_block is not None:
        # The block has no lower border, its screws stand upright, and every hole holds one.
        del content["plate"]["height"], content["plate"]["countersink"], content["screws"]["distance_measured"]
    for key, plate in (("plate", scenario.plate), ("second_plate", scenario.second_plate)):
        if plate is None or plate.surface is None:
            continue
        for name in SWEPT_ONLY:
            del content[key][name]
        screws = content["screws"] if key == "plate" else content[key]["screws"]
        del screws["per_stump"], screws["distance_measured"]  # the drawn holes say it
        if key == "plate" and "graft" in content:
            del content["graft"]["screws"]
    if scenario.irradiation is None:
        del content["simulate"]["refresh_moduli"]  # the bone of a healthy jaw does not age
    return content


def _values(scenario: Scenario, part: Any, written: Any, path: KeyPath) -> Iterator[Value]:
    """Walk a section and its written form side by side; the section knows which keys were given."""
    if isinstance(part, BaseModel) and written:  # an empty section is a value: {uniform: {}}
        names = {field.alias or name: name for name, field in type(part).model_fields.items()}
        for key, value in written.items():
            below = getattr(part, names[key])
            given = names[key] in part.model_fields_set or _within_given(scenario, (*path, key))
            if given:
                yield from _values(scenario, below, value, (*path, key))
            else:
                yield from _defaults(part, names[key], value, (*path, key))
    elif isinstance(written, dict) and written:
        for key, value in written.items():
            yield from _values(scenario, part[key], value, (*path, key))
    elif isinstance(written, list) and written and isinstance(part[0], BaseModel):
        for k, value in enumerate(written):
            yield from _values(scenario, part[k], value, (*path, k))
    else:
        yield Value(path, written, scenario.source.at(path))


def _within_given(scenario: Scenario, path: KeyPath) -> bool:
    return path in scenario.source.lines


def _defaults(part: BaseModel, name: str, written: Any, path: KeyPath) -> Iterator[Value]:
    """Yield a value that was left out; a section that was left out is listed key by key."""
    below = getattr(part, name)
    if isinstance(below, BaseModel) and written:
        names = {field.alias or key: key for key, field in type(below).model_fields.items()}
        for key, value in written.items():
            yield from _defaults(below, names[key], value, (*path, key))
        return
    extra = type(part).model_fields[name].json_schema_extra
    source = str(extra.get("default_from", "")) if isinstance(extra, dict) else ""
    origins = {"": "default", "preset": f"preset {getattr(part, 'preset', '')}"}
    yield Value(path, written, origins.get(source, f"default ({source})"))


def dump_scenario(scenario: Scenario) -> str:
    """Write the resolved scenario as YAML: every value, its origin as a comment; loads again to the same scenario."""
    root = CommentedMap()
    for value in resolve(scenario):
        _place(root, value)
    yaml = YAML()
    yaml.width = 10_000  # a folded line would carry its comment to the wrong place
    yaml.representer.add_representer(type(None), lambda own, _: own.represent_scalar("tag:yaml.org,2002:null", "null"))
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    stream.write("# Resolved scenario: every value with its origin. Lengths mm, forces N, times days, doses Gy.\n")
    yaml.dump(root, stream)
    return stream.getvalue()


def _place(root: CommentedMap, value: Value) -> None:
    """Put one value into the nested mapping, with its origin as an end-of-line comment."""
    here: Any = root
    for key, following in zip(value.path, value.path[1:], strict=False):
        if isinstance(here, CommentedSeq):
            while len(here) <= int(key):
                here.append(CommentedMap())
        elif key not in here:
            here[key] = CommentedSeq() if isinstance(following, int) else CommentedMap()
        here = here[key]
    here[value.path[-1]] = _plain(value.value)
    here.yaml_add_eol_comment(value.origin, value.path[-1], column=COMMENT_COLUMN)


def _plain(value: Any) -> Any:
    """Return a value in the form that is written on one line."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list | tuple):
        line = CommentedSeq([_plain(item) for item in value])
        line.fa.set_flow_style()
        return line
    if isinstance(value, dict):
        mapping = CommentedMap(value)
        mapping.fa.set_flow_style()
        return mapping
    return value


def scenario_hash(scenario: Scenario) -> str:
    """Return eight hexadecimal digits of everything in the scenario that numbers depend on.

    Title, question, expectation, comments, the order of keys and the spelling of a quantity do not matter. Of a
    file or folder the content counts, not its name.
    """
    content = _content(scenario)
    for key in WORDS_ONLY:
        content.pop(key, None)
    for place, file in scenario.files.items():
        _put(content, place, _file_hash(file))
    content["parameters"] = {name: _number(scenario, name) for name in scenario.parameters}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def _number(scenario: Scenario, name: str) -> float:
    from femsim.scenario.defaults import cards
    from femsim.scenario.quantities import read_quantity

    return read_quantity(scenario.parameters[name], cards().entry(name).unit)


def _put(content: Any, place: KeyPath, value: str) -> None:
    for key in place[:-1]:
        content = content[key]
    content[place[-1]] = value


def _file_hash(path: Path) -> str:
    if path.is_dir():
        files = sorted(_file_hash(file) for file in path.rglob("*") if file.is_file())
        return hashlib.sha256("".join(files).encode()).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of scenario files, for editors that complete and check."""
    schema = Scenario.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
