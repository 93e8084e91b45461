"""Workers of a study as a Slurm job array."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field

from femsim.durable import write_text
from femsim.errors import FemsimError, InputError
from femsim.study.execute import THREADS, environment
from femsim.study.folder import StudyFolder

ASK_SECONDS = 5.0
"""Between two questions to Slurm's controller, which serves many users."""
MOST_ARRAYS = 50
"""Arrays submitted for one call: when so many have ended with work left, the jobs do not start properly."""


@dataclass
class SlurmArray:
    """One array of workers; another one follows when it has ended and tasks are left.

    Attributes
    ----------
    folder : StudyFolder
        On a file system that every node sees under the same path.
    workers : int
        Jobs in the array.
    options : str
        Options of ``sbatch``: partition, time, memory, account.
    threads : int
        Threads and processors of every job.
    """

    folder: StudyFolder
    workers: int
    options: str
    threads: int = 1
    _job: str = ""
    _asked: float = field(default=-ASK_SECONDS)
    _arrays: int = 0

    def __post_init__(self) -> None:
        if shutil.which("sbatch") is None:
            raise InputError("--slurm: there is no sbatch here; run this on a node from which Slurm jobs are submitted")

    def tend(self) -> None:
        """Submit an array when none is waiting or running and tasks are queued."""
        if time.monotonic() - self._asked < ASK_SECONDS:
            return
        self._asked = time.monotonic()
        queued = self.folder.manifest.open_tasks().get("queued", 0)
        if queued and not self._alive():
            if self._arrays >= MOST_ARRAYS:
                raise FemsimError(f"{MOST_ARRAYS} arrays have ended with work left; see {self.folder.path / 'logs'}")
            self._submit(min(self.workers, queued))

    def _submit(self, jobs: int) -> None:
        script = self.folder.path / "slurm.sh"
        write_text(script, self._script())
        log = self.folder.path / "logs" / "slurm-%A_%a.log"
        own = [
            f"--array=1-{jobs}",
            f"--cpus-per-task={self.threads}",
            f"--output={log}",
            "--job-name=femsim",
            "--requeue",
        ]
        found = _told(["sbatch", "--parsable", *own, *shlex.split(self.options), str(script)])
        self._job, self._arrays = found.strip().partition(";")[0], self._arrays + 1

    def _script(self) -> str:
        own = environment(self.threads)
        exported = [f"export {name}={shlex.quote(own[name])}" for name in ("PYTHONPATH", *THREADS)]
        command = [sys.executable, "-m", "femsim.study.worker", str(self.folder.path)]
        return "\n".join(["#!/bin/sh", *exported, f"exec {shlex.join(command)}", ""])

    def _alive(self) -> bool:
        """Whether a job of the array is waiting or running."""
        if not self._job:
            return False
        found = subprocess.run(["squeue", "-h", "-j", self._job, "-o", "%T"], capture_output=True, text=True)
        return found.returncode == 0 and bool(found.stdout.strip())

    def stop(self) -> None:
        """Cancel the array; its workers stop at their next safe point."""
        if self._job and self._alive():
            subprocess.run(["scancel", self._job], capture_output=True)


def _told(command: list[str]) -> str:
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode != 0:
        raise InputError(f"{command[0]}: {' '.join((found.stderr or found.stdout).split())}")
    return found.stdout
