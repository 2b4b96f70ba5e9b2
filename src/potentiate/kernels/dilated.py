"""A dilated convolution over time, as products of matrices that lie in memory as they are.

    y[t] = bias + sum over the taps j of  x[t + (j - taps // 2) dilation] W_j,   0 beyond a segment's ends

Rows are time-major: all series of a segment at its first instant, then all at its second. Then what a tap
sees is a run of whole rows, so that nothing is gathered, padded or copied; a tap that sees beyond the
ends alone is left out, exactly, which at dilations of the length and more leaves the centre tap alone.

Cost: 2 * channels * outputs multiply-adds for each row that a tap sees, and twice that backward.
Memory: beyond the tensors, nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from potentiate.errors import Refused
from potentiate.kernels.gelu import gelu_and_back

Segment = tuple[int, int]
"""Series and instants of a part whose ends the convolution does not cross."""


def dilated(
    x: Tensor, weight: Tensor, bias: Tensor, dilation: int, segments: Sequence[Segment]
) -> Tensor:
    """Return the convolution of rows x [rows, channels], [rows, outputs].

    Args:
        x: The segments one after another, each time-major.
        weight: [taps, channels, outputs], an odd number of taps.
        bias: [outputs].
        dilation: Instants between two taps.
        segments: What the rows are, in order.

    Raises:
        Refused: Shapes do not fit, or the taps are even in number.
    """
    rows = sum(series * instants for series, instants in segments)
    if x.shape != (rows, weight.shape[1]) or bias.shape != weight.shape[2:] or not len(weight) % 2:
        raise Refused(
            f"x {[*x.shape]}, weight {[*weight.shape]} and bias {[*bias.shape]} do not fit {rows} rows "
            "and an odd number of taps"
        )
    out: Tensor = _Dilated.apply(*_of_one_type(x, weight, bias), dilation, tuple(segments))
    return out


def dilated_reference(
    x: Tensor, weight: Tensor, bias: Tensor, dilation: int, segments: Sequence[Segment]
) -> Tensor:
    """The definition, by PyTorch's own convolution of each segment."""
    pad, parts = len(weight) // 2 * dilation, list[Tensor]()
    for part, (series, instants) in zip(
        x.split([n * t for n, t in segments]), segments, strict=True
    ):
        time_last = part.unflatten(0, (instants, series)).permute(1, 2, 0)
        y = F.conv1d(time_last, weight.permute(2, 1, 0), bias, padding=pad, dilation=dilation)
        parts.append(y.permute(2, 0, 1).flatten(0, 1))
    return torch.cat(parts)


def dilated_block(
    x: Tensor,
    first: Sequence[Tensor],
    second: Sequence[Tensor],
    around: Sequence[Tensor] | None,
    dilation: int,
    segments: Sequence[Segment],
) -> Tensor:
    """Return x + conv(gelu(conv(gelu(x)))), both convolutions with one dilation.

    What lies between is computed again on the way back: two arrays are kept for each block, not four.

    Args:
        x: Rows [rows, channels], as `dilated` has them.
        first: Weight and bias of the inner convolution, as `dilated` has them.
        second: Those of the outer one.
        around: Weight [outputs, channels] and bias of a map that x goes through on its way around; None
            for none, where the width stays.
        dilation: Instants between two taps.
        segments: What the rows are, in order.
    """
    runs = tuple(_runs(len(first[0]), dilation, segments))
    tensors = _of_one_type(x, *first, *second, *(around or (None, None)))
    out: Tensor = _Block.apply(*tensors, runs)
    return out


def dilated_block_reference(
    x: Tensor,
    first: Sequence[Tensor],
    second: Sequence[Tensor],
    around: Sequence[Tensor] | None,
    dilation: int,
    segments: Sequence[Segment],
) -> Tensor:
    """The definition, by `dilated_reference`."""
    inner = dilated_reference(F.gelu(x), *first, dilation, segments)
    inner = dilated_reference(F.gelu(inner), *second, dilation, segments)
    return inner + (x if around is None else F.linear(x, *around))


