"""Teachers that must not be called exact, and the verdict each ends in; students of width up to 32."""

from __future__ import annotations

import time

import numpy as np
from benchmarks.common import machine, random_teacher
from sklearn.ensemble import RandomForestRegressor

import expandcluster as ec

TRUTH = random_teacher((6, 5, 2), "tanh", 0)
WIDTHS = (4, 8, 16, 32)
DEEP = random_teacher((4, 5, 4, 2), "tanh", 0)


def _show(name: str, teacher: ec.Teacher, queries: ec.QueryOptions | None = None, **settings: object) -> None:
    start = time.perf_counter()
    options = ec.RecoverOptions(queries=queries or ec.QueryOptions(), expand=ec.ExpandOptions(widths=WIDTHS))
    found = ec.recover(teacher, options=options, **{"activation": "tanh", **settings})
    sizes = "-" if found.hidden_sizes is None else "-".join(map(str, found.hidden_sizes))
    print(f"| {name} | {found.verdict.name} | {sizes} | {found.relative_loss:.1e} | {found.noise_floor:.1e} | "
          f"{found.queries:,} | {time.perf_counter() - start:.0f} |", flush=True)


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 6))
    y = TRUTH(x)
    noisy = y + 0.01 * y.std() * rng.normal(size=y.shape)
    network = ec.Teacher.from_network(TRUTH)
    print("| teacher | verdict | hidden sizes | relative loss | noise floor | queries | seconds |")
    print("|---|---|---|---|---|---|---|")
    for activation in ("relu", "g", "softplus"):
        _show(f"tanh 6-5-2, recovered as {activation}", network, activation=activation)
    _show("tanh 6-5-2, recovered with two hidden layers", network, hidden_layers=2)
    _show("tanh 4-5-4-2, recovered with one hidden layer", ec.Teacher.from_network(DEEP))
    forest = RandomForestRegressor(20, random_state=0).fit(x[:500], y[:500])
    _show("random forest", ec.Teacher.from_sklearn(forest))
    _show("x1^2 + x2 x3", ec.Teacher.from_callable(lambda x: x[:, :1] ** 2 + x[:, 1:2] * x[:, 2:3], 6))
    _show("linear map", ec.Teacher.from_callable(lambda x: 2 * x[:, :2] + 1, 6))
    _show("1% noise, 3,000 rows", ec.Teacher.from_data(x, noisy))
    _show("1% noise stated, 3,000 rows", ec.Teacher.from_data(x, noisy), ec.QueryOptions(noise=0.01))
    changing = ec.Teacher.from_callable(lambda x: TRUTH(x) + 0.01 * y.std() * rng.normal(size=(len(x), 2)), 6)
    _show("1% noise, changing answers allowed", changing, ec.QueryOptions(noisy=True))
    _show("answers rounded to 3 digits", ec.Teacher.from_callable(lambda x: np.round(TRUTH(x), 3), 6))
    for queries in (10, 20, 47, 100):
        _show(f"{queries} queries", network, ec.QueryOptions(max_queries=queries))
    _show("20 rows", ec.Teacher.from_data(x[:20], y[:20]))
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
