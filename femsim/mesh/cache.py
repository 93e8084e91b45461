"""A mesh is made once: entries are named by the content of everything that shapes the mesh."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock, Timeout

from femsim.errors import InputError
from femsim.mesh.files import FORMAT_VERSION, load_mesh, save_mesh
from femsim.mesh.shipped import shipped_file
from femsim.mesh.sizing import Sizing
from femsim.mesh.tetmesh import Mesh
from femsim.mesh.tetrahedra import Progress, build_mesh

if TYPE_CHECKING:
    from femsim.geometry.operation import Operation

# Raise it when the code makes another mesh from the same operation.
ROUTE_VERSION = 3
# Decimals of a millimetre kept before hashing. Processors round the last digits of a surface differently; at a tenth of
# a micrometre a value hardly ever sits on the edge between two roundings, and no mesh follows a surface closer.
COORDINATE_DIGITS = 4
# Fields of the sizing that change the time, not the mesh.
TIME_ONLY = ("threads",)


def default_cache_dir() -> Path:
    """``$XDG_CACHE_HOME/femsim/meshes``, or the same below ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says that a relative path is to be ignored.
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return root / "femsim" / "meshes"


def mesh_key(operation: Operation, sizing: Sizing) -> str:
    """Hash of the surfaces, screws, cuts, sizing and route version; 32 hexadecimal digits.

    The mesher's version is no part of it: a newer one makes no mesh wrong that passed the checks.
    """
    digest = hashlib.sha256()
    head = {
        "sizing": {name: value for name, value in asdict(sizing).items() if name not in TIME_ONLY},
        "format": FORMAT_VERSION,
        "route": ROUTE_VERSION,
        "screws": [[s.name, s.stump, s.plate_name] for s in operation.screws],
        "plates": [plate.name for plate in operation.plates],
        "cut": operation.resection is not None,
    }
    digest.update(json.dumps(head, sort_keys=True).encode())
    for array in _shaping_arrays(operation):
        digest.update(str(array.shape).encode())
        if np.issubdtype(array.dtype, np.floating):
            # Adding zero turns -0.0 into 0.0.
            array = np.round(array, COORDINATE_DIGITS) + 0.0
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


def _shaping_arrays(operation: Operation) -> list[np.ndarray]:
    surfaces = [operation.bone, *(plate.surface for plate in operation.plates)]
    arrays = [array for s in surfaces for array in (np.asarray(s.points, float), np.asarray(s.triangles, np.int64))]
    if operation.graft is not None:
        arrays += [body.points for body in operation.graft.bodies]
    for plate in operation.plates:
        arrays += [hole.plug(0.0, 6).points for hole in plate.empty_holes]
    for screw in operation.screws:
        arrays.append(np.concatenate([screw.head, screw.axis, [screw.length, screw.diameter]]).astype(float))
    if operation.resection is not None:
        arrays += [np.concatenate([cut.point, cut.normal]).astype(float) for cut in operation.resection.cuts]
        # Which side goes is not told by the planes alone.
        arrays.append(operation.resection.removed(operation.bone.points).astype(np.int8))
    return arrays


def cached_mesh(
    operation: Operation,
    sizing: Sizing | None = None,
    cache_dir: str | Path | None = None,
    progress: Progress | None = None,
    note: Callable[[str], None] | None = None,
) -> tuple[Mesh, bool]:
    """Take the mesh of an operation from those shipped with femsim or from the cache, or make it and keep it.

    Processes that want the same mesh at the same time make it once: the others wait for the first.

    Parameters
    ----------
    operation, sizing, progress
        As for :func:`femsim.mesh.tetrahedra.build_mesh`.
    cache_dir : path, optional
        Folder of the cache; :func:`default_cache_dir` when left out.
    note : callable, optional
        Hears one sentence when a damaged entry is made again, or when another process makes the mesh.

    Returns
    -------
    mesh : Mesh
    was_there : bool
        Whether it was there already. A damaged entry is made again.
    """
    sizing, note = sizing or Sizing(), note or _nobody
    key = mesh_key(operation, sizing)
    path = (Path(cache_dir) if cache_dir is not None else default_cache_dir()) / f"{key}.npz"
    found = _stored(shipped_file(key), note) or _stored(path, note)
    if found is not None:
        return _told(found, progress), True
    # Before the minute of work, not after it.
    _check_writable(path.parent)
    with _alone(path.with_suffix(".lock"), note):
        found = _stored(path, _nobody)
        if found is not None:
            return _told(found, progress), True
        mesh = build_mesh(operation, sizing, progress)
        save_mesh(mesh, path)
    return mesh, False


def _nobody(sentence: str) -> None:
    """Tell nobody."""


def _told(mesh: Mesh, progress: Progress | None) -> Mesh:
    if progress is not None:
        progress("mesh made before", 1.0)
    return mesh


def _stored(path: Path | None, note: Callable[[str], None]) -> Mesh | None:
    """The mesh of a file; None without the file, or with a damaged one."""
    if path is None or not path.is_file():
        return None
    try:
        return load_mesh(path)
    except InputError:
        note(f"{path} cannot be read as a mesh; it is made again")
        return None


@contextmanager
def _alone(lock: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock file that the system frees when the process ends, however it ends."""
    guard = FileLock(lock)
    try:
        guard.acquire(blocking=False)
    except Timeout:
        note("another process makes this mesh; waiting for it")
        guard.acquire()
    except (OSError, NotImplementedError):
        # A file system without locks: both make the mesh, each file appears whole, the last one stays.
        yield
        return
    try:
        yield
    finally:
        guard.release()


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK) else "no permission"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise InputError(f"mesh cache: {folder} cannot be written ({reason}); choose another folder")
