"""Surrogate derivatives of a spike: what the backward pass uses where the step has no slope.

A spike is H(u), u = v - threshold, and its derivative is replaced by a peak around u = 0 of width
about 1/alpha. The forward pass keeps the step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, pi
from typing import Any, cast

import torch
from numba import njit
from torch import Tensor

from potentiate.errors import Refused, unknown


@dataclass(frozen=True)
class Surrogate:
    """A surrogate derivative: its `formula` in u and alpha, its torch spelling and where it is from.

    `sharpness` is the alpha that is used where none is given. `code` is the number that the compiled
    kernels know it by.
    """

    code: int
    formula: str
    slope: Callable[[Tensor, float], Tensor]
    sharpness: float
    source: str


def _superspike(u: Tensor, alpha: float) -> Tensor:
    return 1 / (1 + alpha * u.abs()) ** 2


def _arctan(u: Tensor, alpha: float) -> Tensor:
    return alpha / 2 / (1 + (pi / 2 * alpha * u) ** 2)


def _triangle(u: Tensor, alpha: float) -> Tensor:
    return (1 - alpha * u.abs()).clamp(min=0)


def _sigmoid(u: Tensor, alpha: float) -> Tensor:
    sigmoid = torch.sigmoid(alpha * u)
    return alpha * sigmoid * (1 - sigmoid)


SURROGATES = {
    "superspike": Surrogate(
        0,
        "1 / (1 + alpha |u|)^2",
        _superspike,
        25.0,
        "Zenke & Ganguli 2018, doi:10.1162/neco_a_01086; alpha is snnTorch's",
    ),
    "arctan": Surrogate(
        1,
        "alpha/2 / (1 + (pi/2 alpha u)^2)",
        _arctan,
        2.0,
        "Fang et al. 2021, arXiv:2007.05785",
    ),
    "triangle": Surrogate(
        2,
        "max(0, 1 - alpha |u|)",
        _triangle,
        1.0,
        "Esser et al. 2016, doi:10.1073/pnas.1604850113",
    ),
    "sigmoid": Surrogate(
        3,
        "alpha s (1 - s), s = 1 / (1 + exp(-alpha u))",
        _sigmoid,
        4.0,
        "Zenke & Vogels 2021, doi:10.1162/neco_a_01367; alpha is SpikingJelly's, for a peak of 1",
    ),
}


def surrogate_of(name: str, sharpness: float | None = None) -> tuple[Surrogate, float]:
    """Return a surrogate by name and its alpha, the default where `sharpness` is None.

    Raises:
        Refused: There is no such surrogate, or the sharpness is not positive.
    """
    if name not in SURROGATES:
        raise unknown("surrogate", name, SURROGATES)
    found = SURROGATES[name]
    alpha = found.sharpness if sharpness is None else float(sharpness)
    if not alpha > 0:
        raise Refused(f"the sharpness of '{name}' must be above 0, got {alpha}; leave it out")
    return found, alpha


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, u: Tensor, slope: Callable[[Tensor, float], Tensor], alpha: float
    ) -> Tensor:
        ctx.save_for_backward(u)
        ctx.slope, ctx.alpha = slope, alpha
        return (u >= 0).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (u,) = ctx.saved_tensors
        return grads[0] * ctx.slope(u, ctx.alpha), None, None


def spike(u: Tensor, surrogate: str = "arctan", sharpness: float | None = None) -> Tensor:
    """Return 1 where u >= 0 and 0 elsewhere, in the dtype of `u`; the gradient is the surrogate's.

    Raises:
        Refused: See `surrogate_of`.
    """
    found, alpha = surrogate_of(surrogate, sharpness)
    return cast(Tensor, _Spike.apply(u, found.slope, alpha))


@njit(cache=True, nogil=True, error_model="numpy")
def slopes(code: int, alpha: float, u: Any, out: Any) -> None:
    """Write the surrogate derivatives at `u` to `out`, both one-dimensional; `alpha` is of their dtype.

    A loop each, so that the compiler vectorizes it; `one` and `zero` keep float32 from becoming float64.
    """
    one, zero = out.dtype.type(1), out.dtype.type(0)
    if code == 0:
        for i in range(u.size):
            x = one + alpha * abs(u[i])
            out[i] = one / (x * x)
    elif code == 1:
        scale, peak = alpha * out.dtype.type(pi / 2), alpha / out.dtype.type(2)
        for i in range(u.size):
            x = scale * u[i]
            out[i] = peak / (one + x * x)
    elif code == 2:
        for i in range(u.size):
            out[i] = max(zero, one - alpha * abs(u[i]))
    else:
        for i in range(u.size):
            x = exp(-alpha * abs(u[i]))  # of a number that is not positive: never overflows
            out[i] = alpha * x / ((one + x) * (one + x))
