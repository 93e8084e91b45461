"""Where a bone is loaded, held and bitten on: patches for muscles, joints and bites, and the statics between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from femsim.errors import GeometryError
from femsim.geometry.surface import Surface

FACING = 0.3
"""A triangle belongs to a site when its normal has at least this cosine to the site's outward direction; keeps a
patch near an edge from spilling over to the faces behind it."""


@dataclass(frozen=True, eq=False)
class LoadSite:
    """A patch of bone surface on which one muscle (or actuator) pulls.

    Attributes
    ----------
    name : str
        Unique, for example ``"SM_left"``.
    point : ndarray, shape (3,)
        Centre on the bone surface [mm].
    direction : ndarray, shape (3,)
        Unit direction of the pull.
    radius : float
        Radius of the patch [mm].
    force_max : float
        Force at full activation [N].
    muscle : str
        Full name.
    side : str
        ``left``, ``right`` or a block's name.
    """

    name: str
    point: np.ndarray
    direction: np.ndarray
    radius: float
    force_max: float
    muscle: str
    side: str


@dataclass(frozen=True, eq=False)
class Foundation:
    """A patch of bone surface on an elastic layer.

    Attributes
    ----------
    name : str
        Unique, for example ``"condyle_left"``.
    point, normal : ndarray, shape (3,)
        Centre on the bone surface [mm] and unit outward normal of the bone there.
    radius : float
        Radius of the patch [mm].
    stiffness_normal, stiffness_tangential : float
        Foundation stiffness per area [N/mm3].
    """

    name: str
    point: np.ndarray
    normal: np.ndarray
    radius: float
    stiffness_normal: float
    stiffness_tangential: float


@dataclass(frozen=True, eq=False)
class BiteSite:
    """One or more patches of the occlusal surface whose mean displacement along ``normal`` a bite holds.

    Attributes
    ----------
    name : str
        ``incisal``, ``left-first-molar``, ``tooth-46``, ...
    point : ndarray, shape (3,)
        Centre of the first patch [mm].
    normal : ndarray, shape (3,)
        Unit direction in which the bite reaction pushes the jaw (downwards).
    radius : float
        Radius of each patch [mm].
    others : ndarray, shape (k, 3)
        Centres of further patches that share the bite (an intercuspal bite rests on both first molars).
    """

    name: str
    point: np.ndarray
    normal: np.ndarray
    radius: float
    others: np.ndarray

    @property
    def points(self) -> np.ndarray:
        """Centres of all patches, shape (1 + k, 3) [mm]."""
        return np.vstack([self.point[None], self.others])


Site = LoadSite | Foundation | BiteSite


def site_triangles(site: Site, surface: Surface) -> np.ndarray:
    """Numbers of the surface triangles that make up a site's patch.

    A triangle belongs to the patch when its centroid lies within ``radius`` of a centre and it does not face away
    from the patch's outward direction (a foundation's ``normal``, against a bite's ``normal``; for a muscle, the
    normal of the triangle nearest to its point). At least the nearest triangle is returned.

    Parameters
    ----------
    site : LoadSite, Foundation or BiteSite
    surface : Surface
        Bone boundary, the planned one or the mesh's.

    Returns
    -------
    ndarray of int, shape (k,)
    """
    centroids = surface.corners.mean(axis=1)
    normals = surface.area_vectors / np.maximum(np.linalg.norm(surface.area_vectors, axis=1, keepdims=True), 1e-300)
    chosen = np.zeros(len(centroids), dtype=bool)
    for centre in site.points if isinstance(site, BiteSite) else site.point[None]:
        distance = np.linalg.norm(centroids - centre, axis=1)
        nearest = int(np.argmin(distance))
        if isinstance(site, Foundation):
            outward = site.normal
        elif isinstance(site, BiteSite):
            outward = -site.normal
        else:
            outward = normals[nearest]
        patch = (distance < site.radius) & (normals @ outward > FACING)
        patch[nearest] |= not patch.any()
        chosen |= patch
    return np.flatnonzero(chosen)


def site_weights(site: Site, surface: Surface, barycentric: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smooth weight of a site on the triangles of a surface: 2 (1 - (r/R)^2) within its radius R, mean 1 over a disc.

    Where a whole triangle is taken or left, the patch and the stiffness under it jump from mesh to mesh; this weight
    falls to zero at the rim, so that its integrals converge with the mesh.

    Parameters
    ----------
    site : LoadSite, Foundation or BiteSite
    surface : Surface
        Bone boundary.
    barycentric : ndarray, shape (q, 3)
        Points of each triangle.

    Returns
    -------
    triangles : ndarray of int, shape (k,)
        Triangles with any weight.
    weights : ndarray, shape (k, q)

    Raises
    ------
    GeometryError
        No point of the surface lies within the radius.
    """
    corners = surface.corners
    normals = surface.area_vectors / np.maximum(np.linalg.norm(surface.area_vectors, axis=1, keepdims=True), 1e-300)
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max()
    centroids = corners.mean(axis=1)
    found: dict[int, np.ndarray] = {}
    for centre in site.points if isinstance(site, BiteSite) else site.point[None]:
        distance = np.linalg.norm(centroids - centre, axis=1)
        if isinstance(site, Foundation):
            outward = site.normal
        elif isinstance(site, BiteSite):
            outward = -site.normal
        else:
            outward = normals[np.argmin(distance)]
        near = np.flatnonzero((distance < site.radius + longest) & (normals @ outward > FACING))
        points = np.einsum("qc,kci->kqi", barycentric, corners[near])
        weights = 2.0 * np.maximum(1.0 - np.sum((points - centre) ** 2, axis=2) / site.radius**2, 0.0)
        for triangle, row in zip(near, weights, strict=True):
            if row.any():
                found[int(triangle)] = found.get(int(triangle), 0.0) + row
    if not found:
        place = "({:.1f}, {:.1f}, {:.1f}) mm".format(*site.point)
        raise GeometryError(
            f"{site.name}: no bone surface within {site.radius:g} mm of {place}; it may lie on the removed part"
        )
    triangles = np.array(sorted(found))
    return triangles, np.array([found[int(k)] for k in triangles])


