"""Expand-and-Cluster on one page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from expandcluster.activations import Activation, Elementwise
from expandcluster.certify import certify, judge
from expandcluster.data import Inputs
from expandcluster.errors import BadInput
from expandcluster.expand.choose import AUTO, DEPTHS, candidates, choose
from expandcluster.expand.expand import expand
from expandcluster.expand.settle import settle
from expandcluster.options import RecoverOptions
from expandcluster.progress import Progress, silent
from expandcluster.queries.find_link import find_link
from expandcluster.queries.probe import probe_teacher
from expandcluster.queries.row_space import find_row_space
from expandcluster.queries.source import open_source
from expandcluster.reconstruct.challenge import challenge
from expandcluster.reconstruct.fine_tune import fine_tune
from expandcluster.reconstruct.layers import reconstruct
from expandcluster.reconstruct.lift import lift
from expandcluster.results import Recovery
from expandcluster.run_folder import CHECKPOINT, describe, open_run
from expandcluster.teachers.base import Teacher
from expandcluster.teachers.links import check_output

__all__ = ["recover"]


def recover(
    teacher: Teacher,
    *,
    activation: str | Activation | Elementwise | Sequence[str | Activation | Elementwise],
    hidden_layers: int | str = 1,
    output: str = "auto",
    seed: int = 0,
    inputs: np.ndarray | Inputs | None = None,
    options: RecoverOptions | None = None,
    out: str | os.PathLike[str] | None = None,
    checkpoint: float = CHECKPOINT,
    progress: Progress = silent,
) -> Recovery:
    """Recover a network from its input-output behaviour (Martinelli et al., ICML 2024).

    Args:
        teacher: what is asked; see :class:`expandcluster.Teacher`.
        activation: of its hidden layers: a name such as ``"leaky_relu(0.07)"``, or any elementwise
            function written with JAX operations. Several, or ``"auto"`` for all listed ones: the one is chosen
            that explains the answers with the fewest neurons, see ``Recovery.tried``.
        hidden_layers: how many hidden layers it has, their sizes are found; ``"auto"``: one, two and three are tried.
        output: what the teacher answers: its ``"raw"`` outputs, class probabilities (``"softmax"``), single
            probabilities (``"logistic"``), or ``"auto"`` to tell from the answers. The network is
            recovered up to its raw outputs.
        seed: of queries and students; the same seed gives the same result.
        inputs: ask only these rows ``(samples, inputs)`` instead of Gaussian ones; see
            :func:`expandcluster.read_inputs` for those in files.
        options: see :class:`RecoverOptions`.
        out: run folder; a run that was interrupted there goes on where it stopped.
        checkpoint: seconds after which students on their way are stored there; a kill costs no more than that.
        progress: called with an :class:`Event` at every step.

    Returns:
        The network, the verdict and its evidence; a failure to recover is a verdict, not an exception.

    Raises:
        BadInput: an argument, the teacher's answers or the run folder cannot be used, or the students have more
            different neurons than ``ClusterOptions(memory=...)`` has room for.
    """
    options = RecoverOptions() if options is None else options
    _check(teacher, hidden_layers, output, seed, options, checkpoint)
    acts = candidates(activation)
    depths = DEPTHS if isinstance(hidden_layers, str) else (hidden_layers,)
    image_shape = inputs.image_shape if isinstance(inputs, Inputs) else teacher.image_shape
    inputs = inputs.x if isinstance(inputs, Inputs) else inputs
    about = describe(teacher, acts, depths, output, seed, inputs, options, image_shape)
    with open_run(None if out is None else Path(out), about, acts, progress, checkpoint) as run:
        wide = any(a.negative_slope is not None for a in acts)
        source = open_source(teacher, options.queries, seed, inputs, run.answers, wide)

        link = run.stage("link", find_link, source, output, progress)
        source.use(link)
        probe = run.stage("probe", probe_teacher, source, progress)
        source.learn(probe.floor, probe.noise, probe.sees)
        rows = run.stage("reduce", find_row_space, source, probe, seed, progress)
        source.keep_to(rows.basis, rows.start, rows.floor)
        choice = run.stage("choose", choose, source, acts, depths, rows, options, seed, progress)
        act = next(a for a in acts if a.name == choice.activation)
        students = run.stage("expand", expand, source, act, choice.hidden_layers, rows, options, seed, progress)
        source.drawn = students.samples
        students = run.stage("settle", settle, students, source, act, progress)
        source.restore(students.extra)
        built = run.stage("cluster", reconstruct, students, source, act, options, progress)
        network = run.stage("fine_tune", fine_tune, built.network, source, progress)
        tried = run.stage("challenge", challenge, network, students, source, progress)
        source.restore(tried.extra)
        lifted = run.stage("lift", lift, tried.network, source, probe, seed, progress)
        certificate = run.stage("certify", certify, lifted, tried.network, built, students, source, probe)
        verdict = judge(certificate, students, probe, enough=options.expand.enough)

        return run.finish(
            Recovery(
                network=lifted.network,
                verdict=verdict,
                relative_loss=certificate.relative_loss if certificate else students.best_loss,
                noise_floor=probe.noise_floor,
                queries=source.queries,
                seconds=run.seconds,
                certificate=certificate,
                layers=built.layers,
                losses=students.all_losses,
                seed=seed,
                timings=run.timings,
                folder=run.folder,
                steps=students.all_steps,
                pruned_losses=students.all_pruned,
                curves=students.curves,
                floor=max(probe.floor, students.floor),
                students_at_floor=students.at_floor,
                output=link.kind,
                told_by=link.why,
                tried=choice.tried,
            )
        )


def _check(teacher: object, hidden_layers: object, output: object, seed: object, options: object, checkpoint: object
           ) -> None:
    if not isinstance(teacher, Teacher):
        raise BadInput("teacher", got=type(teacher).__name__, expected="a Teacher",
                       remedy="Make one with Teacher.from_callable, from_sklearn, from_onnx, from_torch or from_data.")
    check_output(output, also="auto")
    for name, value, least, also in (("hidden_layers", hidden_layers, 1, " or 'auto'"), ("seed", seed, 0, "")):
        if (also and value == AUTO) or (isinstance(value, (int, np.integer)) and not isinstance(value, bool)
                                        and value >= least):
            continue
        raise BadInput(name, got=repr(value), expected=f"an integer of at least {least}{also}",
                       remedy=f"Change {name}.")
    if not isinstance(options, RecoverOptions):
        raise BadInput("options", got=type(options).__name__, expected="RecoverOptions",
                       remedy="Write RecoverOptions(queries=QueryOptions(...), expand=ExpandOptions(...), ...).")
    if isinstance(checkpoint, bool) or not isinstance(checkpoint, (int, float)) or not checkpoint > 0:
        raise BadInput("checkpoint", got=repr(checkpoint), expected="a positive number of seconds",
                       remedy="Change checkpoint.")
