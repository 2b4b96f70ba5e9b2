"""What is held against theory over time: spike trains, and what rules approach or keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentiate.neurons import (
    IZHIKEVICH,
    Neuron,
    adaptive_threshold_lif,
    adex,
    izhikevich,
    simulate,
)
from potentiate.plasticity import (
    Rule,
    amplitude_decay,
    bcm,
    every,
    hebb,
    importance_weighted,
    inhibitory_stdp,
    intrinsic,
    metaplasticity,
    oja,
    pair_stdp,
    synaptic_scaling,
    two_speed,
)
from potentiate.verify import rates, theory
from potentiate.verify.check import Curve
from potentiate.verify.stdp import OPEN, SONG, lag_changes

Floats = NDArray[np.float64]


def neurons() -> Iterator[Curve]:
    """Spike trains beside a solver of high order, and a threshold that rises to its balance."""
    times = theory.spike_times(
        theory.adex_equations(900.0), v=-70.6, w=0.0, peak=-20.0, reset=-70.6, jump=80.5, end=400.0
    )
    yield _train(adex(), "AdEx, 900 pA", times, drive=900.0, dt=0.01, end=400.0)
    for name, parameters in IZHIKEVICH.items():
        a, b, c, d = (parameters[key] for key in "abcd")
        times = theory.spike_times(
            theory.izhikevich_equations(10.0, a=a, b=b),
            v=c, w=b * c, peak=30.0, reset=c, jump=d, end=200.0,
        )  # fmt: skip
        neuron = izhikevich(**parameters)
        yield _train(neuron, f"Izhikevich, {name}", times, drive=10.0, dt=0.001, end=200.0)
    yield _rising_threshold(theta_plus=0.005, tau=20_000.0)


def _train(
    neuron: Neuron[Any], title: str, times: Floats, *, drive: float, dt: float, end: float
) -> Curve:
    """The time of each spike; one that is missing is not drawn, one too many stands at the end."""
    at = (np.flatnonzero(simulate(neuron, np.full(round(end / dt), drive), dt).spikes) + 1) * dt
    number = np.arange(1.0, len(times) + 1)
    measured = np.full(len(times), np.nan)
    measured[: len(at)] = at[: len(times)]
    return Curve(title, "spike", "time (ms)", number, times, measured)


def _rising_threshold(theta_plus: float, tau: float) -> Curve:
    """Between spikes that come at the rate r, theta follows d theta/dt = theta_plus r - theta / tau."""
    neuron, dt, chunk = adaptive_threshold_lif(theta_plus=theta_plus, tau_theta=tau), 0.5, 4000
    state, theta, spikes = None, [0.0], [0]
    for _ in range(40):
        trace = simulate(neuron, np.full((chunk, 1), 35.0), dt, state=state)
        state = trace.state
        theta.append(float(state.theta[0]))
        spikes.append(int(trace.spikes.sum()))
    t = dt * chunk * np.arange(float(len(theta)))
    step, expected = chunk * dt, [0.0]
    for count in spikes[1:]:
        balance = theta_plus * count / step * tau
        expected.append(balance + (expected[-1] - balance) * np.exp(-step / tau))
    return Curve(
        "Adaptive threshold",
        "time (s)",
        "theta (mV)",
        t / 1000,
        np.array(expected),
        np.array(theta),
    )


def plasticity() -> Iterator[Curve]:
    """What rules approach, and what they keep."""
    yield _inhibition(inhibitory_stdp(eta=0.01, target_rate=8.0).compiled(), 8.0)
    yield from _learned(oja(eta=0.02).compiled(), hebb(eta=0.02).compiled())
    yield _choice(bcm(eta=0.005, tau=50.0, w_min=-np.inf).compiled())
    yield _scaled(synaptic_scaling(10.0, tau=1000.0, tau_rate=100.0).compiled(), 10.0)
    yield _own_rate(intrinsic(12.0, eta=1.0).compiled(), 12.0)
    yield _busy(pair_stdp(**SONG, **OPEN))
    yield _fading(importance_weighted(pair_stdp(**SONG), protection=2.0, use=0.02, tau=1e5), 1e5)
    yield _drawn_together(two_speed(3000.0, 9000.0), 3000.0, 9000.0)
    yield _tiring(pair_stdp(**SONG, **OPEN), 5000.0)
    yield _rarely()


def _inhibition(rule: Rule, target: float) -> Curve:
    """A neuron that would fire at 30 Hz; rates over 5 s, of 8 of them."""
    rng, weight, found = np.random.default_rng(6), np.zeros((50, 8)), list[float]()
    state = rule.init(weight, 1)
    for _ in range(16):
        count = 0.0
        for _ in range(50):
            pre = (rng.random((100, 1, 50)) < 0.02).astype(float)
            chance = 0.03 * np.maximum(0.0, 1.0 - weight.mean(0))
            post = (rng.random((100, 1, 8)) < chance).astype(float)
            weight, state = rule.run(weight, pre, post, state, 1.0)
            count += post.sum()
        found.append(count / (8 * 5.0))
    t = 5.0 * np.arange(1.0, 17.0)
    return Curve(
        "Inhibitory STDP", "time (s)", "rate (Hz)", t, np.full(16, target), np.array(found)
    )


def _learned(towards: Rule, away: Rule) -> Iterator[Curve]:
    """A linear neuron with Oja's forgetting, and without any."""
    x, start = rates.samples(), np.full((5, 1), 0.3)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    steps, number = 100, np.arange(0, 1501, 100)
    for rule, title in ((towards, "Oja"), (away, "Hebb")):
        weight, lengths = start.copy(), [float(np.linalg.norm(start))]
        for _ in number[1:]:
            weight = rates.linear(rule, weight, x, steps)
            lengths.append(float(np.linalg.norm(weight)))
        parts = (vectors.T @ start[:, 0])[:, None] * (1 + 0.02 * values[:, None]) ** number
        grown = np.log10(np.linalg.norm(parts, axis=0))
        if rule is towards:
            expected, measured, label = (
                np.ones(len(number)),
                np.array(lengths),
                "norm of the weights",
            )
        else:
            expected, measured, label = grown, np.log10(lengths), "log10 of the norm"
        yield Curve(
            f"{title}, linear neuron", "step", label, number.astype(float), expected, measured
        )


