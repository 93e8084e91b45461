"""Study files: what they may say, which points they lead to, and the same patients everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_models import study_values, written

from femsim.parameters import load_parameters
from femsim.scenario import scenario_from_mapping
from femsim.scenario.load import ScenarioError
from femsim.study.changes import DENSITY, STIFFENED, STRENGTHENED, changed
from femsim.study.folder import resolved_text
from femsim.study.load import load_study
from femsim.study.plan import StudyPlan, plan_study
from femsim.study.sampling import Range, draw, holds_at_rest, range_of
from femsim.study.schema import Sampled, Sampling

UNIFORM = Range("tissue.kf", 2.0, 6.0, "1/day", "uniform")


def plan_of(folder: Path, values: dict[str, Any] | None = None, **base: Any) -> StudyPlan:
    return plan_study(load_study(written(folder, values, **base)))


# --- points -------------------------------------------------------------------------------------------------------


def test_points_are_designs_times_list_times_grid_times_samples(tmp_path):
    """The number of points is the product, and the order is designs, list, grid, samples."""
    values = study_values(
        samples=3,
        designs={"thick": {}, "thin": {"plate.thickness": "2 mm"}},
        list=[{"loading.tasks.0.cycles_per_day": 800}, {"loading.tasks.0.cycles_per_day": 1600}],
        grid={"interface.friction": [0.2, 0.3, 0.4]},
        operator_checks=0,
    )
    points = plan_of(tmp_path, values).points
    assert len(points) == 2 * 2 * 3 * 3
    assert [point.design for point in points[::18]] == ["thick", "thin"]
    assert [point.sample for point in points[:4]] == [1, 2, 3, 1]
    assert points[3].changes["interface.friction"] == 0.3


def test_a_sample_is_the_same_patient_in_every_design(tmp_path):
    """Sampled values depend on the sample's number alone."""
    values = study_values(samples=5, designs={"thick": {}, "thin": {"plate.thickness": "2 mm"}})
    plan = plan_of(tmp_path, values)
    for first, second in zip(plan.points[:5], plan.points[5:10], strict=True):
        assert first.sample == second.sample
        assert dict(first.changes) == dict(second.changes)


def test_dose_does_not_apply_to_a_healthy_design(tmp_path):
    """A patient's dose is left empty in the table of the design without radiotherapy, not refused."""
    values = study_values(designs={"irradiated": {}, "healthy": {"irradiation": None}})
    values["sample"] = {"patient.dose": {"low": "50 Gy", "high": "70 Gy"}, "tissue.kf": "card"}
    plan = plan_of(tmp_path, values, dose=60.0)
    irradiated, healthy = plan.points[0], plan.points[4]
    assert 50.0 <= plan.values(irradiated, plan.scenario(irradiated))["patient.dose"] <= 70.0
    assert plan.values(healthy, plan.scenario(healthy))["patient.dose"] is None
    assert plan.scenario(healthy).irradiation is None


def test_inputs_of_the_table_are_in_internal_units(tmp_path):
    """A path is read from the scenario: 12 months are 364.8 days."""
    values = study_values(grid={"irradiation.surgery_after": ["12 months"], "plate.preset": ["reconstruction-2.5"]})
    plan = plan_of(tmp_path, values, dose=60.0)
    found = plan.values(plan.points[0], plan.scenario(plan.points[0]))
    assert found["irradiation.surgery_after"] == pytest.approx(364.8)
    assert found["plate.preset"] == "reconstruction-2.5"


def test_resolved_study_loads_to_the_same_study(tmp_path):
    """The text in the study folder has every default and range and leads to the same points and hash."""
    values = study_values(
        designs={"irradiated": {}, "healthy": {"irradiation": None}}, grid={"simulate.criteria.motion": ["100 um"]}
    )
    plan = plan_of(tmp_path, values, dose=60.0)
    (tmp_path / "base.yaml").write_text((tmp_path / "block.yaml").read_text())
    (tmp_path / "again.yaml").write_text(resolved_text(plan))
    again = plan_study(load_study(tmp_path / "again.yaml"))
    assert again.hash == plan.hash
    assert [dict(point.changes) for point in again.points] == [dict(point.changes) for point in plan.points]


