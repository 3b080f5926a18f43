"""What each defence does to answers, and how it is written."""

from __future__ import annotations

import numpy as np
import pytest
from tests.problems import random_teacher

import expandcluster as ec
from expandcluster.audit import Defended, parse_defence
from expandcluster.errors import BadInput, BudgetSpent

X = np.random.default_rng(0).normal(size=(2000, 3))


def _behind(text: str, outputs: int = 2, seed: int = 0) -> tuple[Defended, np.ndarray]:
    teacher = ec.Teacher.from_network(random_teacher((3, 4, outputs), "tanh", 0))
    y = teacher.ask(X)
    return Defended(teacher, parse_defence(text), y, seed), y


@pytest.mark.parametrize("text", ["round:4", "noise:0.01", "float16", "probabilities", "limit:1000",
                                  "probabilities+round:4", "round:2+limit:50"])
def test_a_defence_is_named_as_it_is_written(text: str) -> None:
    assert parse_defence(text).name == text and parse_defence(text).words != "none"


@pytest.mark.parametrize("text", ["", "round", "round:1.5", "round:99", "noise:0", "noise:nan", "limit:0", "limit:x",
                                  "float16:2", "probabilities+probabilities", "none", "round:2+"])
def test_what_is_no_defence_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_defence(text)


def test_rounding_leaves_so_many_digits() -> None:
    defended, y = _behind("round:3")
    told = defended.ask(X)
    np.testing.assert_array_equal(told, np.round(y, 3))
    assert np.abs(told - y).max() <= 0.5e-3 + 1e-12


def test_noise_has_its_size_and_is_drawn_anew() -> None:
    defended, y = _behind("noise:0.01")
    first, second = defended.ask(X), defended.ask(X)
    spread = np.sqrt(np.mean((y - y.mean(axis=0)) ** 2))
    assert np.std(first - y) / spread == pytest.approx(0.01, rel=0.1)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(_behind("noise:0.01")[0].ask(X), first)  # of the same seed
    assert not np.array_equal(_behind("noise:0.01", seed=1)[0].ask(X), first)


def test_float16_answers_are_float16() -> None:
    defended, y = _behind("float16")
    assert defended.ask(X).dtype == defended.dtype == np.float16
    np.testing.assert_allclose(defended.ask(X), y, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("outputs", [1, 3])
def test_probabilities_are_some(outputs: int) -> None:
    defended, y = _behind("probabilities", outputs)
    p = defended.ask(X)
    assert ((p > 0) & (p < 1)).all()
    if outputs > 1:
        np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
        np.testing.assert_allclose(np.diff(np.log(p), axis=1), np.diff(y, axis=1), atol=1e-9)
    else:
        np.testing.assert_allclose(np.log(p / (1 - p)), y, atol=1e-9)


def test_a_limit_is_hard() -> None:
    defended, _ = _behind("limit:100")
    defended.ask(X[:60])
    with pytest.raises(BudgetSpent):
        defended.ask(X[:41])
    assert len(defended.ask(X[:40])) == 40
