"""The one-way flow of the package, read from its imports."""

from __future__ import annotations

import ast
from pathlib import Path

import femsim

ORDER = (
    *("errors", "units", "durable", "parameters", "scenario", "geometry", "mesh", "tissue", "fem", "interface"),
    *("loosening", "export", "results", "report", "pipeline", "study"),
    *("terminal", "tables", "doctor", "cli", "__main__"),
)
"""Stages, earliest first; a stage imports only from itself and from earlier ones."""
PACKAGE = Path(femsim.__file__).parent
NUMBERS_ONLY = ("geometry", "mesh", "tissue", "fem", "interface", "loosening")
"""Stages that take plain arguments and must not know scenario files."""


def imported(source: str, package: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Return the modules of femsim that a source text imports, wherever the import stands in it."""
    found: set[tuple[str, ...]] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {tuple(name.name.split(".")) for name in node.names if name.name.split(".")[0] == "femsim"}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module or "").split(".")) if node.module else base
            if module[:1] == ("femsim",):
                found |= {(*module, name.name) for name in node.names} if len(module) == 1 else {module}
    return found


def stage_of(path: Path) -> str:
    """Return the stage a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def upward_arrows() -> list[str]:
    """List every import of a stage from a later one."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        stage = stage_of(path)
        if stage == "__init__":
            continue
        package = ("femsim", *path.relative_to(PACKAGE).parts[:-1])
        for module in imported(path.read_text(encoding="utf-8"), package):
            other = module[1] if len(module) > 1 else ""
            if other not in ORDER:
                continue  # a name of the package itself, such as its version
            if ORDER.index(other) > ORDER.index(stage):
                found.append(f"{path.relative_to(PACKAGE)} imports femsim.{other}")
            if other == "scenario" and stage in NUMBERS_ONLY:
                found.append(f"{path.relative_to(PACKAGE)} knows scenario files")
    return found


def test_no_stage_imports_a_later_one():
    """A stage imports only stages before it, so that each is usable alone."""
    assert upward_arrows() == []


def test_every_module_has_a_place_in_the_order():
    """No module stands outside the one-way flow."""
    stages = {stage_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert stages <= set(ORDER)


def test_reader_sees_every_form_of_import():
    """An arrow cannot hide behind a relative, nested or aliased import."""
    source = "def f():\n    from femsim.cli import app as a\nimport femsim.mesh.files as m\nfrom ..report import x\n"
    assert imported(source, ("femsim", "mesh")) == {
        ("femsim", "cli"),
        ("femsim", "mesh", "files"),
        ("femsim", "report"),
    }
    assert imported("from femsim import pipeline", ("femsim",)) == {("femsim", "pipeline")}
