from __future__ import annotations

import numpy as np
import pytest

from potentiate.plasticity import bcm, every, hebb, oja

PRE, POST = np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[0.5], [1.0]])
START = np.array([[0.1], [0.2]])


def test_hebb_by_hand() -> None:
    rule = hebb(eta=0.1)
    weight, _ = rule.update(START.copy(), PRE, POST, (), 1.0)
    np.testing.assert_allclose(weight, START + 0.1 * PRE.T @ POST / 2)


def test_oja_by_hand() -> None:
    rule = oja(eta=0.1, reduce="sum")
    weight, _ = rule.update(START.copy(), PRE, POST, (), 1.0)
    np.testing.assert_allclose(weight, START + 0.1 * (PRE.T @ POST - 1.25 * START))


def test_bcm_by_hand() -> None:
    rule = bcm(eta=0.1, tau=10.0, y0=2.0)
    state = rule.init(START, 2)
    state.threshold[...] = 0.7
    weight, state = rule.update(START.copy(), PRE, POST, state, 1.0)
    gain = POST * (POST - 0.7)
    np.testing.assert_allclose(weight, START + 0.1 * PRE.T @ gain / 2)
    mean_square = (0.25 + 1.0) / 2 / 2.0
    expected = 0.7 + (1 - np.exp(-0.1)) * (mean_square - 0.7)
    assert state.threshold[0] == pytest.approx(expected)


def test_bcm_turns_at_its_threshold() -> None:
    for threshold, sign in ((0.9, 1.0), (1.1, -1.0)):
        rule = bcm(eta=0.1, w_min=-1.0)
        state = rule.init(np.zeros((1, 1)), 1)
        state.threshold[...] = threshold
        one = np.ones((1, 1))
        weight, _ = rule.update(np.zeros((1, 1)), one, one, state, 1.0)
        assert np.sign(weight[0, 0]) == sign


@pytest.mark.parametrize("make", [hebb, oja, bcm])
def test_rates_do_not_depend_on_the_step(make: object) -> None:
    """Spikes at a steady rate teach the same in steps of 0.5 ms as in steps of 1 ms, and by `every`."""
    found = []
    for dt, rule in ((1.0, make(eta=1e-4)), (0.5, make(eta=1e-4)), (0.5, every(4, make(eta=1e-4)))):
        weight = np.full((2, 1), 0.5)
        state = rule.init(weight, 1)
        pre, post = np.array([[0.3, 0.1]]) * dt, np.array([[0.2]]) * dt
        for _ in range(round(200 / dt)):
            weight, state = rule.update(weight, pre, post, state, dt)
        found.append(weight - 0.5)
    np.testing.assert_allclose(found[1], found[0], rtol=0.01)
    np.testing.assert_allclose(found[2], found[0], rtol=0.02)
