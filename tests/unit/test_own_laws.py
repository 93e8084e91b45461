"""Mechanisms switched off, own laws and grafts in scenario files: what a run makes of them, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import pyvista as pv
from pipeline_models import bench_values, session_cache

from femsim.errors import InputError
from femsim.geometry.bench_block import box_surface
from femsim.parameters import load_parameters
from femsim.pipeline import Hooks, run
from femsim.pipeline.setting import prepare
from femsim.report import page
from femsim.scenario import dump_scenario, load_scenario, notices, scenario_from_mapping, scenario_hash
from femsim.tissue import Course, TissueConstants
from femsim.tissue.own_laws import check_laws, load_law, switched

CONSTANTS = TissueConstants.from_parameters(load_parameters())
SURGERY = 182.4
OWN = '''
import numpy as np
from dataclasses import dataclass
from femsim.tissue import PublishedCells


def fading(dose, day, constants):
    return 1.0 - np.minimum(dose / 100.0, 0.9) * -np.expm1(-np.asarray(day) / constants.tauV)


@dataclass
class Starved:
    exponent: float = 0.5

    def __call__(self, vessel, osteocyte, constants):
        return constants.p0 * vessel**self.exponent * np.ones_like(osteocyte)


class NoRecovery(PublishedCells):
    def recovery(self, constants):
        return 0.0
'''


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "laws.py").write_text(OWN, encoding="utf-8")
    return tmp_path


def scenario(folder, **irradiation):
    values = bench_values(dose=60.0)
    values["irradiation"] = {**values["irradiation"], **irradiation}
    return scenario_from_mapping(values, folder=folder)


def law(name, file="laws.py"):
    return {"path": file, "name": name}


def test_switched_off_in_a_scenario(folder):
    """A scenario that switches oxygen off prepares bone without the oxygen limit, says so, and is another run."""
    whole, off = scenario(folder), scenario(folder, switched_off=["oxygen"])
    setting = prepare(off, Hooks())
    state = setting.tissue.table.at([60.0], 0.0)
    assert state.O.tolist() == [1.0]
    assert state.p == pytest.approx([CONSTANTS.p0])
    assert state.V[0] < 0.7
    assert prepare(whole, Hooks()).tissue.table.at([60.0], 0.0).O[0] < 1.0
    assert any("oxygen is switched off" in text for text in setting.operation.warnings)
    assert scenario_hash(off) != scenario_hash(whole)
    (folder / "again.yaml").write_text(dump_scenario(off), encoding="utf-8")
    assert scenario_hash(load_scenario(folder / "again.yaml")) == scenario_hash(off)


def test_run_of_a_plan_with_a_mechanism_off_and_an_own_law(folder, monkeypatch):
    """From files to record: what is switched off contributes nothing, the own law acts, and no one is named."""
    models = pytest.importorskip("dicom_models", reason="the optional package pydicom is absent (femsim[dicom])")
    monkeypatch.setattr(page, "render_run", lambda *given: None)
    plan = folder / "plan"
    plan.mkdir()
    dose = models.DoseFile(position=(-90.0, -60.0, -60.0), spacing=(5.0, 5.0), shape=(25, 37))
    dose.offsets = tuple(5.0 * k for k in range(25))
    dose.write(plan / f"{models.PATIENT}.dcm")
    models.write_plan(plan)
    own = {"cells": law("NoRecovery")}
    courses = [{"field": {"dicom": "plan"}}]
    case = scenario(folder, switched_off=["oxygen"], own_laws=own, courses=courses)
    with session_cache():
        result = run(case, folder / "runs")
    record = json.loads((result.folder / "run.json").read_text(encoding="utf-8"))
    rows = {(row["loss"], row["mechanism"]): row for row in record["mechanisms"]}
    for loss in ("stiffness_cortical", "stiffness_cancellous", "bonding"):
        assert rows[loss, "oxygen"]["avoided"] == rows[loss, "oxygen"]["share"] == 0.0
        assert rows[loss, "cells"]["alone"] == rows[loss, "together"]["alone"] > 0.0
    text = " ".join(record["warnings"])
    assert "oxygen is switched off" in text
    assert "the law of cells is NoRecovery" in text
    assert "frame was taken to be the jaw's" in text
    (plan / f"{models.PATIENT}.dcm").write_bytes(b"broken" * 50)
    with session_cache(), pytest.raises(InputError, match="file 1 of 2 by name: this is no whole DICOM file"):
        run(case, folder / "refused")
    written = [path for name in ("runs", "refused") for path in (folder / name).rglob("*") if path.is_file()]
    assert len(written) > 15
    words = [word.encode() for word in (*models.PATIENT.split("^"), "MRN-4711", "PatientName", "PatientID")]
    assert [path.name for path in written for word in words if word in path.read_bytes()] == []


def test_functions_and_classes_from_a_file(folder):
    """Functions are used as they are and classes are instantiated; the run's table follows them."""
    own = {"vessels": law("fading"), "oxygen": law("Starved"), "cells": law("NoRecovery")}
    state = prepare(scenario(folder, own_laws=own), Hooks()).tissue.table.at([0.0, 60.0], 0.0)
    vessels = 1.0 - 0.6 * -np.expm1(-SURGERY / CONSTANTS.tauV)
    assert pytest.approx([1.0, vessels]) == state.V
    assert state.p == pytest.approx(CONSTANTS.p0 * np.sqrt([1.0, vessels]))
    assert pytest.approx([1.0, np.exp(-CONSTANTS.sC * 60.0)]) == state.C


