"""Tune a network to given answers with those set aside that it does not explain yet.

An input with a part that hardly any other has tells of weights that no other tells of. Training may bring these to
where neurons are off, or saturated, or otherwise at a minimum for this one answer, and pays for it with the weights of
all. There are few such inputs, and without them the others converge to rounding. What is left then is clear: neurons
that are missing, single kinks to be mended, or weights that only the answers set aside tell of.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.coordinates import Coordinates
from expandcluster.reconstruct.kinks import switched_on
from expandcluster.reconstruct.rare import explained_by

__all__ = ["Train", "Tuned", "tuned_apart", "unexplained"]

Tuned = tuple[Network, float, int]  # the network, its relative loss, and steps taken
Train = Callable[[Network, Samples], Tuned]

_LARGE, _LESS = 100.0, 10.0  # times the median error, are errors of answers that are set aside, where need be
_MOST = 0.05  # of the answers, at most
_ROUNDS, _FEWER = 6, 0.8  # answers are set aside anew as long as no more than so many of them are left
_CYCLES = 2  # of setting answers aside, and of giving them their say again
_FEW = 5e-3  # of the answers: left aside, they start no other cycle of a large network
_NULL = 1e-13  # of the largest eigenvalue of the inputs' second moments, is none
_EXACT = 1e-9  # of the answers' spread, is no error


def tuned_apart(network: Network, samples: Samples, off: np.ndarray, far: Train, near: Train,
                progress: Progress = silent) -> tuple[Network, int]:
    """The network at rounding on most samples; also steps taken.

    Args:
        network: nearly right.
        samples: all that are given.
        off: outgoing weights ``(missing, outputs)`` of neurons that the network lacks and few samples switch on.
        far: trains roughly.
        near: trains to rounding.
        progress: told of the loss.
    """
    steps, best, found = 0, (True, len(samples.x)), network
    aside = missing = np.zeros(len(samples.x), bool)

    def trained(how: Train, network: Network, aside: np.ndarray) -> Network:
        nonlocal steps
        network, loss, more = how(network, samples.take(~aside))
        steps += more
        progress(Event("fine_tune", f"relative loss {loss:.1e}, {np.count_nonzero(aside)} answers set aside",
                       {"relative_loss": loss, "aside": int(np.count_nonzero(aside))}))
        return network

    for cycle in range(_CYCLES):
        if cycle:  # those set aside have their say again
            network = trained(far, _without_open(network, samples.x[~aside]), missing)
            if (mended := switched_on(network, samples.take(~missing))) is not None:
                network = trained(far, mended, missing)
        aside = _outliers(network, samples)
        for _ in range(_ROUNDS):
            many = np.count_nonzero(aside)
            network = trained(far, network, aside)
            aside = _outliers(network, samples)
            if not many or np.count_nonzero(aside) > _FEWER * many:
                break
        for _ in range(_ROUNDS):
            network, before = trained(near, network, aside), aside
            aside = _outliers(network, samples)
            if not np.any(aside & ~before) and not _exact(network, samples.take(~aside)):
                aside = _outliers(network, samples, _LESS)
            if not np.any(aside & ~before):
                break
        missing = explained_by(off, network, samples)
        left = not _exact(network, samples.take(~aside)), int(np.count_nonzero(aside & ~missing))
        if left >= best:
            break
        best, found = left, network
        if not left[1] or (not left[0] and far is not near and left[1] <= _FEW * len(samples.x)):
            break  # so few are not worth the minutes that another cycle of a large network takes
    return found, steps


def _without_open(network: Network, x: np.ndarray) -> Network:
    """The network without those parts of its first weights that no ``x (samples, inputs)`` tells of.

    Answers that were set aside may have brought them anywhere.
    """
    units = Coordinates.by_spread(x)
    inputs = np.concatenate([units.inside(x), np.ones((len(x), 1))], axis=1)
    values, axes = np.linalg.eigh(inputs.T @ inputs)
    open_ = axes[:, values <= _NULL * values[-1]]
    first = np.concatenate([network.weights[0] * units.unit, network.biases[0][:, None]], axis=1)
    first = first - first @ open_ @ open_.T
    return Network((first[:, :-1] / units.unit, *network.weights[1:]), (first[:, -1], *network.biases[1:]),
                   network.activation)


def unexplained(network: Network, samples: Samples) -> np.ndarray:
    """Which answers ``(samples,)`` a network does not explain that is at rounding on the others.

    None where it is not, or too many are left: these are no single inputs.
    """
    aside = _outliers(network, samples)
    return aside if _exact(network, samples.take(~aside)) else np.zeros(len(samples.x), bool)


def _exact(network: Network, samples: Samples) -> bool:
    return samples.relative_loss(network(samples.x)) <= _EXACT**2


def _outliers(network: Network, samples: Samples, times: float = _LARGE) -> np.ndarray:
    """Samples ``(samples,)`` of errors so many times the median, at most a share of them."""
    size = np.linalg.norm(samples.y - network(samples.x), axis=1)
    unit = np.sqrt(samples.total_variance / len(samples.x))
    least = max(times * np.median(size), np.quantile(size, 1.0 - _MOST), _EXACT * unit)
    return size > least
