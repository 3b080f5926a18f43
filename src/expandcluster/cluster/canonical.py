"""Canonical form of the neurons of one layer, so that symmetric copies have the same vector."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from expandcluster.activations import Symmetry
from expandcluster.networks import Network

__all__ = ["Neurons", "canonical_neurons", "gather_neurons"]


@dataclasses.dataclass(frozen=True)
class Neurons:
    """Neurons of one layer of many students, in canonical form.

    Attributes:
        vectors: incoming weights and bias, ``(neurons, fan_in + 1)``.
        flipped: whether the reflection was applied, ``(neurons,)``.
        scale: outgoing weights of the student times this belong to the vector, ``(neurons,)``.
        student: index of the student, ``(neurons,)``.
        index: index of the neuron in its student's layer, ``(neurons,)``.
        sign: of the activation's symmetry: where it is not 0, v and -v are the same neuron.
    """

    vectors: np.ndarray
    flipped: np.ndarray
    scale: np.ndarray
    student: np.ndarray
    index: np.ndarray
    sign: int = 0

    def take(self, rows: np.ndarray) -> Neurons:
        """The neurons at ``rows``."""
        return Neurons(self.vectors[rows], self.flipped[rows], self.scale[rows], self.student[rows], self.index[rows],
                       self.sign)

    def as_in(self, vectors: np.ndarray) -> Neurons:
        """The same neurons, reflected where these vectors are the negatives of theirs."""
        turned = np.einsum("nd,nd->n", self.vectors, vectors) < 0
        return dataclasses.replace(self, vectors=vectors, flipped=self.flipped ^ turned,
                                   scale=np.where(turned, self.sign * self.scale, self.scale))


def canonical_neurons(vectors: np.ndarray, symmetry: Symmetry) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Canonical vectors, which of them were flipped, and the factor of their outgoing weights.

    Homogeneous activations: unit norm of the incoming weights. Reflection: the side of a fixed
    hyperplane in general position, so that no coordinate near zero decides (appendix A).

    Args:
        vectors: incoming weights, bias last, ``(neurons, fan_in + 1)``.
        symmetry: of the activation.
    """
    scale = np.ones(len(vectors))
    if symmetry.homogeneous:
        norm = np.linalg.norm(vectors[:, :-1], axis=1)
        norm = np.where(norm > 0, norm, np.maximum(np.abs(vectors[:, -1]), 1e-300))
        vectors, scale = vectors / norm[:, None], norm
    flipped = np.zeros(len(vectors), bool)
    if symmetry.sign != 0:
        normal = np.random.default_rng(0).normal(size=vectors.shape[1])
        flipped = vectors @ normal < 0
        vectors = np.where(flipped[:, None], -vectors, vectors)
        scale = np.where(flipped, symmetry.sign * scale, scale)
    return vectors, flipped, scale


def gather_neurons(students: Sequence[Network], symmetry: Symmetry) -> Neurons:
    """The first layer's neurons of all students, in canonical form."""
    rows = [np.concatenate([n.weights[0], n.biases[0][:, None]], axis=1) for n in students]
    vectors, flipped, scale = canonical_neurons(np.concatenate(rows), symmetry)
    student = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    index = np.concatenate([np.arange(len(r)) for r in rows])
    return Neurons(vectors, flipped, scale, student, index, symmetry.sign)
