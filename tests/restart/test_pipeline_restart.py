"""Real processes that are killed, interrupted and resumed: the end is the same to the bit."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pipeline_models import EARLY, ROOT, bench_values, session_cache, workspace
from ruamel.yaml import YAML

SEED = 20261123
PATIENCE = 600
"""Seconds after which a process that should have got somewhere counts as hanging."""

TABLES = ("screws.csv", "timeline.csv", "patches.csv", "hardware.csv", "tissue.csv", "plan.csv")
# Screws loosen in irradiated bone after a few days and a hundred steps: events, stumps lost, many checkpoints.
VALUES = bench_values(force=180.0, dose=60.0, years=0.06, criteria=EARLY)


def scenario_file(folder: Path, values: dict[str, Any] = VALUES) -> Path:
    path = folder / "bench.yaml"
    with path.open("w", encoding="utf-8") as stream:
        YAML(typ="safe").dump(values, stream)
    return path


class Run:
    """A ``femsim run`` in a process of its own."""

    def __init__(self, scenario: Path, output: Path, *options: str, largest_file: int | None = None) -> None:
        command = [sys.executable, "-m", "femsim", "run", str(scenario), "--output", str(output), *options]
        self.output = output
        with session_cache() as environment:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                preexec_fn=None if largest_file is None else lambda: limit_files(largest_file),
            )

    @property
    def folder(self) -> Path:
        (found,) = self.output.glob("bench-*")
        return found

    def checkpoints(self) -> int:
        """Number of the newest checkpoint."""
        numbers = [int(path.stem) for path in self.output.glob("bench-*/checkpoints/[0-9]*.npz")]
        return max(numbers, default=0)

    def wait_for(self, happened: Callable[[], bool]) -> bool:
        """Wait for something, or for the end of the process; tell whether it is still there."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return False
            if happened():
                return True
            time.sleep(0.02)
        self.end(signal.SIGKILL)
        raise AssertionError("the run hangs")

    def end(self, number: signal.Signals | None = None) -> tuple[int, str]:
        """Send a signal, if any, and wait; exit code and everything printed."""
        if number is not None:
            os.kill(self.process.pid, number)
        text, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, text


