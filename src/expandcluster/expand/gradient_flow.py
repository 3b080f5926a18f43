"""Gradient flow, d theta / dt = -d MSE / d theta, by implicit Runge-Kutta methods of diffrax (paper, appendix C).

Overparameterised students have curvatures from 10 down to 0: the flow is as stiff as they come, and an
explicit method would follow its fastest direction for 1e10 steps. Both solvers here are of order 5 with
an error estimate of order 4, their stages singly diagonally implicit and the last one stiffly accurate:

- ``kencarp5``: ESDIRK5(4)8L[2]SA, the implicit half of ARK5(4)8L[2]SA (Kennedy & Carpenter 2003, table for
  the implicit scheme). The method splits d theta / dt into an explicit and an implicit part, and
  gradient flow has no such parts. All of it is implicit here and the explicit half, which would multiply
  zero, is left out. That also makes the first stage of a step the last one of the step before: evaluated
  anew, it would carry what little is left of the stiff directions times a step of 1e9, and more than half
  of all steps then fail. A frozen Hessian as the implicit part and the rest as the explicit one was
  tried: its steps stay a hundred thousand times shorter.
- ``kvaerno5``: Kvaerno's 5/4 ESDIRK (Kvaerno 2004).

Stages are solved by chord iterations with the exact Hessian at the step's first implicit stage, in
terms of the velocity. Their tolerance is relative to the size of the velocity: diffrax's own is
absolute, so that stages count as solved that are not while the velocity falls by ten orders and the
time steps grow by ten.

At a kink of the activation the velocity jumps. Where it points to the jump from both sides, students
slide along it, and no implicit step has a solution: ReLU and leaky ReLU flow with their smooth stand-in.
"""

from __future__ import annotations

import functools
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from expandcluster.activations import Activation
from expandcluster.errors import MissingExtra
from expandcluster.expand.each_student import Chunks, End, chunks, each_student
from expandcluster.expand.loss_curve import Curve
from expandcluster.expand.objective import MEMORY, Mark, mean_squared_error, relative_unit, status_at_end
from expandcluster.expand.population import Samples, TrainedPopulation
from expandcluster.networks import Population
from expandcluster.options import GradientFlowOptions
from expandcluster.precision import in_float64

__all__ = ["gradient_flow"]

_STAGE_ITERATIONS = 10  # a step whose stages take more is rejected, and a shorter one tried
_LEAST_STEP = 1e-12  # of the time passed
_GROWTH = 2.0  # of the time step, at most; with diffrax's 10 every other step is rejected


class _State(NamedTuple):
    theta: jax.Array
    loss: jax.Array
    gradient_norm: jax.Array
    time: jax.Array
    until: jax.Array  # where the next step ends
    solver: Any
    controller: Any
    step: jax.Array
    mark: Mark
    curve: Curve


class _Limits(NamedTuple):
    """What the options ask for, as numbers that are traced: one program serves all of them."""

    steps: Any
    time: Any
    loss: Any
    gradient_norm: Any
    rtol: Any
    atol: Any
    stage_tolerance: Any
    first_step: Any
    largest_step: Any
    sharpness: Any
    patience: Any


@in_float64
def gradient_flow(population: Population, samples: Samples, activation: Activation,
                  options: GradientFlowOptions | None = None, *, seed: int = 0) -> TrainedPopulation:
    """Let every student flow down the gradient of its mean squared error.

    Args:
        population: the students; pruned neurons stay pruned.
        samples: queries and answers.
        activation: of the hidden layers.
        options: see :class:`GradientFlowOptions`; times, losses and gradients in it are those of the mean
            squared error over samples and outputs.
        seed: not used, the flow is deterministic; part of the trainers' contract.

    Raises:
        MissingExtra: diffrax is not installed.
    """
    options = options or GradientFlowOptions()
    _solver_class(options.solver)
    unit = relative_unit(samples)
    limits = _Limits(**{name: getattr(options, name) for name in _Limits._fields})
    limits = limits._replace(loss=max(options.loss or 0.0, samples.floor / unit))
    run = functools.partial(_flow, samples=chunks(samples, population.sizes, MEMORY), limits=limits,
                            solver=options.solver, sizes=population.sizes, activation=activation)
    return each_student(run, population, samples, unit=unit)


