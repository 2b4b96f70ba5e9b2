"""Synapses: what becomes of a spike between the neuron that fires it and the neuron that feels it.

Written as neurons are: a pair of functions, `start` and `step`, plain Python over arrays that
`kernels.compile.compiled` compiles as they stand. Times in ms; arguments of `step` are donated.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentiate.errors import Refused
from potentiate.neurons.neuron import (
    Floats,
    Steps,
    require_finite,
    require_not_negative,
    require_positive,
)

Spikes = NDArray[np.bool_] | NDArray[np.float64]
State = TypeVar("State", bound="tuple[NDArray[Any], ...]")


class Synapse(NamedTuple, Generic[State]):
    """`start(shape) -> state` and `step(state, spikes, dt) -> (state, current)`.

    Spikes are booleans or counts, and the current has their shape and is the state's own array:
    it is good until the next step.
    """

    start: Callable[[tuple[int, ...]], State]
    step: Callable[[State, Spikes, float], tuple[State, Floats]]


class CurrentState(NamedTuple):
    """What the synapse gives at present."""

    current: Floats


def exponential(*, tau: float, jump: float = 1.0) -> Synapse[CurrentState]:
    """A current, or trace, that each spike raises by `jump` and that decays with `tau`.

    It decays first and adds then, so that it holds the spikes of its own step in full. Spikes at
    r per second keep it at jump * r * tau / 1000 on average, to first order in dt / tau.
    """
    require_positive("exponential", tau=tau)
    require_finite("exponential", jump=jump)

    def step(state: CurrentState, spikes: Spikes, dt: float) -> tuple[CurrentState, Floats]:
        current, came = state.current.flat, spikes.flat
        keep = exp(-dt / tau)
        for i in range(state.current.size):
            current[i] = current[i] * keep + jump * came[i]
        return state, state.current

    return Synapse(_silent, step)


def lateral_inhibition(strength: float) -> Synapse[CurrentState]:
    """Every neuron that fired takes `strength` from the drive of all the others at the next step.

    The last axis is the population; the axes before it are independent. Give it the spikes of step
    t and add the current it returns to the drive of step t + 1. Cost: one pass, not one per pair.
    """
    require_not_negative("lateral_inhibition", strength=strength)

    def start(shape: tuple[int, ...]) -> CurrentState:
        if not shape:
            raise Refused("lateral_inhibition: a population has an axis; give (1,) for one neuron")
        return _silent(shape)

    def step(state: CurrentState, spikes: Spikes, dt: float) -> tuple[CurrentState, Floats]:
        current, came = state.current.flat, spikes.flat
        size = spikes.shape[-1]
        for first in range(0, spikes.size, max(1, size)):
            total = 0.0
            for i in range(first, first + size):
                total += came[i]
            for i in range(first, first + size):
                current[i] = strength * (came[i] - total)
        return state, state.current

    return Synapse(start, step)


class DelayState(NamedTuple):
    """What is on its way.

    `arriving` [longest + 1, ..., post] is a ring with one row for each step to come, `now` [] the
    row of the present step, `delays` [pre, post] whole steps.
    """

    arriving: Floats
    now: Steps
    delays: Steps


class DelayLine(NamedTuple):
    """`start(axes) -> state` and `step(state, spikes, weight) -> (state, current)`.

    Spikes are [..., pre] booleans or counts, the weight is [pre, post], the current [..., post] with
    the axes that `start` was given in front: () for one presentation, (batch,) for many.
    """

    start: Callable[[tuple[int, ...]], DelayState]
    step: Callable[[DelayState, Spikes, Floats], tuple[DelayState, Floats]]


def delay_line(delays: ArrayLike) -> DelayLine:
    """Connections that each deliver their weight a whole number of steps after the spike.

    A spike at step t over a connection with delay d adds the weight of step t to the current of step
    t + d; a delay of 0 delivers in the same step. Only the rows of neurons that fired are visited.

    Args:
        delays: [pre, post], in steps: round(delay / dt).

    Raises:
        Refused: A delay is negative or no whole number, or the array is not a matrix.
    """
    try:
        whole = np.asarray(delays)
    except (TypeError, ValueError, RuntimeError):  # ragged, or on another device
        whole = np.array("")
    if whole.ndim != 2 or not np.issubdtype(whole.dtype, np.integer) or (whole < 0).any():
        raise Refused("delay_line: delays are whole steps from 0 on; give integers as [pre, post]")
    longest, post = int(whole.max(initial=0)), whole.shape[1]

    def start(axes: tuple[int, ...] = ()) -> DelayState:
        ring = np.zeros((longest + 1, *axes, post))
        return DelayState(ring, np.zeros((), np.int64), whole.astype(np.int64))

    return DelayLine(start, _deliver)


def _deliver(state: DelayState, spikes: Spikes, weight: Floats) -> tuple[DelayState, Floats]:
    arriving, now, delays = state
    ring, came = arriving.reshape(len(arriving), -1), spikes.flat
    pre, post = delays.shape
    for i in range(spikes.size):
        if came[i]:
            first, source = i // pre * post, i % pre
            for j in range(post):
                row = (now[()] + delays[source, j]) % len(ring)
                ring[row, first + j] += came[i] * weight[source, j]
    current = arriving[now[()]].copy()
    ring[now[()]] = 0.0
    now[()] = (now[()] + 1) % len(ring)
    return state, current


def _silent(shape: tuple[int, ...]) -> CurrentState:
    return CurrentState(np.zeros(shape))
