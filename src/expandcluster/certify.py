"""Certify: held-out loss against the noise floor, error bars, undetermined parameters, verdict."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from expandcluster.expand.expand import Students
from expandcluster.expand.gauss_newton import flatten, unflatten
from expandcluster.expand.population import Samples
from expandcluster.identifiability import analyse
from expandcluster.networks import Network
from expandcluster.precision import in_float64
from expandcluster.queries.probe import Probe
from expandcluster.queries.source import Source
from expandcluster.reconstruct.fine_tune import samples_to_tune
from expandcluster.reconstruct.layers import Reconstruction
from expandcluster.reconstruct.lift import Lift
from expandcluster.results import Certificate, Verdict
from expandcluster.symmetry_moves import unit_norm

__all__ = ["certify", "error_bars", "judge"]

_SURE = 5.0  # standard deviations that must fit into the tolerance
_DRAWS, _UNLUCKY, _MOST_EXPLAINED = 4, 10.0, 1e-6  # of errors of lifted weights: what they may explain
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
    noise = 0.0 if probe.random else probe.noise  # the size of random noise shows in the residuals
    if lifted.bars.size:
        bars = _lifted_bars(lifted, network, error_bars(network, samples, noise)[0],
                            source.coordinates.center)
    else:
        samples = (source.full(lifted.tuned) if lifted.tuned else
                   Samples(source.coordinates.outside(samples.x), samples.y))
        bars = error_bars(lifted.network, samples, noise)[0]
    largest = max(float(np.nanmax(b, initial=0.0)) for b in bars)
    size = max(float(np.abs(p).max()) for p in (*lifted.network.weights, *lifted.network.biases))
    support = min(int(layer.support.min()) for layer in reconstruction.layers)
    loss = _held_out_loss(lifted.network, network, source)
    explained = _explained(lifted, network, source, probe) if lifted.bars.size else 0.0
    return Certificate(loss, probe.noise_floor, bars, largest / size, _names(bars), support, students.at_floor,
                       explained)


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
        too_few = students.overfitted > students.at_floor or students.tried == 0 or students.at_floor > 0
        return Verdict.TOO_FEW_QUERIES if too_few else Verdict.CANNOT_IMITATE
    if certificate.undetermined:
        return Verdict.UNDETERMINED
    if certificate.support < min(enough, 3):
        return Verdict.FEW_STUDENTS
    if probe.changing or not _SURE * certificate.largest_error_bar <= probe.tolerance:
        return Verdict.IMPRECISE
    return Verdict.EXACT


@in_float64
def error_bars(network: Network, samples: Samples,
               noise: float = 0.0) -> tuple[tuple[np.ndarray, ...], tuple[str, ...]]:
    """One standard deviation of every parameter in canonical form, from ``s^2 (J'J)^+``.

    Args:
        network: at a minimum of the loss.
        samples: queries ``(samples, inputs)`` and answers.
        noise: standard deviation of the answers' errors relative to their spread; the residuals'
            own size is taken where it is larger.

    Returns:
        Arrays shaped as ``W_1, b_1, W_2, ...``, NaN for undetermined parameters, and their names.
    """
    found = analyse(network, samples.x)
    theta, vt, null = found.theta, found.directions, found.null
    canonical = np.asarray(jax.jacfwd(functools.partial(_canonical, network))(theta)) / found.column[None, :]
    residual = network(samples.x) - samples.y
    freedom = max(residual.size - len(theta), 1)
    variance = max(float(np.sum(residual**2)) / freedom, noise**2 * samples.total_variance / samples.answers)
    inverse = np.where(null, 0.0, 1.0 / np.where(null, 1.0, found.values))
    bars = np.sqrt(variance) * np.linalg.norm(canonical @ vt.T * inverse, axis=1)
    loose = np.linalg.norm(canonical @ vt.T[:, null], axis=1) > 1e-6 * np.linalg.norm(canonical, axis=1)
    bars[loose] = np.nan
    weights, biases = unflatten(jnp.asarray(bars), network.sizes)
    arrays = tuple(np.asarray(a) for pair in zip(weights, biases, strict=True) for a in pair)
    return arrays, _names(arrays)


def _canonical(network: Network, theta: jax.Array) -> jax.Array:
    """Parameters in canonical form: unit-norm incoming weights for homogeneous activations."""
    weights, biases = unflatten(theta, network.sizes)
    if network.activation.symmetry.homogeneous:
        for i in range(len(weights) - 1):
            norm = jnp.linalg.norm(weights[i], axis=1)
            norm = jnp.where(norm > 0, norm, 1.0)
            weights[i], biases[i] = weights[i] / norm[:, None], biases[i] / norm
            weights[i + 1] = weights[i + 1] * norm[None, :]
    return flatten(weights, biases)


def _names(arrays: tuple[np.ndarray, ...]) -> tuple[str, ...]:
    names = []
    for place, array in enumerate(arrays):
        layer, kind = place // 2 + 1, "Wb"[place % 2]
        names += [f"{kind}{layer}[{','.join(map(str, at))}]" for at in np.argwhere(np.isnan(array))]
    return tuple(names)
