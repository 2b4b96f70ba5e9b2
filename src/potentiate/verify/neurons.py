"""Neurons and synapses beside what theory says of them.

Every group of checks takes the neuron it looks at, so that a wrong one can be held against it.
Where time is discrete the expected numbers are those of discrete time, to the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from potentiate.neurons import (
    IZHIKEVICH,
    Neuron,
    adaptive_lif,
    adaptive_threshold_lif,
    adex,
    current_lif,
    izhikevich,
    leaky_integrator,
    lif,
    simulate,
)
from potentiate.verify import courses, synapses, theory
from potentiate.verify.check import Check, Curve

Floats = NDArray[np.float64]
Model = Neuron[Any]

TABLE: dict[str, Any] = {"tau": 20.0, "threshold": 15.0, "refractory": 2.0}
NOISY: dict[str, Any] = {"tau": 10.0, "threshold": 15.0, "refractory": 2.0}
UNIT: dict[str, Any] = {"tau": 10.0, "threshold": 1.0, "refractory": 0.0}
POTENTIAL: dict[str, float] = {"threshold": 50.0, "reset": 0.0, "rest": 0.0, "resistance": 1.0}
RAISED: dict[str, float] = {"theta_plus": 0.005, "tau_theta": 20000.0}
ADAPTIVE: dict[str, float] = {
    "tau": 20.0, "threshold": 15.0, "reset": 0.0, "rest": 0.0, "refractory": 2.0,
    "u_plus": 0.1, "tau_u": 2000.0, "theta_plus": 0.0,
}  # fmt: skip
NOISE = ((5, 5), (10, 5), (12, 5), (15, 5), (18, 5), (20, 5), (10, 10), (20, 1), (25, 1))
"""Mean and sigma (mV) of the input to the noisy neurons."""


def checks() -> Iterator[Check]:
    """Run every check of this module: about fifteen seconds on one core, most of them compiling."""
    exact, euler = lif(**TABLE, reset=0.0), lif(**TABLE, reset=0.0, method="euler")
    yield from steps_to_threshold(exact, "exact")
    yield from steps_to_threshold(euler, "euler")
    yield from continuous_rates(exact, TABLE, (16.0, 18.0, 20.0, 25.0, 30.0, 50.0))
    yield from continuous_rates(lif(**UNIT, reset=0.0), UNIT, (1.1, 1.5, 2.0, 4.0))
    yield from below_threshold(leaky_integrator(tau=20.0), 20.0)
    yield from potential(current_lif(**POTENTIAL, tau=10.0, tau_syn=2.0), 10.0, 2.0)
    yield from potential(current_lif(**POTENTIAL, tau=10.0, tau_syn=10.0), 10.0, 10.0)
    yield from noisy_rates(lif(**NOISY, reset=0.0))
    yield from raised_threshold(adaptive_threshold_lif(**RAISED), **RAISED)
    yield from adaptation(adaptive_lif(**ADAPTIVE))
    yield from adex_spikes(adex())
    for name, parameters in IZHIKEVICH.items():
        yield from izhikevich_spikes(izhikevich(**parameters), name)
    yield from synapses.checks()


def steps_to_threshold(neuron: Model, method: str) -> Iterator[Check]:
    """Steps from reset to spike, silence at the rheobase, and the ceiling that refractoriness sets."""
    exact = method == "exact"
    count = theory.steps_to_threshold if exact else theory.euler_steps_to_threshold
    formula = "ceil(-(tau/dt) ln(1-theta/RI))" if exact else "ceil(ln(1-theta/RI)/ln(1-dt/tau))"
    drives = (15.0, 16.0, 18.0, 20.0, 25.0, 30.0, 50.0, 1e6)
    for dt in (1.0, 0.1):
        intervals = _intervals(neuron, drives, dt, 1000.0)
        name = f"LIF, {method} step, dt {dt:g} ms"
        yield Check(f"{name}, RI 15: spikes", 0.0, float(intervals[0] > 0), 0.0, "RI <= theta")
        for drive, interval in list(zip(drives, intervals, strict=True))[1:-1]:
            steps = count(drive, threshold=15.0, tau=20.0, dt=dt)
            measured = interval - round(2.0 / dt)
            yield Check(f"{name}, RI {drive:g}: steps", steps, measured, 0.0, f"n = {formula}")
        rate = 1000 / (intervals[-1] * dt)
        yield Check(
            f"{name}, RI 1e6: rate (Hz)", 1000 / (2.0 + dt), rate, 1e-9, "1/(t_ref + dt), n = 1"
        )


def continuous_rates(
    neuron: Model, known: dict[str, float], drives: Sequence[float]
) -> Iterator[Check]:
    """Rates in small steps, which lengthen an interval by less than one step."""
    dt = 0.005
    for drive, interval in zip(drives, _intervals(neuron, drives, dt, 120.0), strict=True):
        rate = theory.lif_rate(drive, **known)
        yield Check(
            f"LIF, theta {known['threshold']:g} mV, RI {drive:g}, dt {dt} ms: rate (Hz)",
            rate,
            1000 / (interval * dt),
            rate**2 * dt / 1000,
            "1/(t_ref + tau ln(RI/(RI-theta))); tolerance: one step",
        )


def below_threshold(neuron: Model, tau: float) -> Iterator[Check]:
    """Charging, decay, and that two inputs add up."""
    dt, steps = 0.1, 1000
    t = dt * np.arange(1, steps + 1)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, steps))
    pulse = np.where(t < 1.5 * dt, 100.0, 0.0)
    drive = np.stack([np.full(steps, 10.0), pulse, a, b, a + b], axis=1)
    v = simulate(neuron, drive, dt, membrane=True).v
    charged = float(np.abs(v[:, 0] - 10.0 * -np.expm1(-t / tau)).max())
    decayed = float(np.abs(v[:, 1] - v[0, 1] * np.exp(-(t - dt) / tau)).max())
    summed = float(np.abs(v[:, 4] - v[:, 2] - v[:, 3]).max())
    yield Check("charging: largest error (mV)", 0.0, charged, 1e-11, "RI (1 - exp(-t/tau))")
    yield Check("decay after a pulse: largest error (mV)", 0.0, decayed, 1e-11, "exp(-t/tau)")
    yield Check("two inputs at once: largest error (mV)", 0.0, summed, 1e-12, "linearity")


def potential(neuron: Model, tau: float, tau_syn: float) -> Iterator[Check]:
    """The voltage after one synaptic event of 10 mV times resistance."""
    t, v = _potential(neuron, 0.1)
    error = float(
        np.abs(v - 10.0 * theory.postsynaptic_potential(t, tau=tau, tau_syn=tau_syn)).max()
    )
    name = f"synaptic potential, tau {tau:g}, tau_syn {tau_syn:g} ms: largest error (mV)"
    yield Check(name, 0.0, error, 1e-11, "tau_s/(tau_s-tau) (exp(-t/tau_s) - exp(-t/tau))")


def noisy_rates(neuron: Model) -> Iterator[Check]:
    """Rates under white noise; the tolerance is four standard errors of a Poisson count and 0.5 %."""
    measured, seconds = _noisy_rates(neuron, NOISE)
    for (mean, sigma), rate in zip(NOISE, measured, strict=True):
        expected = theory.siegert_rate(mean, sigma, **NOISY)
        tolerance = expected * (0.005 + 4 / np.sqrt(expected * seconds))
        name = f"noisy LIF, mean {mean}, sigma {sigma} mV: rate (Hz)"
        yield Check(name, expected, float(rate), float(tolerance), "Siegert 1951")


def raised_threshold(neuron: Model, theta_plus: float, tau_theta: float) -> Iterator[Check]:
    """The threshold at which growth and decay are in balance."""
    drives, dt = (25.0, 35.0, 60.0), 0.5
    drive = np.broadcast_to(drives, (round(10 * tau_theta / dt), len(drives)))
    trace = simulate(neuron, drive, dt)
    for i, mv in enumerate(drives):
        rate = 1000 / (_last_interval(trace.spikes[:, i], 50) * dt)
        expected = theta_plus * rate * tau_theta / 1000
        yield Check(
            f"adaptive threshold, drive {mv:g} mV, {rate:.1f} Hz: theta (mV)",
            expected,
            float(trace.state.theta[i]),
            0.005 * expected,
            "theta_plus r tau_theta (Diehl and Cook 2015); tolerance 0.5 %",
        )


def adaptation(neuron: Model) -> Iterator[Check]:
    """The rate at which the current that spikes leave behind holds them where they are."""
    drives, dt = (20.0, 30.0, 50.0), 0.05
    interval = _intervals(neuron, drives, dt, 20000.0)
    for drive, steps in zip(drives, interval, strict=True):
        expected = _adapted_rate(drive)
        free = theory.lif_rate(drive, **TABLE)
        yield Check(
            f"adaptive LIF, RI {drive:g} ({free:.1f} Hz without): rate (Hz)",
            expected,
            1000 / (steps * dt),
            0.01 * expected,
            "r = f(RI - u_plus r tau_u); tolerance 1 %",
        )


def adex_spikes(neuron: Model) -> Iterator[Check]:
    """Spikes of AdEx beside a solver of high order, at dt 0.01 ms."""
    # At -20 mV a spike is 3e-6 ms from its peak, and the solver need not follow it further.
    times = theory.spike_times(
        theory.adex_equations(900.0), v=-70.6, w=0.0, peak=-20.0, reset=-70.6, jump=80.5, end=400.0
    )
    yield from _beside(
        neuron, "AdEx, 900 pA", times, drive=900.0, dt=0.01, end=400.0, tolerance=0.3
    )


def izhikevich_spikes(neuron: Model, name: str) -> Iterator[Check]:
    """Spikes of Izhikevich's neuron beside a solver of high order, at dt 0.001 ms."""
    a, b, c, d = (IZHIKEVICH[name][key] for key in "abcd")
    times = theory.spike_times(
        theory.izhikevich_equations(10.0, a=a, b=b),
        v=c, w=b * c, peak=30.0, reset=c, jump=d, end=200.0,
    )  # fmt: skip
    title = f"Izhikevich, {name}, drive 10"
    yield from _beside(neuron, title, times, drive=10.0, dt=0.001, end=200.0, tolerance=0.2)


