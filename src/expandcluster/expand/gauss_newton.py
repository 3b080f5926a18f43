"""Loss, gradient and Gauss-Newton matrix of one student, from the layer structure.

With h_l the inputs of layer l (a one appended for the bias) and delta_l the derivative of the
outputs by the preactivations of layer l, the derivative of output k by the weight (j, i) of layer l
at sample n is delta_l[n, k, j] h_l[n, i]. The block of the Gauss-Newton matrix J'J of layers l, m is

    sum_n (sum_k delta_l[n, k, j] delta_m[n, k, J]) h_l[n, i] h_m[n, I],

one matrix product over samples for every pair of layers: its cost does not grow with the number of
outputs, and no array of samples x parameters is made.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from expandcluster.activations import Activation
from expandcluster.networks import Array, Network, forward

__all__ = ["activities", "assemble", "bytes_per_sample", "flatten", "gram", "gram_parts", "loss", "network_from",
           "normal_product", "parameter_count", "sensitivities", "step_work", "unflatten"]

Parts = tuple[tuple[jax.Array, ...], ...]


def parameter_count(sizes: Sequence[int]) -> int:
    """Weights and biases of a network of layer sizes ``sizes``."""
    return sum((into + 1) * out for into, out in itertools.pairwise(sizes))


def step_work(sizes: Sequence[int], samples: int) -> float:
    """Floating-point operations of one Gauss-Newton step of a student, about."""
    count = parameter_count(sizes)
    return samples * count**2 / 2 + count**3 / 3  # symmetric parts of J'J are computed once: a quarter of it


def bytes_per_sample(sizes: Sequence[int]) -> int:
    """Bytes of the largest temporary arrays of :func:`gram` for each sample and student."""
    pairs = 0
    for i, out in enumerate(sizes[1:-1], start=1):
        for j in range(i, len(sizes)):
            pairs = max(pairs, out * sizes[j] + (sizes[i - 1] + 1) * (sizes[j - 1] + 1))
    return 8 * (pairs + (sizes[-1] + 2) * sum(sizes))


def flatten(weights: Sequence[Array], biases: Sequence[Array]) -> jax.Array:
    """Parameters as one vector: for each layer its rows (weights, then bias)."""
    return jnp.concatenate(
        [jnp.concatenate([w, b[:, None]], axis=1).reshape(-1) for w, b in zip(weights, biases, strict=True)]
    )


def unflatten(theta: jax.Array, sizes: Sequence[int]) -> tuple[list[jax.Array], list[jax.Array]]:
    """The inverse of :func:`flatten`."""
    weights, biases, start = [], [], 0
    for into, out in itertools.pairwise(sizes):
        layer = theta[start : start + out * (into + 1)].reshape(out, into + 1)
        weights.append(layer[:, :-1])
        biases.append(layer[:, -1])
        start += out * (into + 1)
    return weights, biases


def network_from(theta: jax.Array, like: Network) -> Network:
    """A network of the shape and activation of ``like`` with other parameters."""
    weights, biases = unflatten(theta, like.sizes)
    return Network(tuple(map(np.asarray, weights)), tuple(map(np.asarray, biases)), like.activation)


def normal_product(theta: jax.Array, v: jax.Array, x: jax.Array, sizes: Sequence[int], activation: Activation
                   ) -> jax.Array:
    """``J'J v`` of all answers to ``x (samples, inputs)``, without J or J'J."""
    def answers(theta: jax.Array) -> jax.Array:
        return forward(*unflatten(theta, sizes), activation, x)

    return jax.vjp(answers, theta)[1](jax.jvp(answers, (theta,), (v,))[1])[0]


def activities(theta: jax.Array, sizes: Sequence[int], activation: Activation, x: jax.Array,
               sharpness: jax.Array | None) -> tuple[list[jax.Array], list[jax.Array], jax.Array]:
    """Inputs of each layer with a one appended, slopes of each hidden layer, and the outputs.

    Samples are the last axis here and below: rows are then copied, not gathered.
    """
    weights, biases = unflatten(theta, sizes)
    ones = jnp.ones((1, x.shape[0]), x.dtype)
    inputs, slopes, h = [], [], x.T
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        inputs.append(jnp.concatenate([h, ones]))
        h, slope = activation.value_and_slope(w @ h + b[:, None], sharpness)
        slopes.append(slope)
    inputs.append(jnp.concatenate([h, ones]))
    return inputs, slopes, weights[-1] @ h + biases[-1][:, None]


def loss(theta: jax.Array, sizes: Sequence[int], activation: Activation, x: jax.Array, y: jax.Array,
         present: jax.Array, sharpness: jax.Array | None = None) -> jax.Array:
    """Sum of squared errors over the samples that are present and all outputs."""
    _, _, out = activities(theta, sizes, activation, x, sharpness)
    return jnp.sum(present * (out - y.T) ** 2)


def gram(theta: jax.Array, sizes: Sequence[int], activation: Activation, x: jax.Array, y: jax.Array,
         present: jax.Array, sharpness: jax.Array | None = None) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Sum of squared errors, J'r and J'J of one student on one chunk of samples.

    Args:
        theta: parameters ``(parameters,)`` as :func:`flatten` lays them out.
        sizes: layer sizes.
        activation: of the hidden layers.
        x: inputs ``(samples, inputs)``.
        y: targets ``(samples, outputs)``.
        present: 1 for a sample, 0 for padding, ``(samples,)``.
        sharpness: see :meth:`Activation.value_and_slope`.
    """
    lost, gradient, parts = gram_parts(theta, sizes, activation, x, y, present, sharpness)
    return lost, gradient, assemble(parts, sizes)


