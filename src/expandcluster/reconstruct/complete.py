"""A shallow network of smooth neurons that were told from given inputs: put right what clusters lack or have wrong.

Students of tables are left when they are roughly right. Inexact steps tell whether the network built of them is
complete: they take one that has all neurons roughly to a small loss, and others get stuck above it.
"""

from __future__ import annotations

import dataclasses

from expandcluster.expand.levenberg_marquardt import fits
from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.progress import Event, Progress, silent
from expandcluster.reconstruct.grow import with_grown_neurons
from expandcluster.reconstruct.rescale import rescaled
from expandcluster.reconstruct.set_aside import Train, Tuned
from expandcluster.reconstruct.superfluous import without_superfluous

__all__ = ["completed"]

_COMPLETE = 1e-8  # relative loss that networks reach by inexact steps that have all neurons
_HOPEFUL = 1e-2  # relative loss up to which missing neurons may be learnt
_WORTH = 0.7  # of the loss may be left by a change that helps
_LITTLE = 1e-4  # of the variance: a neuron that the others do without but for so much may be none


def completed(network: Network, samples: Samples, train: Train, progress: Progress = silent) -> tuple[Network, int]:
    """The network with neurons at their scale, with those that it lacks and without those that it does not need.

    As far as a rough loss tells. Kinked and deep ones are left as they are. Also steps taken.

    Args:
        network: built of clusters.
        samples: all that are given.
        train: by inexact steps.
        progress: told of every change.
    """
    if len(network.weights) != 2 or network.activation.negative_slope is not None:
        return network, 0
    enough = dataclasses.replace(samples, floor=max(samples.floor, _COMPLETE))
    network, loss, steps = _at_scale(*train(network, enough), enough, train, progress)
    if enough.floor < loss <= _HOPEFUL and (larger := with_grown_neurons(network, samples)) is not None:
        larger, lost, more = _at_scale(*train(larger, enough), enough, train, progress)
        steps += more
        if lost <= _WORTH * loss:
            network, loss = larger, lost
            progress(Event("fine_tune", f"missing neurons learnt, {network.hidden_sizes[0]} now: relative loss "
                           f"{loss:.1e}", {"neurons": network.hidden_sizes[0], "relative_loss": loss}))
    if loss <= enough.floor and not fits(network.sizes):  # what exact students share is no guess
        network, _, more = without_superfluous(network, enough, train, progress=progress, cost=_LITTLE)
        steps += more
    return network, steps


def _at_scale(network: Network, loss: float, steps: int, samples: Samples, train: Train, progress: Progress) -> Tuned:
    """Neurons put at their scale, one by one, as long as that helps; ``steps`` were taken before."""
    while loss > samples.floor and (better := rescaled(network, samples)) is not None:
        better, lost, more = train(better, samples)
        steps += more
        if not lost <= _WORTH * loss:
            break
        network, loss = better, lost
        progress(Event("fine_tune", f"a neuron put at its scale: relative loss {loss:.1e}", {"relative_loss": loss}))
    return network, loss, steps
