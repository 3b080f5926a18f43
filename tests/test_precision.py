"""Float64 inside the package's calls, and the user's setting untouched outside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from expandcluster.activations import find_symmetry, get_activation
from expandcluster.compare import compare
from expandcluster.networks import Network
from expandcluster.precision import float64, in_float64

CONFIG: Any = jax.config  # its flags are not declared


@pytest.fixture(params=[False, True], ids=["float32 user", "float64 user"])
def setting(request: pytest.FixtureRequest) -> Iterator[bool]:
    before = CONFIG.jax_enable_x64
    CONFIG.update("jax_enable_x64", request.param)
    yield request.param
    CONFIG.update("jax_enable_x64", before)


def _user_dtype() -> np.dtype:
    return jnp.asarray(np.ones(1)).dtype


def test_context_and_decorator_compute_in_float64(setting: bool) -> None:
    outside = np.float64 if setting else np.float32
    with float64():
        assert _user_dtype() == np.float64
        with float64():
            assert _user_dtype() == np.float64
        assert _user_dtype() == np.float64
    assert _user_dtype() == outside
    assert in_float64(_user_dtype)() == np.float64
    assert _user_dtype() == outside
    assert CONFIG.jax_enable_x64 is setting


def test_setting_comes_back_after_an_exception(setting: bool) -> None:
    @in_float64
    def fails() -> None:
        raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fails()
    with pytest.raises(KeyError), float64():
        raise KeyError
    assert CONFIG.jax_enable_x64 is setting
    assert _user_dtype() == (np.float64 if setting else np.float32)


def test_setting_is_untouched_by_the_package(setting: bool) -> None:
    seen = []

    def watched(z: jax.Array) -> jax.Array:
        seen.append(z.dtype)
        return jnp.sin(z)

    activation = get_activation(watched)
    find_symmetry(watched)
    network = Network((np.eye(2), np.ones((1, 2))), (np.zeros(2), np.zeros(1)), activation)
    output = network(np.array([[1e-9, 1.0]], dtype=np.float32))
    compare(network, network)
    assert set(seen) == {np.dtype(np.float64)}
    assert output.dtype == np.float64
    np.testing.assert_allclose(output, [[np.sin(np.float64(np.float32(1e-9))) + np.sin(1.0)]], rtol=1e-15)
    assert CONFIG.jax_enable_x64 is setting
    assert _user_dtype() == (np.float64 if setting else np.float32)


def test_other_threads_keep_their_precision() -> None:
    seen = []
    with float64():
        thread = threading.Thread(target=lambda: seen.append(_user_dtype()))
        thread.start()
        thread.join()
    assert seen == [np.float64 if CONFIG.jax_enable_x64 else np.float32]


def test_decorator_keeps_name_and_docstring() -> None:
    assert find_symmetry.__name__ == "find_symmetry"
    assert "symmetry" in (find_symmetry.__doc__ or "")
