"""Activations and their symmetry: the only place where symmetry is defined.

Every symmetry we use is one equation, with numbers found from the function itself:

    sigma(-z) = sign * sigma(z) + constant + slope * z              (reflection)
    sigma(c z) = c * sigma(z)  for every c > 0                      (homogeneity)

``sign`` is -1 for odd (tanh) and odd + constant (sigmoid), +1 for even and even + linear
(softplus, GELU, SiLU, ReLU), and 0 when there is no reflection (g, ELU, Mish). A neuron
``a sigma(w x + b)`` may then be replaced by ``sign * a sigma(-w x - b)`` plus the affine map
``a (constant - slope (w x + b))``. See Martinelli et al. 2024, section 4 and appendix A.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from expandcluster.errors import BadInput
from expandcluster.precision import float64, in_float64

__all__ = ["Activation", "Symmetry", "activation_names", "find_symmetry", "get_activation"]

Elementwise = Callable[[jax.Array], jax.Array]

_FAR = np.array([40.0, 60.0, 100.0])  # preactivations where smooth activations are lines, or constant, to rounding
_STRAIGHT = 1e-13


@dataclasses.dataclass(frozen=True)
class Symmetry:
    """Which other neurons compute the same function up to an affine map.

    Attributes:
        sign: -1, 0 (no reflection) or +1 in ``sigma(-z) = sign sigma(z) + constant + slope z``.
        constant: the constant of that equation.
        slope: the slope of that equation.
        homogeneous: whether ``sigma(c z) = c sigma(z)`` for every c > 0.

    Example:
        >>> get_activation("softplus").symmetry
        Symmetry(sign=1, constant=0.0, slope=-1.0, homogeneous=False)
    """

    sign: int
    constant: float = 0.0
    slope: float = 0.0
    homogeneous: bool = False

    @property
    def exact_reflection(self) -> bool:
        """Whether the reflection leaves no affine map behind (odd or even functions)."""
        return self.sign != 0 and self.constant == 0.0 and self.slope == 0.0

    @property
    def kind(self) -> str:
        """The name DESIGN gives this class: none, odd, odd+constant, even or even+linear."""
        if self.sign == 0:
            return "none"
        if self.sign < 0:
            return "odd" if self.exact_reflection else "odd+constant"
        return "even" if self.exact_reflection else "even+linear"


@dataclasses.dataclass(frozen=True)
class Activation:
    """An elementwise activation and its symmetry.

    Attributes:
        name: how it is written on the command line, for example ``leaky_relu(0.07)``.
        function: maps an array to an array of the same shape, with JAX operations.
        symmetry: see :class:`Symmetry`.
        negative_slope: for piecewise-linear activations with one kink at zero (ReLU, leaky ReLU),
            the slope left of it; ``None`` for all others. These are trained along a smooth path.

    Example:
        >>> sigmoid = get_activation("sigmoid")
        >>> sigmoid.symmetry.kind, sigmoid.on_host(np.zeros(1))[0].tolist()
        ('odd+constant', [0.5])
    """

    name: str
    function: Elementwise
    symmetry: Symmetry
    negative_slope: float | None = None

    def __call__(self, z: jax.Array) -> jax.Array:
        return self.function(z)

    def value_and_slope(self, z: jax.Array, sharpness: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """sigma(z) and sigma'(z), elementwise.

        Args:
            z: preactivations, any shape.
            sharpness: if given and the activation has a kink, the kink is replaced by
                ``softplus(sharpness z) / sharpness``.
        """
        function = self.function if sharpness is None else self.smoothed(sharpness)
        return jax.jvp(function, (z,), (jnp.ones_like(z),))

    def on_host(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """sigma(z) and sigma'(z) as NumPy arrays in float64, without a compilation for every new shape."""
        length = 1 << max(z.size - 1, 1).bit_length()
        flat = np.zeros(length)
        flat[: z.size] = z.reshape(-1)
        with float64():
            value, slope = _compiled(self, flat)
        return np.asarray(value)[: z.size].reshape(z.shape), np.asarray(slope)[: z.size].reshape(z.shape)

    def smoothed(self, sharpness: jax.Array) -> Elementwise:
        """The smooth stand-in of a kinked activation; the activation itself if it has no kink."""
        low = self.negative_slope
        if low is None:
            return self.function
        return lambda z: low * z + (1.0 - low) * jax.nn.softplus(sharpness * z) / sharpness

    @functools.cached_property
    def tail(self) -> tuple[float, float, float] | None:
        """Side (1.0 or -1.0), slope and constant of the line that it is to rounding beyond 40 on that side, if any.

        Example:
            >>> get_activation("softplus").tail, get_activation("tanh").tail
            ((1.0, 1.0, 0.0), None)
        """
        for side in (1.0, -1.0):
            value, slope = self.on_host(side * _FAR)
            with np.errstate(over="ignore", invalid="ignore"):
                constant = value - slope * side * _FAR
                bent = max(np.ptp(slope) / max(abs(slope[0]), 1e-300), np.ptp(constant) / _FAR[-1])
            if slope[0] != 0 and bent <= _STRAIGHT:
                return side, float(slope[0]), float(constant[0])
        return None

    # Activations are static arguments of compiled functions: equal names mean equal functions,
    # except for functions a user passed, which are equal only to themselves.
    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Activation)
            and self.name == other.name
            and (self.name in _PARAMETER_FREE or "(" in self.name or self.function is other.function)
        )

    def __reduce__(self) -> tuple[Callable[..., Activation], tuple[object, ...]]:
        """Listed activations are pickled by their name: their functions cannot be."""
        if self.name.partition("(")[0] in {*_PARAMETER_FREE, *_ONE_PARAMETER}:
            return _named, (self.name,)
        return Activation, (self.name, self.function, self.symmetry, self.negative_slope)


