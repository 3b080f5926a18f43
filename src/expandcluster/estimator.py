"""Estimators in the manner of scikit-learn that find their own size."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data

from expandcluster.activations import Activation, Elementwise, get_activation
from expandcluster.errors import BadInput
from expandcluster.estimator_search import DECAYS, Found, search
from expandcluster.estimator_training import Data
from expandcluster.networks import Network
from expandcluster.options import ExpandOptions, RecoverOptions
from expandcluster.recover import recover
from expandcluster.results import Recovery, Verdict
from expandcluster.teachers.base import Teacher

__all__ = ["ExpandAndClusterClassifier", "ExpandAndClusterRegressor"]

_LEAST_ROWS = 50  # of data on which a recovery is tried
_REALISABLE = 1e-2  # cross-validated share of the variance left open, below which it is
_CLEARLY = 0.5  # of the fit's loss on rows set aside: less is chance, where a recovery is not exact
_EFFORT = 2e8  # of its students, see ExpandOptions: data that no network fits exactly should not take minutes


class _Estimator(BaseEstimator):
    """What both share: parameters, the fit, what it leaves."""

    def __init__(self, activation: str | Activation | Elementwise = "tanh", *, hidden_layers: int = 1,
                 widths: tuple[int, ...] = (2, 4, 8, 16, 32), students: int = 5, alpha: float | str = "auto",
                 standardise: bool = True, random_state: Any = 0) -> None:
        self.activation = activation
        self.hidden_layers = hidden_layers
        self.widths = widths
        self.students = students
        self.alpha = alpha
        self.standardise = standardise
        self.random_state = random_state

    def _search(self, x: np.ndarray, y: np.ndarray, kind: str, folds: np.ndarray, seed: int) -> Found:
        """Find a network for standardised data and put it onto the data as they are."""
        scale_x, scale_y = (StandardScaler(with_mean=on, with_std=on) for on in (self.standardise,
                                                                              self.standardise and kind == "squared"))
        alphas = DECAYS if isinstance(self.alpha, str) else (float(self.alpha),)
        found = search(Data(scale_x.fit_transform(x), scale_y.fit_transform(y), kind), get_activation(self.activation),
                       self.hidden_layers, tuple(self.widths), alphas, folds, seed)
        network = _unscaled(found.network, scale_x, scale_y)
        self.alpha_, self.loss_, self.support_, self.merged_ = found.alpha, found.loss, found.support, found.merged
        self.trials_ = found.trials
        self._use(network)
        return found

    def _use(self, network: Network) -> None:
        self.network_, self.hidden_sizes_ = network, network.hidden_sizes

    def _check(self) -> None:
        for name, least in (("hidden_layers", 1), ("students", 2)):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
                raise BadInput(name, got=repr(value), expected=f"an integer of at least {least}",
                               remedy=f"Change {name}.")
        ExpandOptions(widths=tuple(self.widths) if isinstance(self.widths, (tuple, list)) else self.widths)
        if self.alpha != "auto" and not (isinstance(self.alpha, (int, float)) and 0 <= self.alpha < np.inf):
            raise BadInput("alpha", got=repr(self.alpha), expected="'auto' or a number of at least 0",
                           remedy="Change alpha.")

    def _raw(self, x: Any) -> np.ndarray:
        """The network's outputs ``(samples, outputs)``."""
        check_is_fitted(self)
        return self.network_(validate_data(self, x, reset=False, dtype=np.float64))


