"""Bone from a calibrated CT: the laws, the points of a model, what is refused, and a run from end to end."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_models import raster, write_nifti
from pipeline_models import bench_values, mesh_of, session_cache, workspace

from femsim.errors import InputError
from femsim.fem.density import DensityLaw, MeasuredBone, calibration_line
from femsim.images.grid import VoxelGrid
from femsim.parameters import load_parameters
from femsim.pipeline import Hooks, run
from femsim.pipeline.construct import Construct, construct
from femsim.pipeline.setting import Setting, prepare
from femsim.results.density import density_record
from femsim.scenario import ScenarioError, dump_scenario, load_scenario, scenario_from_mapping, scenario_hash

PARAMETERS = load_parameters()
LOW, HIGH = np.array([-45.0, -4.0, -11.0]), np.array([45.0, 14.0, 11.0])
LINE = {"density": "apparent", "slope": "0.001 g/cm^3", "intercept": "0 g/cm^3"}
CORTICAL_HU = 1000.0 * 2.0 ** (1 / 1.49)
"""13,700 MPa is twice the factor of the femoral-neck law, 6,850 MPa, so its density is 2^(1/1.49) g/cm3."""


def law(**choices: Any) -> DensityLaw:
    return DensityLaw.from_parameters(PARAMETERS, 0.001, 0.0, **choices)


def test_laws_of_the_card() -> None:
    """At 1 g/cm3 a power law is its factor; at 0.5 g/cm3 both give their published values."""
    assert law().uncapped(np.array([1.0, 0.5])) == pytest.approx([6850.0, 6850.0 * 0.5**1.49])
    assert law(law="pooled").uncapped(np.array([1.0, 0.5])) == pytest.approx([8920.0, 8920.0 * 0.5**1.83])


def test_density_of_phantoms() -> None:
    """1 g/cm3 of ash is 1 / 0.6 of bone; 1 g/cm3 of hydroxyapatite is 0.877 + 0.079 of ash."""
    hounsfield = np.array([1000.0])
    assert law().density(hounsfield) == pytest.approx([1.0])
    assert law(phantom="ash").density(hounsfield) == pytest.approx([1 / 0.6])
    assert law(phantom="hydroxyapatite").density(hounsfield) == pytest.approx([0.956 / 0.6])


def test_calibration_line() -> None:
    """Two points give their line; of more the best line and the largest distance from it are told."""
    assert calibration_line([(0.0, 0.1), (1000.0, 0.9)]) == pytest.approx((0.0008, 0.1, 0.0))
    slope, intercept, off = calibration_line([(0.0, 0.0), (500.0, 0.53), (1000.0, 1.0)])
    assert (slope, intercept, off) == pytest.approx((0.001, 0.01, 0.02))
    with pytest.raises(InputError, match="every point has 5 HU"):
        calibration_line([(5.0, 0.0), (5.0, 1.0)])
    with pytest.raises(InputError, match="it has to rise"):
        DensityLaw.from_parameters(PARAMETERS, 0.0, 1.0)


def measured(values: np.ndarray, **choices: Any) -> MeasuredBone:
    """A scan of 2 mm voxels from the origin; its frame lies 10 mm in front of that of the points."""
    shift = np.eye(4)
    shift[1, 3] = 10.0
    return MeasuredBone(VoxelGrid.even(values, np.diag([2.0, 2.0, 2.0, 1.0]), "scan"), shift, law(**choices))


def test_bone_at_points() -> None:
    """Between voxels the Hounsfield number is linear; law, class, cap and softest modulus follow it."""
    values = np.zeros((3, 3, 3)) + np.array([200.0, 1200.0, 3200.0])[:, None, None]
    points = np.array([[0.0, -9.0, 1.0], [1.0, -9.0, 1.0], [2.0, -9.0, 1.0], [4.0, -9.0, 1.0]])
    bone = measured(values, softest=700.0).at(points)
    assert bone.hounsfield == pytest.approx([200.0, 700.0, 1200.0, 3200.0])
    assert bone.young == pytest.approx([700.0, 6850.0 * 0.7**1.49, 6850.0 * 1.2**1.49, 22000.0])
    assert bone.cortical.tolist() == [False, False, True, True]
    assert bone.capped.tolist() == [False, False, False, True]
    assert bone.raised.tolist() == [True, False, False, False]


def test_no_modulus_and_no_image_are_errors_with_their_place() -> None:
    """Air inside the bone and points outside the scan are refused: how many, where in the scan, how many HU."""
    values = np.full((3, 3, 3), 500.0)
    values[1, 1, 1] = -800.0
    points = np.array([[2.0, -8.0, 2.0], [0.0, -8.0, 2.0], [2.0, -8.0, 4.0]])
    with pytest.raises(InputError, match=r"1 of 3 points .* zero or less; the lowest, -800 HU, lies at \(2, 2, 2\) mm"):
        measured(values).at(points)
    assert measured(values, softest=50.0).at(points).young.min() == 50.0
    outside = np.array([[2.0, -8.0, 2.0], [2.0, 8.0, 2.0], [4.5, -8.0, 2.0]])
    with pytest.raises(InputError, match=r"2 of 3 points .* outside the scan, between \(2, 2, 2\) and \(4.5, 18, 2\)"):
        measured(values).at(outside)


def scanned_bench(name: str, hounsfield: Any, **ct: Any) -> dict[str, Any]:
    """A bench block with a CT whose Hounsfield numbers are a function of points (n, 3)."""
    centres, matrix = raster(LOW, HIGH, np.array([1.5, 1.0, 1.0]))
    values = np.asarray(hounsfield(centres.reshape(-1, 3)), dtype=np.float32).reshape(centres.shape[:3])
    write_nifti(workspace() / f"{name}.nii.gz", values, matrix)
    content = bench_values(dose=60.0, years=0.02)
    content["jaw"]["ct"] = {"image": f"{name}.nii.gz", "calibration": LINE, **ct}
    return content


def setting_of(content: dict[str, Any]) -> Setting:
    return prepare(scenario_from_mapping(content, "ct.yaml", workspace()), Hooks())


def sloping(points: np.ndarray) -> np.ndarray:
    """Hounsfield numbers that rise along the block and go beyond the cap: linear, so interpolation is exact."""
    return 1300.0 + 52.0 * points[:, 0]


@cache
def sloping_bench() -> tuple[Setting, Construct]:
    setting = setting_of(scanned_bench("sloping", sloping, softest="150 MPa"))
    return setting, construct(setting, mesh_of(), Hooks())


def test_modulus_at_every_quadrature_point() -> None:
    """The healthy modulus of a model is that of the scan at its points; irradiation scales it by the class there."""
    setting, built = sloping_bench()
    model = built.model
    points = model.space.quadrature_points()[model.bone_cells]
    density = sloping(points.reshape(-1, 3)).reshape(points.shape[:2]) / 1000.0
    expected = np.clip(6850.0 * np.maximum(density, 0.0) ** 1.49, 150.0, 22000.0)
    np.testing.assert_allclose(model.healthy, expected, rtol=2e-5)
    assert np.mean(model.cortical == (density >= 1.0)) > 0.9999  # rounding of the image at the threshold
    cortical, cancellous = (part.reshape(density.shape) for part in setting.tissue.ratios(points.reshape(-1, 3)))
    np.testing.assert_allclose(
        model.young[model.bone_cells], model.healthy * np.where(model.cortical, cortical, cancellous)
    )
    assert cancellous.max() < cortical.min() < 1.0


def test_bounds_are_recorded() -> None:
    """Lowest, median and highest modulus and the shares at the cap and at the softest, by volume."""
    setting, built = sloping_bench()
    assert setting.measured is not None
    record = density_record(built.model, setting.measured, None)
    assert record["young_min_mpa"] == 150.0
    assert record["young_max_mpa"] == 22000.0
    # Two equal blocks from 5 mm outwards: 2.188 g/cm3, which give the cap, lie at x = 17.08 mm, 0.0769 g/cm3 for
    # 150 MPa at -23.52 mm, 1 g/cm3 at -5.77 mm; the median lies at an end of the gap, within 2 mm for the screw holes.
    far = float(setting.operation.bone.bounds[1, 0])
    length = 2 * (far - 5.0)
    assert record["capped_share"] == pytest.approx((far - 17.08) / length, abs=0.02)
    assert record["raised_share"] == pytest.approx((far - 23.52) / length, abs=0.02)
    assert record["cortical_share"] == pytest.approx(0.5 + 0.77 / length, abs=0.02)
    assert 6850.0 * 0.936**1.49 <= record["young_median_mpa"] <= 6850.0 * 1.664**1.49
    assert record["hounsfield_min"] == pytest.approx(1300.0 - 52.0 * far, abs=20.0)


def test_screws_feel_the_density_around_them() -> None:
    """The bone of a patch has the modulus of the scan there: stiffer on the dense side, equal to a uniform scan's."""
    _, built = sloping_bench()
    tissue = built.bone.at(0.0)
    dense, soft = built.patches.centre[:, 0] > 15.0, built.patches.centre[:, 0] < -15.0
    assert tissue.young[dense].min() > 2.0 * tissue.young[soft].max()
    assert tissue.strength[dense].min() > 1.5 * tissue.strength[soft].max()


