"""Scenario files: values in internal units, defaults with origins, the hash."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from femsim.parameters import load_parameters
from femsim.scenario import (
    dump_scenario,
    json_schema,
    load_scenario,
    notices,
    resolve,
    scenario_from_mapping,
    scenario_hash,
)

BASE = {
    "schema": 1,
    "title": "test",
    "jaw": {"parametric": {}},
    "resection": {"side": "left", "from": 34, "to": 36},
    "plate": {"preset": "reconstruction-2.5"},
    "screws": {"preset": "locking-2.4"},
    "irradiation": {
        "surgery_after": "12 months",
        "courses": [
            {"prescription": "60 Gy", "fractions": 30, "field": {"target": {"centre": 35, "radius": "3.5 cm"}}}
        ],
    },
    "loading": {"tasks": [{"bite": "right-first-molar", "force": "0.15 kN"}]},
    "simulate": {"years": 3},
}


def changed(path: str, value: object) -> dict:
    """Return the base scenario with one value replaced (or added) at a dotted path."""
    content = copy.deepcopy(BASE)
    here = content
    keys = path.split(".")
    for key in keys[:-1]:
        here = here[int(key)] if isinstance(here, list) else here.setdefault(key, {})
    here[int(keys[-1]) if isinstance(here, list) else keys[-1]] = value
    return content


def origins(scenario) -> dict[str, str]:
    return {value.key: value.origin for value in resolve(scenario)}


def write(tmp_path: Path, text: str, name: str = "case.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_quantities_become_internal_units():
    """Lengths are mm, forces N, times days, doses Gy, whatever unit was written."""
    scenario = scenario_from_mapping(BASE)
    assert scenario.irradiation.courses[0].field.target.radius == 35.0
    assert scenario.loading.tasks[0].force == 150.0
    assert scenario.irradiation.surgery_after == pytest.approx(12 * 30.4, abs=1e-9)
    assert scenario.irradiation.courses[0].prescription == 60.0


@pytest.mark.parametrize(
    ("bite", "activation", "teeth"),
    [
        ("right-first-molar", "RMOL", (46,)),
        (47, "RMOL", (47,)),
        (38, "LMOL", (38,)),
        ("incisal", "INC", (31, 41)),
        (43, "INC", (43,)),
        (44, "RMOL", (44,)),
        ("left-canine", "INC", (33,)),
        ("right-second-molar", "RMOL", (47,)),
    ],
)
def test_activation_follows_the_bite(bite, activation, teeth):
    """The muscle pattern that is not written is the one of the bite: incisal in front, the bite's side behind."""
    task = scenario_from_mapping(changed("loading.tasks.0.bite", bite)).loading.tasks[0]
    assert (task.activation, task.teeth, task.name) == (activation, teeth, str(bite))
    assert task.site == (bite if isinstance(bite, str) else f"tooth-{bite}")


def test_defaults_are_those_of_the_cards():
    """A value that is left out is the one of its parameter card."""
    scenario, cards = scenario_from_mapping(BASE), load_parameters()
    assert scenario.plate.width == cards["plates.reconstruction-2.5.width"]
    assert scenario.plate.standoff == cards["plates.standoff"]
    assert scenario.screws.per_stump.mesial == cards["scenario.screws_per_stump"]
    assert scenario.simulate.criteria.motion == cards["loosening.loose_motion"]
    assert scenario.loading.recovery == ((0.0, 0.2), (6.0, 0.4), (12.0, 0.7), (26.0, 1.0))


def test_every_value_has_its_origin(tmp_path):
    """Each resolved value says whether it was written (file and line), came from a preset or is a default."""
    text = json.dumps(BASE, indent=1).replace('"reconstruction-2.5"', '"reconstruction-2.5",\n "height": "10 mm"')
    path = write(tmp_path, text)
    found = origins(load_scenario(path))
    line = next(k for k, content in enumerate(text.splitlines(), 1) if "10 mm" in content)
    assert found["plate.height"] == f"{path}:{line}"
    assert found["plate.thickness"] == "preset reconstruction-2.5"
    assert found["plate.standoff"] == "default (parameter plates.standoff)"
    assert found["loading.tasks.0.activation"] == "default (the bite)"
    assert found["mesh.preset"] == "default"
    assert found["simulate.criteria.motion"] == "default (parameter loosening.loose_motion)"


