"""Certify: held-out loss against the noise floor, error bars, undetermined parameters, verdict."""

from __future__ import annotations

import dataclasses

import numpy as np

from expandcluster.error_bars import Determined, determined, error_bars, names_of_undetermined
from expandcluster.error_bars_large import determined_large, large_error_bars
from expandcluster.error_bars_sampled import determined_by_few, determined_sampled
from expandcluster.expand.expand import Students
from expandcluster.expand.levenberg_marquardt import fits
from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.open_kinks import explained_by_open_kinks
from expandcluster.queries.coordinates import Coordinates
from expandcluster.queries.probe import Probe
from expandcluster.queries.source import Source
from expandcluster.reconstruct.fine_tune import samples_to_tune
from expandcluster.reconstruct.layers import Reconstruction
from expandcluster.reconstruct.lift import Lift
from expandcluster.reconstruct.polish import may_polish
from expandcluster.reconstruct.set_aside import unexplained
from expandcluster.results import Certificate, Verdict
from expandcluster.symmetry_moves import unit_norm

__all__ = ["certify", "judge"]

_SURE = 5.0  # standard deviations that must fit into the tolerance
_DRAWS, _UNLUCKY, _MOST_EXPLAINED = 4, 10.0, 1e-6  # of errors of lifted weights: what they may explain
_LARGE = 3000  # parameters of a network behind given inputs whose Jacobian is not decomposed
_VERY_LARGE = 8192  # parameters from which J'J of chosen queries takes longer than samples of what it tells
_LASTING = 0.05  # spread of an input, over the largest, that makes its weights part of a neuron's norm
_FEW = 0.05  # of the answers, at most, may be wrong since a neuron is off there
_CHECK, _FAR = 600, 200  # held-out samples where students learn, and far from there


def certify(lifted: Lift, network: Network | None, reconstruction: Reconstruction, students: Students, source: Source,
            probe: Probe) -> Certificate | None:
    """Gather the evidence for a network.

    Args:
        lifted: the network on the teacher's inputs.
        network: the same on the students' coordinates.
        reconstruction: the clusters it came from.
        students: all students.
        source: gives held-out samples.
        probe: the teacher's precision.
    """
    if network is None or lifted.network is None:
        return None
    samples = source.samples(samples_to_tune(network, source))
    aside = unexplained(network, samples) if source.given is not None else np.zeros(len(samples.x), bool)
    doubtful, samples = samples.take(aside), samples.take(~aside)
    lasting = None if source.given is None else _lasting(samples.x, source.coordinates)
    noise = 0.0 if probe.random else probe.noise  # the size of random noise shows in the residuals
    given = source.given is not None
    # Without its Jacobian: of images sooner, which would have hundreds of thousands of rows.
    large = not lifted.tuned and (network.parameters > _LARGE if given else not fits(network.sizes))
    known = _determined_of_large(network, samples, noise, given=given) if large else None
    if lifted.bars.size:
        own = Coordinates(np.zeros(network.sizes[0]), np.ones(network.sizes[0]))  # of the slice, as they are
        in_slice = large_error_bars(known, own) if known else error_bars(determined(network, samples, noise))
        bars = _lifted_bars(lifted, network, in_slice, source.coordinates.center)
    elif known:
        bars = large_error_bars(known, source.coordinates, lasting)
    else:
        samples = source.full(lifted.tuned) if lifted.tuned else _outside(samples, source.coordinates)
        doubtful = _outside(doubtful, source.coordinates)
        known = determined(lifted.network, samples, noise, checked=given)
        bars = error_bars(known, lasting)
    largest = max(float(np.nanmax(b, initial=0.0)) for b in bars)
    size = max(float(np.abs(p).max()) for p in (*lifted.network.weights, *lifted.network.biases))
    support = min(int(layer.support.min()) for layer in reconstruction.layers)
    if network.hidden_sizes[-1] > len(reconstruction.layers[-1].support):  # neurons that no student has
        support = 0
    unjudged = 0
    if given and known is not None:
        held_out = source.check(_CHECK)
        if large:
            held_out = Samples(source.coordinates.inside(held_out.x), held_out.y, held_out.floor)
        loss, explained, unjudged = _given_loss(known, _joined(held_out, doubtful))
    else:
        loss = _held_out_loss(lifted.network, network, source)
        explained = _explained(lifted, network, source, probe) if lifted.bars.size else 0.0
    return Certificate(loss, probe.noise_floor, bars, largest / size, names_of_undetermined(bars), support,
                       students.at_floor, explained, unjudged)


def _determined_of_large(network: Network, samples: Samples, noise: float, *, given: bool) -> Determined:
    """From the quickest that tells: draws from few samples, J'J where it fits, draws from all."""
    few = determined_by_few(network, samples, noise) if not given and network.parameters > _VERY_LARGE else None
    if few is not None:
        return few
    tell = determined_large if may_polish(network) else determined_sampled
    return tell(network, samples, noise, checked=given)


def _outside(samples: Samples, where: Coordinates) -> Samples:
    return Samples(where.outside(samples.x), samples.y)


def _joined(samples: Samples, others: Samples) -> Samples:
    return dataclasses.replace(samples, x=np.concatenate([samples.x, others.x]),
                               y=np.concatenate([samples.y, others.y]))


def _lasting(x: np.ndarray, where: Coordinates) -> np.ndarray:
    """Which of the teacher's inputs vary enough for their weights to be known, if any are; ``x`` in coordinates."""
    spread = (where.outside(x) / where.unit).std(axis=0)
    return spread >= _LASTING * spread.max()


