"""Izhikevich's neuron."""

from __future__ import annotations

from collections.abc import Mapping
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


class IzhikevichState(NamedTuple):
    """Voltage (mV) and the recovery variable, which the paper calls u and gives no unit."""

    v: Floats
    w: Floats


IZHIKEVICH: Mapping[str, Mapping[str, float]] = {
    "regular spiking": {"a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0},
    "fast spiking": {"a": 0.1, "b": 0.2, "c": -65.0, "d": 2.0},
    "bursting": {"a": 0.02, "b": 0.2, "c": -55.0, "d": 4.0},
    "chattering": {"a": 0.02, "b": 0.2, "c": -50.0, "d": 2.0},
}
"""Parameters of Izhikevich 2003, figure 2, as `izhikevich(**IZHIKEVICH["chattering"])`."""


def izhikevich(
    *, a: float = 0.02, b: float = 0.2, c: float = -65.0, d: float = 8.0, peak: float = 30.0
) -> Neuron[IzhikevichState]:
    """Izhikevich's neuron: dv/dt = 0.04 v^2 + 5 v + 140 - w + drive, dw/dt = a (b v - w).

    Where v > peak: v = c, w += d. As in the paper, v takes two half steps of Euler before w takes a
    whole one, because at dt = 1 ms one step would not be stable. The paper calls w u.

    Source: Izhikevich 2003; the defaults are regular spiking, the others are in `IZHIKEVICH`.
    """
    require_positive("izhikevich", a=a)
    require_finite("izhikevich", b=b, c=c, d=d, peak=peak)
    require_descending("izhikevich", peak=peak, c=c)

    def start(shape: tuple[int, ...]) -> IzhikevichState:
        return IzhikevichState(np.full(shape, c, np.float64), np.full(shape, b * c, np.float64))

    def step(state: IzhikevichState, drive: Floats, dt: float) -> tuple[IzhikevichState, Fired]:
        fired = np.zeros(state.v.shape, np.bool_)
        v, w, given, out = state.v.flat, state.w.flat, drive.flat, fired.flat
        for i in range(fired.size):
            for _ in range(2):
                v[i] += dt / 2 * ((0.04 * v[i] + 5) * v[i] + 140 - w[i] + given[i])
            w[i] += dt * a * (b * v[i] - w[i])
            if v[i] > peak:
                v[i], out[i] = c, True
                w[i] += d
        return state, fired

    return Neuron(start, step)
