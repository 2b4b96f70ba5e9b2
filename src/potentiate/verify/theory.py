"""What theory says about firing: closed forms, and a general solver that shares no code with neurons.

Rates are in Hz, times in ms, voltages in mV counted from rest.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, exp, log1p, pi, sqrt
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, special

Floats = NDArray[np.float64]

BARRIER = 0.5826
"""-zeta(1/2)/sqrt(2 pi): how far, in standard deviations of one step, a barrier recedes that is
looked at once a step (Chernoff 1965; Broadie, Glasserman and Kou 1997)."""


def steps_to_threshold(drive: float, *, threshold: float, tau: float, dt: float) -> int:
    """Steps in which the exact LIF rises from rest above the threshold."""
    return ceil(-tau / dt * log1p(-threshold / drive))


def euler_steps_to_threshold(drive: float, *, threshold: float, tau: float, dt: float) -> int:
    """Steps in which the forward Euler LIF rises from rest above the threshold."""
    return ceil(log1p(-threshold / drive) / log1p(-dt / tau))


def lif_rate(drive: float, *, threshold: float, tau: float, refractory: float) -> float:
    """Rate of a noiseless LIF that is reset to rest, in continuous time."""
    if drive <= threshold:
        return 0.0
    return 1000 / (refractory - tau * log1p(-threshold / drive))


def siegert_rate(
    mean: float, sigma: float, *, threshold: float, tau: float, refractory: float
) -> float:
    """Rate of a LIF reset to rest under white noise, var(v) = sigma^2 / 2 without threshold.

    1/r = refractory + tau sqrt(pi) * integral from -mean/sigma to (threshold - mean)/sigma of
    exp(u^2) (1 + erf u) du. Source: Siegert 1951, in the form of Brunel 2000.
    """
    low, high = -mean / sigma, (threshold - mean) / sigma

    def integrand(u: float) -> float:
        return cast("float", special.erfcx(-u))

    area = cast("float", integrate.quad(integrand, low, high, epsabs=0.0, epsrel=1e-10)[0])
    return 1000 / (refractory + tau * sqrt(pi) * area)


def watched_barrier(threshold: float, sigma: float, *, tau: float, dt: float) -> float:
    """The threshold at which a simulation in steps of dt fires as continuous time does at `threshold`.

    Between two steps the voltage may cross and come back unseen, so the threshold acts as if it were
    BARRIER * sigma sqrt(dt/tau) higher, to first order in sqrt(dt/tau); this takes that much away.
    The effect on rates: Helias et al. 2009.
    """
    return threshold - BARRIER * sigma * sqrt(dt / tau)


def postsynaptic_potential(t: Floats, *, tau: float, tau_syn: float) -> Floats:
    """Voltage after a current of 1 that decays with tau_syn, for a resistance of 1."""
    if tau == tau_syn:
        return t / tau * np.exp(-t / tau)
    return tau_syn / (tau_syn - tau) * (np.exp(-t / tau_syn) - np.exp(-t / tau))


Equations = Callable[[float, Floats], list[float]]
"""Derivatives per ms of (v, w) as scipy wants them: a function of (t, y)."""


def adex_equations(drive: float) -> Equations:
    """Brette and Gerstner 2005, equations 1 to 3, with the parameters of their section 'Methods'."""
    return lambda _, y: [
        (30.0 * (-70.6 - y[0]) + 60.0 * exp((y[0] + 50.4) / 2.0) - y[1] + drive) / 281.0,
        (4.0 * (y[0] + 70.6) - y[1]) / 144.0,
    ]


def izhikevich_equations(drive: float, *, a: float, b: float) -> Equations:
    """Izhikevich 2003, equations 1 and 2."""
    return lambda _, y: [
        0.04 * y[0] ** 2 + 5.0 * y[0] + 140.0 - y[1] + drive,
        a * (b * y[0] - y[1]),
    ]


def spike_times(
    equations: Equations, *, v: float, w: float, peak: float, reset: float, jump: float, end: float
) -> Floats:
    """Times at which v reaches the peak, by a Runge-Kutta method of order 8 that finds each event."""

    def event(_: float, y: Floats) -> float:
        return float(y[0]) - peak

    event.terminal = True  # pyright: ignore[reportFunctionMemberAccess] # scipy's way of saying so
    times: list[float] = []
    t, y = 0.0, np.array([v, w])
    while t < end:
        found = cast(
            "Any",
            integrate.solve_ivp(  # it is untyped
                equations, (t, end), y, method="DOP853", events=event, rtol=1e-9, atol=1e-9
            ),
        )
        t = float(found.t[-1])
        if found.status == 1:
            times.append(t)
            y = np.array([reset, found.y[1, -1] + jump])
    return np.array(times)
