"""Rules that protect what was learned: importance, a slow copy, and amplitudes that tire."""

from __future__ import annotations

from math import exp
from typing import NamedTuple

import numpy as np

from potentiate.plasticity import checks
from potentiate.plasticity.limits import not_negative, positive, share
from potentiate.plasticity.rule import Rule, State, with_parameters
from potentiate.plasticity.stdp import pair_stdp
from potentiate.plasticity.traces import Array, blend, decay, join, silent

PAIRS = pair_stdp()


class Importance(NamedTuple):
    """State of `importance_weighted`."""

    importance: Array  # [pre, post], m
    pre: Array  # [batch, pre], the trace that says which synapses took part in a spike
    inner: State


class Protection(NamedTuple):
    """Parameters of `importance_weighted`."""

    protection: float
    use: float
    tau: float
    tau_trace: float


def importance_weighted(
    rule: Rule = PAIRS,
    *,
    protection: float = 0.5,
    use: float = 0.005,
    tau: float = 60_000.0,
    tau_trace: float = 20.0,
) -> Rule:
    """Slow down the change of synapses that were used, for as long as their use is remembered.

        dw = (what `rule` changes) / (1 + protection m)
        dm/dt = -m / tau + use * x at each postsynaptic spike

    x is a presynaptic trace. A synapse that is no longer used becomes plastic again, because m decays.

    Units: tau and tau_trace in ms. Use is averaged over the batch.
    Source: the form of Kirkpatrick et al. 2017's protection, made local, with a decay.
    Cost: a copy of the weight and pre * post per step.

    Raises:
        Refused: A time constant is not positive, `protection` or `use` is negative, or `rule` is none.
    """
    positive(tau=tau, tau_trace=tau_trace)
    not_negative(protection=protection, use=use)
    checks.rules("importance_weighted", rule)
    update_inner = rule.update
    p = Protection(float(protection), float(use), float(tau), float(tau_trace))

    def init(weight: Array, batch: int) -> Importance:
        trace, _ = silent(weight, batch)
        return Importance(np.zeros_like(weight), trace, rule.init(weight, batch))

    def update(
        weight: Array, pre: Array, post: Array, state: Importance, dt: float
    ) -> tuple[Array, Importance]:
        before = weight.copy()
        weight, inner = update_inner(weight, pre, post, state.inner, dt)
        _protect(weight, before, state.importance, p.protection)
        _remember(state.importance, state.pre, pre, post, dt, p)
        return weight, Importance(state.importance, state.pre, inner)

    return Rule(init, update)


def _protect(weight: Array, before: Array, m: Array, protection: float) -> None:
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            moved = weight[i, j] - before[i, j]
            if moved != 0:
                weight[i, j] = before[i, j] + moved / (1.0 + protection * m[i, j])


def _remember(m: Array, x: Array, pre: Array, post: Array, dt: float, p: Protection) -> None:
    decay(m, dt, p.tau)
    decay(x, dt, p.tau_trace)
    for b in range(post.shape[0]):
        for j in range(post.shape[1]):
            if post[b, j] != 0:
                for i in range(m.shape[0]):
                    m[i, j] += p.use / post.shape[0] * x[b, i] * post[b, j]
    join(x, pre, False)


class Slow(NamedTuple):
    """State of `two_speed`."""

    slow: Array  # [pre, post], equal to the weight to begin with


class TwoSpeed(NamedTuple):
    """Parameters of `two_speed`."""

    tau_fast: float
    tau_slow: float


def two_speed(tau_fast: float = 1e4, tau_slow: float = 1e6) -> Rule:
    """Couple the weight to a slow copy of itself; chain it after the rule that learns.

        dw/dt = (slow - w) / tau_fast
        d slow/dt = (w - slow) / tau_slow

    What lasts moves the slow copy; what does not is pulled back. The step is the exact solution, so
    neither `every` nor a large dt changes it.

    Units: ms; tau_fast far above a presentation, tau_slow far above tau_fast.
    Source: Benna & Fusi 2016, with two of its chain of variables.
    Cost: pre * post per step.

    Raises:
        Refused: A time constant is not positive.
    """
    positive(tau_fast=tau_fast, tau_slow=tau_slow)

    def init(weight: Array, batch: int) -> Slow:
        checks.matrix("init", weight)
        return Slow(weight.copy())

    return with_parameters(init, _couple, TwoSpeed(tau_fast, tau_slow))


def _couple(
    weight: Array, pre: Array, post: Array, state: Slow, dt: float, p: TwoSpeed
) -> tuple[Array, Slow]:
    fast, slow = 1.0 / p.tau_fast, 1.0 / p.tau_slow
    closed = (1.0 - exp(-dt * (fast + slow))) / (fast + slow)
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            gap = closed * (state.slow[i, j] - weight[i, j])
            weight[i, j] += fast * gap
            state.slow[i, j] -= slow * gap
    return weight, state


class Tired(NamedTuple):
    """State of `amplitude_decay`."""

    elapsed: Array  # [1] in ms
    inner: State


def amplitude_decay(rule: Rule = PAIRS, *, tau: float = 2e6, floor: float = 0.1) -> Rule:
    """Let the amplitudes of `rule` decay with the time it has run, down to a floor.

        dw = (what `rule` changes) * max(floor, exp(-t / tau))

    Units: tau in ms; floor a share of the first amplitude. The default halves them in 23 minutes of
        biological time (0.9999 every 200 ms).
    Cost: a copy of the weight and pre * post per step.

    Raises:
        Refused: `tau` is not positive, `floor` lies outside [0, 1], or `rule` is none.
    """
    positive(tau=tau)
    share(floor=floor)
    checks.rules("amplitude_decay", rule)
    update_inner = rule.update

    def init(weight: Array, batch: int) -> Tired:
        return Tired(np.zeros(1), rule.init(weight, batch))

    def update(
        weight: Array, pre: Array, post: Array, state: Tired, dt: float
    ) -> tuple[Array, Tired]:
        left = max(floor, exp(-state.elapsed[0] / tau))
        before = weight.copy()
        weight, inner = update_inner(weight, pre, post, state.inner, dt)
        blend(weight, before, left)
        state.elapsed[0] += dt
        return weight, Tired(state.elapsed, inner)

    return Rule(init, update)
