"""Rules of spike timing beside what theory says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import exp, gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentiate.plasticity import Rule, replay
from potentiate.verify.check import Check

Floats = NDArray[np.float64]

OPEN: dict[str, Any] = {"w_min": -np.inf, "w_max": np.inf}
SONG: dict[str, Any] = {"a_plus": 0.005, "a_minus": 0.00525, "tau_plus": 20.0, "tau_minus": 20.0}
LARGE: dict[str, Any] = {"a_plus": 0.1, "a_minus": 0.105, "tau_plus": 20.0, "tau_minus": 20.0}
TRIPLETS = {0.1: (0.0, -0.3122), 10: (0.1321, -0.3336), 20: (0.2470, -0.3516), 40: (0.5337, 0.1548),
            50: (0.7409, 0.7272)}  # fmt: skip
"""Change of a weight by 60 pairs at a frequency (Hz), post after pre by 10 ms and before it."""


def pair_window(rule: Rule, known: Mapping[str, float]) -> Iterator[Check]:
    """The change that one pair makes, over the lag; and the area under it."""
    lags = (1, 5, 10, 20, 40, 60)
    name = f"pair STDP, A+ {known['a_plus']:g}"
    for sign, word in ((1, "post after pre"), (-1, "pre after post")):
        changes = lag_changes(rule, [sign * lag for lag in lags])
        for lag, change in zip(lags, changes, strict=True):
            expected = window(sign * lag, known)
            yield Check(f"{name}, {word} by {lag} ms", expected, change, 1e-15, "A exp(-lag/tau)")
    yield Check(f"{name}, at lag 0", 0.0, lag_changes(rule, [0])[0], 0.0, "traces are read first")
    area = float(lag_changes(rule, list(range(-800, 801))).sum())
    plus, minus = (1 / np.expm1(1 / known[tau]) for tau in ("tau_plus", "tau_minus"))
    expected = known["a_plus"] * plus - known["a_minus"] * minus
    yield Check(f"{name}: area (ms)", expected, area, 1e-12, "(A+ - A-)/(exp(1/tau) - 1): down")


def window(lag: float, known: Mapping[str, float]) -> float:
    """The change of a weight by one pair, `lag` ms from pre to post."""
    if lag > 0:
        return known["a_plus"] * exp(-lag / known["tau_plus"])
    return -known["a_minus"] * exp(lag / known["tau_minus"]) if lag < 0 else 0.0


def lag_changes(rule: Rule, lags: Sequence[int]) -> Floats:
    """The change of a weight by one pair, for each lag in steps of 1 ms."""
    most = max(map(abs, lags))
    pre, post = np.zeros((2 * most + 1, 1, 1)), np.zeros((2 * most + 1, 1, len(lags)))
    pre[most] = 1
    post[[most + lag for lag in lags], 0, range(len(lags))] = 1
    weight = np.zeros((1, len(lags)))
    return rule.run(weight, pre, post, rule.init(weight, 1), 1.0)[0][0]


def sixty_pairs(rule: Rule, known: Mapping[str, float]) -> Iterator[Check]:
    """Sixty pairs at a frequency, where each spike meets all others of the other side."""
    for frequency in (1, 5, 10, 20, 40, 50):
        for lag, change in zip((10, -10), protocol(rule, frequency), strict=True):
            expected = closed_sum(frequency, lag, known)
            name = f"pair STDP, 60 pairs at {frequency} Hz, lag {lag} ms"
            yield Check(name, expected, change, 1e-12, "sum of (N - |k|) W(k T + lag)")


def closed_sum(frequency: float, lag: float, known: Mapping[str, float], pairs: int = 60) -> float:
    """The change of a weight by `pairs` pairs at `frequency` Hz, all-to-all."""
    period = 1000.0 / frequency
    numbers = range(1 - pairs, pairs)
    return sum((pairs - abs(k)) * window(k * period + lag, known) for k in numbers)


def protocol(rule: Rule, frequency: float, pairs: int = 60) -> tuple[float, float]:
    """The change by pairs of lag +10 and of lag -10 ms at `frequency` Hz."""
    period = round(1000 / frequency)
    dt = gcd(period, 10)
    steps = pairs * period // dt + 2
    pre, post = np.zeros((steps, 1, 1)), np.zeros((steps, 1, 2))
    at = np.arange(pairs) * period // dt + 10 // dt
    pre[at] = 1
    post[at + 10 // dt, 0, 0] = 1
    post[at - 10 // dt, 0, 1] = 1
    weight = np.zeros((1, 2))
    changed = rule.run(weight, pre, post, rule.init(weight, 1), float(dt))[0]
    return float(changed[0, 0]), float(changed[0, 1])


def pairwise_sum(rule: Rule, known: Mapping[str, float], pairing: str) -> Iterator[Check]:
    """Random trains through traces, beside the sum over all pairs of spikes."""
    rng = np.random.default_rng(0)
    pre, post = rng.random((400, 4)) < 0.1, rng.random((400, 3)) < 0.1
    weight = np.zeros((4, 3))
    trains = pre[:, None].astype(float), post[:, None].astype(float)
    traced = rule.run(weight, *trains, rule.init(weight, 1), 1.0)[0]
    summed = [[_pairs(pre[:, i], post[:, j], known, pairing) for j in range(3)] for i in range(4)]
    error = float(np.abs(traced - summed).max())
    name = f"traces, pairing {pairing}: largest error"
    yield Check(name, 0.0, error, 1e-13, "sum over pairs of spikes")


def _pairs(pre: Any, post: Any, known: Mapping[str, float], pairing: str) -> float:
    at_pre: Any = np.flatnonzero(pre)
    at_post: Any = np.flatnonzero(post)
    if pairing == "all":
        return sum(window(q - p, known) for p in at_pre for q in at_post)
    latest = [(at_pre[at_pre < q][-1:], q) for q in at_post]
    earlier = [(p, at_post[at_post < p][-1:]) for p in at_pre]
    ups = sum(window(q - p[0], known) for p, q in latest if len(p))
    return ups + sum(window(q[0] - p, known) for p, q in earlier if len(q))


def engines(rule: Rule, name: str, possible: Sequence[str]) -> Iterator[Check]:
    """Engines for known spikes beside the rule step by step, with bounds that are met."""
    for density in (0.0, 0.005, 0.02, 0.1, 0.5):
        rng = np.random.default_rng(2)
        start = rng.random((33, 17))
        pre, post = (rng.random((700, n)) < density for n in start.shape)
        results: dict[str, tuple[Floats, ...]] = {}
        for engine in ("reference", *possible):
            weight = start.copy()
            weight, traces = replay(rule, weight, pre, post, rule.init(weight, 1), engine=engine)
            results[engine] = weight, *traces
        for engine in possible:
            pairs = zip(results[engine], results["reference"], strict=True)
            error = max(float(np.abs(a - b).max()) for a, b in pairs)
            title = f"{name}, engine {engine}, density {density:g}: largest error"
            yield Check(title, 0.0, error, 1e-12, "the rule, step by step")


def poisson_drift(rule: Rule, known: Mapping[str, float]) -> Iterator[Check]:
    """Uncorrelated trains of 50 Hz; the tolerance is five standard errors over pairs of neurons."""
    rng = np.random.default_rng(3)
    seconds, p = 10.0, 0.05
    changes: list[Floats] = []
    for _ in range(40):  # blocks of neurons that share no train
        pre, post = (rng.random((round(1000 * seconds), n)) < p for n in (60, 60))
        weight = np.zeros((60, 60))
        weight, _ = replay(rule, weight, pre, post, rule.init(weight, 1), engine="block")
        changes.append(weight.mean() / seconds)
    plus, minus = (1 / np.expm1(1 / known[tau]) for tau in ("tau_plus", "tau_minus"))
    drift = 1000 * p**2 * (known["a_plus"] * plus - known["a_minus"] * minus)
    spread = float(np.std(changes) / np.sqrt(len(changes)))
    name = "pair STDP, uncorrelated 50 Hz trains: drift (1/s)"
    yield Check(name, drift, float(np.mean(changes)), 5 * spread, "r r (A+ - A-)/(exp(1/tau) - 1)")


def multiplicative_fixed_point(rule: Rule, known: Mapping[str, float]) -> Iterator[Check]:
    """Where soft bounds hold the weights of uncorrelated trains, from below and from above."""
    up = known["a_plus"] * known["tau_plus"]
    expected = up / (up + known["a_minus"] * known["tau_minus"])
    for start in (0.0, 1.0):
        rng = np.random.default_rng(4)
        weight = np.full((40, 40), start)
        state, found = rule.init(weight, 1), 0.0
        for block in range(40):
            pre, post = rng.random((500, 40)) < 0.05, rng.random((500, 40)) < 0.05
            weight, state = replay(rule, weight, pre, post, state)
            found += float(weight.mean()) / 20 if block >= 20 else 0.0
        name = f"multiplicative STDP from {start:g}: mean weight"
        yield Check(name, expected, found, 0.005, "A+tau+/(A+tau+ + A-tau-)")


def triplets(rule: Rule) -> Iterator[Check]:
    """The protocol of Sjostrom 2001; reading slow traces late gives 0.2051 for the first number."""
    source = "Pfister and Gerstner 2006, closed sum"
    after: dict[float, float] = {}
    for frequency, printed in TRIPLETS.items():
        changes = protocol(rule, frequency)
        for lag, expected, change in zip((10, -10), printed, changes, strict=True):
            name = f"triplet STDP, 60 pairs at {frequency:g} Hz, lag {lag} ms"
            yield Check(name, expected, change, 5.1e-5, source)
        after[frequency] = changes[1]
    turns = float(after[20] < 0 < after[40])
    yield Check(
        "triplet STDP, lag -10 ms: sign turns at 20-40 Hz", 1.0, turns, 0.0, "Sjostrom 2001"
    )


def reward(rule: Rule, pairs: Rule) -> Iterator[Check]:
    """What a reward makes of the change that the pairs alone would make."""
    rng = np.random.default_rng(5)
    pre, post = np.zeros((4000, 1, 3)), np.zeros((4000, 1, 2))  # silent for 19 tau_e at the end
    pre[:200] = rng.random((200, 1, 3)) < 0.1
    post[:200] = rng.random((200, 1, 2)) < 0.1
    start = np.zeros((3, 2))
    alone = pairs.run(start.copy(), pre, post, pairs.init(start, 1), 1.0)[0]
    changed: dict[float, Floats] = {}
    for value in (0.0, 1.0, -1.0, 0.5):
        state = rule.init(start, 1)
        state.reward[...] = value
        changed[value] = rule.run(start.copy(), pre, post, state, 1.0)[0]
    yield Check("no reward: largest change", 0.0, float(np.abs(changed[0.0]).max()), 0.0, "0 * e")
    turned = float(np.abs(changed[1.0] + changed[-1.0]).max())
    yield Check("reward 1 and -1: largest sum", 0.0, turned, 1e-15, "the sign is the reward's")
    for value in (1.0, 0.5):
        error = float(np.abs(changed[value] - value * alone).max())
        name = f"constant reward {value:g}: largest error"
        yield Check(name, 0.0, error, 1e-9, "reward times the pairs' change")