def _choice(rule: Rule) -> Curve:
    """The difference of a neuron's answers to two patterns that come in turn."""
    patterns = np.array([[1.0, 0.2], [0.2, 1.0]])
    weight = np.array([[0.5], [0.4]])
    state, gaps = rule.init(weight, 2), list[float]()
    for _ in range(40):
        for _ in range(100):
            weight, state = rule.update(weight, patterns, patterns @ weight, state, 1.0)
        gaps.append(float(np.ptp(patterns @ weight)))
    steps = 100.0 * np.arange(1.0, 41.0)
    return Curve(
        "BCM", "step", "answer to one less the other", steps, np.full(40, 2.0), np.array(gaps)
    )


def _scaled(rule: Rule, target: float) -> Curve:
    """A neuron whose drive doubles after 10 s."""
    weight = np.full((8, 1), 1.0)
    state, found = rule.init(weight, 1), list[float]()
    for block in range(40):
        drive = target * (1.0 if block < 20 else 2.0)
        for _ in range(500):
            counts = drive * weight.mean(0)[None] / 1000
            weight, state = rule.update(weight, np.zeros((1, 8)), counts, state, 1.0)
        found.append(float(drive * weight.mean()))
    t = 0.5 * np.arange(1.0, 41.0)
    title = "Synaptic scaling, drive doubled at 10 s"
    return Curve(title, "time (s)", "rate (Hz)", t, np.full(40, target), np.array(found))


def _own_rate(rule: Rule, target: float) -> Curve:
    """Rate = drive - threshold approaches the target as exp(-t eta / 1000), t in ms."""
    weight, drive = np.ones((1, 1)), 20.0
    state, found = rule.init(weight, 1), list[float]()
    for _ in range(40):
        for _ in range(200):
            counts = np.maximum(0.0, drive - state.threshold)[None] / 1000
            weight, state = rule.update(weight, np.zeros((1, 1)), counts, state, 1.0)
        found.append(float(drive - state.threshold[0]))
    t = 0.2 * np.arange(1.0, 41.0)
    expected = target + (drive - target) * np.exp(-t)
    return Curve("Intrinsic plasticity", "time (s)", "rate (Hz)", t, expected, np.array(found))


