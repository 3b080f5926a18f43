"""Leave out neurons that a network does not need.

Students may agree on a neuron that the teacher does not have: where inputs are given, they make up alike for what they
have not learnt yet. Training on all answers then takes its outgoing weights to zero, or makes it a copy of another.
"""

from __future__ import annotations

import numpy as np

from expandcluster.cluster.contribution import NOTHING
from expandcluster.expand.population import Samples
from expandcluster.expand.prune import removal_order, remove
from expandcluster.networks import Network
from expandcluster.progress import Event, Progress, silent
from expandcluster.reconstruct.polish import ROUNDING
from expandcluster.reconstruct.set_aside import Train, Tuned

__all__ = ["without_superfluous"]

_RISE = 10.0  # times its loss may be that of the smaller network, where it is above the floor


def without_superfluous(network: Network, samples: Samples, train: Train, x: np.ndarray | None = None,
                        progress: Progress = silent, cost: float = NOTHING) -> Tuned:
    """The network without neurons that it explains the answers as well without; also its relative loss, and steps.

    Args:
        network: at a minimum.
        samples: on which it is one.
        train: to the minimum.
        x: all inputs that tell of neurons ``(inputs, fan_in)``, where they are more than the samples.
        progress: told of each neuron that is left out.
        cost: share of the answers' variance, at most, that refitting the others leaves of a neuron for it to be tried.
    """
    x = samples.x if x is None else x
    unit = samples.total_variance * len(x) / len(samples.x)
    loss, steps = samples.relative_loss(network(samples.x)), 0
    while (smaller := _without_cheapest(network, x, cost * unit)) is not None:
        smaller, less, more = train(smaller, samples)
        steps += more
        if not less <= max(ROUNDING, samples.floor if loss <= samples.floor else _RISE * loss):
            break
        network, loss = smaller, less
        progress(Event("fine_tune", f"a neuron is left out that the others do without: relative loss {loss:.1e}",
                       {"neurons": sum(network.hidden_sizes), "relative_loss": loss}))
    return network, loss, steps


def _without_cheapest(network: Network, x: np.ndarray, most: float) -> Network | None:
    """Without the cheapest neuron; ``None`` where each costs more than ``most``, or is its layer's only one."""
    order = removal_order(network, x)
    return remove(network, x, *order[0][1:]) if order and order[0][0] <= most else None
