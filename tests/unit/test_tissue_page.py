"""docs/tissue.md: tables are what the model gives today, figures exist, commands and keys are understood."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from femsim.cli import app
from femsim.scenario import load_scenario

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
sys.path.append(str(DOCS))

import make_tissue  # noqa: E402

PAGE = make_tissue.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in make_tissue.TABLES if name != "bands"])
def test_table_is_what_the_model_gives(name):
    """A table of the page is the one that its command writes today."""
    assert make_tissue.filled(PAGE, name, make_tissue.TABLES[name]()) == PAGE, "run python docs/make_tissue.py"


@pytest.mark.slow
def test_bands_are_what_the_draws_give():
    """The bands of the page are those of the draws."""
    assert make_tissue.filled(PAGE, "bands", make_tissue.bands_table()) == PAGE, "run python docs/make_tissue.py"


def test_old_table_is_seen():
    """The comparison is not blind: a changed digit makes a difference, and missing marks are refused."""
    assert make_tissue.filled(PAGE.replace("54.6", "54.7"), "oxygen", make_tissue.oxygen_table()) == PAGE.replace(
        "54.6", "54.7"
    ).replace("| 60 | 54.7 |", "| 60 | 54.6 |")
    with pytest.raises(ValueError, match="no marks"):
        make_tissue.filled(PAGE, "nothing", "")


def test_figures_stand_beside_the_page():
    """Every figure that the page shows is drawn by its command and lies in the repository as one picture of text."""
    shown = set(re.findall(r"\]\(tissue/([\w-]+)\.svg\)", PAGE))
    assert shown == make_tissue.DRAWINGS.keys()
    for name in shown:
        drawn = (make_tissue.FIGURES / f"{name}.svg").read_text(encoding="utf-8")
        assert drawn.rstrip().endswith("</svg>")
        assert "<text" in drawn, "words as outlines cannot be searched or read aloud"


def commands() -> list[str]:
    return [line.split("#")[0].strip() for line in PAGE.splitlines() if line.startswith("femsim tissue ")]


@pytest.mark.parametrize("command", commands())
def test_command_works(command, tmp_path, monkeypatch):
    """Every question of the page is answered."""
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, command.split()[1:])
    assert answer.exit_code == 0, answer.output
    assert "B_ratio" in answer.output


REST = """schema: 1
title: from the page
jaw: {parametric: {}}
resection: {side: left, from: 34, to: 36}
plate: {preset: reconstruction-2.5}
screws: {preset: locking-2.4, per_stump: 3}
loading: {tasks: [{bite: right-first-molar, force: 160 N}]}
simulate: {years: 1}
"""


@pytest.mark.parametrize("number", [0, 1])
def test_keys_are_understood(number, tmp_path):
    """Both pieces of scenario files on the page are read as they stand."""
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "dose.dcm").write_bytes(b"x")
    (tmp_path / "boost.nrrd").write_bytes(b"x")
    (tmp_path / "laws.py").write_text("def fading(dose, day, constants):\n    return 1.0 + 0.0 * dose\n")
    block = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[number]
    (tmp_path / "case.yaml").write_text(REST + block, encoding="utf-8")
    scenario = load_scenario(tmp_path / "case.yaml")
    assert len(scenario.irradiation.courses) == 1 + number


def test_there_are_commands():
    """The page has questions to ask and keys to copy."""
    assert len(commands()) == 5
    assert PAGE.count("```yaml") == 2
