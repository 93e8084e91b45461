"""Patches, averaged jumps and condensation on a meshed screw, against geometry and against the full system."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from interface_mesh import BONE, screw_geometry, screw_in_block

from femsim.errors import ConvergenceError, InputError
from femsim.fem.assembly import assemble_stiffness, full_matrix, upper_pattern
from femsim.fem.solvers import make_solver
from femsim.fem.spaces import Space
from femsim.interface import (
    ContactSolver,
    InterfaceState,
    LawConstants,
    Operator,
    PatchTissue,
    ScrewBoneLaw,
    build_patches,
    check_semidefinite,
    condense,
    holding_force,
    jump_operator,
    reference_stiffness,
)
from femsim.interface.condensation import with_springs
from femsim.parameters import load_parameters

CONSTANTS = LawConstants.from_parameters(load_parameters())
LAW = ScrewBoneLaw(CONSTANTS)
BITE_STIFFNESS = 1e5


def build(**shape):
    """Screw in a bone block held at its outer surface; loads at the head; one bite point on the head's top."""
    mesh = screw_in_block(**shape)
    space = Space(mesh.points, mesh.tets)
    patches = build_patches(mesh, [screw_geometry()], CONSTANTS)
    young = np.where(mesh.region == BONE, 13700.0, 110000.0)
    stiffness = assemble_stiffness(space, upper_pattern(space), young, 0.3)
    outer = np.flatnonzero(np.hypot(*space.nodes[:, :2].T) > 0.97 * np.hypot(*mesh.points[:, :2].T).max())
    springs = np.zeros(space.n_dof)
    springs[(3 * outer[:, None] + np.arange(3)).ravel()] = 1e3
    stiffness = sp.csr_matrix(stiffness + sp.diags(springs))
    head = np.flatnonzero(space.nodes[:, 2] < space.nodes[:, 2].min() + 1e-9)
    loads = np.zeros((space.n_dof, 3))
    for k in range(3):
        loads[3 * head + k, k] = 1.0 / len(head)
    bite = sp.csc_matrix(loads[:, [1]])
    jumps = jump_operator(space, mesh, patches)
    condensed = condense(
        stiffness,
        jumps,
        patches,
        loads,
        ("x", "y", "z"),
        k_ref=reference_stiffness(patches, PatchTissue.healthy(len(patches), CONSTANTS), LAW),
        bites=bite,
        bite_names=("side",),
        bite_spring=1e3,
    )
    return SimpleNamespace(mesh=mesh, space=space, patches=patches, stiffness=stiffness, condensed=condensed)


@pytest.fixture(scope="module")
def model():
    return build()


def worn_state(n, seed=7):
    rng = np.random.default_rng(seed)
    state = InterfaceState(
        rng.uniform(0.05, 0.6, n), rng.uniform(0.0, 0.9, n), rng.uniform(0.0, 0.003, n), rng.uniform(-1e-3, 1e-3, n)
    )
    return state, PatchTissue(rng.uniform(2e3, 2e4, n), rng.uniform(0.3, 1.0, n), np.ones(n))


def full_newton(model, state, tissue, load, bitten):
    """Newton on the full system with held friction caps renewed until they agree; no condensation anywhere."""
    columns, bulk = model.condensed.C, full_matrix(model.stiffness)
    frozen = LAW.coefficients(state, tissue, model.patches.thread_shape)
    n, area = 3 * len(model.patches), model.patches.area
    right = model.condensed.F @ load

    def interface(u, cap):
        q = columns.T @ u
        jumps = q[:n].reshape(-1, 3)
        traction, tangent = LAW.response(frozen, jumps, cap)
        pushed = BITE_STIFFNESS * (q[n] < 0) * bitten
        # 1e-3: the residual springs, part of the discrete problem's definition
        force = np.append(((traction + 1e-3 * jumps) * area[:, None]).ravel(), pushed * q[n])
        return force, np.append(((tangent + 1e-3) * area[:, None]).ravel(), pushed), jumps

    def unbalanced(u, cap):
        return right - bulk @ u - columns @ interface(u, cap)[0]

    u, cap = np.zeros(len(right)), np.zeros(len(area))
    for _ in range(80):
        _, tangent, jumps = interface(u, cap)
        residual, new_cap = unbalanced(u, cap), LAW.friction_cap(frozen, jumps)
        if np.linalg.norm(residual) < 1e-10 * np.linalg.norm(right) and np.abs(new_cap - cap).max() < 1e-10:
            return u, columns.T @ u
        # A floor in the tangent only: it keeps the first steps definite and costs a little speed, never accuracy.
        factor = make_solver("auto").factor(with_springs(model.stiffness, columns, np.maximum(tangent, 1.0)))
        step, length = factor.solve(residual), 1.0
        while step @ unbalanced(u + length * step, cap) < -0.5 * (step @ residual):  # energy rises again: halve
            length *= 0.5
        u, cap = u + length * step, new_cap
    pytest.fail("the reference Newton did not converge")


