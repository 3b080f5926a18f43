"""What trainers that take one student at a time share: samples in chunks, who may move, threads, statuses."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from expandcluster.expand.gauss_newton import bytes_per_sample, parameter_count, step_work
from expandcluster.expand.loss_curve import Curve, curve_points
from expandcluster.expand.population import Samples, Status, TrainedPopulation
from expandcluster.expand.train_all import split, train_all
from expandcluster.expand.training import End, InOnePiece, SideBySide, Student, Training
from expandcluster.networks import Population

__all__ = ["Chunks", "End", "chunks", "each_student", "free_parameters", "parameters", "with_parameters"]


class Chunks(NamedTuple):
    """Samples in equal chunks, the last one padded.

    Attributes:
        x: inputs ``(chunks, samples, inputs)``.
        y: answers ``(chunks, samples, outputs)``.
        present: 1 for a sample, 0 for padding, ``(chunks, samples)``.
    """

    x: jax.Array
    y: jax.Array
    present: jax.Array


Run = Callable[[jax.Array, jax.Array], End]


def chunks(samples: Samples, sizes: tuple[int, ...], memory: int) -> Chunks:
    """Samples in chunks whose temporary arrays fit ``memory`` bytes."""
    n = len(samples.x)
    # Sums over samples are read and written once for each chunk: small chunks are slow where the sums are large.
    fit = max(64, memory // bytes_per_sample(sizes), min(512, parameter_count(sizes) // 8))
    count = -(-n // fit)
    size = -(-n // count)
    pad = count * size - n
    present = np.concatenate([np.ones(n), np.zeros(pad)]).reshape(count, size)
    x, y = (np.concatenate([a, np.repeat(a[:1], pad, axis=0)]).reshape(count, size, -1)
            for a in (samples.x, samples.y))
    return Chunks(jnp.asarray(x), jnp.asarray(y), jnp.asarray(present))


def parameters(population: Population) -> np.ndarray:
    """All parameters ``(students, parameters)``, as :func:`flatten` lays them out."""
    # On the host: small operations would be compiled for every size.
    layers = [np.concatenate([w, np.asarray(b)[:, :, None]], axis=2).reshape(len(w), -1)
              for w, b in zip(population.weights, population.biases, strict=True)]
    return np.concatenate(layers, axis=1).astype(np.float64)


def with_parameters(population: Population, theta: np.ndarray) -> Population:
    """The students with other parameters ``(students, parameters)``."""
    weights, biases, start = [], [], 0
    for into, out in itertools.pairwise(population.sizes):
        layer = theta[:, start : start + out * (into + 1)].reshape(len(theta), out, into + 1)
        weights.append(layer[:, :, :-1].copy())
        biases.append(layer[:, :, -1].copy())
        start += out * (into + 1)
    return Population(tuple(weights), tuple(biases), population.alive)


def free_parameters(population: Population) -> np.ndarray:
    """1 for parameters that may move, 0 for those of pruned neurons, ``(students, parameters)``."""
    students, sizes = population.students, population.sizes
    ends = [np.ones((students, sizes[0]), bool), *(np.asarray(a) for a in population.alive),
            np.ones((students, sizes[-1]), bool)]
    layers = []
    for low, up in itertools.pairwise(ends):
        both = np.concatenate([up[:, :, None] & low[:, None, :], up[:, :, None]], axis=2)
        layers.append(both.reshape(students, -1))
    return np.concatenate(layers, axis=1).astype(np.float64)


def each_student(run: Run | Training, population: Population, samples: Samples, *, unit: float,
                 traceable: bool = True) -> TrainedPopulation:
    """Train every student by itself.

    Args:
        run: a training, or a partial function from parameters and ``free_parameters`` of one student to its
            :class:`End`.
        population: the students.
        samples: queries and answers.
        unit: relative loss of a loss of 1 in the unit of ``run``.
        traceable: whether JAX can trace ``run``; it is then vectorised over students on accelerators.
    """
    training: Training = InOnePiece(run) if callable(run) else run
    thetas, free = parameters(population), free_parameters(population)
    work = step_work(population.sizes, len(samples.x))
    if traceable and jax.default_backend() != "cpu":
        groups = train_all(split(thetas, free), SideBySide(training), work)
        end = End(*(np.concatenate(part) for part in zip(*groups, strict=True)))
    else:
        ends = train_all([Student(*pair) for pair in zip(thetas, free, strict=True)], training, work)
        end = End(*(np.stack(part) for part in zip(*ends, strict=True)))
    relative = np.where(np.isfinite(end.loss), end.loss, np.inf) * unit
    status = np.where(relative <= samples.floor, Status.FLOOR, np.asarray(end.status))
    status = np.where(np.isfinite(relative), status, Status.FAILED)
    trained = with_parameters(population, np.asarray(end.theta))
    return TrainedPopulation(trained, status, relative, np.asarray(end.gradient_norm) * unit, np.asarray(end.steps),
                             curve_points(Curve(end.curve, np.asarray(end.stride)), np.asarray(end.steps),
                                          np.asarray(end.loss), unit=unit))
