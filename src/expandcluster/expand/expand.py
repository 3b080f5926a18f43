"""Expand: students of growing width until they reach the noise floor, then waves until enough have."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from expandcluster.activations import Activation
from expandcluster.checkpoints import store_now
from expandcluster.expand.gauss_newton import parameter_count, step_work
from expandcluster.expand.levenberg_marquardt import fits, levenberg_marquardt
from expandcluster.expand.loss_curve import padded
from expandcluster.expand.matrix_free import matrix_free_work
from expandcluster.expand.population import Samples, TrainedPopulation
from expandcluster.expand.prune import prune
from expandcluster.expand.trainers import train
from expandcluster.networks import Network, Population, random_population, stack
from expandcluster.options import AdamOptions, ExpandOptions, LMOptions, RecoverOptions, TrainerOptions
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.row_space import RowSpace
from expandcluster.queries.source import Source

__all__ = ["Students", "clustered_unpruned", "expand", "quick_look", "samples_for", "train_wave", "widths_for"]

_SHARPNESS = (2.0, 5.0, 12.0, 30.0, 80.0, 200.0)  # smooth path of kinked activations
_HELD_OUT = 300  # samples that decide whether a student generalises
_PROMISING = 1e-3  # relative loss of a student that another start may bring to the floor
_MOST = 0.9  # share of the held-out samples on which a student must be right that has seen more samples
_MORE = 4  # times as many samples for students that do not generalise
_IN_VAIN = 4  # times as many students at the floor as must agree, and still they do not: more will not either
_MOST_INEXACT = 4e12  # floating-point operations of an inexact step up to which students are trained
_ROUGH = 1e-8  # relative loss to which students are trained that are too large for exact steps
_ROUGH_GIVEN = 1e-5  # the same for shallow students of given inputs, see `_missing_are_found`
_FROM_AFAR = (AdamOptions(epochs=60, batch=256, learning_rate=3e-3, patience=60),  # before inexact steps
              *(AdamOptions(epochs=15, batch=256, learning_rate=3e-3 / 2**k, patience=15) for k in range(1, 7)))
_NEAR = 1e-4  # damping that inexact steps begin with after mini-batches on chosen queries
_HOPEFUL = 3e-5  # relative loss after mini-batches from which inexact steps help on given inputs
_NARROWEST = 16  # students of hundreds of inputs: narrower ones are hardly cheaper
_LARGE = 800  # parameters of a student that takes long
_PER_INPUT = 64  # samples for each direction of the inputs, at least, that large students take to find their way
_PAIR = 2  # of them at least are trained side by side: one may fail
_MANY = 4  # outputs that together tell so much of each neuron that shallow students need to be less wide
_LITTLE = 0.25  # of the excess width is enough for them
_MOST_WORK = 2e12  # floating-point operations of a training step at the first width
_CREEP, _ROUGH_CREEP = 1e-10, 1e-6  # see LMOptions.creep; the second for students that are too large for exact steps
_PRUNE = LMOptions(steps=100, patience=20)
_PRUNE_ROUGHLY = LMOptions(steps=12)  # inexact steps make up for a superfluous neuron soon, for a true one never
_PRUNE_QUICKLY = LMOptions(steps=12, patience=4, damping=_NEAR)  # the same on chosen queries
_PRUNED_ROUGHLY = LMOptions(steps=60)
_PRUNED_ON = 3  # answers for each parameter of a student that is pruned quickly


@dataclasses.dataclass(frozen=True)
class Students:
    """The students of all waves.

    Attributes:
        networks: those that reached the noise floor, also on held-out samples, smallest first;
            where none did, the best one; with the option ``keep="all"`` followed by all others.
        losses: their relative losses.
        at_floor: how many reached the floor.
        all_losses: relative loss of every student trained, in the order of training, before it was pruned.
        overfitted: how many reached the floor on their samples but not on held-out ones.
        tried: students that could be trained at all (0: too few samples for the smallest width).
        samples: training samples they have used.
        extra: chosen inputs that joined them, ``(samples, inputs)``.
        all_steps: steps of every student trained, those of pruning not counted.
        all_pruned: relative loss of every student trained, after it was pruned.
        curves: steps and relative losses of every student while it was trained, thinned, ``(students, points, 2)``; NaN
            after its last. A smooth path before is not in them.
        floor: relative loss at or below which one of them counts as having reached the noise floor; above the source's
            where they are trained roughly.
        out_of_budget: whether wider ones were not trained because the query budget has too few answers for them.
    """

    networks: tuple[Network, ...]
    losses: np.ndarray
    at_floor: int
    all_losses: np.ndarray
    overfitted: int
    tried: int
    samples: int = 0
    extra: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))
    all_steps: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.int64))
    all_pruned: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    curves: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0, 2)))
    floor: float = 0.0
    out_of_budget: bool = False

    @property
    def best_loss(self) -> float:
        """Smallest relative loss of all students; infinite where none was trained."""
        return float(self.losses.min(initial=np.inf))


def expand(source: Source, activation: Activation, hidden_layers: int, rows: RowSpace, options: RecoverOptions,
           seed: int, progress: Progress = silent) -> Students:
    """Train students until enough of them have reached the noise floor (paper, section 4, step 1).

    Args:
        source: where samples come from.
        activation: of the hidden layers.
        hidden_layers: how many.
        rows: the row space of the first layer, whose dimension is where the width search starts.
        options: widths, waves and their students; samples for each parameter.
        seed: of the students' first weights.
        progress: told of every wave.
    """
    waves = options.expand
    pool = _Pool(source, activation, waves, progress, keep_all=waves.keep == "all", least=rows.rank or 1)
    deep = hidden_layers > 1  # shallow students get there without the smooth path
    sizes: tuple[int, ...] = ()
    out_of_budget = dear = False
    widths = widths_for(waves, rows.rank, hidden_layers, source.teacher.outputs, pool.inputs)
    for wave, width in enumerate(widths):
        sizes = (pool.inputs, *[width] * hidden_layers, source.teacher.outputs)
        exact = exact_steps(sizes, waves)
        if dear and exact:
            continue
        samples = samples_for(source, sizes, waves)
        if not _affordable(samples, sizes, waves, wave, activation):
            dear = exact and _enough(samples, sizes)
            if dear:  # wider ones may go without J'J, which is cheaper
                continue
            out_of_budget = source.given is None and not _enough(samples, sizes)
            break
        best = pool.add(sizes, samples, seed + wave, smooth_path=deep)
        if not pool.floor_networks and deep and best < _PROMISING:  # another wave costs far less than wider students
            pool.add(sizes, samples, seed + 500 + wave, smooth_path=deep)
        if pool.floor_networks:
            break
    for wave in range(waves.waves):
        found = len(pool.floor_networks)
        if not found or pool.agreeing() >= waves.enough or found >= _IN_VAIN * waves.enough:
            break
        # The width at which the search succeeded: narrower students are faster, but rarely reach the floor.
        samples = samples_for(source, sizes, waves)
        pool.add(sizes, samples, seed + 1000 + wave, smooth_path=deep and wave % 4 < 3)
        if len(pool.floor_networks) == found and wave % 2 == 1:
            wider = (sizes[0], *(math.ceil(1.5 * h) for h in sizes[1:-1]), sizes[-1])
            sizes = wider if _enough(samples_for(source, wider, waves), wider) else sizes
    return dataclasses.replace(pool.students(), out_of_budget=out_of_budget)


def quick_look(source: Source, activation: Activation, hidden_layers: int, place: int, rows: RowSpace,
               options: RecoverOptions, seed: int) -> Students | None:
    """One wave of students of the width at ``place`` in the width search; ``None`` where it would not be trained."""
    waves = options.expand
    pool = _Pool(source, activation, waves, silent, keep_all=False, least=rows.rank or 1, smallest_wanted=True)
    widths = widths_for(waves, rows.rank, hidden_layers, source.teacher.outputs, pool.inputs)
    if place >= len(widths):
        return None
    sizes = (pool.inputs, *[widths[place]] * hidden_layers, source.teacher.outputs)
    samples = samples_for(source, sizes, waves)
    if not _affordable(samples, sizes, waves, place, activation):
        return None
    pool.add(sizes, samples, seed + place, smooth_path=hidden_layers > 1)
    return pool.students()


def exact_steps(sizes: Sequence[int], options: ExpandOptions) -> bool:
    """Whether students of ``sizes`` are trained by exact steps, with their matrix J'J."""
    return fits(sizes, _exact_trainer(options.trainers))


