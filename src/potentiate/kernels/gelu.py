"""The Gaussian error linear unit, x Phi(x), made again on the way back together with what goes back through it.

Phi(x), the share of a standard normal below x, and the slope of the unit share exp(-x^2 / 2). PyTorch makes the
value in one pass and the slope, from scratch, in another; here both come of one pass.

Cost: two reads and two writes a number. Memory: the value; the gradient is in place.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor
from torch.nn import functional as F


def gelu_and_back(x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """Return x Phi(x), and the gradient by x where that by the value is `grad`, which may be written over."""
    if all(map(_compiled, (x, grad))) and not torch.compiler.is_compiling():
        from potentiate.kernels.gelu_cpu import value_and_back

        return value_and_back(x, grad)
    return F.gelu(x), torch.ops.aten.gelu_backward(grad, x)


def gelu_and_back_reference(x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """The definition, by PyTorch's own operations."""
    share = 0.5 * (1 + torch.erf(x * 0.5**0.5))
    density = (-0.5 * x.square()).exp() / (2 * pi) ** 0.5
    return x * share, grad * (share + x * density)


def _compiled(x: Tensor) -> bool:
    """Whether x is what the compiled loops take."""
    plain = type(x) is Tensor and x.device.type == "cpu"
    return plain and x.dtype == torch.float32 and x.is_contiguous()
