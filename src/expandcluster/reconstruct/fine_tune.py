"""Fine-tune every parameter of the reconstructed network to the noise floor."""

from __future__ import annotations

import dataclasses

from expandcluster.expand.levenberg_marquardt import fits, levenberg_marquardt
from expandcluster.expand.population import Samples
from expandcluster.networks import Network, stack
from expandcluster.options import LMOptions
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.source import Source
from expandcluster.reconstruct.polish import may_polish, polish

__all__ = ["fine_tune", "samples_to_tune", "tune"]

_ROWS = 100_000  # given inputs beyond which more only take time
_NEAR = 1e-10  # relative loss to which inexact steps bring a large network
_OPTIONS = LMOptions(steps=150, patience=8, damping=1e-8)
_FROM_AFAR = dataclasses.replace(_OPTIONS, damping=1e-6)


def fine_tune(network: Network | None, source: Source, progress: Progress = silent) -> Network | None:
    """Levenberg-Marquardt on all parameters until the loss falls no more.

    Args:
        network: on the students' coordinates; ``None`` is passed through.
        source: gives samples.
        progress: told of the loss.
    """
    if network is None:
        return None
    network, loss, steps = tune(network, source.samples(samples_to_tune(network, source)))
    progress(Event("fine_tune", f"relative loss {loss:.1e} after {steps} steps", {"relative_loss": loss}))
    return network


def tune(network: Network, samples: Samples) -> tuple[Network, float, int]:
    """All parameters trained on ``samples`` until the loss falls no more; also the relative loss, and steps taken."""
    exact = dataclasses.replace(samples, floor=0.0)
    if fits(network.sizes):
        return _trained(network, exact, _OPTIONS)
    # Inexact steps from afar; from nearby more exact ones, where one J'J of it can be made.
    network, _, steps = _trained(network, dataclasses.replace(samples, floor=_NEAR), _FROM_AFAR)
    network, loss, more = polish(network, exact) if may_polish(network) else _trained(network, exact, _OPTIONS)
    return network, loss, steps + more


def _trained(network: Network, samples: Samples, options: LMOptions) -> tuple[Network, float, int]:
    trained = levenberg_marquardt(stack([network]), samples, network.activation, options)
    return trained.population.network(0, network.activation), float(trained.loss[0]), int(trained.steps[0])


def samples_to_tune(network: Network, source: Source) -> int:
    """Three answers for each parameter, or as many as the students have seen; all of given inputs, which are free."""
    if source.given is not None:
        return min(len(source.given), _ROWS)
    return max(source.options.least_samples, source.drawn, -(-3 * network.parameters // network.sizes[-1]))
