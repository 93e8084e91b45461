"""Read a YAML 1.2 scenario file into plain values and the line of each, without executing or expanding anything."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

LARGEST_FILE = 262_144
"""Bytes; a scenario is a page of text, and the YAML reader needs seconds for more than this."""
MOST_VALUES = 5_000
"""Values after following aliases; a file that multiplies itself through aliases is refused here."""
DEEPEST = 20
"""Levels of nesting; no section of a scenario is deeper than eight."""
CORE = "tag:yaml.org,2002:"
TRUE = {"true": True, "false": False}


@dataclass(frozen=True)
class Document:
    """A file as plain values (dict, tuple, text, number, bool, None), the line of each, and what is wrong with it."""

    values: dict[str, Any]
    lines: dict[tuple[str | int, ...], int]
    problems: tuple[str, ...]


class _Refused(Exception):
    """The file cannot be read any further."""


def read_document(path: Path, name: str) -> Document:
    """Read a file; every problem is one sentence that starts with ``name:line``."""
    try:
        text = _text(path, name)
        root = _compose(text, name)
        reader = _Reader(name)
        if not isinstance(root, MappingNode):
            raise _Refused(f"{name}:1: the file has to be a list of 'key: value' lines, starting with 'schema: 1'")
        return Document(reader.value(root, ()), reader.lines, tuple(reader.problems))
    except _Refused as refused:
        return Document({}, {}, (str(refused),))


def _text(path: Path, name: str) -> str:
    if path.is_dir():
        raise _Refused(f"{name}: is a folder, not a scenario file")
    if not path.exists():
        raise _Refused(f"{name}: no such file")
    if not path.is_file():
        raise _Refused(f"{name}: is not a regular file")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise _Refused(f"{name}: has {path.stat().st_size} bytes; a scenario file has at most {LARGEST_FILE}")
        content = path.read_bytes()
    except OSError as error:
        raise _Refused(f"{name}: cannot be read ({error.strerror})") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = content[: error.start].count(b"\n") + 1
        raise _Refused(f"{name}:{bad}: is not UTF-8 text; save the file as UTF-8") from error
    if not re.sub(r"#.*|---", "", text).strip():
        raise _Refused(f"{name}: is empty; 'femsim schema' prints what a scenario may say")
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r" *\t\s*[^\s#]", line):
            raise _Refused(f"{name}:{number}: a tab indents this line; use spaces")
    return text


def _compose(text: str, name: str) -> Node:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor used twice is no danger here
            return YAML(typ="safe", pure=True).compose(text)
    except RecursionError:
        raise _Refused(f"{name}: is nested too deeply; a scenario has at most {DEEPEST} levels") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = " ".join(str(error.problem or error.context).split())
        raise _Refused(f"{name}:{line}: is not valid YAML: {what}") from None
    except (YAMLError, ValueError) as error:
        character = getattr(error, "character", None)
        what = f"character {character!r} is not allowed" if character else " ".join(str(error).split())[:120]
        raise _Refused(f"{name}: is not a YAML text: {what}") from None


class _Reader:
    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[tuple[str | int, ...], int] = {}
        self.problems: list[str] = []
        self.count = 0

    def value(self, node: Node, path: tuple[str | int, ...]) -> Any:
        """Return the plain value of a node; note its line and what is wrong with it."""
        self.count += 1
        line = node.start_mark.line + 1
        if self.count > MOST_VALUES:
            raise _Refused(f"{self.name}:{line}: holds more than {MOST_VALUES} values after following its aliases")
        if len(path) > DEEPEST:
            raise _Refused(f"{self.name}:{line}: is nested too deeply; a scenario has at most {DEEPEST} levels")
        self.lines.setdefault(path, line)
        if not str(node.tag).startswith(CORE) or str(node.tag).removeprefix(CORE) not in READERS:
            tag = str(node.tag).replace(CORE, "!!")
            raise _Refused(f"{self.name}:{line}: the tag {tag} is not allowed; remove it")
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return tuple(self.value(item, (*path, k)) for k, item in enumerate(node.value))
        return _scalar(node) if isinstance(node, ScalarNode) else None

    def _mapping(self, node: MappingNode, path: tuple[str | int, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self.problems.append(f"{self.name}:{line}: a key has to be a word")
                continue
            key = str(key_node.value)
            if key in values:
                first = self.lines[(*path, key)]
                self.problems.append(f"{self.name}:{line}: key {key!r} is written twice (first in line {first})")
                continue
            self.lines[(*path, key)] = line
            values[key] = self.value(value_node, (*path, key))
        return values


def _scalar(node: ScalarNode) -> Any:
    text = str(node.value)
    read = READERS[str(node.tag).removeprefix(CORE)]
    try:
        return text if read is None else read(text)
    except (ValueError, KeyError):
        return text


def _integer(text: str) -> int:
    return int(text, 10) if re.fullmatch(r"[+-]?[0-9]+", text) else int(text.replace("_", ""), 0)


def _float(text: str) -> float:
    return float(text.lower().replace(".nan", "nan").replace(".inf", "inf").replace("_", ""))


READERS: dict[str, Any] = {
    "map": None,
    "seq": None,
    "str": None,
    "timestamp": None,
    "merge": None,
    "int": _integer,
    "float": _float,
    "bool": lambda text: TRUE[text.lower()],
    "null": lambda text: None,
}
