"""Pair STDP over a window of recorded spikes for CUDA devices; shapes are those of `kernels.stdp`.

A program takes ROWS x COLUMNS synapses, and the traces of their neurons, through the whole window in
registers. Bounds are applied in every step, so no rule needs another path. A trace is computed by
every program that reads it, and written by one. The scalars are compiled in, so that float64 keeps
all their digits; a rule with other numbers compiles anew.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from potentiate.errors import Refused
from potentiate.kernels.stdp import Pairs

ROWS, COLUMNS = 16, 64


def pair_triton(
    weight: Tensor, pre: Tensor, post: Tensor, x: Tensor, y: Tensor, rule: Pairs
) -> None:
    """Go through a window step by step; see `potentiate.kernels.stdp` for shapes.

    weight, pre and post may have any strides, and spikes any type that a number fits in: bool is a
    fourth of the memory of float32. Agrees with the definition to rounding.

    Raises:
        Refused: The weight is neither float32 nor float64.
    """
    if weight.dtype not in (torch.float32, torch.float64):
        raise Refused(f"weights must be float32 or float64, got {weight.dtype}; call .float()")
    down, across = _blocks(weight.shape[0], ROWS), _blocks(weight.shape[1], COLUMNS)
    last_x, last_y = torch.empty_like(x), torch.empty_like(y)
    with torch.cuda.device_of(weight):
        _pair[(down * across,)](
            weight,
            pre,
            post,
            x.contiguous(),
            y.contiguous(),
            last_x,  # not x itself: another program may still have to read it
            last_y,
            pre.shape[1],
            *weight.shape,
            *weight.stride(),
            *pre.stride(),
            *post.stride(),
            across,
            **{name.upper(): value for name, value in rule._asdict().items()},
            ROWS=ROWS,
            COLUMNS=COLUMNS,
            enable_fp_fusion=False,  # the order of operations of the definition
        )
    x.copy_(last_x)
    y.copy_(last_y)


def _blocks(neurons: int, size: int) -> int:
    return max(1, triton.cdiv(neurons, size))  # without synapses there still are traces


@triton.jit
def _pair(
    weight,
    pre,
    post,
    x,
    y,
    last_x,
    last_y,
    time,
    n_pre,
    n_post,
    weight_row,
    weight_column,
    pre_row,
    pre_step,
    post_step,
    post_column,
    across,
    A_PLUS: tl.constexpr,
    A_MINUS: tl.constexpr,
    DECAY_PLUS: tl.constexpr,
    DECAY_MINUS: tl.constexpr,
    W_MIN: tl.constexpr,
    W_MAX: tl.constexpr,
    MU_PLUS: tl.constexpr,
    MU_MINUS: tl.constexpr,
    NEAREST: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    block = tl.program_id(0).to(tl.int64)
    i = block // across * ROWS + tl.arange(0, ROWS)
    j = block % across * COLUMNS + tl.arange(0, COLUMNS)
    row, column = i < n_pre, j < n_post
    inside = row[:, None] & column[None, :]
    synapses = weight + i[:, None] * weight_row + j[None, :] * weight_column
    w = tl.load(synapses, mask=inside, other=0)
    tx = tl.load(x + i, mask=row, other=0)
    ty = tl.load(y + j, mask=column, other=0)
    low, high = tl.full([1, 1], W_MIN, w.dtype), tl.full([1, 1], W_MAX, w.dtype)
    now_pre, now_post = i * pre_row, j * post_column
    for _ in range(time):
        s = tl.load(pre + now_pre, mask=row, other=0).to(w.dtype)
        z = tl.load(post + now_post, mask=column, other=0).to(w.dtype)
        tx *= DECAY_PLUS
        ty *= DECAY_MINUS
        gain = A_PLUS * (tx[:, None] * z[None, :]) * _room(w, W_MAX, 1, MU_PLUS)
        loss = A_MINUS * (s[:, None] * ty[None, :]) * _room(w, W_MIN, -1, MU_MINUS)
        w = tl.minimum(tl.maximum(w + (gain - loss), low), high)
        tx = tl.where(s != 0, 1.0, tx) if NEAREST else tx + s
        ty = tl.where(z != 0, 1.0, ty) if NEAREST else ty + z
        now_pre += pre_step
        now_post += post_step
    tl.store(synapses, w, mask=inside)
    if block % across == 0:
        tl.store(last_x + i, tx, mask=row)
    if block < across:
        tl.store(last_y + j, ty, mask=column)


@triton.jit
def _room(w, BOUND: tl.constexpr, SIDE: tl.constexpr, MU: tl.constexpr):
    """The factor of a soft bound, gap^MU; 1 for MU = 0, whatever the gap."""
    if MU == 0:
        room = tl.full(w.shape, 1, w.dtype)
    elif MU == 1:
        room = SIDE * (BOUND - w)
        room = tl.where(room > 0, room, 0.0)
    else:  # float64, for float32 may not hold the bound and a small power magnifies what is missing
        gap = (SIDE * (BOUND - w.to(tl.float64))).to(w.dtype)
        power = tl.exp2(MU * tl.log2(tl.where(gap > 0, gap, 1.0)))
        room = tl.where(gap > 0, power, 0.0)
    return room
