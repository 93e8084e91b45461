"""Small meshes and solutions shared by the tests of the finite-element core."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from skfem import MeshTet

from femsim.fem.assembly import full_matrix, multiply_upper
from femsim.fem.solvers import make_solver


def positive(points: np.ndarray, tets: np.ndarray) -> np.ndarray:
    """Return the cells with positive volumes."""
    tets = np.array(tets)
    flip = np.linalg.det(points[tets[:, 1:]] - points[tets[:, :1]]) < 0
    tets[flip] = tets[flip][:, [0, 2, 1, 3]]
    return tets


def box(
    n: int | tuple[int, int, int],
    jitter: float = 0.0,
    seed: int = 0,
    lengths: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> tuple[np.ndarray, np.ndarray]:
    """Return points and cells of a box of bricks, inner vertices moved at random by ``jitter`` brick widths."""
    counts = (n, n, n) if isinstance(n, int) else n
    mesh = MeshTet.init_tensor(*[np.linspace(0.0, length, k + 1) for length, k in zip(lengths, counts, strict=True)])
    points = mesh.p.T.copy()
    inside = np.all((points > 1e-9) & (points < np.array(lengths) - 1e-9), axis=1)
    widths = np.array(lengths) / np.array(counts)
    points[inside] += jitter * widths * np.random.default_rng(seed).uniform(-1, 1, (int(inside.sum()), 3))
    return points, positive(points, mesh.t.T)


def boundary_faces(tets: np.ndarray) -> np.ndarray:
    """Return the boundary triangles (f, 3), oriented outwards."""
    faces = tets[:, [[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]]].reshape(-1, 3)
    _, first, count = np.unique(np.sort(faces, axis=1), axis=0, return_index=True, return_counts=True)
    return faces[first[count == 1]]


def faces_where(points: np.ndarray, faces: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the faces all of whose vertices satisfy a mask over vertices."""
    return faces[mask[faces].all(axis=1)]


def solve_fixed(
    upper: sp.csr_matrix, force: np.ndarray, fixed: np.ndarray, values: np.ndarray | float = 0.0
) -> np.ndarray:
    """Solve with given values at the unknowns of a mask, by elimination."""
    solution = np.zeros(len(force))
    solution[fixed] = values
    right = (force - multiply_upper(upper, solution))[~fixed]
    reduced = sp.triu(full_matrix(upper)[~fixed][:, ~fixed], format="csr")
    factor = make_solver("auto").factor(reduced)
    solution[~fixed] = factor.solve(right)
    factor.close()
    return solution


def fixed_mask(n_nodes: int, *conditions: tuple[np.ndarray, int]) -> np.ndarray:
    """Return the mask over unknowns fixed by pairs (mask over nodes, component)."""
    mask = np.zeros((n_nodes, 3), dtype=bool)
    for nodes, component in conditions:
        mask[nodes, component] = True
    return mask.ravel()
