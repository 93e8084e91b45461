"""The operation on one jaw: bone, resection, plate, screws, loads and supports, checked as a surgeon would."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from femsim.errors import GeometryError, InputError
from femsim.geometry.arch import Arch
from femsim.geometry.graft import Graft
from femsim.geometry.jaw_sites import jaw_bites, jaw_foundations, jaw_loads
from femsim.geometry.muscles import activation_patterns
from femsim.geometry.plan import GraftPlan, PlatePlan, SegmentPlan, Structure
from femsim.geometry.plate import Plate
from femsim.geometry.plating import put_plate
from femsim.geometry.resection import Resection, combined
from femsim.geometry.screws import Screw, check_screws, segment_distance
from femsim.geometry.sites import BiteSite, Foundation, LoadSite
from femsim.geometry.surface import Surface
from femsim.parameters import ParameterSet

if TYPE_CHECKING:
    from femsim.geometry.jaw import Jaw

MOST_PLATES = 2
"""Plates on one jaw: one bridging the defect, and a second one above or below it."""

FACIAL_BLEND = 2.0
"""The lingual cortex passes into the facial one over this distance [mm], so that thickness is smooth."""

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
    cortical : callable, optional
        Points (n, 3) to whether bone there is cortical (n,), where a CT tells it instead of the thickness.
    graft : Graft or None
        Fibula in the defects.
    structures : tuple of Structure
        What screws should keep clear of.
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
    cortical: Callable[[np.ndarray], np.ndarray] | None = None
    graft: Graft | None = None
    structures: tuple[Structure, ...] = ()
    warnings: tuple[str, ...] = ()
    activations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def bone_contains(self, points: np.ndarray) -> np.ndarray:
        """Whether points, shape (n, 3), lie in bone that stays or in the graft."""
        inside = self.bone.contains(points)
        if self.resection is not None and inside.any():
            inside[inside] = ~self.resection.removed(np.asarray(points, dtype=float)[inside])
        return inside if self.graft is None else inside | self.graft.contains(points)

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
        """One row per screw for the plan: hole, position, lengths, engagement, distances."""
        rows: list[dict[str, object]] = []
        before = {plate.name: sum(len(one.holes) for one in self.plates[:k]) for k, plate in enumerate(self.plates)}
        for screw in self.screws:
            plate = next(p for p in self.plates if p.name == screw.plate_name)
            near, far = self.cortical_engagement(screw)
            rows.append(
                {
                    "screw": screw.name,
                    "plate": plate.name,
                    "hole": int(screw.name.rpartition("-")[2]) - before[plate.name],
                    "stump": screw.stump,
                    "head": tuple(float(v) for v in np.round(screw.head, 2)),
                    "axis": tuple(float(v) for v in np.round(screw.axis, 4)),
                    "diameter": screw.diameter,
                    "length": screw.length,
                    "length_in_bone": round(screw.length_in_bone, 2),
                    "cortical_engagement": round(near + far, 2),
                    "near_cortex": round(near, 2),
                    "far_cortex": round(far, 2),
                    "bicortical": screw.bicortical,
                    "beyond_far_cortex": round(max(screw.length - screw.bone_exit, 0.0), 2),
                    "distance_to_cut": round(screw.distance_to_cut, 2),
                    "gap_at_hole": round(screw.bone_entry - plate.thickness, 2),
                    "plate_clearance": tuple(round(float(c), 2) for c in plate.clearance),
                }
            )
            rows[-1] |= {f"to_{one.name}": round(structure_gap(screw, one), 2) for one in self.structures}
        return rows

    def plate_table(self) -> list[dict[str, object]]:
        """One row per plate for the plan [mm]."""
        return [
            {
                "plate": plate.name,
                "length": round(plate.length, 1),
                "width": round(plate.width, 2),
                "thickness": round(plate.thickness, 2),
                "clearance": tuple(round(float(c), 2) for c in plate.clearance),
                "metal_beside_seat": round(plate.rim, 2),
            }
            for plate in self.plates
        ]

    def cortical_engagement(self, screw: Screw) -> tuple[float, float]:
        """Lengths of a screw's axis in the near and in the far cortex of the jaw, or of its strut [mm].

        Where no cancellous bone lies between them, each takes half; a tip that ends in the near cortex engages no far
        one.
        """
        start, end = screw.bone_entry, min(screw.length, screw.bone_exit)
        axial = np.arange(start + CORTEX_STEP / 2, end, CORTEX_STEP)
        points = screw.head + axial[:, None] * screw.axis
        strut = self.graft is not None and self.graft.in_struts(points).any()
        if strut and self.graft is not None:
            depth, thickness = self.graft.depth(points), np.full(len(points), self.graft.cortex)
        else:
            depth, thickness = -self.bone.signed_distance(points), self.cortical_thickness(points)
        cortical = (depth > 0) & (depth < thickness)
        if self.cortical is not None and not strut:
            cortical = depth > 0
            cortical[cortical] = self.cortical(points[cortical])
        total = float(np.count_nonzero(cortical) * CORTEX_STEP)
        inside = np.flatnonzero(~cortical & (depth > 0))
        if len(inside) == 0:
            return (total / 2, total / 2) if screw.bicortical else (total, 0.0)
        near = float(np.count_nonzero(cortical[: inside[0]]) * CORTEX_STEP)
        return near, total - near


@dataclass(frozen=True, eq=False)
class ArchCortex:
    """Cortical thickness that falls along the arch from the midline to behind the third molar.

    Attributes
    ----------
    arch : Arch
    anterior, posterior : float
        Mean thickness at the midline and behind [mm].
    facial_to_lingual : float
        Ratio of facial to lingual thickness.
    """

    arch: Arch
    anterior: float
    posterior: float
    facial_to_lingual: float

    @classmethod
    def from_parameters(cls, arch: Arch, parameters: ParameterSet) -> ArchCortex:
        """Take card ``cortex``."""
        return cls(arch, **{key: parameters[f"cortex.{key}"] for key in ("anterior", "posterior", "facial_to_lingual")})

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Thickness at points (n, 3), shape (n,) [mm]."""
        s, n, _ = self.arch.locate(points)
        end = np.where(s > 0, self.arch.tooth_edges[1][-1], self.arch.tooth_edges[0][-1])
        mean = self.anterior + np.clip(np.abs(s) / end, 0, 1) * (self.posterior - self.anterior)
        contrast = (self.facial_to_lingual - 1) / (self.facial_to_lingual + 1)
        return mean * (1 + contrast * np.tanh(n / FACIAL_BLEND))


