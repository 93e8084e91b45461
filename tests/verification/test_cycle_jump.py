"""Cycle jumps against a run that solves every single cycle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from loosening_models import case, uniform_tissue
from pipeline_models import constructed

from femsim.loosening import HealingSpectrum, Task, Tolerances, evolve
from femsim.loosening.every_cycle import every_cycle
from femsim.pipeline.construct import loosening_case

SHAPE = (2, 1, 4)


def build(muscle: float, cycles_per_day: float, **changes: Any) -> Any:
    """Irradiated stand-in under a constant muscle force in N, so that each cycle costs two solves."""
    return case(
        shape=SHAPE,
        tasks=[Task("bite", np.array([0.0, muscle]), 0, None, cycles_per_day)],
        spectrum=HealingSpectrum.constant(),
        tissue=uniform_tissue(16, 0.89, 0.82, 0.37),
        end_at_loss=False,
        **changes,
    )


def compare(muscle: float, cycles: int, cycles_per_day: float) -> None:
    agree(lambda: build(muscle, cycles_per_day), cycles, cycles_per_day)


def agree(made: Callable[[], Any], cycles: int, cycles_per_day: float) -> None:
    """Bonding, damage and clearance of jumps and of every single cycle agree within the stated tolerances."""
    jumped = evolve(made(), cycles / cycles_per_day)
    solved = every_cycle(made(), cycles)
    assert jumped.evaluations < cycles / 10
    assert solved.state[1].max() > 0.01  # there is something to agree about
    np.testing.assert_allclose(jumped.state.bonded, solved.state[0], atol=2e-3)
    np.testing.assert_allclose(jumped.state.damage, solved.state[1], atol=0.02)
    np.testing.assert_allclose(jumped.state.clearance, solved.state[2], atol=0.0005)


def test_a_thousand_cycles_one_by_one():
    """After 1,000 cycles bonding agrees within 0.002, damage within 0.02 and clearance within 0.5 um on every patch."""
    compare(66.0, 1000, 200.0)


@pytest.mark.slow
def test_twenty_thousand_cycles_one_by_one():
    """The same after 20,000 cycles at 1,600 a day."""
    compare(50.0, 20_000, 1600.0)


@pytest.mark.slow
def test_twenty_thousand_cycles_on_the_bench_block():
    """The same on the meshed bench block, irradiated, under a constant pull: 20,000 cycles against some 80 solves."""

    def block() -> Any:
        setting, built = constructed(60.0)
        found, _ = loosening_case(setting, built)
        built.solver.forget()
        return replace(
            found,
            tasks=[Task("pull", np.array([0.6]), 0, None, 1600.0)],
            spectrum=HealingSpectrum.constant(),
            hardware=None,
            stress_at=None,
            end_at_loss=False,
        )

    agree(block, 20_000, 1600.0)


def test_finer_tolerances_come_closer():
    """Tolerances ten times finer change the answer by less than the stated agreement."""
    rough = evolve(build(66.0, 200.0), 5.0)
    fine = evolve(build(66.0, 200.0, tolerances=Tolerances(0.0002, 0.0001, 0.00001, 0.0005)), 5.0)
    assert np.max(np.abs(rough.state.damage - fine.state.damage)) < 0.02
    assert np.max(np.abs(rough.state.clearance - fine.state.clearance)) < 0.0005
