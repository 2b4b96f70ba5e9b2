"""What plasticity keeps: metaplasticity, consolidation, and time under `every`, beside theory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import exp

import numpy as np
from numpy.typing import NDArray

from potentiate.plasticity import Rule, amplitude_decay, every, hebb, intrinsic, synaptic_scaling
from potentiate.plasticity.rule import State
from potentiate.verify.check import Check
from potentiate.verify.stdp import lag_changes

Floats = NDArray[np.float64]


def busy_neurons(rule: Rule, pairs: Rule, factor: float) -> Iterator[Check]:
    """What a pair changes in a neuron that was busy, beside a quiet one."""
    for lag, word, expected in ((10, "potentiation", 1 / factor), (-10, "depression", factor)):
        quiet = float(lag_changes(rule, [lag])[0] / lag_changes(pairs, [lag])[0])
        yield Check(f"metaplasticity, quiet neuron: {word}", 1.0, quiet, 1e-12, "below threshold")
        busy = float(_after_activity(rule, lag) / _after_activity(pairs, lag))
        source = "x 1.2 above 0.1 spikes per ms"
        yield Check(f"metaplasticity, busy neuron: {word}", expected, busy, 1e-5, source)


def _after_activity(rule: Rule, lag: int) -> float:
    """What a pair changes after 3 s at 0.2 spikes per ms and 0.3 s of silence."""
    pre, post = np.zeros((3340, 1, 1)), np.zeros((3340, 1, 1))
    post[:3000:5] = 1
    pre[3320] = post[3320 + lag] = 1
    weight = np.zeros((1, 1))
    state = rule.init(weight, 1)
    weight, state = rule.run(weight, pre[:3300], post[:3300], state, 1.0)
    before = float(weight[0, 0])
    return float(rule.run(weight, pre[3300:], post[3300:], state, 1.0)[0][0, 0]) - before


def forgetting(plain: Rule, protected: Rule, name: str) -> Iterator[Check]:
    """Two tasks: inputs that come before a neuron's spikes in the first come after them in the second."""
    lost, kept = lost_by_second_task(plain), lost_by_second_task(protected)
    source = "at most 0.7 of what is lost without"
    yield Check(f"{name}: less is forgotten", 1.0, float(0 < kept <= 0.7 * lost), 0.0, source)
    yield Check(
        f"without {name}: something is forgotten", 1.0, float(lost > 0.2), 0.0, "20 % of the gain"
    )


def lost_by_second_task(rule: Rule) -> float:
    """The share of the first task's gain in weight that is gone after the second and a rest."""
    rng = np.random.default_rng(11)
    first, second, others = slice(0, 10), slice(10, 20), slice(20, 30)
    weight = np.full((30, 1), 0.5)
    weight, state = _task(rule, weight, rule.init(weight, 1), rng, 60, (first, others))
    learned = weight[first].mean()
    weight, state = _task(rule, weight, state, rng, 5, (second, first))
    weight, _ = rule.run(weight, np.zeros((600, 1, 30)), np.zeros((600, 1, 1)), state, 100.0)
    return float((learned - weight[first].mean()) / (learned - 0.5))


def _task(
    rule: Rule,
    weight: Floats,
    state: State,
    rng: np.random.Generator,
    seconds: int,
    groups: tuple[slice, slice],
) -> tuple[Floats, State]:
    """A neuron fires at 8 Hz, 5 ms after one group of its inputs and 5 ms before another."""
    pre, post = np.zeros((1000 * seconds, 1, 30)), np.zeros((1000 * seconds, 1, 1))
    pre[:] = rng.random(pre.shape) < 0.002
    at = np.flatnonzero(rng.random(len(pre) - 10) < 0.008)
    pre[at, 0, groups[0]] = 1
    post[at + 5] = 1
    pre[at + 10, 0, groups[1]] = 1
    return rule.run(weight, pre, post, state, 1.0)


def fading_importance(rule: Rule, tau: float) -> Iterator[Check]:
    """Importance, which decays, so that no synapse is frozen for good."""
    weight = np.zeros((2, 2))
    state = rule.init(weight, 1)
    state.importance[...] = 3.0
    silence = np.zeros((1, 2))
    _, state = rule.update(weight, silence, silence, state, 2 * tau)
    left = float(state.importance[0, 0])
    yield Check("importance after 2 tau of silence", 3 * exp(-2), left, 1e-12, "dm/dt = -m/tau")


def two_speeds(rule: Rule, tau_fast: float, tau_slow: float) -> Iterator[Check]:
    """A weight and its slow copy, left alone."""
    weight = np.zeros((1, 1))
    state = rule.init(weight, 1)
    weight[...] = 1.0
    silence = np.zeros((500, 1, 1))
    weight, state = rule.run(weight, silence, silence, state, 7.0)
    fast, slow = float(weight[0, 0]), float(state.slow[0, 0])
    gap = exp(-3500 * (1 / tau_fast + 1 / tau_slow))
    source = "linear equations, solved"
    yield Check("two speeds: distance after 3.5 s", gap, fast - slow, 1e-12, source)
    kept = tau_fast * fast + tau_slow * slow
    yield Check("two speeds: tau-weighted sum", tau_fast, kept, 1e-9 * tau_slow, source)


def tiring_amplitudes(pairs: Rule, tau: float) -> Iterator[Check]:
    """The change by a pair after some time, beside the change by the first."""
    rule = amplitude_decay(pairs, tau=tau, floor=0.1)
    for ms, expected in ((0.0, 1.0), (tau, exp(-1)), (10 * tau, 0.1)):
        weight = np.zeros((1, 1))
        state = rule.init(weight, 1)
        state.elapsed[...] = ms - 1.0
        one, none = np.ones((1, 1)), np.zeros((1, 1))
        weight, state = rule.update(weight, one, none, state, 1.0)
        weight, _ = rule.update(weight, none, one, state, 1.0)
        share = float(weight[0, 0] / lag_changes(pairs, [1])[0])
        name = f"amplitude after {ms / tau:g} tau"
        yield Check(name, expected, share, 1e-12, "max(floor, exp(-t/tau))")


def same_rate(n: int) -> Iterator[Check]:
    """Rules run on each n-th step, beside the same in every step, after 3 s."""
    makers: dict[str, tuple[Callable[[], Rule], float]] = {
        "hebb": (lambda: hebb(eta=1e-3), 1e-9),
        "intrinsic": (lambda: intrinsic(target_rate=10.0), 1e-9),
        "synaptic scaling": (lambda: synaptic_scaling(10.0, tau=1e5, tau_rate=500.0), 0.01),
    }
    for name, (make, tolerance) in makers.items():
        often, rarely = _change(make()), _change(every(n, make()))
        title = f"every({n}, {name}): change beside every step"
        yield Check(title, 1.0, rarely / often, tolerance, "n dt, and the spikes of n steps")


def _change(rule: Rule) -> float:
    """The change of a weight, or of a threshold, by 3 s of steady activity."""
    pre, post = np.full((1, 2), 0.05), np.full((1, 2), 0.04)
    weight = np.ones((2, 2))
    state = rule.init(weight, 1)
    for _ in range(3000):
        weight, state = rule.update(weight, pre, post, state, 1.0)
    inner = getattr(state, "inner", state)
    threshold = getattr(inner, "threshold", np.zeros(1))
    return float(weight.sum() - 4 + threshold.sum())
