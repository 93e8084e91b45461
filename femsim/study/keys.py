"""What enters the mesh, what enters the condensed operator, and what only the evolution reads; keys by content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from femsim import __version__
from femsim.parameters import load_parameters
from femsim.scenario import Scenario
from femsim.study.changes import DENSITY, DOSE, PATIENT, TIME

KEY_LENGTH = 16
OPERATOR_FORMAT = 4
"""Raise it when the code makes another operator from the same scenario."""

SHAPE_SECTIONS = ("jaw", "resection", "plate", "screws", "second_plate", "graft", "mesh")
BULK_SECTIONS = (*SHAPE_SECTIONS, "bone", "solver", "irradiation")
SHAPE_CARDS = frozenset({"bench", "graft", "jaw", "plates", "screws", "teeth"})
BULK_CARDS = SHAPE_CARDS | {"cortex", "density", "loads", "materials", "muscles"}
AVERAGING = frozenset({"loosening.averaging_distance", "loosening.averaging_volume"})
"""Of the card ``loosening``, these enter the unit stresses of the hardware that are stored with the operator."""

_STIFFENING = (
    *("alpha_beta", "penumbra", "Vmin", "D50", "nV", "tauV", "p0", "pc", "R0_rc", "pM", "p50", "h"),
    *("sC", "sC_dose", "sC_alpha_beta", "krep", "aC", "aT", "tau_rho", "stiffness_exponent", "Emax", "DE", "tauN"),
)
STIFFENING = frozenset(f"tissue.{key}" for key in _STIFFENING)
"""Tissue constants that enter the stiffness of irradiated bone on the day of surgery, hence the bulk. The others
(matrix quality, strength, bonding, removal torque, hyperbaric oxygen, which comes right before surgery) are read by
the evolution only."""


def enters_bulk(key: str) -> bool:
    """Whether a change can alter the condensed operator."""
    cards = load_parameters()
    if key in PATIENT:
        return key in (DOSE, TIME, DENSITY)
    if key in cards:
        return key.partition(".")[0] in BULK_CARDS or key in AVERAGING or key in STIFFENING
    first, *rest = key.split(".")
    if first == "loading":
        return rest in ([], ["tasks"]) or rest[-1] in ("bite", "left") or len(rest) == 2
    return first in BULK_SECTIONS


def frozen_when_nominal(key: str) -> bool:
    """Whether ``operator: nominal`` keeps a sampled value from the bulk: tissue, radiotherapy and bone density.

    What acts through the bulk alone (shape, hardware, moduli of the cards) is never frozen.
    """
    return key in (DOSE, TIME, DENSITY) or key in STIFFENING or key.partition(".")[0] == "irradiation"


def bulk_changes(changes: Mapping[str, Any], sampled: Iterable[str], *, nominal: bool) -> dict[str, Any]:
    """Return those of a point's changes that its operator is made with."""
    drawn = set(sampled)
    return {
        key: value
        for key, value in changes.items()
        if enters_bulk(key) and not (nominal and key in drawn and frozen_when_nominal(key))
    }


def shape_key(scenario: Scenario) -> str:
    """Hash of everything that the mesh is made from."""
    return _digest(_content(scenario, SHAPE_SECTIONS, SHAPE_CARDS, frozenset()))


def operator_key(scenario: Scenario) -> str:
    """Hash of everything that the condensed operator and its unit stresses are made from.

    Constants of the interface are not among them: the springs that they put into the factorised matrix only condition
    it and are taken out again.
    """
    named = AVERAGING | (STIFFENING if scenario.irradiation is not None else frozenset())
    content = _content(scenario, BULK_SECTIONS, BULK_CARDS, named)
    content["bites"] = list(dict.fromkeys(task.site for task in scenario.loading.chewing))
    content["format"], content["femsim"] = OPERATOR_FORMAT, __version__
    return _digest(content)


def _content(
    scenario: Scenario, sections: Iterable[str], cards: frozenset[str], names: frozenset[str]
) -> dict[str, Any]:
    written = scenario.model_dump(mode="json", by_alias=True, exclude_none=True)
    content: dict[str, Any] = {name: written.get(name) for name in sections}
    content["files"] = {
        ".".join(map(str, place)): _file_hash(path) for place, path in scenario.files.items() if place[0] in content
    }
    for place in scenario.files:
        if place[0] in content:
            _blank(content, place)
    # Values and not overrides: a card that has changed since must not find what was made of the old one.
    content["parameters"] = {
        entry.name: entry.value
        for entry in load_parameters(scenario.overrides())
        if entry.name.partition(".")[0] in cards or entry.name in names
    }
    return content


def _blank(content: Any, place: tuple[str | int, ...]) -> None:
    for key in place[:-1]:
        content = content[key]
    content[place[-1]] = ""


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


_hashes: dict[tuple[str, int, int], str] = {}


def _file_hash(path: Path) -> str:
    """Hash of a file's or folder's content; remembered while size and time of change stay the same."""
    if path.is_dir():
        files = sorted(_file_hash(file) for file in path.rglob("*") if file.is_file())
        return hashlib.sha256("".join(files).encode()).hexdigest()
    state = path.stat()
    mark = (str(path), state.st_size, state.st_mtime_ns)
    if mark not in _hashes:
        with path.open("rb") as stream:
            _hashes[mark] = hashlib.file_digest(stream, "sha256").hexdigest()
    return _hashes[mark]
