"""Draw the figures of docs/method.md into docs/figures; about a minute."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parents[1]))
matplotlib.use("Agg")

from benchmarks.common import ROOT

import expandcluster as ec
from expandcluster.activations import get_activation
from expandcluster.cluster.canonical import gather_neurons
from expandcluster.cluster.tree import cluster
from expandcluster.expand.levenberg_marquardt import levenberg_marquardt
from expandcluster.expand.population import Samples, TrainedPopulation
from expandcluster.expand.prune import prune
from expandcluster.experiments.rows import FLOOR
from expandcluster.networks import Network, Population, random_population
from expandcluster.options import ClusterOptions, LMOptions, QueryOptions
from expandcluster.plot import COLORS, TWO_COLUMNS, dendrogram, figure, save
from expandcluster.plot.style import INK, finish, legend_above, whole_numbers
from expandcluster.problems.synthetic import SyntheticProblem, synthetic_inputs
from expandcluster.queries.probe import probe_teacher
from expandcluster.queries.row_space import find_row_space
from expandcluster.queries.source import open_source
from expandcluster.results import Recovery, Verdict

OUT = ROOT / "docs" / "figures"
PROBLEM, RHO, STUDENTS = SyntheticProblem(4, 4, 0), 4, 20


def symmetries() -> Axes:
    """What a reflection leaves behind: nothing, a constant, a line, or something else."""
    page = Figure(figsize=(TWO_COLUMNS, 1.8), layout="constrained")
    axes = page.subplots(1, 5)
    z = np.linspace(-3, 3, 121)
    for ax, name in zip(axes, ("tanh", "sigmoid", "softplus", "relu", "g"), strict=True):
        activation = get_activation(name)
        value, mirrored = activation.on_host(z)[0], activation.on_host(-z)[0]
        symmetry = activation.symmetry
        rest = mirrored - (symmetry.sign or 1) * value
        ax.plot(z, value, color=INK, linewidth=1.2, label="$\\sigma(z)$")
        ax.plot(z, mirrored, color=COLORS["too small"], linewidth=1.2, label="$\\sigma(-z)$")
        ax.plot(z, rest, color=COLORS["kept" if symmetry.sign else "unaligned"], linewidth=1.4, linestyle=(0, (3, 1.5)),
                label="what the reflection leaves, $\\sigma(-z) - s\\,\\sigma(z)$")
        sign = f"$s$ = {symmetry.sign:+d}" if symmetry.sign else "no line for any $s$"
        ax.set_title(f"{name}\n{sign}")
        ax.set_xticks([-3, 0, 3])
        whole_numbers(ax.yaxis)
        finish(ax)
    page.legend(handles=axes[0].lines, loc="outside lower center", ncols=3, frameon=False, fontsize=7, labelcolor=INK)
    return axes[0]


def row_space() -> Axes:
    """Singular values of the stacked Jacobians of a teacher of 32 inputs and 8 hidden neurons."""
    source = open_source(ec.Teacher.from_network(SyntheticProblem(32, 8, 0).teacher), QueryOptions(), 0)
    found = find_row_space(source, probe_teacher(source))
    _, ax = figure(ratio=0.62)
    ax.plot(np.arange(1, len(found.singular_values) + 1), found.singular_values, "o", color=COLORS["too small"],
            markersize=3)
    ax.axvline((found.rank or 0) + 0.5, color=INK, linestyle=(0, (4, 2)), linewidth=0.9)
    ax.set_yscale("log")
    ax.set_xlabel("index")
    ax.set_ylabel("singular value")
    whole_numbers(ax.xaxis)
    return finish(ax)


def trained() -> tuple[list[Network], np.ndarray, list[Network], np.ndarray]:
    """Students of one problem before and after they were pruned, with their losses."""
    truth = PROBLEM.teacher
    x = synthetic_inputs(PROBLEM, 1000)
    samples = Samples(x, truth(x), FLOOR)

    def train(population: Population, data: Samples, steps: int = 100, patience: int = 20) -> TrainedPopulation:
        return levenberg_marquardt(population, data, truth.activation, LMOptions(steps=steps, patience=patience))

    wave = train(random_population((PROBLEM.inputs, RHO * PROBLEM.hidden, 1), STUDENTS, 0), samples, 300, 50)
    before = [wave.population.network(s, truth.activation) for s in range(STUDENTS)]
    after, losses = prune(wave, samples, truth.activation, train)
    return before, wave.loss, after, losses


def pruning(before: np.ndarray, after: np.ndarray, networks: list[Network]) -> Axes:
    """Losses of the same students before and after pruning."""
    _, ax = figure(ratio=0.62)
    rank = np.arange(1, len(before) + 1)
    right = np.array([n.hidden_sizes == (PROBLEM.hidden,) for n in networks])[np.argsort(after, kind="stable")]
    ax.plot(rank, np.sort(before), "o", color=COLORS["too small"], markersize=3.5, label="trained")
    ax.plot(rank[~right], np.sort(after)[~right], "x", color=COLORS["kept"], markersize=4, label="pruned")
    ax.plot(rank[right], np.sort(after)[right], "D", color=COLORS["kept"], markersize=3.5,
            label=f"pruned to {PROBLEM.hidden} neurons")
    ax.axhline(FLOOR, color=INK, linestyle=(0, (4, 2)), linewidth=0.9)
    ax.set_yscale("log")
    ax.set_xlabel("students, best first")
    ax.set_ylabel("relative loss")
    whole_numbers(ax.xaxis)
    legend_above(ax)
    return finish(ax)


def trees(before: list[Network], losses: np.ndarray, after: list[Network], pruned: np.ndarray) -> Axes:
    """The tree of all neurons of all students as they were trained, and that of pruned students at the floor."""
    page = Figure(figsize=(TWO_COLUMNS, 2.5), layout="constrained")
    axes = page.subplots(1, 2, sharey=True)
    panels = (
        ("all students as trained, the paper's cut", before, losses, np.inf, ClusterOptions(cut="paper", gamma=0.8)),
        ("pruned students at the floor, our cut", after, pruned, FLOOR, ClusterOptions()),
    )
    for ax, (title, networks, values, most, options) in zip(axes, panels, strict=True):
        students = [networks[s] for s in np.argsort(values, kind="stable") if values[s] <= most]
        layer = cluster(gather_neurons(students, students[0].activation.symmetry), len(students), options)
        dendrogram(Recovery(None, Verdict.EXACT, 0.0, 0.0, 0, 0.0, None, (layer,), values, 0, {}), ax=ax,
                   options=options)
        ax.set_title(title, fontsize=8, color=INK, loc="left", pad=16)
        ax.set_xlabel(f"{len(layer.vectors)} neurons of {len(students)} students, in tree order")
    axes[0].set_ylim(1e-17, 30)
    axes[1].set_ylabel("")
    return axes[0]


def main() -> None:
    before, losses, after, pruned = trained()
    for name, ax in {"symmetries": symmetries(), "row_space": row_space(), "pruning": pruning(losses, pruned, after),
                     "trees": trees(before, losses, after, pruned)}.items():
        path = save(ax, OUT / f"{name}.svg")
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