def plan_operation(
    jaw: Jaw,
    parameters: ParameterSet,
    *,
    segments: Sequence[SegmentPlan],
    plates: Sequence[PlatePlan] = (PlatePlan(),),
    bites: Sequence[str] | None = None,
    graft: GraftPlan | None = None,
    keep_clear: Sequence[Structure] = (),
    detached: Sequence[str] = (),
) -> Operation:
    """Plan the resection of one or several segments of a jaw, bridged by locking plates.

    Parameters
    ----------
    jaw : Jaw
        Surface and landmarks in the anatomical frame.
    parameters : ParameterSet
    segments : sequence of SegmentPlan
        What is removed.
    plates : sequence of PlatePlan
        One plate or two, each with its screws.
    graft : GraftPlan, optional
        Fibula in every defect, carried by the first plate.
    bites : sequence of str, optional
        Bites to prepare; every standard bite whose teeth remain when not given.
    keep_clear : sequence of Structure
        What screws should keep clear of; a conflict is told, not refused.
    detached : sequence of str
        Muscles detached besides those lost with the segment (``"AT_left"``).

    Raises
    ------
    InputError, GeometryError
        What cannot be built, where, by how much and what to try.
    """
    if not segments:
        raise InputError("resection: no segment is given; name at least one")
    if not 1 <= len(plates) <= MOST_PLATES:
        raise InputError(f"plates: {len(plates)} are given, allowed are 1 to {MOST_PLATES}")
    surface, landmarks = jaw.surface, jaw.landmarks.points
    arch = Arch.fit(surface, landmarks, parameters)
    resection = combined([segment.resect(surface, arch, landmarks) for segment in segments])
    foundations = jaw_foundations(surface, resection, parameters, landmarks)
    bite_sites = jaw_bites(surface, arch, resection, parameters, landmarks, bites)
    made: list[Plate] = []
    filled: Graft | None = None
    screws: list[Screw] = []
    remarks: list[str] = []
    for k, plan in enumerate(plates):
        name = "plate" if len(plates) == 1 else f"plate-{k + 1}"
        holes = sum(len(plate.holes) for plate in made)
        carried = graft if k == 0 else None
        plate, own, struts, told = put_plate(surface, arch, resection, parameters, plan, name, holes + 1, carried)
        filled = struts or filled
        made.append(plate)
        screws += own
        remarks += told
    check_screws(screws, parameters)
    _check_apart(made, screws, parameters)
    remarks += _near_joints(screws, landmarks, parameters["screws.joint_distance"])
    remarks += _conflicts(screws, keep_clear)
    loads, dropped = jaw_loads(surface, resection, parameters, landmarks, detached)
    kept = {site.name for site in loads}
    return Operation(
        bone=surface,
        resection=resection,
        plates=tuple(made),
        screws=tuple(screws),
        loads=loads,
        foundations=foundations,
        bites=bite_sites,
        dropped=dropped,
        arch=arch,
        jaw=jaw,
        cortical_thickness=ArchCortex.from_parameters(arch, parameters),
        graft=filled,
        structures=tuple(keep_clear),
        warnings=tuple(remarks),
        activations={
            pattern: {name: value for name, value in values.items() if name in kept}
            for pattern, values in activation_patterns(parameters).items()
        },
    )


