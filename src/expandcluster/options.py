"""Options of every stage: frozen, validated when made."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, TypeAlias

from expandcluster.errors import BadInput
from expandcluster.queries.domain import EVERYWHERE, Domain

__all__ = [
    "AdamOptions",
    "BFGSOptions",
    "ClusterOptions",
    "ExpandOptions",
    "GradientFlowOptions",
    "LMOptions",
    "NewtonOptions",
    "QueryOptions",
    "RecoverOptions",
    "SLSQPOptions",
    "TrainerOptions",
]


def _check(holds: bool, name: str, got: object, expected: str) -> None:
    if not holds:
        raise BadInput(f"option {name}", got=repr(got), expected=expected, remedy="Change this option.")


def _is_count(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _is_share(value: object) -> bool:
    return isinstance(value, float) and 0 < value < 1


@dataclasses.dataclass(frozen=True)
class QueryOptions:
    """Where and how often the teacher is asked.

    Attributes:
        per_parameter: answers (samples x outputs) asked for each parameter of a student.
        least_samples: never train on fewer samples than this.
        domain: which inputs may be asked: a box, whole numbers; see :class:`Domain`.
        sampler: ``"gaussian"``, ``"uniform"`` in a box, ``"varied"`` in a box (uniform, mostly low and mostly high
            samples), ``"around"`` given inputs, or ``"auto"``: given inputs as they are; where every input has
            bounds uniform, or varied if there are more than 16 inputs; Gaussian elsewhere.
        scale: standard deviation of Gaussian inputs.
        perturbation: standard deviation of what is added to given inputs, in those of each input.
        max_queries: hard limit on the inputs asked; ``None`` for none.
        noisy: accept a teacher whose answers change between calls (noise is measured, and the
            verdict can then not be exact).
        noise: relative standard deviation of the noise in a table, if known; 0 for none.

    Example:
        >>> QueryOptions(domain=Domain(low=0.0, high=1.0), max_queries=5000).sampler
        'auto'
    """

    per_parameter: float = 6.0
    least_samples: int = 600
    domain: Domain = EVERYWHERE
    sampler: Literal["auto", "gaussian", "uniform", "varied", "around"] = "auto"
    scale: float = 1.0
    perturbation: float = 0.3
    max_queries: int | None = None
    noisy: bool = False
    noise: float = 0.0

    def __post_init__(self) -> None:
        _check(_is_positive(self.per_parameter), "per_parameter", self.per_parameter, "a positive number")
        _check(_is_count(self.least_samples), "least_samples", self.least_samples, "a positive integer")
        _check(isinstance(self.domain, Domain), "domain", self.domain, "a Domain")
        _check(self.sampler in ("auto", "gaussian", "uniform", "varied", "around"), "sampler", self.sampler,
               "'auto', 'gaussian', 'uniform', 'varied' or 'around'")
        _check(_is_positive(self.scale), "scale", self.scale, "a positive number")
        _check(_is_positive(self.perturbation), "perturbation", self.perturbation, "a positive number")
        _check(self.max_queries is None or _is_count(self.max_queries), "max_queries", self.max_queries,
               "a positive integer or None")
        _check(isinstance(self.noisy, bool), "noisy", self.noisy, "True or False")
        _check(_is_positive(self.noise) or (self.noise == 0 and not isinstance(self.noise, bool)), "noise", self.noise,
               "a number of at least 0")


@dataclasses.dataclass(frozen=True)
class LMOptions:
    """Levenberg-Marquardt (damping lambda I, update of Nielsen 1999).

    Attributes:
        steps: most steps of one training run.
        patience: a student is done when its loss fell by less than ``progress`` over this many steps.
        progress: relative fall of the loss that counts as progress.
        creep: relative loss below which a student is also done when its loss fell by less than ten times over 20 steps:
            what is left are directions that nothing depends on, and pruning removes them. 0 for none; ``None`` is 1e-10
            for students that are pruned afterwards, else 0.
        damping: first lambda over the largest diagonal entry of J'J.
        memory: bytes that the temporary arrays of one chunk of samples may take; about a processor's
            cache is fastest.
        largest_matrix: bytes that the matrix J'J of one student may take; larger students are trained
            without it, by inexact steps. 128 MiB are 4,096 parameters.

    Example:
        >>> LMOptions(steps=100).trainer
        'levenberg_marquardt'
    """

    steps: int = 300
    patience: int = 50
    progress: float = 0.1
    creep: float | None = None
    damping: float = 1e-2
    memory: int = 2 * 2**20
    largest_matrix: int = 2**27
    trainer: str = dataclasses.field(default="levenberg_marquardt", init=False)

    def __post_init__(self) -> None:
        for name in ("steps", "patience", "memory", "largest_matrix"):
            _check(_is_count(getattr(self, name)), name, getattr(self, name), "a positive integer")
        _check(_is_positive(self.damping), "damping", self.damping, "a positive number")
        _check(_is_share(self.progress), "progress", self.progress, "a number between 0 and 1")
        _check(self.creep is None or _is_positive(self.creep) or self.creep == 0, "creep", self.creep,
               "a number of at least 0 or None")


@dataclasses.dataclass(frozen=True)
class AdamOptions:
    """Adam on mini-batches, learning rate reduced on a plateau (paper, appendix C).

    Attributes:
        epochs: most passes over the samples.
        batch: samples in a mini-batch.
        learning_rate: first learning rate.
        patience: epochs without progress after which the learning rate is reduced.
        factor: what it is multiplied by.
        least_learning_rate: training ends below it.

    Example:
        >>> ExpandOptions(trainers=(AdamOptions(epochs=200), LMOptions())).trainers[0].epochs
        200
    """

    epochs: int = 1000
    batch: int = 640
    learning_rate: float = 1e-2
    patience: int = 100
    factor: float = 0.5
    least_learning_rate: float = 1e-6
    trainer: str = dataclasses.field(default="adam", init=False)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "patience"):
            _check(_is_count(getattr(self, name)), name, getattr(self, name), "a positive integer")
        _check(_is_positive(self.learning_rate), "learning_rate", self.learning_rate, "a positive number")
        _check(_is_positive(self.least_learning_rate), "least_learning_rate", self.least_learning_rate,
               "a positive number")
        _check(_is_share(self.factor), "factor", self.factor, "a number between 0 and 1")


@dataclasses.dataclass(frozen=True)
class GradientFlowOptions:
    """Gradient flow d theta / dt = - d MSE / d theta by an implicit Runge-Kutta method (paper, appendix C).

    Attributes:
        solver: ``"kencarp5"`` (Kennedy & Carpenter 2003) or ``"kvaerno5"`` (Kvaerno 2004), both of order 5.
        steps: most steps, accepted and rejected ones together.
        time: the flow ends at this time.
        loss: mean squared error at which it ends before; ``None`` for the noise floor only.
        gradient_norm: norm of the gradient of the mean squared error at which it ends before.
        rtol: error allowed in a step over the size of a parameter.
        atol: the same for a parameter of size 0.
        stage_tolerance: error allowed in solving a stage's equations, over the size of the gradient.
        first_step: first step in time.
        largest_step: largest step in time.
        sharpness: a kinked activation (ReLU) flows as ``softplus(sharpness z) / sharpness``; the loss reported
            is that of the activation itself.
        patience: it ends when neither loss nor gradient norm fell by a tenth over this many steps.

    Example:
        >>> GradientFlowOptions("kvaerno5", time=100.0).trainer
        'gradient_flow'
    """

    solver: Literal["kencarp5", "kvaerno5"] = "kencarp5"
    steps: int = 5000
    time: float = math.inf
    loss: float | None = None
    gradient_norm: float = 1e-16
    rtol: float = 1e-3
    atol: float = 1e-6
    stage_tolerance: float = 1e-3
    first_step: float = 1e-3
    largest_step: float = math.inf
    sharpness: float = 1e3
    patience: int = 100
    trainer: str = dataclasses.field(default="gradient_flow", init=False)

    def __post_init__(self) -> None:
        _check(self.solver in ("kencarp5", "kvaerno5"), "solver", self.solver, "'kencarp5' or 'kvaerno5'")
        for name in ("steps", "patience"):
            _check(_is_count(getattr(self, name)), name, getattr(self, name), "a positive integer")
        _check(self.loss is None or _is_positive(self.loss), "loss", self.loss, "a positive number or None")
        for name in ("gradient_norm", "rtol", "atol", "stage_tolerance", "first_step", "sharpness"):
            _check(_is_positive(getattr(self, name)), name, getattr(self, name), "a positive number")
        for name in ("time", "largest_step"):
            value = getattr(self, name)
            _check(_is_positive(value) or value == math.inf, name, value, "a positive number or infinity")


@dataclasses.dataclass(frozen=True)
class BFGSOptions:
    """BFGS (paper, appendix C).

    Attributes:
        steps: most steps.
        loss: mean squared error at which training ends before.
        gradient_norm: norm of the gradient of the mean squared error at which it ends before.

    Example:
        >>> ExpandOptions(trainers=(GradientFlowOptions(), BFGSOptions(steps=500))).trainers[1].steps
        500
    """

    steps: int = 250
    loss: float = 1e-31
    gradient_norm: float = 1e-16
    trainer: str = dataclasses.field(default="bfgs", init=False)

    def __post_init__(self) -> None:
        _check(_is_count(self.steps), "steps", self.steps, "a positive integer")
        _check(_is_positive(self.loss), "loss", self.loss, "a positive number")
        _check(_is_positive(self.gradient_norm), "gradient_norm", self.gradient_norm, "a positive number")


@dataclasses.dataclass(frozen=True)
class SLSQPOptions(BFGSOptions):
    """Sequential least squares programming without constraints (paper, appendix C); see :class:`BFGSOptions`.

    Example:
        >>> SLSQPOptions().steps, SLSQPOptions().trainer
        (1000, 'slsqp')
    """

    steps: int = 1000
    trainer: str = dataclasses.field(default="slsqp", init=False)


@dataclasses.dataclass(frozen=True)
class NewtonOptions(BFGSOptions):
    """Newton's method with the exact Hessian in a trust region (paper, appendix C).

    Attributes:
        steps: most steps, accepted and rejected ones together.
        loss: see :class:`BFGSOptions`.
        gradient_norm: see :class:`BFGSOptions`.
        radius: first radius of the trust region.
        patience: training ends when neither loss nor gradient norm fell by a tenth over this many steps.

    Example:
        >>> NewtonOptions(radius=0.5).trainer
        'newton'
    """

    steps: int = 5000
    radius: float = 1.0
    patience: int = 50
    trainer: str = dataclasses.field(default="newton", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(_is_positive(self.radius), "radius", self.radius, "a positive number")
        _check(_is_count(self.patience), "patience", self.patience, "a positive integer")


TrainerOptions: TypeAlias = LMOptions | AdamOptions | GradientFlowOptions | BFGSOptions | SLSQPOptions | NewtonOptions


@dataclasses.dataclass(frozen=True)
class ExpandOptions:
    """How students are made and trained.

    Attributes:
        students: students in a wave.
        enough: stop when this many students have reached the noise floor.
        waves: most waves after the width search; 0 for none.
        widths: hidden widths tried one after the other in the width search; of students with hundreds of inputs those
            below 16 are passed over, where there are others.
        effort: floating-point operations of a training step up to which a second width is tried, and later ones of
            kinked activations; of smooth ones a tenth: where two of their widths have failed, a third rarely succeeds.
            Widths beyond are passed over, but for those so large that they are trained without J'J, which is cheaper.
        rho: where the answers vary in fewer directions than there are inputs, the first width is this many times their
            number: a first layer of independent rows has as many neurons as directions. Shallow students of four
            outputs or more, which tell more of each neuron, need a quarter of the excess.
        prune: whether neurons are removed inside students, which are then trained on.
        keep: which students are clustered: ``"floor"``, those that reached the noise floor, or
            ``"all"``, whatever their loss (as the paper does).
        trainers: options of the trainers that students go through, one after the other. Where Levenberg-Marquardt is
            the first one, students of given inputs that are too large for its matrix go through Adam before.

    Example:
        >>> ExpandOptions(students=16, widths=(16, 32)).enough
        4
        >>> ExpandOptions(students=0)
        Traceback (most recent call last):
            ...
        expandcluster.errors.BadInput: option students: got 0; expected a positive integer. Change this option.
    """

    students: int = 8
    enough: int = 4
    waves: int = 8
    widths: tuple[int, ...] = (4, 8, 16, 32, 64, 96, 128)
    effort: float = 2e10
    rho: float = 2.0
    prune: bool = True
    keep: Literal["floor", "all"] = "floor"
    trainers: tuple[TrainerOptions, ...] = (LMOptions(),)

    def __post_init__(self) -> None:
        for name in ("students", "enough"):
            _check(_is_count(getattr(self, name)), name, getattr(self, name), "a positive integer")
        _check(_is_count(self.waves, 0), "waves", self.waves, "an integer of at least 0")
        widths = self.widths if isinstance(self.widths, tuple) else ()
        _check(len(widths) > 0 and all(_is_count(w) for w in widths) and list(widths) == sorted(set(widths)),
               "widths", self.widths, "a tuple of growing positive integers")
        _check(_is_positive(self.effort), "effort", self.effort, "a positive number")
        _check(_is_positive(self.rho) and self.rho >= 1, "rho", self.rho, "a number of at least 1")
        _check(isinstance(self.prune, bool), "prune", self.prune, "True or False")
        _check(self.keep in ("floor", "all"), "keep", self.keep, "'floor' or 'all'")
        _check(isinstance(self.trainers, tuple) and len(self.trainers) > 0
               and all(isinstance(t, TrainerOptions) for t in self.trainers), "trainers", self.trainers,
               "a tuple of options of trainers, for example (AdamOptions(), LMOptions())")


@dataclasses.dataclass(frozen=True)
class ClusterOptions:
    """How the neurons of a layer are clustered (paper, section 4).

    Attributes:
        cut: ``"gap"`` cuts in a gap of the merge heights of a factor of ten, and where there is none where students
            agree most; ``"paper"`` cuts where most clusters have at least gamma N members.
        gamma: a cluster counts if at least this share of the students is in it; for ``"gap"`` two, where there are two.
        beta: largest median angle inside a cluster, in radians.
        contribution: neurons that change their layer's output by less than this (relative
            variance) are dropped before clustering; ``None`` takes it from the noise floor, 0 drops none.
        memory: bytes that distances between neurons may take: 4 GiB are those of 23,000 neurons. Of more neurons,
            copies are merged first, which gives the same tree; 4 GiB then are those of 23,000 different ones.

    Example:
        >>> ClusterOptions(cut="paper", gamma=0.8).gamma
        0.8
    """

    cut: Literal["gap", "paper"] = "gap"
    gamma: float = 0.5
    beta: float = math.pi / 24
    contribution: float | None = None
    memory: int = 4 * 2**30

    def __post_init__(self) -> None:
        _check(self.cut in ("gap", "paper"), "cut", self.cut, "'gap' or 'paper'")
        _check(_is_positive(self.gamma) and self.gamma <= 1, "gamma", self.gamma, "a number in (0, 1]")
        _check(_is_positive(self.beta), "beta", self.beta, "a positive angle in radians")
        _check(_is_count(self.memory), "memory", self.memory, "a positive integer")
        _check(self.contribution is None or _is_positive(self.contribution)
               or (self.contribution == 0 and not isinstance(self.contribution, bool)), "contribution",
               self.contribution, "a number of at least 0 or None")


@dataclasses.dataclass(frozen=True)
class RecoverOptions:
    """Options of :func:`expandcluster.recover`, one entry for each stage.

    Example:
        >>> RecoverOptions(queries=QueryOptions(scale=10.0), expand=ExpandOptions(waves=16)).cluster
        ClusterOptions(cut='gap', gamma=0.5, beta=0.1308996938995747, contribution=None, memory=4294967296)
    """

    queries: QueryOptions = QueryOptions()
    expand: ExpandOptions = ExpandOptions()
    cluster: ClusterOptions = ClusterOptions()

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            kind = type(field.default)
            _check(isinstance(getattr(self, field.name), kind), field.name, getattr(self, field.name), kind.__name__)