@functools.partial(jax.jit, static_argnums=0)
def _compiled(activation: Activation, z: jax.Array) -> tuple[jax.Array, jax.Array]:
    return activation.value_and_slope(z)


def _g(z: jax.Array) -> jax.Array:
    """sigmoid(4 x) + softplus(x): the paper's activation without symmetry (section 4)."""
    return jax.nn.sigmoid(4.0 * z) + jax.nn.softplus(z)


_PARAMETER_FREE: dict[str, Elementwise] = {
    "relu": jax.nn.relu,
    "selu": jax.nn.selu,
    "softplus": jax.nn.softplus,
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "gelu_tanh": lambda z: jax.nn.gelu(z, approximate=True),
    "silu": jax.nn.silu,
    "mish": jax.nn.mish,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softsign": jax.nn.soft_sign,
    "erf": jax.scipy.special.erf,
    "g": _g,
    "identity": lambda z: z,
}
_ONE_PARAMETER: dict[str, tuple[float, Callable[[float], Elementwise]]] = {
    "leaky_relu": (0.01, lambda slope: lambda z: jnp.where(z >= 0, z, slope * z)),
    "elu": (1.0, lambda alpha: lambda z: jax.nn.elu(z, alpha)),
}
_ALIASES = {"logistic": "sigmoid", "swish": "silu", "linear": "identity", "soft_sign": "softsign"}
# Functions of jax.nn that are a listed activation under another name or with a default parameter.
_OF_JAX: tuple[tuple[Elementwise, str], ...] = (
    (jax.nn.gelu, "gelu_tanh"),
    (jax.nn.leaky_relu, "leaky_relu"),
    (jax.nn.elu, "elu"),
)


def activation_names() -> tuple[str, ...]:
    """The names of all listed activations, sorted."""
    return tuple(sorted([*_PARAMETER_FREE, *_ONE_PARAMETER]))


@in_float64
def find_symmetry(function: Elementwise, *, tolerance: float = 1e-10) -> Symmetry:
    """Find the symmetry of an elementwise function from its values.

    Args:
        function: maps an array to an array of the same shape.
        tolerance: largest deviation from an equation, relative to the function's range, at
            which the equation is taken to hold.

    Returns:
        The symmetry, its constant and slope rounded to 14 digits. An even part plus a linear map
        needs no constant (take z = 0), an odd part plus a constant no slope (the rest is even).

    Raises:
        BadInput: the function is not finite on [-8, 8].

    Example:
        >>> import jax.numpy as jnp
        >>> find_symmetry(jnp.tanh).kind
        'odd'
    """
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.uniform(-8.0, 8.0, 400), rng.uniform(-0.5, 0.5, 100)])
    at, at_minus = _values(function, z), _values(function, -z)
    if not (np.isfinite(at).all() and np.isfinite(at_minus).all()):
        raise BadInput("activation", got="values that are not finite on [-8, 8]", expected="finite values",
                       remedy="Check its domain and its parameter.")
    scale = max(float(np.abs(at).max()), float(np.abs(at_minus).max()), float(np.finfo(float).tiny))
    with np.errstate(over="ignore", invalid="ignore"):  # far outside it may overflow: not homogeneous
        homogeneous = all(
            bool(np.abs(_values(function, c * z) - c * at).max() <= tolerance * max(c, 1) * scale)
            for c in (0.3, 1.7, 12.0)
        )
    for sign, column in ((-1, np.ones_like(z)), (1, z)):
        rest = at_minus - sign * at
        coefficient = float(column @ (rest / (column @ column)))
        if np.abs(rest - coefficient * column).max() <= tolerance * scale:
            found = float(f"{coefficient:.14g}") if abs(coefficient) > 1e-12 * scale else 0.0
            return Symmetry(sign, found if sign < 0 else 0.0, found if sign > 0 else 0.0, homogeneous)
    return Symmetry(0, homogeneous=homogeneous)


