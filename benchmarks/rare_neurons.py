"""Rarely active neurons: one kink far from where inputs are drawn.

    python -m benchmarks.rare_neurons
"""

from __future__ import annotations

import numpy as np
from benchmarks.common import machine, random_teacher

import expandcluster as ec

SIZES, SEEDS = (10, 6, 2), (3, 4, 5)


def teacher(activation: str, distance: float, seed: int) -> ec.Network:
    """A network whose third neuron has its kink ``distance`` standard deviations out; it is silent here if < 0."""
    network = random_teacher(SIZES, activation, seed)
    bias = network.biases[0].copy()
    bias[2] = distance * np.linalg.norm(network.weights[0][2])
    return ec.Network(network.weights, (bias, *network.biases[1:]), network.activation)


def main() -> None:
    print("| activation | distance | towards the inputs | recovered | wrongly called exact | verdicts of the others |\n"
          "|---|---|---|---|---|---|")
    for activation in ("relu", "leaky_relu(0.1)"):
        for distance in (4.0, 10.0, 25.0):
            for side, sign in (("silent or flat", -1.0), ("active", 1.0)):
                right, wrong, others = 0, 0, []
                for seed in SEEDS:
                    truth = teacher(activation, sign * distance, seed)
                    found = ec.recover(ec.Teacher.from_network(truth), activation=activation)
                    error = np.inf if found.network is None else ec.compare(found, truth).max_parameter_error
                    right += found.exact and error <= 1e-8
                    wrong += found.exact and not error <= 1e-8
                    others += [] if found.exact else [found.verdict.name]
                print(f"| {activation} | {distance:g} | {side} | {right} of {len(SEEDS)} | {wrong} | "
                      f"{', '.join(sorted(set(others))) or '-'} |", flush=True)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
