"""The kernels for CUDA devices: on one where there is one, else interpreted (`test_triton.py`)."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

from potentiate.kernels.lif import RESETS, _lif, _lif_backward, dynamics, lif_sequence
from potentiate.kernels.surrogate import SURROGATES

if find_spec("triton") is None:
    pytest.skip("triton is not installed", allow_module_level=True)
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if not INTERPRETED and not torch.cuda.is_available():
    pytest.skip("test_triton.py has these interpreted", allow_module_level=True)
DEVICE = "cpu" if INTERPRETED else "cuda"

SHAPES = [(7, 3, 5), (1, 1, 300), (5, 2, 0), (0, 3, 4), (3, 2, 257)]


def given(shape: tuple[int, ...], constant: bool, dtype: torch.dtype) -> list[Tensor]:
    """Current, first membranes, and gradients of spikes and last membranes."""
    step = shape[1:]
    current = torch.randn(step if constant else shape, dtype=dtype) * 0.7 + 0.3
    return [current, *(torch.randn(s, dtype=dtype) for s in (step, shape, step))]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("surrogate", sorted(SURROGATES))
@pytest.mark.parametrize("detach_reset", [False, True])
def test_values_and_gradients_are_those_of_the_loops_for_the_cpu(
    dtype: torch.dtype, constant: bool, reset: str, surrogate: str, detach_reset: bool
) -> None:
    from potentiate.kernels.lif_triton import backward, forward

    rule = dynamics(0.9, 1.0, reset, surrogate, detach_reset=detach_reset)
    for shape in SHAPES:
        current, initial, *grads = given(shape, constant, dtype)
        steps = shape[0] if constant else -1
        there = [t.to(DEVICE) for t in (current, initial, *grads)]
        spikes, end = (t.cpu() for t in forward(*there[:2], steps, rule))
        expected = _lif(current, initial, steps, list(rule))
        assert torch.equal(spikes, expected[0])
        assert torch.equal(end, expected[1])
        found = tuple(t.cpu() for t in backward(*there, steps, rule))
        torch.testing.assert_close(
            found, _lif_backward(current, initial, *grads, steps, list(rule))
        )


@pytest.mark.gpu
@pytest.mark.parametrize("steps", [None, 5])
def test_a_device_gives_the_spikes_and_gradients_of_the_cpu(steps: int | None) -> None:
    current = torch.randn(5, 4, 1000)[0 if steps else slice(None)].requires_grad_()
    spikes, _ = lif_sequence(current, 0.9, steps=steps)
    there = current.detach().cuda().requires_grad_()
    found, _ = lif_sequence(there, 0.9, steps=steps)
    assert torch.equal(found.cpu(), spikes)
    weights = torch.randn_like(spikes)
    (expected,) = torch.autograd.grad((spikes * weights).sum(), current)
    (grad,) = torch.autograd.grad((found * weights.cuda()).sum(), there)
    torch.testing.assert_close(grad.cpu(), expected)
