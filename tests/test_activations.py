"""Symmetries, values, slopes and names of activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import example, given, settings
from hypothesis import strategies as st

from expandcluster.activations import Activation, activation_names, find_symmetry, get_activation
from expandcluster.errors import BadInput
from expandcluster.precision import float64

# kind, constant, slope, homogeneous: written by hand from section 5 of the design
TABLE = {
    "g": ("none", 0.0, 0.0, False),
    "elu": ("none", 0.0, 0.0, False),
    "selu": ("none", 0.0, 0.0, False),
    "mish": ("none", 0.0, 0.0, False),
    "tanh": ("odd", 0.0, 0.0, False),
    "erf": ("odd", 0.0, 0.0, False),
    "softsign": ("odd", 0.0, 0.0, False),
    "identity": ("odd", 0.0, 0.0, True),
    "sigmoid": ("odd+constant", 1.0, 0.0, False),
    "softplus": ("even+linear", 0.0, -1.0, False),
    "gelu": ("even+linear", 0.0, -1.0, False),
    "gelu_tanh": ("even+linear", 0.0, -1.0, False),
    "silu": ("even+linear", 0.0, -1.0, False),
    "relu": ("even+linear", 0.0, -1.0, True),
    "leaky_relu": ("even+linear", 0.0, -1.01, True),
}

FORMULAS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "g": lambda z: 1 / (1 + np.exp(-4 * z)) + np.log1p(np.exp(z)),
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(z)),
    "mish": lambda z: z * np.tanh(np.log1p(np.exp(z))),
    "tanh": lambda z: np.array([math.tanh(x) for x in z]),
    "erf": lambda z: np.array([math.erf(x) for x in z]),
    "softsign": lambda z: z / (1 + np.abs(z)),
    "identity": lambda z: z,
    "sigmoid": scipy.special.expit,
    "softplus": lambda z: np.logaddexp(z, 0),
    "gelu": lambda z: z * scipy.stats.norm.cdf(z),
    "gelu_tanh": lambda z: z * scipy.special.expit(2 * np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.maximum(z, 0) + 0.01 * np.minimum(z, 0),
}

CUSTOM: dict[str, tuple[Any, str, bool]] = {
    "sin": (jnp.sin, "odd", False),
    "cube": (lambda z: z**3, "odd", False),
    "odd but for rounding": (lambda z: (z + 1.1) ** 3 - 3.3 * z * z - 1.331, "odd", False),
    "shifted tanh": (lambda z: 0.3 + jnp.tanh(z), "odd+constant", False),
    "cos": (jnp.cos, "even", False),
    "gauss": (lambda z: jnp.exp(-z * z), "even", False),
    "abs": (jnp.abs, "even", True),
    "swish 3": (lambda z: z * jax.nn.sigmoid(3.0 * z), "even+linear", False),
    "square plus line": (lambda z: z * z + 0.25 * z, "even+linear", False),
    "leaky": (lambda z: jnp.where(z > 0, z, 0.3 * z), "even+linear", True),
    "exp": (jnp.exp, "none", False),
    "relu6": (jax.nn.relu6, "none", False),
}


def _assert_reflection(activation: Activation) -> None:
    z = np.random.default_rng(7).normal(size=300) * 5
    symmetry = activation.symmetry
    with float64():
        right, left = np.asarray(activation(jnp.asarray(z))), np.asarray(activation(jnp.asarray(-z)))
    expected = symmetry.sign * right + symmetry.constant + symmetry.slope * z
    np.testing.assert_allclose(left, expected, rtol=1e-12, atol=1e-12 * np.abs(right).max())


def test_the_table_covers_every_listed_activation() -> None:
    assert sorted(TABLE) == sorted(FORMULAS) == list(activation_names())


@pytest.mark.parametrize("name", TABLE)
def test_listed_symmetries(name: str) -> None:
    kind, constant, slope, homogeneous = TABLE[name]
    symmetry = get_activation(name).symmetry
    assert (symmetry.kind, symmetry.constant, symmetry.slope) == (kind, constant, pytest.approx(slope, abs=1e-13))
    assert symmetry.homogeneous is homogeneous
    assert symmetry.exact_reflection is (kind in {"odd", "even"})
    if symmetry.sign:
        _assert_reflection(get_activation(name))


@pytest.mark.parametrize("name", TABLE)
def test_values_against_independent_formulas(name: str) -> None:
    z = np.random.default_rng(0).uniform(-6, 6, 200)
    with float64():
        found = np.asarray(get_activation(name)(jnp.asarray(z)))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, FORMULAS[name](z), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", TABLE)
def test_slope_against_central_differences(name: str) -> None:
    z = np.random.default_rng(1).uniform(-4, 4, 100)
    z = z[np.abs(z) > 1e-3]  # away from kinks
    with float64():
        value, slope = (np.asarray(a) for a in get_activation(name).value_and_slope(jnp.asarray(z)))
    step = 1e-5
    central = (FORMULAS[name](z + step) - FORMULAS[name](z - step)) / (2 * step)
    np.testing.assert_allclose(value, FORMULAS[name](z), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(slope, central, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("slope", [-1.5, -1.0, -0.3, 0.0, 1e-3, 0.07, 0.5, 0.9, 3.0])
def test_leaky_relu_of_several_slopes(slope: float) -> None:
    activation = get_activation(f"leaky_relu({slope})")
    assert activation.symmetry.sign == 1 and activation.symmetry.constant == 0.0
    assert activation.symmetry.slope == pytest.approx(-(1 + slope), abs=1e-12)
    assert activation.symmetry.homogeneous
    assert activation.negative_slope == slope
    _assert_reflection(activation)


def test_leaky_relu_of_slope_one_is_linear_and_of_a_huge_slope_has_no_constant() -> None:
    assert get_activation("leaky_relu(1)").symmetry == get_activation("identity").symmetry
    symmetry = get_activation("leaky_relu(1e20)").symmetry
    assert (symmetry.constant, symmetry.slope) == (0.0, pytest.approx(-1e20))


@pytest.mark.parametrize("case", CUSTOM)
def test_custom_functions(case: str) -> None:
    function, kind, homogeneous = CUSTOM[case]
    activation = get_activation(function)
    assert activation.symmetry.kind == kind
    assert activation.symmetry.homogeneous is homogeneous
    if activation.symmetry.sign:
        _assert_reflection(activation)


@given(st.floats(1e-8, 1e8), st.floats(-3, 3))
@settings(max_examples=30, deadline=None)
def test_symmetry_does_not_depend_on_the_scale_of_the_function(scale: float, slope: float) -> None:
    even = find_symmetry(lambda z: scale * (jnp.cos(z) + slope * z))
    odd = find_symmetry(lambda z: scale * (jnp.tanh(z) + slope))
    assert (even.sign, even.constant) == (1, 0.0)
    assert even.slope == pytest.approx(-2 * scale * slope, rel=1e-9, abs=1e-11 * scale)
    assert (odd.sign, odd.slope) == (-1, 0.0)
    assert odd.constant == pytest.approx(2 * scale * slope, rel=1e-9, abs=1e-11 * scale)


def test_slightly_broken_symmetry_is_not_taken_for_one() -> None:
    assert find_symmetry(lambda z: jnp.tanh(z) + 1e-7 * z * z).sign == 0
    assert find_symmetry(lambda z: jnp.where(z > 0, z, 0.1 * z) + 1e-7 * jnp.tanh(z)).homogeneous is False


@pytest.mark.parametrize("low", [0.0, 0.07, -0.5])
def test_smoothed_approaches_the_kinked_function(low: float) -> None:
    activation = get_activation(f"leaky_relu({low})")
    z = np.linspace(-3, 3, 601)
    exact = np.where(z >= 0, z, low * z)
    for sharpness in (2.0, 20.0, 200.0, 2000.0):
        with float64():
            smooth, slope = activation.value_and_slope(jnp.asarray(z), jnp.asarray(sharpness))
        largest = np.abs(np.asarray(smooth) - exact).max()  # at the kink: log 2 / sharpness
        assert largest == pytest.approx((1 - low) * math.log(2) / sharpness, rel=1e-9)
        away = np.abs(z) > 40 / sharpness
        np.testing.assert_allclose(np.asarray(slope)[away], np.where(z > 0, 1.0, low)[away], atol=1e-12)


def test_smoothing_leaves_smooth_activations_alone() -> None:
    activation = get_activation("tanh")
    assert activation.smoothed(jnp.asarray(5.0)) is activation.function


@pytest.mark.parametrize(
    ("text", "same"),
    [("logistic", "sigmoid"), ("swish", "silu"), ("linear", "identity"), ("soft_sign", "softsign"), (" Tanh ", "tanh"),
     ("ReLU", "relu"), ("leaky_relu", "leaky_relu(0.01)"), ("leaky_relu( 0.070 )", "leaky_relu(7e-2)"),
     ("elu()", "elu(1)"), ("tanh()", "tanh")],
)
def test_aliases_and_parameters(text: str, same: str) -> None:
    one, other = get_activation(text), get_activation(same)
    assert one == other and hash(one) == hash(other)
    assert get_activation(one.name) == one


def test_different_activations_differ() -> None:
    assert get_activation("leaky_relu(0.1)") != get_activation("leaky_relu(0.2)")
    assert get_activation("gelu") != get_activation("gelu_tanh")
    assert get_activation(lambda z: z**3) != get_activation(lambda z: z**3)
    assert get_activation("tanh") != "tanh"


@pytest.mark.parametrize(
    ("text", "near"),
    [("tahn", "tanh"), ("sigmoyd", "sigmoid"), ("Gelo", "gelu"), ("leakyrelu", "leaky_relu"),
     ("soft-plus", "softplus")],
)
def test_unknown_names_suggest_the_nearest(text: str, near: str) -> None:
    with pytest.raises(BadInput, match=f"Did you mean '{near}'"):
        get_activation(text)


@pytest.mark.parametrize(
    "text",
    ["", "()", "qqqqqqqqq", "tanh(2)", "leaky_relu(x)", "leaky_relu(nan)", "leaky_relu(inf)", "leaky_relu(1,2)",
     "leaky_relu(1e308)", "elu((1))", "relu\0", "leaky_relu(1", "custom:tanh"],
)
def test_names_that_cannot_be_used(text: str) -> None:
    with pytest.raises(BadInput):
        get_activation(text)


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_an_activation_or_bad_input(text: str) -> None:
    _activation_or_bad_input(text)


@given(st.sampled_from(activation_names()), st.floats() | st.text("0123456789.e-+_ naif", max_size=8))
@example("elu", 1e308)
@settings(max_examples=60, deadline=None)
def test_any_parameter_gives_an_activation_or_bad_input(name: str, parameter: float | str) -> None:
    _activation_or_bad_input(f"{name}({parameter})")


def _activation_or_bad_input(text: str) -> None:
    try:
        activation = get_activation(text)
    except BadInput as error:
        assert "activation" in str(error)
    else:
        assert get_activation(activation.name) == activation


def test_functions_of_jax_are_the_listed_activations() -> None:
    pairs = [(jax.nn.relu, "relu"), (jnp.tanh, "tanh"), (jax.nn.swish, "silu"), (jax.nn.soft_sign, "softsign"),
             (jax.nn.gelu, "gelu_tanh"), (jax.nn.leaky_relu, "leaky_relu"), (jax.nn.elu, "elu")]
    z = np.linspace(-3, 3, 31)
    for function, name in pairs:
        activation = get_activation(function)
        assert activation == get_activation(name)
        assert activation.negative_slope == get_activation(name).negative_slope
        with float64():
            np.testing.assert_allclose(activation(jnp.asarray(z)), function(jnp.asarray(z)), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["tanh", "leaky_relu", "swish", "ELU"])
def test_a_function_with_a_listed_name_is_not_taken_for_it(name: str) -> None:
    def function(z: jax.Array) -> jax.Array:
        return jnp.where(z > 0, z, 0.2 * z)

    function.__name__ = name
    activation = get_activation(function)
    assert activation.name == f"custom:{name}"
    assert activation != get_activation(name)
    assert activation == get_activation(function) == get_activation(activation)


@pytest.mark.parametrize(
    "function",
    [lambda z: z - z.mean(), jnp.cumsum, lambda z: z[:1], lambda z: (z, z), lambda z: None, lambda z: 1.0,
     lambda z: z > 0, lambda z: jnp.round(z).astype(int), lambda z: jnp.exp(1j * z), jnp.log, lambda z: np.tanh(z),
     lambda z: jnp.sqrt(4.0 - z), lambda z: z + "1", lambda: 0, 3.0, None],
)
def test_functions_that_cannot_be_used(function: object) -> None:
    with pytest.raises(BadInput):
        get_activation(function)  # type: ignore[arg-type]
