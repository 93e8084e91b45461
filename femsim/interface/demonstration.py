"""A dense stand-in for a plated jaw with a gap: real patches and operator without a mesh, for tests, docs, benchmarks.

Two bone stumps, each elastic and resting on one condyle spring, joined by one elastic plate with screws. Bone and
hardware answer point forces by flexibility kernels instead of finite elements; jumps, contact and loads are real ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp

from femsim.interface.condensation import Condensation, condense, reference_stiffness
from femsim.interface.law import LawConstants, PatchTissue, ScrewBoneLaw
from femsim.interface.patches import Patches

# Dimensions of the stand-in [mm, MPa, N/mm]. They make a plausible model, not a sourced one; nothing else uses them.
GAP, SPACING, RADIUS, PITCH = 30.0, 8.0, 1.2, 1.0
CONDYLE, MUSCLE, BITE = 100.0, 70.0, 15.0
BONE_YOUNG, PLATE_YOUNG, LOCAL_SIZE = 13700.0, 105000.0, 0.5
PLATE_SOFTNESS = 2e-5
CONDYLE_SPRING, CONDYLE_TORSION = 2e3, 2e5
BITE_SPRING = 1e3


@dataclass(frozen=True, eq=False)
class Demonstration:
    """Stand-in model.

    Attributes
    ----------
    patches : Patches
        Screws ``mesial-1`` (next to the gap), ``mesial-2``, ..., ``distal-1`` (next to the gap), ...
    condensation : Condensation
        Condensed model; loads ``muscle mesial``, ``muscle distal`` (1 N upwards), bite points ``front``, ``side``.
    stiffness : ndarray, shape (n_dof, n_dof)
        Bulk stiffness of the full model [N/mm].
    """

    patches: Patches
    condensation: Condensation
    stiffness: np.ndarray


def demonstration(constants: LawConstants, *, per_stump: int = 2, rings: int = 8, sectors: int = 8) -> Demonstration:
    """Build the stand-in with ``2 * per_stump`` screws of ``rings * sectors`` patches each.

    Examples
    --------
    >>> model = demonstration(LawConstants.from_parameters(load_parameters()), per_stump=1, rings=4)
    >>> model.condensation.operator.n_patches
    64
    """
    patches = _patches(constants, per_stump, rings, sectors)
    stump = np.repeat([0, 1], per_stump * rings * sectors)
    extra = np.array([[-MUSCLE, 0, 0], [GAP + MUSCLE, 0, 0], [-BITE, 0, 15.0], [GAP + BITE, 0, 15.0]])
    bone_points = np.vstack([patches.centre, extra])
    bone = _bone_flexibility(bone_points, np.concatenate([stump, [0, 1, 0, 1]]))
    hardware = _free_stiffness(patches.centre, patches.screw)
    stiffness = sl.block_diag(np.linalg.inv(bone), hardware)
    stiffness = 0.5 * (stiffness + stiffness.T)
    n_bone, n = 3 * len(bone_points), 3 * len(patches)
    jump = np.zeros((len(stiffness), n))
    for p, frame in enumerate(patches.directions):
        jump[3 * p : 3 * p + 3, 3 * p : 3 * p + 3] = -frame.T
        jump[n_bone + 3 * p : n_bone + 3 * p + 3, 3 * p : 3 * p + 3] = frame.T
    loads, bites = np.zeros((len(stiffness), 2)), np.zeros((len(stiffness), 2))
    loads[[n + 2, n + 5], [0, 1]] = 1.0
    bites[[n + 8, n + 11], [0, 1]] = -1.0
    law = ScrewBoneLaw(constants)
    condensation = condense(
        sp.triu(stiffness, format="csr"),
        sp.csc_matrix(jump),
        patches,
        loads,
        ("muscle mesial", "muscle distal"),
        k_ref=reference_stiffness(patches, PatchTissue.healthy(len(patches), constants), law),
        bites=sp.csc_matrix(bites),
        bite_names=("front", "side"),
        bite_spring=BITE_SPRING,
        solver=DenseSolver(),
    )
    return Demonstration(patches, condensation, stiffness)


class DenseSolver:
    """Cholesky of a small matrix behind the interface of the sparse solvers."""

    def factor_with_schur(self, upper: sp.spmatrix, columns: sp.spmatrix) -> tuple[DenseFactor, np.ndarray]:
        """Factor and the Schur complement ``C.T @ inv(K) @ C``; ``upper`` is the upper triangle of K."""
        full = upper.toarray()
        factor = DenseFactor(full + np.triu(full, 1).T)
        dense = columns.toarray()
        return factor, dense.T @ factor.solve(dense)


class DenseFactor:
    """Cholesky factor of a full symmetric matrix."""

    def __init__(self, matrix: np.ndarray) -> None:
        self._factor = sl.cho_factor(matrix, lower=True)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Solve for one or several right sides."""
        return np.asarray(sl.cho_solve(self._factor, right))


