"""Evidence behind the parameters of a run: references to cite, weakest first, differences between two runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from femsim.errors import InputError
from femsim.parameters.cards import MARKS, Parameter, load_references

DESIGN_NOTES = "femsim_design"
"""Source of constants without any publication behind them."""


def citations(parameters: Iterable[Parameter | Mapping[str, Any]]) -> str:
    """BibTeX entries that these parameters cite, each once, in the order of ``references.bib``.

    Parameters
    ----------
    parameters : iterable of Parameter, or of mappings with ``name`` and ``source``
        Such as ``ParameterSet.read``, or ``parameters`` of a run's record.

    Raises
    ------
    InputError
        A source that ``references.bib`` does not hold (a record of another version).

    Examples
    --------
    >>> from femsim.parameters import load_parameters
    >>> parameters = load_parameters()
    >>> value = parameters["tissue.p0"]
    >>> citations(parameters.read).splitlines()[0]
    '@article{maurer2006,'
    """
    known = load_references()
    used: set[str] = set()
    for entry in parameters:
        name, source = (entry.name, entry.source) if isinstance(entry, Parameter) else (entry["name"], entry["source"])
        for key in source:
            if key not in known:
                raise InputError(f"parameter {name} cites {key!r}, which is not among the references of this version")
            used.add(key)
    return "".join(f"{text}\n\n" for key, text in known.items() if key in used).rstrip("\n") + ("\n" if used else "")


def evidence_rows(parameters: Iterable[Parameter]) -> list[dict[str, str]]:
    """Rows for a table, weakest evidence first: assumed before found, and design notes alone before publications."""

    def strength(entry: Parameter) -> tuple[int, bool]:
        return -MARKS.index(entry.mark), entry.source != (DESIGN_NOTES,)

    return [
        {
            "mark": entry.mark,
            "name": entry.name,
            "value": _spelled(entry.value),
            "unit": entry.unit,
            "range": "-" if entry.range is None else f"{entry.range[0]:g} to {entry.range[1]:g}",
            "source": " ".join(entry.source),
        }
        for entry in sorted(parameters, key=strength)
    ]


def parameter_differences(
    first: Iterable[Mapping[str, Any]], second: Iterable[Mapping[str, Any]]
) -> list[dict[str, str]]:
    """Rows of the parameters whose values differ between two runs, or that only one of them has read.

    Parameters
    ----------
    first, second : iterable of mapping
        ``parameters`` of the records of two runs: ``name``, ``value``, ``unit``, ``origin``.

    Returns
    -------
    list of dict
        ``name, unit, first, second, origin_first, origin_second``; ``-`` where a run has not read the parameter.
    """
    left, right = ({str(row["name"]): row for row in rows} for rows in (first, second))
    found = []
    for name in sorted(left.keys() | right.keys()):
        a, b = left.get(name), right.get(name)
        if a is not None and b is not None and a["value"] == b["value"] and a["unit"] == b["unit"]:
            continue
        found.append(
            {
                "name": name,
                "unit": " / ".join(dict.fromkeys(str(row["unit"]) for row in (a, b) if row is not None)),
                "first": "-" if a is None else _spelled(a["value"]),
                "second": "-" if b is None else _spelled(b["value"]),
                "origin_first": "-" if a is None else str(a["origin"]),
                "origin_second": "-" if b is None else str(b["origin"]),
            }
        )
    return found


def _spelled(value: Any) -> str:
    return " ".join(f"{item:g}" for item in value) if isinstance(value, tuple | list) else f"{value:.10g}"
