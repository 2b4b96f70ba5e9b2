"""Spike traces, and the weight change that all Hebbian rules share.

Convention, for every rule of this package: in a step, traces first decay by exp(-dt / tau), then they
are read, then the spikes of the step join them. A pair of simultaneous spikes therefore changes
nothing, and a pre-post pair n steps apart changes the weight by exactly A+ exp(-n dt / tau+). (Other
tools let simultaneous spikes potentiate, or scale the increment by dt / tau.)
"""

from __future__ import annotations

from math import exp
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from potentiate.plasticity import checks
from potentiate.plasticity.limits import Limits

Array: TypeAlias = NDArray[Any]


def silent(weight: Array, batch: int) -> tuple[Array, Array]:
    """Return traces of zero for both sides of `weight`, [batch, pre] and [batch, post]."""
    checks.matrix("init", weight)
    checks.samples("init", batch)
    n_pre, n_post = weight.shape
    return np.zeros((batch, n_pre), weight.dtype), np.zeros((batch, n_post), weight.dtype)


def per_output(weight: Array, value: float = 0.0) -> Array:
    """Return `value` for each postsynaptic neuron of `weight`, [post]."""
    checks.matrix("init", weight)
    same = np.zeros(weight.shape[1], weight.dtype)
    same.fill(value)
    return same


def decay(trace: Array, dt: float, tau: float) -> None:
    """Let `trace` [batch, n] decay by exp(-dt / tau), in place."""
    factor = exp(-dt / tau)
    for b in range(trace.shape[0]):
        for i in range(trace.shape[1]):
            trace[b, i] *= factor


def join(trace: Array, spikes: Array, nearest: bool) -> None:
    """Add `spikes` to `trace` [batch, n] in place; with `nearest` a spike sets it to 1 instead."""
    for b in range(trace.shape[0]):
        for i in range(trace.shape[1]):
            if spikes[b, i] != 0:
                trace[b, i] = 1.0 if nearest else trace[b, i] + spikes[b, i]


def modulated(spikes: Array, base: float, slope: float, trace: Array) -> Array:
    """Return spikes * (base + slope * trace), all [batch, n]."""
    found = np.zeros_like(trace)
    for b in range(trace.shape[0]):
        for i in range(trace.shape[1]):
            if spikes[b, i] != 0:
                found[b, i] = spikes[b, i] * (base + slope * trace[b, i])
    return found


def share(batch: int, mean: bool) -> float:
    """Return what one sample's change counts for: 1 / batch, or 1."""
    return 1.0 / max(batch, 1) if mean else 1.0


def change(
    weight: Array,
    up: tuple[float, Array, Array],
    down: tuple[float, Array, Array],
    part: float,
    limits: Limits,
) -> None:
    """Move `weight` by a sum over the batch, in place, and clip what was moved.

        w_ij += part * sum_b (a_up pre_bi post_bj (w_max - w_ij)^mu_plus
                              - a_down pre_bi post_bj (w_ij - w_min)^mu_minus)

    Shapes: weight [pre, post]; up and down (a, [batch, pre], [batch, post]).
    Cost: rows are passed over where nothing on their presynaptic side could move them.
    """
    a_up, up_pre, up_post = up
    a_down, down_pre, down_post = down
    raised, lowered = _active(up_post), _active(down_post)
    rise, fall = np.zeros(weight.shape[1]), np.zeros(weight.shape[1])
    for i in range(weight.shape[0]):
        moved = _gather(rise, up_pre, up_post, raised, i)
        moved = _gather(fall, down_pre, down_post, lowered, i) or moved
        if moved:
            _move(weight[i], (part * a_up, rise), (part * a_down, fall), limits)


def _active(values: Array) -> Array:
    """Which samples of `values` [batch, n] are not all zero."""
    found = np.zeros(values.shape[0], np.bool_)
    for b in range(values.shape[0]):
        for j in range(values.shape[1]):
            if values[b, j] != 0:
                found[b] = True
    return found


def _gather(into: Array, pre: Array, post: Array, active: Array, i: int) -> bool:
    moved = False
    for b in range(pre.shape[0]):
        if active[b] and pre[b, i] != 0:
            moved = True
            for j in range(into.shape[0]):
                into[j] += pre[b, i] * post[b, j]
    return moved


def _move(row: Array, up: tuple[float, Array], down: tuple[float, Array], limits: Limits) -> None:
    a_up, rise = up
    a_down, fall = down
    for j in range(row.shape[0]):
        gain = a_up * rise[j] * room(limits.w_max - row[j], limits.mu_plus)
        loss = a_down * fall[j] * room(row[j] - limits.w_min, limits.mu_minus)
        row[j] = min(max(row[j] + (gain - loss), limits.w_min), limits.w_max)
        rise[j] = 0.0
        fall[j] = 0.0


def room(gap: float, mu: float) -> float:
    """Return gap^mu, the factor of a soft bound; 1 for mu = 0, whatever the gap."""
    if mu == 0:
        return 1.0
    if mu == 1:
        return max(gap, 0.0)
    return max(gap, 0.0) ** mu


def blend(weight: Array, before: Array, factor: float) -> None:
    """Keep `factor` of the way that `weight` has come from `before`, in place."""
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            weight[i, j] = before[i, j] + factor * (weight[i, j] - before[i, j])