def gram_parts(theta: jax.Array, sizes: Sequence[int], activation: Activation, x: jax.Array, y: jax.Array,
               present: jax.Array, sharpness: jax.Array | None = None) -> tuple[jax.Array, jax.Array, Parts]:
    """As :func:`gram`, with J'J in parts that are summed over chunks of samples before they are assembled.

    Symmetric parts are computed once: together they are about a quarter as large as the matrix.
    """
    inputs, slopes, out = activities(theta, sizes, activation, x, sharpness)
    weights, _ = unflatten(theta, sizes)
    residual = (out - y.T) * present
    deltas = sensitivities(weights, slopes, present)
    gradients = [(jnp.sum(residual[:, None] * d, axis=0) @ h.T).reshape(-1)
                 for d, h in zip(deltas, inputs[:-1], strict=True)]
    gradients.append((residual @ inputs[-1].T).reshape(-1))
    rows = []
    for i in range(len(deltas)):
        row = [_diagonal_part(deltas[i], inputs[i])]
        row += [_off_diagonal_part(deltas[i], deltas[j], inputs[i], inputs[j]) for j in range(i + 1, len(deltas))]
        row.append(_output_part(deltas[i], inputs[i], inputs[-1]))
        rows.append(tuple(row))
    rows.append(((inputs[-1] * present) @ inputs[-1].T,))
    return jnp.sum(residual**2), jnp.concatenate(gradients), tuple(rows)


def assemble(parts: Parts, sizes: Sequence[int]) -> jax.Array:
    """J'J ``(parameters, parameters)`` from its parts."""
    hidden, fan_in = sizes[1:-1], [n + 1 for n in sizes[:-1]]
    rows: list[list[jax.Array]] = []
    for i, part in enumerate(parts[:-1]):
        row = [_assemble_diagonal(part[0], hidden[i], fan_in[i])]
        for k, block in enumerate(part[1:-1], start=i + 1):
            block = block.reshape(hidden[i], hidden[k], fan_in[i], fan_in[k]).transpose(0, 2, 1, 3)
            row.append(block.reshape(hidden[i] * fan_in[i], hidden[k] * fan_in[k]))
        row.append(part[-1].reshape(hidden[i] * fan_in[i], sizes[-1] * fan_in[-1]))
        rows.append(row)
    rows.append([jnp.kron(jnp.eye(sizes[-1]), parts[-1][0])])
    return jnp.block([[rows[j][i - j].T for j in range(i)] + rows[i] for i in range(len(rows))])


def sensitivities(weights: Sequence[jax.Array], slopes: Sequence[jax.Array],
                  present: jax.Array) -> list[jax.Array]:
    """Derivatives ``(outputs, hidden, samples)`` of the outputs by each hidden preactivation."""
    deltas: list[jax.Array] = []
    for w, slope in zip(weights[:0:-1], slopes[::-1], strict=True):
        above = jnp.einsum("kjn,ji->kin", deltas[0], w) if deltas else w[:, :, None] * present
        deltas.insert(0, above * slope)
    return deltas


def _diagonal_part(delta: jax.Array, h: jax.Array) -> jax.Array:
    """Block of one hidden layer; symmetric in its neurons and in its inputs, so a quarter is computed."""
    j, jj = np.triu_indices(delta.shape[1])
    i, ii = np.triu_indices(h.shape[0])
    return _sum_over_outputs(delta[:, j], delta[:, jj]) @ (h[i] * h[ii]).T


def _assemble_diagonal(quarter: jax.Array, hidden: int, fan_in: int) -> jax.Array:
    j, jj = np.triu_indices(hidden)
    i, ii = np.triu_indices(fan_in)
    at_neurons = np.zeros((hidden, hidden), int)
    at_neurons[j, jj] = at_neurons[jj, j] = np.arange(len(j))
    at_inputs = np.zeros((fan_in, fan_in), int)
    at_inputs[i, ii] = at_inputs[ii, i] = np.arange(len(i))
    block = quarter[at_neurons][:, :, at_inputs]
    return block.transpose(0, 2, 1, 3).reshape(hidden * fan_in, hidden * fan_in)


def _sum_over_outputs(left: jax.Array, right: jax.Array) -> jax.Array:
    """Sum of products over the first axis, written out: XLA then fuses it into one vectorised loop."""
    total = left[0] * right[0]
    for k in range(1, left.shape[0]):
        total += left[k] * right[k]
    return total


def _off_diagonal_part(delta: jax.Array, delta_up: jax.Array, h: jax.Array, h_up: jax.Array) -> jax.Array:
    """Block of two hidden layers, ``(hidden * hidden_up, fan_in * fan_in_up)``."""
    n = h.shape[1]
    both = _sum_over_outputs(delta[:, :, None], delta_up[:, None]).reshape(-1, n)
    return both @ (h[:, None] * h_up[None]).reshape(-1, n).T


def _output_part(delta: jax.Array, h: jax.Array, h_out: jax.Array) -> jax.Array:
    """Block of a hidden and the output layer, ``(hidden * fan_in * outputs, last hidden + 1)``."""
    left = (delta.transpose(1, 0, 2)[:, None] * h[None, :, None]).reshape(-1, h.shape[1])
    return left @ h_out.T