def test_resolved_text_loads_again(tmp_path):
    """The resolved YAML, given values and defaults alike, reads back to exactly the same numbers."""
    content = changed("parameters", {"tissue.D50": "40 Gy", "tissue.nV": 3})
    content["title"] = "quotes ' \" # and: colons\nover two lines"
    content["jaw"] = {"parametric": {"bigonial_width": "0.1 m", "gonial_angle": "122.5 degrees"}}
    content["irradiation"]["courses"][0]["field"] = {"target": {"centre": ["1 cm", "-2 mm", "3 mm"], "radius": "3 cm"}}
    scenario = scenario_from_mapping(content)
    again = load_scenario(write(tmp_path, dump_scenario(scenario)))
    assert again.title == "quotes ' \" # and: colons over two lines"
    assert again.model_dump(exclude={"title"}) == scenario.model_dump(exclude={"title"})
    assert scenario_hash(again) == scenario_hash(scenario)


def test_surface_jaw_is_found_beside_the_scenario_and_hashed_by_content(tmp_path):
    """A surface file is relative to the scenario's folder; its content, not its name, enters the hash."""
    (tmp_path / "a.stl").write_text("solid a", encoding="utf-8")
    (tmp_path / "b.stl").write_text("solid a", encoding="utf-8")
    (tmp_path / "c.stl").write_text("solid c", encoding="utf-8")
    hashes = []
    for letter in "abc":
        content = {**BASE, "jaw": {"surface": f"{letter}.stl", "landmarks": {"menton": ["0 mm", "1 mm", "2 mm"]}}}
        scenario = load_scenario(write(tmp_path, json.dumps(content)))
        assert scenario.files[("jaw", "surface")] == tmp_path / f"{letter}.stl"
        assert scenario.jaw.landmarks == {"menton": (0.0, 1.0, 2.0)}
        hashes.append(scenario_hash(scenario))
    assert hashes[0] == hashes[1] != hashes[2]
    again = load_scenario(write(tmp_path, dump_scenario(scenario), "sub.yaml"))
    assert scenario_hash(again) == hashes[2]


def test_hash_ignores_words_and_spelling():
    """Title, question and the spelling of a quantity change no number and no hash."""
    base = scenario_hash(scenario_from_mapping(BASE))
    assert scenario_hash(scenario_from_mapping(changed("title", "another"))) == base
    assert scenario_hash(scenario_from_mapping(changed("question", "why?"))) == base
    assert scenario_hash(scenario_from_mapping(changed("irradiation.surgery_after", "364.8 days"))) == base
    assert scenario_hash(scenario_from_mapping(changed("screws.per_stump", 4))) == base
    spelled = [scenario_from_mapping(changed("parameters", {"tissue.D50": text})) for text in ("40 Gy", "4000 cGy")]
    assert scenario_hash(spelled[0]) == scenario_hash(spelled[1]) != base


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("plate.standoff", "0.7 mm"),
        ("plate.thickness", "2.4 mm"),
        ("screws.per_stump", {"mesial": 4, "distal": 3}),
        ("irradiation", None),
        ("irradiation.hyperbaric_oxygen_sessions", 30),
        ("loading.recovery", [[0, 1]]),
        ("simulate.criteria", {"motion": "151 um"}),
        ("mesh.preset", "fine"),
        ("parameters", {"tissue.D50": "40 Gy"}),
        ("jaw.parametric", {"bigonial_width": "97 mm"}),
    ],
)
def test_hash_follows_every_number(path, value):
    """A change of any value that a run reads changes the hash."""
    assert scenario_hash(scenario_from_mapping(changed(path, value))) != scenario_hash(scenario_from_mapping(BASE))


def test_overrides_collect_keys_that_stand_for_parameters():
    """What the file replaces in the cards is handed on with its origin, whichever section it was written in."""
    content = changed("plate", {"preset": "reconstruction-2.5", "thickness": "2.4 mm", "standoff": "0.5 mm"})
    content["simulate"]["criteria"] = {"motion": "100 um", "duration": "2 weeks"}
    content["jaw"] = {"parametric": {"gonial_angle": "120 degrees"}}
    content["parameters"] = {"tissue.D50": "40 Gy"}
    parameters = load_parameters(scenario_from_mapping(content).overrides())
    assert parameters["plates.reconstruction-2.5.thickness"] == 2.4
    assert parameters["plates.standoff"] == 0.5
    assert parameters["loosening.loose_motion"] == pytest.approx(0.1)
    assert parameters["loosening.loose_duration"] == 14
    assert parameters["jaw.gonial_angle"] == pytest.approx(120)
    assert parameters["tissue.D50"] == 40
    assert parameters.entry("tissue.D50").origin == "scenario"
    assert parameters["plates.height"] == load_parameters()["plates.height"]


