"""Screws that are not locked: joint law by hand, slip at mu times preload, glued heads, exactness, relaxation."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.linalg as sl
import scipy.sparse as sp
from pipeline_models import bench_values, constructed, mesh_of

from femsim.errors import InputError
from femsim.fem.solvers import make_solver
from femsim.interface import ContactSolver, InterfaceState, LawConstants, PatchTissue, ScrewBoneLaw, condense
from femsim.interface.balance import balance_checks
from femsim.interface.condensation import with_springs
from femsim.interface.demonstration import DenseSolver
from femsim.interface.joints import PAD, SEAT, JointConstants, JointLaw
from femsim.interface.tightening import tightened
from femsim.loosening import Chewer, evolve
from femsim.parameters import load_parameters
from femsim.pipeline import Hooks, export
from femsim.pipeline.construct import construct, loosening_case, solver_of
from femsim.pipeline.setting import prepare
from femsim.scenario import scenario_from_mapping

LAW = ScrewBoneLaw(LawConstants.from_parameters(load_parameters()))
CONSTANTS = JointConstants.from_parameters(load_parameters())
PRELOAD = 120.0


def joint_law(preload: float = PRELOAD, **changes: float) -> JointLaw:
    """One seat of 20 mm2 and one pad of 40 mm2 of screw 0."""
    constants = replace(CONSTANTS, **changes)
    return JointLaw.of(np.zeros(2, dtype=int), (SEAT, PAD), np.array([20.0, 40.0]), constants, {0: preload})


def random_joints(seed: int) -> tuple[JointLaw, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    law = joint_law(hole_play=0.002)
    return law, *(rng.normal(0.0, 0.003, (2, 3)) for _ in range(2)), rng.uniform(0.0, 300.0, 2)


@pytest.mark.parametrize("seed", range(8))
def test_joint_force_is_the_gradient_of_a_convex_potential(seed: int) -> None:
    """Forces are difference quotients of the potential, which lies below its chords."""
    law, offsets, jumps, cap = random_joints(seed)
    force, _ = law.response(offsets, jumps, cap)
    for joint in range(2):
        for axis in range(3):
            step = np.zeros((2, 3))
            step[joint, axis] = 1e-8
            ends = [law.potential(offsets, jumps + sign * step, cap).sum() for sign in (1, -1)]
            assert force[joint, axis] == pytest.approx((ends[0] - ends[1]) / 2e-8, rel=1e-4, abs=1e-3)
    other = random_joints(seed + 100)[2]
    middle = law.potential(offsets, 0.5 * (jumps + other), cap)
    ends = 0.5 * (law.potential(offsets, jumps, cap) + law.potential(offsets, other, cap))
    assert (middle <= ends + 1e-12).all()


def test_joint_by_hand() -> None:
    """A pad pressed by 1 um carries 400 N, slips at 120 N, and its anchor then follows to the cap and no further."""
    law, offsets = joint_law(), np.zeros((2, 3))
    jumps = np.array([[-1.0, 0.0, 0.0], [0.001, 0.003, 0.004]])
    cap = law.friction_cap(offsets, jumps)
    force, _ = law.response(offsets, jumps, cap)
    np.testing.assert_allclose(force[0], 0.0)
    np.testing.assert_allclose(force[1], [400.0, 72.0, 96.0])
    moved = law.update(offsets, jumps)
    again, _ = law.response(moved, jumps, cap)
    np.testing.assert_allclose(again[1], [400.0, 72.0, 96.0])
    np.testing.assert_array_equal(law.update(moved, jumps * [[1.0], [1.0 - 1e-9]])[0], moved[0])


def rigid_screw(preload: float, head_friction: float) -> tuple[ContactSolver, InterfaceState, PatchTissue]:
    """A screw of head and shank in grounded bone, and a plate that only head and bone hold; 1 N pulls the plate."""
    eye = np.eye(3)
    one, zero = np.hstack, np.zeros((3, 3))
    patch = one([zero, eye, zero, -eye]).T  # unknowns: head, shank, plate, bone
    # Joint axes: normal along the screw (second patch direction), then the other two.
    turned = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    seat, pad = one([turned, zero, -turned, zero]).T, one([zero, zero, turned, -turned]).T
    shaft = 1e6 * np.kron([[1.0, -1.0], [-1.0, 1.0]], eye)
    bone = sl.block_diag(shaft, zero, 1e6 * eye)
    loads = np.zeros((12, 1))
    loads[6, 0] = 1.0
    law = joint_law(preload, head_friction=head_friction)
    state, tissue = InterfaceState.insertion(1, LAW.constants), PatchTissue.healthy(1, LAW.constants)
    patches: Any = SimpleNamespace(area=np.array([200.0]))
    patches = type("OnePatch", (), {"area": patches.area, "__len__": lambda self: 1})()
    condensed = condense(
        sp.triu(bone, format="csr"),
        sp.csc_matrix(patch),
        patches,
        loads,
        ("pull",),
        k_ref=np.full(3, 1e6),
        joints=sp.csc_matrix(np.hstack([seat, pad])),
        joint_springs=law.reference,
        solver=DenseSolver(),
    )
    solver = ContactSolver(condensed.operator, np.array([0.7]), LAW, 1e5, joints=law)
    return solver, tightened(solver, state, tissue), tissue


@pytest.mark.parametrize(("preload", "head_friction"), [(50.0, 0.0), (200.0, 0.0), (200.0, 0.2)])
def test_plate_slips_at_friction_times_preload(preload: float, head_friction: float) -> None:
    """Up to (mu under the plate + mu under the head) times preload friction holds; then the plate slides to the wall.

    From there on the wall of the hole carries exactly what friction does not.
    """
    solver, state, tissue = rigid_screw(preload, head_friction)
    rest = solver.solve(state, tissue, np.zeros(1))
    assert solver.joints is not None
    assert solver.joints.clamp(solver.joint_values(rest.forces), 1)[0] == pytest.approx(preload, rel=1e-6)
    slip = (CONSTANTS.friction + head_friction) * preload
    held = solver.solve(state, tissue, np.array([0.99 * slip]))
    slid = solver.solve(state, tissue, np.array([1.01 * slip]), start=held)
    assert np.abs(solver.joint_values(held.q)[:, 1:]).max() < 0.001
    seat, pad = solver.joint_values(slid.q)[:, 1]
    assert abs(seat) > CONSTANTS.hole_play
    assert pad > CONSTANTS.hole_play
    wall = solver.joints.normal[0] * (abs(seat) - CONSTANTS.hole_play)
    assert wall == pytest.approx(0.01 * slip, abs=0.02)  # residual springs of 1e-3 N/mm3 take 0.012 N


def test_preload_relaxes_when_the_thread_softens() -> None:
    """Half of the thread's bone gone: the head presses less, and at once the plate slips earlier."""
    solver, state, tissue = rigid_screw(200.0, 0.0)
    damaged = replace(state, damage=np.array([0.9]))
    assert solver.joints is not None
    clamps = [
        solver.joints.clamp(solver.joint_values(solver.solve(one, tissue, np.zeros(1)).forces), 1)[0]
        for one in (state, damaged)
    ]
    assert clamps[1] < 0.9 * clamps[0]
    pull = np.array([0.98 * CONSTANTS.friction * 200.0])
    shifts = [solver.joint_values(solver.solve(one, tissue, pull).q)[1, 1] for one in (state, damaged)]
    assert shifts[0] < 0.001
    assert shifts[1] > CONSTANTS.hole_play


