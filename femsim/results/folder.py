"""The folder of one run: created once, never overwritten, resumable from its newest whole checkpoint."""

from __future__ import annotations

import json
import re
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from femsim.durable import append_line, read_npz, write_json, write_npz
from femsim.errors import InputError

FORMAT_VERSION = 1
KEPT_CHECKPOINTS = 3
"""Newest checkpoints kept: one may be torn by a dying disk, and one more is for peace of mind."""


@dataclass(frozen=True)
class RunFolder:
    """Folder of one run.

    Attributes
    ----------
    path : Path
        ``runs/<name>-<hash8>`` (``-2``, ``-3``, ... when that run exists already).
    """

    path: Path

    @classmethod
    def create(cls, runs: Path, name: str, hash8: str) -> RunFolder:
        """Make a new, empty folder; an existing one is never touched."""
        path = new_folder(runs, f"{slug(name)}-{hash8}")
        (path / "checkpoints").mkdir()
        (path / "pictures").mkdir()
        return cls(path)

    @classmethod
    def completed(cls, runs: Path, hash8: str) -> RunFolder | None:
        """Find the newest complete run of exactly this scenario; None when there is none."""
        found = []
        for item in runs.glob(f"*-{hash8}*/run.json"):
            try:
                record = cls(item.parent).record()
            except InputError:
                continue  # a damaged record is of no complete run
            if record.get("hash") == hash8 and record.get("status") == "complete":
                found.append(item)
        return cls(max(found, key=lambda item: item.stat().st_mtime).parent) if found else None

    @classmethod
    def resumable(cls, runs: Path, name: str, hash8: str, inputs: Mapping[str, str] | None = None) -> RunFolder:
        """Find the newest unfinished run of exactly this scenario.

        Parameters
        ----------
        inputs : mapping of str to str, optional
            Every key and value of the scenario, to say what has changed when none fits.

        Raises
        ------
        InputError
            No such run; the message says whether the scenario has changed since.
        """
        stem = slug(name)
        own = re.compile(re.escape(stem) + r"-[0-9a-f]{8}(-\d+)?")
        known = [item for item in runs.glob(f"{stem}-*/run.json") if own.fullmatch(item.parent.name)]
        known.sort(key=lambda item: item.stat().st_mtime, reverse=True)
        states = [(cls(item.parent), cls(item.parent).record()) for item in known]
        for folder, record in states:
            if record.get("hash") == hash8 and record.get("status") != "complete":
                return folder
        if any(record.get("hash") == hash8 for _, record in states):
            raise InputError(f"{runs}: the run {stem}-{hash8} is complete; run it again without --resume for a new one")
        unfinished = [(folder.path.name, record) for folder, record in states if record.get("status") != "complete"]
        if unfinished:
            started, record = unfinished[0]
            raise InputError(
                f"{runs}: the scenario has changed since {started} was started{_changes(record, inputs)}; "
                "restore the scenario to resume it, or run the new one without --resume"
            )
        raise InputError(f"{runs}: no unfinished run of {stem!r} to resume; run it without --resume")

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def record(self) -> dict[str, Any]:
        """Content of ``run.json`` (empty when it does not exist yet)."""
        path = self.path / "run.json"
        if not path.is_file():
            return {}
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: the record of the run cannot be read ({error}); it may be damaged") from error
        if not isinstance(content, dict) or content.get("kind") != "femsim run":
            raise InputError(f"{path}: this is not the record of a femsim run")
        return content

    def write_record(self, content: Mapping[str, Any]) -> None:
        """Write ``run.json``."""
        write_json(self.path / "run.json", {"kind": "femsim run", "format": FORMAT_VERSION, **content})

    def log(self, event: str, **details: Any) -> None:
        """Append an event with the time of day to ``log.jsonl``."""
        append_line(self.path / "log.jsonl", {"time": time.strftime("%Y-%m-%dT%H:%M:%S"), "event": event, **details})

    def save_checkpoint(self, arrays: Mapping[str, np.ndarray], hash8: str) -> None:
        """Write the next numbered checkpoint and drop all but the newest few."""
        folder = self.path / "checkpoints"
        numbers = [int(item.stem) for item in folder.glob("[0-9]*.npz")]
        number = max(numbers, default=0) + 1
        header = {"kind": np.array("femsim checkpoint"), "format": np.array(FORMAT_VERSION), "hash": np.array(hash8)}
        write_npz(folder / f"{number:06d}.npz", {**header, **arrays})
        for old in sorted(numbers)[: -(KEPT_CHECKPOINTS - 1)]:
            (folder / f"{old:06d}.npz").unlink(missing_ok=True)

    def load_checkpoint(self, hash8: str) -> dict[str, np.ndarray] | None:
        """Read the newest whole checkpoint, or None when there is none.

        Raises
        ------
        InputError
            The checkpoint belongs to another scenario.
        """
        for path in sorted((self.path / "checkpoints").glob("[0-9]*.npz"), reverse=True):
            try:
                stored = read_npz(path)
            except (OSError, ValueError, zipfile.BadZipFile, EOFError):
                self.log("damaged checkpoint skipped", file=path.name)
                continue
            if str(stored.pop("hash")) != hash8 or int(stored.pop("format")) != FORMAT_VERSION:
                raise InputError(f"{path}: this checkpoint is of another scenario or version; run without --resume")
            stored.pop("kind")
            return stored
        return None


def new_folder(parent: Path, stem: str) -> Path:
    """Make a new, empty folder ``stem`` (``stem-2``, ``stem-3``, ...); an existing one is never touched.

    Raises
    ------
    InputError
        It cannot be made here.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, 10_000):
            path = parent / (stem if attempt == 1 else f"{stem}-{attempt}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return path
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"{parent}: no run folder can be made here ({why}); choose another --output") from error
    raise InputError(f"{parent}: ten thousand runs named {stem} exist already; clean up or choose another --output")


def open_run(path: str | Path) -> RunFolder:
    """Open an existing run folder for reading.

    Raises
    ------
    InputError
        The path is no run folder.
    """
    folder = RunFolder(Path(path))
    if not folder.path.is_dir() or not (folder.path / "run.json").is_file():
        raise InputError(f"{path}: no run folder there (no run.json); give the folder that `femsim run` printed")
    folder.record()
    return folder


def _changes(record: Mapping[str, Any], inputs: Mapping[str, str] | None) -> str:
    """Spell the first values in which a scenario differs from the inputs of an earlier run."""
    before = {one["key"]: one["value"] for one in record.get("inputs", [])}
    if inputs is None or not before:
        return ""
    keys = [key for key in {**before, **inputs} if before.get(key) != inputs.get(key)]
    told = [f"{key} was {before.get(key, 'absent')}, is {inputs.get(key, 'absent')}" for key in keys[:3]]
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return f": {', '.join(told)}{more}" if told else ""


def slug(name: str) -> str:
    """Turn a scenario's file name into a folder name."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")
    return cleaned[:60] or "run"
