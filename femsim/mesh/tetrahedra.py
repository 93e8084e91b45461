"""One route from an operation to a mesh: soup, fTetWild in a child process, classification, repairs, checks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np

from femsim.errors import MeshError
from femsim.geometry.surface import Surface
from femsim.mesh.checks import check_mesh
from femsim.mesh.improve import open_flat_tets, peel, round_screws, sharpen_plates
from femsim.mesh.ordering import renumbered
from femsim.mesh.quality import quality_report
from femsim.mesh.regions import (
    OUTSIDE,
    bone_components,
    classify,
    compacted,
    drop_crumbs,
    in_unions,
    separated,
    smooth_labels,
)
from femsim.mesh.sizing import Background, Sizing, background
from femsim.mesh.soup import build_soup, coarsened
from femsim.mesh.tetmesh import BONE, Mesh, tet_volumes

if TYPE_CHECKING:
    from femsim.geometry.operation import Operation

Progress = Callable[[str, float | None], None]

WORKER = Path(__file__).with_name("worker.py")
# fTetWild shuffles its triangles with a seed of its own: a second try, with more effort, is another draw.
ATTEMPTS = 2


def build_mesh(operation: Operation, sizing: Sizing | None = None, progress: Progress | None = None) -> Mesh:
    """Mesh an operation.

    Parameters
    ----------
    operation : Operation
        Bone surface, plates, screws and cuts.
    sizing : Sizing, optional
        Edge lengths and effort; the standard preset when left out.
    progress : callable, optional
        Called as ``progress(stage, fraction)``; the fraction is None where it is not known.

    Raises
    ------
    MeshError
        The mesher failed, or the mesh does not pass :func:`femsim.mesh.quality.check_mesh`.
    """
    sizing = (sizing or Sizing()).fitted(operation.plates)
    tell = progress or _silent
    if not operation.screws:
        raise MeshError("mesh: the operation has no screws, so no bone-screw interface; give it at least one screw")
    tell("surfaces", None)
    bone = coarsened(operation.bone, sizing.jaw_error)
    soup = build_soup(operation, bone, sizing.segments(max(screw.diameter for screw in operation.screws)))
    tell("sizing", None)
    field = background(operation, bone, sizing, soup.bounds)
    for attempt in range(1, ATTEMPTS + 1):
        points, tets = tetrahedralize(soup, field, sizing, tell)
        tell("parts", None)
        try:
            mesh = assemble_parts(operation, bone, points, tets, sizing)
            mesh.quality["tries"] = attempt
            check_mesh(mesh, operation)
        except MeshError:
            if attempt == ATTEMPTS:
                raise
            sizing = replace(sizing, stop_energy=0.5 * sizing.stop_energy)
        else:
            break
    tell("parts", 1.0)
    return mesh


def _silent(stage: str, fraction: float | None) -> None:
    """Report progress to nobody."""


def assemble_parts(operation: Operation, bone: Surface, points: np.ndarray, tets: np.ndarray, sizing: Sizing) -> Mesh:
    """Turn raw tetrahedra that fill the box into the mesh of bone and hardware.

    Parameters
    ----------
    bone : Surface
        The coarsened bone surface that was in the soup.
    """
    tets = np.where((tet_volumes(points, tets) < 0)[:, None], tets[:, [0, 2, 1, 3]], tets).astype(np.int64)
    region = smooth_labels(tets, classify(operation, bone, points[tets].mean(axis=1)))
    tets, region, crumbs = _kept(points, tets, region)
    points, tets, _ = compacted(points, tets)
    points = sharpen_plates(operation, points, tets, region, sizing.envelope)
    points = round_screws(operation, points, tets, region)
    points = open_flat_tets(points, tets, region, sizing.envelope)
    tets, region, more = _kept(points, tets, peel(points, tets, region, sizing.envelope))
    points, tets, region, interface = separated(*renumbered(points, tets, region))
    mesh = Mesh(
        points=points,
        tets=tets,
        region=region,
        component=bone_components(points, tets, (region == BONE) & ~in_unions(operation, points, tets)),
        interface=interface,
        screw_names=tuple(screw.name for screw in operation.screws),
    )
    mesh.quality.update(quality_report(mesh, operation, crumbs + more))
    return mesh


def _kept(points: np.ndarray, tets: np.ndarray, region: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Drop the outside and the crumbs."""
    inside = region != OUTSIDE
    tets, region = tets[inside], region[inside]
    if len(tets) == 0:
        raise MeshError("mesh: no tetrahedron lies in bone or hardware; check that the surfaces are in millimetres")
    region, dropped = drop_crumbs(points, tets, region)
    inside = region != OUTSIDE
    return tets[inside], region[inside], dropped


def tetrahedralize(
    soup: Surface, field: Background, sizing: Sizing, progress: Progress = _silent
) -> tuple[np.ndarray, np.ndarray]:
    """Fill the box around a soup with tetrahedra that follow its triangles, in a child process.

    A child keeps fTetWild's log off the terminal, lets Ctrl-C stop it at once and turns a crash into an error.

    Returns
    -------
    points : ndarray, shape (n, 3)
    tets : ndarray, shape (m, 4)

    Raises
    ------
    MeshError
        The child ended without a result.
    """
    diagonal = float(np.linalg.norm(np.ptp(soup.points, axis=0)))
    with tempfile.TemporaryDirectory(prefix="femsim-mesh-") as folder:
        source, target = Path(folder) / "soup.npz", Path(folder) / "tets.npz"
        np.savez(
            source,
            points=soup.points,
            triangles=soup.triangles.astype(np.int32),
            coarsest=sizing.outside,
            epsilon=sizing.envelope / diagonal,
            stop_energy=sizing.stop_energy,
            iterations=sizing.iterations,
            threads=sizing.threads,
            bg_points=field.points,
            bg_tets=field.tets,
            bg_values=field.values,
        )
        tail, code = _run_worker(source, target, sizing.iterations, progress)
        if code != 0 or not target.is_file():
            raise MeshError(
                f"mesh: the tetrahedral mesher ended with code {code} on {len(soup.triangles)} triangles "
                f"(last words: {tail!r}); try another sizing preset, or look for broken triangles in the surfaces"
            )
        with np.load(target, allow_pickle=False) as data:
            return data["points"], data["tets"]


def _run_worker(source: Path, target: Path, iterations: int, progress: Progress) -> tuple[str, int]:
    """Run the child and follow its log; returns its last line and exit code."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path)}
    child = subprocess.Popen(
        # -P keeps the folder of worker.py off the child's import path.
        [sys.executable, "-P", str(WORKER), str(source), str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        # fTetWild drops debugging surfaces into its working folder.
        cwd=source.parent,
    )
    last = [""]
    progress("tetrahedra", 0.0)

    def follow() -> None:
        assert child.stdout is not None
        for line in child.stdout:
            last[0] = line.strip() or last[0]
            found = re.search(r"pass (\d+)", line)
            if found:
                progress("tetrahedra", min(0.2 + 0.75 * (int(found[1]) + 1) / iterations, 0.95))

    reader = Thread(target=follow, daemon=True)
    reader.start()
    try:
        code = child.wait()
        reader.join()
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        reader.join(timeout=1.0)
        if child.stdout is not None:
            child.stdout.close()
    progress("tetrahedra", 1.0)
    return last[0][-200:], code
