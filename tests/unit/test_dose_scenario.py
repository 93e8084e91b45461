"""Dose fields as scenarios write them: keys, files, frames, and the sentences of refusals."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista as pv

from femsim.errors import InputError
from femsim.pipeline import Hooks
from femsim.pipeline.setting import prepare
from femsim.scenario import dump_scenario, load_scenario, scenario_hash

BENCH = """schema: 1
title: test
jaw: {bench_block: {}}
plate: {preset: reconstruction-2.5}
screws: {preset: locking-2.4, per_stump: 2}
irradiation:
  surgery_after: 6 months
  courses:
    - COURSE
loading: {tasks: [{bite: tip, force: 20 N}]}
simulate: {years: 0.1}
"""
SHIFT = "[[1, 0, 0, 10], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]"


def dose(points):
    """Affine dose of the image, Gy."""
    return 40.0 + np.asarray(points) @ [0.1, -0.05, 0.08]


@pytest.fixture
def folder(tmp_path):
    image = pv.ImageData(dimensions=(31, 31, 31), spacing=(10, 10, 10), origin=(-150, -150, -150))
    image.point_data["dose"] = dose(image.points)
    image.save(tmp_path / "dose.vti")
    image.extract_subset([14, 16, 14, 16, 14, 16]).save(tmp_path / "small.vti")
    pv.Sphere(radius=20.0).save(tmp_path / "target.stl")
    return tmp_path


def scenario(folder, course):
    (folder / "case.yaml").write_text(BENCH.replace("COURSE", course), encoding="utf-8")
    return load_scenario(folder / "case.yaml")


def courses(folder, course):
    return prepare(scenario(folder, course), Hooks()).tissue.courses


POINTS = np.array([[0.0, 5.0, 0.0], [12.0, -3.0, 8.0]])


def test_image_gives_its_own_dose(folder):
    """An image's dose is used as it is, for the number of fractions that is written."""
    for course in ("{fractions: 30, field: {image: dose.vti}}", "{fractions: 30, field: {image: {path: dose.vti}}}"):
        (found,) = courses(folder, course)
        assert found.dose(POINTS) == pytest.approx(dose(POINTS))
        assert found.fractions == 30


def test_register_moves_the_image(folder):
    """The matrix leads from the frame of the dose to that of the jaw."""
    (found,) = courses(folder, f"{{fractions: 30, field: {{image: {{path: dose.vti, register: {SHIFT}}}}}}}")
    assert found.dose(POINTS + np.array([10.0, 0.0, 0.0])) == pytest.approx(dose(POINTS))


def test_capsule_and_surface(folder):
    """Capsule and surface carry half the prescription on their edge."""
    capsule = "{start: [0 mm, 0 mm, 0 mm], end: [40 mm, 0 mm, 0 mm], radius: 15 mm}"
    (found,) = courses(folder, f"{{prescription: 60 Gy, fractions: 30, field: {{capsule: {capsule}}}}}")
    assert found.dose([[20.0, 15.0, 0.0]]) == pytest.approx([30.0])
    (found,) = courses(folder, "{prescription: 60 Gy, fractions: 30, field: {surface: target.stl}}")
    assert found.dose([[0.0, 0.0, 0.0], [20.0, 0.0, 0.0]]) == pytest.approx([60.0, 30.0], abs=0.7)


def test_dicom_and_structure(folder):
    """A DICOM folder gives dose and fractions and tells what it assumed; a structure of it is a target."""
    pytest.importorskip("pydicom", reason="the optional package pydicom is absent (femsim[dicom])")
    import dicom_models as models

    plan = folder / "plan"
    plan.mkdir()
    file = models.DoseFile(position=(-90.0, -60.0, -60.0), spacing=(5.0, 5.0))
    file.offsets, file.shape = tuple(5.0 * k for k in range(25)), (25, 37)
    file.write(plan / "dose.dcm")
    models.write_plan(plan, fractions=33)
    square = np.array([[-20, -20, 0], [20, -20, 0], [20, 20, 0], [-20, 20, 0]], dtype=float)
    models.write_structures(plan, {"PTV": [square + np.array([0.0, 0.0, z]) for z in range(-20, 21, 4)]})
    setting = prepare(scenario(folder, "{field: {dicom: plan}}"), Hooks())
    assert setting.tissue.courses[0].fractions == 33
    assert setting.tissue.courses[0].dose(POINTS) == pytest.approx(models.smooth_dose(POINTS), abs=0.01)
    used = prepare(scenario(folder, "{fractions: 30, field: {dicom: plan}}"), Hooks()).operation.warnings
    assert any("course 1: the plan has 33 fractions" in text for text in used)
    assert not any(models.PATIENT in text for text in used)
    course = "{prescription: 60 Gy, fractions: 30, field: {structure: {folder: plan, name: PTV}}}"
    (found,) = courses(folder, course)
    assert found.dose([[0.0, 0.0, 0.0], [20.0, 0.0, 0.0]]) == pytest.approx([60.0, 30.0], abs=1.0)


