"""The adaptive exponential integrate-and-fire neuron."""

from __future__ import annotations

from math import exp
from typing import NamedTuple

import numpy as np

from potentiate.neurons.neuron import (
    Fired,
    Floats,
    Neuron,
    require_descending,
    require_finite,
    require_positive,
)


class AdexState(NamedTuple):
    """Voltage (mV) and the adaptation current (pA)."""

    v: Floats
    w: Floats


def adex(
    *,
    capacitance: float = 281.0,
    leak: float = 30.0,
    rest: float = -70.6,
    threshold: float = -50.4,
    slope: float = 2.0,
    reset: float = -70.6,
    peak: float = 20.0,
    tau_w: float = 144.0,
    a: float = 4.0,
    b: float = 80.5,
) -> Neuron[AdexState]:
    """Adaptive exponential integrate and fire, by the midpoint rule; drive in pA.

    C dv/dt = leak (rest - v) + leak slope exp((v - threshold)/slope) - w + drive and
    tau_w dw/dt = a (v - rest) - w; where v > peak: v = reset, w += b. Units pF, nS, mV, pA.
    Take dt <= 0.1 ms: the upswing of a spike lasts less than 1 ms.

    Source: Brette and Gerstner 2005, with their parameters.
    """
    require_positive("adex", capacitance=capacitance, leak=leak, slope=slope, tau_w=tau_w)
    require_finite("adex", rest=rest, threshold=threshold, reset=reset, peak=peak, a=a, b=b)
    require_descending("adex", peak=peak, reset=reset)
    require_descending("adex", peak=peak, threshold=threshold)

    def start(shape: tuple[int, ...]) -> AdexState:
        return AdexState(np.full(shape, rest, np.float64), np.zeros(shape))

    def rise(v: float, w: float, drive: float) -> float:
        upswing = slope * exp((v - threshold) / slope)
        return (leak * (rest - v + upswing) - w + drive) / capacitance

    def step(state: AdexState, drive: Floats, dt: float) -> tuple[AdexState, Fired]:
        fired = np.zeros(state.v.shape, np.bool_)
        v, w, given, out = state.v.flat, state.w.flat, drive.flat, fired.flat
        for i in range(fired.size):
            # Halfway may lie beyond the peak, where the exponential has no meaning and no bound.
            v_half = min(peak, v[i] + dt / 2 * rise(v[i], w[i], given[i]))
            w_half = w[i] + dt / 2 * (a * (v[i] - rest) - w[i]) / tau_w
            v[i] += dt * rise(v_half, w_half, given[i])
            w[i] += dt * (a * (v_half - rest) - w_half) / tau_w
            if v[i] > peak:
                v[i], out[i] = reset, True
                w[i] += b
        return state, fired

    return Neuron(start, step)
