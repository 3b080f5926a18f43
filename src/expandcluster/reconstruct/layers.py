"""Layer by layer: cluster, merge, fix that layer, retrain what lies above in every student."""

from __future__ import annotations

import dataclasses

import numpy as np

from expandcluster.activations import Activation
from expandcluster.cluster.canonical import Neurons, gather_neurons
from expandcluster.cluster.contribution import NOTHING, contributing
from expandcluster.cluster.merge import merge, outgoing
from expandcluster.cluster.tree import cluster
from expandcluster.expand.expand import Students, samples_for
from expandcluster.expand.gauss_newton import parameter_count
from expandcluster.expand.levenberg_marquardt import levenberg_marquardt
from expandcluster.expand.population import Samples
from expandcluster.networks import Network, stack
from expandcluster.options import ClusterOptions, LMOptions, RecoverOptions
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.coordinates import Coordinates
from expandcluster.queries.source import Source
from expandcluster.reconstruct.output_layer import fit_output_layer
from expandcluster.results import LayerClusters

__all__ = ["Reconstruction", "reconstruct"]

_ABOVE = LMOptions(steps=150, patience=30)
_EVEN = 0.5  # spread of an axis over that of the widest, below which neurons are compared in the metric of the data
_REFERENCES = 3  # students tried as the source of signs and merged neurons


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """The network built from the clusters.

    Attributes:
        network: before fine-tuning; ``None`` where a layer has no cluster.
        layers: the clustering of each hidden layer that was reached.
    """

    network: Network | None
    layers: tuple[LayerClusters, ...]


def reconstruct(students: Students, source: Source, activation: Activation, options: RecoverOptions,
                progress: Progress = silent) -> Reconstruction:
    """Build one network from the students (paper, section 4, steps 2 to 4).

    Args:
        students: best first; those of other sizes take part too.
        source: gives the samples the students were trained on.
        activation: of the hidden layers.
        options: how students were trained, and neurons are clustered.
        progress: told of every layer.
    """
    if not students.networks:
        return Reconstruction(None, ())
    samples = samples_for(source, max((n.sizes for n in students.networks), key=parameter_count), options.expand)
    spread = samples.x.std(axis=0)
    if source.given is None or spread.min() >= _EVEN * spread.max():
        return _best(students, samples, activation, options.cluster, progress)
    # Neurons are compared by what they make of the given inputs, each principal axis in units of its spread: what
    # students learn of an input that hardly varies is chance, and must not keep their neurons apart.
    metric = Coordinates.by_spread(samples.x)
    lowered = dataclasses.replace(students, networks=tuple(metric.lower(n) for n in students.networks))
    built = _best(lowered, dataclasses.replace(samples, x=metric.inside(samples.x)), activation, options.cluster,
                  progress)
    return built if built.network is None else dataclasses.replace(built, network=metric.lift(built.network))


def _best(students: Students, samples: Samples, activation: Activation, options: ClusterOptions,
          progress: Progress) -> Reconstruction:
    """The best of the networks built with the signs and neurons of one student or another."""
    best: tuple[float, Reconstruction] | None = None
    for reference in range(min(_REFERENCES, len(students.networks))):
        order = [reference, *(s for s in range(len(students.networks)) if s != reference)]
        built = _build(students, order, samples, activation, options, progress)
        if built.network is None:
            best = best or (np.inf, built)
            continue
        error = samples.relative_loss(built.network(samples.x))
        if best is None or error < best[0]:
            best = (error, built)
        if error <= max(1e-6, samples.floor):
            break
    return best[1] if best else Reconstruction(None, ())


def _build(students: Students, order: list[int], samples: Samples, activation: Activation,
           options: ClusterOptions, progress: Progress) -> Reconstruction:
    networks = list(students.networks)
    layers: list[LayerClusters] = []
    weights: list[np.ndarray] = []
    biases: list[np.ndarray] = []
    features = samples.x
    hidden_layers = len(networks[0].hidden_sizes)
    for layer in range(1, hidden_layers + 1):
        here = Samples(features, samples.y, samples.floor)
        neurons, clusters = _cluster_layer(networks, here, activation, options, progress)
        layers.append(clusters)
        found = len(clusters.support)
        progress(Event("cluster", f"hidden layer {layer}: {found} neurons found in most of {len(networks)} students",
                       {"neurons": found}))
        if found == 0:
            return Reconstruction(None, tuple(layers))
        incoming, flips = merge(neurons, clusters.labels, order)
        if layer == hidden_layers:
            top = fit_output_layer(incoming, activation, features, samples.y, samples.floor)
            return Reconstruction(Network((*weights, *top.weights), (*biases, *top.biases), activation), tuple(layers))
        weights.append(incoming[:, :-1])
        biases.append(incoming[:, -1])
        networks, features = _lift(networks, neurons, clusters.labels, incoming, flips, here, activation)
    raise AssertionError("a network has at least one hidden layer")


def _cluster_layer(networks: list[Network], samples: Samples, activation: Activation, options: ClusterOptions,
                   progress: Progress) -> tuple[Neurons, LayerClusters]:
    neurons = gather_neurons(networks, activation.symmetry)
    if options.contribution != 0:
        x = samples.x[:1000]
        threshold = options.contribution
        if threshold is None:
            threshold = max(NOTHING, min(100 * samples.floor, 1e-8 + 0.1 * samples.floor))
        share = len(x) / len(samples.x)
        neurons = neurons.take(contributing(networks, x, samples.total_variance * share, threshold))
    clusters = cluster(neurons, len(networks), options, progress)
    return neurons.as_in(clusters.vectors), clusters


def _lift(networks: list[Network], neurons: Neurons, labels: np.ndarray, incoming: np.ndarray, flips: np.ndarray,
          samples: Samples, activation: Activation) -> tuple[list[Network], np.ndarray]:
    """Fix the merged layer in every student and retrain what lies above it."""
    features = Network((incoming[:, :-1], np.eye(len(incoming))), (incoming[:, -1], np.zeros(len(incoming))),
                       activation)(samples.x)
    upper = []
    for s, network in enumerate(networks):
        w, b = outgoing(network, s, neurons, labels, flips, activation.symmetry)
        upper.append(Network((w, *network.weights[2:]), (b, *network.biases[2:]), activation))
    trained = levenberg_marquardt(stack(upper), Samples(features, samples.y, samples.floor), activation, _ABOVE)
    # A student that no longer imitates cannot testify about the layers above.
    good = np.flatnonzero(trained.loss <= max(1e4 * float(trained.loss.min()), samples.floor))
    return [trained.population.network(s, activation) for s in range(len(upper))
            if s in good or len(good) == 0], features
