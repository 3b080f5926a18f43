"""Smooth neurons that are linear for most of the given inputs, found in the linear map that the others leave.

Softplus, GELU, SiLU, ELU, g and others are lines far from zero. A neuron that most inputs put there hardly differs from
a linear map, which a student's other neurons make up together: students learn such neurons last. Those that they
have learnt explain the answers up to a linear map, and up to how the missing neurons bend. The map's row space is
that of the missing neurons' incoming weights, found by students that have no more inputs than neurons are missing.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from expandcluster.activations import Activation
from expandcluster.expand.levenberg_marquardt import levenberg_marquardt, train_one
from expandcluster.expand.population import Samples
from expandcluster.networks import Network, Population, random_population
from expandcluster.options import LMOptions
from expandcluster.queries.coordinates import Coordinates
from expandcluster.reconstruct.output_layer import with_outputs_fitted

__all__ = ["with_linear_neurons"]

_GAP = 5.0  # between singular values of the linear map: of missing neurons, and of errors of the others
_RANK = 1e-13
_STARTS, _FAR_OUT, _ROWS = 32, 5.0, 20_000
_TRAIN = LMOptions(steps=300)
_NEAR = 1e-6  # relative loss that a network reaches that lacks nothing, with so many steps
_NEARLY, _FALL = 1e-5, 1e-2  # or this one, where it fell to so much of the one of a neuron less
_TOGETHER = LMOptions(steps=25, patience=8, damping=1e-6)
_WORTH = 0.1  # of the loss that may be left by neurons that help


def with_linear_neurons(network: Network, samples: Samples) -> Network:
    """The network with the neurons that it lacks, if they can be told, trained; itself where no neuron can be linear.

    Errors of the others leave a linear map, too: the fewest neurons are taken that explain the answers.

    Args:
        network: one hidden layer; the signs of its neurons and its output layer may be wrong.
        samples: all that are given.
    """
    act = network.activation
    if act.tail is None or act.negative_slope is not None or len(network.weights) != 2:
        return network
    fit, linear = with_outputs_fitted(_with_signs(network, samples), samples, linear=True)
    units = Coordinates.by_spread(samples.x)
    axes = np.linalg.svd(linear * units.unit, full_matrices=False)
    near = dataclasses.replace(samples, floor=max(_NEAR, samples.floor))
    found: list[tuple[float, Network]] = []
    for missing in range(_most_missing(axes[1]) + 1):
        larger = _with_missing(fit, units, axes[2][:missing], samples) if missing else fit
        larger, loss, _ = train_one(with_outputs_fitted(larger, samples, linear=False)[0], near, _TOGETHER)
        nearly = missing > 0 and loss <= min(_NEARLY, _FALL * found[-1][0])
        found.append((loss, larger))
        if loss <= near.floor or nearly:
            break
    best = min(found, key=lambda pair: pair[0])
    return best[1] if best[0] <= _WORTH * found[0][0] else found[0][1]


def _most_missing(sizes: np.ndarray) -> int:
    """Singular values of the linear map before their widest gap; 0 where none is wide."""
    sizes = sizes[sizes > _RANK * sizes.max(initial=0.0)]  # answers may vary in fewer directions than there are outputs
    gaps = sizes[:-1] / sizes[1:]
    return int(np.argmax(gaps)) + 1 if gaps.max(initial=0.0) >= _GAP else 0


def _with_signs(network: Network, samples: Samples) -> Network:
    """The network with those neurons flipped whose flips leave a linear map of the least nuclear norm.

    What missing neurons leave of it has a low rank, and flips of others only add to it.
    """
    slope = network.activation.symmetry.slope
    if slope == 0.0:
        return network
    fit, linear = with_outputs_fitted(network, samples, linear=True)
    unit = Coordinates.by_spread(samples.x).unit
    maps = np.einsum("oj,ji->joi", fit.weights[1], slope * fit.weights[0] * unit)
    signs, left = np.ones(len(maps)), linear * unit
    for _ in signs:
        norms = [np.linalg.norm(left - sign * one, "nuc") for sign, one in zip(signs, maps, strict=True)]
        best = int(np.argmin(norms))
        if norms[best] >= np.linalg.norm(left, "nuc"):
            break
        left, signs[best] = left - signs[best] * maps[best], -signs[best]
    return Network((signs[:, None] * network.weights[0], network.weights[1]),
                   (signs * network.biases[0], network.biases[1]), network.activation)


def _far_out(width: int, outputs: int, activation: Activation) -> Population:
    """Students with as many inputs as neurons, and these on the line for most inputs of mean 0 and variance 1."""
    students = random_population((width, width, outputs), _STARTS, 0)
    assert activation.tail is not None
    biases = activation.tail[0] * np.random.default_rng(0).uniform(0.0, _FAR_OUT, (_STARTS, width))
    return dataclasses.replace(students, biases=(biases, *students.biases[1:]))


def _with_missing(network: Network, units: Coordinates, axes: np.ndarray, samples: Samples) -> Network:
    """The network and as many neurons as there are ``axes (missing, inputs)``, in units of the inputs' spread.

    They are trained on what is left of the answers where the linear map is kept to these axes.
    """
    along = units.inside(samples.x) @ axes.T
    center, spread = along.mean(axis=0), along.std(axis=0)
    inside = (along - center) / spread
    parts = np.concatenate([network.hidden(samples.x, 1), np.ones((len(inside), 1)), inside], axis=1)
    fit = np.linalg.lstsq(parts, samples.y, rcond=1e-13)[0][: -len(axes)]
    rest = samples.y - parts[:, : -len(axes)] @ fit
    every = -(-len(inside) // _ROWS)
    students = _far_out(len(axes), samples.y.shape[1], network.activation)
    trained = levenberg_marquardt(students, Samples(inside[::every], rest[::every]), network.activation, _TRAIN)
    best = trained.population.network(int(np.argmin(trained.loss)), network.activation)
    weights = best.weights[0] / spread
    first = weights @ axes / units.unit
    return Network((np.concatenate([network.weights[0], first]),
                    np.concatenate([fit[:-1].T, best.weights[1]], axis=1)),
                   (np.concatenate([network.biases[0], best.biases[0] - weights @ center]), fit[-1] + best.biases[1]),
                   network.activation)
