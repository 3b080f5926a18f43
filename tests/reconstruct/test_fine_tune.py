"""Fine-tuning networks whose J'J is not made for students."""

from __future__ import annotations

import numpy as np
import pytest
from tests.problems import random_teacher

from expandcluster.expand.levenberg_marquardt import fits
from expandcluster.expand.population import Samples
from expandcluster.networks import Network
from expandcluster.reconstruct import fine_tune
from expandcluster.reconstruct.fine_tune import tune
from expandcluster.reconstruct.polish import ROUNDING

SIZES = (64, 64, 10)


def nearly_right(noise: float) -> tuple[Network, Samples]:
    truth, rng = random_teacher(SIZES, "tanh", 0), np.random.default_rng(1)
    x = rng.normal(size=(1500, SIZES[0]))
    y = truth(x)
    near = Network(tuple(w + 1e-3 * rng.normal(size=w.shape) for w in truth.weights), truth.biases, truth.activation)
    return near, Samples(x, y + noise * y.std() * rng.normal(size=y.shape))


@pytest.mark.parametrize(("noise", "given", "polished"), [(0.0, False, 0), (1e-6, False, 1), (0.0, True, 1)])
def test_large_networks_are_polished_where_inexact_steps_do_not_end_at_rounding(monkeypatch, noise, given, polished):
    calls = []

    def polish(network: Network, samples: Samples) -> tuple[Network, float, int]:
        calls.append(samples.relative_loss(network(samples.x)))
        return network, calls[-1], 1

    monkeypatch.setattr(fine_tune, "polish", polish)
    assert not fits(SIZES)
    near, samples = nearly_right(noise)
    tuned, loss, steps = tune(near, samples, given=given)
    assert len(calls) == polished and steps > 0
    assert loss == pytest.approx(samples.relative_loss(tuned(samples.x)), rel=0.5, abs=1e-30)
    assert loss <= ROUNDING if not polished else calls[0] <= 1e-10
