"""Traction law of one screw-bone interface patch: bearing, thread shear, bond, friction. No geometry and no solver."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from femsim.errors import InputError
from femsim.interface import kernels
from femsim.parameters import ParameterSet

RADIAL, AXIAL, CIRCUMFERENTIAL = 0, 1, 2
"""Columns of every jump and traction array; unknown ``3 * patch + column`` of the condensed problem."""


@dataclass(frozen=True, eq=False)
class InterfaceState:
    """Slow state of every patch.

    Attributes
    ----------
    bonded : ndarray, shape (p,)
        Bonded fraction B of the surface, 0..1.
    damage : ndarray, shape (p,)
        Damage D of the thread-engaged bone shell, 0..1.
    clearance : ndarray, shape (p,)
        Gap g between screw and bone [mm], >= 0.
    anchor : ndarray, shape (p,)
        Circumferential jump at which the patch sticks without traction [mm].
    joints : ndarray, shape (j, 3)
        Unloaded position and stick anchor of every joint of unlocked screws [mm]; none by default.
    """

    bonded: np.ndarray
    damage: np.ndarray
    clearance: np.ndarray
    anchor: np.ndarray
    joints: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))

    @property
    def memory(self) -> np.ndarray:
        """All positions that friction and preload remember in one row, (p + 3 j,) [mm]."""
        return np.concatenate([self.anchor, self.joints.ravel()])

    @classmethod
    def remembering(cls, slow: np.ndarray, memory: np.ndarray) -> InterfaceState:
        """State of bonded fraction, damage and clearance (3, p) with a :attr:`memory`."""
        count = slow.shape[1]
        return cls(slow[0], slow[1], slow[2], memory[:count], memory[count:].reshape(-1, 3))

    def with_memory(self, memory: np.ndarray) -> InterfaceState:
        """Return the same slow state with another :attr:`memory`."""
        return self.remembering(np.stack([self.bonded, self.damage, self.clearance]), memory)

    @classmethod
    def insertion(cls, n_patches: int, constants: LawConstants) -> InterfaceState:
        """Return the state of freshly inserted screws: B = B0, no damage, no clearance, anchor at zero."""
        zero = np.zeros(n_patches)
        return cls(np.full(n_patches, constants.initial_bond), zero.copy(), zero.copy(), zero.copy())


@dataclass(frozen=True, eq=False)
class PatchTissue:
    """Bone next to every patch.

    Attributes
    ----------
    young : ndarray, shape (p,)
        Local Young's modulus, irradiation included [MPa].
    strength : ndarray, shape (p,)
        Local strength over that of healthy cortical bone, fs.
    activity : ndarray, shape (p,)
        Healing activity Phi, 0..1; not used by the traction law.
    """

    young: np.ndarray
    strength: np.ndarray
    activity: np.ndarray

    @classmethod
    def healthy(cls, n_patches: int, constants: LawConstants) -> PatchTissue:
        """Return healthy cortical bone at every patch."""
        one = np.ones(n_patches)
        return cls(constants.reference_modulus * one, one.copy(), one.copy())


@dataclass(frozen=True)
class LawConstants:
    """Constants of :class:`ScrewBoneLaw` (card ``interface``; ``initial_bond`` is ``tissue.Bi``).

    Attributes
    ----------
    bearing_stiffness, bond_stiffness : float
        k_c0 and k_b [N/mm3].
    shear_ratio, circumferential_ratio : float
        k_t0 / k_c0, and circumferential over axial thread stiffness.
    reference_modulus : float
        E_ref at which the stiffnesses hold [MPa].
    bond_strength, shear_strength : float
        sigma_b and S [MPa].
    initial_bond : float
        B0, bone-implant contact of a fresh screw.
    friction : float
        mu.
    clearance_length : float
        g_t, decay length of thread engagement with clearance [mm].
    thread_shape_base, thread_shape_slope : float
        TSF = base + slope * depth / pitch.
    """

    bearing_stiffness: float
    shear_ratio: float
    circumferential_ratio: float
    bond_stiffness: float
    reference_modulus: float
    bond_strength: float
    shear_strength: float
    initial_bond: float
    friction: float
    clearance_length: float
    thread_shape_base: float
    thread_shape_slope: float

    @classmethod
    def from_parameters(cls, parameters: ParameterSet) -> LawConstants:
        """Read the constants from the card ``interface``, and the contact of a fresh screw from ``tissue``."""
        names = [name for name in cls.__dataclass_fields__ if name != "initial_bond"]
        initial_bond = parameters["tissue.Bi"]
        if not initial_bond > 0.0:
            raise InputError(
                f"parameter tissue.Bi is {initial_bond:g}; a screw without contact carries nothing, give more"
            )
        return cls(**{name: parameters[f"interface.{name}"] for name in names}, initial_bond=initial_bond)

    def thread_shape(self, depth: float, pitch: float) -> float:
        """Chapman's thread shape factor of a thread ``depth`` deep at ``pitch`` [mm]."""
        return self.thread_shape_base + self.thread_shape_slope * depth / pitch


