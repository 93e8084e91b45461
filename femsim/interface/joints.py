r"""Screws that are not locked: head on plate and plate on bone as one-sided contact with friction, and the preload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from femsim.errors import InputError
from femsim.parameters import ParameterSet

NORMAL, FIRST, SECOND = 0, 1, 2
"""Columns of every joint array; the two tangents lie across the screw's axis."""

SEAT, PAD = "seat", "pad"
"""Kinds: the head of a screw in the hole of its plate, and the plate on the bone around the hole."""


@dataclass(frozen=True)
class JointConstants:
    """Constants of the joints of screws that are not locked (card ``interface``).

    Attributes
    ----------
    seat_stiffness : float
        Head on plate, per area of the hole's wall [N/mm3].
    head_friction : float
        Titanium on titanium.
    hole_play : float
        Shift of a head in its hole before the wall stops it [mm].
    bearing_stiffness, shear_ratio, friction : float
        Plate on bone: those of the thread on bone.
    """

    seat_stiffness: float
    head_friction: float
    hole_play: float
    bearing_stiffness: float
    shear_ratio: float
    friction: float

    @classmethod
    def from_parameters(cls, parameters: ParameterSet) -> JointConstants:
        """Read the card ``interface``."""
        return cls(**{name: parameters[f"interface.{name}"] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, eq=False)
class JointLaw:
    r"""One-sided contact with Coulomb friction and a stop, per joint; forces in N.

    With the jump :math:`q` of a joint, normal component positive when it is pressed, its unloaded position :math:`o`
    (normal) and its stick anchor :math:`o_t` (tangential):

    .. math::
        N &= k_n \langle q_n - o_n\rangle \\
        T &= k_t (q_t - o_t) \quad\text{capped at}\quad \mu N, \qquad
        \text{plus}\quad k_n \langle |q_t| - c\rangle\, q_t / |q_t|

    A preload is an unloaded position that lies before the jump of the joint at rest: the screw has been turned in by so
    much. It relaxes by itself when the thread that holds it softens.

    Attributes
    ----------
    screw : ndarray of int, shape (j,)
        Screw of every joint.
    kind : tuple of str
        :data:`SEAT` or :data:`PAD`.
    area : ndarray, shape (j,)
        Area that the joint stands for [mm2].
    normal, tangential : ndarray, shape (j,)
        k_n and k_t [N/mm].
    friction : ndarray, shape (j,)
        mu.
    play : ndarray, shape (j,)
        c [mm]; infinite where nothing stops.
    preload : ndarray, shape (j,)
        Share of the screw's preload that a seat carries after tightening [N]; 0 for pads.
    share : ndarray, shape (j,)
        Share of the preload by area, of pads too: about what presses after tightening [N].
    tightening : bool
        Whether the screws are just being turned in: seats then carry their preload whatever the jump.
    """

    screw: np.ndarray
    kind: tuple[str, ...]
    area: np.ndarray
    normal: np.ndarray
    tangential: np.ndarray
    friction: np.ndarray
    play: np.ndarray
    preload: np.ndarray
    share: np.ndarray
    tightening: bool = False

    @classmethod
    def of(
        cls,
        screw: np.ndarray,
        kind: Sequence[str],
        area: np.ndarray,
        constants: JointConstants,
        preload: Mapping[int, float],
        softness: float = 1.0,
    ) -> JointLaw:
        """Make the law of joints from their areas.

        Parameters
        ----------
        screw, kind, area
            As the attributes.
        constants : JointConstants
        preload : mapping of int to float
            Preload of every unlocked screw [N], shared by its seats according to their areas.
        softness : float
            Modulus of the bone under the plate over the reference modulus.

        Raises
        ------
        InputError
            A preload that is negative or not finite.
        """
        screw, area = np.asarray(screw), np.asarray(area, dtype=float)
        wrong = [value for value in preload.values() if not (np.isfinite(value) and value >= 0.0)]
        if wrong:
            raise InputError(f"preload {wrong[0]} N of a screw: it must be finite and 0 or more")
        seat = np.array([one == SEAT for one in kind])
        own = np.where(seat, np.bincount(screw, weights=area * seat)[screw], np.bincount(screw, area * ~seat)[screw])
        share = np.array([preload[number] for number in screw.tolist()]) * area / own
        c = constants
        bone = c.bearing_stiffness * softness
        return cls(
            screw=screw,
            kind=tuple(kind),
            area=area,
            normal=area * np.where(seat, c.seat_stiffness, bone),
            tangential=area * np.where(seat, c.seat_stiffness, c.shear_ratio * bone),
            friction=np.where(seat, c.head_friction, c.friction),
            play=np.where(seat, c.hole_play, np.inf),
            preload=np.where(seat, share, 0.0),
            share=share,
        )

    def __len__(self) -> int:
        return len(self.area)

    @property
    def seats(self) -> np.ndarray:
        """Which joints are seats (j,)."""
        return np.array([one == SEAT for one in self.kind], dtype=bool)

    @property
    def reference(self) -> np.ndarray:
        """Reference springs (3 j,) [N/mm]: pressed and sticking."""
        return np.column_stack([self.normal, self.tangential, self.tangential]).ravel()

    @property
    def given(self) -> np.ndarray:
        """Joints (j,) whose normal force is given."""
        return self.seats & self.tightening

    def turned_in(self) -> JointLaw:
        """Return the law while screws are turned in."""
        return replace(self, tightening=True)

    def tightened(self, jumps: np.ndarray) -> np.ndarray:
        """Offsets (j, 3) with which the seats go on carrying their preload at the ``jumps`` (j, 3) of tightening."""
        offsets = np.zeros_like(jumps)
        offsets[:, NORMAL] = np.where(self.seats, jumps[:, NORMAL] - self.preload / self.normal, 0.0)
        return offsets

    def normal_force(self, offsets: np.ndarray, jumps: np.ndarray) -> np.ndarray:
        """Normal force (j,) [N]."""
        follows = self.normal * np.maximum(jumps[:, NORMAL] - offsets[:, NORMAL], 0.0)
        return np.where(self.given, self.preload, follows)

    def friction_cap(self, offsets: np.ndarray, jumps: np.ndarray) -> np.ndarray:
        """Coulomb limit mu N (j,) [N] of the tangential force."""
        return self.friction * self.normal_force(offsets, jumps)

    def response(self, offsets: np.ndarray, jumps: np.ndarray, cap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Forces (j, 3) [N] and secant stiffness (j, 3) [N/mm] at a held friction ``cap`` (j,)."""
        force, stiffness = np.zeros(jumps.shape), np.zeros(jumps.shape)
        force[:, NORMAL] = self.normal_force(offsets, jumps)
        pressed = (jumps[:, NORMAL] > offsets[:, NORMAL]) & ~self.given
        stiffness[:, NORMAL] = np.where(pressed, self.normal, 0.0)
        sliding = jumps[:, FIRST:] - offsets[:, FIRST:]
        distance = np.linalg.norm(sliding, axis=1)
        elastic = self.tangential * distance
        # Secant of the friction: k_t while it sticks, cap / |s| while it slips, nothing where the joint is open.
        slips = np.divide(cap, distance, out=np.zeros_like(cap), where=distance > 0.0)
        secant = np.where(elastic >= cap, slips, self.tangential)
        shift = np.linalg.norm(jumps[:, FIRST:], axis=1)
        over = np.maximum(shift - self.play, 0.0)
        stop = self.normal * np.divide(over, shift, out=np.zeros_like(over), where=over > 0.0)
        force[:, FIRST:] = secant[:, None] * sliding + stop[:, None] * jumps[:, FIRST:]
        stiffness[:, FIRST:] = (secant + np.where(over > 0.0, self.normal, 0.0))[:, None]
        return force, stiffness

    def potential(self, offsets: np.ndarray, jumps: np.ndarray, cap: np.ndarray) -> np.ndarray:
        """Potential (j,) [N mm] at a held ``cap``: convex in the jumps."""
        pressed = np.maximum(jumps[:, NORMAL] - offsets[:, NORMAL], 0.0)
        normal = np.where(self.given, self.preload * jumps[:, NORMAL], 0.5 * self.normal * pressed**2)
        distance = np.linalg.norm(jumps[:, FIRST:] - offsets[:, FIRST:], axis=1)
        beyond = self.tangential * distance > cap
        slips = cap * distance - 0.5 * cap**2 / self.tangential
        over = np.maximum(np.linalg.norm(jumps[:, FIRST:], axis=1) - self.play, 0.0)
        return normal + np.where(beyond, slips, 0.5 * self.tangential * distance**2) + 0.5 * self.normal * over**2

    def update(self, offsets: np.ndarray, jumps: np.ndarray) -> np.ndarray:
        """Offsets (j, 3) after the jumps have been accepted: stick anchors of joints that slip move, others do not."""
        cap = self.friction_cap(offsets, jumps)
        sliding = jumps[:, FIRST:] - offsets[:, FIRST:]
        distance = np.linalg.norm(sliding, axis=1)
        slipped = self.tangential * distance > cap
        kept = np.divide(cap / self.tangential, distance, out=np.ones_like(cap), where=distance > 0.0)
        moved = offsets.copy()
        moved[slipped, FIRST:] = (jumps[:, FIRST:] - kept[:, None] * sliding)[slipped]
        return moved

    def clamp(self, forces: np.ndarray, n_screws: int) -> np.ndarray:
        """Force with which every head presses on its plate (n_screws,) [N] in joint forces (j, 3); NaN where locked."""
        seats = self.seats
        total = np.bincount(self.screw[seats], weights=forces[seats, NORMAL], minlength=n_screws)
        loose = np.isin(np.arange(n_screws), self.screw)
        return np.where(loose, total, np.nan)
