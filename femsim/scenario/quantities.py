"""Field types of scenario files: quantity strings with plausible limits, and the errors they raise."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from femsim.errors import InputError
from femsim.units import QUANTITY, format_quantity, parse_quantity, shown

Path = tuple[str | int, ...]


def problem(text: str, *path: str | int) -> PydanticCustomError:
    """Make a validation error with a ready sentence about the value at ``path`` below the validated one."""
    return problems([(path, text)])


def problems(found: Sequence[tuple[Path, str]]) -> PydanticCustomError:
    """Make one validation error that carries several ready sentences, each with its path below the validated value."""
    return PydanticCustomError("femsim", "see problems", {"problems": list(found)})


def closest(word: object, words: Iterable[str]) -> str:
    """Return ``"; did you mean 'width'?"`` for the closest of ``words``, or nothing when none is close."""
    match = difflib.get_close_matches(str(word), list(words), n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""


def read_quantity(given: object, unit: str) -> float:
    """Convert a scenario value to a float in ``unit``; raise ``InputError`` with a sentence that names no place.

    A plain number is accepted for a dimensionless ``unit`` only.
    """
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise InputError(f"{shown(given)} is not a quantity; write for example {f'1 {unit}'.strip()!r}")
    text = given if isinstance(given, str) else repr(given)
    if unit and not isinstance(given, str) and math.isfinite(given):
        raise InputError(f"{text} has no unit; write for example {f'{text} {unit}'!r}")
    # Twelve digits drop the noise of unit conversion: '12 months' and '364.8 days' are the same scenario.
    return float(f"{parse_quantity(text, unit, name=''):.12g}")


@cache
def _limit(text: str, unit: str) -> float:
    return parse_quantity(text, unit)


@dataclass(frozen=True)
class Quantity:
    """Annotation that turns a quantity string into a float in ``unit`` and checks that it is plausible.

    Attributes
    ----------
    unit : str
        Internal unit of the float; empty for a plain number.
    minimum, maximum : str
        Plausible limits, inclusive, as quantity strings, shown as written in messages.
    words : tuple of str
        Words accepted in place of a quantity (``"bicortical"``); they stay strings.

    Examples
    --------
    >>> Length = Annotated[float, Quantity("mm", "0.5 mm", "5 mm")]
    """

    unit: str
    minimum: str
    maximum: str
    words: tuple[str, ...] = ()

    def read(self, given: object) -> float | str:
        """Return the float (or the word) for a given value; raise a validation error otherwise."""
        if isinstance(given, str) and given in self.words:
            return given
        try:
            value = read_quantity(given, self.unit)
        except InputError as error:
            words = f" (or {' or '.join(self.words)}){closest(given, self.words)}" if self.words else ""
            raise problem(f"{error}{words}") from None
        if not _limit(self.minimum, self.unit) <= value <= _limit(self.maximum, self.unit):
            raise problem(
                f"{shown(given)} is outside the plausible range {self.minimum} to {self.maximum}; check value and unit"
            )
        return value

    def write(self, value: float | str) -> str | float:
        """Spell a value as it is written in a scenario file."""
        if isinstance(value, str) or not self.unit:
            return value
        return format_quantity(float(value), self.unit)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.plain_serializer_function_ser_schema(self.write, when_used="json")
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        text = f"number and unit, {self.minimum} to {self.maximum}; used inside in {self.unit or 'no unit'}"
        quantity: dict[str, Any] = {"type": "string", "pattern": f"^{QUANTITY.pattern}$".replace("?P<number>", "?:")}
        quantity["pattern"] = quantity["pattern"].replace("?P<unit>", "?:")
        if not self.unit:
            quantity = {"type": "number", "minimum": float(self.minimum), "maximum": float(self.maximum)}
            text = f"plain number, {self.minimum} to {self.maximum}"
        if self.words:
            quantity = {"anyOf": [{"enum": list(self.words)}, quantity]}
        return {**quantity, "description": text, "x-unit": self.unit}
