"""Synapses beside what theory says of them: arrivals to the step, and the moments of a trace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from potentiate.kernels.compile import compiled
from potentiate.synapses import (
    CurrentState,
    DelayLine,
    Synapse,
    delay_line,
    exponential,
    lateral_inhibition,
)
from potentiate.verify.check import Check


def checks() -> Iterator[Check]:
    """Run every check of this module."""
    steps = (0, 1, 3, 7)
    yield from arrivals(delay_line(np.array([steps])), steps)
    yield from random_input(exponential(tau=10.0), 10.0)
    yield from inhibition(lateral_inhibition(2.0), 2.0)


def arrivals(line: DelayLine, steps: Sequence[int]) -> Iterator[Check]:
    """When a spike arrives, and that as many arrive as were sent."""
    state, step = line.start(()), compiled(line.step)
    arrived = np.zeros((30, len(steps)))
    for t in range(len(arrived)):
        state, current = step(state, np.array([t in (4, 5, 9)]), np.ones((1, len(steps))))
        arrived[t] = current
    for i, d in enumerate(steps):
        name = f"delay of {d} steps"
        yield Check(f"{name}: first arrival", 4 + d, int(arrived[:, i].argmax()), 0.0, "t + d")
        yield Check(f"{name}: arrivals", 3, float(arrived[:, i].sum()), 0.0, "spikes sent")


def random_input(synapse: Synapse[CurrentState], tau: float) -> Iterator[Check]:
    """Mean and variance of an exponential current under random input, p = r dt = 0.05."""
    p, dt, neurons, steps = 0.05, 1.0, 2000, 600
    state, step = synapse.start((neurons,)), compiled(synapse.step)
    rng = np.random.default_rng(0)
    values = np.zeros((steps, neurons))
    for t in range(steps):
        state, current = step(state, rng.random(neurons) < p, dt)
        values[t] = current
    settled, keep = values[100:], np.exp(-dt / tau)
    mean, variance = p / (1 - keep), p * (1 - p) / (1 - keep**2)
    name = f"exponential current, tau {tau:g} ms, p 0.05"
    yield Check(
        f"{name}: mean", mean, float(settled.mean()), 0.01 * mean, "p/(1-k), k=exp(-dt/tau)"
    )
    yield Check(
        f"{name}: variance", variance, float(settled.var()), 0.03 * variance, "p(1-p)/(1-k^2)"
    )


def inhibition(synapse: Synapse[CurrentState], strength: float) -> Iterator[Check]:
    """What two of five neurons that fire take from themselves and from the others."""
    fired = np.array([True, True, False, False, False])
    _, current = compiled(synapse.step)(synapse.start((5,)), fired, 1.0)
    for who, i, others in (("one that fired", 0, 1), ("one that did not", 2, 2)):
        name = f"lateral inhibition of {who}"
        yield Check(
            name, -strength * others, float(current[i]), 0.0, "strength times others that fired"
        )
