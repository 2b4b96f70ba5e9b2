"""Spike-timing-dependent plasticity: pairs, triplets, and inhibitory synapses."""

from __future__ import annotations

from typing import Literal, NamedTuple

from potentiate.plasticity.limits import Limits, Reduce, finite, known, limits, positive, takes_mean
from potentiate.plasticity.rule import Rule, with_parameters
from potentiate.plasticity.traces import Array, change, decay, join, modulated, share, silent

EXPONENTS = {"additive": (0.0, 0.0), "multiplicative": (1.0, 1.0)}
PAIRINGS = ("all", "nearest")


class PairTraces(NamedTuple):
    """State of rules with one trace on each side."""

    pre: Array  # [batch, pre]
    post: Array  # [batch, post]


class PairSTDP(NamedTuple):
    """Parameters of `pair_stdp`, as its equation and the engines read them."""

    a_plus: float
    a_minus: float
    tau_plus: float
    tau_minus: float
    limits: Limits
    nearest: bool
    mean: bool


def pair_stdp(
    a_plus: float = 0.005,
    a_minus: float = 0.00525,
    tau_plus: float = 20.0,
    tau_minus: float = 20.0,
    *,
    bounds: Literal["additive", "multiplicative", "soft"] = "additive",
    mu_plus: float = 0.5,
    mu_minus: float = 0.5,
    w_min: float = 0.0,
    w_max: float = 1.0,
    pairing: Literal["all", "nearest"] = "all",
    reduce: Reduce = "mean",
) -> Rule:
    """Pair-based STDP.

        dw = A+ (w_max - w)^mu+ exp(-lag / tau+)   for a postsynaptic spike `lag` after a presynaptic
        dw = -A- (w - w_min)^mu- exp(-lag / tau-)  for a presynaptic spike `lag` after a postsynaptic

    Units: ms; `a_plus` and `a_minus` in units of weight (per weight^mu with soft bounds).
    Bounds: mu is 0 ("additive"), 1 ("multiplicative"), or `mu_plus` and `mu_minus` ("soft").
    Pairing: "all" pairs, or each spike with the "nearest" earlier one of the other side alone.
    Convention: traces decay, are read, then joined by the spikes of the step: lag 0 changes nothing.
        Both changes of a step start from the same weight; the result is clipped to [w_min, w_max].
    Source: Song, Miller & Abbott 2000 for the defaults; Guetig et al. 2003 for the exponents; Morrison,
        Diesmann & Gerstner 2008 for the symmetric nearest-neighbor pairing.
    Cost: batch * (spiking inputs * post + pre * post where an output spikes) per step.

    Raises:
        Refused: A time constant is not positive, an amplitude not finite, the bounds are empty, or a
            name is unknown.
    """
    positive(tau_plus=tau_plus, tau_minus=tau_minus)
    finite(a_plus=a_plus, a_minus=a_minus)
    known("bounds", bounds, (*EXPONENTS, "soft"))
    known("pairing", pairing, PAIRINGS)
    room = limits(w_min, w_max, *EXPONENTS.get(bounds, (mu_plus, mu_minus)))
    how = pairing == "nearest", takes_mean(reduce)
    parameters = PairSTDP(a_plus, a_minus, tau_plus, tau_minus, room, *how)
    return with_parameters(_pair_traces, _pair, parameters)


def _pair(
    weight: Array, pre: Array, post: Array, state: PairTraces, dt: float, p: PairSTDP
) -> tuple[Array, PairTraces]:
    x, y = state
    decay(x, dt, p.tau_plus)
    decay(y, dt, p.tau_minus)
    change(weight, (p.a_plus, x, post), (p.a_minus, pre, y), share(len(pre), p.mean), p.limits)
    join(x, pre, p.nearest)
    join(y, post, p.nearest)
    return weight, state


class TripletTraces(NamedTuple):
    """State of `triplet_stdp`: a quick and a slow trace on each side."""

    pre: Array  # [batch, pre], r1
    pre_slow: Array  # [batch, pre], r2
    post: Array  # [batch, post], o1
    post_slow: Array  # [batch, post], o2


class TripletSTDP(NamedTuple):
    """Parameters of `triplet_stdp`."""

    a2_plus: float
    a3_plus: float
    a2_minus: float
    a3_minus: float
    tau_plus: float
    tau_x: float
    tau_minus: float
    tau_y: float
    limits: Limits
    mean: bool


