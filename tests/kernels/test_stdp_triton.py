"""Pair STDP for CUDA devices: on one where there is one, else interpreted (`test_triton.py`)."""

from __future__ import annotations

import os
from importlib.util import find_spec
from math import exp
from typing import Any

import numpy as np
import pytest
import torch

from potentiate.errors import Refused
from potentiate.kernels.stdp import Array, Pairs, pair_event
from potentiate.plasticity import pair_stdp, projection, replay

if find_spec("triton") is None:
    pytest.skip("triton is not installed", allow_module_level=True)
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if not INTERPRETED and not torch.cuda.is_available():
    pytest.skip("test_triton.py has these interpreted", allow_module_level=True)
DEVICE = "cpu" if INTERPRETED else "cuda"

STEPS = 60
SHAPES = [(1, 1), (16, 64), (17, 65), (33, 130), (0, 70), (17, 0), (0, 0)]
LIMITS = {  # bounds that float32 does not hold exactly, met all the time where there are any
    "additive": (0.1, 0.9, 0.0, 0.0),
    "unbounded": (-np.inf, np.inf, 0.0, 0.0),
    "multiplicative": (-0.3, 0.7, 1.0, 1.0),
    "soft": (-0.3, 0.7, 0.3, 0.02),
    "half soft": (-0.3, 0.7, 0.0, 0.5),
}


def pairs(limits: str = "additive", nearest: bool = False, a_plus: float = 0.3) -> Pairs:
    return Pairs(a_plus, 0.4, exp(-1 / 20), exp(-1 / 30), *LIMITS[limits], nearest)


def given(shape: tuple[int, int], rule: Pairs, kind: Any, steps: int = STEPS) -> list[Array]:
    """Weight, pre [pre, time], post [time, post], and traces of both sides."""
    rng = np.random.default_rng(3)
    low, high = max(rule.w_min, -1), min(rule.w_max, 1)
    weight = low + (high - low) * rng.random(shape)
    trains = [rng.random(s) < 0.2 for s in ((shape[0], steps), (steps, shape[1]))]
    traces = [rng.random(n) for n in shape]
    return [values.astype(kind) for values in (weight, *trains, *traces)]


def learned(values: list[Array], rule: Pairs) -> list[Array]:
    """Weight and traces after the window, by the kernel."""
    from potentiate.kernels.stdp_triton import pair_triton

    there = [torch.tensor(v, device=DEVICE) for v in values]
    pair_triton(*there, rule)
    return [there[k].cpu().numpy() for k in (0, 3, 4)]


def by_events(values: list[Array], rule: Pairs) -> list[Array]:
    copies = [v.copy() for v in values]
    pair_event(*copies, rule)
    return [copies[k] for k in (0, 3, 4)]


def agree(found: list[Array], expected: list[Array]) -> None:
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        tolerance = 1e-12 if a.dtype == np.float64 else 1e-5  # of weights in a range of about 1
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("limits", LIMITS)
def test_weights_and_traces_are_those_of_the_events(limits: str, nearest: bool, kind: Any) -> None:
    rule = pairs(limits, nearest)
    values = given((17, 65), rule, kind)
    found = learned(values, rule)
    agree(found, by_events(values, rule))
    if limits == "additive":  # both bounds are met, and given with all digits of the type
        assert found[0].min() == kind(rule.w_min)
        assert found[0].max() == kind(rule.w_max)


@pytest.mark.parametrize("shape", SHAPES)
def test_odd_and_empty_shapes(shape: tuple[int, int]) -> None:
    rule = pairs("soft")
    for steps in (0, 1, 9):
        values = given(shape, rule, np.float64, steps)
        agree(learned(values, rule), by_events(values, rule))


