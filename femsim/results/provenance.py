"""What a run was made with: versions, machine, hashes."""

from __future__ import annotations

import os
import platform
from importlib import metadata

PACKAGES = (
    "femsim", "numpy", "scipy", "numba", "scikit-fem", "meshio", "pyvista", "vtk", "pytetwild", "pypardiso", "mkl",
    "rslab", "pyamg", "pydantic", "ruamel.yaml", "pint", "matplotlib", "jinja2", "typer", "rich",
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """Version of every package whose numbers or pictures end in a run; absent ones are said to be absent."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return versions


def machine() -> dict[str, str | int]:
    """System, processor and interpreter of this run; no host or user name."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": platform.machine(),
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
    }