def test_absent_irradiation_is_a_healthy_jaw():
    """No irradiation section, null and the word none mean the same."""
    content = copy.deepcopy(BASE)
    del content["irradiation"]
    hashes = {scenario_hash(scenario_from_mapping(one)) for one in (content, changed("irradiation", "none"))}
    assert hashes == {scenario_hash(scenario_from_mapping(changed("irradiation", None)))}
    assert origins(scenario_from_mapping(content))["irradiation"] == "default"


def test_unusual_values_are_noticed():
    """Few screws and parameters outside the range of their card are allowed but said aloud."""
    content = changed("screws.per_stump", 2)
    content["parameters"] = {"tissue.D50": "80 Gy"}
    sentences = list(notices(scenario_from_mapping(content)))
    assert len(sentences) == 2
    assert "2 screws per stump" in sentences[0]
    assert "outside the range of its card, 35 to 55 Gy" in sentences[1]
    assert not list(notices(scenario_from_mapping(BASE)))


def test_scenarios_cannot_be_changed():
    """A loaded scenario is frozen: what was checked is what runs."""
    scenario = scenario_from_mapping(BASE)
    with pytest.raises(ValueError, match="frozen"):
        scenario.title = "other"


def test_json_schema_describes_quantities():
    """Editors learn unit, pattern and keys from the JSON Schema, and the pattern accepts what the reader accepts."""
    import re

    schema = json_schema()
    plate = schema["$defs"]["Plate"]
    assert plate["additionalProperties"] is False
    assert plate["properties"]["width"]["x-unit"] == "mm"
    pattern = re.compile(plate["properties"]["width"]["pattern"])
    assert pattern.match("2.5 mm")
    assert not pattern.match("2,5 mm")
    assert set(schema["required"]) >= {"schema", "title", "jaw", "plate", "screws", "loading", "simulate"}


# Away from the limits of the plausible range, where the conversion itself may round a value out of it.
@given(st.floats(min_value=0.51, max_value=4.99), st.sampled_from(["mm", "cm", "um", "m"]))
def test_any_plausible_thickness_survives_the_round_trip(thickness, unit):
    """Writing a value out and reading it in again never changes it."""
    per_mm = {"mm": 1.0, "cm": 0.1, "um": 1000.0, "m": 0.001}[unit]
    scenario = scenario_from_mapping(changed("plate.thickness", f"{thickness * per_mm!r} {unit}"))
    written = next(value.value for value in resolve(scenario) if value.key == "plate.thickness")
    assert scenario_from_mapping(changed("plate.thickness", written)).plate.thickness == scenario.plate.thickness
    assert scenario.plate.thickness == pytest.approx(thickness, rel=1e-11)


@pytest.mark.parametrize(
    ("resection", "teeth", "distances"),
    [
        ({"side": "right", "from": "12 mm", "to": "5 cm"}, [None], [(-50.0, -12.0)]),
        ({"side": "midline", "from": "12 mm", "to": "20 mm"}, [None], [(-12.0, 20.0)]),
        (
            {
                "segments": [
                    {"side": "left", "from": 34, "to": 35},
                    {"side": "left", "from": "60 mm", "to": "70 mm"},
                ]
            },
            [(34, 35), None],
            [None, (60.0, 70.0)],
        ),
    ],
)
def test_resection_by_distance_and_in_segments(
    tmp_path: Path, resection: dict[str, object], teeth: list[object], distances: list[object]
) -> None:
    """Distances count from the midline on the named side; a list of segments may mix both ways; both load again."""
    scenario = scenario_from_mapping({**BASE, "resection": resection})
    assert scenario.resection is not None
    assert [part.teeth for part in scenario.resection.parts] == teeth
    assert [part.distances for part in scenario.resection.parts] == distances
    again = load_scenario(write(tmp_path, dump_scenario(scenario)))
    assert again.resection == scenario.resection


def test_resection_by_planes() -> None:
    """Two planes with points in any unit of length and normals of any length are read as they stand."""
    planes = [
        {"point": ["2.5 cm", "0 mm", "9 mm"], "normal": [0, 2, 0]},
        {"point": ["40 mm", "0 mm", "9 mm"], "normal": [0.0, 1.0, 0.5]},
    ]
    scenario = scenario_from_mapping({**BASE, "resection": {"planes": planes}})
    assert scenario.resection is not None
    (part,) = scenario.resection.parts
    assert part.planes is not None
    assert part.planes[0].point == (25.0, 0.0, 9.0)
    assert part.planes[1].normal == (0.0, 1.0, 0.5)
