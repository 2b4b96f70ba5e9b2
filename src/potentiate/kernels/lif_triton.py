"""The loops of `potentiate.kernels.lif` for CUDA devices: a program scans `BLOCK` neurons over time.

The backward pass integrates again into the place of the gradient of the current (of a current that is
constant in time, into a scratch of all steps, which lives as long as the call) and then goes back.
The scalars are compiled in, so that float64 keeps all their digits.
"""

from __future__ import annotations

from math import pi

import torch
import triton
import triton.language as tl
from torch import Tensor

from potentiate.kernels.lif_cpu import Dynamics

BLOCK = 256
HALF_PI = tl.constexpr(pi / 2)


def forward(current: Tensor, initial: Tensor, steps: int, rule: Dynamics) -> tuple[Tensor, Tensor]:
    """Return spikes and last membranes; `steps` is negative for a current that changes in time."""
    time = current.shape[0] if steps < 0 else steps
    spikes = initial.new_empty(time, *initial.shape)
    end = torch.empty_like(initial, memory_format=torch.contiguous_format)
    if initial.numel():
        _forward[_grid(initial)](
            current.contiguous(),
            initial.contiguous(),
            spikes,
            end,
            time,
            initial.numel(),
            VARYING=steps < 0,
            BETA=rule.beta,
            THRESHOLD=rule.threshold,
            ZERO=bool(rule.zero),
            BLOCK=BLOCK,
            enable_fp_fusion=False,  # the spikes of the reference
        )
    return spikes, end


def backward(
    current: Tensor,
    initial: Tensor,
    grad_spikes: Tensor,
    grad_end: Tensor,
    steps: int,
    rule: Dynamics,
) -> tuple[Tensor, Tensor]:
    """Return the gradients of the current and of the first membranes."""
    grad_current = torch.empty_like(current, memory_format=torch.contiguous_format)
    grad_start = torch.empty_like(initial, memory_format=torch.contiguous_format)
    if initial.numel():
        _backward[_grid(initial)](
            current.contiguous(),
            initial.contiguous(),
            grad_spikes.contiguous(),
            grad_end.contiguous(),
            grad_current,
            grad_start,
            grad_current if steps < 0 else torch.empty_like(grad_spikes),
            grad_spikes.shape[0],
            initial.numel(),
            VARYING=steps < 0,
            BETA=rule.beta,
            THRESHOLD=rule.threshold,
            ZERO=bool(rule.zero),
            DETACH=bool(rule.detach),
            SURROGATE=int(rule.surrogate),
            ALPHA=rule.alpha,
            BLOCK=BLOCK,
            enable_fp_fusion=False,
        )
    return grad_current, grad_start


def _grid(step: Tensor) -> tuple[int]:
    return (triton.cdiv(step.numel(), BLOCK),)


@triton.jit
def _forward(
    current,
    start,
    spikes,
    end,
    time,
    width,
    VARYING: tl.constexpr,
    BETA: tl.constexpr,
    THRESHOLD: tl.constexpr,
    ZERO: tl.constexpr,
    BLOCK: tl.constexpr,
):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = i < width
    m = tl.load(start + i, mask=inside)
    now = i
    for _ in range(time):
        v = BETA * m + tl.load(current + (now if VARYING else i), mask=inside)
        fires = v >= THRESHOLD
        m = tl.where(fires, 0.0 if ZERO else v - THRESHOLD, v)
        tl.store(spikes + now, tl.where(fires, 1.0, 0.0), mask=inside)
        now += width
    tl.store(end + i, m, mask=inside)


@triton.jit
def _backward(
    current,
    start,
    grad_spikes,
    grad_end,
    grad_current,
    grad_start,
    history,
    time,
    width,
    VARYING: tl.constexpr,
    BETA: tl.constexpr,
    THRESHOLD: tl.constexpr,
    ZERO: tl.constexpr,
    DETACH: tl.constexpr,
    SURROGATE: tl.constexpr,
    ALPHA: tl.constexpr,
    BLOCK: tl.constexpr,
):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = i < width
    m = tl.load(start + i, mask=inside)
    now = i
    for _ in range(time):
        v = BETA * m + tl.load(current + (now if VARYING else i), mask=inside)
        m = tl.where(v >= THRESHOLD, 0.0 if ZERO else v - THRESHOLD, v)
        tl.store(history + now, v - THRESHOLD, mask=inside)
        now += width
    g = tl.load(grad_end + i, mask=inside)
    total = tl.zeros_like(g)
    for _ in range(time):
        now -= width
        u = tl.load(history + now, mask=inside)
        d = tl.load(grad_spikes + now, mask=inside)
        if not DETACH:
            d -= (u + THRESHOLD if ZERO else THRESHOLD) * g
        kept = tl.where(u >= 0, 0.0, g) if ZERO else g
        d = kept + _slope(u, ALPHA, SURROGATE) * d
        if VARYING:
            tl.store(grad_current + now, d, mask=inside)
        total += d
        g = BETA * d
    if not VARYING:
        tl.store(grad_current + i, total, mask=inside)
    tl.store(grad_start + i, g, mask=inside)


@triton.jit
def _slope(u, ALPHA: tl.constexpr, SURROGATE: tl.constexpr):
    """The surrogate derivative with the code `SURROGATE`; see `potentiate.kernels.surrogate`."""
    if SURROGATE == 0:
        x = 1 + ALPHA * tl.abs(u)
        slope = 1 / (x * x)
    elif SURROGATE == 1:
        x = HALF_PI * ALPHA * u
        slope = ALPHA / 2 / (1 + x * x)
    elif SURROGATE == 2:
        slope = tl.maximum(1 - ALPHA * tl.abs(u), 0.0)
    else:
        x = tl.exp(-ALPHA * tl.abs(u))
        slope = ALPHA * x / ((1 + x) * (1 + x))
    return slope
