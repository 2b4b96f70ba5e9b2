"""Two contrasts of pairs of views in one pass over their similarities: by softmax, and by angle.

Rows z [groups, 2n, channels] are n things seen twice: i and i + n are views of one, everything else in the
group is a negative. With the similarities s = z z^T of a group, over all i != j,

    contrast = mean over i of  -log( exp(s[i, i'] / tau) / sum over j of exp(s[i, j] / tau) ),   i' the other view
    angles   = mean over (i, j) of  phi^2 for the two views of one, max(0, margin - phi)^2 for all others,
               phi = arccos( s[i, j] / (|z_i| |z_j|) )

Both read s alone, the lengths being its diagonal, so that the second costs a few passes over a small matrix
and no product of its own. The gradient with respect to s is known as soon as s is, and is kept in its place.

Source: Yue et al. 2022, arXiv:2106.10466; Jalali et al. 2025, arXiv:2510.01658, whose temperature divides
one of the two losses after its logarithm and whose angles are summed: here it divides similarities, and
angles are averaged, so that their weight depends on neither batch nor length.
Cost: 4 * groups * (2n)^2 * channels multiply-adds with the gradient. Memory: some [groups, 2n, 2n].
"""

from __future__ import annotations

from math import inf
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from potentiate.errors import Refused

NEAREST = 1e-6
"""Cosines stay so far from 1, where the slope of arccos has no bound."""
SHORTEST = 1e-12
"""Squared lengths are at least this, so that a row of zeros has some direction."""


def contrast(
    z: Tensor, temperature: float, weight: float = 1.0, angular: float = 0.0, margin: float = 0.5
) -> Tensor:
    """Return weight * contrast + angular * angles, a number.

    Args:
        z: [groups, 2n, channels], at least one group and n >= 1.
        temperature: Divides similarities; above 0.
        weight: Of the contrast.
        angular: Of the angles; 0 leaves them out.
        margin: Angle, in radians, beyond which negatives are far enough.

    Raises:
        Refused: The rows are no pairs, or the temperature is not above 0.
    """
    if z.ndim != 3 or z.shape[1] % 2 or not z.numel():
        raise Refused(f"z must be [groups, 2n, channels] and not empty, got {[*z.shape]}")
    if not temperature > 0:
        raise Refused(f"a temperature of {temperature} is refused: it must be above 0")
    if z.dtype.itemsize < 4:
        z = z.float()  # differences of similarities drown in half precision
    with torch.autocast(z.device.type, enabled=False):
        out: Tensor = _Contrast.apply(z, temperature, weight, angular, margin)
    return out


def contrast_reference(
    z: Tensor, temperature: float, weight: float = 1.0, angular: float = 0.0, margin: float = 0.5
) -> Tensor:
    """The definition, spelled with PyTorch's losses."""
    groups, rows, _ = z.shape
    other = torch.arange(rows, device=z.device).roll(rows // 2)
    itself = torch.eye(rows, dtype=torch.bool, device=z.device)
    logits = (z @ z.transpose(1, 2) / temperature).masked_fill(itself, -inf)
    loss = weight * F.cross_entropy(logits.flatten(0, 1), other.repeat(groups))
    if not angular:
        return loss
    unit = z / z.square().sum(-1, keepdim=True).clamp(min=SHORTEST).sqrt()
    cosine = (unit @ unit.transpose(1, 2)).clamp(NEAREST - 1, 1 - NEAREST)
    phi = cosine.arccos()
    views = F.one_hot(other, rows).bool()
    each = torch.where(views, phi.square(), (margin - phi).clamp(min=0).square())
    return loss + angular * each.masked_fill(itself, 0.0).sum() / (groups * rows * (rows - 1))


class _Contrast(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, z: Tensor, temperature: float, weight: float, angular: float, margin: float
    ) -> Tensor:
        groups, rows, _ = z.shape
        n = rows // 2
        similar = torch.bmm(z, z.transpose(1, 2))
        diagonal = similar.diagonal(dim1=1, dim2=2)
        squares = diagonal.clamp(min=SHORTEST)
        slope = similar / temperature
        slope.diagonal(dim1=1, dim2=2).fill_(-inf)
        total = slope.logsumexp(2)
        loss = weight * (total.mean() - slope.diagonal(n, 1, 2).mean())  # as on the other side
        slope.sub_(total[:, :, None]).exp_()
        for views in (slope.diagonal(n, 1, 2), slope.diagonal(-n, 1, 2)):
            views.sub_(1.0)
        slope.mul_(weight / (temperature * groups * rows))
        if angular:
            share = angular / (groups * rows * (rows - 1))
            inverse = squares.rsqrt()
            scale = inverse[:, :, None] * inverse[:, None, :]
            cosine = similar.mul_(scale)
            inside = cosine.clamp(NEAREST - 1, 1 - NEAREST)
            phi = inside.arccos()
            near = (margin - phi).clamp_(min=0)
            near.diagonal(dim1=1, dim2=2).zero_()
            for side in (n, -n):
                near.diagonal(side, 1, 2).copy_(-phi.diagonal(side, 1, 2))
            loss = loss + share * near.square().sum()
            near.mul_(inside.square_().neg_().add_(1.0).rsqrt_()).mul_(2 * share)  # by the cosine
            turned = (near * cosine).sum(2).mul_(squares.reciprocal())
            slope.add_(near.mul_(scale))
            slope.diagonal(dim1=1, dim2=2).sub_(turned)
        ctx.save_for_backward(z, slope)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        z, slope = ctx.saved_tensors
        out = torch.bmm(slope + slope.transpose(1, 2), z)
        return out.mul_(grad), None, None, None, None
