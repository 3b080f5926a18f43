"""Newton, BFGS and SLSQP: what theory promises of them, and that every option counts."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from tests.problems import imitation

from expandcluster.expand import each_student
from expandcluster.expand.bfgs import _update, bfgs
from expandcluster.expand.gradient_flow import gradient_flow
from expandcluster.expand.levenberg_marquardt import levenberg_marquardt
from expandcluster.expand.newton import _model_step, newton
from expandcluster.expand.population import Samples, Status
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
from expandcluster.precision import float64, in_float64


def problem(sizes=(3, 2, 2), floor=0.0):
    return imitation(sizes, "tanh", floor)


def near(teacher, size, seed=0):
    rng = np.random.default_rng(seed)
    moved = tuple(w + size * rng.normal(size=w.shape) for w in teacher.weights)
    return stack([Network(moved, teacher.biases, teacher.activation)], teacher.sizes)


def test_newton_converges_quadratically_on_a_realisable_problem():
    teacher, samples = problem()
    start = near(teacher, 1e-2)
    losses = np.array([newton(start, samples, teacher.activation, NewtonOptions(steps=s)).loss[0] for s in (1, 2, 3)])
    orders = np.log10(losses[1:]) / np.log10(losses[:-1])
    assert orders.min() > 1.6, losses


def test_newton_converges_quadratically_where_the_loss_stays():
    """Noise in the answers leaves residuals: Gauss-Newton is then linear, Newton still squares the gradient."""
    teacher, clean = problem()
    samples = Samples(clean.x, clean.y + 0.5 * np.random.default_rng(2).normal(size=clean.y.shape))
    exact, linear = ([train(near(teacher, 3e-2), samples, teacher.activation, make(steps=s)) for s in (1, 2, 3, 4)]
                     for train, make in ((newton, NewtonOptions),
                                         (levenberg_marquardt, lambda steps: LMOptions(steps, damping=1e-12))))
    norms, slow = (np.log10([result.gradient_norm[0] for result in results]) for results in (exact, linear))
    assert exact[-1].loss[0] > 1e-2 and norms[-1] < -14
    assert norms[1] < 1.7 * norms[0] and norms[3] < 1.7 * norms[2], norms
    assert slow[-1] > -7, slow


@pytest.mark.parametrize("kind", ["convex", "long", "concave", "hard"])
def test_newton_minimises_its_model_in_the_trust_region(kind):
    rng = np.random.default_rng(0)
    values, slope, radius = np.sort(rng.normal(size=6)), rng.normal(size=6), 0.7
    if kind in ("convex", "long"):
        values, radius = np.abs(values) + 0.1, 100.0 if kind == "convex" else 0.7
    if kind == "hard":
        slope[0] = 0.0
        slope[1:] *= 0.05
    values = np.sort(values)
    with float64():
        move, predicted = (np.asarray(a) for a in _model_step(jnp.asarray(values), jnp.asarray(slope), radius))

    def model(s):
        return slope @ s + 0.5 * np.sum(values * s**2)

    assert np.linalg.norm(move) <= radius * (1 + 1e-10)
    np.testing.assert_allclose(predicted, -model(move), rtol=1e-12)
    inside = {"type": "ineq", "fun": lambda s: radius**2 - s @ s}
    starts = rng.normal(size=(20, 6))
    best = min(minimize(model, s, method="SLSQP", constraints=inside, options={"ftol": 1e-14}).fun
               for s in radius * starts / np.linalg.norm(starts, axis=1, keepdims=True))
    np.testing.assert_allclose(model(move), best, rtol=1e-6)


def test_bfgs_learns_the_inverse_hessian():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    hessian = root @ root.T + np.eye(5)
    inverse = np.eye(5)
    for _ in range(200):
        move = rng.normal(size=5)
        change = hessian @ move
        inverse = np.asarray(in_float64(_update)(inverse, move, change, move @ change))
        np.testing.assert_allclose(inverse @ change, move, atol=1e-9)  # the secant equation
        assert np.linalg.eigvalsh(inverse).min() > 0
    np.testing.assert_allclose(inverse, np.linalg.inv(hessian), atol=1e-6)


def test_bfgs_goes_on_to_rounding():
    """Slopes decide where losses differ by less than their rounding; comparing losses ends at 1e-20."""
    teacher, samples = problem()
    students = random_population((3, 6, 2), 1, 3)
    ours = bfgs(students, samples, teacher.activation, BFGSOptions(steps=3000))
    assert ours.loss[0] < 1e-25, ours.loss


TRAINED = {
    newton: [NewtonOptions(steps=12), {"steps": 5}, {"loss": 0.1}, {"gradient_norm": 0.05}, {"radius": 1e-3},
             {"patience": 1}],
    bfgs: [BFGSOptions(steps=20), {"steps": 5}, {"loss": 0.1}, {"gradient_norm": 0.1}],
    slsqp: [SLSQPOptions(steps=20), {"steps": 5}, {"loss": 0.1}, {"gradient_norm": 0.1}],
}


@pytest.mark.parametrize(("train", "change"), [(t, c) for t, (_, *changes) in TRAINED.items() for c in changes])
def test_every_option_changes_something(train, change):
    teacher, samples = problem()
    students = random_population((3, 4, 2), 1, 0)
    options = TRAINED[train][0]
    if "patience" in change:
        options = dataclasses.replace(options, radius=1e-4)
    before, after = (train(students, samples, teacher.activation, o)
                     for o in (options, dataclasses.replace(options, **change)))
    assert after.steps[0] < before.steps[0] or after.loss[0] != before.loss[0]
    if "loss" in change or "gradient_norm" in change:
        assert after.status[0] == Status.TARGET and after.steps[0] > 0
    if "loss" in change:
        assert after.loss[0] * samples.total_variance / samples.answers <= 0.1


@pytest.mark.parametrize("train", [newton, bfgs, slsqp])
def test_the_floor_comes_before_the_target(train):
    teacher, samples = problem(floor=0.05)
    result = train(random_population((3, 4, 2), 2, 0), samples, teacher.activation, TRAINED[train][0])
    assert (result.status == Status.FLOOR).all() and (result.loss > 1e-6).all()


@pytest.mark.parametrize(("train", "options"), [
    (levenberg_marquardt, LMOptions(steps=5)), (newton, NewtonOptions(steps=5)), (bfgs, BFGSOptions(steps=10)),
    (gradient_flow, GradientFlowOptions(steps=10)),
])
def test_students_side_by_side_are_those_in_threads(train, options, monkeypatch):
    """Accelerators train students as one vectorised program."""
    teacher, samples = problem()
    students = random_population((3, 4, 2), 2, 0)
    in_threads = train(students, samples, teacher.activation, options)
    monkeypatch.setattr(each_student.jax, "default_backend", lambda: "gpu")
    together = train(students, samples, teacher.activation, options)
    np.testing.assert_allclose(together.loss, in_threads.loss, rtol=1e-6)
    np.testing.assert_array_equal(together.steps, in_threads.steps)


def test_defaults_are_the_papers():
    """Appendix C."""
    assert (AdamOptions().batch, AdamOptions().patience) == (640, 100)
    assert GradientFlowOptions().steps == NewtonOptions().steps == 5000 and BFGSOptions().steps == 250
    for options in (NewtonOptions(), BFGSOptions(), SLSQPOptions()):
        assert (options.loss, options.gradient_norm) == (1e-31, 1e-16)