@pytest.mark.parametrize(
    ("course", "words"),
    [
        ("{prescription: 60 Gy, field: {uniform: {}}}", "courses.0.fractions: the key 'fractions' is missing"),
        ("{fractions: 30, field: {uniform: {}}}", "courses.0.prescription: the key 'prescription' is missing"),
        ("{fractions: 30, field: {image: absent.vti}}", "field.image.path: no file 'absent.vti'"),
        ("{field: {dicom: {folder: absent}}}", "field.dicom.folder: no folder 'absent'"),
        ("{field: {dicom: {folder: ., fraction_dose: two}}}", "'two' is not one of one, all"),
        ("{fractions: 30, field: {image: {path: dose.vti, outsid: 0 Gy}}}", "did you mean 'outside'"),
        ("{fractions: 30, field: {image: {path: dose.vti, outside: 0}}}", "has no unit"),
        ("{fractions: 30, field: {image: {path: dose.vti, register: [[1, 0, 0, 0]]}}}", "register.*missing"),
        (
            "{prescription: 60 Gy, fractions: 3, field: {capsule: {start: 35, end: 37, radius: 9 mm}}}",
            "capsule.start: the bench block has no tooth 35",
        ),
    ],
)
def test_refused_when_read(folder, course, words):
    """What is wrong with a field is said with file and line when the scenario is read."""
    with pytest.raises(InputError, match=rf"case\.yaml:9: .*{words}"):
        scenario(folder, course)


@pytest.mark.parametrize(
    ("course", "words"),
    [
        ("{fractions: 30, field: {image: small.vti}}", r"unknown at \d+ of \d+ points"),
        (
            f"{{fractions: 30, field: {{image: {{path: dose.vti, register: {SHIFT.replace('[1,', '[2,', 1)}}}}}}}",
            "not rigid",
        ),
        ("{prescription: 2 Gy, fractions: 30, field: {image: dose.vti}}", "for a prescription of 2 Gy"),
        ("{field: {dicom: .}}", "no RT Dose file"),
    ],
)
def test_refused_before_meshing(folder, course, words):
    """A dose that cannot be used is refused while the operation is planned, with file and line."""
    if "dicom" in course:
        pytest.importorskip("pydicom", reason="the optional package pydicom is absent (femsim[dicom])")
    with pytest.raises(InputError, match=rf"case\.yaml:9: .*{words}"):
        prepare(scenario(folder, course), Hooks())


def test_outside_that_the_user_states(folder):
    """A small image with a stated dose outside can be used."""
    (found,) = courses(folder, "{fractions: 30, field: {image: {path: small.vti, outside: 1 Gy}}}")
    assert found.dose([[100.0, 0.0, 0.0]]).tolist() == [1.0]


def test_hash_follows_the_content_of_the_image(folder):
    """A resolved scenario loads again to the same hash; another dose under the same name is another scenario."""
    course = f"{{fractions: 30, field: {{image: {{path: dose.vti, outside: 0 Gy, register: {SHIFT}}}}}}}"
    first = scenario(folder, course)
    (folder / "other").mkdir()
    (folder / "other" / "resolved.yaml").write_text(dump_scenario(first), encoding="utf-8")
    again = load_scenario(folder / "other" / "resolved.yaml")
    assert scenario_hash(again) == scenario_hash(first)
    before = scenario_hash(first)
    pv.ImageData(dimensions=(3, 3, 3)).save(folder / "dose.vti")
    assert scenario_hash(first) != before
