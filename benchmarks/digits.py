"""The digits network 64-16-10 as scikit-learn trains it, asked through `predict`."""

from __future__ import annotations

from benchmarks.common import HEAD, Row, foot, measure

import expandcluster as ec
from expandcluster.demo import train_digits
from expandcluster.export.sklearn_models import network_from_sklearn


def main() -> list[Row]:
    print(HEAD)
    rows = []
    for activation in ("tanh", "logistic", "relu"):
        model = train_digits(activation)
        truth = network_from_sklearn(model)
        rows.append(measure(f"digits 64-16-10 {activation}", ec.Teacher.from_sklearn(model), truth))
    print(foot(rows))
    return rows


if __name__ == "__main__":
    main()