def test_hash_follows_numbers_and_not_words(tmp_path):
    """Another seed is another study; another title is not."""
    plain = plan_of(tmp_path / "a").hash
    assert plan_of(tmp_path / "b", {**study_values(), "title": "Other words"}).hash == plain
    other = study_values()
    other["sampling"] = {**other["sampling"], "seed": 8}
    assert plan_of(tmp_path / "c", other).hash != plain


# --- sampling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["latin-hypercube", "sobol", "saltelli"])
def test_the_same_seed_draws_the_same_patients(method):
    """Seeds are fixed; another seed draws others."""
    ranges = (UNIFORM, Range("tissue.chi", 0.1, 0.8, "", "uniform"))
    one, two, other = (draw(ranges, Sampling(method=method, samples=8, seed=seed)) for seed in (3, 3, 4))
    assert np.array_equal(one.cube, two.cube)
    assert not np.array_equal(one.cube, other.cube)


def test_latin_hypercube_fills_every_stratum():
    """Each of n slices of every value holds exactly one of n patients."""
    cube = draw((UNIFORM, UNIFORM, UNIFORM), Sampling(samples=16, seed=1)).cube
    assert (np.sort(np.floor(16 * cube), axis=0) == np.arange(16)[:, None]).all()


def test_saltelli_blocks_differ_from_a_in_one_column():
    """Block AB of a value is A with that column from B; n (d + 2) patients in all."""
    ranges = tuple(Range(f"tissue.{key}", 0.0, 1.0, "", "uniform") for key in ("kf", "tlag", "x"))
    patients = draw(ranges, Sampling(method="saltelli", samples=4, seed=2))
    blocks = {
        name: patients.cube[[k for k, own in enumerate(patients.blocks) if own == name]] for name in patients.blocks
    }
    assert len(patients) == 4 * (3 + 2)
    expected = blocks["A"].copy()
    expected[:, 1] = blocks["B"][:, 1]
    assert np.array_equal(blocks["AB:tissue.tlag"], expected)
    assert [row["row"] for row in patients.table()[:4]] == [1, 2, 3, 4]


def test_saltelli_blocks_give_the_indices_of_a_linear_model():
    """y = 1 x1 + 2 x2: first-order indices are 1/5 and 4/5."""
    ranges = tuple(Range(f"tissue.{key}", 0.0, 1.0, "", "uniform") for key in ("kf", "tlag"))
    patients = draw(ranges, Sampling(method="saltelli", samples=1024, seed=2))
    y = patients.cube @ [1.0, 2.0]
    a, b, first, second = y.reshape(4, 1024)
    variance = np.var(np.concatenate([a, b]))
    assert np.mean(b * (first - a)) / variance == pytest.approx(0.2, abs=0.01)
    assert np.mean(b * (second - a)) / variance == pytest.approx(0.8, abs=0.02)


def test_distributions_have_their_quantiles():
    """Uniform and loguniform by formula; a normal one is symmetric, inside its range, and narrower in the middle."""
    assert UNIFORM.value(0.25) == pytest.approx(3.0)
    assert Range("tissue.kf", 1.0, 100.0, "", "loguniform").value(0.5) == pytest.approx(10.0)
    normal = Range("tissue.kf", 2.0, 6.0, "", "normal")
    assert [normal.value(share) for share in (0.0, 0.5, 1.0)] == pytest.approx([2.0, 4.0, 6.0])
    # One standard deviation above the mean: 84.13 % of a full normal, (0.8413 - 0.0228) / 0.9545 of the cut one.
    assert normal.value((0.841345 - 0.022750) / 0.954500) == pytest.approx(5.0, abs=1e-4)


def test_a_card_gives_range_and_distribution():
    """``card`` takes both from the parameter; another parameter's card can be named."""
    own = range_of("interface.bearing_stiffness", Sampled())
    assert (own.low, own.high, own.distribution, own.mark) == (5e3, 5e4, "loguniform", "derived")
    other = range_of("loading.tasks.*.cycles_per_day", Sampled(card="scenario.cycles_per_day"))
    assert (other.low, other.high, other.unit) == (1600.0, 2700.0, "")