def test_content_of_a_law_is_part_of_the_run(folder):
    """Another law under the same name is another run, and reading the scenario warns that a file will be run."""
    first = scenario(folder, own_laws={"vessels": law("fading")})
    before = scenario_hash(first)
    assert any("only run what you trust" in text for text in notices(first))
    (folder / "laws.py").write_text(OWN.replace("100.0", "120.0"), encoding="utf-8")
    assert scenario_hash(first) != before
    assert scenario_hash(scenario(folder, own_laws={"vessels": law("fading")})) != before


@pytest.mark.parametrize(
    ("irradiation", "words"),
    [
        ({"switched_off": ["oxigen"]}, "'oxigen' is not one of vessels, oxygen, cells; did you mean 'oxygen'"),
        ({"switched_off": ["cells", "cells"]}, "'cells' is written twice"),
        ({"switched_off": ["cells"], "own_laws": {"cells": law("NoRecovery")}}, "switched off as well"),
        ({"own_laws": {"vessels": law("fading", "absent.py")}}, "own_laws.vessels.path: no file 'absent.py'"),
        ({"own_laws": {"vesels": law("fading")}}, "did you mean 'vessels'"),
        ({"own_laws": {"vessels": {"path": "laws.py"}}}, "'name' is missing"),
        ({"graft": "absent.stl"}, "graft.path: no file 'absent.stl'"),
    ],
)
def test_refused_when_read(folder, irradiation, words):
    """What is wrong with the keys is said when the scenario is read."""
    with pytest.raises(InputError, match=words):
        scenario(folder, **irradiation)


@pytest.mark.parametrize(
    ("code", "mechanism", "words"),
    [
        ("x = 1/0", "vessels", "cannot be run .ZeroDivisionError"),
        ("def other(): pass", "vessels", "defines no 'own'"),
        ("own = 3", "oxygen", "cannot be called"),
        ("def own(*given): return 1.0", "cells", "lacks osteocytes"),
        ("class own:\n    def __init__(self, x): pass", "vessels", "cannot be run .TypeError"),
        ("def own(dose, day): return dose", "vessels", "V fails .TypeError"),
        ("def own(dose, day, c): return 1.0", "vessels", r"V has shape \(\)"),
        ("def own(dose, day, c): return 1.0 - dose / 10 + 0 * day", "vessels", "V reaches -5"),
        ("def own(dose, day, c): return 0.5 + 0.0 * (dose + day)", "vessels", "off by 0.5 at zero dose"),
        ("def own(v, n, c): return v * n * float('nan')", "oxygen", "p reaches nan"),
        (
            "from femsim.tissue import PublishedCells\nclass own(PublishedCells):\n"
            "    def recovery(self, c): return -1.0",
            "cells",
            "recovery gives -1.0",
        ),
        (
            "from femsim.tissue import PublishedCells\nclass own(PublishedCells):\n"
            "    def survivors(self, dose, c): return 0.9 + 0 * dose",
            "cells",
            "survivors is off by 0.1",
        ),
    ],
)
def test_law_that_cannot_be_used(tmp_path, code, mechanism, words):
    """A law that fails, forgets an axis, leaves the physical range or harms healthy bone is refused in one sentence."""
    (tmp_path / "bad.py").write_text(code, encoding="utf-8")
    with pytest.raises(InputError, match=words) as caught:
        check_laws(switched((), {mechanism: (tmp_path / "bad.py", "own")}), CONSTANTS, 60.0)
    assert "\n" not in str(caught.value)


