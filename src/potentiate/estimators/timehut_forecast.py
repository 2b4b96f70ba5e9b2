"""TimeHUT as a forecaster of long series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import validation

from potentiate.errors import Refused
from potentiate.estimators.series import Values, like, pieces, same_channels, streams
from potentiate.estimators.timehut_learning import Learner, all_or_nothing, natural
from potentiate.models.timehut.forecast import chosen_ridge, errors, futures, lags
from potentiate.models.timehut.sliding import sliding

HELD_OUT = 0.2
"""Share of the series, its last part, on which strengths are chosen and which the encoder does not see."""
PIECES = 8
"""Of series, at least, so that a batch has something to tell apart."""


class TimeHUTForecaster(Learner):
    """Forecasts of long series: ridge regression on what TimeHUT knows of the last instant.

    The encoder learns from the first four fifths of the series, in pieces as long as what it will see;
    the last fifth chooses the strength of the ridge, which then learns from all. Series are [instants],
    [channels, instants] or [n, channels, instants]; NaN is a value that is missing.

    Args:
        context: Instants before the last one that a forecast looks at.
        epochs: Passes of `fit`. Default: what makes 200 steps, or 600 of more than 100,000 values.
        batch_size: Pieces of series per step.
        preset: "ts2vec": without what TimeHUT adds to TS2Vec.
        settings: Other fields of `potentiate.models.timehut.recipe.Recipe` by name, to be changed.
        random_state: Of weights, the order of the pieces, and what is drawn of them.
        device: "cpu" or "cuda".

    Attributes:
        encoder_: The `Encoder`; it takes standardized series.
        ridge_: The regression, a scikit-learn pipeline, from representations to standardized futures.
        horizon_: Instants ahead that are forecast.
        mean_: Of each channel over the first four fifths, [channels].
        scale_: Its standard deviation there, or 1 if it did not vary, [channels].
        losses_: Loss of each step, [steps].
        channels_: Channels of a series.

    Raises:
        ValueError: Series are such that nothing can be learned from them.
        Refused: A parameter is wrong.

    Example:
        >>> import numpy as np
        >>> wave = np.sin(np.arange(200) / 5)
        >>> forecaster = TimeHUTForecaster(context=30, epochs=2, random_state=0)
        >>> forecaster.fit(wave[:180], horizon=20).predict(wave[:180]).shape
        (20,)
    """

    ridge_: Any
    horizon_: int
    context_: int
    _lags: Any

    def __init__(
        self,
        context: int = 200,
        epochs: float | None = None,
        batch_size: int = 8,
        preset: str | None = None,
        settings: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
        device: str = "cpu",
    ) -> None:
        super().__init__(epochs, batch_size, preset, settings, random_state, device)
        self.context = context

    def fit(self, series: Any, horizon: int = 24) -> TimeHUTForecaster:
        """Learn anew from series to forecast `horizon` instants; every shorter forecast is its beginning.

        Cost: that of learning, and of `sliding` over all instants.
        """
        with all_or_nothing(self):
            recipe, context = self._recipe(), natural(self, "context")
            values = streams(series)
            ahead_of: Any = horizon
            whole = isinstance(ahead_of, (int, np.integer)) and not isinstance(ahead_of, bool)
            if not whole or ahead_of < 1:
                raise Refused(
                    f"horizon={horizon!r} is refused; give a number of instants, 1 or more"
                )
            instants = values.shape[1]
            begins = instants - round(HELD_OUT * instants)
            if begins <= horizon or instants - begins < horizon:
                raise ValueError(
                    f"series of {instants} instants are too short for horizon={horizon}; a fifth of them must "
                    "hold it"
                )
            self.channels_, self.horizon_ = values.shape[2], int(horizon)
            self.context_ = context
            seen = values[:, :begins]
            self._learn(seen, recipe, pieces(seen, context + 1, max(PIECES, recipe.batch_size)))
            inputs = self._standardized(values)
            represented = sliding(self.encoder_, inputs, context).numpy()
            raw = np.stack([lags(each, context) for each in inputs.numpy()])
            ahead = [futures(each, horizon) for each in inputs.numpy()]
            self.ridge_ = _fitted(represented, ahead, begins)
            self._lags = _fitted(raw, ahead, begins)
        return self

    def predict(self, past: Any) -> NDArray[np.float64]:
        """Return what follows the end of `past`: [channels, horizon], in the form that `past` has.

        Args:
            past: Series as `fit` takes them, of any length; their last `context` + 1 instants count, the
                very last ones most: a forecast behind missing values is a poor one, so fill them in.
        """
        validation.check_is_fitted(self, "encoder_")
        values = same_channels(self, streams(past))
        inputs = self._standardized(values[:, -self.context_ - 1 :])
        features = sliding(self.encoder_, inputs, self.context_)[:, -1].numpy()
        told = self.ridge_.predict(features).reshape(len(values), self.horizon_, -1)
        return like((told * self.scale_ + self.mean_).transpose(0, 2, 1).astype(np.float64), past)

    def evaluate(self, series: Any, horizon: int | None = None) -> dict[str, dict[str, float]]:
        """Return errors of forecasts from every instant of series, beside those of simple ones.

        Args:
            series: As `fit` takes them; give `context` instants before the first that counts, or more.
                The first `context` instants, where there are more, are not judged.
            horizon: Instants ahead; by default all that are forecast.

        Returns:
            Of "timehut", of "lags" (a ridge regression on the raw values that the encoder sees), and of "last"
            (nothing changes): "mse" and "mae" of standardized values, "raw_mse" and "raw_mae" of those given.
        """
        validation.check_is_fitted(self, "encoder_")
        values = same_channels(self, streams(series))
        ahead = self.horizon_ if horizon is None else horizon
        count = values.shape[1] - self.horizon_
        if not 1 <= ahead <= self.horizon_ or count < 1:
            raise ValueError(
                f"horizon={ahead} and {values.shape[1]} instants do not fit; forecasts are {self.horizon_} long"
            )
        inputs = self._standardized(values)
        first = self.context_ if count > self.context_ else 0
        represented = sliding(self.encoder_, inputs, self.context_).numpy()[:, first:count]
        array = inputs.numpy()
        raw = np.stack([lags(each, self.context_) for each in array])[:, first:count]
        truth = np.stack([futures(each, self.horizon_) for each in array])[:, first:count]
        told = {
            "timehut": self.ridge_.predict(np.concatenate(represented)),
            "lags": self._lags.predict(np.concatenate(raw)),
            "last": np.tile(np.concatenate(array[:, first:count]), self.horizon_),
        }
        return {
            name: self._judged(np.concatenate(truth), each, ahead) for name, each in told.items()
        }

    def score(self, series: Any, y: Any = None) -> float:
        """Return minus the mean square error of standardized forecasts from every instant of series."""
        return -self.evaluate(series)["timehut"]["mse"]

    def _judged(self, truth: Values, told: Values, ahead: int) -> dict[str, float]:
        """Errors of the first instants ahead, where truth and forecast are known."""
        shape = len(truth), self.horizon_, self.channels_
        there, said = (each.reshape(shape)[:, :ahead] for each in (truth, told))
        known = ~(np.isnan(there) | np.isnan(said))
        scale = np.broadcast_to(self.scale_, there.shape)[known]
        there, said = there[known], said[known]
        raw = errors(there * scale, said * scale)
        return {**errors(there, said), **{f"raw_{name}": each for name, each in raw.items()}}


def _fitted(features: Values, ahead: list[Values], begins: int) -> Any:
    """A ridge whose training futures end where those of validation begin; what is missing is left out."""
    horizon_ends = begins - (features.shape[1] - len(ahead[0]))
    parts = slice(0, horizon_ends), slice(begins - 1, len(ahead[0]))
    train, validation_rows = (
        _known(np.concatenate(features[:, part]), np.concatenate([each[part] for each in ahead]))
        for part in parts
    )
    return chosen_ridge(train, validation_rows)


def _known(features: Values, targets: Values) -> tuple[Values, Values]:
    known = ~np.isnan(targets).any(1)
    if not known.any():
        raise ValueError("no stretch of the series is without missing values; fill them first")
    return features[known], targets[known]
