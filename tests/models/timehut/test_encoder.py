"""The encoder against the plain spelling with PyTorch's layers; what is hidden, missing, long and short."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from potentiate.errors import Refused
from potentiate.measure import count_flops
from potentiate.models.timehut.encoder import Encoder
from potentiate.models.timehut.views import pair


def plain(encoder: Encoder, x: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """The encoder for [series, instants, channels] with `nn.functional.conv1d`, as its source spells it."""
    h = encoder.input(x).masked_fill(~keep[..., None], 0.0).transpose(1, 2)
    for block in encoder.blocks:
        y = h
        for weight, bias in ((block.first, block.first_bias), (block.second, block.second_bias)):
            settings = {"padding": block.dilation, "dilation": block.dilation}
            y = F.conv1d(F.gelu(y), weight.permute(2, 1, 0), bias, **settings)
        around = block.around
        h = y + (h if around is None else around(h.transpose(1, 2)).transpose(1, 2))
    return h.transpose(1, 2)


def small(**options) -> Encoder:
    torch.manual_seed(0)
    return Encoder(2, **{"outputs": 12, "hidden": 8, "depth": 4, "dropout": 0.0} | options).double()


@pytest.mark.parametrize("instants", [1, 2, 7, 40])
def test_it_is_the_plain_spelling_in_values_and_gradients(instants):
    encoder = small()
    x = torch.randn(instants, 3, 2, dtype=torch.float64)
    keep = torch.rand(instants, 3) < 0.7
    out = encoder(x, keep=keep.flatten())
    expected = plain(encoder, x.transpose(0, 1), keep.t()).transpose(0, 1)
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-10)
    weights = list(encoder.parameters())
    mine, theirs = (torch.autograd.grad(y.square().sum(), weights) for y in (out, expected))
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


def test_two_segments_at_once_are_each_by_itself():
    encoder = small()
    first, second = torch.randn(9, 3, 2).double(), torch.randn(5, 3, 2).double()
    rows = torch.cat([first.flatten(0, 1), second.flatten(0, 1)])
    both = encoder(rows, ((3, 9), (3, 5)))
    alone = torch.cat([encoder(first).flatten(0, 1), encoder(second).flatten(0, 1)])
    torch.testing.assert_close(both, alone, rtol=1e-10, atol=1e-10)


def test_a_missing_value_hides_its_instant_and_nothing_else():
    encoder = small()
    x = torch.randn(6, 2, 2).double()
    x[2, 1, 0] = float("nan")
    keep = torch.ones(6, 2, dtype=torch.bool)
    keep[2, 1] = False
    out = encoder(x)
    assert torch.isfinite(out).all()
    torch.testing.assert_close(out, encoder(x.nan_to_num(7.0), keep=keep.flatten()))


def test_series_do_not_see_each_other():
    encoder = small()
    x = torch.randn(9, 3, 2).double()
    other = x.clone()
    other[:, 1] = 5.0
    assert torch.equal(encoder(x)[:, 0], encoder(other)[:, 0])
    assert not torch.equal(encoder(x)[:, 1], encoder(other)[:, 1])


def test_dropout_is_of_the_output_and_of_training_alone():
    encoder = small(dropout=0.5).train()
    x = torch.randn(30, 4, 2).double()
    assert 0.3 < float((encoder(x) == 0).double().mean()) < 0.7
    assert not (encoder.eval()(x) == 0).any()


def test_weights_start_as_those_of_pytorchs_convolution():
    layer, encoder = nn.Conv1d(64, 64, 3), Encoder(1)
    bound = float(layer.weight.detach().abs().max())
    assert float(encoder.blocks[0].first.detach().abs().max()) == pytest.approx(bound, rel=0.01)
    assert encoder(torch.zeros(4, 1, 1)).shape == (4, 1, 320)
    assert len(encoder.blocks) == 11


@pytest.mark.parametrize(
    "options", [{"outputs": 0}, {"depth": -1}, {"dropout": 1.0}, {"hidden": 0}]
)
def test_what_is_no_encoder_is_refused(options):
    with pytest.raises(Refused):
        Encoder(1, **options)


@pytest.mark.parametrize(("length", "trimmed"), [(6, True), (14, True), (60, False)])
def test_the_overlap_is_what_the_whole_says_of_it_without_the_rest(length, trimmed):
    torch.manual_seed(0)
    encoder = Encoder(2, 8, 4, 4).eval()  # dilations up to 16
    draws = (torch.Generator().manual_seed(seed) for seed in range(100))
    some = (pair(torch.randn(3, length, 2), random) for random in draws)
    views = next(
        each
        for each in some
        if min(t for _, t in each.segments) > each.overlap
        and (max(t for _, t in each.segments) <= 16) == trimmed
    )
    counted, outs, gradients = [], [], []
    for part in (
        lambda: encoder.overlap(views),
        lambda: torch.stack(views.seen(encoder(views.rows, views.segments, views.keep)), 1),
    ):
        encoder.zero_grad()
        outs.append(part())
        outs[-1].square().sum().backward()
        counted.append(count_flops(part).matmul)
        gradients.append([p.grad.clone() for p in encoder.parameters()])
    torch.testing.assert_close(*outs)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)
    assert (counted[0] < counted[1]) == trimmed


def test_training_leaves_a_tenth_of_the_overlap_out():
    torch.manual_seed(0)
    encoder = Encoder(1, 64, 8, 2).train()
    views = pair(torch.randn(8, 30, 1), torch.Generator().manual_seed(0))
    out = encoder.overlap(views)
    assert 0.08 < float((out == 0).float().mean()) < 0.12
    kept = out / encoder.eval().overlap(views)
    torch.testing.assert_close(kept[out != 0], torch.full_like(kept[out != 0], 1 / 0.9))
