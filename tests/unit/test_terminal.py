"""What a person sees while a command works: bars on a terminal, plain lines elsewhere, a quiet screen."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from femsim.errors import MeshError
from femsim.terminal import NAME_WIDTH, Screen, one_sentence

ROOT = Path(__file__).resolve().parents[2]


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def work(stream: io.StringIO) -> str:
    """Show two stages, the second one broken, and return what was written."""

    def broken() -> None:
        with Screen(stream) as screen:
            screen.stage("meshing")
            screen.progress("meshing", 0.5)
            screen.note("[bold]kept as it is[/bold]")
            screen.progress("assembling", None)
            raise MeshError("bad")

    with pytest.raises(MeshError):
        broken()
    return stream.getvalue()


def test_bars_are_drawn_on_a_terminal_only(monkeypatch):
    """Bars need a terminal; a log file and a dumb terminal get plain lines without control codes."""
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b" in work(Terminal())
    plain = work(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in plain + work(Terminal())


def test_a_log_has_one_line_per_finished_stage():
    """In a log every stage is one line with its time; a stage that failed is not said to be finished."""
    lines = work(io.StringIO()).splitlines()
    assert lines == ["[bold]kept as it is[/bold]", "meshing: 0.0 s"]


def test_a_terminal_keeps_finished_stages_in_order(monkeypatch):
    """On a terminal a finished stage stays as an aligned line, after the notes that came during it."""
    monkeypatch.setenv("TERM", "xterm")
    text = work(Terminal())
    assert f"{'meshing':<{NAME_WIDTH}}     0.0 s" in text
    assert text.index("kept as it is") < text.index("0.0 s")
    assert f"{'assembling':<{NAME_WIDTH}}     0.0 s" not in text


def test_one_sentence_even_if_the_message_has_lines(capsys):
    """A message that was wrapped by mistake still comes out as one line with the exit code of its kind."""
    with pytest.raises(SystemExit) as caught, one_sentence(debug=False, leave=SystemExit):
        raise MeshError("two\n  lines")
    assert caught.value.code == 2
    assert capsys.readouterr().err == "two lines\n"


def test_other_libraries_stay_quiet():
    """Logs and warnings of libraries do not bury the sentence that counts; a person who asks for them gets them."""
    code = (
        "import logging, warnings; from femsim.terminal import quiet_libraries; quiet_libraries();"
        "logging.error('noise'); warnings.warn('noise')"
    )
    for options, heard in (([], False), (["-W", "default"], True)):
        done = subprocess.run(
            [sys.executable, *options, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
        )
        assert ("noise" in done.stderr) is heard