@cache
def unlocked(preload: float = 200.0) -> Any:
    """Construct of the bench block with screws that are not locked."""
    values = bench_values(years=1.0)
    values["screws"] |= {"locking": False, "preload": f"{preload} N"}
    setting = prepare(scenario_from_mapping(values, "unlocked.yaml"), Hooks())
    return setting, construct(setting, mesh_of(), Hooks())


def test_a_common_motion_presses_no_joint() -> None:
    """Shifts and rotations of everything together give no jump in any seat or pad, over the standoff too."""
    _, built = unlocked()
    nodes = built.model.space.nodes
    fields = [np.broadcast_to(axis, nodes.shape) for axis in np.eye(3)]
    fields += [np.cross(axis, nodes) for axis in np.eye(3)]
    for field in fields:
        jumps = built.joints.columns.T @ np.asarray(field).ravel()
        assert np.abs(jumps).max() < 1e-10 * np.abs(field).max()


def test_tightened_block_carries_its_preload_and_is_exact() -> None:
    """Without load every head presses with its preload; under bite the condensed answer solves the full system."""
    setting, built = unlocked()
    case, _ = loosening_case(setting, built)
    exact = solver_of(setting, built.condensation.operator, built.patches, built.law, built.joints, tolerance=1e-11)
    state, tissue = case.insertion(), case.tissue_at(0.0)
    rest = exact.solve(state, tissue, np.zeros(1))
    np.testing.assert_allclose(built.joints.law.clamp(exact.joint_values(rest.forces), 4), 200.0, rtol=1e-6)
    chewer = Chewer(exact, case.tasks, case.constants, case.initial_bond)
    chewing = chewer.chew(state, tissue, 1.0, chewer.cold())
    peak, load = chewing.solved[0][0], chewing.loads[0]
    condensation, model = built.condensation, built.model
    field = condensation.displacement(peak.q, peak.forces, load)
    full = model.stiffness @ field + model.stiffness.T @ field - model.stiffness.diagonal() * field
    unbalanced = model.loads @ load - full - condensation.C @ peak.forces
    factor = make_solver("auto").factor(with_springs(model.stiffness, condensation.C, condensation.operator.k_ref))
    step = factor.solve(unbalanced)
    factor.close()
    assert np.abs(condensation.C.T @ step).max() <= 1e-8 * np.abs(peak.q).max()
    assert chewing.reaction[0] == pytest.approx(20.0, rel=5e-3)
    checks, _, _ = balance_checks(model, condensation, peak, load)
    assert [one.name for one in checks if not one.passed] == []


