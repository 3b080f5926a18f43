"""Students on several accelerators, here two devices that share a processor."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import jax
import numpy as np
from expandcluster.expand import train_all
from expandcluster.expand.levenberg_marquardt import levenberg_marquardt
from expandcluster.expand.population import Samples
from expandcluster.networks import Network, random_population
from expandcluster.options import LMOptions

used = []
begin = train_all.train_for
def seen(student, training, seconds):
    done = begin(student, training, seconds)
    if student.device is not None:
        used.append((student.device.id, len(done.theta), jax.tree.leaves(done.state)[0].devices()))
    return done
train_all.train_for = seen

rng = np.random.default_rng(0)
teacher = Network((rng.normal(size=(4, 3)), rng.normal(size=(2, 4))), (rng.normal(size=4), np.zeros(2)), "tanh")
x = rng.normal(size=(200, 3))
students, samples = random_population((3, 6, 2), 8, 0), Samples(x, teacher(x))
alone = levenberg_marquardt(students, samples, teacher.activation, LMOptions(steps=5))
assert not used
jax.default_backend = lambda: "gpu"
shared = levenberg_marquardt(students, samples, teacher.activation, LMOptions(steps=5))
assert {(device, size) for device, size, _ in used} == {(0, 4), (1, 4)}, used
assert all({d.id for d in where} == {device} for device, _, where in used), used
np.testing.assert_allclose(shared.loss, alone.loss, rtol=1e-6)
print("ok")
"""


@pytest.mark.timeout(300)
def test_students_are_shared_out_over_all_local_devices(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "ok\n", done.stderr
