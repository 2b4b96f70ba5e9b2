from __future__ import annotations

from math import cos, pi

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from potentiate.schedules import Constant, Cosine, OneCycle, StepDecay, Table


def test_constant_is_one():
    assert [Constant()(share) for share in (0.0, 0.5, 1.0)] == [1.0, 1.0, 1.0]


def test_step_decay_by_hand():
    schedule = StepDecay(gamma=0.5, times=4)
    shares = [0.0, 0.24, 0.25, 0.5, 0.74, 0.75, 0.99]
    assert [schedule(share) for share in shares] == [1, 1, 0.5, 0.25, 0.25, 0.125, 0.125]


@pytest.mark.parametrize("epochs", [1, 3, 5, 14, 15, 90])
@pytest.mark.parametrize("length", [1, 7, 20, 859])
def test_step_decay_drops_exactly_at_the_epochs(epochs, length):
    """Step n of n_total as the engine asks, which rounding must not shift by one."""
    schedule, total = StepDecay(gamma=0.5, times=epochs), epochs * length
    for epoch in range(epochs):
        for step in (epoch * length, (epoch + 1) * length - 1):
            assert schedule(step / total) == 0.5**epoch


@pytest.mark.parametrize("total", [7, 60, 100])
def test_one_cycle_has_the_shape_in_common_use(total):
    """Against torch's, whose two phases end one step earlier because it counts from both ends."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=total + 1, pct_start=(0.25 * total + 1) / (total + 1)
    )
    schedule = OneCycle()
    for step in range(total):
        assert schedule(step / total) == pytest.approx(reference.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        reference.step()


def test_one_cycle_by_hand():
    schedule = OneCycle(peak=2.0, rise=0.4, start_div=10, final_div=100)
    assert schedule(0.0) == pytest.approx(0.2)
    assert schedule(0.2) == pytest.approx(1.1)  # half-way up
    assert schedule(0.4) == pytest.approx(2.0)
    assert schedule(0.7) == pytest.approx((2.0 + 0.002) / 2)
    assert schedule(1.0) == pytest.approx(0.002)


def test_one_cycle_without_a_rise_starts_at_its_peak():
    assert OneCycle(rise=0.0)(0.0) == pytest.approx(1.0)


def test_cosine_by_hand():
    assert Cosine()(0.0) == 1.0
    assert Cosine()(0.25) == pytest.approx((1 + cos(pi / 4)) / 2)
    assert Cosine(final=0.2)(1.0) == pytest.approx(0.2)
    assert Cosine(warmup=0.5)(0.75) == pytest.approx(0.5)


def test_warm_up_climbs_from_almost_nothing_to_one():
    schedule = Cosine(warmup=0.1)
    climb = [schedule(share / 100) for share in range(11)]
    assert climb == sorted(climb)
    assert 0 < climb[0] < 0.02
    assert climb[-1] == 1.0


def test_table_by_hand():
    schedule = Table((0.3, 0.2, 0.1))
    shares = [0.0, 0.33, 1 / 3, 0.66, 2 / 3, 0.999, 1.0]
    assert [schedule(share) for share in shares] == [0.3, 0.3, 0.2, 0.2, 0.1, 0.1, 0.1]


@given(
    progress=st.floats(0, 1),
    schedule=st.one_of(
        st.builds(StepDecay, st.floats(0.01, 1), st.integers(1, 100)),
        st.builds(Cosine, st.floats(0, 1, exclude_max=True), st.floats(0, 1)),
        st.builds(OneCycle, st.just(1.0), st.floats(0, 1, exclude_max=True), st.floats(1, 1e3)),
    ),
)
def test_factors_lie_between_nothing_and_one(progress, schedule):
    assert 0.0 <= schedule(progress) <= 1.0 + 1e-9
