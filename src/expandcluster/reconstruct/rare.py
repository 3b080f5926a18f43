"""Kinked neurons that few of the given inputs switch, found in what the others leave of the answers.

Students learn a neuron from the inputs on either side of its kink. Where fewer of these lie on one side than the
neuron has weights, each student makes up its own, and no cluster is left of it. The other neurons, and the linear map
that it is for most inputs, explain all other answers, and what is left of those few has one direction for each such
neuron: its outgoing weights. The linear map then tells the incoming weights of a neuron that is mostly on. Those of one
that is mostly off are told by few inputs; of all weights that fit them the smallest are taken.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.queries.coordinates import Coordinates
from expandcluster.reconstruct.output_layer import fit_outputs, refined
from expandcluster.reconstruct.signs import wrong_signs

__all__ = ["explained_by", "with_mostly_off", "with_rare_neurons"]

_FITS = 8  # times that outliers are left out and the others fitted again
_OUTLIER, _HARDLY = 10.0, 1e-5  # times the median error; of others' errors, is what such a one counts
_NEAR = 1e-6  # median squared error, over the answers' variance, up to which what is left tells anything
_LEAST_OUTPUTS = 3  # in fewer dimensions rests are parallel by chance
_CLEAR = 30.0  # times the median error: such a rest has a direction
_PARALLEL, _APART = 1e-5, 1e-3  # one minus the cosine: of rests of the same neuron; of those of another
_MIXED = 1e-2  # of rests that are one neuron's, and errors of others
_LEAST_ROWS = 5  # parallel rests that are no coincidence
_LINEAR = 0.01  # of their squares is left, at most, of rests that a linear map explains
_EXPLAINED = 0.8  # of the rests' spread may be left where the linear map tells the neuron
_ROUNDS, _DONE, _WORTH = 4, 1e-12, 0.5
_BELIEVED, _OPEN = 1e-9, 0.005  # as _NEAR, and share of answers that known neurons miss: what is left tells all
_NO_MAP = 2.0  # spread of a linear map, over the size of the rests, up to which it is none
_SURE, _PERHAPS = (100.0, 0.05), (10.0, 0.3)  # times the median error at least, and share of another direction at most
_AT_ONCE, _MOST_PASSES, _ROUNDING = 200, 200, 1e-10  # constraints that are added, how often, and what is no violation


def with_rare_neurons(network: Network, samples: Samples) -> tuple[Network, np.ndarray]:
    """The network with the neurons that it lacks; itself where it lacks none, or they cannot be told.

    Also the outgoing weights, of norm 1, of those that it lacks still ``(neurons, outputs)``: these are mostly off, and
    told best when all others are exact, see :func:`with_mostly_off`.

    Args:
        network: one hidden layer of a kinked activation; the signs of its neurons and its output layer may be wrong.
        samples: all that are given.
    """
    none = np.zeros((0, network.sizes[-1]))
    slope = network.activation.negative_slope
    if (slope is None or len(network.weights) != 2 or network.sizes[-1] < _LEAST_OUTPUTS
            or samples.relative_loss(network(samples.x)) <= max(samples.floor, _DONE)):
        return network, none
    known, fit = network, _fit_most(network, samples)
    found = _with_missing(known, samples, fit)
    for _ in range(_ROUNDS):
        if (found and found.sure) or (better := _refined(known, samples, fit)) is None:
            break
        before, known, fit = fit.error, better, _fit_most(better, samples)
        found = _with_missing(known, samples, fit)
        if fit.error > _WORTH * before:
            break
    return (found.network, found.off) if found else (network, none)


def explained_by(off: np.ndarray, network: Network, samples: Samples) -> np.ndarray:
    """Samples ``(samples,)`` whose errors lie along the outgoing weights of one of the missing neurons."""
    rest = samples.y - network(samples.x)
    error = float(np.median(np.linalg.norm(rest, axis=1)))
    found = np.zeros(len(rest), bool)
    for direction in off:
        found |= _along(rest, direction, error)[2]
    return found


class _Found(NamedTuple):
    """A network with neurons that it lacked.

    Attributes:
        network: with those that the linear map tells.
        off: outgoing weights, of norm 1, of those that it lacks still ``(neurons, outputs)``.
        sure: whether training it on would tell nothing else.
    """

    network: Network
    off: np.ndarray
    sure: bool


@dataclasses.dataclass(frozen=True)
class _Fit:
    """Most answers explained by the neurons, up to signs, and a linear map.

    Attributes:
        outputs: outgoing weights and bias ``(outputs, hidden + 1)``.
        linear: the linear map ``(outputs, inputs)``.
        rest: what is left of every answer ``(samples, outputs)``.
    """

    outputs: np.ndarray
    linear: np.ndarray
    rest: np.ndarray

    @functools.cached_property
    def size(self) -> np.ndarray:
        """Of what is left ``(samples,)``."""
        return np.linalg.norm(self.rest, axis=1)

    @functools.cached_property
    def error(self) -> float:
        """Median of it."""
        return float(np.median(self.size))

    @functools.cached_property
    def outgoing(self) -> np.ndarray:
        """Outgoing weights of the neurons, of norm 1 ``(outputs, hidden)``."""
        size = np.linalg.norm(self.outputs[:, :-1], axis=0)
        return self.outputs[:, :-1] / np.where(size > 0, size, 1.0)

    @property
    def explained(self) -> np.ndarray:
        """Which answers are no outliers ``(samples,)``."""
        return self.size <= _OUTLIER * self.error

    @property
    def known(self) -> np.ndarray:
        """Which rests lie along the outgoing weights of a known neuron ``(samples,)``: these are errors of its kink.

        Without them a neuron that has few answers on one side of its kink would become linear.
        """
        return np.abs(self.rest @ self.outgoing).max(axis=1, initial=0.0) >= (1.0 - _MIXED) * self.size


def _fit_most(network: Network, samples: Samples) -> _Fit:
    """Least squares, repeated with the outliers of the fit before counting for hardly anything.

    They still tell the outgoing weights of a known neuron that is linear for all others.
    """
    incoming = np.concatenate([network.weights[0], network.biases[0][:, None]], axis=1)
    hidden, kept = network.hidden(samples.x, 1), np.ones(len(samples.x), bool)
    for _ in range(_FITS):
        outputs, linear = fit_outputs(incoming, network.activation, samples.x, samples.y, linear=True,
                                      scale=np.where(kept, 1.0, _HARDLY))
        rest = samples.y - hidden @ outputs[:, :-1].T - outputs[:, -1] - samples.x @ linear.T
        fit = _Fit(outputs, linear, rest)
        before, kept = kept, fit.explained
        if np.array_equal(before, kept):
            break
    return fit


def _refined(network: Network, samples: Samples, fit: _Fit) -> Network | None:
    """The neurons trained together with the linear map on what tells of them; ``None`` where that is no better."""
    incoming = np.concatenate([network.weights[0], network.biases[0][:, None]], axis=1)
    better = refined(incoming, fit.outputs, fit.linear, network.activation,
                     dataclasses.replace(samples.take(fit.explained | fit.known), floor=_DONE))
    if better is None:
        return None
    return Network((better[:, :-1], network.weights[1]), (better[:, -1], network.biases[1]), network.activation)


def _with_missing(network: Network, samples: Samples, fit: _Fit) -> _Found | None:
    """The network with the missing neurons, if what is left of the answers tells any."""
    unit = samples.total_variance / len(samples.x)
    if fit.error**2 > _NEAR * unit:
        return None
    directions = _not_linear(_directions(fit), fit, samples)
    if not 0 < len(directions) <= network.sizes[-1] - 2:
        return None
    found = _from_linear_map(network, samples, fit, directions)
    told = fit.error**2 <= _BELIEVED * unit and np.mean(fit.known & ~fit.explained) <= _OPEN
    return found and found._replace(sure=bool(found.sure and told))


def _directions(fit: _Fit) -> np.ndarray:
    """Directions ``(neurons, outputs)`` that clear rests share, those with most of them first.

    Rests along the outgoing weights of a known neuron are errors of its kink.
    """
    clear = fit.size > _CLEAR * fit.error
    unit = fit.rest[clear] / fit.size[clear, None]
    unit = unit[np.abs(unit @ fit.outgoing).max(axis=1, initial=0.0) <= 1.0 - _APART]
    found: list[np.ndarray] = []
    while len(unit):
        alike = np.array([np.count_nonzero(unit @ one >= 1.0 - _PARALLEL) for one in unit])
        best = unit[np.argmax(alike)]
        if alike.max() < _LEAST_ROWS:
            break
        found.append(_mean_direction(unit[unit @ best >= 1.0 - _PARALLEL]))
        unit = unit[unit @ found[-1] < 1.0 - _APART]
    return np.array(found).reshape(-1, fit.rest.shape[1])


def _mean_direction(rests: np.ndarray) -> np.ndarray:
    total = rests.sum(axis=0)
    return np.asarray(total / np.linalg.norm(total))


def _not_linear(directions: np.ndarray, fit: _Fit, samples: Samples) -> np.ndarray:
    """Those of the directions whose rests no linear map explains that is zero for all samples without a rest.

    What few samples tell of the known neurons' weights gives such samples parallel rests, too.
    """
    inputs = _inputs(samples.x)
    others = inputs[fit.explained]
    gram = others.T @ others
    gram[np.diag_indices_from(gram)] += _ROUNDING * np.trace(gram) / len(gram)
    kept = []
    for direction in directions:
        along, rows, _ = _along(fit.rest, direction, fit.error)
        target, few = along[rows], inputs[rows]
        w = np.linalg.solve(gram + few.T @ few, few.T @ target)
        if np.sum((few @ w - target) ** 2) + w @ gram @ w > _LINEAR * np.sum(target**2):
            kept.append(direction)
    return np.array(kept).reshape(-1, directions.shape[1])


def _inputs(x: np.ndarray) -> np.ndarray:
    """Inputs in units of their spread, and a one."""
    return np.concatenate([Coordinates.by_spread(x).inside(x), np.ones((len(x), 1))], axis=1)


def _from_linear_map(network: Network, samples: Samples, fit: _Fit, directions: np.ndarray) -> _Found | None:
    """The network with right signs and the neurons that the linear map tells; sure if it tells nothing of the others.

    A map that is there and tells of no neuron is still in error.

    Across all missing directions the linear map is what wrong signs of the known neurons leave behind. ``None`` where
    a leaky neuron is not told.
    """
    act, low = network.activation, network.activation.negative_slope
    assert low is not None
    unit, outgoing = Coordinates.by_spread(samples.x).unit, fit.outputs[:, :-1]
    across = np.linalg.svd(directions)[2][len(directions) :]
    wrong = wrong_signs(across @ fit.linear * unit, across @ outgoing, network.weights[0] * unit, act.symmetry.slope)
    left = act.symmetry.slope * outgoing
    weights = np.linalg.pinv(directions.T) @ (fit.linear - left @ (wrong[:, None] * network.weights[0]))
    rests = [_along(fit.rest, direction, fit.error) for direction in directions]
    neurons = [_neuron(along, rows, samples.x @ w, w, low) for w, (along, rows, _) in zip(weights, rests, strict=True)]
    seen = np.array([neuron is not None for neuron in neurons])
    if low and not seen.all():
        return None
    signs = np.where(wrong, -1.0, 1.0)
    first = np.array([*(signs[:, None] * network.weights[0]), *(neuron[0] for neuron in neurons if neuron)])
    bias = np.array([*(signs * network.biases[0]), *(neuron[1] for neuron in neurons if neuron)])
    outgoing = np.concatenate([outgoing, directions[seen].T], axis=1)
    larger = Network((first, outgoing), (bias, np.zeros(len(outgoing))), act)
    nothing = [np.std((samples.x @ w)[fit.explained]) <= _NO_MAP * np.sqrt(np.mean(along[rows] ** 2))
               for w, (along, rows, _) in zip(weights, rests, strict=True)]
    return _Found(Network(larger.weights, (bias, np.median(samples.y - larger(samples.x), axis=0)), act),
                  directions[~seen], bool(np.all(seen | nothing)))


def _neuron(along: np.ndarray, rows: np.ndarray, z: np.ndarray, linear: np.ndarray, low: float
            ) -> tuple[np.ndarray, float] | None:
    """Incoming weights and bias of the neuron with this linear map, told by its rests; ``None`` if it has none."""
    kink, z = along[rows] / (1.0 - low), z[rows]
    for factor, side in ((1.0, -1.0), *([(1.0 / low, 1.0)] if low else [])):  # mostly on, mostly off
        bias = float(np.median(side * kink - factor * z))
        if np.sum((side * kink - factor * z - bias) ** 2) <= _EXPLAINED**2 * np.sum((kink - np.median(kink)) ** 2):
            return factor * linear, bias
    return None


def _along(rest: np.ndarray, direction: np.ndarray, error: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Components of rests along a direction; samples where they surely are all; a mask of those where perhaps."""
    along = rest @ direction
    aside = np.linalg.norm(rest - along[:, None] * direction, axis=1)
    sure, perhaps = ((along > times * error) & (aside <= share * along) for times, share in (_SURE, _PERHAPS))
    return along, np.flatnonzero(sure), perhaps


