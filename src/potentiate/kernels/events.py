"""Values as spikes: lists of which inputs arrive at each step, so that the cost follows the spikes."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def poisson_events(rng, rates, delays, steps, arriving, count, active):
    """Write to `arriving[t, :count[t]]` which inputs arrive at step t; return how many are `active`.

    An input of rate r fires in a step with chance 1 - exp(-r dt), because its gaps are
    floor(Exp(1) / (r dt)); a rate of infinity fires in every step. The cost follows the spikes.
    """
    count[:] = 0
    n = 0
    for i in range(rates.shape[0]):
        rate = rates[i]
        if rate > 0.0:
            end = steps - delays[i]
            gap = rng.standard_exponential() / rate
            if gap < end:
                active[n] = i
                n += 1
                t = np.int64(gap)
                while t < end:
                    at = t + delays[i]
                    arriving[at, count[at]] = i
                    count[at] += 1
                    gap = rng.standard_exponential() / rate
                    t += 1 + np.int64(min(gap, np.float64(steps)))
    return n


@njit(cache=True, nogil=True)
def latency_events(values, delays, steps, arriving, count, active):
    """As `poisson_events`, with one spike of each value above 0: the larger, the sooner."""
    count[:] = 0
    n = 0
    for i in range(values.shape[0]):
        if values[i] > 0.0:
            at = np.int64(np.round((1.0 - min(values[i], 1.0)) * (steps - 1))) + delays[i]
            if at < steps:
                active[n] = i
                n += 1
                arriving[at, count[at]] = i
                count[at] += 1
    return n
