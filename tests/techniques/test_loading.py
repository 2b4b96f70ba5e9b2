from __future__ import annotations

from itertools import islice

import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

from potentiate.data.batches import LoaderBatches, ResidentBatches
from potentiate.errors import NotApplicable, Refused
from potentiate.techniques.loading import DataLoading
from potentiate.techniques.reference import parse


@pytest.fixture
def loaded(run):
    data = TensorDataset(*run.batches.tensors)
    return run.edit(batches=LoaderBatches(data, size=8, seed=5))


def delivered(batches, count=13):
    return list(islice(batches.start(0, torch.device("cpu")), count))


@pytest.mark.parametrize("technique", [DataLoading(), DataLoading("workers", workers=2)])
def test_same_samples_in_the_same_order(loaded, technique):
    made = technique.apply(loaded)
    pairs = zip(delivered(loaded.batches), delivered(made.batches), strict=True)
    assert all(torch.equal(a, b) for one, other in pairs for a, b in zip(one, other, strict=True))


def test_what_changes(loaded):
    assert isinstance(DataLoading().apply(loaded).batches, ResidentBatches)
    made = DataLoading("workers", workers=3, pin=True).apply(loaded).batches
    assert (made.workers, made.pin) == (3, True)


@pytest.mark.parametrize(
    ("spec", "workers", "pin"),
    [
        ("data-loading:workers=4", 4, False),
        ("data-loading:workers=2", 2, False),
        ("data-loading:pin=True", 2, True),
        ("data-loading:mode=workers", 2, False),
        ("workers", 2, False),
        ("workers:workers=3", 3, False),
    ],
)
def test_workers_and_pin_imply_their_mode(loaded, spec, workers, pin):
    technique = parse(spec)
    made = technique.apply(loaded).batches
    assert isinstance(made, LoaderBatches)
    assert (made.workers, made.pin) == (workers, pin)
    assert parse(technique.spec) == technique


@pytest.mark.parametrize(
    "spec", ["data-loading", "resident", "data-loading:workers=none,pin=False"]
)
def test_else_the_data_stays_in_memory(loaded, spec):
    assert isinstance(parse(spec).apply(loaded).batches, ResidentBatches)


@pytest.mark.parametrize("spec", ["resident:workers=2", "data-loading:mode=resident,pin=True"])
def test_what_has_no_effect_on_resident_data_is_refused(spec):
    with pytest.raises(Refused, match="leave them out, or state mode=workers"):
        parse(spec)


@pytest.mark.parametrize("mode", ["resident", "workers"])
def test_data_in_memory_needs_no_loading(run, mode):
    with pytest.raises(NotApplicable, match="in memory already"):
        DataLoading(mode).apply(run)


def test_augmented_data_cannot_be_kept(loaded):
    class Noisy(Dataset):
        def __len__(self):
            return 20

        def __getitem__(self, index):
            return torch.randn(3), index

    with pytest.raises(NotApplicable, match="random augmentation"):
        DataLoading().apply(loaded.edit(batches=LoaderBatches(Noisy(), 4)))


def test_pinning_needs_a_gpu():
    assert "pin" in (DataLoading("workers", pin=True).unavailable("cpu") or "")
    assert DataLoading("workers").unavailable("cpu") is None
