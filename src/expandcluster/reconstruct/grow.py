"""Smooth neurons that clusters lack for whatever reason, learnt by random ones beside those that are found.

Students share what they have learnt well. A neuron that each of them has learnt only roughly is in no cluster, and
neurons that some of them made up alike in its place are: the network that is built of the clusters gets stuck. With
some random neurons more it does not; then it has neurons that do nothing, which are pruned.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from expandcluster.expand.levenberg_marquardt import levenberg_marquardt
from expandcluster.expand.population import Samples, TrainedPopulation
from expandcluster.expand.prune import prune
from expandcluster.networks import Network, Population, random_population, stack
from expandcluster.options import LMOptions

__all__ = ["with_grown_neurons"]

_LEAST, _SHARE = 4, 0.4  # random neurons: so many, or this share of those that are there
_WEAK = 0.1  # of their usual size are their outgoing weights
_ANSWERS, _TOO_FEW = 10, 2  # for each parameter are enough; fewer than so many could be learnt by heart
_GROW = LMOptions(steps=60, patience=20, creep=1e-6, damping=1e-4)
_PRUNE = LMOptions(steps=12, damping=1e-4)
_WORTH = 0.5  # of the loss may be left by neurons that help


def with_grown_neurons(network: Network, samples: Samples) -> Network | None:
    """The network with as many neurons as it takes for a clearly smaller loss; ``None`` where random ones do not help.

    Args:
        network: one hidden layer of a smooth activation, at a minimum.
        samples: all that are given.
    """
    larger = _with_random(network, max(_LEAST, round(_SHARE * network.hidden_sizes[0])))
    if samples.answers < _TOO_FEW * larger.parameters:
        return None
    rows = -(-_ANSWERS * larger.parameters // network.sizes[-1])
    some = samples.take(np.arange(len(samples.x)) % max(1, len(samples.x) // rows) == 0)
    before = some.relative_loss(network(some.x))

    def trained(options: LMOptions, population: Population, samples: Samples) -> TrainedPopulation:
        return levenberg_marquardt(population, samples, network.activation, options)

    grown = trained(_GROW, stack([larger]), some)
    after = float(grown.loss[0])
    if not after <= _WORTH * before:
        return None
    # What may go without the loss coming near the one before.
    low = dataclasses.replace(some, floor=max(samples.floor, np.sqrt(before * after)))
    return prune(grown, low, network.activation, functools.partial(trained, _PRUNE))[0][0]


def _with_random(network: Network, more: int) -> Network:
    new = random_population((network.sizes[0], more, network.sizes[-1]), 1, 0).network(0, network.activation)
    return Network((np.concatenate([network.weights[0], new.weights[0]]),
                    np.concatenate([network.weights[1], _WEAK * new.weights[1]], axis=1)),
                   (np.concatenate([network.biases[0], new.biases[0]]), network.biases[1]), network.activation)
