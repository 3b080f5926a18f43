"""Fine-tune every parameter of the reconstructed network to the noise floor."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from expandcluster.expand.levenberg_marquardt import fits, train_one
from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.options import LMOptions
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.source import Source
from expandcluster.reconstruct.complete import completed
from expandcluster.reconstruct.kinks import switched_on
from expandcluster.reconstruct.polish import ROUNDING, may_polish, polish
from expandcluster.reconstruct.rare import with_mostly_off, with_rare_neurons
from expandcluster.reconstruct.set_aside import Train, Tuned, tuned_apart, unexplained
from expandcluster.reconstruct.superfluous import without_superfluous
from expandcluster.reconstruct.tails import with_linear_neurons

__all__ = ["fine_tune", "samples_to_tune", "tune"]

_NEAR = 1e-10  # relative loss to which inexact steps bring a large network
_OPTIONS = LMOptions(steps=150, patience=8, damping=1e-8)
_FROM_AFAR = dataclasses.replace(_OPTIONS, damping=1e-6)
_MOST_MENDED, _WORTH = 12, 0.7  # times that kinks are mended, as long as no more than so much of the loss is left
_NO_KINK = 1e-20  # relative loss that is no kink's


def fine_tune(network: Network | None, source: Source, progress: Progress = silent) -> Network | None:
    """Levenberg-Marquardt on all parameters until the loss falls no more.

    Args:
        network: on the students' coordinates; ``None`` is passed through.
        source: gives samples.
        progress: told of the loss.
    """
    if network is None:
        return None
    samples = source.samples(samples_to_tune(network, source))
    if source.given is None:
        (network, _, steps), aside = tune(network, samples), 0
        network, loss, more = without_superfluous(network, samples, tune, progress=progress)
        steps += more
    else:
        network, loss, steps, aside = _tuned_to_given(network, samples, progress)
    left = f", {aside} {'answer' if aside == 1 else 'answers'} set aside" if aside else ""
    progress(Event("fine_tune", f"relative loss {loss:.1e} after {steps} steps{left}",
                   {"relative_loss": loss, "aside": aside}))
    return network


def _tuned_to_given(network: Network, samples: Samples, progress: Progress) -> tuple[Network, float, int, int]:
    """Tuned, with the neurons that clusters lack, as far as they can be told, and without superfluous ones.

    Also the relative loss of all answers but those that are set aside in the end, steps taken, and how many are.
    """
    found = network.hidden_sizes[0]
    network, off = with_rare_neurons(with_linear_neurons(network, samples), samples)
    _tell_of_new(network, found, samples, progress)
    network, steps = completed(network, samples, functools.partial(train_one, options=_FROM_AFAR), progress)
    found = network.hidden_sizes[0]
    network, more = tuned_apart(network, samples, off, *_trainers(network, given=True), progress)
    steps += more
    network = with_mostly_off(network, samples, off)
    _tell_of_new(network, found, samples, progress)
    again = functools.partial(tune, given=True)
    if not (aside := unexplained(network, samples)).any():  # or training cannot explain them, and would change all
        network, _, more = again(network, samples)
        steps += more
    network, loss, more = without_superfluous(network, samples.take(~aside), again, samples.x, progress)
    return network, loss, steps + more, int(np.count_nonzero(aside))


def _tell_of_new(network: Network, found: int, samples: Samples, progress: Progress) -> None:
    if (more := network.hidden_sizes[0] - found) > 0:
        loss = samples.relative_loss(network(samples.x))
        progress(Event("fine_tune", f"{more} {'neuron' if more == 1 else 'neurons'} that most inputs leave linear",
                       {"neurons": network.hidden_sizes[0], "relative_loss": loss}))


def tune(network: Network, samples: Samples, *, given: bool = False) -> Tuned:
    """All parameters trained on ``samples`` until the loss falls no more; also the relative loss, and steps taken.

    Args:
        network: nearly right.
        samples: more answers than it has parameters.
        given: they are a table's, whose inputs may hardly vary in many directions.
    """
    far, near = _trainers(network, given=given)
    steps = 0
    if far is not near:
        network, _, steps = _mended(network, samples, far, _NEAR)
    network, loss, more = _mended(network, samples, near, samples.floor)
    return network, loss, steps + more


def _mended(network: Network, samples: Samples, train: Train, floor: float) -> Tuned:
    """Trained, and trained again with kinks mended as long as that helps."""
    network, loss, steps = train(network, samples)
    for _ in range(_MOST_MENDED):
        if loss <= max(floor, _NO_KINK) or (better := switched_on(network, samples)) is None:
            break
        better, lost, more = train(better, samples)
        steps += more
        if not lost <= _WORTH * loss:
            break
        network, loss = better, lost
    return network, loss, steps


def _trainers(network: Network, *, given: bool) -> tuple[Train, Train]:
    """Training from afar and from nearby: of a large network by inexact steps, then with J'J where it can be made.

    Inputs that were chosen vary alike in all directions, and inexact steps get to rounding; with images they creep.
    """
    def to_the_end(network: Network, samples: Samples) -> Tuned:
        return train_one(network, dataclasses.replace(samples, floor=0.0), _OPTIONS)

    def inexact(network: Network, samples: Samples) -> Tuned:
        return train_one(network, dataclasses.replace(samples, floor=_NEAR), _FROM_AFAR)

    def polished(network: Network, samples: Samples) -> Tuned:
        steps = 0
        if not given:
            network, loss, steps = to_the_end(network, samples)
            if loss <= ROUNDING:
                return network, loss, steps
        network, loss, more = polish(network, dataclasses.replace(samples, floor=0.0))
        return network, loss, steps + more

    if fits(network.sizes):
        return to_the_end, to_the_end
    return inexact, polished if may_polish(network) else to_the_end


def samples_to_tune(network: Network, source: Source) -> int:
    """Three answers for each parameter, or as many as the students have seen; all of given inputs, which are free."""
    if source.given is not None:
        return source.useful
    return max(source.options.least_samples, source.drawn, -(-3 * network.parameters // network.sizes[-1]))
