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
    """Quadrature points (n, 3) [mm] of the bone behind the patches, and the averaging (p, n) of :func:`patch_means`."""
    used = patches.face >= 0
    cells, place = np.unique(model.mesh.interface.bone_tets[used], return_inverse=True)
    points = model.space.quadrature_points()[cells]
    count, each = points.shape[:2]
    weight = (
        patches.face_area[used] / np.bincount(patches.face[used], weights=patches.face_area[used])[patches.face[used]]
    )
    rows = np.repeat(patches.face[used], each)
    columns = (each * place[:, None] + np.arange(each)).ravel()
    entries = (np.repeat(weight / each, each), (rows, columns))
    return points.reshape(-1, 3), sp.csr_matrix(entries, shape=(len(patches), count * each))


@dataclass(frozen=True, eq=False)
class PatchBone:
    """Mixture of cortical and cancellous bone behind every patch, ageing with its dose.

    Attributes
    ----------
    cortical : ndarray, shape (p,)
        Share of cortical bone behind the patch.
    grafted : ndarray, shape (p,), optional
        Share of the bone behind the patch that is graft; none by default.
    elasticity : Elasticity
        Healthy moduli.
    histories : PatchHistories
        Tissue of every patch over time.
    """

    cortical: np.ndarray
    elasticity: Elasticity
    histories: PatchHistories
    grafted: np.ndarray | None = None

    @property
    def cancellous_strength(self) -> float:
        """Strength of healthy cancellous over cortical bone.

        Stiffness goes with density squared and strength with its power 1.5 in the tissue model, hence
        ``(E_cancellous / E_cortical)^(1.5 / 2)``: derived, so that both follow one density.
        """
        constants = self.histories.constants
        power = constants.strength_exponent / constants.stiffness_exponent
        return float((self.elasticity.cancellous_young / self.elasticity.cortical_young) ** power)

    @property
    def _cortical_young(self) -> np.ndarray | float:
        """Healthy cortical modulus (p,) [MPa]: that of the jaw, of the graft, or between."""
        jaw, graft = self.elasticity.cortical_young, self.elasticity.graft
        if self.grafted is None or graft is None:
            return jaw
        return jaw + self.grafted * (graft.young - jaw)

    def at(self, day: float) -> PatchTissue:
        """Return the bone of every patch on a day since surgery."""
        state = self.histories.at(day)
        share = self.cortical
        young = share * self._cortical_young * state.E_cortical
        young += (1.0 - share) * self.elasticity.cancellous_young * state.E_trabecular
        strength = share * state.strength_cortical
        strength += (1.0 - share) * self.cancellous_strength * state.strength_trabecular
        return PatchTissue(young=young, strength=strength, activity=state.Phi)
