"""Units of femsim: mm, N, MPa, tonne, s; days; Gy. Quantity strings at the edge, floats inside."""

from __future__ import annotations

from functools import cache

import pint

from femsim.errors import InputError


@cache
def _registry() -> pint.UnitRegistry:
    registry: pint.UnitRegistry = pint.UnitRegistry(on_redefinition="ignore")
    # The radiobiology tables count a month as 30.4 days; pint's own month is 30.44 days.
    registry.define("month = 30.4 * day")
    return registry


def parse_quantity(text: str, unit: str, *, name: str = "value") -> float:
    """Convert a quantity string such as ``"2.5 mm"`` to a float in ``unit``.

    Parameters
    ----------
    text : str
        Number and unit. A bare number is refused unless ``unit`` is dimensionless (``""``).
    unit : str
        Internal unit, in pint's spelling (``"mm"``, ``"MPa"``, ``"N/mm^3"``, ``"day"``, ``"Gy"``, ``""``).
    name : str
        What the value is, for the message.

    Raises
    ------
    InputError
        Unknown unit, wrong dimension, missing unit or not a number.
    """
    registry = _registry()
    shown = unit or "a plain number"
    try:
        quantity: pint.Quantity = registry.Quantity(text)
    except pint.UndefinedUnitError as error:
        raise InputError(f"{name}: unknown unit in {text!r} ({error}); write it in {shown}") from error
    except Exception as error:  # pint lets tokenizer and syntax errors of several kinds through
        raise InputError(f"{name}: {text!r} is not a number with a unit; write for example '1 {unit}'") from error
    if not isinstance(quantity, registry.Quantity):  # pint returns a bare number for a bare number
        quantity = registry.Quantity(quantity)
    if unit and quantity.dimensionless and not registry.Quantity(1, unit).dimensionless:
        raise InputError(f"{name}: {text!r} has no unit; write for example '{text} {unit}'")
    try:
        value = float(quantity.to(unit or "dimensionless").magnitude)
    except pint.DimensionalityError as error:
        raise InputError(
            f"{name}: {text!r} has the wrong dimension ({error.dim1 or 'none'}); a value in {shown} is needed"
        ) from error
    if value != value or value in (float("inf"), float("-inf")):
        raise InputError(f"{name}: {text!r} is not a finite number")
    return value


def format_quantity(value: float, unit: str) -> str:
    """Spell a float in ``unit`` as a quantity string that :func:`parse_quantity` reads back to the same float."""
    return f"{value!r} {unit}".strip()
