"""Share of the machine's float64 matrix-product rate that training reaches: Gauss-Newton assembly and Adam.

    python -m benchmarks.roofline

Operations are those that are carried out: products of a symmetric pair of neurons, or of inputs, count once. All
cores are free for each row.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.common import machine

import expandcluster as ec
from expandcluster.expand.adam import adam
from expandcluster.expand.each_student import chunks
from expandcluster.expand.gauss_newton import flatten, gram_parts, parameter_count
from expandcluster.expand.normal_matrix import normal_matrix
from expandcluster.expand.population import Samples
from expandcluster.networks import random_population
from expandcluster.options import AdamOptions, LMOptions
from expandcluster.precision import in_float64

HEAD = "| what | sizes | samples | billion operations | seconds | GFLOP/s | share |\n|---|---|---|---|---|---|---|"
SIZE = 3000  # of the matrices whose product tells the machine's rate


def seconds(run: Callable[[], object], times: int = 3) -> float:
    """The best of a few runs, after one that compiles."""
    run()
    best = np.inf
    for _ in range(times):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return float(best)


def problem(sizes: tuple[int, ...], samples: int) -> tuple[Samples, ec.Network]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, sizes[0]))
    network = random_population(sizes, 1, 0).network(0, ec.get_activation("tanh"))
    return Samples(x, network(x) + rng.normal(size=(samples, sizes[-1]))), network


def row(what: str, sizes: tuple[int, ...], samples: int, work: float, took: float, rate: float) -> None:
    print(f"| {what} | {'-'.join(map(str, sizes))} | {samples:,} | {work / 1e9:,.1f} | {took:.2f} | "
          f"{work / took / 1e9:.1f} | {100 * work / took / rate:.0f}% |", flush=True)


@in_float64
def assembly(sizes: tuple[int, ...], count: int, rate: float) -> None:
    """The parts of J'J that a Levenberg-Marquardt step sums over the samples."""
    samples, network = problem(sizes, count)
    theta = flatten(network.weights, network.biases)
    x, y, present = chunks(samples, sizes, LMOptions().memory)

    @jax.jit
    def run(theta: jax.Array) -> object:
        def add(sums: object, chunk: tuple) -> tuple:
            return jax.tree.map(jnp.add, sums, gram_parts(theta, sizes, network.activation, *chunk)), None
        shapes = jax.eval_shape(lambda: gram_parts(theta, sizes, network.activation, x[0], y[0], present[0]))
        return jax.lax.scan(add, jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes), (x, y, present))[0]

    inputs, hidden, outputs = sizes
    pairs = hidden * (hidden + 1) // 2
    work = 2.0 * count * (pairs * ((inputs + 1) * (inputs + 2) // 2) + pairs * outputs
                          + hidden * (inputs + 1) * outputs * (hidden + 1) + (hidden + 1) ** 2)
    row("Gauss-Newton assembly", sizes, count, work, seconds(lambda: jax.block_until_ready(run(theta)), 2), rate)


def host_assembly(sizes: tuple[int, ...], count: int, rate: float) -> None:
    """J'J of one large network, of which the merged one is polished."""
    samples, network = problem(sizes, count)
    inputs, hidden, outputs = sizes
    above = (hidden + 1) * outputs
    work = count * (hidden * (hidden + 1) / 2 * (inputs + 1) ** 2 + 2.0 * hidden * (inputs + 1) * above
                    + outputs * above**2)
    row("assembly for polishing", sizes, count, work, seconds(lambda: normal_matrix(network, samples.x), 1), rate)


def epochs(sizes: tuple[int, ...], count: int, rate: float) -> None:
    """Adam on batches of 640: forward, and twice backward."""
    samples, network = problem(sizes, count)
    students = random_population(sizes, 1, 1)
    short, long = (seconds(lambda e=e: adam(students, samples, network.activation, AdamOptions(epochs=e)), 2)
                   for e in (1, 4))
    row("epoch of Adam", sizes, count, 6.0 * (count // 640 * 640) * parameter_count(sizes), (long - short) / 3, rate)


def main() -> None:
    a = np.random.default_rng(0).normal(size=(SIZE, SIZE))
    took = seconds(lambda: a @ a)
    rate = 2.0 * SIZE**3 / took
    print(HEAD)
    row("matrix product", (SIZE, SIZE, SIZE), SIZE, 2.0 * SIZE**3, took, rate)
    assembly((64, 128, 10), 6000, rate)
    assembly((32, 64, 10), 6000, rate)
    assembly((16, 32, 10), 6000, rate)
    host_assembly((784, 16, 10), 6000, rate)
    epochs((784, 64, 10), 20480, rate)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
