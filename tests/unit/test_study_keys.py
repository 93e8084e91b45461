"""What enters mesh and operator and what does not, checked against the models themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pipeline_models import bench_values
from study_models import study_values
from test_study_file import plan_of

from femsim.mesh.cache import mesh_key
from femsim.parameters import load_parameters
from femsim.pipeline import Hooks
from femsim.pipeline.setting import prepare
from femsim.scenario import Scenario, scenario_from_mapping
from femsim.study.keys import AVERAGING, BULK_CARDS, SHAPE_CARDS, STIFFENING, enters_bulk, operator_key, shape_key
from femsim.tissue import TissueConstants, TissueTable

LATER = 1.05
"""Factor by which a constant is changed to see what it does."""


def scenario(parameters: dict[str, str] | None = None, **choices: object) -> Scenario:
    return scenario_from_mapping({**bench_values(dose=60.0, **choices), "parameters": parameters or {}})  # type: ignore[arg-type]


def test_tissue_constants_that_stiffen_are_exactly_those_listed():
    """A constant is in STIFFENING when it changes the stiffness of irradiated bone on the day of surgery."""
    constants = TissueConstants.from_parameters(load_parameters())

    def stiffness(own: TissueConstants) -> np.ndarray:
        table = TissueTable(own, surgery_day=365.0, horizon=30.0, eqd2_max=70.0, hbo_sessions=20.0)
        state = table.at([30.0, 60.0, 70.0], 0.0)
        return np.stack([state.E_cortical, state.E_trabecular])

    usual, found = stiffness(constants), set()
    for name in constants.__dataclass_fields__:
        if np.abs(stiffness(replace(constants, **{name: LATER * getattr(constants, name)})) / usual - 1.0).max() > 1e-9:
            found.add(f"tissue.{name}")
    # These act before the table: on the dose itself, and on sC when alpha_beta is changed.
    through_dose = {"tissue.alpha_beta", "tissue.penumbra", "tissue.sC_dose", "tissue.sC_alpha_beta"}
    assert found | through_dose == STIFFENING | through_dose
    assert through_dose <= STIFFENING


def test_planning_reads_only_the_cards_of_shape_and_bulk():
    """A parameter that the operation is planned with can only be of a card whose changes make a new operator."""
    read = {entry.name for entry in prepare(scenario(), Hooks()).parameters.read}
    cards = {name.partition(".")[0] for name in read} - {"tissue", "scenario"}
    assert cards <= BULK_CARDS


@pytest.mark.parametrize("name", ["materials.plate_E", "materials.cortical_E", "bench.cortex"])
def test_cards_outside_the_shape_leave_the_mesh_alone(name):
    """Moduli change the operator's key and neither the shape's key nor the mesh's own; a size changes them all."""
    entry = load_parameters().entry(name)
    other = scenario({name: f"{entry.value * 1.02} {entry.unit}"})
    in_shape = name.partition(".")[0] in SHAPE_CARDS
    keys = [(shape_key(one), mesh_key(*_planned(one))) for one in (scenario(), other)]
    assert operator_key(other) != operator_key(scenario())
    assert (keys[0][0] != keys[1][0]) == in_shape
    if not in_shape:
        assert keys[0] == keys[1]


def _planned(one: Scenario):
    setting = prepare(one, Hooks())
    return setting.operation, setting.sizing


@pytest.mark.parametrize(
    ("changes", "same_operator"),
    [
        ({"parameters": {"interface.bearing_stiffness": "2e4 N/mm^3"}}, True),
        ({"parameters": {"tissue.kf": "0.05 1/day"}}, True),
        ({"parameters": {"loosening.repair": "0.01 1/day"}}, True),
        ({"parameters": {"loosening.averaging_volume": "2 mm^3"}}, False),
        ({"parameters": {"tissue.D50": "40 Gy"}}, False),
        ({"parameters": {"materials.screw_E": "111 GPa"}}, False),
        ({"simulate": {"years": 3, "criteria": "default"}}, True),
        ({"plate": {"preset": "reconstruction-2.5", "thickness": "2 mm"}}, False),
        ({"irradiation": None}, False),
        ({"mesh": {"preset": "standard"}}, False),
        ({"bone": {"cortical": "orthotropic"}}, False),
    ],
)
def test_operator_key_follows_what_the_operator_is_made_of(changes, same_operator):
    """Interface, tissue kinetics, criteria and horizon share a key; shape, moduli and dose do not."""
    changed = scenario_from_mapping({**bench_values(dose=60.0), **changes})
    assert (operator_key(changed) == operator_key(scenario())) == same_operator


def test_a_card_that_has_changed_makes_another_operator(monkeypatch):
    """What a cache holds was made of the values of the cards at that time."""
    from femsim.parameters import cards

    before = operator_key(scenario()), shape_key(scenario())
    entry = cards._cards()["materials.cortical_E"]
    newer = {**cards._cards(), entry.name: replace(entry, value=15000.0)}
    monkeypatch.setattr(cards, "_cards", lambda: newer)
    assert operator_key(scenario()) != before[0]
    assert shape_key(scenario()) == before[1]


def test_force_and_cycles_share_the_operator_and_the_bite_point_does_not():
    """Loads enter through unit loads, so any force and activation shares; a new bite point is a new unknown."""
    assert not enters_bulk("loading.tasks.0.force")
    assert not enters_bulk("patient.bite_force")
    assert not enters_bulk("loading.tasks.*.cycles_per_day")
    assert enters_bulk("loading.tasks.0.bite")
    assert enters_bulk("loading.tasks")
    assert not enters_bulk("loosening.resorption")
    assert {name for name in AVERAGING if enters_bulk(name)} >= AVERAGING


def test_nominal_shares_one_operator_and_exact_does_not(tmp_path):
    """Sampled dose, tissue and density are frozen in the bulk with ``nominal``; checks are run with their own."""
    values = study_values(samples=6)
    values["sample"] = {
        "patient.dose": {"low": "50 Gy", "high": "70 Gy"},
        "tissue.D50": "card",
        "patient.bone_density": {"low": 0.8, "high": 1.0},
        "interface.friction": "card",
    }
    nominal = plan_of(tmp_path / "a", {**values, "operator": "nominal", "operator_checks": 2}, dose=60.0)
    exact = plan_of(tmp_path / "b", {**values, "operator": "exact"}, dose=60.0)
    shared = {nominal.keys(point) for point in nominal.points if not point.exact}
    assert len(shared) == 1
    checks = [point for point in nominal.points if point.exact]
    assert len({nominal.keys(point)[1] for point in checks} | {next(iter(shared))[1]}) == 3
    assert len({exact.keys(point)[1] for point in exact.points}) == 6
    assert len({exact.keys(point)[0] for point in exact.points}) == 1


def test_sampled_hardware_is_never_frozen(tmp_path):
    """What acts through the bulk alone makes an operator of its own with ``nominal`` too."""
    values = study_values(samples=3)
    values["sample"] = {"materials.plate_E": "card"}
    plan = plan_of(tmp_path, values)
    assert len({plan.keys(point)[1] for point in plan.points}) == 3
