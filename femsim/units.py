"""Units of femsim: mm, N, MPa, tonne, s; days; Gy. Quantity strings at the edge, floats inside."""

from __future__ import annotations

import math
import re
from functools import cache

import pint

from femsim.errors import InputError

NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?"
UNIT_NAME = r"[A-Za-zµμ%°]+(?:(?:\^|\*\*)-?\d)?"
UNIT = rf"(?:1? ?/ ?)?{UNIT_NAME}(?: ?[*/] ?{UNIT_NAME})*"
# pint evaluates expressions ('9**9**9 mm' never ends) and reads '1,5 mm' as 15 mm; it only ever sees what fits here.
QUANTITY = re.compile(rf"\s*(?P<number>{NUMBER})\s*(?P<unit>{UNIT})?\s*", re.ASCII)
"""One finite decimal number and a product of named units; nothing else is a quantity."""
LONGEST = 100
"""Characters; a longer text is no quantity that a person wrote."""
SHOWN = 60
"""Longest piece of a given value that is repeated in a message."""


@cache
def _registry() -> pint.UnitRegistry:
    registry: pint.UnitRegistry = pint.UnitRegistry(on_redefinition="ignore")
    # The radiobiology tables count a month as 30.4 days; pint's own month is 30.44 days.
    registry.define("month = 30.4 * day")
    return registry


def shown(value: object) -> str:
    """Return a short one-line spelling of a given value for a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def parse_quantity(text: str, unit: str, *, name: str = "value") -> float:
    """Convert a quantity string such as ``"2.5 mm"`` to a float in ``unit``; nothing in it is ever evaluated.

    Parameters
    ----------
    text : str
        Number and unit. A bare number is refused unless ``unit`` is dimensionless (``""``).
    unit : str
        Internal unit, in pint's spelling (``"mm"``, ``"MPa"``, ``"N/mm^3"``, ``"day"``, ``"Gy"``, ``""``).
    name : str
        What the value is, for the message; empty when the caller names the place.

    Raises
    ------
    InputError
        Unknown unit, wrong dimension, missing unit or not one finite number.
    """
    try:
        return _value(text, unit)
    except InputError as error:
        raise InputError(f"{name}: {error}") if name else error from None


def _value(text: str, unit: str) -> float:
    match = QUANTITY.fullmatch(text) if len(text) <= LONGEST else None
    if re.match(r"\s*[+-]?(nan|inf)", text, re.IGNORECASE):
        raise InputError(f"{shown(text)} is not a finite number")
    if match is None:
        comma = "; write a decimal point instead of the comma" if re.match(r"\s*[+-]?\d*,\d", text) else ""
        wanted = f"with a unit, such as {f'1 {unit}'!r}" if unit else "without a unit, such as '1'"
        raise InputError(f"{shown(text)} is not one finite number {wanted}{comma}")
    if unit and match["unit"] is None:
        raise InputError(f"{shown(text)} has no unit; write for example {f'{text.strip()} {unit}'!r}")
    number = float(match["number"])
    if not math.isfinite(number):
        raise InputError(f"{shown(text)} is not a finite number")
    wanted = f"a value in {unit}" if unit else "a plain number"
    try:
        given = _unit(match["unit"] or "")
        value = float(_registry().Quantity(number, given).to(unit or "dimensionless").magnitude)
    except pint.UndefinedUnitError as error:
        unknown = ", ".join(repr(one) for one in _names(error))
        raise InputError(f"unknown unit {unknown} in {shown(text)}; {wanted} is needed") from error
    except pint.DimensionalityError as error:
        raise InputError(f"{shown(text)} has the wrong dimension ({_dimension(error)}); {wanted} is needed") from error
    except (ValueError, TypeError, OverflowError, pint.PintError) as error:  # such as a product of degrees Celsius
        raise InputError(f"{shown(text)} cannot be read; {wanted} is needed") from error
    if not math.isfinite(value):
        raise InputError(f"{shown(text)} is not a finite number")
    return value


@cache
def _unit(text: str) -> pint.Unit:
    return _registry().parse_units(f"1{text}" if text.startswith("/") else text)


def _dimension(error: pint.DimensionalityError) -> str:
    words = str(error.dim1)
    return "none at all" if words in ("", "dimensionless") else words


def _names(error: pint.UndefinedUnitError) -> tuple[str, ...]:
    names = error.unit_names
    return (names,) if isinstance(names, str) else tuple(names)


def format_quantity(value: float, unit: str) -> str:
    """Spell a float in ``unit`` as a quantity string that :func:`parse_quantity` reads back to the same float."""
    return f"{value!r} {unit}".strip()
