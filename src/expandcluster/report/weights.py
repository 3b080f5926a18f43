"""The section of the weights: as a matrix, and as images where inputs may be images."""

from __future__ import annotations

import math

import numpy as np

from expandcluster.networks import Network
from expandcluster.plot import weights
from expandcluster.report.figures import cut_off
from expandcluster.report.html import Html, details, element, join, table
from expandcluster.report.svg import drawing
from expandcluster.results import Recovery

__all__ = ["image_shapes", "weight_figures"]

_NUMBERS = 2000  # weights in a table
_COLUMNS = 64  # of a table that still can be read
_IMAGE = 8  # pixels on a side from which on a square number of inputs is taken for an image


def image_shapes(w: np.ndarray) -> list[tuple[int, ...]]:
    """Shapes of images that the inputs of ``w`` ``(neurons, inputs)`` may be, the likeliest first.

    A square number may be a grey image, three times a square number a colour image, whose colours may come
    pixel by pixel or one colour after the other: in the right order neighbouring weights differ less.

    Example:
        >>> image_shapes(np.ones((2, 784))), image_shapes(np.ones((2, 7)))
        ([(28, 28)], [])
    """
    inputs = w.shape[1]
    side, colour_side = math.isqrt(inputs), math.isqrt(inputs // 3)
    if side >= 2 and side**2 == inputs:
        return [(side, side)]
    if colour_side < 4 or 3 * colour_side**2 != inputs:
        return []
    together, apart = (colour_side, colour_side, 3), (3, colour_side, colour_side)
    rough = [float(np.abs(np.diff(w.reshape(-1, *together), axis=2)).sum()),
             float(np.abs(np.diff(w.reshape(-1, *apart), axis=3)).sum())]
    return [together, apart] if rough[0] <= rough[1] else [apart, together]


def weight_figures(recovery: Recovery, network: Network, layer: int, image_shape: tuple[int, ...] | None = None
                   ) -> Html:
    """Weights into a layer as a matrix and, where its inputs are or may be images, as images."""
    w = network.weights[layer - 1]
    into = "the outputs" if layer == len(network.weights) else f"hidden layer {layer}"
    alt = f"{w.shape[0]} neurons with {w.shape[1]} weights each, from {w.min():.2g} to {w.max():.2g}; red is positive."
    shapes = ([] if layer > 1 else image_shapes(w) if image_shape is None or math.prod(image_shape) != w.shape[1]
              else [image_shape])
    data = details("Numbers of this figure", _numbers(network, layer, into))
    matrix = drawing(f"weights-{layer}", f"Weights into {into}", "Weight matrix: " + alt,
                     lambda ax: weights(recovery, layer, ax=ax), data=Html("") if shapes else data,
                     note="One row for each neuron: red is positive, blue negative.")
    if not shapes:
        return matrix
    shown = [("Matrix", matrix), *(_as_images(recovery, layer, shape, into, alt, "-other" * (shape != shapes[0]))
                                   for shape in shapes)]
    first = 1 if shapes[0][1] >= _IMAGE or image_shape is not None else 0
    buttons = (element("button", label, type="button", aria_pressed="true" if i == first else "false", data_show=f"{i}")
               for i, (label, _) in enumerate(shown))
    return element("div", element("div", *buttons, class_="switch", role="group", aria_label="How to show the weights",
                                  hidden="hidden"), *(figure for _, figure in shown), data,
                   class_="choice", data_first=f"{first}")


def _as_images(recovery: Recovery, layer: int, shape: tuple[int, ...], into: str, alt: str, suffix: str
               ) -> tuple[str, Html]:
    """Label and figure of the weights as images of one shape."""
    size = "images of {} by {}".format(*(shape[1:] if shape[0] == 3 and len(shape) == 3 else shape[:2]))
    order = "" if len(shape) == 2 else ", colours pixel by pixel" if shape[2] == 3 else ", one colour after the other"
    note = ("One image for each neuron: red is positive, blue negative." if len(shape) == 2 else
            "One image for each neuron: each colour is the weight on that colour of the pixel, mid-grey is none.")
    figure = drawing(f"images{suffix}-{layer}", f"Weights into {into} as {size}", f"Weights as {size}{order}: {alt}",
                     lambda ax: weights(recovery, layer, shape, ax=ax), note=note, ratio=1.0)
    return f"{size.capitalize()}{order}", figure


def _numbers(network: Network, layer: int, into: str) -> Html:
    """All weights of a small layer, what sums up each neuron of a large one."""
    w, b = network.weights[layer - 1], network.biases[layer - 1]
    head: tuple[str, ...]
    rows: list[tuple[object, ...]]
    if w.shape[1] > _COLUMNS:
        head = ("neuron", "bias", "norm of its weights", "smallest weight", "largest weight")
        rows = [(i, f"{b[i]:.6g}", f"{np.linalg.norm(w[i]):.6g}", f"{w[i].min():.6g}", f"{w[i].max():.6g}")
                for i in range(min(len(w), _NUMBERS))]
        return join([cut_off(len(w), len(rows)), table(f"Weights into {into}: {w.shape[1]:,} for each neuron",
                                                       head, rows)])
    rows = [(i, *(f"{v:.6g}" for v in w[i]), f"{b[i]:.6g}")
            for i in range(min(len(w), max(1, _NUMBERS // (w.shape[1] + 1))))]
    head = ("neuron", *(f"w{j}" for j in range(w.shape[1])), "bias")
    return join([cut_off(len(w), len(rows)), table(f"Weights into {into}", head, rows)])
