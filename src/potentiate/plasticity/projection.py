"""A projection whose spikes are known for a window: the same rule by the engine that is quickest.

Engines of pair STDP; all give the weights and traces of the rule, to rounding:

- "reference": the rule itself, step by step;
- "event": only rows and columns that spiked are touched;
- "block": two matrix products for the window;
- "triton": step by step on a CUDA device, for tensors that lie there. No other engine takes them.

For arrays "auto" takes "block" for an additive rule where spikes are dense and few weights may meet
a bound, and "event" elsewhere. The thresholds were measured on one core with 784 x 400 float32 weights
and windows of 250 steps.
"""

from __future__ import annotations

from importlib.util import find_spec
from math import exp
from typing import Any

import numpy as np

from potentiate.errors import Refused, unknown
from potentiate.plasticity import checks
from potentiate.plasticity.rule import Rule, State
from potentiate.plasticity.stdp import PairSTDP, PairTraces
from potentiate.plasticity.traces import Array

ENGINES = ("auto", "reference", "event", "block", "triton")
BLOCK_ABOVE = 0.04
"""Spikes per neuron and step, summed over both sides, above which matrix products win."""
MEETING = 0.01
"""Expected share of weights that may meet a bound in a window, up to which matrix products win."""
CHUNK = 512  # steps at a time, so that the traces of a long window need no memory


def replay(
    rule: Rule,
    weight: Array | Any,
    pre: Array | Any,
    post: Array | Any,
    state: State,
    dt: float = 1.0,
    *,
    engine: str = "auto",
) -> tuple[Array | Any, State]:
    """Let `rule` learn from a window of recorded spikes and return (weight, state).

    Shapes: weight [pre, post]; pre [time, pre]; post [time, post]; state of `rule.init(weight, 1)`.
    Units: dt in ms. Weight and state are donated.
    Devices: a weight that is a tensor on a CUDA device learns there; spikes and state, arrays or
        tensors, are taken along (so a state may come from `rule.init` of an array).

    Raises:
        Refused: Shapes do not fit, the state is for another weight or a batch, numbers are not
            finite, weights lie outside the bounds of the rule, no such engine, or an engine that
            cannot do this rule or does not reach these tensors.
    """
    pre, post, dt = _within(rule, weight, pre, post, state, dt)
    automatic = engine == "auto"
    chosen = engine_for(rule, weight, pre, post, dt) if automatic else engine
    learn = LEARN[_possible(rule, weight, chosen)]
    for first in range(0, len(pre), CHUNK):
        part = slice(first, first + CHUNK)
        weight, state = learn(rule, weight, pre[part], post[part], state, dt)
    return weight, state


def engine_for(rule: Rule, weight: Array, pre: Array, post: Array, dt: float = 1.0) -> str:
    """Return the quickest engine for `rule` on these spikes [time, n]."""
    p = rule.parameters
    if not isinstance(p, PairSTDP):
        return "reference"
    if _on_device(weight):
        return "triton"
    additive = p.limits.mu_plus == 0 and p.limits.mu_minus == 0
    density = _density(pre), _density(post)
    if not additive or sum(density) <= BLOCK_ABOVE:
        return "event"
    pairs = (
        min(len(pre), CHUNK) * density[0] * density[1] / dt
    )  # the mean trace is density * tau / dt
    high = p.limits.w_max - abs(p.a_plus) * p.tau_plus * pairs
    low = p.limits.w_min + abs(p.a_minus) * p.tau_minus * pairs
    meeting = np.count_nonzero((weight > high) | (weight < low)) / max(1, weight.size)
    return "block" if meeting <= MEETING else "event"


def _within(
    rule: Rule, weight: Any, pre: Any, post: Any, state: State, dt: float
) -> tuple[Any, Any, float]:
    """Check all arguments once, and return spikes and dt as engines read them."""
    checks.rules("replay", rule)
    there = _on_device(weight)
    checks.matrix("replay", weight, written=True, tensor=there)
    checks.finite("replay", "weights", weight)
    pre, post = checks.spikes("replay", weight, pre, post, "time", tensors=there)
    wanted = rule.layout(checks.shape(weight), 1)
    checks.belongs("replay", state, wanted, 1, tensors=there)
    _bounded(rule, weight)
    return pre, post, checks.time_step("replay", dt)


