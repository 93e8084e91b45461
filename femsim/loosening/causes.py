"""What fed the damage and the clearance of each patch, and the chain of causes of a loose screw in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from femsim.loosening.rates import MICROMETRES_PER_MM, PatchRates

Array = np.ndarray

FEEDS = ("micromotion", "overload", "loss of the thread shell")
"""Rows of the resorption feeds."""


@dataclass
class Ledger:
    """Time integrals of what feeds the patches (trapezoid over accepted steps: for words, not for the solution).

    Attributes
    ----------
    damage : ndarray (tasks, p)
        Damage given by every task, before repair.
    resorbed : ndarray (3, p)
        Clearance in mm given by each of :data:`FEEDS`, before refilling.
    failed_day : ndarray (p,)
        Day on which a patch lost its thread shell; NaN while it has it.
    failed_by : ndarray (tasks, p)
        ``damage`` on that day.
    failed_stress : ndarray (p,)
        Largest equivalent stress on that day, MPa.
    """

    damage: Array
    resorbed: Array
    failed_day: Array
    failed_by: Array
    failed_stress: Array

    @classmethod
    def empty(cls, tasks: int, patches: int) -> Ledger:
        """Nothing has happened."""
        nothing = np.full(patches, np.nan)
        return cls(
            np.zeros((tasks, patches)),
            np.zeros((len(FEEDS), patches)),
            nothing,
            np.zeros((tasks, patches)),
            nothing.copy(),
        )

    @property
    def failed(self) -> Array:
        """Patches that have lost their thread shell (p,)."""
        return ~np.isnan(self.failed_day)

    def add(self, length: float, before: PatchRates, after: PatchRates) -> None:
        """Add one accepted step of ``length`` days."""
        self.damage = self.damage + 0.5 * length * (before.growth + after.growth)
        self.resorbed = self.resorbed + 0.5 * length * (before.feeds + after.feeds)

    def fail(self, patches: Array, day: float, stress: Array) -> None:
        """Latch the patches (p,) of bool as failed."""
        new = patches & ~self.failed
        self.failed_day = np.where(new, day, self.failed_day)
        self.failed_by = np.where(new, self.damage, self.failed_by)
        self.failed_stress = np.where(new, stress, self.failed_stress)

    def arrays(self) -> dict[str, Array]:
        """For a checkpoint."""
        return {f"ledger_{name}": getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, stored: Mapping[str, Array]) -> Ledger:
        """Inverse of :meth:`arrays`."""
        return cls(**{name: np.array(stored[f"ledger_{name}"]) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class ScrewStory:
    """What :func:`chain_of_causes` needs to know about one screw.

    Attributes
    ----------
    name : str
    mine : ndarray (p,) of bool
        Patches of the screw.
    ring, sector : ndarray of int (p,)
    area : ndarray (p,)
    """

    name: str
    mine: Array
    ring: Array
    sector: Array
    area: Array


def chain_of_causes(
    story: ScrewStory,
    ledger: Ledger,
    tasks: Sequence[str],
    bonded: Array,
    initial_bond: float,
    activity: Array,
    earlier: Sequence[tuple[str, float]] = (),
) -> tuple[str, ...]:
    """Sentences that lead to the loosening of a screw, first cause first.

    Parameters
    ----------
    story : ScrewStory
    ledger : Ledger
    tasks : sequence of str
        Task names in the ledger's order.
    bonded, activity : ndarray (p,)
        Bonded fraction and bone-forming activity now.
    initial_bond : float
        Bonded fraction at insertion.
    earlier : sequence of (name, day)
        Screws of the same stump that loosened before.
    """
    told: list[tuple[float, str]] = [
        (day, f"{name} of the same stump had loosened on day {day:.0f} and left its share of the load")
        for name, day in earlier
    ]
    mine = story.mine
    failed = np.flatnonzero(mine & ledger.failed)
    if failed.size:
        first = int(failed[np.argmin(ledger.failed_day[failed])])
        told.append((float(ledger.failed_day[first]), _first_failure(story, ledger, tasks, first, failed.size)))
    words = [text for _, text in sorted(told, key=lambda pair: pair[0])]
    weights = np.where(mine, story.area, 0.0) / story.area[mine].sum()
    resorbed = ledger.resorbed @ weights
    if resorbed.sum() > 0.0:
        shares = resorbed / resorbed.sum()
        parts = ", ".join(f"{share:.0%} by {feed}" for share, feed in zip(shares, FEEDS, strict=True) if share >= 0.005)
        words.append(f"{resorbed.sum() * MICROMETRES_PER_MM:.0f} µm of bone were resorbed around it, fed {parts}")
    now = float(bonded @ weights)
    words.append(
        f"its bonded fraction went from {initial_bond:.2f} to {now:.2f} "
        f"(bone-forming activity {float(activity @ weights):.2f} of healthy)"
    )
    return tuple(words)


def _first_failure(story: ScrewStory, ledger: Ledger, tasks: Sequence[str], patch: int, count: int) -> str:
    given = ledger.failed_by[:, patch]
    share = given / given.sum() if given.sum() > 0.0 else np.zeros_like(given)
    worst = int(np.argmax(share))
    total = int(np.count_nonzero(story.mine))
    return (
        f"the thread shell of {story.name} failed first at ring {story.ring[patch]}, sector {story.sector[patch]} "
        f"on day {ledger.failed_day[patch]:.1f}: overload fatigue at {ledger.failed_stress[patch]:.0f} MPa, "
        f"{share[worst]:.0%} of the damage from {tasks[worst]!r}; {count} of {total} patches have failed since"
    )
