"""Elastic constants: isotropic at quadrature points from regions and bone classes, orthotropic in rotated axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from femsim.errors import InputError
from femsim.parameters import ParameterSet

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Components of a symmetric tensor in the order xx, yy, zz, yz, xz, xy."""


def lame(young: np.ndarray, poisson: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Return Lame's lambda and mu (MPa) of an isotropic material.

    lambda = E nu / ((1 + nu)(1 - 2 nu)),  mu = E / (2 (1 + nu))
    """
    young, poisson = np.asarray(young, dtype=float), np.asarray(poisson, dtype=float)
    return young * poisson / ((1 + poisson) * (1 - 2 * poisson)), young / (2 * (1 + poisson))


@dataclass(frozen=True)
class GraftElasticity:
    """Isotropic constants of a bone graft and of the unions at its ends, MPa."""

    young: float
    poisson: float
    union_young: float
    union_poisson: float

    @classmethod
    def from_parameters(cls, parameters: ParameterSet) -> GraftElasticity:
        """Read the constants from the cards ``materials`` and ``graft``."""
        return cls(
            young=parameters["materials.graft_E"],
            poisson=parameters["materials.graft_nu"],
            union_young=parameters["graft.union_E"],
            union_poisson=parameters["graft.union_nu"],
        )


@dataclass(frozen=True)
class OrthotropicElasticity:
    """Constants of orthotropic cortical bone: axis 1 through its thickness, 2 around the jaw, 3 along its arch.

    Attributes
    ----------
    young : tuple of float
        E1, E2, E3, MPa.
    shear : tuple of float
        G12, G13, G23, MPa.
    poisson : tuple of float
        nu12, nu13, nu23: contraction along the second axis under stress along the first.
    """

    young: tuple[float, ...]
    shear: tuple[float, ...]
    poisson: tuple[float, ...]

    @classmethod
    def from_parameters(cls, parameters: ParameterSet) -> OrthotropicElasticity:
        """Read the constants from the card ``materials``."""
        e, g, nu = (
            tuple(parameters.vector(f"materials.cortical_orthotropic_{key}").tolist()) for key in ("E", "G", "nu")
        )
        return cls(young=e, shear=g, poisson=nu)

    def stiffness(self) -> np.ndarray:
        """Return the stiffness (6, 6) in MPa in the material's axes; InputError when it is not positive definite."""
        return orthotropic_stiffness(np.array(self.young), np.array(self.shear), np.array(self.poisson))


@dataclass(frozen=True)
class Elasticity:
    """Constants of the materials of a model, MPa: isotropic, but for the jaw's cortex where orthotropic ones are given.

    Attributes
    ----------
    cortical_young, cancellous_young, plate_young, screw_young : float
        Young's moduli.
    cortical_poisson, cancellous_poisson, plate_poisson, screw_poisson : float
        Poisson's ratios.
    graft : GraftElasticity, optional
        For operations with a graft.
    orthotropic : OrthotropicElasticity, optional
        Of the jaw's cortex, instead of the isotropic constants.
    """

    cortical_young: float
    cortical_poisson: float
    cancellous_young: float
    cancellous_poisson: float
    plate_young: float
    plate_poisson: float
    screw_young: float
    screw_poisson: float
    graft: GraftElasticity | None = None
    orthotropic: OrthotropicElasticity | None = None

    @classmethod
    def from_parameters(
        cls, parameters: ParameterSet, *, graft: bool = False, orthotropic: bool = False
    ) -> Elasticity:
        """Read the constants from the card ``materials``, and those of a graft and of orthotropic cortex if wanted."""
        return cls(
            cortical_young=parameters["materials.cortical_E"],
            cortical_poisson=parameters["materials.cortical_nu"],
            cancellous_young=parameters["materials.cancellous_E"],
            cancellous_poisson=parameters["materials.cancellous_nu"],
            plate_young=parameters["materials.plate_E"],
            plate_poisson=parameters["materials.plate_nu"],
            screw_young=parameters["materials.screw_E"],
            screw_poisson=parameters["materials.screw_nu"],
            graft=GraftElasticity.from_parameters(parameters) if graft else None,
            orthotropic=OrthotropicElasticity.from_parameters(parameters) if orthotropic else None,
        )


def is_cortical(depth: np.ndarray, thickness: np.ndarray) -> np.ndarray:
    """Return the mask of points in the cortex: depth under the bone's surface below the local thickness (mm)."""
    return np.asarray(depth) < np.asarray(thickness)


def class_young(cortical: np.ndarray, elasticity: Elasticity) -> np.ndarray:
    """Return Young's modulus of healthy bone of both classes, MPa."""
    return np.where(cortical, elasticity.cortical_young, elasticity.cancellous_young)


def region_moduli(
    region: np.ndarray,
    points_per_cell: int,
    elasticity: Elasticity,
    *,
    bone: int,
    plate: int,
    bone_moduli: np.ndarray,
    bone_cortical: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return Young (m, q) and Poisson (m,) of a model of bone, plate and screws.

    Parameters
    ----------
    region : (m,) int array
        Cells with number ``bone`` or ``plate``; every other number is a screw.
    points_per_cell : int
        q.
    bone_moduli : (b, q) array
        Young's modulus at the quadrature points of the bone cells, in their order.
    bone_cortical : (b, q) bool array
        Bone class there; a cell has the Poisson ratio of the class of most of its points.
    """
    region = np.asarray(region)
    in_bone, in_plate = region == bone, region == plate
    young = np.full((len(region), points_per_cell), elasticity.screw_young)
    poisson = np.full(len(region), elasticity.screw_poisson)
    young[in_plate], poisson[in_plate] = elasticity.plate_young, elasticity.plate_poisson
    young[in_bone] = bone_moduli
    mostly_cortical = np.asarray(bone_cortical).mean(axis=1) >= 0.5
    poisson[in_bone] = np.where(mostly_cortical, elasticity.cortical_poisson, elasticity.cancellous_poisson)
    return young, poisson


@dataclass(frozen=True, eq=False)
class Anisotropy:
    """Full stiffness at the quadrature points of some cells; the other cells stay isotropic.

    Attributes
    ----------
    cells : (c,) int array
        Each cell at most once.
    stiffness : (c, q, 6, 6) array
        MPa, order xx, yy, zz, yz, xz, xy with doubled shear strains, in the axes of the mesh.
    """

    cells: np.ndarray
    stiffness: np.ndarray

    def row_of_cell(self, n_cells: int) -> np.ndarray:
        """Return the row of every cell, (n_cells,) int32; -1 where the cell is isotropic."""
        rows = np.full(n_cells, -1, dtype=np.int32)
        rows[self.cells] = np.arange(len(self.cells), dtype=np.int32)
        return rows


def isotropic_stiffness(young: np.ndarray | float, poisson: np.ndarray | float) -> np.ndarray:
    """Return the stiffness matrices (..., 6, 6) in MPa of isotropic materials, order as in :class:`Anisotropy`."""
    lam, mu = np.broadcast_arrays(*lame(np.asarray(young), poisson))
    matrix = np.zeros((*lam.shape, 6, 6))
    matrix[..., :3, :3] = lam[..., None, None]
    matrix[..., range(3), range(3)] += 2.0 * mu[..., None]
    matrix[..., range(3, 6), range(3, 6)] = mu[..., None]
    return matrix


def orthotropic_stiffness(young: np.ndarray, shear: np.ndarray, poisson: np.ndarray) -> np.ndarray:
    """Return the stiffness matrix (6, 6) in MPa of an orthotropic material in its own axes.

    Order 11, 22, 33, 23, 13, 12 with doubled shear strains.

    Parameters
    ----------
    young : (3,) array
        E1, E2, E3, MPa.
    shear : (3,) array
        G12, G13, G23, MPa.
    poisson : (3,) array
        nu12, nu13, nu23 with nu_ij = -strain_j / strain_i under stress along i, so nu_ji = nu_ij E_j / E_i.

    Raises
    ------
    InputError
        The constants are not those of a stable material (compliance not positive definite).
    """
    e1, e2, e3 = (float(value) for value in young)
    g12, g13, g23 = (float(value) for value in shear)
    nu12, nu13, nu23 = (float(value) for value in poisson)
    told = f"orthotropic constants E {[e1, e2, e3]} MPa, G {[g12, g13, g23]} MPa, nu {[nu12, nu13, nu23]}"
    if not min(e1, e2, e3, g12, g13, g23) > 0.0:
        raise InputError(f"{told}: every modulus must be positive")
    compliance = np.diag([1 / e1, 1 / e2, 1 / e3, 1 / g23, 1 / g13, 1 / g12])
    compliance[0, 1] = compliance[1, 0] = -nu12 / e1
    compliance[0, 2] = compliance[2, 0] = -nu13 / e1
    compliance[1, 2] = compliance[2, 1] = -nu23 / e2
    if not np.linalg.eigvalsh(compliance).min() > 0.0:
        raise InputError(
            f"{told} are not positive definite, such a material would give energy away; "
            "lower the Poisson ratios (nu_ij belongs to stress along i, so it goes with E_i)"
        )
    return np.linalg.inv(compliance)


def rotated_stiffness(stiffness: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return stiffness matrices in the axes of the mesh, (..., 6, 6), of a material (6, 6) given in its own axes.

    Parameters
    ----------
    stiffness : (6, 6) array
    axes : (..., 3, 3) array
        Rows are the orthonormal material axes 1, 2, 3 in the axes of the mesh.

    Notes
    -----
    Bond's transformation: stress_ij = sum of a_k,i a_l,j stress_kl over the material axes a.
    """
    bond = np.empty((*axes.shape[:-2], 6, 6))
    for row, (i, j) in enumerate(VOIGT):
        for column, (k, m) in enumerate(VOIGT):
            bond[..., row, column] = axes[..., k, i] * axes[..., m, j]
            if k != m:
                bond[..., row, column] += axes[..., m, i] * axes[..., k, j]
    return np.asarray(bond @ stiffness @ np.swapaxes(bond, -1, -2))
