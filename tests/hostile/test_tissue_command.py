"""Questions to ``femsim tissue`` that make no sense: exit code 2 and one sentence that names the option's value."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from femsim.cli import app

KEYS = ["V", "N", "p", "C", "Phi", "Ec", "Et", "Q", "fs", "log10_Nf", "B", "B_ratio"]


def asked(*options):
    return CliRunner().invoke(app, ["tissue", *options])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--eqd2", "-1", "--months", "12"], "EQD2 is -1 Gy"),
        (["--eqd2", "nan", "--months", "12"], "not a finite number"),
        (["--eqd2", "1e300", "--months", "12"], "at most 1000 Gy"),
        (["--eqd2", "60", "--months", "1e300"], "months is 1e+300"),
        (["--eqd2", "60", "--months", "-1"], "months is -1"),
        (["--eqd2", "60", "--months", "12", "--heal-days", "1e9"], "heal_days is 1e+09"),
        (["--eqd2", "60", "--months", "12", "--micromotion", "inf"], "micromotion is inf um"),
        (["--eqd2", "60", "--months", "12", "--hbo", "100000000000000000000000"], "between 0 and 100"),
        (["--eqd2", "60", "--months", "12", "--set", "D50"], "write NAME=VALUE"),
        (["--eqd2", "60", "--months", "12", "--set", "D5O=40"], "unknown tissue parameter 'D5O'"),
        (["--eqd2", "60", "--months", "12", "--set", "D50=40 mm"], "wrong dimension"),
        (["--eqd2", "60", "--months", "12", "--set", "D50=nan"], "not a finite number"),
        (["--eqd2", "60", "--months", "12", "--set", "D50=40", "--set", "tissue.D50=50"], "D50 is set twice"),
        (["--eqd2", "60", "--months", "12", "--set", "nV=1e9"], "between 0.2 and 60"),
        (["--eqd2", "60", "--months", "12", "--set", "Vmin=1.5"], "a share must lie between 0 and 1"),
    ],
)
def test_refused(options, words):
    """Exit code 2 and one sentence on stderr, at most after a note about the value's range; no traceback."""
    found = asked(*options)
    *notes, sentence = found.stderr.strip().splitlines()
    assert found.exit_code == 2
    assert words in sentence
    assert all(note.startswith("note: --set") for note in notes)
    assert not found.stdout


def test_value_outside_its_card_is_noted(tmp_path):
    """A value outside the range of its card is used, with a note: 40 cGy is a legal but odd D50."""
    file = tmp_path / "point.json"
    options = ["--eqd2", "60", "--months", "12", "--heal-days", "180", "--micromotion", "50", "--hbo", "30"]
    found = asked(*options, "--set", "D50=3000 cGy", "--json", str(file))
    assert found.exit_code == 0
    assert "outside the range of its card, 35 to 55 Gy" in found.stderr
    assert list(json.loads(file.read_text(encoding="utf-8"))) == KEYS
    assert [line.split()[0] for line in found.stdout.splitlines()[2:]] == KEYS
    assert not asked(*options, "--set", "D50=4000 cGy").stderr
