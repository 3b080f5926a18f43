"""Parameter error against the noise of the answers, beside the Cramer-Rao bound of the same queries.

Gaussian noise of relative size 0 to 1e-2 is added to the answers of three small networks; how often the true
parameters lie within one and two of the reported error bars is counted. Draws docs/figures/noise.svg.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from benchmarks.common import ROOT, machine, random_teacher

import expandcluster as ec
from expandcluster.error_bars import determined, error_bars
from expandcluster.expand.population import Samples

NOISES, SEEDS = (0.0, 1e-8, 1e-6, 1e-4, 1e-2), range(5)
TEACHERS = (((6, 5, 2), "tanh"), ((6, 5, 2), "relu"), ((4, 4, 3, 2), "gelu"))


@dataclasses.dataclass(frozen=True)
class Point:
    """One recovery: root mean square error and bound, relative to the largest parameter; deviations in error bars."""

    teacher: str
    noise: float
    verdict: str
    error: float
    bound: float
    deviations: np.ndarray


def measure(sizes: tuple[int, ...], activation: str, noise: float, seed: int) -> Point:
    """Recover one teacher with noisy answers."""
    truth = random_teacher(sizes, activation, seed)
    rng = np.random.default_rng(seed)
    spread = truth(rng.normal(size=(2000, sizes[0]))).std()
    asked: list[np.ndarray] = []

    def answer(x: np.ndarray) -> np.ndarray:
        asked.append(x)
        return truth(x) + noise * spread * rng.normal(size=(len(x), sizes[-1]))

    options = ec.RecoverOptions(queries=ec.QueryOptions(noisy=noise > 0))
    found = ec.recover(ec.Teacher.from_callable(answer, sizes[0]), activation=activation,
                       hidden_layers=len(sizes) - 2, seed=seed, options=options)
    name = f"{activation} {'-'.join(map(str, sizes))}"
    result = None if found.network is None else ec.compare(found, truth)
    if result is None or result.aligned is None or found.certificate is None:
        return Point(name, noise, found.verdict.name, np.nan, np.nan, np.zeros(0))
    x = np.concatenate(asked)
    y = truth(x)
    sigma = max(noise, np.finfo(float).eps / 4) * spread / y.std(axis=0).mean()
    bound = error_bars(determined(truth, Samples(x, y), sigma))
    true, aligned = (_flat(n) for n in (result.truth, result.aligned))
    size = np.abs(true).max()
    bars = _flat_bars(found.certificate.error_bars, result.permutations)
    error = aligned - true
    lowest = np.concatenate([b.ravel() for b in bound])
    return Point(name, noise, found.verdict.name, float(np.sqrt(np.mean(error**2))) / size,
                 float(np.sqrt(np.nanmean(lowest**2))) / size, np.abs(error) / bars)


def _flat(network: ec.Network) -> np.ndarray:
    pairs = zip(network.weights, network.biases, strict=True)
    return np.concatenate([a.ravel() for pair in pairs for a in pair])


def _flat_bars(bars: Sequence[np.ndarray], permutations: Sequence[Sequence[int]]) -> np.ndarray:
    """Error bars in the truth's order of neurons."""
    ordered = [b.copy() for b in bars]
    for layer, order in enumerate(permutations):
        at = list(order)
        ordered[2 * layer], ordered[2 * layer + 1] = ordered[2 * layer][at], ordered[2 * layer + 1][at]
        ordered[2 * layer + 2] = ordered[2 * layer + 2][:, at]
    return np.concatenate([b.ravel() for b in ordered])


def draw(points: Sequence[Point]) -> None:
    """Errors and bounds over the noise."""
    from expandcluster.plot import COLORS, figure, save

    canvas, ax = figure(1)
    for color, name in zip(COLORS.values(), dict.fromkeys(p.teacher for p in points), strict=True):
        shown = [p for p in points if p.teacher == name and p.noise > 0 and np.isfinite(p.error)]
        ax.loglog([p.noise for p in shown], [p.error for p in shown], "o", color=color, ms=3, label=name)
        means = {noise: np.mean([p.bound for p in shown if p.noise == noise]) for noise in {p.noise for p in shown}}
        ax.loglog(sorted(means), [means[noise] for noise in sorted(means)], "-", color=color, lw=1)
    ax.set_xlabel("noise of the answers, relative")
    ax.set_ylabel("parameter error, relative")
    ax.legend(title="lines: Cramer-Rao bound", fontsize=6, title_fontsize=6, frameon=False)
    save(canvas, ROOT / "docs" / "figures" / "noise.svg")


def main() -> None:
    points = []
    print("| teacher | noise | sizes found | error, rms | Cramer-Rao bound, rms | ratio | within 1 bar | "
          "within 2 bars | verdicts |\n|---|---|---|---|---|---|---|---|---|")
    for sizes, activation in TEACHERS:
        for noise in NOISES:
            here = [measure(sizes, activation, noise, seed) for seed in SEEDS]
            points += here
            good = [p for p in here if np.isfinite(p.error)]
            error, bound = (np.sqrt(np.mean([getattr(p, n) ** 2 for p in good])) for n in ("error", "bound"))
            all_deviations = np.concatenate([p.deviations for p in good])
            verdicts = ", ".join(f"{v} {sum(p.verdict == v for p in here)}"
                                 for v in sorted({p.verdict for p in here}))
            print(f"| {here[0].teacher} | {noise:g} | {len(good)} of {len(here)} | {error:.1e} | {bound:.1e} | "
                  f"{error / bound:.2f} | {np.mean(all_deviations <= 1):.0%} | {np.mean(all_deviations <= 2):.0%} | "
                  f"{verdicts} |", flush=True)
    draw(points)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
