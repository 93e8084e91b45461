"""References of a run, evidence of the constants, differences between runs: functions and commands."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from femsim.cli import app
from femsim.errors import InputError
from femsim.parameters import MARKS, citations, evidence_rows, load_parameters, parameter_differences


def call(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def row(name, value, origin="card", source=("maurer2006",)):
    return {"name": name, "value": value, "unit": "Gy", "source": list(source), "origin": origin}


def make_run(folder, rows):
    folder.mkdir()
    record = {"kind": "femsim run", "status": "complete", "parameters": rows}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def test_citations_are_those_of_the_parameters_read():
    """Every reference of the constants read is given once, in the order of the file, and no other."""
    parameters = load_parameters()
    for name in ("tissue.p0", "tissue.D50", "tissue.sC"):
        parameters[name]
    text = citations(parameters.read)
    keys = [line.split("{")[1].rstrip(",") for line in text.splitlines() if line.startswith("@")]
    assert len(keys) == len(set(keys))
    assert set(keys) == {key for entry in parameters.read for key in entry.source}
    assert text.endswith("}\n")
    assert citations([]) == ""


def test_unknown_reference_is_refused():
    """A record that cites what this version does not know is refused by name."""
    with pytest.raises(InputError, match=r"tissue\.x cites 'nobody1900'"):
        citations([row("tissue.x", 1.0, source=("nobody1900",))])


def test_weakest_evidence_first():
    """Assumed constants come before recalled, derived and found ones."""
    marks = [MARKS.index(line["mark"]) for line in evidence_rows(load_parameters())]
    assert marks == sorted(marks, reverse=True)
    assert marks[0] > marks[-1]


def test_differences_name_values_and_origins():
    """Only what differs, or what one run alone has read, is listed, with where each value came from."""
    first = [row("a.same", 1.0), row("a.moved", 45.0), row("a.gone", [1.0, 2.0])]
    second = [row("a.same", 1.0), row("a.moved", 40.0, "scenario.yaml:7")]
    gone, moved = parameter_differences(first, second)
    assert (moved["first"], moved["second"], moved["origin_second"]) == ("45", "40", "scenario.yaml:7")
    assert (gone["first"], gone["second"]) == ("1 2", "-")
    assert parameter_differences(first, first) == []


def test_commands(tmp_path):
    """The commands print references, differences and the table, and refuse what is no complete run."""
    a = make_run(tmp_path / "a", [row("tissue.D50", 45.0)])
    b = make_run(tmp_path / "b", [row("tissue.D50", 40.0, "b.yaml:3")])
    assert call("cite", a).stdout.startswith("@article{maurer2006,")
    assert "b.yaml:3" in call("parameters", "diff", a, b).stdout
    assert call("parameters", "diff", a, a).stdout == "both runs used the same constants\n"
    listed = call("parameters", "list", "--card", "tissue").stdout
    assert "tissue.krep" in listed
    assert "loosening." not in listed
    assert call("parameters", "list", "--card", "tisue").exit_code == 2
    empty = make_run(tmp_path / "empty", [])
    for wrong in (empty, tmp_path / "none", make_run(tmp_path / "odd", [{"name": "x"}])):
        result = call("cite", wrong)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