def _patches(constants: LawConstants, per_stump: int, rings: int, sectors: int) -> Patches:
    places = np.concatenate([-4.0 - SPACING * np.arange(per_stump), GAP + 4.0 + SPACING * np.arange(per_stump)])
    screw, ring, sector = (a.ravel() for a in np.indices((2 * per_stump, rings, sectors)))
    angle = 2 * np.pi * (sector + 0.5) / sectors
    radial = np.column_stack([np.cos(angle), np.zeros_like(angle), np.sin(angle)])
    axial = np.broadcast_to([0.0, 1.0, 0.0], radial.shape)
    depth = PITCH * (ring + 0.5)
    centre = np.column_stack([places[screw], depth, np.zeros_like(depth)]) + RADIUS * radial
    count = len(screw)
    area = np.full(count, 2 * np.pi * RADIUS * PITCH / sectors)
    names = tuple(f"{side}-{k + 1}" for side in ("mesial", "distal") for k in range(per_stump))
    return Patches(
        screw=screw,
        ring=ring,
        sector=sector,
        area=area,
        centre=centre,
        directions=np.stack([radial, axial, np.cross(axial, radial)], axis=1),
        depth=depth,
        thread_shape=np.full(count, constants.thread_shape(0.35, PITCH)),
        face=np.arange(count),
        face_area=area,
        screw_names=names,
    )


def _kernel(points: np.ndarray, young: float) -> np.ndarray:
    """Isotropic decay 1 / (pi E (r + a)): a mixture of exponentials in r, hence positive definite."""
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    return np.kron(1.0 / (np.pi * young * (distance + LOCAL_SIZE)), np.eye(3))


def _rigid(points: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Displacements (3 n, 6) of the six rigid motions about ``origin``."""
    arm = points - origin
    motions = np.zeros((len(points), 3, 6))
    motions[:, :, :3] = np.eye(3)
    for k in range(3):
        motions[:, :, 3 + k] = np.cross(np.eye(3)[k], arm)
    return motions.reshape(-1, 6)


def _bone_flexibility(points: np.ndarray, stump: np.ndarray) -> np.ndarray:
    same = np.kron(stump[:, None] == stump[None], np.ones((3, 3)))
    flexibility = _kernel(points, BONE_YOUNG) * same
    springs = np.array([CONDYLE_SPRING] * 3 + [CONDYLE_TORSION] * 3)
    for number, place in enumerate((-CONDYLE, GAP + CONDYLE)):
        motion = _rigid(points, np.array([place, 0.0, 30.0])) * np.repeat(stump == number, 3)[:, None]
        flexibility += (motion / springs) @ motion.T
    return flexibility


def _free_stiffness(points: np.ndarray, screw: np.ndarray) -> np.ndarray:
    """Stiffness of the floating hardware: elastic flexibility with its six rigid motions released."""
    flexibility = _kernel(points, PLATE_YOUNG)
    place = np.array([points[screw == k].mean(axis=0) for k in range(screw.max() + 1)])
    distance = np.linalg.norm(place[:, None] - place[None], axis=2)
    between = PLATE_SOFTNESS * np.exp(-distance / GAP)
    flexibility += np.kron(between[np.ix_(screw, screw)], np.eye(3))
    factor = sl.cho_factor(flexibility, lower=True)
    motion = _rigid(points, points.mean(axis=0))
    stiff = sl.cho_solve(factor, np.eye(len(flexibility)))
    force = stiff @ motion
    return stiff - force @ np.linalg.solve(motion.T @ force, force.T)
