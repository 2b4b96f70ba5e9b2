"""Rules on rates: Hebb, Oja, and Bienenstock, Cooper and Munro.

They read `pre` and `post` as activity. Spikes of a step become rates per millisecond, pre / dt, so that
`every(n, rule)` learns at the same rate per millisecond; with dt = 1 any real activity may be given.
"""

from __future__ import annotations

from math import exp, inf
from typing import NamedTuple

import numpy as np

from potentiate.plasticity.limits import Limits, Reduce, limits, positive, takes_mean
from potentiate.plasticity.rule import Rule, State, stateless, with_parameters
from potentiate.plasticity.traces import Array, change, per_output, share


class Hebbian(NamedTuple):
    """Parameters of `hebb` and `oja`."""

    eta: float
    forgets: bool
    limits: Limits
    mean: bool


def hebb(
    eta: float = 1e-3,
    *,
    w_min: float = -inf,
    w_max: float = inf,
    reduce: Reduce = "mean",
) -> Rule:
    """Plain Hebbian learning, dw/dt = eta x y; without bounds it diverges.

    Units: eta in units of weight * ms. Shapes as in `Rule`.
    Source: Hebb 1949.

    Raises:
        Refused: `eta` is not positive, the bounds are empty, or `reduce` is unknown.
    """
    return _hebbian(eta, False, limits(w_min, w_max), reduce)


def oja(eta: float = 1e-3, *, reduce: Reduce = "mean") -> Rule:
    """Oja's rule, dw/dt = eta (x y - y^2 w): Hebbian learning that keeps its norm.

    For a linear neuron y = w x the weight tends to the first principal component of the inputs
    (of zero mean), with norm 1.

    Units: eta in ms. Needs eta y^2 < 1, else the step overshoots.
    Source: Oja 1982.
    Cost: batch * pre * post per step.

    Raises:
        Refused: `eta` is not positive, or `reduce` is unknown.
    """
    return _hebbian(eta, True, limits(-inf, inf), reduce)


def _hebbian(eta: float, forgets: bool, room: Limits, reduce: Reduce) -> Rule:
    positive(eta=eta)
    return with_parameters(stateless, _hebb, Hebbian(eta, forgets, room, takes_mean(reduce)))


def _hebb(
    weight: Array, pre: Array, post: Array, state: State, dt: float, p: Hebbian
) -> tuple[Array, State]:
    part = share(len(pre), p.mean) * p.eta / dt  # dt * (pre / dt) * (post / dt)
    if p.forgets:
        for j in range(weight.shape[1]):
            power = 0.0
            for b in range(post.shape[0]):
                power += post[b, j] * post[b, j]
            for i in range(weight.shape[0]):
                weight[i, j] -= part * power * weight[i, j]
    change(weight, (1.0, pre, post), (0.0, pre[:0], post[:0]), part, p.limits)
    return weight, state


class Threshold(NamedTuple):
    """State of `bcm`."""

    threshold: Array  # [post], follows <y^2> / y0; may be set by the user


class BCM(NamedTuple):
    """Parameters of `bcm`."""

    eta: float
    tau: float
    y0: float
    limits: Limits
    mean: bool


def bcm(
    eta: float = 1e-3,
    tau: float = 1000.0,
    *,
    y0: float = 1.0,
    w_min: float = 0.0,
    w_max: float = inf,
    reduce: Reduce = "mean",
) -> Rule:
    """BCM: activity above a threshold potentiates, below it depresses, and the threshold slides.

        dw/dt = eta x y (y - theta)
        d theta/dt = (y^2 / y0 - theta) / tau

    With theta at <y^2> / y0 a neuron comes to answer one of several inputs and no other. It needs a
    `tau` short against learning, or activity oscillates.

    Units: tau in ms; y0, the response at the fixed point for a single input, as y (1 / ms for spikes).
    Source: Bienenstock, Cooper & Munro 1982, with the square of Intrator & Cooper 1992.
    Cost: batch * pre * post per step.

    Raises:
        Refused: A parameter is not positive, the bounds are empty, or `reduce` is unknown.
    """
    positive(eta=eta, tau=tau, y0=y0)
    room = limits(w_min, w_max)

    def init(weight: Array, batch: int) -> Threshold:
        return Threshold(per_output(weight))

    return with_parameters(init, _bcm, BCM(eta, tau, y0, room, takes_mean(reduce)))


def _bcm(
    weight: Array, pre: Array, post: Array, state: Threshold, dt: float, p: BCM
) -> tuple[Array, Threshold]:
    theta = state.threshold
    gain = np.zeros(post.shape, weight.dtype)
    follow = 1.0 - exp(-dt / p.tau)
    for j in range(len(theta)):
        power = 0.0
        for b in range(post.shape[0]):
            y = post[b, j] / dt
            gain[b, j] = y * (y - theta[j])
            power += y * y
        if post.shape[0] > 0:
            theta[j] += follow * (power / post.shape[0] / p.y0 - theta[j])
    part = share(len(pre), p.mean) * p.eta  # dt * (pre / dt)
    change(weight, (1.0, pre, gain), (0.0, pre[:0], gain[:0]), part, p.limits)
    return weight, state
