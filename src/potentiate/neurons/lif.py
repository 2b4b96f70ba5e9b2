"""Leaky integrate and fire, with synaptic current and with adaptation, and the leaky integrator."""

from __future__ import annotations

from math import exp, expm1
from typing import Literal, NamedTuple

import numpy as np

from potentiate.errors import Refused
from potentiate.neurons.neuron import (
    Fired,
    Floats,
    Neuron,
    Steps,
    require_descending,
    require_finite,
    require_not_negative,
    require_positive,
)


class LifState(NamedTuple):
    """Voltage (mV) and the refractory steps that are left."""

    v: Floats
    wait: Steps


class CurrentLifState(NamedTuple):
    """Voltage (mV), refractory steps left, and the synaptic current (in units of the drive)."""

    v: Floats
    wait: Steps
    current: Floats


class ThresholdState(NamedTuple):
    """Voltage, refractory steps left, and what has been added to the threshold (mV)."""

    v: Floats
    wait: Steps
    theta: Floats


class AdaptiveState(NamedTuple):
    """Voltage, refractory steps left, adaptation current times resistance, raised threshold (mV)."""

    v: Floats
    wait: Steps
    u: Floats
    theta: Floats


class IntegratorState(NamedTuple):
    """Voltage (mV)."""

    v: Floats


def lif(
    *,
    tau: float = 20.0,
    threshold: float = 20.0,
    reset: float = 10.0,
    rest: float = 0.0,
    refractory: float = 2.0,
    resistance: float = 1.0,
    method: Literal["exact", "euler"] = "exact",
) -> Neuron[LifState]:
    """Leaky integrate and fire: tau dv/dt = rest - v + resistance * drive.

    The exact step is the solution for a constant drive. Forward Euler fires early: one step in eight
    at dt = tau/20 and strong drive; it is here for comparison with programs that use it.

    Source: Lapicque 1907; defaults of Brunel 2000, whose voltages count from rest.
    """
    require_positive("lif", tau=tau)
    require_finite("lif", reset=reset, rest=rest, resistance=resistance)
    require_descending("lif", threshold=threshold, reset=reset)
    require_not_negative("lif", refractory=refractory)
    if method not in ("exact", "euler"):
        raise Refused(f"lif: there is no method '{method}'; take 'exact' or 'euler'")
    exact = method == "exact"

    def start(shape: tuple[int, ...]) -> LifState:
        return LifState(np.full(shape, rest, np.float64), np.zeros(shape, np.int64))

    def step(state: LifState, drive: Floats, dt: float) -> tuple[LifState, Fired]:
        fired = np.zeros(state.v.shape, np.bool_)
        v, wait, given, out = state.v.flat, state.wait.flat, drive.flat, fired.flat
        gain = -expm1(-dt / tau) if exact else dt / tau
        hold = round(refractory / dt)
        for i in range(fired.size):
            if wait[i] > 0:
                wait[i] -= 1
                continue
            v[i] += gain * (rest + resistance * given[i] - v[i])
            if v[i] > threshold:
                v[i], wait[i], out[i] = reset, hold, True
        return state, fired

    return Neuron(start, step)


def current_lif(
    *,
    tau: float = 10.0,
    tau_syn: float = 0.5,
    threshold: float = -50.0,
    reset: float = -65.0,
    rest: float = -65.0,
    refractory: float = 2.0,
    resistance: float = 0.04,
) -> Neuron[CurrentLifState]:
    """LIF with an exponential synaptic current: tau_syn dI/dt = -I, tau dv/dt = rest - v + R I.

    The drive is the sum of the weights that arrive: it is added to the current at the beginning of
    the step. Both equations are then solved exactly and together, also where tau_syn = tau. The
    current lives on while the neuron is refractory.

    Source: Rotter and Diesmann 1999; defaults of Potjans and Diesmann 2014 (pA, 0.04 mV/pA).
    """
    require_positive("current_lif", tau=tau, tau_syn=tau_syn)
    require_finite("current_lif", reset=reset, rest=rest, resistance=resistance)
    require_descending("current_lif", threshold=threshold, reset=reset)
    require_not_negative("current_lif", refractory=refractory)

    def start(shape: tuple[int, ...]) -> CurrentLifState:
        return CurrentLifState(
            np.full(shape, rest, np.float64), np.zeros(shape, np.int64), np.zeros(shape)
        )

    def step(state: CurrentLifState, drive: Floats, dt: float) -> tuple[CurrentLifState, Fired]:
        fired = np.zeros(state.v.shape, np.bool_)
        v, wait, current = state.v.flat, state.wait.flat, state.current.flat
        given, out = drive.flat, fired.flat
        gain, keep = -expm1(-dt / tau), exp(-dt / tau_syn)
        reach = resistance * _response(dt, tau, tau_syn)
        hold = round(refractory / dt)
        for i in range(fired.size):
            flowing = current[i] + given[i]
            current[i] = flowing * keep
            if wait[i] > 0:
                wait[i] -= 1
                continue
            v[i] += gain * (rest - v[i]) + reach * flowing
            if v[i] > threshold:
                v[i], wait[i], out[i] = reset, hold, True
        return state, fired

    return Neuron(start, step)


