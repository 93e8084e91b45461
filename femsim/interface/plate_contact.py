"""Where the heads of unlocked screws press on their plate and the plate on bone: joints and their averaged jumps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from femsim.errors import MeshError
from femsim.interface.joints import PAD, SEAT, JointConstants, JointLaw
from femsim.interface.patches import ScrewGeometry
from femsim.mesh.release import HoleWalls
from femsim.mesh.tetmesh import BONE, Mesh

QUADRANTS = 4
"""Joints of one kind around a screw: few, yet a head that tilts and a plate that rocks lift on one side."""

FACING = 0.5
"""A face takes part in a pad when its normal lies within 60 degrees of the screw's axis."""

DEEPEST = 4.0
"""Bone farther than this below the plate [mm] is not what the plate is pressed onto."""


class UnlockedScrew(ScrewGeometry, Protocol):
    """What a screw that is not locked must tell besides: ``femsim.geometry`` screws fit."""

    @property
    def diameter(self) -> float: ...
    @property
    def bone_entry(self) -> float: ...
    @property
    def frame(self) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Joints:
    """Joints of all unlocked screws.

    Attributes
    ----------
    law : JointLaw
    columns : csc_matrix, shape (n_dof, 3 j)
        ``columns.T @ u`` holds normal, first and second tangential jump of every joint: (screw - plate) in a seat,
        (plate - bone) in a pad.
    """

    law: JointLaw
    columns: sp.csc_matrix


def build_joints(
    space: Any,
    mesh: Mesh,
    walls: HoleWalls,
    screws: Sequence[UnlockedScrew],
    plates: Mapping[int, tuple[int, float]],
    constants: JointConstants,
    preload: Mapping[int, float],
    softness: float = 1.0,
) -> Joints:
    """Cut the wall of every unlocked hole and the bone under the plate around it into joints.

    The plate may stand off the bone in the mesh: the pad bridges that distance with a rigid arm from the bone, as a
    plate bent onto the bone has none.

    Parameters
    ----------
    space : Space
        Of ``mesh``.
    mesh : Mesh
        From :func:`femsim.mesh.release.released`.
    walls : HoleWalls
        From the same call.
    screws : sequence
        All screws, in the mesh's numbering.
    plates : mapping of int to (int, float)
        Unlocked screw to the region of its plate and the radius of its pad [mm].
    constants : JointConstants
    preload : mapping of int to float
        Of every unlocked screw [N].
    softness : float
        Modulus of the bone under the plate over the reference modulus of the bearing stiffness.

    Raises
    ------
    MeshError
        A plate with no bone under it at a screw.
    """
    bone = mesh.free_triangles(BONE)
    numbers, kinds, areas, columns = [], [], [], []
    for number, (region, radius) in plates.items():
        screw = screws[number]
        directions = screw.frame[[2, 0, 1]]
        own = walls.screw == number
        pairs = _quadrants(mesh.points, screw, walls.screw_triangles[own], walls.plate_triangles[own])
        for on_screw, on_plate in pairs:
            numbers.append(number)
            kinds.append(SEAT)
            areas.append(_areas(mesh.points, on_screw).sum())
            columns.append(_mean(space, on_screw, directions) - _mean(space, on_plate, directions))
        under = _near(mesh.points, mesh.free_triangles(region), screw, radius, 1.0)
        below = _near(mesh.points, bone, screw, radius, -1.0)
        pads = _facing_quadrants(mesh.points, screw, under, below)
        if not pads:
            raise MeshError(
                f"{screw.name}: no bone under the plate within {radius:g} mm; a screw that is not locked needs bone to "
                "press the plate onto: move the plate, or use locking screws"
            )
        for on_plate, on_bone in pads:
            numbers.append(number)
            kinds.append(PAD)
            areas.append(min(_areas(mesh.points, on_plate).sum(), _areas(mesh.points, on_bone).sum()))
            place = _centre(mesh.points, on_plate)
            columns.append(_mean(space, on_plate, directions) - _mean(space, on_bone, directions, place))
    law = JointLaw.of(np.array(numbers), kinds, np.array(areas), constants, preload, softness)
    return Joints(law, sp.csc_matrix(sp.hstack(columns, format="csc")))


