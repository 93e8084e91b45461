"""Read scenario files: every error at once, each one sentence with file and line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from femsim.errors import InputError
from femsim.scenario.checks import cross_checks
from femsim.scenario.document import read_document
from femsim.scenario.messages import sentences
from femsim.scenario.schema import Scenario, Source

KeyPath = tuple[str | int, ...]


class ScenarioError(InputError):
    """Everything that is wrong with one scenario.

    Attributes
    ----------
    problems : tuple of str
        One sentence each, with ``file:line``; the message is these sentences, one per line.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def load_scenario(path: str | Path) -> Scenario:
    """Read and check a scenario file.

    Parameters
    ----------
    path : str or Path
        YAML 1.2 text in UTF-8. Files named inside are relative to its folder.

    Raises
    ------
    ScenarioError
        With all problems of the file, in the order of its lines.

    Examples
    --------
    >>> scenario = load_scenario("scenarios/bench-block.yaml")
    >>> scenario.plate.thickness  # mm
    2.5
    """
    path = Path(path)
    name = str(path)
    document = read_document(path, name)
    if document.problems and not document.values:
        raise ScenarioError(document.problems)
    source = Source(name, path.resolve().parent, document.lines)
    return _validated(document.values, source, list(document.problems))


def scenario_from_mapping(values: Mapping[str, Any], name: str = "scenario", folder: Path | None = None) -> Scenario:
    """Make a scenario from nested mappings and lists with the same keys and quantity strings as a file.

    Raises
    ------
    ScenarioError
        With all problems.
    """
    return _validated(_plain(values), Source(name, folder or Path.cwd()), [])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    return value


def _validated(values: dict[str, Any], source: Source, found: list[str]) -> Scenario:
    if values.get("irradiation") == "none":
        values = {**values, "irradiation": None}
    places: list[tuple[KeyPath, str]] = []
    scenario: Scenario | None = None
    try:
        scenario = Scenario.model_validate(values)
        parts = {name: getattr(scenario, name) for name in Scenario.model_fields}
    except ValidationError as error:
        for one in _without_echoes(error.errors()):
            places += sentences(Scenario, one)
        parts = _valid_parts(values)
    places += cross_checks(parts, source)
    for path, text in dict.fromkeys(places):
        what = ".".join(str(key) for key in path)
        found.append(f"{source.at(path)}: {what}: {text}" if what else f"{source.at(path)}: {text}")
    if found or scenario is None:
        raise ScenarioError(sorted(found, key=_line))
    scenario._source = source
    return scenario


def _without_echoes(errors: Sequence[Any]) -> list[Any]:
    """Leave out "too short" about a list whose entries are reported themselves: pydantic counts only valid ones."""
    return [
        one
        for one in errors
        if one["type"] != "too_short"
        or not any(other["loc"][: len(one["loc"])] == one["loc"] for other in errors if other is not one)
    ]


def _line(text: str) -> int:
    """Return the line number of a sentence that starts with ``file:line:``."""
    for piece in text.split(":"):
        if piece.isdigit():
            return int(piece)
    return 0


def _valid_parts(values: Mapping[str, Any]) -> dict[str, BaseModel | None]:
    """Return the sections that are valid by themselves, so that contradictions between them are reported too."""
    parts: dict[str, BaseModel | None] = {}
    for name, field in Scenario.model_fields.items():
        key = field.alias or name
        if key not in values:
            if not field.is_required():
                parts[name] = field.get_default(call_default_factory=True)
            continue
        try:
            parts[name] = TypeAdapter(field.annotation or Any).validate_python(values[key])
        except ValidationError:
            continue
    return parts
