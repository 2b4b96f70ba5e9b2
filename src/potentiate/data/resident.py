"""A data set that is read once and kept in memory, where its items are fixed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from potentiate.data.batches import LoaderBatches, ResidentBatches
from potentiate.errors import Refused


def resident(batches: LoaderBatches) -> ResidentBatches:
    """Read a whole data set once and keep it in memory as tensors, in the same order of delivery.

    Raises:
        Refused: The items are not fixed tuples of tensors, or change between two readings (augmentation).
    """
    if batches.sampler is not None or batches.collate not in (None, _default_collate()):
        raise Refused(
            "data with a sampler or a collate function of its own cannot be kept as plain tensors"
        )
    dataset = batches.dataset
    parts = dataset.tensors if type(dataset) is TensorDataset else _read_all(dataset, batches.count)
    return ResidentBatches(parts, batches.size, batches.seed, batches.shuffle, batches.drop_last)


def _default_collate() -> Callable[[list[Any]], Any]:
    return cast("Callable[[list[Any]], Any]", torch.utils.data.default_collate)


def _read_all(dataset: Dataset[Any], count: int) -> tuple[Tensor, ...]:
    collate = _default_collate()
    before = _draws()
    for number in {0, count // 2, count - 1}:
        first, second = (_tensors(collate([dataset[number]])) for _ in range(2))
        if first is None or second is None:
            raise Refused(
                "data whose items are not tuples of numbers or tensors cannot be kept as plain tensors"
            )
        if not all(torch.equal(a, b) for a, b in zip(first, second, strict=True)):
            raise Refused(
                "items change between two readings (random augmentation), so they cannot be read once"
            )
    parts = tuple(collate([dataset[number] for number in range(count)]))
    if _draws() != before:
        raise Refused("items are drawn at random (augmentation), so they cannot be read once")
    return parts


def _draws() -> tuple[Any, ...]:
    """The global random states: whoever draws moves one of them."""
    kind, keys, place, *_ = cast("tuple[Any, ...]", np.random.get_state())
    torchs = bytes(torch.get_rng_state().numpy())
    return torchs, random.getstate(), kind, bytes(keys), place


def _tensors(batch: Any) -> list[Tensor] | None:
    """Return the parts of a batch if all of them are tensors."""
    parts: list[Any] = list(cast("Sequence[Any]", batch)) if isinstance(batch, list | tuple) else []
    return parts if parts and all(isinstance(part, Tensor) for part in parts) else None
