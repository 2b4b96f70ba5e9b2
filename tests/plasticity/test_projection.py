from __future__ import annotations

from typing import Any

import numpy as np
import pytest

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
