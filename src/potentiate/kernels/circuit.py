"""Presentations to a spiking circuit that learns: inputs, competing hidden neurons, outputs.

One step is 1 ms. u is the membrane above rest; x and y are the traces of inputs and hidden neurons.

    hidden   u <- u exp(-1/tau) + sum of the weights of the inputs that arrive + baseline - inhibition
             fires where u > threshold + theta; then u <- reset and theta <- theta + theta_plus, which
             fades once per presentation
    traces   x, y <- 1 at a spike, else x exp(-1/tau_trace): nearest-spike pairing
    pair     at a spike of the input    w <- max(w - a_minus y f, 0)
             at a spike of the neuron   w <- min(w + a_plus x f, w_max)
             f = 1 / (1 + protection m); importance m grows by `increment` x at a spike of the neuron
    after    each presentation m <- m fading; every `normalize_every` of them the columns of w (of every one: those
             of the neurons that fired) are scaled to the sum `total`; then, every `consolidate_every` of them,
             w, s <- w + recall (s - w), s + consolidation (w - s)
    output   adds the weights v of the hidden spikes that arrive; fires and subtracts its threshold
    outstar  at a hidden spike  v <- v + rate (z - v), z the trace of the output: v comes to be the
             chance of that output when this neuron fires

Traces at t hold the spikes of t. Membranes and traces start at zero in every presentation; so only
neurons that fired in it have a trace, and depression touches their columns of the arriving rows alone.
With `event_driven` off every trace and weight is visited in every step: the same numbers, the slow way.
The definition, with every trace and weight in every step, is in the tests, which compare both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from potentiate.kernels.events import latency_events, poisson_events
from potentiate.kernels.projection import (
    NEVER,
    consolidate,
    depress,
    fade,
    gather,
    normalize,
    potentiate,
)


class Physiology(NamedTuple):
    """Constants of a circuit in mV and steps of 1 ms; floats are float32."""

    steps: int
    rate: Any
    latency: bool
    decay: Any
    threshold: Any
    reset: Any
    refractory: int
    inhibition: Any
    single: bool
    baseline: Any
    baseline_cached: bool
    theta_plus: Any
    theta_decay: Any
    trace_decay: Any
    a_plus: Any
    a_minus: Any
    w_max: Any
    total: Any
    normalize_every: int
    protection: Any
    increment: Any
    fading: Any
    consolidate_every: int
    recall: Any
    consolidation: Any
    teacher: Any
    fade: Any
    delay: int
    output_threshold: Any
    output_inhibition: Any
    outstar: Any
    event_driven: bool


class Circuit(NamedTuple):
    """What learning changes, and the wiring; C-contiguous arrays, float32 but for the delays.

    Shapes: weight [inputs, hidden]; importance the same or [0, 0]; theta [hidden];
    readout [hidden, outputs]; delays [inputs] in steps; slow as the weight or [0, 0].
    """

    weight: Any
    importance: Any
    theta: Any
    readout: Any
    delays: Any
    slow: Any


@njit(cache=True, nogil=True)
def integrate(u, theta, until, drive, base, t, inhibition, p):
    """Advance membranes by one step; return how many neurons are above threshold."""
    zero = np.float32(0.0)
    over = 0
    for j in range(u.shape[0]):
        into = drive[j] + base[j] if until[j] <= t else zero
        potential = u[j] * p.decay + into - inhibition
        u[j] = potential
        over += potential > p.threshold + theta[j]
    return over


@njit(cache=True, nogil=True)
def choose(u, theta, p, now):
    """Write who fires to `now`: all above threshold, or the one furthest above it; return how many."""
    n = 0
    best = np.float32(0.0)
    for j in range(u.shape[0]):
        above = u[j] - (p.threshold + theta[j])
        if above > np.float32(0.0):
            if not p.single:
                now[n] = j
                n += 1
            elif above > best:
                best = above
                now[0] = j
                n = 1
    return n


@njit(cache=True, nogil=True)
def respond(readout, ring, potential, trace, score, now, n, t, label, teacher, learn, p):
    """Advance the outputs by one step, in which `n` hidden neurons fire; with `learn`, teach them."""
    one = np.float32(1.0)
    inhibition = np.float32(0.0)
    arrives = (t + p.delay) % ring.shape[0]
    for f in range(n):
        for o in range(potential.shape[0]):
            ring[arrives, o] += readout[now[f], o]
    slot = ring[t % ring.shape[0]]
    for o in range(potential.shape[0]):
        potential[o] += slot[o] + (teacher if o == label else np.float32(0.0))
        slot[o] = np.float32(0.0)
        trace[o] *= p.trace_decay
        if potential[o] > p.output_threshold:
            potential[o] -= p.output_threshold
            trace[o] = one
            score[o] += one
            inhibition += p.output_inhibition
    for o in range(potential.shape[0]):
        if trace[o] != one:
            potential[o] -= inhibition
    if learn:
        for f in range(n):
            for o in range(potential.shape[0]):
                readout[now[f], o] += p.outstar * (trace[o] - readout[now[f], o])


@njit(cache=True, nogil=True)
def settle(circuit, p, age, fired, n_fired, neurons, factor):
    """Do what is due after presentation number `age`, in which `n_fired` neurons fired."""
    weight, importance, _, _, _, slow = circuit
    fade(importance, p.fading)
    if p.normalize_every == 1:  # the sums of the others are as they were
        normalize(weight, fired, n_fired, p.total, p.w_max, factor)
    elif p.normalize_every > 1 and age % p.normalize_every == 0:
        normalize(weight, neurons, neurons.shape[0], p.total, p.w_max, factor)
    if slow.size and p.consolidate_every > 0 and age % p.consolidate_every == 0:
        consolidate(weight, slow, p.recall, p.consolidation)


@njit(cache=True, nogil=True)
def present(circuit, p, images, labels, rng, learn, age, spikes, scores):
    """Present `images` one after another; with `learn`, learn from each.

    Args:
        circuit: Changed in place when it learns.
        p: The constants.
        images: float32 [n, inputs], in [0, 1].
        labels: int64 [n]; -1 has no teacher.
        rng: A NumPy generator; read for Poisson spikes only.
        learn: Whether weights, thresholds and importance change.
        age: Presentations that were learned from before; says what is due.
        spikes: int32 [n, hidden] of zeros; how often each neuron fires is added.
        scores: float32 [n, outputs] of zeros; output spikes, and the rest on the membrane in units of
            the threshold, are added.

    Cost: a step of S arriving spikes reads S rows and a few vectors of `hidden`; what learns follows
    the spikes.
    """
    weight, importance, theta, readout, delays, _ = circuit
    inputs, hidden = weight.shape
    outputs, steps = readout.shape[1], p.steps
    zero = np.float32(0.0)
    arriving = np.empty((steps, inputs), np.int32)
    count, active = np.zeros(steps, np.int32), np.empty(inputs, np.int32)
    sources, neurons = np.arange(inputs).astype(np.int32), np.arange(hidden).astype(np.int32)
    change = np.empty(hidden, np.float32)
    drive, u = np.zeros(hidden, np.float32), np.zeros(hidden, np.float32)
    base = np.full(hidden, p.baseline, np.float32)
    until, now = np.zeros(hidden, np.int32), np.empty(hidden, np.int32)
    fired_in, fired_at = np.full(inputs, NEVER, np.int32), np.full(hidden, NEVER, np.int32)
    fired = np.empty(hidden, np.int32)
    powers = np.ones(steps + 1, np.float32)
    for t in range(steps):
        powers[t + 1] = powers[t] * p.trace_decay
    ring = np.zeros((p.delay + 1, outputs), np.float32)
    potential, trace = np.zeros(outputs, np.float32), np.zeros(outputs, np.float32)
    for s in range(images.shape[0]):
        if p.latency:
            n_active = latency_events(images[s], delays, steps, arriving, count, active)
        else:
            rates = images[s] * p.rate
            n_active = poisson_events(rng, rates, delays, steps, arriving, count, active)
        u[:], until[:], ring[:], potential[:], trace[:] = zero, 0, zero, zero, zero
        if learn:
            for j in range(hidden):
                theta[j] *= p.theta_decay
        n_fired, n_now = 0, 0
        label = labels[s] if learn else -1
        teacher = p.teacher
        for t in range(steps):
            rows, k = arriving[t], count[t]
            gather(weight, rows, k, drive)
            if not p.baseline_cached:
                base[:] = p.baseline
            inhibition = p.inhibition * np.float32(n_now)
            for f in range(n_now):  # no neuron inhibits itself
                u[now[f]] += p.inhibition / p.decay
            over = integrate(u, theta, until, drive, base, t, inhibition, p)
            n_now = choose(u, theta, p, now) if over > 0 else 0
            for f in range(n_now):
                j = now[f]
                u[j] = p.reset
                until[j] = t + 1 + p.refractory
                spikes[s, j] += 1
                if learn:
                    theta[j] += p.theta_plus
                    if fired_at[j] == NEVER:
                        fired[n_fired] = j
                        n_fired += 1
                    fired_at[j] = t
            if learn:
                for r in range(k):
                    fired_in[rows[r]] = t
                if p.event_driven:
                    depress(
                        weight, importance, rows, k, fired, n_fired, fired_at, powers, t, change, p
                    )
                    potentiate(
                        weight, importance, now, n_now, active, n_active, fired_in, powers, t, p
                    )
                else:
                    depress(
                        weight, importance, rows, k, neurons, hidden, fired_at, powers, t, change, p
                    )
                    potentiate(
                        weight, importance, now, n_now, sources, inputs, fired_in, powers, t, p
                    )
            if outputs:
                respond(
                    readout,
                    ring,
                    potential,
                    trace,
                    scores[s],
                    now,
                    n_now,
                    t,
                    label,
                    teacher,
                    learn,
                    p,
                )
                teacher *= p.fade
        for o in range(outputs):
            scores[s, o] += potential[o] / p.output_threshold
        for a in range(n_active):
            fired_in[active[a]] = NEVER
        if learn:
            settle(circuit, p, age + s + 1, fired, n_fired, neurons, change)
        for f in range(n_fired):
            fired_at[fired[f]] = NEVER
