"""One contract for all trainers: add a line to TRAINERS and every test runs on it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.problems import imitation

from expandcluster.expand.adam import adam
from expandcluster.expand.bfgs import bfgs
from expandcluster.expand.gradient_flow import gradient_flow
from expandcluster.expand.levenberg_marquardt import levenberg_marquardt
from expandcluster.expand.loss_curve import KEPT
from expandcluster.expand.newton import newton
from expandcluster.expand.population import Status
from expandcluster.expand.slsqp import slsqp
from expandcluster.networks import Network, random_population, stack
from expandcluster.options import (
    AdamOptions,
    BFGSOptions,
    GradientFlowOptions,
    LMOptions,
    NewtonOptions,
    SLSQPOptions,
)

TRAINERS = [
    pytest.param(levenberg_marquardt, LMOptions(steps=60), id="levenberg_marquardt"),
    pytest.param(adam, AdamOptions(epochs=60, batch=64), id="adam"),
    pytest.param(gradient_flow, GradientFlowOptions("kencarp5", steps=60), id="kencarp5"),
    pytest.param(gradient_flow, GradientFlowOptions("kvaerno5", steps=60), id="kvaerno5"),
    pytest.param(bfgs, BFGSOptions(steps=60), id="bfgs"),
    pytest.param(newton, NewtonOptions(steps=60), id="newton"),
    pytest.param(slsqp, SLSQPOptions(steps=60), id="slsqp"),
]


def problem(activation="tanh", floor=1e-26):
    return imitation((3, 2, 2), activation, floor)


@pytest.mark.parametrize(("train", "options"), TRAINERS)
def test_loss_falls_and_is_the_loss(train, options):
    teacher, samples = problem()
    students = random_population((3, 4, 2), 3, 0)
    result = train(students, samples, teacher.activation, options)
    for s in range(3):
        before, after = (
            np.sum((p.network(s, teacher.activation)(samples.x) - samples.y) ** 2) / samples.total_variance
            for p in (students, result.population)
        )
        assert after < 0.5 * before
        np.testing.assert_allclose(result.loss[s], after, rtol=1e-6, atol=1e-29)
    assert result.status.shape == result.loss.shape == result.gradient_norm.shape == result.steps.shape == (3,)
    assert (result.steps > 0).all()


@pytest.mark.parametrize(("train", "options"), TRAINERS)
def test_same_seed_same_students(train, options):
    teacher, samples = problem()
    a, b = (train(random_population((3, 4, 2), 2, 0), samples, teacher.activation, options, seed=3) for _ in range(2))
    np.testing.assert_array_equal(a.loss, b.loss)
    np.testing.assert_array_equal(a.population.weights[0], b.population.weights[0])


@pytest.mark.parametrize(("train", "options"), TRAINERS)
def test_a_student_does_not_depend_on_its_neighbours(train, options):
    teacher, samples = problem()
    students = random_population((3, 4, 2), 3, 0)
    together = train(students, samples, teacher.activation, options)
    alone = train(students.take([1]), samples, teacher.activation, options)
    np.testing.assert_allclose(together.loss[1], alone.loss[0], rtol=1e-4, atol=1e-28)


@pytest.mark.parametrize(("train", "options"), TRAINERS)
def test_curves_go_from_the_first_loss_to_the_last(train, options):
    teacher, samples = problem()
    students = random_population((3, 4, 2), 3, 0)
    result = train(students, samples, teacher.activation, options)
    assert result.curves.shape[::2] == (3, 2) and result.curves.shape[1] <= KEPT + 1
    for s, curve in enumerate(result.curves):
        curve = curve[np.isfinite(curve[:, 0])]
        first = samples.relative_loss(students.network(s, teacher.activation)(samples.x))
        np.testing.assert_allclose(curve[0], [0, first], rtol=1e-6)
        np.testing.assert_allclose(curve[-1], [result.steps[s], result.loss[s]], rtol=1e-6)
        assert (np.diff(curve[:, 0]) > 0).all() and len(curve) >= min(result.steps[s], KEPT) / 2
        middle = len(curve) // 2  # it is the loss of those steps: a shorter training ends there
        if hasattr(options, "steps"):
            short = train(students.take([s]), samples, teacher.activation,
                          dataclasses.replace(options, steps=int(curve[middle, 0])))
            np.testing.assert_allclose(curve[middle, 1], short.loss[0], rtol=1e-6)


@pytest.mark.parametrize(("train", "options"), TRAINERS)
def test_a_failing_student_is_data(train, options):
    teacher, samples = problem()
    students = random_population((3, 4, 2), 2, 0)
    students.weights[0][0] = np.nan
    result = train(students, samples, teacher.activation, options)
    assert result.status[0] == Status.FAILED and np.isinf(result.loss[0])
    assert np.isfinite(result.loss[1]) and result.status[1] != Status.FAILED
    assert np.isnan(result.curves[0]).all() and np.isfinite(result.curves[1, :2]).all()


@pytest.mark.parametrize(("train", "options"), TRAINERS)
def test_students_at_the_floor_are_left_as_they_are(train, options):
    teacher, samples = problem()
    result = train(stack([teacher], (3, 4, 2)), samples, teacher.activation, options)
    assert result.status[0] == Status.FLOOR and result.steps[0] == 0
    np.testing.assert_array_equal(result.population.network(0, teacher.activation).weights[0], teacher.weights[0])
    np.testing.assert_array_equal(result.curves[0], [[0, result.loss[0]]])


@pytest.mark.parametrize(("train", "options"), TRAINERS)
def test_pruned_neurons_stay_pruned(train, options):
    teacher, samples = problem()
    small = random_population((3, 2, 2), 1, 5).network(0, teacher.activation)
    result = train(stack([small], (3, 4, 2)), samples, teacher.activation, options)
    assert np.all(result.population.weights[0][0, 2:] == 0) and np.all(result.population.weights[1][0, :, 2:] == 0)
    assert result.population.network(0, teacher.activation).sizes == (3, 2, 2)


@pytest.mark.parametrize(("train", "options"), TRAINERS)
@pytest.mark.parametrize("activation", ["g", "relu"])
def test_every_activation_trains(train, options, activation):
    teacher, samples = problem(activation)
    result = train(random_population((3, 4, 2), 2, 0), samples, teacher.activation, options)
    assert (result.loss < 0.3).all()


def test_levenberg_marquardt_converges_quadratically():
    """Near a zero-residual minimum the error is squared at every step."""
    teacher, samples = problem(floor=0.0)
    rng = np.random.default_rng(0)
    start = Network(tuple(w + 1e-2 * rng.normal(size=w.shape) for w in teacher.weights), teacher.biases,
                    teacher.activation)
    losses = []
    for steps in range(1, 5):
        options = LMOptions(steps=steps, damping=1e-12)
        result = levenberg_marquardt(stack([start], start.sizes), samples, teacher.activation, options)
        losses.append(np.log10(result.loss[0]))
    orders = [losses[i + 1] / losses[i] for i in range(2)]
    assert min(orders) > 1.6, losses


def test_chunks_of_samples_change_nothing():
    teacher, samples = problem()
    students = random_population((3, 4, 2), 2, 0)
    whole, parts = (levenberg_marquardt(students, samples, teacher.activation, LMOptions(steps=5, memory=m))
                    for m in (2**30, 1))
    np.testing.assert_allclose(whole.loss, parts.loss, rtol=1e-6)


def test_levenberg_marquardt_finds_optimistix_minima():
    """The same starts end at losses as low as those of an independent implementation."""
    optimistix = pytest.importorskip("optimistix")
    import jax
    import jax.numpy as jnp

    from expandcluster.networks import forward
    from expandcluster.precision import float64

    teacher, samples = problem(floor=0.0)
    students = random_population((3, 2, 2), 4, 2)
    ours = levenberg_marquardt(students, samples, teacher.activation, LMOptions(steps=300))
    with float64():
        solver = optimistix.LevenbergMarquardt(rtol=1e-10, atol=1e-10)

        def residual(parameters, _):
            return forward(*parameters, teacher.activation, jnp.asarray(samples.x)) - samples.y

        for s in range(4):
            start = ([jnp.asarray(w[s]) for w in students.weights], [jnp.asarray(b[s]) for b in students.biases])
            end = optimistix.least_squares(residual, solver, start, max_steps=500, throw=False)
            theirs = float(jax.numpy.sum(residual(end.value, None) ** 2)) / samples.total_variance
            assert ours.loss[s] <= 1.05 * theirs + 1e-12 or ours.loss[s] < 1e-20, (s, ours.loss[s], theirs)
