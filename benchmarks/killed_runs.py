"""What kills cost: runs that are killed at random moments against the same runs undisturbed.

    python -m benchmarks.killed_runs [WORD ...]     # only teachers with these words in their names, such as "relu 8-9"

Random teachers, `expandcluster recover --checkpoint 2`, on threads of one process and on the workers of Dask; a run is
killed (SIGKILL) at random moments and started again, until it ends. Undisturbed runs are those of the local engine.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.common import machine, random_teacher

import expandcluster as ec

TEACHERS = (((2, 8, 1), "tanh"), ((6, 6, 6, 1), "tanh"), ((5, 5, 5, 2), "relu"), ((8, 9, 9, 2), "relu"))
ENGINES = {"local": (3.0, 8.0), "dask": (6.0, 12.0)}  # seconds to a kill: a cluster starts slowly
INTERVAL = 2.0


def command(truth: Path, out: Path, activation: str, hidden: int, engine: str) -> list[str]:
    return [sys.executable, "-m", "expandcluster", "recover", str(truth), "--activation", activation, "--hidden-layers",
            str(hidden), "--checkpoint", str(INTERVAL), "--engine", engine, "--out", str(out), "--quiet"]


def age_of_state(out: Path, since: float) -> float | None:
    """Seconds since the newest checkpoint was written; ``None`` where none was since this sitting began."""
    written = [path.stat().st_mtime for path in out.glob("training/*/state.safetensors")]
    return min((time.time() - at for at in written if at > since), default=None)


def killed(line: list[str], out: Path, moments: random.Random, between: tuple[float, float]
           ) -> tuple[int, float, list[float]]:
    """Kills, wall seconds of all sittings, and the age of the newest checkpoint at every kill."""
    kills, ages, start = 0, [], time.perf_counter()
    while True:
        run, began = subprocess.Popen(line), time.time()
        try:
            run.wait(moments.uniform(*between))
            return kills, time.perf_counter() - start, ages
        except subprocess.TimeoutExpired:
            age = age_of_state(out, began)
            run.kill()
            run.wait()
            kills += 1
            ages += [] if age is None else [age]


def differing(one: Path, other: Path) -> int:
    """Parameters in which the networks of two run folders differ."""
    first, second = (ec.open_network(str(folder)) for folder in (one, other))
    return sum(int(np.sum(a != b)) for a, b in zip((*first.weights, *first.biases), (*second.weights, *second.biases),
                                                   strict=True))


def main(only: Sequence[str] = ()) -> None:
    moments = random.Random(0)
    print("| teacher | seconds undisturbed | engine | kills | seconds of all sittings | "
          "oldest checkpoint at a kill, seconds | verdict | parameters that differ |\n" + 8 * "|---" + "|")
    for sizes, activation in TEACHERS:
        title = f"{activation} {'-'.join(map(str, sizes))}"
        if only and not any(word in title for word in only):
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            ec.save_network(random_teacher(sizes, activation, 0), folder / "truth.safetensors")
            lines = {out: command(folder / "truth.safetensors", folder / out, activation, len(sizes) - 2,
                                  out if out in ENGINES else "local") for out in ("first", "whole", *ENGINES)}
            subprocess.run(lines["first"], check=False)  # compiles
            start = time.perf_counter()
            subprocess.run(lines["whole"], check=False)
            undisturbed = time.perf_counter() - start
            for engine, between in ENGINES.items():
                kills, seconds, ages = killed(lines[engine], folder / engine, moments, between)
                verdicts = {json.loads((folder / out / "result.json").read_text())["verdict"]
                            for out in ("whole", engine)}
                print(f"| {title} | {undisturbed:.1f} | {engine} | {kills} | "
                      f"{seconds:.1f} | {f'{max(ages):.1f}' if ages else '-'} | {' and '.join(sorted(verdicts))} | "
                      f"{differing(folder / 'whole', folder / engine)} |", flush=True)
    print(f"\nA checkpoint every {INTERVAL:g} s; {machine()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", metavar="WORD")
    main(parser.parse_args().only)
