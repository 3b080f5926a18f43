"""Teachers that answer with probabilities: networks behind a softmax or logistic function, and which are told."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable

import numpy as np
from benchmarks.common import HEAD, machine, measure, random_teacher
from scipy.special import expit, softmax

import expandcluster as ec
from expandcluster.errors import TeacherError
from expandcluster.options import QueryOptions
from expandcluster.queries.find_link import find_link
from expandcluster.queries.source import open_source

Answer = Callable[[np.ndarray], np.ndarray]
SHAPES = ((5, 4, 1), (5, 4, 4, 1), (30, 40, 1))
over_classes = functools.partial(softmax, axis=1)
ACTIVATIONS = ("tanh", "sigmoid", "erf", "softsign", "relu", "leaky_relu(0.1)", "softplus", "gelu")


def in_float32(network: ec.Network) -> Answer:
    """The network's outputs rounded to float32, as those of a float32 model are."""
    return lambda x: network(x).astype(np.float32)


def recovered() -> None:
    print(HEAD)
    rows = []
    for activation in ("tanh", "relu", "gelu"):
        for output, outputs, link in (("softmax", 4, over_classes), ("logistic", 1, expit)):
            truth = random_teacher((8, 6, outputs), activation, 1)
            for dtype in ("float64", "float32"):
                answer = truth if dtype == "float64" else in_float32(truth)
                teacher = ec.Teacher.from_callable(lambda x, f=answer, g=link: g(f(x)), 8)
                rows.append(measure(f"{activation} 8-6-{outputs}, {output}, {dtype}", teacher, truth,
                                    1e-8 if dtype == "float64" else 1e-3, output=output))
    print(f"\n{sum(row.verdict == 'EXACT' for row in rows)} of {len(rows)} exact; {machine()}")


def told() -> None:
    """How single probabilities, and raw networks inside [0, 1], are taken."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for activation in ACTIVATIONS:
        for seed in range(6):
            for shape in SHAPES:
                truth = random_teacher(shape, activation, seed)
                depth = f"{activation}, {len(shape) - 2} hidden"
                for f in (truth, in_float32(truth)):
                    counts[depth, "logistic", _taken(lambda x, f=f: expit(f(x)), shape[0])] += 1
                for middle in (0.5, 0.53):
                    raw = _inside(truth, middle)
                    for f in (raw, in_float32(raw)):
                        counts[depth, "raw", _taken(f, shape[0])] += 1
    print("\n| network | teacher answers | logistic | raw | raw, said to be in doubt | refused: saturated |")
    print("|---|---|---|---|---|---|")
    for depth, kind in sorted({key[:2] for key in counts}):
        print(f"| {depth} | {kind} | " + " | ".join(
            str(counts[depth, kind, way]) for way in ("logistic", "raw", "doubt", "saturated")) + " |")
    print(f"\n{machine()}")


def _taken(answer: Answer, inputs: int) -> str:
    try:
        link = find_link(open_source(ec.Teacher.from_callable(answer, inputs), QueryOptions(), 0))
    except TeacherError:
        return "saturated"
    return "doubt" if link.kind == "raw" and link.why else link.kind


def _inside(network: ec.Network, middle: float) -> ec.Network:
    """The network with its output brought near ``middle``, between 0 and 1."""
    w = network.weights[-1]
    return ec.Network((*network.weights[:-1], 0.3 * w / np.abs(w).sum()), (*network.biases[:-1], np.array([middle])),
                      network.activation)


def main() -> None:
    recovered()
    told()


if __name__ == "__main__":
    main()
