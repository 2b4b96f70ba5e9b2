from __future__ import annotations

from math import exp

import numpy as np
import pytest

from potentiate.kernels.stdp import Pairs, pair_block, pair_event

PLUS, MINUS = exp(-1 / 20), exp(-1 / 30)
ENGINES = [pair_event, pair_block]


def pairs(w_max: float = np.inf, nearest: bool = False) -> Pairs:
    return Pairs(0.1, 0.2, PLUS, MINUS, -w_max, w_max, 0.0, 0.0, nearest)


def learned(engine: object, pre: list[int], post: list[int], rule: Pairs, x: float = 0.0) -> tuple:
    """One synapse from weight 0; the traces start at `x` and 0.5."""
    trains = np.zeros((1, 20)), np.zeros((20, 1))
    trains[0][0, pre], trains[1][post, 0] = 1, 1
    weight, traces = np.zeros((1, 1)), (np.full(1, x), np.full(1, 0.5))
    engine(weight, *trains, *traces, rule)
    return float(weight[0, 0]), float(traces[0][0]), float(traces[1][0])


@pytest.mark.parametrize("engine", ENGINES)
def test_one_synapse_by_hand(engine: object) -> None:
    weight, x, y = learned(engine, [3, 8], [10], pairs(), x=2.0)
    up = 0.1 * (2 * PLUS**11 + PLUS**7 + PLUS**2)
    down = 0.2 * 0.5 * (MINUS**4 + MINUS**9)
    assert weight == pytest.approx(up - down, rel=1e-12)
    assert x == pytest.approx(2 * PLUS**20 + PLUS**16 + PLUS**11, rel=1e-12)
    assert y == pytest.approx(0.5 * MINUS**20 + MINUS**9, rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_nearest_spike_by_hand(engine: object) -> None:
    weight, x, _ = learned(engine, [3, 8], [10], pairs(nearest=True), x=2.0)
    assert weight == pytest.approx(0.1 * PLUS**2 - 0.1 * (MINUS**4 + MINUS**9), rel=1e-12)
    assert x == pytest.approx(PLUS**11, rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bound_that_is_met_on_the_way(engine: object) -> None:
    """Up to the bound at step 4, down from it at step 12: more than the sum would leave."""
    weight, _, _ = learned(engine, [3, 12], [4], pairs(w_max=0.05))
    down = 0.2 * (MINUS**8 + 0.5 * MINUS**13)
    assert weight == pytest.approx(max(0.05 - down, -0.05), rel=1e-12)


@pytest.mark.parametrize("met", [1, 9, 20])
def test_synapses_that_meet_a_bound_among_others_that_do_not(met: int) -> None:
    """Few in a row are gathered, many are done with the row; both as the events would have it."""
    rng = np.random.default_rng(0)
    start = np.zeros((7, 20))
    start[:, :met] = 0.99
    trains = (rng.random((7, 200)) < 0.2).astype(float), (rng.random((200, 20)) < 0.2).astype(float)
    rule = Pairs(0.002, 0.001, PLUS, MINUS, -1.0, 1.0, 0.0, 0.0, False)
    found = []
    for engine, w_max in ((pair_event, 1.0), (pair_block, 1.0), (pair_event, np.inf)):
        weight, traces = start.copy(), (np.zeros(7), np.zeros(20))
        engine(weight, *trains, *traces, rule._replace(w_max=w_max))
        found.append(weight)
    np.testing.assert_allclose(found[1], found[0], atol=1e-13)
    bounded = np.abs(found[2] - found[0]) > 1e-3
    assert bounded[:, :met].any()
    assert not bounded[:, met:].any()


@pytest.mark.parametrize("engine", ENGINES)
def test_counts_are_spikes(engine: object) -> None:
    trains = np.zeros((1, 5)), np.zeros((5, 1))
    trains[0][0, 1], trains[1][3, 0] = 2, 3
    weight = np.zeros((1, 1))
    engine(weight, *trains, np.zeros(1), np.zeros(1), pairs())
    assert weight[0, 0] == pytest.approx(6 * 0.1 * PLUS**2)
