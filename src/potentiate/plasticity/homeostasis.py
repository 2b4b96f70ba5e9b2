"""Rules that keep activity or weights in range: scaling, intrinsic plasticity, normalization."""

from __future__ import annotations

from math import exp
from typing import NamedTuple

import numpy as np

from potentiate.plasticity.limits import positive
from potentiate.plasticity.rule import Rule, State, stateless, with_parameters
from potentiate.plasticity.traces import Array, per_output


class Rates(NamedTuple):
    """State of `synaptic_scaling`."""

    rate: Array  # [post] in Hz, the running mean; the target to begin with


class Scaling(NamedTuple):
    """Parameters of `synaptic_scaling`."""

    target_rate: float
    tau: float
    tau_rate: float


def synaptic_scaling(target_rate: float = 10.0, tau: float = 1e5, tau_rate: float = 1000.0) -> Rule:
    """Multiply all weights of a neuron by one factor until it fires at its target rate.

        dw/dt = w (1 - r / target_rate) / tau

    r is the neuron's rate, averaged over `tau_rate` and the batch. The ratios between the weights of a
    neuron stay as they are.

    Units: target_rate in Hz; tau and tau_rate in ms; tau_rate far below tau, or rates oscillate.
    Source: Turrigiano et al. 1998; van Rossum, Bi & Turrigiano 2000.
    Cost: pre * post per step; `every(n, ...)` makes it cheap.

    Raises:
        Refused: A parameter is not positive.
    """
    positive(target_rate=target_rate, tau=tau, tau_rate=tau_rate)

    def init(weight: Array, batch: int) -> Rates:
        return Rates(per_output(weight, target_rate))

    return with_parameters(init, _scale, Scaling(target_rate, tau, tau_rate))


def _scale(
    weight: Array, pre: Array, post: Array, state: Rates, dt: float, p: Scaling
) -> tuple[Array, Rates]:
    rate = state.rate
    follow = 1.0 - exp(-dt / p.tau_rate)
    observed = weight.shape[1] if post.shape[0] > 0 else 0  # without a sample there is no rate
    for j in range(observed):
        rate[j] += follow * (1000.0 * mean_of(post, j) / dt - rate[j])
        factor = exp((1.0 - rate[j] / p.target_rate) * dt / p.tau)
        for i in range(weight.shape[0]):
            weight[i, j] *= factor
    return weight, state


class Thresholds(NamedTuple):
    """State of `intrinsic`."""

    threshold: Array  # [post] in mV, added to the neuron's own; 0 to begin with


class Intrinsic(NamedTuple):
    """Parameters of `intrinsic`."""

    target_rate: float
    eta: float


def intrinsic(target_rate: float = 10.0, eta: float = 0.05) -> Rule:
    """Move a threshold, held in the state, until the neuron fires at its target rate.

        d theta = eta (spikes - target_rate dt)

    The neuron model reads `state.threshold`; weights stay as they are. The only fixed point is the
    target rate.

    Units: target_rate in Hz; eta in mV per spike.
    Source: Triesch 2007 in spirit; the adaptive threshold of Diehl & Cook 2015 with a target in place
        of its decay.
    Cost: batch * post per step.

    Raises:
        Refused: A parameter is not positive.
    """
    positive(target_rate=target_rate, eta=eta)

    def init(weight: Array, batch: int) -> Thresholds:
        return Thresholds(per_output(weight))

    return with_parameters(init, _move_threshold, Intrinsic(target_rate, eta))


def _move_threshold(
    weight: Array, pre: Array, post: Array, state: Thresholds, dt: float, p: Intrinsic
) -> tuple[Array, Thresholds]:
    if post.shape[0] > 0:
        expected = p.target_rate * dt / 1000.0
        for j in range(post.shape[1]):
            state.threshold[j] += p.eta * (mean_of(post, j) - expected)
    return weight, state


class Total(NamedTuple):
    """Parameters of `normalize`."""

    total: float


def normalize(total: float = 78.0) -> Rule:
    """Scale the weights of each postsynaptic neuron so that their magnitudes sum to `total`.

    Ratios stay as they are; a neuron whose weights are all zero keeps them.

    Units: those of the weight.
    Source: Diehl & Cook 2015: 78 for 784 inputs, about 0.1 per input.
    Cost: 2 * pre * post per step; once per presentation is usual, `every(250, normalize())`.

    Raises:
        Refused: `total` is not positive.
    """
    positive(total=total)
    return with_parameters(stateless, _normalize, Total(total))


def _normalize(
    weight: Array, pre: Array, post: Array, state: State, dt: float, p: Total
) -> tuple[Array, State]:
    sums = np.zeros(weight.shape[1])
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            sums[j] += abs(weight[i, j])
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            if sums[j] > 0:
                weight[i, j] *= p.total / sums[j]
    return weight, state


def mean_of(values: Array, j: int) -> float:
    """Return the mean over the batch of `values` [batch, n] at neuron j; 0 for an empty batch."""
    found = 0.0
    for b in range(values.shape[0]):
        found += values[b, j]
    return found / max(values.shape[0], 1)
