"""Multilayer perceptrons: one network, and a population of students stacked along an axis."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Bool, Float

from expandcluster.activations import Activation, get_activation
from expandcluster.errors import BadInput

Array = jax.Array | np.ndarray

__all__ = ["Network", "Population", "concatenate", "forward", "random_population", "stack"]


@dataclasses.dataclass(frozen=True)
class Network:
    """A multilayer perceptron ``x -> W_L sigma(... sigma(W_1 x + b_1) ...) + b_L``.

    Attributes:
        weights: one array ``(fan_out, fan_in)`` for each layer, float64.
        biases: one array ``(fan_out,)`` for each layer, float64.
        activation: applied after every layer but the last.

    Raises:
        BadInput: the arrays do not fit together or hold values that are not finite.

    Example:
        >>> network = Network((np.ones((3, 2)), np.ones((1, 3))), (np.zeros(3), np.zeros(1)), "relu")
        >>> network.sizes, network.parameters, network(np.array([[1.0, 1.0]])).tolist()
        ((2, 3, 1), 13, [[6.0]])
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    activation: Activation

    def __post_init__(self) -> None:
        weights, biases = _frozen(self.weights), _frozen(self.biases)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "biases", biases)
        object.__setattr__(self, "activation", get_activation(self.activation))
        shapes = [(w.shape, b.shape) for w, b in zip(weights, biases, strict=False)]
        chained = (
            len(weights) == len(biases) >= 1
            and all(w.ndim == 2 and b.shape == w.shape[:1] and w.size for w, b in zip(weights, biases, strict=True))
            and all(low.shape[0] == high.shape[1] for low, high in itertools.pairwise(weights))
        )
        if not chained:
            raise BadInput(
                "network",
                got=f"weights and biases of shapes {shapes}",
                expected="W_l of (fan_out, fan_in) and b_l of (fan_out,), each fan_in the fan_out before it",
                remedy="Check the order of the layers and whether the weights must be transposed.",
            )
        if not all(np.isfinite(a).all() for a in (*weights, *biases)):
            raise BadInput("network", got="weights or biases that are not finite", expected="finite numbers",
                           remedy="Check how the network was trained or saved.")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Layer sizes from inputs to outputs, for example ``(64, 16, 10)``."""
        return (self.weights[0].shape[1], *(w.shape[0] for w in self.weights))

    @property
    def hidden_sizes(self) -> tuple[int, ...]:
        """Sizes of the hidden layers."""
        return self.sizes[1:-1]

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All weights and biases in the order ``W_1, b_1, W_2, ...``."""
        return tuple(a for pair in zip(self.weights, self.biases, strict=True) for a in pair)

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum(a.size for a in self.arrays)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Outputs ``(samples, outputs)`` for inputs ``(samples, inputs)``, in float64."""
        h = np.asarray(x, dtype=np.float64)
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            h = self.activation.on_host(h @ w.T + b)[0]
        return h @ self.weights[-1].T + self.biases[-1]

    def hidden(self, x: np.ndarray, layer: int) -> np.ndarray:
        """Activities ``(samples, hidden)`` of hidden layer ``layer`` (1 is the first)."""
        part = Network((*self.weights[:layer], np.eye(self.sizes[layer])),
                       (*self.biases[:layer], np.zeros(self.sizes[layer])), self.activation)
        return part(x)


def _frozen(arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Copies in float64 that cannot be written to."""
    try:
        copies = tuple(np.array(a, dtype=np.float64) for a in arrays)
    except (TypeError, ValueError) as error:
        raise BadInput("network", got=f"weights or biases that are no arrays of numbers ({error})",
                       expected="arrays of numbers", remedy="Check what was passed.") from error
    for copy in copies:
        copy.setflags(write=False)
    return copies


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Population:
    """Students of one shape, stacked along the first axis of every array.

    A neuron that was pruned keeps its place; ``alive`` is False there, its parameters are zero
    and stay zero, so that students of different sizes share one compiled program.

    Attributes:
        weights: one array ``(students, fan_out, fan_in)`` for each layer.
        biases: one array ``(students, fan_out)`` for each layer.
        alive: one boolean array ``(students, hidden)`` for each hidden layer.

    Example:
        >>> population = random_population((2, 3, 1), students=5, seed=0)
        >>> population.students, population.take([0, 2]).students, population.network(0, get_activation("tanh")).sizes
        (5, 2, (2, 3, 1))
    """

    weights: tuple[Float[Array, "students fan_out fan_in"], ...]
    biases: tuple[Float[Array, "students fan_out"], ...]
    alive: tuple[Bool[Array, "students hidden"], ...]

    @property
    def students(self) -> int:
        """Number of students."""
        return int(self.weights[0].shape[0])

    @property
    def sizes(self) -> tuple[int, ...]:
        """Layer sizes, pruned neurons included."""
        return (self.weights[0].shape[2], *(w.shape[1] for w in self.weights))

    def take(self, index: Sequence[int] | np.ndarray) -> Population:
        """The students at ``index``, in that order."""
        index = np.asarray(index)
        return jax.tree.map(lambda a: a[index], self)

    def network(self, student: int, activation: Activation) -> Network:
        """One student as a network, without its pruned neurons."""
        keep = [np.ones(self.sizes[0], bool), *(np.asarray(a[student]) for a in self.alive),
                np.ones(self.sizes[-1], bool)]
        weights = tuple(np.asarray(w[student])[np.ix_(keep[i + 1], keep[i])] for i, w in enumerate(self.weights))
        biases = tuple(np.asarray(b[student])[keep[i + 1]] for i, b in enumerate(self.biases))
        return Network(weights, biases, activation)


