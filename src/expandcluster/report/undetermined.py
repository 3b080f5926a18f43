"""The section of what was not determined, and why."""

from __future__ import annotations

import itertools

import numpy as np

from expandcluster.activations import Symmetry
from expandcluster.networks import Network
from expandcluster.report.html import Html, details, element, join, paragraph, plural, table
from expandcluster.results import Certificate, Recovery

__all__ = ["ranges", "undetermined_section"]

_NAMES = 200  # undetermined parameters that are listed
_INPUT = ("The queries never vary along these inputs, or only together with others: nothing tells their weights "
          "apart.")
_BELOW = "The neurons they come from are constant on these queries, or mixtures of others."
_NEURON = ("On these queries these neurons stay on one side of their kink or saturated, or change nothing in the "
           "answers.")
_SINGLE = "They can be moved together with others, and the answers change by no more than rounding."


def undetermined_section(recovery: Recovery) -> Html:
    """What the queries leave open, grouped by what it has in common, with the likely reason of each group."""
    network, certificate = recovery.network, recovery.certificate
    if network is None or certificate is None:
        return paragraph("Everything: no network was built.", recovery.verdict.value)
    open_by_nature = element("p", "Beyond what any queries can determine: ", _by_nature(
        network.activation.symmetry, recovery), class_="note")
    names = certificate.undetermined
    if not names:
        return join([paragraph("Nothing: every parameter changes the answers to these queries, and no combination of "
                               "them leaves the answers as they are."), open_by_nature])
    listed = ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else "")
    groups = _groups(network, certificate)
    return join([
        paragraph(f"{len(names):,} of {plural(network.parameters, 'parameter')}: they can be moved, alone or together, "
                  "without changing the answers to these queries by more than rounding. Other queries can determine "
                  "them: other inputs, or a wider distribution."),
        table("What is undetermined", ("where", "parameters", "likely reason"), groups) if groups else Html(""),
        details("Their names", paragraph("W2[3,7] is the weight into neuron 3 of layer 2 from neuron 7 of layer 1; "
                                         "b2[3] is that neuron's bias. Numbers start at 0."),
                element("p", element("code", listed))),
        open_by_nature,
    ])


def _by_nature(symmetry: Symmetry, recovery: Recovery) -> str:
    """Changes that no answer can show."""
    moves = ["the order of the neurons in a layer"]
    if symmetry.sign:
        moves.append("the sign of a neuron (its weights in and out together)" if symmetry.exact_reflection else
                     "the sign of a neuron (its weights in and out together, and what that adds to the next layer)")
    if symmetry.homogeneous:
        moves.append("the scale of a neuron (larger weights in, smaller weights out)")
    if recovery.hidden_by_output:
        moves.append(recovery.hidden_by_output)
    return "; ".join(moves) + ". They change no answer anywhere."


def _groups(network: Network, certificate: Certificate) -> list[tuple[str, str, str]]:
    """Whole inputs, whole neurons, and what is left, of every layer."""
    found = []
    bars = certificate.error_bars
    if len(bars) != 2 * len(network.weights):
        return []
    for layer, (weights, biases) in enumerate(zip(bars[::2], bars[1::2], strict=True), start=1):
        loose = np.isnan(np.concatenate([weights, biases[:, None]], axis=1))
        neurons, inputs = loose.all(axis=1), loose[:, :-1].all(axis=0)
        into = "the outputs" if layer == len(network.weights) else f"hidden layer {layer}"
        if neurons.any():
            found.append((f"everything into {'outputs' if into == 'the outputs' else 'neurons'} "
                          f"{ranges(np.flatnonzero(neurons))} of layer {layer}",
                          f"{neurons.sum() * loose.shape[1]:,}", _NEURON))
        if inputs.any() and not neurons.all():
            where = "inputs" if layer == 1 else f"neurons of layer {layer - 1}"
            found.append((f"weights into {into} from {where} {ranges(np.flatnonzero(inputs))}",
                          f"{inputs.sum() * (~neurons).sum():,}", _INPUT if layer == 1 else _BELOW))
        loose[neurons], loose[:, :-1][:, inputs] = False, False
        if loose.any():
            found.append((f"single parameters into {into}", f"{loose.sum():,}", _SINGLE))
    return found


def ranges(numbers: np.ndarray, most: int = 30) -> str:
    """Sorted whole numbers in words, runs of them as ranges.

    Example:
        >>> ranges(np.array([0, 1, 2, 5, 7, 8]))
        '0 to 2, 5, 7 to 8'
    """
    runs = []
    for _, run in itertools.groupby(enumerate(numbers.tolist()), lambda pair: pair[1] - pair[0]):
        values = [value for _, value in run]
        runs.append(f"{values[0]}" if len(values) == 1 else f"{values[0]} to {values[-1]}")
    return ", ".join(runs[:most]) + (f" and {len(runs) - most} more ranges" if len(runs) > most else "")
