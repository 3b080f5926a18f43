"""The trainer of each kind of options, and several trainers one after the other."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Sequence

import numpy as np

from expandcluster.activations import Activation
from expandcluster.expand.loss_curve import following
from expandcluster.expand.population import Samples, TrainedPopulation, Trainer
from expandcluster.networks import Population
from expandcluster.options import LMOptions, TrainerOptions

__all__ = ["train", "trainer_of"]


def trainer_of(options: TrainerOptions) -> Trainer:
    """The function that trains with these options: ``options.trainer`` names it and its file."""
    return getattr(importlib.import_module(f"expandcluster.expand.{options.trainer}"), options.trainer)


def train(population: Population, samples: Samples, activation: Activation, trainers: Sequence[TrainerOptions], *,
          seed: int = 0, hopeful: float = np.inf) -> TrainedPopulation:
    """Train students with one trainer after the other; those at the floor are left as they are.

    Args:
        population: the students.
        samples: queries and answers.
        activation: of the hidden layers.
        trainers: options of at least one trainer.
        seed: of what a trainer draws.
        hopeful: relative loss that one of them must have reached for Levenberg-Marquardt to follow another trainer.

    Returns:
        The state after the last trainer; steps and curves are those of all.
    """
    steps, curves = np.zeros(population.students, np.int64), np.zeros((population.students, 0, 2))
    trained: TrainedPopulation | None = None
    for options in trainers:
        if trained is not None and isinstance(options, LMOptions) and not trained.loss.min() <= hopeful:
            break
        trained = trainer_of(options)(population, samples, activation, options, seed=seed)
        ends = np.stack([trained.steps, trained.loss], axis=1)[:, None]
        curves = following(curves, trained.curves if len(trained.curves) else ends, steps)
        population, steps = trained.population, steps + trained.steps
    assert trained is not None
    return dataclasses.replace(trained, steps=steps, curves=curves)
