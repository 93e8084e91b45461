"""The operation on one jaw: bone, resection, plate, screws, loads and supports, checked as a surgeon would."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from femsim.errors import GeometryError, InputError
from femsim.geometry.arch import Arch
from femsim.geometry.jaw_sites import jaw_bites, jaw_foundations, jaw_loads
from femsim.geometry.muscles import activation_patterns
from femsim.geometry.plate import Plate, plate_section
from femsim.geometry.plate_path import PlateSetting, plan_plate
from femsim.geometry.resection import BonePiece, Resection, SegmentPlan, combined
from femsim.geometry.screws import Screw, check_screws, place_screw, screw_thread, spread_axes
from femsim.geometry.sites import BiteSite, Foundation, LoadSite
from femsim.geometry.surface import Surface
from femsim.parameters import ParameterSet

if TYPE_CHECKING:
    from femsim.geometry.jaw import Jaw

SCREWS_PER_STUMP = (1, 8)
"""Screws per stump that a user may ask for."""

USUAL_SCREWS = 3
"""Fewer screws than this per stump are pointed out: three to four are usual."""

FAR_TIP = 6.0
"""A tip farther than this [mm] beyond the far cortex would stand in the floor of the mouth."""

WIDE_GAP = 3.0
"""A plate farther than this [mm] off the bone under its centreline is pointed out."""

FACIAL_BLEND = 2.0
"""The lingual cortex passes into the facial one over this distance [mm], so that thickness is smooth."""

CUT_SLACK = 0.2
"""A screw nearer to a cut than asked by more than this [mm] is told; less is the thickness of a saw blade."""

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
    plate_preset: str = "reconstruction-2.5",
    plate_width: float | None = None,
    plate_thickness: float | None = None,
    plate_pitch: float | None = None,
    plate_height: float | None = None,
    standoff: float | None = None,
    min_distance_to_cut: float | None = None,
    screw_preset: str = "locking-2.4",
    screw_diameter: float | None = None,
    screw_core: float | None = None,
    per_stump: int | tuple[int, ...] = 4,
    length: str | float = "bicortical",
    bites: Sequence[str] | None = None,
    detached: Sequence[str] = (),
) -> Operation:
    """Plan the resection of one or several segments of a jaw, bridged by one locking plate.

    Parameters
    ----------
    jaw : Jaw
        Surface and landmarks in the anatomical frame.
    parameters : ParameterSet
    segments : sequence of SegmentPlan
        What is removed.
    plate_preset, screw_preset : str
        Names in cards ``plates`` and ``screws``.
    plate_width, plate_thickness, plate_pitch, plate_height, standoff, min_distance_to_cut : float, optional
        Replace the preset or the default [mm].
    screw_diameter, screw_core : float, optional
        Replace the preset [mm].
    per_stump : int or tuple of int
        Screws in each bone piece, or in every piece from the mesial to the distal one (for a midline defect: from the
        right to the left one).
    length : ``"bicortical"``, ``"monocortical"`` or float
        Screw length [mm] from the plate's outer face to the tip.
    bites : sequence of str, optional
        Bites to prepare; every standard bite whose teeth remain when not given.
    detached : sequence of str
        Muscles detached besides those lost with the segment (``"AT_left"``).

    Raises
    ------
    InputError, GeometryError
        What cannot be built, where, by how much and what to try.
    """
    section = plate_section(parameters, plate_preset, width=plate_width, thickness=plate_thickness, pitch=plate_pitch)
    setting = PlateSetting.from_parameters(
        parameters, section, height=plate_height, standoff=standoff, first_hole=min_distance_to_cut
    )
    thread = screw_thread(parameters, screw_preset, diameter=screw_diameter, core=screw_core)
    if thread["diameter"] > 0.6 * section["width"]:
        raise GeometryError(
            f"screws: a diameter of {thread['diameter']:g} mm does not fit a plate {section['width']:g} mm wide, "
            f"at most {0.6 * section['width']:.1f} mm are allowed; take thinner screws or a wider plate"
        )
    surface, landmarks = jaw.surface, jaw.landmarks.points
    arch = Arch.fit(surface, landmarks, parameters)
    if not segments:
        raise InputError("resection: no segment is given; name at least one")
    resection = combined([segment.resect(surface, arch) for segment in segments])
    counts = _counts(per_stump, resection)
    foundations = jaw_foundations(surface, resection, parameters, landmarks)
    bite_sites = jaw_bites(surface, arch, resection, parameters, landmarks, bites)
    plate, pieces = plan_plate(surface, arch, resection, setting, counts, "plate")
    screws = _screwed(surface, parameters, plate, pieces, thread, length)
    loads, dropped = jaw_loads(surface, resection, parameters, landmarks, detached)
    kept = {site.name for site in loads}
    return Operation(
        bone=surface,
        resection=resection,
        plates=(plate,),
        screws=screws,
        loads=loads,
        foundations=foundations,
        bites=bite_sites,
        dropped=dropped,
        arch=arch,
        jaw=jaw,
        cortical_thickness=ArchCortex.from_parameters(arch, parameters),
        warnings=_remarks(plate, screws, length, setting.first_hole),
        activations={
            pattern: {name: value for name, value in values.items() if name in kept}
            for pattern, values in activation_patterns(parameters).items()
        },
    )


def _counts(per_stump: int | tuple[int, ...], resection: Resection) -> tuple[int, ...]:
    """Screws in every bone piece by ascending arch coordinate, from numbers as the user counts them."""
    names = [piece.name for piece in resection.pieces]
    counts = (per_stump,) * len(names) if isinstance(per_stump, int) else tuple(int(count) for count in per_stump)
    if len(counts) != len(names):
        raise InputError(
            f"screws: {len(counts)} numbers for {len(names)} pieces of bone ({', '.join(names)}); give one each"
        )
    for count in counts:
        if not SCREWS_PER_STUMP[0] <= count <= SCREWS_PER_STUMP[1]:
            raise GeometryError(
                f"screws: {count} per stump, allowed are {SCREWS_PER_STUMP[0]} to {SCREWS_PER_STUMP[1]}"
            )
    # There the mesial stump has the higher arch coordinate.
    return counts[::-1] if resection.side == "right" else counts


def _screwed(
    surface: Surface,
    parameters: ParameterSet,
    plate: Plate,
    pieces: tuple[BonePiece, ...],
    thread: dict[str, float],
    length: str | float,
) -> tuple[Screw, ...]:
    heads = plate.holes - plate.hole_axes * plate.thickness / 2
    axes = spread_axes(surface, parameters, heads, plate.hole_axes, thread, pieces)
    screws = []
    for k, piece in enumerate(pieces):
        screw = place_screw(
            surface,
            parameters,
            thread,
            name=f"screw-{k + 1}",
            head=heads[k],
            axis=axes[k],
            stump=piece.name,
            plate_name=plate.name,
            length=length,
            piece=piece,
        )
        beyond = screw.length - screw.bone_exit
        if beyond > FAR_TIP:
            raise GeometryError(
                f"{screw.name}: a length of {screw.length:g} mm passes the far cortex by {beyond:.1f} mm, at most "
                f"{FAR_TIP:g} mm are allowed; take {np.ceil(screw.bone_exit + 1):g} mm or 'bicortical'"
            )
        screws.append(screw)
    check_screws(screws, parameters)
    return tuple(screws)


def _remarks(plate: Plate, screws: tuple[Screw, ...], length: str | float, to_cut: float) -> tuple[str, ...]:
    remarks = [
        f"{screw.name}: tilted {angle:.0f} degrees against its hole, off its neighbour or the cut"
        for screw, axis in zip(screws, plate.hole_axes, strict=True)
        if (angle := float(np.degrees(np.arccos(np.clip(screw.axis @ axis, -1, 1))))) > 2.0
    ]
    # The wanted distance places the hole; an axis that leans towards the cut comes nearer inside the bone.
    remarks += [
        f"{screw.name}: comes within {screw.distance_to_cut:.1f} mm of the cut in the bone; {to_cut:g} mm were wanted"
        for screw in screws
        if screw.distance_to_cut < to_cut - CUT_SLACK
    ]
    for stump in dict.fromkeys(screw.stump for screw in screws):
        count = sum(screw.stump == stump for screw in screws)
        if count < USUAL_SCREWS:
            remarks.append(f"{stump} stump: {count} screws, at least {USUAL_SCREWS} are usual")
    if plate.clearance[1] > WIDE_GAP:
        remarks.append(f"plate: stands up to {plate.clearance[1]:.1f} mm off the bone under its centreline")
    if length == "bicortical":
        remarks += [
            f"{s.name}: the longest screw does not reach the far cortex, {s.bone_exit - s.length:.1f} mm are missing"
            for s in screws
            if not s.bicortical
        ]
    return tuple(remarks)
