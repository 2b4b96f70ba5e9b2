from __future__ import annotations

import pytest

from potentiate import schedules
from potentiate.engine import train
from potentiate.errors import NotApplicable
from potentiate.events import Started, Stepped
from potentiate.techniques import Stage, arrange
from potentiate.techniques.reference import parse
from potentiate.techniques.schedule import (
    Cosine,
    OneCycle,
    RateTable,
    ShortSchedule,
    StepDecay,
)


def rates(run, at):
    """The learning rates of a run at shares of its progress."""
    return [run.step.options["lr"] * run.step.schedule(share) for share in at]


def applied(run, tiny, *specs):
    for technique in arrange(tiny(), [parse(spec) for spec in specs]):
        run = technique.apply(run)
    return run


def test_one_cycle_at_start_peak_and_end(run):
    made = OneCycle(lr=0.5, rise=0.25, start_div=10, final_div=100).apply(run)
    assert rates(made, [0.0, 0.25]) == pytest.approx([0.05, 0.5])
    assert rates(made, [0.625]) == pytest.approx([(0.5 + 0.0005) / 2])  # half-way down
    assert rates(made, [1.0]) == pytest.approx([0.0005])


def test_cosine_at_start_middle_and_end(run):
    made = Cosine(warmup=0.2, final=0.1).apply(run)
    assert rates(made, [0.2, 0.6, 1.0]) == pytest.approx([0.1, 0.055, 0.01])
    assert 0 < rates(made, [0.0])[0] < 0.001


def test_step_decay_drops_at_the_end_of_each_interval(run):
    made = StepDecay(gamma=0.5, every=2).apply(run)  # 4 epochs: one drop, after two
    assert rates(made, [0.0, 0.49, 0.5, 0.99]) == pytest.approx([0.1, 0.1, 0.05, 0.05])


def test_table_holds_rates_as_they_stand(run):
    made = RateTable((0.3, 0.2, 0.05)).apply(run)
    assert made.epochs == 3
    assert rates(made, [0.0, 1 / 3, 0.99]) == [0.3, 0.2, 0.05]
    assert RateTable((0.3, 0.2), epochs=10).apply(run).epochs == 10


def test_table_without_rates_says_how_to_state_them(run):
    with pytest.raises(NotApplicable, match=r"values=0\.1\|0\.05\|0\.01"):
        RateTable().apply(run)


@pytest.mark.parametrize("technique", [OneCycle(), Cosine(), StepDecay()])
def test_declared_rate_and_length_stay_unless_stated(run, technique):
    made = technique.apply(run)
    assert (made.step.options, made.epochs) == (run.step.options, 4)
    stated = type(technique)(lr=0.7, epochs=2).apply(run)
    assert (stated.step.options["lr"], stated.epochs) == (0.7, 2)


def test_schedule_replaces_the_decay_of_the_recipe(tiny):
    decayed = tiny(decay=0.5).build(0)
    assert decayed.step.schedule == schedules.StepDecay(0.5, 4)
    assert OneCycle().apply(decayed).step.schedule == schedules.OneCycle()


def test_short_schedule_compresses_what_is_there(run):
    made = ShortSchedule(0.25).apply(run)
    assert (made.epochs, made.steps) == (1.0, round(run.steps / 4))
    assert made.step == run.step


@pytest.mark.parametrize("name", ["one-cycle", "cosine", "step-decay", "lr-table:values=1|1|"])
def test_short_schedule_compresses_a_length_that_a_schedule_states(run, tiny, name):
    spec = name if "values" in name else f"{name}:epochs=2"
    assert applied(run, tiny, "short-schedule:factor=0.5", spec).epochs == 1


def test_batch_size_scales_the_rate_of_the_optimizer(run, tiny):
    made = applied(run, tiny, "batch-size:size=32", "optimizer:name=AdamW,lr=0.01")
    assert made.step.options["lr"] == pytest.approx(0.02)


@pytest.mark.parametrize("name", ["one-cycle", "cosine", "step-decay"])
def test_rate_stated_by_a_schedule_is_meant_as_it_stands(run, tiny, name):
    made = applied(run, tiny, f"{name}:lr=0.3", "batch-size:size=32", "optimizer:lr=0.01")
    assert made.step.options["lr"] == 0.3


def test_short_schedule_is_no_way_to_stop():
    assert ShortSchedule.stage is not Stage.STOP  # studies time what stops by itself differently


def test_training_follows_the_schedule_step_by_step(tiny):
    used, seen, total = None, [], 0
    for event in train(tiny(), [Cosine(warmup=0.2)]):
        if isinstance(event, Started):
            used, total = event.training.step.optimizer, event.training.total
        if isinstance(event, Stepped):
            seen.append(used.param_groups[0]["lr"])
    expected = rates(
        Cosine(warmup=0.2).apply(tiny().build(seed=0)), [i / total for i in range(total)]
    )
    assert seen == pytest.approx(expected)
