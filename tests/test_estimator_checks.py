"""scikit-learn's own checks of estimators, all of them, on the defaults."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

import expandcluster as ec


@parametrize_with_checks([ec.ExpandAndClusterRegressor(), ec.ExpandAndClusterClassifier()])
def test_checks_of_scikit_learn(estimator: Any, check: Callable[[Any], None]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks provoke some
        check(estimator)