def _check_apart(plates: Sequence[Plate], screws: Sequence[Screw], parameters: ParameterSet) -> None:
    """Refuse plates that touch, and screws that run into the other plate."""
    least = parameters["plates.least_clearance"]
    for k, first in enumerate(plates):
        for second in plates[k + 1 :]:
            gap = min(_gap(first, second), _gap(second, first))
            if gap < least:
                raise GeometryError(
                    f"{first.name} and {second.name}: they come within {max(gap, 0.0):.1f} mm, at least {least:g} mm "
                    "are needed; choose heights farther apart or narrower plates"
                )
    for screw in screws:
        axis = screw.head + np.arange(0.0, screw.length, CORTEX_STEP)[:, None] * screw.axis
        for plate in plates:
            if plate.name != screw.plate_name:
                gap = float(plate.surface.signed_distance(axis).min()) - screw.diameter / 2
                if gap < least:
                    raise GeometryError(
                        f"{screw.name}: it comes within {max(gap, 0.0):.1f} mm of {plate.name}, at least {least:g} mm "
                        "are needed; choose heights farther apart or leave its hole empty"
                    )


def _near_joints(screws: Sequence[Screw], landmarks: Mapping[str, np.ndarray], least: float) -> list[str]:
    found = []
    for screw in screws:
        for side in ("left", "right"):
            top = np.asarray(landmarks[f"condyle_{side}"], dtype=float)
            foot = np.clip((top - screw.head) @ screw.axis, screw.bone_entry, screw.length)
            distance = float(np.linalg.norm(screw.head + foot * screw.axis - top))
            if distance < least:
                found.append(
                    f"{screw.name}: passes {distance:.1f} mm from the top of the {side} condyle; {least:g} mm are usual"
                )
    return found


def structure_gap(screw: Screw, structure: Structure) -> float:
    """Least bone between a screw and a structure [mm]; negative where the screw runs through it."""
    ends = screw.head + np.array([[screw.bone_entry], [screw.length]]) * screw.axis
    axes = [segment_distance((ends[0], ends[1]), piece) for piece in pairwise(np.asarray(structure.points))]
    return min(axes) - screw.diameter / 2 - structure.radius


def _conflicts(screws: Sequence[Screw], structures: Sequence[Structure]) -> list[str]:
    found = []
    for structure in structures:
        for screw in screws:
            gap = structure_gap(screw, structure)
            if gap < structure.distance:
                where = f"passes {gap:.1f} mm from" if gap > 0 else f"runs {-gap:.1f} mm into"
                found.append(f"{screw.name}: {where} {structure.name}; {structure.distance:g} mm were wanted")
    return found


def _gap(first: Plate, second: Plate) -> float:
    return float(first.surface.signed_distance(second.surface.points).min())