def test_preload_survives_a_restart_to_the_bit() -> None:
    """Days of chewing wear the threads, the heads press less, and a resumed run remembers every anchor and preload."""
    setting, built = unlocked()

    def fresh() -> Any:
        case, _ = loosening_case(setting, built)
        built.solver.forget()
        return case

    kept: list[dict[str, np.ndarray]] = []
    outcome = evolve(fresh(), 3.0, on_checkpoint=kept.append, checkpoint_every=2)
    clamp = outcome.history.screw("clamp_n")
    assert clamp[0] == pytest.approx(200.0, abs=2.0)
    assert (clamp[-1] < clamp[0]).all()
    again: list[dict[str, np.ndarray]] = []
    evolve(fresh(), 3.0, resume=kept[1], on_checkpoint=again.append, checkpoint_every=2)
    for name, value in kept[-1].items():
        assert value.tobytes() == again[-1][name].tobytes(), name


def test_friction_under_the_plate_spares_the_threads() -> None:
    """While the plate does not slip, threads move a fraction of what they do under a locked plate off the bone."""
    motions = []
    for setting, built in (constructed(), unlocked()):
        case, chewer = loosening_case(setting, built)
        motions.append(chewer.chew(case.insertion(), case.tissue_at(0.0), 1.0, chewer.cold()).motion.max())
    assert motions[1] < 0.5 * motions[0]


def test_glued_heads_are_locking_heads() -> None:
    """With heads glued into their holes and no bone under the plate, patch jumps are those of the locking block.

    Within a seventh: four quadrants of a wall are glued on average, the locking head at every node.
    """
    jumps = []
    for _, built in (constructed(), unlocked()):
        operator = built.condensation.operator
        stiffness, locked = operator.bulk_stiffness()
        count = 3 * operator.n_patches
        springs = np.concatenate([operator.k_ref[:count], np.zeros(operator.n_bites)])
        if built.joints is not None:
            law = built.joints.law
            springs = np.concatenate([springs, np.where(np.repeat(law.seats, 3), 100.0 * law.reference, 0.0)])
        jumps.append(np.linalg.solve(stiffness + np.diag(springs), locked[:, 0])[:count])
    assert np.linalg.norm(jumps[1] - jumps[0]) < 0.15 * np.linalg.norm(jumps[0])


def test_wrong_preloads_are_refused(tmp_path: Any) -> None:
    """A preload of locking screws, a negative one and an export of friction say so."""
    values = bench_values()
    values["screws"]["preload"] = "100 N"
    with pytest.raises(InputError, match="locking screws read no preload"):
        scenario_from_mapping(values, "wrong.yaml")
    with pytest.raises(InputError, match="must be finite and 0 or more"):
        joint_law(-1.0)
    path = tmp_path / "unlocked.yaml"
    path.write_text("".join(_yaml(bench_values() | {"screws": {"preset": "locking-2.4", "locking": False}})))
    with pytest.raises(InputError, match="not locked"):
        export(path, "calculix", tmp_path / "x.inp")


def _yaml(values: dict[str, Any]) -> list[str]:
    import io

    from ruamel.yaml import YAML

    stream = io.StringIO()
    YAML(typ="safe").dump(values, stream)
    return [stream.getvalue()]
