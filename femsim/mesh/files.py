"""Meshes on disk: one npz with everything (exact, no pickle) and VTU for viewing and exchange through meshio."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import meshio
import numpy as np

from femsim.durable import write_npz, write_via
from femsim.errors import InputError
from femsim.mesh.tetmesh import Interface, Mesh

KIND = "femsim-mesh"
FORMAT_VERSION = 1
_INTERFACE = ("screw", "bone_triangles", "screw_triangles", "bone_tets", "screw_tets")
_ARRAYS = ("points", "tets", "region", "component")


def save_mesh(mesh: Mesh, path: str | Path) -> Path:
    """Write a mesh with its interface and quality report to an npz file, whole or not at all.

    Returns
    -------
    Path
        The file written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"kind": KIND, "version": FORMAT_VERSION, "screw_names": mesh.screw_names, "quality": mesh.quality}
    arrays: dict[str, Any] = {name: getattr(mesh, name) for name in _ARRAYS}
    arrays |= {f"interface_{name}": getattr(mesh.interface, name) for name in _INTERFACE}
    write_npz(path, {"header": np.array(json.dumps(header)), **arrays}, compress=True)
    return path


def load_mesh(path: str | Path) -> Mesh:
    """Read a mesh written by :func:`save_mesh`.

    Raises
    ------
    InputError
        Missing, damaged or foreign file, another version, or numbers that do not fit together.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"mesh: no file {str(path)!r}; run 'femsim mesh' to make it")
    try:
        # numpy leaves a damaged archive open when it is given a path.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            header = json.loads(str(data["header"]))
            arrays = {name: data[name] for name in _ARRAYS}
            interface = {name: data[f"interface_{name}"] for name in _INTERFACE}
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a femsim mesh or damaged ({error}); delete it and mesh again") from error
    if not isinstance(header, dict) or header.get("kind") != KIND or header.get("version") != FORMAT_VERSION:
        raise InputError(f"{path}: mesh format {header!r:.80}, version {FORMAT_VERSION} is needed; mesh again")
    _check_arrays(path, arrays, interface)
    return Mesh(
        **arrays,
        interface=Interface(**interface),
        screw_names=tuple(header["screw_names"]),
        quality=header["quality"],
    )


def _check_arrays(path: Path, arrays: dict[str, np.ndarray], interface: dict[str, np.ndarray]) -> None:
    points, tets = arrays["points"], arrays["tets"]
    n, m, f = len(points), len(tets), len(interface["screw"])
    fits = (
        points.shape == (n, 3)
        and tets.shape == (m, 4)
        and np.isfinite(points).all()
        and _within(tets, n)
        and all(arrays[name].shape == (m,) for name in ("region", "component"))
        and all(interface[name].shape == (f, 3) and _within(interface[name], n) for name in _INTERFACE[1:3])
        and all(interface[name].shape == (f,) and _within(interface[name], m) for name in _INTERFACE[3:])
    )
    if not fits:
        raise InputError(f"{path}: the arrays of the mesh do not fit together; delete it and mesh again")


def _within(numbers: np.ndarray, count: int) -> bool:
    whole = np.issubdtype(numbers.dtype, np.integer)
    return bool(whole and (numbers.size == 0 or (numbers.min() >= 0 and numbers.max() < count)))


def write_mesh(mesh: Mesh, path: str | Path) -> Path:
    """Write a mesh for viewing and exchange: VTU with cell data ``region`` and ``component``, and its npz beside it.

    Parameters
    ----------
    path : path
        Ends in ``.vtu``; the interface and the quality report go to the same name ending in ``.npz``.
    """
    path = Path(path)
    if path.suffix.lower() != ".vtu":
        raise InputError(f"{path}: a mesh is written as .vtu, not {path.suffix!r}; change the file name")
    save_mesh(mesh, path.with_suffix(".npz"))
    cells = meshio.Mesh(
        mesh.points, [("tetra", mesh.tets)], cell_data={"region": [mesh.region], "component": [mesh.component]}
    )
    write_via(path, cells.write)
    return path


def read_mesh(path: str | Path) -> Mesh:
    """Read the mesh written by :func:`write_mesh`, given its ``.vtu`` or ``.npz``.

    Raises
    ------
    InputError
        As for :func:`load_mesh`.
    """
    return load_mesh(Path(path).with_suffix(".npz"))