def test_patch_areas_and_frames(model):
    """Patches cover the thread's surface once; frames are orthonormal and point outward and to the tip."""
    patches = model.patches
    polygon = 2 * 16 * 1.2 * np.sin(np.pi / 16) * 4.0
    assert patches.area.sum() == pytest.approx(polygon, rel=1e-12)
    assert len(patches) == 3 * 8  # four pitches in rings of about one and a half
    np.testing.assert_allclose(
        patches.directions @ patches.directions.transpose(0, 2, 1), np.eye(3)[None].repeat(24, 0), atol=1e-12
    )
    radial, axial, around = np.moveaxis(patches.directions, 1, 0)
    np.testing.assert_allclose(around, np.cross(axial, radial), atol=1e-12)
    outward = patches.centre * [1, 1, 0]
    assert (np.einsum("pj,pj->p", outward, patches.directions[:, 0]) > 0.9 * 1.2 * 0.9).all()
    np.testing.assert_allclose(patches.directions[:, 1], [[0, 0, 1]] * 24)


@pytest.mark.parametrize("degree", [1, 2])
def test_jump_operator_averages_fields(degree):
    """A field that is linear on both sides has the jump of its value at the patch centre; a common motion has none."""
    mesh = screw_in_block(layers=2, length=2.0, sides=8)
    space = Space(mesh.points, mesh.tets, degree=degree)
    patches = build_patches(mesh, [screw_geometry()], CONSTANTS, sectors=4)
    columns = jump_operator(space, mesh, patches)
    rng = np.random.default_rng(3)
    gradient, shift = rng.standard_normal((3, 3)), rng.standard_normal(3)
    field = space.nodes @ gradient.T + shift
    np.testing.assert_allclose(columns.T @ field.ravel(), 0.0, atol=1e-12)
    in_screw = np.zeros(space.n_nodes, dtype=bool)
    in_screw[np.unique(space.cells[mesh.region != BONE])] = True
    found = (columns.T @ np.where(in_screw[:, None], field, 0.0).ravel()).reshape(-1, 3)
    expected = np.einsum("pkj,pj->pk", patches.directions, patches.centre @ gradient.T + shift)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_condensed_is_full(model):
    """Contact on the condensed problem gives the field of Newton on the full system to 1e-8, also on the bite point."""
    n = len(model.patches)
    state, tissue = worn_state(n)
    solver = ContactSolver(model.condensed.operator, model.patches.thread_shape, LAW, BITE_STIFFNESS, tolerance=1e-11)
    for load, bite in ((np.array([40.0, 15.0, 30.0]), None), (np.array([40.0, -25.0, -60.0]), 0)):
        found = solver.solve(state, tissue, load, bite)
        u, q = full_newton(model, state, tissue, load, bite is not None)
        open_share = (found.jumps[:, 0] < state.clearance).mean()
        assert 0.2 < open_share < 0.9  # contact does decide here
        assert np.linalg.norm(found.q - q) <= 1e-8 * np.linalg.norm(q)
        field = model.condensed.displacement(found.q, found.forces, load)
        assert np.linalg.norm(field - u) <= 1e-8 * np.linalg.norm(u)


def test_rigid_modes_and_definiteness(model):
    """S0 has exactly six zero eigenvalues, the screw afloat, and is positive otherwise."""
    values = check_semidefinite(model.condensed.operator)
    assert (np.abs(values[:6]) < 1e-8 * values[-1]).all()
    assert values[6] > 1e-5 * values[-1]


