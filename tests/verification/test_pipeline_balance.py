"""Balances of a whole run, as its own record states them and as its tables let anyone recompute them."""

from __future__ import annotations

import csv
import json
from typing import Any

import numpy as np
import pytest
from pipeline_models import finished_run

CHECKS = {
    "reactions balance applied forces": 1e-6,
    "moments balance": 1e-6,
    "equilibrium at every node": 1e-6,
    "external work equals stored energy": 1e-6,
    "condensed jumps equal the full field's": 1e-6,
    "bite reaction meets the bite force": 5e-3,
    "numerical creep in 1e5 cycles": 0.01,
}


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((finished_run().folder / "run.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("name", list(CHECKS))
def test_check_passes_within_its_limit(record: dict[str, Any], name: str) -> None:
    """Every run checks this balance against a limit no weaker than the documented one, and passes."""
    check = next(entry for entry in record["checks"] if entry["name"] == name)
    assert check["passed"] is True
    assert check["limit"] <= CHECKS[name]
    assert 0.0 <= check["value"] <= check["limit"]


def test_no_check_fails(record: dict[str, Any]) -> None:
    """Nothing else that a run checks has failed."""
    assert len(record["checks"]) >= len(CHECKS)
    assert all(entry["passed"] for entry in record["checks"])


def test_reactions_in_the_record_balance(record: dict[str, Any]) -> None:
    """Applied force and all reactions of run.json add up to zero within 1e-6 of the applied force."""
    forces = {name: np.array(force) for name, force in record["reactions_n"].items()}
    size = np.linalg.norm(forces["applied"])
    assert size > 1.0
    assert np.abs(sum(forces.values())).max() <= 1e-6 * size
    assert record["reaction_balance"] <= 1e-6


def test_bite_reaction_is_the_bite_force(record: dict[str, Any]) -> None:
    """The bitten object pushes back with the 20 N of the scenario, within half a percent."""
    assert np.linalg.norm(record["reactions_n"]["bite"]) == pytest.approx(20.0, rel=5e-3)


def test_mesh_is_faithful(record: dict[str, Any]) -> None:
    """Plate volume and screw-bone interface of the mesh agree with the design, and no element is inverted."""
    mesh = record["mesh"]
    assert mesh["inverted"] == 0
    assert mesh["scaled_jacobian"]["min"] > 0.02
    assert abs(mesh["plate_volume_error"]) < 0.03
    assert abs(mesh["interface_area_error"]) < 0.05
    assert mesh["bone_pieces"] == 2


def test_dose_of_healthy_bone_is_zero() -> None:
    """A healthy jaw has no dose and healthy tissue in every slice."""
    with (finished_run().folder / "tissue.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["eqd2_gy"]]
    assert rows
    assert all(float(row["eqd2_gy"]) == 0.0 for row in rows)
    assert all(float(row["young_cortical"]) == pytest.approx(1.0, abs=1e-9) for row in rows)
