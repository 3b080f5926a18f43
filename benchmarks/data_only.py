"""Data only: images are the only queries of networks trained on them, and a table of answers is all there is.

    python -m benchmarks.data_only [WORD ...]     # only networks of these names, or with these words in them
    python -m benchmarks.data_only --keep DIR ... # run folders in DIR: what was interrupted goes on there
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from benchmarks.chosen_queries import of_images
from benchmarks.common import machine, peak_memory, watcher
from benchmarks.image_teachers import DATA, cifar10_standardised, mnist

import expandcluster as ec

HEAD = ("| teacher | verdict | sizes found | largest error of determined parameters | determined | relative loss | "
        "rows | minutes | GiB |\n|---|---|---|---|---|---|---|---|---|")
DATASETS = {"mnist": mnist, "cifar10": cifar10_standardised}
CASES = [  # images, hidden sizes, activation, seed of the training
    *(("mnist", (16,), activation, 0) for activation in ("tanh", "relu", "g")),
    ("mnist", (32,), "tanh", 0),
    ("mnist", (16, 16), "tanh", 0),
    ("cifar10", (16,), "relu", 0),
    ("mnist", (12,), "gelu", 0),
    ("mnist", (14,), "relu", 0),
    ("mnist", (10,), "leaky_relu(0.05)", 0),
    ("mnist", (20,), "g", 12),  # a neuron of it is worth 4e-6 of the variance
]


@dataclasses.dataclass(frozen=True)
class DataRow:
    """One recovery from a table."""

    teacher: str
    verdict: str
    sizes: str
    error: float
    determined: float
    relative_loss: float
    rows: int
    seconds: float
    memory: float

    def line(self) -> str:
        return (f"| {self.teacher} | {self.verdict} | {self.sizes} | {self.error:.1e} | {100 * self.determined:.1f}% | "
                f"{self.relative_loss:.1e} | {self.rows:,} | {self.seconds / 60:.1f} | {self.memory:.1f} |")


def measure(name: str, x: np.ndarray, truth: ec.Network, activation: str, out: Path | None = None) -> DataRow:
    """Recover a network from the table of its answers and compare it with the truth; the row is printed at once.

    Seconds are those of all starts of a run.
    """
    found = ec.recover(ec.Teacher.from_data(x, truth(x)), activation=activation, progress=watcher(),
                       hidden_layers=len(truth.hidden_sizes), out=out)
    error, sizes, share = float("inf"), "-", 0.0
    if found.network is not None:
        error = ec.compare(found, truth).determined_error
        sizes = "-".join(map(str, found.network.sizes))
    if found.certificate is not None and found.network is not None:
        share = 1.0 - len(found.certificate.undetermined) / found.network.parameters
    row = DataRow(name, found.verdict.name, sizes, error, share, found.relative_loss, found.queries, found.seconds,
                  peak_memory())
    print(row.line(), flush=True)
    return row


def main(only: tuple[str, ...] = (), keep: Path | None = None) -> list[DataRow]:
    print(HEAD)
    if not DATA.is_dir():
        print(f"no data in {DATA}; set EXPANDCLUSTER_DATA")
        return []
    rows = []
    for data, hidden, activation, seed in CASES:
        how = f"seed {seed}" if seed else ""
        name, make_truth, *_ = of_images(DATASETS[data], hidden, activation, how=how, seed=seed)
        if only and name not in only and not any(word in name for word in only):
            continue
        out = None if keep is None else keep / name.replace(",", "").replace(" ", "_")
        rows.append(measure(name, DATASETS[data]()[0], make_truth(), activation, out))
    print(f"\n{machine()}")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", metavar="WORD")
    parser.add_argument("--keep", type=Path, metavar="DIR")
    arguments = parser.parse_args()
    main(tuple(arguments.only), arguments.keep)
