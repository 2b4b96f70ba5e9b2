"""Two contrasts of pairs of views in one pass over their similarities: by softmax, and by angle.

Rows z [groups, 2n, channels] are n things seen twice: i and i + `apart` are views of one, everything else in
the group is a negative. With the similarities s = z z^T of a group, over all i != j,

    contrast = mean over i of  -log( exp(s[i, i'] / tau) / sum over j of exp(s[i, j] / tau) ),   i' the other view
    angles   = mean over (i, j) of  phi^2 for the two views of one, max(0, margin - phi)^2 for all others,
               phi = arccos( s[i, j] / (|z_i| |z_j|) )

Both read s alone, so that the second costs no product of its own. The gradient with respect to s is known as
soon as s is: on the CPU it takes its place while it is in the cache, and only that of z is kept.

Source: Yue et al. 2022, arXiv:2106.10466; Jalali et al. 2025, arXiv:2510.01658, whose temperature divides
one of the two losses after its logarithm and whose angles are summed: here it divides similarities, and
angles are averaged, so that their weight depends on neither batch nor length.
Cost: 2 * groups * (2n)^2 * channels multiply-adds, the gradient included. Memory: beside the gradient one
[2n, 2n] or a megabyte of them; elsewhere than on the CPU in float32 some [groups, 2n, 2n].
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


HOTTEST = 1e6
"""The highest temperature; similarities are nothing beside it."""
WIDEST = 3.1
"""The largest margin; no angle is above pi."""


def contrast(
    z: Tensor,
    temperature: float,
    weight: float = 1.0,
    angular: float = 0.0,
    margin: float = 0.5,
    apart: int | None = None,
) -> Tensor:
    """Return weight * contrast + angular * angles, a number.

    Args:
        z: [groups, 2n, channels], at least one group and n >= 1; rows may lie in memory as they like.
        temperature: Divides similarities; above 0.
        weight: Of the contrast.
        angular: Of the angles; 0 leaves them out.
        margin: Angle, in radians, beyond which negatives are far enough.
        apart: Rows between the views of one thing, a divisor of n; None: n.

    Raises:
        Refused: The rows are no pairs, the temperature is not above 0 or no number of use, a weight is
            negative, or the margin is above `WIDEST`.
    """
    if z.ndim != 3 or z.shape[1] % 2 or not z.numel():
        raise Refused(f"z must be [groups, 2n, channels] and not empty, got {[*z.shape]}")
    half = z.shape[1] // 2
    apart = half if apart is None else apart
    if apart < 1 or half % apart:
        raise Refused(f"views that are {apart} rows apart do not pair {z.shape[1]} rows")
    if not 0 < temperature <= HOTTEST:
        raise Refused(
            f"a temperature of {temperature} is refused: it must be above 0, and at most {HOTTEST:g}"
        )
    if not (weight >= 0 and angular >= 0):
        raise Refused(f"weights of {weight} and {angular} are refused: they must be 0 or more")
    if not 0 <= margin <= WIDEST:
        raise Refused(f"a margin of {margin} is refused: it must be from 0 to {WIDEST} radians")
    if z.dtype.itemsize < 4:
        z = z.float()  # differences of similarities drown in half precision
    with torch.autocast(z.device.type, enabled=False):
        out: Tensor = _Contrast.apply(z, temperature, weight, angular, margin, apart)
    return out


def contrast_reference(
    z: Tensor,
    temperature: float,
    weight: float = 1.0,
    angular: float = 0.0,
    margin: float = 0.5,
    apart: int | None = None,
) -> Tensor:
    """The definition, spelled with PyTorch's losses."""
    groups, rows, _ = z.shape
    other = _others(rows, apart or rows // 2, z.device)
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


def _others(rows: int, apart: int, device: torch.device) -> Tensor:
    """The place of the other view of each row."""
    return torch.arange(rows, device=device).view(-1, 2, apart).flip(1).flatten()


class _Contrast(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        temperature: float,
        weight: float,
        angular: float,
        margin: float,
        apart: int,
    ) -> Tensor:
        if z.device.type == "cpu" and z.dtype == torch.float32:
            from potentiate.kernels.contrast_cpu import contrasted

            loss, gradient = contrasted(
                z, temperature, weight, angular, margin, apart, NEAREST, SHORTEST
            )
        else:
            loss, gradient = _contrasted(z, temperature, weight, angular, margin, apart)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad, None, None, None, None, None


def _contrasted(
    z: Tensor, temperature: float, weight: float, angular: float, margin: float, apart: int
) -> tuple[Tensor, Tensor]:
    """The loss and its gradient, by PyTorch's own operations."""
    groups, rows, _ = z.shape
    similar = torch.bmm(z, z.transpose(1, 2))
    squares = similar.diagonal(dim1=1, dim2=2).clamp(min=SHORTEST)
    views = F.one_hot(_others(rows, apart, z.device), rows).bool()
    slope = similar / temperature
    slope.diagonal(dim1=1, dim2=2).fill_(-inf)
    total = slope.logsumexp(2)
    loss = weight * (total.mean() - slope[:, views].mean())
    slope.sub_(total[:, :, None]).exp_().sub_(views.to(slope.dtype))
    slope.mul_(weight / (temperature * groups * rows))
    if angular:
        share = angular / (groups * rows * (rows - 1))
        inverse = squares.rsqrt()
        scale = inverse[:, :, None] * inverse[:, None, :]
        cosine = similar.mul_(scale)
        inside = cosine.clamp(NEAREST - 1, 1 - NEAREST)
        phi = inside.arccos()
        near = torch.where(views, -phi, (margin - phi).clamp_(min=0))
        near.diagonal(dim1=1, dim2=2).zero_()
        loss = loss + share * near.square().sum()
        near.mul_(inside.square_().neg_().add_(1.0).rsqrt_()).mul_(2 * share)  # by the cosine
        turned = (near * cosine).sum(2).mul_(squares.reciprocal())
        slope.add_(near.mul_(scale))
        slope.diagonal(dim1=1, dim2=2).sub_(turned)
    return loss, torch.bmm(slope + slope.transpose(1, 2), z)
