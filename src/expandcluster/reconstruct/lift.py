"""Lift a network from the slice it was found in to all of the teacher's inputs.

Inside the slice ``x = center + unit * (basis z)`` the network is exact, however roughly the basis spans
the row space of the first layer. What is missing is the first layer's weight u_i on each single input i.
From a base point k in the slice, whose preactivations p_k = W_z z_k + b are known exactly, a step h along
input i gives

    f(x_k + h e_i) = g(p_k + h u_i),

with g the part of the network above the first preactivations: for every input a least-squares problem of
its own, in as many unknowns as there are neurons, solved by Gauss-Newton. The step may be large: no
derivative is approximated. Base points are chosen so that together they see every neuron.

Where answers are noisy and the network is small enough, all its parameters are then fine-tuned on inputs
drawn outside the slice: random errors average out over all answers, in the steps only over those of one input.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import jax
import numpy as np

from expandcluster.activations import Activation
from expandcluster.expand.gauss_newton import step_work
from expandcluster.networks import Network, forward
from expandcluster.precision import in_float64
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.probe import Probe
from expandcluster.queries.source import Source
from expandcluster.reconstruct.fine_tune import tune
from expandcluster.reconstruct.step_weights import poorly_told, weights_from_steps
from expandcluster.reconstruct.weigh import weigh

__all__ = ["Lift", "lift"]

_CANDIDATES = 400  # inputs among which base points are chosen
_STEP = 0.5  # in units of the sampler
_BACK = 0.2  # of a step, the other way, where steps told nothing of a weight
_MOST = 4  # times as many base points as the fewest that can determine a neuron's weights
_SURE = 20.0  # expected errors that must fit into the tolerance
_NOISY = 1e-12  # relative noise of answers above which fine-tuning makes a difference
_AFFORDABLE = 2e10  # floating-point operations of one of its steps
_INPUTS, _ANSWERS = 300, 3000  # at most so many outside the slice of a box


@dataclasses.dataclass(frozen=True)
class Lift:
    """A network on the teacher's inputs, and how well its first layer is known.

    Attributes:
        network: on all inputs; ``None`` where there was none.
        bars: one standard deviation of each weight of the first layer, ``(hidden, inputs)``, NaN where no base
            point sees it; empty where the network was found or fine-tuned on all inputs.
        loss: mean squared error of the steps' answers over the variance of the answers; 0 where none was asked.
        tuned: samples outside the slice on which all parameters were fine-tuned.
    """

    network: Network | None
    bars: np.ndarray
    loss: float
    tuned: int = 0


def lift(network: Network | None, source: Source, probe: Probe, seed: int = 0, progress: Progress = silent) -> Lift:
    """The network on the teacher's inputs.

    Args:
        network: on the students' coordinates, exact there; ``None`` is passed through.
        source: whom to ask, and what the coordinates are.
        probe: the teacher's precision, which says how many base points are needed.
        seed: of the candidates for base points.
        progress: told of the steps' loss.
    """
    where = source.coordinates
    if network is None or where.basis is None or source.given is not None:
        return Lift(None if network is None else where.lift(network), np.zeros((0, 0)), 0.0)
    points = _base_points(network, source, probe, np.random.default_rng([seed, 7]))
    if not len(points):  # the budget is spent: the basis is all there is to go by
        return Lift(where.lift(network), np.full((network.sizes[1], len(where.unit)), np.nan), 0.0)
    shift = _room(points, source)
    y, steps = _ask(points, np.arange(len(where.unit)), shift, source)
    off = source.ask(points) - network(where.inside(points)) if source.region.bounded else np.zeros((1, 1))
    y = y - off
    preactivations = where.inside(points) @ network.weights[0].T + network.biases[0]
    start = where.lift(network).weights[0].T
    noise = probe.noise * probe.spread
    weights, bars, squares = weights_from_steps(network, preactivations, steps, y, start, noise)
    blind = np.flatnonzero(poorly_told(bars, squares, noise))
    told = int(np.isfinite(y).sum())
    if 0 < len(blind) * len(points) <= source.available:  # steps over a kink, or to answers that are saturated
        more, back = _ask(points, blind, -_BACK * shift[:, blind], source)
        weights[blind], bars[blind], squares[blind] = weights_from_steps(
            network, np.tile(preactivations, (2, 1)), np.concatenate([steps[blind], back], axis=1),
            np.concatenate([y[blind], more - off], axis=1), start[blind], noise)
        told += int(np.isfinite(more).sum())
    loss = float(squares.sum()) / max(told, 1) / probe.spread**2
    progress(Event("lift", f"{len(points)} base points, {steps.size:,} steps along single inputs: relative loss "
                   f"{loss:.1e}", {"loss": loss}))
    first = weights.T
    bias = network.biases[0] - first @ where.center
    lifted = Network((first, *network.weights[1:]), (bias, *network.biases[1:]), network.activation)
    return _tuned(Lift(lifted, bars.T, loss), source, probe, progress)


def _tuned(lifted: Lift, source: Source, probe: Probe, progress: Progress) -> Lift:
    """All parameters fine-tuned on inputs outside the slice, where that pays and can be afforded."""
    network = lifted.network
    assert network is not None
    count = math.ceil(source.options.per_parameter * network.parameters / network.sizes[-1])
    dear = probe.noise <= _NOISY or step_work(network.sizes, count + source.drawn) > _AFFORDABLE
    size = max(float(np.abs(p).max()) for p in (*network.weights, *network.biases))
    if source.region.bounded and (dear or _SURE * lifted.bars.max() <= probe.tolerance * size):
        return _weighed(lifted, source, probe, progress)
    if dear:
        return lifted
    samples = source.full(count)
    if samples.answers < 2 * network.parameters:
        return lifted
    network, loss, _ = tune(network, samples)
    progress(Event("lift", f"fine-tuned outside the slice too: relative loss {loss:.1e}", {"loss": loss}))
    return Lift(network, np.zeros((0, 0)), lifted.loss, count)


def _weighed(lifted: Lift, source: Source, probe: Probe, progress: Progress) -> Lift:
    """What the first weights have in common mended, in a box, where answers add it up instead of averaging it out."""
    network = lifted.network
    assert network is not None
    samples = source.outside(min(_INPUTS, _ANSWERS // network.sizes[-1]))
    if len(samples.x) < 2:
        return lifted
    noise = max(probe.noise, 1e-16) * probe.spread
    better = weigh(network, lifted.bars, samples, source.coordinates.center, noise,
                   functools.partial(_sensitivities, network))
    loss = samples.relative_loss(better(samples.x))
    progress(Event("lift", f"weighed against {len(samples.x)} inputs outside the slice: relative loss {loss:.1e}",
                   {"loss": loss}))
    return dataclasses.replace(lifted, network=better)


def _base_points(network: Network, source: Source, probe: Probe, rng: np.random.Generator) -> np.ndarray:
    """Inputs in the slice from which, together, every neuron of the first layer is seen: ``(points, inputs)``.

    Greedily, each is the candidate that adds most to the determinant of the sum of G'G, G being the
    derivative of the outputs by the first preactivations (D-optimal design). More are taken until the
    expected errors are small enough, or the budget or four times the fewest are reached.
    """
    x = source.in_slice(_CANDIDATES, rng)
    x = x[source.link.reached(network(source.coordinates.inside(x)))]
    if not len(x):
        return x
    slopes = _sensitivities(network, source.coordinates.inside(x) @ network.weights[0].T + network.biases[0])
    hidden, outputs = network.sizes[1], network.sizes[-1]
    fewest = max(2, -(-hidden // source.link.free(outputs)) + 1)
    size = max(float(np.abs(p).max()) for p in (*network.weights, *network.biases))
    goal = probe.tolerance * size / _SURE
    sigma = max(probe.noise, 1e-16) * probe.spread * np.sqrt(2.0)
    chosen: list[int] = []
    seen = 1e-12 * np.trace(np.einsum("koi,koj->ij", slopes, slopes)) / len(x) * np.eye(hidden)
    while len(chosen) < _MOST * fewest and (len(chosen) + 1) * len(source.coordinates.unit) <= source.available:
        inverse = np.linalg.inv(seen)
        error = sigma * np.sqrt(np.diag(inverse).max()) / (_STEP * source.coordinates.unit.min())
        if len(chosen) >= fewest and error <= goal:
            break
        gains = np.linalg.slogdet(np.eye(outputs) + slopes @ inverse @ slopes.transpose(0, 2, 1))[1]
        gains[chosen] = -np.inf
        chosen.append(int(np.argmax(gains)))
        seen = seen + slopes[chosen[-1]].T @ slopes[chosen[-1]]
    return x[chosen]


def _room(points: np.ndarray, source: Source) -> np.ndarray:
    """Widths ``(points, inputs)`` of steps along every input, to the side where there is most room."""
    step = _STEP * source.coordinates.unit
    up, down = source.region.high - points, points - source.region.low
    return np.where(up >= np.minimum(down, step), np.minimum(step, up), -np.minimum(step, down))


def _ask(points: np.ndarray, along: np.ndarray, shift: np.ndarray, source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Steps from every base point along single inputs.

    Args:
        points: where they start ``(points, inputs)``.
        along: which inputs.
        shift: widths of the steps ``(points, along)``.
        source: whom to ask.

    Returns:
        Answers ``(along, points, outputs)``, NaN where they cannot be used, and the widths of the steps as they
        were asked ``(along, points)``.
    """
    x = np.repeat(points[:, None], len(along), axis=1)  # (points, along, inputs)
    place = np.arange(len(along))
    x[:, place, along] += shift
    x = source.region.nearest(x)
    steps = x[:, place, along] - points[:, along]
    y = source.ask(x.reshape(-1, points.shape[1]))
    return y.reshape(len(points), len(along), -1).transpose(1, 0, 2), steps.T


@in_float64
def _sensitivities(network: Network, preactivations: np.ndarray) -> np.ndarray:
    """Derivatives ``(samples, outputs, hidden)`` of the outputs by the first preactivations ``(samples, hidden)``."""
    return np.asarray(_slopes(network.weights[1:], network.biases[1:], preactivations, activation=network.activation))


@functools.partial(jax.jit, static_argnames="activation")
def _slopes(weights: tuple[jax.Array, ...], biases: tuple[jax.Array, ...], preactivations: jax.Array, *,
            activation: Activation) -> jax.Array:
    def upper(p: jax.Array) -> jax.Array:
        return forward(weights, biases, activation, activation(p)[None])[0]

    return jax.vmap(jax.jacfwd(upper))(preactivations)
