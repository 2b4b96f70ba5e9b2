"""Training data in batches: the same samples in the same order, from any position, however it is read."""

import random
import signal
from dataclasses import replace
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from potentiate.data import batches as batches_module
from potentiate.data.batches import (
    LoaderBatches,
    ResidentBatches,
    epoch_order,
    from_loader,
    moved,
)
from potentiate.data.resident import resident
from potentiate.errors import Refused

CPU = torch.device("cpu")


def tensors(count=13):
    return torch.arange(count).float().unsqueeze(1), torch.arange(count)


def numbers(batches, position=0, count=None):
    """The sample numbers of `count` batches from `position` on: one epoch, if not said."""
    taken = islice(batches.start(position, CPU), len(batches) if count is None else count)
    return [batch[1].tolist() for batch in taken]


def flat(batches):
    return list(chain.from_iterable(batches))


def both(size, **options):
    data = tensors()
    return ResidentBatches(data, size, **options), LoaderBatches(
        TensorDataset(*data), size, **options
    )


@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"drop_last": True}, {"seed": 5}])
@pytest.mark.parametrize("size", [1, 4, 13])
def test_resident_and_loaded_data_are_the_same_samples_in_the_same_order(size, options):
    in_memory, loaded = both(size, **options)
    assert len(in_memory) == len(loaded)
    three_epochs = 3 * len(loaded)
    assert numbers(in_memory, count=three_epochs) == numbers(loaded, count=three_epochs)


def test_worker_processes_change_nothing():
    _, loaded = both(4)
    assert numbers(replace(loaded, workers=2), 3, 9) == numbers(loaded, 3, 9)


@given(
    count=st.integers(1, 30),
    size=st.integers(1, 8),
    seed=st.integers(0, 2**40),
    position=st.integers(0, 40),
    drop_last=st.booleans(),
)
def test_any_position_continues_the_sequence(count, size, seed, position, drop_last):
    batches = ResidentBatches(tensors(count), min(size, count), seed, drop_last=drop_last)
    whole = numbers(batches, count=position + 5)
    assert numbers(batches, position, 5) == whole[position:]


@given(count=st.integers(1, 50), seed=st.integers(0, 2**40), epoch=st.integers(0, 1000))
def test_an_epoch_is_every_sample_once(count, seed, epoch):
    assert sorted(epoch_order(count, seed, epoch).tolist()) == list(range(count))


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {
        tuple(epoch_order(20, seed, epoch).tolist()) for seed in range(5) for epoch in range(5)
    }
    assert len(orders) == 25


@pytest.mark.parametrize("position", [0, 5, 10])
def test_a_loader_goes_on_from_any_position(position):
    _, loaded = both(4)
    assert numbers(loaded, position, 6) == numbers(loaded, count=16)[position : position + 6]


def test_reading_leaves_the_global_random_state_alone():
    batches = from_loader(
        DataLoader(TensorDataset(*tensors()), 4, sampler=WeightedRandomSampler([1.0] * 13, 13))
    )
    before = torch.get_rng_state()
    numbers(batches, 2, 7)
    assert torch.equal(torch.get_rng_state(), before)


def loader(**options):
    return DataLoader(TensorDataset(*tensors()), **options)


def test_a_users_loader_is_read_as_it_is():
    batches = from_loader(loader(batch_size=5, shuffle=True, drop_last=True), seed=3)
    assert (batches.size, batches.shuffle, batches.drop_last, len(batches)) == (5, True, True, 2)
    assert numbers(batches) == numbers(ResidentBatches(tensors(), 5, 3, drop_last=True))
    assert numbers(from_loader(loader(batch_size=13))) == [list(range(13))]


@pytest.mark.parametrize(
    "sampler",
    [
        SubsetRandomSampler([1, 3, 5, 7, 9]),
        SubsetRandomSampler([1, 3, 5, 7, 9], generator=torch.Generator()),
        WeightedRandomSampler(torch.arange(13.0), 5, generator=torch.Generator()),
        RandomSampler(range(13), replacement=True, num_samples=5),
        RandomSampler(range(13), num_samples=5),
    ],
)
def test_a_users_sampler_decides_and_can_be_gone_on_with(sampler):
    batches = from_loader(loader(batch_size=2, sampler=sampler))
    assert len(batches) == 3
    whole = numbers(batches, count=9)
    assert whole == numbers(batches, count=9)
    assert [len(batch) for batch in whole] == [2, 2, 1] * 3
    assert whole[:3] != whole[3:6]
    for position in range(9):
        assert numbers(batches, position, 9 - position) == whole[position:]


class Shuffled(Sampler):
    """Draws from the global states of Python and NumPy, as samplers of older projects do."""

    def __len__(self):
        return 6

    def __iter__(self):
        picked = random.sample(range(13), 3) + np.random.permutation(13)[:3].tolist()
        return iter(picked)


class ByEpoch(Sampler):
    """Deals another order in each epoch that it is told of, as DistributedSampler does."""

    epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return 6

    def __iter__(self):
        return iter([(number + self.epoch) % 13 for number in range(6)])