def _values(function: Elementwise, z: np.ndarray) -> np.ndarray:
    return np.asarray(function(jnp.asarray(z)), dtype=np.float64)


def get_activation(activation: str | Activation | Elementwise) -> Activation:
    """The activation of a name such as ``"tanh"`` or ``"leaky_relu(0.07)"``, or of a function.

    Args:
        activation: a name, an :class:`Activation` (returned as it is), or any elementwise
            function written with JAX operations; its symmetry is found from its values.

    Raises:
        BadInput: the name is not known (the nearest is suggested), its parameter is not a
            finite number, or the function is not elementwise, finite and differentiable by JAX.

    Example:
        >>> get_activation("leaky_relu(0.07)").negative_slope
        0.07
        >>> get_activation(lambda z: z * jnp.tanh(z)).symmetry.kind
        'even'
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        return _named(activation)
    if not callable(activation):
        raise BadInput(
            "activation",
            got=repr(activation),
            expected="a name, an Activation or an elementwise function",
            remedy=f"Known names: {', '.join(activation_names())}.",
        )
    for function, listed in (*((f, n) for n, f in _PARAMETER_FREE.items()), *_OF_JAX):
        if activation is function:
            return _named(listed)
    _check_elementwise(activation)
    name = str(getattr(activation, "__name__", type(activation).__name__))
    if name.lower() in {*activation_names(), *_ALIASES}:  # a listed name means the listed function
        name = f"custom:{name}"
    return Activation(name, activation, find_symmetry(activation))


def _named(text: str) -> Activation:
    match = re.fullmatch(r"\s*([A-Za-z_]\w*)\s*(?:\(\s*([^()]*?)\s*\))?\s*", text)
    name = match.group(1).lower() if match else text
    name = _ALIASES.get(name, name)
    argument = match.group(2) if match else None
    if name in _PARAMETER_FREE:
        if argument:
            raise BadInput("activation", got=repr(text), expected=f"'{name}' without a parameter",
                           remedy=f"Write '{name}'.")
        function = _PARAMETER_FREE[name]
        return Activation(name, function, find_symmetry(function), 0.0 if name == "relu" else None)
    if name in _ONE_PARAMETER:
        default, make = _ONE_PARAMETER[name]
        try:
            parameter = float(argument) if argument else default
        except ValueError:
            parameter = float("nan")
        if not np.isfinite(parameter):
            raise BadInput("activation", got=repr(text), expected=f"a finite number in '{name}(...)'",
                           remedy=f"Write for example '{name}({default})'.")
        function = make(parameter)
        kinked = name == "leaky_relu"
        return Activation(f"{name}({parameter!r})", function, find_symmetry(function), parameter if kinked else None)
    known = activation_names()
    near = difflib.get_close_matches(name.lower(), [*known, *_ALIASES], n=1, cutoff=0.5)
    raise BadInput(
        "activation",
        got=repr(text),
        expected=f"one of {', '.join(known)}",
        remedy=f"Did you mean '{near[0]}'?" if near else "Pass a Python function for any other.",
    )


@in_float64
def _check_elementwise(function: Elementwise) -> None:
    z = jnp.linspace(-3.0, 3.0, 12)
    remedy = "Write it with jax.numpy operations that act on each element alone."
    try:
        whole, slope = (jnp.asarray(a) for a in jax.jvp(function, (z,), (jnp.ones_like(z),)))
        parts = jnp.stack([function(part) for part in z.reshape(4, 3)]).reshape(-1)
        real = jnp.issubdtype(whole.dtype, jnp.floating)
    except Exception as error:
        raise BadInput("activation", got=f"a function that fails on a JAX array ({error})",
                       expected="an elementwise JAX function", remedy=remedy) from error
    if not real:
        raise BadInput("activation", got=f"a function with values of type {whole.dtype}",
                       expected="real floating-point values", remedy=remedy)
    if whole.shape != z.shape or not np.allclose(whole, parts, rtol=1e-12, atol=1e-12):
        raise BadInput("activation", got="a function that mixes or reshapes elements",
                       expected="an elementwise function", remedy=remedy)
    if not (np.isfinite(whole).all() and np.isfinite(slope).all()):
        raise BadInput("activation", got="values or slopes that are not finite on [-3, 3]",
                       expected="finite values and slopes", remedy="Check its domain.")
