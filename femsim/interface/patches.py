"""Patches of the screw-bone interface: rings x sectors of every screw, their frames, and the averaged jump operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from femsim.errors import InputError, MeshError
from femsim.interface.law import LawConstants

SMALLEST_PATCH = 0.25
"""Patches below this share of the screw's median patch area join a neighbour: their averages would rest on one face."""

RING_PITCHES = 1.5
"""Length of a ring in thread pitches: two or three element edges, so that a patch averages over a dozen faces."""

END_FACE_COSINE = 0.7
"""Faces whose normal is within about 45 degrees of the axis are the screw's ends; drill holes run past the tip."""


class ScrewGeometry(Protocol):
    """What a screw must tell: ``femsim.geometry`` screws fit."""

    @property
    def name(self) -> str: ...
    @property
    def head(self) -> np.ndarray: ...
    @property
    def axis(self) -> np.ndarray: ...
    @property
    def pitch(self) -> float: ...
    @property
    def thread_depth(self) -> float: ...


@dataclass(frozen=True, eq=False)
class Patches:
    """Interface patches of all screws.

    Attributes
    ----------
    screw, ring, sector : ndarray of int, shape (p,)
        Screw number, ring from the first bone met (``RING_PITCHES`` pitches each) and sector around the axis.
    area : ndarray, shape (p,)
        Area [mm2].
    centre : ndarray, shape (p, 3)
        Area centre [mm].
    directions : ndarray, shape (p, 3, 3)
        Rows: unit vectors outward radial, axial (head to tip), circumferential (axial x radial).
    depth : ndarray, shape (p,)
        Distance of the centre from the head along the axis [mm].
    thread_shape : ndarray, shape (p,)
        Chapman's thread shape factor of the patch's screw.
    face : ndarray of int, shape (f,)
        Patch of every face of the mesh interface; -1 for end faces, which carry nothing.
    face_area : ndarray, shape (f,)
        Area of every face [mm2].
    screw_names : tuple of str
        One per screw.
    """

    screw: np.ndarray
    ring: np.ndarray
    sector: np.ndarray
    area: np.ndarray
    centre: np.ndarray
    directions: np.ndarray
    depth: np.ndarray
    thread_shape: np.ndarray
    face: np.ndarray
    face_area: np.ndarray
    screw_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.area)

    @property
    def n_screws(self) -> int:
        """Number of screws."""
        return len(self.screw_names)

    def per_screw(self, values: np.ndarray) -> np.ndarray:
        """Sum of ``values`` (p,) over the patches of each screw, shape (n_screws,)."""
        return np.bincount(self.screw, weights=values, minlength=self.n_screws)

    def arrays(self) -> dict[str, np.ndarray]:
        """All data as plain arrays, to be saved in an npz file."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Patches:
        """Rebuild from :meth:`arrays`."""
        names = tuple(str(name) for name in arrays["screw_names"])
        return cls(**{f.name: arrays[f.name] for f in fields(cls) if f.name != "screw_names"}, screw_names=names)


def build_patches(
    mesh: Any,
    screws: Sequence[ScrewGeometry],
    constants: LawConstants,
    *,
    sectors: int = 8,
    ring_length: float | None = None,
) -> Patches:
    """Group the interface faces of every screw by ring and sector.

    Parameters
    ----------
    mesh : Mesh
        With ``points`` and ``interface`` (``screw``, ``screw_triangles``).
    screws : sequence
        The screws, in the mesh's numbering.
    constants : LawConstants
        For the thread shape factor.
    sectors : int
        Sectors around the axis.
    ring_length : float, optional
        Target length of a ring [mm]; ``RING_PITCHES`` of each screw's own pitches by default.

    Raises
    ------
    InputError
        Fewer than four sectors (bearing could not tell directions apart) or a ring length that is not positive.
    MeshError
        A screw without any interface face on its side.
    """
    if sectors < 4:
        raise InputError(f"interface patches: {sectors} sectors per ring; at least 4 are needed")
    if ring_length is not None and not ring_length > 0:
        raise InputError(f"interface patches: ring length {ring_length} mm; it must be positive")
    corners = mesh.points[mesh.interface.screw_triangles]
    normal = 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    face_area = np.linalg.norm(normal, axis=1)
    face = np.full(len(face_area), -1)
    rows: list[dict[str, np.ndarray]] = []
    count = 0
    for number, screw in enumerate(screws):
        steep = np.abs(normal @ screw.axis) > END_FACE_COSINE * face_area
        mine = np.flatnonzero((mesh.interface.screw == number) & ~steep)
        if len(mine) == 0:
            raise MeshError(f"screw {screw.name}: no face touches bone; use a finer mesh or a screw that reaches bone")
        length = ring_length or RING_PITCHES * screw.pitch
        label, row = _screw_patches(screw, corners[mine], face_area[mine], sectors, length)
        row["screw"] = np.full(len(row["area"]), number)
        row["thread_shape"] = np.full(len(row["area"]), constants.thread_shape(screw.thread_depth, screw.pitch))
        face[mine] = label + count
        count += len(row["area"])
        rows.append(row)
    data = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
    return Patches(**data, face=face, face_area=face_area, screw_names=tuple(screw.name for screw in screws))


def _screw_patches(
    screw: ScrewGeometry, corners: np.ndarray, area: np.ndarray, sectors: int, ring_length: float
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Patch number of each face of one screw, and the patches' data."""
    axis = np.asarray(screw.axis, dtype=float)
    first, second = _transverse(axis)
    centres = corners.mean(axis=1)
    from_head = centres - screw.head
    depth = from_head @ axis
    radial = from_head - depth[:, None] * axis
    angle = np.arctan2(radial @ second, radial @ first) % (2 * np.pi)
    sector = np.minimum((angle * sectors / (2 * np.pi)).astype(int), sectors - 1)
    reached = (corners - screw.head) @ axis
    start, length = reached.min(), np.ptp(reached)
    n_rings = max(1, round(length / ring_length))
    ring = np.minimum(((depth - start) / length * n_rings).astype(int), n_rings - 1)
    label = _merge_small(ring * sectors + sector, area, n_rings, sectors)
    kept, label = np.unique(label, return_inverse=True)
    total = np.bincount(label, weights=area)
    outward = _averaged(radial / np.linalg.norm(radial, axis=1, keepdims=True), area, label, total)
    outward -= np.outer(outward @ axis, axis)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    along = np.broadcast_to(axis, outward.shape)
    directions = np.stack([outward, along, np.cross(along, outward)], axis=1)
    centre = _averaged(centres, area, label, total)
    return label, {
        "ring": kept // sectors,
        "sector": kept % sectors,
        "area": total,
        "centre": centre,
        "directions": directions,
        "depth": (centre - screw.head) @ axis,
    }


