"""Contact solve on the condensed problem: jumps of every patch under a load, bite reaction, wanted bite force."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from femsim.errors import ConvergenceError, InputError
from femsim.interface import kernels
from femsim.interface.condensation import Operator
from femsim.interface.inverse import Correction, KeptInverse, product
from femsim.interface.joints import JointLaw
from femsim.interface.law import Coefficients, InterfaceLaw, InterfaceState, PatchTissue

TOLERANCE = 1e-6
"""Unbalanced over locked interface forces; measured jumps then differ from converged ones by 3e-6 of the largest."""

FORCE_FLOOR = 1.0
"""Smallest force scale of the residual test [N]; far below any chewing load, keeps a zero load solvable."""

RESIDUAL_STIFFNESS = 1e-3
"""Springs [N/mm3] under every patch that keep a screw without hold from floating off: seven decades below fresh bone.

What they carry is reported as ``Equilibrium.residual_share``; a well-held screw leaves them below 1e-6."""

UNSUPPORTED_SHARE = 0.01
"""Above this share of interface force in the residual springs the screws do not hold the load: ``supported=False``."""

UNSUPPORTED_JUMP = 5.0
"""Jump [mm] beyond which small displacements mean nothing; a screw thread is a few tenths of a millimetre deep."""

MAX_ITERATIONS = 400
"""Steps of the energy minimisation; warm starts need about 5 to 10."""

STALE_WINDOW, STALE_GAIN = 8, 0.1
"""The preconditioner is renewed when this many steps did not lower the residual so far."""

SINGLE_VERDICTS = 3
"""Residuals summed in single precision that may prove too large in double precision before all is done in double."""

ROUNDING = 2e-7
"""Error of a product in single precision over its diagonal terms (root of the sum of squares); 1.6e-7 was measured."""

ROUNDING_SHARE = 0.1
"""Share of the tolerance that such errors may add up to before the residual is taken again in double precision."""

CAP_SETTLING = 60
"""Steps after which the friction cap follows the pressure with growing inertia, so that it cannot chatter."""

SEARCH_STEPS = 40
"""Bisections and secants of a line search; each costs O(patches)."""

SEARCH_SLOPE = 1e-2
"""Remaining slope over first slope at which a line search ends; exact on a quadratic piece after one secant."""

BITE_TOLERANCE = 1e-3
"""Relative error of the bite reaction accepted by default."""

BITE_ATTEMPTS = 25
"""Secant steps towards a wanted bite force; two to four are usual, because statics nearly fix the ratio."""


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """Solution of one contact problem.

    Attributes
    ----------
    q : ndarray, shape (m,)
        Patch jumps, then bite displacements [mm].
    forces : ndarray, shape (m,)
        Interface forces that go with ``q``, area included [N].
    jumps, tractions : ndarray, shape (p, 3)
        Radial, axial, circumferential jump [mm] and traction [MPa] of every patch.
    bite_reaction : float
        Force of the bitten object on the jaw along the bite normal [N].
    iterations, factorisations : int
        Cost.
    residual : float
        Largest unbalanced force over the force scale.
    residual_share : float
        Share of the interface force carried by the residual springs.
    supported : bool
        Whether the screws hold this load. ``False`` is an answer (a stump is lost), not a failure of the solver.
    """

    q: np.ndarray
    forces: np.ndarray
    jumps: np.ndarray
    tractions: np.ndarray
    bite_reaction: float
    iterations: int
    factorisations: int
    residual: float
    residual_share: float
    supported: bool


class ContactSolver:
    r"""Minimise the convex energy of the condensed contact problem.

    .. math::
        \tfrac12 q^T S_0 q - (G^{-1} g_0 a)^T q + \sum_p A_p \psi_p(q_p) + \tfrac12 k_{bite} \langle -q_{bite}\rangle^2,
        \qquad S_0 = G^{-1} - \mathrm{diag}(k_{ref})

    with S0 [N/mm] of the bulk, psi the law's potential [N/mm] at a held friction cap, a the load factors.

    Conjugate gradients with line search, preconditioned by a kept inverse of S0 + diag(tangent at some earlier state),
    corrected for the springs that have changed most since (Woodbury): with few changes a step is Newton's and costs two
    products in single precision. Residuals are settled in double precision. The inverse is renewed when too many
    springs have changed or progress is slow. Friction caps follow the pressure from step to step and agree with it at
    convergence.

    Parameters
    ----------
    operator : Operator
        Condensed bulk.
    thread_shape : ndarray, shape (p,)
        Chapman's factor of every patch (``Patches.thread_shape``).
    law : InterfaceLaw
        Traction law.
    bite_stiffness : float
        Stiffness of the bitten object [N/mm]; it pushes only.
    joints : JointLaw, optional
        Law of the joints of unlocked screws, where the operator has any.

    Notes
    -----
    Kept inverses make results depend on earlier solves in the last digits (far below the tolerance). :meth:`kept` tells
    what they were made of and :meth:`restore` makes them again to the bit, for a run that is resumed.
    """

    def __init__(
        self,
        operator: Operator,
        thread_shape: np.ndarray,
        law: InterfaceLaw,
        bite_stiffness: float,
        tolerance: float = TOLERANCE,
        joints: JointLaw | None = None,
    ) -> None:
        if operator.n_joints != (0 if joints is None else len(joints)):
            raise InputError(
                f"contact: the operator has {operator.n_joints} joints of unlocked screws, the law given "
                f"{0 if joints is None else len(joints)}; they must match"
            )
        if len(thread_shape) != operator.n_patches:
            raise InputError(
                f"contact: {len(thread_shape)} thread shapes for {operator.n_patches} patches; give one each"
            )
        self.operator = operator
        self.law = law
        self.tolerance = tolerance
        self.joints = joints
        self.thread_shape = np.asarray(thread_shape, dtype=float)
        self.bite_stiffness = bite_stiffness
        stiffness, self._locked = operator.bulk_stiffness()
        self._stiffness = np.asfortranarray(stiffness)  # any other order is copied at every product
        self._single = self._stiffness.astype(np.float32, order="F")
        self._diagonal = self._stiffness.diagonal().copy()
        self._inverses: dict[str, KeptInverse] = {}

    def with_law(
        self, law: InterfaceLaw, thread_shape: np.ndarray, bite_stiffness: float, joints: JointLaw | None = None
    ) -> ContactSolver:
        """Return a solver with other laws on the same bulk, without the work that the bulk alone needs."""
        other = copy.copy(self)
        other.joints = joints
        other.law, other.thread_shape = law, np.asarray(thread_shape, dtype=float)
        other.bite_stiffness, other._inverses = bite_stiffness, {}
        return other

    def forget(self) -> None:
        """Drop kept inverses, so that the next solves depend on their arguments only."""
        self._inverses.clear()

    def kept(self) -> dict[str, np.ndarray]:
        """What the kept inverses are made of: keys (k,), springs (k, m) [N/mm], work spent on corrections (k,)."""
        inverses = self._inverses.values()
        return {
            "keys": np.array(list(self._inverses), dtype=np.str_),
            "springs": np.array([one.springs for one in inverses]).reshape(-1, len(self._locked)),
            "spent": np.array([one.spent for one in inverses]),
        }

    def restore(self, kept: Mapping[str, np.ndarray]) -> None:
        """Make the inverses that :meth:`kept` told of again, to the bit, and no others."""
        self._inverses = {
            str(key): KeptInverse(self._stiffness, np.array(springs), float(spent))
            for key, springs, spent in zip(kept["keys"], kept["springs"], kept["spent"], strict=True)
        }

    def coefficients(self, state: InterfaceState, tissue: PatchTissue) -> Coefficients:
        """Freeze state and tissue for the law."""
        return self.law.coefficients(state, tissue, self.thread_shape)

    def accept(self, state: InterfaceState, tissue: PatchTissue, equilibrium: Equilibrium) -> InterfaceState:
        """State after an equilibrium has been accepted: stick anchors of slipping patches and joints move."""
        accepted = self.law.update(state, self.coefficients(state, tissue), equilibrium.jumps)
        if self.joints is None:
            return accepted
        return replace(accepted, joints=self.joints.update(state.joints, self.joint_values(equilibrium.q)))

    def joint_values(self, values: np.ndarray) -> np.ndarray:
        """The part of unknowns or forces (m,) that belongs to joints, (j, 3)."""
        return values[3 * self.operator.n_patches + self.operator.n_bites :].reshape(-1, 3)

    def solve(
        self,
        state: InterfaceState,
        tissue: PatchTissue,
        load: np.ndarray,
        bite: int | None = None,
        start: Equilibrium | np.ndarray | None = None,
        key: str = "",
        tolerance: float | None = None,
    ) -> Equilibrium:
        """Equilibrium under load factors ``load`` (n_loads,).

        Parameters
        ----------
        state, tissue : InterfaceState, PatchTissue
            Patch states; not changed.
        load : ndarray, shape (n_loads,)
            Factors of the operator's unit loads.
        bite : int, optional
            Bite point that bites on something; all others are free.
        start : Equilibrium or ndarray (m,), optional
            Starting guess; an extrapolation of earlier solutions saves most of the work.
        key : str
            Solves with the same key share a kept inverse.
        tolerance : float, optional
            Unbalanced over locked forces; that of the solver by default.

        Raises
        ------
        ConvergenceError
            Not converged although the screws hold.
        InputError
            Load or bite that the operator does not have.
        """
        load = np.asarray(load, dtype=float)
        if load.shape != (self.operator.g_loads.shape[1],) or not np.isfinite(load).all():
            raise InputError(
                f"contact: load of shape {load.shape}; {self.operator.g_loads.shape[1]} finite factors needed"
            )
        if bite is not None and not 0 <= bite < self.operator.n_bites:
            raise InputError(f"contact: bite point {bite}; the operator has {self.operator.n_bites}")
        allowed = self.tolerance if tolerance is None else tolerance
        if state.joints.shape != (self.operator.n_joints, 3):
            raise InputError(
                f"contact: a state with {len(state.joints)} joints; the operator has {self.operator.n_joints}"
            )
        problem = _Problem(self, self.coefficients(state, tissue), state.joints, self._locked @ load, bite, allowed)
        q = start.q if isinstance(start, Equilibrium) else start
        q = np.zeros(len(self._locked)) if q is None else np.array(q, dtype=float)
        return problem.minimise(q, key)

    def solve_for_bite_force(
        self,
        state: InterfaceState,
        tissue: PatchTissue,
        activation: np.ndarray,
        bite: int,
        force: float,
        start: Equilibrium | np.ndarray | None = None,
        scale: float | None = None,
        key: str = "",
        bite_tolerance: float = BITE_TOLERANCE,
        tolerance: float | None = None,
    ) -> tuple[Equilibrium, float]:
        """Scale ``activation`` until the bite reaction is ``force`` [N]; return the equilibrium and the scale.

        When the screws do not hold on the way there (``supported`` is false), that equilibrium is returned at once.

        Parameters
        ----------
        activation : ndarray, shape (n_loads,)
            Load factors at scale one.
        scale : float, optional
            First guess, from statics or from the step before.
        bite_tolerance : float
            Relative error of the reaction allowed.
        tolerance : float, optional
            As for :meth:`solve`.

        Raises
        ------
        ConvergenceError
            The reaction cannot be reached: muscles do not close the jaw onto this bite point.
        """
        activation = np.asarray(activation, dtype=float)
        if force == 0.0:
            return self.solve(state, tissue, 0.0 * activation, bite, start, key, tolerance), 0.0
        if not force > 0:
            raise InputError(f"contact: bite force {force} N; it must not be negative")
        points = [(0.0, 0.0)]
        trial = 1.0 if scale is None else scale
        for _ in range(BITE_ATTEMPTS):
            found = self.solve(state, tissue, trial * activation, bite, start, key, tolerance)
            reaction = found.bite_reaction
            if abs(reaction - force) <= bite_tolerance * force or not found.supported:
                return found, trial
            if reaction <= 0.0:
                if trial > 1e3:
                    break
                trial *= 4.0
                continue
            points.append((trial, reaction))
            trial, start = _next_scale(points, force), found.q * (_next_scale(points, force) / trial)
        raise ConvergenceError(
            f"bite force {force:g} N is not reached: reaction {reaction:.4g} N at {trial:.4g} times the "
            "muscle activation; check which muscles remain and where the bite point lies"
        )


def _next_scale(points: list[tuple[float, float]], wanted: float) -> float:
    """Secant through the two points nearest to the wanted reaction, held within a factor of four of the last scale."""
    last = points[-1][0]
    (s0, r0), (s1, r1) = sorted(points, key=lambda point: abs(point[1] - wanted))[:2]
    guess = s1 + (wanted - r1) * (s0 - s1) / (r0 - r1) if r0 != r1 else last * wanted / points[-1][1]
    return float(np.clip(guess, last / 4.0, last * 4.0))


class _Problem:
    """One contact problem with frozen coefficients."""

    def __init__(
        self,
        solver: ContactSolver,
        coefficients: Coefficients,
        offsets: np.ndarray,
        right: np.ndarray,
        bite: int | None,
        tolerance: float,
    ) -> None:
        self.offsets = offsets
        self.solver = solver
        self.tolerance = tolerance
        self.frozen = coefficients
        self.right = right
        self.n = 3 * solver.operator.n_patches
        self.patches = solver.operator.n_patches
        self.area = solver.operator.areas
        self.bite = None if bite is None else self.n + bite
        inner = 0.0 if solver.joints is None else float(np.linalg.norm(solver.joints.preload))
        self.scale = max(float(np.linalg.norm(right)), inner, FORCE_FLOOR)

    def forces(self, q: np.ndarray, cap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Interface forces (m,) [N] and their tangent (m,) [N/mm]."""
        jumps = q[: self.n].reshape(-1, 3)
        traction, tangent = self.solver.law.response(self.frozen, jumps, cap[: self.patches])
        force, stiffness = kernels.patch_forces(traction, tangent, jumps, self.area, RESIDUAL_STIFFNESS, q.size)
        joints = self.solver.joints
        if joints is not None:
            own, spring = self.solver.joint_values(q), RESIDUAL_STIFFNESS * joints.area[:, None]
            pushed, secant = joints.response(self.offsets, own, cap[self.patches :])
            self.solver.joint_values(force)[:] = pushed + spring * own
            self.solver.joint_values(stiffness)[:] = secant + spring
        if self.bite is not None and q[self.bite] < 0.0:
            force[self.bite] = self.solver.bite_stiffness * q[self.bite]
            stiffness[self.bite] = self.solver.bite_stiffness
        return force, stiffness

    def cap(self, q: np.ndarray) -> np.ndarray:
        """Friction limits of patches [MPa], then of joints [N]."""
        own = self.solver.law.friction_cap(self.frozen, q[: self.n].reshape(-1, 3))
        joints = self.solver.joints
        if joints is None:
            return own
        return np.concatenate([own, joints.friction_cap(self.offsets, self.solver.joint_values(q))])

    def minimise(self, q: np.ndarray, key: str) -> Equilibrium:
        exact, single, tolerance = self.solver._stiffness, self.solver._single, self.tolerance
        bulk = product(exact, q)
        cap = self.cap(q)
        if self.solver.joints is not None and not q.any():
            # Without a start nothing is pressed yet; a plate without friction would slide away before it is.
            cap[self.patches :] = self.solver.joints.friction * self.solver.joints.share
        force, tangent = self.forces(q, cap)
        unbalanced = self.right - bulk - force
        inverse = self.solver._inverses.get(key)
        correction: Correction | None = None
        direction, last = None, None
        best, waited, factored, verdicts, rounding = np.inf, 0, 0, 0, 0.0
        for iteration in range(MAX_ITERATIONS + 1):
            error = float(np.linalg.norm(unbalanced)) / self.scale
            if error <= tolerance and rounding > ROUNDING_SHARE * tolerance * self.scale:
                bulk, rounding, verdicts = product(exact, q), 0.0, verdicts + 1
                unbalanced = self.right - bulk - force
                error, direction = float(np.linalg.norm(unbalanced)) / self.scale, None
                single = exact if verdicts == SINGLE_VERDICTS else single
            if error <= tolerance and iteration >= CAP_SETTLING:
                # Balanced with caps that lag behind the pressure: take the true ones, and go on if that matters.
                cap = self.cap(q)
                force, tangent = self.forces(q, cap)
                unbalanced = self.right - bulk - force
                error, direction = float(np.linalg.norm(unbalanced)) / self.scale, None
            if error <= tolerance:
                break
            waited = 0 if error < STALE_GAIN * best else waited + 1
            best = error if waited == 0 else best
            if correction is None or waited > STALE_WINDOW:
                if inverse is None or inverse.worn or (correction is not None and correction.tried):
                    inverse = self.solver._inverses[key] = KeptInverse(exact, tangent)
                    correction, factored = None, factored + 1
                correction = Correction(inverse, tangent, tried=correction is not None)
                best, waited, direction = error, 0, None
                single = exact if inverse.matrix.dtype == exact.dtype else single
            step = correction.apply(unbalanced)
            direction = step if direction is None or last is None else _conjugate(step, unbalanced, *last, direction)
            slope = float(direction @ unbalanced)
            if slope <= 0.0:  # round-off or a moved friction cap has spoilt conjugacy: start again from the plain step
                direction, slope = step, float(step @ unbalanced)
            if slope <= 0.0:  # the kept inverse itself is spent
                inverse, correction = None, None
                continue
            along = product(single, direction)
            length = self._search(q, direction, along, bulk, cap, slope, tangent)
            last = (unbalanced, float(step @ unbalanced))
            q = q + length * direction
            bulk = bulk + length * along
            if single is not exact:
                rounding += ROUNDING * abs(length) * float(np.linalg.norm(self.solver._diagonal * direction))
            cap = self._follow(cap, self.cap(q), iteration)
            force, tangent = self.forces(q, cap)
            unbalanced = self.right - bulk - force
        return self._finish(q, bulk, iteration, factored)

    def _follow(self, cap: np.ndarray, wanted: np.ndarray, iteration: int) -> np.ndarray:
        if iteration < CAP_SETTLING:
            return wanted
        return cap + (wanted - cap) * CAP_SETTLING / (CAP_SETTLING + iteration)

    def _search(
        self,
        q: np.ndarray,
        direction: np.ndarray,
        along: np.ndarray,
        bulk: np.ndarray,
        cap: np.ndarray,
        slope: float,
        tangent: np.ndarray,
    ) -> float:
        """Minimum of the energy along ``direction``: root of its monotone slope, by safeguarded secants.

        The first trial is the minimum of the present quadratic piece, which is the answer when no patch changes branch.
        """
        base = float(direction @ (self.right - bulk))
        # A body that slides freely has none: rounding must not make it negative, or the search has no end.
        curvature = max(float(direction @ along), 0.0)

        def descent(length: float) -> float:
            force, _ = self.forces(q + length * direction, cap)
            return base - length * curvature - float(direction @ force)

        low, low_value, high = 0.0, slope, np.inf
        length = slope / (curvature + float(direction @ (tangent * direction)))
        for _ in range(SEARCH_STEPS):
            value = descent(length)
            if abs(value) <= SEARCH_SLOPE * slope:
                break
            if value > 0.0:
                change = low_value - value
                secant = length + value * (length - low) / change if change > 0.0 else np.inf
                low, low_value = length, value
            else:
                change = low_value - value
                high = length
                secant = low + low_value * (length - low) / change
            if np.isinf(high):
                length = min(max(secant, 1.5 * length), 10.0 * length)
            else:
                width = high - low
                length = secant if low + 0.01 * width < secant < high - 0.01 * width else 0.5 * (low + high)
        return length

    def _finish(self, q: np.ndarray, bulk: np.ndarray, iterations: int, factored: int) -> Equilibrium:
        cap = self.cap(q)
        force, _ = self.forces(q, cap)
        unbalanced = self.right - bulk - force
        error = float(np.linalg.norm(unbalanced)) / self.scale
        jumps = q[: self.n].reshape(-1, 3)
        tractions, _ = self.solver.law.response(self.frozen, jumps, cap[: self.patches])
        residual = RESIDUAL_STIFFNESS * (self.area[:, None] * np.abs(jumps)).sum()
        share = float(residual / max(float(np.abs(force[: self.n]).sum()), FORCE_FLOOR))
        moved = max(float(np.abs(one).max(initial=0.0)) for one in (jumps, self.solver.joint_values(q)))
        supported = share < UNSUPPORTED_SHARE and moved < UNSUPPORTED_JUMP
        # The last digits are lost when S0 q cancels to a few newtons; ten times the tolerance is still an equilibrium.
        if not error <= 10.0 * self.tolerance and supported:
            raise ConvergenceError(
                f"contact: unbalanced force {error:.1e} of the load after {iterations} steps (allowed "
                f"{self.tolerance:g}); largest jump {np.abs(jumps).max():.3g} mm; try a smaller load step"
            )
        reaction = 0.0 if self.bite is None else -float(force[self.bite])
        return Equilibrium(
            q=q,
            forces=force,
            jumps=jumps,
            tractions=tractions,
            bite_reaction=reaction,
            iterations=iterations,
            factorisations=factored,
            residual=error,
            residual_share=share,
            supported=supported,
        )


def _conjugate(
    step: np.ndarray, unbalanced: np.ndarray, before: np.ndarray, product_before: float, direction: np.ndarray
) -> np.ndarray:
    """Polak-Ribiere direction; falls back to the plain step when it would point back."""
    ratio = float(step @ (unbalanced - before)) / product_before
    return step + max(ratio, 0.0) * direction
