"""The sections of a report, in the order they are read: verdict and evidence first."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from expandcluster.options import ClusterOptions, ExpandOptions
from expandcluster.plot.kinds import kinds_of
from expandcluster.queries.probe import Probe
from expandcluster.read_run import RunDescription
from expandcluster.report.figures import curve_figure, layer_figures, loss_figure
from expandcluster.report.html import NONE, Html, details, element, join, number, paragraph, plural, table
from expandcluster.report.neurons import neurons_section
from expandcluster.report.repeat import command_line, python_call
from expandcluster.report.undetermined import undetermined_section
from expandcluster.report.verdict import verdict_section
from expandcluster.report.weights import weight_figures
from expandcluster.results import Recovery

__all__ = ["Section", "all_sections"]

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


def all_sections(recovery: Recovery, run: RunDescription, probe: Probe) -> list[Section]:
    """Every section that this run has something for.

    Args:
        recovery: the result.
        run: what was asked for.
        probe: the teacher's precision.
    """
    options = cluster_options(run)
    network = recovery.network
    enough = run.options.get("expand", {}).get("enough", ExpandOptions().enough)
    sections = [Section("verdict", "Verdict", verdict_section(recovery, probe, enough))]
    if recovery.tried:
        sections.append(Section("choice", "Activation and depth", _choice(recovery)))
    sections += [Section("sizes", "Sizes found", _sizes(recovery, options)),
                 Section("losses", "Losses", _losses(recovery))]
    if recovery.layers:
        drawn = (layer_figures(recovery, layer, options) for layer in range(1, len(recovery.layers) + 1))
        sections.append(Section("clusters", "Clusters", join(element("div", f, class_="figures") for f in drawn)))
    if network is not None:
        drawn = (weight_figures(recovery, network, layer, run.image_shape)
                 for layer in range(1, len(network.weights) + 1))
        sections += [Section("weights", "Weights", element("div", *drawn, class_="figures")),
                     Section("neurons", "Neurons", neurons_section(recovery, network))]
    return [*sections, Section("undetermined", "Not determined", undetermined_section(recovery)),
            Section("cost", "Queries and time", _cost(recovery, run)),
            Section("repeat", "Repeat it", _repeat(run))]


def cluster_options(run: RunDescription) -> ClusterOptions:
    """Those the run was clustered with; the default ones where the folder does not say."""
    values: dict[str, Any] = run.options.get("cluster", {})
    known = {field.name for field in dataclasses.fields(ClusterOptions)}
    return ClusterOptions(**{name: value for name, value in values.items() if name in known})


def _choice(recovery: Recovery) -> Html:
    """The activations and depths that were tried, and how well each explains the answers."""
    rows = [(found.activation, found.hidden_layers, number(found.best_loss), found.students,
             NONE if found.hidden_sizes is None else "-".join(map(str, found.hidden_sizes)))
            for found in recovery.tried]
    equal = ("Those of the same size explain the answers equally well: these answers cannot tell them apart."
             if recovery.equally_good else "")
    return join([paragraph("They were not known. A few students of each were trained; the one that imitates the "
                           "teacher with the fewest neurons was chosen, the first of this table.", equal),
                 table("What was tried, best first", ("activation", "hidden layers", "best relative loss",
                                                      "students that imitate", "hidden neurons"), rows)])


def _sizes(recovery: Recovery, options: ClusterOptions) -> Html:
    rows = []
    for i, layer in enumerate(recovery.layers, start=1):
        counts = kinds_of(layer, options).clusters
        found, small, unaligned = (f"{count:,}" for count in counts)
        rows.append((f"hidden layer {i}", found, f"{len(layer.vectors):,}", small, unaligned, number(layer.height)))
    if not rows:
        return paragraph("No layer was clustered.")
    return join([paragraph("A neuron of the network is a cluster of the students' neurons. Clusters found in too few "
                           "students, or whose members point in different directions, are dropped."),
                 table("Hidden layers", ("layer", "neurons found", "students' neurons", "clusters too small",
                                         "clusters unaligned", "cut at height"), rows)])


def _losses(recovery: Recovery) -> Html:
    if not len(recovery.losses):
        return paragraph(f"No student was trained. The noise floor is {number(recovery.noise_floor)}.")
    values = recovery.losses[np.isfinite(recovery.losses)]
    lost = len(recovery.losses) - len(values)
    imitate = (f"{recovery.students_at_floor:,} of {plural(len(recovery.losses), 'student')} imitate the teacher: once "
               f"superfluous neurons were removed (pruning), their relative loss is at most {number(recovery.floor)}, "
               "also on inputs kept aside.")
    own = "on its own queries, before pruning"
    rows = [("noise floor", number(recovery.noise_floor), "what the teacher's own precision allows"),
            ("recovered network", number(recovery.relative_loss if recovery.network else None),
             "on queries kept aside"),
            ("best student", number(float(values.min()) if len(values) else None), own),
            ("median student", number(float(np.median(values)) if len(values) else None), own),
            ("worst student", number(float(values.max()) if len(values) else None), own)]
    left = join([paragraph(imitate, f"{plural(lost, 'student')} ended without a finite loss." if lost else ""),
                 table("Relative losses", ("whose", "relative loss", "measured"), rows)])
    figures = element("div", curve_figure(recovery), loss_figure(recovery), class_="figures")
    return join([left, figures])


def _cost(recovery: Recovery, run: RunDescription) -> Html:
    rows: list[tuple[object, ...]] = []
    before = 0
    seconds = sum(recovery.timings.values()) or 1.0
    for name, spent in recovery.timings.items():
        asked = run.queries.get(name, before)
        queries = f"{asked - before:,}" if any(run.queries.values()) else NONE
        rows.append((_STAGES.get(name, name), element("code", name), queries, f"{spent:.2f}",
                     f"{100 * spent / seconds:.0f}%"))
        before = asked
    rows.append(("all stages", "", f"{recovery.queries:,}", f"{recovery.seconds:.2f}", "100%"))
    return join([table("Stages", ("what it does", "stage", "queries", "seconds", "share of time"), rows),
                 element("p", "Answers are kept: a stage that needs those of an earlier one asks only for what is "
                              "missing.", class_="note")])


def _repeat(run: RunDescription) -> Html:
    command = command_line(run)
    parts: list[Html] = []
    if command:
        parts += [paragraph("On the command line, in the folder of the teacher:"), element("pre", command)]
    else:
        parts.append(paragraph("No command starts this run: its teacher is an object in Python, or it has options that "
                               "only Python knows."))
    if run.given_inputs:
        parts.append(paragraph("Its inputs were given: a run keeps the teacher's answers to them, and not the rows "
                               "themselves. Give the same file again."))
    parts += [paragraph("In Python:"), element("pre", python_call(run))]
    parts.append(table("Versions", ("package", "version"), [*run.versions.items(), ("machine", run.machine)]))
    options = [(f"{section}.{name}", str(value)) for section, values in run.options.items()
               for name, value in (values.items() if isinstance(values, dict) else [("", values)])]
    return join([*parts, details("All options", table("Options", ("option", "value"), options))])
