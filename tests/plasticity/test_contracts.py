"""What every rule owes, run over the table: a new line in it is tested here without a line more."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from potentiate.errors import Refused
from potentiate.plasticity import RULES, Rule, bound, chain, every, gated, normalize, pair_stdp
from potentiate.plasticity.rule import Array, State

COMPOSED: dict[str, Callable[[], Rule]] = {
    "bound": lambda: bound(0.0, 1.0),
    "chain of none": chain,
    "chain": lambda: chain(pair_stdp(), every(2, RULES["two-speed"]()), bound(0.0, 1.0)),
    "every": lambda: every(3, pair_stdp()),
    "gated": lambda: gated(pair_stdp(a_plus=0.02)),
    "nested": lambda: every(2, gated(chain(RULES["metaplasticity"](), normalize(3.0)))),
    "nearest": lambda: pair_stdp(pairing="nearest"),
    "soft": lambda: pair_stdp(bounds="soft"),
    "multiplicative": lambda: pair_stdp(bounds="multiplicative"),
}
MAKERS: dict[str, Callable[..., Rule]] = {**RULES, **COMPOSED}
MOVES_IN_SILENCE = {"synaptic-scaling", "normalize", "nested"}
KNOWS_THE_TIME = {"amplitude-decay", "intrinsic", "every", "chain"}
"""Rules whose answer depends on how long they have run, or on the phase of `every`."""


def but(*names: str) -> Any:
    """Run a test over all rules but these."""
    return pytest.mark.parametrize("name", [n for n in MAKERS if n not in names])


made: dict[str, Rule] = {}


def rule_of(name: str) -> Rule:
    """One object per name, so that each is compiled once."""
    return made.setdefault(name, MAKERS[name]())


def weights(n_pre: int = 5, n_post: int = 4, kind: Any = np.float64) -> Array:
    return np.random.default_rng(0).uniform(0.2, 0.8, (n_pre, n_post)).astype(kind)


def trains(
    steps: int, batch: int, n_pre: int, n_post: int, kind: Any = np.float64
) -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    return tuple((rng.random((steps, batch, n)) < 0.3).astype(kind) for n in (n_pre, n_post))


def start(rule: Rule, weight: Array, batch: int) -> State:
    """The first state, with the signals that a user would set."""
    state = rule.init(weight, batch)
    if hasattr(state, "reward"):
        state.reward[...] = 0.7
    if hasattr(state, "signal"):
        state.signal[...] = 0.5
    return state


def learned(
    rule: Rule, weight: Array, pre: Array, post: Array, state: State | None = None
) -> tuple[Array, State]:
    """Weight and state after a window, step by step; what was given stays as it is."""
    weight = weight.copy()
    state = start(rule, weight, pre.shape[1]) if state is None else copied(state)
    for x, y in zip(pre, post, strict=True):
        weight, state = rule.update(weight, x, y, state, 1.0)
    return weight, state


def arrays(state: State) -> Iterator[Array]:
    if isinstance(state, tuple):
        for part in state:
            yield from arrays(part)
    else:
        assert isinstance(state, np.ndarray)
        yield state


def mapped(state: State, function: Callable[[Array], Array]) -> State:
    if not isinstance(state, tuple):
        return function(state)
    parts = [mapped(part, function) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)


def copied(state: State) -> State:
    return mapped(state, np.copy)


def assert_same(a: tuple[Array, State], b: tuple[Array, State], tolerance: float = 0.0) -> None:
    np.testing.assert_allclose(a[0], b[0], rtol=tolerance, atol=tolerance)
    for left, right in zip(arrays(a[1]), arrays(b[1]), strict=True):
        np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)


@pytest.fixture(params=MAKERS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_machine_code_does_what_the_lines_say(name: str) -> None:
    rule = rule_of(name)
    for batch in (1, 3):
        spikes = trains(40, batch, 5, 4)
        plain, fast = (learned(r, weights(), *spikes) for r in (rule, rule.compiled()))
        assert_same(plain, fast, 1e-13)


def test_single_precision_and_truth_values(name: str) -> None:
    rule = rule_of(name)
    spikes = trains(40, 2, 5, 4, np.bool_)
    single, double = (learned(rule, weights(kind=k), *spikes) for k in (np.float32, np.float64))
    assert single[0].dtype == np.float32
    assert_same(single, double, 1e-5)
    fast = learned(rule.compiled(), weights(kind=np.float32), *spikes)
    assert fast[0].dtype == np.float32
    assert_same(fast, single, 1e-5)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (7, 2)])
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_odd_and_empty_shapes(name: str, shape: tuple[int, int], batch: int) -> None:
    for rule in (rule_of(name), rule_of(name).compiled()):
        before = start(rule, weights(*shape), batch)
        weight, state = learned(rule, weights(*shape), *trains(6, batch, *shape))
        assert weight.shape == shape
        assert np.isfinite(weight).all()
        kinds = [(a.shape, a.dtype) for a in arrays(state)]
        assert kinds == [(a.shape, a.dtype) for a in arrays(before)]
        assert type(state) is type(before)


@but("normalize", "nested")  # normalization does not look at spikes
def test_no_samples_teach_nothing(name: str) -> None:
    weight, _ = learned(rule_of(name), weights(), *trains(6, 0, 5, 4))
    np.testing.assert_array_equal(weight, weights())


def test_silence_changes_no_weight(name: str) -> None:
    silence = np.zeros((20, 2, 5)), np.zeros((20, 2, 4))
    weight, _ = learned(rule_of(name), weights(), *silence)
    assert np.array_equal(weight, weights()) == (name not in MOVES_IN_SILENCE)


@but("bound", "chain of none", "two-speed")  # they move what another rule has moved
def test_spikes_change_something(name: str) -> None:
    rule = rule_of(name)
    weight, state = learned(rule, weights(), *trains(40, 1, 5, 4))
    threshold = getattr(state, "threshold", np.zeros(4))
    assert not np.array_equal(weight, weights()) or threshold.any()


def test_a_state_can_be_resumed_from(name: str) -> None:
    for rule in (rule_of(name), rule_of(name).compiled()):
        pre, post = trains(40, 2, 5, 4)
        whole = learned(rule, weights(), pre, post)
        weight, state = learned(rule, weights(), pre[:17], post[:17])
        again = mapped(state, lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape).copy())
        assert_same(learned(rule, weight, pre[17:], post[17:], again), whole)


def test_donated_arrays_and_spikes_are_not_used_again(name: str) -> None:
    rule = rule_of(name)
    pre, post = trains(20, 2, 5, 4)
    expected = learned(rule, weights(), pre, post)
    weight, state = weights(), start(rule, weights(), 2)
    for x, y in zip(pre, post, strict=True):
        x, y, donated = x.copy(), y.copy(), [weight, *arrays(state)]
        weight, state = rule.update(weight, x, y, state, 1.0)
        kept = {id(a) for a in (weight, *arrays(state))}
        for stale in (x, y, *(a for a in donated if id(a) not in kept)):
            if stale.dtype.kind == "f":
                stale.fill(np.nan)
    assert_same((weight, state), expected)


def test_neurons_have_no_order(name: str) -> None:
    rule = rule_of(name)
    order_pre, order_post = np.random.default_rng(2).permutation(5), np.array([2, 0, 3, 1])
    pre, post = trains(40, 2, 5, 4)
    weight, _ = learned(rule, weights(), pre, post)
    turned, _ = learned(
        rule, weights()[order_pre][:, order_post], pre[:, :, order_pre], post[:, :, order_post]
    )
    np.testing.assert_allclose(turned, weight[order_pre][:, order_post], rtol=1e-12)


@but(*MOVES_IN_SILENCE, *KNOWS_THE_TIME)
def test_time_has_no_origin(name: str) -> None:
    pre, post = trains(30, 1, 5, 4)
    late = (np.concatenate([np.zeros((11, *s.shape[1:])), s]) for s in (pre, post))
    assert_same(
        learned(rule_of(name), weights(), *late), learned(rule_of(name), weights(), pre, post)
    )


def test_equal_samples_teach_what_one_does(name: str) -> None:
    rule = rule_of(name)
    pre, post = trains(30, 1, 5, 4)
    one, _ = learned(rule, weights(), pre, post)
    three, _ = learned(rule, weights(), np.repeat(pre, 3, 1), np.repeat(post, 3, 1))
    np.testing.assert_allclose(three, one, rtol=1e-12)


def test_a_window_is_its_steps(name: str) -> None:
    rule = rule_of(name)
    pre, post = trains(12, 2, 5, 4)
    stepped = learned(rule, weights(), pre, post)
    for r in (rule, rule.compiled()):
        weight = weights()
        assert_same(r.run(weight, pre, post, start(r, weight, 2), 1.0), stepped, 1e-13)


REDUCING = [name for name, f in RULES.items() if "reduce" in inspect.signature(f).parameters]


@pytest.mark.parametrize("name", REDUCING)
def test_a_sum_is_the_mean_times_the_batch(name: str) -> None:
    open_bounds = {"w_min": -np.inf, "w_max": np.inf}
    taken = inspect.signature(RULES[name]).parameters
    settings = {key: value for key, value in open_bounds.items() if key in taken}
    mean, added = (RULES[name](reduce=how, **settings) for how in ("mean", "sum"))
    pre, post = trains(10, 3, 5, 4)
    _, state = learned(mean, weights(), pre, post)
    a, _ = learned(mean, weights(), pre[-1:], post[-1:], state)
    b, _ = learned(added, weights(), pre[-1:], post[-1:], state)
    np.testing.assert_allclose(b - weights(), 3 * (a - weights()), rtol=1e-9, atol=1e-15)


POSITIVE = ("tau", "eta", "target", "threshold", "factor", "total", "y0")
SETTINGS = [
    (name, key)
    for name, factory in RULES.items()
    for key in inspect.signature(factory).parameters
    if key.startswith(POSITIVE)
]


@pytest.mark.parametrize(("name", "key"), SETTINGS)
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_settings_that_make_no_sense_are_refused(name: str, key: str, value: float) -> None:
    with pytest.raises(Refused, match=f"^{key}="):
        RULES[name](**{key: value})


NUMBERS = [
    (name, key)
    for name, factory in RULES.items()
    for key, given in inspect.signature(factory).parameters.items()
    if type(given.default) is float and not key.startswith("mu_")  # for soft bounds alone
]


@pytest.mark.parametrize(("name", "key"), NUMBERS)
@pytest.mark.parametrize("value", [float("nan"), "1", None])
def test_every_setting_is_a_number(name: str, key: str, value: Any) -> None:
    with pytest.raises(Refused, match=f"^{key}=|no weight lies between"):
        RULES[name](**{key: value})


@pytest.mark.parametrize("key", ["mu_plus", "mu_minus"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, "1"])
def test_exponents_are_finite_and_not_negative(key: str, value: Any) -> None:
    with pytest.raises(Refused, match=f"^{key}=.*not negative"):
        pair_stdp(bounds="soft", **{key: value})


@pytest.mark.parametrize("name", [n for n in RULES if n not in {"normalize", "hebb", "oja"}])
def test_a_state_is_made_for_a_matrix_of_floats(name: str) -> None:
    rule = rule_of(name)
    with pytest.raises(Refused, match=r"the weight is int64 \[2, 2\]"):
        start(rule, np.ones((2, 2), np.int64), 1)
    with pytest.raises(Refused, match=r"the shape \(3,\); give \[pre, post\]"):
        start(rule, np.ones(3), 1)


@pytest.mark.parametrize("batch", [-1, 1.5, None])
def test_a_batch_is_a_number_of_samples(batch: Any) -> None:
    with pytest.raises(Refused, match=r"the batch is .*; give a whole number of samples"):
        pair_stdp().init(weights(), batch)


@pytest.mark.parametrize("name", REDUCING)
def test_a_reduction_is_a_mean_or_a_sum(name: str) -> None:
    with pytest.raises(Refused, match="did you mean 'mean'"):
        RULES[name](reduce="meen")