def limit_files(largest: int) -> None:
    """Let no file of this process grow beyond so many bytes: writing then fails as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))


def record(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return content


@cache
def uninterrupted() -> tuple[Path, float]:
    """Folder of a run that nobody disturbed, and how long it took [s]; its mesh is in the cache afterwards."""
    folder = workspace() / "uninterrupted"
    folder.mkdir()
    # The first process also makes the mesh; the second one's time is that of the runs which are killed.
    start = time.monotonic()
    run = Run(scenario_file(folder), folder / "runs")
    code, text = run.end()
    assert code == 0, text
    return run.folder, time.monotonic() - start


def assert_same_end(found: Path) -> None:
    expected, _ = uninterrupted()
    for name in TABLES:
        assert (found / name).read_bytes() == (expected / name).read_bytes(), name
    first, second = record(expected), record(found)
    for key in ("status", "events", "screws", "day", "ending", "evolution", "checks", "hardware", "reactions_n"):
        assert second[key] == first[key], key
    assert second["status"] == "complete"
    assert second["events"]


def killed_and_resumed(tmp_path: Path, kills: int, seed: int) -> int:
    """Kill one run again and again at random moments, then let it end; returns how many kills hit it."""
    dice = random.Random(seed)
    _, seconds = uninterrupted()
    scenario, output = scenario_file(tmp_path), tmp_path / "runs"
    hits = 0
    for number in range(kills):
        resumable = any(output.glob("bench-*/run.json"))
        run = Run(scenario, output, *(["--resume"] if resumable else []))
        # Every third moment is any at all; the others are shortly after some of the next checkpoints.
        wanted = run.checkpoints() + dice.randint(1, 4)
        if number % 3 == 0:
            moment = time.monotonic() + dice.uniform(0.1, 0.9) * seconds
            alive = run.wait_for(lambda moment=moment: time.monotonic() > moment)
        else:
            alive = run.wait_for(lambda wanted=wanted, run=run: run.checkpoints() >= wanted)
            time.sleep(dice.uniform(0.0, 0.5))
        code, text = run.end(signal.SIGKILL if alive and run.process.poll() is None else None)
        if code == 0:  # it was faster than the dice
            return hits
        assert code == -signal.SIGKILL, text
        if any(output.glob("bench-*/run.json")) and record(run.folder)["status"] == "complete":  # only the page was due
            return hits + 1
        hits += 1
    run = Run(scenario, output, *(["--resume"] if any(output.glob("bench-*/run.json")) else []))
    code, text = run.end()
    assert code == 0, text
    return hits


def test_killed_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    """A run killed outright three times and resumed ends with the very tables and events of an undisturbed one."""
    assert killed_and_resumed(tmp_path, 3, SEED) >= 1
    (folder,) = (tmp_path / "runs").glob("bench-*")
    assert_same_end(folder)


@pytest.mark.slow
def test_run_killed_twenty_times(tmp_path: Path) -> None:
    """Twenty kills at random moments, spread over several runs where one ends early, change no bit of the end."""
    hits, attempt = 0, 0
    while hits < 20:
        attempt += 1
        place = tmp_path / f"run-{attempt}"
        place.mkdir()
        hits += killed_and_resumed(place, 20 - hits, SEED + attempt)
        (folder,) = (place / "runs").glob("bench-*")
        assert_same_end(folder)
        assert attempt < 20, "the runs end before they can be killed"


def test_interrupt_stops_cleanly_and_changed_scenario_is_refused(tmp_path: Path) -> None:
    """Ctrl-C ends with code 4 and a page; a changed scenario is refused (code 2); the same one resumes to the bit."""
    scenario, output = scenario_file(tmp_path), tmp_path / "runs"
    run = Run(scenario, output)
    assert run.wait_for(lambda: run.checkpoints() >= 3)
    code, text = run.end(signal.SIGINT)
    assert code == 4, text
    assert "--resume" in text
    assert "Traceback" not in text
    stopped = record(run.folder)
    assert stopped["status"] == "stopped"
    assert "stopped on day" in stopped["reason"]
    assert "This run is not complete" in (run.folder / "report.html").read_text(encoding="utf-8")
    assert (run.folder / "timeline.csv").is_file()

    scenario_file(tmp_path, bench_values(force=170.0, dose=60.0, years=0.06, criteria=EARLY))
    code, text = Run(scenario, output, "--resume").end()
    assert code == 2, text
    assert "the scenario has changed since" in text
    assert "Traceback" not in text
    assert record(run.folder) == stopped

    scenario_file(tmp_path)
    code, text = Run(scenario, output, "--resume").end()
    assert code == 0, text
    assert_same_end(run.folder)
    code, text = Run(scenario, output, "--resume").end()
    assert code == 2
    assert "is complete" in text


def test_full_disk_leaves_a_usable_folder(tmp_path: Path) -> None:
    """Where a file no longer fits, the run says so and ends; with room again it resumes to the same bits."""
    expected, _ = uninterrupted()
    room = (expected / "operator.npz").stat().st_size // 2  # enough for all that comes before
    scenario, output = scenario_file(tmp_path), tmp_path / "runs"
    run = Run(scenario, output, largest_file=room)
    code, text = run.end()
    assert code == 1, text
    assert "could not be written" in text
    assert "Traceback" not in text
    assert record(run.folder)["status"] == "failed"
    assert "free space" in record(run.folder)["reason"]
    assert not list(run.folder.rglob(".part-*"))
    code, text = Run(scenario, output, "--resume").end()
    assert code == 0, text
    assert_same_end(run.folder)
