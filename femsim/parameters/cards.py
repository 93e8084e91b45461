"""Read parameter cards (YAML), apply overrides, and remember which parameters a run has read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

import numpy as np
from ruamel.yaml import YAML

from femsim.errors import InputError
from femsim.units import parse_quantity

MARKS = ("found", "recalled", "derived", "assumed")
"""Evidence marks, strongest first: found in published text, recalled from it, derived by arithmetic, assumed."""

DISTRIBUTIONS = ("uniform", "loguniform", "normal", "fixed")

_KEYS = {"symbol", "value", "unit", "range", "distribution", "source", "mark", "remark"}


@dataclass(frozen=True)
class Parameter:
    """One sourced constant.

    Attributes
    ----------
    name : str
        Dotted name, ``card.key``; the name used in scenario overrides.
    symbol : str
        Symbol used in equations.
    value : float or tuple of float
        In ``unit``.
    unit : str
        Internal unit in pint's spelling; empty when dimensionless.
    range : tuple of float, or None
        Plausible low and high value for uncertainty studies.
    distribution : str
        ``uniform``, ``loguniform``, ``normal`` or ``fixed``.
    source : tuple of str
        Keys of ``references.bib``.
    mark : str
        One of :data:`MARKS`.
    remark : str
        What a reader should know before relying on it.
    origin : str
        ``card`` or where the override was written (``scenario.yaml:12``).
    """

    name: str
    symbol: str
    value: float | tuple[float, ...]
    unit: str
    range: tuple[float, float] | None
    distribution: str
    source: tuple[str, ...]
    mark: str
    remark: str
    origin: str = "card"


class ParameterSet:
    """The parameters of one run; remembers every name that was read.

    Examples
    --------
    >>> parameters = load_parameters()
    >>> parameters["tissue.alpha_beta"]
    3.0
    """

    def __init__(self, entries: Mapping[str, Parameter]) -> None:
        self._entries = dict(entries)
        self._read: dict[str, None] = {}

    def __getitem__(self, name: str) -> float:
        value = self.entry(name).value
        if isinstance(value, tuple):
            raise TypeError(f"parameter {name} is a vector; use .vector({name!r})")
        return value

    def vector(self, name: str) -> np.ndarray:
        """Return a vector-valued parameter as an array."""
        return np.atleast_1d(np.asarray(self.entry(name).value, dtype=float))

    def entry(self, name: str) -> Parameter:
        """Return the full entry and note that it was read."""
        if name not in self._entries:
            raise InputError(_unknown(name, self._entries))
        self._read[name] = None
        return self._entries[name]

    def group(self, prefix: str) -> dict[str, float]:
        """Return all scalar parameters below ``prefix.`` by their short name, noting each as read."""
        start = prefix + "."
        names = [name for name in self._entries if name.startswith(start)]
        return {
            name.removeprefix(start): self[name] for name in names if not isinstance(self._entries[name].value, tuple)
        }

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._entries.values())

    @property
    def read(self) -> tuple[Parameter, ...]:
        """The parameters read so far, in the order of the cards."""
        return tuple(entry for name, entry in self._entries.items() if name in self._read)

    def override(self, name: str, value: float | tuple[float, ...], origin: str) -> ParameterSet:
        """Return a set with one value replaced; the entry keeps its source and gets the new origin."""
        if name not in self._entries:
            raise InputError(_unknown(name, self._entries))
        changed = ParameterSet({**self._entries, name: replace(self._entries[name], value=value, origin=origin)})
        changed._read = dict(self._read)
        return changed


def _unknown(name: str, entries: Mapping[str, Parameter]) -> str:
    close = difflib.get_close_matches(name, entries, n=1, cutoff=0.4)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown parameter {name!r}{hint}"


def _entry(name: str, raw: Mapping[str, object]) -> Parameter:
    for key in raw.keys() - _KEYS:
        raise ValueError(f"parameter {name}: unknown key {key!r}; allowed are {', '.join(sorted(_KEYS))}")
    for key in ("symbol", "value", "source", "mark"):
        if key not in raw:
            raise ValueError(f"parameter {name}: {key!r} is missing")
    value = raw["value"]
    span = raw.get("range")
    entry = Parameter(
        name=name,
        symbol=str(raw["symbol"]),
        value=tuple(float(v) for v in value) if isinstance(value, list) else float(value),  # type: ignore[arg-type]
        unit=str(raw.get("unit", "")),
        range=(float(span[0]), float(span[1])) if isinstance(span, list) else None,
        distribution=str(raw.get("distribution", "uniform" if span else "fixed")),
        source=tuple(raw.get("source", ())),  # type: ignore[arg-type]
        mark=str(raw["mark"]),
        remark=str(raw.get("remark", "")),
    )
    if entry.mark not in MARKS:
        raise ValueError(f"parameter {name}: mark {entry.mark!r} is not one of {', '.join(MARKS)}")
    if entry.distribution not in DISTRIBUTIONS:
        raise ValueError(
            f"parameter {name}: distribution {entry.distribution!r} is not one of {', '.join(DISTRIBUTIONS)}"
        )
    if entry.distribution != "fixed" and entry.range is None:
        raise ValueError(f"parameter {name}: distribution {entry.distribution!r} needs a range")
    values = np.atleast_1d(np.asarray(entry.value))
    if not np.all(np.isfinite(values)):
        raise ValueError(f"parameter {name}: value {entry.value} is not finite")
    if entry.range is not None and not np.all((entry.range[0] <= values) & (values <= entry.range[1])):
        raise ValueError(f"parameter {name}: value {entry.value} lies outside its range {entry.range}")
    return entry


@cache
def _cards() -> dict[str, Parameter]:
    entries: dict[str, Parameter] = {}
    folder = resources.files("femsim.parameters") / "data"
    for path in sorted(folder.iterdir(), key=lambda item: item.name):
        if not path.name.endswith(".yaml"):
            continue
        card = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        for key, raw in card["parameters"].items():
            name = f"{card['card']}.{key}"
            if name in entries:
                raise ValueError(f"{path.name}: parameter {name} is defined twice")
            entries[name] = _entry(name, raw)
    return entries


@cache
def load_references() -> dict[str, str]:
    """Return the BibTeX entries that cards may cite, text by key, in the order of ``references.bib``."""
    text = (resources.files("femsim.parameters") / "data" / "references.bib").read_text(encoding="utf-8")
    entries: dict[str, str] = {}
    for found in re.finditer(r"^@\w+\{\s*([^,\s]+)\s*,.*?^\}", text, flags=re.MULTILINE | re.DOTALL):
        if found[1] in entries:
            raise ValueError(f"references.bib: key {found[1]!r} is defined twice")
        entries[found[1]] = found[0]
    return entries


def load_parameters(overrides: Mapping[str, str | tuple[str, str]] | None = None) -> ParameterSet:
    """Load every card and apply overrides.

    Parameters
    ----------
    overrides : mapping, optional
        Parameter name to quantity string, or to ``(quantity string, origin)``.

    Raises
    ------
    InputError
        Unknown name (with the closest match), wrong unit, or a vector-valued parameter.
    """
    parameters = ParameterSet(_cards())
    for name, given in (overrides or {}).items():
        text, origin = given if isinstance(given, tuple) else (given, "override")
        if name not in parameters:
            raise InputError(f"{origin}: {_unknown(name, _cards())}")
        entry = _cards()[name]
        if isinstance(entry.value, tuple):
            raise InputError(f"{origin}: parameter {name} is a vector and cannot be overridden by one value")
        parameters = parameters.override(name, parse_quantity(str(text), entry.unit, name=f"{origin}: {name}"), origin)
    return parameters
