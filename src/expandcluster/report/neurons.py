"""The section of the neurons: for each of them its support, angle and error bar, the least certain ones first."""

from __future__ import annotations

import numpy as np

from expandcluster.networks import Network
from expandcluster.report.figures import certainty_figure, cut_off
from expandcluster.report.html import NONE, Html, details, element, join, number, paragraph, plural, table
from expandcluster.results import Certificate, LayerClusters, Recovery

__all__ = ["neurons_section"]

_MANY, _LEAST_CERTAIN, _ROWS = 200, 20, 20_000
_HEAD = ("neuron", "support (students)", "angle (rad)", "largest error bar")


def neurons_section(recovery: Recovery, network: Network) -> Html:
    """Every neuron of every layer; of large layers a summary and the least certain ones are shown first."""
    certificate = recovery.certificate
    introduction = paragraph("Support: students in which the neuron was found. Angle: median angle in radians "
                             "between its copies in the students and their mean; 0 is the same direction. Error bar: "
                             "one standard deviation of its least certain incoming weight or bias.")
    parts = []
    for i, size in enumerate(network.hidden_sizes):
        layer = recovery.layers[i] if i < len(recovery.layers) else None
        parts.append(_layer(i, size, layer if layer is not None and len(layer.support) == size else None, certificate))
    last = len(network.weights) - 1
    rows = [(f"output {k}", _bar(certificate, last, k)[0]) for k in range(min(network.sizes[-1], _ROWS))]
    parts.append(details("Outputs", cut_off(network.sizes[-1], _ROWS), table(
        f"Output layer: {plural(network.sizes[-1], 'output')}", ("output", "largest error bar"), rows, sortable=True)))
    return join([introduction, element("div", element("div", *parts), certainty_figure(recovery), class_="figures")])


def _layer(i: int, size: int, layer: LayerClusters | None, certificate: Certificate | None) -> Html:
    """One hidden layer."""
    bars = [_bar(certificate, i, k) for k in range(size)]
    support = layer.support if layer is not None else None
    angle = layer.angle if layer is not None else None
    rows = [(f"neuron {k}", NONE if support is None else int(support[k]),
             NONE if angle is None else number(float(angle[k])), bars[k][0]) for k in range(size)]
    title = f"Hidden layer {i + 1}: {plural(size, 'neuron')}"
    if size <= _MANY:
        return table(title, _HEAD, rows, sortable=True)
    parts: list[Html] = [element("h3", title)]
    if support is not None:
        counts = np.bincount(support)
        parts.append(table(f"How many students found the neurons of hidden layer {i + 1}", ("students", "neurons"),
                           [(s, f"{counts[s]:,}") for s in np.flatnonzero(counts)[::-1]]))
    order = sorted(range(size), key=lambda k: (0 if support is None else support[k], *bars[k][1], k))
    parts.append(table(f"The {_LEAST_CERTAIN} least certain: smallest support, most undetermined, largest error bar",
                       _HEAD, [rows[k] for k in order[:_LEAST_CERTAIN]]))
    parts.append(details(f"All {plural(size, 'neuron')}", cut_off(size, _ROWS),
                         table(title, _HEAD, rows[:_ROWS], sortable=True)))
    return join(parts)


def _bar(certificate: Certificate | None, layer: int, neuron: int) -> tuple[str, tuple[float, float]]:
    """Largest error bar of a neuron in words, and what sorts the least certain one first."""
    if certificate is None or 2 * layer + 1 >= len(certificate.error_bars):
        return NONE, (0.0, 0.0)
    bars = np.append(certificate.error_bars[2 * layer][neuron], certificate.error_bars[2 * layer + 1][neuron])
    loose = int(np.isnan(bars).sum())
    if loose == len(bars):
        return "undetermined", (-loose, 0.0)
    largest = float(np.nanmax(bars))
    return number(largest) + (f", {loose} undetermined" if loose else ""), (-loose, -largest)