def concatenate(populations: Sequence[Population]) -> Population:
    """All students of several populations of one shape."""
    return jax.tree.map(lambda *a: np.concatenate([np.asarray(x) for x in a]), *populations)


def stack(networks: Sequence[Network], sizes: Sequence[int] | None = None) -> Population:
    """Networks as one population of layer sizes ``sizes``, padded with pruned neurons; as few as that takes by default.

    Example:
        >>> small = Network((np.ones((1, 2)), np.ones((1, 1))), (np.zeros(1), np.zeros(1)), "tanh")
        >>> stack([small], (2, 3, 1)).alive[0].tolist()
        [[True, False, False]]
    """
    n = len(networks)
    if sizes is None:
        sizes = [max(layer) for layer in zip(*(network.sizes for network in networks), strict=True)]
    weights = [np.zeros((n, out, into)) for into, out in itertools.pairwise(sizes)]
    biases = [np.zeros((n, out)) for out in sizes[1:]]
    alive = [np.zeros((n, hidden), bool) for hidden in sizes[1:-1]]
    for s, network in enumerate(networks):
        for i, (w, b) in enumerate(zip(network.weights, network.biases, strict=True)):
            weights[i][s, : w.shape[0], : w.shape[1]] = w
            biases[i][s, : len(b)] = b
            if i < len(alive):
                alive[i][s, : len(b)] = True
    return Population(tuple(weights), tuple(biases), tuple(alive))


def random_population(sizes: Sequence[int], students: int, seed: int) -> Population:
    """Students with Glorot-normal weights, as in section 5 of the paper.

    Args:
        sizes: layer sizes from inputs to outputs.
        students: how many.
        seed: of NumPy's generator; the same seed gives the same students everywhere.

    Example:
        >>> random_population((2, 8, 1), students=4, seed=0).weights[0].shape
        (4, 8, 2)
    """
    rng = np.random.default_rng(seed)
    weights, biases = [], []
    for into, out in itertools.pairwise(sizes):
        weights.append(rng.normal(size=(students, out, into)) * np.sqrt(2.0 / (into + out)))
        biases.append(rng.normal(size=(students, out)) * 0.5)
    alive = tuple(np.ones((students, hidden), bool) for hidden in sizes[1:-1])
    return Population(tuple(weights), tuple(biases), alive)


def forward(weights: Sequence[jax.Array], biases: Sequence[jax.Array], activation: Activation,
            x: jax.Array, sharpness: jax.Array | None = None) -> jax.Array:
    """Outputs ``(samples, outputs)`` of one student; traceable by JAX."""
    function = activation.function if sharpness is None else activation.smoothed(sharpness)
    h = x
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        h = function(h @ w.T + b)
    return h @ weights[-1].T + biases[-1]
