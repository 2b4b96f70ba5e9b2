"""The spiking brain with `fit` and `predict`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import islice
from math import ceil
from typing import Annotated, Any, Literal, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import Field
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import RidgeClassifier
from sklearn.utils import metaestimators, multiclass, validation
from torch import Tensor

from potentiate.data.batches import ResidentBatches
from potentiate.encoding import gaussian_population, receptive_fields
from potentiate.errors import Refused
from potentiate.estimators.patterns import Values, agree, labeled, places, unlabeled, within
from potentiate.models.brain import Anatomy, Brain, Plasticity, PlasticStep
from potentiate.settings import changed

Natural = Annotated[int, Field(ge=1)]

FEW = 32
"""Fewer features than this become populations of neurons; so many or more, two channels each."""
FIELDS, OVERLAP, FAINT = 12, 1.0, 0.1
"""Gaussian fields of a feature, their overlap, and the activity below which one is silent."""
HIDDEN = 30, 400
PRESENTATIONS, EPOCHS, BATCH = 10_000, (10, 100), 100

CODES: dict[str, dict[str, Any]] = {
    "latency": {
        "time_steps": 16,
        "tau": 32.0,
        "refractory": 0,
        "inhibition": 13.0,
        "theta_plus": 0.4,
        "tau_trace": 16.0,
        "outstar": 0.1,
    },
    "poisson": {
        "time_steps": 100,
        "rate": 250.0,
        "reset": 5.0,
        "inhibition": 30.0,
        "theta_plus": 0.4,
    },
}
MANY = {"latency": {"reset": 5.0, "tau_trace": 100.0}, "poisson": {}}
"""What is different where features have two channels each."""
DRIVE = {"latency": 40.0, "poisson": 160.0}
"""What a presentation gives a neuron in mV before anything is learned, whatever the number of inputs."""
THETA = {"latency": 20.0, "poisson": 50.0}
"""What a hidden spike per presentation raises the thresholds by in the long run, mV."""


@dataclass(frozen=True)
class _Parameters:
    """What `BrainClassifier` is made with, to be checked."""

    hidden: Natural | None = None
    epochs: Natural | None = None
    code: Literal["latency", "poisson"] = "latency"
    readout: Literal["local", "ridge"] = "local"


@dataclass(frozen=True)
class _Nature(Plasticity, Anatomy):
    """All settings of a brain."""

    def part(self, kind: type[Any]) -> Any:
        return kind(**{f.name: getattr(self, f.name) for f in fields(kind)})


def _local(classifier: BrainClassifier) -> bool:
    return classifier.readout == "local"


class BrainClassifier(ClassifierMixin, BaseEstimator):
    """A spiking brain that classifies patterns by local rules alone: STDP, and outputs that are taught.

    Patterns are [n, features]. Values of uint8, also images [n, ...], are divided by 255. Others are
    taken as they are if all that is seen at first lie in [0, 1]; else each feature is scaled to [0, 1]
    by the smallest and the largest value it has there. First is each `fit`, or the `partial_fit` that
    begins; what lies beyond that range later is clipped. Each of fewer than 32 features becomes 12
    Gaussian fields (see `encoding`), each of more becomes two channels, the value and its complement.

    Args:
        hidden: Competing neurons. Default: a third of the patterns of `fit`, but 30 to 400; 400 where
            `partial_fit` begins.
        epochs: Passes of `fit`. Default: what makes 10,000 presentations, but 10 to 100.
        code: "latency": each channel spikes once, the sooner the larger its value. "poisson": at a
            rate and by chance; slower, on images the better one, but the answer to a pattern depends a
            little on which others it is asked with. `cross_val_score` with cv=5 on scikit-learn's digits,
            mean over random_state 0 to 2: 0.910 with "latency", 0.928 with "poisson" in four times the time.
        readout: "local": the outputs of the brain. "ridge": supervised, a ridge regression on the
            spike counts of the hidden neurons; it needs all patterns at once, so `partial_fit` is gone.
        settings: Fields of `Anatomy` and `Plasticity` by name, to be changed.
        random_state: Of the first weights, the order of the patterns, and Poisson spikes.

    Attributes:
        brain_: The `Brain`, for `save_brain` and a closer look.
        classes_: The labels in order.
        low_: Values that are scaled to 0, [features].
        high_: Values that are scaled to 1, [features].
        n_features_in_: Values of a pattern.

    Raises:
        ValueError: Patterns or labels are such that no classifier takes them.
        Refused: A parameter is wrong.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> classifier = BrainClassifier(random_state=0).fit(*load_iris(return_X_y=True))
        >>> classifier.predict([[5.0, 3.5, 1.5, 0.2]])
        array([0])
    """

    brain_: Brain
    classes_: Values
    low_: Values
    high_: Values
    n_features_in_: int
    ridge_: Any

    def __init__(
        self,
        hidden: int | None = None,
        epochs: int | None = None,
        code: Literal["latency", "poisson"] = "latency",
        readout: Literal["local", "ridge"] = "local",
        settings: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden = hidden
        self.epochs = epochs
        self.code = code
        self.readout = readout
        self.settings = settings
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> BrainClassifier:
        """Learn anew from patterns [n, features] and labels [n]; cost: epochs * n * channels * hidden."""
        values, labels = self._labeled(X, y, begins=True)
        self.classes_ = multiclass.unique_labels(labels)
        channels = self._begin(values, hidden=within(HIDDEN, len(values) // 3))
        batches = ResidentBatches(
            (channels, places(labels, self.classes_)), BATCH, self.brain_.seed
        )
        self._learn(
            batches, int(self.epochs or 0) or within(EPOCHS, ceil(PRESENTATIONS / len(values)))
        )
        if self.readout == "ridge":
            self.ridge_ = RidgeClassifier().fit(self._spikes(channels), labels)
        return self

    @metaestimators.available_if(_local)
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None
    ) -> BrainClassifier:
        """Go on learning from patterns [n, features] and labels [n], once and in their order.

        Args:
            X: Patterns.
            y: Labels.
            classes: All labels there will be; needed in the first call.
        """
        begins = not hasattr(self, "brain_")
        values, labels = self._labeled(X, y, begins=begins)
        agree(self, classes, begins=begins)
        named = places(labels, self.classes_)
        channels = self._begin(values, hidden=HIDDEN[1]) if begins else self._channels(values)
        self._learn(ResidentBatches((channels, named), BATCH, shuffle=False), 1)
        return self

    def decision_function(self, X: ArrayLike) -> Values:
        """Return scores [n, classes], or [n] for the second of two: spikes of the outputs, or the ridge."""
        validation.check_is_fitted(self, "brain_")
        channels = self._channels(unlabeled(self, X))
        if self.readout == "ridge":
            return self.ridge_.decision_function(self._spikes(channels))
        scores = self.brain_(channels).numpy().astype(np.float64)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: ArrayLike) -> Values:
        """Return the labels [n] of patterns [n, features]."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(1)]

    def __sklearn_tags__(self) -> Any:
        tags = cast("Any", super()).__sklearn_tags__()
        tags.non_deterministic = self.code == "poisson"  # the noise of a pattern depends on its row
        return tags

    def _labeled(self, X: Any, y: Any, *, begins: bool) -> tuple[Values, Values]:
        given = {f.name: getattr(self, f.name) for f in fields(_Parameters)}
        changed(_Parameters(), given, where="BrainClassifier")
        return labeled(self, X, y, begins=begins)

    def _begin(self, values: Values, *, hidden: int) -> Tensor:
        """Make the brain that suits the first `values`, and return their channels."""
        low, high = values.min(0), values.max(0)
        unit = low.min() >= 0 and high.max() <= 1
        self.low_ = np.zeros_like(low) if unit else low
        self.high_ = np.ones_like(high) if unit else high
        channels = self._channels(values)
        nature = self._nature(channels, self.hidden or hidden)
        seed = int(validation.check_random_state(self.random_state).randint(2**31 - 1))
        anatomy, plasticity = nature.part(Anatomy), nature.part(Plasticity)
        self.brain_ = Brain(channels.shape[1], len(self.classes_), anatomy, plasticity, seed=seed)
        return channels

    def _nature(self, channels: Tensor, hidden: int) -> _Nature:
        """Settings in which what drives a neuron does not depend on the number of its inputs."""
        settings = self._settings()
        for name in {"hidden", "code"} & settings.keys():
            raise Refused(f"settings of BrainClassifier hold {name}; give it as {name}=... instead")
        many = self.n_features_in_ >= FEW
        given = {"hidden": hidden, "code": self.code, "complement": many, **CODES[self.code]}
        given |= (MANY[self.code] if many else {}) | settings
        nature = changed(_Nature(), given, where="settings of BrainClassifier")
        inputs = channels.shape[1]
        active = inputs if nature.complement else max(float(channels.sum()) / len(channels), 1e-6)
        spikes = 1.0 if self.code == "latency" else nature.rate / 1000 * nature.time_steps
        weight = nature.total if settings.get("total") else DRIVE[self.code] / (active * spikes)
        settles = THETA[self.code] * nature.hidden * nature.time_steps
        scaled = {
            "total": weight,
            "w_max": 10.0 * weight,
            "a_plus": 0.1 * weight,
            "a_minus": 1e-3 * weight,
            "tau_theta": settles / (nature.theta_plus or 1.0),
        }
        return replace(nature, **{k: v for k, v in scaled.items() if k not in settings})

    def _settings(self) -> dict[str, Any]:
        settings: Any = {} if self.settings is None else self.settings
        if not isinstance(settings, Mapping):
            raise Refused(
                f"settings={settings!r} of BrainClassifier is refused; give a dict such as {{'tau': 32.0}}"
            )
        return dict(cast("Mapping[str, Any]", settings))

    def _channels(self, values: Values) -> Tensor:
        """Values [n, features] as activity in [0, 1], [n, features] or [n, features * fields]."""
        low, high = self.low_ / 2, self.high_ / 2  # halves, for a whole span can be infinite
        span = np.where(high > low, high - low, 1.0)
        shares = (np.clip(values / 2, low, high) - low) / span
        if self.n_features_in_ < FEW:
            activity = gaussian_population(shares, *receptive_fields(FIELDS, 0.0, 1.0, OVERLAP))
            shares = np.where(activity < FAINT, 0.0, activity).reshape(len(values), -1)
        return torch.from_numpy(shares.astype(np.float32))

    def _learn(self, batches: ResidentBatches, epochs: int) -> None:
        step = PlasticStep(self.brain_.plasticity, batches.count).start(self.brain_, 0)
        for batch in islice(batches.start(0, torch.device("cpu")), epochs * len(batches)):
            step(batch)

    def _spikes(self, channels: Tensor) -> Values:
        return self.brain_.respond(channels).spikes.numpy()
