"""Teachers of 784 inputs that must not be called exact, or that are refused, and what each ends in.

    python -m benchmarks.image_negatives [WORD ...]     # only teachers with these words in their names
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from benchmarks.chosen_queries import BOX, as_function, as_onnx, as_probabilities
from benchmarks.common import machine, peak_memory
from benchmarks.image_teachers import DATA, mnist, train
from sklearn.ensemble import RandomForestRegressor

import expandcluster as ec

_IMAGES = 3000
HEAD = ("| teacher | verdict | hidden sizes | relative loss | noise floor | queries | seconds | GiB |\n"
        "|---|---|---|---|---|---|---|---|")


def _tanh(*hidden: int) -> ec.Network:
    return train(mnist, hidden or (16,), "tanh")


def _forest() -> ec.Teacher:
    x, label = mnist()
    return ec.Teacher.from_sklearn(RandomForestRegressor(20, random_state=0, n_jobs=1).fit(
        x[:_IMAGES], np.eye(10)[label[:_IMAGES]]))


def _convolutions() -> ec.Teacher:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Unflatten(1, (1, 28, 28)), torch.nn.Conv2d(1, 4, 5, stride=2), torch.nn.Tanh(),
                                torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(144, 10))
    return ec.Teacher.from_torch(model.double(), 784)


def _labels(network: ec.Network) -> ec.Teacher:
    return ec.Teacher.from_callable(lambda x: network(x).argmax(axis=1)[:, None].astype(float), 784)


def _two_largest(network: ec.Network) -> ec.Teacher:
    probabilities = as_probabilities(network)

    def answer(x: np.ndarray) -> np.ndarray:
        p = probabilities.ask(x)
        return np.where(p >= np.sort(p, axis=1)[:, -2:-1], p, 0.0)

    return ec.Teacher.from_callable(answer, 784)


def _noisy(network: ec.Network) -> ec.Teacher:
    rng = np.random.default_rng(0)
    spread = network(mnist()[0][:_IMAGES]).std()
    return ec.Teacher.from_callable(lambda x: network(x) + 0.01 * spread * rng.normal(size=(len(x), 10)), 784)


def _options(**queries: object) -> ec.RecoverOptions:
    return ec.RecoverOptions(queries=ec.QueryOptions(**queries))


Case = tuple[str, Callable[[], ec.Teacher], dict[str, object]]
CASES: list[Case] = [
    ("tanh 784-16-10, recovered as relu", lambda: as_function(_tanh()), {"activation": "relu"}),
    ("tanh 784-16-10 in float32, recovered as relu", lambda: as_onnx(_tanh()), {"activation": "relu"}),
    ("the same in [0, 1]", lambda: as_onnx(_tanh()), {"activation": "relu", "options": BOX}),
    ("tanh 784-16-10, recovered as gelu", lambda: as_function(_tanh()), {"activation": "gelu"}),
    ("tanh 784-16-10, recovered with two hidden layers", lambda: as_function(_tanh()), {"hidden_layers": 2}),
    ("tanh 784-16-16-10, recovered with one hidden layer", lambda: as_function(_tanh(16, 16)), {}),
    ("the same in float32 in [0, 1]", lambda: as_onnx(_tanh(16, 16)), {"options": BOX}),
    ("random forest", _forest, {}),
    ("random forest in [0, 1]", _forest, {"options": BOX}),
    ("convolution, maximum pooling, linear", _convolutions, {}),
    ("linear map", lambda: ec.Teacher.from_callable(lambda x: 2 * x[:, :10] + 1, 784), {}),
    ("x1^2 + x2 x3", lambda: ec.Teacher.from_callable(lambda x: x[:, :1] ** 2 + x[:, 1:2] * x[:, 2:3], 784), {}),
    ("tanh 784-16-10, 1% noise, changing answers allowed", lambda: _noisy(_tanh()), {"options": _options(noisy=True)}),
    *((f"tanh 784-16-10, {n:,} queries", lambda: as_function(_tanh()), {"options": _options(max_queries=n)})
      for n in (100, 1000, 2000)),
    ("labels only", lambda: _labels(_tanh()), {}),
    ("the two largest probabilities", lambda: _two_largest(_tanh()), {}),
]


def _show(name: str, make: Callable[[], ec.Teacher], settings: dict[str, object]) -> None:
    teacher, start = make(), time.perf_counter()
    try:
        found = ec.recover(teacher, **{"activation": "tanh", **settings})  # type: ignore[arg-type]
    except ec.BadInput as error:
        print(f"| {name} | refused: {error} | | | | | {time.perf_counter() - start:.0f} | |", flush=True)
        return
    sizes = "-" if found.hidden_sizes is None else "-".join(map(str, found.hidden_sizes))
    print(f"| {name} | {found.verdict.name} | {sizes} | {found.relative_loss:.1e} | {found.noise_floor:.1e} | "
          f"{found.queries:,} | {time.perf_counter() - start:.0f} | "
          f"{peak_memory():.1f} |", flush=True)


def main(only: tuple[str, ...] = ()) -> None:
    print(HEAD)
    if not DATA.is_dir():
        print(f"no data in {DATA}; set EXPANDCLUSTER_DATA")
        return
    for name, make, settings in CASES:
        if not only or any(word in name for word in only):
            _show(name, make, settings)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
