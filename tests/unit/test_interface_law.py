"""Traction law of one patch: values by hand, potential, tangent, convexity, stick anchor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from femsim.errors import InputError
from femsim.interface.law import InterfaceState, LawConstants, PatchTissue, ScrewBoneLaw
from femsim.parameters import load_parameters

CONSTANTS = LawConstants.from_parameters(load_parameters())
LAW = ScrewBoneLaw(CONSTANTS)
TSF = CONSTANTS.thread_shape(0.35, 1.0)


def patch(bonded=0.3, damage=0.0, clearance=0.0, anchor=0.0, young=13700.0, strength=1.0):
    state = InterfaceState(*(np.atleast_1d(float(v)) for v in (bonded, damage, clearance, anchor)))
    return state, PatchTissue(np.array([young]), np.array([strength]), np.ones(1))


def frozen(**values):
    return LAW.coefficients(*patch(**values), np.array([TSF]))


def traction(jump, **values):
    f = frozen(**values)
    jumps = np.array([jump], dtype=float)
    return LAW.response(f, jumps, LAW.friction_cap(f, jumps))[0][0]


def test_thread_shape_is_chapmans():
    """Thread 0.35 deep at pitch 1.0 has TSF 0.5 + 0.57735 * 0.35."""
    assert pytest.approx(0.7020725, rel=1e-12) == TSF


@pytest.mark.parametrize(
    ("jump", "values", "expected"),
    [
        # k_c = 1e4: 2 um press 20 MPa
        ((0.002, 0, 0), {}, (20.0, 0, 0)),
        # clearance 10 um leaves 5 um of 15; b = 2/3, D = 0.1, E halved: 5000 * (2/3) * 0.9 * 0.005
        ((0.015, 0, 0), {"bonded": 0.2, "damage": 0.1, "clearance": 0.01, "young": 6850.0}, (15.0, 0, 0)),
        # gap open, bond not stretched
        ((0.005, 0, 0), {"clearance": 0.01}, (0, 0, 0)),
        # bond in tension: 500 * 0.3 * 0.004 = 0.6, capped at 4 * 0.3 = 1.2
        ((-0.004, 0, 0), {}, (-0.6, 0, 0)),
        ((-0.02, 0, 0), {}, (-1.2, 0, 0)),
        # axial: 4000 + 150 per mm
        ((0, 0.001, 0), {}, (0, 4.15, 0)),
        # axial cap 51.6 * TSF + 1.2
        ((0, -1.0, 0), {}, (0, -(51.6 * 0.7020725 + 1.2), 0)),
        # axial with g = g_t: 4000 / e + 150, and the strength ratio enters the cap only
        ((0, 0.001, 0), {"clearance": 0.05, "strength": 0.5}, (0, 4.0 / np.e + 0.15, 0)),
        ((0, 1.0, 0), {"clearance": 0.05, "strength": 0.5, "bonded": 0.6}, (0, 25.8 * 0.7020725 / np.e + 2.4, 0)),
        # circumferential: 1200 + 150 per mm from the anchor; cap without pressure is the bond's 1.2
        ((0, 0, 0.0015), {"anchor": 0.001}, (0, 0, 0.675)),
        ((0, 0, 0.1), {}, (0, 0, 1.2)),
        # cap with 20 MPa pressure: 0.3 * 20 + 1.2
        ((0.002, 0, -0.1), {}, (20.0, 0, -7.2)),
        # all lost
        ((0.1, 0.1, 0.1), {"bonded": 0.0}, (0, 0, 0)),
    ],
)
def test_tractions_by_hand(jump, values, expected):
    """Each branch of the law gives the traction computed by hand."""
    np.testing.assert_allclose(traction(jump, **values), expected, rtol=1e-12, atol=1e-14)


STATES = st.fixed_dictionaries(
    {
        "bonded": st.floats(0.0, 1.0),
        "damage": st.floats(0.0, 1.0),
        "clearance": st.floats(0.0, 0.2),
        "anchor": st.floats(-0.05, 0.05),
        "young": st.floats(100.0, 20000.0),
        "strength": st.floats(0.1, 1.2),
    }
)
JUMPS = st.tuples(*[st.floats(-0.3, 0.3)] * 3)


@settings(max_examples=200, deadline=None)
@given(STATES, JUMPS, st.floats(0.01, 30.0))
def test_traction_is_gradient_of_potential(values, jump, cap):
    """At a held cap the traction is the derivative of the potential, and the tangent that of the traction."""
    f, jumps, caps = frozen(**values), np.array([jump]), np.array([cap])
    found, tangent = LAW.response(f, jumps, caps)
    size = 1e-7
    for k in range(3):
        step = np.zeros((1, 3))
        step[0, k] = size
        up, down = (LAW.potential(f, jumps + s * step, caps)[0] for s in (1, -1))
        assert (up - down) / (2 * size) == pytest.approx(found[0, k], rel=1e-5, abs=2e-3)
        high, low = (LAW.response(f, jumps + s * step, caps) for s in (1, -1))
        if (high[1] == low[1]).all() and (high[1] == tangent).all():  # no kink inside the difference
            assert (high[0] - low[0])[0, k] / (2 * size) == pytest.approx(tangent[0, k], rel=1e-5, abs=1e-3)


def capped(stiffness, cap, displacement):
    elastic = stiffness * displacement
    return np.clip(elastic, -cap, cap), stiffness * (np.abs(elastic) < cap)


def twin(f, jumps, cap):
    """The law in plain array operations, the reference of the compiled one."""
    radial = jumps[:, 0]
    pressed = np.maximum(radial - f.clearance, 0.0)
    bond, bond_tangent = capped(f.bond, f.bond_cap, np.minimum(radial, 0.0))
    axial, turning = capped(f.axial, f.axial_cap, jumps[:, 1]), capped(f.circumferential, cap, jumps[:, 2] - f.anchor)
    tangent = f.bearing * (pressed > 0.0) + bond_tangent * (radial < 0.0)
    return (
        np.column_stack([f.bearing * pressed + bond, axial[0], turning[0]]),
        np.column_stack([tangent, axial[1], turning[1]]),
    )


def test_compiled_law_equals_its_twin():
    """Traction, tangent and friction limit of ten thousand random patches are those of the plain formulas, to the bit
    but for the order of a product."""
    rng, n = np.random.default_rng(3), 10_000
    state = InterfaceState(
        rng.uniform(0, 1, n), rng.uniform(0, 1, n), rng.choice([0.0, 0.003, 0.05], n), rng.normal(0, 0.01, n)
    )
    f = LAW.coefficients(state, PatchTissue.healthy(n, CONSTANTS), np.full(n, TSF))
    jumps = rng.normal(0, 1, (n, 3)) * 10.0 ** rng.uniform(-5, 0, (n, 1))
    cap = LAW.friction_cap(f, jumps)
    np.testing.assert_allclose(cap, f.friction * f.bearing * np.maximum(jumps[:, 0] - f.clearance, 0.0) + f.bond_cap)
    for found, expected in zip(LAW.response(f, jumps, cap), twin(f, jumps, cap), strict=True):
        np.testing.assert_array_equal(found, expected)


@settings(max_examples=200, deadline=None)
@given(STATES, JUMPS, JUMPS, st.floats(0.0, 30.0))
def test_potential_is_convex(values, first, second, cap):
    """The potential at a held cap is convex along any line of jumps, and its traction monotone."""
    f, caps = frozen(**values), np.array([cap])
    a, b = np.array([first]), np.array([second])
    ends = LAW.potential(f, a, caps) + LAW.potential(f, b, caps)
    assert (LAW.potential(f, 0.5 * (a + b), caps) <= 0.5 * ends * (1 + 1e-12) + 1e-12).all()
    ta, tb = LAW.response(f, a, caps)[0], LAW.response(f, b, caps)[0]
    assert ((ta - tb) * (a - b)).sum() >= -1e-12


def test_no_drift_below_slip():
    """A hundred thousand cycles below the slip limit leave the anchor where it was, to the bit."""
    state, tissue = patch(anchor=0.00037)
    f = LAW.coefficients(state, tissue, np.array([TSF]))
    start = state.anchor.copy()
    peak, valley = np.array([[0.002, 0.001, 0.0045]]), np.array([[0.0002, 0.0001, -0.0002]])
    assert abs(LAW.response(f, peak, LAW.friction_cap(f, peak))[0][0, 2]) < LAW.friction_cap(f, peak)[0]
    for _ in range(50_000):
        state = LAW.update(LAW.update(state, f, peak), f, valley)
    assert (state.anchor == start).all()


def test_slip_moves_the_anchor_to_the_cap():
    """After slip the anchor trails so that the same jump is just held by the cap, and reversal sticks at once."""
    state, tissue = patch()
    f = LAW.coefficients(state, tissue, np.array([TSF]))
    jumps = np.array([[0.002, 0.0, 0.1]])
    moved = LAW.update(state, f, jumps)
    assert moved.anchor[0] == pytest.approx(0.1 - 7.2 / 1350.0, rel=1e-12)
    f = LAW.coefficients(moved, tissue, np.array([TSF]))
    back = jumps - [[0.0, 0.0, 0.001]]
    assert LAW.response(f, back, LAW.friction_cap(f, back))[0][0, 2] == pytest.approx(7.2 - 1.35, rel=1e-9)
    assert moved.anchor[0] == pytest.approx(LAW.update(moved, f, back).anchor[0], abs=0)


def test_impossible_states_are_refused():
    """A fraction beyond 1, a negative clearance or NaN names the patch, the value and the limits."""
    state, tissue = patch()
    with pytest.raises(InputError, match=r"patch 0: bonded fraction is 1\.5"):
        LAW.coefficients(replace(state, bonded=np.array([1.5])), tissue, np.array([TSF]))
    with pytest.raises(InputError, match="clearance"):
        LAW.coefficients(replace(state, clearance=np.array([-0.1])), tissue, np.array([TSF]))
    with pytest.raises(InputError, match="modulus"):
        LAW.coefficients(state, replace(tissue, young=np.array([np.nan])), np.array([TSF]))
