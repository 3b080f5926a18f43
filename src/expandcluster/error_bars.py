"""Error bars of parameters: one standard deviation each, from the Jacobian at the network."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from expandcluster.activations import Activation
from expandcluster.expand.gauss_newton import flatten, unflatten
from expandcluster.expand.population import Samples
from expandcluster.identifiability import analyse, jacobians
from expandcluster.networks import Network, forward
from expandcluster.precision import in_float64

__all__ = ["LOOSE", "Determined", "by_checked", "by_layer", "canonical_parameters", "determined", "error_bars",
           "names_of_undetermined", "variance_of_answers"]

LOOSE = 1e-6  # share of a parameter, or an answer, along directions that are not determined, from which it is not
_ROWS = 64  # inputs whose answers are looked at together
_UNCHECKED = 1e-4  # of an answer's error is left in every direction of the outputs, at most, where nothing checks it
_PROJECTIONS, _SUSPECT = 64, 0.75  # random ones estimate leverages to 6%: a share that may be a whole
_SURELY = 0.8  # estimated to 11% from samples
_PASS = 2048  # inputs whose leverages are estimated together


@dataclasses.dataclass(frozen=True)
class Determined:
    """What samples determine of a network.

    Attributes:
        network: at a minimum of the loss.
        scale: what each parameter is multiplied by here ``(parameters,)``, as ``flatten`` lays them out.
        null: orthonormal columns ``(parameters, directions)`` along which no answer changes, in scaled parameters.
        root: columns ``(parameters, ...)`` whose outer products add up to the inverse of J'J on all others.
        variance: of one answer.
        sampled: whether ``null`` and ``root`` are random samples, of whose outer products these are the mean.
    """

    network: Network
    scale: np.ndarray
    null: np.ndarray
    root: np.ndarray
    variance: float
    sampled: bool = False

    @in_float64
    def of_answers(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether the samples determine the answers to other inputs, and how well.

        Args:
            x: inputs ``(rows, inputs)`` of the network.

        Returns:
            ``(rows,)`` which are determined, and ``(rows,)`` the expected squared error of all outputs together.
        """
        known, expected = [], []
        for rows in jacobians(self.network, x, _ROWS):
            slopes = rows / self.scale
            loose = np.sum((slopes @ self.null) ** 2, axis=(1, 2))
            known.append(loose <= LOOSE**2 * np.sum(slopes**2, axis=(1, 2)))
            expected.append(self.variance * np.sum((slopes @ self.root) ** 2, axis=(1, 2)))
        return np.concatenate([np.zeros(0, bool), *known]), np.concatenate([np.zeros(0), *expected])

    @in_float64
    def unchecked(self, x: np.ndarray, *, halfway: bool = False) -> np.ndarray:
        """Which of the samples are explained whatever their answers are, as nothing else tells of what explains them.

        Their leverage J_n (J'J)^+ J_n' is the identity. They make weights exact that are nearly right, but do not tell
        whether they are. Leverages are estimated by random projections (Drineas et al. 2012, Fast approximation of
        matrix coherence and statistical leverage), and computed where they are large; if but samples are known,
        more are taken for unchecked.

        Args:
            x: inputs ``(rows, inputs)`` of the samples.
            halfway: also those whose leverage lies beyond the middle between the mean and the identity.

        Returns:
            ``(rows,)``.
        """
        outputs = self.network.sizes[-1]
        mean = (len(self.scale) - (0 if self.sampled else self.null.shape[1])) / max(len(x) * outputs, 1)
        most = (1.0 + mean) / 2.0 if halfway else 1.0
        estimated = self._leverage(x)
        if self.sampled:
            return estimated >= min(most, _SURELY)
        suspects = np.flatnonzero(estimated >= _SUSPECT * most)
        leverages = [np.linalg.eigvalsh(changes @ changes.transpose(0, 2, 1)) for changes in
                     (rows / self.scale @ self.root for rows in jacobians(self.network, x[suspects], _ROWS))]
        exact = np.concatenate([np.zeros((0, outputs)), *leverages])
        free = np.zeros(len(x), bool)
        free[suspects] = (exact[:, 0] >= 1.0 - _UNCHECKED) | (exact.mean(axis=1) > most)
        return free

    def _leverage(self, x: np.ndarray) -> np.ndarray:
        """Of every sample, between 0 and 1, estimated: the mean over its answers."""
        network = self.network
        theta = flatten(network.weights, network.biases)
        root = self.root
        if root.shape[1] > _PROJECTIONS:
            signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(root.shape[1], _PROJECTIONS))
            root = root @ signs / np.sqrt(_PROJECTIONS)
        directions = jnp.asarray(root.T / self.scale)
        parts = [_squared_changes(theta, directions, jnp.asarray(x[start : start + _PASS]), network.sizes,
                                  network.activation) for start in range(0, len(x), _PASS)]
        return np.concatenate([np.zeros(0), *map(np.asarray, parts)]) / network.sizes[-1]


