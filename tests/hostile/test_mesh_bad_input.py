"""Meshing under bad input: crashing mesher, interrupts, damaged files, operations that make no usable mesh."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from femsim.errors import InputError, MeshError
from femsim.geometry.bench_block import box_surface
from femsim.mesh import BONE, PLATE, SCREW_FIRST, Mesh, Sizing, cached_mesh, load_mesh, save_mesh, write_mesh
from femsim.mesh import tetrahedra as tetrahedra_module
from femsim.mesh.checks import check_mesh
from femsim.mesh.quality import scaled_jacobian
from femsim.mesh.regions import bone_components, separated
from femsim.mesh.sizing import Background

FIELD = Background(
    np.array([[-9.0, -9, -9], [99, -9, -9], [-9, 99, -9], [-9, -9, 99]]), np.array([[0, 1, 2, 3]]), np.ones(4)
)
BOX = box_surface(np.zeros(3), np.ones(3))
# The six tetrahedra of a cube around its diagonal; neighbours match face to face.
KUHN = [(0, 1, 3, 7), (0, 3, 2, 7), (0, 2, 6, 7), (0, 6, 4, 7), (0, 4, 5, 7), (0, 5, 1, 7)]
LABELS = {"B": BONE, "P": PLATE, "0": SCREW_FIRST, "1": SCREW_FIRST + 1}


def cubes(*rows: str) -> Mesh:
    """A mesh of unit cubes, one per letter: bone B, plate P, screws 0 and 1, nothing for a blank."""
    shape = (len(rows[0]) + 1, len(rows) + 1, 2)
    points = np.stack(np.meshgrid(*[np.arange(n, dtype=float) for n in shape], indexing="ij"), axis=-1).reshape(-1, 3)
    tets, region = [], []
    for j, row in enumerate(rows):
        for i, letter in enumerate(row):
            if letter != " ":
                corner = [np.ravel_multi_index((i + (k & 1), j + (k >> 1 & 1), k >> 2), shape) for k in range(8)]
                tets += [[corner[k] for k in tet] for tet in KUHN]
                region += [LABELS[letter]] * 6
    new_points, new_tets, new_region, interface = separated(points, np.array(tets), np.array(region, dtype=np.int32))
    component = bone_components(new_points, new_tets, new_region == BONE)
    quality = {
        "scaled_jacobian": {"min": float(scaled_jacobian(new_points, new_tets).min())},
        "inverted": 0,
        "bone_pieces": int(component.max()) + 1,
        "screws": [{"name": name, "interface_area_error": 0.0, "volume_error": 0.0} for name in ("left", "right")],
        "plate_volume_error": 0.0,
        "plate_layers": 2.1,
    }
    return Mesh(new_points, new_tets, new_region, component, interface, ("left", "right"), quality)


def two_screws(*stumps: str) -> SimpleNamespace:
    screws = [
        SimpleNamespace(name=name, stump=stump, plate_name="plate", diameter=2.4, length=11.0, length_in_bone=8.0)
        for name, stump in zip(("left", "right"), stumps, strict=True)
    ]
    return SimpleNamespace(screws=screws, plates=[SimpleNamespace(name="plate")])


def test_sound_mesh_passes():
    """Bone, screw, plate, screw, bone in a row is what the checks let through."""
    check_mesh(cubes("B0P1B"), two_screws("A", "B"))


@pytest.mark.parametrize(
    ("rows", "stumps", "message"),
    [
        (("B0P1B",), ("A", "A"), "stump 'A' came out in several pieces"),
        (("B0P1B", "BBBBB"), ("A", "B"), "'A' and 'B' are one piece of bone"),
        (("B0P1B B",), ("A", "B"), "held by no screw"),
        (("B0 P1B",), ("A", "B"), "'left' is not connected with plate 'plate'"),
        (("B0P1 B",), ("A", "B"), "'right' has no face in common with bone"),
        (("B0P0B",), ("A", "B"), "'left' .* came out in 2 pieces"),
        (("B0PPB",), ("A", "B"), "'right' .* came out in 0 pieces"),
    ],
)
def test_unusable_topology_is_refused(rows, stumps, message):
    """Loose bone, touching or broken stumps and unconnected screws are refused in one sentence that names them."""
    with pytest.raises(MeshError, match=message):
        check_mesh(cubes(*rows), two_screws(*stumps))


def test_flat_tetrahedra_are_refused_with_the_place():
    """A scaled Jacobian below the limit is refused with its value and place."""
    mesh = cubes("B0P1B")
    flat = mesh.points * [1, 1, 1e-3]
    quality = {**mesh.quality, "scaled_jacobian": {"min": float(scaled_jacobian(flat, mesh.tets).min())}}
    bad = Mesh(flat, mesh.tets, mesh.region, mesh.component, mesh.interface, mesh.screw_names, quality)
    with pytest.raises(MeshError, match=r"smallest scaled Jacobian is 0\.00\d near \(\d\.\d, \d\.\d, 0\.0\) mm"):
        check_mesh(bad, two_screws("A", "B"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"plate_volume_error": -0.04}, "volume of the plates is off .* by -4.0 %, at most 3 %"),
        ({"plate_layers": 1.4}, "1.4 elements through a plate, at least 2"),
        (
            {"screws": [{"name": "left", "interface_area_error": 0.025, "volume_error": 0.0}]},
            "area of left .* \\+2.5 %",
        ),
        (
            {"screws": [{"name": "left", "interface_area_error": 0.0, "volume_error": -0.05}]},
            "volume of left .* -5.0 %",
        ),
    ],
)
def test_wrong_areas_volumes_and_thin_plates_are_refused(change, message):
    """A mesh whose areas or volumes are off, or whose plate is one element thick, is refused with the number."""
    mesh = cubes("B0P1B")
    mesh.quality.update(change)
    with pytest.raises(MeshError, match=message):
        check_mesh(mesh, two_screws("A", "B"))


@pytest.mark.parametrize(
    "body", ["import os; os.abort()", "raise SystemExit(7)", "print('all well')", "raise MemoryError('no room')"]
)
def test_crash_of_the_mesher_is_an_error_sentence(body, monkeypatch, tmp_path, capfd):
    """A crash, an error or a missing result of the child is a MeshError, and nothing reaches the terminal."""
    script = tmp_path / "worker.py"
    script.write_text(body)
    monkeypatch.setattr(tetrahedra_module, "WORKER", script)
    with pytest.raises(MeshError, match=r"mesher ended with code -?\d+ on 12 triangles"):
        tetrahedra_module.tetrahedralize(BOX, FIELD, Sizing())
    assert capfd.readouterr() == ("", "")


def test_interrupt_ends_the_child(monkeypatch, tmp_path):
    """Ctrl-C while meshing raises KeyboardInterrupt and leaves no process behind."""
    script, pid_file = tmp_path / "worker.py", tmp_path / "pid"
    script.write_text(
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        f"open({str(tmp_path / 'part')!r}, 'w').write(str(os.getpid()))\n"
        f"os.rename({str(tmp_path / 'part')!r}, {str(pid_file)!r})\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(tetrahedra_module, "WORKER", script)

    def interrupt() -> None:
        while not pid_file.is_file() and not over.wait(0.05):
            pass
        if not over.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    over = threading.Event()
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            tetrahedra_module.tetrahedralize(BOX, FIELD, Sizing())
    finally:
        over.set()
        thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a child to its parent")
def test_killed_parent_takes_the_mesher_along(tmp_path):
    """When the run is killed outright the mesher does not go on in the background."""
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import sys, time; sys.path.insert(0, sys.argv[1]); '\n"
        "    'import worker; worker._die_with_parent(); print(1, flush=True); time.sleep(60)', sys.argv[1]],\n"
        "    stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); time.sleep(60)\n"
    )
    folder = str(tetrahedra_module.WORKER.parent)
    with subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    status = Path(f"/proc/{child}/status")
    for _ in range(100):
        if not status.exists() or "State:\tZ" in status.read_text():
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the mesher outlived its parent")


@pytest.mark.parametrize(
    "change",
    [
        {"near_screws": 0.0},
        {"growth": -0.1},
        {"elsewhere": float("nan")},
        {"outside": float("inf")},
        {"near_screws": 5.0},
        {"outside": 1.0},
    ],
)
def test_impossible_sizing_is_refused(change):
    """Sizes that are not positive and finite, or do not grow away from the screws, are refused."""
    with pytest.raises(InputError, match="mesh sizing"):
        Sizing.preset("standard", **change)


def test_unknown_preset_and_value_are_refused():
    """The message lists what is allowed."""
    with pytest.raises(InputError, match="'coarse'; allowed are preview, standard, fine"):
        Sizing.preset("coarse")
    with pytest.raises(InputError, match="no value 'nearscrews'; allowed are near_screws"):
        Sizing.preset("standard", nearscrews=1.0)


def rewritten(path, **changes):
    """The arrays of a mesh file with some replaced."""
    with np.load(path, allow_pickle=False) as data:
        arrays = dict(data)
    np.savez(path, **(arrays | changes), allow_pickle=True)


def test_damaged_or_foreign_files_are_refused(tmp_path):
    """Missing, truncated, foreign, pickled, newer and inconsistent files are InputErrors that name the file."""
    path = tmp_path / "mesh.npz"
    with pytest.raises(InputError, match="no file"):
        load_mesh(path)
    path.write_text("not a mesh")
    with pytest.raises(InputError, match="damaged"):
        load_mesh(path)
    mesh = cubes("B0P1B")
    for changes, message in (
        ({"points": np.array([{}], dtype=object)}, "damaged"),
        ({"header": np.array(json.dumps({"kind": "femsim-mesh", "version": 99}))}, "version 1 is needed"),
        ({"header": np.array("7")}, "version 1 is needed"),
        ({"tets": mesh.tets + len(mesh.points)}, "do not fit together"),
        ({"tets": mesh.tets.astype(float)}, "do not fit together"),
        ({"region": mesh.region[:-1]}, "do not fit together"),
        ({"points": np.full_like(mesh.points, np.nan)}, "do not fit together"),
        ({"interface_bone_tets": mesh.interface.bone_tets - 1000}, "do not fit together"),
    ):
        save_mesh(mesh, path)
        rewritten(path, **changes)
        with pytest.raises(InputError, match=message):
            load_mesh(path)
    path.write_bytes(save_mesh(mesh, path).read_bytes()[:-200])
    with pytest.raises(InputError, match=r"mesh\.npz"):
        load_mesh(path)


def test_other_suffix_is_refused(tmp_path):
    """A mesh is written as .vtu only."""
    with pytest.raises(InputError, match=r"\.vtu"):
        write_mesh(cubes("B0P1B"), tmp_path / "mesh.stl")


def test_cache_that_cannot_be_written_is_found_before_the_work(tmp_path, monkeypatch):
    """A cache folder that is a file is refused before meshing starts."""
    monkeypatch.setattr("femsim.mesh.cache.mesh_key", lambda *_: "key")
    monkeypatch.setattr("femsim.mesh.cache.build_mesh", lambda *_: pytest.fail("meshing started"))
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        cached_mesh(two_screws("A", "B"), Sizing(), blocked / "meshes")  # type: ignore[arg-type]
