"""What a run remembers: one row per accepted step and screw, and patch maps now and then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from femsim.loosening.chewing import Chewing

Array = np.ndarray

STEP_COLUMNS = ("day", "length", "error", "factor", "supported")
"""One number per accepted step: end of the step, its length in days, error over tolerance, healing factor, support."""

SCREW_COLUMNS = (
    "motion_p50_um",
    "motion_p95_um",
    "motion_max_um",
    "holding_n",
    "holding_ratio",
    "lateral_ratio",
    "axial_ratio",
    "lateral_n_mm",
    "axial_n_mm",
    "clamp_n",
    "bonded",
    "damage",
    "clearance_um",
    "failed_share",
    "torque_ratio",
)
"""One number per accepted step and screw; means over patches are weighted by area. ``clamp_n`` is the force of an
unlocked head on its plate at the valley of the first task, NaN for a locked one."""

PATCH_COLUMNS = ("bonded", "damage", "clearance", "motion", "stress")
"""Snapshots per patch: fractions, mm, mm, MPa."""

REFRESH_COLUMNS = ("day", "jump_change", "stress_change")
"""When bulk moduli were renewed, and by what share of the largest the jumps and stresses of that day's peaks moved."""


class History:
    """Grows by one row per accepted step.

    Attributes
    ----------
    steps : dict
        Column name to list of float.
    screws : dict
        Column name to list of (s,) arrays.
    reactions : list of (tasks,) arrays
        Bite reactions at peak, N.
    snapshots : list of (5, p) arrays
        See :data:`PATCH_COLUMNS`.
    memories : list of (p + 3 j,) arrays
        What friction remembers at every snapshot, mm.
    snapshot_days : list of float
    refreshes : list of (3,) arrays
        See :data:`REFRESH_COLUMNS`.
    """

    def __init__(self) -> None:
        self.steps: dict[str, list[float]] = {name: [] for name in STEP_COLUMNS}
        self.screws: dict[str, list[Array]] = {name: [] for name in SCREW_COLUMNS}
        self.reactions: list[Array] = []
        self.snapshots: list[Array] = []
        self.memories: list[Array] = []
        self.snapshot_days: list[float] = []
        self.refreshes: list[Array] = []

    def __len__(self) -> int:
        return len(self.steps["day"])

    def add(self, step: Mapping[str, float], screws: Mapping[str, Array], reactions: Array) -> None:
        """Add one accepted step."""
        for name in STEP_COLUMNS:
            self.steps[name].append(float(step[name]))
        for name in SCREW_COLUMNS:
            self.screws[name].append(np.array(screws[name], dtype=float))
        self.reactions.append(np.array(reactions, dtype=float))

    def add_snapshot(self, day: float, patches: Mapping[str, Array], memory: Array) -> None:
        """Add one patch map and what friction remembers then: together the whole state of a day."""
        self.snapshot_days.append(float(day))
        self.memories.append(np.array(memory, dtype=float))
        self.snapshots.append(np.array([patches[name] for name in PATCH_COLUMNS]))

    def add_refresh(self, day: float, before: Chewing, after: Chewing) -> None:
        """Add what new bulk moduli have changed."""
        jumps = [np.array([peak.jumps for peak, _ in one.solved]) for one in (before, after)]
        changes = [_largest_change(*jumps), _largest_change(before.stress, after.stress)]
        self.refreshes.append(np.array([day, *changes]))

    def step(self, name: str) -> Array:
        """One column over the steps (k,)."""
        return np.array(self.steps[name])

    def screw(self, name: str) -> Array:
        """One column over the steps (k, s)."""
        return np.array(self.screws[name])

    def rows(self, screw_names: Sequence[str]) -> list[dict[str, float | str]]:
        """Long table for ``timeline.csv``: one row per accepted step and screw."""
        return [
            {"day": day, "screw": screw, **{column: float(self.screws[column][k][s]) for column in SCREW_COLUMNS}}
            for k, day in enumerate(self.steps["day"])
            for s, screw in enumerate(screw_names)
        ]

    def arrays(self) -> dict[str, Array]:
        """For a checkpoint."""
        return {
            **{f"history_step_{name}": np.array(values) for name, values in self.steps.items()},
            **{f"history_screw_{name}": np.array(values) for name, values in self.screws.items()},
            "history_reactions": np.array(self.reactions),
            "history_snapshots": np.array(self.snapshots),
            "history_memories": np.array(self.memories),
            "history_snapshot_days": np.array(self.snapshot_days),
            "history_refreshes": np.array(self.refreshes).reshape(-1, len(REFRESH_COLUMNS)),
        }

    @classmethod
    def from_arrays(cls, stored: Mapping[str, Array]) -> History:
        """Inverse of :meth:`arrays`."""
        history = cls()
        history.steps = {name: [float(v) for v in stored[f"history_step_{name}"]] for name in STEP_COLUMNS}
        history.screws = {name: [np.array(row) for row in stored[f"history_screw_{name}"]] for name in SCREW_COLUMNS}
        history.reactions = [np.array(row) for row in stored["history_reactions"]]
        history.snapshots = [np.array(row) for row in stored["history_snapshots"]]
        history.memories = [np.array(row) for row in stored["history_memories"]]
        history.snapshot_days = [float(v) for v in stored["history_snapshot_days"]]
        history.refreshes = [np.array(row) for row in stored["history_refreshes"]]
        return history


def _largest_change(before: Array, after: Array) -> float:
    """Largest change over the largest value before; 0 where there was nothing."""
    largest = float(np.abs(before).max())
    return float(np.abs(after - before).max()) / largest if largest > 0.0 else 0.0
