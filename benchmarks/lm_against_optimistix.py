"""Our Levenberg-Marquardt against optimistix's on the same students: the same minima, the ratio of the times."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from benchmarks.common import machine, random_teacher

import expandcluster as ec
from expandcluster.expand.gauss_newton import flatten, unflatten
from expandcluster.expand.levenberg_marquardt import levenberg_marquardt
from expandcluster.expand.population import Samples
from expandcluster.networks import forward, random_population
from expandcluster.precision import float64

SIZES, WIDTH, STUDENTS, SAMPLES, STEPS = (8, 4, 1), 16, 8, 2000, 100


def main() -> None:
    truth = random_teacher(SIZES, "g", 0)
    x = np.random.default_rng(0).normal(size=(SAMPLES, SIZES[0]))
    samples = Samples(x, truth(x), 1e-26)
    sizes = (SIZES[0], WIDTH, SIZES[-1])
    population = random_population(sizes, STUDENTS, 0)

    def ours() -> np.ndarray:
        options = ec.LMOptions(steps=STEPS, patience=STEPS)
        return levenberg_marquardt(population, samples, truth.activation, options).loss

    def theirs() -> np.ndarray:
        with float64():
            inputs, answers = jnp.asarray(samples.x), jnp.asarray(samples.y)

            def residual(theta: jax.Array, _: None) -> jax.Array:
                return (forward(*unflatten(theta, sizes), truth.activation, inputs) - answers).reshape(-1)

            solver = optimistix.LevenbergMarquardt(rtol=1e-15, atol=1e-15)

            def one(theta: jax.Array) -> tuple[jax.Array, jax.Array]:
                solution = optimistix.least_squares(residual, solver, theta, max_steps=STEPS, throw=False)
                return jnp.sum(residual(solution.value, None) ** 2), solution.stats["num_steps"]

            thetas = jax.vmap(flatten)(population.weights, population.biases)
            losses, steps = jax.jit(jax.vmap(one))(thetas)
            print(f"optimistix steps {np.asarray(steps).tolist()}")
            return np.asarray(losses) / samples.total_variance

    times, losses = {}, {}
    for name, run in (("expandcluster", ours), ("optimistix", theirs)):
        run()  # compile
        start = time.perf_counter()
        losses[name] = run()
        times[name] = time.perf_counter() - start
    print("| student | relative loss, expandcluster | relative loss, optimistix |\n|---|---|---|")
    for s in range(STUDENTS):
        print(f"| {s} | {losses['expandcluster'][s]:.1e} | {losses['optimistix'][s]:.1e} |")
    print(f"\n{STUDENTS} students {'-'.join(map(str, sizes))}, {SAMPLES} samples, at most {STEPS} steps: expandcluster "
          f"{times['expandcluster']:.2f} s, optimistix {times['optimistix']:.2f} s, "
          f"ratio {times['optimistix'] / times['expandcluster']:.1f}; {machine()}")


if __name__ == "__main__":
    main()
