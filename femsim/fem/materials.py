"""Elastic constants at quadrature points from regions, bone classes and stiffness ratios given as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from femsim.parameters import ParameterSet


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
class Elasticity:
    """Isotropic constants of the materials of a model, MPa.

    Attributes
    ----------
    cortical_young, cancellous_young, plate_young, screw_young : float
        Young's moduli.
    cortical_poisson, cancellous_poisson, plate_poisson, screw_poisson : float
        Poisson's ratios.
    graft : GraftElasticity, optional
        For operations with a graft.
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

    @classmethod
    def from_parameters(cls, parameters: ParameterSet, *, graft: bool = False) -> Elasticity:
        """Read the constants from the card ``materials``, and those of a graft where there is one."""
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
        )


def is_cortical(depth: np.ndarray, thickness: np.ndarray) -> np.ndarray:
    """Return the mask of points in the cortex: depth under the bone's surface below the local thickness (mm)."""
    return np.asarray(depth) < np.asarray(thickness)


def bone_young(
    cortical: np.ndarray,
    cortical_ratio: np.ndarray | float,
    cancellous_ratio: np.ndarray | float,
    elasticity: Elasticity,
) -> np.ndarray:
    """Return Young's modulus of bone, MPa: class modulus times the radiation stiffness ratio of that class."""
    return np.where(
        cortical,
        elasticity.cortical_young * np.asarray(cortical_ratio),
        elasticity.cancellous_young * np.asarray(cancellous_ratio),
    )


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


def orthotropic_stiffness(young: np.ndarray, shear: np.ndarray, poisson: np.ndarray) -> np.ndarray:
    """Return the stiffness matrix (6, 6) in MPa of an orthotropic material in its own axes.

    Order 11, 22, 33, 23, 13, 12 with doubled shear strains.

    Parameters
    ----------
    young : (3,) array
        E1, E2, E3.
    shear : (3,) array
        G12, G13, G23.
    poisson : (3,) array
        nu12, nu13, nu23 with nu_ij = -strain_j / strain_i under stress along i, so nu_ji = nu_ij E_j / E_i.

    Raises
    ------
    ValueError
        The constants are not those of a stable material (compliance not positive definite).
    """
    e1, e2, e3 = (float(value) for value in young)
    g12, g13, g23 = (float(value) for value in shear)
    nu12, nu13, nu23 = (float(value) for value in poisson)
    compliance = np.diag([1 / e1, 1 / e2, 1 / e3, 1 / g23, 1 / g13, 1 / g12])
    compliance[0, 1] = compliance[1, 0] = -nu12 / e1
    compliance[0, 2] = compliance[2, 0] = -nu13 / e1
    compliance[1, 2] = compliance[2, 1] = -nu23 / e2
    if np.linalg.eigvalsh(compliance).min() <= 0.0:
        raise ValueError(f"orthotropic constants E {young}, G {shear}, nu {poisson} are not positive definite")
    return np.linalg.inv(compliance)