@dataclass(frozen=True)
class Statics:
    """Reactions of a rigid jaw.

    Attributes
    ----------
    bite : float
        Bite reaction along the bite's normal [N], positive when the tooth presses on its antagonist.
    condyles : dict of str to float
        Vertical joint reaction per foundation [N], positive when it pushes the jaw downwards.
    forward : float
        Total anteroposterior joint reaction [N], positive backwards (+y).
    """

    bite: float
    condyles: dict[str, float]
    forward: float


def rigid_statics(
    points: np.ndarray, forces: np.ndarray, bite_points: np.ndarray, condyles: dict[str, np.ndarray]
) -> Statics:
    """Reactions of a rigid jaw held vertically at a bite and at two condyles.

    The bite acts straight down and is shared equally by its points. Moments about the line through the condyles give
    the bite, moments in the frontal plane share the rest of the vertical force between the condyles.

    Parameters
    ----------
    points, forces : ndarray, shape (n, 3)
        Attachments [mm] and muscle forces [N].
    bite_points : ndarray, shape (k, 3)
        [mm]
    condyles : dict of str to ndarray (3,)
        Exactly two [mm].

    Raises
    ------
    ValueError
        Not two condyles, or a bite on the line through them.
    """
    if len(condyles) != 2:
        raise ValueError(f"rigid statics needs two condyles, got {len(condyles)}")
    (first, a), (second, b) = condyles.items()
    middle = 0.5 * (a + b)
    hinge = (b - a) / np.linalg.norm(b - a)
    moment = np.cross(points - middle, forces).sum(axis=0)
    # Moment of a unit downward force shared by the bite's points.
    unit = np.cross(bite_points.mean(axis=0) - middle, [0.0, 0.0, -1.0])
    if abs(unit @ hinge) < 1.0:
        raise ValueError("the bite lies on the line through the condyles")
    bite = float(-(moment @ hinge) / (unit @ hinge))
    total = forces.sum(axis=0)
    vertical = total[2] - bite
    rest = moment + bite * unit
    # Downward reactions R at a and b: sum = vertical, and their moment about the sagittal (y) axis cancels the rest.
    lever_a, lever_b = (a - middle)[0], (b - middle)[0]
    share = np.linalg.solve([[1.0, 1.0], [lever_a, lever_b]], [vertical, -rest[1]])
    return Statics(bite, {first: float(share[0]), second: float(share[1])}, float(-total[1]))


def operation_statics(
    loads: tuple[LoadSite, ...],
    foundations: tuple[Foundation, ...],
    bite: BiteSite,
    activation: dict[str, float],
) -> Statics:
    """Rigid reactions of a planned jaw for an activation pattern; the start value of the bite-force scaling."""
    points = np.array([site.point for site in loads])
    forces = np.array([activation[site.name] * site.force_max * site.direction for site in loads])
    return rigid_statics(points, forces, bite.points, {f.name: f.point for f in foundations})