@functools.partial(jax.jit, static_argnames=("sizes", "activation"))
def _squared_changes(theta: jax.Array, directions: jax.Array, x: jax.Array, sizes: tuple[int, ...],
                     activation: Activation) -> jax.Array:
    """Squared changes of the answers to ``x (rows, inputs)``, summed over directions and outputs ``(rows,)``."""
    def answers(theta: jax.Array) -> jax.Array:
        return forward(*unflatten(theta, sizes), activation, x)

    changes = jax.vmap(lambda v: jax.jvp(answers, (theta,), (v,))[1])(directions)
    return jnp.sum(changes**2, axis=(0, 2))


@in_float64
def determined(network: Network, samples: Samples, noise: float = 0.0, *, checked: bool = False) -> Determined:
    """What samples determine of a network, from the singular values of its Jacobian.

    Args:
        network: at a minimum of the loss.
        samples: queries ``(samples, inputs)`` and answers.
        noise: standard deviation of the answers' errors relative to their spread; the residuals'
            own size is taken where it is larger.
        checked: leave out samples that nothing checks, see :meth:`Determined.unchecked`.
    """
    def tell(rows: np.ndarray) -> Determined:
        found = analyse(network, samples.x[rows])
        seen = ~found.null
        return Determined(network, found.column, found.directions[found.null].T,
                          (found.directions[seen] / found.values[seen, None]).T,
                          variance_of_answers(network, samples, noise, len(found.theta)))

    return by_checked(tell, samples, checked)


def by_checked(tell: Callable[[np.ndarray], Determined], samples: Samples, checked: bool) -> Determined:
    """What is known by all samples, or without those that nothing checks; the variance is that of all.

    With kinks that is more of them: few samples may be explained by the wrong neurons, step by step from one that is
    hardly checked to the next.

    Args:
        tell: what those of some rows determine, of ``(rows,)``.
        samples: all of them.
        checked: leave out those that nothing checks.
    """
    rows = np.arange(len(samples.x))
    known = tell(rows)
    variance, kinked = known.variance, known.network.activation.negative_slope is not None
    while checked and 0 < np.count_nonzero(free := known.unchecked(samples.x[rows], halfway=kinked)) < len(free):
        rows, kinked = rows[~free], False
        del known  # it takes as much memory as the next one
        known = dataclasses.replace(tell(rows), variance=variance)
    return known


