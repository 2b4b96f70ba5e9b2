"""What all estimators of TimeHUT share: their settings, and how the encoder comes to be."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import validation
from torch import Tensor

from potentiate.errors import Refused, unknown
from potentiate.estimators.series import Values, moments
from potentiate.models.timehut.encoder import Encoder
from potentiate.models.timehut.recipe import LARGEST, TS2VEC, Recipe, learning
from potentiate.settings import changed

PRESETS: Mapping[str, Mapping[str, Any]] = {"ts2vec": TS2VEC}
NAMED = "epochs", "batch_size", "head"
"""Fields of a `Recipe` that are parameters of an estimator, and not settings."""


class Learner(BaseEstimator):
    """The parameters of all, and the attributes of one that has learned.

    Attributes:
        encoder_: The `Encoder`; it takes standardized series.
        mean_: Of each channel over what `fit` saw, [channels].
        scale_: Its standard deviation, or 1 if it did not vary, [channels].
        losses_: Loss of each step, [steps].
        channels_: Channels of a series.
    """

    encoder_: Encoder
    mean_: Values
    scale_: Values
    losses_: NDArray[np.float64]
    channels_: int

    def __init__(
        self,
        epochs: float | None = None,
        batch_size: int = 8,
        preset: str | None = None,
        settings: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
        device: str = "cpu",
    ) -> None:
        self.epochs = epochs
        self.batch_size = batch_size
        self.preset = preset
        self.settings = settings
        self.random_state = random_state
        self.device = device

    def _recipe(self) -> Recipe:
        where = type(self).__name__
        settings: Any = {} if self.settings is None else self.settings
        if not isinstance(settings, Mapping):
            raise Refused(
                f"settings={settings!r} of {where} is refused; give a dict such as {{'outputs': 64}}"
            )
        given = dict(cast("Mapping[str, Any]", settings))
        for name in (name for name in NAMED if name in given):
            remedy = f"give it as {name}=... instead" if hasattr(self, name) else "leave it out"
            raise Refused(f"settings of {where} hold {name}; {remedy}")
        preset: Any = self.preset
        if preset is not None and preset not in PRESETS:
            raise unknown("preset", str(preset), PRESETS)
        recipe = changed(Recipe(), PRESETS[preset] if preset else {}, where=where)
        recipe = changed(recipe, given, where=f"settings of {where}")
        named = {name: getattr(self, name) for name in NAMED if hasattr(self, name)}
        if named.get("head", "") is None:
            del named["head"]  # the preset's, or the recipe's own
        return changed(recipe, named, where=where)

    def _learn(self, series: Values, recipe: Recipe, pieces: Values | None = None) -> None:
        """Standardize by `series`, and learn from them, or from `pieces` of them."""
        self.mean_, self.scale_ = moments(series)
        seed = int(validation.check_random_state(self.random_state).randint(2**31 - 1))
        inputs = self._standardized(series if pieces is None else pieces)
        learned = learn(inputs, recipe, seed, usable(self.device))
        self.encoder_, self.losses_ = learned.encoder, learned.losses

    def _standardized(self, series: Values) -> Tensor:
        with np.errstate(over="ignore"):  # told of below
            inputs = torch.from_numpy((series - self.mean_) / self.scale_)
        if bool((inputs.abs() > LARGEST).any()):
            raise ValueError(
                f"a value lies more than {LARGEST:g} standard deviations from the mean of what was learned from; "
                "mend it, or mark it as missing with NaN"
            )
        return inputs


@dataclass(frozen=True)
class Learned:
    """An encoder that has learned, and the loss of each of its steps."""

    encoder: Encoder
    losses: NDArray[np.float64]


def learn(inputs: Tensor, recipe: Recipe, seed: int, device: torch.device) -> Learned:
    """Return what learned from standardized series [n, instants, channels].

    PyTorch's global random state is left as it was.
    """
    cuda = device.type == "cuda"
    index = device.index or 0
    with torch.random.fork_rng(devices=[index] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(index):
                torch.cuda.manual_seed(seed)
        parts = learning(inputs, recipe, seed)
        steps = max(1, round(parts.epochs * len(parts.batches)))
        encoder = parts.encoder.to(device).train()
        step = parts.step.start(encoder, steps)
        batches = islice(parts.batches.start(0, device), steps)
        losses = [float(step(batch)) for batch in batches]
        return Learned(cast("Encoder", step.evaluated()).eval(), np.array(losses))


def usable(device: str) -> torch.device:
    """Return the device of a name, if this machine has it."""
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise Refused(f"device={device!r} is refused; give 'cpu' or 'cuda'") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise Refused(f"device={device!r} is refused: this machine has none; give 'cpu'")
    return found


def natural(estimator: Any, name: str) -> int:
    """Return a parameter that counts instants."""
    value: Any = getattr(estimator, name)
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise Refused(
            f"{type(estimator).__name__}: {name}={value!r} is refused; give a number of instants, 1 or more"
        )
    return int(cast("Any", value))


@contextmanager
def all_or_nothing(estimator: Any) -> Generator[None]:
    """Leave an estimator as it was if anything, an interrupt too, keeps it from being fitted."""
    before = cast("dict[str, Any]", vars(estimator)).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
