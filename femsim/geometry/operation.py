"""The operation on one jaw: bone, resection, plate, screws, loads and supports, checked as a surgeon would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from femsim.errors import InputError
from femsim.geometry.arch import Arch
from femsim.geometry.plate import Plate
from femsim.geometry.resection import Resection
from femsim.geometry.screws import Screw
from femsim.geometry.sites import BiteSite, Foundation, LoadSite
from femsim.geometry.surface import Surface

if TYPE_CHECKING:
    from femsim.geometry.jaw import Jaw

CORTEX_STEP = 0.1
"""Sampling step [mm] along a screw when its length in cortical bone is measured."""


@dataclass(frozen=True, eq=False)
class Operation:
    """Everything that the mesher and the solver need to know about one operated bone.

    Attributes
    ----------
    bone : Surface
        Bone before the resection, closed.
    resection : Resection or None
    plates : tuple of Plate
    screws : tuple of Screw
    loads : tuple of LoadSite
    foundations : tuple of Foundation
    bites : tuple of BiteSite
    dropped : tuple of str
        Muscles lost with the segment, each with its reason.
    arch : Arch or None
        Curtain coordinates; None for a specimen that is no jaw.
    jaw : Jaw or None
    cortical_thickness : callable
        Points (n, 3) to cortical thickness (n,) [mm].
    warnings : tuple of str
        What a surgeon should look at; nothing here stops the run.
    activations : mapping of str to mapping
        Activation pattern name to load site name to fraction of its maximum force.
    """

    bone: Surface
    resection: Resection | None
    plates: tuple[Plate, ...]
    screws: tuple[Screw, ...]
    loads: tuple[LoadSite, ...]
    foundations: tuple[Foundation, ...]
    bites: tuple[BiteSite, ...]
    dropped: tuple[str, ...]
    arch: Arch | None
    jaw: Jaw | None
    cortical_thickness: Callable[[np.ndarray], np.ndarray]
    warnings: tuple[str, ...] = ()
    activations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def bone_contains(self, points: np.ndarray) -> np.ndarray:
        """Whether points, shape (n, 3), lie in bone that stays."""
        inside = self.bone.contains(points)
        if self.resection is not None and inside.any():
            inside[inside] = ~self.resection.removed(np.asarray(points, dtype=float)[inside])
        return inside

    def bite(self, name: str) -> BiteSite:
        """Return a bite site by name.

        Raises
        ------
        InputError
            No such bite on this bone, or its tooth was removed.
        """
        for site in self.bites:
            if site.name == name:
                return site
        raise InputError(
            f"bite {name!r} is not possible here, the tooth may lie in the removed part; "
            f"choose one of {', '.join(site.name for site in self.bites)}"
        )

    def muscle_activation(self, task: str) -> dict[str, float]:
        """Activation of every load site for a pattern (``INC``, ``ICP``, ``RMOL``, ``LMOL``) or a bite's name.

        Raises
        ------
        InputError
            Neither a pattern nor a bite of this operation.
        """
        pattern = task if task in self.activations else self._pattern(task)
        return dict(self.activations[pattern])

    def _pattern(self, bite: str) -> str:
        site = self.bite(bite)
        if len(self.activations) == 1:
            return next(iter(self.activations))
        if len(site.others):
            return "ICP"
        if self.arch is None or abs(float(self.arch.locate(site.point[None])[0][0])) < self.arch.tooth(33)[2]:
            return "INC"
        return "LMOL" if site.point[0] > 0 else "RMOL"

    def table(self) -> list[dict[str, object]]:
        """One row per screw for the plan: position, lengths, engagement, distances."""
        rows: list[dict[str, object]] = []
        for screw in self.screws:
            plate = next(p for p in self.plates if p.name == screw.plate_name)
            rows.append(
                {
                    "screw": screw.name,
                    "stump": screw.stump,
                    "head": tuple(float(v) for v in np.round(screw.head, 2)),
                    "axis": tuple(float(v) for v in np.round(screw.axis, 4)),
                    "diameter": screw.diameter,
                    "length": screw.length,
                    "length_in_bone": round(screw.length_in_bone, 2),
                    "cortical_engagement": round(self.cortical_engagement(screw), 2),
                    "bicortical": screw.bicortical,
                    "beyond_far_cortex": round(max(screw.length - screw.bone_exit, 0.0), 2),
                    "distance_to_cut": round(screw.distance_to_cut, 2),
                    "plate_clearance": tuple(round(float(c), 2) for c in plate.clearance),
                }
            )
        return rows

    def cortical_engagement(self, screw: Screw) -> float:
        """Length of a screw's axis that lies in the cortical shell [mm]."""
        start, end = screw.bone_entry, min(screw.length, screw.bone_exit)
        axial = np.arange(start + CORTEX_STEP / 2, end, CORTEX_STEP)
        points = screw.head + axial[:, None] * screw.axis
        depth = -self.bone.signed_distance(points)
        return float(np.count_nonzero((depth > 0) & (depth < self.cortical_thickness(points))) * CORTEX_STEP)
