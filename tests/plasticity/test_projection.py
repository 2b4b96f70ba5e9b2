from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from potentiate.errors import Refused
from potentiate.plasticity import Rule, oja, pair_stdp, projection, replay
from potentiate.plasticity.rule import Array

SETTINGS: dict[str, dict[str, Any]] = {
    "additive": {"a_plus": 0.05, "a_minus": 0.06},  # bounds are met all the time
    "weak": {"a_plus": 1e-5, "a_minus": 1e-5},  # they are not met at all
    "unbounded": {"w_min": -np.inf, "w_max": np.inf},
    "nearest": {"a_plus": 0.02, "pairing": "nearest"},
    "anti-Hebbian": {"a_plus": -0.02, "a_minus": -0.03},
    "multiplicative": {"bounds": "multiplicative"},
    "soft": {"bounds": "soft", "mu_plus": 0.3, "mu_minus": 0.02},
}
ENGINES = [
    (setting, engine)
    for setting in SETTINGS
    for engine in ("event", "block", "auto")
    if engine != "block" or setting not in {"multiplicative", "soft"}
]
rules = {name: pair_stdp(**settings) for name, settings in SETTINGS.items()}


def window(
    shape: tuple[int, int], steps: int, density: float, kind: Any = np.float64
) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(3)
    weight = rng.random(shape).astype(kind)
    return weight, *(rng.random((steps, n)) < density for n in shape)