def test_patients_that_let_screws_loosen_at_rest_are_drawn_again():
    """With ``holds_at_rest`` every patient keeps a screw that nobody loads; without it some do not."""
    ranges = [range_of(f"tissue.{key}", Sampled()) for key in ("kf", "tlag", "x", "Bi", "chi")]

    def share(asked: bool) -> float:
        patients = draw(ranges, Sampling(samples=40, seed=5, holds_at_rest=asked))
        changes = [patients.changes(number) for number in range(40)]
        return float(np.mean([holds_at_rest({k: str(v) for k, v in one.items()}) for one in changes]))

    assert share(True) == 1.0
    assert share(False) < 1.0


# --- changes --------------------------------------------------------------------------------------------------------


def base(**irradiation: Any) -> dict[str, Any]:
    from pipeline_models import bench_values

    return bench_values(**irradiation)


def test_bite_force_scales_every_task():
    """The first task gets the force, the others keep their proportion to it."""
    values = base()
    values["loading"]["tasks"].append({"bite": "tip", "name": "hard", "force": "60 N"})
    found, _ = changed(values, {"patient.bite_force": "40 N"})
    assert [task["force"] for task in found["loading"]["tasks"]] == ["40.0 N", "120.0 N"]


def test_dose_scales_every_course_and_keeps_fractions():
    """The prescription changes; the fractions of the base stay."""
    found, _ = changed(base(dose=60.0), {"patient.dose": "66 Gy"})
    course = scenario_from_mapping(found).irradiation.courses[0]
    assert (course.prescription, course.fractions) == (pytest.approx(66.0), 30)


def test_density_changes_stiffness_and_strength_by_their_powers():
    """Density 0.9: stiffness 0.9^2, strength 0.9^1.5 of the value that is otherwise in force."""
    found, _ = changed(base(), {DENSITY: 0.9, "materials.cortical_E": "15000 MPa"})
    cards = load_parameters(scenario_from_mapping(found).overrides())
    assert cards["materials.cortical_E"] == pytest.approx(15000.0 * 0.81)
    assert cards["materials.cancellous_E"] == pytest.approx(load_parameters()["materials.cancellous_E"] * 0.81)
    for name in STRENGTHENED:
        assert cards[name] == pytest.approx(load_parameters()[name] * 0.9**1.5)
    assert set(STIFFENED) == {"materials.cortical_E", "materials.cancellous_E"}


# --- refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sample": {"tissue.D5O": "card"}}, "'tissue.D5O' is no parameter of the cards"),
        ({"sample": {"tissue.kF": "card"}}, "states no range"),
        ({"sample": {"tissue.kf": {"low": "2 mm", "high": "3 mm"}}}, "wrong dimension"),
        ({"sample": {"tissue.kf": {"low": "0.07 1/day", "high": "0.03 1/day"}}}, "is not below high"),
        ({"sample": {"tissue.kf": {"low": "0.03 1/day"}}}, "write both"),
        ({"grid": {"plaet.thickness": ["2 mm"]}}, "is no path of a scenario"),
        ({"grid": {"plate.thicknes": ["2 mm"]}}, "unknown key 'thicknes'"),
        ({"grid": {"patient.dose": ["60 Gy"]}}, "the scenario has no irradiation"),
        ({"grid": {"patient.age": ["60"]}}, "unknown word 'patient.age'"),
        ({"grid": {"plate.thickness": ["90 mm"]}}, "outside the plausible range"),
        ({"grid": {"loading.tasks.3.force": ["9 N"]}}, "no entry of a list of 1"),
        ({"designs": {"thin": {"tissue.kf": "0.03 1/day"}}}, "is set under"),
        ({"sampling": {"method": "sobol", "samples": 12, "seed": 1}}, "powers of two"),
        ({"sampling": None}, "does not say how"),
        ({"desings": {}}, "did you mean 'designs'"),
        ({"base": "nowhere.yaml"}, "no such file"),
    ],
)
def test_bad_studies_are_refused_with_a_sentence(tmp_path, changes, sentence):
    """Every mistake ends in one sentence with the place it was written."""
    values = {key: value for key, value in {**study_values(), **changes}.items() if value is not None}
    with pytest.raises(ScenarioError, match=sentence.replace("(", "\\(")) as caught:
        plan_of(tmp_path, values)
    assert ".yaml" in str(caught.value)


def test_a_scenario_is_not_a_study(tmp_path):
    """The message says which command runs it."""
    written(tmp_path)
    with pytest.raises(ScenarioError, match="femsim run"):
        load_study(tmp_path / "block.yaml")
