"""What representations are good for: a classifier on top of them, and how it is judged.

Source: the protocol of Franceschi et al. 2019, arXiv:1901.10738, which TS2Vec and TimeHUT follow.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from potentiate.data.series import SeriesPart
from potentiate.errors import Refused
from potentiate.models.timehut.criterion import Criterion
from potentiate.models.timehut.encoder import Encoder

Head = Literal["svm", "logistic", "ridge"]
Pooling = Literal["max", "statistics", "pyramid"]
CHUNK = 1 << 12
"""Instants that are encoded at a time, about: as many as a step of training has, so that no more memory is held."""
COMPARED = 1000
"""Series of which all pairs are looked at, at most, spread over all."""
FEW, FEW_OF_EACH = 50, 5
"""With fewer series, or fewer of each class, the support vectors' C is not searched for."""
FREE = 1e10
"""C where the source has none: support vectors of series that nothing separates would be sought for ever."""
ITERATIONS = 200_000
"""Of a search for support vectors, at most: where classes overlap, a large C would never be done."""
SEARCHED = 10_000
"""Series among which C is searched for, at most."""
LEVELS = 2, 4
"""Parts of time that a pyramid looks at each for itself (Lazebnik et al. 2006, Beyond Bags of Features)."""


def encoded(encoder: nn.Module, inputs: Tensor) -> Tensor:
    """Return the representation of each instant, [series, instants, outputs].

    Args:
        encoder: An `Encoder`; left in evaluation mode.
        inputs: [series, instants, channels], NaN where a value is missing.
    """
    encoder.eval()
    return torch.cat([_of(encoder, part).transpose(0, 1) for part in _parts(inputs)])


def represented(
    encoder: nn.Module, inputs: Tensor, pooling: Pooling = "max"
) -> NDArray[np.float32]:
    """Return the representation of each series, [series, outputs], or more of other poolings than "max".

    Args:
        encoder: An `Encoder`; left in evaluation mode.
        inputs: [series, instants, channels], NaN where a value is missing.
        pooling: What is taken over the instants. "max": the largest. "statistics": the largest, the smallest,
            and of the instants that are not missing mean and standard deviation, [series, 4 * outputs].
            "pyramid": after these, largest and mean of each half and each quarter, which tell when something
            was, [series, 16 * outputs].
    """
    encoder.eval()
    out, done = inputs.new_empty(0), 0
    for part in _parts(inputs):
        found = _pooled(encoder, part, pooling)
        if not done:
            # Made once: small results among large temporaries leave holes that nothing fits.
            out = found.new_empty(len(inputs), found.shape[1])
        out[done : done + len(found)] = found
        done += len(found)
    return out.numpy()


