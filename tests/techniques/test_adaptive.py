from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from potentiate import Workload
from potentiate.data.batches import ResidentBatches
from potentiate.engine import train
from potentiate.errors import NotApplicable
from potentiate.events import Stepped
from potentiate.techniques import adaptive
from potentiate.techniques.adaptive import AdaptiveBatch, available_memory, check_steps
from potentiate.techniques.batch import BatchSize
from potentiate.techniques.reference import parse

GIB = 1 << 30


class Child:
    """Answers as a child process would: seconds and bytes are functions of the batch size."""

    def __init__(self, seconds: Callable[[int], float], memory: Callable[[int], float]) -> None:
        self.seconds, self.memory = seconds, memory
        self.asked: list[int] = []
        self.failing: Callable[[int, int], bool] = lambda size, time: False
        self.requests: list[dict] = []
        self.loss: Callable[[BatchSize], float] = lambda technique: 1.0
        self.rates: list[tuple[float, int]] = []

    def __call__(self, request):
        self.requests.append(request)
        technique = parse(request["techniques"][0])
        assert isinstance(technique, BatchSize)
        if request["max_steps"] != adaptive.STEPS:  # a check of the learning rate
            self.rates.append((technique.lr_factor, request["max_steps"]))
            return {"status": "ok", "validation": {"loss": self.loss(technique)}}
        self.asked.append(technique.size)
        if self.failing(technique.size, self.asked.count(technique.size)):
            return {"status": "failed", "reason": "out of memory"}
        return {
            "status": "ok",
            "size": technique.size,
            "step_seconds": self.seconds(technique.size),
            "peak_memory": self.memory(technique.size),
            "device_memory": None,
        }


@pytest.fixture
def child(monkeypatch):
    made = Child(lambda size: 1.0, lambda size: GIB)  # a step costs the same whatever its size
    monkeypatch.setattr(adaptive, "ask", made)
    monkeypatch.setattr(adaptive, "available_memory", lambda device: 10 * GIB)
    return made


@pytest.fixture
def large(tiny: Callable[..., Workload]):
    run = tiny(batch_size=8).build(0)
    return run.edit(source="tiny", sizes={"train": 1000})


def test_doubles_up_to_the_training_set_and_verifies(large, child):
    assert AdaptiveBatch().settle(large, "cpu") == BatchSize(1000)
    assert child.asked == [8, 16, 32, 64, 128, 256, 512, 1000, 1000]


def test_stops_where_throughput_does_and_bisects_once(large, child):
    child.seconds = lambda size: max(1.0, size / 48)  # flat beyond 48 samples
    assert AdaptiveBatch().settle(large, "cpu").size == 64
    assert child.asked == [8, 16, 32, 64, 128, 96, 64]


def test_the_middle_between_good_and_bad_can_win(large, child):
    child.seconds = lambda size: 1.0 if size <= 48 else size / 20  # falls off a cliff at 49
    assert AdaptiveBatch().settle(large, "cpu").size == 48
    assert child.asked == [8, 16, 32, 64, 48, 48]


def test_a_tenth_of_the_memory_is_left_alone(large, child):
    child.memory = lambda size: GIB + size * GIB / 8  # 64 samples: 9 GiB, exactly the limit
    assert AdaptiveBatch().settle(large, "cpu").size == 64
    child.memory = lambda size: GIB + size * GIB / 8 + 1
    assert AdaptiveBatch().settle(large, "cpu").size == 48


def test_sizes_that_cannot_fit_are_not_even_tried(large, child):
    child.memory = lambda size: GIB + size * GIB / 8
    AdaptiveBatch().settle(large, "cpu")
    assert max(child.asked) == 64


def test_largest_does_not_ask_for_speed(large, child):
    child.seconds = lambda size: float(size) ** 2
    child.memory = lambda size: GIB + size * GIB / 8
    assert AdaptiveBatch("largest").settle(large, "cpu").size == 64
    assert AdaptiveBatch("fastest").settle(large, "cpu").size == 8


def test_winner_that_fails_again_gives_way_to_the_next_smaller(large, child):
    child.failing = lambda size, time: size > 256 or (size == 256 and time == 2)
    assert AdaptiveBatch().settle(large, "cpu").size == 128
    assert child.asked == [8, 16, 32, 64, 128, 256, 512, 384, 256, 128]


def test_a_limit_is_kept(large, child):
    assert AdaptiveBatch(limit=20).settle(large, "cpu").size == 20


def test_nothing_faster_keeps_the_present_size(large, child):
    child.seconds = lambda size: float(size)
    technique = AdaptiveBatch(lr_rule="linear").settle(large, "cpu")
    assert technique == BatchSize(8, "linear")
    assert technique.apply(large) is large


def test_request_builds_the_same_run_in_the_child(large, child):
    AdaptiveBatch(lr_rule="sqrt").settle(large.edit(recipe={"lr": "0.5"}), "cpu")
    request = child.requests[1]
    assert request["workload"] == "tiny"
    assert request["recipe"] == {"lr": "0.5"}
    assert request["techniques"] == ["batch-size:size=16,lr_rule=sqrt"]
    assert (request["max_steps"], request["test"], request["device"]) == (20, False, "cpu")
    assert json.loads(json.dumps(request)) == request