def _explained(lifted: Lift, network: Network, source: Source, probe: Probe) -> float:
    """Relative loss that the errors of the lifted weights explain; none unless the slice is imitated to the floor.

    A network whose answers have few digits is known less well outside the slice, where single answers say how
    large each weight is, than inside, where all of them do.
    """
    assert lifted.network is not None
    inside = source.held_out(_CHECK)
    if not len(inside.x) or inside.relative_loss(network(inside.x)) > probe.allowed:
        return 0.0
    first, bias = lifted.network.weights[0], lifted.network.biases[0]
    rng, worst = np.random.default_rng(0), 0.0
    for samples in (source.check(_CHECK), source.far(_FAR)):
        if not len(samples.x):
            continue
        answers, changes = lifted.network(samples.x), []
        for _ in range(_DRAWS):
            move = np.nan_to_num(lifted.bars) * rng.normal(size=first.shape)
            moved = Network((first + move, *lifted.network.weights[1:]),
                            (bias - move @ source.coordinates.center, *lifted.network.biases[1:]), network.activation)
            changes.append(np.sum((moved(samples.x) - answers) ** 2))
        worst = max(worst, float(np.mean(changes)) / (samples.total_variance or 1.0))
    return worst


def _given_loss(known: Determined, samples: Samples) -> tuple[float, float, int]:
    """Relative loss on given inputs that were held out or set aside, what error bars explain of it, and how many of
    them tell nothing.

    The answer to an image with a pixel that no other uses depends on weights that nothing determines. Of an image whose
    answer is wrong that may also be so where a neuron is off; as long as there are few.
    """
    can_tell, expected = known.of_answers(samples.x)
    at = np.flatnonzero(can_tell)
    open_ = explained_by_open_kinks(known, samples.x[at], samples.y[at] - known.network(samples.x[at]))
    if np.count_nonzero(open_) <= _FEW * len(samples.x):
        can_tell[at[open_]] = False
    told = Samples(samples.x[can_tell], samples.y[can_tell], samples.floor)
    if not len(told.x):
        return np.inf, 0.0, len(can_tell)
    return (told.relative_loss(known.network(told.x)), float(expected[can_tell].sum()) / (told.total_variance or 1.0),
            len(can_tell) - len(told.x))


def _held_out_loss(lifted: Network, network: Network, source: Source) -> float:
    """The larger relative loss of those near and far from where students learn; infinite where nothing is held out."""
    asked = [(lifted, source.check(_CHECK)), (lifted, source.far(_FAR))]
    if not len(asked[0][1].x):  # the budget is spent
        asked.append((network, source.held_out(_CHECK)))
    least = max(source.floor, 1e-300)  # far samples may have another floor
    return max((one.relative_loss(which(one.x)) * least / max(one.floor, least) for which, one in asked if len(one.x)),
               default=np.inf)


def _lifted_bars(lifted: Lift, network: Network, bars: tuple[np.ndarray, ...], center: np.ndarray
                 ) -> tuple[np.ndarray, ...]:
    """Error bars of a lifted network in canonical form.

    Weights of the first layer have those that the lift found for them; none where the neuron itself is
    undetermined. All others have those of the slice, multiplied by what lies between the canonical
    forms of both networks. The first biases also bear the errors of ``W center``; where canonical neurons have weights
    of norm 1, those of the norm are borne by the biases and by the weights of the second layer.
    """
    assert lifted.network is not None
    raw, canonical, there = lifted.network, unit_norm(lifted.network), unit_norm(network)
    scale, scale_there = (np.linalg.norm(form.weights[0], axis=1) / np.linalg.norm(plain.weights[0], axis=1)
                          for form, plain in ((canonical, raw), (there, network)))
    first = lifted.bars * scale[:, None]
    first[np.isnan(bars[0]).any(axis=1)] = np.nan
    bias = np.hypot(bars[1] * scale / scale_there, np.sqrt(np.nansum((first * center) ** 2, axis=1)))
    norm = np.zeros(len(bias))  # relative error of each neuron's norm
    if raw.activation.symmetry.homogeneous:
        norm = np.sqrt(np.nansum((canonical.weights[0] * first) ** 2, axis=1))
    moved = [first, np.hypot(bias, canonical.biases[0] * norm)]
    for i in range(1, len(raw.weights)):
        pairs = (canonical.weights[i], there.weights[i]), (canonical.biases[i], there.biases[i])
        for bar, (new, old) in zip(bars[2 * i : 2 * i + 2], pairs, strict=True):
            moved.append(bar * np.where(old == 0, 1.0, np.abs(new) / np.where(old == 0, 1.0, np.abs(old))))
    moved[2] = np.hypot(moved[2], canonical.weights[1] * norm)
    return tuple(moved)


def judge(certificate: Certificate | None, students: Students, probe: Probe, *, enough: int) -> Verdict:
    """The verdict that the evidence supports; doubt is never decided in favour of exact."""
    explained = min(_UNLUCKY * certificate.explained, _MOST_EXPLAINED) if certificate else 0.0
    if certificate is None or not certificate.relative_loss <= max(probe.allowed, explained):
        too_few = (students.overfitted > students.at_floor or students.tried == 0 or students.at_floor > 0
                   or students.out_of_budget)
        return Verdict.TOO_FEW_QUERIES if too_few else Verdict.CANNOT_IMITATE
    if certificate.undetermined:
        return Verdict.UNDETERMINED
    if certificate.support < min(enough, 3):
        return Verdict.FEW_STUDENTS
    if probe.changing or not _SURE * certificate.largest_error_bar <= probe.tolerance:
        return Verdict.IMPRECISE
    return Verdict.EXACT