def results(rule: Rule, engine: str, weight: Array, pre: Array, post: Array) -> list[Array]:
    """Weight and traces after two windows, the second of which starts with what the first left."""
    weight = weight.copy()
    state = rule.init(weight, 1)
    half = len(pre) // 2
    for part in (slice(0, half), slice(half, None)):
        weight, state = replay(rule, weight, pre[part], post[part], state, engine=engine)
    return [weight, *state]


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("density", [0.0, 0.005, 0.02, 0.1, 0.5])
@pytest.mark.parametrize(("setting", "engine"), ENGINES)
def test_engines_agree(setting: str, engine: str, density: float, kind: Any) -> None:
    tolerance = 1e-12 if kind is np.float64 else 2e-5
    for shape, steps in (
        ((23, 17), 700),
        ((1, 1), 90),
        ((2, 40), 7),
        ((0, 3), 9),
        ((3, 0), 9),
        ((4, 4), 0),
    ):
        given = window(shape, steps, density, kind)
        found = results(rules[setting], engine, *given)
        expected = results(rules[setting], "reference", *given)
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == kind
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def test_the_reference_is_the_rule() -> None:
    rule = rules["soft"]
    weight, pre, post = window((5, 4), 60, 0.3)
    expected, state = rule.run(
        weight.copy(), pre[:, None], post[:, None], rule.init(weight, 1), 1.0
    )
    found = results(rule, "reference", weight, pre, post)
    for a, b in zip(found, (expected, *state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_a_time_step_of_the_users_own() -> None:
    rule = rules["additive"]
    weight, pre, post = window((5, 4), 60, 0.3)
    found = [
        replay(rule, weight.copy(), pre, post, rule.init(weight, 1), 0.25, engine=engine)[0]
        for engine in ("reference", "event", "block")
    ]
    np.testing.assert_allclose(found[1], found[0], atol=1e-13)
    np.testing.assert_allclose(found[2], found[0], atol=1e-13)
    assert np.abs(found[0] - results(rule, "event", weight, pre, post)[0]).max() > 1e-3


def test_auto_chooses_by_density_and_bounds() -> None:
    def chosen(setting: str, density: float) -> str:
        return projection.engine_for(rules[setting], *window((60, 50), 300, density))

    assert chosen("unbounded", 0.005) == "event"
    assert chosen("unbounded", 0.2) == "block"
    assert chosen("weak", 0.2) == "block"
    assert chosen("additive", 0.2) == "event"  # its weights meet the bounds
    assert chosen("soft", 0.2) == "event"
    assert projection.engine_for(oja(), *window((6, 5), 300, 0.2)) == "reference"


def test_tensors_on_a_device_learn_there_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, pre, post = window((5, 4), 30, 0.3)
    rule = rules["soft"]
    with pytest.raises(Refused, match="take 'event' for arrays"):
        replay(rule, weight, pre, post, rule.init(weight, 1), engine="triton")
    monkeypatch.setattr(projection, "_on_device", lambda weight: True)
    assert projection.engine_for(rule, weight, pre, post) == "triton"
    with pytest.raises(Refused, match="'event' cannot reach a CUDA device"):
        replay(rule, weight, pre, post, rule.init(weight, 1), engine="event")
    with pytest.raises(Refused, match="'reference' cannot reach a CUDA device"):
        replay(oja(), weight, pre, post, ())
    monkeypatch.setattr(projection, "find_spec", lambda name: None)
    with pytest.raises(Refused, match="pip install triton"):
        replay(rule, weight, pre, post, rule.init(weight, 1))


def test_other_rules_go_step_by_step() -> None:
    rule = oja(eta=0.1)
    weight, pre, post = window((5, 4), 30, 0.3)
    found, _ = replay(rule, weight.copy(), pre, post, ())
    expected, _ = rule.run(weight, pre[:, None], post[:, None], (), 1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_what_cannot_be_done_is_refused() -> None:
    weight, pre, post = window((5, 4), 30, 0.3)
    rule = rules["additive"]
    traces = rule.init(weight, 1)
    with pytest.raises(Refused, match="did you mean 'event'"):
        replay(rule, weight, pre, post, traces, engine="evnt")
    with pytest.raises(Refused, match="additive"):
        replay(rules["soft"], weight, pre, post, traces, engine="block")
    with pytest.raises(Refused, match="pair_stdp alone"):
        replay(oja(), weight, pre, post, (), engine="event")
    with pytest.raises(Refused, match="do not fit"):
        replay(rule, weight, post, pre, traces)
    with pytest.raises(Refused, match=r"do not lie in \[0, 1\]"):
        replay(rule, weight + 1, pre, post, traces)


def test_a_state_of_another_weight_batch_or_rule_is_refused() -> None:
    weight, pre, post = window((5, 4), 30, 0.3)
    rule, start = rules["additive"], weight.copy()
    others = {
        "another weight": rule.init(np.zeros((2, 1)), 1),
        "a batch of two": rule.init(weight, 2),
        "a rule without": (),
        "another rule": tuple(rule.init(weight, 1)),
        "whole numbers": rule.init(weight, 1)._replace(pre=np.zeros((1, 5), np.int64)),
        "half precision": rule.init(weight, 1)._replace(pre=np.zeros((1, 5), np.float16)),
        "of tensors": type(rule.init(weight, 1))(*map(torch.as_tensor, rule.init(weight, 1))),
        "read-only": rule.init(weight, 1)._replace(pre=np.broadcast_to(0.0, (1, 5))),
    }
    for engine in ("auto", "reference", "event", "block"):
        for state in others.values():
            with pytest.raises(Refused, match=r"give what rule\.init\(weight, 1\) returns"):
                replay(rule, weight, pre, post, state, engine=engine)
    np.testing.assert_array_equal(weight, start)


@pytest.mark.parametrize("engine", ["auto", "reference", "event", "block"])
@pytest.mark.parametrize("side", ["pre", "post", "weight"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(engine: str, side: str, value: float) -> None:
    weight, *trains = window((5, 4), 30, 0.3)
    rule = rules["additive"]
    given = {"weight": weight, "pre": trains[0] * 1.0, "post": trains[1] * 1.0}
    given[side][3, 2] = value
    with pytest.raises(Refused, match="not all finite"):
        replay(rule, **given, state=rule.init(weight, 1), engine=engine)


@pytest.mark.parametrize("dt", [0, -1.0, np.nan, np.inf, "1", None])
def test_time_goes_forward(dt: Any) -> None:
    weight, pre, post = window((5, 4), 30, 0.3)
    with pytest.raises(Refused, match=r"replay: dt is .*; give a finite number of ms above 0"):
        replay(rules["soft"], weight, pre, post, rules["soft"].init(weight, 1), dt)


def test_weights_that_cannot_learn_are_refused() -> None:
    weight, pre, post = window((5, 4), 30, 0.3)
    rule = rules["soft"]
    state = rule.init(weight, 1)
    locked = weight.copy()
    locked.flags.writeable = False
    wrong: list[tuple[Any, str]] = [
        (weight.tolist(), "the weight is a list"),
        (torch.as_tensor(weight), "the weight is a Tensor; give an array"),
        (weight > 0.5, r"the weight is bool \[5, 4\]"),
        (weight.astype(np.int64), r"the weight is int64 \[5, 4\]"),
        (weight.astype(np.float16), "float16"),
        (weight[0], r"the shape \(4,\); give \[pre, post\]"),
        (locked, "that can be written"),
    ]
    for values, said in wrong:
        with pytest.raises(Refused, match=f"replay: .*{said}"):
            replay(rule, values, pre, post, state)
    with pytest.raises(Refused, match="replay: pair_stdp is no rule"):
        replay(pair_stdp, weight, pre, post, state)  # type: ignore[arg-type]


def test_spikes_may_be_tensors_lists_and_numbers_of_any_width() -> None:
    weight, pre, post = window((5, 4), 30, 0.3)
    rule = rules["additive"]
    expected = results(rule, "event", weight, pre, post)
    for engine in ("auto", "reference", "event", "block"):
        for spikes in (
            (torch.as_tensor(pre), torch.as_tensor(post)),
            (pre.tolist(), post.tolist()),
            (pre.astype(np.float16), post.astype(">f8")),
            (pre.astype(np.int8), post.astype(np.uint8)),
        ):
            learned, state = weight.copy(), rule.init(weight, 1)
            learned, state = replay(rule, learned, *spikes, state, engine=engine)
            for a, b in zip((learned, *state), expected, strict=True):
                np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("wrong", [[["a"]], [[1], [1, 2]], [[1j]], [[None]]])
def test_spikes_that_are_no_numbers_are_refused(wrong: Any) -> None:
    weight = np.full((1, 1), 0.5)
    rule = rules["additive"]
    with pytest.raises(Refused, match="cannot be read as numbers"):
        replay(rule, weight, wrong, wrong, rule.init(weight, 1))
