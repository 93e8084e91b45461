"""A run that is stopped and resumed is equal, to the bit, to one that was never stopped."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from loosening_models import case, uniform_tissue

from femsim.errors import InputError, Stopped
from femsim.loosening import evolve
from femsim.loosening.hardware import FatigueMaterial, HardwareFatigue, Part
from femsim.loosening.spectrum import HealingSpectrum
from femsim.parameters import load_parameters

DAYS = 120.0
SPECTRUM = HealingSpectrum.from_table([[0, 0.3], [3, 0.8], [12, 1.0]])
PULL = np.array([250.0, 0.0, 0.0, 0.0, 0.0, 0.0])


def fresh() -> Any:
    """A case in which patches fail, screws loosen and the plate wears out, built anew as a new process would."""
    hardware = HardwareFatigue([Part("plate", FatigueMaterial.pure(load_parameters()), 0.6)], [1600.0], SPECTRUM, 20.0)
    return case(
        110.0,
        spectrum=SPECTRUM,
        tissue=uniform_tissue(32, 0.89, 0.82, 0.37),
        hardware=hardware,
        stress_at=lambda day, chewing: [{"plate": (PULL * chewing.reaction[0] / 200.0, 0.0 * PULL)}],
        end_at_loss=False,
    )


def through_a_file(checkpoint: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    stream = io.BytesIO()
    np.savez(stream, **checkpoint)
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(scope="module")
def whole() -> Any:
    kept: list[dict[str, np.ndarray]] = []
    outcome = evolve(fresh(), DAYS, on_checkpoint=lambda one: kept.append(through_a_file(one)), checkpoint_every=2)
    return outcome, kept


def assert_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value.dtype == second[name].dtype, name
        assert value.tobytes() == second[name].tobytes(), name


def test_the_run_is_worth_restarting(whole):
    """The run that is interrupted below holds failed patches, an event and many checkpoints."""
    outcome, kept = whole
    assert len(kept) > 5
    assert np.isfinite(outcome.failed_day).any() or outcome.events


def test_resumed_from_any_checkpoint_ends_bit_equal(whole):
    """From the first, the last but one and every fourth checkpoint between, a run ends the same to the bit."""
    _, kept = whole
    for checkpoint in (kept[0], *kept[1:-1:4], kept[-2]):
        again: list[dict[str, np.ndarray]] = []
        evolve(fresh(), DAYS, resume=checkpoint, on_checkpoint=again.append, checkpoint_every=2)
        assert_same(again[-1], kept[-1])


@pytest.mark.parametrize("stop_at", [1, 2, 5, 8])
def test_stopped_at_any_step_and_resumed_ends_bit_equal(whole, stop_at):
    """A run stopped after any number of steps continues from its last checkpoint to the same end."""
    _, kept = whole
    written: list[dict[str, np.ndarray]] = []
    calls = iter(range(10_000))
    with pytest.raises(Stopped, match="--resume"):
        evolve(
            fresh(),
            DAYS,
            on_checkpoint=lambda one: written.append(through_a_file(one)),
            checkpoint_every=2,
            should_stop=lambda: next(calls) == stop_at - 1,
        )
    again: list[dict[str, np.ndarray]] = []
    evolve(fresh(), DAYS, resume=written[-1], on_checkpoint=again.append, checkpoint_every=2)
    assert_same(again[-1], kept[-1])


def test_checkpoint_interval_does_not_matter(whole):
    """What the contact solver keeps is in the checkpoint, so a resumed run may write them at any interval."""
    _, kept = whole
    again: list[dict[str, np.ndarray]] = []
    evolve(fresh(), DAYS, resume=kept[2], on_checkpoint=again.append, checkpoint_every=7)
    assert_same(again[-1], kept[-1])


def test_checkpoint_of_another_case_is_refused(whole):
    """A checkpoint with another number of patches says so instead of failing later."""
    with pytest.raises(InputError, match="without --resume"):
        evolve(case(shape=(2, 2, 5)), DAYS, resume=whole[1][0], checkpoint_every=2)
