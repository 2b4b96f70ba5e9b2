"""Training data in batches, addressed by position: the order is a function of (seed, epoch) and of nothing else.

Two spellings of the same sequence: `ResidentBatches` indexes tensors that stay in memory,
`LoaderBatches` reads a map-style data set through PyTorch's DataLoader. For equal seeds both deliver
the same samples in the same order.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
)

from potentiate.errors import Refused

# Odd constants that spread (seed, epoch) over 63 bits, so that neighbors share no stream.
SEED_SPREAD = 0x9E3779B97F4A7C15
EPOCH_SPREAD = 0x2545F4914F6CDD1D


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """Return the source of randomness of one epoch."""
    return torch.Generator().manual_seed((seed * SEED_SPREAD + epoch * EPOCH_SPREAD) % (1 << 63))


def epoch_order(count: int, seed: int, epoch: int, *, shuffle: bool = True) -> Tensor:
    """Return the sample numbers [count] of one epoch in the order of delivery."""
    return (
        torch.randperm(count, generator=epoch_generator(seed, epoch))
        if shuffle
        else torch.arange(count)
    )


def _batch_count(count: int, size: int, *, drop_last: bool) -> int:
    return count // size if drop_last else -(-count // size)


def _check(count: int, size: int, *, drop_last: bool) -> None:
    if count == 0:
        raise Refused("the training data is empty; give at least one sample")
    if size < 1:
        raise Refused(f"batch size {size} is refused: it must be at least 1")
    if drop_last and size > count:
        raise Refused(
            f"batch size {size} exceeds the {count} training samples and drop_last leaves no batch"
        )


@dataclass(frozen=True)
class ResidentBatches:
    """Tensors that share their first axis, kept in memory and indexed; no loader, no copies by worker."""

    tensors: tuple[Tensor, ...]
    size: int
    seed: int = 0
    shuffle: bool = True
    drop_last: bool = False

    def __post_init__(self) -> None:
        counts = {len(t) for t in self.tensors}
        if len(counts) != 1:
            raise Refused(f"training tensors must have equally many rows, got {sorted(counts)}")
        _check(self.count, self.size, drop_last=self.drop_last)

    @property
    def count(self) -> int:
        """Samples of an epoch."""
        return len(self.tensors[0])

    def __len__(self) -> int:
        return _batch_count(self.count, self.size, drop_last=self.drop_last)

    def resized(self, size: int) -> ResidentBatches:
        """Return the same data in batches of `size`."""
        return replace(self, size=size)

    def start(self, position: int, device: torch.device) -> Iterator[tuple[Tensor, ...]]:
        """Yield batches without end from batch number `position`; the data moves to `device` once."""
        tensors = [t.to(device) for t in self.tensors]
        epoch, first = divmod(position, len(self))
        while True:
            order = epoch_order(self.count, self.seed, epoch, shuffle=self.shuffle).to(device)
            pieces = cast("tuple[Tensor, ...]", order.split(self.size))
            for rows in pieces[first : len(self)]:
                yield tuple([t.index_select(0, rows) for t in tensors])
            epoch, first = epoch + 1, 0


class _Order(Sampler[int]):
    """The part of an epoch's order that is still to come."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True)
