"""Networks trained on MNIST and CIFAR-10 and random ReLU networks: queries, seconds, largest parameter error.

    python -m benchmarks.chosen_queries [WORD ...]     # only teachers of these names, or with these words in them
"""

from __future__ import annotations

import functools
import itertools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from benchmarks.common import HEAD, Row, foot, measure
from benchmarks.image_teachers import DATA, cifar10, cifar10_in_100, mnist, train
from scipy.special import softmax

import expandcluster as ec
from expandcluster.export.onnx_file import network_to_onnx

SHALLOW = ("tanh", "sigmoid", "relu", "leaky_relu(0.01)", "gelu", "silu", "softplus", "g")
RANDOM = ((20, 10, 1), (40, 20, 1), (10, 30, 1), (10, 50, 1), (10, 15, 15, 1))
Images = Callable[[], tuple[np.ndarray, np.ndarray]]
Make = Callable[[ec.Network], ec.Teacher]
BOX, CENTRED = (ec.RecoverOptions(queries=ec.QueryOptions(domain=ec.Domain(low=low, high=1.0))) for low in (0.0, -1.0))


def as_function(network: ec.Network) -> ec.Teacher:
    """Asked in float64."""
    return ec.Teacher.from_network(network)


def as_onnx(network: ec.Network) -> ec.Teacher:
    """Asked through onnxruntime in float32."""
    path = Path(tempfile.mkdtemp()) / "teacher.onnx"
    network_to_onnx(network, path, np.float32)
    return ec.Teacher.from_onnx(path)


def as_probabilities(network: ec.Network) -> ec.Teacher:
    """Only class probabilities in float32."""
    single = ([p.astype(np.float32) for p in part] for part in (network.weights, network.biases))
    weights = list(zip(*single, strict=True))

    def answer(x: np.ndarray) -> np.ndarray:
        h = x.astype(np.float32)
        for w, b in weights[:-1]:
            h = np.asarray(network.activation(h @ w.T + b), np.float32)
        z = h @ weights[-1][0].T + weights[-1][1]
        return softmax(z, axis=1)

    return ec.Teacher.from_callable(answer, network.sizes[0])


def random_relu(sizes: tuple[int, ...]) -> ec.Network:
    """Weights and biases N(0, 1)."""
    rng = np.random.default_rng(0)
    weights = tuple(rng.normal(size=(out, into)) for into, out in itertools.pairwise(sizes))
    return ec.Network(weights, tuple(rng.normal(size=out) for out in sizes[1:]), "relu")


def centred(network: ec.Network) -> ec.Network:
    """The same on pixels in [-1, 1] instead of [0, 1]."""
    first = network.weights[0] / 2
    return ec.Network((first, *network.weights[1:]), (network.biases[0] + first.sum(axis=1), *network.biases[1:]),
                      network.activation)


def of_images(data: Images, hidden: tuple[int, ...], activation: str, make: Make = as_function, tolerance: float = 1e-8,
              how: str = "", options: ec.RecoverOptions | None = None,
              change: Callable[[ec.Network], ec.Network] = lambda network: network, seed: int = 0
              ) -> tuple[str, Callable[[], ec.Network], Make, float, ec.RecoverOptions | None]:
    """A network trained on images from this seed, perhaps changed afterwards."""
    name = f"{data.__name__} {'-'.join(map(str, hidden))} {activation}{how and ', '}{how}"
    return name, (lambda: change(train(data, hidden, activation, seed=seed))), make, tolerance, options


CASES = [
    *(of_images(mnist, (16,), activation) for activation in SHALLOW),
    *(of_images(mnist, (32,), activation) for activation in ("tanh", "leaky_relu(0.01)")),
    *(of_images(mnist, (16, 16), activation) for activation in ("tanh", "sigmoid", "gelu", "relu")),
    *(of_images(mnist, (16,), activation, as_onnx, 1e-4, "float32") for activation in ("tanh", "relu")),
    *(of_images(mnist, (16,), activation, as_probabilities, 1e-3, "probabilities") for activation in ("tanh", "relu")),
    *(of_images(mnist, (16,), activation, as_onnx, 1e-3, "in [0, 1]", BOX)
      for activation in ("tanh", "relu", "sigmoid", "gelu")),
    of_images(mnist, (32,), "tanh", as_onnx, 1e-3, "in [0, 1]", BOX),
    *(of_images(mnist, (16,), activation, as_onnx, 1e-3, "in [-1, 1]", CENTRED, centred)
      for activation in ("tanh", "relu")),
    *((f"relu {'-'.join(map(str, sizes))}", functools.partial(random_relu, sizes), as_function, 1e-9, None)
      for sizes in RANDOM),
    *(of_images(mnist, (64,), activation) for activation in ("tanh", "relu")),
    of_images(cifar10, (32,), "relu"),
    *(of_images(mnist, (hidden,), "tanh") for hidden in (96, 128)),
    *(of_images(mnist, hidden, "tanh") for hidden in ((64, 32), (128, 64))),
    of_images(cifar10_in_100, (256,), "leaky_relu(0.01)"),
]


def main(only: tuple[str, ...] = ()) -> list[Row]:
    print(HEAD)
    if not DATA.is_dir():
        print(f"no data in {DATA}; set EXPANDCLUSTER_DATA")
        return []
    rows, names = [], [case[0] for case in CASES]
    for name, make_truth, make_teacher, tolerance, options in CASES:
        if only and not any(word == name if word in names else word in name for word in only):
            continue
        truth = make_truth()
        rows.append(measure(name, make_teacher(truth), truth, tolerance, options=options))
    print(foot(rows))
    return rows


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
