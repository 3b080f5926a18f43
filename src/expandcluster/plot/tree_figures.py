"""Figures of the clustering of one hidden layer: its tree, and how similar its neurons are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from expandcluster.options import ClusterOptions
from expandcluster.plot.kinds import Kinds, kinds_of, layer_of
from expandcluster.plot.style import COLORS, GREY, INK, KINDS, axes_for, finish, legend_above, note, whole_numbers
from expandcluster.results import LayerClusters, Recovery

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["dendrogram", "similarity"]

_MERGES = 400  # more of them cannot be told apart on a page; below them the tree is drawn as solid
_PIXELS = 480


def dendrogram(recovery: Recovery, layer: int = 1, ax: Axes | None = None, *,
               options: ClusterOptions | None = None) -> Axes:
    """The tree of the students' neurons, and where it was cut.

    Heights are on a log scale; those below rounding are drawn at rounding. Of large trees the
    topmost merges are drawn, and what lies below each as a solid block: grey down to the cut where it is of
    several clusters, below the cut in their colours.

    Args:
        recovery: what :func:`expandcluster.recover` returned.
        layer: hidden layer, 1 for the first.
        ax: where to draw; a new figure one column wide by default.
        options: clustering options of the run, if they were not the default ones.

    Raises:
        BadInput: this layer was not clustered.
        MissingExtra: Matplotlib is not installed.
    """
    clusters = layer_of(recovery, layer)
    ax = axes_for(ax)
    if len(clusters.vectors) < 2:
        return note(ax, f"{len(clusters.vectors)} neuron: no tree")
    kinds = kinds_of(clusters, options)
    size = float(np.sqrt(np.mean(np.sum(clusters.vectors**2, axis=1)))) or 1.0
    rounding = float(np.finfo(float).eps) * size
    _draw_tree(ax, clusters, kinds, rounding)
    ax.set_yscale("log")
    top = max(float(clusters.linkage[-1, 2]), clusters.height, 10 * rounding)
    ax.set_ylim(rounding / 3, 3 * top)
    ax.set_xlim(-0.5, len(kinds.order) - 0.5)
    whole_numbers(ax.xaxis)
    if clusters.height > 0:
        cut = max(clusters.height, rounding)
        ax.axhline(cut, color=INK, linestyle=(0, (4, 2)), linewidth=0.9)
        ax.annotate(f"cut {clusters.height:.0e}", (1.0, cut), xycoords=("axes fraction", "data"), xytext=(0, 2),
                    textcoords="offset points", ha="right", va="bottom", fontsize=7, color=INK,
                    bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.8})
    ax.set_xlabel(f"{len(kinds.order):,} neurons of the students, in tree order")
    ax.set_ylabel("merge height (L2 distance)")
    _legend(ax, kinds)
    return finish(ax)


def _draw_tree(ax: Axes, clusters: LayerClusters, kinds: Kinds, rounding: float) -> None:
    """Brackets of the topmost merges, blocks for what lies below; no recursion, trees can be chains."""
    from matplotlib.collections import LineCollection, PolyCollection

    tree, n = clusters.linkage, len(kinds.order)
    first = max(len(tree) - _MERGES, 0)
    left, right, middle = (np.empty(n + len(tree)) for _ in range(3))
    member = np.empty(n + len(tree), int)
    height = np.full(n + len(tree), rounding / 3)
    left[:n] = right[:n] = middle[:n] = kinds.place
    member[:n] = np.arange(n)
    for i, (a, b) in enumerate(tree[:, :2].astype(int), start=n):
        left[i], right[i] = min(left[a], left[b]), max(right[a], right[b])
        middle[i] = (left[i] + right[i]) / 2 if i < n + first else (middle[a] + middle[b]) / 2
        member[i] = member[a]
    height[n:] = np.maximum(tree[:, 2], rounding)
    lines, line_colors, blocks, block_colors = [], [], [], []
    for i in range(n + first, n + len(tree)):
        a, b = tree[i - n, :2].astype(int)
        lines.append([(middle[a], height[a]), (middle[a], height[i]), (middle[b], height[i]), (middle[b], height[b])])
        line_colors.append(_color(kinds, member[i]) if tree[i - n, 2] <= clusters.height else GREY)
        for child in (a, b):
            if height[child] < clusters.height < tree[i - n, 2]:  # a cluster keeps its colour up to the cut
                lines.append([(middle[child], height[child]), (middle[child], clusters.height)])
                line_colors.append(_color(kinds, member[child]))
            if n <= child < n + first:
                whole = tree[child - n, 2] <= clusters.height
                bottom = rounding / 3 if whole else max(clusters.height, rounding / 3)
                blocks.append(_block(left[child], right[child], bottom, height[child]))
                block_colors.append(_color(kinds, member[child]) if whole else GREY)
                for start, stop in () if whole else _runs(kinds.kind[kinds.order], int(left[child]), int(right[child])):
                    blocks.append(_block(start, stop, rounding / 3, bottom))  # below the cut, what became of them
                    block_colors.append(_color(kinds, kinds.order[start]))
    width = 0.8 if len(lines) < 150 else 0.5
    ax.add_collection(PolyCollection(blocks, facecolors=block_colors, edgecolors="none", alpha=0.6), autolim=False)
    ax.add_collection(LineCollection(lines, colors=line_colors, linewidths=width, capstyle="round"), autolim=False)


def _block(first: float, last: float, low: float, high: float) -> list[tuple[float, float]]:
    """Corners of what lies below a merge, from neuron ``first`` to neuron ``last``."""
    return [(first - 0.5, low), (first - 0.5, high), (last + 0.5, high), (last + 0.5, low)]


def _runs(kind: np.ndarray, first: int, last: int) -> list[tuple[int, int]]:
    """First and last of neighbours of one kind, among neurons ``first`` to ``last`` in tree order.

    Where there are more neurons than pixels, one stands for those of its pixel.
    """
    step = max(1, len(kind) // _PIXELS)
    starts = np.arange(first, last + 1, step)
    new = starts[np.flatnonzero(np.diff(kind[starts], prepend=-1))]
    return list(zip(new.tolist(), [*(new[1:] - 1).tolist(), last], strict=True))


def _color(kinds: Kinds, neuron: int) -> str:
    return COLORS[KINDS[kinds.kind[neuron]]]


def _legend(ax: Axes, kinds: Kinds) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=COLORS[name], label=f"{name} ({count:,})")
               for name, count in zip(KINDS, kinds.clusters, strict=True) if count]
    legend_above(ax, handles)


def similarity(recovery: Recovery, layer: int = 1, ax: Axes | None = None, *,
               options: ClusterOptions | None = None) -> Axes:
    """Cosine similarity of every pair of neurons, in the order of the tree.

    The squares of clusters are coloured: kept ones green, too small ones blue, unaligned ones
    red; other pairs are grey. Opaque is a cosine of 1, transparent one of 0 or less.

    Args:
        recovery: what :func:`expandcluster.recover` returned.
        layer: hidden layer, 1 for the first.
        ax: where to draw; a new figure one column wide by default.
        options: clustering options of the run, if they were not the default ones.

    Raises:
        BadInput: this layer was not clustered.
        MissingExtra: Matplotlib is not installed.
    """
    clusters = layer_of(recovery, layer)
    ax = axes_for(ax)
    kinds = kinds_of(clusters, options)
    n = len(kinds.order)
    ax.imshow(_similarity_image(clusters, kinds), extent=(-0.5, n - 0.5, n - 0.5, -0.5), interpolation="nearest",
              aspect="equal")
    whole_numbers(ax.xaxis)
    whole_numbers(ax.yaxis)
    ax.set_xlabel(f"{n:,} neurons, in tree order")
    ax.set_ylabel("the same neurons")
    _legend(ax, kinds)
    return finish(ax, frame=True)


def _similarity_image(clusters: LayerClusters, kinds: Kinds) -> np.ndarray:
    """RGBA ``(pixels, pixels, 4)``; the mean cosine of two blocks is the product of their mean directions."""
    from matplotlib.colors import to_rgb

    unit = clusters.vectors / np.maximum(np.linalg.norm(clusters.vectors, axis=1, keepdims=True), 1e-300)
    n = len(kinds.order)
    pixels = min(n, _PIXELS)
    edges = np.linspace(0, n, pixels + 1).astype(int)
    mean = np.add.reduceat(unit[kinds.order], edges[:-1], axis=0) / np.diff(edges)[:, None]
    shown = kinds.order[(edges[:-1] + edges[1:]) // 2]
    same = kinds.cluster[shown][:, None] == kinds.cluster[shown][None, :]
    palette: Any = np.array([to_rgb(COLORS[name]) for name in KINDS])
    image = np.empty((pixels, pixels, 4))
    image[..., :3] = np.where(same[..., None], palette[kinds.kind[shown]][:, None, :], np.array(to_rgb(GREY)))
    image[..., 3] = np.clip(mean @ mean.T, 0.0, 1.0)
    return image