@pytest.mark.parametrize("sampler", [Shuffled(), ByEpoch()])
def test_samplers_with_states_of_their_own_are_gone_on_with(sampler):
    batches = from_loader(loader(batch_size=2, sampler=sampler))
    whole = numbers(batches, count=9)
    assert whole[:3] != whole[3:6]
    before = random.getstate(), np.random.get_state()[1].tolist()
    for position in range(9):
        assert numbers(batches, position, 9 - position) == whole[position:]
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_a_users_sampler_gives_what_it_chose():
    batches = from_loader(loader(batch_size=2, sampler=SubsetRandomSampler([1, 3, 5])))
    assert sorted(flat(numbers(batches))) == [1, 3, 5]
    ordered = from_loader(loader(batch_size=2, sampler=SequentialSampler(range(13))))
    assert numbers(ordered)[0] == [0, 1]


def test_a_users_collate_function_is_used():
    def stacked(items):
        return {"inputs": torch.stack([item[0] for item in items]), "more": [len(items)]}

    batches = from_loader(loader(batch_size=4, collate_fn=stacked))
    batch = next(batches.start(0, CPU))
    assert batch["inputs"].shape == (4, 1)
    assert batch["more"] == (4,)


def numbered(number):
    torch.manual_seed(1000 + number)


class Drawn(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, number):
        return torch.rand(()), number


def test_a_users_preparation_of_workers_is_used():
    batches = from_loader(DataLoader(Drawn(), batch_size=4, num_workers=1, worker_init_fn=numbered))
    (drawn, _), *_ = islice(batches.start(0, CPU), 1)
    torch.manual_seed(1000)
    assert drawn[0] == torch.rand(())


def test_what_has_no_positions_is_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(())

    class Endless(Dataset):
        def __getitem__(self, number):
            return number

    with pytest.raises(Refused, match="IterableDataset has no positions"):
        LoaderBatches(Stream(), 4)
    with pytest.raises(Refused, match="Endless has no length"):
        LoaderBatches(Endless(), 4)
    own = BatchSampler(SequentialSampler(range(13)), 4, drop_last=False)
    with pytest.raises(Refused, match="batch_sampler"):
        from_loader(loader(batch_sampler=own))


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(Refused, match="empty"):
        ResidentBatches(tensors(0), 4)
    with pytest.raises(Refused, match="batch size 0"):
        ResidentBatches(tensors(), 0)
    with pytest.raises(Refused, match="drop_last leaves no batch"):
        ResidentBatches(tensors(3), 4, drop_last=True)
    with pytest.raises(Refused, match=r"equally many rows, got \[2, 3\]"):
        ResidentBatches((torch.zeros(2), torch.zeros(3)), 2)


def test_resizing_keeps_the_order():
    in_memory, loaded = both(4)
    (whole,) = numbers(in_memory.resized(13))
    assert whole == flat(numbers(in_memory))
    assert numbers(loaded.resized(6)) == numbers(in_memory.resized(6))


def test_a_data_set_read_once_is_delivered_in_the_same_order():
    _, loaded = both(4, seed=8)
    assert numbers(resident(loaded), count=10) == numbers(loaded, count=10)

    class Own(Dataset):
        def __len__(self):
            return 13

        def __getitem__(self, number):
            return np.float32(number), number

    own = LoaderBatches(Own(), 4, seed=8)
    assert numbers(resident(own), count=10) == numbers(own, count=10)


def test_data_that_changes_or_is_no_tensor_cannot_be_read_once():
    class Named(Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, number):
            return {"inputs": torch.zeros(2)}

    class Flipped(TensorDataset):
        """Turns one item in a hundred: two readings of a few items seldom differ."""

        def __getitem__(self, number):
            inputs, label = super().__getitem__(number)
            return (-inputs, label) if random.random() < 0.01 else (inputs, label)

    with pytest.raises(Refused, match="change between two readings"):
        resident(LoaderBatches(Drawn(), 2))
    with pytest.raises(Refused, match=r"drawn at random|change between two readings"):
        resident(LoaderBatches(Flipped(*tensors()), 2))
    with pytest.raises(Refused, match="not tuples"):
        resident(LoaderBatches(Named(), 2))
    sampled = from_loader(loader(batch_size=2, sampler=SubsetRandomSampler([1, 2])))
    with pytest.raises(Refused, match="a sampler"):
        resident(sampled)


def test_batches_of_any_shape_move_whole():
    batch = {"a": [torch.zeros(1), 3], "b": (torch.ones(1),), "c": "text"}
    there = moved(batch, CPU)
    assert there["a"][1] == 3

    class Pair(NamedTuple):
        x: torch.Tensor
        y: int

    assert moved(Pair(torch.zeros(2), 1), CPU).x.shape == (2,)
    assert there["c"] == "text"
    assert torch.equal(there["b"][0], torch.ones(1))


def test_workers_leave_signals_to_the_main_process():
    numbers = (signal.SIGINT, signal.SIGTERM)
    before, prepared = [signal.getsignal(number) for number in numbers], []
    try:
        batches_module._ready(3, prepared.append)
        assert [signal.getsignal(number) for number in numbers] == [signal.SIG_IGN] * 2
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    assert prepared == [3]
