"""A screw (cylinder) in a round bone block, structured tetrahedra with doubled nodes at the thread: a test mesh."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

BONE, SCREW = 1, 10


def screw_in_block(*, sides=16, layers=4, length=4.0, above=1.0, radii=(0.6, 1.2, 2.2, 4.0), screw_rings=2):
    """Mesh of a screw along +z of radius ``radii[screw_rings - 1]``; bone from z = 0 to ``length`` around it."""
    flat, triangles, inside = _disc(sides, radii, screw_rings)
    heights = np.concatenate([np.linspace(-above, 0.0, 2)[:-1], np.linspace(0.0, length, layers + 1)])
    n = len(flat)
    points = np.vstack([np.column_stack([flat, np.full(n, z)]) for z in heights])
    tets, region = [], []
    for level in range(len(heights) - 1):
        for triangle, is_screw in zip(triangles, inside, strict=True):
            if not is_screw and heights[level] < -1e-9:
                continue
            a, b, c = np.sort(triangle) + level * n
            # Splitting every prism by ascending numbers makes the diagonals of shared sides agree.
            tets += [(a, b, c, c + n), (a, b, b + n, c + n), (a, a + n, b + n, c + n)]
            region += [SCREW if is_screw else BONE] * 3
    tets, region = np.array(tets), np.array(region)
    volume = np.linalg.det(points[tets[:, 1:]] - points[tets[:, :1]])
    tets[volume < 0] = tets[volume < 0][:, [0, 1, 3, 2]]
    return _doubled(points, tets, region)


def _disc(sides, radii, screw_rings):
    angle = 2 * np.pi * np.arange(sides) / sides
    flat = [np.zeros((1, 2))] + [r * np.column_stack([np.cos(angle), np.sin(angle)]) for r in radii]
    triangles, inside = [], []
    for ring in range(len(radii)):
        for k in range(sides):
            outer = [1 + ring * sides + j % sides for j in (k, k + 1)]
            if ring == 0:
                new = [(0, *outer)]
            else:
                inner = [1 + (ring - 1) * sides + j % sides for j in (k, k + 1)]
                new = [(inner[0], outer[0], outer[1]), (inner[0], outer[1], inner[1])]
            triangles += new
            inside += [ring < screw_rings] * len(new)
    return np.vstack(flat), np.array(triangles), np.array(inside)


def _doubled(points, tets, region):
    faces = np.sort(np.vstack([tets[:, list(f)] for f in ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3))]), axis=1)
    owner = np.tile(np.arange(len(tets)), 4)
    order = np.lexsort(faces.T)
    faces, owner = faces[order], owner[order]
    pair = np.flatnonzero((faces[1:] == faces[:-1]).all(axis=1))
    first, second = owner[pair], owner[pair + 1]
    mixed = region[first] != region[second]
    triangles, first, second = faces[pair][mixed], first[mixed], second[mixed]
    bone_tets = np.where(region[first] == BONE, first, second)
    screw_tets = np.where(region[first] == BONE, second, first)
    shared = np.unique(triangles)
    copy = np.arange(len(points))
    copy[shared] = len(points) + np.arange(len(shared))
    tets = np.where((region == BONE)[:, None], copy[tets], tets)
    points = np.vstack([points, points[shared]])
    used, compact = np.unique(tets, return_inverse=True)
    new = np.full(len(points), -1)
    new[used] = np.arange(len(used))
    interface = SimpleNamespace(
        screw=np.zeros(len(triangles), dtype=int),
        screw_triangles=new[triangles],
        bone_triangles=new[copy[triangles]],
        bone_tets=bone_tets,
        screw_tets=screw_tets,
    )
    return SimpleNamespace(points=points[used], tets=compact.reshape(-1, 4), region=region, interface=interface)


def screw_geometry(above=1.0, pitch=1.0, depth=0.35):
    """The screw of :func:`screw_in_block` as the patch builder wants it."""
    return SimpleNamespace(
        name="screw-1",
        head=np.array([0.0, 0.0, -above]),
        axis=np.array([0.0, 0.0, 1.0]),
        pitch=pitch,
        thread_depth=depth,
    )
