"""Choose activation and depth where the user does not know them: quick looks, told apart at the noise floor.

Students with the teacher's activation and depth imitate it to the noise floor once they are wide enough; all
others come close at best. Candidates race through growing widths until one is there. Of several, the smallest
explains the answers best; those of the same size explain them equally well, and all are kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from expandcluster.activations import Activation, Elementwise, activation_names, get_activation
from expandcluster.errors import BadInput
from expandcluster.expand.expand import Students, quick_look, widths_for
from expandcluster.options import ExpandOptions, LMOptions, RecoverOptions
from expandcluster.progress import Event, Progress, silent
from expandcluster.queries.row_space import RowSpace
from expandcluster.queries.source import Source
from expandcluster.results import Explanation

__all__ = ["AUTO", "DEPTHS", "Choice", "candidates", "choose"]

AUTO = "auto"
DEPTHS = (1, 2, 3)  # hidden layers tried where their number is not known
_SLOPES = ("leaky_relu(0.01)", "leaky_relu(0.1)", "leaky_relu(0.2)")
_LOOK = ExpandOptions(students=4, enough=1, waves=0, trainers=(LMOptions(steps=100),))


@dataclasses.dataclass(frozen=True)
class Choice:
    """What is recovered, and why.

    Attributes:
        activation: name of the activation.
        hidden_layers: how many.
        tried: every candidate that was looked at, best first; empty where there was nothing to choose.
    """

    activation: str
    hidden_layers: int
    tried: tuple[Explanation, ...]


def candidates(activation: str | Activation | Elementwise | Sequence[str | Activation | Elementwise]
               ) -> tuple[Activation, ...]:
    """The activations among which one is chosen: one, several, or for ``"auto"`` all listed ones.

    ``"tanh,relu"`` is several. Of leaky ReLU three slopes are tried, of ELU alpha = 1.

    Raises:
        BadInput: one of them is none, or there are none.
    """
    if isinstance(activation, str):
        activation = _listed() if activation.strip().lower() == AUTO else activation.split(",")
    if isinstance(activation, Activation) or callable(activation):
        activation = [activation]
    found: list[Activation] = []
    for one in activation:
        act = get_activation(one)
        if act.name not in {a.name for a in found}:
            found.append(act)
    if not found:
        raise BadInput("activation", got="no activation", expected="at least one, or 'auto'",
                       remedy="Write for example 'tanh,relu'.")
    return tuple(found)


def _listed() -> list[str]:
    names = [name for name in activation_names() if name not in ("identity", "leaky_relu")]
    return sorted(names, key=lambda name: (name not in ("relu", "tanh"), name)) + list(_SLOPES)


def choose(source: Source, activations: Sequence[Activation], depths: Sequence[int], rows: RowSpace,
           options: RecoverOptions, seed: int, progress: Progress = silent) -> Choice:
    """The activation and depth of the smallest students that reach the noise floor.

    Where none reaches it, those that imitate best.

    Args:
        source: where samples come from.
        activations: candidates; of equally good ones the first is chosen.
        depths: candidates for the number of hidden layers.
        rows: the row space of the first layer.
        options: widths, and samples for each parameter.
        seed: of the students' first weights.
        progress: told of every candidate.
    """
    if len(activations) == 1 and len(depths) == 1:
        return Choice(activations[0].name, depths[0], ())
    tried: dict[tuple[str, int], Explanation] = {}
    given = options.expand
    look = dataclasses.replace(_LOOK, widths=given.widths, effort=given.effort, rho=given.rho)
    trial = dataclasses.replace(options, expand=look)
    inputs, outputs = source.coordinates.size, source.teacher.outputs
    widths = max(len(widths_for(look, rows.rank, depth, outputs, inputs)) for depth in depths)

    def race(place: int, depth: int, activations: Sequence[Activation] = activations) -> bool:
        for activation in activations:
            students = quick_look(source, activation, depth, place, rows, trial, seed)
            if students is None:
                continue
            found = _explanation(activation.name, depth, students)
            key = activation.name, depth
            tried[key] = min(found, tried.get(key, found), key=_order)
            progress(Event("choose", found.words, {"best_loss": found.best_loss, "at_floor": found.students}))
        return any(e.students for e in tried.values())

    won = next(((place, depth) for place in range(widths) for depth in depths if race(place, depth)), None)
    kinked = [a for a in activations if a.negative_slope is not None]
    if won is not None and won[0] + 1 < widths and any(
            tried[a.name, won[1]].students for a in kinked if (a.name, won[1]) in tried):
        for depth in depths[: depths.index(won[1])]:  # kinked layers can be the identity: fewer may do, if wider
            race(won[0] + 1, depth, kinked)
    source.drawn = 0  # looks leave no trace in what follows
    ranked = tuple(sorted(tried.values(), key=_order))  # stable: of equal ones the first candidate
    if not ranked:
        return Choice(activations[0].name, depths[0], ())
    progress(Event("choose", f"chosen: {ranked[0].words}", {"best_loss": ranked[0].best_loss}))
    return Choice(ranked[0].activation, ranked[0].hidden_layers, ranked)


def _explanation(activation: str, hidden_layers: int, students: Students) -> Explanation:
    sizes = students.networks[0].hidden_sizes if students.at_floor else None
    loss = min(students.best_loss, float(np.nanmin(students.all_losses, initial=np.inf)))
    return Explanation(activation, hidden_layers, loss, students.at_floor, sizes)


def _order(found: Explanation) -> tuple[float, ...]:
    """Those at the noise floor first, the smallest of them first; then by loss."""
    if found.hidden_sizes is not None:
        return 0.0, float(sum(found.hidden_sizes)), float(found.hidden_layers)
    return 1.0, found.best_loss, float(found.hidden_layers)