def _exact_trainer(trainers: Sequence[TrainerOptions]) -> LMOptions:
    return next((t for t in trainers if isinstance(t, LMOptions)), LMOptions())


def samples_for(source: Source, sizes: Sequence[int], options: ExpandOptions) -> Samples:
    """Training samples for students of ``sizes``: so many answers for each parameter, if there are so many.

    Students that are too large for exact steps are shown all given inputs, which are free; of chosen ones so many for
    each of their directions, too: many outputs tell much of each weight, but not where to look for it.

    Such students are trained to a floor of 1e-8, or 1e-5, see ``_missing_are_found``: their neurons can be told apart
    from there on, and the merged network, which is smaller, is taken to the teacher's.
    """
    source.held_out(_HELD_OUT)  # first, so that a small budget cannot leave it out
    queries = source.options
    wanted = math.ceil(queries.per_parameter * parameter_count(sizes) / sizes[-1])
    exact = exact_steps(sizes, options)
    if not exact:
        wanted = max(wanted, _PER_INPUT * sizes[0]) if source.given is None else source.useful
    samples = source.samples(max(queries.least_samples, wanted))
    if exact:
        return samples
    rough = _ROUGH_GIVEN if _missing_are_found(source, sizes, options) else _ROUGH
    return dataclasses.replace(samples, floor=max(samples.floor, rough))


