"""What plate and screws do to each other on the bench block, from geometry to stress: directions, not numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from pipeline_models import bench, constructed

from femsim.loosening.chewing import Chewing
from femsim.pipeline import Hooks
from femsim.pipeline.construct import Construct, loosening_case
from femsim.pipeline.setting import prepare

MESH_NOISE = 0.05
"""Share by which a screw's load may differ between two meshes of comparable constructs."""

FORCE = 60.0
"""Bite force [N]: some slip, nothing near loosening."""


def chewed(**shape: Any) -> tuple[Construct, Chewing, Any]:
    """Construct, the full bite on the day of surgery, and the loosening case."""
    _, built = constructed(**shape)
    case, chewer = loosening_case(prepare(bench(force=FORCE, **shape), Hooks()), built)
    built.solver.forget()
    chewing = chewer.chew(case.insertion(), case.tissue_at(0.0), 1.0, chewer.cold())
    assert chewing.supported
    return built, chewing, case


def plate_stress(**shape: Any) -> float:
    """Peak stress of the plate under the full bite, averaged over 1 mm3 [MPa]."""
    _, chewing, case = chewed(**shape)
    case.hardware.reset()
    case.hardware.refresh(0.0, case.stress_at(0.0, chewing))
    return float(next(row["stress_peak_mpa"] for row in case.hardware.table() if row["part"] == "plate"))


def screw_forces(**shape: Any) -> tuple[np.ndarray, Construct]:
    """Force (s, 3) [N] of every screw on the bone: tractions integrated over its patches."""
    built, chewing, _ = chewed(**shape)
    patches = built.patches
    peak = chewing.solved[0][0]
    forces = patches.area[:, None] * np.einsum("pc,pci->pi", peak.tractions, patches.directions)
    return np.array([forces[patches.screw == k].sum(axis=0) for k in range(patches.n_screws)]), built


def test_thicker_plate_is_stressed_less() -> None:
    """Over an open gap a thicker plate never raises its own stress beyond mesh noise, and a thin one bears far more.

    From 2.5 mm on the highest average sits where the screws enter, and hardly changes with the thickness.
    """
    stresses = [plate_stress(thickness=thickness) for thickness in (1.5, None, 3.0)]  # the preset's own is 2.5 mm
    assert stresses[0] > 1.5 * stresses[1] > 0.0
    assert 0.0 < stresses[2] < (1.0 + MESH_NOISE) * stresses[1]


def test_more_screws_spare_the_one_that_carries_most() -> None:
    """More screws per block do not raise the load of the screw that carries most, beyond mesh noise."""
    peaks = []
    for per_stump in (2, 3, 4):
        forces, _ = screw_forces(per_stump=per_stump)
        assert forces.shape == (2 * per_stump, 3)
        peaks.append(np.linalg.norm(forces, axis=1).max())
    assert peaks[1] <= (1 + MESH_NOISE) * peaks[0]
    assert peaks[2] <= (1 + MESH_NOISE) * peaks[1]
    assert peaks[2] < peaks[0]


def test_screws_of_a_block_carry_what_acts_on_it() -> None:
    """The forces of a block's screws balance: what one block's screws take, the other's give back."""
    forces, _ = screw_forces()
    half = len(forces) // 2
    assert np.linalg.norm(forces[:half].sum(axis=0)) > 1.0
    np.testing.assert_allclose(forces[:half].sum(axis=0), -forces[half:].sum(axis=0), atol=1e-3 * np.abs(forces).max())
