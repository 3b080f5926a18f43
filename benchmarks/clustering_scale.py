"""Clustering of thousands of neurons: seconds and peak memory against their number.

    python -m benchmarks.clustering_scale [--sizes 2000,5000,10000,20480] [--activations g,tanh,relu]
                                         [--memory BYTES] [--random SHARE]

Made-up students, each in a random gauge: four fifths of a student's neurons are a teacher's with errors between 1e-9
and 1e-3 (one size of error for each student), a tenth is near zero, a tenth is random. Every row is a process of its
own, so that its peak memory is that of the clustering, and on idle cores it takes no longer than its processor seconds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

import numpy as np
from benchmarks.common import machine, peak_memory

import expandcluster as ec
from expandcluster.cluster.canonical import gather_neurons
from expandcluster.cluster.contribution import contributing
from expandcluster.cluster.merge import merge
from expandcluster.cluster.tree import cut_again, link

SIZES, ACTIVATIONS, STUDENTS, INPUTS, OUTPUTS = (2000, 5000, 10_000, 20_480), ("g", "tanh", "relu"), 20, 784, 10
HEAD = ("| neurons | activation | clustered | prune, s | link, s | cut, s | merge, s | all, s | processor, s | "
        "peak memory, GiB | teacher's neurons found |\n|---|---|---|---|---|---|---|---|---|---|---|")


def made_up_students(neurons: int, activation: str, seed: int = 0, students: int = STUDENTS, inputs: int = INPUTS,
                     random_share: float = 0.1) -> tuple[ec.Network, list[ec.Network]]:
    """A teacher and students that hold its neurons, ``neurons`` in all students together."""
    rng = np.random.default_rng([seed, neurons])
    width = neurons // students
    zero, stray = max(1, width // 10), max(1, int(random_share * width))
    true = width - zero - stray
    act = ec.get_activation(activation)
    w = rng.normal(size=(true, inputs + 1))
    w[:, -1] *= 0.3  # no neuron is silent on all samples
    w *= 2.0 / np.linalg.norm(w, axis=1, keepdims=True)
    a = rng.normal(size=(OUTPUTS, true)) / np.sqrt(true)
    teacher = ec.Network((w[:, :-1], a), (w[:, -1], np.zeros(OUTPUTS)), act)
    made = []
    for error in 10.0 ** rng.uniform(-9, -3, size=students):
        noise = rng.normal(size=w.shape)
        own = 2.0 * rng.normal(size=(zero + stray, inputs + 1)) / np.sqrt(inputs)
        own[:zero] *= 1e-6
        rows = np.concatenate([w + 2.0 * error * noise / np.linalg.norm(noise, axis=1, keepdims=True), own])
        out = np.concatenate([a, rng.normal(size=(OUTPUTS, zero + stray)) / np.sqrt(true)], axis=1)
        out[:, true : true + zero] *= 1e-6
        flip = np.where(rng.random(width) < 0.5, -1.0, 1.0) if act.symmetry.sign else np.ones(width)
        scale = flip * (np.exp(rng.normal(size=width)) if act.symmetry.homogeneous else 1.0)
        order = rng.permutation(width)
        rows = (rows * scale[:, None])[order]
        out = (out / np.abs(scale) * np.where(flip < 0, act.symmetry.sign, 1.0))[:, order]
        made.append(ec.Network((rows[:, :-1], out), (rows[:, -1], np.zeros(OUTPUTS)), act))
    return teacher, made


def measure(neurons: int, activation: str, options: ec.ClusterOptions, random_share: float) -> dict[str, object]:
    """Prune, link, cut and merge once."""
    teacher, students = made_up_students(neurons, activation, random_share=random_share)
    x = np.random.default_rng(1).normal(size=(1000, INPUTS)) / np.sqrt(INPUTS)
    y = teacher(x)
    variance = float(np.sum((y - y.mean(axis=0)) ** 2))
    times, used = [time.perf_counter()], time.process_time()
    gathered = gather_neurons(students, teacher.activation.symmetry)
    gathered = gathered.take(contributing(students, x, variance, 1e-8))
    times.append(time.perf_counter())
    mirrored = gathered.sign != 0
    tree = link(gathered.vectors, mirrored=mirrored, memory=options.memory)
    times.append(time.perf_counter())
    found = cut_again(tree, gathered.vectors, gathered.student, len(students), options, mirrored=mirrored)
    times.append(time.perf_counter())
    merge(gathered.as_in(found.vectors), found.labels, range(len(students)))
    times.append(time.perf_counter())
    used = time.process_time() - used
    return {"neurons": neurons, "activation": activation, "clustered": len(gathered.vectors),
            "seconds": [*np.diff(times).tolist(), times[-1] - times[0], used],
            "gib": peak_memory(),
            "found": len(found.support), "true": teacher.hidden_sizes[0]}


def line(row: dict) -> str:
    """A row of the table."""
    seconds = " | ".join(f"{s:.1f}" for s in row["seconds"])
    return (f"| {row['neurons']:,} | {row['activation']} | {row['clustered']:,} | {seconds} | {row['gib']:.1f} | "
            f"{row['found']:,} of {row['true']:,} |")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--activations", default=",".join(ACTIVATIONS))
    parser.add_argument("--memory", type=int, default=ec.ClusterOptions().memory, help="see ClusterOptions")
    parser.add_argument("--random", type=float, default=0.1, help="share of the neurons that are random")
    parser.add_argument("--rows", type=Path, help="also write the rows here, as JSON lines")
    given = parser.parse_args([] if arguments is None else arguments)
    print(HEAD, flush=True)
    for neurons in map(int, given.sizes.split(",")):
        for activation in given.activations.split(","):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                row = pool.apply(measure, (neurons, activation, ec.ClusterOptions(memory=given.memory), given.random))
            print(line(row), flush=True)
            if given.rows is not None:
                with given.rows.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    print(f"\n{machine().rpartition(', peak')[0]}, load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main(sys.argv[1:])
