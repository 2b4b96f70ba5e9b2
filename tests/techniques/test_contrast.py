from __future__ import annotations

from dataclasses import replace

import pytest

from potentiate import train
from potentiate.errors import NotApplicable
from potentiate.events import Started, Stepped
from potentiate.models.reference import find
from potentiate.techniques import BatchSize, NoAngles, TemperatureSchedule
from potentiate.temperature import TEMPERATURES, temperature

SMALL = {"outputs": 8, "hidden": 4, "depth": 2, "epochs": 1, "head": "ridge"}


def waves(**recipe):
    return find("timehut/waves").varied({**SMALL, **recipe})


@pytest.mark.parametrize("name", TEMPERATURES)
def test_every_schedule_takes_the_range_that_the_run_declares(name):
    run = waves(low=0.2, high=0.6, span=9, schedule="noisy-cosine").build(0)
    if name == "noisy-cosine":
        with pytest.raises(NotApplicable, match="has that schedule already"):
            TemperatureSchedule(name).apply(run)
        return
    assert TemperatureSchedule(name).apply(run).step.temperature == temperature(
        name, low=0.2, high=0.6, span=9
    )


def test_what_is_stated_counts_and_the_period_stays():
    run = waves(frequency=0.25).build(0)
    step = TemperatureSchedule("cosine_annealing", low=0.3, span=4.0).apply(run).step
    assert step.temperature == replace(run.step.temperature, low=0.3, span=4.0)
    assert step.temperature.frequency == 0.25


def test_the_loss_is_computed_at_the_new_temperature():
    seen = []
    technique = TemperatureSchedule("linear-decay", low=0.5, high=1.0, span=2.0)
    for event in train(waves(epochs=3), [technique]):
        if isinstance(event, Started):
            step = event.training.step
        if isinstance(event, Stepped):
            seen.append(step.temperature)
    assert seen[0] == 1.0
    assert seen[-1] == 0.5


@pytest.mark.parametrize(
    ("between", "left"), [("both", (0, 0)), ("series", (0, 2)), ("instants", (2, 0))]
)
def test_angles_are_left_out_where_asked(between, left):
    loss = NoAngles(between).apply(waves().build(0)).step.loss
    assert (loss.instance, loss.temporal, loss.share, loss.margin) == (*left, 0.5, 0.5)


def test_no_angles_are_not_left_out():
    run = waves().preset("ts2vec").build(0)
    with pytest.raises(NotApplicable, match="weighs no such angles"):
        NoAngles().apply(run)


def test_an_epoch_of_larger_batches_has_fewer_steps():
    run = BatchSize(20).apply(waves().build(0))
    assert (len(run.batches), run.step.epoch) == (3, 3)
    run = BatchSize(20).apply(waves(epoch_steps=4).build(0))
    assert (len(run.batches), run.step.epoch) == (3, 2)


def test_series_without_labels_count_as_samples():
    assert BatchSize(60).apply(waves().build(0)).steps == 1
    with pytest.raises(NotApplicable, match="exceeds the 60 training samples"):
        BatchSize(61).apply(waves().build(0))
