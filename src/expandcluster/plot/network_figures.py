"""Figures of the students' losses and of the recovered network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from expandcluster.compare import compare
from expandcluster.errors import BadInput
from expandcluster.networks import Network
from expandcluster.plot.style import COLORS, INK, axes_for, figure_of, finish, legend_above, note, whole_numbers
from expandcluster.results import Recovery
from expandcluster.symmetry_moves import unit_norm

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

__all__ = ["alignment", "losses", "weights"]

_LEAST = 1e-40  # losses of zero are drawn here
_DIVERGING = "RdBu_r"  # blue to red through white: told apart with every common colour blindness
_ROWS, _IMAGES = 1000, 256


def losses(recovery: Recovery, ax: Axes | None = None) -> Axes:
    """Relative loss of every student, smallest first, with the noise floor and the recovered network.

    Args:
        recovery: what :func:`expandcluster.recover` returned.
        ax: where to draw; a new figure one column wide by default.

    Raises:
        MissingExtra: Matplotlib is not installed.
    """
    ax = axes_for(ax)
    values = np.asarray(recovery.losses, float)
    finite = np.sort(values[np.isfinite(values)])
    if not len(finite):
        return note(ax, "no student was trained" if not len(values) else "no student has a finite loss")
    rank = np.arange(1, len(finite) + 1)
    ax.plot(rank, np.maximum(finite, _LEAST), "o", markersize=3.5 if len(finite) < 200 else 1.5,
            color=COLORS["too small"], label="students", rasterized=len(finite) > 5000)
    if recovery.noise_floor > 0:
        ax.axhline(max(recovery.noise_floor, _LEAST), color=INK, linestyle=(0, (4, 2)), linewidth=0.9,
                   label="noise floor")
    if recovery.network is not None and np.isfinite(recovery.relative_loss):
        ax.axhline(max(recovery.relative_loss, _LEAST), color=COLORS["kept"], linewidth=1.2, label="recovered network")
    ax.set_yscale("log")
    shown = np.concatenate([np.ravel(np.asarray(line.get_ydata(), float)) for line in ax.lines])
    ax.set_ylim(float(shown.min()) / 4, float(shown.max()) * 4)
    ax.set_xlim(0.5, len(finite) + 0.5)
    whole_numbers(ax.xaxis)
    lost = len(values) - len(finite)
    ax.set_xlabel("students, best first" + (f" ({lost} without a finite loss)" if lost else ""))
    ax.set_ylabel("relative loss")
    legend_above(ax)
    return finish(ax)


def alignment(recovery: Recovery, truth: Network, layer: int = 1, ax: Axes | None = None) -> Axes:
    """Distance of every true neuron to the recovered one matched to it, over the norm of the true one.

    Both networks are in canonical form, and signs and order are matched as in
    :func:`expandcluster.compare`. Where the numbers of neurons differ, what has no partner is counted.

    Args:
        recovery: what :func:`expandcluster.recover` returned.
        truth: the true network.
        layer: hidden layer, 1 for the first.
        ax: where to draw; a new figure one column wide by default.

    Raises:
        BadInput: no network was found, it cannot be compared with ``truth``, or a layer below
            ``layer`` has another size than in ``truth``.
        MissingExtra: Matplotlib is not installed.
    """
    comparison = compare(recovery, truth)
    found = unit_norm(_network(recovery)) if comparison.aligned is None else comparison.aligned
    _check_layer(layer, min(len(found.weights), len(comparison.truth.weights)) - 1)
    if comparison.aligned is None and layer > 1:
        raise BadInput("layer", got=f"{layer} of a network of sizes {found.sizes}",
                       expected=f"layer 1, or the sizes of the truth {comparison.true_sizes}",
                       remedy="Layers above one of the wrong size have no common inputs.")
    error = _errors(_vectors(found, layer), _vectors(comparison.truth, layer),
                    reflect=comparison.aligned is None and found.activation.symmetry.exact_reflection)
    ax = axes_for(ax)
    epsilon = float(np.finfo(float).eps)
    matched = np.sort(error[np.isfinite(error)])
    ax.plot(np.arange(1, len(matched) + 1), np.maximum(matched, epsilon), "o", color=COLORS["kept"],
            markersize=3.5 if len(matched) < 200 else 1.5, label="matched neurons")
    missing = len(error) - len(matched)
    if missing:
        ax.plot(np.arange(len(matched) + 1, len(error) + 1), np.ones(missing), "x", color=COLORS["unaligned"],
                markersize=4, label=f"not found ({missing})")
    spare = found.sizes[layer] - len(matched)
    ax.set_yscale("log")
    ax.set_ylim(epsilon / 3, max(3.0, 3 * float(matched.max(initial=0.0))))
    ax.set_xlim(0.5, len(error) + 0.5)
    whole_numbers(ax.xaxis)
    ax.set_xlabel("true neurons, best first" + (f" ({spare} found have no partner)" if spare else ""))
    ax.set_ylabel("relative distance")
    legend_above(ax)
    return finish(ax)


def _errors(found: np.ndarray, true: np.ndarray, *, reflect: bool) -> np.ndarray:
    """Relative distance of each true neuron to its partner; infinite where it has none."""
    distance = np.minimum(cdist(true, found), cdist(true, -found)) if reflect else cdist(true, found)
    rows, columns = linear_sum_assignment(distance)
    error = np.full(len(true), np.inf)
    error[rows] = distance[rows, columns] / np.maximum(np.linalg.norm(true[rows], axis=1), 1e-300)
    return error


def weights(recovery: Recovery, layer: int = 1, image_shape: tuple[int, int] | None = None,
            ax: Axes | None = None) -> Axes:
    """The weights into a layer of the recovered network: one row for each neuron, or one image.

    Args:
        recovery: what :func:`expandcluster.recover` returned.
        layer: 1 for the first hidden layer; the last is the output layer.
        image_shape: rows and columns of one input, where inputs are images.
        ax: where to draw; a new figure one column wide by default.

    Raises:
        BadInput: no network was found, or it has no such layer or inputs of another shape.
        MissingExtra: Matplotlib is not installed.
    """
    network = _network(recovery)
    _check_layer(layer, len(network.weights))
    w = network.weights[layer - 1]
    if image_shape is not None and (min(image_shape) < 1 or image_shape[0] * image_shape[1] != w.shape[1]):
        raise BadInput("image_shape", got=str(image_shape), expected=f"rows times columns = {w.shape[1]}",
                       remedy="Leave it out to see the weights as a matrix.")
    ax = axes_for(ax)
    limit = float(np.abs(w).max()) or 1.0
    if image_shape is None:
        rows, columns = (np.unique(np.linspace(0, size - 1, min(size, _ROWS)).astype(int)) for size in w.shape)
        image = ax.imshow(w[np.ix_(rows, columns)], cmap=_DIVERGING, vmin=-limit, vmax=limit, aspect="auto",
                          interpolation="nearest",
                          extent=(-0.5, w.shape[1] - 0.5, w.shape[0] - 0.5, -0.5))
        ax.set_xlabel("inputs" if layer == 1 else f"neurons of layer {layer - 1}")
        ax.set_ylabel("outputs" if layer == len(network.weights) else f"neurons of layer {layer}")
        for axis in (ax.xaxis, ax.yaxis):
            whole_numbers(axis)
    else:
        image = _draw_images(ax, w, image_shape, limit)
    bar = figure_of(ax).colorbar(image, ax=ax, fraction=0.046, pad=0.03)
    bar.outline.set_linewidth(0.6)
    bar.ax.tick_params(labelsize=7, width=0.6, length=2.5, color=INK, labelcolor=INK)
    bar.set_label("weight", fontsize=8, color=INK)
    return finish(ax, frame=True) if image_shape is None else _bare(finish(ax))


def _draw_images(ax: Axes, w: np.ndarray, shape: tuple[int, int], limit: float) -> AxesImage:
    """Neurons as images side by side, numbered as in the network."""
    shown = min(len(w), _IMAGES)
    across = int(np.ceil(np.sqrt(shown * shape[0] / shape[1])))
    down = -(-shown // across)
    numbered = across <= 8
    high = shape[0] + max(1, shape[0] // (3 if numbered else 8))  # room for the number above
    wide = shape[1] + max(1, shape[1] // 8)
    canvas = np.full((down * high, across * wide), np.nan)
    for i in range(shown):
        y, x = i // across * high, i % across * wide
        canvas[y : y + shape[0], x : x + shape[1]] = w[i].reshape(shape)
        if numbered:
            ax.text(x - 0.5, y - 0.7, str(i), fontsize=6, color=INK, va="bottom", ha="left")
    image = ax.imshow(np.ma.masked_invalid(canvas), cmap=_DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel(f"{shown} of {len(w):,} neurons" if shown < len(w) else f"{shown} neurons")
    return image


def _bare(ax: Axes) -> Axes:
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def _network(recovery: Recovery) -> Network:
    if recovery.network is None:
        raise BadInput("recovery", got="one that found no network", expected="one that found a network",
                       remedy=recovery.verdict.value)
    return recovery.network


def _check_layer(layer: int, layers: int) -> None:
    if not 1 <= layer <= layers:
        raise BadInput("layer", got=str(layer), expected=f"a layer from 1 to {layers}",
                       remedy="Layers count from 1, the first hidden layer.")


def _vectors(network: Network, layer: int) -> np.ndarray:
    return np.concatenate([network.weights[layer - 1], network.biases[layer - 1][:, None]], axis=1)
