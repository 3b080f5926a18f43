"""Teachers trained on MNIST and CIFAR-10 by a seeded script, for the benchmarks of chosen queries.

Adam on softmax cross-entropy, batches of 256, pixels in [0, 1], float32; the result is taken as float64.
"""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import expandcluster as ec

DATA = Path(os.environ.get("EXPANDCLUSTER_DATA", Path(__file__).parents[2] / "shared" / "data"))


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """60,000 training images ``(samples, 784)`` in [0, 1], and their digits."""
    with np.load(DATA / "mnist.npz") as file:
        return file["x_train"].reshape(-1, 784) / 255.0, file["y_train"].astype(int)


def cifar10() -> tuple[np.ndarray, np.ndarray]:
    """20,000 images ``(samples, 3072)`` in [0, 1], and their labels."""
    from PIL import Image

    with np.load(DATA / "cifar10_jpeg.npz") as file:
        data, offsets, labels = file["jpeg_train"], file["offsets_train"], file["y_train"]
        pictures = [np.asarray(Image.open(io.BytesIO(data[a:b].tobytes())).convert("RGB")).reshape(-1)
                    for a, b in itertools.pairwise(offsets)]
        return np.stack(pictures) / 255.0, labels.astype(int)


def cifar10_in_100() -> tuple[np.ndarray, np.ndarray]:
    """The same images in 100 classes: their label and the tenth of all images that they are in by brightness."""
    x, labels = cifar10()
    tenth = np.argsort(np.argsort(x.mean(axis=1))) * 10 // len(x)
    return x, 10 * labels + tenth


def cifar10_standardised() -> tuple[np.ndarray, np.ndarray]:
    """The same with a mean of zero and a spread of one in each color, and their labels.

    On pixels in [0, 1], fifteen of sixteen ReLU neurons die in training: no image of the training set switches them on.
    """
    x, labels = cifar10()
    pixels = x.reshape(len(x), -1, 3)
    return ((pixels - pixels.mean((0, 1))) / pixels.std((0, 1))).reshape(len(x), -1), labels


def train(data: Callable[[], tuple[np.ndarray, np.ndarray]], hidden: tuple[int, ...], activation: str, *,
          epochs: int = 4, seed: int = 0) -> ec.Network:
    """A classifier ``inputs-hidden-classes``; its raw outputs are the teacher."""
    x, label = data()
    act = ec.get_activation(activation)
    sizes = (x.shape[1], *hidden, int(label.max()) + 1)
    rng = np.random.default_rng(seed)
    layers = [(jnp.asarray(rng.normal(size=(o, i)) * np.sqrt(2.0 / (i + o)), jnp.float32), jnp.zeros(o, jnp.float32))
              for i, o in itertools.pairwise(sizes)]

    def loss(layers: list, x: jax.Array, label: jax.Array) -> jax.Array:
        h = x
        for w, b in layers[:-1]:
            h = act.function(h @ w.T + b)
        return optax.softmax_cross_entropy_with_integer_labels(h @ layers[-1][0].T + layers[-1][1], label).mean()

    optimiser = optax.adam(1e-3)

    @jax.jit
    def epoch(layers: list, state: optax.OptState, x: jax.Array, label: jax.Array) -> tuple:
        def step(carry: tuple, batch: tuple) -> tuple:
            layers, state = carry
            slope = jax.grad(loss)(layers, *batch)
            move, state = optimiser.update(slope, state)
            return (optax.apply_updates(layers, move), state), None
        return jax.lax.scan(step, (layers, state), (x, label))[0]

    state = optimiser.init(layers)
    x = x.astype(np.float32)
    for _ in range(epochs):
        order = rng.permutation(len(x))[: len(x) // 256 * 256].reshape(-1, 256)
        layers, state = epoch(layers, state, jnp.asarray(x[order]), jnp.asarray(label[order]))
    return ec.Network(tuple(np.asarray(w, np.float64) for w, _ in layers),
                      tuple(np.asarray(b, np.float64) for _, b in layers), act)
