"""Choosing activation and depth: by the noise floor, then by size, and with all the evidence kept."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from tests.problems import random_teacher

import expandcluster as ec
from expandcluster.errors import BadInput
from expandcluster.expand.choose import candidates
from expandcluster.read_run import read_run


def test_candidates_are_one_several_or_all():
    def bump(z):
        return jnp.exp(-(z**2)) + 0.3 * z

    assert [a.name for a in candidates("tanh")] == ["tanh"]
    assert [a.name for a in candidates("relu, leaky_relu(0.3),relu")] == ["relu", "leaky_relu(0.3)"]
    assert [a.name for a in candidates(("tanh", bump))] == ["tanh", "bump"]
    listed = [a.name for a in candidates("auto")]
    assert {"relu", "tanh", "g", "gelu_tanh", "elu(1.0)", "leaky_relu(0.01)"} <= set(listed)
    assert "identity" not in listed


@pytest.mark.parametrize("wrong", ["", "tanh,", "tanh,rellu", ()])
def test_candidates_that_are_none(wrong):
    with pytest.raises(BadInput, match="activation"):
        candidates(wrong)


@pytest.mark.parametrize("depth", ["two", "", 0, True, 1.5])
def test_a_depth_that_is_none(depth):
    teacher = ec.Teacher.from_network(random_teacher((3, 2, 1), "tanh", 0))
    with pytest.raises(BadInput, match="hidden_layers"):
        ec.recover(teacher, activation="tanh", hidden_layers=depth)


def test_the_activation_is_found_and_its_equal_is_named(tmp_path):
    truth = random_teacher((5, 3, 2), "sigmoid", 1)
    found = ec.recover(ec.Teacher.from_network(truth), activation="relu,tanh,sigmoid,gelu", out=tmp_path / "run")
    assert found.exact and found.hidden_sizes == (3,)
    best = {e.activation for e in (found.tried[0], *found.equally_good)}
    assert best == {"tanh", "sigmoid"}  # tanh(z / 2) = 2 sigmoid(z) - 1: the same networks
    assert {e.activation for e in found.tried if e.students == 0} == {"relu", "gelu"}
    assert found.tried == read_run(tmp_path / "run").tried
    assert read_run(tmp_path / "run").network.activation.name == found.tried[0].activation


@pytest.mark.parametrize(("sizes", "activation"), [((4, 3, 1), "relu"), ((4, 3, 3, 2), "tanh"), ((4, 3, 2), "gelu")])
def test_the_depth_is_found(sizes, activation):
    truth = random_teacher(sizes, activation, 2)
    found = ec.recover(ec.Teacher.from_network(truth), activation=(activation, "softsign"), hidden_layers="auto")
    assert found.exact and found.tried[0].activation == activation
    assert ec.compare(found, truth).max_parameter_error < 1e-8


def test_what_no_candidate_explains_is_not_called_exact():
    teacher = ec.Teacher.from_callable(lambda x: np.sin(3 * x[:, :1]) * x[:, 1:2], 2)
    options = ec.RecoverOptions(expand=ec.ExpandOptions(widths=(4, 8)))
    found = ec.recover(teacher, activation="tanh,relu", options=options)
    assert found.verdict is ec.Verdict.CANNOT_IMITATE
    assert not found.equally_good and all(e.hidden_sizes is None for e in found.tried)
    assert [e.best_loss for e in found.tried] == sorted(e.best_loss for e in found.tried)
