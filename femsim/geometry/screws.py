"""Locking screws: cylinders from the plate's outer face into bone, their lengths, and the checks a surgeon makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from femsim.errors import GeometryError
from femsim.geometry.presets import preset_group
from femsim.geometry.surface import Surface, cylinder_surface
from femsim.parameters import ParameterSet

if TYPE_CHECKING:
    from femsim.geometry.resection import BonePiece

CYLINDER_SEGMENTS = 20
"""Facets of a screw's cylinder; with equal section area its side is 0.4 % larger than the exact cylinder's."""

RAY_LENGTH = 45.0
"""How far [mm] bone is looked for along a screw's axis; no jaw is thicker."""

FARTHEST_ENTRY = 12.0
"""Bone must start within this distance [mm] of the screw head, otherwise the plate is off the bone there."""

TURN_ROUNDS = 40
"""Rounds of turning converging screws apart; each closes a tenth of the angle between them."""

TURN_SHARE = 0.05
"""Share of the angle to its neighbour that a screw is turned by per round."""

TURN_FROM_CUT = 0.02
"""A screw too near the cut is turned off it by this slope per round, about one degree."""

TURN_MARGIN = 0.2
"""Screw ends are brought this much [mm] farther apart than needed, because lengths are rounded up afterwards."""

LENGTH_LIMITS = (4.0, 40.0)
"""Screw lengths [mm] that a user may ask for."""


