"""A worker process: takes tasks of a study one after the other until none is left. Run as a module by the engines.

python -m femsim.study.worker FOLDER [--parent PID]
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from femsim.errors import FemsimError
from femsim.study.folder import StudyFolder
from femsim.study.manifest import Claim
from femsim.study.point import Workshop

SHORTEST_WAIT, LONGEST_WAIT = 0.1, 5.0
"""Seconds between two looks for work while a mesh or operator is being made elsewhere; the wait doubles."""

_one_at_a_time = threading.Lock()
_workshops: dict[Path, Workshop] = {}


def work(folder: StudyFolder, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Take tasks until none is queued or a stop is asked for; return how many were done.

    Tasks that other workers still run are left to them.
    """
    workshop, prefer, wait, count = Workshop(folder, should_stop), "", SHORTEST_WAIT, 0
    while not should_stop():
        claim = folder.manifest.claim(prefer)
        if claim is None:
            if not folder.manifest.recover() and not folder.manifest.open_tasks().get("queued"):
                break
            time.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2.0 * wait, LONGEST_WAIT)
            continue
        wait, prefer = SHORTEST_WAIT, claim.needs if claim.kind in ("point", "check") else ""
        workshop.do(claim)
        count += 1
    return count


def take_one(folder: str) -> str:
    """Claim and do one task, for engines that hand out tasks themselves; return its name, or nothing.

    While a mesh or an operator that everything waits for is made elsewhere, this waits with it.
    """
    with _one_at_a_time:  # a worker with several threads runs points one after the other: they share caches
        path = Path(folder)
        if path not in _workshops:
            _workshops[path] = Workshop(StudyFolder.open(path))
        workshop = _workshops[path]
        claim: Claim | None = None
        while claim is None:
            claim = workshop.manifest.claim()
            if claim is None:
                if not workshop.manifest.recover() and not workshop.manifest.open_tasks().get("queued"):
                    return ""
                time.sleep(random.uniform(SHORTEST_WAIT, 1.0))
        workshop.do(claim)
        return claim.name


class _Stop:
    """Asks to stop after a termination signal, or when the process that started this worker is gone."""

    def __init__(self, parent: int | None) -> None:
        self._parent, self._asked = parent, False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def __call__(self) -> bool:
        return self._asked or (self._parent is not None and os.getppid() != self._parent)

    def _on_signal(self, *_: object) -> None:
        self._asked = True


def main() -> None:
    """Run a worker."""
    parser = argparse.ArgumentParser(description="Take tasks of a study until none is left.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parent", type=int, help="stop when this process is gone")
    arguments = parser.parse_args()
    stop = _Stop(arguments.parent)
    try:
        work(StudyFolder.open(arguments.folder), stop)
    except FemsimError as error:
        raise SystemExit(" ".join(str(error).split())) from None


if __name__ == "__main__":
    main()
