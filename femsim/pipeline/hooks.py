"""How a pipeline talks to whoever started it, and stops when asked; nothing in the package prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from femsim.errors import Stopped


def _nothing(*arguments: Any) -> None:
    """Default hook."""


@dataclass(frozen=True)
class Hooks:
    """How a pipeline talks to whoever started it; nothing in the package prints.

    Attributes
    ----------
    stage : callable
        ``(name)`` when a stage begins.
    progress : callable
        ``(name, fraction or None)`` while it runs.
    note : callable
        ``(sentence)`` for the person who waits.
    should_stop : callable
        Polled; True asks for a clean stop.
    """

    stage: Callable[[str], None] = _nothing
    progress: Callable[[str, float | None], None] = _nothing
    note: Callable[[str], None] = _nothing
    should_stop: Callable[[], bool] = lambda: False
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str, *, stoppable: bool = True) -> Iterator[Callable[[float | None], None]]:
        """Announce a stage, time it, and stop before it when a stop was asked for and the stage is ``stoppable``."""
        if stoppable and self.should_stop():
            raise Stopped(f"stopped before {name}; continue with --resume")
        self.stage(name)
        start = time.perf_counter()
        try:
            yield lambda fraction: self.progress(name, fraction)
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start
