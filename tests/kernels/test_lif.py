from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from potentiate.errors import Refused
from potentiate.kernels.lif import (
    RESETS,
    _lif,
    dynamics,
    lif_sequence,
    lif_sequence_reference,
)
from potentiate.kernels.surrogate import SURROGATES

SHAPES = [(7, 3, 5), (1, 1, 300), (9, 2, 515), (4, 6), (3,), (5, 2, 0), (0, 3, 4), (2, 0, 3)]


@pytest.fixture(autouse=True)
def _poisoned() -> Iterator[None]:
    """Fill what torch leaves uninitialized with nan, so that a forgotten write cannot pass."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def inputs(shape: tuple[int, ...], steps: int | None, dtype: torch.dtype) -> list[Tensor]:
    """A current with a fair share of spikes, and first membranes."""
    current = torch.randn(shape if steps is None else shape[1:], dtype=dtype) * 0.7 + 0.3
    return [t.requires_grad_() for t in (current, torch.randn(shape[1:], dtype=dtype))]


def assert_same(current: Tensor, initial: Tensor, beta: float = 0.9, **given: Any) -> None:
    """Spikes and membranes are equal, and so, to rounding, are the gradients of a random loss."""
    kernel, reference = (
        run(current, beta, initial=initial, **given)
        for run in (lif_sequence, lif_sequence_reference)
    )
    weights = [torch.randn_like(out) for out in reference]
    for mine, its in zip(kernel, reference, strict=True):
        assert torch.equal(mine, its)
    mine, its = (
        torch.autograd.grad(out, (current, initial), weights) for out in (kernel, reference)
    )
    torch.testing.assert_close(mine, its)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("steps", [None, 6])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("surrogate", sorted(SURROGATES))
@pytest.mark.parametrize("detach_reset", [False, True])
def test_values_and_gradients_are_those_of_the_reference(
    dtype: torch.dtype, steps: int | None, reset: str, surrogate: str, detach_reset: bool
) -> None:
    for shape in SHAPES:
        rule = {"reset": reset, "surrogate": surrogate, "detach_reset": detach_reset}
        assert_same(*inputs(shape, steps, dtype), steps=steps, **rule)


@settings(max_examples=20)
@given(
    time=st.integers(0, 12),
    width=st.integers(0, 700),
    beta=st.floats(0, 1),
    threshold=st.floats(0.1, 3),
    sharpness=st.floats(0.1, 50),
    reset=st.sampled_from(RESETS),
)
def test_any_setting_gives_what_the_reference_gives(
    time: int, width: int, beta: float, threshold: float, sharpness: float, reset: str
) -> None:
    current, initial = inputs((time, width), None, torch.float64)
    assert_same(current, initial, beta, threshold=threshold, sharpness=sharpness, reset=reset)


@pytest.mark.parametrize(
    ("reset", "membrane"),
    [
        ("subtract", 0.05625),  # before the resets: 0.6, 0.9, 1.05, 0.625, 0.9125, 1.05625
        ("zero", 0.0),  # 0.6, 0.9, 1.05, 0.6, 0.9, 1.05
    ],
)
def test_a_neuron_computed_by_hand(reset: str, membrane: float) -> None:
    current = torch.tensor([0.6], dtype=torch.float64)
    spikes, left = lif_sequence(current, 0.5, steps=6, reset=reset)
    assert spikes[:, 0].tolist() == [0, 0, 1, 0, 0, 1]
    assert left.item() == pytest.approx(membrane)


def test_a_membrane_at_the_threshold_fires() -> None:
    fired, left = lif_sequence(torch.tensor([0.5, 1.0, 0.5]), 1.0, threshold=1.5)
    assert fired.tolist() == [0.0, 1.0, 0.0]
    assert left.item() == 0.5


def test_below_threshold_the_membrane_is_a_leaky_sum() -> None:
    current = torch.rand(8, 3, dtype=torch.float64, requires_grad=True)
    left = 0.9 ** torch.arange(7, -1, -1, dtype=torch.float64)
    spikes, membrane = lif_sequence(current, 0.9, threshold=1e6, surrogate="triangle")
    torch.testing.assert_close(membrane, left @ current)
    (grad,) = torch.autograd.grad(membrane.sum(), current)
    torch.testing.assert_close(grad, left[:, None].expand(8, 3))
    assert not spikes.any()


def test_two_halves_are_the_whole() -> None:
    current, initial = inputs((10, 2, 30), None, torch.float64)
    spikes, membrane = lif_sequence(current, 0.9, initial=initial)
    first, between = lif_sequence(current[:4], 0.9, initial=initial)
    second, last = lif_sequence(current[4:], 0.9, initial=between)
    assert torch.equal(torch.cat([first, second]), spikes)
    assert torch.equal(last, membrane)
    weights = torch.randn_like(spikes)
    whole = torch.autograd.grad((spikes * weights).sum() + membrane.sum(), (current, initial))
    halves = torch.autograd.grad(
        (torch.cat([first, second]) * weights).sum() + last.sum(), (current, initial)
    )
    torch.testing.assert_close(halves, whole)


def test_a_constant_current_is_one_that_is_repeated() -> None:
    current, initial = inputs((6, 2, 300), 6, torch.float64)
    spikes, _ = lif_sequence(current, 0.9, steps=6, initial=initial)
    repeated = lif_sequence(current.expand(6, 2, 300), 0.9, initial=initial)
    assert torch.equal(spikes, repeated[0])
    weights = torch.randn_like(spikes)
    (grad,) = torch.autograd.grad((spikes * weights).sum(), current)
    torch.testing.assert_close(grad, torch.autograd.grad((repeated[0] * weights).sum(), current)[0])


def test_threads_share_the_work_and_change_nothing() -> None:
    current, initial = inputs((5, 3, 9000), None, torch.float32)
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        spikes, membrane = lif_sequence(current, 0.9, initial=initial)
        loss = (spikes * torch.arange(5.0)[:, None, None]).sum() + membrane.sum()
        found.append((spikes, membrane, *torch.autograd.grad(loss, (current, initial))))
    torch.set_num_threads(1)
    for others in zip(*found, strict=True):
        assert all(torch.equal(others[0], other) for other in others)


def test_neurons_do_not_know_each_other() -> None:
    current, initial = inputs((6, 700), None, torch.float32)
    order = torch.randperm(700)
    spikes, _ = lif_sequence(current, 0.9, initial=initial)
    permuted, _ = lif_sequence(current[:, order], 0.9, initial=initial[order])
    assert torch.equal(permuted, spikes[:, order])


def test_memory_need_not_be_contiguous() -> None:
    current = torch.randn(300, 4, 5).transpose(0, 2)
    expected = lif_sequence(current.contiguous(), 0.9)
    assert all(
        torch.equal(mine, its)
        for mine, its in zip(lif_sequence(current, 0.9), expected, strict=True)
    )


def test_the_gradient_of_a_sum_over_time_is_taken() -> None:
    current, _ = inputs((5, 2, 40), None, torch.float64)
    mine, its = (
        torch.autograd.grad(run(current, 0.9)[0].sum(0).square().sum(), current)
        for run in (lif_sequence, lif_sequence_reference)
    )
    torch.testing.assert_close(mine, its)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    current = torch.randn(6, 50).to(dtype)
    spikes, membrane = lif_sequence(current, 0.9)
    single = lif_sequence(current.float(), 0.9)
    assert spikes.dtype == membrane.dtype == dtype
    assert torch.equal(spikes, single[0].to(dtype))
    assert torch.equal(membrane, single[1].to(dtype))


def test_a_detached_reset_changes_the_gradient() -> None:
    current, _ = inputs((6, 300), None, torch.float64)
    through, past = (
        torch.autograd.grad(lif_sequence(current, 0.9, detach_reset=d)[0].sum(), current)[0]
        for d in (False, True)
    )
    assert not torch.allclose(through, past)
    torch.testing.assert_close(through[-1], past[-1])  # the last reset has no consequence


@pytest.mark.parametrize("steps", [-1, 5])
def test_the_operator_keeps_the_promises_of_a_custom_operator(steps: int) -> None:
    current, initial = inputs((5, 2, 3), None if steps < 0 else steps, torch.float64)
    torch.library.opcheck(_lif, (current, initial, steps, list(dynamics(0.9, 1.0))))


@pytest.mark.parametrize("steps", [None, 4])
def test_it_compiles_into_one_graph(steps: int | None) -> None:
    torch._dynamo.reset()
    current, initial = inputs((4, 2, 33), steps, torch.float32)

    def run(current: Tensor, initial: Tensor) -> Tensor:
        spikes, membrane = lif_sequence(current * 1.5, 0.9, steps=steps, initial=initial)
        return spikes.sum(0) * 2 + membrane

    compiled = torch.compile(run, backend="aot_eager", fullgraph=True)
    results = [f(current, initial) for f in (run, compiled)]
    torch.testing.assert_close(results[1], results[0])
    grads = [torch.autograd.grad(r.square().sum(), (current, initial)) for r in results]
    torch.testing.assert_close(grads[1], grads[0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"beta": 1.1}, r"beta must lie in \[0, 1\], got 1.1"),
        ({"beta": -0.1}, "beta must lie in"),
        ({"threshold": 0.0}, "threshold must be above 0, got 0.0"),
        ({"reset": "soft"}, "no reset 'soft'; known are subtract, zero"),
        ({"surrogate": "box"}, "no surrogate 'box'"),
        ({"sharpness": 0.0}, "sharpness of 'arctan' must be above 0"),
        ({"steps": -1}, "steps must not be negative, got -1"),
        ({"initial": torch.zeros(4)}, r"initial must have the shape of a step, \[3\], got \[4\]"),
        ({"current": torch.zeros(2, 3, dtype=torch.int64)}, "floating type, got torch.int64"),
        ({"current": torch.tensor(1.0)}, "no time axis; give steps"),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, Any], message: str) -> None:
    arguments = {"current": torch.zeros(2, 3), "beta": 0.9} | given
    for run in (lif_sequence, lif_sequence_reference):
        with pytest.raises(Refused, match=message):
            run(**arguments)
