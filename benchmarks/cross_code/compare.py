"""A whole operation in CalculiX beside femsim: how far displacement and stress agree, time of both.

The model is what ``femsim export --to calculix`` writes for a run folder or a scenario file (default: the bench block;
--quick: its linear cells). Displacements are compared at all nodes, stresses at all integration points, each as the
largest difference over the largest value. CalculiX prints seven digits. Without ``ccx`` the script says so and ends.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from femsim.export.materials import with_few_materials
from femsim.export.static import solve, surgery_model
from femsim.fem.stress import strain, stress
from femsim.pipeline import Hooks
from femsim.pipeline.construct import construct
from femsim.pipeline.exporting import read_source, solved_bite

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from cross_code import calculix, difference  # noqa: E402  (the reader of CalculiX's tables lives beside its tests)


def compare(source: Path, degree: int) -> dict[str, float]:
    """Solve one operation in both programs and return the figures."""
    hooks = Hooks()
    setting, mesh, operator = read_source(source, hooks)
    built = construct(setting, mesh, hooks, degree=degree, operator=operator)
    bite, field = solved_bite(setting, built, 0)
    space = built.model.space
    exact = surgery_model(setting.operation, built.model, built.patches, bite, title=setting.scenario.title)
    if exact.stiffness:
        raise SystemExit("orthotropic cortex: choose a scenario of isotropic bone")
    model, rounding = with_few_materials(exact)
    start = time.perf_counter()
    own = solve(space, model, setting.scenario.solver)
    ours = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        answer = calculix(model, Path(folder))
        theirs = time.perf_counter() - start
    stresses = stress(strain(space, own), model.young, model.poisson)
    if degree == 1:
        stresses = stresses[:, :1]  # CalculiX has one point in a linear cell
    return {
        "cross_code_unknowns": space.n_dof,
        "cross_code_springs": 0 if model.springs is None else len(model.springs),
        "cross_code_displacement": difference(own, answer.displacement),
        "cross_code_stress": difference(stresses, answer.stress),
        "cross_code_contact_displacement": difference(field, answer.displacement),
        "cross_code_modulus_rounding": rounding,
        "cross_code_femsim_seconds": ours,
        "cross_code_calculix_seconds": theirs,
    }


MEANING = {
    "cross_code_unknowns": "unknowns",
    "cross_code_springs": "springs on averages",
    "cross_code_displacement": "displacement, femsim against CalculiX",
    "cross_code_stress": "stress, femsim against CalculiX",
    "cross_code_contact_displacement": "displacement of the run (moduli vary in cells) against CalculiX",
    "cross_code_modulus_rounding": "largest rounding of a modulus to a class",
    "cross_code_femsim_seconds": "femsim: assemble and solve, s",
    "cross_code_calculix_seconds": "CalculiX: write, solve, print, read back, s",
}


def main() -> None:
    """Print the figures, and write them with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    bench = ROOT / "scenarios" / "bench-block.yaml"
    parser.add_argument("source", type=Path, nargs="?", default=bench, help="run folder or scenario file")
    parser.add_argument("--quick", action="store_true", help="linear cells")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    if shutil.which("ccx") is None:
        raise SystemExit("CalculiX (ccx) is not installed; Debian and Ubuntu have it as calculix-ccx")
    figures = compare(arguments.source, 1 if arguments.quick else 2)
    width = max(map(len, MEANING.values()))
    for name, value in figures.items():
        print(f"{MEANING[name]:{width}}  {value:.4g}" if value % 1 else f"{MEANING[name]:{width}}  {int(value)}")
    if arguments.json:
        machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__}
        arguments.json.write_text(json.dumps({"machine": machine, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