def triplet_stdp(
    a2_plus: float = 5e-10,
    a3_plus: float = 6.2e-3,
    a2_minus: float = 7e-3,
    a3_minus: float = 2.3e-4,
    *,
    tau_plus: float = 16.8,
    tau_x: float = 101.0,
    tau_minus: float = 33.7,
    tau_y: float = 125.0,
    w_min: float = 0.0,
    w_max: float = 1.0,
    reduce: Reduce = "mean",
) -> Rule:
    """Triplet STDP, all-to-all: potentiation grows with the postsynaptic rate.

        at a postsynaptic spike  dw = r1 (A2+ + A3+ o2)
        at a presynaptic spike   dw = -o1 (A2- + A3- r2)

    Here r1, r2 are traces of the presynaptic spikes with tau_plus, tau_x, and o1, o2 of the
    postsynaptic ones with tau_minus, tau_y.

    Units: ms; amplitudes in units of weight.
    Convention: all traces are read before the spikes of the step join them, so a spike never meets its
        own slow trace; read after, the rule would potentiate at any rate.
    Source: Pfister & Gerstner 2006; the defaults are those of NEST's stdp_triplet_synapse.
    Cost: as `pair_stdp`.

    Raises:
        Refused: A time constant is not positive, an amplitude not finite, the bounds are empty, or
            `reduce` is unknown.
    """
    positive(tau_plus=tau_plus, tau_x=tau_x, tau_minus=tau_minus, tau_y=tau_y)
    finite(a2_plus=a2_plus, a3_plus=a3_plus, a2_minus=a2_minus, a3_minus=a3_minus)
    amplitudes, times = (a2_plus, a3_plus, a2_minus, a3_minus), (tau_plus, tau_x, tau_minus, tau_y)
    parameters = TripletSTDP(*amplitudes, *times, limits(w_min, w_max), takes_mean(reduce))

    def init(weight: Array, batch: int) -> TripletTraces:
        (r1, o1), (r2, o2) = silent(weight, batch), silent(weight, batch)
        return TripletTraces(r1, r2, o1, o2)

    return with_parameters(init, _triplet, parameters)


def _triplet(
    weight: Array, pre: Array, post: Array, state: TripletTraces, dt: float, p: TripletSTDP
) -> tuple[Array, TripletTraces]:
    r1, r2, o1, o2 = state
    decay(r1, dt, p.tau_plus)
    decay(r2, dt, p.tau_x)
    decay(o1, dt, p.tau_minus)
    decay(o2, dt, p.tau_y)
    up = 1.0, r1, modulated(post, p.a2_plus, p.a3_plus, o2)
    down = 1.0, modulated(pre, p.a2_minus, p.a3_minus, r2), o1
    change(weight, up, down, share(len(pre), p.mean), p.limits)
    join(r1, pre, False)
    join(r2, pre, False)
    join(o1, post, False)
    join(o2, post, False)
    return weight, state


class InhibitorySTDP(NamedTuple):
    """Parameters of `inhibitory_stdp`."""

    eta: float
    alpha: float
    tau: float
    limits: Limits
    mean: bool


def inhibitory_stdp(
    eta: float = 0.001,
    target_rate: float = 5.0,
    tau: float = 20.0,
    *,
    w_min: float = 0.0,
    w_max: float = 1.0,
    reduce: Reduce = "mean",
) -> Rule:
    """Inhibitory STDP: moves the postsynaptic neuron to a target rate, whatever its excitation.

        at a presynaptic spike   dw = eta (y - alpha),  alpha = 2 target_rate tau
        at a postsynaptic spike  dw = eta x

    Weights are magnitudes of inhibition. In equilibrium the postsynaptic rate is `target_rate`.

    Units: target_rate in Hz; tau in ms; eta in units of weight.
    Convention: the window is symmetric, eta exp(-|lag| / tau), so simultaneous spikes do count here,
        once; without them the equilibrium would lie dt / (2 tau) too high.
    Source: Vogels et al. 2011.
    Cost: as `pair_stdp`.

    Raises:
        Refused: A parameter is not positive, the bounds are empty, or `reduce` is unknown.
    """
    positive(eta=eta, tau=tau, target_rate=target_rate)
    alpha = 2.0 * target_rate * tau / 1000.0
    room = limits(w_min, w_max)
    parameters = InhibitorySTDP(eta, alpha, tau, room, takes_mean(reduce))
    return with_parameters(_pair_traces, _inhibitory, parameters)


def _inhibitory(
    weight: Array, pre: Array, post: Array, state: PairTraces, dt: float, p: InhibitorySTDP
) -> tuple[Array, PairTraces]:
    x, y = state
    decay(x, dt, p.tau)
    decay(y, dt, p.tau)
    join(x, pre, False)  # before the postsynaptic side reads it: lag 0 counts
    change(weight, (p.eta, x, post), (p.eta, pre, p.alpha - y), share(len(pre), p.mean), p.limits)
    join(y, post, False)
    return weight, state


def _pair_traces(weight: Array, batch: int) -> PairTraces:
    return PairTraces(*silent(weight, batch))
