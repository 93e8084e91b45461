"""Quantity strings: what is read, what is refused, and that nothing in them is evaluated."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from femsim.errors import InputError
from femsim.units import LONGEST, format_quantity, parse_quantity

UNITS = ["mm", "MPa", "N/mm^3", "N/mm", "mm/day", "1/day", "1/Gy", "day", "Gy", "degree", "mmHg", "um", "mm^3", ""]


@settings(deadline=None)  # the first call loads the table of units
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(UNITS))
def test_round_trip(value, unit):
    """A number that is written out with its unit is read back exactly, in every unit of the parameter cards."""
    assert parse_quantity(format_quantity(value, unit), unit) == value


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("1 month", "day", 30.4),
        ("12 months", "day", 364.8),
        ("1 year", "day", 365.25),
        ("2 weeks", "day", 14.0),
        ("0.15 kN", "N", 150.0),
        ("4000 cGy", "Gy", 40.0),
        ("1 N/m^2", "MPa", 1e-6),
        ("1 N/mm**2", "MPa", 1.0),
        ("3 µm", "mm", 0.003),
        ("3 μm", "mm", 0.003),
        ("90 °", "degree", 90.0),
        ("0.7/week", "1/day", 0.1),
        ("0.7 / week", "1/day", 0.1),
        ("0.7 1/week", "1/day", 0.1),
        ("50 %", "", 0.5),
        ("  +2.5e1mm ", "mm", 25.0),
        (".5 mm", "mm", 0.5),
        ("5. mm", "mm", 5.0),
    ],
)
def test_spellings(text, unit, value):
    """Common spellings and units are converted; a month has 30.4 days as in the tables of radiobiology."""
    assert parse_quantity(text, unit) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "unit", "words"),
    [
        ("9 kg", "mm", "'9 kg' has the wrong dimension ([mass]); a value in mm is needed"),
        ("9 mm", "", "'9 mm' has the wrong dimension ([length]); a plain number is needed"),
        ("60 rad", "Gy", "wrong dimension"),
        ("9", "mm", "'9' has no unit; write for example '9 mm'"),
        ("9", "degree", "has no unit"),
        ("9 milimeter", "mm", "unknown unit 'milimeter'"),
        ("60 gy", "Gy", "unknown unit 'gy'"),
        ("9 nan", "mm", "'9 nan'"),
        ("nan mm", "mm", "not a finite number"),
        ("-inf mm", "mm", "not a finite number"),
        ("1e999 mm", "mm", "not a finite number"),
        ("1e300 Gm", "mm", "not a finite number"),
        ("1,5 mm", "mm", "write a decimal point instead of the comma"),
        ("1 2 mm", "mm", "not one finite number with a unit, such as '1 mm'"),
        ("x", "", "not one finite number without a unit, such as '1'"),
        ("", "mm", "'' is not one finite number"),
        ("mm 9", "mm", "not one finite number"),
        ("9 mm mm", "mm", "not one finite number"),
        ("٣ mm", "mm", "not one finite number"),
        ("9 " + "m" * 9 * LONGEST, "mm", "... is not one finite number"),
        ("two\nlines mm", "mm", "not one finite number"),
    ],
)
def test_refused_in_one_sentence(text, unit, words):
    """What is not one finite number with a fitting unit is refused with the value, the fault and what is needed."""
    with pytest.raises(InputError) as caught:
        parse_quantity(text, unit, name="plate.height")
    message = str(caught.value)
    assert message.startswith("plate.height: ")
    assert words in message
    assert "\n" not in message
    assert len(message) < 220


@pytest.mark.parametrize(
    "text", ["9**9**9**9 mm", "(1+1) mm", "2*3 mm", "9^9^9^9 mm", "1 mm + 2 mm", "__import__('os').getcwd()", "9 mm^99"]
)
def test_expressions_are_never_evaluated(text):
    """A text that a calculator would work on is refused at once instead of being worked out."""
    start = time.monotonic()
    with pytest.raises(InputError, match="not one finite number"):
        parse_quantity(text, "mm")
    assert time.monotonic() - start < 1.0


@settings(deadline=None)
@given(st.text(alphabet="0123456789.,eE+-*/^ mMNPaGydu%°()µ_[]", max_size=40), st.sampled_from(UNITS))
def test_any_text_is_a_number_or_a_sentence(text, unit):
    """Whatever is written, the answer is a finite float or an InputError, never another exception."""
    value, sentence = 0.0, ""
    try:
        value = parse_quantity(text, unit)
    except InputError as error:
        sentence = str(error)
    assert abs(value) < float("inf")
    assert "\n" not in sentence


def test_no_name_no_prefix():
    """A caller that names the place itself gets the sentence alone."""
    with pytest.raises(InputError, match=r"^'9' has no unit"):
        parse_quantity("9", "mm", name="")
