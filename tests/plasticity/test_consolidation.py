from __future__ import annotations

from math import exp

import numpy as np
import pytest

from potentiate.errors import Refused
from potentiate.plasticity import Rule, amplitude_decay, importance_weighted, two_speed


def moving(amount: float) -> Rule:
    def update(weight, pre, post, state, dt):  # type: ignore[no-untyped-def]
        weight += amount
        return weight, state

    return Rule(lambda weight, batch: (), update)


ONE, NONE = np.ones((1, 1)), np.zeros((1, 1))


def test_importance_by_hand() -> None:
    rule = importance_weighted(moving(0.6), protection=2.0, use=0.5, tau=1000.0, tau_trace=20.0)
    weight = np.zeros((1, 1))
    state = rule.init(weight, 1)
    state.importance[...] = 1.0
    weight, state = rule.update(weight, ONE, NONE, state, 1.0)
    assert weight[0, 0] == pytest.approx(0.6 / 3)
    assert state.importance[0, 0] == pytest.approx(exp(-1 / 1000))
    weight, state = rule.update(weight, NONE, ONE, state, 1.0)
    # The importance before the spike protects; the spike adds use times the trace.
    assert weight[0, 0] == pytest.approx(0.2 + 0.6 / (1 + 2 * exp(-1 / 1000)))
    assert state.importance[0, 0] == pytest.approx(exp(-2 / 1000) + 0.5 * exp(-1 / 20))


def test_without_protection_the_rule_is_as_it_was() -> None:
    rule = importance_weighted(moving(0.25), protection=0.0)
    weight = np.zeros((1, 1))
    state = rule.init(weight, 1)
    state.importance[...] = 7.0
    weight, _ = rule.update(weight, ONE, ONE, state, 1.0)
    assert weight[0, 0] == 0.25


def test_two_speeds_by_hand() -> None:
    rule = two_speed(tau_fast=10.0, tau_slow=40.0)
    weight = np.zeros((1, 1))
    state = rule.init(weight, 1)
    weight += 1.0  # what another rule has learned
    assert state.slow[0, 0] == 0.0
    weight, state = rule.update(weight, NONE, NONE, state, 8.0)
    gap = exp(-8 * (1 / 10 + 1 / 40))
    assert weight[0, 0] - state.slow[0, 0] == pytest.approx(gap)
    assert 10 * weight[0, 0] + 40 * state.slow[0, 0] == pytest.approx(10.0)


def test_amplitudes_tire_down_to_a_floor() -> None:
    rule = amplitude_decay(moving(1.0), tau=10.0, floor=0.2)
    weight = np.zeros((1, 1))
    state = rule.init(weight, 1)
    found = []
    for _ in range(4):
        before = float(weight[0, 0])
        weight, state = rule.update(weight, NONE, NONE, state, 7.0)
        found.append(float(weight[0, 0]) - before)
    assert found == pytest.approx([1.0, exp(-0.7), exp(-1.4), 0.2])
    assert state.elapsed.tolist() == [28.0]


def test_bad_settings_are_refused() -> None:
    with pytest.raises(Refused, match=r"use=-1"):
        importance_weighted(use=-1.0)
    with pytest.raises(Refused, match="protection=-1"):
        importance_weighted(protection=-1.0)
    with pytest.raises(Refused, match=r"floor=1\.5"):
        amplitude_decay(floor=1.5)
