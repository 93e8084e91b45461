"""Bone next to every interface patch over the days after surgery: modulus, strength, healing activity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from femsim.fem.materials import Elasticity
from femsim.fem.model import StaticModel
from femsim.interface.law import PatchTissue
from femsim.interface.patches import Patches
from femsim.tissue.table import PatchHistories


def patch_means(model: StaticModel, patches: Patches, values: np.ndarray) -> np.ndarray:
    """Area-weighted mean (p,) of values at the bone cells' quadrature points (b, q) over the cells behind each patch.

    The cells that share a face with the screw reach about as far as the thread-engaged shell.
    """
    row = np.full(len(model.mesh.tets), -1)
    row[model.bone_cells] = np.arange(len(model.bone_cells))
    used = patches.face >= 0
    behind = values[row[model.mesh.interface.bone_tets[used]]].mean(axis=1)
    weight = patches.face_area[used]
    total = np.bincount(patches.face[used], weights=weight, minlength=len(patches))
    return np.bincount(patches.face[used], weights=weight * behind, minlength=len(patches)) / total


def points_behind(model: StaticModel, patches: Patches) -> tuple[np.ndarray, sp.csr_matrix]:
    """Where the bone behind the patches is, and how :func:`patch_means` averages over it.

    Returns
    -------
    places : ndarray of int, shape (n,)
        Positions among the flattened quadrature points (b, q) of the bone cells.
    averaging : csr_matrix, shape (p, n)
        Mean of values there per patch.
    """
    used = patches.face >= 0
    cells, place = np.unique(model.mesh.interface.bone_tets[used], return_inverse=True)
    count, each = len(cells), model.healthy.shape[1]
    row = np.full(len(model.mesh.tets), -1)
    row[model.bone_cells] = np.arange(len(model.bone_cells))
    places = (each * row[cells][:, None] + np.arange(each)).ravel()
    weight = (
        patches.face_area[used] / np.bincount(patches.face[used], weights=patches.face_area[used])[patches.face[used]]
    )
    rows = np.repeat(patches.face[used], each)
    columns = (each * place[:, None] + np.arange(each)).ravel()
    entries = (np.repeat(weight / each, each), (rows, columns))
    return places, sp.csr_matrix(entries, shape=(len(patches), count * each))


@dataclass(frozen=True, eq=False)
class PatchBone:
    """Mixture of cortical and cancellous bone behind every patch, ageing with its dose.

    Attributes
    ----------
    cortical_young, cancellous_young : ndarray, shape (p,)
        What bone of either class contributes to the healthy modulus behind the patch: its share times its modulus
        [MPa].
    cortical_strength, cancellous_strength : ndarray, shape (p,)
        The same of its strength over that of healthy cortical bone.
    histories : PatchHistories
        Tissue of every patch over time.
    """

    cortical_young: np.ndarray
    cancellous_young: np.ndarray
    cortical_strength: np.ndarray
    cancellous_strength: np.ndarray
    histories: PatchHistories

    @classmethod
    def of_classes(
        cls,
        cortical: np.ndarray,
        elasticity: Elasticity,
        histories: PatchHistories,
        grafted: np.ndarray | None = None,
    ) -> PatchBone:
        """Make the bone of patches from the share (p,) of cortical bone behind each, and that of graft if any."""
        jaw, graft = elasticity.cortical_young, elasticity.graft
        stiff = jaw if grafted is None or graft is None else jaw + grafted * (graft.young - jaw)
        weak = _relative_strength(elasticity.cancellous_young, elasticity, histories)
        return cls(
            cortical_young=cortical * stiff,
            cancellous_young=(1.0 - cortical) * elasticity.cancellous_young,
            cortical_strength=cortical,
            cancellous_strength=(1.0 - cortical) * weak,
            histories=histories,
        )

    @classmethod
    def of_points(
        cls,
        averaging: sp.csr_matrix,
        healthy: np.ndarray,
        cortical: np.ndarray,
        elasticity: Elasticity,
        histories: PatchHistories,
    ) -> PatchBone:
        """Make the bone of patches from points behind them, as a CT shows them.

        Parameters
        ----------
        averaging : csr_matrix, shape (p, n)
            From :func:`points_behind`.
        healthy : ndarray, shape (n,)
            Healthy modulus [MPa].
        cortical : ndarray of bool, shape (n,)
            Bone class.
        elasticity : Elasticity
        histories : PatchHistories
        """
        strength = _relative_strength(healthy, elasticity, histories)
        return cls(
            cortical_young=averaging @ (cortical * healthy),
            cancellous_young=averaging @ (~cortical * healthy),
            cortical_strength=averaging @ (cortical * strength),
            cancellous_strength=averaging @ (~cortical * strength),
            histories=histories,
        )

    def at(self, day: float) -> PatchTissue:
        """Return the bone of every patch on a day since surgery."""
        state = self.histories.at(day)
        young = self.cortical_young * state.E_cortical + self.cancellous_young * state.E_trabecular
        strength = self.cortical_strength * state.strength_cortical
        strength += self.cancellous_strength * state.strength_trabecular
        return PatchTissue(young=young, strength=strength, activity=state.Phi)


def _relative_strength(
    young: np.ndarray | float, elasticity: Elasticity, histories: PatchHistories
) -> np.ndarray | float:
    """Strength of healthy bone of a modulus [MPa] over that of healthy cortical bone.

    Stiffness goes with density squared and strength with its power 1.5 in the tissue model, hence
    ``(E / E_cortical)^(1.5 / 2)``: derived, so that both follow one density.
    """
    power = histories.constants.strength_exponent / histories.constants.stiffness_exponent
    return (young / elasticity.cortical_young) ** power