def test_a_uniform_scan_of_cortical_bone_is_cortical_bone() -> None:
    """With 13,700 MPa everywhere patches are what the classes make of pure cortex."""
    setting = setting_of(scanned_bench("uniform", lambda points: np.full(len(points), CORTICAL_HU)))
    built = construct(setting, mesh_of(), Hooks())
    np.testing.assert_allclose(built.model.healthy, 13700.0, rtol=1e-6)
    state = setting.tissue.table.histories(built.eqd2).at(0.0)
    np.testing.assert_allclose(built.bone.at(0.0).young, 13700.0 * state.E_cortical, rtol=1e-6)
    np.testing.assert_allclose(built.bone.at(0.0).strength, state.strength_cortical, rtol=1e-6)


def test_air_in_the_bone_is_refused_before_any_solution() -> None:
    """A calibration that leaves bone without modulus names scenario, voxels and the way out."""
    setting = setting_of(scanned_bench("air", lambda points: 400.0 + 20.0 * points[:, 0]))
    with pytest.raises(InputError, match=r"air.nii.gz: \d+ of \d+ points .* HU, lies at \(-2.*'softest: 50 MPa'"):
        construct(setting, mesh_of(), Hooks())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": "absent.nii"}, "jaw.ct.image: no file or folder 'absent.nii'"),
        ({"calibration": {"slope": "0.001 g/cm^3", "intercept": "0 g/cm^3"}}, "the key 'density' is missing"),
        ({"calibration": {**LINE, "slope": "0 g/cm^3"}}, "outside the plausible range 1e-5"),
        ({"calibration": {**LINE, "slope": "-0.001 g/cm^3"}}, "outside the plausible range 1e-5"),
        ({"calibration": {**LINE, "slope": "0.001 MPa"}}, "wrong dimension"),
        ({"calibration": {"density": "ash", "slope": "0.001 g/cm^3"}}, "needs slope and intercept, or points"),
        ({"calibration": {"density": "ash", "points": [[0, "1 g/cm^3"], [0, "2 g/cm^3"]]}}, "every point has 0 HU"),
        ({"calibration": {"density": "ash", "points": [[0, "1 g/cm^3"], [9, "1 g/cm^3"]]}}, "goes from 1 to 1 g/cm3"),
        ({"calibration": {**LINE, "points": [[0, "0 g/cm^3"], [9, "1 g/cm^3"]]}}, "points already give the line"),
        ({"law": "poled"}, "did you mean 'pooled'"),
        ({"softest": "0 MPa"}, "outside the plausible range 0.1 MPa"),
        ({"register": np.diag([2.0, 1.0, 1.0, 1.0]).tolist()}, r"ct.yaml.*not rigid \(determinant 2"),
        ({"register": [[1, 0, 0, 60], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}, r"ct.yaml.*of the bone lie outside"),
    ],
)
def test_refused(change: dict[str, Any], words: str) -> None:
    """What cannot be a calibrated scan of this bone is refused when the scenario is read or planned."""
    content = scanned_bench("plain", sloping)
    content["jaw"]["ct"].update(change)
    with pytest.raises(InputError, match=words):
        setting_of(content)


