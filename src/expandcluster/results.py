"""What a recovery ends in: the network, the verdict and the evidence for it."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path

import numpy as np

from expandcluster.networks import Network
from expandcluster.teachers.links import hidden_by

__all__ = ["Certificate", "Explanation", "LayerClusters", "Recovery", "Verdict"]


class Verdict(enum.Enum):
    """How a recovery ended; the value is what to tell the user, advice included.

    Example:
        >>> next(iter(Verdict)).name
        'EXACT'
        >>> Verdict.EXACT.value
        "Recovered: the network is the teacher, exact within the teacher's precision."
    """

    EXACT = "Recovered: the network is the teacher, exact within the teacher's precision."
    UNDETERMINED = (
        "The function was found, but these queries do not determine every parameter. "
        "Ask elsewhere (other inputs, a wider distribution). Where a whole layer is open, try fewer hidden layers."
    )
    IMPRECISE = (
        "The function was found up to the teacher's noise; the parameters are only as exact as their "
        "error bars, and neurons that contribute less than the noise may be missing. Ask more queries, or a more "
        "precise teacher."
    )
    FEW_STUDENTS = (
        "A network was found, but in too few students to be trusted. "
        "Train more students (more waves) or wider ones."
    )
    CANNOT_IMITATE = (
        "No student could imitate the teacher: it is probably no multilayer perceptron with this "
        "activation and this number of hidden layers, or it is wider than the students. Try another activation "
        "or depth, or other widths and more effort; for answers that may be probabilities, another output; "
        "for noisy answers, say so: noise for a table, noisy for any other teacher."
    )
    TOO_FEW_QUERIES = (
        "The queries are too few to determine a network: students that fit them disagree elsewhere, or wider "
        "students would need more. "
        "Give more samples, a larger query budget, or wider inputs."
    )


@dataclasses.dataclass(frozen=True)
class Explanation:
    """How well one activation and depth explain the answers, from a quick look.

    Attributes:
        activation: its name.
        hidden_layers: how many.
        best_loss: smallest relative loss of the students.
        students: how many of them reached the noise floor.
        hidden_sizes: of the smallest of those; ``None`` where none reached it.

    Example:
        >>> Explanation("relu", 1, 3e-4, 0, None).words
        'relu, 1 hidden layer: best loss 3.0e-04, above the noise floor'
    """

    activation: str
    hidden_layers: int
    best_loss: float
    students: int
    hidden_sizes: tuple[int, ...] | None

    @property
    def words(self) -> str:
        """In words."""
        what = f"{self.activation}, {self.hidden_layers} hidden layer{'s' * (self.hidden_layers > 1)}"
        if self.hidden_sizes is None:
            return f"{what}: best loss {self.best_loss:.1e}, above the noise floor"
        return (f"{what}: best loss {self.best_loss:.1e}, at the noise floor with "
                f"{'-'.join(map(str, self.hidden_sizes))} neurons")


@dataclasses.dataclass(frozen=True)
class LayerClusters:
    """The clustering of one hidden layer, kept so that it can be cut again.

    Attributes:
        linkage: SciPy's linkage matrix ``(neurons - 1, 4)``, average linkage.
        student: the student of each clustered neuron, ``(neurons,)``.
        vectors: canonical incoming vectors, bias last, those of a cluster on one side, ``(neurons, fan_in + 1)``.
        height: where the tree was cut.
        labels: cluster of each neuron, -1 where its cluster was dropped, ``(neurons,)``.
        support: number of distinct students in each kept cluster, ``(clusters,)``.
        angle: median angle inside each kept cluster in radians, ``(clusters,)``.
        mirrored: whether v and -v are the same neuron (the activation has a reflection).
    """

    linkage: np.ndarray
    student: np.ndarray
    vectors: np.ndarray
    height: float
    labels: np.ndarray
    support: np.ndarray
    angle: np.ndarray
    mirrored: bool = False


@dataclasses.dataclass(frozen=True)
class Certificate:
    """The evidence behind a verdict.

    Attributes:
        relative_loss: mean squared error on held-out queries over the variance of the outputs; the larger one of
            those where students learn and those far from there.
        noise_floor: smallest relative loss that the teacher's own precision allows.
        error_bars: one standard deviation of every parameter in canonical form, one array for each
            of ``W_1, b_1, W_2, ...``; NaN where these queries do not determine the parameter.
        largest_error_bar: largest of them over the largest absolute parameter.
        undetermined: names of undetermined parameters, for example ``W1[3,7]``.
        support: smallest number of distinct students in which a neuron was found; 0 where one follows from the others
            (``reconstruct/rare.py``).
        students: number of students that reached the noise floor.
        explained: relative loss that the error bars of weights outside the students' slice explain, or those of a
            network behind given inputs.
        unjudged: given inputs, held out or set aside, that were left out of ``relative_loss``: their answers depend on
            what the others do not determine.
    """

    relative_loss: float
    noise_floor: float
    error_bars: tuple[np.ndarray, ...]
    largest_error_bar: float
    undetermined: tuple[str, ...]
    support: int
    students: int
    explained: float = 0.0
    unjudged: int = 0


@dataclasses.dataclass(frozen=True)
class Recovery:
    """The result of :func:`expandcluster.recover`.

    Attributes:
        network: the recovered network; ``None`` where none was found.
        verdict: how far to trust it.
        relative_loss: mean squared error on held-out queries over the variance of the outputs.
        noise_floor: smallest relative loss that the teacher's own precision allows.
        queries: how many inputs the teacher was asked (rows of the table, for a table).
        seconds: wall time of all stages, also of those finished in an earlier sitting.
        certificate: the evidence behind the verdict; ``None`` where no network was found.
        layers: the clustering of each hidden layer.
        losses: relative loss of every student trained, in the order of training, before it was pruned.
        seed: the seed of the run.
        timings: seconds of each stage.
        folder: the run folder, if there is one.
        steps: training steps of every student, those of pruning not counted.
        students_at_floor: how many students ended at the noise floor.
        output: what the teacher answered: ``"raw"``, ``"softmax"`` or ``"logistic"``; the network is the one
            before its softmax or logistic function.
        told_by: how that was told; empty where it was known.
        tried: activations and depths among which one was chosen, best first; empty where both were known.
        pruned_losses: relative loss of every student after it was pruned; empty for runs of earlier versions.
        curves: steps and relative losses of every student while it was trained, thinned, ``(students, points, 2)``; NaN
            after its last. Empty for runs of earlier versions.
        floor: relative loss at or below which a student counts as having reached the noise floor.
    """

    network: Network | None
    verdict: Verdict
    relative_loss: float
    noise_floor: float
    queries: int
    seconds: float
    certificate: Certificate | None
    layers: tuple[LayerClusters, ...]
    losses: np.ndarray
    seed: int
    timings: dict[str, float]
    folder: Path | None = None
    steps: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.int64))
    students_at_floor: int = 0
    output: str = "raw"
    told_by: str = ""
    tried: tuple[Explanation, ...] = ()
    pruned_losses: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    curves: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0, 2)))
    floor: float = 0.0

    @property
    def equally_good(self) -> tuple[Explanation, ...]:
        """Other activations and depths that explain the answers as well, with as many neurons."""
        if not self.tried or self.tried[0].hidden_sizes is None:
            return ()
        return tuple(e for e in self.tried[1:] if e.hidden_sizes == self.tried[0].hidden_sizes)

    @property
    def hidden_by_output(self) -> str:
        """What the softmax of the answers hides of the network, in words; empty where nothing is hidden."""
        return hidden_by(self.output)

    @property
    def hidden_sizes(self) -> tuple[int, ...] | None:
        """Sizes of the hidden layers found; ``None`` where no network was found."""
        return None if self.network is None else self.network.hidden_sizes

    @property
    def exact(self) -> bool:
        """Whether the verdict is :attr:`Verdict.EXACT`."""
        return self.verdict is Verdict.EXACT