class LoaderBatches:
    """A map-style data set read through a DataLoader, in the order that `ResidentBatches` would use.

    Resuming is exact where an item depends on its number, or on random states that the main process
    holds (`workers=0`); augmentation that is drawn inside workers starts its epoch's stream anew.
    `prepare` is called in each worker with its number.
    """

    dataset: Dataset[Any]
    size: int
    seed: int = 0
    shuffle: bool = True
    drop_last: bool = False
    workers: int = 0
    pin: bool = False
    collate: Callable[[list[Any]], Any] | None = None
    sampler: Sampler[int] | None = None
    prepare: Callable[[int], None] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.dataset, IterableDataset):
            raise Refused(
                "an IterableDataset has no positions to resume from; wrap the data in a map-style Dataset "
                "(with __len__ and __getitem__)"
            )
        _check(self.count, self.size, drop_last=self.drop_last)

    @property
    def count(self) -> int:
        """Samples of an epoch."""
        source: Any = self.sampler if self.sampler is not None else self.dataset
        if not isinstance(source, Sized):
            raise Refused(f"{type(source).__name__} has no length; define __len__")
        return len(source)

    def __len__(self) -> int:
        return _batch_count(self.count, self.size, drop_last=self.drop_last)

    def resized(self, size: int) -> LoaderBatches:
        """Return the same data in batches of `size`."""
        return replace(self, size=size)

    def order(self, epoch: int) -> list[int]:
        """Return the sample numbers of one epoch; a sampler of the user's draws under a fixed seed."""
        if self.sampler is None:
            order = epoch_order(self.count, self.seed, epoch, shuffle=self.shuffle)
            return cast("list[int]", order.tolist())
        seed = epoch_generator(self.seed, epoch).initial_seed()
        own = getattr(self.sampler, "generator", None)
        if isinstance(own, torch.Generator):
            own.manual_seed(seed)
        if hasattr(self.sampler, "set_epoch"):
            cast("Any", self.sampler).set_epoch(epoch)
        before = torch.get_rng_state(), random.getstate(), np.random.get_state()
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            return [int(number) for number in self.sampler]
        finally:
            torch.set_rng_state(before[0])
            random.setstate(before[1])
            np.random.set_state(before[2])

    def start(self, position: int, device: torch.device) -> Iterator[Any]:
        """Yield batches without end from batch number `position`, moved to `device`."""
        order, generator = _Order(), torch.Generator()
        loader: DataLoader[Any] = DataLoader(
            self.dataset,
            batch_size=self.size,
            sampler=order,
            num_workers=self.workers,
            collate_fn=self.collate,
            pin_memory=self.pin and device.type == "cuda",
            drop_last=self.drop_last,
            persistent_workers=self.workers > 0,
            worker_init_fn=partial(_ready, prepare=self.prepare),
            generator=generator,  # its own: the global one belongs to the model's dropout
        )
        epoch, first = divmod(position, len(self))
        while True:
            generator.manual_seed(epoch_generator(self.seed, epoch).initial_seed())
            order.numbers = self.order(epoch)[first * self.size :]
            for batch in loader:
                yield moved(batch, device, non_blocking=self.pin)
            epoch, first = epoch + 1, 0


def _ready(worker: int, prepare: Callable[[int], None] | None) -> None:
    """Leave signals to the main process, which saves first and then ends its workers."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if prepare is not None:
        prepare(worker)


def moved(batch: Any, device: torch.device, *, non_blocking: bool = False) -> Any:
    """Return `batch` (tensors in tuples, lists or dicts, or what has a `to`) on `device`."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=non_blocking)
    if isinstance(batch, dict):
        items = cast("dict[Any, Any]", batch).items()
        return {key: moved(value, device, non_blocking=non_blocking) for key, value in items}
    if isinstance(batch, list | tuple):
        parts = cast("Sequence[Any]", batch)
        there = [moved(part, device, non_blocking=non_blocking) for part in parts]
        named: Any = type(parts) if hasattr(parts, "_fields") else None
        return tuple(there) if named is None else named(*there)
    return batch.to(device) if hasattr(batch, "to") else batch


def from_loader(loader: DataLoader[Any], seed: int = 0) -> LoaderBatches:
    """Return the batches of a user's DataLoader, with its data set, size, workers and sampler.

    Raises:
        Refused: The loader has a batch sampler of its own or an iterable data set: neither has positions.
    """
    if loader.batch_size is None:
        raise Refused(
            "a DataLoader with its own batch_sampler has no batch size; give batch_size and a sampler"
        )
    sampler = cast("Sampler[int]", loader.sampler)
    own = not isinstance(sampler, SequentialSampler) and not _permutes(sampler)
    return LoaderBatches(
        dataset=loader.dataset,
        size=loader.batch_size,
        seed=seed,
        shuffle=not isinstance(sampler, SequentialSampler),
        drop_last=loader.drop_last,
        workers=loader.num_workers,
        pin=loader.pin_memory,
        collate=cast("Callable[[list[Any]], Any]", loader.collate_fn),
        sampler=sampler if own else None,
        prepare=loader.worker_init_fn,
    )


def _permutes(sampler: Any) -> bool:
    """Whether each epoch is every sample once, in random order: what `epoch_order` does."""
    return (
        isinstance(sampler, RandomSampler)
        and not sampler.replacement
        and sampler.num_samples == len(sampler.data_source)
    )
