"""Studies on a dask cluster whose worker is killed, and on a real Slurm of one node; slow: both must be started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_models import session_cache
from study_models import ONE_THREAD, comparable, read_study_table
from test_study_restart import POINTS, study_in, undisturbed

from femsim.study.command import Where, run_study

pytestmark = pytest.mark.slow
SLURM_SCRIPT = Path(__file__).resolve().parents[1] / "one_node_slurm.sh"


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    with session_cache() as found:
        yield found


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_dask_goes_on_when_a_worker_is_killed(tmp_path, environment, monkeypatch):
    """LocalCluster with two worker processes; one is killed while points run; the table is the undisturbed one."""
    distributed = pytest.importorskip("distributed")
    expected = undisturbed()
    for name, value in {**environment, **ONE_THREAD}.items():
        monkeypatch.setenv(name, value)
    file, runs, killed = study_in(tmp_path / "file"), tmp_path / "runs", []

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:

        def kill_once(finished_points: int, total: int, failed: int) -> None:
            if finished_points >= 2 and not killed:
                victim = next(iter(cluster.workers.values()))
                killed.append(victim.process.pid)
                os.kill(killed[0], signal.SIGKILL)

        found = run_study(file, Where(dask=cluster.scheduler_address), runs, progress=kill_once)
    assert killed
    rows = read_study_table(found.folder)
    assert len(rows) == POINTS
    assert comparable(rows) == comparable(expected)


def test_unreachable_dask_is_one_sentence(tmp_path, environment):
    """No scheduler at the address: refused, nothing run."""
    pytest.importorskip("distributed")
    from femsim.errors import InputError

    with pytest.raises(InputError, match="no scheduler answers"):
        run_study(study_in(tmp_path / "file"), Where(dask="tcp://127.0.0.1:9"), tmp_path / "runs")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A Slurm of one node on the loopback; yields the environment that its commands need."""
    if os.geteuid() != 0:
        pytest.skip("starting munge and Slurm needs root")
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: slurm-wlm, munge)")
    place = tmp_path_factory.mktemp("slurm")
    begun = subprocess.run(["sh", str(SLURM_SCRIPT), "start", str(place)], capture_output=True, text=True, timeout=120)
    if begun.returncode != 0:
        subprocess.run(["sh", str(SLURM_SCRIPT), "stop", str(place)], capture_output=True, timeout=60)
        pytest.skip(f"Slurm does not start here: {' '.join((begun.stdout + begun.stderr).split())[-300:]}")
    yield {"SLURM_CONF": str(place / "slurm.conf")}
    subprocess.run(["sh", str(SLURM_SCRIPT), "stop", str(place)], capture_output=True, timeout=60)


def test_slurm_array_runs_a_study(tmp_path, environment, slurm, monkeypatch):
    """An array of two jobs on a real controller, one of them killed, ends with the undisturbed table."""
    expected = undisturbed()
    for name, value in {**environment, **slurm}.items():
        monkeypatch.setenv(name, value)
    file, runs, cancelled = study_in(tmp_path / "file"), tmp_path / "runs", []

    def lose_one_job(finished_points: int, total: int, failed: int) -> None:
        if finished_points >= 1 and not cancelled:
            jobs = subprocess.run(
                ["squeue", "-h", "-r", "-t", "R", "-o", "%i"], capture_output=True, text=True, check=True
            ).stdout.split()
            if jobs:
                cancelled.append(jobs[0])
                subprocess.run(["scancel", "--signal=KILL", jobs[0]], check=True)

    found = run_study(file, Where(workers=2, slurm="--time=10"), runs, progress=lose_one_job)
    assert cancelled
    assert comparable(read_study_table(found.folder)) == comparable(expected)
    script = (found.folder / "slurm.sh").read_text(encoding="utf-8")
    assert "femsim.study.worker" in script
    assert list((found.folder / "logs").glob("slurm-*.log"))


def test_slurm_refuses_bad_options_with_its_own_words(tmp_path, environment, slurm, monkeypatch):
    """What sbatch says about an unknown partition reaches the user."""
    from femsim.errors import InputError

    for name, value in {**environment, **slurm}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=r"sbatch: .*partition"):
        run_study(study_in(tmp_path / "file"), Where(workers=1, slurm="--partition=nowhere"), tmp_path / "runs")
