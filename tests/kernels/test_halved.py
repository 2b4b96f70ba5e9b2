"""Halving time against PyTorch's own pooling: values, gradients, odd and empty lengths."""

from __future__ import annotations

import pytest
import torch

from potentiate.kernels.halved import halved, halved_reference


@pytest.mark.parametrize("shape", [(2, 3), (7, 2, 3, 4), (8, 1), (3, 2, 2)])
def test_values_and_gradients_are_those_of_the_definition(shape):
    z = torch.randn(*shape, dtype=torch.float64, requires_grad=True)
    mine, theirs = halved(z), halved_reference(z)
    torch.testing.assert_close(mine, theirs)
    weight = torch.randn_like(mine)
    a, b = (torch.autograd.grad((out * weight).sum(), z)[0] for out in (mine, theirs))
    torch.testing.assert_close(a, b)


def test_of_equal_neighbors_the_first_learns_and_what_is_dropped_does_not():
    z = torch.ones(3, 1, requires_grad=True)
    halved(z).sum().backward()
    assert z.grad.flatten().tolist() == [1.0, 0.0, 0.0]