@dataclass(frozen=True, eq=False)
class Coefficients:
    """The law's stiffnesses [N/mm3] and caps [MPa] at frozen state and tissue, one entry per patch."""

    bearing: np.ndarray
    clearance: np.ndarray
    bond: np.ndarray
    bond_cap: np.ndarray
    axial: np.ndarray
    axial_cap: np.ndarray
    circumferential: np.ndarray
    anchor: np.ndarray
    friction: float


class InterfaceLaw(Protocol):
    """What the contact solver asks of a law; any law with a potential convex in the jumps at a held ``cap`` fits.

    ``cap`` (p,) is the friction limit of the circumferential traction [MPa], held while the energy is minimised so that
    it is convex, and brought into agreement with the radial traction by the solver.
    """

    def coefficients(self, state: InterfaceState, tissue: PatchTissue, thread_shape: np.ndarray) -> Coefficients:
        """Freeze state and tissue."""

    def friction_cap(self, coefficients: Coefficients, jumps: np.ndarray) -> np.ndarray:
        """Friction limit (p,) that belongs to ``jumps`` (p, 3)."""

    def potential(self, coefficients: Coefficients, jumps: np.ndarray, cap: np.ndarray) -> np.ndarray:
        """Potential per area, (p,) [N/mm]."""

    def response(self, coefficients: Coefficients, jumps: np.ndarray, cap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Traction (p, 3) [MPa] and its diagonal tangent (p, 3) [N/mm3]."""

    def update(self, state: InterfaceState, coefficients: Coefficients, jumps: np.ndarray) -> InterfaceState:
        """State after the jumps have been accepted."""


class ScrewBoneLaw:
    r"""Bearing with clearance, capped thread shear, weak capped bond, Coulomb friction with a stick anchor.

    With the jump :math:`\delta` = (screw - bone) averaged over the patch [mm] and the contact ratio
    :math:`b = B / B_0`, :math:`h = e^{-g/g_t}`, :math:`k_c = k_{c0} E / E_{ref}`, :math:`k_t = 0.4 k_c`:

    .. math::
        t_r &= k_c b (1-D) \langle\delta_r - g\rangle - \min(k_b B \langle-\delta_r\rangle, \sigma_b B) \\
        t_a &= [k_t b (1-D) h + k_b B]\,\delta_a
               \quad\text{capped at}\quad S f_s\,TSF\,(1-D)\,h \min(b, 1) + \sigma_b B \\
        t_c &= [0.3 k_t b (1-D) h + k_b B]\,(\delta_c - \delta_c^{stick})
               \quad\text{capped at}\quad \mu \langle t_r\rangle + \sigma_b B

    r presses the screw into bone when positive, a points from head to tip, c = a x r. Tractions in MPa act on the bone;
    stiffnesses in N/mm3, strengths in MPa.

    A capped spring has the potential ``k d^2 / 2`` up to the cap and grows linearly beyond it: convex, and equal to an
    elastic-perfectly-plastic spring under growing load. The axial thread has no anchor, so it unloads to zero along the
    same curve; what repeated overload does to it is the business of D and g. The circumferential anchor moves only when
    an accepted state slips, so constant cycling below the slip limit moves it by nothing at all.

    Not to be used for wear by sliding over distances near the thread pitch, for preload between head and plate, or to
    read plastic dissipation from one unloading.

    Examples
    --------
    >>> law = ScrewBoneLaw(constants)
    >>> state, tissue = InterfaceState.insertion(1, constants), PatchTissue.healthy(1, constants)
    >>> frozen = law.coefficients(state, tissue, np.array([0.7]))
    >>> traction, tangent = law.response(frozen, np.array([[0.001, 0.0, 0.0]]), np.zeros(1))
    """

    def __init__(self, constants: LawConstants) -> None:
        self.constants = constants

    def coefficients(self, state: InterfaceState, tissue: PatchTissue, thread_shape: np.ndarray) -> Coefficients:
        """Freeze state and tissue; ``thread_shape`` (p,) is Chapman's factor of each patch's screw.

        Raises
        ------
        InputError
            A fraction outside 0..1, a negative clearance, modulus or strength, or a value that is not finite.
        """
        _check(state, tissue)
        c = self.constants
        contact = state.bonded / c.initial_bond
        whole = 1.0 - state.damage
        engaged = whole * np.exp(-state.clearance / c.clearance_length)
        bearing = c.bearing_stiffness * tissue.young / c.reference_modulus
        thread = c.shear_ratio * bearing * contact * engaged
        bond = c.bond_stiffness * state.bonded
        bond_cap = c.bond_strength * state.bonded
        holding = c.shear_strength * tissue.strength * thread_shape * engaged * np.minimum(contact, 1.0)
        return Coefficients(
            bearing=bearing * contact * whole,
            clearance=state.clearance,
            bond=bond,
            bond_cap=bond_cap,
            axial=thread + bond,
            axial_cap=holding + bond_cap,
            circumferential=c.circumferential_ratio * thread + bond,
            anchor=state.anchor,
            friction=c.friction,
        )

    def friction_cap(self, coefficients: Coefficients, jumps: np.ndarray) -> np.ndarray:
        """Coulomb limit mu <t_r>+ + sigma_b B (p,) [MPa]."""
        f = coefficients
        return kernels.coulomb_cap(f.bearing, f.clearance, f.bond_cap, f.friction, jumps)

    def potential(self, coefficients: Coefficients, jumps: np.ndarray, cap: np.ndarray) -> np.ndarray:
        """Potential per area (p,) [N/mm], convex in ``jumps`` (p, 3) at a held ``cap`` (p,)."""
        f = coefficients
        pressed = np.maximum(jumps[:, RADIAL] - f.clearance, 0.0)
        bearing = 0.5 * f.bearing * pressed**2
        bond = _capped_potential(f.bond, f.bond_cap, np.maximum(-jumps[:, RADIAL], 0.0))
        axial = _capped_potential(f.axial, f.axial_cap, jumps[:, AXIAL])
        return bearing + bond + axial + _capped_potential(f.circumferential, cap, jumps[:, CIRCUMFERENTIAL] - f.anchor)

    def response(self, coefficients: Coefficients, jumps: np.ndarray, cap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Traction (p, 3) [MPa] and diagonal tangent (p, 3) [N/mm3] at a held friction ``cap`` (p,)."""
        f = coefficients
        return kernels.screw_bone_response(
            f.bearing, f.clearance, f.bond, f.bond_cap, f.axial, f.axial_cap, f.circumferential, f.anchor, jumps, cap
        )

    def update(self, state: InterfaceState, coefficients: Coefficients, jumps: np.ndarray) -> InterfaceState:
        """Move the stick anchor of the patches that slip at ``jumps``; all others keep theirs to the bit."""
        cap = self.friction_cap(coefficients, jumps)
        sliding = jumps[:, CIRCUMFERENTIAL] - state.anchor
        slipped = coefficients.circumferential * np.abs(sliding) > cap
        stiffness = np.where(coefficients.circumferential > 0.0, coefficients.circumferential, 1.0)
        moved = jumps[:, CIRCUMFERENTIAL] - np.sign(sliding) * cap / stiffness
        return replace(state, anchor=np.where(slipped, moved, state.anchor))


def _capped_potential(stiffness: np.ndarray, cap: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    size = np.abs(displacement)
    elastic = stiffness * size
    # k d^2 / 2 below the cap; cap d - cap^2 / (2 k) beyond. Where k = 0 the elastic branch is taken and gives zero.
    beyond = elastic > cap
    offset = np.divide(cap**2, 2.0 * stiffness, out=np.zeros_like(size), where=beyond)
    return np.where(beyond, cap * size - offset, 0.5 * elastic * size)


def _check(state: InterfaceState, tissue: PatchTissue) -> None:
    limits = (
        ("bonded fraction", state.bonded, 0.0, 1.0),
        ("damage", state.damage, 0.0, 1.0),
        ("clearance [mm]", state.clearance, 0.0, np.inf),
        ("Young's modulus [MPa]", tissue.young, 0.0, np.inf),
        ("strength ratio", tissue.strength, 0.0, np.inf),
        ("stick anchor [mm]", state.anchor, -np.inf, np.inf),
    )
    for name, values, low, high in limits:
        patch = kernels.first_outside(values, low, high)
        if patch >= 0:
            raise InputError(
                f"interface patch {patch}: {name} is {values[patch]}; it must be finite, {low:g} to {high:g}"
            )
