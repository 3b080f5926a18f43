"""Inputs at which a committee of networks disagrees: there a question tells most.

Students that imitate on every sample may still differ where no sample was: beyond a kink that is
seldom met, or along a weight that the samples do not determine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from expandcluster.networks import Network
from expandcluster.queries.source import Source

__all__ = ["disputed"]

_CANDIDATES = 40_000
_NUMBERS = 8_000_000  # of one array of candidates
_REAL = 1e4  # disagreements below this multiple of the noise floor are noise


def disputed(network: Network, committee: Sequence[Network], source: Source, count: int, round_: int) -> np.ndarray:
    """Inputs ``(at most count, inputs)`` at which members of the committee differ most from the network.

    Args:
        network: on the students' coordinates.
        committee: other networks on them.
        source: says which inputs may be asked.
        count: how many inputs.
        round_: the same round draws the same candidates.
    """
    x = source.candidates(min(_CANDIDATES, _NUMBERS // source.teacher.inputs), round_)
    if not len(x) or not committee:
        return x[:0]
    seen = source.coordinates.inside(x)
    answers = network(seen)
    told = source.link.reached(answers)  # elsewhere the teacher's answer would be saturated
    x, seen, answers = x[told], seen[told], answers[told]
    if not len(x):
        return x
    unit = float(np.mean(np.sum((answers - answers.mean(axis=0)) ** 2, axis=1))) or 1.0
    share = -(-count // len(committee))
    chosen: list[int] = []
    for member in committee:
        difference = np.sum((member(seen) - answers) ** 2, axis=1) / unit
        most = np.argsort(difference)[::-1][:share]
        chosen.extend(most[difference[most] > _REAL * max(source.floor, 1e-26)].tolist())
    return x[sorted(set(chosen))[:count]]
