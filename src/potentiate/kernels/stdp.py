"""Pair STDP over a window of recorded spikes, in two ways that give what the rule gives step by step.

Because the spikes are given, a row of the weight (one presynaptic neuron) does not depend on the
others, so it goes through the whole window while it stays in the first cache.

- `pair_event`: a row visits the steps in which its neuron or a postsynaptic one spiked; its trace
  decays lazily, over the steps since its last event.
- `pair_block`: traces by a scan over time, then two matrix products. This is exact as long as no
  weight can meet a bound inside the window, which the products tell; the synapses that could are
  taken through the window step by step. Additive rule only.

The definition is `pair_stdp` in `potentiate.plasticity.stdp`; both agree with it to rounding (1e-12 of
the range of weights in float64, 1e-5 in float32, over 1000 steps).

Shapes: weight [pre, post]; pre [pre, time] and post [time, post] in the dtype of the weight;
    x [pre] and y [post] the traces. weight, x and y are changed in place.
Cost: event pre * post * time * (share of spiking inputs + share of spiking outputs);
    block 4 * pre * post * time multiply-adds at the speed of a matrix product.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.floating]


class Pairs(NamedTuple):
    """The rule: amplitudes, decay per step, range and exponents of the weight, pairing."""

    a_plus: float
    a_minus: float
    decay_plus: float
    decay_minus: float
    w_min: float
    w_max: float
    mu_plus: float
    mu_minus: float
    nearest: bool


def pair_event(weight: Array, pre: Array, post: Array, x: Array, y: Array, rule: Pairs) -> None:
    """Go through the events of a window; see the module's text for shapes."""
    _rows(weight, pre, post, x, _read(post, y, rule.decay_minus, rule.nearest), rule)
    _last(pre, x, rule.decay_plus, rule.nearest)


def pair_block(weight: Array, pre: Array, post: Array, x: Array, y: Array, rule: Pairs) -> None:
    """Go through a window by matrix products; see the module's text for shapes."""
    read_y = _read(post, y, rule.decay_minus, rule.nearest)
    read_x = _read(np.ascontiguousarray(pre.T), x, rule.decay_plus, rule.nearest)
    _settle(weight, pre, post, read_x, read_y, read_x.T @ post, pre @ read_y, rule)


@njit(cache=True)
def _read(spikes, trace, decay, nearest):
    """Traces as each step reads them [time, n]; `trace` [n] is left as after the window."""
    read = np.empty_like(spikes)
    factor = trace.dtype.type(decay)
    for t in range(spikes.shape[0]):
        for j in range(spikes.shape[1]):
            value = trace[j] * factor
            read[t, j] = value
            if spikes[t, j] != 0:
                value = trace.dtype.type(1) if nearest else value + spikes[t, j]
            trace[j] = value
    return read


@njit(cache=True)
def _last(spikes, trace, decay, nearest):
    """Leave `trace` [n] as after the window of `spikes` [n, time]."""
    steps = spikes.shape[1]
    for i in range(spikes.shape[0]):
        last = -1
        for t in range(steps):
            if spikes[i, t] != 0:
                earlier = trace[i] * decay ** (t - last)
                trace[i] = 1.0 if nearest else earlier + spikes[i, t]
                last = t
        trace[i] *= decay ** (steps - 1 - last)


@njit(cache=True)
def _settle(weight, pre, post, read_x, read_y, rise, fall, rule):
    """Add the products to the weight; step through time with the synapses that may meet a bound."""
    met = np.empty(weight.shape[1], np.bool_)
    for i in range(weight.shape[0]):
        _may_meet(met, weight[i], rise[i], fall[i], rule)
        columns = np.flatnonzero(met)
        if 4 * len(columns) > len(met):  # gathering most of a row costs more than doing all of it
            _step_through(weight[i], pre[i], read_x[:, i], post, read_y, rule)
            continue
        if len(columns) > 0:
            some = weight[i][columns]
            _step_through(some, pre[i], read_x[:, i], post[:, columns], read_y[:, columns], rule)
        for j in range(len(met)):
            weight[i, j] += rule.a_plus * rise[i, j] - rule.a_minus * fall[i, j]
        if len(columns) > 0:
            weight[i][columns] = some