@pytest.mark.parametrize(
    ("losses", "factor"),
    [
        ({0.5: 1.0, 1.0: 1.0, 2.0: 1.0}, 1.0),
        ({0.5: 0.96, 1.0: 1.0, 2.0: 0.97}, 1.0),  # within what one seed tells apart
        ({0.5: 0.90, 1.0: 1.0, 2.0: 0.97}, 0.5),
        ({0.5: 0.90, 1.0: 1.0, 2.0: 0.80}, 2.0),
        ({0.5: -1.04, 1.0: -1.0, 2.0: -0.9}, 1.0),
        ({0.5: -1.06, 1.0: -1.0, 2.0: -0.9}, 0.5),
        ({0.5: -0.9, 1.0: -1.0, 2.0: -0.9}, 1.0),  # both are worse
        ({0.5: 0.0, 1.0: 0.0, 2.0: -1e-9}, 2.0),
        ({0.5: 1.2, 1.0: float("nan"), 2.0: float("nan")}, 0.5),
        ({0.5: 1.2, 1.0: float("inf"), 2.0: -3.0}, 2.0),
        ({0.5: float("nan"), 1.0: float("nan"), 2.0: float("nan")}, 1.0),
    ],
)
def test_a_rescaled_rate_is_checked_against_its_half_and_double(large, child, losses, factor):
    child.loss = lambda technique: losses[technique.lr_factor]
    found = AdaptiveBatch(limit=32).settle(large, "cpu")
    assert found == BatchSize(32, lr_factor=factor)
    steps = check_steps(large, 32)
    assert sorted(child.rates) == [(0.5, steps), (1.0, steps), (2.0, steps)]
    assert found.apply(large).step.options["lr"] == pytest.approx(0.1 * 4 * factor)
    assert parse(found.spec) == found


@pytest.mark.parametrize(
    ("size", "epochs", "steps"),
    [
        (42, 50, 20),  # one batch is an epoch
        (2, 50, 21),
        (1, 50, 42),
        (42, 4, 4),  # the whole schedule
        (1, 0.1, 4),
    ],
)
def test_the_check_is_an_epoch_of_at_least_20_steps_within_the_schedule(tiny, size, epochs, steps):
    assert check_steps(tiny(epochs=epochs).build(0), size) == steps


def test_the_check_is_at_most_100_steps(run):
    rows = torch.arange(500)
    batches = ResidentBatches((rows, rows), 1)
    assert check_steps(run.edit(batches=batches), 2) == 100


def test_the_check_asks_for_steps_that_the_engine_takes(tiny):
    job = tiny(epochs=4, batch_size=21)
    steps = check_steps(job.build(0), 42)
    events = list(train(job, [BatchSize(42)], max_steps=steps, warmup=0, test=False))
    assert sum(isinstance(event, Stepped) for event in events) == steps == 4


def test_a_rate_that_no_rule_touched_is_not_checked(large, child):
    AdaptiveBatch(limit=32, lr_rule="none").settle(large, "cpu")
    child.seconds = lambda size: float(size)
    AdaptiveBatch().settle(large, "cpu")
    assert child.rates == []


def test_without_a_loss_the_metric_judges_the_rate(large, child, monkeypatch):
    accuracies = {0.5: 0.9, 1.0: 0.5, 2.0: 0.4}
    answer = child.__call__

    def asked(request):
        said = dict(answer(request))
        if "validation" in said:
            factor = parse(request["techniques"][0]).lr_factor
            said["validation"] = {"accuracy": accuracies[factor]}
        return said

    monkeypatch.setattr(adaptive, "ask", asked)
    assert AdaptiveBatch(limit=32).settle(large, "cpu").lr_factor == 0.5


def test_failing_baseline_says_why(large, child):
    child.failing = lambda size, time: True
    with pytest.raises(NotApplicable, match="present size fails in a trial: out of memory"):
        AdaptiveBatch().settle(large, "cpu")


def test_run_without_source_is_refused(run, child):
    with pytest.raises(NotApplicable, match="no source"):
        AdaptiveBatch().settle(run, "cpu")
    assert child.asked == []


def test_crash_of_the_child_is_an_answer(monkeypatch):
    def crash(command, **options):
        assert command[1:] == ["-m", "potentiate", "answer"]
        return SimpleNamespace(returncode=-9, stdout="", stderr="Killed")

    monkeypatch.setattr(subprocess, "run", crash)
    answer = adaptive.ask({"workload": "tiny"})
    assert answer["status"] == "failed"
    assert "Killed" in answer["reason"]


def test_child_that_hangs_is_an_answer(monkeypatch):
    def hang(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", hang)
    assert "no answer within" in adaptive.ask({})["reason"]


def test_available_memory_is_positive():
    assert available_memory("cpu") > 0


@pytest.mark.slow
def test_real_child_finds_a_size_for_the_digits():
    from potentiate.models import WORKLOADS

    run = WORKLOADS["cnn/digits"].varied({"loader": "resident"}).build(0)
    found = AdaptiveBatch(limit=128).settle(run, "cpu")
    assert found.size in (64, 96, 128)
