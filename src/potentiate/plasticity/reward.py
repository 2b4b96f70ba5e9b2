"""Spike timing under reward: what pairs would change waits until a reward comes."""

from __future__ import annotations

from math import exp
from typing import NamedTuple

import numpy as np

from potentiate.plasticity.limits import Limits, Reduce, finite, limits, positive, takes_mean
from potentiate.plasticity.rule import Rule, with_parameters
from potentiate.plasticity.traces import Array, decay, join, share, silent


class Eligibility(NamedTuple):
    """State of `reward_stdp`; set the reward with `state.reward[...] = r`."""

    pre: Array  # [batch, pre]
    post: Array  # [batch, post]
    eligibility: Array  # [batch, pre, post], what pairs would change
    reward: Array  # [batch], 0 to begin with


class RewardSTDP(NamedTuple):
    """Parameters of `reward_stdp`."""

    a_plus: float
    a_minus: float
    tau_plus: float
    tau_minus: float
    tau_eligibility: float
    limits: Limits
    mean: bool


def reward_stdp(
    a_plus: float = 0.005,
    a_minus: float = 0.00525,
    tau_plus: float = 20.0,
    tau_minus: float = 20.0,
    *,
    tau_eligibility: float = 200.0,
    w_min: float = 0.0,
    w_max: float = 1.0,
    reduce: Reduce = "mean",
) -> Rule:
    """Pair STDP that waits in an eligibility trace until a reward turns it into weight.

        de/dt = -e / tau_e + (what pair STDP would change)
        dw/dt = reward * e / tau_e

    A constant reward R thus changes the weight by R times what the pairs alone would, spread over
    tau_e; without reward nothing changes; a negative reward turns the window over.

    Units: ms; reward has no unit; one reward per sample of the batch.
    Source: Florian 2007 (MSTDPET); Izhikevich 2007.
    Cost: batch * pre * post in every step, for the eligibilities; memory the same.

    Raises:
        Refused: A time constant is not positive, the bounds are empty, or `reduce` is unknown.
    """
    positive(tau_plus=tau_plus, tau_minus=tau_minus, tau_eligibility=tau_eligibility)
    finite(a_plus=a_plus, a_minus=a_minus)
    times = tau_plus, tau_minus, tau_eligibility
    room = limits(w_min, w_max)
    parameters = RewardSTDP(a_plus, a_minus, *times, room, takes_mean(reduce))

    def init(weight: Array, batch: int) -> Eligibility:
        eligibility = np.zeros((batch, *weight.shape), weight.dtype)
        return Eligibility(*silent(weight, batch), eligibility, np.zeros(batch, weight.dtype))

    return with_parameters(init, _reward, parameters)


def _reward(
    weight: Array, pre: Array, post: Array, state: Eligibility, dt: float, p: RewardSTDP
) -> tuple[Array, Eligibility]:
    x, y, e, reward = state
    decay(x, dt, p.tau_plus)
    decay(y, dt, p.tau_minus)
    left = exp(-dt / p.tau_eligibility)
    rate = share(len(pre), p.mean) * (1.0 - left)  # the integral of exp(-t / tau_e) / tau_e over dt
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            earned = 0.0
            for b in range(pre.shape[0]):
                pairs = p.a_plus * x[b, i] * post[b, j] - p.a_minus * pre[b, i] * y[b, j]
                e[b, i, j] = left * e[b, i, j] + pairs
                earned += reward[b] * e[b, i, j]
            if earned != 0:
                weight[i, j] = min(
                    max(weight[i, j] + rate * earned, p.limits.w_min), p.limits.w_max
                )
    join(x, pre, False)
    join(y, post, False)
    return weight, state
