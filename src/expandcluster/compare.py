"""Distance of a recovered network to a known truth; the only place that may see the truth.

Both networks are brought into canonical form (unit norm for homogeneous activations). Then, from
the first hidden layer to the last, the recovered neurons are assigned to the true ones by the
distance of (w, b), over the reflections that leave the function unchanged, and the layer above
follows; what is known not to be determined plays no part in it. What is left is compared number by number.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from expandcluster.activations import Symmetry
from expandcluster.errors import BadInput
from expandcluster.networks import Network
from expandcluster.results import Recovery
from expandcluster.symmetry_moves import centre_outputs, permute, reflect, rescale, unit_norm
from expandcluster.teachers.links import check_output

__all__ = ["Comparison", "compare"]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How far a recovered network is from the truth.

    Attributes:
        sizes: layer sizes of the recovered network, inputs and outputs included.
        true_sizes: layer sizes of the truth.
        sizes_match: whether they are equal.
        max_parameter_error: largest absolute difference over all weights and biases, divided by
            the largest absolute parameter of the truth; infinite where the sizes differ.
        determined_error: the same over the parameters that the queries determine, which are those with an error bar;
            all of them where a network is compared, and not a recovery. Incoming weights of positively homogeneous
            neurons are divided by the norm of those that are determined.
        exact: whether the sizes match and that error is within the tolerance.
        permutations: for each hidden layer, the index of the recovered neuron matched to each
            true neuron; empty where the sizes differ.
        aligned: the recovered network in canonical form, in the truth's order and signs;
            ``None`` where the sizes differ.
        truth: the truth in canonical form.
        overhead: recovered minus true hidden neurons, divided by the true ones.
    """

    sizes: tuple[int, ...]
    true_sizes: tuple[int, ...]
    sizes_match: bool
    max_parameter_error: float
    determined_error: float
    exact: bool
    permutations: tuple[tuple[int, ...], ...]
    aligned: Network | None
    truth: Network
    overhead: float


def compare(network: Network | Recovery, truth: Network, *, tolerance: float = 1e-8,
            output: str | None = None) -> Comparison:
    """Compare a recovered network with the network it should be.

    Networks with hidden layers of the activation ``identity`` are not identifiable: their error
    says nothing.

    Args:
        network: a network, or the result of a recovery.
        truth: the true network.
        tolerance: largest error that counts as exact: 1e-8 for a truth that answered in float64,
            1e-3 for one that answered in float32.
        output: what the teacher answered; of a recovery it is known, else it is ``"raw"``. For ``"softmax"``
            both networks are compared with centred output layers, and a truth with a single output
            counts as the network of two whose softmax is its logistic function.

    Raises:
        BadInput: there is no recovered network, its inputs, outputs or activation are not those
            of the truth, or the tolerance is not a number from 0 up.

    Example:
        >>> truth = Network((np.array([[1.0], [2.0]]), np.array([[3.0, 4.0]])), (np.zeros(2), np.zeros(1)), "tanh")
        >>> other = Network((np.array([[-2.0], [1.0]]), np.array([[-4.0, 3.0]])), (np.zeros(2), np.zeros(1)), "tanh")
        >>> result = compare(other, truth)
        >>> result.exact, result.permutations
        (True, ((1, 0),))
    """
    recovered, truth = _comparable(network, truth, tolerance, output)
    canonical = unit_norm(truth)
    sizes_match = recovered.sizes == truth.sizes
    error = determined = math.inf
    permutations: tuple[tuple[int, ...], ...] = ()
    aligned: Network | None = None
    if sizes_match:
        known = _known(network, recovered)
        aligned, permutations = _align(unit_norm(recovered), canonical, known)
        error = determined = _largest_difference(aligned, canonical)
        if known is not None:
            determined = _determined_difference(aligned, canonical, known)
    return Comparison(
        sizes=recovered.sizes,
        true_sizes=truth.sizes,
        sizes_match=sizes_match,
        max_parameter_error=error,
        determined_error=determined,
        exact=sizes_match and error <= tolerance,
        permutations=permutations,
        aligned=aligned,
        truth=canonical,
        overhead=_overhead(sum(recovered.hidden_sizes), sum(truth.hidden_sizes)),
    )


def _comparable(network: object, truth: Network, tolerance: float, output: str | None) -> tuple[Network, Network]:
    """Both networks, up to what the answers hide; refuses what cannot be compared."""
    recovered = _network(network)
    output = getattr(network, "output", "raw") if output is None else output
    check_output(output)
    if output == "softmax":
        recovered, truth = _before_softmax(recovered, truth)
    _check(recovered, truth, tolerance)
    return recovered, truth


def _network(network: object) -> Network:
    if isinstance(network, Network):
        return network
    found = getattr(network, "network", None)
    if not isinstance(found, Network):
        got = "a recovery without a network" if hasattr(network, "network") else type(network).__name__
        raise BadInput("network to compare", got=got, expected="a Network or a Recovery that found one",
                       remedy="The verdict of a recovery says why it found none.")
    return found


def _before_softmax(recovered: Network, truth: object) -> tuple[Network, Any]:
    """Both with the output layer that softmax lets through."""
    if isinstance(truth, Network):
        if truth.sizes[-1] == 1 and recovered.sizes[-1] == 2:
            w, b = truth.weights[-1], truth.biases[-1]
            truth = Network((*truth.weights[:-1], np.concatenate([-w / 2, w / 2])),
                            (*truth.biases[:-1], np.concatenate([-b / 2, b / 2])), truth.activation)
        truth = centre_outputs(truth)
    return centre_outputs(recovered), truth


