"""Basquin, Goodman and Miner of plate and screws against hand values."""

from __future__ import annotations

import numpy as np
import pytest

from femsim.errors import InputError
from femsim.fem.stress import von_mises
from femsim.loosening.hardware import (
    FatigueMaterial,
    HardwareFatigue,
    Part,
    allowable_amplitude,
    equivalent_amplitude,
    fatigue_life,
    plate_part,
)
from femsim.loosening.spectrum import HealingSpectrum
from femsim.parameters import load_parameters

ALLOY = FatigueMaterial.alloy(load_parameters())
PURE = FatigueMaterial.pure(load_parameters())
PULL = np.array([300.0, 0.0, 0.0, 0.0, 0.0, 0.0])


def test_basquin_inverts_itself():
    """sigma_a = 2030 (2N)^-0.104: a million cycles need 2030 x (2e6)^-0.104 = 448.97 MPa, and give them back."""
    amplitude = allowable_amplitude(1e6, ALLOY)
    assert amplitude == pytest.approx(2030.0 * (2e6) ** -0.104, rel=1e-14)
    assert fatigue_life(np.array([amplitude]), ALLOY)[0] == pytest.approx(1e6, rel=1e-10)


def test_pure_titanium_passes_through_its_endurance():
    """Grade 4 lasts 1e7 cycles at 300 MPa fully reversed."""
    assert allowable_amplitude(1e7, PURE) == pytest.approx(300.0, rel=1e-12)


def test_knock_down_divides_the_allowable_stress():
    """A plate at knock-down 0.6 lasts at 0.6 of the stress as long as an unbent one."""
    life = fatigue_life(np.array([0.6 * 400.0]), ALLOY, 0.6)[0]
    assert life == pytest.approx(fatigue_life(np.array([400.0]), ALLOY)[0], rel=1e-12)


def test_goodman_by_hand():
    """300 MPa pulled from R = 0.1: amplitude 135, mean 165, so 135 / (1 - 165/900) = 165.306 MPa."""
    assert equivalent_amplitude(PULL, 0.1 * PULL, 900.0) == pytest.approx(135.0 / (1.0 - 165.0 / 900.0), rel=1e-12)


def test_compression_gets_no_credit():
    """The same cycle in compression counts its amplitude only."""
    assert equivalent_amplitude(-PULL, -0.1 * PULL, 900.0) == pytest.approx(135.0, rel=1e-12)


def test_reversed_bending_counts_its_full_amplitude():
    """A sign change between valley and peak is seen, where a difference of von Mises stresses would see nothing."""
    assert equivalent_amplitude(PULL, -PULL, 900.0) == pytest.approx(300.0, rel=1e-12)


def test_von_mises_of_shear():
    """Pure shear of 100 MPa gives sqrt(3) x 100 MPa in any of the three components."""
    for place in (3, 4, 5):
        stress = np.zeros(6)
        stress[place] = 100.0
        assert von_mises(stress) == pytest.approx(np.sqrt(3.0) * 100.0, rel=1e-14)


def test_miner_over_a_ramp_is_integrated_exactly():
    """Damage over a linear ramp of the bite follows the closed form of the integral of f^(1/0.104) within 1e-6."""
    spectrum = HealingSpectrum.from_table([[0, 0.5], [10, 1.0]])
    part = Part("plate", ALLOY)
    hardware = HardwareFatigue([part], np.array([1600.0]), spectrum)
    hardware.refresh(0.0, [{"plate": (0.5 * -PULL, 0.5 * PULL)}])  # reversed: no mean, so the life is a pure power
    hardware.advance(0.0, 70.0)
    power = 1.0 / 0.104
    at_full = 1600.0 / fatigue_life(np.array([300.0]), ALLOY)[0]
    expected = at_full * 70.0 / 0.5 * (1.0 - 0.5 ** (power + 1.0)) / (power + 1.0)
    assert hardware.damage["plate"][0] == pytest.approx(expected, rel=1e-6)


def test_two_tasks_and_places_are_kept_apart():
    """Each place sums its own tasks; the part is judged by its worst place."""
    part = Part("plate", ALLOY)
    hardware = HardwareFatigue([part], np.array([1000.0, 500.0]), HealingSpectrum.constant())
    first, second = np.stack([PULL, 0.1 * PULL]), np.stack([0.2 * PULL, 1.5 * PULL])
    hardware.refresh(0.0, [{"plate": (first, -first)}, {"plate": (second, -second)}])
    rate = hardware.rate(part, 5.0)
    expected = [
        1000.0 / fatigue_life(a, ALLOY) + 500.0 / fatigue_life(b, ALLOY) for a, b in ((300.0, 60.0), (30.0, 450.0))
    ]
    np.testing.assert_allclose(rate, expected, rtol=1e-12)


def test_margins_at_full_bite():
    """The table scales stresses taken at a small healing factor to the full bite before it compares them."""
    spectrum = HealingSpectrum.from_table([[0, 0.2], [26, 1.0]])
    hardware = HardwareFatigue([Part("plate", PURE, 0.6)], np.array([1600.0]), spectrum)
    hardware.refresh(0.0, [{"plate": (0.2 * PULL, 0.02 * PULL)}])
    row = hardware.table()[0]
    assert row["stress_peak_mpa"] == pytest.approx(300.0)
    assert row["yield_margin"] == pytest.approx(483.0 / 300.0)
    assert row["endurance_mpa"] == pytest.approx(0.6 * 300.0)


@pytest.mark.parametrize(
    ("finish", "words", "endurance"),
    [
        ("bent", "pure titanium, bent by hand", 0.6 * 300.0),
        ("milled", "pure titanium, milled", 300.0),
        # Half of 2030 (2 x 1e7)^-0.104 MPa.
        ("printed", "titanium alloy, as printed", 0.5 * 2030.0 * 2e7**-0.104),
    ],
)
def test_finish_sets_metal_and_knock_down(finish, words, endurance):
    """Only a bent plate loses strength to bending, only a printed one to its rough surface; the table says which."""
    part = plate_part("plate", finish, load_parameters())
    hardware = HardwareFatigue([part], np.array([1600.0]), HealingSpectrum.constant())
    hardware.refresh(0.0, [{"plate": (PULL, 0.1 * PULL)}])
    row = hardware.table()[0]
    assert row["material"] == words
    assert row["endurance_mpa"] == pytest.approx(endurance)


def test_bad_parts_are_refused():
    """A knock-down above 1 and a part without a recovered stress are refused with the name of the part."""
    with pytest.raises(InputError, match="plate"):
        Part("plate", ALLOY, 1.2)
    hardware = HardwareFatigue([Part("plate", ALLOY)], np.array([1.0]), HealingSpectrum.constant())
    with pytest.raises(InputError, match="plate"):
        hardware.refresh(0.0, [{"screw": (PULL, PULL)}])
