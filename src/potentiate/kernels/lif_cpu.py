"""The loops of `potentiate.kernels.lif` for the CPU: a step, its derivative, and both over time.

Arrays are [time, neurons]. The loops over neurons have no branch and no dependence, so that the
compiler vectorizes them, and products are not fused, so that the spikes are those of the reference.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from potentiate.kernels.surrogate import slopes

TILE = 256  # neurons; their history stays in the first two caches


class Dynamics(NamedTuple):
    """The scalars of the equations as the kernels take them, alike for all of a call's neurons."""

    beta: float
    threshold: float
    zero: bool
    detach: bool
    surrogate: int
    alpha: float

    def cast(self, kind: type[np.floating[Any]]) -> Dynamics:
        """Return them in the type of the arrays, which keeps float32 from becoming float64."""
        return Dynamics(
            kind(self.beta),
            kind(self.threshold),
            bool(self.zero),
            bool(self.detach),
            int(self.surrogate),
            kind(self.alpha),
        )


@njit(cache=True, nogil=True, error_model="numpy")
def integrate(m, drive, u, spikes, rule):
    """Advance neurons by a step: their membranes `m` in place, v - threshold in `u`, and `spikes`."""
    one, zero = m.dtype.type(1), m.dtype.type(0)
    for i in range(m.size):
        v = rule.beta * m[i] + drive[i]
        fires = v >= rule.threshold
        u[i] = v - rule.threshold
        spikes[i] = one if fires else zero
        m[i] = (zero if rule.zero else v - rule.threshold) if fires else v


@njit(cache=True, nogil=True, error_model="numpy")
def differentiate(g, grad_spikes, u, slope, grad_drive, rule):
    """Go back by a step: `g` from the gradient of m_t to that of m_{t-1}, that of v_t in `grad_drive`.

    `slope` is room for the surrogate derivatives.
    """
    slopes(rule.surrogate, rule.alpha, u, slope)
    one, zero = g.dtype.type(1), g.dtype.type(0)
    for i in range(g.size):
        drop = u[i] + rule.threshold if rule.zero else rule.threshold  # what a spike takes off
        drop = zero if rule.detach else drop
        kept = zero if rule.zero and u[i] >= zero else one
        d = kept * g[i] + slope[i] * (grad_spikes[i] - drop * g[i])
        grad_drive[i] = d
        g[i] = rule.beta * d


@njit(cache=True, nogil=True, error_model="numpy")
def forward(drive, start, spikes, end, varying, rule, first, last):
    """Scan the neurons first..last of drive [time, neurons] into spikes [time, neurons]."""
    u = np.empty(TILE, drive.dtype)
    for low in range(first, last, TILE):
        tile = slice(low, min(low + TILE, last))
        m = start[tile].copy()
        for t in range(spikes.shape[0]):
            integrate(m, drive[t if varying else 0, tile], u, spikes[t, tile], rule)
        end[tile] = m


@njit(cache=True, nogil=True, error_model="numpy")
def backward(
    drive, start, grad_spikes, grad_end, grad_drive, grad_start, varying, rule, first, last
):
    """Integrate the neurons first..last again, then go back through time."""
    time = grad_spikes.shape[0]
    u = np.empty((time, TILE), drive.dtype)
    room = np.empty((3, TILE), drive.dtype)
    for low in range(first, last, TILE):
        tile = slice(low, min(low + TILE, last))
        n = tile.stop - low
        m, slope, d = room[0, :n], room[1, :n], room[2, :n]
        m[:] = start[tile]
        for t in range(time):
            integrate(m, drive[t if varying else 0, tile], u[t], d, rule)
        m[:] = grad_end[tile]
        if not varying:
            grad_drive[0, tile] = 0
        for t in range(time - 1, -1, -1):
            if varying:
                d = grad_drive[t, tile]
            differentiate(m, grad_spikes[t, tile], u[t, :n], slope, d, rule)
            if not varying:
                grad_drive[0, tile] += d
        grad_start[tile] = m


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def dot(a, b):
    """Return the sum of a[i] * b[i], added in any order."""
    total = a.dtype.type(0)
    for i in range(a.size):
        total += a[i] * b[i]
    return total
