"""Parameter cards: every entry is sourced, consistent and readable; overrides and reads are remembered."""

from __future__ import annotations

import pytest

from femsim.errors import InputError
from femsim.parameters import DISTRIBUTIONS, MARKS, load_parameters, load_references
from femsim.parameters.cards import _entry
from femsim.units import format_quantity, parse_quantity

ENTRIES = list(load_parameters())
RAW = {"symbol": "a", "value": 2, "unit": "mm", "range": [1, 3], "source": ["femsim_design"], "mark": "assumed"}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_entry_is_sourced_and_consistent(entry):
    """Every entry has known sources, a valid mark and distribution, a value inside its range and a unit pint reads."""
    assert entry.source, "no source"
    assert set(entry.source) <= load_references().keys()
    assert entry.mark in MARKS
    assert entry.distribution in DISTRIBUTIONS
    values = entry.value if isinstance(entry.value, tuple) else (entry.value,)
    if entry.range is not None:
        assert entry.range[0] < entry.range[1]
        assert all(entry.range[0] <= value <= entry.range[1] for value in values)
    for value in values:
        assert parse_quantity(format_quantity(value, entry.unit), entry.unit) == pytest.approx(value, rel=1e-15)


def test_assumed_entries_with_only_design_notes_say_so():
    """A constant that rests on design notes alone is never marked as found in published text in the tissue card."""
    for entry in ENTRIES:
        if entry.name.startswith("tissue.") and entry.source == ("femsim_design",):
            assert entry.mark in ("assumed", "derived")


def test_override_converts_units_and_keeps_the_source():
    """An override is converted to the internal unit, keeps its source and says where it was written."""
    parameters = load_parameters({"tissue.tauV": ("5 months", "scenario.yaml:12"), "tissue.D50": "5000 cGy"})
    assert parameters["tissue.tauV"] == pytest.approx(5 * 30.4)
    assert parameters["tissue.D50"] == pytest.approx(50.0)
    entry = parameters.entry("tissue.tauV")
    assert entry.origin == "scenario.yaml:12"
    assert entry.source == load_parameters().entry("tissue.tauV").source
    assert parameters.entry("tissue.D50").origin == "override"


def test_override_leaves_the_cards_alone():
    """Loading again after an override gives the card's value."""
    load_parameters({"tissue.D50": "50 Gy"})
    assert load_parameters()["tissue.D50"] == 45.0


def test_reads_are_remembered_in_card_order_and_across_overrides():
    """Every entry that was read is listed, also when an override is applied later."""
    parameters = load_parameters()
    assert parameters.read == ()
    parameters["tissue.tauV"]
    parameters["tissue.D50"]
    changed = parameters.override("tissue.nV", 3.0, "test")
    assert [entry.name for entry in changed.read] == ["tissue.D50", "tissue.tauV"]


def test_group_returns_short_names_and_reads_them():
    """A group holds every scalar of a card under its short name and counts as read."""
    parameters = load_parameters()
    group = parameters.group("tissue")
    assert group["alpha_beta"] == 3.0
    assert {entry.name for entry in parameters.read} == {f"tissue.{name}" for name in group}


def test_set_answers_containment():
    """Membership follows the full dotted name."""
    parameters = load_parameters()
    assert "tissue.D50" in parameters
    assert "D50" not in parameters


def test_vectors_are_read_as_arrays():
    """A list in a card is a vector; reading it as one number is refused."""
    entry = _entry("card.key", {**RAW, "value": [1, 2, 3]})
    parameters = type(load_parameters())({"card.key": entry})
    assert parameters.vector("card.key").tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(TypeError, match="vector"):
        parameters["card.key"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mark": "guessed"}, "mark 'guessed'"),
        ({"distribution": "gauss"}, "distribution 'gauss'"),
        ({"value": 4}, "outside its range"),
        ({"value": float("nan"), "range": None}, "not finite"),
        ({"distribution": "normal", "range": None}, "needs a range"),
        ({"comment": "unquoted comma"}, "unknown key 'comment'"),
    ],
)
def test_faulty_card_is_refused(change, message):
    """A card with a typo is refused when it is loaded, by name."""
    with pytest.raises(ValueError, match=rf"parameter card\.key: .*{message}"):
        _entry("card.key", {**RAW, **change})


@pytest.mark.parametrize("key", ["symbol", "value", "source", "mark"])
def test_incomplete_card_is_refused(key):
    """A constant without value, source or mark never enters a run."""
    with pytest.raises(ValueError, match=f"{key!r} is missing"):
        _entry("card.key", {name: item for name, item in RAW.items() if name != key})


def test_references_are_distinct_bibtex_entries():
    """Every reference is one closed BibTeX entry that says something."""
    references = load_references()
    assert len(references) > 90
    for key, text in references.items():
        assert text.count("{") == text.count("}"), key
        assert " = {" in text, key


def test_unknown_entry_is_an_input_error():
    """Reading a name that no card holds names the closest one."""
    with pytest.raises(InputError, match=r"did you mean 'tissue\.alpha_beta'"):
        load_parameters()["tissue.alphabeta"]
