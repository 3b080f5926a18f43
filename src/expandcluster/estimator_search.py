"""A network of its own size for data that no network fits exactly: expand, prune, cluster, fine-tune.

Students of growing width are trained with falling weight decay; each holds out another part of the rows, so that
together they predict every row unseen (cross-validation). Width and weight decay are those that predict best. Neurons
are then removed in every student, cheapest first, as long as the unseen rows are predicted as well, up to one standard
error. What the students agree on is merged into one network. The smallest network that fits about as well as the
best is given out.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from expandcluster.activations import Activation
from expandcluster.cluster.canonical import gather_neurons
from expandcluster.cluster.contribution import contributing
from expandcluster.cluster.merge import merge
from expandcluster.cluster.tree import cluster
from expandcluster.estimator_training import Data, penalised_loss, row_losses, train_with_decay
from expandcluster.expand.gauss_newton import parameter_count
from expandcluster.expand.prune import removal_costs, remove
from expandcluster.networks import Network, random_population
from expandcluster.options import ClusterOptions
from expandcluster.reconstruct.output_layer import fit_output_layer

__all__ = ["DECAYS", "Found", "Trial", "search"]

DECAYS = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6, 1e-7)  # weight decay, falling
_PATH, _AFTER_REMOVAL, _LAST = 60, 40, 500  # most iterations: at each weight decay, after a removal, in the end
_WORSE = 2  # weight decays, or widths, in a row that do not predict better: later ones are not tried
_NO_MATTER = 0.02  # share by which the loss may be larger for a smaller network
_PER_PARAMETER = 0.5  # answers for each parameter of students wider than the first
_PRUNED_ON = 1000  # rows on which removals are planned
_NOTHING = 1e-4  # share of the variance below which a neuron counts as contributing nothing
_ALIKE = math.pi / 24  # largest angle between copies of a neuron, as in the paper


@dataclasses.dataclass(frozen=True)
class Trial:
    """How well unseen rows were predicted.

    Attributes:
        stage: ``"expand"`` or ``"prune"``.
        hidden_sizes: of the first student.
        alpha: weight decay.
        loss: mean loss of the rows that each student held out.
        error: standard error of that mean.
    """

    stage: str
    hidden_sizes: tuple[int, ...]
    alpha: float
    loss: float
    error: float


@dataclasses.dataclass(frozen=True)
class Found:
    """The network and how it was found.

    Attributes:
        network: on the inputs of the data.
        alpha: weight decay chosen.
        loss: cross-validated loss at the size and weight decay chosen.
        support: students that have a copy of each neuron of the first hidden layer ``(hidden,)``.
        merged: whether the network was merged from clusters; else it is one of the students.
        trials: everything that was tried, in its order.
    """

    network: Network
    alpha: float
    loss: float
    support: np.ndarray
    merged: bool
    trials: tuple[Trial, ...]


@dataclasses.dataclass(frozen=True)
class _State:
    """Students of one size and weight decay, and the loss of each row when it was held out."""

    students: list[Network]
    alpha: float
    rows: np.ndarray

    def trial(self, stage: str) -> Trial:
        error = float(np.std(self.rows) / np.sqrt(len(self.rows)))
        return Trial(stage, self.students[0].hidden_sizes, self.alpha, float(self.rows.mean()), error)

    def as_good_as(self, other: _State) -> bool:
        """Whether rows are predicted as well, up to one standard error of the difference or a fiftieth."""
        difference = self.rows - other.rows
        error = np.std(difference) / np.sqrt(len(difference))
        return bool(difference.mean() <= max(error, _NO_MATTER * other.rows.mean()))


def search(data: Data, activation: Activation, hidden_layers: int, widths: tuple[int, ...], alphas: tuple[float, ...],
           folds: np.ndarray, seed: int) -> Found:
    """Find a network for the data.

    Args:
        data: inputs of mean 0 and standard deviation 1, and answers.
        activation: of the hidden layers.
        hidden_layers: how many.
        widths: hidden widths tried, growing.
        alphas: weight decays tried, falling.
        folds: which student holds out each row, ``(samples,)``: 0 to students - 1.
        seed: of the students' first weights.
    """
    trials: list[Trial] = []
    best = _expand(data, activation, hidden_layers, widths, alphas, folds, seed, trials)
    best = _train(best.students, data, best.alpha, folds, _LAST)  # to the end, as the network given out
    trials.append(best.trial("prune"))
    small = _prune(best, data, folds, trials)
    everything = np.ones((len(small.students), len(data.x)))
    students = train_with_decay(small.students, data, everything, small.alpha, _LAST)
    merged = _merge(students, data, small.alpha) if hidden_layers == 1 else None
    candidates = [*students, *([merged] if merged is not None else [])]
    losses = [penalised_loss(n, data, small.alpha) for n in candidates]
    slack = 1.0 + small.trial("").error / max(small.trial("").loss, 1e-300)
    good = [i for i, loss in enumerate(losses) if loss <= slack * min(losses)]
    chosen = min(good, key=lambda i: (candidates[i].parameters, losses[i]))
    network = candidates[chosen]
    return Found(network, small.alpha, float(small.rows.mean()), _support(network, students), chosen >= len(students),
                 tuple(trials))


def _expand(data: Data, activation: Activation, hidden_layers: int, widths: tuple[int, ...], alphas: tuple[float, ...],
            folds: np.ndarray, seed: int, trials: list[Trial]) -> _State:
    """Students of growing width along falling weight decay; the best by the rows they hold out."""
    best: _State | None = None
    worse = 0
    for place, width in enumerate(widths):
        sizes = (data.x.shape[1], *[width] * hidden_layers, data.y.shape[1])
        if place and data.y.size < _PER_PARAMETER * parameter_count(sizes):
            break
        population = random_population(sizes, int(folds.max()) + 1, seed + place)
        students = [population.network(s, activation) for s in range(population.students)]
        here = _path(students, data, alphas, folds, trials)
        worse = worse + 1 if best is not None and best.as_good_as(here) else 0
        best = here if best is None or here.rows.mean() < best.rows.mean() else best
        if worse >= _WORSE:
            break
    assert best is not None  # there is at least one width
    return best


def _path(students: list[Network], data: Data, alphas: tuple[float, ...], folds: np.ndarray, trials: list[Trial]
          ) -> _State:
    best: _State | None = None
    worse = 0
    for alpha in alphas:
        here = _train(students, data, alpha, folds, _PATH)
        students = here.students
        trials.append(here.trial("expand"))
        better = best is None or here.rows.mean() < best.rows.mean()
        worse = 0 if better else worse + 1
        best = here if better else best
        if worse >= _WORSE:
            break
    assert best is not None  # there is at least one weight decay
    return best


def _train(students: list[Network], data: Data, alpha: float, folds: np.ndarray, steps: int) -> _State:
    """Train each student on the rows it does not hold out."""
    weights = (folds[None, :] != np.arange(len(students))[:, None]).astype(float)
    students = train_with_decay(students, data, weights, alpha, steps)
    rows = np.zeros(len(data.x))
    for s, student in enumerate(students):
        rows[folds == s] = row_losses(student, Data(data.x[folds == s], data.y[folds == s], data.kind))
    return _State(students, alpha, rows)


def _prune(best: _State, data: Data, folds: np.ndarray, trials: list[Trial]) -> _State:
    """Remove neurons in all students, as long as held-out rows are predicted as well as by the best so far."""
    x = data.x[:_PRUNED_ON]
    current = best
    bite = max(1, sum(best.students[0].hidden_sizes) // 4)
    while True:
        smaller = [_without(student, x, bite) for student in current.students]
        if any(n is None for n in smaller):
            if bite == 1:
                return current
            bite //= 2
            continue
        here = _train([n for n in smaller if n is not None], data, current.alpha, folds, _AFTER_REMOVAL)
        trials.append(here.trial("prune"))
        if here.as_good_as(best):
            current = here
            best = here if here.rows.mean() < best.rows.mean() else best
        elif bite > 1:
            bite //= 2
        else:
            return current


def _without(network: Network, x: np.ndarray, count: int) -> Network | None:
    """The network without its ``count`` cheapest neurons; ``None`` where a layer would be empty."""
    for _ in range(count):
        order = [(cost, layer, neuron) for layer, costs in enumerate(removal_costs(network, x), start=1)
                 for neuron, cost in enumerate(costs) if len(costs) > 1]
        if not order:
            return None
        network = remove(network, x, *min(order)[1:])
    return network


def _merge(students: list[Network], data: Data, alpha: float) -> Network | None:
    """One network of the neurons that most students have, fine-tuned; ``None`` where they share none.

    Its output layer first imitates the students' mean output.
    """
    activation, x = students[0].activation, data.x[:_PRUNED_ON]
    outputs = np.mean([n(data.x) for n in students], axis=0)
    variance = float(np.sum((outputs - outputs.mean(axis=0)) ** 2)) * len(x) / len(data.x)
    neurons = gather_neurons(students, activation.symmetry)
    neurons = neurons.take(contributing(students, x, variance, _NOTHING))
    if not len(neurons.vectors):
        return None
    clusters = cluster(neurons, len(students), ClusterOptions(beta=_ALIKE))
    if not len(clusters.support):
        return None
    losses = [penalised_loss(n, data, alpha) for n in students]
    incoming, _ = merge(neurons.as_in(clusters.vectors), clusters.labels, np.argsort(losses, kind="stable").tolist())
    start = fit_output_layer(incoming, activation, data.x, outputs)
    return train_with_decay([start], data, np.ones((1, len(data.x))), alpha, _LAST)[0]


def _support(network: Network, students: list[Network]) -> np.ndarray:
    """Students with a neuron of about the same direction as each of the first layer, up to symmetry."""
    own, sign = _directions(network), network.activation.symmetry.sign
    support = np.zeros(len(own), int)
    for student in students:
        cosine = own @ _directions(student).T
        support += (np.abs(cosine) if sign != 0 else cosine).max(axis=1) >= np.cos(_ALIKE)
    return support


def _directions(network: Network) -> np.ndarray:
    """Incoming weights and bias of the first layer's neurons at unit length, ``(hidden, inputs + 1)``."""
    vectors = np.concatenate([network.weights[0], network.biases[0][:, None]], axis=1)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)
