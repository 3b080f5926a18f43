"""Fine-tune every parameter of the reconstructed network to the noise floor."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from expandcluster.expand.levenberg_marquardt import fits, levenberg_marquardt
from expandcluster.expand.population import Samples
from expandcluster.networks import Network, stack
from expandcluster.options import LMOptions
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.source import Source
from expandcluster.reconstruct.kinks import switched_on
from expandcluster.reconstruct.polish import may_polish, polish
from expandcluster.reconstruct.rare import with_rare_neurons

__all__ = ["fine_tune", "samples_to_tune", "tune"]

Tuned = tuple[Network, float, int]  # the network, its relative loss, and steps taken

_ROWS = 100_000  # given inputs beyond which more only take time
_NEAR = 1e-10  # relative loss to which inexact steps bring a large network
_OPTIONS = LMOptions(steps=150, patience=8, damping=1e-8)
_FROM_AFAR = dataclasses.replace(_OPTIONS, damping=1e-6)
_MOST_MENDED, _WORTH = 12, 0.7  # times that kinks are mended, as long as no more than so much of the loss is left
_ROUNDING = 1e-20  # relative loss that is no kink's


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
    if source.given is not None:
        found = network.hidden_sizes
        network = with_rare_neurons(network, samples)
        if network.hidden_sizes != found:
            progress(Event("fine_tune", f"{network.hidden_sizes[0] - found[0]} neurons that few inputs switch",
                           {"neurons": network.hidden_sizes[0]}))
    network, loss, steps = tune(network, samples)
    progress(Event("fine_tune", f"relative loss {loss:.1e} after {steps} steps", {"relative_loss": loss}))
    return network


def tune(network: Network, samples: Samples) -> Tuned:
    """All parameters trained on ``samples`` until the loss falls no more; also the relative loss, and steps taken."""
    exact = dataclasses.replace(samples, floor=0.0)

    def train(network: Network) -> Tuned:
        return _trained(network, exact, _OPTIONS)

    if fits(network.sizes):
        return _mended(network, samples, train, samples.floor)
    # Inexact steps from afar; from nearby more exact ones, where one J'J of it can be made.
    near = dataclasses.replace(samples, floor=_NEAR)
    network, _, steps = _mended(network, samples, lambda n: _trained(n, near, _FROM_AFAR), _NEAR)
    network, loss, more = _mended(network, samples, (lambda n: polish(n, exact)) if may_polish(network) else train,
                                  samples.floor)
    return network, loss, steps + more


def _mended(network: Network, samples: Samples, train: Callable[[Network], Tuned], floor: float) -> Tuned:
    """Trained, and trained again with kinks mended as long as that helps."""
    network, loss, steps = train(network)
    for _ in range(_MOST_MENDED):
        if loss <= max(floor, _ROUNDING) or (better := switched_on(network, samples)) is None:
            break
        better, lost, more = train(better)
        steps += more
        if not lost <= _WORTH * loss:
            break
        network, loss = better, lost
    return network, loss, steps


def _trained(network: Network, samples: Samples, options: LMOptions) -> Tuned:
    trained = levenberg_marquardt(stack([network]), samples, network.activation, options)
    return trained.population.network(0, network.activation), float(trained.loss[0]), int(trained.steps[0])


def samples_to_tune(network: Network, source: Source) -> int:
    """Three answers for each parameter, or as many as the students have seen; all of given inputs, which are free."""
    if source.given is not None:
        return min(len(source.given), _ROWS)
    return max(source.options.least_samples, source.drawn, -(-3 * network.parameters // network.sizes[-1]))
