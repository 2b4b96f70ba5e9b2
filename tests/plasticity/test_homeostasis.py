from __future__ import annotations

from math import exp

import numpy as np
import pytest

from potentiate.plasticity import intrinsic, normalize, synaptic_scaling

PRE = np.zeros((2, 3))


def test_scaling_by_hand() -> None:
    rule = synaptic_scaling(target_rate=10.0, tau=1000.0, tau_rate=100.0)
    start = np.array([[1.0, 2.0], [3.0, 0.0], [-1.0, 5.0]])
    state = rule.init(start, 2)
    assert state.rate.tolist() == [10.0, 10.0]
    # Neuron 0 fires in one of two samples: 500 Hz for this step of 1 ms; neuron 1 is silent.
    weight, state = rule.update(start.copy(), PRE, np.array([[1.0, 0.0], [0.0, 0.0]]), state, 1.0)
    follow = 1 - exp(-1 / 100)
    rates = np.array([10 + follow * 490, 10 - follow * 10])
    np.testing.assert_allclose(state.rate, rates)
    np.testing.assert_allclose(weight, start * np.exp((1 - rates / 10) / 1000))
    assert abs(weight[0, 0]) < 1.0
    assert weight[0, 1] > 2.0


def test_intrinsic_by_hand() -> None:
    rule = intrinsic(target_rate=20.0, eta=0.1)
    state = rule.init(np.ones((3, 2)), 2)
    post = np.array([[1.0, 0.0], [1.0, 0.0]])
    weight, state = rule.update(np.ones((3, 2)), PRE, post, state, 1.0)
    np.testing.assert_allclose(state.threshold, [0.1 * (1 - 0.02), 0.1 * (0 - 0.02)])
    assert (weight == 1).all()


def test_normalization_by_hand() -> None:
    rule = normalize(total=6.0)
    weight = np.array([[1.0, 0.0, 1.0], [2.0, 0.0, -3.0]])
    weight, _ = rule.update(weight, np.zeros((1, 2)), np.zeros((1, 3)), (), 1.0)
    np.testing.assert_allclose(weight, [[2.0, 0.0, 1.5], [4.0, 0.0, -4.5]])


def test_normalization_twice_is_once() -> None:
    rule = normalize(total=1.0)
    once = np.random.default_rng(0).random((50, 7))
    silence = np.zeros((1, 50)), np.zeros((1, 7))
    once, _ = rule.update(once, *silence, (), 1.0)
    twice, _ = rule.update(once.copy(), *silence, (), 1.0)
    assert twice == pytest.approx(once, rel=1e-14)
