"""Cortical bone of the jaw at quadrature points: where it is, its material axes, its orthotropic stiffness."""

from __future__ import annotations

import numpy as np

from femsim.fem.materials import Anisotropy, OrthotropicElasticity, isotropic_stiffness, rotated_stiffness
from femsim.fem.spaces import Space
from femsim.geometry.operation import Operation

RIDGE = 0.1
"""Weight of the arch's buccal normal in axis 1: it decides only where the depth has no direction across the tangent."""


def depth_and_thickness(operation: Operation, space: Space, bone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return depth under the original surface at the vertices of the bone cells (b, 4) and cortical thickness, mm."""
    used, compact = np.unique(space.tets[bone], return_inverse=True)
    points = space.nodes[used]
    depth = np.maximum(-operation.bone.signed_distance(points), 0.0)
    compact = compact.reshape(-1, 4)
    return depth[compact], operation.cortical_thickness(points)[compact]


def material_axes(operation: Operation, space: Space, bone: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return the axes of cortical bone at the quadrature points of bone cells, rows 1, 2, 3: (b, q, 3, 3).

    Axis 3 is the tangent of the jaw's arch (of x where there is no arch), axis 1 points out of the bone through the
    thickness of its cortex, axis 2 completes them: the surface direction across the arch.

    Parameters
    ----------
    bone : (b,) int array
        Bone cells.
    depth : (b, 4) array
        Depth at their vertices, mm.
    """
    points = space.quadrature_points()[bone]
    flat = points.reshape(-1, 3)
    if operation.arch is None:
        along, buccal = np.broadcast_to([1.0, 0.0, 0.0], flat.shape), np.broadcast_to([0.0, 1.0, 0.0], flat.shape)
    else:
        s = operation.arch.locate(flat)[0]
        along, buccal = operation.arch.tangent(s), operation.arch.normal(s)
    along, buccal = along.reshape(points.shape), buccal.reshape(points.shape)
    outward = -np.einsum("bk,bkd->bd", depth, space.gradients[bone])[:, None]
    outward = outward - along * (outward * along).sum(axis=-1, keepdims=True) + RIDGE * buccal
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    return np.stack([outward, np.cross(along, outward), along], axis=-2)


def cortical_anisotropy(
    elasticity: OrthotropicElasticity,
    axes: np.ndarray,
    bone: np.ndarray,
    cortical: np.ndarray,
    ratio: np.ndarray,
    young: np.ndarray,
    poisson: np.ndarray,
) -> Anisotropy:
    """Return the full stiffness of every bone cell with an orthotropic point; its other points stay isotropic.

    Parameters
    ----------
    axes : (b, q, 3, 3) array
        Material axes.
    bone : (b,) int array
        Cell numbers.
    cortical : (b, q) bool array
        Orthotropic points.
    ratio : (b, q) array
        Stiffness left by irradiation: every constant of the stiffness is scaled by it.
    young, poisson : (b, q), (b,) arrays
        Isotropic constants of the other points, MPa.
    """
    some = cortical.any(axis=1)
    stiffness = isotropic_stiffness(young[some], poisson[some, None])
    chosen = cortical[some]
    rotated = rotated_stiffness(elasticity.stiffness(), axes[some][chosen])
    stiffness[chosen] = ratio[some][chosen][:, None, None] * rotated
    return Anisotropy(bone[some], stiffness)
