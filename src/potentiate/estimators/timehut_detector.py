"""TimeHUT as a detector of anomalies in streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OutlierMixin
from sklearn.utils import validation

from potentiate.errors import Refused
from potentiate.estimators.series import pieces, same_channels, several, streams
from potentiate.estimators.timehut_learning import Learner, all_or_nothing, natural
from potentiate.models.timehut.anomalies import adjusted, surprise

PIECES = 8
"""Of series, at least, so that a batch has something to tell apart."""


class TimeHUTDetector(OutlierMixin, Learner):
    """Anomalies of long series: instants that are not what those before them made expect.

    An instant's anomaly is the distance between its representations when it is hidden and when it is seen,
    over the mean of the same in the `window` instants before. It depends on nothing that follows, so a
    stream is judged as it comes. As scikit-learn has it, scores are lower the stranger an instant is, and
    -1 is an anomaly. Series are [instants], [channels, instants] or [n, channels, instants]; NaN is a value
    that is missing, and no anomaly.

    Args:
        context: Instants before each that it is judged by.
        window: Instants before it whose distances are what is usual.
        deviations: Standard deviations above the mean, over what `fit` saw, from which on one is an anomaly.
        epochs: Passes of `fit`. Default: what makes 200 steps, or 600 of more than 100,000 values.
        batch_size: Pieces of series per step.
        preset: "ts2vec": without what TimeHUT adds to TS2Vec.
        settings: Other fields of `potentiate.models.timehut.recipe.Recipe` by name, to be changed.
        random_state: Of weights, the order of the pieces, and what is drawn of them.
        device: "cpu" or "cuda".

    Attributes:
        encoder_: The `Encoder`; it takes standardized series.
        offset_: Scores below it are those of anomalies.
        mean_: Of each channel over what `fit` saw, [channels].
        scale_: Its standard deviation, or 1 if it did not vary, [channels].
        losses_: Loss of each step, [steps].
        channels_: Channels of a series.

    Raises:
        ValueError: Series are such that nothing can be learned from them.
        Refused: A parameter is wrong.

    Example:
        >>> import numpy as np
        >>> wave = np.sin(np.arange(400) / 5)
        >>> wave[350] += 3
        >>> small = {"outputs": 32, "hidden": 16, "depth": 4}
        >>> detector = TimeHUTDetector(context=40, epochs=20, settings=small, random_state=0)
        >>> int(detector.fit(wave[:300]).score_samples(wave).argmin())
        350
    """

    offset_: float
    context_: int
    window_: int

    def __init__(
        self,
        context: int = 200,
        window: int = 21,
        deviations: float = 4.0,
        epochs: float | None = None,
        batch_size: int = 8,
        preset: str | None = None,
        settings: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
        device: str = "cpu",
    ) -> None:
        super().__init__(epochs, batch_size, preset, settings, random_state, device)
        self.context = context
        self.window = window
        self.deviations = deviations

    def fit(self, series: Any, y: Any = None) -> TimeHUTDetector:
        """Learn anew what is usual from series, in which there may be anomalies; labels are not looked at."""
        with all_or_nothing(self):
            recipe, context = self._recipe(), natural(self, "context")
            window = natural(self, "window")
            deviations: Any = self.deviations
            if isinstance(deviations, str) or not deviations > 0:
                raise Refused(f"deviations={deviations!r} is refused; give a number above 0")
            values = several(streams(series))
            if values.shape[1] <= window:
                raise ValueError(
                    f"series of {values.shape[1]} instants are too short for window={window}; give more than that"
                )
            self.channels_ = values.shape[2]
            self._learn(values, recipe, pieces(values, context + 1, max(PIECES, recipe.batch_size)))
            usual = self._strangeness(values, context, window)
            self.context_, self.window_ = context, window
            known = usual[np.isfinite(usual)]
            if not len(known):
                raise ValueError(f"nowhere do {window} instants without gaps precede a value")
            self.offset_ = -float(known.mean() + deviations * known.std())
        return self

    def score_samples(self, series: Any) -> NDArray[np.float64]:
        """Return scores of instants, [instants] or [n, instants]; the lower, the stranger.

        The first `window` instants have nothing to be held against, nor have those behind a long gap, and a
        missing value is none: their score is 0, which is usual. To judge
        what is new of a stream, give the last `context + window` instants before it too.
        """
        validation.check_is_fitted(self, "encoder_")
        values = same_channels(self, streams(series))
        scores = -np.nan_to_num(self._strangeness(values, self.context_, self.window_))
        return scores if np.ndim(series) == 3 else scores[0]

    def decision_function(self, series: Any) -> NDArray[np.float64]:
        """Return scores less `offset_`: below 0 for anomalies."""
        return self.score_samples(series) - self.offset_

    def predict(self, series: Any) -> NDArray[np.int64]:
        """Return -1 for instants that are anomalies and 1 for all others, [instants] or [n, instants]."""
        return np.where(self.decision_function(series) < 0, -1, 1)

    def _strangeness(self, values: Any, context: int, window: int) -> NDArray[np.float64]:
        return adjusted(surprise(self.encoder_, self._standardized(values), context), window)
