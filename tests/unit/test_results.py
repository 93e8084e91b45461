"""Run folders: created once, durable files, newest whole checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from femsim import durable
from femsim.durable import read_npz
from femsim.errors import FemsimError, InputError
from femsim.results import RunFolder, open_run, write_json, write_npz, write_table


def test_second_run_of_the_same_scenario_gets_its_own_folder(tmp_path: Path) -> None:
    """A run never lands in the folder of an earlier one."""
    first = RunFolder.create(tmp_path, "My case.v1", "abcdef12")
    (first / "note").write_text("mine")
    second = RunFolder.create(tmp_path, "My case.v1", "abcdef12")
    assert first.path.name == "My-case.v1-abcdef12"
    assert second.path.name == "My-case.v1-abcdef12-2"
    assert (first / "note").read_text() == "mine"


def test_failed_write_leaves_the_older_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk raises one clear error, keeps the older file and leaves no torn one behind."""
    path = tmp_path / "run.json"
    write_json(path, {"a": 1})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(FemsimError, match="No space left"):
        write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [item.name for item in tmp_path.iterdir()] == ["run.json"]


def test_json_is_strict(tmp_path: Path) -> None:
    """NumPy values become numbers and not-a-number becomes null, so that every JSON reader can read it."""
    path = tmp_path / "x.json"
    write_json(path, {"a": np.float64(1.5), "b": np.array([1, 2]), "c": float("nan"), "d": (np.bool_(True),)})
    assert json.loads(path.read_text()) == {"a": 1.5, "b": [1, 2], "c": None, "d": [True]}


def test_tables_leave_unknown_cells_empty(tmp_path: Path) -> None:
    """NaN and None are empty cells, not words."""
    write_table(tmp_path / "t.csv", [{"a": 1, "b": float("nan")}, {"a": 2, "b": None}])
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,\n2,\n"


def test_objects_are_never_stored(tmp_path: Path) -> None:
    """No array that would need a pickle is written."""
    with pytest.raises(TypeError, match="Python objects"):
        write_npz(tmp_path / "x.npz", {"a": np.array([{}], dtype=object)})


def test_newest_whole_checkpoint_wins_and_old_ones_go(tmp_path: Path) -> None:
    """A torn newest checkpoint is skipped for the one before it, and only a few are kept."""
    folder = RunFolder.create(tmp_path, "case", "0" * 8)
    for number in range(5):
        folder.save_checkpoint({"day": np.array(float(number))}, "0" * 8)
    names = sorted(item.name for item in (folder / "checkpoints").iterdir())
    assert names == ["000003.npz", "000004.npz", "000005.npz"]
    newest = folder / "checkpoints" / "000005.npz"
    newest.write_bytes(newest.read_bytes()[:100])
    stored = folder.load_checkpoint("0" * 8)
    assert stored is not None
    assert float(stored["day"]) == 3.0
    assert set(read_npz(folder / "checkpoints" / "000004.npz")) == {"kind", "format", "hash", "day"}


def test_checkpoint_of_another_scenario_is_refused(tmp_path: Path) -> None:
    """A changed scenario cannot continue an old state."""
    folder = RunFolder.create(tmp_path, "case", "a" * 8)
    folder.save_checkpoint({"day": np.array(1.0)}, "a" * 8)
    with pytest.raises(InputError, match="another scenario"):
        folder.load_checkpoint("b" * 8)


def test_resume_finds_the_unfinished_run_only(tmp_path: Path) -> None:
    """--resume continues an unfinished run of the same scenario and says why there is none otherwise."""
    with pytest.raises(InputError, match="no unfinished run"):
        RunFolder.resumable(tmp_path, "case", "a" * 8)
    folder = RunFolder.create(tmp_path, "case", "a" * 8)
    folder.write_record({"hash": "a" * 8, "status": "running"})
    assert RunFolder.resumable(tmp_path, "case", "a" * 8) == folder
    with pytest.raises(InputError, match="has changed"):
        RunFolder.resumable(tmp_path, "case", "b" * 8)
    folder.write_record({"hash": "a" * 8, "status": "running", "inputs": [{"key": "plate.width", "value": "8 mm"}]})
    with pytest.raises(InputError, match=r"plate\.width was 8 mm, is 9 mm"):
        RunFolder.resumable(tmp_path, "case", "b" * 8, {"plate.width": "9 mm"})
    RunFolder.create(tmp_path, "case-two", "b" * 8).write_record({"hash": "b" * 8, "status": "running"})
    with pytest.raises(InputError, match="since case-aaaaaaaa was"):
        RunFolder.resumable(tmp_path, "case", "b" * 8)
    folder.write_record({"hash": "a" * 8, "status": "complete"})
    with pytest.raises(InputError, match="is complete"):
        RunFolder.resumable(tmp_path, "case", "a" * 8)


def test_only_run_folders_open(tmp_path: Path) -> None:
    """A folder without a femsim record, or with a broken one, is refused in one sentence."""
    with pytest.raises(InputError, match="no run folder"):
        open_run(tmp_path)
    (tmp_path / "run.json").write_text("{ torn")
    with pytest.raises(InputError, match="cannot be read"):
        open_run(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match="not the record"):
        open_run(tmp_path)
