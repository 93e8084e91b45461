"""The calibration ensemble: members, pairs, resumed files, plate life, and one small jaw followed in both arms."""

from __future__ import annotations

import json
from pathlib import Path

import calibrate_loosening as calibrate
import numpy as np
import pytest

from femsim.errors import InputError
from femsim.interface.demonstration import demonstration
from femsim.interface.law import LawConstants
from femsim.loosening.criteria import LooseCriteria
from femsim.loosening.history import History
from femsim.loosening.spectrum import HealingSpectrum
from femsim.parameters import load_parameters


@pytest.fixture(scope="module")
def twelve() -> list[dict[str, float]]:
    return calibrate.members(12, 6)


@pytest.fixture(scope="module")
def design() -> calibrate.Design:
    """Two screws in the dense stand-in; the plate bears 100 MPa along one axis at 100 N."""
    model = demonstration(LawConstants.from_parameters(load_parameters()), per_stump=1, rings=3, sectors=4)
    peak = np.array([[100.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    data = {
        "cortical": np.ones(len(model.patches)),
        "dose_share": np.ones(len(model.patches)),
        "stumps": np.array(["mesial", "distal"]),
        "activation": np.array([1.0, 1.0]),
        "bite": 0,
        "bite_name": "front",
        "bite_force": 100.0,
        "plate_stress": np.stack([peak, 0.1 * peak]),
    }
    return calibrate.Design(model.condensation.operator, model.patches, data, "stand-in")


def test_members_lie_in_the_ranges_of_their_cards(twelve: list[dict[str, float]]) -> None:
    """Every value of every member is inside its range, and the same seed gives the same members."""
    cards = load_parameters()
    for member in twelve:
        for name, value in member.items():
            low, high = calibrate.PATIENT.get(name) or cards.entry(name).range or (np.nan, np.nan)
            assert low <= value <= high, name
    assert calibrate.members(12, 6) == twelve
    assert calibrate.members(12, 7) != twelve


def test_members_bond_at_rest(twelve: list[dict[str, float]]) -> None:
    """No member has a bonding by which a screw at rest would count as loose; the worst corner of the ranges has."""
    assert all(calibrate.bonds_at_rest(member) for member in twelve)
    corner = {"tissue.Bi": 0.45, "tissue.x": 2.5, "tissue.kf": 0.07, "tissue.tlag": 21.0}
    assert not calibrate.bonds_at_rest({**twelve[0], **corner})


def test_bite_follows_the_published_forces(twelve: list[dict[str, float]]) -> None:
    """The strongest patient bites with the upper published forces, and reaches his own in the month drawn for him."""
    member = {**twelve[0], "bite_force": 200.0, "full_bite": 20.0}
    spectrum, month = calibrate.spectrum_of(member), calibrate.DAYS_PER_MONTH
    forces = [200.0 * spectrum.factor(month * at) for at in (0.0, 1.5, 4.5, 20.0, 60.0)]
    assert forces == pytest.approx([60.0, 60.0, 150.0, 200.0, 200.0])
    weakest = calibrate.spectrum_of({**member, "bite_force": 60.0})
    assert 60.0 * weakest.factor(0.0) == pytest.approx(30.0)
    assert 60.0 * weakest.factor(month * 4.5) == pytest.approx(60.0)


def test_weak_screws_are_told_from_a_short_dip() -> None:
    """A holding force below half counts after its full week, of whichever screw comes first; three days do not."""
    history = History()
    for day, held in ((0, (1.0, 1.0)), (2, (0.4, 1.0)), (5, (0.6, 0.45)), (9, (0.6, 0.4)), (12, (0.4, 0.4))):
        history.steps["day"].append(float(day))
        history.screws["holding_ratio"].append(np.array(held))
    criteria = LooseCriteria.from_parameters(load_parameters())
    assert calibrate.weak_day(history, criteria) == 12.0
    history.screws["holding_ratio"][3] = np.array([0.6, 0.7])
    assert calibrate.weak_day(history, criteria) == np.inf


def test_quantiles_follow_the_distribution_of_the_card() -> None:
    """The middle of a loguniform range is its geometric mean, of a uniform one its mean."""
    cards = load_parameters()
    low, high = cards.entry("loosening.resorption").range or (np.nan, np.nan)
    assert calibrate.quantile(cards, "loosening.resorption", 0.5) == pytest.approx(np.sqrt(low * high))
    low, high = cards.entry("loosening.stress_concentration").range or (np.nan, np.nan)
    assert calibrate.quantile(cards, "loosening.stress_concentration", 0.5) == pytest.approx(0.5 * (low + high))


def test_fitted_constants_stay_inside_their_ranges(twelve: list[dict[str, float]]) -> None:
    """A value outside the range of its card is refused; one inside reaches the laws."""
    with pytest.raises(InputError, match="Kt is 5; its card allows 2 to 4"):
        calibrate.parameters_of(twelve[0], {"Kt": 5.0})
    assert calibrate.parameters_of(twelve[0], {"Kt": 2.5})["loosening.stress_concentration"] == 2.5


def test_candidates_begin_with_the_cards() -> None:
    """The first candidate is the cards' own; all lie inside the ranges."""
    first, *others = calibrate.candidates(5, 1)
    cards = load_parameters()
    assert first["Kt"] == cards["loosening.stress_concentration"]
    assert len(others) == 4
    for found in others:
        calibrate.parameters_of({}, found)


def test_plate_life_by_hand(
    design: calibrate.Design, twelve: list[dict[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Constant load from day 0: cycles of Basquin and Goodman over strokes a day."""
    monkeypatch.setattr(calibrate, "spectrum_of", lambda member: HealingSpectrum.constant())
    member = {**twelve[0], "bite_force": 260.0, "scenario.load_ratio": 0.1, "scenario.cycles_per_day": 2000.0}
    member |= {"loosening.pure_endurance": 250.0, "loosening.bending_knock_down": 0.5, "loosening.pure_ultimate": 550.0}
    member["loosening.fatigue_exponent"] = -0.1
    amplitude = 0.5 * 0.9 * 260.0 / (1.0 - 0.5 * 1.1 * 260.0 / 550.0)
    cycles = 1e7 * (amplitude / (0.5 * 250.0)) ** -10
    found = calibrate.fracture_day(design, member, {})
    assert found == pytest.approx(cycles / 2000.0, abs=calibrate.COARSE.event)
    assert calibrate.fracture_day(design, {**member, "bite_force": 40.0}, {}) == np.inf


def test_rows_survive_a_stop_and_refuse_another_ensemble(tmp_path: Path) -> None:
    """A line cut short is dropped, whole ones are kept, and other members are told apart."""
    path, head = tmp_path / "rows.jsonl", {"seed": 6, "members": 2}
    assert calibrate.stored_rows(path, head) == []
    row = {"member": 0, "arm": "healthy", "day": 5.0}
    with path.open("a") as stream:
        stream.write(json.dumps(row) + "\n" + '{"member": 1, "ar')
    assert calibrate.stored_rows(path, head) == [row]
    assert path.read_text().endswith("\n")
    with pytest.raises(InputError, match="another ensemble \\(seed differ"):
        calibrate.stored_rows(path, {**head, "seed": 7})


def test_only_pairs_count() -> None:
    """A member of which one arm is missing is left out."""
    common = {"loose": True, "fracture": float("inf"), "weak": float("inf")}
    rows = [
        {"member": 1, "arm": "irradiated", "day": 20.0, **common},
        {"member": 0, "arm": "irradiated", "day": 10.0, **common},
        {"member": 1, "arm": "healthy", "day": 200.0, **common},
        {"member": 2, "arm": "healthy", "day": 300.0, **common},
    ]
    healthy, irradiated = calibrate.arms_of(rows)
    assert healthy.day.tolist() == [200.0]
    assert irradiated.day.tolist() == [20.0]


def test_weak_screws_count_when_asked() -> None:
    """A screw that held too little on an earlier day, or in a jaw without a loose screw, is loose on that day."""
    common = {"loose": False, "fracture": float("inf")}
    rows = [
        {"member": 0, "arm": "irradiated", "day": 400.0, **common, "loose": True, "weak": 30.0},
        {"member": 0, "arm": "healthy", "day": 500.0, **common, "weak": float("inf")},
    ]
    assert calibrate.arms_of(rows)[1].day.tolist() == [400.0]
    healthy, irradiated = calibrate.arms_of(rows, hidden=True)
    assert (irradiated.day.tolist(), irradiated.loose.tolist()) == ([30.0], [True])
    assert (healthy.day.tolist(), healthy.loose.tolist()) == ([500.0], [False])


def test_jaw_is_followed_to_its_first_loose_screw(
    design: calibrate.Design, twelve: list[dict[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gentle bite holds to the horizon in both arms; a strong one loosens a screw of the irradiated jaw only."""
    monkeypatch.setattr(calibrate, "HORIZON", 400.0)
    monkeypatch.setattr(calibrate, "spectrum_of", lambda member: HealingSpectrum.constant())
    for force, loose in ((2.0, (False, False)), (26.0, (False, True))):
        rows = [calibrate.followed(design, 0, {**twelve[0], "bite_force": force}, {}, arm) for arm in calibrate.ARMS]
        assert tuple(row["loose"] for row in rows) == loose
        assert all(row["note"] == "" and (row["day"] == 400.0) is not row["loose"] for row in rows)


def test_jaws_that_held_under_harsher_constants_are_taken_over(tmp_path: Path) -> None:
    """Loose and given-up jaws are not taken over, nothing twice, and nothing from constants milder in any respect."""
    common = {"fracture": float("inf"), "weak": float("inf"), "seconds": 2.0, "note": ""}
    rows = [
        {"member": 0, "arm": "healthy", "day": 1826.0, "loose": False, **common},
        {"member": 0, "arm": "irradiated", "day": 90.0, "loose": True, **common},
        {"member": 1, "arm": "healthy", "day": 300.0, "loose": False, **common, "note": "given up"},
    ]
    harsher, out = tmp_path / "harsher.jsonl", tmp_path / "out.jsonl"
    calibrate.stored_rows(harsher, {"seed": 6, "fitted": {}})
    with harsher.open("a") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
    calibrate.stored_rows(out, {"seed": 6, "fitted": {"Kt": 2.0, "k_fill": 0.03}})
    assert [calibrate.taken_over(out, harsher) for _ in range(2)] == [1, 0]
    assert calibrate.stored_rows(out) == [{**rows[0], "seconds": 0.0}]
    for name, head, message in (
        ("kt", {"seed": 6, "fitted": {"Kt": 3.5}}, "not harsher"),
        ("shear", {"seed": 6, "fitted": {"Kt": 2.0, "k_t0": 0.3}}, "not harsher"),
        ("resorption", {"seed": 6, "fitted": {"Kt": 2.0, "k_res": 0.001}}, "not harsher"),
        ("seed", {"seed": 7, "fitted": {"Kt": 2.0}}, "other members"),
    ):
        calibrate.stored_rows(tmp_path / name, head)
        with pytest.raises(InputError, match=message):
            calibrate.taken_over(tmp_path / name, harsher)


def test_healthy_jaws_are_inferred_from_irradiated_ones_that_hold(tmp_path: Path) -> None:
    """Only of members whose irradiated jaw holds to the horizon, only where nothing is known, and marked."""
    common = {"fracture": float("inf"), "weak": 30.0, "seconds": 2.0}
    rows = [
        {"member": 0, "arm": "irradiated", "day": 1826.0, "loose": False, "note": "", **common},
        {"member": 1, "arm": "irradiated", "day": 90.0, "loose": True, "note": "", **common},
        {"member": 2, "arm": "irradiated", "day": 90.0, "loose": False, "note": "given up", **common},
        {"member": 3, "arm": "irradiated", "day": 1826.0, "loose": False, "note": "", **common},
        {"member": 3, "arm": "healthy", "day": 1826.0, "loose": False, "note": "", **common},
    ]
    path = tmp_path / "rows.jsonl"
    calibrate.stored_rows(path, {"seed": 6})
    with path.open("a") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
    assert calibrate.inferred(path) == {(0, "healthy")}
    last = calibrate.stored_rows(path)[-1]
    assert (last["member"], last["arm"], last["inferred"], last["weak"]) == (0, "healthy", True, float("inf"))