@pytest.mark.parametrize("limits", ["additive", "multiplicative"])
@pytest.mark.parametrize("pairing", ["all", "nearest"])
def test_the_same_bits_as_the_definition(limits: Any, pairing: Any) -> None:
    rule = pair_stdp(0.3, 0.4, 20, 30, bounds=limits, w_min=-0.3, w_max=0.7, pairing=pairing)
    p = rule.parameters
    scalars = Pairs(0.3, 0.4, exp(-1 / 20), exp(-1 / 30), *p.limits, p.nearest)
    weight, pre, post, x, y = given((17, 65), scalars, np.float64)
    found = learned([weight, pre, post, x, y], scalars)
    state = rule.init(weight, 1)
    state.pre[0], state.post[0] = x, y
    weight, state = rule.compiled().run(weight, pre.T[:, None].copy(), post[:, None], state, 1.0)
    for a, b in zip(found, (weight, state.pre[0], state.post[0]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_synapse_by_hand() -> None:
    plus, minus = exp(-1 / 20), exp(-1 / 30)
    pre, post = np.zeros((1, 20)), np.zeros((20, 1))
    pre[0, [3, 8]], post[10, 0] = 1, 1
    values = [np.zeros((1, 1)), pre, post, np.full(1, 2.0), np.full(1, 0.5)]
    weight, x, y = (float(v.item()) for v in learned(values, pairs("unbounded")))
    up = 0.3 * (2 * plus**11 + plus**7 + plus**2)
    assert weight == pytest.approx(up - 0.4 * 0.5 * (minus**4 + minus**9), rel=1e-12)
    assert x == pytest.approx(2 * plus**20 + plus**16 + plus**11, rel=1e-12)
    assert y == pytest.approx(0.5 * minus**20 + minus**9, rel=1e-12)


def test_counts_are_spikes_and_amplitudes_may_be_negative() -> None:
    rule = pairs("half soft", a_plus=-0.05)
    values = given((5, 7), rule, np.float64)
    values[1] *= 2
    values[2] *= 3
    agree(learned(values, rule), by_events(values, rule))


@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.float64])
def test_spikes_of_any_type_and_arrays_of_any_strides(kind: torch.dtype) -> None:
    from potentiate.kernels.stdp_triton import pair_triton

    rule = pairs()
    values = given((17, 65), rule, np.float32)
    weight, pre, post, x, y = (torch.tensor(v, device=DEVICE) for v in values)
    weight = weight.T.contiguous().T
    pre, post = pre.to(kind).T.contiguous().T, post.to(kind).T.contiguous().T
    traces = torch.stack([x, x], 1)
    pair_triton(weight, pre, post, traces[:, 0], y, rule)
    agree([v.cpu().numpy() for v in (weight, traces[:, 0], y)], by_events(values, rule))
    assert torch.equal(traces[:, 1], x)


def test_windows_one_after_another_are_one_window() -> None:
    rule = pairs("soft", nearest=True)
    weight, pre, post, x, y = given((17, 65), rule, np.float64)
    half = learned([weight, pre[:, :25], post[:25], x, y], rule)
    found = learned([half[0], pre[:, 25:], post[25:], *half[1:]], rule)
    agree(found, by_events([weight, pre, post, x, y], rule))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_projection_on_the_device_chooses_it(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several chunks; spikes and traces may be arrays."""
    monkeypatch.setattr(projection, "CHUNK", 25)
    rule = pair_stdp(0.3, 0.4, bounds="multiplicative", w_min=-0.3, w_max=0.7)
    values = given((17, 65), pairs("multiplicative"), kind)
    weight, pre, post = values[0], values[1].T, values[2]
    weight[0, :2] = -0.3, 0.7  # not outside, though float32 holds less of them
    there = torch.tensor(weight, device=DEVICE)
    expected, traces = replay(rule, weight, pre, post, rule.init(weight, 1))
    if INTERPRETED:
        monkeypatch.setattr(projection, "_on_device", torch.is_tensor)
    found, state = replay(rule, there, pre, torch.tensor(post), rule.init(weight, 1))
    assert found is there
    agree([v.cpu().numpy() for v in (found, *state)], [expected, *traces])
    with pytest.raises(Refused, match=r"do not lie in \[-0.3, 0.7\]"):
        replay(rule, there + 1, pre, post, state)


def test_half_precision_is_refused() -> None:
    from potentiate.kernels.stdp_triton import pair_triton

    values = [torch.tensor(v).bfloat16() for v in given((3, 2), pairs(), np.float32)]
    with pytest.raises(Refused, match=r"got torch.bfloat16; call .float\(\)"):
        pair_triton(*values, pairs())
