from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from potentiate.errors import Refused
from potentiate.plasticity import (
    Rule,
    amplitude_decay,
    bound,
    chain,
    every,
    gated,
    hebb,
    importance_weighted,
    intrinsic,
    metaplasticity,
    pair_stdp,
)
from potentiate.plasticity.rule import Array, State


def adding(amount: float) -> Rule:
    """A rule of a user's own: adds `amount` per ms."""

    def init(weight: Array, batch: int) -> State:
        return (np.zeros(1),)

    def update(
        weight: Array, pre: Array, post: Array, state: State, dt: float
    ) -> tuple[Array, State]:
        weight += amount * dt
        state[0][0] += 1
        return weight, state

    return Rule(init, update)


def multiplying(factor: float) -> Rule:
    def update(
        weight: Array, pre: Array, post: Array, state: State, dt: float
    ) -> tuple[Array, State]:
        return weight * factor, state  # a new array: what comes back counts

    return Rule(lambda weight, batch: (), update)


SILENCE = np.zeros((1, 1))


def run(rule: Rule, steps: int, dt: float = 1.0) -> tuple[float, State]:
    weight = np.ones((1, 1))
    state = rule.init(weight, 1)
    for _ in range(steps):
        weight, state = rule.update(weight, SILENCE, SILENCE, state, dt)
    return float(weight[0, 0]), state


@pytest.mark.parametrize("compiled", [False, True])
def test_a_chain_goes_from_left_to_right(compiled: bool) -> None:
    rules = chain(adding(1.0), multiplying(2.0)), chain(multiplying(2.0), adding(1.0))
    found = [run(r.compiled() if compiled else r, 2)[0] for r in rules]
    assert found == [((1 + 1) * 2 + 1) * 2, (1 * 2 + 1) * 2 + 1]


def test_a_chain_keeps_the_states_in_order() -> None:
    _, state = run(chain(adding(1.0), multiplying(2.0), every(2, adding(1.0))), 5)
    assert state[0][0].tolist() == [5]
    assert state[1] == ()
    assert state[2].inner[0].tolist() == [2]


@pytest.mark.parametrize("compiled", [False, True])
def test_every_keeps_the_rate_per_millisecond(compiled: bool) -> None:
    rule = every(5, adding(0.25))
    rule = rule.compiled() if compiled else rule
    assert run(rule, 20, dt=2.0)[0] == pytest.approx(1 + 0.25 * 40)
    assert run(rule, 4)[0] == 1.0  # four steps wait


def test_every_loses_no_spike() -> None:
    rng = np.random.default_rng(0)
    spikes = rng.random((60, 2, 3)) < 0.4
    rule = every(6, intrinsic(target_rate=10.0, eta=0.5))
    weight = np.ones((1, 3))
    _, state = rule.run(weight, np.zeros((60, 2, 1)), spikes, rule.init(weight, 2), 1.0)
    expected = 0.5 * (spikes.sum((0, 1)) / 2 - 10.0 * 60 / 1000)
    np.testing.assert_allclose(state.inner.threshold, expected)


def test_every_passes_counts_and_n_dt() -> None:
    seen: list[tuple[float, float, float]] = []

    def update(
        weight: Array, pre: Array, post: Array, state: State, dt: float
    ) -> tuple[Array, State]:
        seen.append((float(pre[0, 0]), float(post[0, 0]), dt))
        return weight, state

    rule = every(3, Rule(lambda weight, batch: (), update))
    weight = np.ones((1, 1))
    pre, post = np.array([1, 0, 1, 1, 1, 1, 1.0]), np.array([0, 0, 1, 0, 0, 2, 1.0])
    rule.run(weight, pre[:, None, None], post[:, None, None], rule.init(weight, 1), 0.5)
    assert seen == [(2.0, 1.0, 1.5), (3.0, 2.0, 1.5)]


@pytest.mark.parametrize("n", [0, -3])
def test_every_must_run_at_times(n: int) -> None:
    with pytest.raises(Refused, match="never runs"):
        every(n, hebb())


@pytest.mark.parametrize(("signal", "expected"), [(1.0, 3.0), (0.5, 2.0), (0.0, 1.0), (-1.0, -1.0)])
def test_a_gate_scales_the_change(signal: float, expected: float) -> None:
    rule = gated(adding(2.0))
    weight = np.ones((1, 1))
    state = rule.init(weight, 1)
    assert state.signal.tolist() == [1.0]
    state.signal[...] = signal
    weight, state = rule.update(weight, SILENCE, SILENCE, state, 1.0)
    assert weight[0, 0] == expected
    assert state.inner[0].tolist() == [1]


def test_traces_go_on_behind_a_closed_gate() -> None:
    rng = np.random.default_rng(1)
    pre, post = rng.random((30, 1, 4)) < 0.3, rng.random((30, 1, 3)) < 0.3
    weight = np.full((4, 3), 0.5)
    open_rule, closed = pair_stdp(), gated(pair_stdp())
    _, expected = open_rule.run(weight.copy(), pre, post, open_rule.init(weight, 1), 1.0)
    state = closed.init(weight, 1)
    state.signal[...] = 0.0
    weight, state = closed.run(weight, pre, post, state, 1.0)
    assert (weight == 0.5).all()
    np.testing.assert_array_equal(state.inner.pre, expected.pre)
    np.testing.assert_array_equal(state.inner.post, expected.post)


def test_bounds_clip() -> None:
    weight = np.array([[-1.0, 0.2, 3.0]])
    rule = bound(0.0, 1.0)
    found, _ = rule.update(weight, np.zeros((1, 1)), np.zeros((1, 3)), rule.init(weight, 1), 1.0)
    assert found.tolist() == [[0.0, 0.2, 1.0]]
    with pytest.raises(Refused, match="lower bound first"):
        bound(1.0, 0.0)


