"""Checks of a solved state against the full system: forces, moments, energy, and condensed against recovered jumps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from femsim.fem.assembly import multiply_upper
from femsim.fem.model import StaticModel
from femsim.fem.stress import strain
from femsim.interface.condensation import Condensation
from femsim.interface.contact import Equilibrium

FORCE_LIMIT = 1e-6
"""Allowed imbalance over the applied forces: far below any number that is read from a run, far above round-off."""

ENERGY_LIMIT = 1e-6
"""Allowed difference of external work and stored energy over the work."""

JUMP_LIMIT = 1e-6
"""Allowed difference of condensed unknowns and those of the recovered full field, over the largest."""


@dataclass(frozen=True)
class Check:
    """One check of a run.

    Attributes
    ----------
    name : str
    value, limit : float
    unit : str
    """

    name: str
    value: float
    limit: float
    unit: str = ""

    @property
    def passed(self) -> bool:
        """Whether the value lies within its limit."""
        return bool(self.value <= self.limit)

    def record(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {"name": self.name, "value": self.value, "limit": self.limit, "unit": self.unit, "passed": self.passed}


def balance_checks(
    model: StaticModel, condensation: Condensation, equilibrium: Equilibrium, load: np.ndarray
) -> tuple[list[Check], dict[str, list[float]], np.ndarray]:
    """Recover the full field of an equilibrium and check it.

    Parameters
    ----------
    load : ndarray, shape (n_loads,)
        Load factors of the equilibrium.

    Returns
    -------
    checks : list of Check
    forces : dict
        Applied force and the reactions of every foundation and of the bite, each (3,) [N].
    displacement : ndarray, shape (n_dof,)
        The recovered field [mm].
    """
    u = condensation.displacement(equilibrium.q, equilibrium.forces, load)
    applied = condensation.F @ load
    held = {name: -(matrix @ u) for name, matrix in model.foundations.items()}
    patches = 3 * condensation.operator.n_patches
    bites = slice(patches, patches + condensation.operator.n_bites)
    held["bite"] = -(condensation.C[:, bites] @ equilibrium.forces[bites])
    inner = -(condensation.C @ equilibrium.forces) - held["bite"]
    # Without any load everything is exactly zero, and so is every error.
    size, length = float(np.abs(applied).sum()) or 1.0, float(np.linalg.norm(applied)) or 1.0
    external = applied + sum(held.values())
    reach = float(np.ptp(model.space.nodes, axis=0).max())
    unbalanced = applied - multiply_upper(model.stiffness, u) + held["bite"] + inner
    work = float(applied @ u)
    springs = sum(float(-u @ force) for name, force in held.items() if name != "bite")
    stored = 2 * strain_energy(model, u) + springs + float(equilibrium.forces @ equilibrium.q)
    jumps = np.abs(condensation.C.T @ u - equilibrium.q).max() / max(float(np.abs(equilibrium.q).max()), 1e-12)
    checks = [
        Check("reactions balance applied forces", float(np.abs(_resultant(external)).max()) / size, FORCE_LIMIT),
        Check("moments balance", float(np.abs(_moment(model, external)).max()) / (size * reach), FORCE_LIMIT),
        Check("equilibrium at every node", float(np.linalg.norm(unbalanced)) / length, FORCE_LIMIT),
        Check("external work equals stored energy", abs(work - stored) / (abs(work) or 1.0), ENERGY_LIMIT),
        Check("condensed jumps equal the full field's", float(jumps), JUMP_LIMIT),
    ]
    forces = {name: _resultant(force).tolist() for name, force in {"applied": applied, **held}.items()}
    return checks, forces, u


def strain_energy(model: StaticModel, displacement: np.ndarray) -> float:
    """Elastic energy of bone and hardware from recovered stresses [N mm]: independent of the assembled matrix."""
    strains = strain(model.space, displacement)
    stresses = model.stresses(strains)
    twice = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])  # off-diagonal components stand for two entries of the tensor
    return 0.5 * float(np.einsum("mq,mqi,mqi,i->", model.space.quadrature_volumes(), stresses, strains, twice))


def _resultant(forces: np.ndarray) -> np.ndarray:
    return forces.reshape(-1, 3).sum(axis=0)


def _moment(model: StaticModel, forces: np.ndarray) -> np.ndarray:
    arms = model.space.nodes - model.space.nodes.mean(axis=0)
    return np.cross(arms, forces.reshape(-1, 3)).sum(axis=0)
