"""What ``femsim study`` calls: find or make the folder, keep workers at it, write what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from femsim.errors import InputError
from femsim.study.execute import DaskEngine, Engine, LocalPool, Progress, cores, run_tasks
from femsim.study.finish import Finished, estimate, finish_study
from femsim.study.folder import StudyFolder
from femsim.study.load import load_study
from femsim.study.plan import StudyPlan, plan_study
from femsim.study.slurm import SlurmArray


@dataclass(frozen=True)
class Where:
    """Where the points run: local processes unless an address or Slurm options are given."""

    workers: int | None = None
    dask: str | None = None
    slurm: str | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise InputError(f"--workers {self.workers}: at least one worker is needed")
        if self.dask is not None and self.slurm is not None:
            raise InputError("--dask and --slurm exclude each other; give one")
        if self.slurm is not None and self.workers is None:
            raise InputError("--slurm needs --workers: how many jobs the array has")

    @property
    def count(self) -> int:
        """Workers, by default one per core."""
        return self.workers or cores()

    def engine(self, folder: StudyFolder) -> Engine:
        """Make the engine of a study."""
        if self.dask is not None:
            return DaskEngine(folder, self.dask)
        if self.slurm is not None:
            return SlurmArray(folder, self.count, self.slurm)
        return LocalPool(folder, self.count)


def opened(source: Path, runs: Path, resume: bool) -> tuple[StudyFolder, StudyPlan]:
    """Folder and plan of a study file (a new folder, or with ``resume`` its newest) or of a study folder."""
    if source.is_dir():
        folder = StudyFolder.open(source)
        return folder, folder.plan()
    plan = plan_study(load_study(source))
    folder = StudyFolder.find(runs, plan) if resume else StudyFolder.create(runs, plan)
    return folder, plan


def planned(source: Path, where: Where) -> list[str]:
    """Lines of ``--dry-run``; nothing is made."""
    plan = StudyFolder.open(source).plan() if source.is_dir() else plan_study(load_study(source))
    return estimate(plan, where.count)


def run_study(
    source: Path,
    where: Where,
    runs: Path = Path("runs"),
    resume: bool = False,
    progress: Progress = lambda finished, total, failed: None,
    begun: Callable[[Path], None] = lambda folder: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Finished:
    """Run a study to its end.

    Parameters
    ----------
    source : Path
        Study file, or the folder of a study that has begun.
    where : Where
    runs : Path
        Where the folder of a new study is made.
    resume : bool
        Continue the newest study of exactly this file.
    progress, begun : callable
        For whoever waits; ``begun`` gets the folder.
    should_stop : callable
        Polled; True stops cleanly.

    Raises
    ------
    Stopped
        Stopped on demand; the table holds what is finished.
    """
    folder, plan = opened(source, runs, resume)
    begun(folder.path)
    folder.manifest.requeue_stopped()
    try:
        if folder.manifest.open_tasks():
            run_tasks(folder, where.engine(folder), progress, should_stop)
    finally:
        finished = finish_study(folder, plan)
    return finished