class ExpandAndClusterRegressor(MultiOutputMixin, RegressorMixin, _Estimator):
    """A regressor that finds its own size, and says whether it found the network behind the data.

    Inputs and answers are standardised. ``students`` networks of growing width are trained with falling weight decay,
    each on all but one part of the rows; the width and the weight decay that predict the parts left out best are kept.
    Then neurons are removed in every student, cheapest first, as long as the parts left out are predicted as well, up
    to one standard error; neurons that most students share are merged into one network; the smallest network that
    fits all rows about as well as the best one is kept. Where less than a hundredth of the variance was left open,
    ``recover`` is tried as well, and its network is used if its verdict is EXACT, or it predicts rows it has not seen
    better.

    Only ``verdict_ is Verdict.EXACT`` says that the network behind the data was found. Everything else is a fit.

    Args:
        activation: of the hidden layers, see :func:`expandcluster.get_activation`.
        hidden_layers: how many; neurons are merged only where there is one.
        widths: hidden widths tried, growing; not those that have more than two parameters for each answer.
        students: networks trained side by side, and parts the rows are divided into.
        alpha: weight decay, added as ``alpha * sum of squared weights`` to the mean squared error of standardised
            answers; ``"auto"`` tries values from 0.1 to 1e-7.
        standardise: bring inputs and answers to mean 0 and standard deviation 1 for the fit.
        recovery: ``"auto"``, ``"always"`` or ``"never"`` try to recover the network behind the data.
        random_state: of first weights and the division of the rows: a number, a RandomState or None.

    Attributes:
        network_: the :class:`Network` that predicts, on the inputs as they are given.
        hidden_sizes_: its hidden sizes.
        verdict_: the :class:`Verdict` of the recovery; ``None`` where none was tried.
        recovery_: the whole :class:`Recovery`; ``None`` where none was tried.
        source_: ``"recovery"`` or ``"fit"``: where ``network_`` is from.
        loss_: cross-validated loss of the fit (mean squared error of standardised answers).
        alpha_: weight decay of the fit.
        support_: how many students have a copy of each neuron of the fit's first hidden layer ``(hidden,)``.
        merged_: whether the fit was merged from what students share; else it is one of the students.
        trials_: every width, weight decay and removal tried, with its cross-validated loss.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(60, 2))
        >>> model = ExpandAndClusterRegressor(widths=(2,)).fit(x, np.tanh(x[:, 0] - x[:, 1]))
        >>> bool(model.score(x, np.tanh(x[:, 0] - x[:, 1])) > 0.99)
        True
    """

    def __init__(self, activation: str | Activation | Elementwise = "tanh", *, hidden_layers: int = 1,
                 widths: tuple[int, ...] = (2, 4, 8, 16, 32), students: int = 5, alpha: float | str = "auto",
                 standardise: bool = True, recovery: str = "auto", random_state: Any = 0) -> None:
        super().__init__(activation, hidden_layers=hidden_layers, widths=widths, students=students, alpha=alpha,
                         standardise=standardise, random_state=random_state)
        self.recovery = recovery

    def fit(self, X: Any, y: Any) -> ExpandAndClusterRegressor:
        """Fit to inputs ``(samples, inputs)`` and answers ``(samples,)`` or ``(samples, outputs)``.

        Raises:
            BadInput: a parameter is wrong.
            ValueError: the data cannot be used.
        """
        self._check()
        if self.recovery not in ("auto", "always", "never"):
            raise BadInput("recovery", got=repr(self.recovery), expected="'auto', 'always' or 'never'",
                           remedy="Change recovery.")
        x, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=np.float64, ensure_min_samples=2)
        y = np.asarray(y, np.float64)
        self._one_dimensional, columns = y.ndim == 1, y.reshape(len(y), -1)
        random = check_random_state(self.random_state)
        folds = random.permutation(len(x)) % min(self.students, len(x))
        seed = int(random.randint(2**31 - 1))
        self._search(x, columns, "squared", folds, seed)
        self._recover(x, columns, seed)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Answers ``(samples,)`` or ``(samples, outputs)``, as ``y`` was."""
        answers = self._raw(X)
        return answers[:, 0] if self._one_dimensional else answers

    def _recover(self, x: np.ndarray, y: np.ndarray, seed: int) -> None:
        self.recovery_: Recovery | None = None
        self.verdict_: Verdict | None = None
        self.source_ = "fit"
        spread = float(np.mean(y.var(axis=0)))
        open_ = self.loss_ if self.standardise else self.loss_ / (spread or 1.0)
        enough = len(x) >= _LEAST_ROWS and spread > 0
        if not enough or self.recovery == "never" or (self.recovery == "auto" and open_ > _REALISABLE):
            return
        width = max(4, -(-max(self.hidden_sizes_) // 4) * 4)
        options = RecoverOptions(expand=ExpandOptions(widths=(width, 2 * width), effort=_EFFORT))
        found = recover(Teacher.from_data(x, y), activation=self.activation, hidden_layers=int(self.hidden_layers),
                        output="raw", seed=seed, options=options)
        self.recovery_, self.verdict_ = found, found.verdict
        if found.network is not None and (found.exact or found.relative_loss < _CLEARLY * open_):
            self.source_ = "recovery"
            self._use(found.network)


class ExpandAndClusterClassifier(ClassifierMixin, _Estimator):
    """A classifier that finds its own size.

    As :class:`ExpandAndClusterRegressor`, with the cross-entropy instead of the squared error. Labels do not determine
    a network (every network that draws the same borders gives them), so nothing is ever called recovered. Where you
    have probabilities, ``recover`` may find the network behind them.

    Args:
        activation: of the hidden layers, see :func:`expandcluster.get_activation`.
        hidden_layers: how many; neurons are merged only where there is one.
        widths: hidden widths tried, growing; not those that have more than two parameters for each answer.
        students: networks trained side by side, and parts the rows are divided into.
        alpha: weight decay, added as ``alpha * sum of squared weights`` to the mean cross-entropy; ``"auto"`` tries
            values from 0.1 to 1e-7.
        standardise: bring inputs to mean 0 and standard deviation 1 for the fit.
        random_state: of first weights and the division of the rows: a number, a RandomState or None.

    Attributes:
        classes_: the classes.
        network_: the :class:`Network` before the output function, on the inputs as they are given.
        output_: ``"softmax"``, or ``"logistic"`` for two classes, whose network has one output.
        hidden_sizes_: its hidden sizes.
        loss_: cross-validated cross-entropy.
        alpha_: weight decay.
        support_: how many students have a copy of each neuron of the first hidden layer ``(hidden,)``.
        merged_: whether the network was merged from what students share; else it is one of the students.
        trials_: every width, weight decay and removal tried, with its cross-validated loss.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(60, 2))
        >>> model = ExpandAndClusterClassifier(widths=(2,)).fit(x, x[:, 0] > x[:, 1])
        >>> bool(model.score(x, x[:, 0] > x[:, 1]) > 0.95)
        True
    """

    def fit(self, X: Any, y: Any) -> ExpandAndClusterClassifier:
        """Fit to inputs ``(samples, inputs)`` and classes ``(samples,)``.

        Raises:
            BadInput: a parameter is wrong, or there is only one class.
            ValueError: the data cannot be used.
        """
        self._check()
        x, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, index = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise BadInput("classes", got=f"1 class ({self.classes_[0]!r})", expected="at least 2 classes",
                           remedy="There is nothing to tell apart.")
        random = check_random_state(self.random_state)
        folds = _stratified(index, min(self.students, len(x)), random)
        targets = np.eye(len(self.classes_))[index]
        self.output_ = "logistic" if len(self.classes_) == 2 else "softmax"
        self._search(x, targets[:, 1:] if self.output_ == "logistic" else targets, self.output_, folds,
                     int(random.randint(2**31 - 1)))
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """The network's outputs ``(samples, classes)``; ``(samples,)`` for two classes."""
        raw = self._raw(X)
        return raw[:, 0] if self.output_ == "logistic" else raw

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities ``(samples, classes)``."""
        raw = self._raw(X)
        if self.output_ == "logistic":
            return scipy.special.expit(np.concatenate([-raw, raw], axis=1))
        return scipy.special.softmax(raw, axis=1)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Their logarithms, also where a probability is smaller than any number."""
        raw = self._raw(X)
        if self.output_ == "logistic":
            return scipy.special.log_expit(np.concatenate([-raw, raw], axis=1))
        return scipy.special.log_softmax(raw, axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row ``(samples,)``."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]


def _unscaled(network: Network, scale_x: StandardScaler, scale_y: StandardScaler) -> Network:
    """The network on data as they are, from one on scaled data."""
    weights, biases = list(network.weights), list(network.biases)
    if scale_x.with_std:
        weights[0] = weights[0] / scale_x.scale_
        biases[0] = biases[0] - weights[0] @ scale_x.mean_
    if scale_y.with_std:
        weights[-1] = weights[-1] * scale_y.scale_[:, None]
        biases[-1] = biases[-1] * scale_y.scale_ + scale_y.mean_
    return Network(tuple(weights), tuple(biases), network.activation)


def _stratified(index: np.ndarray, count: int, random: np.random.RandomState) -> np.ndarray:
    """Every class in every part, as far as there are enough of it."""
    order = random.permutation(len(index))
    order = order[np.argsort(index[order], kind="stable")]
    folds = np.empty(len(index), int)
    folds[order] = np.arange(len(index)) % count
    return folds
