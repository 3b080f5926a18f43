"""The one place where JAX is switched to float64, for the time of a call and no longer."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax

__all__ = ["float64", "in_float64"]

P = ParamSpec("P")
T = TypeVar("T")


def float64() -> Any:
    """A context manager in which JAX computes in float64."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    return importlib.import_module("jax.experimental").enable_x64()  # before JAX 0.8


def in_float64(function: Callable[P, T]) -> Callable[P, T]:
    """Decorator: run ``function`` with JAX in float64, and leave the user's setting alone."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        with float64():
            return function(*args, **kwargs)

    return wrapped
