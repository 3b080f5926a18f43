"""The digits network 64-16-10 as scikit-learn trains it, asked through `predict`."""

from __future__ import annotations

import expandcluster as ec
from benchmarks.common import HEAD, Row, machine, measure
from expandcluster.demo import train_digits
from expandcluster.export.sklearn_models import network_from_sklearn


def main() -> list[Row]:
    print(HEAD)
    rows = []
    for activation in ("tanh", "logistic", "relu"):
        model = train_digits(activation)
        rows.append(measure(f"digits 64-16-10 {activation}", ec.Teacher.from_sklearn(model), network_from_sklearn(model)))
    print(f"\n{sum(r.exact for r in rows)} of {len(rows)} exact; {machine()}")
    return rows


if __name__ == "__main__":
    main()
