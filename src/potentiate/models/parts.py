"""The data of a job: tensors, data sets or loaders, and disjoint parts of them."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset

from potentiate.errors import Refused

Data = Any  # (inputs, targets) tensors or arrays, a map-style Dataset, or a DataLoader


@dataclass(frozen=True)
class Parts:
    """Disjoint data for learning, for decisions and for the final read-out."""

    train: Data
    validation: Data
    test: Data


def as_tensors(data: Data) -> tuple[Tensor, ...]:
    """Return (inputs, targets) as tensors; arrays of doubles become floats, as networks want them."""
    if not isinstance(data, tuple | list):
        raise Refused(
            f"data must be (inputs, targets), a Dataset or a DataLoader, got {type(data).__name__}"
        )
    tensors = [torch.as_tensor(part) for part in cast("Sequence[Any]", data)]
    if len({len(t) for t in tensors}) > 1:
        raise Refused(
            f"inputs and targets must have equally many rows, got {[len(t) for t in tensors]}; check how "
            "they are made"
        )
    if not all(bool(torch.isfinite(t).all()) for t in tensors if t.is_floating_point()):
        raise Refused(
            "the data hold numbers that are not finite; clean or mask them before training"
        )
    return tuple(t.float() if t.dtype == torch.float64 else t for t in tensors)


def size(data: Data) -> int:
    """Return the number of samples of a part."""
    if isinstance(data, DataLoader):
        return size(cast("DataLoader[Any]", data).dataset)
    rows: Sized = cast("Sequence[Sized]", data)[0] if isinstance(data, tuple | list) else data
    return len(rows)


def split_off(data: Data, validation: Data = None, test: Data = None) -> Parts:
    """Return disjoint parts; what is not given is split off the training data by a fixed seed.

    Integer targets of tensors are split in equal shares of each class.
    """
    wanted = {"validation": (validation, 0.1), "test": (test, 0.2)}
    missing = {key: share for key, (given, share) in wanted.items() if given is None}
    if not missing:
        return Parts(data, validation, test)
    if isinstance(data, DataLoader):
        raise Refused(
            f"a DataLoader cannot be split; give {' and '.join(missing)} data too, for example "
            f"{next(iter(missing))}=other_loader"
        )
    if isinstance(data, IterableDataset):
        raise Refused(
            "an IterableDataset cannot be split and has no positions; wrap the data in a map-style "
            "Dataset (with __len__ and __getitem__)"
        )
    source: Any = cast("Any", data) if isinstance(data, Dataset) else as_tensors(data)
    count = size(source)
    if count < 10:
        raise Refused(
            f"{count} samples are too few to split off {' and '.join(missing)} data; give at least 10"
        )
    order = _spread(source, count)
    cuts = {key: max(1, round(share * count)) for key, share in missing.items()}
    picked: dict[str, Data] = {"validation": validation, "test": test}
    taken = 0
    for key, cut in cuts.items():
        picked[key] = _rows(source, order[taken : taken + cut])
        taken += cut
    return Parts(_rows(source, order[taken:].sort().values), picked["validation"], picked["test"])


def _spread(source: Any, count: int) -> Tensor:
    """Return row numbers in random order; with class labels, so that each stretch holds all classes alike."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    labels = cast("tuple[Tensor, ...]", source)[1] if isinstance(source, tuple) else None
    if not isinstance(labels, Tensor) or labels.dim() != 1 or labels.is_floating_point():
        return order
    place = torch.empty(count)
    for label in cast("Tensor", labels.unique()):
        rows = order[labels[order] == label]
        place[rows] = (torch.arange(len(rows)) + 0.5) / len(rows)
    return order[place[order].argsort(stable=True)]


def _rows(source: Any, rows: Tensor) -> Any:
    if isinstance(source, tuple):
        return tuple(t[rows] for t in cast("tuple[Tensor, ...]", source))
    return Subset(source, cast("list[int]", rows.tolist()))
