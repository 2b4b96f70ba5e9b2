"""A run that is stopped and goes on in a fresh build equals, bit for bit, one that was not stopped."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from jobs import images, same, small_cnn, small_norm, timeless, told, trained
from potentiate.checkpoint import Shelf, load, save
from potentiate.engine import train
from potentiate.errors import Refused
from potentiate.events import Evaluated, Started, Stepped
from potentiate.listeners import Checkpoints, MetricsLog, newest, resumed, watch
from potentiate.models.reference import find
from potentiate.models.supervised import Parts, supervised
from potentiate.techniques.reference import parse
from potentiate.training import copied


class Jittered(Dataset):
    """Images that are moved by global random states at each reading, as augmentation does."""

    def __init__(self, count=120):
        self.inputs, self.labels = images(count)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, number):
        noise = random.random() + np.random.random() + torch.rand(())
        return self.inputs[number] + 0.1 * noise, self.labels[number]


def perceptron():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 3))


class Growing(nn.Module):
    """Scales its inputs by how often it was trained, which its own state leaves out."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(1), persistent=False)

    def forward(self, x):
        if self.training:
            self.calls += 1
        return x * (1.0 + 0.01 * self.calls)


def growing():
    return nn.Sequential(Growing(), *perceptron())


def on(data, model=perceptron, **recipe):
    settings = {"epochs": 4, "batch_size": 8, "lr": 1e-2, **recipe}
    return supervised(
        "mlp/images", model, lambda: Parts(data, images(30, 1), images(30, 2)), **settings
    )


def own_loader():
    weights = torch.arange(1.0, 121.0)
    sampler = torch.utils.data.WeightedRandomSampler(weights, 120, generator=torch.Generator())
    loader = DataLoader(TensorDataset(*images(120)), batch_size=8, sampler=sampler)
    return supervised(
        "mlp/own-loader",
        perceptron,
        loader,
        validation=DataLoader(TensorDataset(*images(30, 1)), batch_size=10),
        test=images(30, 2),
        epochs=4,
    )


CASES = {
    "the baseline with dropout, from a DataLoader": (small_cnn(loader="dataloader"), ()),
    "resident data": (small_cnn(), ()),
    "averaged weights, one cycle and accumulation": (
        small_cnn(optimizer="AdamW", lr=1e-2),
        ("ema-weights", "one-cycle", "gradient-accumulation:parts=3"),
    ),
    "half precision with a scaler": (
        on(images(120), optimizer="SGD", lr=0.1, momentum=0.9),
        ("mixed-precision:dtype=fp16",),
    ),
    "channels last with a fused optimizer": (
        small_cnn(optimizer="AdamW", lr=1e-2),
        ("channels-last", "fused-optimizer", "label-smoothing"),
    ),
    "batch normalization with an average": (small_norm(), ("ema-weights",)),
    "augmentation from global random states": (on(Jittered()), ()),
    "a sampler of the user's": (own_loader(), ()),
    "a buffer that the model does not save": (on(images(120), growing), ()),
    "stopping early": (small_cnn(lr=0.3), ("early-stopping:patience=1",)),
}


def snapshots(events):
    """All events of a run, and the state after each step and each evaluation, by place."""
    seen, states = [], {}
    for event in events:
        seen.append(event)
        if isinstance(event, Stepped | Evaluated):
            states[len(seen) - 1] = copied(seen[0].training.state())
    return seen, states


def assert_goes_on(workload, techniques, state, seen, place):
    training, rest = trained(train(workload, techniques, seed=3, warmup=1, resume=state))
    assert told(rest) == told(seen[place + 1 :])
    assert same(timeless(training.state()), timeless(seen[0].training.state()))


@pytest.mark.parametrize("case", CASES)
def test_a_run_stopped_after_any_step_or_evaluation_goes_on_as_if_it_had_not(case, tmp_path):
    workload, specs = CASES[case]
    techniques = [parse(spec) for spec in specs]
    unwatched, _ = trained(train(workload, techniques, seed=3, warmup=2))
    seen, states = snapshots(train(workload, techniques, seed=3, warmup=0))
    training = seen[0].training
    assert same(timeless(unwatched.state()), timeless(training.state()))
    assert (training.position == 60) == (case != "stopping early")
    for place, state in states.items():
        folder = save(tmp_path / f"{place}", state, facts={})
        assert_goes_on(workload, techniques, load(folder).state, seen, place)


