"""Exponential Runge-Kutta steps: order, exactness, stiffness, dense output, event location."""

from __future__ import annotations

import numpy as np
import pytest

from femsim.loosening.integrator import exponential_step, locate, next_length, phi_functions


def logistic(t0):
    """y' = y (1 - y) cos t has the closed form y = 1 / (1 + e^(-sin t) (1/y0 - 1)) from y(0) = y0."""
    return 1.0 / (1.0 + np.exp(-np.sin(t0)) * (1.0 / 0.2 - 1.0))


def right(t, y):
    return y * (1.0 - y) * np.cos(t)


def march(steps, slope_of, field="end", length=1.0):
    t, y, h = 0.0, np.array([[0.2]]), length / steps
    for _ in range(steps):
        step = exponential_step(t, h, y, right(t, y), slope_of(y), right)
        y, t = getattr(step, field), t + h
    return abs(float(y[0, 0]) - logistic(t))


@pytest.mark.parametrize("slope", [0.0, -1.0, -4.0])
def test_order_three_whatever_the_slope(slope):
    """Halving the step divides the error by eight, for no, a fair and a far too steep diagonal slope."""
    errors = [march(n, lambda y: np.full_like(y, slope)) for n in (64, 128, 256)]
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(rates - 3.0) < 0.25), (errors, rates)


def test_embedded_solution_is_of_order_two():
    """The embedded solution converges with the square of the step."""
    errors = [march(n, lambda y: np.full_like(y, -1.0), "embedded") for n in (64, 128, 256)]
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(rates - 2.0) < 0.25), (errors, rates)


def test_linear_equation_with_its_own_slope_is_exact():
    """y' = -k y + c is solved to round-off in one step of fifty time constants."""
    k, c = 5.0, 2.0
    y = np.array([[3.0]])
    step = exponential_step(0.0, 10.0, y, -k * y + c, np.array([[-k]]), lambda t, z: -k * z + c)
    assert step.end[0, 0] == pytest.approx(c / k + (3.0 - c / k) * np.exp(-k * 10.0), rel=1e-13)
    assert step.at(0.03)[0, 0] == pytest.approx(c / k + (3.0 - c / k) * np.exp(-k * 0.3), rel=1e-13)


def test_dense_output_is_of_order_three():
    """The continuous solution inside a step converges like the steps themselves."""
    errors = []
    for h in (0.2, 0.1, 0.05):
        y = np.array([[0.2]])
        step = exponential_step(0.0, h, y, right(0.0, y), np.full_like(y, -1.0), right)
        errors.append(abs(step.at(0.37)[0, 0] - logistic(0.37 * h)))
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(rates > 2.7), (errors, rates)


def test_dense_output_ends_at_the_step_end():
    """The continuous solution approaches the end of the step."""
    y = np.array([[0.2]])
    step = exponential_step(0.0, 0.5, y, right(0.0, y), np.full_like(y, -1.0), right)
    np.testing.assert_allclose(step.at(1.0 - 1e-12), step.end, rtol=1e-11)


def test_phi_functions_meet_where_series_and_closed_forms_change_over():
    """phi_k satisfies z phi_(k+1) = phi_k - 1/k! on both sides of the change-over and at zero."""
    z = np.array([-400.0, -3.0, -0.5 - 1e-9, -0.5 + 1e-9, -1e-3, -1e-12, 0.0])
    _, one, two, three = phi_functions(z)
    np.testing.assert_allclose(z * one, np.expm1(z), rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(z * two, one - 1.0, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(z * three, two - 0.5, rtol=1e-9, atol=1e-15)
    assert (one[-1], two[-1], three[-1]) == (1.0, 0.5, 1.0 / 6.0)


@pytest.mark.parametrize("tolerance", [0.1, 0.01, 1e-6])
def test_event_is_located_within_the_tolerance_and_never_before(tolerance):
    """A crossing of a known day is found at most the tolerance after it."""
    k, h = 0.3, 12.0
    crossing = np.log(10.0) / k  # exp(-k t) = 0.1
    y = np.array([[1.0]])
    step = exponential_step(0.0, h, y, -k * y, np.array([[-k]]), lambda t, z: -k * z)
    day = h * locate(lambda share: bool(step.at(share)[0, 0] <= 0.1), h, tolerance)
    assert 0.0 <= day - crossing + 1e-12 <= tolerance


def test_step_control_aims_below_the_tolerance():
    """An error of eight times the tolerance asks for a step shorter than half; a tiny one grows by four at most."""
    assert 0.35 < next_length(1.0, 8.0) < 0.5
    assert next_length(1.0, 1e-12) == 4.0
    assert next_length(1.0, 1e12) == pytest.approx(0.2)
