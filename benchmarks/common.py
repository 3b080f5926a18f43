"""What the benchmark scripts share: teachers, one run with its measurements, tables."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

import expandcluster as ec

ROOT = Path(__file__).parents[1]


def random_teacher(sizes: tuple[int, ...], activation: str, seed: int) -> ec.Network:
    """Rows of every hidden layer on the sphere of radius 2, biases N(0, 0.5^2), outgoing weights away from zero."""
    rng = np.random.default_rng(seed)
    weights, biases = [], []
    for into, out in itertools.pairwise(sizes[:-1]):
        w = rng.normal(size=(out, into))
        weights.append(2.0 * w / np.linalg.norm(w, axis=1, keepdims=True))
        biases.append(0.5 * rng.normal(size=out))
    a = rng.normal(size=(sizes[-1], sizes[-2]))
    return ec.Network((*weights, a + 0.5 * np.sign(a)), (*biases, rng.normal(size=sizes[-1])), activation)


@dataclasses.dataclass(frozen=True)
class Row:
    """One recovery."""

    teacher: str
    verdict: str
    sizes: str
    error: float
    relative_loss: float
    queries: int
    seconds: float
    tolerance: float = 1e-8

    @property
    def exact(self) -> bool:
        return self.error <= self.tolerance

    def line(self) -> str:
        return (f"| {self.teacher} | {self.verdict} | {self.sizes} | {self.error:.1e} | {self.relative_loss:.1e} | "
                f"{self.queries:,} | {self.seconds:.1f} |")


HEAD = ("| teacher | verdict | sizes found | largest parameter error | relative loss | queries | seconds |\n"
        "|---|---|---|---|---|---|---|")


def watcher() -> Callable[[ec.Event], None]:
    """Writes what happens on standard error, after seconds from now."""
    start = time.perf_counter()

    def told(event: ec.Event) -> None:
        print(f"{time.perf_counter() - start:7.0f} s  {event.stage}: {event.message}", file=sys.stderr, flush=True)

    return told


def measure(name: str, teacher: ec.Teacher, truth: ec.Network, tolerance: float = 1e-8, **settings: object) -> Row:
    """Recover a teacher and compare it with the truth; the row is printed at once."""
    start = time.perf_counter()
    found = ec.recover(teacher, activation=truth.activation, hidden_layers=len(truth.hidden_sizes), progress=watcher(),
                       **settings)
    seconds = time.perf_counter() - start
    error = float("inf")
    if found.network is not None:
        error = ec.compare(found, truth, tolerance=tolerance).max_parameter_error
    sizes = "-" if found.network is None else "-".join(map(str, found.network.sizes))
    row = Row(name, found.verdict.name, sizes, error, found.relative_loss, found.queries, seconds, tolerance)
    print(row.line(), flush=True)
    if found.exact and error > tolerance:
        print(f"WRONGLY CALLED EXACT: {name}", file=sys.stderr, flush=True)
    return row


def write_rows(rows: Iterable[Row], path: Path | None) -> None:
    """Keep the rows as JSON lines."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(dataclasses.asdict(row)) + "\n" for row in rows))


def foot(rows: list[Row]) -> str:
    """The line under a table."""
    exact, slowest = sum(r.exact for r in rows), max(r.seconds for r in rows)
    return f"\n{exact} of {len(rows)} exact; slowest {slowest:.1f} s; {machine()}"


def machine() -> str:
    """Processor, cores, commit and peak memory, for the head of a table."""
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return (f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
            f"commit {commit.stdout.strip()}, peak memory {peak_memory():.1f} GiB")


def peak_memory() -> float:
    """Of this process so far, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
