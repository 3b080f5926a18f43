"""BFGS with a line search that works down to rounding (Nocedal & Wright 2006, chapter 6).

The inverse Hessian B is learned from each step s and change of gradient y (equation 6.17):
B <- (I - s y'/y's) B (I - y s'/y's) + s s'/y's. It starts as the identity, not scaled by the first
step: flat directions, which an overparameterised student has many of, are then learned three times faster.

Why not a library's: on students of width 16 for 4 neurons, SciPy's BFGS ends at a mean squared error
of 1e-20 to 1e-22 ("precision loss") and optimistix's creeps (1e-11 after 5,000 steps), because both
compare losses, which differ by less than their rounding there. The approximate Wolfe conditions of
Hager & Zhang (2005) compare slopes instead: the same students go on to 1e-25 to 1e-28.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from expandcluster.activations import Activation
from expandcluster.expand.each_student import Chunks, End, chunks, each_student
from expandcluster.expand.loss_curve import Curve
from expandcluster.expand.objective import MEMORY, mean_squared_error, relative_unit, status_at_end
from expandcluster.expand.population import Samples, TrainedPopulation
from expandcluster.networks import Population
from expandcluster.options import BFGSOptions
from expandcluster.precision import in_float64

__all__ = ["bfgs"]

_RISE = 1e-2  # relative rise of the loss up to which slopes alone may decide: its rounding near the floor


class _State(NamedTuple):
    theta: jax.Array
    loss: jax.Array
    gradient: jax.Array
    inverse: jax.Array  # of the Hessian, as far as it is known
    step: jax.Array
    failures: jax.Array  # line searches that failed in a row
    curve: Curve


@in_float64
def bfgs(population: Population, samples: Samples, activation: Activation, options: BFGSOptions | None = None, *,
         seed: int = 0) -> TrainedPopulation:
    """Train every student by BFGS.

    After a line search that fails, B starts again as the identity; two failures in a row end the training.

    Args:
        population: the students; pruned neurons stay pruned.
        samples: queries and answers.
        activation: of the hidden layers.
        options: see :class:`BFGSOptions`; losses and gradients in it are of the mean squared error.
        seed: not used, the method is deterministic; part of the trainers' contract.
    """
    options = options or BFGSOptions()
    unit = relative_unit(samples)
    run = functools.partial(
        _bfgs, samples=chunks(samples, population.sizes, MEMORY), steps=options.steps,
        target=max(options.loss, samples.floor / unit), gradient_norm=options.gradient_norm,
        sizes=population.sizes, activation=activation,
    )
    return each_student(run, population, samples, unit=unit)


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _bfgs(theta: jax.Array, free: jax.Array, *, samples: Chunks, steps: jax.Array, target: jax.Array,
          gradient_norm: jax.Array, sizes: tuple[int, ...], activation: Activation) -> End:
    objective = mean_squared_error(samples, free, sizes=sizes, activation=activation)
    search = optax.scale_by_zoom_linesearch(max_linesearch_steps=30, approx_dec_rtol=_RISE,
                                            initial_guess_strategy="one")
    identity = jnp.eye(theta.shape[0])

    def advance(state: _State) -> _State:
        direction = -(state.inverse @ state.gradient)
        downhill = jnp.dot(direction, state.gradient) < 0
        direction = jnp.where(downhill, direction, -state.gradient)
        move, found = search.update(direction, search.init(state.theta), state.theta, value=state.loss,
                                    grad=state.gradient, value_fn=objective.value)
        change = found.grad - state.gradient
        curvature = jnp.dot(move, change)
        good = jnp.isfinite(found.value) & (found.value <= (1.0 + _RISE) * state.loss) & (curvature > 0)
        inverse = jnp.where(good, _update(state.inverse, move, change, curvature), identity)
        theta, lost, gradient = (jnp.where(good, new, old) for new, old in zip(
            (state.theta + move, found.value, found.grad), state[:3], strict=True))
        step = state.step + 1
        return _State(theta, lost, gradient, inverse, step, jnp.where(good, 0, state.failures + 1),
                      state.curve.after(step, lost))

    def reached(state: _State) -> jax.Array:
        return (state.loss <= target) | (jnp.linalg.norm(state.gradient) <= gradient_norm)

    def stalled(state: _State) -> jax.Array:
        return (state.failures >= 2) | ~jnp.isfinite(state.loss)

    lost, gradient = objective.gradient(theta)
    first = _State(theta, lost, gradient, identity, jnp.asarray(0), jnp.asarray(0), Curve.start(lost))
    end = jax.lax.while_loop(lambda s: ~reached(s) & ~stalled(s) & (s.step < steps), advance, first)
    return End(end.theta, end.loss, jnp.linalg.norm(end.gradient), end.step,
               status_at_end(reached(end), stalled(end)), *end.curve)


def _update(inverse: jax.Array, move: jax.Array, change: jax.Array, curvature: jax.Array) -> jax.Array:
    """Equation 6.17 multiplied out: a rank-two change, quadratic in the number of parameters."""
    image = inverse @ change
    cross = jnp.outer(image, move)
    own = (1.0 + jnp.dot(change, image) / curvature) / curvature
    return inverse + own * jnp.outer(move, move) - (cross + cross.T) / curvature