def _parts(inputs: Tensor) -> Sequence[Tensor]:
    """Some series at a time."""
    portion = max(1, CHUNK // max(1, inputs.shape[1]))
    return cast("Sequence[Tensor]", inputs.split(portion))


def _of(encoder: nn.Module, inputs: Tensor) -> Tensor:
    """Representations [instants, series, outputs]."""
    x = inputs.transpose(0, 1).contiguous()
    with torch.no_grad():
        return encoder(x.to(next(encoder.parameters()).device)).cpu()


def _pooled(encoder: nn.Module, inputs: Tensor, pooling: Pooling) -> Tensor:
    """What is taken over the instants; all else is freed before more series are encoded."""
    z = _of(encoder, inputs)
    seen = (~inputs.isnan().any(-1).t().unsqueeze(-1)).to(z.dtype)
    return torch.cat([*POOLINGS[pooling](z, seen)], 1)


def _largest(z: Tensor, seen: Tensor) -> Iterator[Tensor]:
    yield z.amax(0)


def _statistics(z: Tensor, seen: Tensor) -> Iterator[Tensor]:
    mean = _mean(z, seen)
    yield from (z.amax(0), z.amin(0), mean, _mean((z - mean).square(), seen).sqrt())


def _pyramid(z: Tensor, seen: Tensor) -> Iterator[Tensor]:
    yield from _statistics(z, seen)
    for parts in LEVELS:
        for number in range(parts):
            first = number * len(z) // parts
            part = slice(first, max(first + 1, (number + 1) * len(z) // parts))
            yield from (z[part].amax(0), _mean(z[part], seen[part]))


def _mean(z: Tensor, seen: Tensor) -> Tensor:
    return (z * seen).sum(0) / seen.sum(0).clamp(min=1)


POOLINGS: Mapping[Pooling, Callable[[Tensor, Tensor], Iterator[Tensor]]] = MappingProxyType(
    {"max": _largest, "statistics": _statistics, "pyramid": _pyramid}
)
"""What is taken over the instants; the largest is the first of each."""


def fitted(head: Head, features: NDArray[Any], labels: NDArray[Any]) -> Any:
    """Return a classifier fitted on representations; C of "svm" and "logistic" by five-fold search.

    Raises:
        Refused: There is one class only.
    """
    from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
    from sklearn.model_selection import GridSearchCV, ShuffleSplit, StratifiedShuffleSplit
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    _, counts = np.unique(labels, return_counts=True)
    if len(counts) < 2:
        raise Refused("all series have one class; a classifier needs two")
    if head == "ridge":
        ridge: Any = RidgeClassifierCV(np.logspace(-3, 3, 10))
        return Pipeline([("scale", StandardScaler()), ("ridge", ridge)]).fit(features, labels)
    strengths = [10.0**k for k in range(-4, 5)]
    if head == "logistic":
        logistic: Any = LogisticRegression(max_iter=10_000)
        model = Pipeline([("scale", StandardScaler()), ("logistic", logistic)])
        if counts.min() < FEW_OF_EACH:
            return cast("Any", model.fit(features, labels))
        return GridSearchCV(model, {"logistic__C": strengths}, cv=5).fit(features, labels)
    if len(labels) < FEW or len(labels) // len(counts) < FEW_OF_EACH:
        free: Any = SVC(C=FREE, max_iter=ITERATIONS)
        return _searched(free, features, labels)
    if len(labels) > SEARCHED:
        kind = StratifiedShuffleSplit if counts.min() > 1 else ShuffleSplit
        part: Any = kind(1, train_size=SEARCHED, random_state=0)
        chosen, _ = next(part.split(features, labels))
        features, labels = features[chosen], labels[chosen]
    support: Any = SVC(max_iter=ITERATIONS)
    return _searched(GridSearchCV(support, {"C": [*strengths, FREE]}, cv=5), features, labels)


def _searched(model: Any, features: NDArray[Any], labels: NDArray[Any]) -> Any:
    """Fit; a search that was cut off is judged as it is, and a class smaller than the folds is in some."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return model.fit(features, labels)


@dataclass(frozen=True)
class Read:
    """Judges an encoder by a classifier on its representations.

    Attributes:
        known: What the classifier is fitted on; its series are standardized as the encoder reads them.
        asked: What it is judged on.
        head: Which classifier.
        criterion: Judges without labels, where that is wanted too.
        pooling: What of the representations of its instants the classifier reads of a series.
    """

    known: SeriesPart
    asked: SeriesPart
    head: Head = "svm"
    criterion: Criterion | None = None
    pooling: Pooling = "max"

    def __call__(self, encoder: nn.Module) -> Mapping[str, float]:
        """Return accuracy, macro F1, how even and how tolerant the representations are, and the criterion's."""
        import sklearn.metrics

        from potentiate.models.timehut.loss import tolerance, uniformity

        score: Any = sklearn.metrics
        known, asked = (
            represented(encoder, part.inputs, self.pooling) for part in (self.known, self.asked)
        )
        told = fitted(self.head, known, self.known.labels.numpy()).predict(asked)
        truth = self.asked.labels.numpy()
        some = np.arange(min(COMPARED, len(known))) * len(known) // min(COMPARED, len(known))
        largest = torch.from_numpy(known[some, : cast("Encoder", encoder).outputs])
        return {
            "accuracy": float(score.accuracy_score(truth, told)),
            "f1": float(score.f1_score(truth, told, average="macro")),
            "uniformity": uniformity(largest),
            "tolerance": tolerance(largest, self.known.labels[torch.from_numpy(some)]),
            **({} if self.criterion is None else self.criterion(encoder)),
        }
