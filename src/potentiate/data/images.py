"""Image sets in memory: three disjoint parts whose borders depend on nothing but the set.

The pixels stay as they were published (unsigned bytes, 0 to `scale`); `Images.standardized` makes
the numbers that a network reads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from potentiate.data.catalog import DataSet, dataset, folder_of, missing
from potentiate.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

VALIDATION_SHARE = 12  # one in twelve: 5,000 of MNIST's 60,000
TEST_SHARE = 5  # of sets that publish no test part
MOVED = 4096
"""Rows that are moved at a time."""
SPLIT_SEED = 20_240  # the borders are part of the set's definition, never of a run


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a set: `inputs` uint8 [n, 1, height, width], `labels` int64 [n]."""

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Images:
    """An image set in three disjoint parts.

    Attributes:
        train: What the network learns from.
        validation: What decisions within a run are made on; stratified by class.
        test: What is read once, at the end.
        classes: Labels are 0 to classes - 1.
        mean: Mean pixel of the training part, where 1 is white.
        std: Standard deviation of the pixels of the training part, likewise.
        scale: The byte that is white.
        name: The set's name.
    """

    train: Split
    validation: Split
    test: Split
    classes: int
    mean: float
    std: float
    scale: float = 255.0
    name: str = ""

    def standardized(self, split: Split) -> Tensor:
        """Return the inputs of a part as float32 [n, 1, height, width].

        Mean 0 and standard deviation 1 hold for the training part, whose moments serve all parts.

        Cost: one new tensor of four times the bytes of the inputs, no further temporaries.
        """
        import torch

        inputs = split.inputs.to(torch.float32)
        return inputs.div_(self.scale).sub_(self.mean).div_(self.std)


def load(name: str) -> Images:
    """Read a data set from this machine; never from the network.

    Raises:
        Refused: No such set, its files are missing, or one is damaged; the sentence names it.

    Example:
        >>> images = load("digits")
        >>> len(images.train), len(images.validation), len(images.test)
        (1318, 120, 359)
    """
    which = dataset(name)
    if not which.files:
        rest, test = _digits(which)
    elif folder := folder_of(which):
        rest, test = _published(which, folder)
    else:
        raise missing(which)
    train, validation = _divided(rest, round(len(rest) / VALIDATION_SHARE), which.classes)
    mean, std = _moments(train.inputs, which.scale)
    return Images(train, validation, test, which.classes, mean, std, which.scale, name)


def shuffled_labels(images: Images, seed: int) -> Images:
    """Return the set with permuted labels in its training and validation part: a negative control.

    Nothing can be learned from it that holds for the test part, whose labels stay true; whatever
    scores above chance there has seen what it must not see.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)

    def permuted(split: Split) -> Split:
        order = torch.randperm(len(split), generator=generator)
        return Split(split.inputs, split.labels[order])

    return replace(images, train=permuted(images.train), validation=permuted(images.validation))


def _digits(which: DataSet) -> tuple[Split, Split]:
    from sklearn.datasets import load_digits

    shipped = cast(Any, load_digits())
    everything = _split(shipped.images.astype("uint8"), shipped.target)
    return _divided(everything, round(len(everything) / TEST_SHARE), which.classes)


def _published(which: DataSet, folder: Path) -> tuple[Split, Split]:
    from potentiate.data.idx import read_idx

    parts = [read_idx(folder / file.name, file.shape) for file in which.files]
    for file, labels in zip(which.files[1::2], parts[1::2], strict=True):
        if labels.max() >= which.classes:
            raise Refused(
                f"the data file {folder / file.name} holds the label {labels.max()} where 0 to "
                f"{which.classes - 1} belong; delete it and get it again with "
                f"'potentiate download {which.name}'"
            )
    return _split(parts[0], parts[1]), _split(parts[2], parts[3])


def _split(pixels: NDArray[np.uint8], labels: NDArray[np.integer]) -> Split:
    import torch

    return Split(torch.as_tensor(pixels).unsqueeze(1), torch.as_tensor(labels.astype("int64")))


def _divided(split: Split, count: int, classes: int) -> tuple[Split, Split]:
    """Part `count` examples off, by class in proportion; both parts keep the published order."""
    import torch

    taken = torch.as_tensor(stratified(split.labels.numpy(), count, classes))
    kept = torch.ones(len(split), dtype=torch.bool)
    kept[taken] = False
    others = Split(split.inputs[~kept], split.labels[~kept])
    return Split(_closed_up(split.inputs, kept), split.labels[kept]), others


def _closed_up(rows: Tensor, kept: Tensor) -> Tensor:
    """Return the rows that are kept, moved up in their own memory: no second copy of the data."""
    import torch

    places, first = cast("Any", kept).nonzero().flatten(), 0
    for part in cast("Sequence[Tensor]", places.split(MOVED)):
        rows[first : first + len(part)] = torch.index_select(
            rows, 0, part
        )  # never ahead of reading
        first += len(part)
    return rows[:first]


def stratified(labels: NDArray[np.int64], count: int, classes: int) -> NDArray[np.int64]:
    """Choose `count` positions so that every class gives its share, by largest remainder."""
    import numpy as np

    random = np.random.RandomState(SPLIT_SEED)  # the one stream that numpy promises never to change
    shares = np.bincount(labels, minlength=classes) * count / len(labels)
    quota = np.floor(shares).astype(int)
    quota[np.argsort(quota - shares, kind="stable")[: count - quota.sum()]] += 1
    chosen = [
        random.permutation(np.flatnonzero(labels == number))[: quota[number]]
        for number in range(classes)
    ]
    return np.concatenate(chosen)


def _moments(inputs: Tensor, scale: float) -> tuple[float, float]:
    """Mean and standard deviation of bytes from their histogram: exact, without a float copy."""
    import torch

    counts = torch.bincount(inputs.flatten(), minlength=256).double()
    values = torch.arange(256, dtype=torch.float64) / scale
    share = counts / counts.sum()
    mean = (share * values).sum()
    return float(mean), float((share * (values - mean) ** 2).sum().sqrt())