def test_a_rule_is_compiled_once() -> None:
    rule = pair_stdp()
    assert rule.compiled() is rule.compiled()
    assert rule.compiled().parameters == rule.parameters


def test_parameters_are_floats_however_they_were_given() -> None:
    given = pair_stdp(1, 1, 20, 20, w_max=2).parameters
    assert [type(v) for v in (*given[:4], *given.limits)] == [float] * 8
    assert type(given.nearest) is bool


PAIRS = pair_stdp()
RUNNING = {"plain": PAIRS, "compiled": PAIRS.compiled(), "composed": chain(every(2, gated(PAIRS)))}


@pytest.mark.parametrize("name", RUNNING)
@pytest.mark.parametrize(
    ("pre", "post"),
    [
        ((5, 1, 7), (5, 1, 2)),  # wide
        ((5, 1, 2), (5, 1, 2)),  # narrow
        ((5, 1, 3), (5, 1, 1)),
        ((5, 1, 3), (2, 1, 2)),  # short
        ((2, 1, 3), (5, 1, 2)),
        ((5, 2, 3), (5, 1, 2)),  # of another batch
        ((5, 3), (5, 2)),
        ((), ()),
    ],
)
def test_spikes_that_do_not_fit_are_refused(
    name: str, pre: tuple[int, ...], post: tuple[int, ...]
) -> None:
    rule, weight = RUNNING[name], np.full((3, 2), 0.5)
    with pytest.raises(Refused, match=r"do not fit a weight \(3, 2\); give \[time, batch, pre\]"):
        rule.run(weight, np.ones(pre), np.ones(post), rule.init(weight, 1), 1.0)
    assert (weight == 0.5).all()


@pytest.mark.parametrize("name", RUNNING)
def test_a_window_asks_for_a_state_of_its_own(name: str) -> None:
    rule, weight = RUNNING[name], np.full((3, 2), 0.5)
    spikes = np.ones((5, 2, 3)), np.ones((5, 2, 2))
    for state in (rule.init(weight, 1), rule.init(np.ones((4, 2)), 2), ()):
        with pytest.raises(Refused, match=r"give what rule\.init\(weight, 2\) returns"):
            rule.run(weight, *spikes, state, 1.0)
    single = weight.astype(np.float32)
    learned, _ = rule.run(single, *spikes, rule.init(weight, 2), 1.0)  # traces may be finer
    assert learned.dtype == np.float32
    assert (learned < 0.5).all()


@pytest.mark.parametrize("name", RUNNING)
def test_a_window_asks_for_numbers(name: str) -> None:
    rule, weight = RUNNING[name], np.full((3, 2), 0.5)
    pre, post, state = np.ones((5, 1, 3)), np.ones((5, 1, 2)), rule.init(weight, 1)
    wrong: list[tuple[tuple[Any, ...], str]] = [
        ((weight.astype(int), pre, post, state, 1.0), "the weight is int64"),
        ((weight.tolist(), pre, post, state, 1.0), "the weight is a list"),
        ((weight * np.nan, pre, post, state, 1.0), "the weights are not all finite"),
        ((weight, pre * np.nan, post, state, 1.0), "the presynaptic spikes are not all finite"),
        ((weight, pre, post * np.inf, state, 1.0), "the postsynaptic spikes are not all finite"),
        ((weight, pre, post.astype(str), state, 1.0), "cannot be read as numbers"),
        ((weight, pre, post, state, 0.0), "dt is 0.0; give a finite number of ms above 0"),
        ((weight, pre, post, state, -1), "dt is -1"),
        ((weight, pre, post, state, np.nan), "dt is nan"),
        ((weight, pre, post, state, "1"), "dt is '1'"),
    ]
    for given, said in wrong:
        with pytest.raises(Refused, match=f"^run: .*{said}"):
            rule.run(*given)
    assert (weight == 0.5).all()


def test_a_window_looks_at_the_layout_of_a_state_once() -> None:
    made: list[int] = []

    def init(weight: Array, batch: int) -> State:
        made.append(batch)
        return (np.zeros(batch),)

    rule = Rule(init, multiplying(1.0).update)
    for _ in range(3):
        rule.run(np.ones((1, 1)), np.ones((4, 2, 1)), np.ones((4, 2, 1)), (np.zeros(2),), 1.0)
    assert made == [2]


@pytest.mark.parametrize("n", [1.5, "2", None, np.nan])
def test_every_counts_whole_steps(n: Any) -> None:
    with pytest.raises(Refused, match="choose a whole number"):
        every(n, hebb())


def test_every_takes_a_whole_number_of_numpy() -> None:
    assert run(every(np.int32(5), adding(0.25)), 20)[0] == pytest.approx(6.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "compose",
    [
        chain,
        partial(chain, hebb()),
        partial(every, 2),
        gated,
        metaplasticity,
        importance_weighted,
        amplitude_decay,
    ],
)
@pytest.mark.parametrize("junk", [1, None, hebb])
def test_only_rules_are_composed(compose: Callable[[Any], Rule], junk: Any) -> None:
    with pytest.raises(Refused, match="is no rule; give what a factory returns"):
        compose(junk)


@pytest.mark.parametrize("bounds", [(np.nan, 1), (0, np.nan), ("a", 1), (np.inf, np.inf)])
def test_bounds_are_numbers(bounds: Any) -> None:
    with pytest.raises(Refused, match="no weight lies between"):
        bound(*bounds)
