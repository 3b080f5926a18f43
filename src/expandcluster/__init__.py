"""Recover a neural network, its layer sizes, weights and biases, from its input-output behaviour.

The method is Expand-and-Cluster (Martinelli, Simsek, Gerstner, Brea, ICML 2024).
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Names are loaded when first used, so that `expandcluster --help` answers without loading JAX.
_HOME = {
    "Activation": "activations",
    "Symmetry": "activations",
    "find_symmetry": "activations",
    "get_activation": "activations",
    "Comparison": "compare",
    "compare": "compare",
    "Inputs": "data",
    "read_inputs": "data",
    "BadInput": "errors",
    "ExpandClusterError": "errors",
    "ExpandAndClusterClassifier": "estimator",
    "ExpandAndClusterRegressor": "estimator",
    "load_network": "export",
    "open_network": "export",
    "save_network": "export",
    "Network": "networks",
    "Population": "networks",
    "AdamOptions": "options",
    "BFGSOptions": "options",
    "ClusterOptions": "options",
    "ExpandOptions": "options",
    "GradientFlowOptions": "options",
    "LMOptions": "options",
    "NewtonOptions": "options",
    "QueryOptions": "options",
    "RecoverOptions": "options",
    "SLSQPOptions": "options",
    "Event": "progress",
    "Domain": "queries.domain",
    "recover": "recover",
    "Recovery": "results",
    "Verdict": "results",
    "Teacher": "teachers",
    "open_teacher": "teachers",
}

_FOLDERS = ("export", "plot")  # of functions that are called by their folder: ec.export.to_torch, ec.plot.losses

__all__ = ["__version__", *_HOME]

if TYPE_CHECKING:
    from expandcluster import export
    from expandcluster.activations import Activation, Symmetry, find_symmetry, get_activation
    from expandcluster.compare import Comparison, compare
    from expandcluster.data import Inputs, read_inputs
    from expandcluster.errors import BadInput, ExpandClusterError
    from expandcluster.estimator import ExpandAndClusterClassifier, ExpandAndClusterRegressor
    from expandcluster.export import load_network, open_network, save_network
    from expandcluster.networks import Network, Population
    from expandcluster.options import (
        AdamOptions,
        BFGSOptions,
        ClusterOptions,
        ExpandOptions,
        GradientFlowOptions,
        LMOptions,
        NewtonOptions,
        QueryOptions,
        RecoverOptions,
        SLSQPOptions,
    )
    from expandcluster.progress import Event
    from expandcluster.queries.domain import Domain
    from expandcluster.recover import recover
    from expandcluster.results import Recovery, Verdict
    from expandcluster.teachers import Teacher, open_teacher


class _Package(types.ModuleType):
    """`recover` and `compare` are functions here, also after the modules of that name were imported."""

    def __getattr__(self, name: str) -> Any:
        if name in _FOLDERS:
            return importlib.import_module(f"expandcluster.{name}")
        if name not in _HOME:
            raise AttributeError(f"module 'expandcluster' has no attribute '{name}'")
        return getattr(importlib.import_module(f"expandcluster.{_HOME[name]}"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted([*__all__, *_FOLDERS])


sys.modules[__name__].__class__ = _Package