def with_mostly_off(network: Network, samples: Samples, off: np.ndarray) -> Network:
    """The network with a neuron for each of these outgoing weights that only the samples switch on that it changes.

    Args:
        network: all of its neurons exact, or nearly so.
        samples: all that are given.
        off: outgoing weights, of norm 1, ``(neurons, outputs)``.
    """
    unit, inputs = Coordinates.by_spread(samples.x).unit, _inputs(samples.x)
    for direction in off:
        rest = samples.y - network(samples.x)
        error = float(np.sqrt(np.median(np.sum(rest**2, axis=1))))
        _, on, _ = _along(rest, direction, error)
        if not len(on):
            continue
        direction = _mean_direction(rest[on])  # as exact as the network is now
        along, on, perhaps = _along(rest, direction, error)
        w = _smallest(inputs[on], along[on], inputs[~perhaps])
        if w is not None:
            network = Network((np.concatenate([network.weights[0], [w[:-1] / unit]]),
                               np.concatenate([network.weights[1], direction[:, None]], axis=1)),
                              (np.append(network.biases[0], w[-1]), network.biases[1]), network.activation)
    return network


def _smallest(on: np.ndarray, values: np.ndarray, off: np.ndarray) -> np.ndarray | None:
    """The smallest w with ``on @ w = values`` and ``off @ w <= 0``; ``None`` where there is none.

    Least distance programming by non-negative least squares (Lawson and Hanson 1974, Solving Least Squares Problems,
    chapter 23), with only those constraints that are violated on the way.
    """
    u, s, v = np.linalg.svd(on)
    rank = int(np.count_nonzero(s > _ROUNDING * s.max(initial=0.0)))
    start, null = v[:rank].T @ ((u[:, :rank].T @ values) / s[:rank]), v[rank:].T
    at_start, moves = off @ start, off @ null
    w, z, active = start, at_start, np.zeros(0, int)
    for _ in range(_MOST_PASSES):
        violated = np.setdiff1d(np.flatnonzero(z > _ROUNDING), active)
        if not len(violated):
            return w
        active = np.concatenate([active, violated[np.argsort(-z[violated])[:_AT_ONCE]]])
        matrix = np.concatenate([-moves[active].T, at_start[None, active]])
        target = np.append(np.zeros(len(matrix) - 1), 1.0)
        multipliers = nnls(matrix, target, maxiter=10 * len(active))[0]
        gap = matrix @ multipliers - target
        if -gap[-1] <= _ROUNDING:
            return None
        move = -gap[:-1] / gap[-1]
        w, z, active = start + null @ move, at_start + moves @ move, active[multipliers > 0]
    return None