def _bounded(rule: Rule, weight: Array) -> None:
    """Check the weights: engines differ in when they would clip one that lies outside."""
    if isinstance(rule.parameters, PairSTDP) and 0 not in weight.shape:
        room = rule.parameters.limits
        low, high = weight.min(), weight.max()
        if not room.w_min <= low <= high <= room.w_max:
            raise Refused(
                f"weights from {low:g} to {high:g} do not lie in [{room.w_min:g}, {room.w_max:g}]; clip "
                "them or give the rule other bounds"
            )


def _on_device(weight: Array | Any) -> bool:
    return getattr(weight, "is_cuda", False)


def _density(spikes: Array) -> float:
    return np.count_nonzero(spikes) / max(1, spikes.size)


def _possible(rule: Rule, weight: Array | Any, engine: str) -> str:
    if engine not in ENGINES:
        raise unknown("engine", str(engine), ENGINES)
    p = rule.parameters
    if engine != "reference" and not isinstance(p, PairSTDP):
        raise Refused(f"engine '{engine}' does pair_stdp alone; take 'reference' for other rules")
    if engine == "block" and (p.limits.mu_plus != 0 or p.limits.mu_minus != 0):
        raise Refused("engine 'block' needs bounds='additive'; take 'event' for soft bounds")
    if engine == "triton" and not _on_device(weight):
        raise Refused("engine 'triton' learns tensors on a CUDA device; take 'event' for arrays")
    if engine == "triton" and find_spec("triton") is None:
        raise Refused("engine 'triton' needs the package triton: pip install triton")
    if engine != "triton" and _on_device(weight):
        raise Refused(
            f"engine '{engine}' cannot reach a CUDA device; give it arrays: weight.cpu().numpy()"
        )
    return engine


def _by_rule(
    rule: Rule, weight: Array, pre: Array, post: Array, state: State, dt: float
) -> tuple[Array, State]:
    kind = weight.dtype
    window = np.ascontiguousarray(pre[:, None], kind), np.ascontiguousarray(post[:, None], kind)
    return rule.compiled().window(weight, *window, state, dt)


def _by_event(
    rule: Rule, weight: Array, pre: Array, post: Array, state: PairTraces, dt: float
) -> tuple[Array, State]:
    from potentiate.kernels.stdp import pair_event

    pair_event(weight, *_spikes(weight, pre, post), state.pre[0], state.post[0], _pairs(rule, dt))
    return weight, state


def _by_block(
    rule: Rule, weight: Array, pre: Array, post: Array, state: PairTraces, dt: float
) -> tuple[Array, State]:
    from potentiate.kernels.stdp import pair_block

    pair_block(weight, *_spikes(weight, pre, post), state.pre[0], state.post[0], _pairs(rule, dt))
    return weight, state


def _by_triton(
    rule: Rule, weight: Any, pre: Any, post: Any, state: PairTraces, dt: float
) -> tuple[Any, State]:
    import torch

    from potentiate.kernels.stdp_triton import pair_triton

    def there(values: Any) -> Any:
        return torch.as_tensor(values, device=weight.device)

    state = PairTraces(*(there(trace).to(weight.dtype) for trace in state))
    pair_triton(weight, there(pre).T, there(post), state.pre[0], state.post[0], _pairs(rule, dt))
    return weight, state


LEARN = {"reference": _by_rule, "event": _by_event, "block": _by_block, "triton": _by_triton}


def _spikes(weight: Array, pre: Array, post: Array) -> tuple[Array, Array]:
    kind = weight.dtype
    return np.ascontiguousarray(pre.T, kind), np.ascontiguousarray(post, kind)


def _pairs(rule: Rule, dt: float) -> Any:
    from potentiate.kernels.stdp import Pairs

    p: PairSTDP = rule.parameters
    decays = exp(-dt / p.tau_plus), exp(-dt / p.tau_minus)
    return Pairs(p.a_plus, p.a_minus, *decays, *p.limits, p.nearest)
