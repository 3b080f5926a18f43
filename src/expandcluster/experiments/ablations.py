"""Ablations: which choices of the clustering matter, tried out on the kept students of an experiment.

All of them use the students of settings ``lm``: rho r hidden neurons each, not pruned, all of them
clustered whatever their loss. Pruned students at the floor have the teacher's neurons and no others;
on them every cut and every gamma gives the same clusters. Here excess neurons and students that
failed are left in, and clustering has to deal with them.

Nothing is trained again but for the number of samples. A problem counts as recovered if there are as
many clusters as true neurons, and each true neuron is within 1% of one of them.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from expandcluster.cluster.canonical import Neurons, canonical_neurons, gather_neurons
from expandcluster.cluster.contribution import NOTHING, contributions
from expandcluster.cluster.tree import cluster, cut_again
from expandcluster.errors import BadInput
from expandcluster.expand.population import Samples
from expandcluster.experiments.rows import FLOOR, read_rows
from expandcluster.experiments.synthetic import run_folder_of, run_synthetic, teacher_for
from expandcluster.networks import Network
from expandcluster.options import ClusterOptions, QueryOptions
from expandcluster.problems.synthetic import SyntheticProblem, synthetic_inputs
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.source import open_source
from expandcluster.read_run import read_run, read_students
from expandcluster.results import LayerClusters
from expandcluster.storage import write_bytes

__all__ = ["CUTS", "QUESTIONS", "Point", "Question", "right", "run_ablations"]

# Both cuts with the gamma they are used with: ours, and the paper's (section 5.1).
CUTS = {"gap": ClusterOptions(), "paper": ClusterOptions(cut="paper", gamma=0.8)}
_CLOSE = 1e-2  # distance of a cluster to its true neuron, over the norm of that neuron
_DRAWS = 5  # random choices of N students
_TRAINED = tuple(SyntheticProblem(4, 4, seed) for seed in range(5))  # problems on which n is varied


@dataclasses.dataclass(frozen=True)
class Question:
    """What one ablation asks.

    Attributes:
        title: the question.
        axis: what is varied.
        values: those tried.
        default: the value that each cut of :data:`CUTS` is used with otherwise, if there is one.
    """

    title: str
    axis: str
    values: tuple[float, ...]
    default: Mapping[str, float] = dataclasses.field(default_factory=dict)


def _both(value: float) -> dict[str, float]:
    return dict.fromkeys(CUTS, value)


QUESTIONS = {
    "gamma": Question("Which share of the students must agree?", "share $\\gamma$ of the students",
                      tuple(g / 10 for g in range(1, 11)), {cut: options.gamma for cut, options in CUTS.items()}),
    "beta": Question("How well must the members of a cluster be aligned?", "largest median angle $\\beta$ in degrees",
                     (0.01, 0.1, 1.0, 3.0, 7.5, 15.0, 30.0, 90.0), _both(7.5)),
    "contribution": Question("Must neurons that contribute nothing be left out?",
                             "least contribution that is kept",
                             (0.0, 1e-20, 1e-16, NOTHING, 1e-8, 1e-4), _both(NOTHING)),
    "loss": Question("Must students that failed be left out?", "largest relative loss of a student",
                     (FLOOR, 1e-20, 1e-15, 1e-10, 1e-5, 1.0), _both(1.0)),
    "students": Question("How many students does it take?", "students $N$",
                         (2, 3, 4, 6, 8, 10, 15, 20)),
    "samples": Question("How many samples does it take?", "samples $n$", (125, 250, 500, 1000, 2000), _both(1000)),
}


@dataclasses.dataclass(frozen=True)
class Point:
    """How often one way of clustering is right.

    Attributes:
        question: a key of :data:`QUESTIONS`.
        cut: a key of :data:`CUTS`.
        value: what was varied.
        inputs: d of the teachers.
        hidden: r of the teachers.
        tries: problems, or draws of students for them.
        right_size: tries with as many clusters as true neurons.
        recovered: those of them in which every true neuron is within 1% of a cluster.
    """

    question: str
    cut: str
    value: float
    inputs: int
    hidden: int
    tries: int
    right_size: int
    recovered: int


@dataclasses.dataclass(frozen=True)
class _Case:
    """The kept students of one problem.

    Attributes:
        truth: the teacher, on the coordinates the students were trained in.
        tree: the clustering that was kept; ``None`` where no student was trained.
        neurons: of all students, in canonical form.
        contribution: of each neuron, relative to the variance of the answers.
        losses: of each student.
    """

    truth: Network
    tree: LayerClusters | None
    neurons: Neurons
    contribution: np.ndarray
    losses: np.ndarray

    def cut_again(self, options: ClusterOptions) -> LayerClusters | None:
        """The kept tree, cut again."""
        kept = self.tree
        if kept is None or not len(kept.vectors):
            return None
        return cut_again(kept.linkage, kept.vectors, kept.student, len(self.losses), options,
                         mirrored=kept.mirrored)

    def clusters(self, students: Sequence[int], threshold: float, options: ClusterOptions) -> LayerClusters | None:
        """Some of the students, clustered anew without the neurons that contribute at most ``threshold``."""
        new = np.full(len(self.losses), -1)
        new[list(students)] = np.arange(len(students))
        keep = np.flatnonzero((new[self.neurons.student] >= 0) & ((self.contribution > threshold) | (threshold == 0)))
        if not len(keep):
            return None
        neurons = self.neurons.take(keep)
        neurons = dataclasses.replace(neurons, student=new[neurons.student])
        return cluster(neurons, len(students), options)


def run_ablations(runs: Path, out: Path, rho: float = 4.0, *, train: bool = True,
                  progress: Progress = silent) -> tuple[Point, ...]:
    """Answer every question; ``out/ablations.jsonl`` gets a line for each point.

    Args:
        runs: folder of an experiment with settings ``lm``.
        out: where points are written, and where students are trained on other numbers of samples;
            what a killed call has trained is not trained again.
        rho: which of its students.
        train: whether to vary the number of samples, the only question that trains.
        progress: told of every problem.

    Raises:
        BadInput: there are no such runs in ``runs``, or ``out`` holds another experiment.
    """
    problems = [SyntheticProblem(row.inputs, row.hidden, row.seed) for row in read_rows(runs / "rows.jsonl")
                if (row.settings, row.rho) == ("lm", rho)]
    if not problems:
        raise BadInput(f"folder {runs}", got=f"no problem that was solved with settings lm and rho {rho:g}",
                       expected="the folder of such an experiment",
                       remedy=f"First run `expandcluster benchmark synthetic --settings lm --rho {rho:g} --out "
                              f"{runs}`.")
    tries: dict[tuple[str, str, float, int, int], list[tuple[bool, bool]]] = {}
    for number, problem in enumerate(sorted(problems), start=1):
        case = _load(problem, run_folder_of(runs, problem, "lm", rho), rho)
        for question, cut, value, clusters in _kept(case):
            key = question, cut, value, problem.inputs, problem.hidden
            tries.setdefault(key, []).append(right(clusters, case.truth))
        progress(Event("benchmark", f"{number} of {len(problems)}: {problem.name}"))
    for n in map(int, QUESTIONS["samples"].values if train else ()):
        folder = out / "samples" / f"n={n}"
        run_synthetic(_TRAINED, "lm", (rho,), folder, progress, samples=n)
        for problem in _TRAINED:
            case = _load(problem, run_folder_of(folder, problem, "lm", rho), rho, n)
            for cut, options in CUTS.items():
                key = "samples", cut, float(n), problem.inputs, problem.hidden
                tries.setdefault(key, []).append(right(case.cut_again(options), case.truth))
    points = tuple(Point(*key, len(found), sum(size for size, _ in found), sum(all_ for _, all_ in found))
                   for key, found in tries.items())
    write_bytes(out / "ablations.jsonl", "".join(json.dumps(dataclasses.asdict(p)) + "\n" for p in points).encode())
    return points


def right(clusters: LayerClusters | None, truth: Network) -> tuple[bool, bool]:
    """Whether there are as many clusters as true neurons, and whether each of those is also within 1% of one.

    Args:
        clusters: of a first hidden layer, students best first; ``None`` where no neuron was clustered.
        truth: the teacher.
    """
    if clusters is None or len(clusters.support) != truth.hidden_sizes[0]:
        return False, False
    merged = []
    for c in range(len(clusters.support)):
        members = np.flatnonzero(clusters.labels == c)
        best = members[clusters.student[members] == clusters.student[members].min()]
        merged.append(clusters.vectors[best].mean(axis=0))
    true = np.concatenate([truth.weights[0], truth.biases[0][:, None]], axis=1)
    true = canonical_neurons(true, truth.activation.symmetry)[0]
    found = np.array(merged)
    distance = np.minimum(cdist(true, found), cdist(true, -found) if clusters.mirrored else np.inf)
    distance /= np.linalg.norm(true, axis=1, keepdims=True)
    return True, bool((distance[linear_sum_assignment(distance)] <= _CLOSE).all())


def _load(problem: SyntheticProblem, folder: Path, rho: float, samples: int | None = None) -> _Case:
    """A kept run; students, and the truth beside them, are on the coordinates they were trained in."""
    students, layers = read_students(folder), read_run(folder).layers
    where = open_source(teacher_for(problem, rho, samples), QueryOptions(), problem.seed).coordinates
    x = synthetic_inputs(problem, 1000)
    unit = Samples(x, problem.teacher(x)).total_variance
    neurons = gather_neurons(students.networks, problem.teacher.activation.symmetry) if students.networks else Neurons(
        np.zeros((0, problem.inputs + 1)), np.zeros(0, bool), np.zeros(0), np.zeros(0, int), np.zeros(0, int))
    contribution = contributions(students.networks, where.inside(x)) / unit if students.networks else np.zeros(0)
    return _Case(where.lower(problem.teacher), layers[0] if layers else None, neurons, contribution, students.losses)


def _kept(case: _Case) -> Iterator[tuple[str, str, float, LayerClusters | None]]:
    """Everything that needs no training: question, cut, value, clusters."""
    everyone = range(len(case.losses))
    values = {name: question.values for name, question in QUESTIONS.items()}
    for cut, options in CUTS.items():
        for value in values["gamma"]:
            yield "gamma", cut, value, case.cut_again(dataclasses.replace(options, gamma=value))
        for value in values["beta"]:
            yield "beta", cut, value, case.cut_again(dataclasses.replace(options, beta=math.radians(value)))
        for value in values["contribution"]:
            yield "contribution", cut, value, case.clusters(everyone, value, options)
        for value in values["loss"]:
            good = np.flatnonzero(case.losses <= value).tolist()
            yield "loss", cut, value, case.clusters(good, NOTHING, options)
        for count in (int(value) for value in values["students"] if value <= len(everyone)):
            for some in _draws(len(everyone), count):
                yield "students", cut, float(count), case.clusters(some, NOTHING, options)


def _draws(students: int, count: int) -> Iterable[list[int]]:
    """Random choices of students, best first; one where they are all of them."""
    rng = np.random.default_rng([students, count])
    for _ in range(_DRAWS if count < students else 1):
        yield sorted(rng.choice(students, count, replace=False).tolist())