def _areas(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return np.asarray(0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1))


def _quadrant(points: np.ndarray, screw: UnlockedScrew, triangles: np.ndarray) -> np.ndarray:
    """Quadrant around the axis (f,) of every triangle, by its centroid."""
    local = (points[triangles].mean(axis=1) - screw.head) @ screw.frame[:2].T
    angle = np.arctan2(local[:, 1], local[:, 0]) % (2 * np.pi)
    return np.minimum((angle * QUADRANTS / (2 * np.pi)).astype(int), QUADRANTS - 1)


def _quadrants(
    points: np.ndarray, screw: UnlockedScrew, first: np.ndarray, second: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Corresponding triangles of two sides, by the quadrant of the first."""
    place = _quadrant(points, screw, first)
    return [(first[place == k], second[place == k]) for k in range(QUADRANTS) if (place == k).any()]


def _facing_quadrants(
    points: np.ndarray, screw: UnlockedScrew, first: np.ndarray, second: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Triangles of two sides that face each other, quadrant by quadrant; one that lacks a side is left out."""
    here, there = _quadrant(points, screw, first), _quadrant(points, screw, second)
    both = [k for k in range(QUADRANTS) if (here == k).any() and (there == k).any()]
    return [(first[here == k], second[there == k]) for k in both]


def _near(points: np.ndarray, triangles: np.ndarray, screw: UnlockedScrew, radius: float, sign: float) -> np.ndarray:
    """Triangles around the screw, outside its thread, whose outward normal has the given sign along the axis."""
    corners = points[triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = sign * (normal @ screw.axis) > FACING * np.linalg.norm(normal, axis=1)
    away = corners.mean(axis=1) - screw.head
    depth = away @ screw.axis
    across = np.linalg.norm(away - depth[:, None] * screw.axis, axis=1)
    within = (across > screw.diameter / 2) & (across < radius) & (np.abs(depth - screw.bone_entry) < DEEPEST)
    return triangles[facing & within]


def _centre(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area centre of triangles (3,)."""
    area = _areas(points, triangles)
    return np.asarray(area @ points[triangles].mean(axis=1) / area.sum())


def _mean(space: Any, triangles: np.ndarray, directions: np.ndarray, place: np.ndarray | None = None) -> sp.csc_matrix:
    """Columns (n_dof, 3) that give the mean displacement of triangles along three directions (3, 3).

    With a ``place`` away from them it is the displacement there of what moves and turns with the triangles as they do
    on average (least squares): a force there then reaches them with its moment, and nothing pulls itself round.
    """
    nodes = np.asarray(space.face_nodes(triangles))
    # Integrals of shape functions over a straight triangle: linear A/3 at vertices; quadratic 0, A/3 at mid-edges.
    nodes = nodes[:, 3:] if nodes.shape[1] == 6 else nodes
    area = _areas(space.nodes, triangles)
    weight = np.repeat(area / area.sum() / 3.0, 3)
    vectors = np.broadcast_to(directions[None], (nodes.size, 3, 3))  # node, direction, component
    if place is not None:
        points = space.nodes[nodes.ravel()]
        centre = weight @ points
        arms = points - centre
        inertia = np.einsum("n,nk,nk->", weight, arms, arms) * np.eye(3) - np.einsum("n,ni,nj->ij", weight, arms, arms)
        spins = np.linalg.solve(inertia, np.cross(place - centre, directions).T).T
        vectors = vectors + np.cross(spins[None], arms[:, None])
    rows = np.broadcast_to((3 * nodes.ravel()[:, None] + np.arange(3))[:, None, :], vectors.shape)
    columns = np.broadcast_to(np.arange(3)[None, :, None], vectors.shape)
    entries = ((weight[:, None, None] * vectors).ravel(), (rows.ravel(), columns.ravel()))
    return sp.coo_matrix(entries, shape=(space.n_dof, 3)).tocsc()
