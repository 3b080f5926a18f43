"""Gradient flow: it follows the differential equation, at the solver's order, and only ever downhill."""

from __future__ import annotations

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from tests.problems import random_teacher

from expandcluster.errors import MissingExtra
from expandcluster.expand import gradient_flow as module
from expandcluster.expand.gauss_newton import flatten, loss
from expandcluster.expand.gradient_flow import gradient_flow
from expandcluster.expand.population import Samples, Status
from expandcluster.networks import random_population
from expandcluster.options import GradientFlowOptions
from expandcluster.precision import float64

SOLVERS = ("kencarp5", "kvaerno5")
SIZES = (3, 4, 2)


def problem(activation="tanh"):
    teacher = random_teacher((3, 2, 2), activation, 0)
    x = np.random.default_rng(1).normal(size=(200, 3))
    return teacher.activation, Samples(x, teacher(x)), random_population(SIZES, 1, 0)


def flow(activation="tanh", **values):
    act, samples, students = problem(activation)
    return gradient_flow(students, samples, act, GradientFlowOptions(**values))


def parameters(result):
    return np.concatenate([np.concatenate([w[0], b[0][:, None]], axis=1).ravel()
                           for w, b in zip(result.population.weights, result.population.biases, strict=True)])


@pytest.fixture(scope="module")
def by_scipy():
    """The same flow by SciPy's LSODA, at tolerances of 1e-12, at times 1 and 20."""
    act, samples, students = problem()
    with float64():
        rest = (SIZES, act, jnp.asarray(samples.x), jnp.asarray(samples.y), jnp.ones(200))
        slope = jax.jit(jax.grad(lambda t: loss(t, *rest) / samples.y.size))
        start = flatten([w[0] for w in students.weights], [b[0] for b in students.biases])
        path = solve_ivp(lambda _, t: -np.asarray(slope(t)), (0, 20), np.asarray(start), "LSODA", t_eval=[1, 20],
                         rtol=1e-12, atol=1e-13)
    return dict(zip((1.0, 20.0), path.y.T, strict=True))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("time", [1.0, 20.0])
def test_flow_is_that_of_an_explicit_integrator(solver, time, by_scipy):
    error = []
    for r in (1e-4, 1e-9):
        result = flow(solver=solver, time=time, rtol=r, atol=r, stage_tolerance=r)
        error.append(np.abs(parameters(result) - by_scipy[time]).max())
    assert error[0] < 1e-3 and error[1] < 1e-6, error


@pytest.mark.parametrize("solver", SOLVERS)
def test_order_is_that_of_the_solver(solver, by_scipy):
    """Steps of one length; half of it leaves a 32nd of the error."""
    error = []
    for step in (1 / 4, 1 / 8, 1 / 16, 1 / 32):
        result = flow(solver=solver, time=1.0, first_step=step, largest_step=step, rtol=1e9, stage_tolerance=1e-13)
        assert result.steps[0] == round(1 / step)
        error.append(np.abs(parameters(result) - by_scipy[1.0]).max())
    orders = np.log2(np.array(error[:-1]) / np.array(error[1:]))
    assert orders.min() > 4.5, (orders, error)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("activation", ["tanh", "g"])
def test_loss_never_rises(solver, activation):
    losses = np.array([flow(activation, solver=solver, steps=s).loss[0] for s in range(1, 61)])
    assert (np.diff(losses) <= 1e-12 * losses[:-1] + 1e-28).all() and losses[-1] < 1e-3 * losses[0], losses


@pytest.mark.parametrize("change", [
    {"solver": "kvaerno5"}, {"steps": 20}, {"time": 3.0}, {"loss": 0.1}, {"gradient_norm": 0.05}, {"rtol": 1e-6},
    {"atol": 1e-9}, {"stage_tolerance": 1e-6}, {"first_step": 1e-5}, {"largest_step": 0.5},
    {"patience": 1},
], ids=lambda c: next(iter(c)))
def test_every_option_changes_something(change):
    before, after = flow(steps=40), flow(**{"steps": 40, **change})
    assert not np.array_equal(parameters(before), parameters(after))


def test_sharpness_is_that_of_a_kinked_activation_only():
    ends = [parameters(flow("relu", steps=20, sharpness=s)) for s in (10.0, 1e3)]
    assert not np.array_equal(*ends)
    np.testing.assert_array_equal(*[parameters(flow(steps=20, sharpness=s)) for s in (10.0, 1e3)])


def test_the_end_says_why():
    by_loss = flow(loss=0.1, steps=100)
    assert by_loss.status[0] == Status.TARGET
    assert by_loss.loss[0] * problem()[1].total_variance / 400 <= 0.1
    assert flow(gradient_norm=0.05, steps=100).status[0] == Status.TARGET
    assert flow(steps=20).status[0] == Status.STEPS and flow(steps=20).steps[0] == 20
    in_time = flow(time=3.0)
    assert in_time.status[0] == Status.STEPS and in_time.steps[0] < 100


def test_missing_diffrax_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffrax", None)
    module._solver_class.cache_clear()
    with pytest.raises(MissingExtra, match=r"expandcluster\[flow\]"):
        flow()


def test_options_hold_every_limit():
    assert set(module._Limits._fields) | {"solver"} == {f.name for f in dataclasses.fields(GradientFlowOptions)
                                                         if f.init}
