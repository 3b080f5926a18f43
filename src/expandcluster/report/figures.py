"""Figures of a report, each with its numbers in a table."""

from __future__ import annotations

import numpy as np

from expandcluster.options import ClusterOptions
from expandcluster.plot import dendrogram, identifiability, loss_curves, losses, similarity
from expandcluster.plot.kinds import kinds_of
from expandcluster.plot.loss_figures import imitating
from expandcluster.report.html import NONE, Html, details, element, join, number, plural, table
from expandcluster.report.svg import drawing
from expandcluster.results import Recovery

__all__ = ["ROWS", "certainty_figure", "curve_figure", "cut_off", "layer_figures", "loss_figure"]

ROWS = 2000  # of a table of numbers; the rest is in the files of the run


def loss_figure(recovery: Recovery) -> Html:
    """Losses of all students against the noise floor."""
    values = np.sort(recovery.losses[np.isfinite(recovery.losses)])
    spread = f"from {number(float(values[0]))} to {number(float(values[-1]))}" if len(values) else "none finite"
    alt = (f"Relative losses of {plural(len(recovery.losses), 'student')} on a log axis, {spread}; "
           f"the noise floor is {number(recovery.noise_floor)}.")
    steps = recovery.steps if len(recovery.steps) == len(recovery.losses) else None
    order = np.argsort(recovery.losses, kind="stable")
    good = imitating(recovery)
    rows = [(f"{rank}", number(float(recovery.losses[s])), "yes" if good[s] else "no",
             NONE if steps is None else f"{steps[s]:,}") for rank, s in enumerate(order[:ROWS], start=1)]
    data = details("Numbers of this figure", cut_off(len(order)), table(
        "Losses of the students, best first",
        ("student", "relative loss", "imitates the teacher, once pruned", "training steps"), rows))
    return drawing("losses", "Losses after training", alt, lambda ax: losses(recovery, ax), data=data,
                   note="Every student is a point, after training and before it was pruned. Lower is better.")


def curve_figure(recovery: Recovery) -> Html:
    """Loss curves of all students; nothing where a run of an earlier version kept none."""
    curves = [curve[np.isfinite(curve[:, 0])] for curve in recovery.curves]
    if len(curves) != len(recovery.losses) or not any(map(len, curves)):
        return Html("")
    good = imitating(recovery)
    longest = max(int(curve[-1, 0]) for curve in curves if len(curve))
    alt = (f"Relative loss of {plural(len(curves), 'student')} on a log axis against up to "
           f"{plural(longest, 'training step')}. {good.sum():,} fall to {number(recovery.floor)} or below, at the "
           f"latest once pruned, and imitate the teacher on their own queries; {(~good).sum():,} do not. The noise "
           f"floor is {number(recovery.noise_floor)}.")
    rows = [(f"{s + 1}", *_quarters(curves[s]), number(float(recovery.losses[s])),
             number(float(recovery.pruned_losses[s])) if len(recovery.pruned_losses) == len(curves) else NONE,
             f"{recovery.steps[s]:,}" if len(recovery.steps) == len(curves) else NONE, "yes" if good[s] else "no")
            for s in range(min(len(curves), ROWS))]
    data = details("Numbers of this figure", cut_off(len(curves)), table(
        "Relative losses of the students, in the order of training",
        ("student", "at the start", "after a quarter of its steps", "after half", "after three quarters", "at the end",
         "after pruning", "training steps", "imitates the teacher"), rows, sortable=True))
    return drawing("curves", "Losses during training", alt, lambda ax: loss_curves(recovery, ax), data=data,
                   note="Every student is a line from its first weights to the end of training. Those that imitate "
                        "the teacher on their own queries are solid and end in a dot, the others are dashed and end "
                        "in a cross. A dotted drop is pruning: superfluous neurons are removed, and the rest is "
                        "trained on. Training ends once a student is good enough. Training with a smooth stand-in of "
                        "a kinked activation, which may come first, is not drawn.")


def _quarters(curve: np.ndarray) -> list[str]:
    """Losses at the start and after each quarter of the steps but the last."""
    if not len(curve):
        return [NONE] * 4
    at = np.searchsorted(curve[:, 0], np.arange(4) / 4 * curve[-1, 0], side="right") - 1
    return [number(float(loss)) for loss in curve[at, 1]]


