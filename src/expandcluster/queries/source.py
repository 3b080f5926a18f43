"""Where samples come from: a teacher that may be asked, or a table of answers."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from expandcluster.errors import BadInput
from expandcluster.expand.population import Samples
from expandcluster.options import QueryOptions
from expandcluster.queries.answers import Answers
from expandcluster.queries.box_slice import BoxSlice
from expandcluster.queries.coordinates import Coordinates
from expandcluster.queries.domain import Region
from expandcluster.queries.ledger import Ledger
from expandcluster.queries.samplers import Around, open_sampler
from expandcluster.teachers.base import Teacher
from expandcluster.teachers.links import Link
from expandcluster.teachers.table import TableTeacher

__all__ = ["ABOVE_NOISE", "Source", "open_source"]

_BLOCK = 384  # rows drawn from one seed, so that a row does not depend on how many are drawn with it
_MOST_UNUSABLE = 50  # inputs asked for each that can be used
_USEFUL = 100_000  # given inputs beyond which more only take time
_STREAMS = ("train", "held out", "check", "far", "open")
ABOVE_NOISE = 30.0  # floor of a loss over the squared noise
_WIDE = 3.0  # so many times as far out are a third of some streams
_REACH = (3.0, 3.0, 3.0, 10.0)  # or so many, in turn, where rare kinks are looked for
_FAR, _FARTHEST = 10.0, 30.0  # and so many times are far samples, of smooth activations and of kinked ones
_DIGITS = 1e-12  # relative noise of answers in which what is near is not lost beside what is far


class Source:
    """A seeded stream of queries of one teacher, all of them inside the domain.

    After :meth:`keep_to` training and held-out inputs lie in a slice of the domain: a student on
    coordinates there can imitate exactly, however little of the first layer's weights the slice misses.

    Attributes:
        region: which inputs may be asked.
        sampler: draws them.
        coordinates: those of the students.
        inputs: the only rows ``(samples, inputs)`` that may be asked, if the user gave some.
        floor: relative loss at which a student imitates as well as the teacher's precision allows.
        drawn: training samples that students have used.
        extra: chosen inputs that join the samples ``(samples, inputs)``.

    Args:
        teacher: whom to ask.
        options: domain, sampler, scale of the inputs and budget.
        seed: of the stream.
        inputs: rows to ask, or to ask around, instead of drawn ones.
        answers: where answers are kept; see :class:`Ledger`.
        wide: draw a third of the inputs three times as far out, where the kinks of piecewise-linear
            neurons are met that are seldom met near the origin.
    """

    chosen = True

    def __init__(self, teacher: Teacher, options: QueryOptions, seed: int, inputs: np.ndarray | None = None,
                 answers: Answers | None = None, wide: bool = False) -> None:
        self.teacher, self.options, self.wide = teacher, options, wide
        self.region = Region.of(options.domain, teacher.inputs, teacher.dtype)
        self._allowed = Region.of(options.domain, teacher.inputs, np.float64)  # given rows are asked as they are
        self.sampler = open_sampler(options, self.region, inputs)
        self.inputs = None if options.sampler == "around" else inputs
        self.coordinates = self._unreduced()
        self._box_slice: BoxSlice | None = None
        self.ledger = Ledger(teacher, options.max_queries, answers)
        self.link = Link()
        self.floor = 0.0
        self._precise = False
        self.drawn = 0
        self.extra = np.zeros((0, teacher.inputs))
        self._seed = seed
        self._extra_answers = np.zeros((0, teacher.outputs))
        self._streams: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._at: dict[str, int] = {}  # rows of each stream that were asked

    @property
    def queries(self) -> int:
        """How many inputs were asked."""
        return self.ledger.queries

    @property
    def available(self) -> int:
        """How many more inputs may be asked."""
        return self.ledger.available

    @property
    def useful(self) -> int:
        """How many of the given inputs are used to train large students and to fine-tune."""
        return 0 if self.given is None else min(len(self.given), _USEFUL)

    @property
    def given(self) -> np.ndarray | None:
        """The only inputs ``(rows, inputs)`` there are answers to; ``None`` where inputs may be chosen."""
        return self.inputs

    def _unreduced(self) -> Coordinates:
        return self._of_given or Coordinates(self.sampler.center, self.sampler.unit)

    @functools.cached_property
    def _of_given(self) -> Coordinates | None:
        return None if self.given is None else Coordinates.of_rows(self.given)

    @property
    def basis(self) -> np.ndarray | None:
        """Orthonormal columns ``(inputs, rank)`` in units of the sampler, if training keeps to a subspace."""
        return self.coordinates.basis

    def keep_to(self, basis: np.ndarray | None, start: np.ndarray | None = None, floor: float = 0.0) -> None:
        """Train in a slice from now on.

        Args:
            basis: that it spans: orthonormal columns ``(inputs, rank)`` in units of the sampler; ``None`` for none.
            start: in a box, an input ``(inputs,)`` to lie near; its middle where there is none.
            floor: of the loss in the slice, if it is higher there.
        """
        self.floor = max(self.floor, floor)
        center = self.sampler.center
        self._box_slice = None
        self.coordinates = self._unreduced() if basis is None else Coordinates(center, self.sampler.unit, basis)
        if basis is not None and self.region.bounded:
            self._box_slice = BoxSlice.around(center if start is None else start, self.sampler, basis)
            self.coordinates = self._box_slice.coordinates(self.sampler.unit)

    def learn(self, floor: float, noise: float, sees: str) -> None:
        """Take over what the probe found: the floor of the loss, the noise, and the type in which inputs are seen."""
        self.floor, self._precise = floor, noise <= _DIGITS
        self.sees(sees)

    def sees(self, dtype: np.dtype | type | str) -> None:
        """The teacher sees its inputs in ``dtype`` only: ask what it can tell apart."""
        self.region = Region.of(self.options.domain, self.teacher.inputs, dtype)
        self.sampler = dataclasses.replace(self.sampler, region=self.region)

    def ask(self, x: np.ndarray, *, again: int = 0) -> np.ndarray:
        """What the network behind the link puts out, see :meth:`answers`; NaN in rows that cannot be used."""
        return self.link.undo(self.answers(x, again=again))

    def answers(self, x: np.ndarray, *, again: int = 0) -> np.ndarray:
        """The teacher's own answers, see :meth:`Ledger.ask`.

        Raises:
            RuntimeError: an input outside the domain, which is an error of this package.
        """
        if not self._allowed.contains(x):
            raise RuntimeError("an input outside the domain was about to be asked; please report this")
        return self.ledger.ask(x, again=again)

    def use(self, link: Link) -> None:
        """From now on take the answers before this link, and draw the inputs in as it says."""
        self.link = link
        self.sampler = self.sampler.scaled(link.shrink)
        self.coordinates = self._unreduced()

    def pilot(self, count: int) -> np.ndarray:
        """The first inputs ``(at most count, inputs)`` ever asked, the same for every seed."""
        if self.inputs is not None:
            return self.inputs[:count]
        return self.region.nearest(self.sampler.draw(np.random.default_rng(0), count))

    def samples(self, count: int) -> Samples:
        """The first ``count`` training samples in coordinates (fewer where the budget or a table ends)."""
        samples = self._stream("train", count)
        self.drawn = max(self.drawn, len(samples.x))
        return self._in_coordinates(self._with_extra(samples))

    def held_out(self, count: int) -> Samples:
        """Samples in coordinates that no student is trained on."""
        return self._in_coordinates(self._stream("held out", count))

    def full(self, count: int) -> Samples:
        """Training samples in the teacher's input space: at least ``count``, or so many outside the slice as well."""
        if self.basis is None or self.given is not None:
            return self._with_extra(self._stream("train", max(count, self.drawn)))
        inside, outside = self._with_extra(self._stream("train", self.drawn)), self.outside(count)
        return Samples(np.concatenate([inside.x, outside.x]), np.concatenate([inside.y, outside.y]), self.floor)

    def outside(self, count: int) -> Samples:
        """Samples ``(at most count, inputs)`` that lie anywhere, in the teacher's input space."""
        return self._stream("open", count)

    def in_slice(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Inputs ``(count, inputs)`` that may be asked, in the slice that students are trained in.

        A third of them lie further out where kinks may be met there only.
        """
        x = self.sampler.draw(rng, count)
        return self._placed(self.widened(x, 3, self.reach) if self.wide else x, rng, 3 * self.wide)

    def add(self, x: np.ndarray) -> np.ndarray:
        """Answers to chosen inputs ``(samples, inputs)``, which join the samples.

        As many as the budget allows, without those that cannot be used: the last of ``extra``.
        """
        x, answers = self.usable(x[: self.ledger.affordable(x)])
        self.extra = np.concatenate([self.extra, x])
        self._extra_answers = np.concatenate([self._extra_answers, answers])
        return answers

    def restore(self, extra: np.ndarray) -> None:
        """Go on as after an earlier sitting that had chosen the inputs ``extra``."""
        self.add(extra[len(self.extra) :])

    def candidates(self, count: int, round_: int) -> np.ndarray:
        """Inputs ``(at most count, inputs)`` that may be asked: a seeded draw, half of it three times as far out."""
        rng = np.random.default_rng([self._seed, 6, round_])
        if self.inputs is not None:
            return self.inputs[rng.permutation(len(self.inputs))[:count]]
        return self._placed(self.widened(self.sampler.draw(rng, count), every=2), rng, 2)

    def check(self, count: int) -> Samples:
        """Held-out samples in the teacher's input space; a third of chosen ones lie three times as far out."""
        return self._stream("check", count)

    def far(self, count: int) -> Samples:
        """Held-out samples far from where students learn; none where inputs are given or bounded.

        A neuron that is silent wherever students are trained shows here, if anywhere. Most probabilities are
        saturated out there, and the others have few digits: fewer samples, of a floor of their own.
        """
        far = self._stream("far", count if self.inputs is None and not self.region.bounded else 0)
        noise = self.link.noise(far.y) ** 2 * far.answers / (far.total_variance or 1.0) if len(far.x) else 0.0
        return Samples(far.x, far.y, max(self.floor, ABOVE_NOISE * noise))

    def _with_extra(self, samples: Samples) -> Samples:
        if not len(self.extra):
            return samples
        return Samples(np.concatenate([samples.x, self.extra]), np.concatenate([samples.y, self._extra_answers]),
                       self.floor)

    def _in_coordinates(self, samples: Samples) -> Samples:
        return Samples(self.coordinates.inside(samples.x), samples.y, self.floor)

    def _stream(self, name: str, count: int) -> Samples:
        x, y = self._streams.get(name, (np.zeros((0, self.teacher.inputs)), np.zeros((0, self.teacher.outputs))))
        while count > len(x):
            at = self._at.get(name, 0)
            fresh = self._draw(name, at, at + count - len(x))
            fresh = fresh[: self.ledger.affordable(fresh)]
            if not len(fresh) or at > (0 if name == "far" else _MOST_UNUSABLE * count + 1000):
                break
            kept, answers = self.usable(fresh)
            x, y = np.concatenate([x, kept]), np.concatenate([y, answers])
            self._streams[name], self._at[name] = (x, y), at + len(fresh)
        return Samples(x[:count], y[:count], self.floor)

    def usable(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of the inputs ``x`` whose answers can be used, and the answers."""
        if not len(x):
            return x, np.zeros((0, self.teacher.outputs))
        y = self.ask(x)
        good = np.isfinite(y).all(axis=1)
        return (x, y) if good.all() else (x[good], y[good])

    def _draw(self, name: str, start: int, stop: int) -> np.ndarray:
        """Rows ``start`` to ``stop`` of a stream."""
        if self.inputs is not None:
            held = np.arange(len(self.inputs)) % 5 == 1
            return self.inputs[held if name in ("held out", "check") else ~held][start:stop]
        inside = self.basis is not None and name in ("train", "held out")
        blocks = []
        for block in range(start // _BLOCK, -(-stop // _BLOCK)):
            rng = np.random.default_rng([self._seed, _STREAMS.index(name), block, int(inside)])
            rows = self.sampler.draw(rng, _BLOCK)
            if name == "far":
                rows = self.widened(rows, 1, (_FARTHEST if self.wide else _FAR,))
            elif name == "check" or self.wide:
                rows = self.widened(rows, every=3)
            blocks.append(self.region.nearest(self._sliced(rows, rng, 3 * self.wide) if inside else rows))
        first = start // _BLOCK * _BLOCK
        return np.concatenate(blocks)[start - first : stop - first]

    def widened(self, x: np.ndarray, every: int, factors: tuple[float, ...] = (_WIDE,)) -> np.ndarray:
        """Every second, third, ... row moved away from the center, in turn by these factors, as far as the box goes."""
        x = x.copy()
        moved = x[::every]
        x[::every] = self.sampler.center + np.resize(factors, len(moved))[:, None] * (moved - self.sampler.center)
        return np.clip(x, self.region.low, self.region.high)

    @property
    def reach(self) -> tuple[float, ...]:
        """How far out rare kinks are looked for, as factors of :meth:`widened`.

        Further than elsewhere only where nothing bounds the inputs, and answers are so precise that what is near
        is not lost beside what is far.
        """
        far_out = self.wide and self._precise and not self.region.bounded and self.link.kind == "raw"
        return _REACH if far_out else (_WIDE,)

    def _placed(self, x: np.ndarray, rng: np.random.Generator, further: int = 0) -> np.ndarray:
        """The inputs nearest to ``x`` that may be asked; of the slice as many, if there is one, some further out."""
        return self.region.nearest(x if self.basis is None else self._sliced(x, rng, further))

    def _sliced(self, x: np.ndarray, rng: np.random.Generator, further: int) -> np.ndarray:
        """Projections of ``x`` onto the slice; in a box as many inputs of its own, every second, ... further out."""
        if self._box_slice is not None:
            return self._box_slice.draw(rng, len(x), further)
        start = self.coordinates.center
        step = self.coordinates.outside(self.coordinates.inside(x)) - start
        reach = self.region.reach(start, step)
        factor = np.where(reach < 1.0, reach * np.sqrt(rng.uniform(size=len(x))), 1.0)
        return start + step * np.where(np.isfinite(factor), factor, 1.0)[:, None]


class TableSource(Source):
    """A table of inputs and answers: nothing can be asked, a tenth is held out."""

    chosen = False

    teacher: TableTeacher

    def __init__(self, teacher: TableTeacher, options: QueryOptions, seed: int) -> None:
        super().__init__(teacher, dataclasses.replace(options, sampler="auto"), seed)
        self.sampler = Around.of(self.region, teacher.x, 0.0)
        order = np.random.default_rng([seed, 4]).permutation(len(teacher.x))
        held = max(len(order) // 10, 2)
        limit = options.max_queries or len(order)
        self._used = min(len(order), limit)
        self._rows = {"held out": order[:held], "check": order[:held], "train": order[held:limit]}

    @property
    def given(self) -> np.ndarray:
        """The inputs of the table ``(rows, inputs)``."""
        return self.teacher.x

    @property
    def queries(self) -> int:
        """Rows of the table that are used."""
        return self._used

    @property
    def available(self) -> int:
        """Nothing can be asked."""
        return 0

    def full(self, count: int) -> Samples:
        """All rows that are not held out."""
        return self._stream("train", len(self.teacher.x))

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and answers of the table, as they are, of all rows that are not held out and can be used."""
        rows = self._rows["train"]
        rows = rows[self.link.usable(self.teacher.y[rows])]
        return self.teacher.x[rows], self.teacher.y[rows]

    def far(self, count: int) -> Samples:
        """None."""
        return Samples(self.teacher.x[:0], self.teacher.y[:0], self.floor)

    def candidates(self, count: int, round_: int) -> np.ndarray:
        """Nothing may be asked."""
        return self.teacher.x[:0]

    def _stream(self, name: str, count: int) -> Samples:
        rows = self._rows[name]
        y = self.link.undo(self.teacher.y[rows])
        good = np.isfinite(y).all(axis=1)
        return Samples(self.teacher.x[rows][good][:count], y[good][:count], self.floor)


def open_source(teacher: Teacher, options: QueryOptions, seed: int, inputs: np.ndarray | None = None,
                answers: Answers | None = None, wide: bool = False) -> Source:
    """The source of samples of a teacher.

    Raises:
        BadInput: ``inputs`` do not fit the teacher or the domain, or the options each other.
    """
    if isinstance(teacher, TableTeacher):
        return TableSource(teacher, options, seed)
    if inputs is not None:
        inputs = np.asarray(inputs, dtype=np.float64)
        if inputs.ndim != 2 or inputs.shape[1] != teacher.inputs or len(inputs) < 10 or not np.isfinite(inputs).all():
            raise BadInput("inputs", got=f"an array of shape {inputs.shape}",
                           expected=f"at least 10 finite rows of {teacher.inputs} numbers",
                           remedy="Give one query in each row.")
        region = Region.of(options.domain, teacher.inputs, np.float64)
        outside = [i for i, row in enumerate(inputs) if not region.contains(row[None])]
        if outside:
            raise BadInput("inputs", got=f"{len(outside)} rows outside the domain, first row {outside[0]}",
                           expected="rows that may be asked", remedy="Leave them out, or widen the domain.")
    return Source(teacher, options, seed, inputs, answers, wide)