Runs = Sequence[tuple[int, slice, slice]]


class _Dilated(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        dilation: int,
        segments: tuple[Segment, ...],
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.runs = tuple(_runs(len(weight), dilation, segments))
        return _ahead(x, weight, bias, ctx.runs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        g_x = _back(grad, weight, ctx.runs) if ctx.needs_input_grad[0] else None
        return g_x, _by_weight(x, grad, weight, ctx.runs), grad.sum(0), None, None


class _Block(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        first: Tensor,
        first_bias: Tensor,
        second: Tensor,
        second_bias: Tensor,
        around: Tensor | None,
        around_bias: Tensor | None,
        runs: Runs,
    ) -> Tensor:
        inner = _ahead(F.gelu(x), first, first_bias, runs)
        out = _ahead(F.gelu(inner), second, second_bias, runs)
        if around is None or around_bias is None:
            out += x
        else:
            out.addmm_(x, around.t()).add_(around_bias)
        ctx.save_for_backward(x, inner, first, second, around)
        ctx.runs = runs
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, inner, first, second, around = ctx.saved_tensors
        runs, on_biases = ctx.runs, [grad.sum(0)]
        seen, below = gelu_and_back(inner, _back(grad, second, runs))
        on_second = _by_weight(seen, grad, second, runs)
        on_biases.append(below.sum(0))
        seen, g_x = gelu_and_back(x, _back(below, first, runs))
        on_first = _by_weight(seen, below, first, runs)
        on_around, on_around_bias = None, None
        if around is None:
            g_x += grad
        else:
            g_x.addmm_(grad, around)
            on_around, on_around_bias = grad.t() @ x, on_biases[0]
        return g_x, on_first, on_biases[1], on_second, on_biases[0], on_around, on_around_bias, None


def _of_one_type(*tensors: Tensor | None) -> tuple[Tensor | None, ...]:
    """The tensors, in autocast's precision where it is on: it does not reach products in place."""
    kind = tensors[0].device.type if tensors[0] is not None else "cpu"
    if not torch.is_autocast_enabled(kind):
        return tensors
    precision = torch.get_autocast_dtype(kind)
    return tuple(None if tensor is None else tensor.to(precision) for tensor in tensors)


def _ahead(x: Tensor, weight: Tensor, bias: Tensor, runs: Runs) -> Tensor:
    out = torch.addmm(bias, x, weight[len(weight) // 2])
    for tap, there, here in runs:
        out[here].addmm_(x[there], weight[tap])
    return out


def _back(grad: Tensor, weight: Tensor, runs: Runs) -> Tensor:
    """The gradient with respect to the input."""
    out = grad @ weight[len(weight) // 2].t()
    for tap, there, here in runs:
        out[there].addmm_(grad[here], weight[tap].t())
    return out


def _by_weight(x: Tensor, grad: Tensor, weight: Tensor, runs: Runs) -> Tensor:
    """The gradient with respect to the weight, 0 for taps that see nothing."""
    out = torch.zeros_like(weight)
    torch.mm(x.t(), grad, out=out[len(weight) // 2])
    for tap, there, here in runs:
        out[tap].addmm_(x[there].t(), grad[here])
    return out


def _runs(
    taps: int, dilation: int, segments: Sequence[Segment]
) -> Iterator[tuple[int, slice, slice]]:
    """The taps beside the centre: which, the rows that it sees, and those that it is added to."""
    first = 0
    for series, instants in segments:
        last = first + series * instants
        for tap in range(taps):
            shift = (tap - taps // 2) * dilation * series
            if 0 < abs(shift) < last - first:
                late, early = slice(first + abs(shift), last), slice(first, last - abs(shift))
                yield (tap, late, early) if shift > 0 else (tap, early, late)
        first = last
