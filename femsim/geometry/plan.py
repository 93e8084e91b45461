"""What a surgeon asks for: segments to remove, plates, screws and single holes; numbers still to be checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from femsim.errors import InputError
from femsim.geometry.arch import Arch
from femsim.geometry.frame import Frame
from femsim.geometry.resection import (
    Resection,
    resect_distances,
    resect_planes,
    resect_ramus,
    resect_teeth,
    resect_tooth_and_distance,
)
from femsim.geometry.surface import Surface


@dataclass(frozen=True, eq=False)
class SegmentPlan:
    """One segment to remove: by two teeth, two distances along the arch or one of each, up the ramus, or by two planes.

    Attributes
    ----------
    teeth : (int, int), optional
        First and last tooth removed, FDI numbers.
    distances : (float, float), optional
        Arch coordinates of the two cuts, from the midline, positive on the left [mm].
    tooth_and_distance : (int, float), optional
        A tooth removed at one end, FDI number, and the arch coordinate of the cut at the other [mm].
    ramus : (int or float, float), optional
        First tooth removed, FDI number, or the arch coordinate of the cut there, and the height of a level cut through
        the ramus above the angle of the jaw [mm].
    planes : two (point, normal) pairs, optional
        Cut planes in the anatomical frame [mm].
    side : ``"left"``, ``"right"``, ``"midline"``, optional
        Only checked against where the segment lies.
    """

    teeth: tuple[int, int] | None = None
    distances: tuple[float, float] | None = None
    tooth_and_distance: tuple[int, float] | None = None
    ramus: tuple[int | float, float] | None = None
    planes: Sequence[tuple[np.ndarray, np.ndarray]] | None = None
    side: str | None = None

    def resect(self, surface: Surface, arch: Arch, landmarks: Mapping[str, np.ndarray]) -> Resection:
        """Resect the segment from a jaw.

        Raises
        ------
        InputError
            Not exactly one way of saying where, or another side than the segment's.
        GeometryError
            The segment cannot be cut there.
        """
        ways = (self.teeth, self.distances, self.tooth_and_distance, self.ramus, self.planes)
        if sum(way is not None for way in ways) != 1:
            raise InputError("resection: give a segment by two teeth, by two distances or by two planes, one of these")
        if self.teeth is not None:
            found = resect_teeth(surface, arch, *self.teeth)
        elif self.distances is not None:
            found = resect_distances(surface, arch, *self.distances)
        elif self.tooth_and_distance is not None:
            found = resect_tooth_and_distance(surface, arch, *self.tooth_and_distance)
        elif self.ramus is not None:
            found = resect_ramus(surface, arch, landmarks, *self.ramus)
        else:
            found = resect_planes(surface, arch, self.planes or ())
        if self.side is not None and self.side != found.side:
            raise InputError(
                f"resection: side is {self.side!r} but {found.words} lie on side {found.side!r}; FDI numbers 31-38 and "
                "positive distances are left, 41-48 and negative distances right"
            )
        return found


@dataclass(frozen=True)
class HolePlan:
    """What is special about one hole.

    Attributes
    ----------
    screw : bool
        Whether it holds a screw.
    length : ``"bicortical"``, ``"monocortical"`` or float, optional
        Instead of the plate's rule [mm].
    diameter : float, optional
        Outer thread diameter instead of that of the plate's screws [mm]; the thread keeps its depth.
    along, up : float
        Tilt of the screw towards the jaw's left along the plate and upwards, in degrees.
    """

    screw: bool = True
    length: str | float | None = None
    diameter: float | None = None
    along: float = 0.0
    up: float = 0.0


@dataclass(frozen=True)
class ScrewPlan:
    """The screws of one plate.

    Attributes
    ----------
    preset : str
        Name in card ``screws``.
    diameter, core : float, optional
        Replace the preset [mm]; when only the diameter is given the thread keeps its depth.
    length : ``"bicortical"``, ``"monocortical"`` or float
        Screw length [mm] from the plate's outer face to the tip.
    min_distance_to_cut : float, optional
        Of the first hole of a stump [mm]; card ``plates`` when left out.
    whole_screw : bool
        Whether the whole screw in bone keeps that distance; otherwise the hole does, and an axis that leans towards the
        cut may come nearer, which is told.
    holes : mapping of int to HolePlan
        Holes that differ, by their number along the plate from the jaw's right to its left, starting at 1.
    """

    preset: str = "locking-2.4"
    diameter: float | None = None
    core: float | None = None
    length: str | float = "bicortical"
    min_distance_to_cut: float | None = None
    whole_screw: bool = False
    holes: Mapping[int, HolePlan] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Structure:
    """Something that screws should keep clear of, as a tube about a line: the canal of the nerve, a tooth's root.

    Attributes
    ----------
    name : str
    points : ndarray, shape (n, 3)
        At least two points of its centreline, in the anatomical frame [mm].
    radius : float
        Of the tube [mm].
    distance : float
        Bone wanted between it and a screw [mm].
    """

    name: str
    points: np.ndarray
    radius: float
    distance: float


@dataclass(frozen=True)
class GraftPlan:
    """Fibula in every defect, carried by the first plate.

    Attributes
    ----------
    struts : int
        Straight struts in each defect.
    screws : int
        Screws in each strut.
    width, height, cortex, gap : float, optional
        Section across and along the bone's height, wall thickness, and width of the unions [mm]; card ``graft`` when
        left out.
    """

    struts: int = 1
    screws: int = 2
    width: float | None = None
    height: float | None = None
    cortex: float | None = None
    gap: float | None = None


@dataclass(frozen=True, eq=False)
class DrawnPlate:
    """A plate drawn elsewhere: its closed surface and the axes of its holes.

    Attributes
    ----------
    surface : Surface
        In the anatomical frame [mm].
    points, directions : ndarray, shape (h, 3)
        A point on the axis of every hole, inside or near the metal [mm], and its direction into the bone.
    frame : Frame
        Of the file, so that messages name places as the user knows them.
    name : str
        For messages, usually the file's name.
    """

    surface: Surface
    points: np.ndarray
    directions: np.ndarray
    frame: Frame
    name: str


@dataclass(frozen=True)
class PlatePlan:
    """One plate.

    Attributes
    ----------
    preset : str
        Name in card ``plates``.
    width, thickness, pitch, height, standoff : float, optional
        Replace the preset or the default [mm].
    bridge_width : float, optional
        Width over the defect [mm]; as on the stumps when left out.
    edge_radius : float
        Of the long edges [mm].
    wave : float
        How much farther off the original contour the plate runs over the defect [mm].
    countersink : float, optional
        Depth of the conical seat of a screw's head in the plate [mm]; of the preset when left out.
    drawn : DrawnPlate, optional
        The plate itself; nothing else is read then but ``screws``.
    per_stump : int or tuple of int
        Holes in each bone piece, or in every piece from the mesial to the distal one (for a defect across the midline:
        from the right to the left one).
    screws : ScrewPlan
    """

    preset: str = "reconstruction-2.5"
    width: float | None = None
    thickness: float | None = None
    pitch: float | None = None
    height: float | None = None
    standoff: float | None = None
    bridge_width: float | None = None
    edge_radius: float = 0.0
    wave: float = 0.0
    countersink: float | None = None
    drawn: DrawnPlate | None = None
    per_stump: int | tuple[int, ...] = 4
    screws: ScrewPlan = field(default_factory=ScrewPlan)