@in_float64
def error_bars(known: Determined, lasting: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """One standard deviation of every parameter in canonical form, from ``s^2 (J'J)^+``.

    Args:
        known: what samples determine.
        lasting: see :func:`canonical_parameters`.

    Returns:
        Arrays shaped as ``W_1, b_1, W_2, ...``, NaN for undetermined parameters.
    """
    network = known.network
    theta = flatten(network.weights, network.biases)

    def slopes(function: Callable[..., jax.Array]) -> tuple[np.ndarray, np.ndarray]:
        """Of what is made of weights and biases, by the scaled parameters; and which of it is not determined."""
        made = jax.jacfwd(lambda t: function(*unflatten(t, network.sizes)).reshape(-1))
        found = np.asarray(made(theta)) / known.scale
        return found, np.linalg.norm(found @ known.null, axis=1) > LOOSE * np.linalg.norm(found, axis=1)

    if network.activation.symmetry.homogeneous:
        lasting = known_weights(slopes(scaled_by_outgoing)[1].reshape(network.weights[0].shape), lasting)
    canonical, loose = slopes(functools.partial(canonical_parameters, activation=network.activation, lasting=lasting))
    bars = np.sqrt(known.variance) * np.linalg.norm(canonical @ known.root, axis=1)
    bars[loose] = np.nan
    return by_layer(bars, network.sizes)


def scaled_by_outgoing(weights: list[jax.Array], biases: list[jax.Array]) -> jax.Array:
    """Incoming weights of the first layer times the norm of the outgoing ones ``(hidden, inputs)``.

    Each is determined or not whatever the others are, as those of norm 1 are not.
    """
    return weights[0] * jnp.linalg.norm(weights[1], axis=0)[:, None]


def known_weights(loose: np.ndarray, lasting: np.ndarray | None) -> np.ndarray:
    """Which weights make the norm of each neuron ``(hidden, inputs)``: those of lasting inputs that are determined.

    All of lasting inputs where none is.

    Args:
        loose: which of them are not determined ``(hidden, inputs)``.
        lasting: see :func:`canonical_parameters`.
    """
    every = np.ones_like(loose) if lasting is None else np.broadcast_to(lasting, loose.shape)
    kept = every & ~loose
    return np.where(kept.any(axis=1, keepdims=True), kept, every)


def variance_of_answers(network: Network, samples: Samples, noise: float, determined: int) -> float:
    """Of one answer around what the network says: from the residuals, or from the noise where that is larger.

    Args:
        network: at a minimum of the loss.
        samples: of which it is one.
        noise: standard deviation of the answers' errors relative to their spread.
        determined: how many parameters the samples determine.
    """
    residual = network(samples.x) - samples.y
    freedom = max(residual.size - determined, 1)
    return max(float(np.sum(residual**2)) / freedom, noise**2 * samples.total_variance / samples.answers)


def by_layer(values: np.ndarray, sizes: Sequence[int]) -> tuple[np.ndarray, ...]:
    """A number for each parameter ``(parameters,)`` as arrays ``W_1, b_1, W_2, ...``."""
    weights, biases = unflatten(jnp.asarray(values), sizes)
    return tuple(np.array(a) for pair in zip(weights, biases, strict=True) for a in pair)


def canonical_parameters(weights: list[jax.Array], biases: list[jax.Array], activation: Activation,
                         lasting: np.ndarray | None = None) -> jax.Array:
    """Parameters in canonical form, as ``flatten`` lays them out: unit-norm incoming weights for homogeneous ones.

    Args:
        weights: one array ``(fan_out, fan_in)`` for each layer.
        biases: one array ``(fan_out,)`` for each layer.
        activation: of the hidden layers.
        lasting: the inputs whose weights make the norm in the first layer ``(inputs,)``, or for each neuron its own
            ``(hidden, inputs)``, ``None`` for all: where some hardly vary, their weights are not determined, and no
            other would be if it was divided by them.
    """
    weights, biases = list(weights), list(biases)
    if activation.symmetry.homogeneous:
        for i in range(len(weights) - 1):
            kept = weights[i] if i or lasting is None else weights[i] * lasting
            norm = jnp.linalg.norm(kept, axis=1)
            norm = jnp.where(norm > 0, norm, 1.0)
            weights[i], biases[i] = weights[i] / norm[:, None], biases[i] / norm
            weights[i + 1] = weights[i + 1] * norm[None, :]
    return flatten(weights, biases)


def names_of_undetermined(arrays: tuple[np.ndarray, ...]) -> tuple[str, ...]:
    """Names such as ``W1[3,7]`` of parameters whose error bar is NaN; arrays as ``W_1, b_1, W_2, ...``."""
    names = []
    for place, array in enumerate(arrays):
        layer, kind = place // 2 + 1, "Wb"[place % 2]
        names += [f"{kind}{layer}[{','.join(map(str, at))}]" for at in np.argwhere(np.isnan(array))]
    return tuple(names)