def test_refused_with_other_keys() -> None:
    """A parametric jaw has no scan, and measured moduli are isotropic."""
    content = scanned_bench("plain", sloping)
    content["bone"] = {"cortical": "orthotropic"}
    with pytest.raises(ScenarioError, match="moduli of a CT are isotropic"):
        setting_of(content)
    content["jaw"] = {"parametric": {}, "ct": content["jaw"]["ct"]}
    with pytest.raises(ScenarioError, match="nobody's scan"):
        setting_of(content)


def test_a_dicom_folder_is_the_same_scan() -> None:
    """A folder of slices gives the moduli of the image with the same numbers; ``register`` brings it into place."""
    from dicom_models import write_ct

    centres, matrix = raster(LOW, HIGH, np.array([1.5, 1.0, 1.0]))
    values = np.round(sloping(centres.reshape(-1, 3))).astype(int).reshape(centres.shape[:3])
    shift = np.eye(4)
    shift[:3, 3] = [100.0, -50.0, 20.0]
    write_ct(workspace() / "slices", values, shift @ matrix)
    content = scanned_bench("plain", sloping)
    register = np.linalg.inv(shift).tolist()
    content["jaw"]["ct"].update(image="slices", register=register, softest="150 MPa")
    setting, image = setting_of(content), sloping_bench()[0]
    points = setting.operation.bone.points
    assert setting.measured is not None
    assert image.measured is not None
    np.testing.assert_allclose(setting.measured.at(points).young, image.measured.at(points).young, rtol=5e-3)


