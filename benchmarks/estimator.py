"""Estimators that find their own size against scikit-learn's multilayer perceptrons, on data of five kinds."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.common import machine, random_teacher
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_friedman1, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import expandcluster as ec

SPLITS = 3
GRID = {"hidden_layer_sizes": [(2,), (4,), (8,), (16,)], "alpha": [1e-2, 1.0, 10.0], "activation": ["tanh"],
        "solver": ["lbfgs"], "max_iter": [300]}  # scikit-learn's advice for small data; its defaults are Adam and relu
Table = tuple[np.ndarray, np.ndarray]


def houses(rows: int = 1500) -> Table:
    """Made-up prices: skewed inputs, thresholds, interactions and noise that grows with the price."""
    rng = np.random.default_rng(0)
    income, rooms, people = (rng.lognormal(mean, spread, rows) for mean, spread in ((1.2, 0.5), (1.6, 0.3), (1.0, 0.3)))
    age = rng.uniform(1, 52, rows)
    north, east = rng.uniform(32, 42, rows), rng.uniform(-124, -114, rows)
    coast = np.exp(-np.abs(east + 124 - 0.9 * (42 - north)))
    price = np.minimum(0.4 * income * (1 + coast) + 0.01 * age * (income > 3) + 0.3 * rooms / people + coast, 5.0)
    return np.column_stack([income, age, rooms, people, north, east]), price * np.exp(0.2 * rng.normal(size=rows))


def teacher(noise: float, rows: int = 500) -> Table:
    """Answers of a tanh network 5-4-1, with noise relative to their spread."""
    rng, network = np.random.default_rng(0), random_teacher((5, 4, 1), "tanh", 0)
    x = rng.normal(size=(rows, 5))
    y = network(x)[:, 0]
    return x, y + noise * y.std() * rng.normal(size=rows)


REGRESSION: dict[str, Callable[[], Table]] = {
    "diabetes (442 x 10)": lambda: load_diabetes(return_X_y=True),
    "friedman1, noise 1 (500 x 10)": lambda: make_friedman1(500, noise=1.0, random_state=0),
    "made-up houses (1,500 x 6)": houses,
    "tanh network 5-4-1, noise 0.1 (500 x 5)": lambda: teacher(0.1),
    "tanh network 5-4-1, no noise (500 x 5)": lambda: teacher(0.0),
}
CLASSES: dict[str, Callable[[], Table]] = {
    "two moons, noise 0.25 (400 x 2)": lambda: make_moons(400, noise=0.25, random_state=0),
    "breast cancer (569 x 30)": lambda: load_breast_cancer(return_X_y=True),
    "digits (1,797 x 64)": lambda: load_digits(return_X_y=True),
}


def scored(model: Any, x: np.ndarray, y: np.ndarray, seed: int, stratify: bool) -> tuple[float, float, Any]:
    """Score on a held-out third, seconds of the fit, and the fitted model."""
    train_x, test_x, train_y, test_y = train_test_split(x, y, test_size=1 / 3, random_state=seed,
                                                        stratify=y if stratify else None)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(train_x, train_y)
    return model.score(test_x, test_y), time.perf_counter() - start, model


def main() -> None:
    """Print the table."""
    print("| data | ours | neurons | verdict | s | MLP, defaults | s | MLP, grid search | neurons | s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for problems, ours, theirs in ((REGRESSION, ec.ExpandAndClusterRegressor, MLPRegressor),
                                   (CLASSES, ec.ExpandAndClusterClassifier, MLPClassifier)):
        for name, load in problems.items():
            print(row(name, *load(), ours, theirs), flush=True)
    print(f"\nMeans of {SPLITS} splits; {machine()}")


def row(name: str, x: np.ndarray, y: np.ndarray, ours: Any, theirs: Any) -> str:
    """One line: R2 of regressors, accuracy of classifiers."""
    classes = theirs is MLPClassifier
    cells: dict[str, list[tuple[float, float, Any]]] = {"ours": [], "defaults": [], "search": []}
    for seed in range(SPLITS):
        plain = theirs(max_iter=1000, random_state=seed)
        pipeline = make_pipeline(StandardScaler(), plain if classes else TransformedTargetRegressor(
            plain, transformer=StandardScaler()))  # the answers, too: ours standardises them itself
        before = "mlpclassifier__" if classes else "transformedtargetregressor__regressor__"
        search = GridSearchCV(pipeline, {before + name: values for name, values in GRID.items()}, cv=3)
        for kind, model in (("ours", ours(random_state=seed)), ("defaults", pipeline), ("search", search)):
            cells[kind].append(scored(model, x, y, seed, classes))
    score, seconds = ({k: np.mean([c[i] for c in found]) for k, found in cells.items()} for i in (0, 1))
    sizes = ", ".join(str(sum(m.hidden_sizes_)) for _, _, m in cells["ours"])
    searched = ", ".join(str(value[0]) for _, _, m in cells["search"] for name, value in m.best_params_.items()
                         if name.endswith("hidden_layer_sizes"))
    verdicts = {v.name if (v := getattr(m, "verdict_", None)) else "fit" for _, _, m in cells["ours"]}
    return (f"| {name} | {score['ours']:.3f} | {sizes} | {', '.join(sorted(verdicts))} | {seconds['ours']:.1f} | "
            f"{score['defaults']:.3f} | {seconds['defaults']:.1f} | {score['search']:.3f} | {searched} | "
            f"{seconds['search']:.1f} |")


if __name__ == "__main__":
    main()