@njit(cache=True)
def _may_meet(met, row, rise, fall, rule):
    kind = row.dtype.type
    a_plus, a_minus = kind(rule.a_plus), kind(rule.a_minus)
    for j in range(len(row)):
        up, down = a_plus * rise[j], a_minus * fall[j]
        highest = row[j] + (max(up, 0) - min(down, 0))
        lowest = row[j] + (min(up, 0) - max(down, 0))
        met[j] = highest > rule.w_max or lowest < rule.w_min


@njit(cache=True)
def _step_through(row, pre, x, post, y, rule):
    for t in range(len(pre)):
        if pre[t] != 0 or x[t] != 0:
            _whole_row(row, x[t], pre[t], post[t], y[t], rule)


@njit(cache=True)
def _rows(weight, pre, post, x, read_y, rule):
    """Take each row through the window; `x` [pre] are their traces before it."""
    first, fired = _fired(post)
    power = np.empty(pre.shape[1] + 1, weight.dtype)
    for k in range(len(power)):
        power[k] = rule.decay_plus**k
    additive = rule.mu_plus == 0 and rule.mu_minus == 0
    many = post.shape[1] // 8  # outputs that spike at once for which a pass over the row is quicker
    for i in range(weight.shape[0]):
        trace, last = x[i], -1
        for t in range(pre.shape[1]):
            spike = pre[i, t]
            events = fired[first[t] : first[t + 1]]
            if spike == 0 and len(events) == 0:
                continue
            trace, last = trace * power[t - last], t
            if additive and (spike != 0 or len(events) > many):
                _whole_row(weight[i], trace, spike, post[t], read_y[t], rule)
            elif spike != 0:
                _whole_row_soft(weight[i], trace, spike, post[t], read_y[t], rule)
            elif trace != 0:
                _fired_columns(weight[i], trace, post[t], events, rule)
            if spike != 0:
                trace = weight.dtype.type(1) if rule.nearest else trace + spike


@njit(cache=True)
def _fired(post):
    """The columns that spike in each step: fired[first[t] : first[t + 1]]."""
    first = np.zeros(post.shape[0] + 1, np.int64)
    for t in range(post.shape[0]):
        first[t + 1] = first[t] + np.count_nonzero(post[t])
    fired = np.empty(first[-1], np.int64)
    k = 0
    for t in range(post.shape[0]):
        for j in range(post.shape[1]):
            if post[t, j] != 0:
                fired[k] = j
                k += 1
    return first, fired


@njit(cache=True)
def _whole_row(row, trace, spike, post, y, rule):
    kind = row.dtype.type
    up, down = kind(rule.a_plus * trace), kind(rule.a_minus * spike)
    low, high = kind(rule.w_min), kind(rule.w_max)
    for j in range(len(row)):
        row[j] = min(max(row[j] + (up * post[j] - down * y[j]), low), high)


@njit(cache=True)
def _whole_row_soft(row, trace, spike, post, y, rule):
    for j in range(len(row)):
        gain = 0.0
        if post[j] != 0:
            gain = rule.a_plus * trace * post[j] * _room(rule.w_max - row[j], rule.mu_plus)
        loss = rule.a_minus * spike * y[j] * _room(row[j] - rule.w_min, rule.mu_minus)
        row[j] = min(max(row[j] + (gain - loss), rule.w_min), rule.w_max)


@njit(cache=True)
def _fired_columns(row, trace, post, events, rule):
    for j in events:
        gain = rule.a_plus * trace * post[j] * _room(rule.w_max - row[j], rule.mu_plus)
        row[j] = min(max(row[j] + gain, rule.w_min), rule.w_max)


@njit(cache=True)
def _room(gap, mu):
    if mu == 0:
        return 1.0
    if mu == 1:
        return max(gap, 0.0)
    return max(gap, 0.0) ** mu
