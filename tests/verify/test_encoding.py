from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

from potentiate import encoding as codes
from potentiate.verify import Check, encoding, suites


def test_every_check_passes() -> None:
    found = list(suites()["encoding"].checks())
    assert [c for c in found if not c.passed] == []
    assert len({c.name for c in found}) == len(found) > 80


def test_every_curve_lies_on_its_theory() -> None:
    curves = list(suites()["encoding"].curves())
    assert len({c.title for c in curves}) == len(curves) == 8
    for curve in curves:
        assert curve.x.shape == curve.theory.shape == curve.measured.shape
        assert (np.diff(curve.x) > 0).all()
        error = np.abs(curve.measured - curve.theory).max()
        assert error < 0.08 * curve.theory.max(), curve.title


def changed(
    change: Callable[[Any, Generator], Any], of: encoding.Draw = encoding.poisson
) -> encoding.Draw:
    """A generator whose spikes are changed before they are looked at."""
    return lambda *given: change(of(*given), given[-1])


def first_order(rate: float, neurons: int, steps: int, dt: float, random: Generator) -> Any:
    return codes.bernoulli(np.full(neurons, min(1.0, rate * dt / 1000)), steps, random)


def refractory(spikes: Any, random: Generator) -> Any:
    """No spike right after a spike, with about as many of them."""
    more = spikes | (random.random(spikes.shape) < spikes.mean() ** 2)
    more[1:] &= ~spikes[:-1]
    return more


def regular(rate: float, neurons: int, steps: int, dt: float, random: Generator) -> Any:
    period = round(1000 / (rate * dt))
    return (np.arange(steps)[:, None] + random.integers(period, size=neurons)) % period == 0


def in_common(spikes: Any, random: Generator) -> Any:
    """One neuron in fifty steps fires when the first one does."""
    common = random.random(spikes.shape) < 0.02
    return np.where(common, spikes[:, :1], spikes)


def two_alike(spikes: Any, random: Generator) -> Any:
    spikes[:, 1] = np.where(random.random(len(spikes)) < 0.1, spikes[:, 0], spikes[:, 1])
    return spikes


def late(spikes: Any, random: Generator) -> Any:
    spikes[0] = False
    return spikes


def bursting(spikes: Any, random: Generator) -> Any:
    """The same mean, with neurons that differ."""
    return spikes & (random.random((1, spikes.shape[1])) < 0.9) | (
        random.random(spikes.shape) < 0.1 * spikes.mean()
    )


def echo(spikes: Any, random: Generator) -> Any:
    spikes[20:] |= spikes[:-20] & (random.random(spikes[20:].shape) < 0.02)
    return spikes


WRONG: dict[str, Callable[[], Iterator[Check]]] = {
    "r dt in place of 1 - exp(-r dt)": lambda: encoding.counts(first_order, "x", 300.0, 1.0),
    "a rate off by 2 %": lambda: encoding.counts(
        lambda r, *rest: encoding.poisson(1.02 * r, *rest), "x", 63.75, 1.0
    ),
    "dt forgotten": lambda: encoding.counts(
        lambda r, n, t, dt, rng: encoding.poisson(r, n, t, 1.0, rng), "x", 63.75, 0.1
    ),
    "regular spikes": lambda: encoding.counts(regular, "x", 50.0, 1.0),
    "neurons of different rates": lambda: encoding.counts(changed(bursting), "x", 63.75, 1.0),
    "a silent first step": lambda: encoding.counts(changed(late), "x", 63.75, 1.0),
    "a silent first step of the circuit": lambda: encoding.counts(
        changed(late, encoding.circuit_events), "x", 300.0, 1.0
    ),
    "an infinite rate that rests": lambda: encoding.extremes(changed(late), "x"),
    "a refractory step": lambda: encoding.intervals(changed(refractory), "x", 63.75),
    "regular intervals": lambda: encoding.intervals(regular, "x", 62.5),
    "a common source": lambda: encoding.correlations(changed(in_common), "x", 200.0),
    "two neurons alike": lambda: encoding.correlations(changed(two_alike), "x", 200.0),
    "an echo": lambda: encoding.correlations(changed(echo), "x", 200.0),
    "steps in common": lambda: encoding.counts(
        changed(lambda s, rng: s & (rng.random((len(s), 1)) < 0.99)), "x", 300.0, 1.0
    ),
    "a trace of too many spikes": lambda: encoding.traces(
        lambda r, *rest: encoding.poisson(1.05 * r, *rest), "x", 100.0
    ),
    "latencies the wrong way": lambda: encoding.latencies(
        lambda values, steps: codes.latency(1.0 - np.asarray(values), steps)
    ),
    "latencies of a step too few": lambda: encoding.latencies(
        lambda values, steps: np.roll(codes.latency(values, steps), 1, axis=0)
    ),
    "latencies that come twice": lambda: encoding.latencies(
        lambda values, steps: codes.latency(values, steps) | codes.latency(values, steps)[::-1]
    ),
    "ranks the wrong way": lambda: encoding.orders(lambda values: codes.rank_order(-values)),
    "ranks left out": lambda: encoding.orders(lambda values: codes.rank_order(values, 19)),
    "a rank told twice": lambda: encoding.orders(
        lambda values: codes.rank_order(values)[[0, 0, *range(2, 20)]]
    ),
    "fields too wide": lambda: encoding.population(
        lambda x, centers, width: codes.gaussian_population(x, centers, 1.01 * width), 1.5
    ),
    "fields beside their centers": lambda: encoding.population(
        lambda x, centers, width: codes.gaussian_population(x + 0.01, centers, width), 1.5
    ),
    "spikes of fields too wide": lambda: encoding.population_spikes(
        lambda x, centers, width: codes.gaussian_population(x, centers, 1.2 * width), 1.5
    ),
    "a threshold too high": lambda: encoding.level(
        lambda signal, threshold: codes.delta(signal, 1.2 * threshold), 0.1
    ),
    "ON and OFF exchanged": lambda: encoding.level(
        lambda signal, threshold: codes.delta(signal, threshold)[..., ::-1], 0.1
    ),
}


@pytest.mark.parametrize("mistake", list(WRONG))
def test_a_mistake_is_caught(mistake: str) -> None:
    assert not all(check.passed for check in WRONG[mistake]())


@pytest.mark.parametrize("draw", [encoding.poisson, encoding.circuit_events])
def test_both_generators_draw_for_any_number_of_neurons(draw: encoding.Draw) -> None:
    for neurons in (0, 1, 3):
        spikes = draw(100.0, neurons, 50, 1.0, np.random.default_rng(0))
        assert spikes.shape == (50, neurons)
        assert spikes.any() == (neurons > 0)


def test_the_ripple_is_that_of_the_sum_of_fields() -> None:
    centers = np.arange(-40.0, 41.0)
    for width in (0.3, 0.5):
        total = codes.gaussian_population([0.0, 0.5], centers, width).sum(-1)
        mean = np.sqrt(2 * np.pi) * width
        assert total[0] / mean - 1 == pytest.approx(encoding.ripple(width), rel=1e-9)
        assert total[1] < mean
