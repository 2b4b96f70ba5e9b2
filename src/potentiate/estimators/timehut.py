"""TimeHUT as a transformer and as a classifier of series."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import metaestimators, multiclass, validation

from potentiate.errors import Refused
from potentiate.estimators.series import Values, by_length, collection, several
from potentiate.estimators.timehut_learning import Learner, all_or_nothing
from potentiate.models.timehut.pooling import Window, pooled
from potentiate.models.timehut.readout import Head, Pooling, encoded, fitted, represented
from potentiate.models.timehut.recipe import Recipe
from potentiate.models.timehut.sliding import sliding as slid


class _Representing(Learner):
    """What transformer and classifier share: series of `fit` and of later."""

    def __sklearn_tags__(self) -> Any:
        tags = cast("Any", super()).__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags

    def _represented(
        self, series: Values, dtype: torch.dtype = torch.float32, pooling: Pooling = "max"
    ) -> NDArray[Any]:
        """What `represented` makes of the instants up to the last value of each."""
        encoder = copy.deepcopy(self.encoder_).to(dtype)
        inputs = self._standardized(series).to(dtype)
        parts = [
            (places, represented(encoder, part, pooling)) for places, part in by_length(inputs)
        ]
        out = np.empty((len(series), parts[0][1].shape[1]), parts[0][1].dtype)
        for places, found in parts:
            out[places] = found
        return out

    def _begin(self, X: Any) -> tuple[Values, Recipe]:
        recipe = self._recipe()
        return several(collection(self, X, begins=True)), recipe


class TimeHUT(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _Representing):
    """Representations of time series, learned without labels from two views of each.

    Series are a table [n, instants] of one channel, or collections: [n, channels, instants], a list of
    arrays [channels, instants] or [instants] of any lengths, a frame with a series in each cell. NaN is a
    value that is missing; behind its last value a series ends. A table must be as wide as that of `fit`;
    collections may be of any length, also where `fit` got a table.

    Args:
        epochs: Passes of `fit`. Default: what makes 200 steps, or 600 of more than 100,000 values.
        batch_size: Series per step.
        preset: "ts2vec": without what TimeHUT adds to TS2Vec.
        settings: Other fields of `potentiate.models.timehut.recipe.Recipe` by name, to be changed.
        random_state: Of weights, the order of the series, and what is drawn of them.
        device: "cpu" or "cuda".

    Attributes:
        encoder_: The `Encoder`, its weights the mean over all steps; it takes standardized series.
        mean_: Of each channel over what `fit` saw, [channels].
        scale_: Its standard deviation, or 1 if it did not vary, [channels].
        losses_: Loss of each step, [steps].
        channels_: Channels of a series.
        n_features_in_: Instants of a series, where `fit` got a table.

    Raises:
        ValueError: Series are such that nothing can be learned from them.
        Refused: A parameter is wrong.

    Example:
        >>> import numpy as np
        >>> waves = np.sin(np.linspace(0, 9, 40) + np.arange(10)[:, None])
        >>> hut = TimeHUT(epochs=2, settings={"outputs": 16, "depth": 4}, random_state=0)
        >>> hut.fit_transform(waves).shape, hut.encode(waves, sliding=8).shape
        ((10, 16), (10, 40, 16))
    """

    def fit(self, X: Any, y: Any = None) -> TimeHUT:
        """Learn anew from series; labels are not looked at.

        Cost: steps * batch_size * instants * depth * hidden^2, and of that the last, wide block as much.
        """
        with all_or_nothing(self):
            self._learn(*self._begin(X))
        return self

    def transform(self, X: Any) -> Values:
        """Return the representations of series, the largest over their instants: [n, outputs]."""
        validation.check_is_fitted(self, "encoder_")
        return self._represented(collection(self, X, begins=False))

    def encode(
        self,
        X: Any,
        *,
        window: Window | None = None,
        sliding: int | None = None,
        causal: bool = True,
    ) -> Values:
        """Return the representation of each instant, [n, instants, outputs]; NaN behind the end of a series.

        Args:
            X: Series, a table or a collection.
            window: Take the largest over so many instants around each: a number; "multiscale": 3, 5, 9 ...
                one after another; "full": all, which leaves [n, outputs].
            sliding: Instants to each side that an instant sees; without, it sees its whole series.
            causal: Where windows slide, no instant sees what is behind it, neither in the encoder nor in a
                window over representations. ("full" looks at the whole series all the same.)
        """
        validation.check_is_fitted(self, "encoder_")
        _check_context(sliding)
        series = self._standardized(collection(self, X, begins=False))
        out: Values | None = None
        for places, part in by_length(series):
            if sliding is None:
                z = encoded(self.encoder_, part)
            else:
                z = slid(self.encoder_, part, sliding, 0 if causal else sliding)
            if window is not None:
                z = pooled(z, window, causal=causal and sliding is not None)
            out = _placed(out, z.numpy(), places, series.shape[:2])
        assert out is not None
        return out

    def __sklearn_tags__(self) -> Any:
        tags = cast("Any", super()).__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.encoder_.outputs


def _logistic(classifier: TimeHUTClassifier) -> bool:
    return classifier.head == "logistic"  # no preset's


class TimeHUTClassifier(ClassifierMixin, _Representing):
    """A classifier of time series: TimeHUT's representations, learned without labels, and a head on them.

    Takes series as `TimeHUT` does.

    Args:
        epochs: Passes of `fit`. Default: what makes 200 steps, or 600 of more than 100,000 values.
        batch_size: Series per step.
        preset: "ts2vec": without what TimeHUT adds to TS2Vec.
        settings: Other fields of `potentiate.models.timehut.recipe.Recipe` by name, to be changed.
        random_state: Of weights, the order of the series, and what is drawn of them.
        device: "cpu" or "cuda".
        head: "svm": support vectors with a radial kernel, "logistic" or "ridge": regressions; strengths
            are searched for by cross-validation. Default: the preset's, without one "ridge". What it
            reads of a series is the setting `pooling`.

    Attributes:
        encoder_: The `Encoder`, its weights the mean over all steps; it takes standardized series.
        head_: The classifier of representations, a scikit-learn one; classes are their places.
        pooling_: What it reads of the representations of a series.
        classes_: The labels in order.
        mean_: Of each channel over what `fit` saw, [channels].
        scale_: Its standard deviation, or 1 if it did not vary, [channels].
        losses_: Loss of each step, [steps].
        channels_: Channels of a series.
        n_features_in_: Instants of a series, where `fit` got a table.

    Raises:
        ValueError: Series or labels are such that no classifier takes them.
        Refused: A parameter is wrong.

    Example:
        >>> import numpy as np
        >>> waves = np.sin(np.linspace(0, 9, 40) * (1 + np.arange(12) % 2)[:, None])
        >>> classifier = TimeHUTClassifier(epochs=2, settings={"outputs": 16}, random_state=0)
        >>> classifier.fit(waves, ["slow", "fast"] * 6).predict(waves[:2])
        array(['slow', 'fast'], dtype='<U4')
    """

    head_: Any
    pooling_: Pooling
    classes_: NDArray[Any]

    def __init__(
        self,
        epochs: float | None = None,
        batch_size: int = 8,
        preset: str | None = None,
        settings: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
        device: str = "cpu",
        head: Head | None = None,
    ) -> None:
        super().__init__(epochs, batch_size, preset, settings, random_state, device)
        self.head = head

    def fit(self, X: Any, y: ArrayLike | None) -> TimeHUTClassifier:
        """Learn anew from series and labels [n], which the head alone looks at."""
        with all_or_nothing(self):
            if y is None:
                raise ValueError("requires y to be passed, but the target y is None")
            series, recipe = self._begin(X)
            labels: Any = cast("Any", validation).column_or_1d(y, warn=True)
            validation.assert_all_finite(labels, input_name="y")
            validation.check_consistent_length(series, labels)
            if labels.dtype == object and any(each is None for each in labels):
                raise ValueError("labels hold None; leave out the series whose class is not known")
            multiclass.check_classification_targets(labels)
            self.classes_, named = np.unique(labels, return_inverse=True)
            if len(self.classes_) < 2:
                only = self.classes_[0]
                raise ValueError(f"all labels are of one class, {only}; at least 2 are needed")
            self._learn(series, recipe)
            self.pooling_ = recipe.read_of(len(series))
            self.head_ = fitted(recipe.head, self._features(series), named)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the labels [n] of series."""
        features = self._asked(X)
        return self.classes_[self.head_.predict(features)]

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the head's scores [n, classes], or [n] for the second of two."""
        features = self._asked(X)
        return self.head_.decision_function(features)

    @metaestimators.available_if(_logistic)
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of the classes [n, classes], where the head is "logistic"."""
        features = self._asked(X)
        return self.head_.predict_proba(features)

    def _asked(self, X: Any) -> NDArray[np.float64]:
        validation.check_is_fitted(self, "encoder_")
        return self._features(collection(self, X, begins=False))

    def _features(self, series: Values) -> NDArray[np.float64]:
        # In double precision, so that the answer to a series does not depend on those beside it.
        return self._represented(series, torch.float64, self.pooling_)


def _check_context(sliding: Any) -> None:
    whole = isinstance(sliding, (int, np.integer)) and not isinstance(sliding, bool)
    if sliding is not None and (not whole or sliding < 0):
        raise Refused(f"sliding={sliding!r} is refused; give a number of instants, 0 or more")


def _placed(
    out: Values | None, z: Values, places: NDArray[np.int64], shape: tuple[int, ...]
) -> Values:
    """Put representations where they belong, in an array that is NaN where there is none."""
    series, instants = shape
    if z.ndim == 2:
        out = np.empty((series, z.shape[1]), np.float32) if out is None else out
        out[places] = z
        return out
    if out is None or out.shape[2] < z.shape[2]:  # longer series have more scales
        wider = np.full((series, instants, z.shape[2]), np.nan, np.float32)
        if out is not None:
            wider[:, :, : out.shape[2]] = out
        out = wider
    out[places, : z.shape[1], : z.shape[2]] = z
    return out
