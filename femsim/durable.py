"""Durable writing: every file appears whole or not at all (temporary file, fsync, rename)."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from femsim.errors import FemsimError


def write_via(path: Path, writer: Callable[[Path], object]) -> None:
    """Let ``writer`` fill a temporary file beside ``path``, flush it to disk and rename it into place.

    The temporary file keeps the suffix, because several writers choose the format by it.

    Raises
    ------
    FemsimError
        The disk is full or the folder cannot be written; nothing is left behind and an older file stays whole.
    """
    handle, name = tempfile.mkstemp(prefix=".part-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        writer(part)
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.chmod(0o644)
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        why = error.strerror or error
        raise FemsimError(f"{path}: could not be written ({why}); free space or choose another folder") from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # other systems cannot open a folder for fsync
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes durably."""
    write_via(path, lambda part: part.write_bytes(content))


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text durably."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON durably; NumPy scalars and arrays become numbers and lists, NaN becomes null."""
    write_text(path, json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_npz(path: Path, arrays: Mapping[str, np.ndarray], *, compress: bool = False) -> None:
    """Write arrays durably as ``.npz``; object arrays are refused, so no pickle is ever made."""
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise TypeError(f"array {name!r} holds Python objects and cannot be stored")
    save = np.savez_compressed if compress else np.savez
    # numpy's stub types the keywords as the allow_pickle flag
    write_via(path, lambda part: save(part, **{k: np.asarray(v) for k, v in arrays.items()}))  # type: ignore[arg-type]


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read every array of an ``.npz`` without allowing pickles."""
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV durably; the columns are those of the first row."""
    stream = io.StringIO()
    if rows:
        table = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    write_text(path, stream.getvalue())


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append one JSON line and flush it; used for the log of a run."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(_plain(record), ensure_ascii=False, allow_nan=False) + "\n")


def _cell(value: Any) -> Any:
    plain = _plain(value)
    return "" if plain is None else plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value
