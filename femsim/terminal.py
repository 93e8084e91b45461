"""What a person sees while a command works: progress, notes, errors in one sentence, a clean stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

from femsim.errors import FemsimError, InputError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SECONDS_BETWEEN_LINES = 10.0
"""In a log file, progress of one stage is repeated at most this often."""
NAME_WIDTH = 32
"""Columns for the name of a stage on a terminal; the longest has 29 letters."""
RESEARCH_ONLY = "Research use only: not a medical device, not for decisions about a patient."
INTERNAL_ERROR = 1
STOPPED = 4


def say(text: str, stream: TextIO | None = None) -> None:
    """Print one line at once; to standard output unless another stream is given."""
    print(text, file=stream or sys.stdout, flush=True)


def quiet_libraries() -> None:
    """Keep logs and warnings of other libraries off the screen, where they would bury the one sentence that counts."""
    logging.getLogger().addHandler(logging.NullHandler())
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


class Screen:
    """Progress of a command: bars on a terminal, plain lines with times elsewhere.

    The methods ``stage``, ``progress`` and ``note`` are the hooks that the pipeline calls.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._name: str | None = None
        self._start = self._last_line = time.monotonic()

    def __enter__(self) -> Screen:
        if self._stream.isatty() and os.environ.get("TERM") != "dumb":
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                Progress,
                SpinnerColumn,
                TaskProgressColumn,
                TextColumn,
                TimeElapsedColumn,
            )

            columns = (
                *(SpinnerColumn(), TextColumn("{task.description}"), BarColumn()),
                *(TaskProgressColumn(), TimeElapsedColumn()),
            )
            # Only the stage at work has a bar; a finished one becomes a line, in order with the notes.
            self._bars = Progress(*columns, console=Console(file=self._stream), transient=True)
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._close(finished=kind is None)
        if self._bars is not None:
            self._bars.stop()

    def stage(self, name: str) -> None:
        """A new stage begins; the one before is complete."""
        self._close(finished=True)
        self._name, self._start = name, time.monotonic()
        self._last_line = self._start
        if self._bars is not None:
            self._task = self._bars.add_task(name, total=None)

    def progress(self, name: str, fraction: float | None = None) -> None:
        """A stage has done this share of its work (0 to 1; unknown when ``None``)."""
        if name != self._name:
            self.stage(name)
        if self._bars is not None and self._task is not None:
            if fraction is not None:
                self._bars.update(self._task, total=1.0, completed=min(max(fraction, 0.0), 1.0))
        elif fraction is not None and time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            say(f"{name}: {100 * fraction:.0f} % after {self._last_line - self._start:.0f} s", self._stream)

    def note(self, text: str) -> None:
        """A sentence for the person who waits."""
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False)
        else:
            say(text, self._stream)

    def _close(self, *, finished: bool) -> None:
        if self._name is None:
            return
        seconds = time.monotonic() - self._start
        if self._bars is not None and self._task is not None:
            self._bars.remove_task(self._task)
            if finished:
                self.note(f"{self._name:<{NAME_WIDTH}}{seconds:8.1f} s")
        elif finished:
            say(f"{self._name}: {seconds:.1f} s", self._stream)
        self._name = self._task = None


class StopSwitch:
    """Ctrl-C and a termination signal ask the run to stop at its next safe point; a second one stops at once."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSwitch:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError):  # not in the main thread: the caller handles signals itself
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *rest: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        """Tell whether a stop was asked for."""
        return self._asked

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        self._note("stopping at the next safe point; once more to stop at once")


def error_log() -> Path:
    """Return the file that holds the technical details of the last internal error."""
    return Path(tempfile.gettempdir()) / f"femsim-error-{os.getpid()}.log"


@contextmanager
def one_sentence(*, debug: bool, leave: Callable[[int], BaseException]) -> Iterator[None]:
    """Turn every failure inside into one sentence on standard error and an exit code.

    Parameters
    ----------
    debug : bool
        Let unexpected errors through with their traceback.
    leave : callable
        Makes the exception that ends the command with an exit code.
    """
    try:
        yield
    except FemsimError as error:
        lines = getattr(error, "problems", None) or (" ".join(str(error).split()),)
        for line in lines:
            say(f"femsim: {line}" if not isinstance(error, InputError) else line, sys.stderr)
        raise leave(error.exit_code) from None
    except KeyboardInterrupt:
        say("femsim: stopped; `femsim run --resume` continues an unfinished run", sys.stderr)
        raise leave(STOPPED) from None
    except BrokenPipeError:
        # The reader of our output has gone (`femsim schema | head`); keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise leave(INTERNAL_ERROR) from None
    except Exception as error:
        if debug or type(error).__name__ == "Exit":
            raise
        log = error_log()
        place = f"details are in {log}"
        try:
            log.write_text(traceback.format_exc(), encoding="utf-8")
        except OSError as why:
            place = f"the details could not be written to {log} ({why.strerror})"
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        say(f"femsim: unexpected error ({what}); {place}; `femsim --debug ...` shows them", sys.stderr)
        raise leave(INTERNAL_ERROR) from None
