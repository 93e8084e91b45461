"""The static model of one operation: space, moduli, stiffness with foundations, unit loads, bite points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from femsim.fem.assembly import add_symmetric, assemble_stiffness, upper_pattern
from femsim.fem.boundary import FACE_POINTS, average_displacement, foundation_stiffness, surface_force
from femsim.fem.cortex import cortical_anisotropy, depth_and_thickness, material_axes
from femsim.fem.density import MeasuredBone
from femsim.fem.materials import Anisotropy, Elasticity, class_young, is_cortical, region_moduli
from femsim.fem.spaces import Space
from femsim.fem.stress import stress
from femsim.geometry.graft import Graft
from femsim.geometry.operation import Operation
from femsim.geometry.sites import BiteSite, Foundation, LoadSite, Site, site_weights
from femsim.geometry.surface import Surface
from femsim.mesh.tetmesh import BONE, PLATE, SCREW_FIRST, Mesh

StiffnessRatios = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Points (n, 3) to the cortical and cancellous stiffness over that of healthy bone, (n,) each."""


@dataclass(frozen=True, eq=False)
class StaticModel:
    """Everything linear about one operated jaw on one day.

    Attributes
    ----------
    mesh : Mesh
    space : Space
    young : ndarray, shape (m, q)
        Young's modulus at the quadrature points [MPa]; in orthotropic bone that of the isotropic option, for pictures.
    poisson : ndarray, shape (m,)
    cortical : ndarray of bool, shape (b, q)
        Bone class at the quadrature points of the bone cells, in their order.
    healthy : ndarray, shape (b, q)
        Young's modulus there without irradiation [MPa]; the cap and the softest modulus of a CT are applied.
    stiffness : csr_matrix, shape (n_dof, n_dof)
        Upper triangle of bone, hardware and foundations, without the screw-bone interface [N/mm].
    foundations : dict of str to csr_matrix
        Full stiffness of each foundation, for its reaction.
    loads : ndarray, shape (n_dof, n_loads)
        Each load site at its full force [N].
    load_names : tuple of str
    bites : csc_matrix, shape (n_dof, n_bites)
        Columns c with ``c @ u`` the average displacement of a bite along its normal.
    bite_names : tuple of str
    anisotropy : Anisotropy, optional
        Bone cells with orthotropic cortex.
    """

    mesh: Mesh
    space: Space
    young: np.ndarray
    poisson: np.ndarray
    cortical: np.ndarray
    healthy: np.ndarray
    stiffness: sp.csr_matrix
    foundations: dict[str, sp.csr_matrix]
    loads: np.ndarray
    load_names: tuple[str, ...]
    bites: sp.csc_matrix
    bite_names: tuple[str, ...]
    anisotropy: Anisotropy | None = None

    @property
    def bone_cells(self) -> np.ndarray:
        """Numbers of the bone cells, (b,)."""
        return np.flatnonzero(self.mesh.region == BONE)

    def stresses(self, strains: np.ndarray) -> np.ndarray:
        """Return the stresses of strains at points of every cell, both (m, q, 6) [MPa]."""
        return stress(strains, self.young, self.poisson, self.anisotropy)


def build_model(
    operation: Operation,
    mesh: Mesh,
    elasticity: Elasticity,
    ratios: StiffnessRatios,
    *,
    degree: int = 2,
    measured: MeasuredBone | None = None,
) -> StaticModel:
    """Assemble the static model of an operation.

    Parameters
    ----------
    operation : Operation
    mesh : Mesh
        Of the same operation.
    elasticity : Elasticity
        Healthy moduli.
    ratios : callable
        Stiffness left by irradiation; ones for healthy bone.
    degree : int
        2, or 1 to study locking.
    measured : MeasuredBone, optional
        The jaw's own bone from a CT, instead of cortex by depth.
    """
    space = Space(mesh.points, mesh.tets, degree)
    constants = moduli(operation, mesh, space, elasticity, ratios, measured)
    young, poisson, anisotropy = constants.young, constants.poisson, constants.anisotropy
    surface = Surface(mesh.points, mesh.free_triangles(BONE).astype(np.int64))
    sites: list[Site] = [*operation.loads, *operation.foundations, *operation.bites]
    patches = {site.name: _patch(site, surface) for site in sites}
    foundations = {site.name: _foundation(space, patches[site.name], site) for site in operation.foundations}
    stiffness = assemble_stiffness(space, upper_pattern(space), young, poisson, anisotropy=anisotropy)
    loads = [_load(space, patches[site.name], site) for site in operation.loads]
    bites = [sp.csc_matrix(_bite(space, patches[site.name], site).reshape(-1, 1)) for site in operation.bites]
    return StaticModel(
        mesh=mesh,
        space=space,
        young=young,
        poisson=poisson,
        cortical=constants.cortical,
        healthy=constants.healthy,
        stiffness=add_symmetric(stiffness, *foundations.values()),
        foundations=foundations,
        loads=np.column_stack(loads) if loads else np.zeros((space.n_dof, 0)),
        load_names=tuple(site.name for site in operation.loads),
        bites=sp.hstack(bites, format="csc") if bites else sp.csc_matrix((space.n_dof, 0)),
        bite_names=tuple(site.name for site in operation.bites),
        anisotropy=anisotropy,
    )


@dataclass(frozen=True, eq=False)
class Moduli:
    """Elastic constants of every cell, as the attributes of the same names of :class:`StaticModel`."""

    young: np.ndarray
    poisson: np.ndarray
    cortical: np.ndarray
    healthy: np.ndarray
    anisotropy: Anisotropy | None


