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
from expandcluster.expand.each_student import free_parameters
from expandcluster.expand.gauss_newton import flatten, unflatten
from expandcluster.networks import Network, forward, stack
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
        """Inputs, answers and weights ``(samples,)``, with rows of weight 0 so that few programs are compiled."""
        step = max(_LEAST_ROWS, 1 << max(len(self.x).bit_length() - 3, 0))
        rows = -len(self.x) % step
        return tuple(np.concatenate([a, np.zeros((rows, *a.shape[1:]))]) for a in (self.x, self.y, weight))


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
    sizes = _common_sizes(networks)
    population = stack(networks, sizes)
    thetas = np.asarray(jax.vmap(flatten)(population.weights, population.biases))
    masks = np.asarray(free_parameters(population))
    activation, trained = networks[0].activation, []
    for theta, free, weight, network in zip(thetas, masks, weights, networks, strict=True):
        arrays = [jnp.asarray(a) for a in (free, *data.padded(weight))]
        found = minimize(_numbers, theta, args=(arrays, alpha, sizes, activation, data.kind), jac=True,
                         method="L-BFGS-B", options={"maxiter": steps, "maxfun": 2 * steps, "ftol": 1e-8, "gtol": 1e-6})
        end = found.x if np.isfinite(found.fun) else theta
        w, b = unflatten(jnp.asarray(end), sizes)
        into, out = network.sizes[:-1], network.sizes[1:]
        trained.append(Network(tuple(np.asarray(a)[:k, :i] for a, k, i in zip(w, out, into, strict=True)),
                               tuple(np.asarray(a)[:k] for a, k in zip(b, out, strict=True)), activation))
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
    """Sizes that hold all networks; hidden ones in fours, so that few programs are compiled."""
    hidden = [-(-max(widths) // 4) * 4 for widths in zip(*(n.hidden_sizes for n in networks), strict=True)]
    return (networks[0].sizes[0], *hidden, networks[0].sizes[-1])


def _numbers(theta: np.ndarray, arrays: list[jax.Array], alpha: float, sizes: tuple[int, ...],
             activation: Activation, kind: str) -> tuple[float, np.ndarray]:
    value, slope = _objective(theta, *arrays, alpha, sizes=sizes, activation=activation, kind=kind)
    return float(value), np.asarray(slope)


@functools.partial(jax.jit, static_argnames=("sizes", "activation", "kind"))
def _objective(theta: jax.Array, free: jax.Array, x: jax.Array, y: jax.Array, weight: jax.Array, alpha: jax.Array, *,
               sizes: tuple[int, ...], activation: Activation, kind: str) -> tuple[jax.Array, jax.Array]:
    """The penalised loss and its gradient; pruned neurons stay as they are."""

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
    return value, slope * free
