"""Condensation of the whole jaw onto interface jumps and bite points: the operator, its file, and full fields again."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp

from femsim.durable import write_npz
from femsim.errors import ConvergenceError, InputError
from femsim.interface.law import InterfaceState, PatchTissue, ScrewBoneLaw
from femsim.interface.patches import Patches

KIND = "femsim operator"
VERSION = 1

SYMMETRY_TOLERANCE = 1e-8
"""Largest relative asymmetry of G accepted: direct solvers reach 1e-12; more means a failed factorisation."""

SEMIDEFINITE_TOLERANCE = 1e-7
"""Largest negative eigenvalue of S0 accepted, over its largest: G^-1 - diag(k_ref) loses digits by cancellation."""


@dataclass(frozen=True, eq=False)
class Operator:
    """The linear bulk as seen from the interface: everything the contact problem needs.

    Unknowns q (m,) are the ``3 * n_patches`` patch jumps, one normal displacement per bite point, and three jumps per
    joint of unlocked screws [mm].

    Attributes
    ----------
    G : ndarray, shape (m, m)
        C^T K0^-1 C [mm/N].
    k_ref : ndarray, shape (m,)
        Reference spring of every unknown in K0 [N/mm], patch area included.
    g_loads : ndarray, shape (m, n_loads)
        C^T K0^-1 F for unit loads [mm/N].
    load_names, bite_names : tuple of str
        Columns of ``g_loads``; names of the bite points.
    areas : ndarray, shape (n_patches,)
        Patch areas [mm2].
    """

    G: np.ndarray
    k_ref: np.ndarray
    g_loads: np.ndarray
    load_names: tuple[str, ...]
    bite_names: tuple[str, ...]
    areas: np.ndarray

    @property
    def n_patches(self) -> int:
        """Number of patches."""
        return len(self.areas)

    @property
    def n_bites(self) -> int:
        """Number of bite points."""
        return len(self.bite_names)

    @property
    def n_joints(self) -> int:
        """Number of joints of unlocked screws."""
        return (len(self.k_ref) - 3 * self.n_patches - self.n_bites) // 3

    def bulk_stiffness(self) -> tuple[np.ndarray, np.ndarray]:
        """Return S0 = G^-1 - diag(k_ref) [N/mm] and the locked forces per unit load G^-1 g_loads.

        Raises
        ------
        ConvergenceError
            G is not positive definite, or S0 has a negative eigenvalue direction that round-off does not explain.
        """
        try:
            factor = sl.cho_factor(self.G, lower=True)
        except sl.LinAlgError as error:
            raise ConvergenceError(
                f"condensed flexibility ({len(self.G)} unknowns) is not positive definite; a bone part without "
                "foundation or a failed factorisation is the usual cause"
            ) from error
        inverse = sl.cho_solve(factor, np.eye(len(self.G)))
        stiffness = 0.5 * (inverse + inverse.T)
        stiffness[np.diag_indices_from(stiffness)] -= self.k_ref
        return stiffness, sl.cho_solve(factor, self.g_loads)

    def save(self, path: str | Path) -> None:
        """Write to an npz file whole or not at all."""
        data = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        write_npz(Path(path), {"kind": np.array(KIND), "version": np.array(VERSION), **data})

    @classmethod
    def load(cls, path: str | Path) -> Operator:
        """Read a file written by :meth:`save`.

        Raises
        ------
        InputError
            Not an operator file, or one of another version.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                data = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: cannot be read as an operator file ({error}); condense again") from error
        if str(data.get("kind")) != KIND:
            raise InputError(f"{path}: kind is {data.get('kind')!s}, not {KIND!r}; give the run's operator.npz")
        if int(data["version"]) != VERSION:
            raise InputError(
                f"{path}: operator version {int(data['version'])}; this femsim reads {VERSION}, condense again"
            )
        return cls(
            G=data["G"],
            k_ref=data["k_ref"],
            g_loads=data["g_loads"],
            load_names=tuple(str(name) for name in data["load_names"]),
            bite_names=tuple(str(name) for name in data["bite_names"]),
            areas=data["areas"],
        )


@dataclass(frozen=True, eq=False)
class Condensation:
    """The condensed operator together with what brings full fields back; lives in memory only.

    Attributes
    ----------
    operator : Operator
        Condensed problem.
    C : csc_matrix, shape (n_dof, m)
        Averages that define the unknowns.
    F : ndarray, shape (n_dof, n_loads)
        Unit loads.
    factor : Factor
        Factorised K0 with ``solve``.
    """

    operator: Operator
    C: sp.csc_matrix
    F: np.ndarray
    factor: Any

    def displacement(self, q: np.ndarray, forces: np.ndarray, load: np.ndarray) -> np.ndarray:
        """Full displacement field (n_dof,) [mm] of an equilibrium.

        Parameters
        ----------
        q, forces : ndarray, shape (m,)
            Unknowns [mm] and interface forces [N] of the :class:`~femsim.interface.contact.Equilibrium`.
        load : ndarray, shape (n_loads,)
            Load factors of that equilibrium.

        Notes
        -----
        K_bulk u + C f = F a and K0 = K_bulk + C diag(k_ref) C^T give u = K0^-1 (F a - C (f - k_ref q)).
        """
        right = self.F @ load - self.C @ (forces - self.operator.k_ref * q)
        return np.asarray(self.factor.solve(right.reshape(-1, 1))).reshape(-1)


