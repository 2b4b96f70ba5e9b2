"""The unit and its way back in one pass: values, gradients, ends of rows, numbers that are none."""

from __future__ import annotations

import pytest
import torch

from potentiate.kernels import gelu_cpu
from potentiate.kernels.gelu import gelu_and_back, gelu_and_back_reference


@pytest.mark.parametrize("shape", [(1,), (15,), (16,), (7, 5), (33, 64), (0, 4)])
def test_value_and_gradient_are_those_of_the_definition(shape):
    generator = torch.Generator().manual_seed(0)
    x, grad = (torch.randn(shape, generator=generator) * 3 for _ in range(2))
    expected = gelu_and_back_reference(x.double(), grad.double())
    for mine, theirs in zip(gelu_and_back(x, grad.clone()), expected, strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-6, atol=2e-6)


def test_far_numbers_pass_or_vanish_and_what_is_none_stays_so():
    x = torch.tensor([0.0, 40.0, -40.0, 1e30, -1e30, float("inf"), float("nan")]).repeat(16)
    value, slope = gelu_and_back(x, torch.ones_like(x))
    assert torch.equal(value[:5], torch.tensor([0.0, 40.0, 0.0, 1e30, 0.0]))
    torch.testing.assert_close(slope[:5], torch.tensor([0.5, 1.0, 0.0, 1.0, 0.0]))
    assert value[5] == float("inf")
    assert value[6::7].isnan().all()
    assert slope[6::7].isnan().all()


def test_threads_share_the_work_and_change_nothing(monkeypatch):
    x, grad = torch.randn(2, 1003)
    known = gelu_and_back(x, grad.clone())
    monkeypatch.setattr(gelu_cpu, "FEW", 64)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        found = gelu_and_back(x, grad.clone())
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(found, known, strict=True))


def test_on_the_cpu_the_gradient_is_in_place_and_other_layouts_are_left_as_they_are():
    x, grad = torch.randn(2, 8, 8)
    assert gelu_and_back(x, grad)[1].data_ptr() == grad.data_ptr()
    turned, before = torch.randn(8, 8).t(), grad.clone()
    value, back = gelu_and_back(turned, grad)
    assert torch.equal(grad, before)
    expected = gelu_and_back_reference(turned, grad)
    torch.testing.assert_close((value, back), expected, rtol=1e-5, atol=1e-6)