def _check(recovered: Network, truth: Network, tolerance: float) -> None:
    if not isinstance(truth, Network):
        raise BadInput("truth", got=type(truth).__name__, expected="a Network",
                       remedy="Build one from its weights, biases and activation.")
    ends, true_ends = ((n.sizes[0], n.sizes[-1]) for n in (recovered, truth))
    if ends != true_ends:
        raise BadInput("network to compare", got=f"{ends[0]} inputs and {ends[1]} outputs",
                       expected=f"{true_ends[0]} inputs and {true_ends[1]} outputs",
                       remedy="Only networks between the same inputs and outputs can be compared.")
    if recovered.activation != truth.activation:
        raise BadInput("network to compare", got=f"activation {recovered.activation.name}",
                       expected=f"activation {truth.activation.name}",
                       remedy="Parameters of different activations cannot be compared; compare outputs instead.")
    if not tolerance >= 0:
        raise BadInput("tolerance", got=str(tolerance), expected="a number from 0 up", remedy="The usual one is 1e-8.")


def _align(network: Network, truth: Network, known: list[np.ndarray] | None
           ) -> tuple[Network, tuple[tuple[int, ...], ...]]:
    """``network`` in the order and signs of ``truth``, and the permutation of each hidden layer.

    Where it is known which parameters are determined, neurons are matched by these, and ``known`` is put into their
    order.
    """
    permutations = []
    for layer in range(1, len(truth.weights)):
        at = 2 * (layer - 1)
        seen = None if known is None else np.column_stack(known[at : at + 2])
        order, flipped = _match(_vectors(network, layer), _vectors(truth, layer), truth.activation.symmetry, seen)
        network = permute(network, layer, order)
        if known is not None:
            known[at : at + 3] = known[at][order], known[at + 1][order], known[at + 2][:, order]
        if flipped.any():
            network = reflect(network, layer, np.flatnonzero(flipped))
        permutations.append(tuple(order.tolist()))
    return network, tuple(permutations)


def _match(
    found: Float[np.ndarray, "hidden inputs"], true: Float[np.ndarray, "hidden inputs"], symmetry: Symmetry,
    known: Bool[np.ndarray, "hidden inputs"] | None,
) -> tuple[Int[np.ndarray, " hidden"], Bool[np.ndarray, " hidden"]]:
    """For each true neuron the found one assigned to it, and whether that one must be flipped."""
    def between(true: np.ndarray, found: np.ndarray) -> np.ndarray:
        return cdist(true, found) if known is None else _distances_of_known(true, found, known, symmetry.homogeneous)

    as_is = between(true, found)
    turned = between(true, -found) if symmetry.sign != 0 and symmetry.slope == 0.0 else np.full_like(as_is, np.inf)
    rows, order = linear_sum_assignment(np.minimum(as_is, turned))
    return order, turned[rows, order] < as_is[rows, order]


def _distances_of_known(true: np.ndarray, found: np.ndarray, known: np.ndarray, scaled: bool) -> np.ndarray:
    """Distances ``(true, found)`` in what is known of each found neuron, over the norm of that; of nothing, 1."""
    distances = np.ones((len(true), len(found)))
    for j in np.flatnonzero(known.any(axis=1)):
        one, others = found[j, known[j]], true[:, known[j]]
        norm = np.linalg.norm(one)
        if scaled:
            others = others * (norm / _norms(others))[:, None]
        distances[:, j] = np.linalg.norm(others - one, axis=1) / (norm if norm > 0 else 1.0)
    return distances


def _vectors(network: Network, layer: int) -> Float[np.ndarray, "hidden inputs"]:
    return np.concatenate([network.weights[layer - 1], network.biases[layer - 1][:, None]], axis=1)


def _largest_difference(network: Network, truth: Network) -> float:
    pairs = zip((*network.weights, *network.biases), (*truth.weights, *truth.biases), strict=True)
    difference = max(float(np.abs(a - b).max()) for a, b in pairs)
    largest = max(float(np.abs(a).max()) for a in (*truth.weights, *truth.biases))
    return difference / largest if largest > 0 else (0.0 if difference == 0 else math.inf)


def _known(recovery: object, network: Network) -> list[np.ndarray] | None:
    """Which parameters have an error bar, as ``W_1, b_1, W_2, ...``, where some of the recovered network have none."""
    bars = getattr(getattr(recovery, "certificate", None), "error_bars", ())
    fits = [b.shape for b in bars] == [a.shape for a in network.arrays]
    return [~np.isnan(b) for b in bars] if fits and any(np.isnan(b).any() for b in bars) else None


def _determined_difference(network: Network, truth: Network, known: list[np.ndarray]) -> float:
    """Largest difference of the parameters that have an error bar, over the largest of them; infinite without any."""
    if truth.activation.symmetry.homogeneous:
        network, truth = (rescale(n, 1, 1.0 / _norms(n.weights[0] * known[0])) for n in (network, truth))
    found, true = network.arrays, truth.arrays
    if not any(k.any() for k in known):
        return math.inf
    difference = max(float(np.abs(a - b)[k].max(initial=0.0)) for a, b, k in zip(found, true, known, strict=True))
    largest = max(float(np.abs(b)[k].max(initial=0.0)) for b, k in zip(true, known, strict=True))
    return difference / largest if largest > 0 else difference


def _norms(rows: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(rows, axis=1)
    return np.where(norms > 0, norms, 1.0)


def _overhead(found: int, true: int) -> float:
    if true == 0:
        return 0.0 if found == 0 else math.inf
    return (found - true) / true
