"""Figure of how well the queries identify each parameter of a recovered network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from expandcluster.errors import BadInput
from expandcluster.plot.network_figures import network_of
from expandcluster.plot.style import COLORS, GREY, INK, axes_for, finish, legend_above
from expandcluster.results import Recovery

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["parameter_certainty"]

_LEAST = 1e-20  # error bars of zero are drawn here
_LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1.5, 1, 1.5)))  # layers are told apart also without colour
_HUES = (COLORS["too small"], COLORS["unaligned"], COLORS["kept"], INK)
_POINTS = 400  # of one line; more cannot be told apart


def parameter_certainty(recovery: Recovery, ax: Axes | None = None) -> Axes:
    """Error bar of every parameter over the largest parameter, sorted, one line for each layer.

    A line ends where the parameters begin that the queries do not determine; they are counted.

    Args:
        recovery: what :func:`expandcluster.recover` returned.
        ax: where to draw; a new figure one column wide by default.

    Raises:
        BadInput: no network was found, or it has no error bars.
        MissingExtra: Matplotlib is not installed.
    """
    network, certificate = network_of(recovery), recovery.certificate
    if certificate is None or len(certificate.error_bars) != 2 * len(network.weights):
        raise BadInput("recovery", got="one without error bars", expected="one that was certified",
                       remedy=recovery.verdict.value)
    ax = axes_for(ax)
    size = max(float(np.abs(p).max()) for p in (*network.weights, *network.biases)) or 1.0
    for layer in range(len(network.weights)):
        bars = np.concatenate([b.ravel() for b in certificate.error_bars[2 * layer : 2 * layer + 2]]) / size
        known = np.sort(bars[np.isfinite(bars)])
        loose = len(bars) - len(known)
        name = "output layer" if layer == len(network.weights) - 1 else f"hidden layer {layer + 1}"
        shown = np.unique(np.linspace(0, len(known) - 1, min(_POINTS, len(known))).astype(int))
        ax.plot(100 * (shown + 1) / len(bars), np.maximum(known[shown], _LEAST),
                linestyle=_LINES[layer % len(_LINES)], color=_HUES[layer % len(_HUES)], linewidth=1.2,
                marker="." if len(known) == 1 else None,
                label=f"{name} ({loose:,} of {len(bars):,} undetermined)" if loose else name)
        if loose:
            ax.axvspan(100 * len(known) / len(bars), 100, color=GREY, alpha=0.15, linewidth=0)
    ax.set_yscale("log")
    low, high = (np.log10(limit) for limit in ax.get_ylim())
    ax.set_ylim(10.0 ** np.floor(low), 10.0 ** np.ceil(high))  # whole decades have labels that are short
    ax.set_xlim(0, 100)
    ax.set_xlabel("parameters of the layer, most certain first (%)")
    ax.set_ylabel("error bar / largest parameter")
    legend_above(ax, columns=2 if len(network.weights) > 1 and not certificate.undetermined else 1)
    return finish(ax)
