"""Settle the students' disagreements: ask where they differ, and train them on the answers.

Students that imitate on all their samples may differ where no sample was. What they learn there brings
rarely met kinks to light, and lets neurons cluster that a few undetermined weights held apart.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from expandcluster.activations import Activation
from expandcluster.expand.expand import Students, clustered_unpruned
from expandcluster.expand.levenberg_marquardt import fits, levenberg_marquardt
from expandcluster.networks import stack
from expandcluster.options import LMOptions
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.disagreement import disputed
from expandcluster.queries.source import Source

__all__ = ["settle"]

_ROUNDS, _COUNT = 8, 96
_FEW_ROUNDS = 2  # for students that were not pruned: they differ at kinks of no importance
_LEAST = 4  # students that must learn the answers, or they all stay as they were
_OPTIONS = LMOptions(steps=100, patience=20)
_NOISY = 1e-20  # floor of a loss above which students stop short of their minima


def settle(students: Students, source: Source, activation: Activation, progress: Progress = silent) -> Students:
    """Students that agree, as far as asking can make them.

    Args:
        students: those at the noise floor are retrained; one that leaves the floor is dropped, unless fewer than
            four were left.
        source: whom to ask; disputed inputs join its samples.
        activation: of the hidden layers.
        progress: told of every round.
    """
    if source.given is not None and source.floor > _NOISY and students.at_floor:
        return _at_their_minima(students, source, activation)
    if not source.chosen or any(not fits(n.sizes) for n in students.networks):
        return students
    unpruned = any(clustered_unpruned(activation, n.sizes) for n in students.networks)
    for round_ in range(_FEW_ROUNDS if unpruned else _ROUNDS):
        networks = students.networks
        if students.at_floor < 2:
            break
        x = disputed(networks[0], networks[1:], source, _COUNT, round_)
        answers = source.add(x)
        if not len(answers):
            break
        samples = source.samples(students.samples)
        trained = levenberg_marquardt(stack(networks), samples, activation, _OPTIONS)
        order = [int(s) for s in np.argsort(trained.loss, kind="stable") if trained.loss[s] <= samples.floor]
        progress(Event("settle", f"{len(answers)} inputs on which students differ: {len(order)} of {len(networks)} "
                       "learn the answers", {"disputed": len(answers), "students": len(order)}))
        if len(order) < min(_LEAST, len(networks)):
            break
        order.sort(key=lambda s: networks[s].parameters)
        students = dataclasses.replace(
            students, networks=tuple(trained.population.network(s, activation) for s in order),
            losses=trained.loss[order], at_floor=len(order))
    return dataclasses.replace(students, extra=source.extra)


def _at_their_minima(students: Students, source: Source, activation: Activation) -> Students:
    """Students of noisy answers, trained on below the floor: there they agree, and nothing more can be asked."""
    networks = students.networks[: students.at_floor]
    if any(not fits(n.sizes) for n in networks):
        return students
    samples = dataclasses.replace(source.samples(students.samples), floor=0.0)
    trained = levenberg_marquardt(stack(networks), samples, activation, _OPTIONS)
    better = tuple(trained.population.network(s, activation) for s in range(len(networks)))
    return dataclasses.replace(students, networks=better + students.networks[students.at_floor :],
                               losses=np.concatenate([trained.loss, students.losses[students.at_floor :]]))
