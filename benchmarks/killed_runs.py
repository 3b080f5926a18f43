"""What kills cost: runs that are killed at random moments against the same runs undisturbed.

Random teachers, `expandcluster recover --checkpoint 2`; a run is killed (SIGKILL) after 4 to 12 seconds and
started again, until it ends.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from benchmarks.common import machine, random_teacher

import expandcluster as ec

TEACHERS = (((2, 8, 1), "tanh"), ((6, 6, 6, 1), "tanh"), ((5, 5, 5, 2), "relu"))
INTERVAL, SHORTEST, LONGEST = 2.0, 4.0, 12.0


def command(truth: Path, out: Path, activation: str, hidden: int) -> list[str]:
    return [sys.executable, "-m", "expandcluster", "recover", str(truth), "--activation", activation, "--hidden-layers",
            str(hidden), "--checkpoint", str(INTERVAL), "--out", str(out), "--quiet"]


def age_of_state(out: Path, since: float) -> float | None:
    """Seconds since the newest checkpoint was written; ``None`` where none was since this sitting began."""
    written = [path.stat().st_mtime for path in out.glob("training/*/state.safetensors")]
    return min((time.time() - at for at in written if at > since), default=None)


def killed(line: list[str], out: Path, moments: random.Random) -> tuple[int, float, list[float]]:
    """Kills, wall seconds of all sittings, and the age of the newest checkpoint at every kill."""
    kills, ages, start = 0, [], time.perf_counter()
    while True:
        run, began = subprocess.Popen(line), time.time()
        try:
            run.wait(moments.uniform(SHORTEST, LONGEST))
            return kills, time.perf_counter() - start, ages
        except subprocess.TimeoutExpired:
            age = age_of_state(out, began)
            run.kill()
            run.wait()
            kills += 1
            ages += [] if age is None else [age]


def main() -> None:
    moments = random.Random(0)
    print("| teacher | seconds undisturbed | kills | seconds of all sittings | oldest checkpoint at a kill, seconds | "
          "verdict | parameters that differ |\n|---|---|---|---|---|---|---|")
    for sizes, activation in TEACHERS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            ec.save_network(random_teacher(sizes, activation, 0), folder / "truth.safetensors")
            lines = [command(folder / "truth.safetensors", folder / out, activation, len(sizes) - 2)
                     for out in ("first", "whole", "killed")]
            subprocess.run(lines[0], check=False)  # compiles
            start = time.perf_counter()
            subprocess.run(lines[1], check=False)
            undisturbed = time.perf_counter() - start
            kills, seconds, ages = killed(lines[2], folder / "killed", moments)
            verdicts = {json.loads((folder / out / "result.json").read_text())["verdict"]
                        for out in ("whole", "killed")}
            whole, other = (ec.open_network(str(folder / out)) for out in ("whole", "killed"))
            differ = sum(int(np.sum(a != b)) for a, b in zip((*whole.weights, *whole.biases),
                                                             (*other.weights, *other.biases), strict=True))
            print(f"| {activation} {'-'.join(map(str, sizes))} | {undisturbed:.1f} | {kills} | {seconds:.1f} | "
                  f"{f'{max(ages):.1f}' if ages else '-'} | {' and '.join(sorted(verdicts))} | {differ} |", flush=True)
    print(f"\nA checkpoint every {INTERVAL:g} s; {machine()}")


if __name__ == "__main__":
    main()
