from __future__ import annotations

from math import exp
from typing import Any

import numpy as np
import pytest

from potentiate.errors import Refused
from potentiate.plasticity import (
    Rule,
    inhibitory_stdp,
    pair_stdp,
    reward_stdp,
    triplet_stdp,
)
from potentiate.plasticity.rule import State

OPEN: dict[str, Any] = {"w_min": -np.inf, "w_max": np.inf}


def taught(
    rule: Rule, pre: list[int], post: list[int], start: float = 0.0, steps: int = 60
) -> tuple[float, State]:
    """Weight and state of one synapse after spikes at these steps of 1 ms."""
    trains = np.zeros((2, steps, 1, 1))
    trains[0, pre] += 1
    trains[1, post] += 1
    weight = np.full((1, 1), start)
    weight, state = rule.run(weight, *trains, rule.init(weight, 1), 1.0)
    return float(weight[0, 0]), state


def test_one_pair() -> None:
    rule = pair_stdp(0.1, 0.3, 10.0, 30.0, **OPEN)
    assert taught(rule, [5], [12])[0] == pytest.approx(0.1 * exp(-7 / 10), rel=1e-12)
    assert taught(rule, [12], [5])[0] == pytest.approx(-0.3 * exp(-7 / 30), rel=1e-12)


def test_simultaneous_spikes_change_nothing() -> None:
    assert taught(pair_stdp(**OPEN), [5], [5])[0] == 0.0


def test_the_step_does_not_matter() -> None:
    rule = pair_stdp(0.1, 0.3, **OPEN)
    weight = np.zeros((1, 1))
    state = rule.init(weight, 1)
    one, none = np.ones((1, 1)), np.zeros((1, 1))
    for pre, post in ((one, none), (none, none), (none, one)):
        weight, state = rule.update(weight, pre, post, state, 2.5)
    assert weight[0, 0] == pytest.approx(0.1 * exp(-5 / 20), rel=1e-12)


def test_traces_are_what_is_left_of_the_spikes() -> None:
    _, state = taught(pair_stdp(tau_plus=10.0, tau_minus=30.0), [0, 50], [40])
    assert state.pre[0, 0] == pytest.approx(exp(-59 / 10) + exp(-9 / 10))
    assert state.post[0, 0] == pytest.approx(exp(-19 / 30))


def test_the_nearest_spike_alone() -> None:
    every = pair_stdp(0.1, 0.0, 10.0, **OPEN)
    nearest = pair_stdp(0.1, 0.0, 10.0, pairing="nearest", **OPEN)
    assert taught(every, [2, 6], [10])[0] == pytest.approx(0.1 * (exp(-0.8) + exp(-0.4)))
    assert taught(nearest, [2, 6], [10])[0] == pytest.approx(0.1 * exp(-0.4))
    # The latest input meets each output that follows it.
    assert taught(nearest, [2], [6, 10])[0] == pytest.approx(0.1 * (exp(-0.4) + exp(-0.8)))


@pytest.mark.parametrize(
    ("bounds", "mu_plus", "mu_minus"),
    [("additive", 0.0, 0.0), ("multiplicative", 1.0, 1.0), ("soft", 0.3, 0.7)],
)
def test_soft_bounds(bounds: Any, mu_plus: float, mu_minus: float) -> None:
    rule = pair_stdp(0.1, 0.2, bounds=bounds, mu_plus=0.3, mu_minus=0.7, w_min=-1.0, w_max=3.0)
    up, down = taught(rule, [5], [10], start=1.0)[0], taught(rule, [10], [5], start=1.0)[0]
    assert up == pytest.approx(1 + 0.1 * 2**mu_plus * exp(-0.25))
    assert down == pytest.approx(1 - 0.2 * 2**mu_minus * exp(-0.25))


def test_weights_stay_in_their_bounds() -> None:
    rule = pair_stdp(2.0, 2.0, w_min=0.25, w_max=0.75)
    assert taught(rule, [5], [6], start=0.5)[0] == 0.75
    assert taught(rule, [6], [5], start=0.5)[0] == 0.25


def test_counts_are_spikes() -> None:
    rule = pair_stdp(0.1, 0.2, **OPEN)
    weight = np.zeros((1, 1))
    state = rule.init(weight, 1)
    weight, state = rule.update(weight, np.full((1, 1), 2), np.zeros((1, 1)), state, 1.0)
    weight, state = rule.update(weight, np.zeros((1, 1)), np.full((1, 1), 3), state, 1.0)
    assert weight[0, 0] == pytest.approx(6 * 0.1 * exp(-1 / 20))


