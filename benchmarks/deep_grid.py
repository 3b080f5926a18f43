"""Two hidden layers 4-5-4-2, eight activations, seeds 0, 1, 2; three hidden layers 4-4-4-4-1, tanh."""

from __future__ import annotations

import sys

from benchmarks.common import HEAD, Row, foot, measure, random_teacher

import expandcluster as ec

ACTIVATIONS = ("tanh", "sigmoid", "g", "softplus", "gelu", "silu", "relu", "leaky_relu(0.07)")


def main(only: tuple[str, ...] = ()) -> list[Row]:
    cases = [((4, 5, 4, 2), activation, seed) for activation in ACTIVATIONS for seed in range(3)]
    cases += [((4, 4, 4, 4, 1), "tanh", seed) for seed in range(3)]
    print(HEAD)
    rows = []
    for sizes, activation, seed in cases:
        name = f"{activation} {'-'.join(map(str, sizes))}, seed {seed}"
        if only and not any(word in name for word in only):
            continue
        truth = random_teacher(sizes, activation, seed)
        rows.append(measure(name, ec.Teacher.from_network(truth), truth, seed=seed))
    print(foot(rows))
    return rows


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
