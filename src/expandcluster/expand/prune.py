"""Remove neurons inside students, and train on, as long as the loss comes back.

A student that has more neurons than its teacher creeps along degenerate directions. Removing the
neuron whose removal costs least, its work refitted onto the others by least squares, leaves a
better conditioned student. With G the Gram matrix of the hidden units (a constant one included)
and v_j the outgoing weights of neuron j, the squared error at the next layer rises by
``|v_j|^2 / (G^-1)_jj`` (the formula of optimal brain surgeon for a linear layer).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from expandcluster.activations import Activation
from expandcluster.expand.population import Samples, TrainedPopulation
from expandcluster.networks import Network, Population, stack

__all__ = ["prune", "removal_costs", "removal_order", "remove"]

Train = Callable[[Population, Samples], TrainedPopulation]

_RISE = 100.0  # a student below `_LOW` may lose this factor over all removals together
_LOW = 1e-6
_COSTLY = 1e-3  # neurons of higher estimated cost are removed one at a time
_LARGE, _BEST = 200, 2  # parameters of a large student; how many of those are pruned


def removal_costs(network: Network, x: np.ndarray) -> list[np.ndarray]:
    """Estimated rise of the squared error at the outputs if one neuron is removed and its work refitted.

    Args:
        network: a student.
        x: inputs ``(samples, inputs)``.

    Returns:
        One array ``(hidden,)`` for each hidden layer.
    """
    costs = []
    for layer in range(1, len(network.weights)):
        outgoing = network.weights[layer] * _mean_sensitivity(network, x, layer + 1)[:, None]
        inverse = _inverse_gram(network.hidden(x, layer))
        costs.append(np.sum(outgoing**2, axis=0) / np.diag(inverse)[:-1])
    return costs


def removal_order(network: Network, x: np.ndarray, least: int = 1) -> list[tuple[float, int, int]]:
    """Cost, hidden layer (1 is the first) and index of each neuron that may be removed, the cheapest first.

    Args:
        network: a student.
        x: inputs ``(samples, inputs)``.
        least: neurons that the first hidden layer keeps; all others keep one.
    """
    return sorted((cost, layer, neuron) for layer, costs in enumerate(removal_costs(network, x), start=1)
                  for neuron, cost in enumerate(costs) if len(costs) > (least if layer == 1 else 1))


def remove(network: Network, x: np.ndarray, layer: int, neuron: int) -> Network:
    """The network without a neuron of hidden layer ``layer`` (1 is the first), its work refitted onto the others."""
    inverse = _inverse_gram(network.hidden(x, layer))
    share = -inverse[:, neuron] / inverse[neuron, neuron]
    weights, biases = list(network.weights), list(network.biases)
    outgoing = weights[layer][:, neuron]
    keep = np.arange(weights[layer].shape[1]) != neuron
    weights[layer] = (weights[layer] + np.outer(outgoing, share[:-1]))[:, keep]
    biases[layer] = biases[layer] + outgoing * share[-1]
    weights[layer - 1], biases[layer - 1] = weights[layer - 1][keep], biases[layer - 1][keep]
    return Network(tuple(weights), tuple(biases), network.activation)


def prune(trained: TrainedPopulation, samples: Samples, activation: Activation, train: Train, least: int = 1,
          skip: np.ndarray | None = None, most_tries: int = 3) -> tuple[list[Network], np.ndarray]:
    """Make every promising student as small as it gets.

    Args:
        trained: students after training; those above a relative loss of 1e-6 and above the noise floor are left alone.
        samples: queries and answers.
        activation: of the hidden layers.
        train: trains a population on samples for a moderate number of steps.
        least: neurons that the first hidden layer keeps: answers that vary in so many directions need them.
        skip: students that are left as they are ``(students,)``.
        most_tries: cheapest neurons tried before a student counts as small as it gets.

    Returns:
        The students, and their relative losses ``(students,)``.
    """
    x = samples.x[:2000]
    unit = samples.total_variance * len(x) / len(samples.x)
    students = [trained.population.network(s, activation) for s in range(trained.population.students)]
    loss = trained.loss.copy()
    best = loss.copy()
    bite = np.array([max(1, sum(n.hidden_sizes) // 4) for n in students])  # neurons removed at once
    low_loss = max(_LOW, samples.floor)
    tries = np.where(loss <= low_loss, 0, most_tries)
    if skip is not None:
        tries[skip] = most_tries
    if students[0].parameters > _LARGE:  # of large students that are not at the floor only the best are worth it
        low = [s for s in np.argsort(loss, kind="stable") if samples.floor < loss[s] <= low_loss]
        tries[low[_BEST:]] = most_tries
    while (active := np.flatnonzero(tries < most_tries)).size:
        smaller = [_without_cheapest(students[s], x, unit, bite[s], tries[s], least) for s in active]
        tries[active[[n is None for n in smaller]]] = most_tries
        active = active[[n is not None for n in smaller]]
        if not active.size:
            break
        result = train(_stacked([n for n in smaller if n is not None]), samples)
        allowed = np.where(best[active] <= samples.floor, samples.floor,
                           np.maximum(samples.floor, np.minimum(_RISE * best[active], _LOW)))
        for place, s in enumerate(active):
            pruned = result.population.network(place, activation)
            removed = sum(students[s].hidden_sizes) - sum(pruned.hidden_sizes)  # may be less than the bite
            if result.loss[place] <= allowed[place]:
                students[s] = pruned
                loss[s], best[s], tries[s] = result.loss[place], min(best[s], result.loss[place]), 0
            elif removed > 1:
                bite[s] = removed // 2
            else:
                bite[s], tries[s] = 1, tries[s] + 1
    return students, loss


def _stacked(networks: list[Network]) -> Population:
    """A population as small as its largest student; sizes in fours, so that few programs are compiled."""
    hidden = [-(-max(widths) // 4) * 4 for widths in zip(*(n.hidden_sizes for n in networks), strict=True)]
    return stack(networks, (networks[0].sizes[0], *hidden, networks[0].sizes[-1]))


def _without_cheapest(network: Network, x: np.ndarray, unit: float, bite: int, rank: int, least: int
                      ) -> Network | None:
    """The network without its ``bite`` cheapest neurons, the first of them of the ``rank``-th lowest cost.

    Fewer are removed where the next would cost more than 1e-3 of the answers' variance ``unit``;
    ``None`` where no neuron can go without emptying its layer.
    """
    for removed in range(bite):
        order = removal_order(network, x, least)
        place = rank if removed == 0 else 0
        if place >= len(order) or (removed and order[0][0] > _COSTLY * unit):
            return network if removed else None
        network = remove(network, x, *order[place][1:])
    return network


def _inverse_gram(hidden: np.ndarray) -> np.ndarray:
    """Inverse of the Gram matrix of hidden units and a one; a ridge of rounding size keeps it finite."""
    units = np.concatenate([hidden, np.ones((len(hidden), 1))], axis=1)
    scale = np.sqrt(np.sum(units**2, axis=0))
    scale = np.where(scale > 1e-100, scale, 1.0)  # a unit that is never active
    matrix = (units / scale).T @ (units / scale)
    return np.linalg.inv(matrix + 1e-13 * np.eye(len(matrix))) / np.outer(scale, scale)


def _mean_sensitivity(network: Network, x: np.ndarray, layer: int) -> np.ndarray:
    """Root mean square of the derivative of the outputs by each preactivation of ``layer``."""
    if layer == len(network.weights):
        return np.ones(network.sizes[-1])
    slopes: list[np.ndarray] = []
    h: np.ndarray = x[:300]
    for w, b in zip(network.weights[:-1], network.biases[:-1], strict=True):
        z = h @ w.T + b
        h, slope = network.activation.on_host(z)
        slopes.append(slope)
    delta = np.repeat(network.weights[-1][None], len(h), axis=0)
    for w, down in zip(network.weights[-2 : layer - 1 : -1], slopes[: layer - 1 : -1], strict=True):
        delta = np.einsum("nkj,ji->nki", delta * down[:, None, :], w)
    delta = delta * slopes[layer - 1][:, None, :]
    return np.sqrt(np.mean(np.sum(delta**2, axis=1), axis=0))
