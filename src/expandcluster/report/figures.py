"""Figures of a report: inline SVG in the colours of the page, each with its numbers in a table."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from expandcluster.networks import Network
from expandcluster.options import ClusterOptions
from expandcluster.plot import COLORS, ONE_COLUMN, dendrogram, losses, similarity, weights
from expandcluster.plot.kinds import kinds_of
from expandcluster.plot.style import GREY, INK, matplotlib
from expandcluster.report.html import NONE, Html, details, element, join, number, table, text
from expandcluster.results import Recovery

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["layer_figures", "loss_figure", "weight_figures"]

_ROWS = 2000  # of a table of numbers; the rest is in the files of the run
_VARIABLES = {INK: "--ink", GREY: "--grey", COLORS["kept"]: "--kept", COLORS["too small"]: "--small",
              COLORS["unaligned"]: "--unaligned", "#ffffff": "--paper"}


def loss_figure(recovery: Recovery) -> Html:
    """Losses of all students against the noise floor."""
    values = np.sort(recovery.losses[np.isfinite(recovery.losses)])
    spread = f"from {number(float(values[0]))} to {number(float(values[-1]))}" if len(values) else "none finite"
    alt = (f"Relative losses of {len(recovery.losses)} students on a log axis, {spread}; "
           f"the noise floor is {number(recovery.noise_floor)}.")
    rows = [(f"{rank}", number(float(v)), number(float(v) / recovery.noise_floor) if recovery.noise_floor else NONE)
            for rank, v in enumerate(np.sort(recovery.losses)[:_ROWS], start=1)]
    data = details("Numbers of this figure", _cut(len(recovery.losses)), table(
        "Losses of the students, best first", ("student", "relative loss", "times the noise floor"), rows))
    return _figure("losses", "Losses of the students", alt, lambda ax: losses(recovery, ax), data)


def layer_figures(recovery: Recovery, layer: int, options: ClusterOptions) -> Html:
    """Tree and similarity of one hidden layer."""
    clusters = recovery.layers[layer - 1]
    kinds = kinds_of(clusters, options)
    counts = "{} clusters kept, {} too small, {} unaligned".format(*kinds.clusters)
    heights = np.sort(clusters.linkage[:, 2])[::-1] if len(clusters.linkage) else np.zeros(0)
    tree = _figure(
        f"tree-{layer}", f"Tree of hidden layer {layer}",
        f"Dendrogram of {len(clusters.vectors)} neurons of the students, merge heights on a log axis; cut at height "
        f"{number(clusters.height)}: {counts}.",
        lambda ax: dendrogram(recovery, layer, ax, options=options),
        details("Numbers of this figure", _cut(len(heights)), table(
            f"Merge heights of hidden layer {layer}, highest first", ("merge", "height", "above the cut"),
            [(i, number(float(h)), "yes" if h > clusters.height else "no")
             for i, h in enumerate(heights[:_ROWS], start=1)])))
    return join([tree, _figure(
        f"similarity-{layer}", f"Similarity of the neurons of hidden layer {layer}",
        f"Matrix of the cosine similarity of {len(clusters.vectors)} neurons in the order of the tree; the squares on "
        f"the diagonal are clusters: {counts}.",
        lambda ax: similarity(recovery, layer, ax, options=options),
        details("Numbers of this figure", _members(recovery, layer, options)))])


def _members(recovery: Recovery, layer: int, options: ClusterOptions) -> Html:
    """Clusters with their members, kept ones first."""
    clusters = recovery.layers[layer - 1]
    kinds = kinds_of(clusters, options)
    size = np.bincount(kinds.cluster)
    first = np.unique(kinds.cluster, return_index=True)[1]
    order = sorted(range(len(size)), key=lambda c: (kinds.kind[first[c]], clusters.labels[first[c]], -size[c]))
    names = ("kept", "too small", "unaligned")
    rows = [(f"neuron {clusters.labels[first[c]]}" if kinds.kind[first[c]] == 0 else "dropped",
             names[kinds.kind[first[c]]], size[c], len(np.unique(clusters.student[kinds.cluster == c])))
            for c in order[:_ROWS]]
    return join([_cut(len(order)), table(f"Clusters of hidden layer {layer}",
                                         ("cluster", "kind", "members", "students"), rows)])


def weight_figures(recovery: Recovery, network: Network, layer: int) -> Html:
    """Weights into a layer as a matrix and, where its inputs may be a square image, as images."""
    w, b = network.weights[layer - 1], network.biases[layer - 1]
    side = math.isqrt(w.shape[1])
    into = "the outputs" if layer == len(network.weights) else f"hidden layer {layer}"
    alt = f"{w.shape[0]} neurons with {w.shape[1]} weights each, from {w.min():.2g} to {w.max():.2g}; red is positive."
    shown = max(1, _ROWS // (w.shape[1] + 1))
    columns = [f"w{j}" for j in range(w.shape[1])][:_ROWS]
    rows = [(i, *(f"{v:.6g}" for v in w[i, :_ROWS]), f"{b[i]:.6g}") for i in range(min(len(w), shown))]
    data = details("Numbers of this figure", _cut(len(w), len(rows)), table(
        f"Weights into {into}", ("neuron", *columns, "bias"), rows))
    square = layer == 1 and side >= 2 and side * side == w.shape[1]
    matrix = _figure(f"weights-{layer}", f"Weights into {into}", "Weight matrix: " + alt,
                     lambda ax: weights(recovery, layer, ax=ax), Html("") if square else data)
    if not square:
        return matrix
    images = _figure(f"images-{layer}", f"Weights into {into} as images of {side} by {side}",
                     "Weights as images: " + alt,
                     lambda ax: weights(recovery, layer, (side, side), ax=ax), Html(""))
    buttons = element("div", element("button", "Matrix", type="button", aria_pressed="true", data_show="0"),
                      element("button", f"Images {side} by {side}", type="button", aria_pressed="false", data_show="1"),
                      class_="switch", role="group", aria_label="How to show the weights", hidden="hidden")
    return element("div", buttons, matrix, images, data, class_="choice")


def _cut(count: int, shown: int = _ROWS) -> Html:
    return Html("") if count <= shown else element(
        "p", f"The first {shown:,} of {count:,}; all of them are in the files of the run.", class_="note")


def _figure(name: str, title: str, alt: str, draw: Callable[[Axes], Axes], data: Html) -> Html:
    svg = _svg(f"plot-{name}", title, alt, draw)
    return element("figure", element("figcaption", title), svg, data, id=f"figure-{name}")


def _svg(name: str, title: str, alt: str, draw: Callable[[Axes], Axes]) -> Html:
    """The figure as an ``<svg>`` element without identifiers or colours that clash with the page."""
    module = matplotlib()
    figure = module.figure.Figure(figsize=(ONE_COLUMN, 0.75 * ONE_COLUMN), layout="constrained")
    draw(figure.subplots())
    file = io.StringIO()
    with module.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, dpi=200, metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    size = re.search(r'viewBox="([^"]*)"', svg)
    head = (f'<svg class="plot" role="img" aria-labelledby="{name}-title {name}-alt" '
            f'viewBox="{size[1] if size else ""}">'
            f'<title id="{name}-title">{text(title)}</title><desc id="{name}-alt">{text(alt)}</desc>')
    svg = svg[svg.index(">") + 1 :]
    svg = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(?:xlink:)?href="#([^"]*)"', rf'href="#{name}-\1"', svg).replace("xlink:href=", "href=")
    svg = svg.replace("url(#", f"url(#{name}-")
    for color, variable in _VARIABLES.items():
        svg = svg.replace(f": {color}", f": var({variable})")
    svg = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 var(--sans)", svg)
    return Html(head + re.sub(r"\s*\n\s*", "\n", svg))