@pytest.mark.parametrize("place", [1, 15, 16, 17, 40, 60])
def test_batches_from_worker_processes_go_on_where_they_were(place):
    workload, techniques = small_cnn(loader="dataloader"), [parse("data-loading:workers=2")]
    seen, states = snapshots(train(workload, techniques, seed=3, warmup=0))
    assert_goes_on(workload, techniques, states[place], seen, place)


def test_a_state_survives_being_gone_on_from():
    _, states = snapshots(train(small_cnn(), seed=3, warmup=0))
    before = copied(states[30])
    trained(train(small_cnn(), seed=3, resume=states[30]))
    assert same(states[30], before)


def stopper(step):
    return lambda event: isinstance(event, Stepped) and event.step == step


def lines(path):
    """The log without times, and without the lines that each process starts with."""
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    return [{**entry, "seconds": None} for entry in kept if entry["event"] != "started"]


def observed(folder, workload, *more, seed=5, every=None, found=None):
    log = MetricsLog(folder / "metrics.jsonl", every=4)
    checkpoints = Checkpoints(Shelf(folder / "checkpoints"), every, {"log": log})
    state = None
    if found is not None:
        checkpoints.restore(found.listeners)
        state = found.state
    end = watch(train(workload, seed=seed, resume=state), log, checkpoints, *more)
    log.close()
    return end, checkpoints


def test_a_folder_is_all_that_the_next_process_needs(tmp_path):
    workload = find("cnn/digits").varied({"epochs": 2, "lr": "0.5"})
    whole, kept = observed(tmp_path / "whole", workload, every=7)
    stopped, _ = observed(tmp_path / "parts", workload, stopper(24), every=7)
    assert whole is not None
    assert stopped is None
    found = resumed(tmp_path / "parts")
    assert found.facts["step"] == 21  # steps 22 to 24 are learned again
    assert found.workload.recipe == workload.recipe
    assert found.finished is None
    end, again = observed(tmp_path / "parts", found.workload, seed=found.seed, found=found)
    assert end is not None
    assert end.test == whole.test
    assert same(timeless(again.training.state()), timeless(kept.training.state()))
    assert lines(tmp_path / "parts" / "metrics.jsonl") == lines(
        tmp_path / "whole" / "metrics.jsonl"
    )
    assert resumed(tmp_path / "parts").finished == end.reason


def test_the_best_is_the_same_after_a_stop(tmp_path):
    workload = replace(small_cnn(lr=0.3), source="cnn/digits")
    whole, _ = observed(tmp_path / "whole", workload)
    assert whole is not None
    observed(tmp_path / "parts", workload, stopper(31))
    state = load(newest(tmp_path / "parts")).state
    log = MetricsLog(tmp_path / "parts" / "metrics.jsonl", every=4)
    checkpoints = Checkpoints(Shelf(tmp_path / "parts" / "checkpoints"), None, {"log": log})
    checkpoints.restore(state["listeners"])
    watch(train(workload, seed=5, resume=state["training"]), log, checkpoints)
    log.close()
    best = [load(tmp_path / each / "checkpoints" / "best") for each in ("whole", "parts")]
    assert best[0].facts["step"] == best[1].facts["step"]
    assert same(timeless(best[0].state["training"]), timeless(best[1].state["training"]))


def test_there_is_nothing_to_resume_in_an_empty_folder(tmp_path):
    with pytest.raises(Refused, match="holds no checkpoint"):
        newest(tmp_path)
    with pytest.raises(Refused, match="does not exist"):
        newest(tmp_path / "nowhere")


def test_resuming_starts_at_the_step_after(tmp_path):
    _, states = snapshots(train(small_cnn(), seed=3, warmup=0))
    events = train(small_cnn(), seed=3, resume=states[10])
    started, stepped = next(events), next(events)
    assert isinstance(started, Started)
    assert isinstance(stepped, Stepped)
    assert stepped.step == 11
    events.close()