def adaptive_threshold_lif(
    *,
    tau: float = 100.0,
    threshold: float = -52.0,
    reset: float = -65.0,
    rest: float = -65.0,
    refractory: float = 5.0,
    resistance: float = 1.0,
    theta_plus: float = 0.05,
    tau_theta: float = 1e7,
) -> Neuron[ThresholdState]:
    """LIF whose every spike raises its threshold by `theta_plus`, which decays with `tau_theta`.

    At a steady rate r the mean of theta is theta_plus * r * tau_theta: with the defaults 500 mV per
    Hz, so theta counts spikes. theta_plus = 0 and tau_theta = inf freeze it.

    Source: Diehl and Cook 2015, excitatory neurons; their theta of 20 mV at the start and their
    offset of -20 mV are one constant here, and the drive is a current instead of conductances.
    """
    require_positive("adaptive_threshold_lif", tau=tau, tau_theta=tau_theta)
    require_finite("adaptive_threshold_lif", reset=reset, rest=rest, resistance=resistance)
    require_descending("adaptive_threshold_lif", threshold=threshold, reset=reset)
    require_not_negative("adaptive_threshold_lif", refractory=refractory, theta_plus=theta_plus)

    def start(shape: tuple[int, ...]) -> ThresholdState:
        return ThresholdState(
            np.full(shape, rest, np.float64), np.zeros(shape, np.int64), np.zeros(shape)
        )

    def step(state: ThresholdState, drive: Floats, dt: float) -> tuple[ThresholdState, Fired]:
        fired = np.zeros(state.v.shape, np.bool_)
        v, wait, theta = state.v.flat, state.wait.flat, state.theta.flat
        given, out = drive.flat, fired.flat
        gain, keep = -expm1(-dt / tau), exp(-dt / tau_theta)
        hold = round(refractory / dt)
        for i in range(fired.size):
            theta[i] *= keep
            if wait[i] > 0:
                wait[i] -= 1
                continue
            v[i] += gain * (rest + resistance * given[i] - v[i])
            if v[i] > threshold + theta[i]:
                v[i], wait[i], out[i] = reset, hold, True
                theta[i] += theta_plus
        return state, fired

    return Neuron(start, step)


def adaptive_lif(
    *,
    tau: float = 20.0,
    threshold: float = -55.0,
    reset: float = -75.0,
    rest: float = -70.0,
    refractory: float = 0.0,
    resistance: float = 1.0,
    u_plus: float = 2.0,
    tau_u: float = 30.0,
    theta_plus: float = 1.0,
    tau_theta: float = 50.0,
) -> Neuron[AdaptiveState]:
    """LIF in which a spike adds to a current `u` that opposes the drive, and to the threshold.

    tau dv/dt = rest - v + R * drive - u; u and theta decay with tau_u and tau_theta and grow by
    u_plus and theta_plus (mV) at a spike; v and u are solved exactly and together. u acts through
    the membrane alone: it is not a second threshold.

    Source: Benda and Herz 2003 (current), Kobayashi, Tsubo and Shinomoto 2009 (threshold); the
    defaults are ours.
    """
    require_positive("adaptive_lif", tau=tau, tau_u=tau_u, tau_theta=tau_theta)
    require_finite("adaptive_lif", reset=reset, rest=rest, resistance=resistance)
    require_descending("adaptive_lif", threshold=threshold, reset=reset)
    require_not_negative(
        "adaptive_lif", refractory=refractory, u_plus=u_plus, theta_plus=theta_plus
    )

    def start(shape: tuple[int, ...]) -> AdaptiveState:
        zero = np.zeros(shape)
        return AdaptiveState(
            np.full(shape, rest, np.float64), np.zeros(shape, np.int64), zero, zero.copy()
        )

    def step(state: AdaptiveState, drive: Floats, dt: float) -> tuple[AdaptiveState, Fired]:
        fired = np.zeros(state.v.shape, np.bool_)
        v, wait, u, theta = state.v.flat, state.wait.flat, state.u.flat, state.theta.flat
        given, out = drive.flat, fired.flat
        gain, reach = -expm1(-dt / tau), _response(dt, tau, tau_u)
        keep_u, keep_theta = exp(-dt / tau_u), exp(-dt / tau_theta)
        hold = round(refractory / dt)
        for i in range(fired.size):
            opposed = u[i]
            u[i] *= keep_u
            theta[i] *= keep_theta
            if wait[i] > 0:
                wait[i] -= 1
                continue
            v[i] += gain * (rest + resistance * given[i] - v[i]) - reach * opposed
            if v[i] > threshold + theta[i]:
                v[i], wait[i], out[i] = reset, hold, True
                u[i] += u_plus
                theta[i] += theta_plus
        return state, fired

    return Neuron(start, step)


def leaky_integrator(
    *, tau: float = 20.0, rest: float = 0.0, resistance: float = 1.0
) -> Neuron[IntegratorState]:
    """A membrane that never fires: tau dv/dt = rest - v + resistance * drive, solved exactly.

    Cost: an addition and a product for each neuron and step; used to read out a population.
    """
    require_positive("leaky_integrator", tau=tau)
    require_finite("leaky_integrator", rest=rest, resistance=resistance)

    def start(shape: tuple[int, ...]) -> IntegratorState:
        return IntegratorState(np.full(shape, rest, np.float64))

    def step(state: IntegratorState, drive: Floats, dt: float) -> tuple[IntegratorState, Fired]:
        v, given = state.v.flat, drive.flat
        gain = -expm1(-dt / tau)
        for i in range(state.v.size):
            v[i] += gain * (rest + resistance * given[i] - v[i])
        return state, np.zeros(state.v.shape, np.bool_)

    return Neuron(start, step)


def _response(dt: float, tau: float, tau_syn: float) -> float:
    """What an exponential current of 1 adds to v in one step, per unit of resistance.

    exp(-dt/tau) times the integral over the step of exp(s k) ds / tau, with k = 1/tau - 1/tau_syn:
    written with expm1 so that nothing cancels where the two time constants are close.
    """
    x = dt / tau - dt / tau_syn
    return exp(-dt / tau) * dt / tau * (expm1(x) / x if x != 0 else 1.0)
