"""The record of a study, and the studies of the gallery: planned, with the scenarios of the gallery as designs."""

from __future__ import annotations

from pathlib import Path

import pytest
from study_models import study_values, written

from femsim.durable import write_table
from femsim.parameters import load_parameters
from femsim.scenario import load_scenario, scenario_hash
from femsim.study.about import record_of, write_record
from femsim.study.load import load_study
from femsim.study.outcomes import REQUIRED, read_outcomes
from femsim.study.plan import plan_study
from femsim.study.record import read_record

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
SAME_AS = {
    "irradiated jaw": "60gy-12-months",
    "healthy jaw": "healthy-jaw",
    "reconstruction 2.5": "60gy-12-months",
    "low-profile 2.0": "medium-plate",
    "low-profile 1.5": "thin-plate",
}
"""Designs that are scenarios of the gallery, so that pages of their runs find the band of the study."""


def test_record_says_what_varied_with_its_evidence(tmp_path: Path) -> None:
    """Ranges of cards keep their mark, those of the study file are chosen and in the units of the table."""
    values = study_values(question="Which?", grid={"interface.friction": [0.2, 0.3]})
    values["sample"]["simulate.criteria.duration"] = {"low": "1 week", "high": "2 weeks"}
    plan = plan_study(load_study(written(tmp_path, values)))
    record = record_of(plan)
    inputs = {one["column"].removeprefix("input:"): one for one in record["inputs"]}
    stiffness, card = inputs["interface.bearing_stiffness"], load_parameters().entry("interface.bearing_stiffness")
    assert (stiffness["mark"], stiffness["unit"], stiffness["distribution"]) == (
        card.mark,
        card.unit,
        card.distribution,
    )
    assert (stiffness["low"], stiffness["high"]) == card.range
    assert inputs["patient.bite_force"] == {
        "column": "input:patient.bite_force",
        "unit": "N",
        "low": 10.0,
        "high": 20.0,
        "distribution": "uniform",
        "mark": "chosen",
    }
    assert [inputs["simulate.criteria.duration"][key] for key in ("unit", "low", "high")] == ["day", 7.0, 14.0]
    assert inputs["interface.friction"]["mark"] == "chosen"
    assert (record["question"], record["seed"], record["hash"]) == ("Which?", 7, plan.hash)
    assert record["command"] == "femsim study blocks.yaml"
    assert record["horizon_days"] == pytest.approx(0.02 * 365.25)


def test_record_is_read_back_with_the_table(tmp_path: Path) -> None:
    """Inputs come weakest evidence first, with the remarks of their cards."""
    plan = plan_study(load_study(written(tmp_path, study_values())))
    write_record(tmp_path, plan)
    cells = {**dict.fromkeys(REQUIRED, ""), "point": "1", "design": "base", "status": "queued"}
    write_table(tmp_path / "table.csv", [cells | {f"input:{key}": 1.0 for key in plan.inputs}])
    record = read_record(tmp_path, read_outcomes(tmp_path))
    assert [one.mark for one in record.inputs] == ["chosen", "derived", "recalled"]
    assert record.input("tissue.kf").label == "kf, tissue.kf"
    assert record.input("tissue.kf").remark == load_parameters().entry("tissue.kf").remark
    assert record.saltelli_samples is None


@pytest.mark.parametrize("path", sorted((SCENARIOS / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_studies_of_the_gallery_can_be_planned(path: Path) -> None:
    """Each opens with its question, says what it expects, draws patients and contains scenarios of the gallery."""
    assert path.read_text(encoding="utf-8").startswith("question: ")
    study = load_study(path)
    assert study.expect
    assert "Why:" in study.expect
    assert study.sampling is not None
    few = study.model_copy(update={"sampling": study.sampling.model_copy(update={"samples": 4})})
    few._origin = study.origin
    plan = plan_study(few)
    assert len(plan.points) == 4 * len(study.designs) + study.operator_checks
    hashes = plan.design_hashes()
    known = {name: scenario_hash(load_scenario(SCENARIOS / f"{file}.yaml")) for name, file in SAME_AS.items()}
    assert hashes == {name: known[name] for name in hashes}
