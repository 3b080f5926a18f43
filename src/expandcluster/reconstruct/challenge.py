"""Challenge the network: ask where it is most doubtful, and tune it until it is right there too.

Doubtful is where students disagree with it, and where parameters matter that its samples leave open.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from expandcluster.expand.expand import Students
from expandcluster.expand.levenberg_marquardt import fits
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
        network: after the last round, on the students' coordinates; ``None`` where there was none.
        extra: all chosen inputs so far ``(samples, inputs)``.
        error: largest relative squared error on the last round's inputs, before they were learnt; 0
            where nothing was in doubt.
    """

    network: Network | None
    extra: np.ndarray
    error: float


def challenge(network: Network | None, students: Students, source: Source, progress: Progress = silent) -> Challenge:
    """Ask doubtful inputs in rounds until the network answers them rightly.

    Args:
        network: fine-tuned, on the students' coordinates.
        students: those at the noise floor are the committee.
        source: whom to ask; the doubtful inputs join its samples.
        progress: told of every round.
    """
    if network is None or not students.at_floor or source.given is not None:  # it has learnt all there is to ask
        return Challenge(network, source.extra, 0.0)
    committee = students.networks[: min(students.at_floor, _COMMITTEE)]
    error, wrong = 0.0, 1e4 * max(source.floor, 1e-26)
    for round_ in range(_ROUNDS):
        samples = source.samples(samples_to_tune(network, source))
        if samples.relative_loss(network(samples.x)) > wrong:
            break  # a network of this shape cannot be right everywhere
        # Of a network too large for a decomposition of J open directions are left to the certificate, which names them.
        variants = open_variants(network, samples.x, _VARIANTS) if fits(network.sizes) else []
        x = disputed(network, [*committee, *variants], source, _COUNT, 100 + round_)
        y = source.add(x)
        if not len(y):
            break
        unit = samples.total_variance / len(samples.x) or 1.0
        seen = source.coordinates.inside(source.extra[-len(y) :])
        error = float(np.max(np.sum((network(seen) - y) ** 2, axis=1))) / unit
        progress(Event("challenge", f"{len(y)} inputs that are in doubt: largest relative error {error:.1e}",
                       {"error": error}))
        if error <= wrong:
            break
        network = fine_tune(network, source, progress)
        assert network is not None
    return Challenge(network, source.extra, error)
