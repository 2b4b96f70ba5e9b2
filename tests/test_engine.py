"""The loop: what it yields, what it clocks, what it refuses, and that warming up teaches nothing."""

import math
from dataclasses import replace
from time import perf_counter

import pytest
import torch
from torch import nn

from jobs import images, losses, same, small_cnn, small_norm, timeless, told, trained
from potentiate.engine import train
from potentiate.errors import NonFinite, Refused
from potentiate.events import Evaluated, Finished, Started, Stepped
from potentiate.models.supervised import Parts, supervised
from potentiate.techniques.reference import parse
from potentiate.training import copied


def test_events_come_in_order():
    _, events = trained(train(small_cnn(), seed=1))
    kinds = [type(event) for event in events]
    epoch = [Stepped] * 15 + [Evaluated]
    assert kinds == [Started, *(epoch * 4), Finished]
    assert [event.step for event in events if isinstance(event, Stepped)] == list(range(1, 61))
    assert events[-1].reason == "the schedule is complete"
    assert events[-1].test is not None


def test_the_last_step_is_followed_by_an_evaluation_wherever_it_falls():
    _, events = trained(train(small_cnn(epochs=1.4, evaluate_every=1), seed=1))
    assert [event.step for event in events if isinstance(event, Evaluated)] == [15, 21]


def test_a_short_run_keeps_the_schedule_of_the_whole():
    whole, _ = trained(train(small_cnn(), seed=1))
    training, events = trained(train(small_cnn(), seed=1, max_steps=20, test=False))
    assert training.total == whole.total == 60
    assert events[-1].reason == "stopped after 20 steps as asked"
    assert events[-1].test is None
    _, full = trained(train(small_cnn(), seed=1))
    assert losses(events) == losses(full)[:20]


@pytest.mark.parametrize("job", [small_cnn, small_norm])
@pytest.mark.parametrize("specs", [(), ("ema-weights", "one-cycle")])
def test_warming_up_teaches_nothing(job, specs):
    techniques = [parse(spec) for spec in specs]
    cold, said = trained(train(job(), techniques, seed=2, warmup=0))
    warm, said_warm = trained(train(job(), techniques, seed=2, warmup=3))
    assert told(said) == told(said_warm)
    assert same(timeless(cold.state()), timeless(warm.state()))


def test_equal_seeds_give_equal_runs_and_others_do_not():
    runs = [told(trained(train(small_cnn(), seed=seed))[1]) for seed in (4, 4, 5)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_evaluating_leaves_no_trace_in_the_training():
    dropping = nn.Dropout(0.5).train()

    def noisy(model):
        return {"loss": float(dropping(torch.ones(100)).sum()), "accuracy": 0.0}

    job = small_cnn()
    rare = replace(job, make=lambda recipe, seed: job.make(recipe, seed).edit(validate=noisy))
    _, often = trained(train(rare.varied({"evaluate_every": 0.2}), seed=1))
    _, seldom = trained(train(rare.varied({"evaluate_every": 4}), seed=1))
    assert losses(often) == losses(seldom)


def test_the_parts_of_the_clock_sum_to_the_wall_time():
    start = perf_counter()
    _, events = trained(train(small_cnn(), seed=1))
    wall = perf_counter() - start
    seconds = events[-1].seconds
    assert {"setup", "warmup", "training", "evaluation", "test"} <= seconds.keys()
    assert all(seconds[part] > 0 for part in ("setup", "warmup", "training", "evaluation", "test"))
    assert sum(seconds.values()) == pytest.approx(wall, rel=0.02)


def test_the_clock_of_training_stands_still_while_a_listener_works():
    begun = perf_counter()
    watched = 0.0
    for event in train(small_cnn(epochs=1), seed=1):
        if isinstance(event, Stepped):
            start = perf_counter()
            sum(range(100_000))
            watched += perf_counter() - start
        last = event
    wall = perf_counter() - begun
    assert last.seconds["other"] >= watched
    assert last.seconds["training"] <= wall - watched


def test_a_stop_ends_the_run_with_its_reason():
    job = small_cnn()

    def stop(history):
        return f"enough after {len(history)}" if len(history) == 2 else None

    early = replace(job, make=lambda recipe, seed: job.make(recipe, seed).edit(stop=stop))
    training, events = trained(train(early, seed=1))
    assert events[-1].reason == "enough after 2"
    assert events[-1].step == training.position == 30
    assert [entry["step"] for entry in training.history] == [15, 30]


def test_contexts_are_left_when_a_run_is_abandoned():
    entered = []

    class Context:
        def __enter__(self):
            entered.append("in")

        def __exit__(self, *error):
            entered.append("out")

    job = small_cnn()
    inside = replace(
        job, make=lambda recipe, seed: job.make(recipe, seed).edit(contexts=(Context,))
    )
    events = train(inside, seed=1)
    next(events)
    assert entered == ["in"]
    events.close()
    assert entered == ["in", "out"]


def poisoned(job, where, at):
    """The job with a number that is not finite from batch `at` on, put in by `where`."""

    def make(recipe, seed):
        run = job.make(recipe, seed)
        return run.edit(step=where(run, at))

    return replace(job, make=make)


def from_step(at, change):
    """A function of one value that applies `change` from its call number `at` on."""
    calls = [0]

    def apply(value):
        calls[0] += 1
        return change(value) if calls[0] >= at else value

    return apply


def in_the_input(run, at):
    spoil = from_step(at, lambda inputs: inputs * math.nan)
    split = run.step.split
    return replace(
        run.step, split=lambda batch: (lambda pair: (spoil(pair[0]), pair[1]))(split(batch))
    )


def in_the_loss(run, at):
    spoil, loss = from_step(at, lambda value: value * math.inf), run.step.loss
    return replace(run.step, loss=lambda output, target: spoil(loss(output, target)))


class Exploding(torch.autograd.Function):
    """The identity, whose gradient is infinite."""

    @staticmethod
    def forward(ctx, value):
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * math.inf


def in_the_gradient(run, at):
    spoil, loss = from_step(at, Exploding.apply), run.step.loss
    return replace(run.step, loss=lambda output, target: loss(spoil(output), target))


@pytest.mark.parametrize("job", [small_norm, small_cnn])
@pytest.mark.parametrize(
    ("where", "named"),
    [
        (in_the_input, "step 7: the input holds"),
        (in_the_loss, "step 7: the loss is inf"),
        (in_the_gradient, r"step 7: the gradient of '\S+' is not finite"),
    ],
)
def test_what_is_not_finite_is_refused_before_it_changes_anything(job, where, named):
    events = train(poisoned(job(), where, 7), seed=1, warmup=0)
    training = next(events).training
    with pytest.raises(NonFinite, match=named):  # noqa: PT012 - the state is read between the steps
        for event in events:
            if isinstance(event, Stepped):
                before = copied(training.state())
    after = training.state()
    assert training.position == 6
    for part in ("model", "step"):  # weights, buffers and counters; optimizer and rates
        assert same(before[part], after[part])


def test_a_large_gradient_that_overflows_in_one_place_is_found():
    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 3)
            self.table = nn.Parameter(torch.zeros(300, 300))

        def forward(self, inputs):
            return self.layer(inputs.flatten(1)) + Exploding.apply(self.table)[7, 7]

    part = images(40)
    job = supervised("wide/stripes", Wide, lambda: Parts(part, part, part), batch_size=8)
    with pytest.raises(NonFinite, match="step 1: the gradient of 'table' is not finite"):
        list(train(job, warmup=0))