def layer_figures(recovery: Recovery, layer: int, options: ClusterOptions) -> Html:
    """Tree and similarity of one hidden layer."""
    clusters = recovery.layers[layer - 1]
    kinds = kinds_of(clusters, options)
    counts = "{} clusters kept, {} too small, {} unaligned".format(*kinds.clusters)
    heights = np.sort(clusters.linkage[:, 2])[::-1] if len(clusters.linkage) else np.zeros(0)
    tree = drawing(
        f"tree-{layer}", f"Tree of hidden layer {layer}",
        f"Dendrogram of {len(clusters.vectors)} neurons of the students, merge heights on a log axis; cut at height "
        f"{number(clusters.height)}: {counts}.",
        lambda ax: dendrogram(recovery, layer, ax, options=options),
        note="Neurons of all students; the lower two of them join, the more alike they are. What has joined below "
             "the cut is one cluster.",
        data=details("Numbers of this figure", cut_off(len(heights)), table(
            f"Merge heights of hidden layer {layer}, highest first", ("merge", "height", "above the cut"),
            [(i, number(float(h)), "yes" if h > clusters.height else "no")
             for i, h in enumerate(heights[:ROWS], start=1)])))
    return join([tree, drawing(
        f"similarity-{layer}", f"Similarity of the neurons of hidden layer {layer}",
        f"Matrix of the cosine similarity of {len(clusters.vectors)} neurons in the order of the tree; the squares on "
        f"the diagonal are clusters: {counts}.",
        lambda ax: similarity(recovery, layer, ax, options=options),
        note="The same neurons in the same order. Full colour: the same direction (cosine 1); none: at right angles "
             "or further apart. Squares on the diagonal are clusters, grey are other pairs.",
        data=details("Numbers of this figure", _members(recovery, layer, options)))])


def _members(recovery: Recovery, layer: int, options: ClusterOptions) -> Html:
    """Clusters with their members, kept ones first."""
    clusters = recovery.layers[layer - 1]
    kinds = kinds_of(clusters, options)
    size = np.bincount(kinds.cluster)
    first = np.unique(kinds.cluster, return_index=True)[1]
    order = sorted(range(len(size)), key=lambda c: (kinds.kind[first[c]], clusters.labels[first[c]], -size[c]))
    pairs = np.unique(np.stack([kinds.cluster, clusters.student]), axis=1)
    students = np.bincount(pairs[0], minlength=len(size))
    names = ("kept", "too small", "unaligned")
    rows = [(f"neuron {clusters.labels[first[c]]}" if kinds.kind[first[c]] == 0 else "dropped",
             names[kinds.kind[first[c]]], size[c], students[c]) for c in order[:ROWS]]
    return join([cut_off(len(order)), table(f"Clusters of hidden layer {layer}",
                                            ("cluster", "kind", "members", "students"), rows)])


def certainty_figure(recovery: Recovery) -> Html:
    """Error bars of all parameters; nothing where there are none."""
    network, certificate = recovery.network, recovery.certificate
    if network is None or certificate is None or len(certificate.error_bars) != 2 * len(network.weights):
        return Html("")
    rows = []
    size = max(float(np.abs(p).max()) for p in (*network.weights, *network.biases)) or 1.0
    for i in range(len(network.weights)):
        bars = np.concatenate([b.ravel() for b in certificate.error_bars[2 * i : 2 * i + 2]]) / size
        known = bars[np.isfinite(bars)]
        middle = float(np.median(known)) if len(known) else None
        rows.append(("output layer" if i == len(network.weights) - 1 else f"hidden layer {i + 1}", f"{len(bars):,}",
                     number(middle), number(float(known.max()) if len(known) else None),
                     f"{len(bars) - len(known):,}"))
    alt = (f"Error bars of {plural(network.parameters, 'parameter')} on a log axis, sorted within each layer; the "
           f"largest is {number(certificate.largest_error_bar)} of the largest parameter, "
           f"{len(certificate.undetermined):,} are undetermined.")
    data = details("Numbers of this figure", table(
        "Error bars of the parameters, over the largest parameter",
        ("layer", "parameters", "median", "largest", "undetermined"), rows))
    return drawing("certainty", "Error bars of all parameters", alt, lambda ax: identifiability(recovery, ax),
                   note="One standard deviation of every weight and bias over the largest parameter. A line that ends "
                        "early leaves out what is undetermined.", data=data)


def cut_off(count: int, shown: int = ROWS) -> Html:
    """Says so where a table does not show everything."""
    return Html("") if count <= shown else element(
        "p", f"The first {shown:,} of {count:,}; all of them are in the files of the run.", class_="note")