def test_a_run_from_a_scan() -> None:
    """A run on a scan writes the bounds into run.json and the page, and tells them on the way."""
    said: list[str] = []
    points = [[0, "0 g/cm^3"], [500, "0.52 g/cm^3"], [1000, "1 g/cm^3"]]
    content = scanned_bench("run", sloping, softest="150 MPa", calibration={"density": "apparent", "points": points})
    with session_cache():
        scenario = scenario_from_mapping(content, "ct.yaml", workspace())
        result = run(scenario, workspace() / "runs", hooks=Hooks(note=said.append))
    record = json.loads((result.folder / "run.json").read_text(encoding="utf-8"))
    bone = record["bone_from_ct"]
    assert record["status"] == "complete"
    assert all(check["passed"] for check in record["checks"])
    assert bone["young_min_mpa"] >= 150.0
    assert bone["young_max_mpa"] == 22000.0
    assert any("line through 3 points is off by up to 0.01" in warning for warning in record["warnings"])
    assert any("warning: CT calibration" in sentence for sentence in said)
    assert any("bone from the CT: healthy modulus" in sentence for sentence in said)
    assert result.report is not None
    page = Path(result.report).read_text(encoding="utf-8")
    assert "Bone from the CT" in page
    assert "22,000" in page or "22000" in page


def test_keys_of_labels_and_scan(tmp_path: Path) -> None:
    """Labels and CT are files of the scenario, come back from its resolved form, and enter its hash by content."""
    for name in ("seg.nii", "ct.nii", "other.nii"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    points = [[0, "0 g/cm^3"], [1000, "950 mg/cm^3"]]
    content = bench_values()
    content |= {"resection": {"side": "left", "from": 34, "to": 36}, "irradiation": None}
    content["loading"] = {"tasks": [{"bite": "right-first-molar", "force": "100 N"}]}
    content["jaw"] = {"labels": "seg.nii", "value": 4, "ct": {"image": "ct.nii"}}
    content["jaw"]["ct"]["calibration"] = {"density": "ash", "points": points}
    scenario = scenario_from_mapping(content, "labels.yaml", tmp_path)
    assert scenario.files == {("jaw", "labels"): tmp_path / "seg.nii", ("jaw", "ct", "image"): tmp_path / "ct.nii"}
    assert scenario.jaw.ct is not None
    assert scenario.jaw.ct.calibration.points == ((0.0, 0.0), (1000.0, 0.95))
    path = tmp_path / "again.yaml"
    path.write_text(dump_scenario(scenario), encoding="utf-8")
    assert scenario_hash(load_scenario(path)) == scenario_hash(scenario)
    content["jaw"]["ct"]["image"] = "other.nii"
    assert scenario_hash(scenario_from_mapping(content, "labels.yaml", tmp_path)) != scenario_hash(scenario)


@pytest.mark.parametrize(
    ("jaw", "words"),
    [
        ({"labels": "seg.nii"}, "jaw.value: the key 'value' is missing"),
        ({"labels": "seg.nii", "value": 0}, "at least 1"),
        ({"parametric": {}, "value": 1}, "read only with labels"),
        ({"labels": "seg.nii", "value": 1, "surface": "a.stl"}, "not surface and labels"),
        ({"labels": "absent.nii", "value": 1}, "no file 'absent.nii'"),
        ({"parametric": {}, "landmarks": {"menton": ["0 mm", "0 mm", "0 mm"]}}, "only with a surface or labels"),
    ],
)
def test_keys_refused(jaw: dict[str, Any], words: str, tmp_path: Path) -> None:
    """Keys of a jaw that do not go together are refused by name."""
    (tmp_path / "seg.nii").write_text("image", encoding="utf-8")
    with pytest.raises(ScenarioError, match=words):
        scenario_from_mapping({**bench_values(), "jaw": jaw}, "labels.yaml", tmp_path)
