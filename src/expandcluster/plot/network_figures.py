"""Figures of the students' losses, and of how far the recovered network is from a known truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from expandcluster.compare import compare
from expandcluster.errors import BadInput
from expandcluster.networks import Network
from expandcluster.plot.style import (
    COLORS,
    LEAST_LOSS,
    axes_for,
    finish,
    floor_lines,
    legend_above,
    note,
    whole_numbers,
)
from expandcluster.results import Recovery
from expandcluster.symmetry_moves import unit_norm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["alignment", "check_layer", "losses", "network_of"]


def losses(recovery: Recovery, ax: Axes | None = None) -> Axes:
    """Relative loss of every student, smallest first, with the noise floor and the recovered network.

    Students at or below the line "good enough" count as having reached the noise floor.

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
    ax.plot(rank, np.maximum(finite, LEAST_LOSS), "o", markersize=3.5 if len(finite) < 200 else 1.5,
            color=COLORS["too small"], label="students", rasterized=len(finite) > 5000)
    floor_lines(ax, recovery.floor, recovery.noise_floor)
    if recovery.network is not None and np.isfinite(recovery.relative_loss):
        ax.axhline(max(recovery.relative_loss, LEAST_LOSS), color=COLORS["kept"], linewidth=1.2,
                   label="recovered network")
    ax.set_yscale("log")
    shown = np.concatenate([np.ravel(np.asarray(line.get_ydata(), float)) for line in ax.lines])
    ax.set_ylim(float(shown.min()) / 4, float(shown.max()) * 4)
    ax.set_xlim(0.5, len(finite) + 0.5)
    whole_numbers(ax.xaxis)
    lost = len(values) - len(finite)
    ax.set_xlabel("students, best first" + (f" ({lost} without a finite loss)" if lost else ""))
    ax.set_ylabel("relative loss")
    legend_above(ax, columns=2)
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
    found = unit_norm(network_of(recovery)) if comparison.aligned is None else comparison.aligned
    check_layer(layer, min(len(found.weights), len(comparison.truth.weights)) - 1)
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


def network_of(recovery: Recovery) -> Network:
    """The network that was found.

    Raises:
        BadInput: none was.
    """
    if recovery.network is None:
        raise BadInput("recovery", got="one that found no network", expected="one that found a network",
                       remedy=recovery.verdict.value)
    return recovery.network


def check_layer(layer: int, layers: int) -> None:
    """Refuses a layer that is not there.

    Raises:
        BadInput: ``layer`` is not one of 1 to ``layers``.
    """
    if not 1 <= layer <= layers:
        raise BadInput("layer", got=str(layer), expected=f"a layer from 1 to {layers}",
                       remedy="Layers count from 1, the first hidden layer.")


def _vectors(network: Network, layer: int) -> np.ndarray:
    return np.concatenate([network.weights[layer - 1], network.biases[layer - 1][:, None]], axis=1)
