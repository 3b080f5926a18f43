"""What a training step costs against the size of a student, with its matrix J'J and without, and the power laws.

    python -m benchmarks.scaling

Students of chosen queries: one hidden layer, of a teacher with k hidden neurons and ten outputs, in the k directions of
its row space, a quarter wider than the teacher, on as many samples as by default.
"""

from __future__ import annotations

import math

import numpy as np
from benchmarks.common import machine, peak_memory
from benchmarks.roofline import problem, seconds

from expandcluster.expand.gauss_newton import parameter_count
from expandcluster.expand.levenberg_marquardt import fits, levenberg_marquardt
from expandcluster.expand.matrix_free import matrix_free
from expandcluster.networks import random_population
from expandcluster.options import LMOptions, QueryOptions

HIDDEN = (16, 32, 48, 64, 96, 128)
STEPS = 4
HEAD = ("| teacher's hidden neurons | student | parameters | samples | J'J by default | step with J'J, s | "
        "step without, s | peak memory, GiB |\n|---|---|---|---|---|---|---|---|")
MOST_MATRIX = 2**30  # bytes: with a larger one nothing is measured


def step(train: object, sizes: tuple[int, ...], samples: int) -> float:
    """Seconds of one step: what a few more of them add."""
    data, network = problem(sizes, samples)
    student = random_population(sizes, 1, 1)

    def run(steps: int) -> object:
        options = LMOptions(steps=steps, patience=1000, largest_matrix=MOST_MATRIX)
        return train(student, data, network.activation, options)  # type: ignore[operator]

    short, long = (seconds(lambda s=s: run(s), 1) for s in (1, 1 + STEPS))  # type: ignore[misc]
    return (long - short) / STEPS


def law(parameters: list[int], took: list[float]) -> str:
    """``seconds = a parameters^b`` by least squares of the logarithms."""
    b, a = np.polyfit(np.log(parameters), np.log(took), 1)
    return f"{math.exp(a):.1e} s x parameters^{b:.2f}"


def main() -> None:
    print(HEAD)
    dense: list[tuple[int, float]] = []
    free: list[tuple[int, float]] = []
    for k in HIDDEN:
        sizes = (k, math.ceil(1.25 * k), 10)
        count = parameter_count(sizes)
        queries = QueryOptions()
        samples = max(queries.least_samples, math.ceil(queries.per_parameter * count / sizes[-1]))
        with_matrix = math.nan
        if 8 * count**2 <= MOST_MATRIX:
            with_matrix = step(levenberg_marquardt, sizes, samples)
            dense.append((count, with_matrix))
        without = step(matrix_free, sizes, samples)
        free.append((count, without))
        print(f"| {k} | {'-'.join(map(str, sizes))} | {count:,} | {samples:,} | {'yes' if fits(sizes) else 'no'} | "
              f"{with_matrix:.3f} | {without:.3f} | {peak_memory():.1f} |".replace("nan", "-"), flush=True)
    for what, rows in (("with J'J", dense), ("without", free)):
        print(f"\nA step {what}: {law(*(list(part) for part in zip(*rows, strict=True)))}")  # type: ignore[arg-type]
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
