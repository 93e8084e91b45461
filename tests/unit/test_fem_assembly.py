"""Spaces, kernels and symmetric contributions."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import scipy.sparse as sp
from fem_models import box
from skfem import Basis, ElementTetP1, ElementTetP2, ElementVector, MeshTet
from skfem.models.elasticity import lame_parameters, linear_elasticity

from femsim.errors import MeshError
from femsim.fem import twins
from femsim.fem.assembly import (
    add_symmetric,
    assemble_stiffness,
    full_matrix,
    multiply_upper,
    upper_pattern,
    warm_up,
)
from femsim.fem.materials import Anisotropy, orthotropic_stiffness, rotated_stiffness
from femsim.fem.spaces import EDGES, Space
from femsim.mesh.ordering import locality_order


def random_moduli(space: Space, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(1.0, 20.0, (space.n_cells, len(space.weights))), rng.uniform(0.05, 0.45, space.n_cells)


def some_anisotropy(space: Space, seed: int = 2) -> Anisotropy:
    """Every second cell orthotropic, with axes and scale of its own at every quadrature point."""
    rng = np.random.default_rng(seed)
    cells = np.arange(0, space.n_cells, 2)
    q = len(space.weights)
    axes = np.linalg.qr(rng.standard_normal((len(cells), q, 3, 3)))[0]
    matrix = orthotropic_stiffness(np.array([8.0, 12.0, 19.0]), np.array([3.8, 4.1, 4.6]), np.array([0.31, 0.25, 0.22]))
    return Anisotropy(cells, rng.uniform(0.5, 2.0, (len(cells), q, 1, 1)) * rotated_stiffness(matrix, axes))


@pytest.mark.parametrize("degree", [1, 2])
def test_kernel_equals_numpy_twin(degree: int) -> None:
    """The compiled stiffness with moduli at every quadrature point equals its NumPy twin to 1e-13."""
    space = Space(*box(3, 0.2), degree)
    young, poisson = random_moduli(space)
    reference = twins.assemble_stiffness(space, young, poisson)
    matrix = assemble_stiffness(space, upper_pattern(space), young, poisson)
    assert matrix.nnz == reference.nnz
    assert abs(matrix - reference).max() < 1e-13 * abs(reference).max()
    assert matrix.has_sorted_indices
    assert matrix.indices.dtype == np.int32
    matrix.check_format(full_check=True)


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("degree", [1, 2])
def test_orthotropic_kernel_equals_numpy_twin(degree: int, order: int) -> None:
    """Isotropic and rotated orthotropic cells side by side equal the NumPy twin to 1e-13, for any quadrature."""
    space = Space(*box(2, 0.2), degree, order)
    young, poisson = random_moduli(space)
    anisotropy = some_anisotropy(space)
    reference = twins.assemble_stiffness(space, young, poisson, anisotropy)
    matrix = assemble_stiffness(space, upper_pattern(space), young, poisson, anisotropy=anisotropy)
    assert abs(matrix - reference).max() < 1e-13 * abs(reference).max()
    plain = twins.assemble_stiffness(space, young, poisson)
    assert abs(plain - reference).max() > 1e-2 * abs(reference).max()  # the orthotropic cells do count


@pytest.mark.parametrize("degree", [1, 2])
def test_orthotropic_with_isotropic_constants_equals_isotropic(degree: int) -> None:
    """Equal constants in rotated axes give the isotropic matrix to 1e-12."""
    space = Space(*box(3, 0.2), degree)
    young, poisson = random_moduli(space)
    cells = np.arange(space.n_cells)
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((len(cells), len(space.weights), 3, 3)))[0]
    unit = np.stack([orthotropic_stiffness(np.ones(3), np.full(3, 0.5 / (1 + nu)), np.full(3, nu)) for nu in poisson])
    full = young[..., None, None] * rotated_stiffness(unit[:, None], axes)
    pattern = upper_pattern(space)
    isotropic = assemble_stiffness(space, pattern, young, poisson)
    orthotropic = assemble_stiffness(space, pattern, young, poisson, anisotropy=Anisotropy(cells, full))
    assert abs(isotropic - orthotropic).max() < 1e-12 * abs(isotropic).max()


def test_stiffness_of_the_wrong_shape_is_refused() -> None:
    """A full stiffness for another number of quadrature points is refused."""
    space = Space(*box(1))
    wrong = Anisotropy(np.array([0]), np.zeros((1, 1, 6, 6)))
    with pytest.raises(ValueError, match=r"\(cells, 4, 6, 6\) is wanted"):
        assemble_stiffness(space, upper_pattern(space), 1.0, 0.3, anisotropy=wrong)


@pytest.mark.parametrize("degree", [1, 2])
def test_pattern_kernels_equal_their_twins(degree: int) -> None:
    """Incidence, neighbours and CSR structure equal their NumPy twins."""
    space = Space(*box(3, 0.2), degree)
    pattern = upper_pattern(space)
    pointer, entry = twins.incidence(space.cells, space.n_nodes)
    np.testing.assert_array_equal(pattern.pointer, pointer)
    np.testing.assert_array_equal(pattern.entry, entry)
    assert pattern.adjacency[-1] == len(twins.neighbours(space.cells))
    indptr, indices = twins.upper_structure(space.cells, space.n_nodes)
    np.testing.assert_array_equal(pattern.indptr, indptr)
    np.testing.assert_array_equal(pattern.indices, indices)


@pytest.mark.parametrize(("degree", "element"), [(1, ElementTetP1()), (2, ElementTetP2())])
def test_kernel_equals_scikit_fem(degree: int, element) -> None:
    """With one modulus the stiffness equals scikit-fem's, node by node, to 1e-12."""
    points, tets = box(2, 0.2)
    space = Space(points, tets, degree)
    basis = Basis(MeshTet(points.T, tets.T), ElementVector(element), intorder=2)
    theirs = linear_elasticity(*lame_parameters(7.0, 0.3)).assemble(basis).tocsr()
    # Both number unknowns in their own way: match them by place and component.
    place = np.round(basis.doflocs.T * 1e6).astype(np.int64)
    component = np.empty(basis.N, dtype=np.int64)
    for dofs in (basis.nodal_dofs, basis.edge_dofs):
        for c in range(dofs.shape[0]):
            component[dofs[c]] = c % 3
    ours = {(*np.round(p * 1e6).astype(np.int64).tolist(),): i for i, p in enumerate(space.nodes)}
    to_ours = np.array([3 * ours[(*place[k].tolist(),)] + component[k] for k in range(basis.N)])
    back = np.empty_like(to_ours)
    back[to_ours] = np.arange(basis.N)
    full = full_matrix(assemble_stiffness(space, upper_pattern(space), 7.0, 0.3))
    assert abs(full - theirs[back][:, back]).max() < 1e-12 * abs(theirs).max()


