"""The sections of a report, in the order they are read: verdict and evidence first."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from expandcluster.networks import Network
from expandcluster.options import ClusterOptions
from expandcluster.plot.kinds import kinds_of
from expandcluster.read_run import RunDescription
from expandcluster.report.figures import layer_figures, loss_figure, weight_figures
from expandcluster.report.html import NONE, Html, details, element, join, number, paragraph, table
from expandcluster.report.repeat import command_line, python_call
from expandcluster.results import Certificate, Recovery, Verdict

__all__ = ["Section", "all_sections"]

_NAMES = 200  # undetermined parameters that are listed
_TONES = {Verdict.EXACT: ("good", "✓"), Verdict.CANNOT_IMITATE: ("bad", "✗"), Verdict.TOO_FEW_QUERIES: ("bad", "✗")}
_STAGES = {
    "link": "tell what the answers are",
    "probe": "measure the teacher's precision",
    "reduce": "find the inputs that matter",
    "choose": "choose activation and depth",
    "expand": "train and prune students",
    "settle": "ask where students differ, and train them on",
    "cluster": "cluster their neurons and build one network",
    "fine_tune": "fine-tune all parameters",
    "challenge": "ask where the network is in doubt",
    "lift": "find the weights on every input",
    "certify": "held-out loss and error bars",
}


@dataclasses.dataclass(frozen=True)
class Section:
    """One section.

    Attributes:
        name: its identifier on the page.
        title: its heading.
        content: what is under the heading.
    """

    name: str
    title: str
    content: Html


def all_sections(recovery: Recovery, run: RunDescription) -> list[Section]:
    """Every section that this run has something for."""
    options = cluster_options(run)
    network, certificate = recovery.network, recovery.certificate
    sections = [Section("verdict", "Verdict", _verdict(recovery)),
                Section("sizes", "Sizes found", _sizes(recovery, options)),
                Section("losses", "Losses", _losses(recovery))]
    if recovery.layers:
        drawn = (layer_figures(recovery, layer, options) for layer in range(1, len(recovery.layers) + 1))
        sections.append(Section("clusters", "Clusters", join(element("div", f, class_="figures") for f in drawn)))
    if network is not None:
        drawn = (weight_figures(recovery, network, layer) for layer in range(1, len(network.weights) + 1))
        sections += [Section("weights", "Weights", element("div", *drawn, class_="figures")),
                     Section("neurons", "Neurons", _neurons(recovery, network, certificate))]
    return [*sections, Section("undetermined", "Undetermined", _undetermined(recovery)),
            Section("cost", "Queries and seconds", _cost(recovery, run)),
            Section("repeat", "Repeat it", _repeat(run))]


def cluster_options(run: RunDescription) -> ClusterOptions:
    """Those the run was clustered with; the default ones where the folder does not say."""
    values: dict[str, Any] = run.options.get("cluster", {})
    known = {field.name for field in dataclasses.fields(ClusterOptions)}
    return ClusterOptions(**{name: value for name, value in values.items() if name in known})


def _verdict(recovery: Recovery) -> Html:
    tone, sign = _TONES.get(recovery.verdict, ("doubt", "!"))
    head = recovery.verdict.name.replace("_", " ").capitalize()
    certificate = recovery.certificate
    words = [f"The teacher was asked {recovery.queries:,} inputs; {len(recovery.losses):,} students were trained.",
             *_answers(recovery)]
    sizes = "-".join(map(str, recovery.network.sizes)) if recovery.network else "none"
    if certificate is None:
        words.append(f"No network was built. The best student has a relative loss of {number(recovery.relative_loss)}; "
                     f"the teacher's precision allows {number(recovery.noise_floor)}.")
    else:
        words += [
            f"A network with layer sizes {sizes} was found.",
            f"On queries kept aside its mean squared error is {number(certificate.relative_loss)} of the variance of "
            f"the answers; the teacher's own precision allows {number(certificate.noise_floor)} (the noise floor).",
            f"The least certain parameter has an error bar of {number(certificate.largest_error_bar)} of the largest "
            "parameter.",
            f"Every neuron was found in at least {certificate.support} of the {certificate.students} students that "
            "reached the noise floor.",
            "These queries determine every parameter." if not certificate.undetermined else
            f"{len(certificate.undetermined):,} of {_parameters(recovery):,} parameters are not determined.",
        ]
    facts = {"layer sizes": sizes, "relative loss": number(recovery.relative_loss),
             "noise floor": number(recovery.noise_floor),
             "largest error bar": number(certificate.largest_error_bar if certificate else None),
             "teacher's answers": recovery.output,
             "queries": f"{recovery.queries:,}", "seconds": f"{recovery.seconds:.1f}"}
    return join([
        element("div", element("p", element("strong", f"{sign} {head}")), element("p", recovery.verdict.value),
                class_=f"verdict {tone}"),
        paragraph(*words),
        element("dl", *(element("div", element("dt", k), element("dd", v)) for k, v in facts.items()), class_="facts"),
    ])


def _answers(recovery: Recovery) -> list[str]:
    """What the answers are, and what they hide."""
    told = [f"What the teacher answers ({recovery.output}): {recovery.told_by}."] if recovery.told_by else []
    if recovery.output != "raw":
        told.append(f"The network is the one before the {recovery.output} function of the answers.")
    if recovery.hidden_by_output:
        told.append(f"Hidden by {recovery.output}: {recovery.hidden_by_output}.")
    return told


def _parameters(recovery: Recovery) -> int:
    return 0 if recovery.network is None else recovery.network.parameters


def _sizes(recovery: Recovery, options: ClusterOptions) -> Html:
    rows = []
    for i, layer in enumerate(recovery.layers, start=1):
        counts = kinds_of(layer, options).clusters
        rows.append((f"hidden layer {i}", counts[0], len(layer.vectors), counts[1], counts[2], number(layer.height)))
    if not rows:
        return paragraph("No layer was clustered.")
    return join([paragraph("A neuron of the network is a cluster of the students' neurons. Clusters found in too few "
                           "students, or whose members point in different directions, are dropped."),
                 table("Hidden layers", ("layer", "neurons found", "students' neurons", "clusters too small",
                                         "clusters unaligned", "cut at height"), rows)])


def _losses(recovery: Recovery) -> Html:
    values = recovery.losses[np.isfinite(recovery.losses)]
    rows = [("noise floor", number(recovery.noise_floor), "what the teacher's own precision allows"),
            ("recovered network", number(recovery.relative_loss if recovery.network else None),
             "on queries kept aside"),
            ("best student", number(float(values.min()) if len(values) else None), "on its own queries"),
            ("median student", number(float(np.median(values)) if len(values) else None), "on its own queries"),
            ("worst student", number(float(values.max()) if len(values) else None), "on its own queries")]
    return element("div", table("Relative losses: mean squared error over the variance of the answers",
                                ("of", "relative loss", "measured"), rows), loss_figure(recovery), class_="figures")


def _neurons(recovery: Recovery, network: Network, certificate: Certificate | None) -> Html:
    """All neurons: in how many students, how alike, how certain."""
    parts = [paragraph("Support: students in which the neuron was found. Angle: median angle between its "
                                   "copies and their mean. Error bar: one standard deviation of its least certain "
                                   "incoming weight or bias.")]
    for i, size in enumerate(network.hidden_sizes):
        layer = recovery.layers[i] if i < len(recovery.layers) else None
        matched = layer is not None and len(layer.support) == size
        rows: list[tuple[object, ...]] = []
        for k in range(size):
            support = int(layer.support[k]) if layer is not None and matched else NONE
            angle = f"{layer.angle[k]:.1e}" if layer is not None and matched else NONE
            rows.append((f"neuron {k}", support, angle, _bar(certificate, i, k)))
        parts.append(table(f"Hidden layer {i + 1}: {size:,} neurons",
                           ("neuron", "support", "angle (rad)", "largest error bar"), rows))
    rows = [(f"output {k}", _bar(certificate, len(network.weights) - 1, k)) for k in range(network.sizes[-1])]
    parts.append(details("Outputs", table(f"Output layer: {network.sizes[-1]:,} outputs",
                                          ("output", "largest error bar"), rows)))
    return join(parts)


def _bar(certificate: Certificate | None, layer: int, neuron: int) -> str:
    if certificate is None or 2 * layer + 1 >= len(certificate.error_bars):
        return NONE
    bars = np.append(certificate.error_bars[2 * layer][neuron], certificate.error_bars[2 * layer + 1][neuron])
    loose = int(np.isnan(bars).sum())
    if loose == len(bars):
        return "undetermined"
    return number(float(np.nanmax(bars))) + (f", {loose} undetermined" if loose else "")


def _undetermined(recovery: Recovery) -> Html:
    certificate = recovery.certificate
    if certificate is None:
        return paragraph("Everything: no network was built.", recovery.verdict.value)
    names = certificate.undetermined
    if not names:
        return paragraph("Nothing: every parameter changes the answers to these queries, and no combination of them "
                         "leaves the answers as they are.")
    listed = ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else "")
    return join([
        paragraph(f"{len(names):,} of {_parameters(recovery):,} parameters.",
                  "They can be moved, alone or together, without changing the answers to these queries by more than "
                  "rounding: inputs along which the queries do not vary, neurons that stay on one side of a kink or "
                  "saturated, or a layer that passes on less than it could."),
        paragraph("Other queries can determine them: other inputs, or a wider distribution."),
        element("p", element("code", listed)),
    ])


def _cost(recovery: Recovery, run: RunDescription) -> Html:
    rows: list[tuple[object, ...]] = []
    before = 0
    for name, seconds in recovery.timings.items():
        asked = run.queries.get(name, before)
        queries = f"{asked - before:,}" if any(run.queries.values()) else NONE
        rows.append((name, queries, f"{seconds:.2f}", _STAGES.get(name, "")))
        before = asked
    rows.append(("all", f"{recovery.queries:,}", f"{recovery.seconds:.2f}", ""))
    return join([table("Stages", ("stage", "queries", "seconds", "what it does"), rows),
                 element("p", "Answers are kept and asked once: a stage that needs those of an earlier one asks only "
                              "for what is missing.", class_="note")])


def _repeat(run: RunDescription) -> Html:
    command = command_line(run)
    parts: list[Html] = []
    if command:
        parts += [paragraph("On the command line, in the folder of the teacher:"), element("pre", command)]
    parts += [paragraph("In Python:"), element("pre", python_call(run))]
    parts.append(table("Versions", ("package", "version"), [*run.versions.items(), ("machine", run.machine)]))
    options = [(f"{section}.{name}", str(value)) for section, values in run.options.items()
               for name, value in (values.items() if isinstance(values, dict) else [("", values)])]
    return join([*parts, details("All options", table("Options", ("option", "value"), options))])