def _busy(pairs: Rule) -> Curve:
    """Potentiation of a metaplastic neuron over a plain one's, against its mean activity at the pair."""
    rule, apart = metaplasticity(pairs), np.array([50, 20, 12, 9, 8, 7, 6, 5, 4])
    found = list[float]()
    for gap in apart:
        changes = list[float]()
        for each in (rule, pairs):
            pre, post = np.zeros((8340, 1, 1)), np.zeros((8340, 1, 1))
            post[:8000:gap] = 1
            pre[8320] = post[8330] = 1
            weight = np.zeros((1, 1))
            weight, state = each.run(weight, pre[:8300], post[:8300], each.init(weight, 1), 1.0)
            before = float(weight[0, 0])
            after = each.run(weight, pre[8300:], post[8300:], state, 1.0)[0]
            changes.append(float(after[0, 0]) - before)
        found.append(changes[0] / changes[1])
    activity = np.exp(-0.33) / apart  # over 1 s, after 0.33 s of silence
    expected = np.where(activity > 0.1, 1 / 1.2, 1.0)
    label = "potentiation, over without"
    return Curve("Metaplasticity", "spikes per ms", label, activity, expected, np.array(found))


def _fading(rule: Rule, tau: float) -> Curve:
    weight, silence = np.zeros((1, 1)), np.zeros((1, 1))
    state, found = rule.init(weight, 1), list[float]()
    state.importance[...] = 3.0
    for _ in range(20):
        weight, state = rule.update(weight, silence, silence, state, tau / 5)
        found.append(float(state.importance[0, 0]))
    t = 0.2 * np.arange(1.0, 21.0)
    return Curve(
        "Importance, unused", "time / tau", "importance", t, 3 * np.exp(-t), np.array(found)
    )


def _drawn_together(rule: Rule, tau_fast: float, tau_slow: float) -> Curve:
    """A weight less its slow copy, left alone."""
    weight = np.zeros((1, 1))
    state, found = rule.init(weight, 1), list[float]()
    weight[...] = 1.0
    for _ in range(25):
        weight, state = rule.run(weight, np.zeros((50, 1, 1)), np.zeros((50, 1, 1)), state, 7.0)
        found.append(float(weight[0, 0] - state.slow[0, 0]))
    t = 350.0 * np.arange(1.0, 26.0)
    expected = np.exp(-t * (1 / tau_fast + 1 / tau_slow))
    return Curve(
        "Two speeds", "time (s)", "weight less slow weight", t / 1000, expected, np.array(found)
    )


def _tiring(pairs: Rule, tau: float) -> Curve:
    rule, found = amplitude_decay(pairs, tau=tau, floor=0.1), list[float]()
    ms = np.linspace(0.0, 4 * tau, 25)
    first, one, none = float(lag_changes(pairs, [1])[0]), np.ones((1, 1)), np.zeros((1, 1))
    for elapsed in ms:
        weight = np.zeros((1, 1))
        state = rule.init(weight, 1)
        state.elapsed[...] = elapsed - 1.0
        weight, state = rule.update(weight, one, none, state, 1.0)
        weight, _ = rule.update(weight, none, one, state, 1.0)
        found.append(float(weight[0, 0]) / first)
    expected = np.maximum(0.1, np.exp(-ms / tau))
    return Curve(
        "Amplitude decay", "time (s)", "share of the first", ms / 1000, expected, np.array(found)
    )


def _rarely() -> Curve:
    """Hebb's rule on each n-th step: the change over that of every step."""
    numbers = np.array([1, 2, 3, 5, 10, 20, 50, 100])

    def change(make: Callable[[], Rule]) -> float:
        rule, weight = make(), np.ones((2, 2))
        pre, post = np.full((3000, 1, 2), 0.05), np.full((3000, 1, 2), 0.04)
        return float(rule.run(weight, pre, post, rule.init(weight, 1), 1.0)[0].sum()) - 4

    often = change(lambda: hebb(eta=1e-3))
    found = np.array([change(lambda n=int(n): every(n, hebb(eta=1e-3))) / often for n in numbers])
    label = "change, over that of every step"
    return Curve("every(n, Hebb)", "n", label, numbers.astype(float), np.ones(len(numbers)), found)
