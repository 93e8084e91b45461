"""CalculiX as a second opinion: runs an exported model and reads its printed tables."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from femsim.export.calculix import write_calculix
from femsim.export.linear import LinearModel

POINT_ORDER = [1, 0, 3, 2]
"""CalculiX's number of each of femsim's four integration points of a quadratic cell."""

STRESS_ORDER = [0, 1, 2, 5, 4, 3]
"""CalculiX prints xx, yy, zz, xy, xz, yz."""


@dataclass(frozen=True)
class Answer:
    """What CalculiX printed: displacement (n_dof,) [mm], stress at integration points (m, q, 6) [MPa]."""

    displacement: np.ndarray
    stress: np.ndarray


def need_ccx() -> str:
    """Path of CalculiX, or a skipped test."""
    found = shutil.which("ccx")
    if found is None:
        pytest.skip("CalculiX (ccx) is not installed; Debian and Ubuntu have it as calculix-ccx")
    return found


def calculix(model: LinearModel, folder: Path) -> Answer:
    """Write a model, let CalculiX solve it and read displacements and stresses."""
    program = need_ccx()
    write_calculix(model, folder / "model.inp")
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([program, "-i", "model"], cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "*ERROR" not in done.stdout, done.stdout[-2000:]
    tables = read_tables(folder / "model.dat")
    nodes, points = tables["displacements"], tables["stresses"]
    assert (nodes[:, 0] == np.arange(1, len(model.nodes) + 1)).all()
    stress = points[:, 2:][:, STRESS_ORDER].reshape(len(model.cells), -1, 6)
    if stress.shape[1] == len(POINT_ORDER):
        stress = stress[:, POINT_ORDER]
    return Answer(nodes[:, 1:].ravel(), stress)


def read_tables(path: Path) -> dict[str, np.ndarray]:
    """Numbers of every table of a .dat file, by the first word of its title."""
    tables: dict[str, list[list[float]]] = {}
    rows: list[list[float]] = []
    for line in path.read_text().splitlines():
        words = line.split()
        if words and words[0].isalpha():
            rows = tables.setdefault(words[0], [])
        elif words:
            rows.append([float(word) for word in words])
    return {name: np.array(numbers) for name, numbers in tables.items()}


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference over the largest value."""
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())
