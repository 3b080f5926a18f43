"""The estimators against scikit-learn's MLPs, on rows held out: score, hidden neurons, seconds."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from benchmarks.common import machine, random_teacher
from sklearn.base import clone, is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine, make_friedman1, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import expandcluster as ec

SPLITS = 3  # of each table into halves: one to fit, one to score
GRID = {"hidden_layer_sizes": [(2,), (4,), (8,), (16,), (32,)], "alpha": [1e-4, 1e-2, 1.0]}

Table = tuple[np.ndarray, np.ndarray]


def tables() -> dict[str, Table]:
    """Answers of a network, exact and noisy, and tables that no small network is known to be behind."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 4))
    y = random_teacher((4, 3, 1), "tanh", 0)(x)[:, 0]
    noise = y.std() * rng.normal(size=len(x))
    return {
        "network 4-3-1, exact": (x, y),
        "network 4-3-1, noise 1%": (x, y + 0.01 * noise),
        "network 4-3-1, noise 30%": (x, y + 0.3 * noise),
        "Friedman 1, noise 1": make_friedman1(600, noise=1.0, random_state=0),
        "diabetes": load_diabetes(return_X_y=True),
        "moons, noise 0.25": make_moons(560, noise=0.25, random_state=0),
        "wine": load_wine(return_X_y=True),
        "breast cancer": load_breast_cancer(return_X_y=True),
    }


def rivals(classes: bool, seed: int) -> dict[str, Any]:
    """Ours, an MLP as it comes, and one whose size and weight decay are searched; all on standardised data."""
    if classes:
        ours, plain = ec.ExpandAndClusterClassifier(random_state=seed), MLPClassifier(random_state=seed)
    else:
        ours, plain = ec.ExpandAndClusterRegressor(random_state=seed), MLPRegressor(random_state=seed)
    searched = clone(plain).set_params(solver="lbfgs", activation="tanh", max_iter=500)
    return {"ours": ours, "MLP": _scaled(plain), "MLP, searched": _scaled(GridSearchCV(searched, GRID, cv=3))}


def _scaled(model: Any) -> Any:
    if not is_classifier(model):
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    return make_pipeline(StandardScaler(), model)


def hidden(model: Any) -> int:
    """Hidden neurons of a fitted rival."""
    if hasattr(model, "hidden_sizes_"):
        return sum(model.hidden_sizes_)
    model = getattr(model[-1], "regressor_", model[-1])
    return int(np.sum(getattr(model, "best_estimator_", model).hidden_layer_sizes))


def main() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)  # the MLP as it comes stops after 200 steps
    print("| data | model | score | hidden neurons | seconds | verdicts |\n|---|---|---|---|---|---|")
    for name, (x, y) in tables().items():
        classes = len(np.unique(y)) < 10
        results: dict[str, list[tuple[float, int, float, str]]] = {}
        for seed in range(SPLITS):
            fit_x, test_x, fit_y, test_y = train_test_split(x, y, test_size=0.5, random_state=seed)
            for kind, model in rivals(classes, seed).items():
                start = time.perf_counter()
                model.fit(fit_x, fit_y)
                seconds = time.perf_counter() - start
                verdict = getattr(model, "verdict_", None)
                results.setdefault(kind, []).append((model.score(test_x, test_y), hidden(model), seconds,
                                                     verdict.name if verdict else ""))
        for kind, rows in results.items():
            scores, sizes, seconds, verdicts = zip(*rows, strict=True)
            print(f"| {name} | {kind} | {np.mean(scores):.4f} ({min(scores):.4f} to {max(scores):.4f}) | "
                  f"{', '.join(map(str, sizes))} | {np.mean(seconds):.1f} | {', '.join(v or '-' for v in verdicts)} |",
                  flush=True)
    print(f"\nScore: R² (accuracy for classes) on the half not fitted, mean of {SPLITS} splits (least to largest); "
          f"{machine()}")


if __name__ == "__main__":
    main()