def reference_stiffness(patches: Patches, tissue: PatchTissue, law: ScrewBoneLaw) -> np.ndarray:
    """Reference springs (3 p,) [N/mm]: the pressed, sticking tangent of the law in fresh bone of this ``tissue``.

    Tissue so soft that a spring would vanish is given a hundredth of the largest, so that K0 stays positive definite.
    """
    frozen = law.coefficients(InterfaceState.insertion(len(patches), law.constants), tissue, patches.thread_shape)
    stiffness = np.column_stack([frozen.bearing, frozen.axial, frozen.circumferential])
    stiffness = np.maximum(stiffness, 0.01 * stiffness.max())
    return (patches.area[:, None] * stiffness).ravel()


def with_springs(stiffness: sp.spmatrix, columns: sp.csc_matrix, springs: np.ndarray) -> sp.csr_matrix:
    """Upper triangle of K + C diag(springs) C^T from the upper triangle of K."""
    scaled = columns @ sp.diags(np.sqrt(springs))
    return sp.csr_matrix(stiffness + sp.triu(scaled @ scaled.T, format="csr"))


def condense(
    stiffness: sp.spmatrix,
    jumps: sp.csc_matrix,
    patches: Patches,
    loads: np.ndarray,
    load_names: Sequence[str],
    *,
    k_ref: np.ndarray,
    bites: sp.spmatrix | np.ndarray | None = None,
    bite_names: Sequence[str] = (),
    bite_spring: float = 0.0,
    joints: sp.spmatrix | None = None,
    joint_springs: np.ndarray | None = None,
    solver: Any = None,
) -> Condensation:
    """Condense the bulk onto patch jumps and bite points by one factorisation with Schur complement.

    Parameters
    ----------
    stiffness : sparse, shape (n_dof, n_dof)
        Upper triangle of the bulk stiffness with its foundations, without interface [N/mm].
    jumps : csc_matrix, shape (n_dof, 3 p)
        From :func:`~femsim.interface.patches.jump_operator`.
    patches : Patches
        The same patches.
    loads : ndarray, shape (n_dof, n_loads)
        Unit loads, one column per name in ``load_names``.
    k_ref : ndarray, shape (3 p,)
        From :func:`reference_stiffness` [N/mm].
    bites : sparse or ndarray, shape (n_dof, n_bites), optional
        Average displacement of every bite point along its normal.
    bite_names : sequence of str
        Their names.
    bite_spring : float
        Reference spring of every bite point [N/mm]; only conditions K0, it has no effect on results.
    joints : sparse, shape (n_dof, 3 j), optional
        From :func:`~femsim.interface.plate_contact.build_joints`.
    joint_springs : ndarray, shape (3 j,), optional
        Their reference springs [N/mm].
    solver : optional
        From ``femsim.fem.solvers.make_solver``; the default is its ``"auto"``.

    Raises
    ------
    InputError
        Sizes or counts that do not fit together.
    ConvergenceError
        K0 is not positive definite or its Schur complement is not symmetric.
    """
    n_bites = 0 if bites is None else bites.shape[1]
    if jumps.shape[1] != 3 * len(patches) or loads.shape[1] != len(load_names) or n_bites != len(bite_names):
        raise InputError(
            f"condensation: {jumps.shape[1]} jump columns for {len(patches)} patches, {loads.shape[1]} loads for "
            f"{len(load_names)} names, {n_bites} bite points for {len(bite_names)} names; they must match"
        )
    parts = [part for part in (jumps, bites, joints) if part is not None]
    columns = jumps if len(parts) == 1 else sp.hstack([sp.csc_matrix(part) for part in parts], format="csc")
    held = np.zeros(0) if joint_springs is None else joint_springs
    springs = np.concatenate([k_ref, np.full(n_bites, bite_spring), held])
    if len(springs) != columns.shape[1] or not (springs > 0).all():
        raise InputError(
            f"condensation: {len(springs)} reference springs for {columns.shape[1]} unknowns; every unknown needs a "
            "positive one, or K0 is singular"
        )
    if solver is None:
        from femsim.fem.solvers import make_solver  # here, so that stored operators are usable without a sparse solver

        solver = make_solver("auto")
    factor, flexibility = solver.factor_with_schur(with_springs(stiffness, columns, springs), columns)
    operator = Operator(
        G=_symmetric(np.asarray(flexibility)),
        k_ref=springs,
        g_loads=np.asarray(columns.T @ factor.solve(np.asarray(loads, dtype=float))),
        load_names=tuple(load_names),
        bite_names=tuple(bite_names),
        areas=patches.area,
    )
    check_semidefinite(operator)
    return Condensation(operator, columns, np.asarray(loads, dtype=float), factor)


def _symmetric(flexibility: np.ndarray) -> np.ndarray:
    asymmetry = np.abs(flexibility - flexibility.T).max() / np.abs(flexibility).max()
    if not asymmetry <= SYMMETRY_TOLERANCE:  # also catches NaN
        raise ConvergenceError(
            f"condensation: the Schur complement is asymmetric by {asymmetry:.1e} (allowed {SYMMETRY_TOLERANCE:g}); "
            "check the mesh for degenerate elements and every bone part for a foundation"
        )
    return 0.5 * (flexibility + flexibility.T)


def check_semidefinite(operator: Operator) -> np.ndarray:
    """Return the eigenvalues of S0 = G^-1 - diag(k_ref) [N/mm], ascending; they must not be negative.

    Raises
    ------
    ConvergenceError
        An eigenvalue is negative beyond round-off: the stiffness given was not positive semidefinite.
    """
    stiffness, _ = operator.bulk_stiffness()
    values = np.asarray(sl.eigvalsh(stiffness))
    if values[0] < -SEMIDEFINITE_TOLERANCE * values[-1]:
        raise ConvergenceError(
            f"condensed bulk stiffness has the eigenvalue {values[0]:.3g} N/mm beside {values[-1]:.3g}; it must not be "
            "negative: check Poisson ratios, moduli and inverted elements"
        )
    return values
