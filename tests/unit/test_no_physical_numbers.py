"""Physical numbers live in the parameter cards: float literals in the code of the laws are mathematics or named."""

from __future__ import annotations

import ast
from pathlib import Path

import femsim

PACKAGE = Path(femsim.__file__).parent
STAGES = ("tissue", "interface", "loosening", "fem")
"""Stages that hold laws. Geometry is left out: its literals draw a jaw, and its measures come from cards."""
MATHEMATICAL = {0.25, 0.5, 1.5, 2.5, 16.0, 50.0, 95.0, 100.0, 1000.0}
"""Fractions of formulas and cells, percentiles, percent, prefixes."""
LARGEST_INTEGER = 12
LARGEST_TOLERANCE = 1e-5
"""Literals up to this size are numerical tolerances."""
NUMERICAL = {
    "interface/demonstration.py": "a model for tests and demonstrations, used by no run",
    "loosening/integrator.py": "tolerances of the integrator, explained as its attributes",
    "loosening/evolution.py": "where inside a tolerance an event is sought",
}
KNOWN = {
    ("tissue/point.py", 180.0): "day of a question, not of a law",
    ("interface/condensation.py", 0.01): "numerical reference spring, its choice cancels",
    ("interface/contact.py", 0.01): "line search",
    ("interface/patches.py", 0.9): "choice of an axis not parallel to another",
    ("loosening/case.py", 30.0): "days between snapshots",
    ("loosening/causes.py", 0.005): "half a percent, for rounding in a sentence",
    ("loosening/chewing.py", 1e5): "cycles of the creep check",
    ("loosening/spectrum.py", 0.1): "default of a scenario's input, not of a law",
    ("fem/assembly.py", 0.3): "Poisson ratio of the compiling call, its result is thrown away",
}


def is_constant(target: ast.expr) -> bool:
    """Tell whether an assignment names an upper-case constant, or several at once."""
    names = target.elts if isinstance(target, ast.Tuple) else [target]
    return all(isinstance(name, ast.Name) and name.id.strip("_").isupper() for name in names)


def bare_numbers(source: str) -> set[float]:
    """Float literals outside module-level constants that are neither small integers, mathematics nor tolerances."""
    tree = ast.parse(source)
    named: set[ast.AST] = set()
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if targets and all(is_constant(target) for target in targets):
            named |= set(ast.walk(node))
    literals = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in named)
    values = {node.value for node in literals if type(node.value) is float}
    small = {value for value in values if value.is_integer() and abs(value) <= LARGEST_INTEGER}
    return {value for value in values - small - MATHEMATICAL if abs(value) > LARGEST_TOLERANCE}


def test_no_physical_number_in_the_laws():
    """A number in the code of a law is mathematics, a named constant, or listed here with its reason."""
    found = {
        (name, value)
        for stage in STAGES
        for path in sorted((PACKAGE / stage).glob("*.py"))
        if (name := path.relative_to(PACKAGE).as_posix()) not in NUMERICAL
        for value in bare_numbers(path.read_text(encoding="utf-8"))
    }
    assert found - KNOWN.keys() == set()
    assert KNOWN.keys() - found == set(), "listed, but no longer in the code"


def test_scan_finds_a_hidden_number():
    """A modulus in a formula, a default or a lower-case name is found; a named constant and mathematics are not."""
    source = "YOUNG = 17000.0\nyoung = 13700.0\ndef f(x, s=0.0229):\n    return 2.0 * x + 0.5 * 71.4 + 1e-9\n"
    assert bare_numbers(source) == {13700.0, 0.0229, 71.4}
