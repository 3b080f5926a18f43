"""Networks trained on MNIST and CIFAR-10, asked as functions: queries, seconds and the largest parameter error.

    python -m benchmarks.chosen_queries [WORD ...]     # only teachers whose name holds one of the words
"""

from __future__ import annotations

import sys

from benchmarks.common import HEAD, Row, foot, measure
from benchmarks.image_teachers import DATA, cifar10, mnist, train

import expandcluster as ec

SHALLOW = ("tanh", "sigmoid", "relu", "leaky_relu(0.01)", "gelu", "silu", "softplus", "g")
CASES = [
    *((mnist, (16,), activation) for activation in SHALLOW),
    *((mnist, (32,), activation) for activation in ("tanh", "leaky_relu(0.01)")),
    *((mnist, (16, 16), activation) for activation in ("tanh", "sigmoid", "gelu", "relu")),
    *((mnist, (64,), activation) for activation in ("tanh", "relu")),
    (cifar10, (32,), "relu"),
]


def main(only: tuple[str, ...] = ()) -> list[Row]:
    print(HEAD)
    if not DATA.is_dir():
        print(f"no data in {DATA}; set EXPANDCLUSTER_DATA")
        return []
    rows = []
    for data, hidden, activation in CASES:
        name = f"{data.__name__} {'-'.join(map(str, hidden))} {activation}"
        if only and not any(word in name for word in only):
            continue
        truth = train(data, hidden, activation)
        rows.append(measure(name, ec.Teacher.from_network(truth), truth))
    print(foot(rows))
    return rows


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
