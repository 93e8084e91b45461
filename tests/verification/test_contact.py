"""Contact solve on the stand-in jaw: uniqueness, bite force, stick, loss of hold, tendencies, repeatability."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg as sl

from femsim.errors import ConvergenceError, InputError
from femsim.interface import (
    ContactSolver,
    InterfaceState,
    LawConstants,
    PatchTissue,
    ScrewBoneLaw,
    axial_stiffness,
    holding_force,
    lateral_stiffness,
    screw_motion,
)
from femsim.interface.demonstration import demonstration
from femsim.interface.inverse import Correction, KeptInverse
from femsim.parameters import load_parameters

CONSTANTS = LawConstants.from_parameters(load_parameters())
LAW = ScrewBoneLaw(CONSTANTS)
LOAD = np.array([140.0, 210.0])


@pytest.fixture(scope="module")
def model():
    return demonstration(CONSTANTS, per_stump=2, rings=4)


def make_solver(model, **options):
    return ContactSolver(model.condensation.operator, model.patches.thread_shape, LAW, 1e5, **options)


def fresh(model):
    n = len(model.patches)
    return InterfaceState.insertion(n, CONSTANTS), PatchTissue.healthy(n, CONSTANTS)


def worn(model, seed=1):
    rng, n = np.random.default_rng(seed), len(model.patches)
    state = InterfaceState(rng.uniform(0.05, 0.5, n), rng.uniform(0, 1, n), rng.uniform(0, 0.02, n), np.zeros(n))
    return state, PatchTissue.healthy(n, CONSTANTS)


def test_stand_in_equals_its_full_system(model):
    """With all patches linear, the condensed answer is that of the full dense system."""
    state, tissue = fresh(model)
    state = replace(state, bonded=np.ones_like(state.bonded))
    soft = LOAD * 1e-3  # small enough for every bond to stay elastic, pressed or not
    solver = make_solver(model, tolerance=1e-12)
    found = solver.solve(state, tissue, soft)
    coefficients = solver.coefficients(state, tissue)
    cap = LAW.friction_cap(coefficients, found.jumps)
    _, tangent = LAW.response(coefficients, found.jumps, cap)
    assert (tangent > 0).all()
    springs = np.append(((tangent + 1e-3) * model.patches.area[:, None]).ravel(), [0.0, 0.0])
    columns = model.condensation.C.toarray()
    full = model.stiffness + (columns * springs) @ columns.T
    u = sl.solve(full, model.condensation.F @ soft, assume_a="pos")
    np.testing.assert_allclose(columns.T @ u, found.q, atol=1e-8 * np.abs(found.q).max())


def test_answer_does_not_depend_on_the_start(model):
    """The energy is convex: far-off starts and kept inverses of other tasks lead to the same jumps."""
    state, tissue = worn(model)
    solver = make_solver(model, tolerance=1e-9)
    first = solver.solve(state, tissue, LOAD, 0)
    rng = np.random.default_rng(5)
    for size in (1e-3, 1.0):
        start = size * rng.standard_normal(len(first.q))
        again = solver.solve(state, tissue, LOAD, 0, start=start)
        assert np.abs(again.q - first.q).max() <= 1e-6 * np.abs(first.q).max()
    solver.solve(*fresh(model), 0.2 * LOAD, 1)
    again = solver.solve(state, tissue, LOAD, 0)
    assert np.abs(again.q - first.q).max() <= 1e-6 * np.abs(first.q).max()


def test_equilibrium_satisfies_the_flexibility_form(model):
    """q = g a - G (f - k_ref q), with friction within the Coulomb limit of the final pressure."""
    state, tissue = worn(model)
    solver = make_solver(model, tolerance=1e-10)
    found = solver.solve(state, tissue, LOAD, 0)
    operator = model.condensation.operator
    right = operator.g_loads @ LOAD - operator.G @ (found.forces - operator.k_ref * found.q)
    assert np.abs(right - found.q).max() <= 1e-8 * np.abs(found.q).max()
    cap = LAW.friction_cap(solver.coefficients(state, tissue), found.jumps)
    assert (np.abs(found.tractions[:, 2]) <= cap * (1 + 1e-9)).all()
    assert found.residual_share < 1e-4


def test_zero_load_gives_zero(model):
    """Without load a fresh interface has no jump and no traction."""
    found = make_solver(model).solve(*fresh(model), np.zeros(2), 0)
    assert np.abs(found.q).max() == 0.0
    assert np.abs(found.tractions).max() == 0.0


@pytest.mark.parametrize("wanted", [20.0, 150.0, 400.0])
def test_bite_force_is_met(model, wanted):
    """The solved bite reaction is the wanted one within 0.1 %, from a start that is far off."""
    state, tissue = worn(model)
    found, scale = make_solver(model).solve_for_bite_force(state, tissue, LOAD / 100, 0, wanted, scale=0.3)
    assert found.bite_reaction == pytest.approx(wanted, rel=1e-3)
    again = make_solver(model).solve(state, tissue, scale * LOAD / 100, 0)
    assert again.bite_reaction == pytest.approx(wanted, rel=2e-3)


def test_bite_point_pushes_only(model):
    """Muscles that open the jaw get no reaction, and asking for one is refused in words."""
    state, tissue = fresh(model)
    solver = make_solver(model)
    assert solver.solve(state, tissue, -0.1 * LOAD, 0).bite_reaction == 0.0
    with pytest.raises(ConvergenceError, match="is not reached"):
        solver.solve_for_bite_force(state, tissue, -0.01 * LOAD, 0, 100.0)
    with pytest.raises(InputError, match="bite force -5"):
        solver.solve_for_bite_force(state, tissue, LOAD, 0, -5.0)


@pytest.mark.parametrize(("size", "slips"), [(0.1, False), pytest.param(0.3, True, marks=pytest.mark.slow)])
def test_chewing_does_not_creep(model, size, slips):
    """Of 200 chewing cycles the last ends where the second did; below slip the anchors stay to the bit."""
    state, tissue = fresh(model)
    solver = make_solver(model)
    peak = valley = None
    anchors, peaks = [], []
    for _ in range(200):
        peak = solver.solve(state, tissue, size * LOAD, 0, start=valley, key="peak")
        state = solver.accept(state, tissue, peak)
        valley = solver.solve(state, tissue, 0.1 * size * LOAD, 0, start=peak, key="valley")
        state = solver.accept(state, tissue, valley)
        anchors.append(state.anchor)
        peaks.append(peak.jumps)
    assert (anchors[-1] != 0.0).any() == slips
    assert np.abs(anchors[-1] - anchors[1]).max() < 1e-9
    assert np.abs(peaks[-1] - peaks[1]).max() < 1e-8  # mm; 1e-5 mm is what is allowed in 1e5 cycles


def test_lost_screws_are_an_answer(model):
    """When nothing holds any more the solver says so; it does not raise and gives finite numbers."""
    state, tissue = fresh(model)
    zero = np.zeros_like(state.bonded)
    lost = replace(state, bonded=zero, damage=zero + 1.0)
    found = make_solver(model).solve(lost, tissue, LOAD, 0)
    assert not found.supported
    assert np.isfinite(found.q).all()
    half = model.patches.screw < 2
    one_stump = replace(
        state, bonded=np.where(half, 0.0, 0.3), damage=np.where(half, 1.0, 0.0), clearance=np.where(half, 0.3, 0.0)
    )
    assert not make_solver(model).solve(one_stump, tissue, LOAD, 0).supported
    assert make_solver(model).solve(state, tissue, LOAD, 0).supported


def test_softer_bone_moves_more(model):
    """Motion of every screw grows as bone softens, as contact is lost, and with load."""
    solver = make_solver(model)
    state, tissue = fresh(model)

    def motion(state, tissue, load=LOAD):
        return screw_motion(model.patches, solver.solve(state, tissue, load, 0).jumps)[:, 1]

    base = motion(state, tissue)
    for factor in (0.5, 0.1):
        softer = motion(state, replace(tissue, young=factor * tissue.young))
        assert (softer > base).all()
        base = softer
    assert (motion(replace(state, clearance=state.clearance + 0.02), tissue) > motion(state, tissue)).all()
    assert (motion(state, tissue, 2 * LOAD) > motion(state, tissue)).all()


def test_forgetting_makes_runs_repeat(model):
    """After ``forget`` the same solve gives the same bits, whatever came before."""
    state, tissue = worn(model)
    solver = make_solver(model)
    first = solver.solve(state, tissue, LOAD, 0)
    solver.solve(*fresh(model), 0.3 * LOAD, 1)
    solver.forget()
    again = solver.solve(state, tissue, LOAD, 0)
    assert (again.q == first.q).all()


def test_kept_inverses_can_be_made_again(model):
    """A solver that restores what another kept gives the same bits as that one, whatever came before."""
    first, second = make_solver(model), make_solver(model)
    for solver in (first, second):
        second.solve(*fresh(model), 0.4 * LOAD, 1, key="other")
        solver.solve(*fresh(model), 0.3 * LOAD, 1, key="task")
        solver.solve(*worn(model, seed=2), LOAD, 0, key="task")
    state, tissue = worn(model)
    second.restore(first.kept())
    found, again = (solver.solve(state, tissue, LOAD, 0, key="task") for solver in (first, second))
    assert (found.q == again.q).all()
    assert second.kept()["spent"][0] == first.kept()["spent"][0] > 0.0
    assert list(second.kept()["keys"]) == ["task"]


@pytest.mark.parametrize("tolerance", [1e-4, 1e-7, 1e-10])
def test_tolerance_bounds_the_unbalanced_force(model, tolerance):
    """The residual in double precision is within the tolerance asked for, loose or tight, per solve or per solver."""
    state, tissue = worn(model)
    found = make_solver(model).solve(state, tissue, LOAD, 0, tolerance=tolerance)
    operator = model.condensation.operator
    stiffness, locked = operator.bulk_stiffness()
    unbalanced = locked @ LOAD - stiffness @ found.q - found.forces
    assert np.linalg.norm(unbalanced) <= 1.2 * tolerance * np.linalg.norm(locked @ LOAD)
    assert (make_solver(model, tolerance=tolerance).solve(state, tissue, LOAD, 0).q == found.q).all()


@pytest.mark.parametrize("changes", [1, 40, 200])
def test_corrected_inverse_is_an_inverse(model, changes):
    """After few or many springs have become softer or stiffer, the corrected inverse nearly solves the new system."""
    solver = make_solver(model)
    stiffness = solver._stiffness
    rng, size = np.random.default_rng(changes), len(solver._stiffness)
    springs = rng.uniform(50.0, 1000.0, size)
    inverse = KeptInverse(stiffness, springs.copy())
    rows = rng.choice(size, changes, replace=False)
    springs[rows] *= np.resize([60.0, 0.01, 3.0], changes)
    correction = Correction(inverse, springs, tried=False)
    assert 0 < correction.rows.size <= changes
    right = rng.standard_normal(size)
    left = stiffness @ (found := correction.apply(right)) + springs * found
    assert np.linalg.norm(left - right) < 0.15 * np.linalg.norm(right)
    assert inverse.spent > 0.0


def test_stiffness_measures_by_hand(model):
    """Fresh screws: lateral and axial stiffness are sums that can be written down; wear lowers all three measures."""
    solver = make_solver(model)
    coefficients = solver.coefficients(*fresh(model))
    area = model.patches.area[0] * 8 * 4
    assert axial_stiffness(model.patches, coefficients) == pytest.approx(4150.0 * area)

    def by_hand(clearance):
        # 50 um sideways: bearing on the pressed half beyond the clearance, on the other the bond up to 1.2 MPa, around
        # the flanks friction up to 0.3 t_r + 1.2. Onto a sector's middle or between two: the weaker counts.
        totals = []
        for turn in (0.0, np.pi / 8):
            angle = np.arange(8) * np.pi / 4 + turn
            cosine, sine = np.cos(angle), np.abs(np.sin(angle))
            pressed = 1e4 * np.maximum(0.05 * cosine - clearance, 0)
            bond = np.minimum(150 * 0.05 * np.maximum(-cosine, 0), 1.2)
            turning = 1200 * np.exp(-clearance / 0.05) + 150
            around = np.minimum(turning * 0.05 * sine, 0.3 * pressed + 1.2)
            totals.append(((pressed + bond) * np.abs(cosine) + around * sine).sum())
        return model.patches.area[0] * 4 * min(totals) / 0.05

    found = lateral_stiffness(model.patches, coefficients, LAW, 0.05)
    assert found == pytest.approx(by_hand(0.0), rel=1e-9)
    state, tissue = fresh(model)
    loose = solver.coefficients(replace(state, clearance=state.clearance + 0.03), tissue)
    assert lateral_stiffness(model.patches, loose, LAW, 0.05) == pytest.approx(by_hand(0.03), rel=1e-9)
    assert by_hand(0.03) < 0.3 * by_hand(0.0)
    assert holding_force(model.patches, loose) == pytest.approx(
        (51.6 * 0.7020725 * np.exp(-0.6) + 1.2) * area * np.ones(4), rel=1e-9
    )


def test_wrong_arguments_are_named(model):
    """A load of the wrong length, an unknown bite point, or thread shapes that do not fit are refused."""
    solver = make_solver(model)
    with pytest.raises(InputError, match="2 finite factors"):
        solver.solve(*fresh(model), np.ones(3))
    with pytest.raises(InputError, match="bite point 2"):
        solver.solve(*fresh(model), np.ones(2), 2)
    with pytest.raises(InputError, match="thread shapes"):
        ContactSolver(model.condensation.operator, np.ones(3), LAW, 1e5)