def curves() -> Iterator[Curve]:
    """Measure what can be drawn: the same neurons as in the checks, over a range."""
    drives = np.concatenate([np.linspace(10.0, 15.0, 6), np.linspace(15.2, 50.0, 59)])
    intervals = _intervals(lif(**TABLE, reset=0.0), list(drives), 0.1, 1000.0)
    measured = np.array([1e4 / n if n > 0 else 0.0 for n in intervals])
    expected = np.array([theory.lif_rate(x, **TABLE) for x in drives])
    yield Curve("LIF, steady current", "RI (mV)", "rate (Hz)", drives, expected, measured)

    means = np.linspace(2.0, 25.0, 24)
    measured, _ = _noisy_rates(lif(**NOISY, reset=0.0), [(x, 5.0) for x in means], neurons=50)
    expected = np.array([theory.siegert_rate(x, 5.0, **NOISY) for x in means])
    yield Curve("LIF, noise of 5 mV", "mean input (mV)", "rate (Hz)", means, expected, measured)

    t, v = _potential(current_lif(**POTENTIAL, tau=10.0, tau_syn=2.0), 1.0)
    expected = 10.0 * theory.postsynaptic_potential(t, tau=10.0, tau_syn=2.0)
    yield Curve("Synaptic potential", "time (ms)", "voltage (mV)", t, expected, v)

    drives = np.linspace(16.0, 60.0, 23)
    intervals = _intervals(adaptive_lif(**ADAPTIVE), list(drives), 0.05, 20000.0)
    expected = np.array([_adapted_rate(x) for x in drives])
    measured = np.array([1000 / (n * 0.05) for n in intervals])
    yield Curve("LIF with adaptation", "RI (mV)", "rate (Hz)", drives, expected, measured)
    yield from courses.neurons()