def moduli(
    operation: Operation,
    mesh: Mesh,
    space: Space,
    elasticity: Elasticity,
    ratios: StiffnessRatios,
    measured: MeasuredBone | None = None,
) -> Moduli:
    """Return the elastic constants on the day of surgery.

    Cortex reaches from the original surface of the jaw to its local thickness: a cut face is not lined with cortex.
    With a CT the jaw's own bone has the modulus and the class of its density instead.
    """
    bone = np.flatnonzero(mesh.region == BONE)
    points = space.quadrature_points()
    flat, shape = points[bone].reshape(-1, 3), points[bone].shape[:2]
    strut, union = _grafted(operation.graft, flat, shape)
    depth = None
    if measured is None:
        depth, thickness = depth_and_thickness(operation, space, bone)
        cortical = is_cortical(depth @ space.barycentric.T, thickness @ space.barycentric.T)
        healthy = class_young(cortical, elasticity)
    else:
        cortical, healthy = _measured(measured, flat, ~(strut | union))
    cortical_ratio, cancellous_ratio = (np.reshape(r, shape) for r in ratios(flat))
    young, poisson = region_moduli(
        np.where(mesh.plates, PLATE, mesh.region),
        shape[1],
        elasticity,
        bone=BONE,
        plate=PLATE,
        bone_moduli=healthy * np.where(cortical, cortical_ratio, cancellous_ratio),
        bone_cortical=cortical,
    )
    jaw = cortical & ~(strut | union)
    if operation.graft is not None:
        young[bone], poisson[bone], cortical = _with_graft(
            operation.graft, points[bone], strut, union, young[bone], poisson[bone], cortical, elasticity
        )
        healthy = np.where(strut | union, young[bone], healthy)
    _thin_to_core(operation, mesh, points, young)
    anisotropy = None
    if elasticity.orthotropic is not None:
        if depth is None:
            raise ValueError("the moduli of a CT are isotropic; they cannot be joined with orthotropic cortex")
        axes = material_axes(operation, space, bone, depth)
        anisotropy = cortical_anisotropy(
            elasticity.orthotropic, axes, bone, jaw, cortical_ratio, young[bone], poisson[bone]
        )
    return Moduli(young, poisson, cortical, healthy, anisotropy)


def _measured(measured: MeasuredBone, flat: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class and healthy modulus (b, q) where the bone is the jaw's own; a graft is not in the scan."""
    found = measured.at(flat[own.ravel()])
    cortical, healthy = np.zeros(own.shape, dtype=bool), np.zeros(own.shape)
    cortical[own], healthy[own] = found.cortical, found.young
    return cortical, healthy


def _thin_to_core(operation: Operation, mesh: Mesh, points: np.ndarray, young: np.ndarray) -> None:
    """Soften the screws in place to the bending stiffness of their core."""
    for number, screw in enumerate(operation.screws):
        cells = np.flatnonzero(mesh.region == SCREW_FIRST + number)
        plate = next(plate for plate in operation.plates if plate.name == screw.plate_name)
        axial, _, _ = screw.coordinates(points[cells].reshape(-1, 3))
        # The mesh shows the outer thread; between the threads only the core bends: I_core / I_outer = (d_c / d)^4.
        # Inside the plate the locking head fills the hole, so it stays solid.
        core = (screw.core_diameter / screw.diameter) ** 4
        young[cells] *= np.where(axial > plate.thickness, core, 1.0).reshape(len(cells), -1)


def _grafted(graft: Graft | None, flat: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the points in struts and in unions, of the given shape."""
    if graft is None:
        return np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    return graft.in_struts(flat).reshape(shape), graft.in_unions(flat).reshape(shape)


def _with_graft(
    graft: Graft,
    points: np.ndarray,
    strut: np.ndarray,
    union: np.ndarray,
    young: np.ndarray,
    poisson: np.ndarray,
    cortical: np.ndarray,
    elasticity: Elasticity,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moduli (b, q), Poisson's ratios (b,) and class (b, q) with struts and unions put in."""
    if elasticity.graft is None:
        raise ValueError("the operation has a graft and the elasticity has no constants for it")
    wall = strut & (graft.depth(points.reshape(-1, 3)).reshape(cortical.shape) < graft.cortex)
    young = np.where(wall, elasticity.graft.young, np.where(strut, elasticity.cancellous_young, young))
    young = np.where(union, elasticity.graft.union_young, young)
    poisson = np.where(strut.mean(axis=1) >= 0.5, elasticity.graft.poisson, poisson)
    poisson = np.where(union.mean(axis=1) >= 0.5, elasticity.graft.union_poisson, poisson)
    return young, poisson, np.where(strut, wall, cortical & ~union)


Patch = tuple[np.ndarray, np.ndarray]
"""Boundary triangles (k, 3) of a site and its weights (k, q) on them."""


def _patch(site: Site, surface: Surface) -> Patch:
    chosen, weights = site_weights(site, surface, FACE_POINTS)
    return surface.triangles[chosen], weights


def _foundation(space: Space, patch: Patch, site: Foundation) -> sp.csr_matrix:
    return foundation_stiffness(space, patch[0], site.stiffness_normal, site.stiffness_tangential, patch[1])


def _load(space: Space, patch: Patch, site: LoadSite) -> np.ndarray:
    return surface_force(space, patch[0], site.force_max * site.direction, patch[1])


def _bite(space: Space, patch: Patch, site: BiteSite) -> np.ndarray:
    return average_displacement(space, patch[0], site.normal, patch[1])
