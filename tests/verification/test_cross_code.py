"""CalculiX on the exported mesh agrees with femsim: displacement to 1e-5, stress to 1e-3, of the largest."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from cross_code import calculix, difference
from fem_models import boundary_faces, box, faces_where, fixed_mask, solve_fixed
from pipeline_models import bench_values, mesh_of

from femsim.export.linear import LinearModel, Springs
from femsim.export.static import foundation_springs, solve, surgery_model
from femsim.fem.assembly import assemble_stiffness, upper_pattern
from femsim.fem.boundary import average_displacement, foundation_stiffness, surface_force
from femsim.fem.materials import Anisotropy, orthotropic_stiffness, rotated_stiffness
from femsim.fem.spaces import Space
from femsim.fem.stress import strain, stress
from femsim.pipeline import Hooks
from femsim.pipeline.construct import construct
from femsim.pipeline.exporting import solved_bite
from femsim.pipeline.setting import prepare
from femsim.scenario import scenario_from_mapping

DISPLACEMENT, STRESS = 1e-5, 1e-3


def recovered(space: Space, model: LinearModel, displacement: np.ndarray) -> np.ndarray:
    """Stress of a model at the integration points; in linear cells it is the same at all of them, and one is given."""
    anisotropy = None
    if model.stiffness:
        matrices = np.repeat(np.array(list(model.stiffness.values()))[:, None], len(space.weights), axis=1)
        anisotropy = Anisotropy(np.array(list(model.stiffness)), matrices)
    found = stress(strain(space, displacement), model.young, model.poisson, anisotropy)
    return found if space.degree == 2 else found[:, :1]


def assert_agrees(space: Space, model: LinearModel, displacement: np.ndarray, folder: Path) -> None:
    answer = calculix(model, folder)
    assert difference(displacement, answer.displacement) < DISPLACEMENT
    assert difference(recovered(space, model, displacement), answer.stress) < STRESS


def beam(degree: int) -> tuple[Space, np.ndarray, np.ndarray]:
    """Space of a crooked-meshed beam of 6 x 1 x 1 mm, the faces of its root and of its tip."""
    points, tets = box((6, 2, 2), jitter=0.2, seed=1, lengths=(6.0, 1.0, 1.0))
    faces = boundary_faces(tets)
    root, tip = (faces_where(points, faces, np.abs(points[:, 0] - x) < 1e-9) for x in (0.0, 6.0))
    return Space(points, tets, degree), root, tip


@pytest.mark.parametrize("degree", [1, 2])
def test_cantilever(degree: int, tmp_path: Path) -> None:
    """A clamped cantilever with a slanting force on its tip, linear and quadratic cells."""
    space, _, tip = beam(degree)
    young, poisson = np.full(space.n_cells, 105e3), np.full(space.n_cells, 0.34)
    force = surface_force(space, tip, np.array([10.0, 20.0, -30.0]))
    fixed = fixed_mask(space.n_nodes, *((space.nodes[:, 0] < 1e-9, k) for k in range(3)))
    matrix = assemble_stiffness(
        space, upper_pattern(space), np.repeat(young[:, None], len(space.weights), axis=1), poisson
    )
    model = LinearModel(space.nodes, space.cells, young, poisson, force, fixed=fixed)
    assert_agrees(space, model, solve_fixed(matrix, force, fixed), tmp_path)


def test_two_materials_on_springs(tmp_path: Path) -> None:
    """Two materials on an elastic foundation, pushed against a spring on the average displacement of a face."""
    space, root, tip = beam(2)
    stiff = space.nodes[space.tets].mean(axis=1)[:, 1] > 0.5
    young, poisson = np.where(stiff, 105e3, 1370.0), np.where(stiff, 0.34, 0.3)
    force = surface_force(space, tip, np.array([1.0, 5.0, -2.0]))
    average = sp.csc_matrix(average_displacement(space, tip, np.array([0.0, 1.0, 1.0])).reshape(-1, 1))
    parts = [
        foundation_springs(space, foundation_stiffness(space, root, 800.0, 200.0)),
        (average, np.array([50.0]), np.zeros((1, 3))),
    ]
    springs = Springs(
        sp.hstack([part[0] for part in parts], format="csc"),
        np.concatenate([part[1] for part in parts]),
        np.vstack([part[2] for part in parts]),
    )
    model = LinearModel(space.nodes, space.cells, young, poisson, force, springs)
    assert_agrees(space, model, solve(space, model), tmp_path)


def test_foundation_springs_are_the_foundation() -> None:
    """Springs of a foundation add up to its stiffness matrix, with and without stiffness across the normal."""
    space, root, _ = beam(2)
    for tangential in (0.0, 300.0):
        matrix = foundation_stiffness(space, root, 900.0, tangential)
        columns, stiffness, places = foundation_springs(space, matrix)
        rebuilt = columns @ sp.diags(stiffness) @ columns.T
        assert abs(rebuilt - matrix).max() < 1e-12 * abs(matrix).max()
        assert (stiffness > 0.0).all()
        assert places.shape == (len(stiffness), 3)


def test_orthotropic_axes_that_turn(tmp_path: Path) -> None:
    """Orthotropic cortex whose axes turn from cell to cell, some cells isotropic."""
    space, root, tip = beam(2)
    young, poisson = np.full(space.n_cells, 1370.0), np.full(space.n_cells, 0.3)
    bone = orthotropic_stiffness(
        np.array([10800.0, 13300.0, 19400.0]), np.array([3810.0, 4120.0, 4630.0]), np.array([0.309, 0.249, 0.224])
    )
    turned = np.linalg.qr(np.random.default_rng(3).normal(size=(space.n_cells, 3, 3)))[0]
    stiffness = {cell: rotated_stiffness(bone, turned[cell]) for cell in range(0, space.n_cells, 2)}
    force = surface_force(space, tip, np.array([1.0, 5.0, -2.0]))
    columns, springs, places = foundation_springs(space, foundation_stiffness(space, root, 5e3, 5e3))
    model = LinearModel(
        space.nodes, space.cells, young, poisson, force, Springs(columns, springs, places), stiffness=stiffness
    )
    assert_agrees(space, model, solve(space, model), tmp_path)


@cache
def operated(degree: int, cortical: str = "isotropic") -> tuple[Space, LinearModel, np.ndarray]:
    """Irradiated bench block with plate, screws, patches and clamps: space, exported model, field of the contact."""
    values = bench_values(dose=60.0) | {"bone": {"cortical": cortical}}
    setting = prepare(scenario_from_mapping(values, "bench.yaml"), Hooks())
    built = construct(setting, mesh_of(), Hooks(), degree=degree)
    bite, field = solved_bite(setting, built, 0)
    model = surgery_model(setting.operation, built.model, built.patches, bite, title="bench block")
    return built.model.space, model, field


@pytest.mark.parametrize("cortical", ["isotropic", "orthotropic"])
def test_operation_of_linear_cells(cortical: str, tmp_path: Path) -> None:
    """CalculiX finds the displacement of the whole nonlinear contact problem: strain is constant in linear cells, so
    that a cell's mean modulus is no approximation."""
    space, model, field = operated(1, cortical)
    assert bool(model.stiffness) == (cortical == "orthotropic")
    assert difference(field, solve(space, model)) < 1e-9
    assert_agrees(space, model, field, tmp_path)


def test_faces_of_the_interface_coincide() -> None:
    """The surfaces on the two sides of a screw's interface are the same triangles, face by face."""
    corners = np.array([[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]])  # faces 1 to 4 of C3D4 and C3D10
    _, model, _ = operated(1)
    names = [name.removeprefix("bone at ") for name in model.surfaces if name.startswith("bone at ")]
    assert len(names) == 4
    for name in names:
        sides = []
        for side in ("bone", "screw"):
            cells, faces = model.surfaces[f"{side} at {name}"]
            sides.append(model.nodes[np.take_along_axis(model.cells[cells], corners[faces - 1], axis=1)].mean(axis=1))
        assert len(sides[0])
        assert np.abs(sides[0] - sides[1]).max() < 1e-12


@pytest.mark.slow
def test_operation_of_quadratic_cells(tmp_path: Path) -> None:
    """The same with quadratic cells, femsim solving the exported moduli; what the means change is a per cent or so."""
    space, model, field = operated(2)
    own = solve(space, model)
    assert 0.0 < difference(field, own) < 0.03
    assert_agrees(space, model, own, tmp_path)
