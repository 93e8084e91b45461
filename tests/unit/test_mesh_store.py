"""Where meshes come from: shipped with femsim, the cache, or made once by whoever comes first."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ruamel.yaml import YAML

from femsim.geometry.bench_block import bench_block
from femsim.mesh import Sizing, cached_mesh, load_mesh, mesh_key, save_mesh
from femsim.mesh import cache as cache_module
from femsim.mesh import shipped as shipped_module
from femsim.mesh.checks import check_mesh
from femsim.mesh.quality import quality_report
from femsim.parameters import load_parameters
from femsim.pipeline import Hooks
from femsim.pipeline.setting import prepare
from femsim.scenario import load_scenario

ROOT = Path(__file__).resolve().parents[2]
CARDS = sorted((ROOT / "meshes").glob("*.yaml"))
KEY = "0" * 32
WAIT = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from femsim.mesh import cache, load_mesh
folder, source = Path(sys.argv[1]), Path(sys.argv[2])
def slowly(*_):
    (folder / f"made-{sys.argv[3]}").touch()
    time.sleep(1.0)
    return load_mesh(source)
cache.mesh_key = lambda *_: "0" * 32
cache.build_mesh = slowly
_, was_there = cache.cached_mesh(SimpleNamespace(), cache_dir=folder, note=print)
print(was_there)
"""


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.stem)
def test_shipped_mesh_belongs_to_its_scenario(card):
    """The key on the card is that of the scenario's geometry, and the mesh passes every check of that geometry."""
    content = YAML(typ="safe").load(card.read_text(encoding="utf-8"))
    setting = prepare(load_scenario(ROOT / content["scenario"]), Hooks())
    key = mesh_key(setting.operation, setting.sizing)
    again = f"{card.name} is out of date; ship it again: {content['made']['command']}"
    assert content["key"] == key, again
    assert shipped_module.shipped_file(key) == card.with_suffix(".npz")
    mesh = load_mesh(card.with_suffix(".npz"))
    assert mesh.screw_names == tuple(screw.name for screw in setting.operation.screws), again
    measured = quality_report(mesh, setting.operation, 0)
    for name in ("min", "median"):
        assert content["quality"]["scaled_jacobian"][name] == pytest.approx(measured["scaled_jacobian"][name], rel=1e-3)
    mesh.quality.update(measured)
    check_mesh(mesh, setting.operation)
    assert card.with_suffix(".npz").stat().st_size < 2e6


def test_demo_and_bench_block_are_shipped():
    """The first run of the demo and of the bench block needs no mesher."""
    assert [card.stem for card in CARDS] == ["60gy-12-months", "bench-block"]


@pytest.fixture
def small(tmp_path):
    """A whole mesh in a file, whatever its geometry."""
    return save_mesh(load_mesh(CARDS[-1].with_suffix(".npz")), tmp_path / "small.npz")


@pytest.fixture
def no_meshing(monkeypatch):
    monkeypatch.setattr(cache_module, "mesh_key", lambda *_: KEY)
    monkeypatch.setattr(cache_module, "build_mesh", lambda *_: pytest.fail("meshing started"))


@pytest.mark.usefixtures("no_meshing")
def test_shipped_mesh_is_found_before_the_cache(small, tmp_path, monkeypatch):
    """A card with the key leads to the mesh beside it; nothing is meshed and nothing is written to the cache."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    small.rename(folder / "one.npz")
    (folder / "one.yaml").write_text(f"key: '{KEY}'\n")
    (folder / "broken.yaml").write_text("key: [\n")
    (folder / "note.yaml").write_text("only a sentence\n")
    monkeypatch.setattr(shipped_module, "FOLDERS", (tmp_path / "nowhere", folder))
    stages = []
    mesh, was_there = cached_mesh(
        SimpleNamespace(), cache_dir=tmp_path / "cache", progress=lambda *told: stages.append(told)
    )
    assert was_there
    assert len(mesh.tets) > 0
    assert stages == [("mesh made before", 1.0)]
    assert not (tmp_path / "cache").exists()


def test_damaged_entry_is_made_again_with_a_note(small, tmp_path, monkeypatch):
    """A cut-off file in the cache is told in one sentence, made again and then whole."""
    monkeypatch.setattr(cache_module, "mesh_key", lambda *_: KEY)
    monkeypatch.setattr(cache_module, "build_mesh", lambda *_: load_mesh(small))
    entry = tmp_path / f"{KEY}.npz"
    entry.write_bytes(small.read_bytes()[:2000])
    notes: list[str] = []
    _, was_there = cached_mesh(SimpleNamespace(), cache_dir=tmp_path, note=notes.append)
    assert not was_there
    assert notes == [f"{entry} cannot be read as a mesh; it is made again"]
    np.testing.assert_array_equal(load_mesh(entry).tets, load_mesh(small).tets)


def test_two_processes_make_a_mesh_once(small, tmp_path):
    """The second process waits, says so, and takes what the first has made."""
    folder = tmp_path / "cache"
    folder.mkdir()
    both = []
    for name in ("first", "second"):
        command = [sys.executable, "-c", WAIT, str(folder), str(small), name]
        both.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        deadline = time.monotonic() + 60
        while not list(folder.glob("made-*")) and time.monotonic() < deadline:
            time.sleep(0.02)
    said = [process.communicate(timeout=60)[0].split("\n") for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [path.name for path in folder.glob("made-*")] == ["made-first"]
    assert said[0][0] == "False"
    assert said[1][-2] == "True"
    load_mesh(folder / f"{KEY}.npz")


def test_key_does_not_follow_the_last_digit_or_the_number_of_threads():
    """Rounding of another processor and the number of threads leave the key alone; a tenth of a millimetre does not."""
    operation = bench_block(load_parameters())
    key = mesh_key(operation, Sizing.preset("preview"))
    assert mesh_key(operation, Sizing.preset("preview", threads=1)) == key
    points = operation.bone.points
    moved = {}
    for step in (1e-11, 0.1):
        points += step
        moved[step] = mesh_key(operation, Sizing.preset("preview"))
        points -= step
    assert moved[1e-11] == key
    assert moved[0.1] != key