def _merge_small(label: np.ndarray, area: np.ndarray, n_rings: int, sectors: int) -> np.ndarray:
    """Join patches that are too small to the largest neighbour (same ring first choice by area)."""
    label = label.copy()
    size = np.bincount(label, weights=area, minlength=n_rings * sectors)
    limit = SMALLEST_PATCH * np.median(size[size > 0])
    for patch in np.argsort(size, kind="stable"):
        if not 0 < size[patch] < limit:
            continue
        ring, sector = divmod(int(patch), sectors)
        near = [ring * sectors + (sector + step) % sectors for step in (-1, 1)]
        near += [other * sectors + sector for other in (ring - 1, ring + 1) if 0 <= other < n_rings]
        best = max(near, key=lambda other: size[other])
        if size[best] > 0:
            label[label == patch] = best
            size[best] += size[patch]
            size[patch] = 0.0
    return label


def _averaged(vectors: np.ndarray, area: np.ndarray, label: np.ndarray, total: np.ndarray) -> np.ndarray:
    columns = [np.bincount(label, weights=area * vectors[:, k]) / total for k in range(3)]
    return np.column_stack(columns)


def _transverse(axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors across the axis; sector 0 starts at the one that points up as far as possible."""
    up = np.array([0.0, 0.0, 1.0]) if abs(axis[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    first = up - (up @ axis) * axis
    first /= np.linalg.norm(first)
    return first, np.cross(axis, first)


def jump_operator(space: Any, mesh: Any, patches: Patches) -> sp.csc_matrix:
    """Averaged jump operator C: ``C.T @ u`` holds the mean of (u_screw - u_bone) . direction on every patch.

    Parameters
    ----------
    space : Space
        With ``face_nodes(triangles)`` giving 3 or 6 nodes (vertices, then mid-edges), and ``n_dof``.
    mesh : Mesh
        With ``interface``.
    patches : Patches
        From :func:`build_patches` of the same mesh.

    Returns
    -------
    csc_matrix, shape (n_dof, 3 p)
        Column ``3 * patch + (0 radial, 1 axial, 2 circumferential)``.
    """
    used = patches.face >= 0
    patch = patches.face[used]
    share = patches.face_area[used] / patches.area[patch]
    rows, columns, values = [], [], []
    for triangles, sign in ((mesh.interface.screw_triangles, 1.0), (mesh.interface.bone_triangles, -1.0)):
        nodes = np.asarray(space.face_nodes(triangles[used]))
        # Integrals of shape functions over a straight triangle: linear A/3 at vertices; quadratic 0, A/3 at mid-edges.
        nodes = nodes[:, 3:] if nodes.shape[1] == 6 else nodes
        shape = (len(patch), 3, 3, 3)  # face, node, direction, component
        rows.append(np.broadcast_to(3 * nodes[:, :, None, None] + np.arange(3), shape).ravel())
        columns.append(np.broadcast_to(3 * patch[:, None, None, None] + np.arange(3)[:, None], shape).ravel())
        weight = sign / 3.0 * share[:, None, None, None] * patches.directions[patch][:, None]
        values.append(np.broadcast_to(weight, shape).ravel())
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sp.coo_matrix(entries, shape=(space.n_dof, 3 * len(patches))).tocsc()