def test_both_changes_of_a_step_start_from_the_same_weight() -> None:
    rule = pair_stdp(0.5, 0.5, bounds="multiplicative")
    # An input and an output before; then both at once, one step later.
    weight, _ = taught(rule, [4, 5], [4, 5], start=0.6)
    k = exp(-1 / 20)
    assert weight == pytest.approx(0.6 + 0.5 * k * 0.4 - 0.5 * k * 0.6)


def test_batches_where_bounds_feed_back_depend_on_the_order() -> None:
    """Two samples at once are not one after the other: the mean is of changes from one weight."""
    rule = pair_stdp(0.5, 0.5, bounds="multiplicative", reduce="sum")
    weight = np.full((1, 1), 0.6)
    state = rule.init(weight, 2)
    pre, post = np.array([[1.0], [1.0]]), np.array([[1.0], [1.0]])
    weight, state = rule.update(weight, pre, 0 * post, state, 1.0)
    weight, state = rule.update(weight, 0 * pre, post, state, 1.0)
    k = 0.5 * exp(-1 / 20)
    assert weight[0, 0] == pytest.approx(0.6 + 2 * k * 0.4)
    one_by_one = 0.6 + k * 0.4
    assert weight[0, 0] > one_by_one + k * (1 - one_by_one) + 0.05


def test_triplets_by_hand() -> None:
    rule = triplet_stdp(
        0.1, 0.2, 0.3, 0.4, tau_plus=10.0, tau_x=100.0, tau_minus=20.0, tau_y=50.0, **OPEN
    )
    # Input at 5, outputs at 8 and 14: the second meets the first's slow trace, not its own.
    up = 0.1 * exp(-3 / 10) + exp(-9 / 10) * (0.1 + 0.2 * exp(-6 / 50))
    assert taught(rule, [5], [8, 14])[0] == pytest.approx(up)
    down = -0.3 * exp(-3 / 20) - exp(-9 / 20) * (0.3 + 0.4 * exp(-6 / 100))
    assert taught(rule, [8, 14], [5])[0] == pytest.approx(down)
    assert taught(rule, [5], [5])[0] == 0.0


def test_a_reward_that_comes_later() -> None:
    rule = reward_stdp(0.1, 0.2, tau_eligibility=50.0, **OPEN)
    weight, state = taught(rule, [5], [10], steps=20)
    pair = 0.1 * exp(-5 / 20)
    assert weight == 0.0
    assert state.eligibility[0, 0, 0] == pytest.approx(pair * exp(-9 / 50))
    state.reward[...] = 3.0
    silence = np.zeros((2000, 1, 1))
    changed, _ = rule.run(np.zeros((1, 1)), silence, silence, state, 1.0)
    # All that is left of the eligibility turns into weight.
    assert changed[0, 0] == pytest.approx(3 * pair * exp(-10 / 50))


def test_each_sample_has_its_own_reward() -> None:
    rule = reward_stdp(0.1, 0.1, reduce="sum", **OPEN)
    weight = np.zeros((1, 1))
    state = rule.init(weight, 2)
    state.eligibility[:] = [[[1.0]], [[5.0]]]
    state.reward[:] = [1.0, 0.0]
    silence = np.zeros((2, 1))
    weight, _ = rule.update(weight, silence, silence, state, 1.0)
    assert weight[0, 0] == pytest.approx((1 - exp(-1 / 200)) * exp(-1 / 200))


def test_the_window_of_inhibition() -> None:
    rule = inhibitory_stdp(0.1, target_rate=5.0, tau=20.0, **OPEN)
    alpha = 2 * 5 * 20 / 1000
    for pre, post, lag in (([5], [11], 6), ([11], [5], 6), ([5], [5], 0)):
        assert taught(rule, pre, post)[0] == pytest.approx(0.1 * (exp(-lag / 20) - alpha))


def test_names_and_bounds_are_checked() -> None:
    with pytest.raises(Refused, match="did you mean 'additive'"):
        pair_stdp(bounds="aditive")  # type: ignore[arg-type]
    with pytest.raises(Refused, match="did you mean 'nearest'"):
        pair_stdp(pairing="nearst")  # type: ignore[arg-type]
    with pytest.raises(Refused, match=r"between 1\.0 and 0\.0"):
        pair_stdp(w_min=1.0, w_max=0.0)
    with pytest.raises(Refused, match="must be finite"):
        pair_stdp(bounds="multiplicative", w_max=np.inf)
    with pytest.raises(Refused, match="negative"):
        pair_stdp(bounds="soft", mu_plus=-1.0)
