"""Challenge the network: ask where it is most doubtful, and tune it until it is right there too.

Doubtful is where students disagree with it, and where parameters matter that its samples leave open.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from expandcluster.expand.expand import Students
from expandcluster.identifiability import open_variants
from expandcluster.networks import Network
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.disagreement import disputed
from expandcluster.queries.source import Source
from expandcluster.reconstruct.fine_tune import fine_tune, samples_to_tune

__all__ = ["Challenge", "challenge"]

_ROUNDS, _COUNT, _COMMITTEE, _VARIANTS = 8, 64, 8, 16


@dataclasses.dataclass(frozen=True)
class Challenge:
    """A network that was asked where it was most doubtful.

    Attributes:
        network: after the last round; ``None`` where there was none.
        x: the disputed inputs ``(samples, inputs)``.
        error: largest relative squared error on the last round's inputs, before they were learnt; 0
            where nothing was disputed.
    """

    network: Network | None
    x: np.ndarray
    error: float


def challenge(network: Network | None, students: Students, source: Source, progress: Progress = silent) -> Challenge:
    """Ask disputed inputs in rounds until the network answers them rightly.

    Args:
        network: fine-tuned, on the teacher's inputs.
        students: those at the noise floor are the committee.
        source: whom to ask; the disputed inputs join its samples.
        progress: told of every round.
    """
    asked = np.zeros((0, source.teacher.inputs))
    if network is None or not students.at_floor:
        return Challenge(network, asked, 0.0)
    committee = [_lifted(n, source) for n in students.networks[: min(students.at_floor, _COMMITTEE)]]
    error = 0.0
    for round_ in range(_ROUNDS):
        samples = source.full(samples_to_tune(network, source))
        variants = open_variants(network, samples.x, _VARIANTS) if source.chosen else []
        x = disputed(network, [*committee, *variants], source, _COUNT, round_)
        x = x[: source.ledger.affordable(x)]
        if not len(x):
            break
        y = source.ask(x)
        unit = samples.total_variance / len(samples.x) or 1.0
        error = float(np.max(np.sum((network(x) - y) ** 2, axis=1))) / unit
        asked = np.concatenate([asked, x])
        source.extra = asked
        progress(Event("challenge", f"{len(x)} inputs that are in doubt: largest relative error {error:.1e}",
                       {"error": error}))
        if error <= 1e4 * max(source.floor, 1e-26):
            break
        network = fine_tune(network, source, progress, lifted=True)
        assert network is not None
    return Challenge(network, asked, error)


def _lifted(network: Network, source: Source) -> Network:
    """A student as a network on the teacher's inputs."""
    if source.basis is None:
        return network
    return Network((network.weights[0] @ source.basis.T, *network.weights[1:]), network.biases, network.activation)
