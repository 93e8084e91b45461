"""Bad overrides, doses and days are refused in one sentence that names value and remedy."""

from __future__ import annotations

import numpy as np
import pytest

from femsim.errors import InputError
from femsim.parameters import Parameter, ParameterSet, cards, load_parameters
from femsim.tissue import (
    Course,
    Laws,
    TargetField,
    TissueConstants,
    TissueTable,
    bonded_history,
    course_eqd2,
    eqd2,
    tissue_point,
    tissue_state,
)

CONSTANTS = TissueConstants.from_parameters(load_parameters())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("tissue.D5O", "45 Gy", r"unknown parameter 'tissue.D5O'; did you mean 'tissue.D50'"),
        ("tisue.tauV", "180 days", r"did you mean 'tissue.tauV'"),
        ("tissue.D50", "45 mm", r"tissue\.D50: .*wrong dimension"),
        ("tissue.D50", "45", r"tissue\.D50: '45' has no unit"),
        ("tissue.D50", "lots", r"tissue\.D50: .*unit"),
        ("tissue.D50", "nan Gy", r"not a finite number"),
        ("tissue.D50", "", r"tissue\.D50"),
        ("tissue.Vmin", "0.2 Gy", r"tissue\.Vmin: .*wrong dimension"),
    ],
)
def test_bad_override(name, text, message):
    """An override with an unknown name or a wrong unit is refused, with its place and the closest valid word."""
    with pytest.raises(InputError, match=message) as caught:
        load_parameters({name: (text, "scenario.yaml:7")})
    assert "scenario.yaml:7" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_vector_override(monkeypatch):
    """One value cannot replace a vector."""
    vector = Parameter("a.b", "b", (1.0, 2.0), "mm", None, "fixed", ("femsim_design",), "assumed", "")
    monkeypatch.setattr(cards, "_cards", lambda: {"a.b": vector})
    with pytest.raises(InputError, match=r"line 3: parameter a\.b is a vector"):
        load_parameters({"a.b": ("1 mm", "line 3")})


def test_unknown_name_in_override_of_a_set():
    """Overriding a set directly refuses unknown names too."""
    with pytest.raises(InputError, match="unknown parameter"):
        ParameterSet({}).override("x.y", 1.0, "test")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("alpha_beta", 0.0, "more than 0"),
        ("tauV", -1.0, "more than 0"),
        ("sC", -0.1, "0 or more"),
        ("D50", float("nan"), "more than 0"),
        ("Vmin", 0.0, "Vmin is 0"),
        ("Vmin", 1.2, "between 0 and 1"),
        ("R0_rc", 1.0, "wider than its capillary"),
        ("pc", 60.0, "must exceed tissue.p0"),
        ("nV", 1e9, r"test: parameter tissue\.nV is 1e\+09; .* between 0.2 and 60 \(range of its card: 2 to 6\)"),
        ("D50", float("inf"), "between 3.5 and 550"),
        ("tau_rho", 1e-9, "between 9 and 3600"),
        ("kF", 1e6, "between 0.003 and 0.3 .range of its card: none"),
    ],
)
def test_impossible_constants(name, value, message):
    """Constants outside what the equations allow are refused by name before anything is computed."""
    parameters = load_parameters().override(f"tissue.{name}", value, "test")
    with pytest.raises(InputError, match=message):
        TissueConstants.from_parameters(parameters)


def test_unknown_surface():
    """An unknown implant surface is refused with the choices."""
    with pytest.raises(InputError, match="choose one of plate_screw"):
        TissueConstants.from_parameters(load_parameters(), surface="velcro")


