"""Codes beside what theory says of them, and the spikes that a compiled circuit draws for itself.

Every group of checks takes the code it looks at, so that a wrong one can be held against it. What is
random is allowed four standard errors of its estimate, with seeds that do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from math import exp, expm1, inf, pi, sqrt
from typing import Any

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from potentiate import encoding
from potentiate.encoding import Fields, Floats, Spikes
from potentiate.kernels import circuit
from potentiate.kernels.compile import compiled
from potentiate.synapses import CurrentState, Synapse, exponential
from potentiate.verify.check import Check, Curve

Draw = Callable[[float, int, int, float, Generator], Spikes]
"""Spikes [steps, neurons] at random: (rate in Hz, neurons, steps, dt in ms, where chance comes from)."""

ALLOWED = 4.0
"""Standard errors: chance alone goes further once in 16,000 checks."""

INPUT_RATE = 63.75
"""Hz; the highest rate of an input in Diehl and Cook 2015."""


def checks() -> Iterator[Check]:
    """Run every check of this module: about five seconds on one core."""
    for draw, name in ((poisson, "Poisson"), (circuit_events, "compiled Poisson")):
        yield from extremes(draw, name)
        for rate, dt in ((5.0, 1.0), (INPUT_RATE, 1.0), (300.0, 1.0), (INPUT_RATE, 0.1)):
            yield from counts(draw, name, rate, dt)
        yield from intervals(draw, name, INPUT_RATE)
        yield from correlations(draw, name, 200.0)
        yield from traces(draw, name, 100.0)
    yield from latencies(encoding.latency)
    yield from orders(encoding.rank_order)
    for overlap in (1.0, 1.5, 2.5):
        yield from population(encoding.gaussian_population, overlap)
    yield from population_spikes(encoding.gaussian_population, 1.5)
    yield from level(encoding.delta, 0.1)


def poisson(rate: float, neurons: int, steps: int, dt: float, random: Generator) -> Spikes:
    """Spikes of the encoder of this library."""
    return encoding.poisson(np.full(neurons, rate), steps, dt, random)


def circuit_events(rate: float, neurons: int, steps: int, dt: float, random: Generator) -> Spikes:
    """Spikes that a compiled circuit draws for its inputs, without delays."""
    rates = np.full(neurons, rate * dt / 1000, np.float32)
    return _events(circuit.poisson_events, steps, neurons, random, rates)


def circuit_latency(values: NDArray[np.float32], steps: int) -> Spikes:
    """Spikes that a compiled circuit makes of values [n] by their latency, without delays."""
    return _events(circuit.latency_events, steps, len(values), values)


def _events(kernel: Any, steps: int, neurons: int, *given: object) -> Spikes:
    arriving, count = np.empty((steps, neurons), np.int32), np.zeros(steps, np.int32)
    delays, active = np.zeros(neurons, np.int64), np.empty(neurons, np.int32)
    kernel(*given, delays, steps, arriving, count, active)
    spikes = np.zeros((steps, neurons), np.bool_)
    listed = np.arange(neurons) < count[:, None]
    spikes[np.nonzero(listed)[0], arriving[listed]] = True
    return spikes


def extremes(draw: Draw, name: str) -> Iterator[Check]:
    """No rate and all of it."""
    silent, busy = (draw(rate, 100, 100, 1.0, default_rng(0)).mean() for rate in (0.0, inf))
    yield Check(f"{name}, rate 0: spikes a step", 0.0, float(silent), 0.0, "1 - exp(-r dt)")
    yield Check(f"{name}, infinite rate: spikes a step", 1.0, float(busy), 0.0, "1 - exp(-r dt)")


def counts(draw: Draw, name: str, rate: float, dt: float) -> Iterator[Check]:
    """Spikes of 10,000 neurons in 1,000 steps: over neurons, over steps, at both ends of time."""
    neurons, steps, p = 10_000, 1000, chance(rate, dt)
    spikes = draw(rate, neurons, steps, dt, default_rng(round(rate / dt)))
    found, each = spikes.sum(0), spikes.sum(1)
    mean, variance = steps * p, steps * p * (1 - p)
    # A binomial count has the excess kurtosis (1 - 6 p q) / (T p q).
    spread = sqrt((2 + (1 - 6 * p * (1 - p)) / variance) / neurons)
    fano = float(found.var(ddof=1) / found.mean())
    uneven = float(((each - neurons * p) ** 2).mean() / (neurons * p * (1 - p)))
    ends = sqrt(p * (1 - p) / neurons)
    for what, expected, measured, error, source in (
        ("mean count", mean, found.mean(), sqrt(variance / neurons), "T p, p = 1 - exp(-r dt)"),
        ("variance of counts", variance, found.var(ddof=1), variance * spread, "T p (1 - p)"),
        ("Fano factor", 1 - p, fano, (1 - p) * sqrt(2 / neurons), "1 - p"),
        ("spread over steps", 1.0, uneven, sqrt(2 / steps), "variance over N p (1 - p)"),
        ("chance in the first step", p, spikes[0].mean(), ends, "p"),
        ("chance in the last step", p, spikes[-1].mean(), ends, "p"),
    ):
        title = f"{name}, {rate:g} Hz, dt {dt:g} ms: {what}"
        yield _random(title, expected, measured, error, source)


def intervals(draw: Draw, name: str, rate: float) -> Iterator[Check]:
    """Steps from spike to spike: mean, coefficient of variation, and their whole distribution."""
    p, gaps = chance(rate, 1.0), _gaps(draw, rate)
    n, mean, variation = len(gaps), gaps.mean(), gaps.std() / gaps.mean()
    # From skewness (2 - p) / sqrt(1 - p) and excess kurtosis 6 + p^2 / (1 - p).
    error = sqrt((1 - p) * (1 + p**2 / (4 - 4 * p)) / n)
    name = f"{name}, {rate:g} Hz: intervals"
    yield _random(f"{name}, mean (steps)", 1 / p, mean, sqrt((1 - p) / n) / p, "1/p")
    yield _random(f"{name}, coefficient of variation", sqrt(1 - p), variation, error, "sqrt(1 - p)")
    upto = np.arange(1, 200)
    found = np.searchsorted(np.sort(gaps), upto, side="right") / n
    furthest = float(np.abs(found - (1 - (1 - p) ** upto)).max())
    source = "geometric; Kolmogorov-Smirnov, 0.1 %"
    yield Check(f"{name}, error of the distribution", 0.0, furthest, 1.95 / sqrt(n), source)


def correlations(draw: Draw, name: str, rate: float) -> Iterator[Check]:
    """Correlation of neurons with one another, and of a neuron with itself up to 50 steps later."""
    neurons, steps, lags = 40, 20000, 50
    spikes = draw(rate, neurons, steps, 1.0, default_rng(3)).astype(float)
    z = (spikes - spikes.mean(0)) / spikes.std(0)
    pairs = (z.T @ z / steps)[np.triu_indices(neurons, 1)]
    later = [float((z[lag:] * z[:-lag]).mean()) for lag in range(1, lags + 1)]
    name = f"{name}, {rate:g} Hz: correlation"
    error = 1 / sqrt(steps * len(pairs))
    yield _random(f"{name} of neurons, mean", 0.0, pairs.mean(), error, "independence")
    # The largest of many: one standard error more.
    most, tolerance = float(np.abs(pairs).max()), (ALLOWED + 1) / sqrt(steps)
    yield Check(f"{name} of neurons, largest", 0.0, most, tolerance, "independence")
    most, tolerance = float(np.abs(later).max()), (ALLOWED + 1) / sqrt(steps * neurons)
    yield Check(f"{name} of steps, largest", 0.0, most, tolerance, "independence")


def traces(draw: Draw, name: str, rate: float) -> Iterator[Check]:
    """An exponential trace of the spikes, dt 0.1 ms; standard errors from 400 neurons."""
    tau, dt, load = 20.0, 0.1, rate * 0.02
    mean, variance = _trace_moments(draw, rate, tau, dt)
    name = f"{name}, {rate:g} Hz, tau {tau:g} ms: trace"
    for what, expected, each, source in (
        ("mean", load, mean, "r tau; tolerance: and dt/tau"),
        ("variance", load / 2, variance, "r tau/2; tolerance: and dt/tau"),
    ):
        tolerance = ALLOWED * float(each.std(ddof=1)) / sqrt(len(each)) + expected * dt / tau
        yield Check(f"{name}, {what}", expected, float(each.mean()), tolerance, source)


def latencies(code: Callable[[Any, int], Spikes]) -> Iterator[Check]:
    """Values from 0 to 1 by the time of their one spike."""
    steps, values = 100, np.linspace(0.0, 1.0, 333)
    spikes = code(values, steps)
    times = encoding.first_spike(spikes, 1.0)[1:]
    error = float(np.abs(1 - times / (steps - 1) - values[1:]).max())
    late, others = int((np.diff(times) > 0).sum()), int((spikes[:, 1:].sum(0) != 1).sum())
    yield Check("latency: larger values that come later", 0.0, late, 0.0, "monotone")
    yield Check("latency: spikes of 0", 0.0, int(spikes[:, 0].sum()), 0.0, "0 never fires")
    yield Check("latency: values without exactly one spike", 0.0, others, 0.0, "one spike")
    source = "1 - t/(T - 1); tolerance: half a step"
    yield Check("latency: error of a value", 0.0, error, 0.5 / (steps - 1) + 1e-12, source)
    drawn = default_rng(4).random(500, dtype=np.float32)
    apart = int((code(drawn, steps) != circuit_latency(drawn, steps)).sum())
    yield Check("latency: cells unlike the compiled circuit's", 0.0, apart, 0.0, "the same code")


def orders(code: Callable[[Any], Spikes]) -> Iterator[Check]:
    """Fifty rows of twenty values by their rank."""
    values = default_rng(5).standard_normal((50, 20))
    spikes = code(values)
    crowded, missing = (int((spikes.sum(axis) != 1).sum()) for axis in (2, 0))
    inverted = int((np.diff(np.take_along_axis(values, spikes.argmax(2).T, 1)) > 0).sum())
    yield Check("rank order: steps without exactly one spike", 0.0, crowded, 0.0, "a permutation")
    yield Check("rank order: neurons without exactly one", 0.0, missing, 0.0, "a permutation")
    yield Check("rank order: values that rise in it", 0.0, inverted, 0.0, "by falling value")


def population(code: Callable[..., Floats], overlap: float) -> Iterator[Check]:
    """Fields at a distance of 1, far beyond the values: their sum, and the value they tell."""
    fields, x = _fields(overlap), np.linspace(-2.0, 2.0, 401)
    activity = code(x, *fields)
    total = activity.sum(-1)
    mean, wave = float(total[:-1].mean()), ripple(fields.width)
    furthest = float(np.abs(total / mean - 1).max())
    error = float(np.abs(encoding.population_vector(activity, fields.centers) - x).max())
    name, flat = f"population, width 1/{overlap:g}", sqrt(2 * pi) * fields.width
    yield Check(f"{name}: sum of fields", flat, mean, 1e-12, "sqrt(2 pi) width/distance")
    yield Check(f"{name}: ripple of the sum", wave, furthest, 1e-12, "Poisson summation")
    # The vector is off by width^2 times the slope of the logarithm of the sum.
    bound = fields.width**2 * 2 * pi * wave / (1 - wave) + 1e-12
    yield Check(f"{name}: error of the vector", 0.0, error, bound, "2 pi width^2 ripple")


def population_spikes(code: Callable[..., Floats], overlap: float) -> Iterator[Check]:
    """A value told by the Poisson spikes of fields, in 500 trials."""
    fields, x, random = _fields(overlap), 0.3, default_rng(6)
    near = np.abs(fields.centers) < 5
    rates = np.tile(200.0 * code(x, fields.centers[near], fields.width), (500, 1))
    found = encoding.poisson(rates, 2000, 0.1, random).sum(0)
    told = encoding.population_vector(found, fields.centers[near])
    error = float(np.sqrt(((told - x) ** 2 * found.sum(-1)).mean()))
    name = f"population, width 1/{overlap:g}, spikes: error times sqrt(count)"
    yield _random(name, fields.width, error, fields.width / sqrt(1000), "the width")


def level(code: Callable[..., Spikes], threshold: float) -> Iterator[Check]:
    """A signal told by its changes: a smooth one, a ramp and a jump."""
    signal = _signal()
    told = encoding.reconstruction(code(signal, threshold), threshold, signal[0])
    error = float(np.abs(told - signal).max())
    yield Check("delta: largest error", 0.0, error, threshold + 1e-12, "within the threshold")
    ramp = code(np.linspace(0.0, 10.5 * threshold, 500), threshold).sum(0)
    yield Check("delta, up by 10.5 thresholds: ON", 10.0, int(ramp[0]), 0.0, "floor(height)")
    yield Check("delta, up by 10.5 thresholds: OFF", 0.0, int(ramp[1]), 0.0, "none downwards")
    jump = code(np.where(np.arange(50) < 20, 0.0, -5.5 * threshold), threshold)[:, 1]
    last = int(np.flatnonzero(jump).max(initial=-1))
    yield Check("delta, jump by -5.5 at step 20: last OFF", 24.0, last, 0.0, "one threshold a step")


def curves() -> Iterator[Curve]:
    """Measure what can be drawn: the same codes as in the checks, over a range."""
    rates = np.linspace(10.0, 1000.0, 34)
    for draw, name in ((poisson, "Poisson"), (circuit_events, "Compiled Poisson")):
        found = [draw(x, 20_000, 100, 1.0, default_rng(round(x))).sum(0) for x in rates]
        fano = np.array([each.var() / each.mean() for each in found])
        expected = np.array([1 - chance(x, 1.0) for x in rates])
        yield Curve(f"{name}, dt 1 ms", "rate (Hz)", "Fano factor of counts", rates, expected, fano)
        steps, p, gaps = np.arange(1.0, 81.0), chance(INPUT_RATE, 1.0), _gaps(draw, INPUT_RATE)
        share = np.bincount(gaps, minlength=81)[1:81] / len(gaps)
        expected = p * (1 - p) ** (steps - 1)
        title = f"{name}, intervals at {INPUT_RATE:g} Hz"
        yield Curve(title, "interval (ms)", "share of intervals", steps, expected, share)
    loads = np.linspace(5.0, 100.0, 11)
    found = np.array([_trace_moments(poisson, x, 20.0, 0.5)[1].mean() for x in loads])
    p = np.array([chance(x, 0.5) for x in loads])
    expected = p * (1 - p) / (1 - exp(-0.05))
    title = "Trace of Poisson spikes, tau 20 ms, dt 0.5 ms"
    yield Curve(title, "rate (Hz)", "variance of the trace", loads, expected, found)
    values = np.linspace(0.02, 1.0, 50)
    found = encoding.first_spike(encoding.latency(values, 50), 1.0)
    yield Curve("Latency, 50 steps", "value", "first spike (ms)", values, 49 - 49 * values, found)
    fields, x = _fields(1.5), np.linspace(-2.0, 2.0, 41)
    activity = encoding.gaussian_population(x, *fields)
    found = encoding.population_vector(activity, fields.centers)
    yield Curve("Population vector", "value", "value told", x, x, found)
    signal, time = _signal()[::10], np.arange(0.0, 2000.0, 10.0)
    found = encoding.reconstruction(encoding.delta(_signal(), 0.1), 0.1, signal[0])[::10]
    yield Curve("Delta code, threshold 0.1", "time (ms)", "signal", time, signal, found)


def chance(rate: float, dt: float) -> float:
    """Chance of one or more events in dt ms at `rate` Hz."""
    return -expm1(-rate * dt / 1000)


def ripple(width: float) -> float:
    """How far the sum of Gaussian fields at a distance of 1 goes beyond its mean, relatively."""
    return 2 * sum(exp(-2 * (pi * k * width) ** 2) for k in range(1, 20))


def _random(name: str, expected: float, measured: Any, error: float, source: str) -> Check:
    return Check(name, expected, float(measured), ALLOWED * error, source)


def _gaps(draw: Draw, rate: float) -> NDArray[np.int64]:
    """Steps between the spikes of 20 neurons over 100 s."""
    trains = draw(rate, 20, 100_000, 1.0, default_rng(2)).T
    return np.concatenate([np.diff(np.flatnonzero(train)) for train in trains])


def _trace_moments(draw: Draw, rate: float, tau: float, dt: float) -> tuple[Floats, Floats]:
    """The mean of each of 400 traces over a second, and its variance about the mean of all."""
    neurons, settle = 400, round(10 * tau / dt)
    spikes = draw(rate, neurons, settle + round(1000 / dt), dt, default_rng(round(rate)))
    synapse, values = _synapse(tau), np.zeros(spikes.shape)
    state = synapse.start((neurons,))
    for t, row in enumerate(spikes):
        state, values[t] = synapse.step(state, row, dt)
    trace = values[settle:]
    return trace.mean(0), ((trace - trace.mean()) ** 2).mean(0)


@cache
def _synapse(tau: float) -> Synapse[CurrentState]:
    synapse = exponential(tau=tau)
    return synapse._replace(step=compiled(synapse.step))


def _fields(overlap: float) -> Fields:
    return encoding.receptive_fields(26, -12.0, 12.0, overlap)


def _signal() -> Floats:
    """Two sines in 2,000 steps of 1 ms."""
    t = np.arange(2000.0)
    return np.sin(2 * pi * t / 700) + 0.4 * np.sin(2 * pi * t / 130)
