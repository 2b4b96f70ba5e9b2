"""From a model, data, a loss and a metric to a workload: splitting, reading, judging, refusing."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from jobs import losses, trained
from potentiate.engine import train
from potentiate.errors import Refused
from potentiate.models.supervised import Judge, Parts, Recipe, accuracy, split_off, supervised


def rows(count, classes=3):
    """Inputs that are their own number, and classes of unequal size."""
    labels = torch.arange(count).float().div(count).square().mul(classes).long()
    return torch.arange(count).float().unsqueeze(1), labels


def identities(part):
    return set(part[0].flatten().int().tolist())


@given(count=st.integers(10, 200), classes=st.integers(1, 5))
def test_parts_are_disjoint_and_lose_nothing(count, classes):
    parts = split_off(rows(count, classes))
    found = [identities(part) for part in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, found)) == count
    assert set.union(*found) == set(range(count))
    assert len(found[1]) == max(1, round(0.1 * count))
    assert len(found[2]) == max(1, round(0.2 * count))


@given(count=st.integers(50, 300), classes=st.integers(2, 5))
def test_classes_have_equal_shares_of_each_part(count, classes):
    whole = rows(count, classes)
    parts = split_off(whole)
    share = torch.bincount(whole[1], minlength=classes) / count
    for _, labels in (parts.train, parts.validation, parts.test):
        found = torch.bincount(labels, minlength=classes)
        assert (found - share * len(labels)).abs().max() <= 2


def test_the_split_is_the_same_every_time_and_keeps_rows_together():
    first, second = split_off(rows(50)), split_off(rows(50))
    assert torch.equal(first.test[0], second.test[0])
    whole = rows(50)
    for inputs, labels in (first.train, first.validation, first.test):
        assert torch.equal(whole[1][inputs.flatten().long()], labels)


def test_what_is_given_is_not_split_off():
    mine = rows(7)
    parts = split_off(rows(50), test=mine)
    assert parts.test is mine
    assert len(parts.validation[0]) == 5
    assert len(parts.train[0]) == 45
    assert split_off(rows(5), rows(6), rows(7)).train[0].shape == (5, 1)


def test_real_targets_and_data_sets_are_split_at_random():
    parts = split_off((torch.arange(50.0).unsqueeze(1), torch.rand(50)))
    assert len(identities(parts.train) | identities(parts.test)) == 45
    parts = split_off(TensorDataset(*rows(50)))
    numbers = [int(part[i][0]) for part in (parts.train, parts.test) for i in range(len(part))]
    assert len(set(numbers)) == len(numbers) == 45


def test_arrays_of_doubles_become_floats():
    parts = split_off((np.random.rand(20, 3), np.arange(20) % 2))
    assert parts.train[0].dtype == torch.float32
    assert parts.train[1].dtype == torch.int64


class Stream(IterableDataset):
    def __iter__(self):
        return iter(())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (rows(9), "9 samples are too few"),
        (rows(0), "0 samples are too few"),
        (DataLoader(TensorDataset(*rows(20))), "a DataLoader cannot be split; give validation and"),
        (Stream(), "an IterableDataset cannot be split"),
        ("text", r"data must be \(inputs, targets\)"),
    ],
)
def test_data_that_cannot_be_split_is_refused(data, sentence):
    with pytest.raises(Refused, match=sentence):
        split_off(data)


def linear():
    return nn.Linear(1, 3)


def job(data, **options):
    return supervised("linear/rows", linear, data, **{"epochs": 2, "batch_size": 8, **options})


def test_tensors_a_data_set_and_a_loader_train_alike():
    given = {"validation": rows(10), "test": rows(10)}
    resident = job(rows(40), **given)
    loaded = job(rows(40), loader="dataloader", **given)
    dataset = job(TensorDataset(*rows(40)), **given)
    loader = job(
        DataLoader(TensorDataset(*rows(40)), batch_size=8, shuffle=True), batch_size=None, **given
    )
    runs = [losses(trained(train(each, seed=2))[1]) for each in (resident, loaded, dataset, loader)]
    assert runs[0] == runs[1] == runs[2] == runs[3]
    assert len(runs[0]) == 10


class Named(Dataset):
    """Items that are dictionaries."""

    def __init__(self, count):
        self.inputs, self.labels = rows(count)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, number):
        return {"x": self.inputs[number], "y": self.labels[number]}


def test_batches_may_be_dictionaries():
    by_name = job(Named(40), split=lambda batch: (batch["x"], batch["y"]))
    _, events = trained(train(by_name))
    assert len(losses(events)) == 8  # 28 of 40 samples in batches of 8, twice
    assert set(events[-1].test) == {"loss", "accuracy"}


def test_a_batch_that_is_a_dictionary_cannot_be_accumulated():
    by_name = job(Named(40), split=lambda batch: ({"x": batch["x"]}, batch["y"]))
    run = by_name.build(0).edit_step(accumulate=2)
    live = run.step.start(run.model, run.steps)
    batch = {"x": torch.zeros(4, 1), "y": torch.zeros(4, dtype=torch.long)}
    with pytest.raises(Refused, match="a batch of dict and Tensor cannot be computed in parts"):
        live(batch)


def test_the_judge_weighs_every_sample_alike():
    part = rows(25)
    model = linear()
    whole, pieces = (
        Judge(part, nn.functional.cross_entropy, accuracy, "accuracy", chunk=chunk)(model)
        for chunk in (25, 4)
    )
    assert whole["accuracy"] == pieces["accuracy"]
    assert whole["loss"] == pytest.approx(pieces["loss"], rel=1e-6)
    assert not model.training


def test_a_metric_of_ones_own_judges():
    def spread(outputs, targets):
        return float((outputs.squeeze(1) - targets).abs().max())

    target = (torch.rand(40, 1), torch.rand(40))
    mine = supervised(
        "linear/real",
        lambda: nn.Linear(1, 1),
        target,
        loss=lambda output, wanted: nn.functional.mse_loss(output.squeeze(1), wanted),
        metric=spread,
        higher_is_better=False,
        epochs=1,
    )
    assert mine.target.metric == "spread"
    assert mine.target.gain({"spread": 1.0}, {"spread": 2.0}) == 1.0
    _, events = trained(train(mine))
    assert events[-1].test["spread"] > 0


def test_the_loss_alone_can_judge():
    only = job(rows(40), metric="loss")
    assert not only.target.higher_is_better
    _, events = trained(train(only))
    assert set(events[-1].test) == {"loss"}


def test_nothing_is_loaded_before_the_first_run():
    calls = []

    def load():
        calls.append(1)
        return Parts(rows(20), rows(10), rows(10))

    lazy = job(load)
    assert calls == []
    assert lazy.build(0).sizes == {"train": 20, "validation": 10, "test": 10}
    assert calls == [1]


def test_the_recipe_is_what_is_built():
    run = job(rows(40), optimizer="SGD", lr=0.5, momentum=0.9, weight_decay=0.1, decay=0.5).build(0)
    assert run.step.optimizer is torch.optim.SGD
    assert run.step.options == {"lr": 0.5, "momentum": 0.9, "weight_decay": 0.1}
    assert run.step.schedule(0.0) == 1.0
    assert run.step.schedule(0.5) == 0.5
    assert run.steps == 8


def test_names_that_do_not_exist_are_refused_with_the_nearest():
    with pytest.raises(Refused, match=r"no metric 'acuracy'; did you mean 'accuracy'"):
        job(rows(40), metric="acuracy")
    with pytest.raises(Refused, match=r"no optimizer in torch.optim 'AdamV'; did you mean 'Adam"):
        job(rows(40), optimizer="AdamV").build(0)


def test_settings_of_the_recipe_are_checked():
    for changes in (
        {"epochs": 0},
        {"batch_size": 0},
        {"lr": "-1"},
        {"loader": "magic"},
        {"lr": "x"},
    ):
        key = next(iter(changes))
        with pytest.raises(Refused, match=f"'linear/rows': {key}="):
            job(rows(40)).varied(changes)
    with pytest.raises(Refused, match="no setting 'epoch' of supervised; did you mean 'epochs'"):
        job(rows(40), epoch=2)
    for changes in ({"batch_size": 0}, {"epochs": -3}, {"loader": "magic"}):
        with pytest.raises(Refused, match=f"supervised: {next(iter(changes))}="):
            job(rows(40), **changes)
    assert job(rows(40)).varied({"weight_decay": "0.5"}).recipe.weight_decay == 0.5
    assert isinstance(job(rows(40)).recipe, Recipe)
