"""SciPy's sequential least squares programming without constraints (Kraft 1988), behind the trainers' contract.

Without constraints it is a BFGS that keeps the factors L D L' of the Hessian. It ends on absolute
tolerances of its own, at mean squared errors of 1e-18 to 1e-23.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import numpy as np
from scipy.optimize import minimize

from expandcluster.activations import Activation
from expandcluster.expand.each_student import Chunks, End, chunks, each_student
from expandcluster.expand.loss_curve import Curve
from expandcluster.expand.objective import MEMORY, mean_squared_error, relative_unit
from expandcluster.expand.population import Samples, Status, TrainedPopulation
from expandcluster.networks import Population
from expandcluster.options import SLSQPOptions
from expandcluster.precision import in_float64

__all__ = ["slsqp"]

_LEAST_FALL = 1e-40  # SciPy ends when the loss falls by less; the options' own limits come before


class _Reached(Exception):
    """Ends SciPy's loop: not every version of SciPy lets a callback end this method."""


@in_float64
def slsqp(population: Population, samples: Samples, activation: Activation, options: SLSQPOptions | None = None, *,
          seed: int = 0) -> TrainedPopulation:
    """Train every student by SLSQP; the best parameters met are kept.

    Args:
        population: the students; pruned neurons stay pruned.
        samples: queries and answers.
        activation: of the hidden layers.
        options: see :class:`SLSQPOptions`; losses and gradients in it are of the mean squared error.
        seed: not used, the method is deterministic; part of the trainers' contract.
    """
    options = options or SLSQPOptions()
    unit = relative_unit(samples)
    run = functools.partial(_run, samples=chunks(samples, population.sizes, MEMORY), sizes=population.sizes,
                            activation=activation, target=max(options.loss, samples.floor / unit), options=options)
    return each_student(run, population, samples, unit=unit, traceable=False)


def _run(theta: jax.Array, free: jax.Array, *, samples: Chunks, sizes: tuple[int, ...], activation: Activation,
         target: float, options: SLSQPOptions) -> End:
    evaluate = functools.partial(_gradient, free=free, samples=samples, sizes=sizes, activation=activation)
    return _train(np.array(theta), evaluate, target, options)


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _gradient(theta: jax.Array, *, free: jax.Array, samples: Chunks, sizes: tuple[int, ...],
              activation: Activation) -> tuple[jax.Array, jax.Array]:
    return mean_squared_error(samples, free, sizes=sizes, activation=activation).gradient(theta)


def _train(theta: np.ndarray, evaluate: Callable[[np.ndarray], tuple[jax.Array, jax.Array]], target: float,
           options: SLSQPOptions) -> End:
    """One student, on the host."""
    best, least, norm, steps = theta, np.inf, np.nan, 0
    losses: list[float] = []

    def look(at: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal best, least, norm
        lost, gradient = (np.asarray(a) for a in evaluate(at))
        if lost < least:
            best, least, norm = at.copy(), float(lost), float(np.linalg.norm(gradient))
        if least <= target or norm <= options.gradient_norm:
            raise _Reached
        return float(lost), gradient

    def count(_: np.ndarray) -> None:
        nonlocal steps
        steps += 1
        losses.append(least)

    try:
        losses.append(look(theta)[0])
        if np.isfinite(losses[0]):
            minimize(look, theta, jac=True, method="SLSQP", callback=count,
                     options={"maxiter": options.steps, "ftol": _LEAST_FALL})
        status = Status.STALLED if steps < options.steps else Status.STEPS
    except _Reached:
        # SciPy counts a step when its line search is over: the one that reached the target is not counted yet.
        steps, status = steps + (best is not theta and not np.array_equal(best, theta)), Status.TARGET
    return End(best, least, norm, steps, status, *Curve.of(losses))
