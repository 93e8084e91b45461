"""A mesh is made once: entries are named by the content of everything that shapes the mesh."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from femsim.errors import InputError
from femsim.mesh.files import FORMAT_VERSION, load_mesh, save_mesh
from femsim.mesh.sizing import Sizing
from femsim.mesh.tetmesh import Mesh
from femsim.mesh.tetrahedra import Progress, build_mesh

if TYPE_CHECKING:
    from femsim.geometry.operation import Operation

# Raise it when the code makes another mesh from the same operation.
ROUTE_VERSION = 2
# Coordinates are rounded to this before hashing: noise of the last digit must not make a new mesh [mm].
COORDINATE_DIGITS = 9


def default_cache_dir() -> Path:
    """``$XDG_CACHE_HOME/femsim/meshes``, or the same below ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says that a relative path is to be ignored.
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return root / "femsim" / "meshes"


def mesh_key(operation: Operation, sizing: Sizing) -> str:
    """Hash of the surfaces, screws, cuts, sizing, mesher version and route version; 32 hexadecimal digits."""
    digest = hashlib.sha256()
    head = {
        "sizing": asdict(sizing),
        "mesher": version("pytetwild"),
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
) -> tuple[Mesh, bool]:
    """Take the mesh of an operation from the cache, or make it and keep it.

    Parameters
    ----------
    operation, sizing, progress
        As for :func:`femsim.mesh.tetrahedra.build_mesh`.
    cache_dir : path, optional
        Folder of the cache; :func:`default_cache_dir` when left out.

    Returns
    -------
    mesh : Mesh
    from_cache : bool
        Whether it was there already. A damaged entry is made again.
    """
    sizing = sizing or Sizing()
    path = (Path(cache_dir) if cache_dir is not None else default_cache_dir()) / f"{mesh_key(operation, sizing)}.npz"
    if path.is_file():
        try:
            mesh = load_mesh(path)
        except InputError:
            path.unlink(missing_ok=True)
        else:
            if progress is not None:
                progress("mesh from cache", 1.0)
            return mesh, True
    # Before the minute of work, not after it.
    _check_writable(path.parent)
    mesh = build_mesh(operation, sizing, progress)
    save_mesh(mesh, path)
    return mesh, False


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK) else "no permission"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise InputError(f"mesh cache: {folder} cannot be written ({reason}); choose another folder")
