"""Judging an encoder without labels: the same crops each time, and a number that falls as it learns."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from potentiate import train
from potentiate.data.series import load_series
from potentiate.events import Evaluated, Finished
from potentiate.models.reference import find
from potentiate.models.timehut.criterion import BATCH, CRITERIA, MOST, WINDOW, Criterion
from potentiate.models.timehut.encoder import Encoder
from potentiate.techniques.reference import parse

SMALL = {"outputs": 24, "hidden": 16, "depth": 4, "epochs": 6, "evaluate_every": 1}


def small(**recipe):
    return find("timehut/waves").varied({**SMALL, **recipe})


def encoder(**changes):
    torch.manual_seed(0)
    return Encoder(1, 8, 4, 2, **changes)


class Blind(nn.Module):
    """Sees nothing: all instants are one."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def overlap(self, views):
        return self.weight.expand(views.overlap, 2, views.segments[0][0], 3)


def test_judging_twice_is_the_same_whatever_was_drawn_before():
    criterion = Criterion(load_series("waves").validation.inputs)
    model = encoder(dropout=0.5).train()
    first = criterion(model)
    torch.rand(7)
    assert criterion(model.train()) == first
    assert criterion(encoder()) == first  # no dropout
    assert all(not parameter.grad for parameter in model.parameters())


def test_views_that_are_one_are_aligned_and_cannot_be_told_apart():
    found = Criterion(torch.randn(3, 2, 1))(Blind())
    assert found["alignment"] == pytest.approx(0.0, abs=1e-6)
    # two instants: log 5 and log 3 at equal weights, then log 5 between the series alone, over two scales
    expected = torch.tensor([5.0, 3.0, 5.0]).log() @ torch.tensor([0.5, 0.5, 0.5]) / 2
    assert found["contrast"] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("count", [1, BATCH, BATCH + 1, MOST + 5])
def test_any_number_of_series_is_judged(count):
    found = Criterion(torch.randn(count, 12, 1))(encoder())
    assert 0 < found["alignment"] < 4
    assert found["contrast"] > 0


def test_of_long_series_a_window_is_judged():
    seen = []

    class Noting(Blind):
        def overlap(self, views):
            seen.extend(instants for _, instants in views.segments)
            return super().overlap(views)

    Criterion(torch.randn(20, 500, 1))(Noting())
    assert len(seen) == 6
    assert max(seen) <= WINDOW


def test_series_with_missing_values_are_judged():
    series = torch.randn(9, 12, 1)
    series[2, 4:] = torch.nan
    assert all(value == value for value in Criterion(series)(encoder()).values())


def test_evaluations_tell_criteria_and_the_test_does_not():
    events = list(train(small()))
    found = [e.metrics for e in events if isinstance(e, Evaluated)]
    assert all(set(CRITERIA) | {"accuracy"} == set(each) for each in found)
    assert found[-1]["contrast"] < found[0]["contrast"]
    (end,) = [e for e in events if isinstance(e, Finished)]
    assert not {"contrast", "alignment"} & set(end.test)


@pytest.mark.parametrize("metric", ["contrast", "alignment"])
def test_a_run_stops_by_what_needs_no_labels(metric):
    spec = f"early-stopping:metric={metric},patience=1,min_delta=9,every=0.5"
    events = list(train(small(), [parse(spec)]))
    assert events[-1].reason == f"validation {metric} did not improve in 1 evaluations"
    assert len([e for e in events if isinstance(e, Evaluated)]) == 2
    assert events[-1].step == 8  # of 42: half an epoch is 4 steps


def test_lower_is_better():
    run = parse("early-stopping:metric=contrast,patience=1").apply(small().build(0))
    assert run.stop([{"contrast": 2.0}, {"contrast": 2.1}])
    assert not run.stop([{"contrast": 2.0}, {"contrast": 1.9}])
