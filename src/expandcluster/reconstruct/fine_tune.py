"""Fine-tune every parameter of the reconstructed network to the noise floor."""

from __future__ import annotations

from expandcluster.expand.levenberg_marquardt import levenberg_marquardt
from expandcluster.expand.population import Samples
from expandcluster.networks import Network, stack
from expandcluster.options import LMOptions
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.source import Source

__all__ = ["fine_tune", "samples_to_tune"]

_OPTIONS = LMOptions(steps=150, patience=8, damping=1e-8)


def fine_tune(network: Network | None, source: Source, progress: Progress = silent, *,
              lifted: bool = False) -> Network | None:
    """Levenberg-Marquardt on all parameters, in the teacher's input space, until the loss falls no more.

    Args:
        network: on the students' coordinates; ``None`` is passed through.
        source: gives samples in the teacher's input space.
        progress: told of the loss.
        lifted: the network is on the teacher's inputs already.
    """
    if network is None:
        return None
    if not lifted:
        network = source.coordinates.lift(network)
    units = source.coordinates.whole
    samples = source.full(samples_to_tune(network, source))
    samples = Samples(units.inside(samples.x), samples.y)
    trained = levenberg_marquardt(stack([units.lower(network)], network.sizes), samples, network.activation, _OPTIONS)
    progress(Event("fine_tune", f"relative loss {trained.loss[0]:.1e} after {int(trained.steps[0])} steps",
                   {"relative_loss": float(trained.loss[0])}))
    return units.lift(trained.population.network(0, network.activation))


def samples_to_tune(network: Network, source: Source) -> int:
    """Three answers for each parameter."""
    return max(source.options.least_samples, -(-3 * network.parameters // network.sizes[-1]))
