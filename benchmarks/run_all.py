"""Run every benchmark, one after the other, and print its table."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

SCRIPTS = ("digits", "shallow_grid", "deep_grid", "chosen_queries", "rare_neurons", "negatives", "image_negatives",
           "links", "error_against_noise", "audit_mnist", "lm_against_optimistix", "estimator", "clustering_scale",
           "data_only", "roofline", "scaling", "killed_runs", "synthetic")

if __name__ == "__main__":
    for name in SCRIPTS:
        print(f"\n## benchmarks/{name}.py\n", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