def test_large_finite_gradients_whose_sum_overflows_are_no_error():
    class Steep(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(torch.zeros(300, 300))

        def forward(self, inputs):
            return (self.table * 1e36).sum() * 0.1 + inputs.flatten(1)[:, :3]

    part = images(40)
    job = supervised(
        "steep/stripes",
        Steep,
        lambda: Parts(part, part, part),
        loss=lambda output, target: output.mean(),
        metric="loss",
        optimizer="SGD",
        lr=1e-38,
        batch_size=40,
        epochs=1,
    )
    _, events = trained(train(job, warmup=0))
    assert losses(events)


def test_sparse_gradients_are_checked_too():
    part = (torch.arange(40) % 5, torch.arange(40) % 3)
    job = supervised(
        "table/stripes",
        lambda: nn.Sequential(nn.Embedding(5, 3, sparse=True)),
        lambda: Parts(part, part, part),
        optimizer="SparseAdam",
        batch_size=8,
        epochs=1,
    )
    _, events = trained(train(job))
    assert len(losses(events)) == 5
    with pytest.raises(NonFinite, match=r"gradient of '0.weight'"):
        list(train(poisoned(job, in_the_gradient, 1), warmup=0))


def test_fp16_that_overflows_at_every_scale_is_refused():
    job = poisoned(small_norm(optimizer="SGD", epochs=20), in_the_gradient, 1)
    with pytest.raises(NonFinite, match="try bf16 or full precision"):
        list(train(job, [parse("mixed-precision:dtype=fp16")], warmup=0))


def test_a_model_without_parameters_is_refused():
    part = images(40)
    job = supervised("none/stripes", nn.Flatten, lambda: Parts(part, part, part))
    with pytest.raises(Refused, match="no parameter"):
        list(train(job))


@pytest.mark.parametrize("empty", ["train", "validation", "test"])
def test_empty_data_is_refused_in_a_sentence(empty):
    none = (torch.empty(0, 1, 8, 8), torch.empty(0, dtype=torch.long))
    parts = {name: images(40) for name in ("train", "validation", "test")} | {empty: none}
    job = supervised(
        "mlp/empty",
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3)),
        lambda: Parts(**parts),
        epochs=1,
    )
    with pytest.raises(Refused, match=r"empty|no data"):
        list(train(job))
