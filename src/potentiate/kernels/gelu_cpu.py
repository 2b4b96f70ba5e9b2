"""The loop of `potentiate.kernels.gelu` for the CPU, in float32, sixteen numbers at a time.

Source of the polynomial: Abramowitz & Stegun 7.1.26 (error 1.5e-7 of erf), as in PyTorch's own.
"""

from __future__ import annotations

from math import erf, exp, pi, sqrt

import numpy as np
import torch
from numba import njit, types
from numba.extending import intrinsic
from torch import Tensor

from potentiate.kernels.blocks import over_blocks
from potentiate.kernels.lanes import KIND, LANES, Lanes, polynomial
from potentiate.kernels.registers import I64, Loop, load, longs, pointers, store

FEW = 1 << 15
"""Numbers that a thread takes at least, a multiple of LANES."""
NEARER = 0.3275911 * sqrt(0.5)
TAIL = 0.5307027145, -0.7265760135, 0.7107068705, -0.142248368, 0.127414796, 0.0
"""Half of the source's factors: of 1 - Phi and not of 1 - erf."""
HEIGHT = 1 / sqrt(2 * pi)
f32 = np.float32


def value_and_back(x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """Return x Phi(x), and `grad` times its slope, in place; both contiguous, of one shape."""
    out = torch.empty_like(x)
    lines = tuple(each.numpy().reshape(-1) for each in (x, out, grad))
    over_blocks(lambda first, last: _both(*lines, first, last), x.numel(), FEW)
    return out, grad


@intrinsic
def _lanes(_context, x, out, grad, first, last):
    """Numbers first..last, of which there is a multiple of LANES."""
    signature = types.void(x, out, grad, first, last)

    def code(context, builder, signature, args):
        xs, outs, grads = pointers(context, builder, signature, args, 0, 1, 2)
        first, last = longs(context, builder, signature, args, 3, 4)
        with Loop(builder, first, last, I64(LANES), []) as loop:
            x, above = (Lanes(builder, load(builder, p, loop.i, KIND)) for p in (xs, grads))
            power = x * x * -0.5
            falls = power.where(
                "<", -80.0, 0.0, power.exp()
            )  # or what follows is denormal, and slow
            tail = polynomial(TAIL, 1.0 / (x.call("fabs") * NEARER + 1.0)) * falls
            share = x.where("<", 0.0, tail, 1.0 - tail)
            store(builder, (x * share).value, outs, loop.i)
            store(builder, (above * (x * falls * HEIGHT + share)).value, grads, loop.i)
        return context.get_dummy_value()

    return signature, code


@njit(cache=True, nogil=True)
def _both(x, out, grad, first, last):
    """Numbers first..last of all three, the few that fill no lanes one by one."""
    whole = last - (last - first) % LANES
    _lanes(x, out, grad, first, whole)
    for i in range(whole, last):
        share = 0.5 * (1.0 + erf(x[i] * sqrt(0.5)))
        out[i] = f32(x[i] * share)
        grad[i] *= f32(share + x[i] * exp(-0.5 * x[i] * x[i]) * HEIGHT)
