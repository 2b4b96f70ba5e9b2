from __future__ import annotations

from math import exp

import numpy as np
import pytest

from potentiate.plasticity import Rule, bound, chain, metaplasticity, pair_stdp


def moving(amount: float) -> Rule:
    def update(weight, pre, post, state, dt):  # type: ignore[no-untyped-def]
        weight += amount
        return weight, state

    return Rule(lambda weight, batch: (), update)


@pytest.mark.parametrize(("amount", "busy"), [(0.6, 0.5), (-0.6, -0.72)])
def test_busy_neurons_depress_more_and_potentiate_less(amount: float, busy: float) -> None:
    rule = metaplasticity(moving(amount), threshold=0.1, factor=1.2)
    weight = np.zeros((1, 3))
    state = rule.init(weight, 1)
    state.activity[...] = [0.0, 0.1, 0.11]  # the threshold itself is not above it
    weight, _ = rule.update(weight, np.zeros((1, 1)), np.zeros((1, 3)), state, 1.0)
    np.testing.assert_allclose(weight[0], [amount, amount, busy])


def test_activity_is_the_mean_over_time_and_batch() -> None:
    rule = metaplasticity(moving(0.0), tau=100.0)
    weight = np.zeros((1, 1))
    state = rule.init(weight, 2)
    for _ in range(30):
        weight, state = rule.update(weight, np.zeros((2, 1)), np.array([[1.0], [0.0]]), state, 2.0)
    # Half a spike per 2 ms, for 60 ms.
    assert state.activity[0] == pytest.approx(0.25 * (1 - exp(-60 / 100)))


def test_a_larger_change_is_held_by_a_bound_after_it() -> None:
    rule = chain(metaplasticity(pair_stdp(a_minus=0.5), threshold=1e-3), bound(0.0, 1.0))
    weight = np.full((1, 1), 0.4)
    state = rule.init(weight, 1)
    state[0].activity[...] = 1.0
    one, none = np.ones((1, 1)), np.zeros((1, 1))
    for pre, post in ((none, one), (one, none)):
        weight, state = rule.update(weight, pre, post, state, 1.0)
    assert weight[0, 0] == 0.0
