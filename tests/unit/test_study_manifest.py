"""The manifest: no task is run twice, none is lost, and a dead worker's task is taken again."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

from femsim.study.manifest import MOST_ATTEMPTS, Claim, Manifest, Task, identity, is_gone

TASKS = [Task("mesh-a", "mesh"), Task("operator-b", "operator", "mesh-a")]
TASKS += [Task(f"{number:06d}", "point", "operator-b") for number in range(1, 41)]


def made(folder: Path, tasks: list[Task] = TASKS, lease: float = 120.0) -> Manifest:
    manifest = Manifest(folder / "manifest.sqlite", lease)
    manifest.create(tasks, {"hash": "0"})
    return manifest


def ready(folder: Path, **options: float) -> Manifest:
    """Manifest with mesh and operator done."""
    manifest = made(folder, **options)
    for _ in range(2):
        manifest.finish(claimed(manifest), "done", seconds=1.0, made=True)
    return manifest


def claimed(manifest: Manifest) -> Claim:
    claim = manifest.claim()
    assert claim is not None
    return claim


def take_all(path: str, queue: multiprocessing.Queue) -> None:
    manifest, found = Manifest(Path(path)), []
    while (claim := manifest.claim()) is not None:
        found.append(claim.name)
        manifest.finish(claim, "done", seconds=0.0, made=True)
    queue.put(found)


def test_tasks_wait_for_what_they_need(tmp_path):
    """Points are claimed only after their operator, the operator after its mesh."""
    manifest = made(tmp_path)
    mesh = claimed(manifest)
    assert (mesh.name, manifest.claim()) == ("mesh-a", None)
    manifest.finish(mesh, "done")
    operator = claimed(manifest)
    assert (operator.name, manifest.claim()) == ("operator-b", None)
    manifest.finish(operator, "done")
    assert claimed(manifest).name == "000001"


def test_processes_never_claim_a_task_twice(tmp_path):
    """Four processes empty the queue together; every point is taken exactly once."""
    manifest = ready(tmp_path)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=take_all, args=(str(manifest.path), queue)) for _ in range(4)]
    for worker in workers:
        worker.start()
    found = [name for _ in workers for name in queue.get(timeout=60)]
    for worker in workers:
        worker.join()
    assert sorted(found) == [task.name for task in TASKS[2:]]


def test_failure_takes_its_dependants_along_and_stops_nothing_else(tmp_path):
    """A mesh that cannot be made fails its points with its reason; another design goes on."""
    manifest = made(tmp_path, [*TASKS[:3], Task("mesh-c", "mesh")])
    manifest.finish(claimed(manifest), "failed", "the plate leaves the bone")
    assert manifest.states()["000001"] == ("failed", "the plate leaves the bone")
    assert claimed(manifest).name == "mesh-c"


def test_a_silent_worker_elsewhere_loses_its_task_after_the_lease(tmp_path):
    """A heartbeat that stands still by our own clock frees the task; the old owner can no longer end it."""
    manifest = ready(tmp_path, lease=0.2)
    claim = claimed(manifest)
    foreign = Claim(claim.name, claim.kind, claim.needs, claim.attempt, "elsewhere/1/1/x")
    with manifest._change() as connection:
        connection.execute("UPDATE tasks SET owner=? WHERE name=?", (foreign.owner, foreign.name))
    assert manifest.recover() == 0
    time.sleep(0.15)
    assert manifest.beat(foreign)
    assert manifest.recover() == 0  # it has moved since
    time.sleep(0.3)
    assert manifest.recover() == 1
    assert not manifest.finish(foreign, "done")
    assert claimed(manifest).attempt == 2


def test_a_killed_process_on_this_machine_is_noticed_at_once(tmp_path):
    """No lease has to pass when the owner's process is gone, and a recycled process number does not deceive."""
    code = "from femsim.study.manifest import identity; print(identity())"
    gone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert is_gone(f"{gone}/x")
    assert not is_gone(f"{identity()}/x")
    host, pid, began = identity().split("/")
    assert is_gone(f"{host}/{pid}/{int(began) - 1}/x")
    assert not is_gone("elsewhere/1/1/x")


def test_a_task_that_kills_its_workers_is_failed(tmp_path):
    """After so many deaths it counts as failed, so that a study ends."""
    manifest = ready(tmp_path)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        claim = claimed(manifest)
        assert (claim.name, claim.attempt) == ("000001", attempt)
        with manifest._change() as connection:
            owner = identity().replace(f"/{os.getpid()}/", "/999999999/") + "/x"
            connection.execute("UPDATE tasks SET owner=? WHERE name=?", (owner, claim.name))
        assert manifest.recover() == 1
    status, reason = manifest.states()["000001"]
    assert status == "failed"
    assert f"died {MOST_ATTEMPTS} times" in reason


def test_what_a_stop_has_interrupted_is_queued_again(tmp_path):
    """Stopped is not finished."""
    manifest = ready(tmp_path)
    manifest.finish(claimed(manifest), "stopped")
    assert manifest.open_tasks()["stopped"] == 1
    manifest.requeue_stopped()
    assert claimed(manifest).name == "000001"
