"""The demo: a scikit-learn network trained on handwritten digits, recovered through its predictions alone."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from expandcluster.compare import Comparison, compare
from expandcluster.errors import ExpandClusterError
from expandcluster.export.safetensors_file import network_to_safetensors
from expandcluster.export.sklearn_models import network_from_sklearn
from expandcluster.progress import Event, Progress, silent
from expandcluster.recover import recover
from expandcluster.results import Recovery
from expandcluster.teachers.base import Teacher

__all__ = ["DemoResult", "run_demo", "train_digits"]


@dataclasses.dataclass(frozen=True)
class DemoResult:
    """What the demo ended in.

    Attributes:
        recovery: found through predictions alone.
        comparison: with the trained network.
        truth: file of the trained network.
    """

    recovery: Recovery
    comparison: Comparison
    truth: Path

    def row(self) -> dict[str, Any]:
        """The demo's table as plain values."""
        return {
            "sizes": list(self.comparison.sizes),
            "max_parameter_error": self.comparison.max_parameter_error,
            "exact": self.comparison.exact,
            "relative_loss": self.recovery.relative_loss,
            "queries": self.recovery.queries,
            "seconds": round(self.recovery.seconds, 3),
            "verdict": self.recovery.verdict.name,
            "network": str(self.truth.with_name("network.safetensors")),
            "truth": str(self.truth),
        }


def train_digits(activation: str = "tanh", hidden: tuple[int, ...] = (16,), seed: int = 0) -> Any:
    """An MLPRegressor 64-hidden-10 fitted to the one-hot digits that scikit-learn ships, pixels in [0, 1]."""
    from sklearn.datasets import load_digits
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    x, digit = load_digits(return_X_y=True)
    model = MLPRegressor(hidden_layer_sizes=hidden, activation=activation, random_state=seed, max_iter=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a teacher need not be trained to the end
        return model.fit(x / 16.0, np.eye(10)[digit])


def run_demo(out: Path, progress: Progress = silent) -> DemoResult:
    """Train, recover and compare; leaves truth.safetensors beside the files of the run.

    Raises:
        RunFolderError: ``out`` holds something else.
        ExpandClusterError: no network was found.
    """
    model = train_digits()
    progress(Event("demo", f"trained scikit-learn's MLPRegressor 64-16-10 on the digits, loss {model.loss_:.1e}"))
    recovery = recover(Teacher.from_sklearn(model), activation="tanh", hidden_layers=1, seed=0, out=out,
                       progress=progress)
    if recovery.network is None:
        raise ExpandClusterError(f"the demo found no network: {recovery.verdict.value}")
    truth, path = network_from_sklearn(model), out / "truth.safetensors"
    network_to_safetensors(truth, path)
    return DemoResult(recovery, compare(recovery.network, truth), path)
