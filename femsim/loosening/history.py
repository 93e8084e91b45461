"""What a run remembers: one row per accepted step and screw, and patch maps now and then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

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
    "bonded",
    "damage",
    "clearance_um",
    "failed_share",
    "torque_ratio",
)
"""One number per accepted step and screw; means over patches are weighted by area."""

PATCH_COLUMNS = ("bonded", "damage", "clearance", "motion", "stress")
"""Snapshots per patch: fractions, mm, mm, MPa."""


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
    snapshot_days : list of float
    """

    def __init__(self) -> None:
        self.steps: dict[str, list[float]] = {name: [] for name in STEP_COLUMNS}
        self.screws: dict[str, list[Array]] = {name: [] for name in SCREW_COLUMNS}
        self.reactions: list[Array] = []
        self.snapshots: list[Array] = []
        self.snapshot_days: list[float] = []

    def __len__(self) -> int:
        return len(self.steps["day"])

    def add(self, step: Mapping[str, float], screws: Mapping[str, Array], reactions: Array) -> None:
        """Add one accepted step."""
        for name in STEP_COLUMNS:
            self.steps[name].append(float(step[name]))
        for name in SCREW_COLUMNS:
            self.screws[name].append(np.array(screws[name], dtype=float))
        self.reactions.append(np.array(reactions, dtype=float))

    def add_snapshot(self, day: float, patches: Mapping[str, Array]) -> None:
        """Add one patch map."""
        self.snapshot_days.append(float(day))
        self.snapshots.append(np.array([patches[name] for name in PATCH_COLUMNS]))

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
            "history_snapshot_days": np.array(self.snapshot_days),
        }

    @classmethod
    def from_arrays(cls, stored: Mapping[str, Array]) -> History:
        """Inverse of :meth:`arrays`."""
        history = cls()
        history.steps = {name: [float(v) for v in stored[f"history_step_{name}"]] for name in STEP_COLUMNS}
        history.screws = {name: [np.array(row) for row in stored[f"history_screw_{name}"]] for name in SCREW_COLUMNS}
        history.reactions = [np.array(row) for row in stored["history_reactions"]]
        history.snapshots = [np.array(row) for row in stored["history_snapshots"]]
        history.snapshot_days = [float(v) for v in stored["history_snapshot_days"]]
        return history
