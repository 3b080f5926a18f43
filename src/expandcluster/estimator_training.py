"""Training with weight decay, for data that no network fits exactly: one step of the estimators.

A student minimises ``mean loss + alpha * sum of squared weights`` (biases are free) by L-BFGS (SciPy's). The loss is
the squared error of standardised answers, or the cross-entropy of classes. The trainers of ``expand/`` have no weight
decay: where answers are exact, none is wanted.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from expandcluster.activations import Activation
from expandcluster.expand.gauss_newton import unflatten
from expandcluster.networks import Network, forward
from expandcluster.precision import in_float64

__all__ = ["Data", "penalised_loss", "row_losses", "train_with_decay"]

_LEAST_ROWS = 64


@dataclasses.dataclass(frozen=True)
class Data:
    """What is fitted.

    Attributes:
        x: inputs ``(samples, inputs)``.
        y: answers ``(samples, outputs)``; for classes one column of ones and zeros for each, or one column of two.
        kind: ``"squared"``, ``"softmax"`` or ``"logistic"``: which loss.
    """

    x: np.ndarray
    y: np.ndarray
    kind: str = "squared"

    def padded(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs, answers and weights ``(samples,)``, filled up so that few programs are compiled.

        Rows are added with weight 0, inputs with value 0.
        """
        step = max(_LEAST_ROWS, 1 << max(len(self.x).bit_length() - 3, 0))
        rows = -len(self.x) % step
        columns = _in_fours(self.x.shape[1]) - self.x.shape[1]
        return (np.pad(self.x, ((0, rows), (0, columns))), np.pad(self.y, ((0, rows), (0, 0))),
                np.pad(weight, (0, rows)))


@in_float64
def train_with_decay(networks: list[Network], data: Data, weights: np.ndarray, alpha: float, steps: int
                     ) -> list[Network]:
    """Train every network on its own share of the rows.

    Args:
        networks: of one depth and activation; their sizes may differ.
        data: what is fitted.
        weights: what each row counts for each network, ``(networks, samples)``.
        alpha: weight decay.
        steps: most iterations of L-BFGS.
    """
    sizes, activation = _common_sizes(networks), networks[0].activation
    trained = []
    for network, weight in zip(networks, weights, strict=True):
        start, free = _padded(network, sizes)
        arrays = [jnp.asarray(a) for a in (free, *data.padded(weight), alpha)]

        def objective(theta: np.ndarray, arrays: list[jax.Array] = arrays) -> tuple[float, np.ndarray]:
            both = np.asarray(_objective(theta, *arrays, sizes=sizes, activation=activation, kind=data.kind))
            return both[0], both[1:]

        found = minimize(objective, start, jac=True, method="L-BFGS-B",
                         options={"maxiter": steps, "maxfun": 2 * steps, "ftol": 1e-8, "gtol": 1e-6})
        trained.append(_cut_out(found.x if np.isfinite(found.fun) else start, sizes, network))
    return trained


def row_losses(network: Network, data: Data) -> np.ndarray:
    """The loss of each row ``(samples,)``, without weight decay."""
    z = network(data.x)
    if data.kind == "squared":
        return np.mean((z - data.y) ** 2, axis=1)
    if data.kind == "logistic":
        return np.sum(np.logaddexp(0.0, z) - data.y * z, axis=1)
    high = z.max(axis=1)
    return high + np.log(np.sum(np.exp(z - high[:, None]), axis=1)) - np.sum(data.y * z, axis=1)


def penalised_loss(network: Network, data: Data, alpha: float) -> float:
    """What training on all rows minimises."""
    return float(np.mean(row_losses(network, data))) + alpha * sum(float(np.sum(w**2)) for w in network.weights)


def _common_sizes(networks: list[Network]) -> tuple[int, ...]:
    """Sizes that hold all networks."""
    hidden = [_in_fours(max(widths)) for widths in zip(*(n.hidden_sizes for n in networks), strict=True)]
    return (_in_fours(networks[0].sizes[0]), *hidden, networks[0].sizes[-1])


def _in_fours(count: int) -> int:
    """Sizes are rounded up, so that few programs are compiled."""
    return -(-count // 4) * 4


def _padded(network: Network, sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Parameters of a network of larger ``sizes`` that computes the same, and 1 for those that may move.

    As ``flatten`` lays them out, but without JAX, which would compile a program for every shape.
    """
    theta, free = [], []
    for w, b, into, out in zip(network.weights, network.biases, sizes[:-1], sizes[1:], strict=True):
        layer, own = np.zeros((out, into + 1)), np.zeros((out, into + 1))
        layer[: len(b), : w.shape[1]], layer[: len(b), -1] = w, b
        own[: len(b), : w.shape[1]], own[: len(b), -1] = 1.0, 1.0
        theta.append(layer.reshape(-1))
        free.append(own.reshape(-1))
    return np.concatenate(theta), np.concatenate(free)


def _cut_out(theta: np.ndarray, sizes: tuple[int, ...], like: Network) -> Network:
    """The inverse of :func:`_padded`, for a network of the sizes of ``like``."""
    weights, biases, start = [], [], 0
    for w, into, out in zip(like.weights, sizes[:-1], sizes[1:], strict=True):
        layer = theta[start : start + out * (into + 1)].reshape(out, into + 1)
        weights.append(layer[: w.shape[0], : w.shape[1]])
        biases.append(layer[: w.shape[0], -1])
        start += out * (into + 1)
    return Network(tuple(weights), tuple(biases), like.activation)


@functools.partial(jax.jit, static_argnames=("sizes", "activation", "kind"))
def _objective(theta: jax.Array, free: jax.Array, x: jax.Array, y: jax.Array, weight: jax.Array, alpha: jax.Array, *,
               sizes: tuple[int, ...], activation: Activation, kind: str) -> jax.Array:
    """The penalised loss and, behind it, its gradient ``(1 + parameters,)``; neurons that only fill up stay 0."""

    def loss(theta: jax.Array) -> jax.Array:
        w, b = unflatten(theta, sizes)
        z = forward(w, b, activation, x)
        if kind == "squared":
            rows = jnp.mean((z - y) ** 2, axis=1)
        elif kind == "logistic":
            rows = jnp.sum(jax.nn.softplus(z) - y * z, axis=1)
        else:
            rows = jax.nn.logsumexp(z, axis=1) - jnp.sum(y * z, axis=1)
        return jnp.sum(weight * rows) / jnp.sum(weight) + alpha * sum(jnp.sum(a**2) for a in w)

    value, slope = jax.value_and_grad(loss)(theta)
    return jnp.concatenate([value[None], slope * free])