def test_reassembly_in_place_equals_fresh_assembly() -> None:
    """New moduli written into an old matrix give the fresh matrix to the bit, in the same memory."""
    space = Space(*box(3, 0.2))
    pattern = upper_pattern(space)
    young, poisson = random_moduli(space)
    matrix = assemble_stiffness(space, pattern, 2.0 * young, 0.2)
    data = matrix.data
    again = assemble_stiffness(space, pattern, young, poisson, out=matrix)
    assert again.data is data
    np.testing.assert_array_equal(again.data, assemble_stiffness(space, pattern, young, poisson).data)


@pytest.mark.parametrize("degree", [1, 2])
def test_result_does_not_depend_on_thread_count(degree: int) -> None:
    """One thread and all threads give the same matrix to the bit."""
    space = Space(*box(4, 0.2), degree)
    young, poisson = random_moduli(space)
    anisotropy = some_anisotropy(space)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = assemble_stiffness(space, upper_pattern(space), young, poisson, anisotropy=anisotropy)
    finally:
        numba.set_num_threads(before)
    many = assemble_stiffness(space, upper_pattern(space), young, poisson, anisotropy=anisotropy)
    np.testing.assert_array_equal(one.data, many.data)
    np.testing.assert_array_equal(one.indices, many.indices)


def test_permuted_numbering_gives_the_same_energy() -> None:
    """A mesh renumbered for locality stores the same strain energy in the same deformation."""
    points, tets = box(3, 0.2)
    order = locality_order(points)
    assert sorted(order.tolist()) == list(range(len(points)))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    energies = []
    for p, t in ((points, tets), (points[order], rank[tets])):
        space = Space(p, t)
        u = np.sin(3.0 * space.nodes @ np.array([[1.0, 2.0, 0.5], [0.3, 1.0, 1.0], [2.0, 0.1, 0.7]])).ravel()
        energies.append(u @ multiply_upper(assemble_stiffness(space, upper_pattern(space), 5.0, 0.3), u))
    assert energies[0] == pytest.approx(energies[1], rel=1e-13)