def _intervals(neuron: Model, drives: Sequence[float], dt: float, ms: float) -> list[float]:
    """Steps between the last two spikes under steady drive; 0 where there are no two."""
    trace = simulate(neuron, np.broadcast_to(drives, (round(ms / dt), len(drives))), dt)
    return [_last_interval(trace.spikes[:, i]) for i in range(len(drives))]


def _last_interval(spikes: NDArray[np.bool_], over: int = 1) -> float:
    """Steps between spikes, as the mean of the last `over` intervals; 0 where there are fewer."""
    at = np.flatnonzero(spikes)
    return float(at[-1] - at[-1 - over]) / over if len(at) > over else 0.0


def _potential(neuron: Model, dt: float) -> tuple[Floats, Floats]:
    drive = np.zeros(round(100.0 / dt))
    drive[0] = 10.0
    return np.linspace(dt, 100.0, len(drive)), simulate(neuron, drive, dt, membrane=True).v


def _noisy_rates(
    neuron: Model, inputs: Sequence[tuple[float, float]], neurons: int = 200
) -> tuple[Floats, float]:
    """Rates (Hz) of populations under noise of each (mean, sigma), and the neuron-seconds of each.

    The population is linear below threshold and reset to 0, so instead of lowering the threshold to
    the watched barrier the input is raised in proportion.
    """
    dt, tau, threshold = 0.1, NOISY["tau"], NOISY["threshold"]
    mean, sigma = np.array(inputs, dtype=np.float64).T
    raised = np.array(
        [threshold / theory.watched_barrier(threshold, s, tau=tau, dt=dt) for s in sigma]
    )
    # White noise held for a step: the voltage's variance is sigma^2 / 2 for any dt.
    spread = sigma * np.sqrt(-np.expm1(-2 * dt / tau) / 2) / -np.expm1(-dt / tau)
    rng = np.random.default_rng(1)
    state, count, chunk, chunks = None, np.zeros(len(mean)), 100, 1000
    for i in range(chunks + 10):  # the first ten let the start be forgotten
        noise = rng.standard_normal((chunk, 1, neurons))
        drive = (raised * mean)[:, None] + (raised * spread)[:, None] * noise
        trace = simulate(neuron, drive, dt, state=state)
        state = trace.state
        if i >= 10:
            count += trace.spikes.sum((0, 2))
    seconds = neurons * chunk * chunks * dt / 1000
    return count / seconds, seconds


def _adapted_rate(drive: float) -> float:
    """The rate r that solves r = f(drive - u_plus r tau_u), f being the LIF's own curve."""
    per_hz = ADAPTIVE["u_plus"] * ADAPTIVE["tau_u"] / 1000

    def surplus(rate: float) -> float:
        return theory.lif_rate(drive - per_hz * rate, **TABLE) - rate

    return cast("float", optimize.brentq(surplus, 0.0, 1000 / TABLE["refractory"]))


def _beside(
    neuron: Model,
    name: str,
    times: Floats,
    *,
    drive: float,
    dt: float,
    end: float,
    tolerance: float,
) -> Iterator[Check]:
    """Compare the number of spikes, and the time of the last one that both have."""
    at = (np.flatnonzero(simulate(neuron, np.full(round(end / dt), drive), dt).spikes) + 1) * dt
    last = min(len(at), len(times)) - 1
    measured = float(at[last]) if last >= 0 else float("nan")
    source = "scipy solve_ivp, DOP853, rtol 1e-9"
    yield Check(f"{name}: spikes", len(times), len(at), 0.0, source)
    yield Check(f"{name}: spike {last + 1} (ms)", float(times[last]), measured, tolerance, source)