def test_energy_and_reaction_balance(model):
    """Loads do the work that bulk and interface take up, and support forces balance loads and bite below 0.1 %."""
    n = len(model.patches)
    state = InterfaceState.insertion(n, CONSTANTS)
    tissue = PatchTissue.healthy(n, CONSTANTS)
    solver = ContactSolver(model.condensed.operator, model.patches.thread_shape, LAW, BITE_STIFFNESS)
    load = np.array([20.0, -30.0, 50.0])
    found = solver.solve(state, tissue, load, 0)
    u = model.condensed.displacement(found.q, found.forces, load)
    bulk = full_matrix(model.stiffness)
    interface_work = found.forces @ found.q
    assert u @ (model.condensed.F @ load) == pytest.approx(u @ bulk @ u + interface_work, rel=1e-6)
    interior = full_matrix(
        assemble_stiffness(
            model.space, upper_pattern(model.space), np.where(model.mesh.region == BONE, 13700.0, 110000.0), 0.3
        )
    )
    support = ((bulk - interior) @ u).reshape(-1, 3).sum(axis=0)
    balance = support - load - [0.0, found.bite_reaction, 0.0]
    assert np.abs(balance).max() < 1e-3 * np.linalg.norm(load)


def test_operator_file_round_trip(model, tmp_path):
    """A saved operator is read back to the bit, and a file of another kind or version is refused."""
    path = tmp_path / "operator.npz"
    operator = model.condensed.operator
    operator.save(path)
    again = Operator.load(path)
    assert (again.G == operator.G).all()
    assert (again.g_loads == operator.g_loads).all()
    assert again.load_names == operator.load_names
    assert again.bite_names == ("side",)
    assert [p.name for p in tmp_path.iterdir()] == ["operator.npz"]
    np.savez(path, kind="mesh", version=1)
    with pytest.raises(InputError, match="kind is mesh"):
        Operator.load(path)
    path.write_text("no archive")
    with pytest.raises(InputError, match="cannot be read"):
        Operator.load(path)


def test_reference_springs_have_no_effect(model):
    """The answer does not depend on the reference interface: ten times other springs change it by less than 1e-7."""
    n = len(model.patches)
    state, tissue = worn_state(n)
    load = np.array([40.0, 15.0, 30.0])
    base = model.condensed
    other = condense(
        model.stiffness,
        base.C[:, : 3 * n],
        model.patches,
        base.F,
        base.operator.load_names,
        k_ref=10.0 * base.operator.k_ref[: 3 * n],
    )
    answers = [
        ContactSolver(c.operator, model.patches.thread_shape, LAW, 1e5, tolerance=1e-11)
        .solve(state, tissue, load)
        .jumps
        for c in (base, other)
    ]
    assert np.abs(answers[0] - answers[1]).max() <= 1e-7 * np.abs(answers[0]).max()


def test_negative_bulk_is_refused():
    """A bulk that gives energy away is named as such."""
    operator = Operator(np.eye(3), np.full(3, 2.0), np.zeros((3, 1)), ("x",), (), np.ones(1))
    with pytest.raises(ConvergenceError, match="must not be negative"):
        check_semidefinite(operator)


def test_fresh_screw_holds_chapmans_force(model):
    """Pull-out of a fresh screw is Chapman's S pi L D TSF within 5 %: by the cap, and by pulling until it gives way."""
    chapman = 51.6 * np.pi * 4.0 * 2.4 * CONSTANTS.thread_shape(0.35, 1.0)
    n = len(model.patches)
    state, tissue = InterfaceState.insertion(n, CONSTANTS), PatchTissue.healthy(n, CONSTANTS)
    solver = ContactSolver(model.condensed.operator, model.patches.thread_shape, LAW, BITE_STIFFNESS)
    assert holding_force(model.patches, solver.coefficients(state, tissue))[0] == pytest.approx(chapman, rel=0.05)
    held = solver.solve(state, tissue, np.array([0.0, 0.0, -0.95 * chapman]))
    lost = solver.solve(state, tissue, np.array([0.0, 0.0, -1.05 * chapman]), start=held)
    assert held.supported
    assert not lost.supported
