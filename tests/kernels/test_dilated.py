"""The dilated convolution against PyTorch's own: values and all gradients, over lengths and dilations."""

from __future__ import annotations

import pytest
import torch

from potentiate.errors import Refused
from potentiate.kernels.dilated import (
    dilated,
    dilated_block,
    dilated_block_reference,
    dilated_reference,
)


def tensors(segments, channels, outputs, taps, dtype=torch.float64):
    generator = torch.Generator().manual_seed(len(segments))
    shapes = (sum(n * t for n, t in segments), channels), (taps, channels, outputs), (outputs,)
    return [torch.randn(s, generator=generator, dtype=dtype, requires_grad=True) for s in shapes]


@pytest.mark.parametrize("dilation", [1, 2, 3, 7, 8, 64])
@pytest.mark.parametrize("segments", [[(3, 8)], [(1, 1)], [(2, 5), (2, 9)], [(4, 1), (1, 7)]])
@pytest.mark.parametrize("taps", [1, 3, 5])
def test_it_is_the_convolution_and_its_gradients(segments, dilation, taps):
    inputs = tensors(segments, 4, 6, taps)
    out, expected = (f(*inputs, dilation, segments) for f in (dilated, dilated_reference))
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)
    above = torch.randn(out.shape, dtype=out.dtype)
    mine, theirs = (torch.autograd.grad(y, inputs, above) for y in (out, expected))
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_single_precision_and_no_gradient_of_the_input():
    segments = [(8, 24), (8, 17)]
    x, weight, bias = tensors(segments, 64, 64, 3, torch.float32)
    x = x.detach()
    out, expected = (f(x, weight, bias, 2, segments) for f in (dilated, dilated_reference))
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)
    mine, theirs = (torch.autograd.grad(y.square().sum(), (weight, bias)) for y in (out, expected))
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-2)


def test_beyond_the_length_the_outer_taps_see_nothing_and_learn_nothing():
    x, weight, bias = tensors([(2, 5)], 3, 3, 3)
    out = dilated(x, weight, bias, 5, [(2, 5)])
    assert torch.equal(out, torch.addmm(bias, x, weight[1]))
    (gradient,) = torch.autograd.grad(out.sum(), weight)
    assert gradient[1].any()
    assert not gradient[0].any()
    assert not gradient[2].any()


@pytest.mark.parametrize("change", ["rows", "channels", "bias", "taps"])
def test_what_does_not_fit_is_refused(change):
    x, weight, bias = tensors([(2, 5)], 3, 4, 3)
    x = x[:-1] if change == "rows" else x[:, :2] if change == "channels" else x
    weight, bias = (
        (weight[:2] if change == "taps" else weight),
        (bias[:1] if change == "bias" else bias),
    )
    with pytest.raises(Refused, match="do not fit 10 rows"):
        dilated(x, weight, bias, 1, [(2, 5)])


@pytest.mark.parametrize("dilation", [1, 4, 16])
@pytest.mark.parametrize("outputs", [4, 7])
@pytest.mark.parametrize("mapped", [True, False])
def test_a_block_is_its_two_convolutions_and_the_way_around(dilation, outputs, mapped):
    if outputs != 4 and not mapped:
        pytest.skip("x cannot go around as it is")
    segments = [(2, 6), (2, 9)]
    x, first, first_bias = tensors(segments, 4, outputs, 3)
    _, second, second_bias = tensors(segments, outputs, outputs, 3)
    parts = [x, first, first_bias, second, second_bias]
    if mapped:
        parts += [torch.randn(outputs, 4, dtype=x.dtype, requires_grad=True), first_bias * 2]
    around = tuple(parts[5:]) or None
    rest = ((first, first_bias), (second, second_bias), around, dilation, segments)
    out, expected = (f(x, *rest) for f in (dilated_block, dilated_block_reference))
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-10)
    above = torch.randn(out.shape, dtype=out.dtype)
    mine, theirs = (
        torch.autograd.grad(y, parts[:6], above, retain_graph=True) for y in (out, expected)
    )
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