@dataclass(frozen=True, eq=False)
class Screw:
    """One locking screw, a cylinder of the outer thread diameter.

    Attributes
    ----------
    name : str
        ``screw-1``, ... numbered along the plate.
    head : ndarray, shape (3,)
        Centre of the head on the plate's outer face [mm].
    axis : ndarray, shape (3,)
        Unit vector from head to tip.
    length : float
        Head to tip [mm].
    diameter, core_diameter, pitch, thread_depth : float
        Thread [mm].
    stump : str
        Name of the bone piece it holds.
    plate_name : str
        The plate it is locked to.
    bone_entry : float
        Distance from the head at which bone starts [mm].
    length_in_bone : float
        Length of axis inside bone [mm].
    distance_to_cut : float
        Least distance from the axis in bone to a bone cut [mm]; infinite without a cut.
    bone_exit : float
        Distance from the head at which the far cortex ends [mm], along the endless axis.
    """

    name: str
    head: np.ndarray
    axis: np.ndarray
    length: float
    diameter: float
    core_diameter: float
    pitch: float
    thread_depth: float
    stump: str
    plate_name: str
    bone_entry: float
    length_in_bone: float
    distance_to_cut: float
    bone_exit: float

    @property
    def tip(self) -> np.ndarray:
        """End of the axis, shape (3,) [mm]."""
        return self.head + self.length * self.axis

    @property
    def bicortical(self) -> bool:
        """Whether the tip reaches through the far cortex."""
        return self.length >= self.bone_exit

    @property
    def frame(self) -> np.ndarray:
        """Rows: two directions across the axis and the axis, right-handed, shape (3, 3).

        The first row is the jaw's upward direction made perpendicular to the axis (leftward for a vertical screw), so
        that angle zero points at the occlusal side.
        """
        reference = np.array([0.0, 0.0, 1.0]) if abs(self.axis[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
        first = reference - (reference @ self.axis) * self.axis
        first /= np.linalg.norm(first)
        return np.array([first, np.cross(self.axis, first), self.axis])

    def coordinates(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Axial distance from the head [mm], distance from the axis [mm] and angle [rad, 0..2 pi) of points (n, 3)."""
        local = (np.asarray(points, dtype=float) - self.head) @ self.frame.T
        return local[:, 2], np.hypot(local[:, 0], local[:, 1]), np.arctan2(local[:, 1], local[:, 0]) % (2 * np.pi)

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Whether points, shape (n, 3), lie inside the exact cylinder."""
        axial, radial, _ = self.coordinates(points)
        return (axial > 0) & (axial < self.length) & (radial < self.diameter / 2)

    def cylinder(self, segments: int = CYLINDER_SEGMENTS) -> Surface:
        """Closed faceted cylinder whose section has the area of the exact circle.

        Parameters
        ----------
        segments : int
            Number of facets around, at least 3.
        """
        return cylinder_surface(self.head, self.tip, self.frame[:2], self.diameter, segments)


def axis_distance(first: Screw, second: Screw) -> float:
    """Least distance between the axes (as segments head to tip) of two screws [mm]."""
    return segment_distance((first.head, first.tip), (second.head, second.tip))


def segment_distance(first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]) -> float:
    """Least distance between two straight segments, each given by its ends (3,) [mm]."""
    a, b = first[1] - first[0], second[1] - second[0]
    offset = first[0] - second[0]
    aa, ab, bb, ao, bo = a @ a, a @ b, b @ b, a @ offset, b @ offset
    denominator = aa * bb - ab * ab
    s = np.clip((ab * bo - bb * ao) / denominator, 0, 1) if denominator > 1e-12 * aa * bb else 0.0
    t = np.clip((ab * s + bo) / bb, 0, 1)
    s = np.clip((ab * t - ao) / aa, 0, 1)
    return float(np.linalg.norm(offset + s * a - t * b))


def screw_thread(
    parameters: ParameterSet, preset: str, *, diameter: float | None = None, core: float | None = None
) -> dict[str, float]:
    """Outer diameter, core, pitch and head of a preset [mm]; diameter and core replaced where given.

    A diameter given without a core keeps the depth of the preset's thread.

    Raises
    ------
    InputError
        Unknown preset (with the closest name).
    GeometryError
        A diameter out of its range, or a core that is not thinner than the thread.
    """
    thread = preset_group(parameters, "screws", preset, "core")
    depth = thread["diameter"] - thread["core"]
    thread["diameter"] = thread["diameter"] if diameter is None else float(diameter)
    thread["core"] = thread["diameter"] - depth if diameter is not None else thread["core"]
    thread["core"] = thread["core"] if core is None else float(core)
    if not 1.0 <= thread["diameter"] <= 5.0:
        raise GeometryError(f"screws: diameter is {thread['diameter']:g} mm, allowed are 1 to 5 mm")
    if not 0.4 * thread["diameter"] <= thread["core"] < thread["diameter"]:
        raise GeometryError(
            f"screws: core diameter {thread['core']:g} mm does not suit a {thread['diameter']:g} mm thread, "
            f"allowed are {0.4 * thread['diameter']:.2f} to below {thread['diameter']:g} mm"
        )
    return thread


def bone_along_axis(bone: Surface, head: np.ndarray, axis: np.ndarray, name: str) -> tuple[float, float]:
    """Distances from the head at which the first piece of bone on the axis starts and ends [mm].

    Raises
    ------
    GeometryError
        No bone on the axis or too far from the head.
    """
    hits = bone.ray_hits(head, axis, RAY_LENGTH)
    place = "({:.1f}, {:.1f}, {:.1f}) mm".format(*head)
    if len(hits) < 2 or bone.contains(head[None])[0]:
        raise GeometryError(
            f"{name}: no bone under the plate hole at {place} along its axis; "
            "the plate misses the bone there, change its height, its length or the number of screws"
        )
    if hits[0] > FARTHEST_ENTRY:
        raise GeometryError(
            f"{name}: bone starts {hits[0]:.1f} mm below the plate hole at {place}, at most {FARTHEST_ENTRY:g} mm are "
            "allowed; change the plate's height or the number of screws"
        )
    return float(hits[0]), float(hits[1])


def choose_length(parameters: ParameterSet, length: str | float, entry: float, leave: float) -> float:
    """Length of a screw [mm] as a surgeon picks it from the depth gauge.

    Parameters
    ----------
    parameters : ParameterSet
        Card ``screws``.
    length : ``"bicortical"``, ``"monocortical"`` or float
    entry, leave : float
        Distances from the head at which bone starts and ends [mm].

    Raises
    ------
    GeometryError
        Neither word nor a length in range.
    """
    step = parameters["screws.length_step"]
    if length == "bicortical":
        wanted = min(leave + parameters["screws.overshoot"], parameters["screws.longest"])
        return float(min(np.ceil(wanted / step - 1e-9) * step, parameters["screws.longest"]))
    if length == "monocortical":
        # Never through the far cortex: round down when the bone is thin.
        wanted = entry + parameters["screws.monocortical_depth"]
        return float(min(np.ceil(wanted / step - 1e-9) * step, np.floor((leave - 0.5) / step) * step))
    if isinstance(length, str) or not LENGTH_LIMITS[0] <= float(length) <= LENGTH_LIMITS[1]:
        raise GeometryError(
            f"screws: length {length!r} is not allowed; give 'bicortical', 'monocortical' or "
            f"{LENGTH_LIMITS[0]:g} to {LENGTH_LIMITS[1]:g} mm"
        )
    return float(length)


def place_screw(
    bone: Surface,
    parameters: ParameterSet,
    thread: dict[str, float],
    *,
    name: str,
    head: np.ndarray,
    axis: np.ndarray,
    stump: str,
    plate_name: str,
    length: str | float,
    piece: BonePiece | None = None,
) -> Screw:
    """Put one screw through a hole and choose its length.

    Parameters
    ----------
    bone : Surface
    parameters : ParameterSet
        Card ``screws``.
    thread : dict
        From :func:`screw_thread`.
    name, stump, plate_name : str
    head, axis : ndarray, shape (3,)
        Centre on the plate's outer face [mm] and unit direction into the bone.
    length : ``"bicortical"``, ``"monocortical"`` or float
    piece : BonePiece, optional
        The bone it must hold in, off its cuts.

    Raises
    ------
    GeometryError
        No bone under the hole, too little bone held, or a screw in the defect.
    """
    head, axis = np.asarray(head, dtype=float), np.asarray(axis, dtype=float)
    entry, leave = bone_along_axis(bone, head, axis, name)
    chosen = choose_length(parameters, length, entry, leave)
    held = min(chosen, leave) - entry
    if held < parameters["screws.shortest_in_bone"]:
        raise GeometryError(
            f"{name}: a length of {chosen:g} mm leaves {max(held, 0):.1f} mm in bone, at least "
            f"{parameters['screws.shortest_in_bone']:g} mm are needed; take a longer screw or move the plate"
        )
    distance = np.inf
    if piece is not None:
        ends = head + np.array([[entry], [min(chosen, leave)]]) * axis
        distance = float(piece.distance_to_cut(ends).min())
        least = thread["diameter"] / 2 + parameters["screws.bone_around"]
        if distance < least:
            where = f"{-distance:.1f} mm inside the defect" if distance < 0 else f"{distance:.1f} mm from the bone cut"
            raise GeometryError(
                f"{name}: a screw in the defect, its axis lies {where}, at least {least:.1f} mm of bone are needed; "
                "raise minimal_distance_to_cut or move the plate"
            )
    return Screw(
        name=name,
        head=head,
        axis=axis,
        length=chosen,
        diameter=thread["diameter"],
        core_diameter=thread["core"],
        pitch=thread["pitch"],
        thread_depth=(thread["diameter"] - thread["core"]) / 2,
        stump=stump,
        plate_name=plate_name,
        bone_entry=entry,
        length_in_bone=held,
        distance_to_cut=distance,
        bone_exit=leave,
    )


def spread_axes(
    bones: Sequence[Surface],
    parameters: ParameterSet,
    heads: np.ndarray,
    axes: np.ndarray,
    thread: dict[str, float],
    pieces: Sequence[BonePiece],
    free: np.ndarray | None = None,
) -> np.ndarray:
    """Turn screw axes away from neighbours and from the cut where they converge, as a surgeon angles locking screws.

    Parameters
    ----------
    bones : sequence of Surface
        The bone of each screw.
    parameters : ParameterSet
        Card ``screws``: largest tilt, longest screw, bone wanted around a screw.
    heads, axes : ndarray, shape (n, 3)
        Of screws in the order of the plate [mm].
    thread : dict
        From :func:`screw_thread`.
    pieces : sequence of BonePiece
        The bone that each screw holds in.
    free : ndarray of bool, shape (n,), optional
        Screws that may be turned; all of them by default.

    Returns
    -------
    ndarray, shape (n, 3)
        Unit axes, none turned by more than the allowed tilt.
    """
    around, reach = parameters["screws.bone_around"] + TURN_MARGIN, parameters["screws.longest"]
    apart, off = thread["diameter"] + around, thread["diameter"] / 2 + around + 1.0
    limit = np.cos(np.radians(parameters["screws.tilt"]))
    turned = axes.copy()
    may_turn = np.ones(len(axes), dtype=bool) if free is None else free
    for _ in range(TURN_ROUNDS):
        ends = np.array(
            [_far_end(bone, head, axis, reach) for bone, head, axis in zip(bones, heads, turned, strict=True)]
        )
        target = turned.copy()
        for k, piece in enumerate(pieces):
            for cut in piece.cuts:
                if cut.depth(ends[k][None])[0] > -off:
                    target[k] -= TURN_FROM_CUT * cut.normal
            if k + 1 < len(heads) and np.linalg.norm(ends[k] - ends[k + 1]) < apart:
                target[k] += TURN_SHARE * (turned[k + 1] - turned[k])
                target[k + 1] += TURN_SHARE * (turned[k] - turned[k + 1])
        if np.array_equal(target[may_turn], turned[may_turn]):
            break
        target /= np.linalg.norm(target, axis=1, keepdims=True)
        allowed = may_turn & (np.einsum("ij,ij->i", target, axes) >= limit)
        turned = np.where(allowed[:, None], target, turned)
    return turned


def _far_end(bone: Surface, head: np.ndarray, axis: np.ndarray, reach: float) -> np.ndarray:
    """Where a bicortical screw would end; a missed bone is reported when the screw is placed."""
    hits = bone.ray_hits(head, axis, RAY_LENGTH)
    return head + (min(hits[1] + 2.0, reach) if len(hits) > 1 else 0.0) * axis


def check_screws(screws: Sequence[Screw], parameters: ParameterSet) -> None:
    """Refuse screws that run into each other.

    Raises
    ------
    GeometryError
        The pair, their distance and what is needed.
    """
    for k, first in enumerate(screws):
        for second in screws[k + 1 :]:
            needed = (first.diameter + second.diameter) / 2 + parameters["screws.bone_around"]
            distance = axis_distance(first, second)
            if distance < needed:
                raise GeometryError(
                    f"{first.name} and {second.name}: their axes come within {distance:.1f} mm, at least "
                    f"{needed:.1f} mm are needed; take a larger pitch, shorter screws or a straighter plate"
                )
