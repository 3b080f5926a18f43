"""Lattice reduction: short bases of the same lattice, and subsets found by their sum."""

from __future__ import annotations

import numpy as np
import pytest

from expandcluster.reconstruct.lattice import lll, subset_sum
from expandcluster.reconstruct.signs import wrong_signs


def test_a_reduced_basis_spans_the_same_lattice():
    rng = np.random.default_rng(0)
    basis = np.concatenate([np.eye(8), rng.integers(-1000, 1000, (8, 2))], axis=1).astype(float)
    reduced = lll(basis)
    change = np.linalg.lstsq(basis.T, reduced.T, rcond=None)[0]
    assert np.abs(change - np.rint(change)).max() < 1e-6 and abs(abs(np.linalg.det(np.rint(change))) - 1) < 1e-6
    q = np.linalg.qr(reduced.T)[1]  # size-reduced, and consecutive vectors fulfil Lovasz' condition
    size = np.abs(np.diag(q))
    mu = np.abs(np.triu(q, 1) / np.diag(q)[:, None])
    assert mu.max() <= 0.5 + 1e-9
    assert (size[1:] ** 2 >= (0.99 - np.diag(q, 1) ** 2 / size[:-1] ** 2) * size[:-1] ** 2 - 1e-6).all()


@pytest.mark.parametrize(("count", "error"), [(20, 1e-9), (30, 1e-5), (45, 1e-8)])
def test_subsets_are_found_by_their_sum(count, error):
    rng = np.random.default_rng(count)
    columns = rng.normal(size=(10, count)) * rng.normal(size=count)
    chosen = rng.integers(0, 2, count).astype(float)
    np.testing.assert_array_equal(subset_sum(columns, columns @ chosen + error * rng.normal(size=10)), chosen)


def test_no_subset_is_claimed_where_there_is_none():
    rng = np.random.default_rng(1)
    columns, target = rng.normal(size=(10, 25)), rng.normal(size=10)
    found = subset_sum(columns, target)
    assert found is None or np.linalg.norm(columns @ found - target) > 1e-3  # and wrong_signs looks at the error
    assert not wrong_signs(target[None], np.ones((1, 25)), columns.T, 1.0).any()


def test_signs_of_more_neurons_than_inputs():
    rng = np.random.default_rng(2)
    incoming, outgoing = rng.normal(size=(28, 8)), rng.normal(size=(1, 28))
    wrong = rng.integers(0, 2, 28).astype(bool)
    linear = (outgoing * wrong) @ incoming
    np.testing.assert_array_equal(wrong_signs(linear, outgoing, incoming, 1.0), wrong)
