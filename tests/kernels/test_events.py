"""Drawn spikes have the statistics of chance, timed ones their time, and delays shift both."""

from __future__ import annotations

from math import exp, inf
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from potentiate.kernels.events import latency_events, poisson_events

Array = NDArray[Any]


def drawn(rates: Any, delays: Any, steps: int, seed: int = 0) -> tuple[Array, list[int]]:
    """Poisson spikes as bool [steps, inputs], and the inputs that were told to be active."""
    rates, n = np.asarray(rates, np.float32), len(rates)
    arriving, count = np.empty((steps, n), np.int32), np.ones(steps, np.int32)
    active, random = np.empty(n, np.int32), np.random.default_rng(seed)
    told = poisson_events(random, rates, np.asarray(delays), steps, arriving, count, active)
    raster = np.zeros((steps, n), bool)
    for t in range(steps):
        raster[t, arriving[t, : count[t]]] = True
    assert raster.sum() == count.sum()  # nobody arrives twice in a step
    return raster, active[:told].tolist()


@pytest.mark.parametrize("rate", [0.005, 0.06, 0.7])
def test_poisson_spikes_have_the_statistics_of_chance(rate: float) -> None:
    n, steps, chance = 3000, 400, 1.0 - exp(-rate)
    raster, active = drawn(np.full(n, rate), np.zeros(n, int), steps)
    counts = raster.sum(0)
    error = np.sqrt(chance * (1 - chance) / (n * steps))
    assert raster.mean() == pytest.approx(chance, abs=4 * error)
    assert counts.var() == pytest.approx(steps * chance * (1 - chance), rel=0.15)
    assert np.abs(raster.mean(1) - chance).max() < 5 * error * np.sqrt(steps)  # at every step alike
    assert active == np.flatnonzero(counts).tolist()


@pytest.mark.parametrize("rate", [0.06, 0.7])
def test_gaps_between_poisson_spikes_are_geometric(rate: float) -> None:
    raster, _ = drawn(np.full(40, rate), np.zeros(40, int), 20_000)
    gaps = np.concatenate([np.diff(np.flatnonzero(train)) for train in raster.T])
    chance = 1.0 - exp(-rate)
    assert gaps.min() == 1
    assert gaps.mean() == pytest.approx(1.0 / chance, rel=0.02)
    assert gaps.std() / gaps.mean() == pytest.approx(np.sqrt(1.0 - chance), rel=0.02)
    for gap in range(1, 6):
        expected = chance * exp(-rate) ** (gap - 1)
        error = np.sqrt(expected * (1 - expected) / len(gaps))
        assert (gaps == gap).mean() == pytest.approx(expected, abs=4 * error)


def test_no_two_inputs_spike_together_more_than_by_chance() -> None:
    raster, _ = drawn(np.full(60, 0.1), np.zeros(60, int), 5000)
    correlation = np.corrcoef(raster.T)[np.triu_indices(60, 1)]
    assert abs(correlation.mean()) < 4 / np.sqrt(len(correlation) * 5000)
    assert np.abs(correlation).max() < 5 / np.sqrt(5000)


@pytest.mark.parametrize("delay", [1, 7, 59, 60, 1000])
def test_a_delay_shifts_poisson_spikes_exactly(delay: int) -> None:
    for seed in range(20):
        at_once, _ = drawn([0.1], [0], 60, seed)
        later, active = drawn([0.1], [delay], 60, seed)
        np.testing.assert_array_equal(later[delay:], at_once[: max(60 - delay, 0)])
        assert not later[:delay].any()
        assert active == ([0] if later.any() else [])


def test_rates_of_zero_and_infinity() -> None:
    raster, active = drawn([0.0, inf, 0.0], [0, 2, 0], 6)
    assert active == [1]
    assert raster.T.tolist() == [[False] * 6, [False] * 2 + [True] * 4, [False] * 6]


@pytest.mark.parametrize("delay", [0, 3, 100])
def test_the_larger_the_value_the_sooner_its_only_spike(delay: int) -> None:
    values = np.array([1.0, 0.0, 0.75, 0.5, 1e-6], np.float32)
    arriving, count = np.empty((9, 5), np.int32), np.ones(9, np.int32)
    active = np.empty(5, np.int32)
    told = latency_events(values, np.full(5, delay), 9, arriving, count, active)
    arrivals = {int(i): t for t in range(9) for i in arriving[t, : count[t]]}
    expected = {i: t + delay for i, t in {0: 0, 2: 2, 3: 4, 4: 8}.items() if t + delay < 9}
    assert arrivals == expected
    assert active[:told].tolist() == list(expected)