def test_law_of_another_kind_of_file(tmp_path):
    """Only Python files are run."""
    (tmp_path / "laws.txt").write_text(OWN, encoding="utf-8")
    with pytest.raises(InputError, match="is no Python file"):
        load_law(tmp_path / "laws.txt", "fading", "vessels")


def test_place_of_a_bad_law(folder):
    """A law that cannot be used is refused before meshing, with its place in the scenario."""
    (folder / "laws.py").write_text("def fading(dose, day, c): return dose", encoding="utf-8")
    with pytest.raises(InputError, match=r"scenario: law of vessels: V has shape"):
        prepare(scenario(folder, own_laws={"vessels": law("fading")}), Hooks())


def test_graft_has_no_dose(folder):
    """Bone inside the graft's surface has no dose though the field covers it; a planned dose need not reach it."""
    pv.Cube(center=(0.0, 0.0, 0.0), x_length=400.0, y_length=400.0, z_length=14.0).triangulate().save(
        folder / "graft.stl"
    )
    setting = prepare(scenario(folder, graft="graft.stl"), Hooks())
    low, high = setting.tissue.eqd2(np.array([[0.0, 5.0, 6.5], [0.0, 5.0, 7.5]]))
    assert (low, high) == (0.0, 60.0)
    assert any("graft placed after radiotherapy has no dose" in text for text in setting.operation.warnings)
    assert prepare(scenario(folder), Hooks()).tissue.eqd2(np.zeros((1, 3)))[0] == 60.0
    pv.Plane().triangulate().save(folder / "graft.stl")
    with pytest.raises(InputError, match="graft"):
        prepare(scenario(folder, graft="graft.stl"), Hooks())


class Small:
    """A planned dose that is known at positive x only."""

    maximum = 50.0

    def dose(self, points):
        if np.any(points[:, 0] < 0.0):
            raise InputError("unknown")
        return np.full(len(points), 50.0)


def test_graft_outside_the_grid():
    """The dose grid is not asked for bone that was not there; native bone outside stays refused."""
    graft = box_surface((-20.0, -5.0, -5.0), (0.0, 5.0, 5.0))
    course = Course(None, 25, Small(), grafts=(graft,))
    assert course.dose([[-10.0, 0.0, 0.0], [10.0, 0.0, 0.0]]).tolist() == [0.0, 50.0]
    with pytest.raises(InputError, match="unknown"):
        course.dose([[-30.0, 0.0, 0.0]])


def test_graft_of_this_operation_has_no_dose():
    """Struts that this operation brings have no dose, whatever the field; the stumps beside them have theirs."""
    values = {
        **bench_values(dose=60.0),
        "jaw": {"parametric": {}},
        "resection": {"side": "left", "from": 34, "to": 36},
        "screws": {"preset": "locking-2.4", "per_stump": 3},
        "graft": {},
        "loading": {"tasks": [{"bite": "right-first-molar", "force": "100 N"}]},
    }
    setting = prepare(scenario_from_mapping(values), Hooks())
    assert setting.operation.graft is not None
    inside = np.array([strut.surface.points.mean(axis=0) for strut in setting.operation.graft.struts])
    assert not setting.tissue.eqd2(inside).any()
    assert set(setting.tissue.eqd2(setting.operation.screws[0].tip[None])) == {60.0}
    assert any("placed after radiotherapy has no dose" in text for text in setting.operation.warnings)


@pytest.mark.parametrize(("fractions", "told"), [(30, False), (6, False), (5, True)])
def test_large_fractions_are_announced(fractions, told):
    """Beyond 10 Gy per fraction the run says that the dose metric is extrapolated."""
    courses = [{"prescription": "60 Gy", "fractions": fractions, "field": {"uniform": {}}}]
    values = {**bench_values(), "irradiation": {"surgery_after": "6 months", "courses": courses}}
    warnings = prepare(scenario_from_mapping(values), Hooks()).operation.warnings
    assert any("12 Gy per fraction; beyond 10 Gy" in text for text in warnings) == told
