"""Card values do not return as literals anywhere in the package, and every named number of a law has its reason."""

from __future__ import annotations

import ast
from pathlib import Path

import femsim
from femsim.parameters import load_parameters

PACKAGE = Path(femsim.__file__).parent
LEAST_DIGITS = 3
"""A number of so many significant digits does not agree with a card value by chance."""
DEMONSTRATION = "interface/demonstration.py"
"""A model for tests and demonstrations, used by no run."""
LAWS = ("tissue", "interface", "loosening", "fem", "geometry")
DEFINITIONS = {
    "LPS_FROM_RAS",
    "MICROMETRES_PER_MM",
    "DAYS_PER_WEEK",
    "_KIB_PER_GIB",
    "GIB",
    "EIGENVALUE_SAFETY",
    "SIDES",
    "RASTER_MARGIN",
    "SETTLED",
    "_MASS_LINEAR",
}
"""Conversions, mirror signs, a closed form and numerical settings whose names say what they are."""


def digits(value: float) -> int:
    """Significant digits of a number."""
    return len(f"{abs(value):.12e}".split("e")[0].replace(".", "").strip("0"))


def card_literals(source: str, values: dict[float, str]) -> set[tuple[float, str]]:
    """Literals, named or not, that are a card value."""
    literals = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return {(value, values[abs(value)]) for value in literals if type(value) in (int, float) and abs(value) in values}


def unexplained(source: str) -> set[str]:
    """Upper-case float constants of a module without a sentence below, beside or above them."""
    lines, body = source.splitlines(), ast.parse(source).body
    found = set()
    for place, node in enumerate(body):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        if not any(isinstance(part, ast.Constant) and type(part.value) is float for part in ast.walk(node.value)):
            continue
        below = body[place + 1] if place + 1 < len(body) else None
        told = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        row = node.lineno - 1
        beside = "#" in lines[row]
        while row and lines[row].strip() and not lines[row].startswith(("#", '"""')):
            row -= 1  # constants that follow one another share the comment above them
        if not (told or beside or lines[row].startswith("#")):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            found.add(ast.unparse(target))
    return found


def test_no_card_value_in_code():
    """No number that a card holds is written again in code: geometry, mesh, pipeline and report included."""
    values = {
        abs(value): entry.name
        for entry in load_parameters()
        for value in (entry.value if isinstance(entry.value, tuple) else (entry.value,))
        if digits(value) >= LEAST_DIGITS
    }
    assert len(values) > 50
    found = {
        (path.relative_to(PACKAGE).as_posix(), *literal)
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).as_posix() != DEMONSTRATION
        for literal in card_literals(path.read_text(encoding="utf-8"), values)
    }
    assert found == set()


def test_named_numbers_have_a_reason():
    """A number in a law may only hide behind a name when a sentence says why it is no physical constant."""
    found = {
        name
        for stage in LAWS
        for path in (PACKAGE / stage).rglob("*.py")
        if path.relative_to(PACKAGE).as_posix() != DEMONSTRATION
        for name in unexplained(path.read_text(encoding="utf-8"))
    }
    assert found - DEFINITIONS == set()


def test_scans_find_what_they_look_for():
    """A renamed modulus is found, and so is a constant without a word."""
    assert card_literals("YOUNG = 13700.0\n", {13700.0: "E"}) == {(13700.0, "E")}
    source = "YOUNG = 17000.0\nSTEP = 0.5\n\"\"\"Half a day.\"\"\"\n# shares of a step\nA = 0.1\nB = 0.2\n"
    assert unexplained(source) == {"YOUNG"}