def _missing_are_found(source: Source, sizes: Sequence[int], options: ExpandOptions) -> bool:
    """Whether students are left that still lack neurons, or have made some up: large shallow ones of given inputs.

    Their superfluous neurons do not agree, and need not be pruned. What they learn last are neurons that are linear for
    most inputs, which are found later: see reconstruct/rare.py and tails.py.
    """
    return source.given is not None and len(sizes) == 3 and not exact_steps(sizes, options)


def _enough(samples: Samples, sizes: Sequence[int]) -> bool:
    """Whether there are clearly more answers than parameters."""
    return samples.answers >= 1.2 * parameter_count(sizes)


def _affordable(samples: Samples, sizes: Sequence[int], options: ExpandOptions, failed: int, activation: Activation
                ) -> bool:
    """Whether students of ``sizes`` are trained after so many widths have failed.

    Smooth students of a wrong shape creep close to the floor at any width, and ever wider ones take ever longer.
    """
    if not exact_steps(sizes, options):  # as much for every width, the narrowest are cheap
        return _enough(samples, sizes) and matrix_free_work(sizes, len(samples.x)) <= _MOST_INEXACT
    if failed == 0:
        most = _MOST_WORK
    elif failed == 1 or activation.negative_slope is not None:
        most = options.effort
    else:
        most = options.effort / 10
    return _enough(samples, sizes) and step_work(sizes, len(samples.x)) <= most


def train_wave(population: Population, samples: Samples, activation: Activation, trainers: Sequence[TrainerOptions], *,
               seed: int = 0, smooth_path: bool = False, hopeful: float = np.inf) -> TrainedPopulation:
    """Train one wave; a kinked activation may be reached along its smooth stand-ins; ``hopeful`` as for ``train``."""
    if smooth_path and activation.negative_slope is not None:
        short = dataclasses.replace(_exact_trainer(trainers), steps=60)
        for sharpness in _SHARPNESS:
            population = levenberg_marquardt(population, samples, activation, short, sharpness=sharpness).population
    return train(population, samples, activation, trainers, seed=seed, hopeful=hopeful)


def clustered_unpruned(activation: Activation, sizes: Sequence[int]) -> bool:
    """Whether students at the floor are clustered without being pruned.

    A shallow student of kinked neurons has every kink of the teacher: its other neurons make up linear maps
    together, cannot go one by one, and do not cluster.
    """
    return activation.negative_slope is not None and len(sizes) == 3


def widths_for(options: ExpandOptions, rank: int | None, hidden_layers: int, outputs: int, inputs: int) -> list[int]:
    """Hidden widths tried one after the other; where the first layer's rank is known it says where to start.

    Where even the narrowest students are too large for exact steps, narrow ones are left out.
    """
    if rank is None:
        large = not exact_steps((inputs, *[options.widths[0]] * hidden_layers, outputs), options)
        return [w for w in options.widths if not large or w >= _NARROWEST] or list(options.widths)
    narrow, wide = (max(math.ceil((1.0 + share * (options.rho - 1.0)) * rank), rank + 2) for share in (_LITTLE, 1.0))
    # Deep students that are trained by exact steps reach the floor seldom unless they are wide.
    little = hidden_layers == 1 or not exact_steps((inputs, *[narrow] * hidden_layers, outputs), options)
    first = narrow if little and outputs >= _MANY else wide
    return [first, *(w for w in options.widths if w >= 1.5 * first)]