@pytest.mark.parametrize(
    ("dose", "fractions", "alpha_beta", "message"),
    [
        (-1.0, 30, 3.0, "dose is -1 Gy"),
        ([60.0, np.nan], 30, 3.0, "not a finite number"),
        (60.0, 0, 3.0, "whole number, 1 or more"),
        (60.0, -2, 3.0, "whole number, 1 or more"),
        (60.0, 2.5, 3.0, "whole number, 1 or more"),
        (60.0, float("nan"), 3.0, "whole number, 1 or more"),
        (60.0, True, 3.0, "whole number, 1 or more"),
        (60.0, 30, 0.0, "alpha/beta is 0"),
    ],
)
def test_bad_dose(dose, fractions, alpha_beta, message):
    """Negative or missing doses, impossible fraction numbers and alpha/beta are refused."""
    with pytest.raises(InputError, match=message):
        eqd2(dose, fractions, alpha_beta)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Course(-60.0, 30), "prescription is -60"),
        (lambda: Course(60.0, 0), "number of fractions is 0"),
        (lambda: TargetField((0, 0, 0), 0.0, 8.0), "radius is 0"),
        (lambda: TargetField((0, 0, 0), 35.0, -8.0), "penumbra is -8"),
        (lambda: TargetField((0, 0), 35.0, 8.0), "three finite coordinates"),
        (lambda: course_eqd2([Course(60.0, 30)], np.zeros(3), 3.0), r"\(n, 3\)"),
    ],
)
def test_bad_course(build, message):
    """Courses and fields with impossible numbers are refused when they are made."""
    with pytest.raises(InputError, match=message):
        build()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tissue_state([-1.0], 10.0, CONSTANTS), "EQD2 is -1 Gy"),
        (lambda: tissue_state([np.inf], 10.0, CONSTANTS), "not a finite number"),
        (lambda: tissue_state(60.0, 10.0, CONSTANTS), r"shape \(n,\)"),
        (lambda: tissue_state([60.0], -1.0, CONSTANTS), "surgery before radiotherapy"),
        (lambda: Laws().without("vesels"), "'vesels' is unknown"),
        (lambda: tissue_state([60.0], 10.0, CONSTANTS, hbo_sessions=-1.0), "hyperbaric sessions is -1"),
        (lambda: TissueTable(CONSTANTS, surgery_day=365.0, horizon=0.0, eqd2_max=70.0), "horizon"),
        (lambda: TissueTable(CONSTANTS, surgery_day=-1.0, horizon=10.0, eqd2_max=70.0), "surgery before radiotherapy"),
        (lambda: TissueTable(CONSTANTS, surgery_day=1.0, horizon=10.0, eqd2_max=-7.0), "EQD2 is -7"),
        (lambda: bonded_history([10.0, 5.0], 1.0, CONSTANTS), "ascend"),
    ],
)
def test_bad_state(call, message):
    """States are refused for doses, days and mechanisms that do not exist."""
    with pytest.raises(InputError, match=message):
        call()


def test_outside_the_table():
    """A table never extrapolates: doses and days outside it are refused with its limits."""
    table = TissueTable(CONSTANTS, surgery_day=365.0, horizon=100.0, eqd2_max=60.0)
    with pytest.raises(InputError, match="covers 0 to 60 Gy"):
        table.at([61.0], 0.0)
    with pytest.raises(InputError, match="covers 0 to 100 days"):
        table.at([60.0], 101.0)
    with pytest.raises(InputError, match="covers 0 to 100 days"):
        table.histories([60.0]).at(-1.0)
    with pytest.raises(InputError, match="covers 0 to 100 days"):
        table.at([60.0], float("nan"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1e9, 12.0), "at most 1000 Gy"),
        ((60.0, 12.0, 180.0, -5.0), "micromotion is -5"),
        ((60.0, 12.0, 180.0, float("nan")), "micromotion is nan"),
    ],
)
def test_bad_point(arguments, message):
    """The one-point question refuses absurd doses and motions instead of computing with them."""
    with pytest.raises(InputError, match=message):
        tissue_point(*arguments, constants=CONSTANTS)


def test_far_overrides_are_computed():
    """At the far end of what is accepted the model still gives finite shares, and bonding takes short enough steps."""
    far = {"kf": "0.69 1/day", "x": "24", "krep": "0.049 1/day", "tauN": "2.1 days", "nV": "59", "h": "39"}
    constants = TissueConstants.from_parameters(load_parameters({f"tissue.{key}": text for key, text in far.items()}))
    point = tissue_point(1000.0, 1.0, 180.0, 60.0, 30, constants=constants)
    assert all(np.isfinite(value) for value in point.values())
    assert 0.0 <= point["B"] <= 1.0


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ((-1.0, 12.0), "EQD2 is -1 Gy"),
        ((float("nan"), 12.0), "not a finite number"),
        ((1e4, 12.0), "at most 1000 Gy"),
        ((60.0, -1.0), "months is -1; it must lie between 0 and 1201"),
        ((60.0, float("nan")), "months is nan"),
        ((60.0, 1e9), "months is 1e.09"),
        ((60.0, 12.0, float("inf")), "heal_days is inf; it must lie between 0 and 36525"),
        ((60.0, 12.0, 1e7), "heal_days is 1e.07"),
        ((60.0, 12.0, 180.0, float("nan")), "micromotion is nan um"),
        ((60.0, 12.0, 180.0, 1e9), "micromotion is 1e.09 um"),
        ((60.0, 12.0, 180.0, 0.0, -1), "sessions is -1"),
        ((60.0, 12.0, 180.0, 0.0, 10**23), "sessions is 1e.23; it must lie between 0 and 100"),
    ],
)
def test_bad_question(question, message):
    """A question that makes no sense, or would never end, is refused by the name of its value."""
    with pytest.raises(InputError, match=message) as caught:
        tissue_point(*question, constants=CONSTANTS)
    assert "\n" not in str(caught.value)
