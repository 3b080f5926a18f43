"""One hidden layer 6-5-2, every listed activation but identity, seeds 0, 1, 2."""

from __future__ import annotations

from benchmarks.common import HEAD, Row, foot, measure, random_teacher

import expandcluster as ec

ACTIVATIONS = ("relu", "leaky_relu(0.07)", "elu(1.0)", "selu", "softplus", "gelu", "gelu_tanh", "silu", "mish", "tanh",
               "sigmoid", "softsign", "erf", "g")


def main() -> list[Row]:
    print(HEAD)
    rows = []
    for activation in ACTIVATIONS:
        for seed in range(3):
            truth = random_teacher((6, 5, 2), activation, seed)
            rows.append(measure(f"{activation} 6-5-2, seed {seed}", ec.Teacher.from_network(truth), truth, seed=seed))
    print(foot(rows))
    return rows


if __name__ == "__main__":
    main()
