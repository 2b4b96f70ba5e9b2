"""TimeHUT spelled plainly, as its originals are: what ours is held against.

PyTorch's own convolution with all taps at every dilation, one crop after the other, the loss scale by scale
from matrices of similarities with masks made anew, angles from products of their own, and an average of the
weights that is followed one tensor at a time. The mathematics is that of ours: temperature inside of both
softmaxes, angles averaged over pairs.
"""

from __future__ import annotations

from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from potentiate.models.timehut.encoder import Encoder


class PlainBlock(nn.Module):
    def __init__(self, channels: int, outputs: int, dilation: int, final: bool) -> None:
        super().__init__()
        settings = {"kernel_size": 3, "padding": dilation, "dilation": dilation}
        self.first = nn.Conv1d(channels, outputs, **settings)
        self.second = nn.Conv1d(outputs, outputs, **settings)
        self.around = nn.Conv1d(channels, outputs, 1) if final or channels != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.around is None else self.around(x)
        return self.second(F.gelu(self.first(F.gelu(x)))) + around


class PlainEncoder(nn.Module):
    """[series, instants, channels] to [series, instants, outputs]."""

    def __init__(
        self, channels: int, outputs: int = 320, hidden: int = 64, depth: int = 10
    ) -> None:
        super().__init__()
        self.input = nn.Linear(channels, hidden)
        widths = [hidden] * (depth + 1) + [outputs]
        self.blocks = nn.Sequential(
            *(PlainBlock(widths[i], widths[i + 1], 2**i, i == depth) for i in range(depth + 1))
        )
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        missing = x.isnan().any(-1)
        x = self.input(x.masked_fill(missing[..., None], 0.0))
        x = x.masked_fill((~mask | missing)[..., None], 0.0)
        return self.dropout(self.blocks(x.transpose(1, 2))).transpose(1, 2)


def carry(mine: Encoder, other: PlainEncoder) -> None:
    """Give the plain encoder the weights of ours."""
    with torch.no_grad():
        for name, given in mine.input.named_parameters():
            other.input.get_parameter(name).copy_(given)
        for block, plain_block in zip(mine.blocks, other.blocks, strict=True):
            for weight, bias, conv in (
                (block.first, block.first_bias, plain_block.first),
                (block.second, block.second_bias, plain_block.second),
            ):
                conv.weight.copy_(weight.permute(2, 1, 0))
                conv.bias.copy_(bias)
            if block.around is not None:
                plain_block.around.weight.copy_(block.around.weight[..., None])
                plain_block.around.bias.copy_(block.around.bias)


def softmax_contrast(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Over the second axis of [groups, n, channels]."""
    n = a.shape[1]
    z = torch.cat([a, b], 1)
    similar = z @ z.transpose(1, 2) / temperature
    logits = similar.masked_fill(torch.eye(2 * n, dtype=torch.bool), -inf)
    losses = -F.log_softmax(logits, -1)
    i = torch.arange(n)
    return (losses[:, i, n + i].mean() + losses[:, n + i, i].mean()) / 2


def angles(a: Tensor, b: Tensor, margin: float) -> Tensor:
    """Over the second axis of [groups, n, channels]."""
    n = a.shape[1]
    z = F.normalize(torch.cat([a, b], 1), dim=-1)
    phi = (z @ z.transpose(1, 2)).clamp(1e-6 - 1, 1 - 1e-6).arccos()
    views = torch.eye(2 * n).roll(n, 0).bool()
    itself = torch.eye(2 * n, dtype=torch.bool)
    positive = phi.square().masked_fill(~views, 0.0).sum()
    negative = (margin - phi).clamp(min=0).square().masked_fill(views | itself, 0.0).sum()
    return (positive + negative) / (len(z) * 2 * n * (2 * n - 1))


def plain_loss(
    a: Tensor, b: Tensor, temperature: float, instance: float, temporal: float, margin: float
) -> Tensor:
    """Of [series, instants, channels]."""
    total, scales = torch.zeros(()), 0
    while True:
        across = a.transpose(0, 1), b.transpose(0, 1)
        total = total + 0.5 * softmax_contrast(*across, temperature)
        if instance:
            total = total + instance * angles(*across, margin)
        scales += 1
        if a.shape[1] == 1:
            return total / scales
        total = total + 0.5 * softmax_contrast(a, b, temperature)
        if temporal:
            total = total + temporal * angles(a, b, margin)
        a = F.max_pool1d(a.transpose(1, 2), 2).transpose(1, 2)
        b = F.max_pool1d(b.transpose(1, 2), 2).transpose(1, 2)