def test_moduli_outside_their_range_are_refused() -> None:
    """Zero, negative or NaN moduli and Poisson ratios of 0.5 are refused."""
    space = Space(*box(1))
    pattern = upper_pattern(space)
    for young in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="Young"):
            assemble_stiffness(space, pattern, young, 0.3)
    with pytest.raises(ValueError, match="Poisson"):
        assemble_stiffness(space, pattern, 1.0, 0.5)


def test_space_geometry() -> None:
    """Volumes sum to the box, mid-edge nodes lie halfway, quadrature integrates a quadratic exactly."""
    space = Space(*box(3, 0.2, lengths=(1.0, 2.0, 3.0)))
    assert space.volumes.sum() == pytest.approx(6.0, rel=1e-13)
    ends = space.nodes[space.tets[:, EDGES]]
    np.testing.assert_allclose(space.nodes[space.cells[:, 4:]], ends.mean(axis=2), atol=1e-15)
    x = space.quadrature_points()[..., 0]
    assert (space.quadrature_volumes() * x**2).sum() == pytest.approx(2.0, rel=1e-13)


@pytest.mark.parametrize("degree", [1, 2])
def test_shape_functions_are_nodal_and_sum_to_one(degree: int) -> None:
    """Shape functions are one at their own node and nought at others, and their derivatives are consistent."""
    space = Space(*box(1), degree)
    corners = np.eye(4)
    nodes = corners if degree == 1 else np.vstack([corners, 0.5 * (corners[EDGES[:, 0]] + corners[EDGES[:, 1]])])
    np.testing.assert_allclose(space.values(nodes), np.eye(len(nodes)), atol=1e-15)
    point, step = np.array([[0.1, 0.2, 0.3, 0.4]]), 1e-6
    for k in range(4):
        shift = step * np.eye(4)[k]
        slope = (space.values(point + shift) - space.values(point - shift)) / (2 * step)
        np.testing.assert_allclose(space.barycentric_derivatives(point)[:, :, k], slope, atol=1e-9)


def test_face_nodes() -> None:
    """Mid-edge nodes of faces lie halfway; a triangle with an unknown edge is refused."""
    points, tets = box(2)
    space = Space(points, tets)
    faces = tets[:, [0, 1, 2]]
    nodes = space.face_nodes(faces)
    np.testing.assert_allclose(space.nodes[nodes[:, 4]], points[faces[:, 1:]].mean(axis=1), atol=1e-15)
    with pytest.raises(MeshError, match="no face of the mesh"):
        space.face_nodes(np.array([[0, 1, len(points) - 1]]))


def test_bad_meshes_are_refused() -> None:
    """Inverted cells and unused vertices are refused with their number."""
    points, tets = box(1)
    with pytest.raises(MeshError, match="tetrahedron 0 is inverted"):
        Space(points, np.vstack([tets[:1, [0, 2, 1, 3]], tets[1:]]))
    with pytest.raises(MeshError, match="1 mesh vertices"):
        Space(np.vstack([points, [[9.0, 9.0, 9.0]]]), tets)


def test_add_symmetric_and_products() -> None:
    """Adding full symmetric springs to an upper half, and multiplying by it, equal the dense operations."""
    space = Space(*box(1))
    upper = assemble_stiffness(space, upper_pattern(space), 3.0, 0.3)
    c = sp.random(space.n_dof, 2, 0.2, random_state=3, format="csc")
    total = add_symmetric(upper, c @ c.T)
    dense = full_matrix(upper).toarray() + (c @ c.T).toarray()
    np.testing.assert_allclose(full_matrix(total).toarray(), dense, atol=1e-14)
    x = np.random.default_rng(0).standard_normal((space.n_dof, 3))
    np.testing.assert_allclose(multiply_upper(total, x), dense @ x, atol=1e-12)
    np.testing.assert_allclose(multiply_upper(total, x[:, 0]), dense @ x[:, 0], atol=1e-12)


def test_warm_up_announces() -> None:
    """Compiling says so in one sentence."""
    told: list[str] = []
    warm_up(told.append)
    assert len(told) == 1
    assert "compiled" in told[0]