class _Pool:
    """Students that reached the floor so far, and the losses of all."""

    def __init__(self, source: Source, activation: Activation, options: ExpandOptions, progress: Progress, *,
                 keep_all: bool, least: int, smallest_wanted: bool = False) -> None:
        self.source, self.activation, self.options, self.progress = source, activation, options, progress
        self.keep_all, self.least, self.smallest_wanted = keep_all, least, smallest_wanted
        self.floor_networks: list[Network] = []
        self.floor_losses: list[float] = []
        self.others: list[tuple[Network, float]] = []  # above the floor, or at it on their samples only
        self.losses: list[float] = []
        self.steps: list[int] = []
        self.pruned: list[float] = []
        self.curves: list[np.ndarray] = []
        self.overfitted = 0
        self.floor = source.floor

    @property
    def inputs(self) -> int:
        return self.source.coordinates.size

    def add(self, sizes: tuple[int, ...], samples: Samples, seed: int, *, smooth_path: bool) -> float:
        """Train a wave of students of ``sizes``, prune them, keep those at the floor; returns the best loss."""
        options, exact = self.options, exact_steps(sizes, self.options)
        students, self.floor = options.students, max(self.floor, samples.floor)
        if not exact:
            students = min(students, _PAIR)
        elif parameter_count(sizes) > _LARGE and not self.keep_all:  # no more than are still needed
            students = min(students, max(_PAIR, options.enough - len(self.floor_networks)))
        trainers = self._trainers(sizes)
        batches = trainers[0] is _FROM_AFAR[0]  # they find kinks without a smooth path
        wave = train_wave(random_population(sizes, students, seed), samples, self.activation, trainers, seed=seed,
                          smooth_path=smooth_path and not batches,
                          hopeful=_HOPEFUL if batches and self.source.given is not None else np.inf)
        store_now()
        self.losses.extend(wave.loss.tolist())
        self.steps.extend(wave.steps.tolist())
        self.curves.extend(wave.curves)
        networks, losses = self._prune(wave, samples)
        self.pruned.extend(losses.tolist())
        # Where a student's superfluous kinks lie tells nothing, and they may lie among the held-out samples.
        # And the answers to given inputs may depend on what the others do not determine.
        lenient = self._as_they_are(sizes) or self.source.given is not None
        strays = self._keep(networks, losses, samples, share=_MOST if lenient else 1.0)
        usual = len(strays) > len(self.floor_networks)  # or another start is cheaper
        if (usual and not self.keep_all and len(self.floor_networks) < options.enough
                and self.source.available >= _MORE * len(samples.x)):
            # They imitate on these samples only, where a kink is never seen: show them more.
            self.overfitted -= len(strays)
            samples = self.source.samples(_MORE * len(samples.x))
            wave = train(stack(strays, sizes), samples, self.activation, options.trainers, seed=seed)
            # What is left is met so seldom that a look at single inputs must settle it: see challenge.py.
            self._keep(*self._prune(wave, samples), samples, share=_MOST)
        store_now()
        self.progress(Event("expand", f"wave of {students} students {'-'.join(map(str, sizes))}"
                            f"{'' if exact else ' (inexact steps)'}: best loss "
                            f"{losses.min():.1e}, at the noise floor so far {len(self.floor_networks)}",
                            {"best_loss": float(losses.min()), "at_floor": len(self.floor_networks),
                             "exact_steps": float(exact)}))
        return float(losses.min())

    def _as_they_are(self, sizes: tuple[int, ...]) -> bool:
        unpruned = clustered_unpruned(self.activation, sizes) or _missing_are_found(self.source, sizes, self.options)
        return unpruned and not self.smallest_wanted

    def _trainers(self, sizes: tuple[int, ...]) -> tuple[TrainerOptions, ...]:
        """The trainers; Levenberg-Marquardt leaves to pruning what only pruning mends.

        Inexact steps from random weights creep where mini-batches do not; a pass of these takes 1% of such a step.
        """
        exact = exact_steps(sizes, self.options)
        creep = _CREEP if exact or self._as_they_are(sizes) else _ROUGH_CREEP
        trainers = tuple(dataclasses.replace(t, creep=creep) if self.options.prune and isinstance(t, LMOptions)
                         and t.creep is None else t for t in self.options.trainers)
        if exact or not isinstance(trainers[0], LMOptions):
            return trainers
        if self.source.given is None:
            trainers = (dataclasses.replace(trainers[0], damping=min(trainers[0].damping, _NEAR)), *trainers[1:])
        return (*_FROM_AFAR, *trainers)

    def _prune(self, wave: TrainedPopulation, samples: Samples) -> tuple[list[Network], np.ndarray]:
        if not self.options.prune:
            return [wave.population.network(s, self.activation) for s in range(wave.population.students)], wave.loss
        sizes = wave.population.sizes
        exact, pruned_on = exact_steps(sizes, self.options), samples
        quick = not exact and self.source.given is None
        if quick and samples.floor <= _ROUGH:  # of few samples noise would be learnt
            few = _PRUNED_ON * parameter_count(sizes) / sizes[-1]
            pruned_on = samples.take(np.arange(len(samples.x)) < few)

        def train_on(how: LMOptions, population: Population, data: Samples) -> TrainedPopulation:
            how = dataclasses.replace(how, largest_matrix=_exact_trainer(self.options.trainers).largest_matrix)
            return levenberg_marquardt(population, data, self.activation, how)

        trainer = functools.partial(train_on, _PRUNE if exact else _PRUNE_QUICKLY if quick else _PRUNE_ROUGHLY)
        networks, losses = prune(
            wave, pruned_on, self.activation, trainer, self.least,
            skip=wave.loss <= samples.floor if self._as_they_are(sizes) else None,
            most_tries=1 if quick else 3)  # a few superfluous neurons that are left do not agree
        if pruned_on is not samples:
            losses = np.array([samples.relative_loss(network(samples.x)) for network in networks])
        near = [] if exact else [s for s in range(len(losses)) if samples.floor < losses[s] <= _ROUGH_CREEP]
        if near:
            trained = train_on(_PRUNED_ROUGHLY, stack([networks[s] for s in near]), samples)
            for place, s in enumerate(near):
                networks[s], losses[s] = trained.population.network(place, self.activation), trained.loss[place]
        return networks, losses

    def _keep(self, networks: list[Network], losses: np.ndarray, samples: Samples, share: float = 1.0
              ) -> list[Network]:
        """Keep the students at the floor; returns those that are there on their own samples only.

        A student must be right on this ``share`` of the held-out samples.
        """
        strays = []
        for network, loss in zip(networks, losses.tolist(), strict=True):
            if loss <= samples.floor and self._right_share(network, samples.floor) >= share:
                self.floor_networks.append(network)
                self.floor_losses.append(loss)
                continue
            if loss <= samples.floor:
                strays.append(network)
            self.others.append((network, loss))
            if not self.keep_all:
                self.others = [min(self.others, key=lambda pair: pair[1])]
        self.overfitted += len(strays)
        return strays

    def _right_share(self, network: Network, floor: float) -> float:
        held_out = self.source.held_out(_HELD_OUT)
        error = np.sum((network(held_out.x) - held_out.y) ** 2, axis=1)
        unit = held_out.total_variance / len(error) or 1.0
        return float(np.mean(error <= 1e5 * max(floor, 1e-26) * unit))

    def smallest(self) -> tuple[int, ...]:
        """Hidden sizes of the smallest student at the floor."""
        return min((n.hidden_sizes for n in self.floor_networks), key=lambda h: (sum(h), h))

    def agreeing(self) -> int:
        """Students at the floor of the smallest size; all of them where kinked neurons make up linear maps together.

        Those are not pruned, or pruned to sizes of no meaning: clustering tells which neurons are the teacher's. So it
        does of students that were trained and pruned roughly.
        """
        rough = any(not exact_steps(n.sizes, self.options) for n in self.floor_networks)
        if rough or self.activation.negative_slope is not None:
            return len(self.floor_networks)
        return Counter(n.hidden_sizes for n in self.floor_networks)[self.smallest()]

    def students(self) -> Students:
        pairs = sorted(zip(self.floor_networks, self.floor_losses, strict=True),
                       key=lambda pair: (pair[0].parameters, pair[1]))
        at_floor = len(pairs)
        if self.keep_all or not pairs:
            pairs += sorted(self.others, key=lambda pair: pair[1])
        return Students(tuple(n for n, _ in pairs), np.array([loss for _, loss in pairs]), at_floor,
                        np.array(self.losses), self.overfitted, len(self.losses), self.source.drawn,
                        self.source.extra, np.array(self.steps, np.int64), np.array(self.pruned), padded(self.curves),
                        self.floor)
