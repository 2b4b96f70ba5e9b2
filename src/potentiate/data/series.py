"""Time series with a class each, in three parts: sets of the archives by name, and series of one's own.

Everything becomes float32 [series, instants, channels], with NaN where a value is missing and behind the
end of a series that is shorter than the longest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from potentiate.data.archive_files import read
from potentiate.data.archives import WAVES, files_of
from potentiate.data.forms import as_labels, as_series
from potentiate.data.images import SPLIT_SEED, stratified
from potentiate.errors import Refused

__all__ = ["SeriesPart", "SeriesSet", "as_series", "load_series", "series_set"]

if TYPE_CHECKING:
    from torch import Tensor

VALIDATION_SHARE = 5
"""One training series in five, and of each class one where it has two, is in the validation part."""
LENGTH, NOISE = 64, 0.4
SIZES = 60, 300
Labeled = tuple[NDArray[np.float32], list[str]]
"""Series [n, instants, channels], and the names of their classes."""


@dataclass(frozen=True, eq=False)
class SeriesPart:
    """Some series of a set: `inputs` float32 [n, instants, channels], `labels` int64 [n]."""

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class SeriesSet:
    """A set of series in three disjoint parts.

    Attributes:
        train: What heads learn from, and encoders with the validation part, which they see without labels.
        validation: What decisions are made on; a fifth of what was published for training, by class.
        test: What is read once, at the end.
        classes: The classes' names; labels are their numbers.
        name: The set's name.
    """

    train: SeriesPart
    validation: SeriesPart
    test: SeriesPart
    classes: tuple[str, ...]
    name: str

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of each channel over training and validation part.

        Of a channel without a value they are 0 and 1, and a constant one has a deviation of 1.
        """
        import torch

        seen = torch.cat([self.train.inputs, self.validation.inputs]).flatten(0, 1).double()
        mean = seen.nanmean(0).nan_to_num(0.0)
        std = (seen - mean).square().nanmean(0).sqrt().nan_to_num(0.0)
        return mean.float(), torch.where(std > 1e-8, std, 1.0).float()


def load_series(name: str) -> SeriesSet:
    """Read a set of the UCR and UEA archives from this machine, or make the set "waves".

    Raises:
        Refused: There is no such set, a file is damaged, or what reads it is not installed; or as `series_set`.

    Example:
        >>> waves = load_series("waves")
        >>> waves.train.inputs.shape, waves.test.inputs.shape, waves.classes
        (torch.Size([48, 64, 1]), torch.Size([300, 64, 1]), ('saw', 'sine', 'square'))
    """
    if name == WAVES:
        rest, test = (_waves(size, seed) for seed, size in enumerate(SIZES))
    else:
        rest, test = map(read, files_of(name))
    return _divided(rest, test, name)


def series_set(
    train: Any, labels: Any, test: Any, test_labels: Any, name: str = "series"
) -> SeriesSet:
    """Return series of one's own as a set, a fifth of the training series held out for validation.

    Args:
        train: Training series in any form that `as_series` takes.
        labels: Their classes, names or numbers [n].
        test: Test series, of as many channels; lengths may differ.
        test_labels: Their classes.
        name: What errors call the set.

    Raises:
        Refused: Series or labels are none, or do not fit each other; there are fewer than 2 training series,
            they have one instant, or no value at all.

    Example:
        >>> found = series_set([[0, 1], [1, 0], [0, 2]], ["up", "down", "up"], [[0, 3, 4]], ["up"])
        >>> len(found.train), len(found.validation), found.test.inputs.shape, found.classes
        (2, 1, torch.Size([1, 3, 1]), ('down', 'up'))
    """
    rest = _labeled(train, labels, f"training part of '{name}'")
    return _divided(rest, _labeled(test, test_labels, f"test part of '{name}'"), name)


def _divided(rest: Labeled, test: Labeled, name: str) -> SeriesSet:
    """Hold a fifth of the training series out."""
    _check(rest[0], test[0], name)
    classes = tuple(sorted({*rest[1], *test[1]}))
    numbers = {each: number for number, each in enumerate(classes)}
    known, truth = (
        np.array([numbers[each] for each in part[1]], np.int64) for part in (rest, test)
    )
    taken = np.zeros(len(known), bool)
    taken[_held_out(known, len(classes))] = True
    return SeriesSet(
        train=_part(rest[0][~taken], known[~taken]),
        validation=_part(rest[0][taken], known[taken]),
        test=_part(test[0], truth),
        classes=classes,
        name=name,
    )


def _labeled(series: Any, labels: Any, where: str) -> Labeled:
    try:
        found, names = as_series(series), as_labels(labels)
    except Refused as error:
        raise Refused(f"{where}: {error}") from error
    if len(found) != len(names):
        raise Refused(f"the {where} has {len(found)} series and {len(names)} labels; give one each")
    return found, names


def _check(train: NDArray[np.float32], test: NDArray[np.float32], name: str) -> None:
    if train.shape[2] != test.shape[2]:
        raise Refused(
            f"the training series of '{name}' have {train.shape[2]} channels, its test series {test.shape[2]}; "
            "give both the same"
        )
    if len(train) < 2:
        raise Refused(f"'{name}' has {len(train)} training series; give at least 2")
    if train.shape[1] < 2:
        raise Refused(f"the training series of '{name}' have one instant; give at least 2")
    if np.isnan(train).all():
        raise Refused(f"every value of the training series of '{name}' is missing")


def _part(inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> SeriesPart:
    import torch

    return SeriesPart(torch.from_numpy(inputs), torch.from_numpy(labels))


def _held_out(labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Places of the validation part: a fifth by class, and one of each class that has two."""
    chosen = stratified(labels, round(len(labels) / VALIDATION_SHARE), classes)
    counts = np.bincount(labels, minlength=classes)
    taken = np.bincount(labels[chosen], minlength=classes)
    random = np.random.RandomState(SPLIT_SEED + 1)
    more = [
        random.choice(np.flatnonzero(labels == each), 1)
        for each in range(classes)
        if counts[each] > 1 and not taken[each]
    ]
    return np.concatenate([chosen, *more])


def _waves(count: int, seed: int) -> Labeled:
    """Waves of three shapes, of any phase and of one and a half to three periods, under noise."""
    random = np.random.default_rng(seed)
    names = [("saw", "sine", "square")[k % 3] for k in range(count)]
    turns = random.uniform(1.5, 3.0, (count, 1)) * np.linspace(0, 1, LENGTH)
    angle = (turns + random.uniform(0, 1, (count, 1))) % 1.0
    shapes = {
        "saw": 2 * angle - 1,
        "sine": np.sin(2 * np.pi * angle) * 2**0.5 / 3**0.5,
        "square": np.sign(0.5 - angle) / 3**0.5,
    }
    wave = np.stack([shapes[name][k] for k, name in enumerate(names)])
    noisy = wave + NOISE * random.standard_normal(wave.shape)
    return as_series(noisy), names
