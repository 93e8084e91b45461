"""Run the tasks of a study: local processes, dask workers or a Slurm array; the manifest is the same for all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from femsim.errors import FemsimError, InputError, Stopped
from femsim.study.folder import StudyFolder
from femsim.study.manifest import MOST_ATTEMPTS, Manifest

LOOK_SECONDS = 0.5
"""Between two looks at the workers."""
STOP_SECONDS = 120.0
"""A worker that was asked to stop ends its step or its factorisation first; after this long it is ended."""
MOST_DEATHS = 10
"""Deaths without any progress, beyond those that points may cause, after which the study gives up: something is wrong
with the machine and not with a point."""
MOST_CALLS = 5_000
"""Calls handed to dask at a time."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Read by the numerical libraries when they are loaded."""

Progress = Callable[[int, int, int], None]
"""``(finished, all, failed)`` points."""


class Engine(Protocol):
    """What keeps workers at a study's tasks."""

    def tend(self) -> None:
        """Start workers that are missing; called again and again."""

    def stop(self) -> None:
        """End every worker."""


def run_tasks(
    folder: StudyFolder, engine: Engine, progress: Progress, should_stop: Callable[[], bool] = lambda: False
) -> None:
    """Keep an engine going until every task is finished.

    Raises
    ------
    Stopped
        A stop was asked for; what was running is queued again by the next ``--resume``.
    """
    manifest = folder.manifest
    try:
        while manifest.open_tasks():
            if should_stop():
                raise Stopped("the study was stopped; continue with --resume")
            manifest.recover()
            manifest.requeue_stopped()  # by somebody else than this study's user: a time limit, another study's end
            engine.tend()
            progress(*standing(manifest))
            time.sleep(LOOK_SECONDS)
        progress(*standing(manifest))
    finally:
        engine.stop()


def standing(manifest: Manifest) -> tuple[int, int, int]:
    """Finished points, all points, failed points."""
    counts = manifest.counts()
    failed = counts.get("failed", 0)
    return counts.get("done", 0) + failed, sum(counts.values()), failed


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class LocalPool:
    """Worker processes on this machine.

    Attributes
    ----------
    folder : StudyFolder
    workers : int
    threads : int, optional
        Of the numerical libraries in each; by default all workers together fill the cores and no more.
    """

    folder: StudyFolder
    workers: int
    threads: int | None = None
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _died: int = 0
    _finished: int = -1

    def tend(self) -> None:
        """Replace workers that have ended while tasks are queued."""
        finished = sum(self.folder.manifest.finished().values())
        if finished != self._finished:
            self._finished, self._died = finished, 0
        self._died += sum(1 for one in self._running if one.poll() not in (None, 0))
        self._running = [one for one in self._running if one.poll() is None]
        if self._died > MOST_DEATHS + MOST_ATTEMPTS * self.workers:
            raise FemsimError(
                f"{self._died} workers have died and nothing was finished; the last one said: {self._last_words()!r} "
                f"({self.folder.path / 'logs'} holds the rest)"
            )
        queued = self.folder.manifest.open_tasks().get("queued", 0)
        for _ in range(min(self.workers - len(self._running), queued)):
            self._running.append(self._start())

    def _start(self) -> subprocess.Popen[bytes]:
        threads = self.threads or max(cores() // self.workers, 1)
        command = [sys.executable, "-m", "femsim.study.worker", str(self.folder.path), "--parent", str(os.getpid())]
        log = self.folder.path / "logs" / f"worker-{time.time_ns()}.log"
        with log.open("wb") as stream:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment(threads),
                start_new_session=True,  # Ctrl-C reaches the study, which asks its workers to stop
            )

    def _last_words(self) -> str:
        logs = sorted((self.folder.path / "logs").glob("worker-*.log"))
        lines = [line for log in logs for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
        return lines[-1] if lines else "nothing"

    def stop(self) -> None:
        """Ask every worker to stop at its next safe point, then end it."""
        for one in self._running:
            with suppress(OSError):
                one.terminate()
        end = time.monotonic() + STOP_SECONDS
        for one in self._running:
            try:
                one.wait(max(end - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()


def environment(threads: int) -> dict[str, str]:
    """Environment of a worker: it finds this femsim, installed or not, and its libraries start so many threads."""
    home = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([home, known]) if known else home
    return {**os.environ, "PYTHONPATH": path, **dict.fromkeys(THREADS, str(threads))}


@dataclass
class DaskEngine:
    """Workers of a dask.distributed cluster that is already running; each does one point at a time.

    Attributes
    ----------
    folder : StudyFolder
        On a file system that every worker sees under the same path.
    address : str
        Of the scheduler, or the path of its scheduler file.
    """

    folder: StudyFolder
    address: str

    def __post_init__(self) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise InputError("--dask needs dask.distributed: pip install 'femsim[cluster]'") from error
        is_file = self.address.endswith(".json")
        try:
            self._client = Client(
                **({"scheduler_file": self.address} if is_file else {"address": self.address}), timeout="30s"
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(f"--dask {self.address}: no scheduler answers there ({error})") from error
        self._futures: list = []

    def tend(self) -> None:
        """Submit one call per queued task; dask gives the calls of a lost worker to another one."""
        from femsim.study.worker import take_one

        for one in self._futures:
            # A worker that was killed with several calls in a row is dask's KilledWorker; the manifest counts those.
            if one.status == "error" and type(one.exception()).__name__ != "KilledWorker":
                raise FemsimError(f"--dask {self.address}: a worker cannot take part ({one.exception()})")
        self._futures = [one for one in self._futures if not one.done()]
        wanted = min(self.folder.manifest.open_tasks().get("queued", 0), MOST_CALLS)
        try:
            for _ in range(wanted - len(self._futures)):
                self._futures.append(self._client.submit(take_one, str(self.folder.path), pure=False))
        except OSError as error:
            raise FemsimError(
                f"--dask {self.address}: the scheduler is gone ({error}); continue with --resume"
            ) from error

    def stop(self) -> None:
        """Take back what has not begun; a point that runs on a worker is left to end there."""
        with suppress(Exception):  # the scheduler may be gone, which is what a stop is often about
            self._client.cancel(self._futures)
        self._client.close()
