"""Examine this installation: versions, direct solver, renderer, cores, memory, caches."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from femsim.results.provenance import package_versions

OPTIONAL = {"pypardiso", "mkl"}
RENDER_SECONDS = 90
"""A machine that draws one sphere without a graphics card needs a few seconds, more when it is busy."""
RENDER_TEST = """
import sys, pyvista
plotter = pyvista.Plotter(off_screen=True, window_size=[64, 64])
plotter.add_mesh(pyvista.Sphere(), color="white")
image = plotter.screenshot(None, return_img=True)
sys.exit(0 if image.max() > image.min() else 1)
"""


@dataclass(frozen=True)
class Finding:
    """One line of the examination: what was looked at, what was found, ``ok`` or what it means."""

    what: str
    found: str
    verdict: str


def examine(stage: Callable[[str], None]) -> Iterator[Finding]:
    """Yield findings; ``stage`` hears what is being looked at."""
    stage("versions")
    yield Finding("python", platform.python_version(), "ok")
    for name, version in package_versions().items():
        yield _package(name, version)
    stage("solver")
    yield _solver()
    stage("renderer")
    yield _renderer()
    stage("machine")
    from femsim.mesh.cache import default_cache_dir

    yield Finding("system", f"{platform.system()} {platform.release()} {platform.machine()}", "ok")
    yield Finding("cores", str(os.cpu_count() or 1), "ok")
    yield _memory()
    for what, folder in (
        ("mesh cache", default_cache_dir()),
        ("numba cache", _numba_folder()),
        ("temporary files", _temporary()),
    ):
        yield _folder(what, folder)


def _package(name: str, version: str) -> Finding:
    if version != "absent":
        return Finding(name, version, "ok")
    if name == "femsim":
        return Finding(name, "not installed", "runs from a source folder")
    missing = "optional; rslab is used instead" if name in OPTIONAL else "install it with pip"
    return Finding(name, "absent", missing)


def _solver() -> Finding:
    from femsim.fem import pardiso
    from femsim.fem.solve.direct import rslab_available

    if not pardiso.available():
        if rslab_available():
            return Finding("direct solver", "rslab", "ok")
        return Finding("direct solver", "SuperLU", "PARDISO and rslab cannot be loaded here: small meshes only")
    import numpy as np
    import scipy.sparse as sp

    from femsim.fem.solvers import make_solver

    factor = make_solver("pardiso").factor(sp.csr_matrix(sp.triu(np.array([[2.0, 1.0], [1.0, 2.0]]), format="csr")))
    try:
        solution = factor.solve(np.array([3.0, 3.0]))
    finally:
        factor.close()
    right = bool(np.allclose(solution, 1.0))
    return Finding("direct solver", "PARDISO", "ok" if right else "gives wrong results; reinstall pypardiso and mkl")


def _renderer() -> Finding:
    """Draw in a child process: without a graphics library VTK ends the whole process."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", RENDER_TEST], capture_output=True, timeout=RENDER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("renderer", f"no answer ({type(error).__name__})", "reports are written without pictures")
    if done.returncode == 0:
        return Finding("renderer", "draws", "ok")
    return Finding(
        "renderer", f"ended with {done.returncode}", "reports come without pictures; try libegl1 and libgl1-mesa-dri"
    )


def _memory() -> Finding:
    from femsim.fem.pardiso import available_memory_gib

    free = available_memory_gib()
    if free == float("inf"):
        return Finding("free memory", "unknown", "a standard jaw needs about 6 GiB")
    return Finding("free memory", f"{free:.1f} GiB", "ok" if free > 6 else "a standard jaw needs about 6 GiB")


def _numba_folder() -> Path:
    named = os.environ.get("NUMBA_CACHE_DIR")
    return Path(named) if named else Path(__file__).parent / "fem" / "__pycache__"


def _temporary() -> Path:
    return Path(tempfile.gettempdir())


def _folder(what: str, folder: Path) -> Finding:
    if not folder.exists():
        return Finding(what, f"{folder} (not made yet)", "ok")
    size = 0
    if what != "temporary files":
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    writable = "ok" if os.access(folder, os.W_OK) else "cannot be written; compiled code or meshes are not kept"
    return Finding(what, f"{folder} ({size / 1e6:.0f} MB)" if size else str(folder), writable)