@functools.partial(jax.jit, static_argnames=("solver", "sizes", "activation"))
def _flow(theta: jax.Array, free: jax.Array, *, samples: Chunks, limits: _Limits, solver: str,
          sizes: tuple[int, ...], activation: Activation) -> End:
    import diffrax

    objective = mean_squared_error(samples, free, sizes=sizes, activation=activation)
    smooth = mean_squared_error(samples, free, sizes=sizes, activation=activation, sharpness=limits.sharpness)
    terms = diffrax.ODETerm(lambda time, theta, args: -smooth.gradient(theta)[1])
    stage_solver = _stage_solver_class()(lambda theta: smooth.hessian(theta)[2], limits.stage_tolerance)
    method = _solver_class(solver)(root_finder=stage_solver, root_find_max_steps=_STAGE_ITERATIONS)
    controller = diffrax.PIDController(rtol=limits.rtol, atol=limits.atol, factormax=_GROWTH,
                                       dtmax=limits.largest_step)
    order = method.error_order(terms)

    def advance(state: _State) -> _State:
        trial, error, _, after, result = method.step(terms, state.time, state.until, state.theta, None, state.solver,
                                                     False)
        error = jnp.where(jnp.isfinite(error) & (result == diffrax.RESULTS.successful), error, jnp.inf)
        keep, time, until, _, memory, _ = controller.adapt_step_size(
            state.time, state.until, state.theta, trial, None, error, order, state.controller)
        theta, after = jax.tree.map(lambda new, old: jnp.where(keep, new, old), (trial, after),
                                    (state.theta, state.solver))
        lost, gradient = objective.gradient(theta)
        norm, step = jnp.linalg.norm(gradient), state.step + 1
        return _State(theta, lost, norm, jnp.asarray(time), jnp.minimum(until, limits.time), after, memory, step,
                      state.mark.after(lost, norm, step), state.curve.after(step, lost))

    def reached(state: _State) -> jax.Array:
        return (state.loss <= limits.loss) | (state.gradient_norm <= limits.gradient_norm)

    def over(state: _State) -> jax.Array:
        return (state.step >= limits.steps) | (state.time >= limits.time)

    def stalled(state: _State) -> jax.Array:
        """No progress, or no step is short enough: at the rounding of the velocity, or where it jumps."""
        short = ~over(state) & ~(state.until - state.time > _LEAST_STEP * state.time)
        return ~jnp.isfinite(state.loss) | short | (state.step - state.mark.step >= limits.patience)

    lost, gradient = objective.gradient(theta)
    norm, start = jnp.linalg.norm(gradient), jnp.zeros(())
    until, memory = controller.init(terms, start, limits.time, theta, limits.first_step, None, method.func, order)
    first = _State(theta, lost, norm, start, jnp.minimum(jnp.asarray(until), limits.time),
                   method.init(terms, start, until, theta, None), jax.tree.map(jnp.asarray, memory), jnp.asarray(0),
                   Mark(lost, norm, jnp.asarray(0)), Curve.start(lost))
    end = jax.lax.while_loop(lambda s: ~reached(s) & ~stalled(s) & ~over(s), advance, first)
    return End(end.theta, end.loss, end.gradient_norm, end.step, status_at_end(reached(end), stalled(end)), *end.curve)


@functools.cache
def _solver_class(name: str) -> Any:
    """The Runge-Kutta method of an option ``solver``."""
    try:
        import diffrax
    except ImportError as error:
        raise MissingExtra("diffrax", "flow") from error
    if name == "kvaerno5":
        return diffrax.Kvaerno5
    both = diffrax.KenCarp5

    class ImplicitKenCarp5(diffrax.AbstractRungeKutta, diffrax.AbstractImplicitSolver):
        """The implicit tableau of KenCarp5 alone."""

        tableau: ClassVar[Any] = both.tableau.tableaus[1]
        calculate_jacobian: ClassVar[Any] = both.calculate_jacobian
        interpolation_cls: ClassVar[Any] = diffrax.Kvaerno5.interpolation_cls  # not used: only ends of steps are
        root_finder: Any = None  # type: ignore[misc]
        root_find_max_steps: int = _STAGE_ITERATIONS  # type: ignore[misc]

        def order(self, terms: Any) -> int:
            return 5

    return ImplicitKenCarp5


class _StageState(NamedTuple):
    factor: jax.Array  # Cholesky's, of the derivative of the stage's equations
    change: jax.Array  # size of the last change of the unknown over its size and the tolerance
    change_before: jax.Array
    iterations: jax.Array


@functools.cache
def _stage_solver_class() -> Any:
    import optimistix

    class StageSolver(optimistix.AbstractRootFinder):
        """Chord iterations for the velocity v of a stage, v = field(start + step v), step = diagonal * dt.

        The derivative, I + step * Hessian, is factored once in a step of time. It has no Cholesky factor where
        the loss is so concave that the equations have more than one solution: the step of time is then
        rejected, as it is when iterations do not contract. A stage is solved when the error left is
        at most ``rtol |v|``: the last change, or what the rate of convergence promises (Hairer & Wanner 1996,
        equation IV.8.10).
        """

        hessian: Any  # type: ignore[misc]
        rtol: Any  # type: ignore[misc]
        atol: Any = 0.0
        norm: Any = jnp.linalg.norm

        def init(self, fn: Any, y: Any, args: Any, options: Any, f_struct: Any, aux_struct: Any,
                 tags: Any) -> _StageState:
            if "init_state" in options:
                return options["init_state"]
            _, diagonal, _, _, _, start, _, dt = args  # diffrax hands the stage's terms to every root finder
            step, identity = diagonal * dt, jnp.eye(len(y))
            factor = jax.lax.cond(
                step > 0, lambda: jnp.linalg.cholesky(identity + step * self.hessian(start + step * y)),
                lambda: identity)
            return _StageState(factor, jnp.asarray(jnp.inf), jnp.asarray(jnp.inf), jnp.asarray(0))

        def step(self, fn: Any, y: Any, args: Any, options: Any, state: Any, tags: Any) -> Any:
            off, aux = fn(y, args)
            change = jax.scipy.linalg.cho_solve((state.factor, True), off)
            new = y - change
            size = self.norm(change) / (self.rtol * jnp.maximum(self.norm(new), 1e-300))
            return new, _StageState(state.factor, size, state.change, state.iterations + 1), aux

        def terminate(self, fn: Any, y: Any, args: Any, options: Any, state: Any, tags: Any) -> Any:
            rate = state.change / state.change_before
            rated = state.iterations >= 2
            solved = (state.change < 1) | (rated & (rate < 1) & (state.change * rate / (1 - rate) < 1))
            hopeless = ~solved & ((rated & ~(rate < 1)) | jnp.isnan(state.change))
            return solved | hopeless, optimistix.RESULTS.where(
                hopeless, optimistix.RESULTS.nonlinear_divergence, optimistix.RESULTS.successful)

        def postprocess(self, fn: Any, y: Any, aux: Any, args: Any, options: Any, state: Any, tags: Any,
                        result: Any) -> Any:
            return y, aux, {}

    return StageSolver
