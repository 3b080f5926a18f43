"""Figures of the recovered weights: as a matrix, and as images where the inputs are images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from expandcluster.errors import BadInput
from expandcluster.plot.network_figures import check_layer, network_of
from expandcluster.plot.style import INK, axes_for, figure_of, finish, whole_numbers
from expandcluster.results import Recovery

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

__all__ = ["as_images", "undetermined_weights", "weights"]

_DIVERGING = "RdBu_r"  # blue to red through white: told apart with every common colour blindness
# Weights that the queries do not determine: neither end nor middle of the map; in colour images greys are weights.
_OPEN, _OPEN_IN_COLOUR = "#6b6b6b", "#ffffff"
_ROWS, _IMAGES = 1000, 256


def weights(recovery: Recovery, layer: int = 1, image_shape: Sequence[int] | None = None,
            ax: Axes | None = None) -> Axes:
    """The weights into a layer of the recovered network: one row for each neuron, or one image.

    Weights that the queries do not determine are dark grey. In colour images every colour shows the weight on
    that colour of the pixel: mid-grey is 0 on all three, and what is not determined is white.

    Args:
        recovery: what :func:`expandcluster.recover` returned.
        layer: 1 for the first hidden layer; the last is the output layer.
        image_shape: of one input, where inputs are images: ``(rows, columns)``, or for colour images
            ``(rows, columns, 3)`` or ``(3, rows, columns)``, in the order in which the inputs are numbered.
        ax: where to draw; a new figure one column wide by default.

    Raises:
        BadInput: no network was found, or it has no such layer or inputs of another shape.
        MissingExtra: Matplotlib is not installed.
    """
    network = network_of(recovery)
    check_layer(layer, len(network.weights))
    w = network.weights[layer - 1]
    loose = undetermined_weights(recovery, layer)
    limit = float(np.abs(w[~loose]).max(initial=0.0)) or 1.0
    if image_shape is not None:
        pictures = as_images(w[:_IMAGES], image_shape)  # before an Axes is made: it may be refused
        ax = axes_for(ax)
        image = _draw_images(ax, pictures, as_images(loose[:_IMAGES], image_shape), limit, len(w))
    else:
        ax = axes_for(ax)
        image = _draw_matrix(ax, w, loose, limit)
        ax.set_xlabel("inputs" if layer == 1 else f"neurons of layer {layer - 1}")
        ax.set_ylabel("outputs" if layer == len(network.weights) else f"neurons of layer {layer}")
    bar = figure_of(ax).colorbar(image, ax=ax, fraction=0.046, pad=0.03)
    bar.outline.set_linewidth(0.6)
    bar.ax.tick_params(labelsize=7, width=0.6, length=2.5, color=INK, labelcolor=INK)
    cover = "white" if image_shape is not None and len(image_shape) == 3 else "dark grey"
    bar.set_label("weight" + f" ({cover}: undetermined)" * bool(loose.any()), fontsize=8, color=INK)
    return finish(ax, frame=True) if image_shape is None else _bare(finish(ax))


def undetermined_weights(recovery: Recovery, layer: int) -> np.ndarray:
    """Which weights into a layer the queries do not determine, ``(neurons, inputs)``."""
    w = network_of(recovery).weights[layer - 1]
    bars = recovery.certificate.error_bars if recovery.certificate else ()
    known = 2 * layer - 2 < len(bars) and bars[2 * layer - 2].shape == w.shape
    return np.isnan(bars[2 * layer - 2]) if known else np.zeros(w.shape, bool)


def as_images(rows: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Rows ``(neurons, inputs)`` as images, ``(neurons, rows, columns)`` or ``(neurons, rows, columns, 3)``.

    Raises:
        BadInput: an image of this shape has another number of inputs.

    Example:
        >>> as_images(np.arange(12.0)[None], (3, 2, 2))[0, 0, 0].tolist()  # the colours of the first pixel
        [0.0, 4.0, 8.0]
    """
    colour = len(shape) == 3 and 3 in (shape[0], shape[2])
    if not (len(shape) == 2 or colour) or min(shape) < 1 or math.prod(shape) != rows.shape[1]:
        raise BadInput("image_shape", got=str(tuple(shape)),
                       expected=f"rows times columns = {rows.shape[1]}, for colour images times 3",
                       remedy="Leave it out to see the weights as a matrix.")
    pictures = rows.reshape(len(rows), *shape)
    return np.moveaxis(pictures, 1, 3) if colour and shape[2] != 3 else pictures


def _draw_matrix(ax: Axes, w: np.ndarray, loose: np.ndarray, limit: float) -> ScalarMappable:
    """One row for each neuron; of large matrices evenly spaced rows and columns."""
    rows, columns = (np.unique(np.linspace(0, size - 1, min(size, _ROWS)).astype(int)) for size in w.shape)
    extent = (-0.5, w.shape[1] - 0.5, w.shape[0] - 0.5, -0.5)
    image = ax.imshow(w[np.ix_(rows, columns)], cmap=_DIVERGING, vmin=-limit, vmax=limit, aspect="auto",
                      interpolation="nearest", extent=extent)
    if loose.any():
        ax.imshow(_over(loose[np.ix_(rows, columns)]), aspect="auto", interpolation="nearest", extent=extent)
    for axis in (ax.xaxis, ax.yaxis):
        whole_numbers(axis)
    return image


def _draw_images(ax: Axes, pictures: np.ndarray, loose: np.ndarray, limit: float, neurons: int) -> ScalarMappable:
    """Neurons as images side by side, numbered as in the network."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    shown, (height, width) = len(pictures), pictures.shape[1:3]
    across = math.ceil(math.sqrt(shown * height / width))
    numbered = across <= 8
    above = max(1, height // (3 if numbered else 8))  # room for the number
    high, wide = height + above, width + max(1, width // 8)
    corners = [(i // across * high, i % across * wide) for i in range(shown)]
    canvas = np.full((-(-shown // across) * high, across * wide, *pictures.shape[3:]), np.nan)
    mask = np.zeros(canvas.shape, bool)
    for i, (y, x) in enumerate(corners):
        canvas[y : y + height, x : x + width], mask[y : y + height, x : x + width] = pictures[i], loose[i]
        if numbered:
            ax.text(x - 0.5, y - 0.7, str(i), fontsize=6, color=INK, va="bottom", ha="left")
    if canvas.ndim == 2:
        mappable: ScalarMappable = ax.imshow(np.ma.masked_invalid(canvas), cmap=_DIVERGING, vmin=-limit, vmax=limit,
                                             interpolation="nearest")
    else:
        there = np.isfinite(canvas[..., 0])
        colours = np.clip(0.5 + np.nan_to_num(canvas) / (2 * limit), 0.0, 1.0)
        ax.imshow(np.concatenate([colours, there[..., None]], axis=2), interpolation="nearest")
        mappable, mask = ScalarMappable(Normalize(-limit, limit), "gray"), mask[..., 0] | mask[..., 1] | mask[..., 2]
    if mask.any():
        ax.imshow(_over(mask, _OPEN if canvas.ndim == 2 else _OPEN_IN_COLOUR), interpolation="nearest")
    ax.set_ylim(canvas.shape[0] - 0.5, -0.5 - above)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel(f"the first {shown} of {neurons:,} neurons" if shown < neurons else f"{shown} neurons")
    return mappable


def _over(mask: np.ndarray, color: str = _OPEN) -> np.ndarray:
    """RGBA that covers what is not determined."""
    from matplotlib.colors import to_rgba

    return np.where(mask[..., None], np.array(to_rgba(color)), 0.0)


def _bare(ax: Axes) -> Axes:
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax
