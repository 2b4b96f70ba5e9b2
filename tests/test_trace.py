from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from potentiate import supervised
from potentiate.techniques.reference import parse
from potentiate.trace import Trace, digest, trace, without_dropout


@pytest.fixture
def job():
    inputs = torch.randn(60, 6)
    return supervised(
        "tiny/vectors",
        lambda: nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 3)),
        (inputs, torch.arange(60) % 3),
        batch_size=8,
        epochs=3,
    )


def test_a_trace_ends_where_it_is_told(job):
    assert len(trace(job, steps=5).losses) == 5
    assert len(trace(job, steps=500).losses) == job.build(0).steps


def test_seeds_make_traces(job):
    assert trace(job, seed=1, steps=3) == trace(job, seed=1, steps=3)
    assert trace(job, seed=1, steps=3) != trace(job, seed=2, steps=3)


def test_dropout_is_off_and_nothing_else(job):
    quiet = without_dropout(job).build(0).model
    assert [m.p for m in quiet if isinstance(m, nn.Dropout)] == [0.0]
    assert without_dropout(job).recipe == job.recipe


def test_buffers_count_and_so_does_the_average(job):
    traced = trace(job, steps=3)
    assert "1.running_mean" in traced.state
    averaged = trace(job, [parse("ema-weights")], steps=3)
    assert averaged.losses == traced.losses
    assert averaged.weights != traced.weights


def test_digest_sees_numbers_and_not_their_layout():
    weights = torch.randn(2, 3, 4, 4)
    same = weights.to(memory_format=torch.channels_last)
    assert digest({"w": weights}) == digest({"w": same})
    assert digest({"w": weights}) != digest({"v": weights})
    assert digest({"w": weights}) != digest({"w": weights.nextafter(torch.tensor(9.0))})
    assert digest({"w": weights}) != digest({"w": weights.reshape(3, 2, 4, 4)})
    assert len(digest({"n": torch.tensor(3), "half": torch.ones(2, dtype=torch.bfloat16)})) == 64


def test_distance_by_hand():
    one = Trace((1.0, 2.0), "a", {"w": torch.tensor([4.0, -1.0])})
    other = Trace((1.0, 2.0), "b", {"w": torch.tensor([4.0, -1.5])})
    assert one.distance(other) == pytest.approx(0.125)  # half of one, of the largest number 4
    assert one.distance(replace(one, losses=(1.0, 1.0))) == pytest.approx(0.5)
    assert one.distance(one) == 0.0
    assert one.distance(replace(one, losses=(1.0,))) == float("inf")
    assert one.distance(replace(one, state={})) == float("inf")
    assert one.distance(replace(one, state={"w": torch.ones(3)})) == float("inf")


def test_numbers_that_are_none_are_far_from_everything():
    broken = Trace((float("nan"),), "a", {"w": torch.tensor([float("nan")])})
    assert broken.distance(broken) == float("inf")
