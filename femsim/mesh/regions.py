"""From raw tetrahedra to parts: classification, crumbs, separate vertices for bone and hardware, the interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from femsim.geometry.surface import Surface
from femsim.mesh.tetmesh import BONE, PLATE, SCREW_FIRST, Interface, face_pairs, tet_volumes

if TYPE_CHECKING:
    from femsim.geometry.operation import Operation

OUTSIDE = 0
# A loose piece without a screw, below this share of its body's volume, is a crumb of the coarsening and is dropped.
CRUMB_SHARE = 0.005
# Passes of the label clean-up; it settles in two or three.
SMOOTHING_PASSES = 4


def classify(operation: Operation, bone: Surface, points: np.ndarray) -> np.ndarray:
    """Region at ``points``, shape (n, 3): screw before plate before bone before outside (0)."""
    region = np.full(len(points), OUTSIDE, dtype=np.int32)
    inside = bone.contains(points)
    if operation.resection is not None and inside.any():
        inside[inside] = ~operation.resection.removed(points[inside])
    if operation.graft is not None:
        inside |= operation.graft.contains(points)
    region[inside] = BONE
    for number, plate in enumerate(operation.plates):
        region[plate.contains(points)] = PLATE + number
    for number, screw in enumerate(operation.screws):
        region[screw.contains(points)] = SCREW_FIRST + number
    return region


def smooth_labels(tets: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Give a tetrahedron that sticks out of its region by three or four faces the region around it.

    Flat tetrahedra on a surface have centroids that fall on either side of it; left alone they make the surface rough.
    """
    region = region.copy()
    _, first, second = face_pairs(tets)
    owner, other = np.r_[first, second], np.r_[second, first]
    for _ in range(SMOOTHING_PASSES):
        count = np.bincount(owner[region[owner] != region[other]], minlength=len(tets))
        rough = np.flatnonzero(count >= 3)
        if len(rough) == 0:
            break
        region[rough] = _majority(owner, other, region, rough)
    return region


def _majority(owner: np.ndarray, other: np.ndarray, region: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Most frequent region among the face neighbours of each chosen tetrahedron; its own when none has two votes."""
    at = np.full(int(owner.max()) + 1, -1)
    at[chosen] = np.arange(len(chosen))
    near = at[owner] >= 0
    labels, column = np.unique(region[other[near]], return_inverse=True)
    votes = np.zeros((len(chosen), len(labels)), dtype=int)
    np.add.at(votes, (at[owner[near]], column), 1)
    return np.where(votes.max(axis=1) >= 2, labels[votes.argmax(axis=1)], region[chosen]).astype(np.int32)


def pieces(tets: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Number the face-connected pieces of the chosen tetrahedra, -1 elsewhere; shape (m,)."""
    result = np.full(len(tets), -1, dtype=np.int32)
    local = tets[chosen]
    if len(local) == 0:
        return result
    _, first, second = face_pairs(local)
    graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(len(local), len(local)))
    result[chosen] = connected_components(graph, directed=False)[1]
    return result


def drop_crumbs(points: np.ndarray, tets: np.ndarray, region: np.ndarray) -> tuple[np.ndarray, int]:
    """Mark loose crumbs of bone and of hardware as outside.

    Returns
    -------
    region : ndarray, shape (m,)
    dropped : int
        Number of tetrahedra dropped.
    """
    region = region.copy()
    volumes = np.abs(tet_volumes(points, tets))
    held = np.zeros(len(tets), dtype=bool)
    _, first, second = face_pairs(tets)
    for one, two in ((first, second), (second, first)):
        held[one[(region[one] == BONE) & (region[two] >= SCREW_FIRST)]] = True
    bodies = [region == BONE, region >= PLATE, *(region == label for label in np.unique(region[region >= SCREW_FIRST]))]
    dropped = 0
    for body in bodies:
        piece = pieces(tets, body)
        size = np.bincount(piece[body], weights=volumes[body])
        touched = np.bincount(piece[body], weights=held[body]) > 0
        share = size / max(size.sum(), np.finfo(float).tiny)
        # A speck that touches a screw may go too, when it is far too small to be a stump.
        loose = body & np.isin(piece, np.flatnonzero(((share < CRUMB_SHARE) & ~touched) | (share < 0.1 * CRUMB_SHARE)))
        dropped += int(loose.sum())
        region[loose] = OUTSIDE
    return region, dropped


def in_unions(operation: Operation, points: np.ndarray, tets: np.ndarray) -> np.ndarray:
    """Whether each tetrahedron is soft tissue that joins a graft's struts and the stumps, shape (m,)."""
    if operation.graft is None:
        return np.zeros(len(tets), dtype=bool)
    return operation.graft.in_unions(points[tets].mean(axis=1))


def bone_components(points: np.ndarray, tets: np.ndarray, bone: np.ndarray) -> np.ndarray:
    """Piece of each tetrahedron of ``bone`` (m,), largest first, -1 elsewhere; shape (m,).

    A speck of bone that only hangs on the union of a graft counts as part of the union: -1.
    """
    piece = pieces(tets, bone)
    size = np.bincount(piece[bone], weights=tet_volumes(points, tets)[bone])
    rank = np.empty(len(size), dtype=np.int32)
    rank[np.argsort(-size, kind="stable")] = np.arange(len(size))
    rank[size < CRUMB_SHARE * size.sum()] = -1
    piece[bone] = rank[piece[bone]]
    return piece


def compacted(points: np.ndarray, tets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points that are used, tetrahedra renumbered to them, and the old number of every point."""
    used, inverse = np.unique(tets, return_inverse=True)
    return points[used], inverse.reshape(tets.shape).astype(np.int32), used


def separated(
    points: np.ndarray, tets: np.ndarray, region: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Interface]:
    """Give bone and hardware vertices of their own and list the faces they share.

    Returns
    -------
    points, tets, region
        Bone first, then hardware; every vertex belongs to one of the two.
    interface : Interface
        Faces between a screw and bone.
    """
    order = np.argsort(region >= PLATE, kind="stable")
    tets, region = tets[order], region[order]
    bone = region == BONE
    new = np.empty_like(tets, dtype=np.int32)
    bone_points, new[bone], bone_old = compacted(points, tets[bone])
    metal_points, new[~bone], metal_old = compacted(points, tets[~bone])
    new[~bone] += len(bone_points)
    number_in_bone = np.full(len(points), -1)
    number_in_metal = np.full(len(points), -1)
    number_in_bone[bone_old] = np.arange(len(bone_old))
    number_in_metal[metal_old] = np.arange(len(metal_old)) + len(bone_points)

    faces, first, second = face_pairs(tets)
    from_screw = (region[first] >= SCREW_FIRST) & (region[second] == BONE)
    from_bone = (region[second] >= SCREW_FIRST) & (region[first] == BONE)
    # Faces are outward of their first tetrahedron; turn those seen from the bone.
    faces = np.vstack([faces[from_screw], faces[from_bone][:, [0, 2, 1]]])
    screw_tets = np.r_[first[from_screw], second[from_bone]]
    bone_tets = np.r_[second[from_screw], first[from_bone]]
    screw = region[screw_tets] - SCREW_FIRST
    sort = np.lexsort((screw_tets, screw))
    interface = Interface(
        screw=screw[sort].astype(np.int32),
        bone_triangles=number_in_bone[faces[sort]].astype(np.int32),
        screw_triangles=number_in_metal[faces[sort]].astype(np.int32),
        bone_tets=bone_tets[sort].astype(np.int32),
        screw_tets=screw_tets[sort].astype(np.int32),
    )
    return np.vstack([bone_points, metal_points]), new, region, interface
