"""Loss curves: what is kept of many steps, of several trainers, of students that fail."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.problems import imitation

from expandcluster.expand import trainers as trainers_module
from expandcluster.expand.levenberg_marquardt import levenberg_marquardt
from expandcluster.expand.loss_curve import KEPT, MOST, Curve, curve_points, following, padded
from expandcluster.expand.population import TrainedPopulation
from expandcluster.expand.trainers import train
from expandcluster.networks import random_population
from expandcluster.options import AdamOptions, BFGSOptions, LMOptions
from expandcluster.precision import float64


@pytest.mark.parametrize("steps", [0, 1, KEPT - 1, KEPT, KEPT + 1, 2 * KEPT, 1000])
def test_every_stride_th_loss_is_kept_and_no_more_than_fit(steps: int) -> None:
    losses = 10.0 ** -np.arange(steps + 1.0)
    with float64():
        def body(step: jax.Array, curve: Curve) -> Curve:
            return curve.after(step + 1, jnp.asarray(losses)[step + 1])

        inside = jax.jit(lambda: jax.lax.fori_loop(0, steps, body, Curve.start(jnp.asarray(losses[0]))))()
    stride = int(inside.stride)
    kept = np.asarray(inside.losses)
    there = kept[np.isfinite(kept)]
    np.testing.assert_array_equal(there, losses[::stride])
    assert len(there) <= KEPT and (stride == 1 or len(there) > KEPT / 2)
    assert stride == 1 or stride * KEPT / 2 <= steps
    outside = Curve.of(losses.tolist())
    assert int(outside.stride) == stride
    np.testing.assert_array_equal(outside.losses, kept)


def test_points_end_where_the_student_did() -> None:
    curve = Curve(np.tile(np.arange(KEPT, 0.0, -1.0), (3, 1)), np.array([1, 2, 1]))
    points = curve_points(curve, np.array([2, 3, 0]), np.array([0.5, 0.25, np.inf]), unit=2.0)
    np.testing.assert_array_equal(points[0], [[0, 2 * KEPT], [1, 2 * KEPT - 2], [2, 1.0]])
    np.testing.assert_array_equal(points[1], [[0, 2 * KEPT], [2, 2 * KEPT - 2], [3, 0.5]])
    assert np.isnan(points[2]).all()
    each = curve_points(curve, np.array([20, 20, 20]), np.ones(3), each=10)
    np.testing.assert_array_equal(each[0, :, 0], [0, 10, 20])


def test_trainers_one_after_the_other_count_on() -> None:
    teacher, samples = imitation((3, 2, 2), "tanh", 1e-26)
    students = random_population((3, 4, 2), 3, 0)
    trainers = (AdamOptions(epochs=70, batch=64), BFGSOptions(steps=80), LMOptions(steps=20))
    result = train(students, samples, teacher.activation, trainers)
    alone = train(students, samples, teacher.activation, trainers[:1])
    for s, curve in enumerate(result.curves):
        curve = curve[np.isfinite(curve[:, 0])]
        assert len(curve) <= MOST and (np.diff(curve[:, 0]) > 0).all()
        np.testing.assert_allclose(curve[-1], [result.steps[s], result.loss[s]], rtol=1e-6)
        during = curve[curve[:, 0] <= alone.steps[s]]
        points = {tuple(point) for point in alone.curves[s]}
        assert len(during) > 20 and all(tuple(point) in points for point in during)


def test_a_trainer_without_curves_leaves_its_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher, samples = imitation((3, 2, 2), "tanh", 1e-26)

    def silent(*args: object, **options: object) -> TrainedPopulation:
        return dataclasses.replace(levenberg_marquardt(*args, **options), curves=np.zeros((0, 0, 2)))

    monkeypatch.setattr(trainers_module, "trainer_of", lambda _: silent)
    result = train(random_population((3, 4, 2), 2, 0), samples, teacher.activation, (LMOptions(steps=5),) * 2)
    assert result.curves.shape == (2, 2, 2)
    np.testing.assert_array_equal(result.curves[:, -1], np.stack([result.steps, result.loss], axis=1))


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    long = np.stack([np.arange(90.0), 1.0 / (1 + np.arange(90.0))], axis=1)[None]
    both = following(long, long, np.array([89]))
    assert both.shape == (1, MOST, 2)
    np.testing.assert_array_equal(both[0, [0, -1], 0], [0, 178])
    assert (np.diff(both[0, :, 0]) > 0).all()
    failed = following(long, np.full((1, 1, 2), np.nan), np.array([89]))
    np.testing.assert_array_equal(failed, long)


def test_curves_of_several_lengths_in_one_array() -> None:
    together = padded([np.zeros((3, 2)), np.ones((1, 2))])
    assert together.shape == (2, 3, 2) and np.isnan(together[1, 1:]).all() and (together[1, 0] == 1).all()
    assert padded([]).shape == (0, 0, 2)
