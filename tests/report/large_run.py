"""A made-up result with thousands of neurons, as a recovery would return it."""

from __future__ import annotations

import numpy as np

from expandcluster.cluster.tree import link
from expandcluster.networks import Network
from expandcluster.queries.probe import Probe
from expandcluster.read_run import RunDescription
from expandcluster.results import Certificate, LayerClusters, Recovery, Verdict

__all__ = ["ABOUT", "PROBE", "large_recovery"]

ABOUT = RunDescription("large.onnx", 60, 10, "float64", "tanh", 1, 0, {}, False, {"expandcluster": "0"}, "", {})
PROBE = Probe(1e-16, 1e-32, 1e-26, False)


def large_recovery(hidden: int, students: int, dropped: int, inputs: int = 60, outputs: int = 10) -> Recovery:
    """``hidden`` neurons that all students found, ``dropped`` strays, and some undetermined parameters."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(hidden, inputs + 1))
    strays = rng.normal(size=(dropped, inputs + 1))
    network = Network((centres[:, :-1], rng.normal(size=(outputs, hidden))), (centres[:, -1], np.zeros(outputs)),
                      "tanh")
    bars = tuple(np.exp(rng.normal(size=a.shape) - 36) for pair in zip(network.weights, network.biases, strict=True)
                 for a in pair)
    bars[0][:, 3] = bars[0][7] = bars[1][7] = np.nan
    names = tuple(f"W1[{i},{j}]" for i, j in np.argwhere(np.isnan(bars[0])))
    certificate = Certificate(1e-30, 1e-32, bars, 1e-14, (*names, "b1[7]"), students, students)
    layer = LayerClusters(_tree(centres, strays, students), np.concatenate([np.tile(np.arange(students), hidden),
                                                                            np.arange(dropped) % students]),
                          np.concatenate([np.repeat(centres, students, axis=0), strays]), 1e-3,
                          np.concatenate([np.repeat(np.arange(hidden), students), np.full(dropped, -1)]),
                          np.full(hidden, students), np.full(hidden, 1e-12))
    losses = np.where(np.arange(2000) % 2, np.exp(rng.normal(size=2000) - 65), 1e-3)
    return Recovery(network, Verdict.UNDETERMINED, 1e-30, 1e-32, 123_456, 999.0, certificate, (layer,),
                    losses, 0, {"expand": 999.0}, steps=np.full(2000, 30), students_at_floor=students,
                    pruned_losses=losses, curves=_curves(losses), floor=PROBE.floor)


def _curves(losses: np.ndarray) -> np.ndarray:
    """From 1 to the losses in 30 steps, at 31 points."""
    share = np.linspace(0, 1, 31)
    return np.stack([np.tile(np.arange(31.0), (len(losses), 1)), losses[:, None] ** share], axis=2)


def _tree(centres: np.ndarray, strays: np.ndarray, students: int) -> np.ndarray:
    """Copies of each centre merge one after the other at 1e-12; their clusters and the strays as usual."""
    n, clusters = len(centres) * students + len(strays), len(centres)
    rows, top = [], []
    for c in range(clusters):
        node = c * students
        for copy in range(1, students):
            rows.append((node, c * students + copy, 1e-12, copy + 1))
            node = n + len(rows) - 1
        top.append(node)
    top += range(clusters * students, n)
    above = link(np.concatenate([centres, strays]))
    ids, sizes = [*top], [students] * clusters + [1] * len(strays)
    for a, b, height, _ in above:
        rows.append((ids[int(a)], ids[int(b)], height, sizes[int(a)] + sizes[int(b)]))
        ids.append(n + len(rows) - 1)
        sizes.append(sizes[int(a)] + sizes[int(b)])
    return np.array(rows, float)
