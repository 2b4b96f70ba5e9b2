"""What a plasticity rule is, and the combinators that make a sentence of several.

A rule is two functions, `init(weight, batch) -> state` and
`update(weight, pre, post, state, dt) -> (weight, state)`, where

- weight is [pre, post], float32 or float64;
- pre [batch, pre] and post [batch, post] are the spikes of this step: float, bool, or counts;
- state is a NamedTuple of arrays, so that a checkpoint of it is complete;
- dt is in ms.

Weight and state are donated: an update writes into them, and only what it returns may be used
afterwards. `update` is plain Python over arrays. As it stands it is the reference;
`rule.compiled()` is the same code as machine code.

Batch: samples share one weight. Each step adds the mean (or the sum, where a rule takes `reduce`) of
what the samples would change, all computed from the weight at the start of the step. Presenting
samples one after another gives another answer wherever a weight feeds back: at bounds, in soft
bounds, in scaling. Running averages of activity, as homeostasis keeps, are always over the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from math import inf
from operator import index
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np

from potentiate.errors import Refused
from potentiate.plasticity import checks
from potentiate.plasticity.limits import Limits, holds, limits
from potentiate.plasticity.traces import Array, blend, join, silent

State: TypeAlias = Any  # a tuple of arrays, nested where rules are
Init: TypeAlias = Callable[[Array, int], State]
Update: TypeAlias = Callable[[Array, Array, Array, State, float], tuple[Array, State]]
Equation: TypeAlias = Callable[[Array, Array, Array, State, float, Any], tuple[Array, State]]
Window: TypeAlias = Update  # the same, with time as the first axis of pre and post


@dataclass(frozen=True)
class Rule:
    """A plasticity rule; weight and state are donated.

    Attributes:
        init: (weight, batch) -> state before the first step.
        update: (weight, pre, post, state, dt) -> (weight, state) after one step.
        parameters: What the rule was made with, for engines that compute the same another way.
        equation: `update` with the parameters as a last argument, if it was made of one.

    Example:
        >>> import numpy as np
        >>> from potentiate.plasticity import chain, every, normalize, pair_stdp
        >>> rule = chain(pair_stdp(), every(4, normalize(total=1.0)))
        >>> weight, pre, post = np.full((2, 1), 0.5), np.zeros((4, 1, 2)), np.zeros((4, 1, 1))
        >>> pre[0, 0, 0] = post[1] = 1  # the first input, and then the neuron
        >>> weight, state = rule.run(weight, pre, post, rule.init(weight, batch=1), 1.0)
        >>> weight.ravel().round(4).tolist()
        [0.5024, 0.4976]
    """

    init: Init
    update: Update
    parameters: Any = None
    equation: Equation | None = None

    def run(
        self, weight: Array, pre: Array, post: Array, state: State, dt: float
    ) -> tuple[Array, State]:
        """`update` over a window: pre [time, batch, pre], post [time, batch, post].

        `update` trusts its arguments; here they are checked, once, whatever the window is long.

        Raises:
            Refused: Shapes do not fit, the weight is not of float32 or float64, the state is for
                another weight, batch or rule, dt is not above 0, or a number is not finite.
        """
        checks.matrix("run", weight, written=True)
        checks.finite("run", "weights", weight)
        pre, post = checks.spikes("run", weight, pre, post, "time, batch")
        batch = pre.shape[1]
        checks.belongs("run", state, self.layout(weight.shape, batch), batch)
        return self.window(weight, pre, post, state, checks.time_step("run", dt))

    @cached_property
    def window(self) -> Window:
        """`run` without its checks, for callers that have made them."""
        return _over_time(self.update)

    @cached_property
    def layout(self) -> Callable[[tuple[int, ...], int], str]:
        """(shape of a weight, batch) -> what a state is made of; kept for each."""

        def layout(shape: tuple[int, ...], batch: int) -> str:
            return checks.layout(self.init(np.ones(shape), batch))

        return cache(layout)

    def compiled(self) -> Rule:
        """Return the rule as machine code; the first call with new types takes a second or two."""
        return self._machine_code

    @cached_property
    def _machine_code(self) -> Rule:
        from potentiate.kernels.compile import compiled

        if self.equation is None:
            rule = Rule(self.init, compiled(self.update), self.parameters)
            run = compiled(_over_time(self.update))
        else:  # compiled once for all parameters
            update = _bound(compiled(self.equation), self.parameters)
            rule = Rule(self.init, update, self.parameters)
            run = _bound(compiled(_equation_over_time(self.equation)), self.parameters)
        rule.__dict__["window"] = run  # where the cached property keeps it
        return rule


def with_parameters(init: Init, equation: Equation, parameters: Any) -> Rule:
    """Return the rule whose update is `equation(weight, pre, post, state, dt, parameters)`.

    Numbers become floats, so that the equation is compiled once however many rules are made of it.
    """
    parameters = _floats(parameters)
    return Rule(init, _bound(equation, parameters), parameters, equation)


def _floats(parameters: Any) -> Any:
    kind = parameters.__class__
    if isinstance(parameters, tuple):
        return kind(*[_floats(value) for value in cast("tuple[Any, ...]", parameters)])
    return parameters if isinstance(parameters, bool) else float(parameters)


def _bound(equation: Equation, parameters: Any) -> Update:
    def update(
        weight: Array, pre: Array, post: Array, state: State, dt: float
    ) -> tuple[Array, State]:
        return equation(weight, pre, post, state, dt, parameters)

    return update


def chain(*rules: Rule) -> Rule:
    """Apply `rules` one after another in each step; the state is a tuple of theirs, in order.

    Raises:
        Refused: One of them is no rule.
    """
    checks.rules("chain", *rules)
    if not rules:
        return Rule(stateless, _unchanged)
    first, rest = rules[0], chain(*rules[1:])
    update_first, update_rest = first.update, rest.update

    def init(weight: Array, batch: int) -> State:
        return (first.init(weight, batch), *rest.init(weight, batch))

    def update(
        weight: Array, pre: Array, post: Array, state: State, dt: float
    ) -> tuple[Array, State]:
        weight, head = update_first(weight, pre, post, state[0], dt)
        weight, tail = update_rest(weight, pre, post, state[1:], dt)
        return weight, (head,) + tail  # noqa: RUF005 (numba cannot unpack a tuple)

    return Rule(init, update)


class Gathered(NamedTuple):
    """State of `every`: what has been gathered since the rule last ran."""

    steps: Array  # [1]
    pre: Array  # [batch, pre] spike counts
    post: Array  # [batch, post] spike counts
    inner: State


def every(n: int, rule: Rule) -> Rule:
    """Run `rule` on each n-th step, with the spike counts of n steps and n * dt.

    No spike is lost and the rate per millisecond is unchanged. Rules that depend on the order of
    spikes see those of n steps as simultaneous. Steps that do not fill a group of n wait in the state.

    Raises:
        Refused: `n` is no whole number, or less than 1, or `rule` is none.
    """
    if not holds(lambda: index(n) >= 1):
        raise Refused(f"every({n!r}, ...) never runs its rule; choose a whole number of at least 1")
    n = index(n)
    checks.rules("every", rule)
    update_inner = rule.update

    def init(weight: Array, batch: int) -> Gathered:
        return Gathered(np.zeros(1, np.int64), *silent(weight, batch), rule.init(weight, batch))

    def update(
        weight: Array, pre: Array, post: Array, state: Gathered, dt: float
    ) -> tuple[Array, Gathered]:
        steps, counts_pre, counts_post, inner = state
        join(counts_pre, pre, False)
        join(counts_post, post, False)
        steps[0] += 1
        if steps[0] == n:
            weight, inner = update_inner(weight, counts_pre, counts_post, inner, n * dt)
            steps[0] = 0
            counts_pre.fill(0)
            counts_post.fill(0)
        return weight, Gathered(steps, counts_pre, counts_post, inner)

    return Rule(init, update)


class Gate(NamedTuple):
    """State of `gated`."""

    signal: Array  # [1], set by the user: state.signal[...] = 0.0
    inner: State


def gated(rule: Rule) -> Rule:
    """Multiply the weight change of `rule` by a signal that its state holds, 1 to begin with.

    At 0 the weight stays as it is while traces go on. Cost: a copy of the weight per step unless
    the signal is 1. A signal above 1 can pass the bounds of `rule`; chain `bound` after it.

    Raises:
        Refused: `rule` is none.
    """
    checks.rules("gated", rule)
    update_inner = rule.update

    def init(weight: Array, batch: int) -> Gate:
        return Gate(np.ones(1, weight.dtype), rule.init(weight, batch))

    def update(
        weight: Array, pre: Array, post: Array, state: Gate, dt: float
    ) -> tuple[Array, Gate]:
        signal = state.signal[0]
        if signal == 1:  # no rounding on the way
            weight, inner = update_inner(weight, pre, post, state.inner, dt)
        else:
            before = weight.copy()
            weight, inner = update_inner(weight, pre, post, state.inner, dt)
            blend(weight, before, signal)
        return weight, Gate(state.signal, inner)

    return Rule(init, update)


def bound(lo: float = 0.0, hi: float = inf) -> Rule:
    """Clip all weights to [lo, hi].

    Raises:
        Refused: `lo` lies above `hi`.
    """
    return with_parameters(stateless, _clip, limits(lo, hi))


def _clip(
    weight: Array, pre: Array, post: Array, state: State, dt: float, p: Limits
) -> tuple[Array, State]:
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            weight[i, j] = min(max(weight[i, j], p.w_min), p.w_max)
    return weight, state


def _over_time(update: Update) -> Window:
    def run(weight: Array, pre: Array, post: Array, state: State, dt: float) -> tuple[Array, State]:
        for t in range(len(pre)):
            weight, state = update(weight, pre[t], post[t], state, dt)
        return weight, state

    return run


@cache
def _equation_over_time(equation: Equation) -> Equation:
    def run(
        weight: Array, pre: Array, post: Array, state: State, dt: float, parameters: Any
    ) -> tuple[Array, State]:
        for t in range(len(pre)):
            weight, state = equation(weight, pre[t], post[t], state, dt, parameters)
        return weight, state

    return run


def stateless(weight: Array, batch: int) -> State:
    """Return the state of a rule that has none."""
    return ()


def _unchanged(
    weight: Array, pre: Array, post: Array, state: State, dt: float
) -> tuple[Array, State]:
    return weight, state
